"""What every stream does (RFC 6120 §4), shown by the role that does it."""

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp.failure import StreamCondition, StreamError
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stream import Ended, Life, Policy, Refused, Stream
from tests.xmpp.wire import END, ERRORS_NS, STREAM_NS, error, feed, of_type, sent

HEADER = (
    f"<stream:stream xmlns='jabber:server' xmlns:stream='{STREAM_NS}'"
    " from='b.example' to='a.example' id='1' version='1.0'>"
)


def stream(policy: Policy | None = None) -> Stream:
    core = OutgoingStream("a.example", "b.example", policy=policy or Policy(), secret=b"s")
    core.connected(0.0)
    sent(core)
    return core


@pytest.mark.spec("NET-14")
@pytest.mark.parametrize("bytewise", [False, True])
def test_an_error_of_the_peer_ends_the_stream(bytewise: bool) -> None:
    core = stream()
    text = f"<conflict xmlns='{ERRORS_NS}'/><text xmlns='{ERRORS_NS}'>twice</text>"
    told = f"{HEADER}<stream:error>{text}</stream:error>{END}"
    assert feed(core, told, bytewise=bytewise) == END
    events = core.events()
    assert [type(event) for event in events] == [Refused, Ended]
    assert isinstance(events[1], Ended)
    assert events[1].error is not None
    assert events[1].error.condition is StreamCondition.CONFLICT
    assert events[1].reason == "the peer said conflict: twice"


@pytest.mark.parametrize("bytewise", [False, True])
def test_the_end_of_the_peer_is_answered(bytewise: bool) -> None:
    core = stream()
    assert feed(core, HEADER + END, bytewise=bytewise) == END
    assert core.closing
    assert [type(event) for event in core.events()] == [Refused, Ended]
    assert feed(core, HEADER + END) == ""


def test_after_an_error_of_ours_the_peer_has_five_seconds() -> None:
    core = stream()
    feed(core, HEADER + "<a xmlns='urn:x'/>", now=1.0)
    assert of_type(core, Ended) == []
    assert core.next_timer() == 6.0
    core.on_timer(6.0)
    (ended,) = of_type(core, Ended)
    assert ended.error is not None
    assert ended.error.condition is StreamCondition.UNSUPPORTED_STANZA_TYPE


def test_the_answer_to_our_end_is_waited_for() -> None:
    core = stream()
    feed(core, HEADER)
    core.shut(None, 1.0)
    assert sent(core) == END
    assert feed(core, "<stream:features/>", now=2.0) == ""
    assert core.events() == []
    feed(core, END, now=3.0)
    assert core.events() == [Ended("closed by us")]


@pytest.mark.parametrize("text", ["<!-- -->", "</other>"])
def test_nothing_is_waited_for_when_nothing_can_be_read(text: str) -> None:
    core = stream()
    answered = feed(core, HEADER + text)
    assert answered.endswith(END)
    assert len(of_type(core, Ended)) == 1
    core = stream()
    feed(core, HEADER)
    core.shut(None, 0.0)
    assert feed(core, text) == END
    assert core.events() == [Ended("closed by us")]


@pytest.mark.parametrize("bytewise", [False, True])
def test_the_largest_element_before_authentication(bytewise: bool) -> None:
    core = stream(Policy(max_unauthenticated=1000))
    assert feed(core, HEADER + "<stream:features>" + " " * 982, bytewise=bytewise) == ""
    for text in ("x", "x"):
        answered = feed(core, text, bytewise=bytewise)
    assert answered.startswith(error(StreamCondition.POLICY_VIOLATION))


def test_shut_before_there_was_a_stream() -> None:
    core = OutgoingStream("a.example", "b.example", policy=Policy(), secret=b"s")
    core.shut(StreamCondition.SYSTEM_SHUTDOWN, 0.0)
    assert (sent(core), core.events()) == ("", [Ended("closed by us")])
    with pytest.raises(LocalError):
        core.connected(0.0)


def test_shut_with_a_condition() -> None:
    core = stream()
    core.shut(StreamCondition.SYSTEM_SHUTDOWN, 0.0)
    assert sent(core) == error(StreamCondition.SYSTEM_SHUTDOWN) + f"/></stream:error>{END}"
    assert core.describe()["life"] == Life.CLOSING.name.lower()
    core.closed(1.0)
    assert len(of_type(core, Ended)) == 1
    core.shut(None, 2.0)
    assert core.events() == []


def test_the_reason_names_the_condition() -> None:
    assert StreamError(StreamCondition.RESET, "x").reason == "reset: x"
