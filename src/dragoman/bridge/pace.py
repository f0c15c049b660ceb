"""How often one and the same is asked for: a few times at once, and then at a pace."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MOST: Final = 20_000
"""Keys that are remembered: those that were asked for last."""


class Pace:
    """So many at once, one in `gap` seconds from then on, for each key (virtual scheduling)."""

    def __init__(self, at_once: int, gap: float, most: int = MOST) -> None:
        """Remember nothing yet."""
        self._slack = (at_once - 1) * gap
        self._gap = gap
        self._most = most
        self._next: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._next)

    def when(self, key: Hashable, now: float) -> float:
        """Return when the next may be, `now` at the soonest."""
        return max(now, self._next.get(key, now) - self._slack)

    def hold(self, key: Hashable, until: float) -> None:
        """Have nothing be before `until`, and one at that time."""
        self._set(key, max(until + self._slack, self._next.get(key, until)))

    def took(self, key: Hashable, now: float) -> None:
        """Count one; what is over by itself is forgotten."""
        self._set(key, max(now, self._next.get(key, now)) + self._gap)
        while (oldest := next(iter(self._next))) != key and self._next[oldest] <= now:
            del self._next[oldest]

    def _set(self, key: Hashable, when: float) -> None:
        self._next[key] = when
        self._next.move_to_end(key)
        if len(self._next) > self._most:
            self._next.popitem(last=False)
