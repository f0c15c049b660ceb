"""Stream Management: the counts of XEP-0198, and streams that go on after a loss."""

from itertools import count

import pytest

from dragoman.xmpp import resume
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.resume import LONGEST_ID, MODULUS, Ledger
from dragoman.xmpp.s2s_in import IncomingStream, Paired, ResumeWanted
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Ended, Policy, Ready, StanzaArrived
from tests.xmpp.wire import (
    SASL_NS,
    STREAM_NS,
    Certificate,
    Pipe,
    certificate,
    error,
    feed,
    of_type,
    sent,
)

OURS, THEIRS = "im.example.com", "example.net"
NS = "urn:xmpp:sm:3"
HEADER = (
    f"<stream:stream xmlns='jabber:server' xmlns:stream='{STREAM_NS}'"
    f" from='{THEIRS}' to='{OURS}' id='1' version='1.0'>"
)
EXTERNAL = f"<mechanisms xmlns='{SASL_NS}'><mechanism>EXTERNAL</mechanism></mechanisms>"
SUCCESS = f"<success xmlns='{SASL_NS}'/>"
ENABLE = f"<enable xmlns='{NS}' resume='true'/>"
ASKS = f"<r xmlns='{NS}'/>"
POLICY = Policy(acknowledge=90.0)


def counted(h: object) -> str:
    return f"<a xmlns='{NS}' h='{h}'/>"


def stanza(name: str) -> Element:
    return message(f"juliet@{THEIRS}", f"romeo@{OURS}", id=name)


def text(name: str) -> str:
    return f"<message from='romeo@{OURS}' to='juliet@{THEIRS}' id='{name}'/>"


def ids(stanzas: object) -> list[str | None]:
    assert isinstance(stanzas, tuple | list)
    return [each.get("id") for each in stanzas]


def managed(past: Ledger | None = None, offered: str = f"<sm xmlns='{NS}'/>") -> OutgoingStream:
    """Return a stream of ours that authenticated by EXTERNAL and was offered `offered`."""
    core = OutgoingStream(OURS, THEIRS, policy=POLICY, secret=b"s", direct_tls=True, past=past)
    core.connected(0.0)
    core.secured(certificate(THEIRS), 0.0)
    feed(core, HEADER + f"<stream:features>{EXTERNAL}</stream:features>" + SUCCESS)
    feed(core, "")
    sent(core)
    core.receive(f"{HEADER}<stream:features>{offered}</stream:features>".encode(), 0.0)
    return core


# The ledger -------------------------------------------------------------------------------------


def test_what_is_acknowledged_is_forgotten_in_order() -> None:
    ledger = Ledger(most=3)
    for name in "abc":
        ledger.note(stanza(name))
    assert ledger.full
    ledger.acknowledge("2")
    assert ids(ledger.unacknowledged()) == ["c"]
    ledger.acknowledge("2")
    ledger.acknowledge("3")
    assert (len(ledger), ledger.full) == (0, False)


def test_counts_begin_again_at_zero() -> None:
    ledger = Ledger(most=8)
    ledger._acknowledged = ledger.handled = MODULUS - 1
    ledger.note(stanza("a"))
    ledger.note(stanza("b"))
    ledger.acknowledge("1")
    ledger.count()
    assert (len(ledger), ledger.handled) == (0, 0)


@pytest.mark.parametrize("h", [None, "", "-1", "x", "1.0", "²", "1" * 11])
def test_a_count_that_is_none_is_refused(h: str | None) -> None:
    with pytest.raises(StreamError) as refused:
        Ledger(most=1).acknowledge(h)
    assert refused.value.condition is StreamCondition.POLICY_VIOLATION


