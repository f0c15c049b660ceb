"""The order of SRV records: RFC 2782, "The format of the SRV RR"."""

from collections import Counter
from random import Random

import pytest

from dragoman.records import Srv, in_order


class Drawn:
    """Chance that draws what it was told to, and keeps the bounds it was asked for."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.bounds: list[tuple[int, int]] = []

    def randint(self, a: int, b: int) -> int:
        self.bounds.append((a, b))
        return self.numbers.pop(0)


def srv(priority: int, weight: int, target: str = "") -> Srv:
    return Srv(priority, weight, 5060, target or f"{priority}-{weight}.example.net")


def test_no_record_is_no_order() -> None:
    assert in_order([], Drawn()) == []


def test_lower_priority_comes_first() -> None:
    records = [srv(30, 9), srv(10, 0), srv(20, 5)]
    assert [r.priority for r in in_order(records, Drawn(0, 0, 0))] == [10, 20, 30]


@pytest.mark.parametrize(
    ("drawn", "first"),
    [(0, 0), (1, 1), (2, 3), (4, 3)],
    ids=["zero weight only on zero", "running sum of one", "above it", "the whole sum"],
)
def test_a_drawn_number_picks_by_running_sum(drawn: int, first: int) -> None:
    """Weights 0, 1 and 3 have the running sums 0, 1 and 4."""
    chance = Drawn(drawn, 0, 0)
    assert in_order([srv(0, 3), srv(0, 1), srv(0, 0)], chance)[0].weight == first
    assert chance.bounds[0] == (0, 4)


def test_each_draw_is_among_those_left() -> None:
    chance = Drawn(4, 1, 0)
    assert [r.weight for r in in_order([srv(0, 3), srv(0, 1), srv(0, 0)], chance)] == [3, 1, 0]
    assert chance.bounds == [(0, 4), (0, 1), (0, 0)]


def test_priorities_are_drawn_apart() -> None:
    chance = Drawn(7, 9)
    in_order([srv(2, 9), srv(1, 7)], chance)
    assert chance.bounds == [(0, 7), (0, 9)]


def test_weights_show_over_many_draws() -> None:
    chance = Random(2782)  # noqa: S311  (a share of draws, not a secret)
    firsts = Counter(
        in_order([srv(0, 10, "small"), srv(0, 30, "large")], chance)[0].target for _ in range(2000)
    )
    assert 0.70 < firsts["large"] / 2000 < 0.80


def test_every_record_is_kept_once() -> None:
    records = [srv(p, w, f"{p}{w}{n}") for p in (1, 2) for w in (0, 5) for n in range(3)]
    assert sorted(in_order(records, Random(1)), key=str) == sorted(records, key=str)  # noqa: S311
