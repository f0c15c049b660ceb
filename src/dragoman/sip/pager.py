"""Page-mode discipline (RFC 3428 §8): one pending MESSAGE for each Request-URI, in order."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeAlias, TypeVar

from dragoman.errors import LocalError
from dragoman.sip.delay import DelayLine

Handle = TypeVar("Handle", bound=Hashable)


class Why(Enum):
    """Why a message will not be sent."""

    OVERFLOW = "too many messages wait"
    EXPIRED = "waited too long"


@dataclass(frozen=True, slots=True)
class Due(Generic[Handle]):
    """It is this message's turn: send it, and say `finished` when its transaction is over."""

    handle: Handle


@dataclass(frozen=True, slots=True)
class Dropped(Generic[Handle]):
    """This message will not get its turn."""

    handle: Handle
    why: Why


PagerEvent: TypeAlias = Due[Handle] | Dropped[Handle]


class Pager(Generic[Handle]):
    """Who may send a MESSAGE outside a dialog now, and who waits for a response before that.

    Handles are the caller's own, each in use once at a time.
    """

    def __init__(
        self, *, waiting: int = 1000, patience: float = 300.0, total: int = 10_000
    ) -> None:
        """Let `waiting` messages wait for one URI, and `total` be under way in all.

        None waits longer than about `patience` seconds.
        """
        self._most_waiting = waiting
        self._patience = patience
        self._most = total
        self._pending: dict[Handle, str] = {}
        self._queues: dict[str, deque[tuple[float, Handle]]] = {}
        self._waiting = 0
        self._line: DelayLine[str] = DelayLine(patience, grain=1.0)
        self._events: list[PagerEvent[Handle]] = []

    def submit(self, uri: str, handle: Handle, now: float) -> None:
        """Ask for a turn to send `handle` to the Request-URI `uri`.

        `events` tells the outcome: Due at once or later, or Dropped. Raises LocalError for a
        handle whose turn it is already.
        """
        if handle in self._pending:
            raise LocalError("the handle of a pending MESSAGE was submitted again")
        queue = self._queues.get(uri)
        full = len(self._pending) + self._waiting >= self._most
        if full or (queue is not None and len(queue) >= self._most_waiting):
            self._events.append(Dropped(handle, Why.OVERFLOW))
        elif queue is None:
            self._queues[uri] = deque()
            self._turn(uri, handle)
        else:
            queue.append((now + self._patience, handle))
            self._waiting += 1
            self._line.add(uri, now)

    def finished(self, handle: Handle, now: float) -> None:
        """Learn that the transaction of `handle` is over; the next of its URI becomes due.

        Raises LocalError when it was not its turn.
        """
        uri = self._pending.pop(handle, None)
        if uri is None:
            raise LocalError("a MESSAGE finished that was not pending")
        self._expire(uri, now)
        queue = self._queues[uri]
        if queue:
            self._waiting -= 1
            self._turn(uri, queue.popleft()[1])
        else:
            del self._queues[uri]

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        return self._line.next()

    def on_timer(self, now: float) -> None:
        """Drop what has waited too long by `now`."""
        for uri in self._line.due(now):
            self._expire(uri, now)

    def events(self) -> list[PagerEvent[Handle]]:
        """Return whose turn it is and who was dropped, in order, and forget it."""
        found, self._events = self._events, []
        return found

    def describe(self) -> dict[str, int]:
        """Return how many messages are pending and how many wait."""
        return {"pending": len(self._pending), "waiting": self._waiting}

    def _turn(self, uri: str, handle: Handle) -> None:
        self._pending[handle] = uri
        self._events.append(Due(handle))

    def _expire(self, uri: str, now: float) -> None:
        queue = self._queues.get(uri)
        while queue and queue[0][0] <= now:
            self._waiting -= 1
            self._events.append(Dropped(queue.popleft()[1], Why.EXPIRED))