def test_more_than_was_sent_cannot_have_been_handled() -> None:
    """XEP-0198 §4: undefined-condition with handled-count-too-high."""
    ledger = Ledger(most=9)
    ledger.note(stanza("a"))
    with pytest.raises(StreamError) as refused:
        ledger.acknowledge("10")
    told = refused.value.element()
    assert told.elements[0].local_name == "undefined-condition"
    assert told.elements[1].name == f"{{{NS}}}handled-count-too-high"
    assert told.elements[1].attributes == {"h": "10", "send-count": "1"}


@pytest.mark.parametrize(
    ("xml", "granted"),
    [
        (f"<enabled xmlns='{NS}' id='some-long-sm-id' resume='true'/>", ("some-long-sm-id", 300.0)),
        (f"<enabled xmlns='{NS}' id='i' resume='1' max='60'/>", ("i", 60.0)),
        (f"<enabled xmlns='{NS}' id='i' resume='true' max='999'/>", ("i", 300.0)),
        (f"<enabled xmlns='{NS}' id='i' resume='true' max='x'/>", ("i", 300.0)),
        (f"<enabled xmlns='{NS}' id='i' resume='false'/>", ("", 0.0)),
        (f"<enabled xmlns='{NS}' id='i'/>", ("", 0.0)),
        (f"<enabled xmlns='{NS}' resume='true'/>", ("", 0.0)),
        (f"<enabled xmlns='{NS}' resume='true' id='{'i' * (LONGEST_ID + 1)}'/>", ("", 0.0)),
    ],
)
def test_what_a_session_may_be_resumed_by(xml: str, granted: tuple[str, float]) -> None:
    assert resume.grant(parse_document(xml.encode()), 300.0) == granted


# Streams that we open ---------------------------------------------------------------------------


@pytest.mark.spec("NET-39")
def test_acknowledgements_as_in_the_standard() -> None:
    """XEP-0198 §4: enable, a request behind the stanzas, the count, and the peer's request."""
    core = managed()
    assert sent(core) == ENABLE
    assert of_type(core, Ready) == [Ready()]
    feed(core, f"<enabled xmlns='{NS}' id='some-long-sm-id' resume='true'/>")
    for name in "ab":
        core.send(stanza(name), 1.0)
    assert sent(core).endswith(ASKS), "one request behind both"
    core.send(stanza("c"), 1.0)
    assert ASKS not in sent(core), "one is open"
    assert core.ledger is not None
    assert feed(core, counted(2), 2.0) == ASKS
    assert ids(core.ledger.unacknowledged()) == ["c"]
    assert feed(core, counted(3), 2.0) == ""
    assert feed(core, ASKS) == counted(0)


def test_a_stream_that_is_not_offered_it_is_not_managed() -> None:
    core = managed(offered="")
    assert (sent(core), core.ledger) == ("", None)
    core.send(stanza("a"), 1.0)
    assert ASKS not in sent(core)


def test_a_refusal_leaves_the_stream_as_it_is() -> None:
    core = managed()
    core.send(stanza("a"), 1.0)
    feed(core, f"<failed xmlns='{NS}'><unexpected-request/></failed>")
    core.send(stanza("b"), 1.0)
    assert core.ready
    assert ASKS not in sent(core)
    assert core.next_timer() == 60.0, "nothing is owed any more"


def test_a_peer_that_acknowledges_nothing_has_lost_the_stream() -> None:
    core = managed()
    core.send(stanza("a"), 10.0)
    sent(core)
    core.events()
    core.on_timer(60.0)
    core.on_timer(99.9)
    assert not core.closing
    core.on_timer(100.0)
    assert core.torn
    assert sent(core) == "", "nobody hears"
    assert [type(event) for event in core.events()] == [Ended]


def test_a_quiet_stream_is_asked_whether_it_is_there() -> None:
    core = managed()
    sent(core)
    core.on_timer(60.0)
    assert sent(core) == ASKS
    feed(core, counted(0), 60.1)
    core.on_timer(120.0)
    assert sent(core) == ASKS
    core.on_timer(210.0)
    assert core.torn


