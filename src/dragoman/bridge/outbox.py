"""One queue and one back-off for each pair of domains (RFC 6120 §3.3, §10.4).

Stanzas wait here while a stream is made, in order.  They are handed over once it is up, or come
back with the reason.  A domain that keeps failing is left alone for longer and longer, and what
is meant for it comes back at once meanwhile.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.stanza import MESSAGE

PATIENCE: Final = 20.0
"""Seconds that a stanza waits for a stream; below the fence's patience, which is below Timer F."""
CAPACITY: Final = 500
"""Stanzas that wait for one stream."""
RESERVE: Final = 50
"""Room that is kept for what is no message: the ping behind messages that were taken, answers."""
RESTS: Final = (0.0, 2.0, 10.0, 60.0, 300.0)
"""Seconds of rest after the first, second, ... failure in a row; each is varied by half."""


class State(Enum):
    """What the outbox does with a stanza."""

    IDLE = auto()
    """There is no stream, and none is being made: a stanza asks for one."""
    DIALLING = auto()
    """A stream is being made: stanzas wait."""
    UP = auto()
    """Stanzas pass."""
    RESTING = auto()
    """The last attempts failed: stanzas come back at once."""


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A stanza that was never handed over, and the error to tell its sender."""

    stanza: Element
    error: StanzaError


class Outbox:
    """The stanzas from one of our domains to one far domain.

    `vary()` gives a number from 0.5 to 1.5.  The caller drains `to_send` when the state is UP,
    makes a stream when `push` says so, and gives `returned` back to the senders.
    """

    def __init__(self, vary: Callable[[], float]) -> None:
        """Start idle."""
        self.state = State.IDLE
        self._vary = vary
        self._waiting: deque[tuple[float, Element]] = deque()
        self._returned: list[Undelivered] = []
        self._failures = 0
        self.rest_until = 0.0
        self._cause = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)

    def __len__(self) -> int:
        """Return how many stanzas wait."""
        return len(self._waiting)

    def push(self, stanza: Element, now: float) -> bool:
        """Take a stanza; return whether the caller is to make a stream now."""
        if self.rested(now):
            self.state = State.IDLE
        if self.state is State.RESTING:
            self._returned.append(Undelivered(stanza, self._cause))
            return False
        if len(self._waiting) >= CAPACITY + (0 if stanza.name == MESSAGE else RESERVE):
            self._returned.append(Undelivered(stanza, _full()))
            return False
        self._waiting.append((now, stanza))
        if self.state is not State.IDLE:
            return False
        self.state = State.DIALLING
        return True

    def restore(self, stanzas: Sequence[Element], now: float) -> None:
        """Put stanzas that a stream had, and lost, before those that wait; most of them first."""
        room = max(0, CAPACITY + RESERVE - len(self._waiting))
        self._waiting.extendleft((now, stanza) for stanza in reversed(stanzas[:room]))
        self._returned.extend(Undelivered(stanza, _full()) for stanza in stanzas[room:])

    def begin(self) -> None:
        """Note that a stream is being made, though nothing waits for it yet."""
        self.state = State.DIALLING

    def rested(self, now: float) -> bool:
        """Tell whether a rest is over, and the next attempt may be made."""
        return self.state is State.RESTING and now >= self.rest_until

    def may_begin(self, now: float) -> bool:
        """Tell whether a stream that nobody waits for may be made: none is, and no rest is due."""
        return self.state is State.IDLE or self.rested(now)

    def up(self) -> None:
        """Note that the stream is ready."""
        self.state = State.UP
        self._failures = 0

    def failed(self, cause: StanzaError, now: float) -> None:
        """Note that no stream could be made; everything that waits comes back with `cause`."""
        self._cause = cause
        self._return_all(cause)
        rest = RESTS[min(self._failures, len(RESTS) - 1)] * self._vary()
        self._failures += 1
        self.rest_until = now + rest
        self.state = State.RESTING if rest else State.IDLE

    def down(self) -> bool:
        """Note that the stream ended; return whether the caller is to make another one now."""
        self.state = State.DIALLING if self._waiting else State.IDLE
        return bool(self._waiting)

    def to_send(self) -> list[Element]:
        """Remove and return, in order, what may be handed to the stream."""
        if self.state is not State.UP:
            return []
        found = [stanza for _, stanza in self._waiting]
        self._waiting.clear()
        return found

    def waiting(self) -> list[Element]:
        """Return, in order, what was not handed over yet."""
        return [stanza for _, stanza in self._waiting]

    def returned(self) -> list[Undelivered]:
        """Remove and return what comes back."""
        found, self._returned = self._returned, []
        return found

    def on_timer(self, now: float) -> None:
        """Give up on what has waited too long."""
        error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
        while self._waiting and self._waiting[0][0] + PATIENCE <= now:
            self._returned.append(Undelivered(self._waiting.popleft()[1], error))

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._waiting[0][0] + PATIENCE if self._waiting else None

    def spent(self, now: float) -> bool:
        """Tell whether the outbox knows nothing that a new one would not."""
        resting = self.state is State.RESTING and now < self.rest_until
        return self.state in {State.IDLE, State.RESTING} and not (self._waiting or resting)

    def _return_all(self, cause: StanzaError) -> None:
        self._returned.extend(Undelivered(stanza, cause) for _, stanza in self._waiting)
        self._waiting.clear()


def _full() -> StanzaError:
    return StanzaError(
        Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text="Too many messages wait for that domain"
    )
