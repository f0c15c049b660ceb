"""Subscriptions in a database that outlives the process (docs/design/0008).

All of them are in memory too: reading asks no disk. What is kept is in the file when `keep`
returns, whatever happens to the process then; `flush` has it on the disk a moment later, whatever
happens to the machine.
"""

import os
import sqlite3
from itertools import islice
from logging import getLogger
from pathlib import Path
from typing import Final, TypeAlias

from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.store import schema
from dragoman.store.schema import PRESENCE
from dragoman.store.subscriptions import (
    MOST,
    MOST_A_DOMAIN,
    MOST_A_USER,
    Ends,
    Full,
    Memory,
    Record,
    Watched,
    Watching,
    noted,
)

log = getLogger(__name__)

BUSY: Final = 50
"""Milliseconds that what is granted waits for another program, the event loop standing still.

What is granted after that in vain does not wait any more, as long as no write was done.
"""
LAST: Final = 1000
"""Milliseconds that is waited for another program at the end."""
LOG_OCTETS: Final = 4 << 20
"""Octets of the log before what is in it is moved into the database."""
OFTEN: Final = 60
"""Flushes after which that is done in any case, so that a copy of the file is one."""
CATCH_UP: Final = 20
"""Writes that could not be done, and are done after one that could."""

KEEP_WATCHING: Final = (
    "INSERT INTO watching (watcher, contact, authorized, leaving, dialog, expires, asked, shown)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (watcher, contact) DO UPDATE SET"
    " authorized = excluded.authorized, leaving = excluded.leaving, dialog = excluded.dialog,"
    " expires = excluded.expires, asked = excluded.asked, shown = excluded.shown"
)
KEEP_WATCHED: Final = (
    "INSERT INTO watched (contact, watcher, authorized, asked) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (contact, watcher) DO UPDATE SET authorized = excluded.authorized,"
    " asked = excluded.asked"
)
DROP_WATCHING: Final = "DELETE FROM watching WHERE watcher = ? AND contact = ?"
DROP_WATCHED: Final = "DELETE FROM watched WHERE contact = ? AND watcher = ?"
WATCHING: Final = (
    "SELECT watcher, contact, authorized, leaving, dialog, expires, asked, shown FROM watching"
)
WATCHED: Final = "SELECT contact, watcher, authorized, asked FROM watched"

Write: TypeAlias = tuple[str, tuple[str | bool | float, ...]]
"""A statement, and its values."""


