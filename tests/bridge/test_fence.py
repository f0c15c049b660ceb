"""Fences: a ping behind each batch of stanzas tells when they have been taken."""

from collections.abc import Callable
from itertools import count

from dragoman.bridge.fence import GRAIN, LOOK_AGAIN, PATIENCE, Fences, Pair

PAIR = ("sip.example", "xmpp.example")
OTHER = ("sip.example", "jabber.example")


def tokens() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"f{next(numbers)}"


def fences() -> tuple[Fences[str], list[tuple[Pair, str]]]:
    pings: list[tuple[Pair, str]] = []
    return Fences(lambda pair, identifier: pings.append((pair, identifier)), tokens()), pings


def test_an_answered_ping_confirms_what_went_before_it_and_nothing_behind() -> None:
    found, pings = fences()
    found.sent(PAIR, "a", 0.0)
    found.sent(PAIR, "b", 0.0)
    found.sent(PAIR, "c", 0.0)
    assert pings == [(PAIR, "f1")]
    assert found.answered(PAIR, "f1") == ["a"]
    assert pings == [(PAIR, "f1"), (PAIR, "f2")]
    assert found.answered(PAIR, "f2") == ["b", "c"]
    assert (len(found), found.next_timer()) == (0, None)


def test_an_answer_to_another_ping_or_from_another_domain_confirms_nothing() -> None:
    found, _ = fences()
    found.sent(PAIR, "a", 0.0)
    assert found.answered(PAIR, "f2") is None
    assert found.answered(OTHER, "f1") is None
    assert found.answered(PAIR, "f1") == ["a"]
    assert found.answered(PAIR, "f1") is None


def test_pairs_do_not_wait_for_each_other() -> None:
    found, pings = fences()
    found.sent(PAIR, "a", 0.0)
    found.sent(OTHER, "b", 0.0)
    assert pings == [(PAIR, "f1"), (OTHER, "f2")]
    assert found.answered(OTHER, "f2") == ["b"]


def test_a_lost_stream_gives_back_everything_unconfirmed() -> None:
    found, _ = fences()
    found.sent(PAIR, "a", 0.0)
    found.sent(PAIR, "b", 0.0)
    assert found.lost(PAIR) == ["a", "b"]
    assert found.lost(PAIR) == []
    assert found.answered(PAIR, "f1") is None
    assert found.next_timer() is None


def test_what_is_behind_a_slow_answer_is_given_up_in_its_own_time_too() -> None:
    found, _ = fences()
    found.sent(PAIR, "a", 0.0)
    found.sent(PAIR, "b", 5.0)
    found.sent(PAIR, "c", 20.0)
    assert found.answered(PAIR, "f1") == ["a"]
    assert found.next_timer() == 5.0 + PATIENCE
    found.sent(PAIR, "d", 30.0)
    assert found.answered(PAIR, "f2") == ["b", "c"]
    assert found.next_timer() == 30.0 + PATIENCE


def test_a_server_that_does_not_answer_in_time_is_late() -> None:
    found, _ = fences()
    found.sent(PAIR, "a", 1.0)
    found.sent(PAIR, "b", 2.0)
    assert found.next_timer() == 1.0 + PATIENCE
    assert found.on_timer(PATIENCE) == []
    assert found.on_timer(1.0 + PATIENCE) == [PAIR]
    assert found.late(PAIR, 1.0 + PATIENCE) == ["a"]
    assert found.late(PAIR, 2.0 + PATIENCE) == ["a", "b"]


def test_what_is_late_may_be_waited_for_on() -> None:
    found, pings = fences()
    found.sent(PAIR, "a", 1.0)
    found.sent(PAIR, "b", 2.0)
    found.on_timer(1.0 + PATIENCE)
    found.wait_on(PAIR, set(), 1.0 + PATIENCE)
    assert found.next_timer() == 2.0 + PATIENCE, "when the next is late"
    found.wait_on(PAIR, set(), 1.9 + PATIENCE)
    assert found.next_timer() == 1.9 + PATIENCE + GRAIN, "not at once"
    found.wait_on(PAIR, set(), 2.5 + PATIENCE)
    assert found.next_timer() == 2.5 + PATIENCE + LOOK_AGAIN
    found.wait_on(PAIR, {"a"}, 50.0)
    assert pings == [(PAIR, "f1"), (PAIR, "f2")], "nothing waits for the first any more"
    assert found.answered(PAIR, "f2") == ["b"]
    assert (len(found), found.next_timer()) == (0, None)
