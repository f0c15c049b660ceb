"""Who may see whom, in memory and on disk."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.errors import LocalError
from dragoman.store import consent, schema
from dragoman.store.consent import Consent
from dragoman.store.schema import Unusable
from dragoman.store.subscriptions import (
    MOST_SHOWN,
    Full,
    Memory,
    Watched,
    Watching,
    kept_names,
)

ALICE, CAROL, BOB = "alice@xmpp.example", "carol@sip.example", "bob@jabber.example"
SEES = Watching(ALICE, CAROL, True, False, "spoken", 7.0, 5.0, ("orchard", "a desk"))
SEEN = Watched(ALICE, CAROL, authorized=True, asked=3.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database is."""
    return tmp_path / "presence.db"


def opened(path: Path) -> Consent:
    """Return an open store."""
    store = Consent(path)
    store.open()
    return store


def everything(store: Memory) -> tuple[list[Watching], list[Watched]]:
    """Return all records."""
    return list(store.watching()), list(store.watched())


def reopened(store: Consent, path: Path) -> tuple[list[Watching], list[Watched]]:
    """Return what is there after the store was closed."""
    store.close()
    with closing(opened(path)) as again:
        return everything(again)


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Memory]:
    """Return a store of either kind with little room."""
    if request.param == "memory":
        yield Memory(4, 3, 4)
        return
    with closing(Consent(path, 4, 3, 4)) as found:
        found.open()
        yield found


def test_what_is_kept_is_found(store: Memory) -> None:
    """By the two users; the two directions know nothing of each other."""
    store.keep(SEES)
    assert store.find_watching(ALICE, CAROL) == SEES
    assert store.find_watched(ALICE, CAROL) is None
    store.keep(SEEN)
    assert store.find_watched(ALICE, CAROL) == SEEN
    store.drop(SEES)
    assert everything(store) == ([], [SEEN])
    store.drop(SEES)
    store.drop(SEEN)
    assert everything(store) == ([], [])


def test_what_is_kept_again_takes_the_place(store: Memory) -> None:
    """One record for two users."""
    store.keep(Watching(ALICE, CAROL))
    store.keep(SEES)
    assert everything(store) == ([SEES], [])


def test_a_note_is_of_what_is_there(store: Memory) -> None:
    """It never brings back what was dropped, and gives no consent."""
    store.note(SEES)
    assert everything(store) == ([], [])
    store.keep(Watching(ALICE, CAROL, asked=3.0))
    store.note(SEES)
    assert everything(store) == ([replace(SEES, authorized=False, asked=3.0)], [])


def test_room(store: Memory) -> None:
    """So many of each kind; who is known may always change, and who leaves makes room."""
    for number in range(4):
        store.keep(Watching(f"u{number}@xmpp.example", f"c{number}@sip.example"))
    with pytest.raises(Full):
        store.keep(SEES)
    store.keep(SEEN)
    store.keep(Watching("u1@xmpp.example", "c1@sip.example", authorized=True))
    store.drop(Watching("u2@xmpp.example", "c2@sip.example"))
    store.keep(SEES)
    assert store.describe() | {"waiting": 0} == {"watching": 4, "watched": 1, "waiting": 0}


@pytest.mark.parametrize("end", ["watcher", "contact"])
def test_room_of_one_user(store: Memory, end: str) -> None:
    """Nobody takes the room of all."""
    others = [f"o{number}@example.com" for number in range(4)]
    records = [
        Watching(ALICE, each) if end == "watcher" else Watching(each, CAROL) for each in others
    ]
    for each in records[:3]:
        store.keep(each)
    with pytest.raises(Full, match=ALICE if end == "watcher" else CAROL):
        store.keep(records[3])
    store.keep(Watching(BOB, "dave@sip.example"))
    store.drop(records[0])
    store.drop(Watching(BOB, "dave@sip.example"))
    store.keep(records[3])


