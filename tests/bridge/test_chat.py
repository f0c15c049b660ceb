"""Which messages go in which session, between ports and sessions that only remember."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from dragoman import msrp
from dragoman.bridge.chat import CONFIRMED, HELD, PATIENCE, Chats, Rules
from dragoman.bridge.fence import PATIENCE as FENCE
from dragoman.bridge.message import Rules as MessageRules
from dragoman.bridge.talk import MOST_OWED, MOST_WAITING, Leg, Talk
from dragoman.bridge.to_xmpp import MOST_OF_ONE
from dragoman.bridge.ways import Policy, Ways
from dragoman.msrp import FailureReport, MessageArrived, Terms
from dragoman.sip.message import Request, response_to
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import receipts
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import BODY, IQ, MESSAGE, THREAD, error_reply, message, reply
from tests.bridge.test_message import service, tokens

ROMEO, JULIET = "romeo@xmpp.example/orchard", "juliet@sip.example"
STATES = "{http://jabber.org/protocol/chatstates}"
ALL = Terms(("text/plain", "message/cpim", "application/im-iscomposing+xml"), ("*",))


@dataclass(eq=False)
class Handle:
    """What stands for a message that was sent."""

    tag: Any
    size: int
    message_id: str


@dataclass(eq=False)
class Wire:
    """A session of MSRP that only remembers."""

    tag: Leg | None = None
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    handles: list[Handle] = field(default_factory=list)
    reports: list[tuple[str, int]] = field(default_factory=list)
    wanted: list[tuple[bool, FailureReport]] = field(default_factory=list)
    paused: bool = False
    closed: bool = False
    refuses: Exception | None = None
    hears: bool = True

    def send(self, content_type: str, body: bytes, now: float, **more: Any) -> Handle:
        if self.refuses is not None:
            raise self.refuses
        self.sent.append((content_type, body))
        self.wanted.append((more["success_report"], more["failure_report"]))
        name = more["message_id"] or f"id{len(self.sent)}"
        self.handles.append(Handle(more["tag"], len(body), name))
        return self.handles[-1]

    def report(self, message_id: str, now: float, *, status: int = 200) -> bool:
        self.reports.append((message_id, status))
        return self.hears

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self, now: float) -> None:
        self.closed = True


@dataclass
class Doors:
    """What opens sessions, and only remembers that it was asked to."""

    begun: list[Talk] = field(default_factory=list)
    given_up: list[Talk] = field(default_factory=list)
    ended: list[Leg] = field(default_factory=list)
    renewed: list[Leg] = field(default_factory=list)
    renews: bool = False

    def begin(self, talk: Talk, now: float) -> None:
        talk.asking = True
        self.begun.append(talk)

    def give_up(self, talk: Talk, now: float) -> None:
        talk.asking = False
        self.given_up.append(talk)

    def end(self, leg: Leg, now: float) -> None:
        self.ended.append(leg)

    def renew(self, leg: Leg, now: float) -> bool:
        self.renewed.append(leg)
        return self.renews


class World:
    """The service, with all that it asks of others."""

    def __init__(
        self,
        policy: Policy = Policy.FIRST,
        rules: Rules | None = None,
        messages: MessageRules | None = None,
    ) -> None:
        self.messages, self.ports = service(messages)
        self.ways = Ways(policy)
        self.doors = Doors()
        self.chats = Chats(
            self.messages, self.ports, self.ways, tokens(), lambda: 0.0, rules or Rules()
        )
        self.chats.openings = self.doors
        self.messages.sessions = self.chats

    def says(self, text: str, *more: Element, name: str = "m1", kind: str = "chat") -> None:
        """Have Romeo write."""
        children = [Element(BODY, None, (text,)), *more]
        self.messages.on_stanza(message(JULIET, ROMEO, id=name, type=kind, children=children), 0.0)

    def open(self, terms: Terms = ALL, *, now: float = 0.0) -> tuple[Leg, Wire]:
        """Have a session come up, that was asked for or not."""
        talk = self.chats.talk(("romeo@xmpp.example", JULIET))
        talk.asking = False
        wire = Wire()
        leg = Leg(
            talk,
            "dialog",
            cast("msrp.Session", wire),
            Jid.parse(ROMEO),
            Jid.parse(f"{JULIET}/balcony"),
            Uri.parse(f"sip:{JULIET};gr=balcony"),
            Uri.parse("sip:romeo@xmpp.example"),
            "call-1",
        )
        wire.tag, leg.terms = leg, terms
        self.chats.opened(leg, now)
        return leg, wire

    def arrives(self, wire: Wire, text: str, *, name: str = "i1", **more: Any) -> None:
        """Have Juliet write in a session."""
        media = more.pop("media", "text/plain")
        body = text.encode()
        session = cast("msrp.Session", wire)
        event = MessageArrived(session, name, "t1", media, body, len(body), **more)
        self.happens(event)

    def happens(self, *events: Any, now: float = 0.0) -> None:
        for event in events:
            self.chats.on_event(event, now)
        self.chats.settle(now)

    def errors(self) -> list[str | None]:
        """Return the conditions of the errors that Romeo got, in order."""
        found = [each for each in self.ports.of(MESSAGE) if each.get("type") == "error"]
        return [StanzaError.parse(each).condition.value for each in found]

    def took(self) -> None:
        """Have Romeo's server take all that was sent."""
        pings = iter(range(10_000))
        while (number := next(pings)) < len(self.ports.of(IQ)):
            ping = self.ports.of(IQ)[number]
            self.messages.on_answer(reply(ping), "sip.example", "xmpp.example")

    def texts(self) -> list[str]:
        bodies = (each.find(BODY) for each in self.ports.of(MESSAGE))
        return [each.text for each in bodies if each is not None]