def test_no_more_is_sent_than_may_be_unacknowledged() -> None:
    core = OutgoingStream(
        OURS, THEIRS, policy=Policy(max_unacknowledged=1), secret=b"s", direct_tls=True
    )
    core.connected(0.0)
    core.secured(certificate(THEIRS), 0.0)
    feed(core, HEADER + f"<stream:features>{EXTERNAL}</stream:features>" + SUCCESS)
    feed(core, f"{HEADER}<stream:features><sm xmlns='{NS}'/></stream:features>")
    core.send(stanza("a"), 0.0)
    with pytest.raises(StanzaError) as refused:
        core.send(stanza("b"), 0.0)
    assert refused.value.condition is Condition.RESOURCE_CONSTRAINT


def test_a_last_count_is_taken_behind_our_closing_tag_and_given_before_it() -> None:
    core = managed()
    core.send(stanza("a"), 0.0)
    sent(core)
    core.shut(None, 1.0)
    assert sent(core) == counted(0) + "</stream:stream>"
    feed(core, counted(1) + "</stream:stream>")
    assert core.ledger is not None
    assert len(core.ledger) == 0
    assert not core.torn, "a stream that was closed is not resumed"


def torn_session(*names: str) -> Ledger:
    core = managed()
    feed(core, f"<enabled xmlns='{NS}' id='s1' resume='true' max='120'/>")
    for name in names:
        core.send(stanza(name), 0.0)
    core.closed(1.0)
    assert core.torn
    assert core.ledger is not None
    return core.ledger


@pytest.mark.spec("NET-39")
def test_a_lost_session_is_resumed_and_the_rest_sent_again() -> None:
    """XEP-0198 §5: resume, resumed with the peer's count, what it has not handled in order."""
    past = torn_session("a", "b", "c")
    core = managed(past)
    assert sent(core) == f"<resume xmlns='{NS}' previd='s1' h='0'/>"
    assert of_type(core, Ready) == []
    again = feed(core, f"<resumed xmlns='{NS}' previd='s1' h='1'/>", 2.0)
    assert [name in again for name in ("id='a'", "id='b'", "id='c'")] == [False, True, True]
    assert again.index("id='b'") < again.index("id='c'")
    assert of_type(core, Ready) == [Ready()]
    assert core.ledger is past
    feed(core, counted(3))
    assert len(past) == 0


@pytest.mark.parametrize(("told", "left"), [("", ["a", "b"]), (" h='1'", ["b"])])
def test_a_session_that_the_peer_forgot_is_begun_anew(told: str, left: list[str]) -> None:
    past = torn_session("a", "b")
    core = managed(past)
    sent(core)
    answered = feed(core, f"<failed xmlns='{NS}'{told}><item-not-found/></failed>")
    assert answered == ENABLE
    assert core.ledger is not past
    assert ids(past.unacknowledged()) == left
    assert of_type(core, Ready) == [Ready()]


@pytest.mark.parametrize("previd", ["previd='other'", ""])
def test_another_session_than_ours_is_not_taken(previd: str) -> None:
    core = managed(torn_session("a"))
    sent(core)
    answered = feed(core, f"<resumed xmlns='{NS}' {previd} h='0'/>")
    assert answered.startswith(error(StreamCondition.UNDEFINED_CONDITION))


# Streams that we accept -------------------------------------------------------------------------


def joined(
    past: Ledger | None = None, there: Certificate | None = None, policy: Policy = POLICY
) -> Pipe:
    """Return their stream to us, authenticated by EXTERNAL, on which `past` is resumed."""
    numbers = count(1)
    into = IncomingStream(
        policy=policy, secret=b"s", token=lambda: f"id{next(numbers)}", direct_tls=True
    )
    out = OutgoingStream(THEIRS, OURS, policy=policy, secret=b"t", direct_tls=True, past=past)
    pipe = Pipe(out, into, frozenset({OURS}), there or certificate(THEIRS), certificate(OURS))
    pipe.start()
    return pipe