@pytest.mark.parametrize("kind", [Watching, Watched])
def test_room_of_one_domain(kind: type[Watching] | type[Watched]) -> None:
    """It may invent users without end: they have half of the room at most, and others have theirs.

    Of whom is watched anybody may be invented: that counts for nobody.
    """
    store = Memory(40, 30, 10)

    def asks(watcher: str, contact: str) -> Watching | Watched:
        if kind is Watching:
            return Watching(watcher, contact)
        return Watched(contact, watcher)

    for number in range(20):
        store.keep(asks(f"u{number}@many.example", f"c{number}@many.example"))
    more = asks("u20@many.example", "c20@sip.example")
    with pytest.raises(Full, match=r"many\.example has 10 subscriptions"):
        store.keep(more)
    for number in range(10):
        store.keep(asks(f"o{number}@few.example", f"c{number}@many.example"))
    for number in range(11):
        store.drop(asks(f"u{number}@many.example", f"c{number}@many.example"))
    store.keep(more)


def test_the_names_that_are_kept_are_bounded() -> None:
    """In number, and in octets."""
    assert kept_names(["a", "b", "a"]) == ("a", "b")
    assert len(kept_names(map(str, range(100)))) == MOST_SHOWN
    many = kept_names(str(number) + "\u00e4" * 500 for number in range(64))
    assert len(many) == 4


OLDER = """
CREATE TABLE watching (
    watcher TEXT NOT NULL, contact TEXT NOT NULL,
    authorized INTEGER NOT NULL, leaving INTEGER NOT NULL,
    dialog TEXT NOT NULL, expires REAL NOT NULL,
    PRIMARY KEY (watcher, contact)
) WITHOUT ROWID;
CREATE TABLE watched (
    contact TEXT NOT NULL, watcher TEXT NOT NULL,
    authorized INTEGER NOT NULL, asked REAL NOT NULL,
    PRIMARY KEY (contact, watcher)
) WITHOUT ROWID;
INSERT INTO watching VALUES ('alice@xmpp.example', 'carol@sip.example', 1, 0, 'spoken', 7.0);
INSERT INTO watched VALUES ('alice@xmpp.example', 'carol@sip.example', 1, 3.0);
PRAGMA user_version = 1;
"""


def test_a_file_of_an_older_version_is_taken_over(path: Path) -> None:
    """With all that is in it; what it did not have is as if it had not been."""
    with closing(sqlite3.connect(path)) as older:
        older.executescript(OLDER)
    assert schema.examine(path, schema.PRESENCE) == 2, "nothing is wrong with it"
    store = opened(path)
    before = replace(SEES, asked=0.0, shown=())
    assert everything(store) == ([before], [SEEN])
    store.keep(SEES)
    assert reopened(store, path) == ([SEES], [SEEN])


def test_it_outlives_the_process(path: Path) -> None:
    """All of it, flushed or not."""
    store = opened(path)
    store.keep(SEES)
    store.keep(SEEN)
    store.note(replace(SEES, authorized=False, dialog="spoken on", expires=8.0))
    assert reopened(store, path) == ([replace(SEES, dialog="spoken on", expires=8.0)], [SEEN])