def sent(handle: Handle) -> msrp.Sent:
    return msrp.Sent(cast("msrp.Outgoing", handle))


def failed(handle: Handle, status: int | None) -> msrp.Failed:
    return msrp.Failed(cast("msrp.Outgoing", handle), status, "")


def gone(kind: str = "chat") -> Element:
    return message(JULIET, ROMEO, id="g", type=kind, children=[Element(f"{STATES}gone")])


# -- when a session begins ----------------------------------------------------------------


def test_by_default_a_message_is_a_message() -> None:
    world = World(Policy.AUTO)
    world.says("hi")
    assert len(world.ports.requests) == 1
    assert not world.doors.begun


@pytest.mark.spec("MSRP-05")
def test_what_comes_while_calling_waits_in_order_and_goes_once() -> None:
    world = World()
    for number in range(3):
        world.says(f"{number}", name=f"m{number}")
    assert len(world.doors.begun) == 1
    assert not world.ports.requests
    _, wire = world.open()
    assert [body for _, body in wire.sent] == [b"0", b"1", b"2"]
    world.says("3", name="m3")
    assert [body for _, body in wire.sent] == [b"0", b"1", b"2", b"3"]
    assert len(world.doors.begun) == 1


def test_no_more_than_fifty_wait() -> None:
    world = World()
    for number in range(MOST_WAITING + 1):
        world.says("hi", name=f"m{number}")
    assert world.errors() == ["resource-constraint"]
    assert world.chats.under_way("xmpp.example") == MOST_WAITING


def test_who_took_a_session_gets_one_again() -> None:
    world = World(Policy.AUTO)
    leg, _ = world.open()
    world.chats.ended(leg, 0.0)
    world.says("hi")
    assert len(world.doors.begun) == 1


def test_a_headline_is_of_no_session() -> None:
    world = World()
    world.open()
    world.says("news", kind="headline")
    assert len(world.ports.requests) == 1


def test_a_message_that_is_too_long_begins_a_session() -> None:
    world = World(Policy.AUTO)
    world.says("x" * 2000)
    assert not world.ports.requests
    _, wire = world.open()
    assert wire.sent == [("text/plain;charset=UTF-8", b"x" * 2000)]


def test_a_long_message_is_cut_where_no_session_is_to_be() -> None:
    world = World(Policy.NEVER)
    world.says("x" * 2000)
    assert not world.doors.begun
    assert len(world.ports.requests) == 1


