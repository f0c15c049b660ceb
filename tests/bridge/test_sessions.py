"""Managed streams (XEP-0198) that are lost: resumed, or their stanzas told to who sent them."""

import pytest

from dragoman.bridge.directory import Standing
from dragoman.bridge.federation import MOST_QUESTIONED, PAUSE, Federation
from dragoman.bridge.inbound import MOST_SESSIONS
from dragoman.bridge.link import Link, OurStream
from dragoman.bridge.outbox import PATIENCE
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition
from dragoman.xmpp.locate import Target
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stanza import message
from tests.bridge.test_federation import (
    FEATURES,
    FIRST,
    GONE,
    POLICY,
    SECOND,
    THEM,
    US,
    VALID,
    Around,
    Line,
    connect,
    send,
)
from tests.bridge.test_sharing import OTHER_US, between, verdict

NS = "urn:xmpp:sm:3"
OFFERED = FEATURES.replace(
    b"features:dialback'/>", f"features:dialback'><errors/></dialback><sm xmlns='{NS}'/>".encode()
)
ENABLED = f"<enabled xmlns='{NS}' id='s1' resume='true' max='100'/>".encode()
CLOSED = b"</stream:stream>"


def outgoing(link: Link, direct_tls: bool) -> OurStream:
    return OutgoingStream(*link.pair, policy=POLICY, secret=b"s", past=link.session)


def federation() -> tuple[Federation, Around]:
    around = Around()
    return Federation(around, around, outgoing, lambda _: Standing.YES, lambda: 1.0), around


def counted(h: int) -> bytes:
    return f"<a xmlns='{NS}' h='{h}'/>".encode()


def opened(found: Federation, around: Around, *, then: bytes = ENABLED) -> OurStream:
    """Dial the newest link, up to a managed stream or what `then` says instead of `enabled`."""
    link = around.looked_up[-1]
    found.found(link, [FIRST], 0.0)
    stream, _ = connect(found, around)
    stream.receive(OFFERED + VALID + then, 0.0)
    found.on_outgoing(link, 0.0)
    return stream


def managed(*names: str) -> tuple[Federation, Around, OurStream]:
    """Return a managed stream on which stanzas were sent."""
    found, around = federation()
    send(found, *names)
    return found, around, opened(found, around)


def lose(found: Federation, around: Around, stream: OurStream, now: float = 1.0) -> None:
    link = around.looked_up[-1]
    stream.closed(now)
    found.on_outgoing(link, now)


@pytest.mark.spec("NET-39")
def test_a_lost_stream_is_made_again_and_goes_on_in_order() -> None:
    found, around, stream = managed("1", "2")
    stream.receive(counted(1), 0.5)
    lose(found, around, stream)
    assert around.gone == [], "nothing is lost yet"
    unacknowledged = found.unacknowledged(US, THEM)
    assert unacknowledged is not None
    assert [each.get("id") for each in unacknowledged] == ["2"]
    send(found, "3", now=1.5)
    assert len(around.looked_up) == 2
    resumed = f"<resumed xmlns='{NS}' previd='s1' h='1'/>".encode()
    second = opened(found, around, then=resumed)
    out = b"".join(second.to_send())
    assert out.index(b"<resume ") < out.index(b"id='2'") < out.index(b"id='3'")
    assert around.handed == ["1", "2", "3"]
    assert (around.gone, around.back) == ([], [])


@pytest.mark.spec("NET-39")
def test_a_lost_stream_is_made_again_though_nothing_new_is_sent() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    assert found.next_timer() == 1.0 + PAUSE
    found.on_timer(1.0 + PAUSE)
    assert len(around.looked_up) == 2


def test_nothing_is_resumed_when_all_was_acknowledged() -> None:
    found, around, stream = managed("1")
    stream.receive(counted(1), 0.5)
    lose(found, around, stream)
    assert around.doubtful == [[]], "and it is known that all was taken"
    found.on_timer(60.0)
    assert len(around.looked_up) == 1


