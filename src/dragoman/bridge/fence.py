"""When has the far server taken a stanza?  When it answers a later ping (XEP-0199, RFC 6120 §10.1).

A server handles what comes from one domain for another in order.  So the answer to a ping that
was sent behind a message says that the message was taken, and that an error it caused, which is
sent on the same stream as that answer, has come already.  At most one ping a pair of domains is
under way; what is sent meanwhile waits for the next, so a busy pair pays one ping a round trip.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from dragoman.clock import Alarms

Key = TypeVar("Key")
Pair = tuple[str, str]
"""One of our domains, and a far one."""

PATIENCE: Final = 25.0
"""Seconds from the sending of a stanza until it is late.

Below the 32 s of Timer F (RFC 3261 §17.1.2.2), and the 30 s after which proxies as deployed answer
for us, so that a SIP sender still hears of it.
"""


LOOK_AGAIN: Final = 5.0
"""Seconds until it is seen again whether the far server has taken what it was late with."""
GRAIN: Final = 0.5
"""Seconds between two looks at least, for many are late one after the other."""


@dataclass(slots=True)
class _Line(Generic[Key]):
    """One pair's stanzas, each with when it was sent: those before the ping, those behind it."""

    ping: str = ""
    before: list[tuple[float, Key]] = field(default_factory=list)
    behind: list[tuple[float, Key]] = field(default_factory=list)


class Fences(Generic[Key]):
    """The fences of all pairs of domains.

    `ping(pair, identifier)` sends an XEP-0199 ping behind everything sent so far;
    `token()` gives identifiers nobody can guess.
    """

    def __init__(self, ping: Callable[[Pair, str], None], token: Callable[[], str]) -> None:
        """Start with nothing under way."""
        self._ping = ping
        self._token = token
        self._lines: dict[Pair, _Line[Key]] = {}
        self._alarms: Alarms[Pair] = Alarms()

    def __len__(self) -> int:
        """Return how many pairs have something under way."""
        return len(self._lines)

    def sent(self, pair: Pair, key: Key, now: float) -> None:
        """Have `key` be confirmed once the far server has taken what was just sent."""
        line = self._lines.get(pair)
        if line is None:
            line = self._lines[pair] = _Line()
        line.behind.append((now, key))
        if not line.ping:
            self._raise(pair, line)

    def under_way(self, pair: Pair) -> int:
        """Return how many wait for one pair."""
        line = self._lines.get(pair)
        return 0 if line is None else len(line.before) + len(line.behind)

    def answered(self, pair: Pair, identifier: str) -> list[Key] | None:
        """Return what the answer with this id confirms; None when no ping of ours had it."""
        line = self._lines.get(pair)
        if line is None or line.ping != identifier:
            return None
        taken, line.before = [key for _, key in line.before], []
        self._go_on(pair, line)
        return taken

    def holds(self, pair: Pair, identifier: str) -> bool:
        """Tell whether `identifier` is the ping under way for a pair."""
        line = self._lines.get(pair)
        return line is not None and line.ping == identifier

    def pairs(self, pair: Pair) -> list[Pair]:
        """Return the pairs that have something under way; a far domain "" stands for all."""
        if pair[1]:
            return [pair] if pair in self._lines else []
        return [each for each in self._lines if each[0] == pair[0]]

    def lost(self, pair: Pair, waiting: Collection[Key] = ()) -> list[Key]:
        """Return what can no longer be confirmed, because the stream of the pair went away.

        What is still `waiting` to be sent is confirmed by a ping of its own.
        """
        line = self._lines.pop(pair, None)
        self._alarms.cancel(pair)
        entries = [] if line is None else line.before + line.behind
        kept = [each for each in entries if each[1] in waiting]
        if kept:
            line = self._lines[pair] = _Line(behind=kept)
            self._raise(pair, line)
        return [key for _, key in entries if key not in waiting]

    def late(self, pair: Pair, now: float) -> list[Key]:
        """Return what has waited too long, in order."""
        line = self._lines.get(pair)
        waiting = [] if line is None else line.before + line.behind
        return [key for since, key in waiting if since + PATIENCE <= now]

    def wait_on(self, pair: Pair, settled: Collection[Key], now: float) -> None:
        """Look at the pair again when the next is late, and no longer at what is `settled`.

        What is late already is looked at every few seconds.  A ping before which nothing waits any
        more counts as answered.
        """
        line = self._lines.get(pair)
        if line is None:
            return
        line.before = [each for each in line.before if each[1] not in settled]
        line.behind = [each for each in line.behind if each[1] not in settled]
        if line.before:
            ends = (since + PATIENCE for since, _ in line.before + line.behind)
            following = min((end for end in ends if end > now), default=now + LOOK_AGAIN)
            self._alarms.set(pair, max(now + GRAIN, min(following, now + LOOK_AGAIN)))
        else:
            self._go_on(pair, line)

    def on_timer(self, now: float) -> list[Pair]:
        """Return the pairs in which something may be `late`."""
        return self._alarms.due(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    def _go_on(self, pair: Pair, line: _Line[Key]) -> None:
        line.ping = ""
        if line.behind:
            self._raise(pair, line)
        else:
            del self._lines[pair]
            self._alarms.cancel(pair)

    def _raise(self, pair: Pair, line: _Line[Key]) -> None:
        line.before, line.behind = line.behind, []
        line.ping = self._token()
        self._alarms.set(pair, line.before[0][0] + PATIENCE)
        self._ping(pair, line.ping)