def answer(world: World, status: int, number: int = -1) -> None:
    request, handle = world.ports.requests[number]
    request = Request(
        request.method, request.target, [("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"), *request.headers]
    )
    world.messages.on_response(handle, response_to(request, status), 0.0)


@pytest.mark.parametrize("status", [405, 415])
def test_a_message_that_is_refused_for_what_it_is_begins_a_session(status: int) -> None:
    world = World(Policy.AUTO)
    world.says("hi")
    while not world.doors.begun and world.ports.requests:
        answer(world, status)
        if len(world.ports.requests) > 3:
            break
    assert len(world.doors.begun) == 1
    assert not world.errors()
    _, wire = world.open()
    assert [body for _, body in wire.sent] == [b"hi"]


def test_a_message_that_is_refused_for_another_reason_is_refused() -> None:
    world = World(Policy.AUTO)
    world.says("hi")
    answer(world, 486)
    assert world.errors() == ["recipient-unavailable"]
    assert not world.doors.begun


def test_nothing_overtakes_what_goes_by_message() -> None:
    world = World(Policy.AUTO)
    world.says("first")
    _, wire = world.open()
    world.says("second", name="m2")
    assert not wire.sent
    answer(world, 200)
    assert [body for _, body in wire.sent] == [b"second"]


# -- when there is none after all -----------------------------------------------------------


@pytest.mark.spec("MSRP-06")
def test_a_session_that_is_refused_leaves_messages_and_is_not_asked_for_again() -> None:
    world = World()
    world.says("one", name="m1")
    world.says("two", name="m2")
    talk = world.doors.begun[0]
    talk.asking = False
    world.chats.refused(talk, StanzaError(Condition.NOT_ACCEPTABLE), page=True, now=0.0)
    assert [each.body for each, _ in world.ports.requests] == [b"one"]
    answer(world, 200)
    assert [each.body for each, _ in world.ports.requests] == [b"one", b"two"]
    answer(world, 200)
    world.says("three", name="m3")
    assert [each.body for each, _ in world.ports.requests] == [b"one", b"two", b"three"]
    assert len(world.doors.begun) == 1
    assert not world.errors()


@pytest.mark.spec("MSRP-06")
def test_who_is_not_there_is_told_of_once_for_each_message() -> None:
    world = World()
    world.says("one", name="m1")
    world.says("two", name="m2")
    talk = world.doors.begun[0]
    talk.asking = False
    error = StanzaError(Condition.RECIPIENT_UNAVAILABLE)
    world.chats.refused(talk, error, page=False, now=0.0)
    assert world.errors() == ["recipient-unavailable"] * 2
    assert not world.ports.requests
    assert world.chats.describe() == {"talks": 0, "sessions": 0, "waiting": 0}


def test_a_session_that_nobody_answers_is_given_up() -> None:
    world = World()
    world.says("one")
    assert world.chats.next_timer() == PATIENCE
    world.chats.on_timer(PATIENCE)
    assert len(world.doors.given_up) == 1
    assert world.errors() == ["remote-server-timeout"]
    assert world.chats.next_timer() is None


@pytest.mark.spec("MSRP-07")
def test_who_leaves_while_calling_gives_it_up() -> None:
    world = World()
    world.says("one")
    world.messages.on_stanza(gone(), 0.0)
    assert len(world.doors.given_up) == 1
    assert world.errors() == ["remote-server-timeout"]


# -- what goes in a session -----------------------------------------------------------------


@pytest.mark.spec("MSRP-23")
def test_what_the_far_end_does_not_list_is_an_error() -> None:
    world = World()
    world.open(Terms(("application/im-iscomposing+xml",)))
    world.says("hi")
    assert world.errors() == ["not-acceptable"]


def test_what_is_too_long_for_the_far_end_is_an_error() -> None:
    world = World()
    _, wire = world.open()
    wire.refuses = msrp.TooLarge("too large")
    world.says("hi")
    assert world.errors() == ["policy-violation"]


