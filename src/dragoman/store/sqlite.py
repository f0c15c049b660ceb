"""What is kept of messages, in a database that outlives the process (docs/design/0006).

Whoever remembers or asks waits for no disk. The latest messages are in memory; a sieve knows which
others the database may have, so that it is asked about those only. Changes wait in a queue until
`flush`, in a thread of the caller's, writes them.
"""

import json
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, repeat
from logging import getLogger
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.store import schema
from dragoman.store.interface import AGE, MOST_A_PEER, MOST_OPEN, Crossed, Disposition, fits
from dragoman.store.memory import Memory, is_open, key_of
from dragoman.store.sieve import Sieve

log = getLogger(__name__)

SWEEP: Final = 3600.0
"""Seconds between looks at what is too old."""
CHUNK: Final = 10_000
"""Messages that one flush may take away for their age, or tell the sieve of."""
LATELY: Final = 1000
"""Removed messages that are not to be found, although the database may have them still."""

COLUMNS: Final = (
    "number, user, peer, stanza_id, message_id, origin_id, inward, asked, told, reply_to, route,"
    " original_to, sent"
)
BY_STANZA: Final = (
    f"SELECT {COLUMNS} FROM crossed"  # noqa: S608 - our own columns
    " WHERE peer = ? AND user = ? AND stanza_id = ? AND inward = ? ORDER BY number DESC LIMIT 1"
)
BY_MESSAGE: Final = (
    f"SELECT {COLUMNS} FROM crossed WHERE message_id <> ''"  # noqa: S608
    " AND peer = ? AND message_id = ? AND inward = ? ORDER BY number DESC LIMIT 1"
)
BY_ORIGIN: Final = (
    f"SELECT {COLUMNS} FROM crossed WHERE origin_id <> ''"  # noqa: S608
    " AND peer = ? AND user = ? AND origin_id = ? ORDER BY number DESC LIMIT 1"
)
OPEN: Final = (
    f"SELECT {COLUMNS} FROM crossed WHERE inward = 1 AND asked & 4 AND NOT told & 4"  # noqa: S608
    " AND peer = ? AND user = ? AND number < ? ORDER BY number DESC LIMIT ?"
)
KEEP: Final = (
    f"INSERT INTO crossed ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    " ON CONFLICT (number) DO UPDATE SET told = excluded.told"
)
REMOVE: Final = "DELETE FROM crossed WHERE number = ?"
TOO_MANY: Final = "DELETE FROM crossed WHERE number <= (SELECT max(number) FROM crossed) - ?"
OF_PEER: Final = "SELECT count(*) FROM crossed WHERE peer = ?"
TOO_MANY_OF_PEER: Final = (
    "DELETE FROM crossed WHERE number IN"
    " (SELECT number FROM crossed WHERE peer = ? ORDER BY number LIMIT ?)"
)
TOO_OLD: Final = (
    "DELETE FROM crossed WHERE number IN (SELECT number FROM crossed WHERE number <"
    " ifnull((SELECT number FROM crossed WHERE sent >= ? ORDER BY number LIMIT 1), ?)"
    " ORDER BY number LIMIT ?)"
)
"""Numbers rise with time: all before the first that is young enough are too old."""
SLICE: Final = (
    f"SELECT {COLUMNS} FROM crossed WHERE number > ? AND number <= ? ORDER BY number LIMIT ?"  # noqa: S608
)
NEWEST: Final = "SELECT ifnull(max(number), 0) FROM crossed"
LAST: Final = (1 << 63) - 1

Change: TypeAlias = Crossed | int
"""A message as it is now, or the number of one that is removed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many of everything."""

    recent: int = 20_000
    """Messages in memory."""
    kept: int = 500_000
    """Messages in the database: some 200 MiB."""
    a_peer: int = MOST_A_PEER
    counted: int = 64
    """Of so many messages, one has those of its peer counted in the database."""
    waiting: int = 20_000
    """Changes that wait to be written, and as many that could not be."""


