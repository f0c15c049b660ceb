"""What outlives the process, what may be lost, and what is asked of the disk."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.store import sqlite
from dragoman.store.interface import AGE, Crossed, Disposition
from dragoman.store.sqlite import BY_MESSAGE, BY_ORIGIN, BY_STANZA, OPEN, Bounds, Sqlite
from tests.store.kept import NOW, PEER, PLAIN, USER, crossed, outward, wall

DELIVERED, FAILED, DISPLAYED = Disposition


class Stores:
    """Databases in one folder, closed at the end; `again` is a gateway that started anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "dragoman.db"
        self.made: list[Sqlite] = []
        self.now = NOW

    def open(self, bounds: Bounds | None = None, path: Path | None = None) -> Sqlite:
        store = Sqlite(path or self.path, lambda: self.now, bounds)
        store.open()
        self.made.append(store)
        return store

    def again(self, bounds: Bounds | None = None) -> Sqlite:
        self.made[-1].flush()
        self.made[-1].close()
        return self.open(bounds)

    def killed(self) -> Sqlite:
        """Return what a new process finds when the old one ended without a word."""
        target = self.folder / "after"
        target.mkdir()
        for name in ("dragoman.db", "dragoman.db-wal"):
            shutil.copy(self.folder / name, target)
        return self.open(path=target / "dragoman.db")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    found = Stores(tmp_path)
    yield found
    for each in found.made:
        each.flush()
        each.close()


def find(store: Sqlite, each: Crossed) -> Crossed | None:
    return store.by_stanza(each.user, each.peer, each.stanza_id, inward=each.inward)


def stanza_ids(store: Sqlite, numbers: range) -> list[int]:
    return [number for number in numbers if find(store, crossed(number))]


def questions(store: Sqlite) -> list[str]:
    """Return a list that grows with each question to the database."""
    asked: list[str] = []
    assert store._reader is not None
    store._reader.set_trace_callback(asked.append)
    return asked


def test_messages_are_found_after_a_restart_with_all_that_is_known_of_them(stores: Stores) -> None:
    store = stores.open()
    for each in (crossed(1), outward(2)):
        store.add(each)
    assert store.tell(crossed(1), DELIVERED)
    store.add(crossed(3))
    store.remove(crossed(3))
    store = stores.again()
    found = find(store, crossed(1))
    assert found == crossed(1, number=1, told=DELIVERED)
    assert store.by_message(PEER, "m2", inward=False) == outward(2, number=2)
    assert store.by_origin(USER, PEER, "o2") == outward(2, number=2)
    assert find(store, crossed(3)) is None
    assert not store.tell(crossed(1), DELIVERED)
    assert not store.tell(crossed(1), FAILED)
    store.add(crossed(4))
    found = find(store, crossed(4))
    assert found is not None
    assert found.number == 3, "numbers go on from the last that is kept"


def test_a_name_that_is_used_again_after_a_restart_is_the_new_messages(stores: Stores) -> None:
    stores.open().add(crossed(1))
    store = stores.again()
    store.add(crossed(1, message_id="later"))
    assert store.by_message(PEER, "m1", inward=True) is None
    store = stores.again()
    assert store.by_message(PEER, "m1", inward=True) is None
    assert store.by_message(PEER, "later", inward=True)


def test_a_marker_after_a_restart_covers_what_came_before_it(stores: Stores) -> None:
    store = stores.open()
    for number in range(4):
        store.add(crossed(number))
    store.tell(crossed(1), DISPLAYED)
    store = stores.again()
    store.add(crossed(4))
    store.tell(crossed(2), DISPLAYED)
    last = find(store, crossed(4))
    assert last is not None
    assert [each.stanza_id for each in store.open_before(last)] == ["s0", "s3"]


def test_of_a_process_that_is_killed_what_was_not_flushed_is_lost_and_no_more(
    stores: Stores,
) -> None:
    store = stores.open()
    store.add(crossed(1))
    store.flush()
    store.add(crossed(2))
    assert stanza_ids(stores.killed(), range(4)) == [1]