class Consent(Memory):
    """Subscriptions in a file; `open` it, `flush` it now and then, `close` it.

    All but `flush` is called by one thread, which `flush` need not be. Before `open` it is memory.
    """

    def __init__(
        self,
        path: Path,
        most: int = MOST,
        most_a_user: int = MOST_A_USER,
        most_a_domain: int = MOST_A_DOMAIN,
    ) -> None:
        """Keep them in the file `path`; the bounds are those of `Memory`."""
        super().__init__(most, most_a_user, most_a_domain)
        self._path = path
        self._lock: int | None = None
        self._writer: sqlite3.Connection | None = None
        self._flusher: sqlite3.Connection | None = None
        self._owed: dict[tuple[type[Record], Ends], Write] = {}
        self._unsynced = False
        self._flushes = 0
        self._unwritable = False
        self._busy = False

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
                    each.execute(f"PRAGMA journal_size_limit = {LOG_OCTETS}")
                self._load(self._writer)
                self._writer.execute("PRAGMA busy_timeout = 0")
        except (LocalError, OSError):
            self.close()
            raise

    def close(self) -> None:
        """Close the database, with what could not be written before, if that can be now."""
        if self._owed and self._writer is not None:
            self._writer.execute(f"PRAGMA busy_timeout = {LAST}")
            self._catch_up(len(self._owed))
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
        try:
            self._write_or_wait(_kept(record))
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise Full(f"{self._path}: {error}") from error
        self._owed.pop(_name(record), None)
        self._put(record)
        self._catch_up()

    def drop(self, record: Record) -> None:
        """Forget the record of the same two, if any; what cannot be written yet is later."""
        self._take(record)
        self._write_or_owe(record, _dropped(record))

    def note(self, record: Watching) -> None:
        """Take dialog, expiry and what is shown of a record that is there; the file has it soon."""
        known = self.find_watching(record.watcher, record.contact)
        if known is not None:
            after = noted(known, record)
            self._put(after)
            self._write_or_owe(after, _kept(after))

    def describe(self) -> dict[str, int]:
        """Return how many records there are, and writes that could not be done yet."""
        return {**super().describe(), "waiting": len(self._owed)}

    def _write_or_owe(self, record: Record, write: Write) -> None:
        try:
            self._write(write)
        except (sqlite3.Error, UnicodeEncodeError) as error:
            self._owed[_name(record)] = write
            self._failed(error)
        else:
            self._owed.pop(_name(record), None)
            self._catch_up()

    def _write_or_wait(self, write: Write) -> None:
        """Write what has to be written now: where another program is at it, wait a little, once."""
        try:
            self._write(write)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or self._writer is None or self._busy:
                raise
            self._busy = True
            self._writer.execute(f"PRAGMA busy_timeout = {BUSY}")
            try:
                self._write(write)
            finally:
                self._writer.execute("PRAGMA busy_timeout = 0")

    def _catch_up(self, most: int = CATCH_UP) -> None:
        """Do some of the writes that could not be done."""
        for name in list(islice(self._owed, most)):
            try:
                self._write(self._owed[name])
            except sqlite3.Error:
                return
            except UnicodeEncodeError:
                pass  # it never will be
            del self._owed[name]
        if self._unwritable and not self._owed:
            self._unwritable = False
            log.warning("presence is kept again", extra=about(file=self._path))

    def _load(self, reader: sqlite3.Connection) -> None:
        for watcher, contact, authorized, leaving, dialog, expires, asked, shown in reader.execute(
            WATCHING
        ):
            flags, names = (bool(authorized), bool(leaving)), shown.split("\n") if shown else ()
            self._put(Watching(watcher, contact, *flags, dialog, expires, asked, tuple(names)))
        for contact, watcher, authorized, asked in reader.execute(WATCHED):
            self._put(Watched(contact, watcher, bool(authorized), asked))

    def _write(self, write: Write) -> None:
        if self._writer is not None:
            self._writer.execute(*write)
            self._unsynced, self._busy = True, False

    def _failed(self, error: Exception) -> None:
        if not self._unwritable:
            self._unwritable = True
            log.error(
                "what is kept of presence cannot be written",
                extra=about(file=self._path, reason=error),
            )

    # -- the flushing thread ----------------------------------------------------------------

    def flush(self) -> None:
        """Have all that was written on the disk, and now and then out of the log.

        It may be called by any thread, by one at a time. What fails is tried again by the next.
        """
        if self._flusher is None or not self._unsynced:
            return
        self._unsynced = False
        try:
            _sync(self._path)
            self._shorten(self._flusher)
        except (sqlite3.Error, OSError) as error:
            self._unsynced = True
            log.warning("presence is not on the disk yet", extra=about(reason=error))

    def _shorten(self, flusher: sqlite3.Connection) -> None:
        """Move what is in the log into the database, when it is much or old; nobody waits."""
        self._flushes += 1
        size = _log_of(self._path).stat().st_size
        if size > LOG_OCTETS or self._flushes >= OFTEN:
            self._flushes = 0
            flusher.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _name(record: Record) -> tuple[type[Record], Ends]:
    return type(record), (record.watcher, record.contact)


def _kept(record: Record) -> Write:
    """Return what writes a record."""
    if isinstance(record, Watching):
        flags = record.authorized, record.leaving
        row = (record.watcher, record.contact, *flags, record.dialog, record.expires, record.asked)
        return KEEP_WATCHING, (*row, "\n".join(record.shown))
    return KEEP_WATCHED, (record.contact, record.watcher, record.authorized, record.asked)


def _dropped(record: Record) -> Write:
    """Return what takes a record away."""
    if isinstance(record, Watching):
        return DROP_WATCHING, (record.watcher, record.contact)
    return DROP_WATCHED, (record.contact, record.watcher)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _sync(path: Path) -> None:
    """Have the log on the disk: SQLite itself does so only when it moves what is in it.

    No lock of SQLite's is on the log, so that to close a descriptor of it ends none.
    """
    log_file = os.open(_log_of(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(log_file)
    finally:
        os.close(log_file)