@pytest.mark.spec("MSRP-38")
def test_what_no_direction_lets_go_waits_a_minute() -> None:
    world = World()
    leg, wire = world.open()
    wire.refuses = msrp.DirectionForbids("held")
    world.says("one")
    assert not world.errors()
    wire.refuses = None
    world.chats.opened(leg, 30.0)
    assert [body for _, body in wire.sent] == [b"one"]
    wire.refuses = msrp.DirectionForbids("held")
    world.says("two", name="m2")
    world.chats.on_timer(PATIENCE)
    assert world.errors() == ["remote-server-timeout"]


@pytest.mark.spec("MSRP-10")
def test_failure_report_is_left_out_but_to_the_letter() -> None:
    for strict, report in ((False, FailureReport.YES), (True, FailureReport.NO)):
        world = World(rules=Rules(strict=strict))
        _, wire = world.open()
        world.says("hi")
        assert wire.wanted == [(False, report)]


@pytest.mark.spec("MSRP-09")
def test_a_receipt_is_a_success_report() -> None:
    world = World()
    _, wire = world.open()
    world.says("hi", receipts.request())
    assert wire.wanted == [(True, FailureReport.YES)]
    handle = wire.handles[0]
    world.happens(sent(handle))
    assert not world.ports.of(MESSAGE)
    world.happens(msrp.Delivered(cast("msrp.Outgoing", handle)))
    world.happens(msrp.Delivered(cast("msrp.Outgoing", handle)))
    (told,) = world.ports.of(MESSAGE)
    assert receipts.received(told) == "m1"
    assert (told.get("from"), told.get("to")) == (JULIET, ROMEO)


@pytest.mark.parametrize(
    ("status", "condition"),
    [(400, "bad-request"), (408, "remote-server-timeout"), (413, "policy-violation")],
)
def test_a_message_that_fails_comes_back(status: int, condition: str) -> None:
    world = World()
    _, wire = world.open()
    world.says("hi")
    world.happens(failed(wire.handles[0], status))
    assert world.errors() == [condition]


@pytest.mark.spec("MSRP-33")
def test_what_a_session_could_not_confirm_goes_first_in_the_next() -> None:
    world = World()
    leg, wire = world.open()
    for number in range(3):
        world.says(f"{number}", name=f"m{number}")
    world.happens(sent(wire.handles[0]))
    ids = [each.message_id for each in wire.handles]
    world.happens(
        failed(wire.handles[1], None),
        failed(wire.handles[2], None),
        msrp.SessionFailed(cast("msrp.Session", wire), msrp.Why.LOST),
    )
    assert world.doors.renewed == world.doors.ended == [leg]
    assert len(world.doors.begun) == 1
    world.says("3", name="m3")
    _, second = world.open()
    assert [body for _, body in second.sent] == [b"1", b"2", b"3"]
    assert [each.message_id for each in second.handles] == [*ids[1:], "id3"]
    assert not world.errors()


@pytest.mark.spec("MSRP-33")
def test_a_lost_connection_gets_another_path_once() -> None:
    world = World()
    world.doors.renews = True
    leg, wire = world.open()
    world.says("hi")
    lost = msrp.SessionFailed(cast("msrp.Session", wire), msrp.Why.LOST)
    world.happens(failed(wire.handles[0], None), lost)
    assert (world.doors.renewed, world.doors.ended) == ([leg], [])
    assert not world.doors.begun
    leg.terms = ALL
    world.chats.opened(leg, 1.0)
    assert [body for _, body in wire.sent] == [b"hi", b"hi"]
    world.happens(lost)
    assert (world.doors.renewed, world.doors.ended) == ([leg], [leg])


def test_what_fails_again_and_again_comes_back() -> None:
    world = World()
    _, wire = world.open()
    world.says("hi")
    for _ in range(5):
        if not wire.handles:
            break
        lost = msrp.SessionFailed(cast("msrp.Session", wire), msrp.Why.REFUSED)
        world.happens(failed(wire.handles[0], None), lost)
        if world.errors():
            break
        _, wire = world.open()
    assert world.errors() == ["item-not-found"]


# -- what comes in a session ----------------------------------------------------------------


