"""Targets that fail: how long they come last, when they are probed, what is remembered."""

import pytest

from dragoman.sip.health import LONGEST, MAX_HELD, RECENT, Health
from dragoman.sip.locate import Target, Transport
from tests.sip.desk import FAR, NEAR, over


@pytest.mark.spec("NET-24")
def test_a_target_that_failed_comes_last_until_it_is_heard() -> None:
    health = Health()
    third = over(Transport.TCP)
    assert list(health.order([NEAR, FAR, third], 0.0)) == [NEAR, FAR, third]
    health.failed(NEAR, 0.0)
    assert list(health.order([NEAR, FAR, third], 1.0)) == [FAR, third, NEAR]
    health.failed(FAR, 1.0)
    assert list(health.order([NEAR, FAR], 1.0)) == [NEAR, FAR], "all the same in order"
    health.heard(NEAR, 2.0)
    assert list(health.order([FAR, NEAR], 2.0)) == [NEAR, FAR]
    health.heard(FAR, 2.0)
    assert (len(health._held), health.watching, health.next_timer()) == (0, False, None)


def test_a_failure_holds_off_for_thirty_seconds_doubling_to_ten_minutes() -> None:
    health, now, holds = Health(), 0.0, []
    health.failed(NEAR, now)
    for _ in range(7):
        when = health.next_timer()
        assert when is not None
        holds.append(when - now)
        now = when
        health.order([NEAR], now)
        assert health.due(now) == [NEAR]
        health.failed(NEAR, now)
    assert holds == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0]


def test_what_failed_before_the_target_was_held_off_makes_nothing_worse() -> None:
    health = Health()
    for _ in range(100):
        health.failed(NEAR, 0.0)
    assert health.next_timer() == 30.0


def test_a_target_is_probed_once_until_the_answer() -> None:
    health = Health()
    health.failed(NEAR, 0.0)
    assert health.due(29.9) == []
    assert health.due(30.0) == [NEAR]
    assert (health.due(1000.0), health.next_timer()) == ([], None)
    assert health.holds(NEAR), "until the answer"
    health.heard(NEAR, 31.0)
    assert not health.holds(NEAR)


def test_a_target_that_nobody_wants_is_forgotten_instead() -> None:
    health, now = Health(), 0.0
    health.failed(NEAR, now)
    while (when := health.next_timer()) is not None:
        now = when
        for each in health.due(now):
            health.failed(each, now)
    assert RECENT < now <= RECENT + LONGEST
    assert len(health._held) == 0


@pytest.mark.parametrize(("seconds", "until"), [(7, 7.0), (86400, LONGEST)])
def test_retry_after_is_obeyed_up_to_ten_minutes(seconds: int, until: float) -> None:
    health = Health()
    health.asked(NEAR, seconds, 0.0)
    assert list(health.order([NEAR, FAR], 0.0)) == [FAR, NEAR]
    assert health.next_timer() == until


@pytest.mark.parametrize(
    ("heard", "silent"), [((), True), ((1.0,), True), ((5.0,), False), ((1.0, 5.0), False)]
)
def test_a_target_in_doubt_is_silent_until_it_is_heard(
    heard: tuple[float, ...], silent: bool
) -> None:
    health = Health()
    assert not health.silent(NEAR, 2.0), "nobody listened"
    health.doubt(NEAR)
    for when in heard:
        health.heard(NEAR, when)
    health.doubt(NEAR)
    assert health.silent(NEAR, 2.0) is silent


def test_what_is_remembered_is_bounded() -> None:
    health = Health()
    for port in range(1, MAX_HELD + 10):
        target = Target(Transport.UDP, "192.0.2.1", port)
        health.failed(target, 0.0)
        health.doubt(target)
    assert len(health._held) == len(health._heard) == len(health._alarms) == MAX_HELD
    assert health.holds(target)
