"""That somebody is writing, between the ports (RFC 3994, XEP-0085, RFC 7573 §6)."""

import pytest

from dragoman.bridge.message import Messages, Rules
from dragoman.mapping.composing import MEDIA_TYPE, Composer, IsComposing
from dragoman.mapping.failure import Unreached
from dragoman.sip.message import Request
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import chatstates
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.stanza import BODY, MESSAGE, THREAD, message
from tests.bridge.test_message import ALICE, CAROL, Ports, answer_ping, final, service
from tests.bridge.test_receipts import arrives

BALCONY = f"{ALICE}/balcony"
ACTIVE = IsComposing(Composer.ACTIVE).encode().decode()
IDLE = IsComposing(Composer.IDLE).encode().decode()


def states(ports: Ports) -> list[State]:
    """Return the chat states that alice was told in stanzas of their own."""
    alone = [each for each in ports.of(MESSAGE) if each.find(BODY) is None]
    return [state for each in alone if (state := chatstates.state_of(each)) is not None]


def documents(ports: Ports) -> list[Request]:
    return [each for each, _ in ports.requests if each.get("Content-Type") == MEDIA_TYPE]


def told(ports: Ports) -> list[Composer]:
    return [IsComposing.parse(each.body).state for each in documents(ports)]


def tells(state: State, *children: Element, type_: str = "chat") -> Element:
    """Return what alice's client sends when she begins or stops to write."""
    children = (chatstates.element(state), *children)
    return message(CAROL, BALCONY, id="s1", type=type_, children=children)


def writes(found: Messages, ports: Ports, *children: Element, status: int = 200) -> None:
    """Have a message of alice's cross and be answered."""
    body = Element(BODY, None, ("hello",))
    children = (body, chatstates.element(State.ACTIVE), *children)
    found.on_stanza(message(CAROL, BALCONY, id="m1", type="chat", children=children), 0.0)
    request, handle = ports.requests[-1]
    found.on_response(handle, final(request, status), 0.0)


def talking(rules: Rules | None = None) -> tuple[Messages, Ports]:
    """Return a service over which carol and alice have exchanged a message each."""
    found, ports = service(rules)
    arrives(found, "hello", "first", media="text/plain")
    answer_ping(found, ports)
    writes(found, ports)
    return found, ports


@pytest.mark.spec("IM-18")
def test_a_sip_user_who_writes_is_seen_writing() -> None:
    found, ports = talking()
    transaction = arrives(found, ACTIVE, media=MEDIA_TYPE)
    assert ports.answers()[-1] == (transaction, 200), "answered at once"
    stanza = ports.stanzas[-1]
    assert chatstates.state_of(stanza) is State.COMPOSING
    assert (stanza.get("from"), stanza.get("to"), stanza.get("type")) == (CAROL, ALICE, "chat")
    arrives(found, IDLE, "2", media=MEDIA_TYPE)
    assert states(ports) == [State.COMPOSING, State.ACTIVE]


@pytest.mark.spec("IM-18")
@pytest.mark.parametrize("deflated", [False, True])
def test_a_status_message_may_come_wrapped(*, deflated: bool) -> None:
    found, ports = talking()
    head = f"From: <sip:{CAROL}>\r\nTo: <sip:{ALICE}>\r\n\r\nContent-Type: {MEDIA_TYPE}\r\n\r\n"
    arrives(found, head + ACTIVE, deflated=deflated)
    assert states(ports) == [State.COMPOSING]


def test_an_operator_chooses_what_idle_is() -> None:
    found, ports = talking(Rules(idle_as=State.PAUSED))
    arrives(found, ACTIVE, media=MEDIA_TYPE)
    arrives(found, IDLE, "2", media=MEDIA_TYPE)
    assert states(ports) == [State.COMPOSING, State.PAUSED]


@pytest.mark.spec("IM-20")
def test_a_sip_user_who_says_no_more_has_paused_after_120_seconds() -> None:
    found, ports = talking()
    arrives(found, ACTIVE, media=MEDIA_TYPE)
    assert found.next_timer() == 120.0
    found.on_timer(120.0)
    assert states(ports) == [State.COMPOSING, State.PAUSED]


@pytest.mark.spec("IM-18")
def test_the_message_that_was_written_ends_the_writing() -> None:
    found, ports = talking()
    arrives(found, ACTIVE, media=MEDIA_TYPE)
    arrives(found, "hello", "2", media="text/plain")
    answer_ping(found, ports)
    found.on_timer(1000.0)
    assert states(ports) == [State.COMPOSING]


