"""How often one and the same is asked for."""

from dragoman.bridge.pace import Pace


def test_a_few_at_once_and_then_at_a_pace() -> None:
    """Whatever was tried between."""
    pace, now, began = Pace(3, 30.0), 1000.0, []
    for _ in range(6):
        now = pace.when("a", now)
        assert pace.when("a", now) == now
        pace.took("a", now)
        began.append(now - 1000)
    assert began == [0, 0, 0, 30, 60, 90]
    assert pace.when("b", now) == now


def test_who_rests_may_have_a_few_again() -> None:
    """After as long as those took."""
    pace = Pace(3, 30.0)
    for _ in range(3):
        pace.took("a", 0.0)
    for _ in range(3):
        assert pace.when("a", 90.0) == 90.0
        pace.took("a", 90.0)
    assert pace.when("a", 90.0) == 120.0


def test_one_who_is_to_wait_waits() -> None:
    """And has then no more at once than he would have had."""
    pace = Pace(3, 30.0)
    pace.hold("a", 500.0)
    pace.hold("a", 400.0)
    assert pace.when("a", 0.0) == 500.0
    pace.took("a", 500.0)
    assert pace.when("a", 500.0) == 530.0


def test_what_is_remembered_is_bounded() -> None:
    """What is over goes first of all, and the oldest where all is young."""
    pace = Pace(1, 30.0, 3)
    for number in range(5):
        pace.took(number, 0.0)
    assert len(pace) == 3
    assert pace.when(1, 0.0) == 0.0
    assert pace.when(4, 0.0) == 30.0
    pace.took(9, 31.0)
    assert len(pace) == 1
    pace.hold(8, 99.0)
    pace.hold(7, 99.0)
    pace.hold(6, 99.0)
    assert len(pace) == 3