def incoming(offer: str = "") -> IncomingStream:
    """Return a stream that they opened and authenticated, before it is managed."""
    core = IncomingStream(policy=POLICY, secret=b"s", token=lambda: "sm1", direct_tls=True)
    core.connected(0.0)
    core.secured(certificate(THEIRS), 0.0)
    header = HEADER.replace(f"from='{THEIRS}' to='{OURS}' id='1'", f"from='{THEIRS}' to='{OURS}'")
    for text_ in (header, f"{offer}<auth xmlns='{SASL_NS}' mechanism='EXTERNAL'>=</auth>", header):
        feed(core, text_)
        if core.events() and not core.pairs:
            core.hosted(OURS, yes=True, now=0.0)
    sent(core)
    core.events()
    return core


def from_them(name: str) -> str:
    return f"<message from='juliet@{THEIRS}' to='romeo@{OURS}' id='{name}'/>"


@pytest.mark.spec("NET-39")
def test_their_stanzas_are_counted_from_enable_on() -> None:
    core = incoming()
    feed(core, from_them("before"))
    granted = f"<enabled xmlns='{NS}' id='sm1' resume='true' max='300'/>"
    assert feed(core, ENABLE) == granted
    assert feed(core, from_them("a") + from_them("b") + ASKS) == counted(2)
    assert len(of_type(core, StanzaArrived)) == 3


def test_a_session_is_not_granted_twice_nor_without_being_asked_for() -> None:
    core = incoming()
    assert feed(core, f"<enable xmlns='{NS}'/>") == f"<enabled xmlns='{NS}'/>"
    assert "unexpected-request" in feed(core, ENABLE)
    assert "unexpected-request" in feed(core, f"<resume xmlns='{NS}' previd='x' h='0'/>")
    assert core.ledger is not None
    assert core.ledger.id == ""


def test_a_stream_that_is_not_managed_has_no_counts() -> None:
    assert error(StreamCondition.UNSUPPORTED_STANZA_TYPE) in feed(incoming(), ASKS)
    assert error(StreamCondition.UNSUPPORTED_STANZA_TYPE) in feed(incoming(), counted(0))


@pytest.mark.spec("NET-39")
def test_a_session_of_theirs_goes_on_where_it_was_lost() -> None:
    core = incoming()
    feed(core, ENABLE + from_them("a"))
    core.closed(1.0)
    ledger = core.ledger
    assert ledger is not None
    ledger.pairs = core.pairs
    second = incoming()
    ahead = f"<resume xmlns='{NS}' previd='sm1' h='0'/>" + from_them("b")
    assert feed(second, ahead) == "", "it stands still until the session is found"
    assert second.events() == [ResumeWanted("sm1")]
    second.adopt(ledger, 2.0)
    assert sent(second) == f"<resumed xmlns='{NS}' previd='sm1' h='1'/>"
    assert [type(event) for event in second.events()] == [Paired, StanzaArrived]
    assert feed(second, ASKS) == counted(2)


def test_a_session_that_is_not_there_is_refused_and_may_be_begun() -> None:
    core = incoming()
    feed(core, f"<resume xmlns='{NS}' previd='gone' h='0'/>")
    core.adopt(None, 1.0)
    assert "item-not-found" in sent(core)
    core.adopt(None, 1.0)
    assert sent(core) == "", "nothing was asked"
    assert "<enabled" in feed(core, ENABLE)


def test_a_resumed_session_of_which_more_was_handled_than_sent_ends() -> None:
    core = incoming()
    feed(core, f"<resume xmlns='{NS}' previd='sm1' h='7'/>")
    ledger = Ledger(most=1)
    ledger.id = "sm1"
    core.adopt(ledger, 1.0)
    assert "handled-count-too-high" in sent(core)
    assert core.closing