def test_a_session_that_cannot_be_resumed_is_told_with_what_is_in_doubt() -> None:
    found, around = federation()
    send(found, "1", "2")
    stream = opened(found, around, then=f"<enabled xmlns='{NS}'/>".encode())
    stream.receive(counted(1), 0.5)
    lose(found, around, stream)
    assert (around.gone, around.doubtful) == ([(US, THEM)], [["2"]])


def test_a_stream_that_the_peer_closes_is_not_resumed() -> None:
    found, around, stream = managed("1", "2")
    stream.receive(counted(1) + CLOSED, 1.0)
    found.on_outgoing(around.looked_up[-1], 1.0)
    assert (around.gone, around.doubtful) == ([(US, THEM)], [["2"]])


def test_a_peer_that_forgot_the_session_makes_its_rest_lost() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    found.on_timer(1.0 + PAUSE)
    send(found, "2", now=3.5)
    opened(found, around, then=f"<failed xmlns='{NS}'><item-not-found/></failed>".encode())
    assert (around.doubtful, around.handed) == ([["1"]], ["1", "2"])


def test_a_server_that_cannot_be_reached_is_tried_until_the_session_is_over() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    tries = 0
    while around.doubtful == [] and tries < 100:
        when = found.next_timer()
        assert when is not None
        found.on_timer(when)
        if len(around.looked_up) > tries + 1:
            tries += 1
            found.unreachable(around.looked_up[-1], GONE, when)
    assert around.doubtful == [["1"]]
    assert when == 101.0, "100 s were granted"
    assert 3 <= tries <= 6, "with rests that grow"
    assert found.describe()["sessions"] == 0


def test_a_session_ends_in_time_though_the_next_stream_is_still_being_made() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    found.on_timer(1.0 + PAUSE)
    assert len(around.looked_up) == 2
    assert found.next_timer() == 101.0, "100 s were granted"
    found.on_timer(101.0)
    assert (around.doubtful, found.next_timer()) == ([["1"]], None)


def test_what_waits_behind_a_session_does_not_hide_its_end() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    send(found, "2", now=1.5)
    while around.doubtful == []:
        when = found.next_timer()
        assert when is not None
        found.on_timer(when)
    assert (when, around.doubtful) == (101.0, [["1"]])
    assert around.back == [("2", Condition.REMOTE_SERVER_TIMEOUT)], "long before"


@pytest.mark.parametrize("targets", [[FIRST], [FIRST, SECOND]], ids=["only", "one is left"])
def test_the_end_of_a_session_does_not_interrupt_who_resumes_it(targets: list[Target]) -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    found.on_timer(1.0 + PAUSE)
    link = around.looked_up[-1]
    found.found(link, targets, 100.0)
    second, _ = connect(found, around)
    found.on_timer(101.0)
    assert (around.doubtful, found.next_timer()) == ([], None)
    second.closed(102.0)
    found.on_outgoing(link, 102.0)
    when = found.next_timer()
    assert when is not None
    assert when <= 102.0, "at once"
    found.on_timer(102.0)
    assert (around.doubtful, found.describe()["sessions"]) == ([["1"]], 0)


def test_answers_of_those_who_shared_a_session_do_not_wait_for_ever() -> None:
    found, around, stream = managed("1")
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 0.5)
    stream.receive(verdict(OTHER_US, THEM), 0.5)
    found.on_outgoing(around.looked_up[0], 0.5)
    shared = message(f"alice@{THEM}", f"carol@{OTHER_US}", id="3", type="error")
    found.send(shared, OTHER_US, THEM, 0.5)
    lose(found, around, stream)
    for when in (1.0 + PAUSE, 101.0):
        found.on_timer(when)
    assert around.doubtful == [["1"], ["2", "3"]]
    assert len(around.looked_up) == 3, "the answer wants a stream"
    assert found.next_timer() == 101.0 + PATIENCE


def answer(name: str, type_: str = "error") -> Element:
    return message(f"alice@{THEM}", f"carol@{US}", id=name, type=type_)


