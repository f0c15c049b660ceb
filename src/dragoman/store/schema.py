"""The database file: made, brought to the form that this version knows, examined."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from dragoman.errors import LocalError

STEPS: Final[Sequence[Sequence[str]]] = (
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
)
"""What makes each form of the database from the one before it; the first, from nothing.

A file says in `user_version` how many of these it has behind it.
"""

MODE: Final = 0o600
"""Who wrote to whom is nobody else's business."""
PATIENCE: Final = 5.0
"""Seconds that we wait for another program, such as a backup, that has the database locked."""

DAMAGED: Final = {
    sqlite3.SQLITE_NOTADB: "it is no database",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_ERROR: "its tables are not ours",
}
REMEDY: Final = (
    "move the file away, and a new one is made: the gateway then no longer knows the messages of"
    " the last days, whose receipts are lost"
)


class Unusable(LocalError):
    """There is a file which is no database that we can use; `reason` says what to do."""


def opened(path: Path) -> sqlite3.Connection:
    """Return a connection that writes, to a file that is made or brought up to date if need be.

    It may be used in any thread, by one at a time. Raises Unusable, another LocalError for what
    the machine refuses, and OSError where the file cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE))
    path.chmod(MODE)
    with explained(path):
        connection = sqlite3.connect(
            path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # The file stays whole whatever happens; a power cut may take what was not yet synced.
            connection.execute("PRAGMA synchronous = NORMAL")
            _update(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def readable(path: Path) -> sqlite3.Connection:
    """Return a connection that reads what there is and waits for nobody; raises LocalError."""
    with explained(path):
        return sqlite3.connect(_uri(path), uri=True, timeout=0, isolation_level=None)


def examine(path: Path) -> int:
    """Return how many messages a database remembers; it is read whole. Raises LocalError."""
    with explained(path), closing(readable(path)) as connection:
        version = _version(connection)
        _check_version(version, path)
        if not version:
            return 0
        [verdict] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise Unusable(f"{path}: it is damaged: {REMEDY}")
        [count] = connection.execute("SELECT count(*) FROM crossed").fetchone()
        return int(count)


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
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite complains of into a LocalError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error


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


def _explain(error: sqlite3.Error, path: Path) -> LocalError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERNAL) & 0xFF
    if (what := DAMAGED.get(code)) is not None:
        return Unusable(f"{path}: {what}: {REMEDY}")
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return LocalError(f"{path}: {error}: let the gateway's user read and write there")
    return LocalError(f"{path}: {error}")


def _update(connection: sqlite3.Connection, path: Path) -> None:
    """Take the steps that a database has not behind it, each whole or not at all."""
    version = _version(connection)
    _check_version(version, path)
    for number, step in enumerate(STEPS[version:], version + 1):
        with transaction(connection):
            for statement in step:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("SELECT max(number) FROM crossed").fetchone()


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_version(version: int, path: Path) -> None:
    if version > len(STEPS):
        raise Unusable(
            f"{path}: it is of a newer dragoman (form {version}, known are {len(STEPS)}): run that"
            f" one, or {REMEDY}"
        )


def _uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro"
