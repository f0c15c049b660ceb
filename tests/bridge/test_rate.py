"""How much one domain may send, and for how long its streams are not read otherwise."""

import pytest

from dragoman.bridge import rate
from dragoman.bridge.rate import BEHIND, BURST, LONGEST, Allowance, Restraint

HOME, AWAY = "xmpp.example", "other.example"


class Door:
    """A restraint, and what it is told of the rest."""

    def __init__(self, **allowed: int) -> None:
        self.way: dict[str, int] = {}
        self.behind = False
        self.restraint: Restraint[str] = Restraint(
            Allowance(**allowed), lambda domain: self.way.get(domain, 0), lambda: self.behind
        )

    def took(self, stanzas: int, octets: int, now: float, domain: str = HOME) -> bool:
        return self.restraint.took(f"stream of {domain}", domain, stanzas, octets, now)


@pytest.mark.parametrize("kind", ["stanzas", "octets"])
def test_who_owes_is_not_read_until_it_is_paid(kind: str) -> None:
    door = Door(**{kind: 10})
    most = int(BURST * 10)
    spent = (most, 0) if kind == "stanzas" else (0, most)
    more = (20, 0) if kind == "stanzas" else (0, 20)
    assert not door.took(*spent, 0.0)
    assert door.took(*more, 0.0)
    assert not door.took(*spent, 0.0, AWAY)
    assert door.restraint.next_timer() == 2.0
    assert door.restraint.due(1.9) == []
    assert door.restraint.due(2.0) == [f"stream of {HOME}"]
    assert not door.took(0, 0, 2.0)
    assert not door.took(*more, 4.0)


def test_nobody_waits_for_longer_than_the_longest_time_at_once() -> None:
    door = Door(stanzas=1)
    assert door.took(1000, 0, 0.0)
    assert door.restraint.next_timer() == LONGEST
    assert door.restraint.due(LONGEST) == [f"stream of {HOME}"]
    assert door.took(1, 0, LONGEST), "what is still owed is not forgotten"


def test_no_allowance_is_no_limit() -> None:
    door = Door()
    assert not door.took(10**9, 10**12, 0.0)
    assert door.restraint.describe()["domains"] == 0


@pytest.mark.spec("NET-38")
def test_a_domain_with_too_much_under_way_is_not_read_until_half_of_it_is_through() -> None:
    door = Door(under_way=100)
    door.way = {HOME: 100}
    assert not door.took(1, 0, 0.0, AWAY)
    assert door.took(1, 0, 0.0)
    assert door.restraint.waiting
    door.way = {HOME: 51}
    assert door.restraint.due(100.0) == []
    door.way = {HOME: 50}
    assert door.restraint.due(100.0) == [f"stream of {HOME}"]
    assert not door.restraint.waiting


def test_who_owes_and_has_too_much_under_way_waits_for_both() -> None:
    door = Door(stanzas=10, under_way=1)
    door.way = {HOME: 1}
    assert door.took(60, 0, 0.0)
    assert door.restraint.due(1.0) == []
    door.way = {}
    assert door.restraint.due(1.0) == [f"stream of {HOME}"]


def test_when_the_gateway_is_behind_everybody_waits_a_little() -> None:
    door = Door(stanzas=10)
    door.behind = True
    assert door.took(1, 0, 0.0)
    assert door.restraint.due(BEHIND) == [f"stream of {HOME}"]


@pytest.mark.spec("NET-38")
def test_accounts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MOST", 3)
    door = Door(stanzas=10)
    for number in range(10):
        door.took(1, 0, 0.0, f"{number}.example")
    assert door.restraint.describe()["domains"] == 3
