"""The database file: who may read it, what is made of older ones, and of what is none."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dragoman.errors import LocalError
from dragoman.store import schema
from dragoman.store.schema import Unusable, examine, opened
from dragoman.store.sqlite import Sqlite
from tests.store.kept import crossed, wall


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "dragoman.db"


def fill(path: Path, count: int) -> None:
    store = Sqlite(path, wall)
    store.open()
    for number in range(count):
        store.add(crossed(number))
    store.flush()
    store.close()


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_nobody_else_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        store = Sqlite(path, wall)
        store.open()
        store.add(crossed(1))
        store.flush()
        files = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
        store.close()
    finally:
        os.umask(before)
    names = {"dragoman.db", "dragoman.db-wal", "dragoman.db-shm", "dragoman.lock"}
    assert files == dict.fromkeys(names, 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(path: Path) -> None:
    fill(path, 1)
    path.chmod(0o644)
    opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def junk(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1000)


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def emptied(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE crossed")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MESSAGES.steps) + 1}")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (junk, "no database"),
        (damaged, "damaged"),
        (cut, "damaged"),
        (emptied, "tables are not ours"),
        (newer, r"newer dragoman \(form 2, known are 1\)"),
    ],
)
def test_a_file_that_is_none_of_ours_is_left_alone_and_said_plainly(
    path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    fill(path, 500)
    spoil(path)
    before = path.read_bytes()
    for attempt in (Sqlite(path, wall).open, lambda: examine(path)):
        with pytest.raises(Unusable, match=words) as error:
            attempt()
        assert error.value.reason.startswith(f"{path}: ")
        assert "move the file away" in error.value.reason
        assert "\n" not in error.value.reason
    assert path.read_bytes() == before


def test_damage_that_the_start_does_not_see_the_examination_does(path: Path) -> None:
    fill(path, 5000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = b"\xff" * 8192
    path.write_bytes(data)
    with pytest.raises(Unusable, match="damaged"):
        examine(path)


def test_an_examination_counts_and_changes_nothing(path: Path) -> None:
    fill(path, 12)
    assert examine(path) == 12
    path.write_bytes(b"")
    assert examine(path) == 0
    path.unlink()
    with pytest.raises(LocalError):
        examine(path)
    assert not path.exists()


def test_where_no_file_can_be_is_an_error_of_the_machine(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OSError, match=path.name):
        Sqlite(path, wall).open()


def test_an_older_file_is_brought_up_to_date(path: Path) -> None:
    fill(path, 3)
    more = (*schema.MESSAGES.steps, ("CREATE TABLE two (n)",), ("CREATE TABLE three (n)",))
    form = replace(schema.MESSAGES, steps=more)
    with closing(opened(path, form)) as connection:
        connection.execute("SELECT * FROM two, three")
    assert version(path) == 3
    assert examine(path, form) == 3


def test_a_step_that_fails_leaves_the_form_before_it(path: Path) -> None:
    fill(path, 3)
    more = ("CREATE TABLE two (n)",), ("CREATE TABLE three (n)", "nonsense")
    form = replace(schema.MESSAGES, steps=(*schema.MESSAGES.steps, *more))
    with pytest.raises(Unusable):
        opened(path, form)
    assert version(path) == 2
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert "two" in tables
    assert "three" not in tables


def test_two_gateways_do_not_share_one(path: Path) -> None:
    first, second = Sqlite(path, wall), Sqlite(path, wall)
    first.open()
    with pytest.raises(LocalError, match="another gateway keeps its state there"):
        second.open()
    first.close()
    second.open()
    second.close()
