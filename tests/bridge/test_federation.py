"""Federation: which stream carries what, and what waits, with real stream cores and no network."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from dragoman.bridge.directory import Standing
from dragoman.bridge.faults import BUG
from dragoman.bridge.federation import MOST_LINKS, PAUSE, Federation, Link, OurStream
from dragoman.bridge.fence import Pair
from dragoman.bridge.outbox import CAPACITY, PATIENCE
from dragoman.records import Tlsa
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.dane import Associations
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.locate import Target
from dragoman.xmpp.s2s_in import IncomingStream, VerifyWanted
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Ended, Event, Policy, StanzaArrived
from tests.xmpp.wire import NOBODY

US, THEM = "sip.example", "xmpp.example"
FIRST = Target("192.0.2.20", 5269, False, THEM)
DIRECT = Target("192.0.2.22", 5270, True, THEM)
SECOND = Target("192.0.2.21", 5269, False, THEM)
POLICY = Policy(require_encryption=False)
FEATURES = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" xmlns:db='jabber:server:dialback' id='1' version='1.0'>"
    b"<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"
)
VALID = f"<db:result from='{THEM}' to='{US}' type='valid'/>".encode()
UNKNOWN = (
    b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"
)
GONE = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)


class Line:
    """A connection that notes whether it was closed."""

    peer = "192.0.2.20:5269"
    tls = ""

    def __init__(self) -> None:
        self.closed = ""

    def wake(self) -> None:
        pass

    def start_tls(self, domain: str) -> None:
        raise AssertionError(domain)

    def close(self, reason: str) -> None:
        self.closed = reason

    def abort(self, reason: str) -> None:
        self.closed = f"abort: {reason}"


class Around:
    """The network and the receiver: what was asked of the one and told to the other."""

    def __init__(self) -> None:
        self.looked_up: list[Link] = []
        self.dialled: list[Sequence[Target]] = []
        self.arrived: list[Element] = []
        self.handed: list[str | None] = []
        self.back: list[tuple[str | None, Condition]] = []
        self.gone: list[Pair] = []
        self.doubtful: list[Sequence[str | None] | None] = []
        self.proving: list[str] = []

    def prove(self, domain: str) -> None:
        self.proving.append(domain)

    def look_up(self, link: Link) -> None:
        self.looked_up.append(link)

    def connect(self, link: Link, targets: Sequence[Target]) -> None:
        self.dialled.append(list(targets))

    def on_stanza(self, stanza: Element, local: str, remote: str, peer: str) -> None:
        self.arrived.append(stanza)

    def undelivered(self, stanza: Element, error: StanzaError) -> None:
        self.back.append((stanza.get("id"), error.condition))

    def sent(self, stanza: Element, peer: str) -> None:
        self.handed.append(stanza.get("id"))

    def lost(self, pair: Pair, unacknowledged: Sequence[Element] | None) -> None:
        self.gone.append(pair)
        known = unacknowledged is not None
        self.doubtful.append([each.get("id") for each in unacknowledged or ()] if known else None)


def outgoing(link: Link, direct_tls: bool) -> OurStream:
    if link.component:
        return ComponentStream(link.pair[0], b"secret", policy=POLICY)
    return OutgoingStream(
        *link.pair, policy=POLICY, secret=b"s", direct_tls=direct_tls, verify_only=link.verify_only
    )


def federation(vary: float = 1.0) -> tuple[Federation, Around]:
    around = Around()
    return Federation(around, around, outgoing, lambda _: Standing.YES, lambda: vary), around


def stanza(name: str, remote: str = THEM) -> Element:
    return message(f"alice@{remote}", f"carol@{US}", id=name)


def send(found: Federation, *names: str, now: float = 0.0) -> None:
    for name in names:
        found.send(stanza(name), US, THEM, now)


def connect(found: Federation, around: Around, target: Target = FIRST) -> tuple[OurStream, Line]:
    """Give the link that is being dialled its connection."""
    link = around.looked_up[-1]
    stream, line = found.stream_for(link, target), Line()
    stream.connected(0.0)
    found.connected(link, stream, line, target, 0.0)
    return stream, line


def make_ready(found: Federation, around: Around) -> tuple[OurStream, Line]:
    stream, line = connect(found, around)
    stream.receive(FEATURES + VALID, 0.0)
    found.on_outgoing(around.looked_up[-1], 0.0)
    return stream, line


def test_the_first_stanza_makes_a_stream_and_all_pass_in_order() -> None:
    found, around = federation()
    send(found, "1", "2")
    assert len(around.looked_up) == 1
    found.found(around.looked_up[0], [FIRST], 0.0)
    assert around.dialled == [[FIRST]]
    assert around.handed == []
    make_ready(found, around)
    send(found, "3")
    assert around.handed == ["1", "2", "3"]
    assert around.back == []


def test_no_servers_give_everything_back() -> None:
    found, around = federation()
    send(found, "1", "2")
    found.found(around.looked_up[0], [], 0.0)
    missing = Condition.REMOTE_SERVER_NOT_FOUND
    assert around.back == [("1", missing), ("2", missing)]


def test_a_server_that_ends_before_the_stream_is_up_is_followed_by_the_next() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST, SECOND], 0.0)
    stream, line = connect(found, around)
    stream.closed(1.0)
    found.on_outgoing(around.looked_up[0], 1.0)
    assert line.closed
    assert around.dialled[-1] == [SECOND]
    assert around.back == []


@pytest.mark.parametrize(
    ("answer", "condition"),
    [
        (FEATURES + VALID.replace(b"'valid'", b"'invalid'"), Condition.INTERNAL_SERVER_ERROR),
        (FEATURES + VALID.replace(b"'valid'", b"'error'"), Condition.REMOTE_SERVER_TIMEOUT),
        (FEATURES.replace(b"dialback", b"other"), Condition.REMOTE_SERVER_TIMEOUT),
        (FEATURES + UNKNOWN, Condition.REMOTE_SERVER_NOT_FOUND),
        (b"no stream at all", Condition.REMOTE_SERVER_TIMEOUT),
    ],
)
def test_when_the_last_server_refuses_what_waits_comes_back_at_once(
    answer: bytes, condition: Condition
) -> None:
    found, around = federation()
    send(found, "1", "2")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, line = connect(found, around)
    stream.receive(answer, 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert around.back == [("1", condition), ("2", condition)]
    assert line.closed, "there is nothing to wait for"


def test_a_server_that_refuses_is_followed_by_the_next() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST, SECOND], 0.0)
    stream, line = connect(found, around)
    stream.receive(FEATURES + UNKNOWN, 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert (around.dialled[-1], around.back) == ([SECOND], [])
    second, _ = connect(found, around, SECOND)
    second.receive(FEATURES + VALID, 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert around.handed == ["1"]
    assert line.closed


def test_a_stream_that_is_ready_and_over_in_one_breath_loses_nothing() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST, SECOND], 0.0)
    stream, _ = connect(found, around)
    stream.receive(FEATURES + VALID + b"</stream:stream>", 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert (around.handed, around.back) == ([], [])
    assert around.dialled[-1] == [SECOND]


def test_what_comes_while_a_stream_is_being_closed_takes_a_new_one() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, line = make_ready(found, around)
    stream.receive(b"<strange xmlns='urn:x'/>", 1.0)
    assert stream.closing
    send(found, "2", now=1.0)
    assert around.gone == [(US, THEM)], "what was sent before may not have been taken"
    assert line.closed
    assert len(around.looked_up) == 2
    found.found(around.looked_up[1], [FIRST], 1.0)
    make_ready(found, around)
    assert (around.handed, around.back) == (["1", "2"], [])


def test_a_stanza_on_our_own_stream_is_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = make_ready(found, around)
    stream.receive(f"<message from='alice@{THEM}' to='carol@{US}'/>".encode(), 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert around.arrived == []
    assert "takes none" in caplog.text


def test_a_stanza_larger_than_the_peer_takes_comes_back_and_the_rest_pass() -> None:
    found, around = federation()
    limits = b"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"
    found.send(message(f"a@{THEM}", f"b@{US}", id="big", children=["x" * 10000]), US, THEM, 0.0)
    send(found, "small")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = connect(found, around)
    features = FEATURES.replace(b"</stream:features>", limits + b"</stream:features>")
    stream.receive(features + VALID, 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert (around.handed, around.back) == (["small"], [("big", Condition.POLICY_VIOLATION)])


def test_a_stream_that_ends_is_told_and_made_again_when_needed() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = make_ready(found, around)
    stream.closed(1.0)
    found.on_outgoing(around.looked_up[0], 1.0)
    assert around.gone == [(US, THEM)]
    assert len(around.looked_up) == 1
    send(found, "2", now=2.0)
    assert len(around.looked_up) == 2


def test_waiting_has_an_end_and_a_bound() -> None:
    found, around = federation()
    for number in range(CAPACITY + 1):
        send(found, str(number))
    assert around.back == [(str(CAPACITY), Condition.RESOURCE_CONSTRAINT)]
    assert found.next_timer() == PATIENCE
    found.on_timer(PATIENCE)
    assert len(around.back) == CAPACITY + 1
    assert found.describe()["waiting"] == 0


def test_a_domain_that_fails_is_left_alone_for_a_while() -> None:
    found, around = federation()
    for attempt in range(2):
        send(found, str(attempt))
        found.unreachable(around.looked_up[-1], GONE, 0.0)
    send(found, "resting", now=1.0)
    assert len(around.looked_up) == 2
    assert around.back[-1] == ("resting", GONE.condition)
    send(found, "later", now=3.0)
    assert len(around.looked_up) == 3


def test_links_are_bounded_and_those_with_nothing_to_tell_make_room() -> None:
    found, around = federation()
    for number in range(MOST_LINKS + 1):
        found.send(stanza(str(number), f"d{number}.example"), US, f"d{number}.example", 0.0)
    assert around.back == [(str(MOST_LINKS), Condition.RESOURCE_CONSTRAINT)]
    found.unreachable(around.looked_up[0], GONE, 0.0)
    found.send(stanza("again", "new.example"), US, "new.example", 1.0)
    assert around.looked_up[-1].pair == (US, "new.example")


def asking(found: Federation, query: VerifyQuery) -> "Asker":
    stream = Asker(query)
    found.accepted(stream, Line())
    found.on_incoming(stream, 0.0)
    return stream


class Asker(IncomingStream):
    """An accepted stream that wants one key verified, and notes the answer."""

    def __init__(self, query: VerifyQuery) -> None:
        super().__init__(policy=POLICY, secret=b"s", token=lambda: "id")
        self.waiting: list[Event] = [VerifyWanted(query)]
        self.answers: list[tuple[bool, bool]] = []

    def events(self) -> list[Event]:
        found, self.waiting = self.waiting, []
        return found

    def verified(
        self, query: VerifyQuery, valid: bool, now: float, error: StanzaError | None = None
    ) -> None:
        self.answers.append((valid, error is not None))


QUERY = VerifyQuery(US, THEM, "stream-1", "key")


def test_one_question_is_asked_for_all_who_want_to_know_and_its_failure_told_to_each() -> None:
    found, around = federation()
    askers = [asking(found, QUERY), asking(found, QUERY)]
    assert [link.verify_only for link in around.looked_up] == [True]
    found.unreachable(around.looked_up[0], GONE, 0.0)
    assert [each.answers for each in askers] == [[(False, True)], [(False, True)]]


@pytest.mark.parametrize(("type_", "valid"), [("valid", True), ("invalid", False)])
def test_a_key_is_asked_about_on_a_stream_of_its_own(type_: str, valid: bool) -> None:
    found, around = federation()
    asker = asking(found, QUERY)
    link = around.looked_up[0]
    found.found(link, [FIRST], 0.0)
    stream, _ = connect(found, around)
    stream.receive(FEATURES, 0.0)
    assert b"<db:verify" in b"".join(stream.to_send())
    answer = f"<db:verify from='{THEM}' to='{US}' id='stream-1' type='{type_}'/>"
    stream.receive(answer.encode(), 0.0)
    found.on_outgoing(link, 0.0)
    assert asker.answers == [(valid, False)]


def test_a_stream_that_is_up_takes_the_question_too() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = make_ready(found, around)
    stream.to_send()
    asking(found, QUERY)
    assert b"<db:verify" in b"".join(stream.to_send())
    assert len(around.looked_up) == 1


COMPONENT = "gateway.example"
SERVER = Target("192.0.2.20", 5347, False, "")
WELCOME = (
    b"<stream:stream xmlns='jabber:component:accept' id='1'"
    b" xmlns:stream='http://etherx.jabber.org/streams'><handshake/>"
)


def attached(vary: float = 1.0) -> tuple[Federation, Around, Link]:
    found, around = federation(vary)
    found.attach(COMPONENT)
    return found, around, around.looked_up[0]


def to_user(name: str) -> Element:
    return message("alice@far.example", f"x@{COMPONENT}", id=name)


def attach_ready(found: Federation, around: Around) -> tuple[OurStream, Line]:
    found.found(around.looked_up[-1], [SERVER], 0.0)
    stream, line = connect(found, around, SERVER)
    stream.receive(WELCOME, 0.0)
    found.on_outgoing(around.looked_up[-1], 0.0)
    return stream, line


def test_a_component_is_connected_at_once_and_again_after_each_rest() -> None:
    found, around, link = attached()
    rests = []
    now = 0.0
    for attempt in range(1, 7):
        assert len(around.looked_up) == attempt
        found.unreachable(link, GONE, now)
        when = found.next_timer()
        assert when is not None
        rests.append(when - now)
        now = when
        found.on_timer(now)
    assert rests == [0.0, 2.0, 10.0, 60.0, 300.0, 300.0]


def test_the_stanzas_of_a_component_wait_for_its_own_stream_whoever_they_are_for() -> None:
    found, around, _ = attached()
    found.send(to_user("1"), COMPONENT, "far.example", 0.0)
    assert len(around.looked_up) == 1
    attach_ready(found, around)
    assert around.handed == ["1"]
    found.send(to_user("2"), COMPONENT, "other.example", 0.0)
    assert around.handed == ["1", "2"]


def test_a_component_whose_stream_ends_as_soon_as_it_is_up_does_not_spin() -> None:
    found, around, link = attached(vary=1.5)
    stream, line = attach_ready(found, around)
    stream.receive(b"</stream:stream>", 1.0)
    found.on_outgoing(link, 1.0)
    assert line.closed
    assert around.gone == [(COMPONENT, "")]
    assert len(around.looked_up) == 1
    assert found.next_timer() == 1.0 + 1.5 * PAUSE
    found.on_timer(1.0 + 1.5 * PAUSE)
    assert len(around.looked_up) == 2
    found.on_timer(9.0)
    assert len(around.looked_up) == 2, "one connection at a time"


def test_a_stanza_connects_a_component_without_waiting_for_the_alarm() -> None:
    found, around, link = attached()
    stream, _ = attach_ready(found, around)
    stream.closed(1.0)
    found.on_outgoing(link, 1.0)
    found.send(to_user("1"), COMPONENT, "far.example", 1.5)
    assert len(around.looked_up) == 2
    found.on_timer(1.0 + PAUSE)
    assert len(around.looked_up) == 2


def test_what_a_component_is_given_is_passed_on_with_the_domain_of_its_sender() -> None:
    found, around, link = attached()
    stream, _ = attach_ready(found, around)
    stream.receive(f"<message from='alice@far.example/x' to='x@{COMPONENT}'/>".encode(), 0.0)
    found.on_outgoing(link, 0.0)
    assert [each.get("from") for each in around.arrived] == ["alice@far.example/x"]


def asked(
    found: Federation, around: Around, *queries: VerifyQuery
) -> tuple[OurStream, list["Asker"]]:
    """Have questions asked on a stream of their own; return it, and who asked."""
    askers = [asking(found, query) for query in queries]
    found.found(around.looked_up[0], [FIRST, SECOND], 0.0)
    stream, _ = connect(found, around)
    stream.receive(FEATURES, 0.0)
    return stream, askers


def verdict(query: VerifyQuery, type_: str = "valid") -> bytes:
    return f"<db:verify from='{THEM}' to='{US}' id='{query.id}' type='{type_}'/>".encode()


LATER = VerifyQuery(US, THEM, "stream-2", "key")


def test_two_questions_for_one_domain_share_one_connection() -> None:
    found, around = federation()
    stream, askers = asked(found, around, QUERY, LATER)
    assert len(around.looked_up) == 1
    stream.receive(verdict(QUERY) + verdict(LATER, "invalid"), 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert [each.answers for each in askers] == [[(True, False)], [(False, False)]]


def test_a_question_that_finds_the_stream_ending_is_asked_on_one_new_stream() -> None:
    found, around = federation()
    stream, _ = asked(found, around, QUERY)
    stream.receive(verdict(QUERY), 0.0)
    assert stream.closing
    asker = asking(found, LATER)
    assert len(around.looked_up) == 1, "not before the old one is over"
    found.on_outgoing(around.looked_up[0], 0.0)
    assert (len(around.looked_up), len(around.dialled)) == (2, 1)
    found.found(around.looked_up[1], [FIRST], 0.0)
    second, _ = connect(found, around)
    second.receive(FEATURES + verdict(LATER), 0.0)
    found.on_outgoing(around.looked_up[1], 0.0)
    assert asker.answers == [(True, False)]


def test_a_stream_that_ends_with_an_open_question_tells_the_asker() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = connect(found, around)
    stream.receive(FEATURES, 0.0)
    asker = asking(found, QUERY)
    stream.receive(VALID.replace(b"'valid'", b"'error'"), 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert asker.answers == [(False, True)]


def test_who_asked_and_is_gone_is_forgotten() -> None:
    found, around = federation()
    stream, (gone, stays) = asked(found, around, QUERY, QUERY)
    gone.waiting.append(Ended("gone"))
    found.on_incoming(gone, 0.0)
    stream.receive(verdict(QUERY), 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert (gone.answers, stays.answers) == ([], [(True, False)])


def test_too_many_links_are_told_to_who_wants_a_key_verified() -> None:
    found, around = federation()
    for number in range(MOST_LINKS):
        found.send(stanza(str(number), f"d{number}.example"), US, f"d{number}.example", 0.0)
    assert asking(found, QUERY).answers == [(False, True)]
    assert around.back == []


def test_streams_that_wait_to_hear_whether_a_domain_is_ours_are_answered_when_it_is_known() -> None:
    around, known = Around(), {"sip.example": Standing.UNKNOWN}
    found = Federation(
        around, around, outgoing, lambda name: known.get(name, Standing.NO), lambda: 1.0
    )
    streams = [IncomingStream(policy=POLICY, secret=b"s", token=lambda: "id") for _ in range(3)]
    for stream, to in zip(streams, (US, US, "other.example"), strict=True):
        found.accepted(stream, Line())
        stream.connected(0.0)
        stream.receive(FEATURES[: FEATURES.index(b" id=")] + f" to='{to}'>".encode(), 0.0)
        found.on_incoming(stream, 0.0)
    streams[1].closed(0.5)
    found.on_incoming(streams[1], 0.5)
    known[US] = Standing.YES
    found.learned(1.0)
    said = [b"".join(stream.to_send()) for stream in streams]
    assert b"<stream:features" not in said[1]
    assert b"from='sip.example'" in said[0]
    assert b"host-unknown" in said[2]
    assert found.describe()["streams_in"] == 2


def secure_stream(found: Federation, remote: str, to: str) -> IncomingStream:
    """Have a peer open a stream with TLS, whose certificate vouches for nobody."""
    stream = IncomingStream(
        policy=Policy(proofs=True), secret=b"s", token=lambda: "id", direct_tls=True
    )
    found.accepted(stream, Line())
    stream.connected(0.0)
    stream.events()
    stream.secured(NOBODY, 0.0)
    begin = FEATURES[: FEATURES.index(b" id=")]
    stream.receive(begin + f" version='1.0' from='{remote}' to='{to}'>".encode(), 0.0)
    found.on_incoming(stream, 0.0)
    return stream


def test_streams_wait_until_it_was_looked_for_what_proves_their_peer() -> None:
    around, known = Around(), {US: Standing.UNKNOWN}
    found = Federation(
        around, around, outgoing, lambda name: known.get(name, Standing.NO), lambda: 1.0
    )
    one = [secure_stream(found, "one.example", US) for _ in range(3)]
    other = secure_stream(found, "other.example", US)
    lost = secure_stream(found, "lost.example", "not.example")
    assert around.proving == []  # not before it is known whether the domain is ours
    known[US] = Standing.YES
    found.learned(1.0)
    assert around.proving == ["one.example", "other.example"]
    one[2].closed(1.0)
    found.on_incoming(one[2], 1.0)
    found.proven("one.example", 2.0)
    found.proven("nobody.example", 2.0)
    said = [b"<stream:features" in b"".join(each.to_send()) for each in (*one, other)]
    assert said == [True, True, False, False]
    found.proven("other.example", 3.0)
    assert b"<stream:features" in b"".join(other.to_send())
    assert b"host-unknown" in b"".join(lost.to_send())
    later = secure_stream(found, "one.example", US)
    assert around.proving[2:] == ["one.example"]
    assert b"<stream:features" not in b"".join(later.to_send())


def test_a_gateway_that_stops_connects_nothing_more() -> None:
    found, around, link = attached()
    stream, line = attach_ready(found, around)
    found.shut(1.0)
    stream.closed(1.1)
    found.on_outgoing(link, 1.1)
    found.on_timer(1000.0)
    assert len(around.looked_up) == 1
    assert line.closed
    assert found.quiet


def test_what_waits_for_a_stream_comes_back_when_the_gateway_stops() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST, SECOND], 0.0)
    stream, _ = connect(found, around)
    found.shut(1.0)
    stream.closed(1.1)
    found.on_outgoing(around.looked_up[0], 1.1)
    assert around.back == [("1", Condition.REMOTE_SERVER_TIMEOUT)]
    assert len(around.dialled) == 1


def test_when_the_gateway_stops_nothing_more_is_taken() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = make_ready(found, around)
    found.shut(1.0)
    assert b"</stream:stream>" in b"".join(stream.to_send())
    send(found, "2", now=1.0)
    assert around.back == [("2", Condition.RESOURCE_CONSTRAINT)]


MOVED = (
    b"<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>there.example:5271"
    b"</see-other-host></stream:error>"
)


class Certified:
    """A certificate that is good for everybody."""

    shown = True

    def vouches(self, domain: str) -> bool:
        return True


def test_a_server_that_moved_is_followed_once_and_only_when_it_is_proven() -> None:
    found, around = federation()
    send(found, "1")
    link = around.looked_up[0]
    for attempt, target in enumerate((DIRECT, DIRECT)):
        found.found(link, [target], 0.0)
        stream, _ = connect(found, around, target)
        assert isinstance(stream, OutgoingStream)
        stream.events()  # that TLS is to begin
        stream.secured(Certified(), 0.0)
        stream.receive(FEATURES + MOVED, 0.0)
        found.on_outgoing(link, 0.0)
        if attempt == 0:
            assert link.moved == "there.example:5271"
            assert (len(around.looked_up), around.back) == (2, [])
    assert (len(around.looked_up), link.moved) == (2, ""), "not a second time"
    assert around.back == [("1", Condition.REMOTE_SERVER_TIMEOUT)]


def test_who_is_not_proven_sends_us_nowhere() -> None:
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, _ = connect(found, around)
    stream.receive(FEATURES + MOVED, 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert (len(around.looked_up), len(around.back)) == (1, 1)


def test_a_dns_that_does_not_answer_for_us_is_no_final_refusal() -> None:
    around = Around()
    found = Federation(around, around, outgoing, lambda _: Standing.UNANSWERED, lambda: 1.0)
    stream = IncomingStream(policy=POLICY, secret=b"s", token=lambda: "id")
    found.accepted(stream, Line())
    stream.connected(0.0)
    stream.receive(FEATURES[: FEATURES.index(b" id=")] + f" to='{US}'>".encode(), 0.0)
    found.on_incoming(stream, 0.0)
    assert b"internal-server-error" in b"".join(stream.to_send())


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize("listed", [True, False])
def test_a_server_whose_certificates_are_published_is_not_spoken_to_without_tls(
    listed: bool,
) -> None:
    found, around = federation()
    send(found, "1")
    records = (Tlsa(3, 1, 1, bytes(32)),) if listed else ()
    target = replace(FIRST, associations=Associations(THEM, "a.example", records))
    [link] = around.looked_up
    found.found(link, [target], 0.0)
    stream = found.stream_for(link, target)
    stream.connected(0.0)
    stream.receive(FEATURES, 0.0)
    said = b"".join(stream.to_send())
    assert (b"policy-violation" in said, b"<db:result" in said) == (listed, not listed)


class Failing(Around):
    """A receiver that fails at stanzas of one name, and a stream that fails to be up."""

    def on_stanza(self, stanza: Element, local: str, remote: str, peer: str) -> None:
        if stanza.get("id") == "bad":
            raise RuntimeError("a bug")
        super().on_stanza(stanza, local, remote, peer)


def test_an_event_that_fails_on_a_stream_that_came_in_is_not_the_end_of_the_others() -> None:
    around = Failing()
    found = Federation(around, around, outgoing, lambda _: Standing.YES, lambda: 1.0)
    stream, line = IncomingStream(policy=POLICY, secret=b"s", token=lambda: "id"), Line()
    found.accepted(stream, line)
    stream.events = lambda: [  # type: ignore[method-assign]
        StanzaArrived(stanza(name), US, THEM) for name in ("1", "bad", "2")
    ]
    found.on_incoming(stream, 0.0)
    assert [each.get("id") for each in around.arrived] == ["1", "2"]
    assert line.closed == f"abort: {BUG}"


def test_a_stream_whose_event_fails_is_closed_and_heard_to_its_end() -> None:
    """What waits for it goes on to the next server, as with every stream that ends."""
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST, SECOND], 0.0)
    stream, line = connect(found, around)
    stream.receive(FEATURES + VALID, 0.0)
    found._opened = None  # type: ignore[method-assign, assignment]
    found.on_outgoing(around.looked_up[0], 0.0)
    assert line.closed == f"abort: {BUG}"
    stream.closed(1.0)
    found.on_outgoing(around.looked_up[0], 1.0)
    assert around.dialled[-1] == [SECOND]
