"""Alarms: many timers of which only the next concerns the driver."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.clock import Alarms


def test_nothing_is_pending_at_first() -> None:
    alarms: Alarms[str] = Alarms()
    assert (alarms.next(), alarms.due(1e9), len(alarms), "a" in alarms) == (None, [], 0, False)


def test_the_earliest_is_next_and_comes_up_first() -> None:
    alarms: Alarms[str] = Alarms()
    for key, when in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        alarms.set(key, when)
    assert alarms.next() == 1.0
    assert alarms.due(2.0) == ["a", "b"]
    assert (alarms.next(), len(alarms), "c" in alarms) == (3.0, 1, True)


def test_equal_times_come_up_in_the_order_of_setting() -> None:
    alarms: Alarms[str] = Alarms()
    for key in "zyx":
        alarms.set(key, 1.0)
    assert alarms.due(1.0) == ["z", "y", "x"]


def test_a_later_setting_replaces_an_earlier_one_either_way() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 1.0)
    alarms.set("a", 5.0)
    assert (alarms.due(4.0), alarms.next()) == ([], 5.0)
    alarms.set("a", 2.0)
    assert (alarms.due(2.0), alarms.due(9.0)) == (["a"], [])


def test_a_timer_is_hastened_never_put_off() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.hasten("a", 5.0)
    alarms.hasten("a", 9.0)
    assert alarms.next() == 5.0
    alarms.hasten("a", 2.0)
    assert (alarms.due(2.0), alarms.due(9.0)) == (["a"], [])


def test_a_cancelled_timer_never_comes_up() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set("a", 1.0)
    alarms.cancel("a")
    alarms.cancel("never set")
    assert (alarms.next(), alarms.due(2.0), len(alarms)) == (None, [], 0)


def test_the_heap_stays_bounded_when_one_timer_is_set_for_ever() -> None:
    alarms: Alarms[str] = Alarms()
    for turn in range(10_000):
        alarms.set("a", float(turn))
    assert len(alarms._heap) <= 2 * len(alarms) + 65
    assert alarms.due(1e9) == ["a"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 20))), max_size=40
    )
)
def test_alarms_agree_with_a_plain_dictionary(steps: list[tuple[str, int | None]]) -> None:
    alarms: Alarms[str] = Alarms()
    model: dict[str, int] = {}
    for key, when in steps:
        if when is None:
            alarms.cancel(key)
            model.pop(key, None)
        else:
            alarms.set(key, float(when))
            model[key] = when
    assert alarms.next() == min(model.values(), default=None)
    assert sorted(alarms.due(10.0)) == sorted(key for key, when in model.items() if when <= 10)
    assert len(alarms) == sum(when > 10 for when in model.values())