@pytest.mark.parametrize("type_", ["error", "result"])
def test_an_answer_that_is_in_doubt_is_given_again_on_the_next_stream(type_: str) -> None:
    found, around, stream = managed("1")
    found.send(answer("2", type_), US, THEM, 0.0)
    lose(found, around, stream)
    send(found, "3", now=1.5)
    second = opened(found, around, then=f"<failed xmlns='{NS}'/>".encode())
    out = b"".join(second.to_send())
    assert around.doubtful == [["1", "2"]]
    assert b"id='1'" not in out, "who sent a message is told, and sends it again himself"
    assert out.index(b"id='2'") < out.index(b"id='3'")


def test_answers_are_given_again_where_no_session_could_be_resumed() -> None:
    found, around = federation()
    send(found, "1")
    stream = opened(found, around, then=f"<enabled xmlns='{NS}'/>".encode())
    found.send(answer("2"), US, THEM, 0.0)
    lose(found, around, stream)
    assert around.doubtful == [["1", "2"]]
    assert len(around.looked_up) == 2, "the answer wants a stream"
    assert b"id='2'" in b"".join(opened(found, around).to_send())


def test_an_answer_that_finds_no_stream_in_time_is_given_up() -> None:
    found, around, stream = managed("1")
    found.send(answer("2"), US, THEM, 0.0)
    lose(found, around, stream)
    found.shut(2.0)
    assert around.back == [("2", Condition.REMOTE_SERVER_TIMEOUT)]
    assert found.quiet


def test_a_new_stream_that_is_lost_at_once_is_followed_by_a_rest() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    found.on_timer(1.0 + PAUSE)
    link = around.looked_up[-1]
    found.found(link, [FIRST], 3.0)
    second, _ = connect(found, around)
    second.closed(3.1)
    found.on_outgoing(link, 3.1)
    assert len(around.looked_up) == 2
    assert found.next_timer() == 3.1 + PAUSE


def test_a_stop_tells_what_waits_for_a_session() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    found.shut(2.0)
    assert around.doubtful == [["1"]]
    assert found.quiet


def test_those_who_shared_the_stream_go_on_with_it_or_on_their_own() -> None:
    for resumes in (True, False):
        found, around, stream = managed("1")
        found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 0.5)
        stream.receive(verdict(OTHER_US, THEM), 0.5)
        found.on_outgoing(around.looked_up[0], 0.5)
        lose(found, around, stream)
        found.send(between(OTHER_US, THEM, "3"), OTHER_US, THEM, 1.5)
        assert len(around.looked_up) == 1, "it waits for the one who opened the stream"
        found.on_timer(1.0 + PAUSE)
        told = "<resumed previd='s1' h='0'" if resumes else "<failed"
        opened(found, around, then=f"{told} xmlns='{NS}'/>".encode())
        if resumes:
            assert around.handed == ["1", "2", "3"]
            assert around.gone == []
        else:
            assert around.gone == [(US, THEM), (OTHER_US, THEM)]
            assert around.doubtful == [["1"], ["2"]]
            assert len(around.looked_up) == 2, "the third is shown on the new stream"


def test_a_silent_server_is_hung_up_on() -> None:
    found, around, _ = managed("1")
    line = around.looked_up[0].line
    assert isinstance(line, Line)
    found.silent(US, THEM)
    assert line.closed.startswith("abort")
    found.silent(US, "unknown.example")


# Sessions of streams that others opened -----------------------------------------------------------


def incoming(found: Federation, remote: str = THEM) -> tuple[IncomingStream, Line]:
    """Have `remote` open a stream to US that is authenticated by dialback."""
    stream = IncomingStream(policy=POLICY, secret=b"s", token=iter("abcdefgh").__next__)
    line = Line()
    found.accepted(stream, line)
    stream.connected(0.0)
    header = (
        FEATURES[: FEATURES.index(b" id=")] + f" from='{remote}' to='{US}' version='1.0'>".encode()
    )
    stream.receive(header, 0.0)
    found.on_incoming(stream, 0.0)
    stream.receive(f"<db:result from='{remote}' to='{US}'>k</db:result>".encode(), 0.0)
    query = stream.events()[-1].query  # type: ignore[attr-defined]
    stream.verified(query, valid=True, now=0.0)
    found.on_incoming(stream, 0.0)
    return stream, line


