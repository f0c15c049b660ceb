"""The bounds of what is remembered in memory, each reached."""

import pytest

from dragoman.store.interface import AGE
from dragoman.store.memory import Memory
from tests.store.kept import NOW, crossed


@pytest.mark.parametrize(
    ("room", "sent", "left"),
    [
        ({"most": 3}, NOW, ["s0"]),
        ({"most_a_peer": 2}, NOW, ["s0", "s1"]),
        ({"most": 3, "most_a_peer": 2}, NOW, ["s0", "s1"]),
        ({}, NOW + AGE + 0.5, ["s0"]),
        ({}, NOW + AGE + 2.5, ["s0", "s1", "s2"]),
        ({}, NOW, []),
    ],
)
def test_the_oldest_make_room(room: dict[str, int], sent: float, left: list[str]) -> None:
    gone: list[str] = []
    store = Memory(**room, forgotten=lambda each: gone.append(each.stanza_id))
    for number in range(3):
        store.add(crossed(number, sent=NOW + number))
    store.add(crossed(3, sent=sent))
    assert gone == left
    assert len(store) == 4 - len(left)


def test_who_has_many_takes_no_room_from_others_while_there_is_room() -> None:
    store = Memory(most=100, most_a_peer=10)
    store.add(crossed(0, peer="dave@sip.example"))
    for number in range(1000):
        store.add(crossed(number))
    assert len(store) == 11
    assert store.by_stanza("alice@xmpp.example", "dave@sip.example", "s0", inward=True)


def test_nothing_is_left_of_what_is_forgotten() -> None:
    store = Memory(most=5)
    for number in range(50):
        store.add(crossed(number, peer=f"{number}@sip.example", origin_id="o"))
    for number in range(45, 50):
        store.remove(crossed(number, peer=f"{number}@sip.example"))
    tables = (store._all, store._by_peer, store._by_message, store._by_origin, store._open)
    assert [len(each) for each in tables] == [0] * 5


def test_one_that_comes_back_has_its_old_place() -> None:
    store = Memory()
    for number in (3, 5, 2, 4):
        store.put(crossed(number, number=number))
    found = store.open_before(crossed(9, number=9))
    assert [each.number for each in found] == [2, 3, 4, 5]
    store.put(crossed(7, number=7, message_id="m"))
    store.put(crossed(6, number=6, message_id="m"))
    latest = store.by_message("carol@sip.example", "m", inward=True)
    assert latest is not None
    assert latest.number == 7