KILLED = """
import os, signal, sys
from pathlib import Path
from dragoman.store.consent import Consent
from dragoman.store.subscriptions import Watched, Watching
store = Consent(Path(sys.argv[1]))
store.open()
for number in range(100):
    store.keep(Watching(f"u{number}@xmpp.example", "carol@sip.example", authorized=True))
    store.keep(Watched(f"u{number}@xmpp.example", "carol@sip.example", authorized=True))
store.drop(Watching("u7@xmpp.example", "carol@sip.example"))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_loses_no_consent(path: Path) -> None:
    """Not even what it kept in its last moment."""
    done = subprocess.run(  # noqa: S603 - our own text
        [sys.executable, "-c", KILLED, str(path)], env=os.environ, check=False
    )
    assert done.returncode == -signal.SIGKILL
    with closing(opened(path)) as store:
        watching, watched = everything(store)
    assert (len(watching), len(watched)) == (99, 100)
    assert all(each.authorized for each in watching)
    assert all(each.authorized for each in watched)


def test_a_full_disk_changes_nothing(path: Path) -> None:
    """What cannot be kept is refused; what was kept is there, in memory and in the file."""
    store = opened(path)
    store.keep(SEES)
    assert store._writer is not None
    [pages] = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(Full, match=r"presence\.db: database or disk is full"):
        fill(store)
    before = everything(store)
    assert len(before[0]) > 1
    store._writer.execute("PRAGMA max_page_count = 100000")
    store.keep(SEEN)
    assert reopened(store, path) == (sorted(before[0], key=_ends), [SEEN])


def fill(store: Consent) -> None:
    """Keep more than there is room for."""
    for number in range(10_000):
        store.keep(Watching(f"{number}@xmpp.example", CAROL, dialog="x" * 1000))


def _ends(record: Watching) -> tuple[str, str]:
    return record.watcher, record.contact


def test_what_cannot_be_written_waits(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A dialog, and what is taken back: at once in memory, in the file when it can be.

    What is granted does not wait, and nobody stands still for another program's lock.
    """
    store = opened(path)
    store.keep(SEES)
    store.keep(SEEN)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        store.note(replace(SEES, dialog="later"))
        store.drop(SEEN)
        with pytest.raises(Full):
            store.keep(Watching("bob@jabber.example", CAROL))
        assert time.monotonic() - began < 1.0
        assert store.describe() == {"watching": 1, "watched": 0, "waiting": 2}
        other.execute("ROLLBACK")
    store.keep(Watching("bob@jabber.example", CAROL))
    assert [each.message for each in caplog.records] == [
        "what is kept of presence cannot be written",
        "presence is kept again",
    ]
    watching, watched = reopened(store, path)
    assert (watching[0], watched) == (replace(SEES, dialog="later"), [])


def test_a_program_that_locks_the_file_stops_nobody(path: Path) -> None:
    """What can wait does so; what is granted waits once for the lock, until something is written.

    At the end, all is written.
    """
    store = opened(path)
    for number in range(50):
        store.keep(Watching(f"{number}@xmpp.example", CAROL))
    waits: list[float] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for number in range(50):
            store.note(Watching(f"{number}@xmpp.example", CAROL, dialog="later"))
        waits.append(time.monotonic() - began)
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(Full):
                store.keep(SEES)
            waits.append(time.monotonic() - began)
        other.execute("ROLLBACK")
    short = consent.BUSY / 1000
    assert waits[0] < short * 10, "not one wait for each"
    assert waits[1] >= short * 0.8
    assert waits[2] + waits[3] < waits[1]
    assert store.describe()["waiting"] == 50
    watching, _ = reopened(store, path)
    assert [each.dialog for each in watching] == ["later"] * 50


def test_who_comes_back_while_it_waits_is_there(path: Path) -> None:
    """What was owed to the file is over when something newer is written."""
    store = opened(path)
    store.keep(SEES)
    assert store._writer is not None
    store._writer.execute("PRAGMA query_only = 1")
    store.drop(SEES)
    store._writer.execute("PRAGMA query_only = 0")
    store.keep(SEES)
    assert reopened(store, path) == ([SEES], [])


def test_a_dialog_that_can_never_be_written_keeps_no_other(path: Path) -> None:
    """Half a character is none."""
    store = opened(path)
    store.keep(SEES)
    store.note(replace(SEES, dialog="\udcff"))
    store.keep(SEEN)
    store.keep(SEEN)
    assert store.describe()["waiting"] == 0
    assert reopened(store, path) == ([SEES], [SEEN])


