"""XEP-0114 §3 as a conversation."""

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp.component import ComponentStream, State
from dragoman.xmpp.failure import StreamCondition
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Ended, Policy, Ready, Refused, StanzaArrived
from tests.xmpp.wire import END, ERRORS_NS, STREAM_NS, error, feed, of_type, sent

NAME = "plays.shakespeare.lit"
HEADER = (
    f"<?xml version='1.0'?><stream:stream xmlns:stream='{STREAM_NS}'"
    f" xmlns='jabber:component:accept' from='{NAME}' id='3BF96D32'>"
)
# The standard's own example: its secret is not told there, but is known to be "test".
HANDSHAKE = "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>"
MESSAGE = f"<message from='romeo@montague.lit/orchard' to='macbeth@{NAME}'/>"


def stream(secret: bytes = b"test") -> ComponentStream:
    core = ComponentStream(NAME, secret, policy=Policy())
    core.connected(0.0)
    assert sent(core) == (
        f"<?xml version='1.0'?><stream:stream to='{NAME}' xmlns='jabber:component:accept'"
        f" xmlns:stream='{STREAM_NS}'>"
    )
    return core


def ready() -> ComponentStream:
    core = stream()
    feed(core, HEADER + "<handshake/>")
    assert core.events() == [Ready()]
    return core


@pytest.mark.spec("NET-17")
@pytest.mark.parametrize("bytewise", [False, True])
def test_the_handshake_of_the_standard(bytewise: bool) -> None:
    core = stream()
    assert feed(core, HEADER, bytewise=bytewise) == HANDSHAKE
    assert not core.ready
    assert feed(core, "<handshake/>", bytewise=bytewise) == ""
    assert core.events() == [Ready()]
    assert core.ready


@pytest.mark.spec("NET-17")
@pytest.mark.parametrize(
    ("before", "condition"),
    [
        ("", StreamCondition.NOT_AUTHORIZED),
        ("", StreamCondition.CONFLICT),
        ("", StreamCondition.HOST_UNKNOWN),
    ],
)
def test_a_server_that_refuses(before: str, condition: StreamCondition) -> None:
    core = stream(b"wrong")
    told = f"<stream:error><{condition} xmlns='{ERRORS_NS}'/></stream:error>{END}"
    feed(core, HEADER + before + told)
    events = core.events()
    assert [type(event) for event in events] == [Refused, Ended]
    assert isinstance(events[0], Refused)
    assert events[0].error.condition is condition


def test_stanzas_both_ways_in_the_namespace_of_components() -> None:
    core = ready()
    feed(core, MESSAGE + f"<iq type='get' id='1' from='montague.lit' to='{NAME}'/>")
    arrived = of_type(core, StanzaArrived)
    assert arrived[0] == StanzaArrived(
        message(f"macbeth@{NAME}", "romeo@montague.lit/orchard"), NAME, "montague.lit"
    )
    assert arrived[1].remote == "montague.lit"
    core.send(message("romeo@montague.lit", f"macbeth@{NAME}"), 0.0)
    assert sent(core) == f"<message from='macbeth@{NAME}' to='romeo@montague.lit'/>"


def test_a_sender_whose_address_is_strange() -> None:
    core = ready()
    feed(core, f"<message from='a@b@c/d' to='{NAME}'/>")
    assert [event.remote for event in of_type(core, StanzaArrived)] == ["c"]


def test_nothing_before_the_handshake() -> None:
    core = stream()
    assert error(StreamCondition.NOT_AUTHORIZED) in feed(core, HEADER + MESSAGE)
    assert [type(event) for event in core.events()] == [Refused]
    with pytest.raises(LocalError):
        core.send(message("romeo@montague.lit", f"macbeth@{NAME}"), 0.0)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("<handshake/>", StreamCondition.UNSUPPORTED_STANZA_TYPE),
        ("<a xmlns='urn:x'/>", StreamCondition.UNSUPPORTED_STANZA_TYPE),
        (f"<message to='{NAME}'/>", StreamCondition.IMPROPER_ADDRESSING),
        ("<message from='a.example'/>", StreamCondition.IMPROPER_ADDRESSING),
    ],
)
def test_what_ends_a_connection(text: str, condition: StreamCondition) -> None:
    core = ready()
    assert feed(core, text).startswith(error(condition))
    assert of_type(core, Refused) == []


def test_a_server_of_another_kind() -> None:
    core = stream()
    answered = feed(core, HEADER.replace("component:accept", "server"))
    assert error(StreamCondition.INVALID_NAMESPACE) in answered


@pytest.mark.spec("NET-15")
def test_time_outs() -> None:
    core = stream()
    core.on_timer(30.0)
    assert error(StreamCondition.CONNECTION_TIMEOUT) in sent(core)
    assert len(of_type(core, Refused)) == 1
    core = ready()
    core.on_timer(60.0)
    assert sent(core) == " "
    core.send(message("romeo@montague.lit", f"macbeth@{NAME}"), 0.0)
    sent(core)
    core.on_timer(120.0)
    assert sent(core) == ""
    assert core.next_timer() == 180.0


@pytest.mark.parametrize("state", State)
def test_every_state_survives_the_loss_of_the_connection(state: State) -> None:
    core = stream() if state is not State.READY else ready()
    if state is State.HANDSHAKE:
        feed(core, HEADER)
    core.closed(1.0)
    refusals = [type(event) for event in core.events()]
    assert refusals == ([Ended] if state is State.READY else [Refused, Ended])
