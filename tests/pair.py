"""Two datagram cores joined in memory: a hand-turned clock, and loss, repetition and reordering."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Protocol


class Core(Protocol):
    """What the wire needs of a core: bytes in, bytes out, and one timer."""

    def receive(self, data: bytes, now: float) -> None: ...
    def on_timer(self, now: float) -> None: ...
    def next_timer(self) -> float | None: ...
    def to_send(self) -> list[bytes]: ...


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is: the chance of each mishap, and how long a datagram may take."""

    lost: float = 0.0
    repeated: float = 0.0
    delay: tuple[float, float] = (0.01, 0.01)


CLEAR = Weather()
STORM = Weather(lost=0.2, repeated=0.2, delay=(0.001, 0.9))


@dataclass
class Wire:
    """Carries datagrams between two cores while `run` turns the clock.

    `lose` says of the first datagrams, in the order they are sent, which get lost; after them
    the weather decides, from `seed`, which every failure should print.
    """

    left: Core
    right: Core
    lose: Iterable[bool] = ()
    weather: Weather = CLEAR
    seed: int = 0
    now: float = 0.0
    sent: list[tuple[float, str, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pattern = iter(self.lose)
        self._chance = Random(self.seed)  # noqa: S311  (weather, not secrets)
        self._flying: list[tuple[float, int, str, bytes]] = []
        self._count = 0

    def __str__(self) -> str:
        return f"Wire(seed={self.seed}, now={self.now:.3f}, sent={len(self.sent)})"

    def run(self, until: float) -> None:
        """Deliver datagrams and fire timers in the order of time, up to and including `until`."""
        self._collect()
        while (moment := self._next()) is not None and moment <= until:
            self.now = max(moment, self.now)
            while self._flying and self._flying[0][0] <= self.now:
                _, _, side, data = heappop(self._flying)
                self._core(side).receive(data, self.now)
            for core in (self.left, self.right):
                if (when := core.next_timer()) is not None and when <= self.now:
                    core.on_timer(self.now)
            self._collect()
        self.now = until

    def _core(self, side: str) -> Core:
        return self.left if side == "left" else self.right

    def _next(self) -> float | None:
        moments = [self._flying[0][0]] if self._flying else []
        timers = (self.left.next_timer(), self.right.next_timer())
        return min([*moments, *(when for when in timers if when is not None)], default=None)

    def _collect(self) -> None:
        for side, other in (("left", "right"), ("right", "left")):
            for data in self._core(side).to_send():
                self.sent.append((self.now, side, data))
                self._launch(other, data)

    def _launch(self, to: str, data: bytes) -> None:
        lost = next(self._pattern, None)
        if lost is None:
            lost = self._chance.random() < self.weather.lost
        copies = 0 if lost else 1 + (self._chance.random() < self.weather.repeated)
        for _ in range(copies):
            self._count += 1
            arrival = self.now + self._chance.uniform(*self.weather.delay)
            heappush(self._flying, (arrival, self._count, to, data))