@pytest.mark.spec("MSRP-04")
@pytest.mark.spec("MSRP-03")
def test_what_the_sip_user_says_is_a_chat_in_the_thread_of_the_session() -> None:
    world = World(messages=MessageRules(chat=False))
    _, wire = world.open()
    world.arrives(wire, "Neither, fair saint")
    (stanza,) = world.ports.of(MESSAGE)
    assert (stanza.get("type"), stanza.get("id")) == ("chat", "i1")
    assert (stanza.get("from"), stanza.get("to")) == (f"{JULIET}/balcony", ROMEO)
    thread = stanza.find(THREAD)
    assert thread is not None
    assert thread.text == "call-1"


@pytest.mark.spec("MSRP-09")
def test_a_success_report_waits_for_the_receipt() -> None:
    world = World()
    _, wire = world.open()
    world.arrives(wire, "hi", success_report=True)
    (stanza,) = world.ports.of(MESSAGE)
    assert receipts.is_request(stanza)
    world.took()
    assert not wire.reports
    got = message(JULIET, ROMEO, id="r", children=[receipts.receipt("i1")])
    world.messages.on_stanza(got, 0.0)
    world.messages.on_stanza(got, 0.0)
    assert wire.reports == [("i1", 200)]


def test_a_success_report_is_not_waited_for_for_ever() -> None:
    world = World()
    _, wire = world.open()
    world.arrives(wire, "hi", success_report=True)
    world.chats.on_timer(CONFIRMED)
    assert not wire.reports
    world.took()
    world.chats.on_timer(CONFIRMED)
    world.chats.on_timer(2 * CONFIRMED)
    assert wire.reports == [("i1", 200)]


def test_no_more_receipts_are_waited_for_than_the_bound() -> None:
    world = World()
    leg, wire = world.open()
    for number in range(MOST_OWED + 1):
        world.arrives(wire, "hi", name=f"i{number}", success_report=True)
    assert len(leg.owed) == MOST_OWED
    assert wire.reports == [("i0", 200)]


