"""Subscriptions in a database that outlives the process (docs/design/0008).

All of them are in memory too: reading asks no disk. Who may see whom is in the file when `keep` and
`drop` return, whatever happens to the process then; `flush` has it on the disk a moment later,
whatever happens to the machine. What is needed to speak in a dialog is written by `flush`.
"""

import os
import sqlite3
from collections.abc import Iterable
from logging import getLogger
from pathlib import Path
from typing import Final

from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.store import schema
from dragoman.store.schema import PRESENCE
from dragoman.store.subscriptions import (
    MOST,
    MOST_A_USER,
    Ends,
    Full,
    Memory,
    Record,
    Watched,
    Watching,
)

log = getLogger(__name__)

CHUNK: Final = 200
"""Dialogs that one transaction writes: no other waits longer than these take."""
LOG_PAGES: Final = 1000
"""Pages of the log before what is in it is moved into the database."""

KEEP_WATCHING: Final = (
    "INSERT INTO watching (watcher, contact, authorized, leaving, dialog, expires)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (watcher, contact) DO UPDATE SET"
    " authorized = excluded.authorized, leaving = excluded.leaving, dialog = excluded.dialog,"
    " expires = excluded.expires"
)
KEEP_WATCHED: Final = (
    "INSERT INTO watched (contact, watcher, authorized, asked) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (contact, watcher) DO UPDATE SET authorized = excluded.authorized,"
    " asked = excluded.asked"
)
DROP_WATCHING: Final = "DELETE FROM watching WHERE watcher = ? AND contact = ?"
DROP_WATCHED: Final = "DELETE FROM watched WHERE contact = ? AND watcher = ?"
NOTE: Final = "UPDATE watching SET dialog = ?, expires = ? WHERE watcher = ? AND contact = ?"
WATCHING: Final = "SELECT watcher, contact, authorized, leaving, dialog, expires FROM watching"
WATCHED: Final = "SELECT contact, watcher, authorized, asked FROM watched"


class Consent(Memory):
    """Subscriptions in a file; `open` it, `flush` it now and then, `close` it.

    All but `flush` is called by one thread, which `flush` need not be. Before `open` it is memory.
    """

    def __init__(self, path: Path, most: int = MOST, most_a_user: int = MOST_A_USER) -> None:
        """Keep them in the file `path`; the bounds are those of `Memory`."""
        super().__init__(most, most_a_user)
        self._path = path
        self._lock: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._flusher: sqlite3.Connection | None = None
        self._noted: dict[Ends, Watching] = {}
        self._unsynced = False
        self._unwritable = False

    def open(self) -> None:
        """Open the database, which is made if need be, and read all of it.

        Raises `schema.Unusable` where the file is none of ours or is damaged, another LocalError
        where it cannot be opened or another gateway has it, and OSError where it cannot be made.
        """
        self._lock = schema.locked(self._path)
        try:
            self._writer = schema.opened(self._path, PRESENCE)
            self._flusher = schema.opened(self._path, PRESENCE)
            with schema.explained(self._path, PRESENCE):
                schema.check(self._writer, self._path, PRESENCE)
                for each in (self._writer, self._flusher):
                    each.execute("PRAGMA wal_autocheckpoint = 0")
                self._load(self._writer)
        except (LocalError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Close the database; what was not flushed of dialogs is lost, and no consent."""
        for each in (self._writer, self._flusher):
            if each is not None:
                each.close()
        if self._lock is not None:
            os.close(self._lock)
        self._writer = self._flusher = self._lock = None

    def keep(self, record: Record) -> None:
        """Write a record in place of the one of the same two; raises Full."""
        if self._known(record) is None:
            self._check_room(record)
        if isinstance(record, Watching):
            self._noted.pop((record.watcher, record.contact), None)
            self._write(KEEP_WATCHING, _watching_row(record))
        else:
            row = (record.contact, record.watcher, record.authorized, record.asked)
            self._write(KEEP_WATCHED, row)
        self._put(record)

    def drop(self, record: Record) -> None:
        """Forget the record of the same two, if any; raises Full."""
        if isinstance(record, Watching):
            self._noted.pop((record.watcher, record.contact), None)
            self._write(DROP_WATCHING, (record.watcher, record.contact))
        else:
            self._write(DROP_WATCHED, (record.contact, record.watcher))
        self._take(record)

    def note(self, record: Watching) -> None:
        """Take the dialog of a record that is there; `flush` writes it."""
        if self._known(record) is not None:
            self._put(record)
            self._noted[record.watcher, record.contact] = record

    def describe(self) -> dict[str, int]:
        """Return how many records there are, and dialogs that wait to be written."""
        return {**super().describe(), "waiting": len(self._noted)}

    def _load(self, reader: sqlite3.Connection) -> None:
        for watcher, contact, authorized, leaving, dialog, expires in reader.execute(WATCHING):
            flags = bool(authorized), bool(leaving)
            self._put(Watching(watcher, contact, *flags, dialog, expires))
        for contact, watcher, authorized, asked in reader.execute(WATCHED):
            self._put(Watched(contact, watcher, bool(authorized), asked))

    def _write(self, statement: str, values: Iterable[object]) -> None:
        if self._writer is None:
            return
        try:
            self._writer.execute(statement, tuple(values))
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise Full(f"{self._path}: {error}") from error
        self._unsynced = True

    # -- the flushing thread ----------------------------------------------------------------

    def flush(self) -> None:
        """Write the dialogs that wait, and have all that was written on the disk.

        It may be called by any thread, by one at a time. What cannot be written is kept and tried
        again by the next call.
        """
        if self._flusher is None:
            return
        noted, self._noted = self._noted, {}
        try:
            self._write_down(self._flusher, list(noted.values()))
        except (sqlite3.Error, OSError) as error:
            self._noted = {**noted, **self._noted}
            self._failed(error)
        else:
            self._succeeded()

    def _write_down(self, flusher: sqlite3.Connection, noted: list[Watching]) -> None:
        for start in range(0, len(noted), CHUNK):
            with schema.transaction(flusher):
                flusher.executemany(
                    NOTE,
                    [
                        (each.dialog, each.expires, each.watcher, each.contact)
                        for each in noted[start : start + CHUNK]
                    ],
                )
        if noted or self._unsynced:
            self._unsynced = False
            _sync(self._path)
            self._shorten(flusher)

    def _shorten(self, flusher: sqlite3.Connection) -> None:
        """Move what is in the log into the database, when it is much; nobody waits for it."""
        size = self._path.with_name(self._path.name + "-wal").stat().st_size
        if size > LOG_PAGES * 4096:
            flusher.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _failed(self, error: Exception) -> None:
        if not self._unwritable:
            self._unwritable = True
            log.error(
                "what is kept of presence cannot be written",
                extra=about(file=self._path, reason=error),
            )

    def _succeeded(self) -> None:
        if self._unwritable:
            self._unwritable = False
            log.warning("presence is kept again", extra=about(file=self._path))


def _watching_row(record: Watching) -> tuple[str | bool | float, ...]:
    ends = record.watcher, record.contact
    return (*ends, record.authorized, record.leaving, record.dialog, record.expires)


def _sync(path: Path) -> None:
    """Have the log on the disk: SQLite itself does so only when it moves what is in it.

    No lock of SQLite's is on the log, so that to close a descriptor of it ends none.
    """
    log_file = os.open(path.with_name(path.name + "-wal"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(log_file)
    finally:
        os.close(log_file)