class Sqlite:
    """Identifiers in a database; `open` it, `flush` it now and then, `close` it.

    All but `flush` is called by one thread, which `flush` need not be; nothing is raised where
    the docstring does not say so. Before `open`, and where the database fails, it remembers what
    its memory has room for.
    """

    def __init__(self, path: Path, wall: Callable[[], float], bounds: Bounds | None = None) -> None:
        """Keep it in the file `path`; `wall()` is the time in seconds since 1970."""
        self._path = path
        self._wall = wall
        self._bounds = bounds or Bounds()
        self._recent = Memory(self._bounds.recent, self._bounds.a_peer, self._left_memory)
        self._numbers = count(1)
        self._lock: int | None = None
        # What the asking thread has.
        self._reader: sqlite3.Connection | None = None
        self._earlier, self._later = Sieve(), Sieve()
        self._left = 0
        self._removed: deque[int] = deque(maxlen=LATELY)
        self._lost = 0
        self._unreadable = False
        # What is handed over: appending and taking are atomic.
        self._changes: deque[Change] = deque()
        # What the flushing thread has.
        self._writer: sqlite3.Connection | None = None
        self._held: dict[int, Crossed | None] = {}
        self._unwritable = False
        self._swept = -SWEEP
        self._filling: Iterator[bool] = iter(())
        self._filled = True

    def __len__(self) -> int:
        """Return how many messages are in memory."""
        return len(self._recent)

    def open(self) -> None:
        """Open the database, which is made if need be.

        Raises `schema.Unusable` where the file is none of ours, another LocalError where it cannot
        be opened or another gateway has it, and OSError where it cannot be made.
        """
        self._lock = schema.locked(self._path)
        try:
            self._writer = schema.opened(self._path)
            self._reader = schema.readable(self._path)
            with schema.explained(self._path):
                [newest] = self._writer.execute(NEWEST).fetchone()
        except (LocalError, OSError):
            self.close()
            raise
        self._numbers = count(newest + 1)
        if newest:
            self._filled = False
            self._filling = self._fill(self._writer, self._earlier, newest)

    def close(self) -> None:
        """Close the database; what was not flushed is lost, and logged."""
        for each in (self._reader, self._writer):
            if each is not None:
                each.close()
        if self._writer is not None and (waiting := self.describe()["waiting"]):
            log.error("messages are forgotten", extra=about(file=self._path, lost=waiting))
        if self._lock is not None:
            os.close(self._lock)
        self._reader = self._writer = self._lock = None

    @property
    def ready(self) -> bool:
        """Whether the database is asked only about messages that it may have."""
        return self._filled

    def describe(self) -> dict[str, int]:
        """Return counts: messages in memory, changes that wait, changes that were given up."""
        waiting = len(self._changes) + len(self._held)
        return {"recent": len(self._recent), "waiting": waiting, "lost": self._lost}

    # -- Identifiers ----------------------------------------------------------------------

    def add(self, crossed: Crossed) -> None:
        """Remember a message."""
        if not fits(crossed):
            return
        self.remove(crossed)
        numbered = replace(crossed, number=next(self._numbers))
        self._recent.put(numbered)
        self._queue(numbered)

    def remove(self, crossed: Crossed) -> None:
        """Forget a message, which did not cross after all."""
        found = self.by_stanza(crossed.user, crossed.peer, crossed.stanza_id, inward=crossed.inward)
        if found is not None:
            self._recent.remove(found)
            self._removed.append(found.number)
            self._queue(found.number)

    def by_stanza(self, user: str, peer: str, stanza_id: str, *, inward: bool) -> Crossed | None:
        """Return the message with that stanza id between the two."""
        found = self._recent.by_stanza(user, peer, stanza_id, inward=inward)
        return found or self._recall(BY_STANZA, (peer, user, stanza_id, inward))

    def by_message(self, peer: str, message_id: str, *, inward: bool) -> Crossed | None:
        """Return the message with that Message-ID to or from a SIP user."""
        found = self._recent.by_message(peer, message_id, inward=inward)
        return found or self._recall(BY_MESSAGE, (peer, message_id, inward))

    def by_origin(self, user: str, peer: str, origin_id: str) -> Crossed | None:
        """Return the message of an XMPP user with that origin-id."""
        found = self._recent.by_origin(user, peer, origin_id)
        return found or self._recall(BY_ORIGIN, (peer, user, origin_id))

    def tell(self, crossed: Crossed, disposition: Disposition) -> bool:
        """Note that its sender is told this; False when he was told, or may not be any more."""
        user, peer, stanza_id, inward = key_of(crossed)
        found = self.by_stanza(user, peer, stanza_id, inward=inward)
        if found is None or not self._recent.tell(found, disposition):
            return False
        self._queue(replace(found, told=found.told | disposition))
        return True

    def open_before(self, crossed: Crossed) -> list[Crossed]:
        """Return earlier messages from SIP, oldest first, whose display is asked and not told."""
        found = self._recent.open_before(crossed)
        talk = (crossed.peer, crossed.user)
        if self._may_have(talk):
            others = filter(self._take_back, self._read(OPEN, (*talk, crossed.number, MOST_OPEN)))
            found = sorted([*others, *found], key=attrgetter("number"))[-MOST_OPEN:]
        return found

    # -- what memory has no more ------------------------------------------------------------

    def _recall(self, search: str, names: tuple[str | bool, ...]) -> Crossed | None:
        if not self._may_have(names):
            return None
        for each in self._read(search, names):
            return each if self._take_back(each) else None
        return None

    def _may_have(self, names: Hashable) -> bool:
        if self._reader is None:
            return False
        return not self._filled or names in self._later or names in self._earlier

    def _read(self, search: str, values: Sequence[Any]) -> list[Crossed]:
        if self._reader is None:
            return []
        try:
            return [_crossed(row) for row in self._reader.execute(search, values).fetchall()]
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._failed_to_read(error)
            return []

    def _failed_to_read(self, error: Exception) -> None:
        if self._unreadable:
            return
        self._unreadable = True
        log.error(
            "what is kept of messages cannot be read: some receipts are lost",
            extra=about(file=self._path, reason=error),
        )

    def _take_back(self, crossed: Crossed) -> bool:
        """Have a message in memory again, unless it is over, or memory knows better."""
        user, peer, stanza_id, inward = key_of(crossed)
        if crossed.number in self._removed or crossed.sent < self._wall() - AGE:
            return False
        if self._recent.by_stanza(user, peer, stanza_id, inward=inward) is not None:
            return False
        self._recent.put(crossed)
        return True

    def _left_memory(self, crossed: Crossed) -> None:
        """Learn that memory forgot a message, which the database has.

        When as many have left it as the database keeps, those that had before are nowhere.
        """
        for names in _names(crossed):
            self._later.add(names)
        self._left += 1
        if self._left >= self._bounds.kept:
            self._left, self._filled = 0, True
            self._earlier, self._later = self._later, Sieve()

    def _queue(self, change: Change) -> None:
        if len(self._changes) >= self._bounds.waiting:
            self._lost += 1
            self._changes.popleft()
        self._changes.append(change)

    # -- the flushing thread ----------------------------------------------------------------

    def flush(self) -> None:
        """Write what waits, and take away what is too old or too much.

        It may be called by any thread, by one at a time. What cannot be written is kept, within
        bounds, and tried again by the next call.
        """
        if self._writer is None:
            return
        self._gather()
        try:
            with schema.transaction(self._writer):
                self._write(self._writer)
                self._sweep(self._writer)
        except sqlite3.Error as error:
            self._failed(error)
        else:
            self._held.clear()
            self._succeeded()
        self._filled = self._filled or next(self._filling, True)

    def _gather(self) -> None:
        """Take changes from the queue, of one message the last."""
        while self._changes and len(self._held) < self._bounds.waiting:
            try:
                change = self._changes.popleft()
            except IndexError:  # it was the oldest of too many, and just given up
                return
            if isinstance(change, int):
                self._held[change] = None
            else:
                self._held[change.number] = change

    def _write(self, writer: sqlite3.Connection) -> None:
        if not self._held:
            return
        kept = [each for each in self._held.values() if each is not None]
        removed = [(number,) for number, each in self._held.items() if each is None]
        writer.executemany(REMOVE, removed)
        writer.executemany(KEEP, filter(None, map(_row, kept)))
        writer.execute(TOO_MANY, (self._bounds.kept,))
        counted = (each for each in kept if not each.number % self._bounds.counted)
        for peer in {each.peer for each in counted}:
            self._trim(writer, peer)

    def _trim(self, writer: sqlite3.Connection, peer: str) -> None:
        try:
            [found] = writer.execute(OF_PEER, (peer,)).fetchone()
        except UnicodeEncodeError:
            return
        if found > self._bounds.a_peer:
            writer.execute(TOO_MANY_OF_PEER, (peer, found - self._bounds.a_peer))

    def _sweep(self, writer: sqlite3.Connection) -> None:
        """Take away what is too old, a part at a time; a clock that is set back matters little."""
        now = self._wall()
        if abs(now - self._swept) < SWEEP:
            return
        if writer.execute(TOO_OLD, (now - AGE, LAST, CHUNK)).rowcount < CHUNK:
            self._swept = now

    def _fill(self, writer: sqlite3.Connection, sieve: Sieve, newest: int) -> Iterator[bool]:
        """Tell the sieve what the database had at the start; yields whether that is all.

        Until it is, or where it cannot be read, the database is asked about everything.
        """
        last = 0
        while last < newest:
            first, last = last, newest
            try:
                # One row at a time: all of them at once are memory that never comes back.
                for number, row in enumerate(writer.execute(SLICE, (first, newest, CHUNK)), 1):
                    for names in _names(_crossed(row)):
                        sieve.add(names)
                    if number == CHUNK:
                        last = row[0]
            except (sqlite3.Error, ValueError, TypeError) as error:
                self._failed_to_read(error)
                yield from repeat(False)
            yield last >= newest

    def _failed(self, error: sqlite3.Error) -> None:
        if self._unwritable:
            return
        self._unwritable = True
        log.error(
            "what is kept of messages cannot be written: a restart now loses their receipts",
            extra=about(file=self._path, reason=error, waiting=self.describe()["waiting"]),
        )

    def _succeeded(self) -> None:
        if self._unwritable:
            self._unwritable = False
            log.warning("messages are kept again", extra=about(file=self._path, lost=self._lost))