def ask(found: Federation, stream: IncomingStream, text: str, now: float = 1.0) -> str:
    stream.to_send()
    stream.receive(text.encode(), now)
    found.on_incoming(stream, now)
    return b"".join(stream.to_send()).decode()


def suspended(found: Federation) -> IncomingStream:
    stream, _ = incoming(found)
    granted = ask(found, stream, f"<enable xmlns='{NS}' resume='true'/>")
    assert "id='b' resume='true' max='300'" in granted
    ask(found, stream, f"<message from='alice@{THEM}' to='carol@{US}'/>")
    return stream


RESUME = f"<resume xmlns='{NS}' previd='b' h='0'/>"


@pytest.mark.spec("NET-39")
@pytest.mark.parametrize("noticed", [True, False])
def test_a_session_of_theirs_is_resumed_whether_we_noticed_the_loss_or_not(noticed: bool) -> None:
    found, _ = federation()
    first = suspended(found)
    if noticed:
        first.closed(2.0)
        found.on_incoming(first, 2.0)
    second, _ = incoming(found)
    assert f"<resumed xmlns='{NS}' previd='b' h='1'/>" in ask(found, second, RESUME, 3.0)
    if not noticed:
        first.closed(3.1)
        found.on_incoming(first, 3.1)
    third, _ = incoming(found)
    assert "<resumed" in ask(found, third, RESUME, 4.0), "from the second, in its turn"


def test_a_session_is_not_given_to_another_domain_and_not_for_ever() -> None:
    found, _ = federation()
    first = suspended(found)
    first.closed(2.0)
    found.on_incoming(first, 2.0)
    thief, _ = incoming(found, "evil.example")
    assert "item-not-found" in ask(found, thief, RESUME, 3.0)
    late, _ = incoming(found)
    assert "item-not-found" in ask(found, late, RESUME, 302.1)


def test_a_session_whose_stream_was_closed_is_over() -> None:
    found, _ = federation()
    first = suspended(found)
    ask(found, first, "</stream:stream>")
    second, _ = incoming(found)
    assert "item-not-found" in ask(found, second, RESUME)


def test_only_so_many_sessions_wait() -> None:
    found, _ = federation()
    for number in range(MOST_SESSIONS + 1):
        stream, _ = incoming(found, f"d{number}.example")
        stream._token = lambda number=number: f"s{number}"  # type: ignore[misc]
        ask(found, stream, f"<enable xmlns='{NS}' resume='true'/>")
        stream.closed(1.0)
        found.on_incoming(stream, 1.0)
    oldest, _ = incoming(found, "d0.example")
    assert "item-not-found" in ask(found, oldest, f"<resume xmlns='{NS}' previd='s0' h='0'/>", 2.0)
    other, _ = incoming(found, "d1.example")
    assert "<resumed" in ask(found, other, f"<resume xmlns='{NS}' previd='s1' h='0'/>", 2.0)


# What a server sends again after a loss ---------------------------------------------------------


def hello(name: str) -> str:
    return f"<message from='alice@{THEM}' to='carol@{US}' id='{name}'/>"


@pytest.mark.spec("NET-39")
def test_what_was_handled_before_a_loss_is_not_taken_again() -> None:
    """Prosody's smacks_s2s_resend: what was not acknowledged comes again on a new stream."""
    found, around = federation()
    first, _ = incoming(found)
    ask(found, first, f"<enable xmlns='{NS}'/>" + hello("1") + f"<r xmlns='{NS}'/>")
    ask(found, first, hello("2") + f"<r xmlns='{NS}'/>" + hello("3"))
    first.closed(2.0)
    found.on_incoming(first, 2.0)
    second, _ = incoming(found)
    ask(found, second, hello("3") + hello("4") + hello("3"), 3.0)
    assert [each.get("id") for each in around.arrived] == ["1", "2", "3", "4", "3"]


def test_what_the_peer_knows_to_be_handled_and_what_has_no_id_is_taken() -> None:
    found, around = federation()
    first, _ = incoming(found)
    request = f"<r xmlns='{NS}'/>"
    ask(found, first, f"<enable xmlns='{NS}'/>" + hello("1") + request + hello("") + request)
    first.closed(2.0)
    found.on_incoming(first, 2.0)
    second, _ = incoming(found)
    ask(found, second, hello("1") + hello(""), 3.0)
    assert [each.get("id") for each in around.arrived] == ["1", "", "1", ""]


