"""Which targets fail, and for how long they come last (RFC 3263 §4.3, RFC 3261 §21.5.4)."""

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

from dragoman.clock import Alarms
from dragoman.sip.locate import Target, Transport

Place: TypeAlias = tuple[Transport, str, int]
"""Transport, address and port: where a transaction's messages go."""

FIRST: Final = 30.0
"""Seconds that a target comes last after a failure; each further failure doubles them."""
LONGEST: Final = 600.0
RECENT: Final = 600.0
"""Seconds that a target counts as in use after a request wanted it; then it is not probed."""
MAX_HELD: Final = 1024


def place_of(target: Target) -> Place:
    """Return where a target is, whatever name led there."""
    return target.transport, target.address, target.port


class Held:
    """A target that failed."""

    __slots__ = ("hold", "probing", "target", "until", "wanted")

    def __init__(self, target: Target, now: float) -> None:
        """Begin with a target that a request wanted at `now`."""
        self.target = target
        self.wanted = now
        self.until = now
        self.hold = 0.0
        self.probing = False


class Health:
    """The targets that failed or are in doubt; all others are well, and nothing is known of them.

    A target that failed is held off: `order` puts it behind those that did not. When its time is
    over it is probed if it is still in use, and held off until the answer; else it is forgotten.
    """

    def __init__(self, limit: int = MAX_HELD) -> None:
        """Remember up to `limit` targets of either kind; of more, the oldest is forgotten."""
        self._limit = limit
        self._held: dict[Place, Held] = {}
        self._heard: dict[Place, float] = {}
        self._alarms: Alarms[Place] = Alarms()

    @property
    def watching(self) -> bool:
        """Whether any word of `heard` matters at present."""
        return bool(self._held or self._heard)

    def order(self, targets: Sequence[Target], now: float) -> Sequence[Target]:
        """Return the targets with those held off last; none is ever left out."""
        if not self._held:
            return targets
        last = [each for each in targets if self.holds(each)]
        for each in last:
            self._held[place_of(each)].wanted = now
        return [each for each in targets if each not in last] + last

    def holds(self, target: Target) -> bool:
        """Tell whether a target is held off."""
        return place_of(target) in self._held

    def failed(self, target: Target, now: float) -> None:
        """Hold a target off that could not be reached or said nothing at all.

        What was sent to it before it was held off fails too, and makes nothing worse.
        """
        held = self._entry(target, now)
        if held.probing or held.until <= now:
            held.hold = min(2 * held.hold or FIRST, LONGEST)
            self._hold(held, held.hold, now)

    def asked(self, target: Target, seconds: float, now: float) -> None:
        """Hold a target off for as long as its Retry-After asked, at most ten minutes."""
        self._hold(self._entry(target, now), min(seconds, LONGEST), now)

    def doubt(self, target: Target) -> None:
        """Begin to note when a target is heard."""
        if len(self._heard) >= self._limit:
            del self._heard[next(iter(self._heard))]
        self._heard.setdefault(place_of(target), -math.inf)

    def silent(self, target: Target, since: float) -> bool:
        """Tell whether a target in doubt has said nothing at all since the time given."""
        heard = self._heard.get(place_of(target))
        return heard is not None and heard < since

    def heard(self, target: Target, now: float) -> None:
        """Learn that a target answered, whatever it said: it is well."""
        place = place_of(target)
        if self._held.pop(place, None) is not None:
            self._alarms.cancel(place)
        if place in self._heard:
            self._heard[place] = now

    def next_timer(self) -> float | None:
        """Return when `due` is next wanted."""
        return self._alarms.next()

    def due(self, now: float) -> list[Target]:
        """Return the targets to probe now, each once until `failed` or `heard` says what came."""
        found = []
        for place in self._alarms.due(now):
            held = self._held[place]
            if held.wanted + RECENT < now:
                del self._held[place]
            else:
                held.probing = True
                found.append(held.target)
        return found

    def describe(self) -> dict[str, int]:
        """Return how many targets are held off."""
        return {"targets held off": len(self._held)} if self._held else {}

    def _hold(self, held: Held, seconds: float, now: float) -> None:
        held.probing = False
        held.until = now + seconds
        self._alarms.set(place_of(held.target), held.until)

    def _entry(self, target: Target, now: float) -> Held:
        place = place_of(target)
        held = self._held.get(place)
        if held is None:
            if len(self._held) >= self._limit:
                oldest = next(iter(self._held))
                del self._held[oldest]
                self._alarms.cancel(oldest)
            held = self._held[place] = Held(target, now)
        return held