def test_a_sync_that_failed_is_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until what was written is on the disk."""
    store = opened(path)
    store.keep(SEES)
    tried, sync = [], consent._sync

    def fails_once(where: Path) -> None:
        tried.append(where)
        if len(tried) == 1:
            raise OSError(28, "No space left on device")
        sync(where)

    monkeypatch.setattr(consent, "_sync", fails_once)
    for _ in range(3):
        store.flush()
    store.close()
    assert len(tried) == 2


def test_a_copy_of_the_file_is_a_copy_of_the_consent(path: Path, tmp_path: Path) -> None:
    """After a minute of writing at the latest."""
    store = opened(path)
    for number in range(200):
        store.keep(Watched(f"{number}@xmpp.example", CAROL, authorized=True))
        store.flush()
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    store.close()
    with closing(opened(copy)) as again:
        assert len(list(again.watched())) >= 180


def test_the_loop_does_not_sync_each_second_once_the_log_was_long(path: Path) -> None:
    """A log that stayed long would be moved by each flush, and begun anew by each `keep`."""
    store = opened(path)
    for number in range(3000):
        store.keep(Watching(f"{number}@xmpp.example", "c@sip.example", dialog="x" * 2000))
    store.flush()
    log = path.with_name("presence.db-wal")
    begun = set()
    for number in range(9):
        store.keep(Watching(f"x{number}@xmpp.example", CAROL))
        begun.add(log.read_bytes()[16:24])  # the salts, new each time that it is begun anew
        store.flush()
    store.close()
    assert len(begun) <= 2


def test_the_log_does_not_grow_for_ever(path: Path) -> None:
    """It is moved into the database by `flush`."""
    store = opened(path)
    log = path.with_name("presence.db-wal")
    for number in range(3000):
        store.keep(replace(SEES, expires=float(number)))
        if not number % 500:
            store.flush()
    assert log.stat().st_size < 8_000_000
    store.close()


def junk(path: Path) -> None:
    """Write something else."""
    path.write_bytes(b"no database at all " * 1000)


def damaged(path: Path) -> None:
    """Damage one page in the middle, which a start would not read by itself."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 8192 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)


def emptied(path: Path) -> None:
    """Take a table away."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE watched")


def newer(path: Path) -> None:
    """Have it be of a later version."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.PRESENCE.steps) + 1}")


def flipped(path: Path) -> None:
    """Damage one letter."""
    data = path.read_bytes()
    assert b"7@xmpp" in data
    path.write_bytes(data.replace(b"7@xmpp", b"\xe1@xmpp"))


def renamed(path: Path) -> None:
    """Have another column."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE watching RENAME COLUMN leaving TO left_out")


def theirs(path: Path) -> None:
    """Put a database of another program there."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")


def lost(path: Path) -> None:
    """Lose the file, but not the log beside it."""
    path.with_name("presence.db-wal").write_bytes(path.read_bytes())
    path.write_bytes(b"")


SPOILT = [junk, damaged, emptied, newer, flipped, renamed, theirs, lost]


@pytest.mark.parametrize("spoil", SPOILT)
def test_a_file_that_cannot_be_used_is_left_alone(
    path: Path, spoil: Callable[[Path], None]
) -> None:
    """Consent is never lost by a start: what to do is said, with what it costs."""
    store = opened(path)
    for number in range(500):
        store.keep(Watching(f"{number}@xmpp.example", CAROL, dialog="x" * 200))
    store.close()
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(Unusable, match="put a copy of it back") as caught:
        opened(path)
    assert caught.value.reason.startswith(f"{path}: ")
    assert path.read_bytes() == before
    if spoil is not theirs:  # which is as one that was not made yet
        with pytest.raises(Unusable):
            schema.examine(path, schema.PRESENCE)


def test_two_gateways_do_not_share_one(path: Path) -> None:
    """The second is told."""
    with closing(opened(path)), pytest.raises(LocalError, match="another gateway"):
        opened(path)