def _names(crossed: Crossed) -> Iterator[Hashable]:
    """Yield all that a message is asked for by, as the searches have it."""
    user, peer, inward = crossed.user, crossed.peer, crossed.inward
    yield peer, user, crossed.stanza_id, inward
    if crossed.message_id:
        yield peer, crossed.message_id, inward
    if crossed.origin_id:
        yield peer, user, crossed.origin_id
    if is_open(crossed):
        yield peer, user


def _row(crossed: Crossed) -> Sequence[str | int | float] | None:
    """Return a message as the database has it; None for one with half characters in its names."""
    found = (
        crossed.number,
        crossed.user,
        crossed.peer,
        crossed.stanza_id,
        crossed.message_id,
        crossed.origin_id,
        int(crossed.inward),
        crossed.asked.value,
        crossed.told.value,
        crossed.reply_to,
        json.dumps(crossed.route) if crossed.route else "",
        crossed.original_to,
        crossed.sent,
    )
    try:
        "".join(each for each in found if isinstance(each, str)).encode()
    except UnicodeEncodeError:
        return None
    return found


def _crossed(row: Sequence[Any]) -> Crossed:
    """Return a message from a row; raises ValueError or TypeError for what is none."""
    number, user, peer, stanza_id, message_id, origin_id, inward, asked, told, *rest = row
    reply_to, route, original_to, sent = rest
    return Crossed(
        user=user,
        peer=peer,
        stanza_id=stanza_id,
        message_id=message_id,
        inward=bool(inward),
        asked=Disposition(asked),
        told=Disposition(told),
        reply_to=reply_to,
        route=tuple(json.loads(route)) if route else (),
        origin_id=origin_id,
        sent=sent,
        original_to=original_to,
        number=number,
    )