@pytest.mark.parametrize(("managed_", "torn", "at"), [(0, 1, 3.0), (1, 0, 3.0), (1, 1, 302.1)])
def test_without_a_loss_and_after_five_minutes_the_same_again_is_new(
    managed_: int, torn: int, at: float
) -> None:
    found, around = federation()
    first, _ = incoming(found)
    ask(found, first, f"<enable xmlns='{NS}'/>" * managed_ + hello("1"))
    if torn:
        first.closed(2.0)
    else:
        first.receive(CLOSED, 2.0)
    found.on_incoming(first, 2.0)
    second, _ = incoming(found)
    ask(found, second, hello("1"), at)
    assert len(around.arrived) == 2


# What a critical reading found ------------------------------------------------------------------


def test_those_who_shared_a_lost_stream_know_what_is_in_doubt_too() -> None:
    found, around, stream = managed("1")
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 0.5)
    stream.receive(verdict(OTHER_US, THEM), 0.5)
    found.on_outgoing(around.looked_up[0], 0.5)
    lose(found, around, stream)
    doubtful = found.unacknowledged(OTHER_US, THEM)
    assert doubtful is not None
    assert [each.get("id") for each in doubtful] == ["1", "2"]


def test_a_session_that_was_given_up_is_not_resumed_by_a_stream_under_way() -> None:
    found, around, stream = managed("1")
    lose(found, around, stream)
    found.on_timer(1.0 + PAUSE)
    link = around.looked_up[-1]
    found.found(link, [FIRST], 100.0)
    late = found.stream_for(link, FIRST)
    send(found, "2", now=90.0)
    found.on_timer(110.0)
    assert around.doubtful == [["1"]]
    late.connected(110.1)
    late.receive(OFFERED + VALID, 110.1)
    assert b"<resume " not in b"".join(late.to_send())


def test_what_waits_for_a_stream_comes_back_at_a_stop() -> None:
    found, around = federation()
    send(found, "1")
    found.shut(1.0)
    assert around.back == [("1", Condition.REMOTE_SERVER_TIMEOUT)]
    stream, _ = connect_late(found, around)
    assert stream.closing, "a connection that is made after a stop is closed"


def connect_late(found: Federation, around: Around) -> tuple[OurStream, Line]:
    link = around.looked_up[-1]
    link.targets = [FIRST]
    return connect(found, around)


def test_what_a_closing_stream_has_brought_is_heard_before_it_is_left() -> None:
    found, around = federation()
    send(found, "1")
    bidi = OFFERED.replace(b"<sm ", b"<bidi xmlns='urn:xmpp:features:bidi'/><sm ")
    link = around.looked_up[-1]
    found.found(link, [FIRST], 0.0)
    stream, _ = connect(found, around)
    stream.receive(bidi + VALID + ENABLED, 0.0)
    found.on_outgoing(link, 0.0)
    stream.receive(hello("back").encode() + CLOSED, 1.0)
    send(found, "2", now=1.0)
    assert [each.get("id") for each in around.arrived] == ["back"]


def test_marks_of_two_losses_are_kept_both() -> None:
    found, around = federation()
    for name in "ab":
        stream, _ = incoming(found)
        ask(found, stream, f"<enable xmlns='{NS}'/>" + hello(name))
        stream.closed(2.0)
        found.on_incoming(stream, 2.0)
    last, _ = incoming(found)
    ask(found, last, hello("a") + hello("b"), 3.0)
    assert [each.get("id") for each in around.arrived] == ["a", "b"]


def test_keys_of_strangers_do_not_use_up_the_links() -> None:
    found, around = federation()
    for number in range(MOST_QUESTIONED + 1):
        found.verify(VerifyQuery(US, f"d{number}.example", "x", "k"), 0.0)
    assert len(around.looked_up) == MOST_QUESTIONED
    send(found, "1")
    assert around.looked_up[-1].pair == (US, THEM)
