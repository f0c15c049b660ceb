"""The database files: made, brought to the form that this version knows, examined."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dragoman.errors import LocalError


@dataclass(frozen=True, slots=True)
class Form:
    """What a database of ours has in it."""

    steps: Sequence[Sequence[str]]
    """What makes each form of it from the one before; the first, from nothing.

    A file says in `user_version` how many of these it has behind it.
    """
    tables: Mapping[str, str]
    """The columns of each, as they are read."""
    whole: bool
    """Whether an examination reads all rows, and not only their pages."""
    remedy: str
    """What to do about a file that cannot be used, and what that costs."""


MESSAGES: Final = Form(
    (
        (
            """CREATE TABLE crossed (
            number INTEGER PRIMARY KEY,
            user TEXT NOT NULL, peer TEXT NOT NULL,
            stanza_id TEXT NOT NULL, message_id TEXT NOT NULL, origin_id TEXT NOT NULL,
            inward INTEGER NOT NULL, asked INTEGER NOT NULL, told INTEGER NOT NULL,
            reply_to TEXT NOT NULL, route TEXT NOT NULL, original_to TEXT NOT NULL,
            sent REAL NOT NULL
        )""",
            "CREATE INDEX by_stanza ON crossed (peer, user, stanza_id, inward)",
            "CREATE INDEX by_message ON crossed (peer, message_id, inward) WHERE message_id <> ''",
            "CREATE INDEX by_origin ON crossed (peer, user, origin_id) WHERE origin_id <> ''",
            """CREATE INDEX by_talk ON crossed (peer, user)
            WHERE inward = 1 AND asked & 4 AND NOT told & 4""",
        ),
    ),
    {
        "crossed": "number, user, peer, stanza_id, message_id, origin_id, inward, asked, told,"
        " reply_to, route, original_to, sent"
    },
    False,
    "move the file away, and a new one is made: the gateway then no longer knows the messages of"
    " the last days, whose receipts are lost",
)
PRESENCE: Final = Form(
    (
        (
            """CREATE TABLE watching (
                watcher TEXT NOT NULL, contact TEXT NOT NULL,
                authorized INTEGER NOT NULL, leaving INTEGER NOT NULL,
                dialog TEXT NOT NULL, expires REAL NOT NULL,
                PRIMARY KEY (watcher, contact)
            ) WITHOUT ROWID""",
            """CREATE TABLE watched (
                contact TEXT NOT NULL, watcher TEXT NOT NULL,
                authorized INTEGER NOT NULL, asked REAL NOT NULL,
                PRIMARY KEY (contact, watcher)
            ) WITHOUT ROWID""",
        ),
        (
            "ALTER TABLE watching ADD COLUMN asked REAL NOT NULL DEFAULT 0",
            "ALTER TABLE watching ADD COLUMN shown TEXT NOT NULL DEFAULT ''",
        ),
    ),
    {
        "watching": "watcher, contact, authorized, leaving, dialog, expires, asked, shown",
        "watched": "contact, watcher, authorized, asked",
    },
    True,
    "put a copy of it back; without one, move it away and have everybody subscribe again: who lets"
    " whom see his presence is written there and nowhere else",
)

MODE: Final = 0o600
"""Who wrote to whom is nobody else's business."""
PATIENCE: Final = 5.0
"""Seconds that we wait for another program, such as a backup, that has the database locked."""

DAMAGED: Final = {
    sqlite3.SQLITE_NOTADB: "it is no database",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_ERROR: "its tables are not ours",
}


class Unusable(LocalError):
    """There is a file which is no database that we can use; `reason` says what to do."""