def test_what_is_new_is_remembered_and_told_without_a_question_to_the_database(
    stores: Stores,
) -> None:
    store = stores.open()
    for number in range(100):
        store.add(outward(number))
    store = stores.again()
    store.flush()
    asked = questions(store)
    for number in range(200, 300):
        assert store.by_origin(USER, PEER, f"o{number}") is None
        assert store.by_message(PEER, f"m{number}", inward=True) is None
        store.add(crossed(number, peer=f"{number}@sip.example"))
        found = find(store, crossed(number, peer=f"{number}@sip.example"))
        assert found is not None
        store.open_before(found)
        assert store.tell(found, DISPLAYED)
    assert asked == []
    assert store.by_origin(USER, PEER, "o7") is not None
    assert store.by_origin(USER, PEER, "o7") is not None
    assert len(asked) == 1, "the second time it is in memory"


def test_until_a_start_is_over_nothing_is_overlooked(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHUNK", 3)
    store = stores.open()
    for number in range(10):
        store.add(crossed(number))
    store = stores.again(Bounds(recent=1))
    asked = questions(store)
    for _ in range(4):
        assert stanza_ids(store, range(12)) == list(range(10))
        assert len(asked) >= 11
        asked.clear()
        store.flush()
    assert stanza_ids(store, range(12)) == list(range(10))
    assert len(asked) == 10
    store.flush()


def test_of_too_many_the_oldest_are_forgotten_on_disk_too(stores: Stores) -> None:
    bounds = Bounds(recent=3, kept=8)
    store = stores.open(bounds)
    for number in range(40):
        store.add(crossed(number))
        store.flush()
    assert stanza_ids(store, range(40)) == list(range(32, 40))
    assert len(store) == 3
    store = stores.again(bounds)
    assert stanza_ids(store, range(40)) == list(range(32, 40))


def test_the_old_go_a_part_at_a_time_and_every_hour(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHUNK", 4)
    store = stores.open(Bounds(recent=1))
    for number in range(10):
        store.add(crossed(number, sent=NOW + number))
    store.flush()

    def rows() -> int:
        assert store._writer is not None
        return int(store._writer.execute("SELECT count(*) FROM crossed").fetchone()[0])

    stores.now = NOW + AGE + 8.5
    found = []
    for _ in range(4):
        store.flush()
        found.append(rows())
    assert found == [6, 2, 1, 1]
    assert stanza_ids(store, range(10)) == [9]
    stores.now += 60
    store.flush()
    assert rows() == 1
    assert stanza_ids(store, range(8)) == []
    stores.now += 3600
    store.flush()
    assert rows() == 0
    stores.now -= 10 * AGE
    store.add(crossed(20, sent=stores.now))
    store.flush()
    assert rows() == 1


def test_a_removed_message_does_not_come_back_before_it_is_flushed(stores: Stores) -> None:
    store = stores.open(Bounds(recent=1))
    for number in range(3):
        store.add(crossed(number))
    store.flush()
    store.remove(crossed(0))
    assert find(store, crossed(0)) is None
    assert store.by_message(PEER, "m0", inward=True) is None
    last = find(store, crossed(2))
    assert last is not None
    assert [each.stanza_id for each in store.open_before(last)] == ["s1"]
    assert stanza_ids(stores.again(), range(3)) == [1, 2]


def test_flushing_is_a_thread_of_its_own(stores: Stores) -> None:
    store = stores.open()
    over = threading.Event()

    def flush() -> None:
        while not over.is_set():
            store.flush()

    thread = threading.Thread(target=flush)
    thread.start()
    for number in range(3000):
        store.add(crossed(number))
        if number % 3 == 0:
            store.remove(crossed(number))
        elif number % 3 == 1:
            assert store.tell(crossed(number), DELIVERED)
    over.set()
    thread.join()
    store = stores.again()
    assert stanza_ids(store, range(3000)) == [each for each in range(3000) if each % 3]
    assert not store.tell(crossed(1), DELIVERED)
    assert store.tell(crossed(2), DELIVERED)


# -- what goes wrong --------------------------------------------------------------------------


def limit(store: Sqlite, pages: int) -> None:
    """Have the disk be full when the file has so many pages; 0 for as many as it has now."""
    assert store._writer is not None
    store._writer.execute(f"PRAGMA max_page_count = {pages or 1}")


def test_a_full_disk_is_told_once_and_nothing_is_lost_when_there_is_room_again(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    store = stores.open()
    store.add(crossed(0))
    store.flush()
    limit(store, 0)
    for number in range(1, 500):
        store.add(crossed(number))
        if number % 100 == 0:
            store.flush()
    assert stanza_ids(store, range(500)) == list(range(500))
    assert store.describe()["waiting"] > 400
    [record] = caplog.records
    assert (record.levelname, "cannot be written" in record.getMessage()) == ("ERROR", True)
    limit(store, 100_000)
    store.flush()
    store.flush()
    [_, record] = caplog.records
    assert "kept again" in record.getMessage()
    assert store.describe() == {"recent": 500, "waiting": 0, "lost": 0}
    assert stanza_ids(stores.again(), range(500)) == list(range(500))


def test_what_a_full_disk_leaves_waiting_has_bounds(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    store = stores.open(Bounds(waiting=50))
    limit(store, 0)
    for number in range(1000):
        store.add(crossed(number, message_id="m" * 500))
        if number % 10 == 0:
            store.flush()
    counts = store.describe()
    assert counts["waiting"] == 100
    assert counts["lost"] == 1000 - 100 - 1, "there was room for the first"
    store.close()
    assert caplog.records[-1].getMessage() == "messages are forgotten"


def test_a_database_that_cannot_be_read_is_told_once_and_memory_goes_on(
    stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    store = stores.open(Bounds(recent=2))
    for number in range(5):
        store.add(crossed(number))
    store.flush()
    assert store._reader is not None
    store._reader.close()
    assert stanza_ids(store, range(5)) == [3, 4]
    [record] = caplog.records
    assert "cannot be read" in record.getMessage()
    store.add(crossed(5))
    assert find(store, crossed(5))


@pytest.mark.parametrize("column", ["asked = 99", "told = 'x'", "route = '['", "route = '3'"])
def test_a_row_that_makes_no_sense_is_no_message(
    stores: Stores, column: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = stores.open()
    store.add(crossed(1))
    store.add(crossed(2))
    store.flush()
    assert store._writer is not None
    store._writer.execute(f"UPDATE crossed SET {column} WHERE number = 1")  # noqa: S608
    store = stores.again()
    for _ in range(2):
        assert stanza_ids(store, range(4)) == [2]
        store.flush()
    [record] = caplog.records
    assert "cannot be read" in record.getMessage()


def test_half_a_character_stops_nobody_else(stores: Stores) -> None:
    store = stores.open(Bounds(counted=1))
    store.add(crossed(1, peer="\udc80@sip.example", route=("\udc80",)))
    store.add(crossed(2))
    store = stores.again()
    assert stanza_ids(store, range(4)) == [2]
    assert store.by_message("\udc80@sip.example", "m1", inward=True) is None


def test_before_it_is_open_memory_does() -> None:
    store = Sqlite(Path("/nowhere/dragoman.db"), wall)
    store.add(PLAIN)
    store.flush()
    assert find(store, PLAIN)
    store.close()


# -- how it is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "values", "index"),
    [
        (BY_STANZA, (PEER, USER, "s", True), "by_stanza"),
        (BY_MESSAGE, (PEER, "m", True), "by_message"),
        (BY_ORIGIN, (PEER, USER, "o"), "by_origin"),
        (OPEN, (PEER, USER, 5, 5), "by_talk"),
        (sqlite.OF_PEER, (PEER,), "by_stanza"),
    ],
)
def test_every_question_has_its_index(
    stores: Stores, search: str, values: tuple[str | int, ...], index: str
) -> None:
    store = stores.open()
    assert store._reader is not None
    plan = store._reader.execute(f"EXPLAIN QUERY PLAN {search}", values).fetchall()
    told = " ".join(row[3] for row in plan)
    assert f"INDEX {index} (" in told
    assert "SCAN" not in told
    assert "TEMP B-TREE" not in told


def test_the_reader_cannot_write(stores: Stores) -> None:
    store = stores.open()
    assert store._reader is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._reader.execute("DELETE FROM crossed")
