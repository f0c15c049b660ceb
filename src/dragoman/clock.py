"""Time as a value: absolute seconds of a monotonic clock that the caller reads, never we."""

from collections.abc import Hashable, Iterable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


def earliest(times: Iterable[float | None]) -> float | None:
    """Return the first of what several owners of timers want next; None: nobody wants anything."""
    return min((when for when in times if when is not None), default=None)


class Alarms(Generic[Key]):
    """Many timers, one per key, of which only the next concerns the driver.

    Setting and cancelling cost O(log n) and O(1); a cancelled timer's place in the heap is
    given back when it comes up, or sooner when such places outnumber the live timers.
    """

    __slots__ = ("_count", "_heap", "_when")

    def __init__(self) -> None:
        """Start with no timer set."""
        self._when: dict[Key, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many timers are set."""
        return len(self._when)

    def __contains__(self, key: Key) -> bool:
        """Tell whether the timer of `key` is set."""
        return key in self._when

    def set(self, key: Key, when: float) -> None:
        """Have `key` come up at `when`, and no longer at an earlier setting."""
        self._count += 1
        entry = (when, self._count)
        self._when[key] = entry
        heappush(self._heap, (when, self._count, key))
        if len(self._heap) > 2 * len(self._when) + 64:
            self._sweep()

    def hasten(self, key: Key, when: float) -> None:
        """Have `key` come up at `when`, unless it does so sooner."""
        known = self._when.get(key)
        if known is None or when < known[0]:
            self.set(key, when)

    def cancel(self, key: Key) -> None:
        """Forget the timer of `key`; harmless where none is set."""
        self._when.pop(key, None)

    def next(self) -> float | None:
        """Return when the next timer comes up; None means that none is set."""
        heap = self._heap
        while heap and self._when.get(heap[0][2]) != heap[0][:2]:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[Key]:
        """Remove and return, earliest first, the keys whose time is `now` or before."""
        found: list[Key] = []
        while (when := self.next()) is not None and when <= now:
            key = heappop(self._heap)[2]
            del self._when[key]
            found.append(key)
        return found

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if self._when.get(entry[2]) == entry[:2]]
        heapify(self._heap)