def opened(path: Path, form: Form = MESSAGES) -> sqlite3.Connection:
    """Return a connection that writes, to a file that is made or brought up to date if need be.

    It may be used in any thread, by one at a time. Raises Unusable, another LocalError for what
    the machine refuses, and OSError where the file cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_log(path, form)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE))
    path.chmod(MODE)
    with explained(path, form):
        connection = sqlite3.connect(
            path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            _check_ours(connection, path, form)
            connection.execute("PRAGMA journal_mode = WAL")
            # The file stays whole whatever happens; a power cut may take what was not yet synced.
            connection.execute("PRAGMA synchronous = NORMAL")
            _update(connection, form)
        except BaseException:
            connection.close()
            raise
    return connection


def readable(path: Path, form: Form = MESSAGES) -> sqlite3.Connection:
    """Return a connection that reads what there is and waits for nobody; raises LocalError."""
    with explained(path, form):
        return sqlite3.connect(_uri(path), uri=True, timeout=0, isolation_level=None)


def examine(path: Path, form: Form = MESSAGES) -> int:
    """Return how many rows a database has; it is read whole. Raises LocalError."""
    _check_log(path, form)
    with explained(path, form), closing(readable(path, form)) as connection:
        version = _version(connection)
        _check_version(version, path, form)
        if not version:
            return 0
        check(connection, path, form)
        older = version < len(form.steps)  # which a start brings up to date
        return sum(_count(connection, form, table, older=older) for table in form.tables)


def check(connection: sqlite3.Connection, path: Path, form: Form) -> None:
    """Read all of a database; raises Unusable where it is damaged."""
    [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise Unusable(f"{path}: it is damaged: {form.remedy}")


def _count(connection: sqlite3.Connection, form: Form, table: str, *, older: bool) -> int:
    columns = "*" if older else form.tables[table]
    rows = f"SELECT {columns} FROM {table}"  # noqa: S608 - our own names
    if form.whole:
        return sum(1 for _ in connection.execute(rows))
    connection.execute(f"{rows} LIMIT 1").fetchone()
    [count] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(count)


def _check_log(path: Path, form: Form) -> None:
    """Raise Unusable where a log has lost its database: SQLite would take it away."""
    log_file = path.with_name(path.name + "-wal")
    empty = not path.exists() or not path.stat().st_size
    if empty and log_file.exists() and log_file.stat().st_size:
        raise Unusable(f"{path}: it is empty, and {log_file.name} beside it is not: {form.remedy}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Have all of a block's changes, or none when it raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have rolled it back already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: Path, form: Form = MESSAGES) -> Iterator[None]:
    """Turn what SQLite complains of into a LocalError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path, form) from error


def locked(path: Path) -> int:
    """Return the descriptor of a lock that one gateway has; LocalError where another has it.

    The lock is a file of its own: to close any descriptor of the database would end SQLite's.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise LocalError(f"{path.parent}: another gateway keeps its state there") from None
    return lock


def _explain(error: sqlite3.Error, path: Path, form: Form) -> LocalError:
    # Text that is no UTF-8 is an error without a code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if (what := DAMAGED.get(code)) is not None:
        return Unusable(f"{path}: {what}: {form.remedy}")
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return LocalError(f"{path}: {error}: let the gateway's user read and write there")
    return LocalError(f"{path}: {error}")


def _check_ours(connection: sqlite3.Connection, path: Path, form: Form) -> None:
    """Raise Unusable for a newer database, and for one of another program, before it is touched."""
    version = _version(connection)
    _check_version(version, path, form)
    if not version and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise Unusable(f"{path}: its tables are not ours: {form.remedy}")


def _update(connection: sqlite3.Connection, form: Form) -> None:
    """Take the steps that a database has not behind it, each whole or not at all."""
    version = _version(connection)
    for number, step in enumerate(form.steps[version:], version + 1):
        with transaction(connection):
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    for table, columns in form.tables.items():
        connection.execute(f"SELECT {columns} FROM {table} LIMIT 1").fetchone()  # noqa: S608


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_version(version: int, path: Path, form: Form) -> None:
    if version > len(form.steps):
        raise Unusable(
            f"{path}: it is of a newer dragoman (form {version}, known are {len(form.steps)}): run"
            f" that one, or {form.remedy}"
        )


def _uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"