@pytest.mark.spec("MSRP-37")
def test_a_stanza_error_is_a_failure_report() -> None:
    world = World()
    _, wire = world.open()
    world.arrives(wire, "hi")
    (stanza,) = world.ports.of(MESSAGE)
    bounce = error_reply(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
    assert bounce is not None
    world.messages.on_stanza(bounce, 0.0)
    assert wire.reports == [("i1", 403)]


@pytest.mark.spec("MSRP-37")
def test_a_stanza_error_is_none_where_none_is_wanted() -> None:
    world = World()
    _, wire = world.open()
    world.arrives(wire, "hi", failure_report=FailureReport.NO)
    (stanza,) = world.ports.of(MESSAGE)
    bounce = error_reply(stanza, StanzaError(Condition.SERVICE_UNAVAILABLE))
    assert bounce is not None
    world.messages.on_stanza(bounce, 0.0)
    assert not wire.reports
    assert not world.ports.requests


def test_who_left_already_hears_by_message_that_his_was_not_delivered() -> None:
    world = World()
    leg, wire = world.open()
    world.arrives(wire, "hi")
    wire.hears = False
    world.chats.ended(leg, 0.0)
    world.messages.on_timer(FENCE)
    (notice,) = (each for each, _ in world.ports.requests)
    assert notice.body == b"[not delivered, the server did not answer]: hi"


def test_a_type_that_we_do_not_take_is_a_failure_report() -> None:
    world = World()
    _, wire = world.open()
    world.arrives(wire, "hi", media="image/png", success_report=True)
    assert wire.reports == [("i1", 415)]


def test_a_slow_xmpp_side_stops_the_reading() -> None:
    world = World()
    _, wire = world.open()
    for number in range(MOST_OF_ONE + 3):
        world.arrives(wire, f"{number}", name=f"i{number}")
    assert wire.paused
    assert len(world.texts()) == MOST_OF_ONE
    world.chats.on_timer(HELD)
    assert wire.paused
    world.took()
    world.chats.on_timer(2 * HELD)
    assert not wire.paused
    assert world.texts() == [f"{number}" for number in range(MOST_OF_ONE + 3)]
    assert not wire.reports


# -- how it ends ----------------------------------------------------------------------------


@pytest.mark.spec("MSRP-07")
def test_gone_ends_the_session() -> None:
    world = World()
    leg, wire = world.open()
    world.messages.on_stanza(gone(), 0.0)
    assert world.doors.ended == [leg]
    assert wire.closed
    assert not world.ports.of(MESSAGE)


@pytest.mark.spec("MSRP-07")
def test_who_hangs_up_is_gone() -> None:
    world = World()
    leg, wire = world.open()
    world.arrives(wire, "hi")
    world.chats.ended(leg, 0.0)
    stanza = world.ports.of(MESSAGE)[-1]
    assert stanza.find(f"{STATES}gone") is not None
    thread = stanza.find(THREAD)
    assert thread is not None
    assert thread.text == "call-1"
    assert (stanza.get("to"), stanza.get("type")) == (ROMEO, "chat")


@pytest.mark.spec("MSRP-08")
def test_a_session_in_which_nothing_is_said_ends() -> None:
    world = World(rules=Rules(idle=600))
    leg, wire = world.open()
    world.arrives(wire, "hi")
    world.chats.on_timer(599.0)
    assert not world.doors.ended
    assert world.chats.next_timer() == 600.0
    world.chats.on_timer(600.0)
    assert world.doors.ended == [leg]
    assert wire.closed
    assert world.ports.of(MESSAGE)[-1].find(f"{STATES}gone") is not None


def test_a_message_puts_off_the_end() -> None:
    world = World(rules=Rules(idle=600))
    _, wire = world.open()
    body = b"hi"
    event = MessageArrived(cast("msrp.Session", wire), "i1", "t1", "text/plain", body, 2)
    world.happens(event, now=500.0)
    world.chats.on_timer(700.0)
    assert not world.doors.ended


def test_a_resource_that_left_unlocks_the_session() -> None:
    world = World()
    leg, wire = world.open()
    world.chats.unavailable(Jid.parse("romeo@xmpp.example/cellar"), Jid.parse(JULIET))
    assert str(leg.local) == ROMEO
    world.chats.unavailable(Jid.parse(ROMEO), Jid.parse(JULIET))
    world.arrives(wire, "hi")
    assert world.ports.of(MESSAGE)[-1].get("to") == "romeo@xmpp.example"


def test_a_message_goes_to_the_device_that_spoke_last() -> None:
    world = World()
    _, first = world.open()
    _, second = world.open()
    world.says("one")
    assert [body for _, body in second.sent] == [b"one"]
    world.arrives(first, "here")
    world.says("two", name="m2")
    assert [body for _, body in first.sent] == [b"two"]


def test_the_last_words_of_a_gateway_that_stops() -> None:
    world = World()
    leg, wire = world.open()
    wire.refuses = msrp.Full("full")
    world.says("one")
    world.chats.give_up(0.0)
    assert world.doors.ended == [leg]
    assert wire.closed
    assert world.errors() == ["remote-server-timeout"]


def test_a_session_in_which_nothing_was_said_ends_without_a_word() -> None:
    world = World()
    leg, _ = world.open()
    world.chats.ended(leg, 0.0)
    assert not world.ports.of(MESSAGE)


def test_a_full_session_is_filled_up_as_it_empties() -> None:
    world = World()
    _, wire = world.open()
    world.says("one")
    wire.refuses = msrp.Full("full")
    world.says("two", name="m2")
    wire.refuses = None
    world.happens(sent(wire.handles[0]))
    assert [body for _, body in wire.sent] == [b"one", b"two"]


def test_what_comes_goes_to_the_resource_that_wrote_last() -> None:
    world = World()
    _, wire = world.open()
    cellar = "romeo@xmpp.example/cellar"
    body = Element(BODY, None, ("hi",))
    world.messages.on_stanza(message(JULIET, cellar, id="m1", children=[body]), 0.0)
    world.arrives(wire, "ho")
    assert world.ports.of(MESSAGE)[-1].get("to") == cellar


def test_a_gateway_that_stops_begins_nothing_anew() -> None:
    world = World()
    _, wire = world.open()
    world.says("one")
    assert not world.chats.quiet
    world.chats.give_up(0.0)
    world.happens(failed(wire.handles[0], None))
    assert world.errors() == ["item-not-found"]
    assert not world.doors.begun
    assert world.chats.quiet
