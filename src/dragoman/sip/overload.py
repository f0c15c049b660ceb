"""Whether new requests can still be served in time (RFC 6357 §3, RFC 3261 §21.5.4).

Who answers everybody late answers nobody: peers repeat what has no answer after half a second,
and the repetitions are more work.  So new requests are turned away, at little cost, as soon as
what is served waits too long, until it waits hardly at all.
"""

from dataclasses import dataclass
from typing import Final

HOLD: Final = 0.5
"""Seconds after which a delay that nobody measured again counts no more."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where overload begins and where it ends.

    `late` and `prompt` are seconds that a message waited before it was looked at; `crowded` and
    `roomy` requests that wait for our answer.  Between the two of a pair everything stays as it is.
    """

    late: float = 0.25
    prompt: float = 0.05
    lasting: float = 0.3
    """Seconds that lateness must last to count: a pause that is made up for is no overload."""
    crowded: int = 9_000
    roomy: int = 6_000


class Overload:
    """The judge; it is told delays and counts, and says whether we are behind."""

    def __init__(self, marks: Marks | None = None) -> None:
        """Begin in time with everything."""
        self._marks = marks or Marks()
        self._slow = self._full = False
        self._measured = 0.0
        self._since: float | None = None
        self.times = 0
        self.behind = False
        """Whether new requests are to be turned away."""

    def waited(self, seconds: float, now: float) -> None:
        """Learn how long the oldest of what is now at hand waited to be looked at."""
        if now - self._measured > HOLD:
            self._since = None
        self._measured = now
        if seconds < self._marks.prompt:
            self._slow, self._since = False, None
        elif seconds > self._marks.late:
            self._since = now if self._since is None else self._since
            self._slow = self._slow or now - self._since >= self._marks.lasting
        self._judge()

    def rang_late(self, seconds: float, now: float) -> None:
        """Learn by how much an alarm was late: only that it was much says something."""
        if seconds > self._marks.late:
            self.waited(seconds, now)

    def pending(self, count: int, now: float) -> None:
        """Learn how many requests wait for our answer."""
        if count > self._marks.crowded:
            self._full = True
        elif count < self._marks.roomy:
            self._full = False
        if self._slow and now - self._measured > HOLD:
            self._slow = False
        self._judge()

    def _judge(self) -> None:
        behind = self._slow or self._full
        self.times += behind and not self.behind
        self.behind = behind
