"""What every store of identifiers promises, asked of each (RFC 5438 §7.2.1, XEP-0333 §5)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.store.interface import (
    AGE,
    MOST_CHARACTERS,
    MOST_OPEN,
    NOTHING,
    Crossed,
    Disposition,
    Identifiers,
    fits,
)
from dragoman.store.sqlite import Sqlite
from tests.store.kept import NOW, PEER, PLAIN, STORES, USER, crossed, outward

DELIVERED, FAILED, DISPLAYED = Disposition

Ask = Callable[[Identifiers, Crossed], Crossed | None]


@pytest.fixture(params=STORES)
def few(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Identifiers]:
    """A store that keeps three messages a peer."""
    yield from made(request.param, tmp_path, 3)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Identifiers]:
    yield from made(request.param, tmp_path, 1000)


def made(name: str, folder: Path, a_peer: int) -> Iterator[Identifiers]:
    found = STORES[name](folder, a_peer)
    if isinstance(found, Sqlite):
        found.open()
    yield found
    if isinstance(found, Sqlite):
        found.flush()
        found.close()


def by_stanza(store: Identifiers, each: Crossed) -> Crossed | None:
    return store.by_stanza(each.user, each.peer, each.stanza_id, inward=each.inward)


def by_message(store: Identifiers, each: Crossed) -> Crossed | None:
    return store.by_message(each.peer, each.message_id, inward=each.inward)


def by_origin(store: Identifiers, each: Crossed) -> Crossed | None:
    return store.by_origin(each.user, each.peer, each.origin_id)


def same(found: Crossed | None, put: Crossed) -> bool:
    """Tell whether a message came back as it was put in, but for its number."""
    return found is not None and put == replace(found, number=put.number)


def fields(of: Crossed) -> dict[str, object]:
    return {name: getattr(of, name) for name in of.__slots__}


@pytest.mark.parametrize("message", [PLAIN, outward(2), crossed(3, route=(), asked=NOTHING)])
@pytest.mark.parametrize("ask", [by_stanza, by_message, by_origin])
def test_a_message_is_found_by_each_name_that_it_has(
    store: Identifiers, message: Crossed, ask: Ask
) -> None:
    store.add(message)
    for number in range(10, 13):
        store.add(crossed(number))
    wanted = ask is not by_origin or bool(message.origin_id)
    assert same(ask(store, message), message) is wanted


@pytest.mark.parametrize(
    "other",
    [
        {"user": "bob@xmpp.example"},
        {"peer": "dave@sip.example"},
        {"inward": True},
        {"stanza_id": "s2", "message_id": "m2", "origin_id": "o2"},
    ],
)
def test_nobody_elses_message_is_found_by_them(
    store: Identifiers, other: dict[str, str | bool]
) -> None:
    store.add(outward(1))
    asked = outward(1, **other)
    assert by_stanza(store, asked) is None
    if "user" not in other:
        assert by_message(store, asked) is None
    if "inward" not in other:
        assert by_origin(store, asked) is None


def test_a_message_without_names_is_not_found_by_nothing(store: Identifiers) -> None:
    store.add(outward(1, message_id="", origin_id=""))
    store.add(outward(2))
    assert store.by_message(PEER, "", inward=False) is None
    assert store.by_origin(USER, PEER, "") is None


@pytest.mark.parametrize("ask", [by_stanza, by_message, by_origin])
def test_one_that_did_not_cross_is_forgotten(store: Identifiers, ask: Ask) -> None:
    for number in range(3):
        store.add(outward(number))
    assert ask(store, outward(0))
    store.remove(outward(0))
    store.remove(outward(99))
    assert ask(store, outward(0)) is None
    assert same(ask(store, outward(1)), outward(1))
    store.add(outward(0))
    assert same(ask(store, outward(0)), outward(0))


def test_of_two_with_the_same_name_the_later_counts(store: Identifiers) -> None:
    store.add(crossed(1))
    store.add(crossed(1, message_id="later"))
    found = by_stanza(store, crossed(1))
    assert found is not None
    assert found.message_id == "later"
    assert by_message(store, crossed(1)) is None
    store.add(crossed(2, message_id="later"))
    found = by_message(store, crossed(1, message_id="later"))
    assert found is not None
    assert found.stanza_id == "s2"


@pytest.mark.parametrize(
    ("told", "new"),
    [
        ([DELIVERED, DELIVERED], [True, False]),
        ([DELIVERED, DISPLAYED, DISPLAYED], [True, True, False]),
        ([DISPLAYED, DELIVERED], [True, True]),
        ([DELIVERED, FAILED], [True, False]),
        ([DISPLAYED, FAILED], [True, False]),
        ([FAILED, DELIVERED, DISPLAYED, FAILED], [True, False, False, False]),
    ],
)
def test_each_word_is_told_once(
    store: Identifiers, told: list[Disposition], new: list[bool]
) -> None:
    store.add(PLAIN)
    found = []
    for number, each in enumerate(told, 10):
        store.add(crossed(number))
        found.append(store.tell(PLAIN, each))
    assert found == new


def test_nothing_is_told_of_what_is_unknown(store: Identifiers) -> None:
    assert not store.tell(PLAIN, DELIVERED)


def test_earlier_messages_that_wait_to_be_displayed_come_in_order(store: Identifiers) -> None:
    for number in range(6):
        store.add(crossed(number))
    store.add(crossed(6, asked=DELIVERED))
    store.add(outward(7))
    store.add(crossed(8, user="bob@xmpp.example"))
    assert store.tell(crossed(1), DISPLAYED)
    assert store.tell(crossed(2), DELIVERED)
    marked = by_stanza(store, crossed(4))
    assert marked is not None
    assert [each.stanza_id for each in store.open_before(marked)] == ["s0", "s2", "s3"]


def test_a_marker_covers_the_latest_of_many(store: Identifiers) -> None:
    for number in range(MOST_OPEN + 20):
        store.add(crossed(number))
    last = by_stanza(store, crossed(MOST_OPEN + 19))
    assert last is not None
    found = store.open_before(last)
    assert found[-1].stanza_id == f"s{MOST_OPEN + 18}"
    assert MOST_OPEN - 1 <= len(found) <= MOST_OPEN


def test_of_a_peer_with_too_many_the_oldest_is_forgotten(few: Identifiers) -> None:
    few.add(crossed(9, peer="dave@sip.example"))
    for number in range(4):
        few.add(crossed(number))
    if isinstance(few, Sqlite):
        few.flush()
    for ask in (by_stanza, by_message):
        assert ask(few, crossed(0)) is None
        assert same(ask(few, crossed(1)), crossed(1))
        assert ask(few, crossed(9, peer="dave@sip.example"))


def test_what_is_too_old_is_forgotten(store: Identifiers) -> None:
    store.add(crossed(1, sent=NOW - AGE - 1))
    store.add(crossed(2, sent=NOW - AGE + 1))
    store.add(crossed(3, sent=NOW))
    if isinstance(store, Sqlite):
        store.flush()
    assert by_stanza(store, crossed(1)) is None
    assert by_stanza(store, crossed(2))
    assert by_stanza(store, crossed(3))


def test_a_message_with_names_without_end_is_not_remembered(store: Identifiers) -> None:
    room = MOST_CHARACTERS - sum(
        len(text)
        for text in fields(crossed(1, message_id="", route=())).values()
        if isinstance(text, str)
    )
    assert fits(crossed(1, message_id="m" * room, route=()))
    long = crossed(1, message_id="m" * room, route=("u",))
    store.add(long)
    assert by_stanza(store, long) is None


@pytest.mark.parametrize("name", ["", "\0", "'; DROP TABLE crossed; --", "🎭" * 30, "\udc80"])
def test_any_name_will_do(store: Identifiers, name: str) -> None:
    weird = crossed(1, stanza_id=name, message_id=name, origin_id=name)
    store.add(weird)
    store.add(crossed(2))
    assert store.by_message(PEER, "never" + name, inward=True) is None
    assert same(by_stanza(store, crossed(2)), crossed(2))
    if name != "\udc80":  # half a character: what came over a wire has none
        assert same(by_stanza(store, weird), weird)


def test_the_numbers_in_databases_never_change() -> None:
    assert [each.value for each in Disposition] == [1, 2, 4]
