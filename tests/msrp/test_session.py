"""How a session ends (RFC 4975 §5.4), and what it says of it."""

import pytest

from dragoman.errors import LocalError
from dragoman.msrp import (
    CloseWanted,
    ConnectWanted,
    Failed,
    Meeting,
    MessageArrived,
    Path,
    SessionFailed,
    State,
    Terms,
    Unreported,
    Why,
)
from dragoman.msrp.session import OVER, STEPS, Step
from tests.msrp.ends import (
    ALICE,
    alone,
    joined,
    started,
)


def test_nobody_connects() -> None:
    bob = alone()
    session = started(bob, ALICE)
    handle = session.send("text/plain", b"hello?", 0.0)
    bob.on_timer(bob.endpoint.limits.connect)
    assert bob.told(Failed) == [Failed(handle, None, Why.TIMEOUT.value)]
    assert bob.told(SessionFailed) == [SessionFailed(session, Why.TIMEOUT)]
    with pytest.raises(LocalError):
        session.send("text/plain", b"late", 40.0)


def test_no_connection_can_be_made() -> None:
    alice = alone()
    session = started(alice, "msrp://bob.example.com:8888/x;tcp", active=True)
    (wanted,) = alice.told(ConnectWanted)
    wanted.connection.closed(1.0, "refused")
    assert alice.told(SessionFailed) == [SessionFailed(session, Why.UNREACHABLE, "refused")]
    again = started(alice, "msrp://bob.example.com:8888/y;tcp", active=True)
    assert len(alice.told(ConnectWanted)) == 2
    assert again.state is State.CONNECTING


@pytest.mark.spec("MSRP-33")
def test_a_lost_connection_fails_its_sessions_and_messages_go_again_under_their_ids() -> None:
    ends = joined()
    one = ends.hers.send("text/plain", b"one", ends.now, success_report=True)
    ends.run()
    two = ends.hers.send("text/plain", b"two", ends.now)
    assert ends.alice.connection is not None
    ends.alice.connection.to_send(ends.now)
    three = ends.hers.send("text/plain", b"three", ends.now)
    ends.alice.connection.closed(ends.now, "reset")
    reason = Why.LOST.value
    assert ends.alice.told(Failed) == [Failed(two, None, reason), Failed(three, None, reason)]
    assert ends.alice.told(Unreported) == [Unreported(one)]
    assert ends.alice.seen[-1] == SessionFailed(ends.hers, Why.LOST, "reset")
    fresh = ends.alice.endpoint.prepare(Terms())
    assert fresh.uri != ends.hers.uri
    fresh.start(ends.his.path, Terms(), Meeting(active=True), ends.now)
    again = fresh.send("text/plain", b"two", ends.now, message_id=two.message_id)
    assert again.message_id == two.message_id


def test_closing_tells_what_was_not_confirmed_and_nothing_else() -> None:
    ends = joined()
    sent = ends.hers.send("text/plain", b"one", ends.now, success_report=True)
    ends.run()
    waits = ends.hers.send("text/plain", b"two", ends.now)
    ends.hers.close(ends.now)
    ends.hers.close(ends.now)
    assert ends.alice.told(Failed) == [Failed(waits, None, "the session was closed")]
    assert ends.alice.told(Unreported) == [Unreported(sent)]
    assert ends.alice.told(SessionFailed) == []
    ends.run(120.0)
    assert len(ends.alice.told(CloseWanted)) == 1  # no session uses the connection any more


def test_a_session_is_kept_alive_and_known_to_be_dead() -> None:
    ends = joined()
    ends.hers.keep_alive(ends.now)
    assert ends.hers.unfinished == 1
    ends.run()
    assert b"Byte-Range: 1-0/0\r\n-------" in ends.bob.received
    assert ends.hers.unfinished == 0
    assert ends.bob.told(MessageArrived) == []
    ends.hers.keep_alive(ends.now)
    ends.alice.to_send()
    ends.alice.on_timer(ends.now + 30)
    assert [event.why for event in ends.alice.told(SessionFailed)] == [Why.TIMEOUT]
    ends.hers.keep_alive(ends.now)
    assert ends.alice.to_send() == []


def test_a_peer_that_reads_nothing_is_dropped() -> None:
    ends = joined()
    ends.hers.send("text/plain", b"x" * 1_000_000, ends.now)
    ends.alice.slow = 0
    ends.alice.on_timer(ends.now + ends.alice.endpoint.limits.stalled + 1)
    assert [event.reason for event in ends.alice.told(CloseWanted)] == ["the peer does not read"]
    assert len(ends.alice.told(SessionFailed)) == 1


@pytest.mark.parametrize("later", [0.0, 30.0, 45.0, 60.0, 75.0])
def test_what_has_waited_for_a_moment_only_says_nothing_of_the_peer(later: float) -> None:
    """Some say every 60 s that they are there; the answer to that waits when the timer rings."""
    ends = joined()
    stalled = ends.alice.endpoint.limits.stalled
    ends.hers.send("text/plain", b"one", ends.now)
    began = ends.now
    ends.run()
    ends.alice.slow = 0
    ends.hers.send("text/plain", b"two", began + later)
    for now in (began + stalled, began + later + stalled - 0.001):
        ends.alice.on_timer(now)
        assert ends.alice.told(CloseWanted) == []
    ends.alice.on_timer(began + later + stalled + ends.alice.endpoint.limits.stalled)
    assert len(ends.alice.told(CloseWanted)) == 1


def test_a_peer_that_reads_slowly_is_not() -> None:
    ends = joined()
    ends.hers.send("text/plain", b"x" * 1_000_000, ends.now)
    assert ends.alice.connection is not None
    for _ in range(10):
        assert ends.alice.connection.to_send(ends.now, 1000)
        ends.wire.now += 50
        ends.alice.on_timer(ends.now)
    assert ends.alice.told(CloseWanted) == []


def test_every_step_that_is_not_in_the_table_is_loud() -> None:
    for state in State:
        for step in Step:
            session = alone().endpoint.prepare(Terms())
            session.state = state
            if (state, step) in STEPS:
                session.step(step)
                assert session.state is STEPS[state, step]
            else:
                with pytest.raises(LocalError):
                    session.step(step)


def test_what_is_over_stays_over() -> None:
    assert not [state for state, _ in STEPS if state in OVER]
    session = alone().endpoint.prepare(Terms())
    session.close(0.0)
    session.fail(Why.LOST, "", 0.0)
    with pytest.raises(LocalError):
        session.start(Path.parse(ALICE), Terms(), Meeting(active=False), 0.0)
    assert session.state is State.CLOSED
