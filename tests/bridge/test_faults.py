"""What a bug costs: one event, a line in the log, and nothing else."""

from pathlib import Path

import pytest

import dragoman
from dragoman.bridge.faults import BREATH, REST, Timers, contained, nothing


class Broken(Exception):
    """A bug of any kind."""


def fail(*_: object) -> None:
    raise Broken


def test_what_is_done_is_done() -> None:
    found: list[int] = []
    assert contained(fail, found.append, 7)
    assert found == [7]


def test_what_fails_is_logged_and_who_waits_is_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    assert not contained(lambda: told.append("x"), fail, 1)
    [record] = caplog.records
    assert record.message.endswith("a bug")
    assert record.exc_info is not None
    assert record.exc_info[0] is Broken
    assert told == ["x"]


def test_to_tell_may_fail_as_well(caplog: pytest.LogCaptureFixture) -> None:
    assert not contained(fail, fail)
    assert len(caplog.records) == 2


def test_who_stops_the_process_is_not_held_up() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        contained(nothing, stop)


def test_it_is_the_only_place_where_all_is_caught() -> None:
    """But for the thread that keeps what is remembered, where no event is (app/keeping.py)."""
    root = Path(dragoman.__file__).parent
    files = sorted(each for each in root.rglob("*.py") if "except Exception" in each.read_text())
    assert [str(each.relative_to(root)) for each in files] == ["app/keeping.py", "bridge/faults.py"]


# -- timers ----------------------------------------------------------------------------------


class Bell:
    """A service that is to be rung at `when`; `fails` at that, or at saying when."""

    def __init__(self, when: float | None = None, fails: str = "") -> None:
        self.when = when
        self.fails = fails
        self.rung: list[float] = []

    def on_timer(self, now: float) -> None:
        self.rung.append(now)
        if self.fails == "to ring":
            raise Broken
        if self.fails != "to stop" and self.when is not None and self.when <= now:
            self.when = None

    def next_timer(self) -> float | None:
        if self.fails == "to say":
            raise Broken
        return self.when


def test_the_first_of_all_is_next() -> None:
    assert Timers([Bell(), Bell(5.0), Bell(3.0)]).next(1.0) == 3.0
    assert Timers([Bell()]).next(1.0) is None


@pytest.mark.parametrize(
    ("fails", "rest"), [("to ring", REST), ("to say", REST), ("to stop", BREATH)]
)
def test_a_faulty_service_neither_stops_the_others_nor_fills_the_loop(
    fails: str, rest: float
) -> None:
    """Driven as the hub does: it is rung when it wants that, but for its rests."""
    faulty, sound = Bell(1.0, fails), Bell(1.0)
    timers, now, rings = Timers([faulty, sound]), 1.0, 0
    while now < 1.0 + 10 * rest:
        timers.ring(now)
        when = timers.next(now)
        assert when is not None
        assert when > now
        now, rings = when, rings + 1
    assert rings <= 11
    assert sound.rung[0] == 1.0
    sound.when = now + rest / 2
    timers.ring(now)
    assert timers.next(now) == sound.when, "it waits for nobody"


def test_a_service_that_cannot_say_when_is_asked_once_a_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    timers = Timers([Bell(fails="to say"), Bell(9.0)])
    found = [timers.next(now) for now in (1.0, 1.1, 1.2)]
    assert (found, len(caplog.records)) == ([1.0 + REST] * 3, 1)
