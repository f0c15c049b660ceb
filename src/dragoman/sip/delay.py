"""Timers that all run equally long, in the order they were set (RFC 3261 §17.2.2, timer J)."""

from collections import deque
from typing import Generic, TypeVar

Key = TypeVar("Key")


class DelayLine(Generic[Key]):
    """Keys that come out `delay` seconds after they went in, or up to `grain` later.

    What goes in within one grain comes out together: a key costs one place in a queue, and the
    driver's alarm is moved once a grain, not once a key.
    """

    __slots__ = ("_delay", "_grain", "_keys", "_marks")

    def __init__(self, delay: float, grain: float = 0.25) -> None:
        """Hold keys back for `delay` seconds."""
        self._delay = delay
        self._grain = grain
        self._keys: deque[Key] = deque()
        self._marks: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        """Return how many keys are on their way."""
        return len(self._keys)

    def add(self, key: Key, now: float) -> None:
        """Put `key` in; `now` must not go back."""
        self._keys.append(key)
        if self._marks:
            when, count = self._marks[-1]
            if now + self._delay <= when:
                self._marks[-1] = (when, count + 1)
                return
        self._marks.append((now + self._delay + self._grain, 1))

    def next(self) -> float | None:
        """Return when the next keys come out."""
        return self._marks[0][0] if self._marks else None

    def due(self, now: float) -> list[Key]:
        """Take out and return the keys whose time has come, in order."""
        found: list[Key] = []
        while self._marks and self._marks[0][0] <= now:
            _, count = self._marks.popleft()
            found += [self._keys.popleft() for _ in range(count)]
        return found
