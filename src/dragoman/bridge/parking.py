"""Requests that wait for the DNS to say who is believed (RFC 3261 §8.2.6.1): a fair queue.

One address has a part of the room only, so that a flood of claims leaves room for others.
"""

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from dragoman.sip.endpoint import RequestArrived

MOST: Final = 1000
MOST_OF_ONE: Final = 250
"""Requests of one address that may wait."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A request that waits, until `deadline` at most, for what the DNS says about `domain`."""

    deadline: float
    domain: str
    arrived: RequestArrived

    @property
    def address(self) -> str:
        """Where it came from."""
        return self.arrived.flow.remote[0]


class Parking:
    """Those that wait, in the order in which they came."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        """Have room for `most`, `most_of_one` of them from one address."""
        self._most = most
        self._most_of_one = most_of_one
        self._waiting: deque[Parked] = deque()
        self._of: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def add(self, each: Parked) -> bool:
        """Have a request wait; False when there is no room for it.

        One that waited before, and still has its old deadline, goes before those with later ones.
        """
        full = len(self._waiting) >= self._most or self._of[each.address] >= self._most_of_one
        if not full:
            at = len(self._waiting)
            while at and self._waiting[at - 1].deadline > each.deadline:
                at -= 1
            self._waiting.insert(at, each)
            self._of[each.address] += 1
        return not full

    def next_timer(self) -> float | None:
        """Return when the first has waited long enough."""
        return self._waiting[0].deadline if self._waiting else None

    def due(self, now: float) -> list[Parked]:
        """Remove and return those at the front that have waited too long."""
        found = []
        while self._waiting and self._waiting[0].deadline <= now:
            found.append(self._gone(self._waiting.popleft()))
        return found

    def take(self, domain: str) -> list[Parked]:
        """Remove and return, in order, those that wait for word of `domain`; "" is all."""
        waiting, self._waiting = self._waiting, deque()
        found = []
        for each in waiting:
            if domain and each.domain != domain:
                self._waiting.append(each)
            else:
                found.append(self._gone(each))
        return found

    def _gone(self, each: Parked) -> Parked:
        self._of[each.address] -= 1
        if not self._of[each.address]:
            del self._of[each.address]
        return each
