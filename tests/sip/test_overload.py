"""When new requests are turned away, and when no longer."""

import pytest

from dragoman.sip.overload import HOLD, Marks, Overload

MARKS = Marks(late=0.1, prompt=0.02, lasting=0.2, crowded=10, roomy=5)


def test_lateness_that_lasts_is_overload_until_all_is_prompt() -> None:
    overload = Overload(MARKS)
    seen = []
    for tick, lag in enumerate([0.15, 0.3, 0.12, 0.11, 0.05, 0.03, 0.01, 0.15]):
        overload.waited(lag, tick * 0.1)
        seen.append(overload.behind)
    assert seen == [False, False, True, True, True, True, False, False]
    assert overload.times == 1


def test_a_pause_that_is_made_up_for_is_none() -> None:
    overload = Overload(MARKS)
    for tick in range(10):
        overload.waited(0.5, tick)
        overload.waited(0.0, tick + 0.1)
    assert not overload.behind


def test_a_delay_that_nobody_measures_again_counts_no_more() -> None:
    overload = Overload(MARKS)
    overload.waited(0.5, 0.0)
    overload.waited(0.5, 0.2)
    assert overload.behind
    overload.pending(0, 0.2 + HOLD / 2)
    assert overload.behind
    overload.pending(0, 0.3 + HOLD)
    assert not overload.behind
    overload.waited(0.5, 5.0)
    assert not overload.behind


@pytest.mark.spec("NET-38")
def test_too_many_that_wait_are_overload_until_there_is_room() -> None:
    overload = Overload(MARKS)
    seen = []
    for count in (9, 10, 11, 8, 5, 4, 10):
        overload.pending(count, 0.0)
        seen.append(overload.behind)
    assert seen == [False, False, True, True, True, False, False]


def test_an_alarm_that_is_in_time_says_nothing() -> None:
    overload = Overload(MARKS)
    overload.waited(0.5, 0.0)
    overload.rang_late(0.001, 0.1)
    overload.rang_late(0.3, 0.2)
    assert overload.behind