def test_a_document_that_is_none_is_400() -> None:
    found, ports = talking()
    transaction = arrives(found, "<isComposing", media=MEDIA_TYPE)
    assert ports.answers()[-1] == (transaction, 400)


def test_a_status_is_in_the_thread_of_what_was_said() -> None:
    found, ports = talking()
    arrives(found, ACTIVE, "first", media=MEDIA_TYPE)  # the Call-ID of the first message
    thread = ports.stanzas[-1].find(THREAD)
    assert thread is not None
    assert thread.text == "cfirst"
    arrives(found, IDLE, "other", media=MEDIA_TYPE)
    arrives(found, ACTIVE, "another", media=MEDIA_TYPE)
    assert ports.stanzas[-1].find(THREAD) is None, "a Call-ID of its own is of no conversation"


@pytest.mark.spec("IM-18")
def test_an_xmpp_user_who_writes_is_seen_writing() -> None:
    found, ports = talking()
    found.on_stanza(tells(State.COMPOSING), 1.0)
    request = documents(ports)[-1]
    assert IsComposing.parse(request.body) == IsComposing(Composer.ACTIVE, 60, "text/plain")
    assert request.uri.user == "carol"
    assert request.from_.uri.param("gr") == "balcony"
    assert request.get("Contact") is None
    found.on_response(ports.requests[-1][1], final(request, 200), 1.0)
    found.on_stanza(tells(State.PAUSED), 2.0)
    assert told(ports) == [Composer.ACTIVE], "one in an interval (RFC 3994 §3.2)"
    found.on_timer(61.0)
    assert told(ports) == [Composer.ACTIVE, Composer.IDLE]


@pytest.mark.parametrize("type_", ["headline", "groupchat", "error"])
def test_what_is_no_conversation_of_two_is_no_writing(type_: str) -> None:
    found, ports = talking()
    found.on_stanza(tells(State.COMPOSING, type_=type_), 1.0)
    assert told(ports) == []


def test_a_state_that_was_kept_for_its_receiver_is_over() -> None:
    found, ports = talking()
    delayed = Element("{urn:xmpp:delay}delay", {"stamp": "2026-11-26T10:00:00Z"})
    found.on_stanza(tells(State.COMPOSING, delayed), 1.0)
    assert told(ports) == []


def test_a_message_waits_for_a_status_before_it_as_for_any_other() -> None:
    """RFC 3428 §8 knows no exception."""
    found, ports = talking()
    found.on_stanza(tells(State.COMPOSING), 1.0)
    status, handle = ports.requests[-1]
    body = Element(BODY, None, ("and now",))
    found.on_stanza(message(CAROL, BALCONY, id="m2", type="chat", children=[body]), 2.0)
    assert ports.requests[-1][0] is status
    found.on_response(handle, final(status, 200), 2.1)
    assert ports.requests[-1][0].body == b"and now"


@pytest.mark.spec("IM-19")
def test_a_phone_that_refuses_a_status_message_gets_no_other() -> None:
    found, ports = talking()
    found.on_stanza(tells(State.COMPOSING), 1.0)
    request, handle = ports.requests[-1]
    before = len(ports.stanzas)
    found.on_response(handle, final(request, 415), 1.0)
    assert len(ports.stanzas) == before, "nobody is told of it"
    writes(found, ports)
    found.on_stanza(tells(State.COMPOSING), 200.0)
    found.on_timer(300.0)
    assert told(ports) == [Composer.ACTIVE]


def test_a_status_message_that_does_not_arrive_is_nobodys_trouble() -> None:
    found, ports = talking()
    found.on_stanza(tells(State.COMPOSING), 1.0)
    before = len(ports.stanzas)
    found.on_failure(ports.requests[-1][1], Unreached.TIMEOUT, 2.0)
    assert len(ports.stanzas) == before
    assert found.idle


def test_nobody_is_told_before_anything_was_said() -> None:
    found, ports = service()
    found.on_stanza(tells(State.COMPOSING), 1.0)
    arrives(found, ACTIVE, media=MEDIA_TYPE)
    assert (told(ports), states(ports)) == ([], [])


def test_who_took_a_message_is_told_though_he_wrote_none() -> None:
    found, ports = service()
    writes(found, ports)
    found.on_stanza(tells(State.COMPOSING), 1.0)
    assert told(ports) == [Composer.ACTIVE]


def test_nobody_is_told_by_a_message_that_was_refused() -> None:
    found, ports = service()
    writes(found, ports, status=603)
    found.on_stanza(tells(State.COMPOSING), 1.0)
    assert told(ports) == []