# Both directions (XEP-0288) ---------------------------------------------------------------------


@pytest.mark.spec("NET-11")
def test_stanzas_go_both_ways_between_the_verified_pair_only() -> None:
    pipe = joined()
    assert (pipe.out.bidi, pipe.into.bidi) == (True, True)
    pipe.into.send(message(f"juliet@{THEIRS}", f"romeo@{OURS}", id="back"), 1.0)
    pipe.run()
    assert [each.remote for each in pipe.left if isinstance(each, StanzaArrived)] == [OURS]
    stranger = f"<message from='x@other.example' to='juliet@{THEIRS}'/>"
    pipe.out.receive(stranger.encode(), 2.0)
    assert error(StreamCondition.INVALID_FROM) in sent(pipe.out)


@pytest.mark.spec("NET-11")
def test_both_directions_are_asked_for_before_authentication_and_not_after() -> None:
    pipe = joined()
    talk = "".join(pipe.log)
    assert 0 < talk.index("<bidi xmlns='urn:xmpp:bidi'/>") < talk.index("<auth ")
    core = incoming()
    assert not core.bidi
    assert not core.ready, "a stream that they did not offer carries nothing of ours"
    refused = feed(core, "<bidi xmlns='urn:xmpp:bidi'/>")
    assert error(StreamCondition.UNSUPPORTED_STANZA_TYPE) in refused


def test_a_session_of_both_directions_is_managed_but_not_resumed() -> None:
    core = incoming("<bidi xmlns='urn:xmpp:bidi'/>")
    assert core.bidi
    assert feed(core, ENABLE) == f"<enabled xmlns='{NS}'/>"
    core.send(message(f"juliet@{THEIRS}", f"romeo@{OURS}", id="x"), 1.0)
    assert sent(core).endswith(ASKS)
    assert core.ledger is not None
    feed(core, counted(1))
    assert len(core.ledger) == 0


def test_a_peer_whose_count_stands_still_is_neither_asked_for_ever_nor_waited_for() -> None:
    core = managed()
    core.send(stanza("a"), 0.0)
    assert sent(core).endswith(ASKS)
    assert feed(core, counted(0), 1.0) == "", "not at once again"
    core.send(stanza("b"), 2.0)
    assert sent(core).endswith(ASKS)
    feed(core, counted(0), 3.0)
    core.on_timer(90.0)
    assert core.torn, "90 s after the first request"


def test_the_last_count_is_said_before_an_error_not_behind_it() -> None:
    core = incoming()
    feed(core, ENABLE + from_them("a"))
    core.shut(StreamCondition.SYSTEM_SHUTDOWN, 1.0)
    said = sent(core)
    assert said.index(counted(1)) < said.index("<stream:error>")
    assert said.count("<a ") == 1


def test_a_session_is_not_resumed_on_a_stream_of_both_directions() -> None:
    core = incoming("<bidi xmlns='urn:xmpp:bidi'/>")
    feed(core, f"<resume xmlns='{NS}' previd='sm1' h='0'/>")
    core.adopt(Ledger(most=1), 1.0)
    assert "item-not-found" in sent(core)


def test_a_count_of_a_forgotten_session_that_does_not_fit_is_passed_over() -> None:
    past = torn_session("a")
    core = managed(past)
    sent(core)
    answered = feed(core, f"<failed xmlns='{NS}' h='7'><item-not-found/></failed>")
    assert answered == ENABLE
    assert len(past) == 1


def test_what_is_under_way_when_an_unused_stream_closes_is_taken() -> None:
    pipe = joined()
    pipe.out._quiet = 10_000.0
    pipe.out._used = False
    pipe.out.on_timer(60.0)
    assert pipe.out.closing
    pipe.out.receive(f"<message from='x@{OURS}' to='y@{THEIRS}'/>".encode(), 60.1)
    assert any(isinstance(each, StanzaArrived) for each in pipe.out.events())
