"""What XMPP users were to be told of SIP users, while their servers could not be reached.

It is told when there is word from the server, and now and then in any case: for a day, ever less
often. What is told then is what holds then; here it is only known of whom and of which resources.
"""

from dataclasses import dataclass, field
from logging import getLogger
from typing import Final

from dragoman.bridge.authorization import Key
from dragoman.clock import Alarms
from dragoman.log import about

log = getLogger(__name__)

MOST: Final = 20_000
"""Pairs of whom something is owed; of one domain, a quarter of it."""
MOST_ENDED: Final = 10_000
"""Pairs that ended last, whose watchers may still have to be told so."""
MOST_RESOURCES: Final = 65
"""Of one pair; "" counts as one."""
BATCH: Final = 100
"""Pairs that are told in a second, all of one domain: one, where the last try came to nothing."""
FIRST: Final = 30.0
"""Seconds until it is tried again, then twice as many, and so on; with word of the server again
after as many as this."""
SLOWEST: Final = 3600.0
MOST_DOUBLED: Final = 7
LONGEST: Final = 86_400.0
"""Seconds for which a domain is tried to which nothing can be told."""
AWHILE: Final = 60.0
"""Seconds after which what was told would have come back."""


@dataclass(slots=True)
class _Domain:
    since: float
    """When something came back first."""
    owed: dict[Key, dict[str, None]] = field(default_factory=dict)
    tries: int = 0
    tried: float = float("-inf")
    failed: bool = True


class Arrears:
    """What is owed to users of far domains, by pairs and resources."""

    def __init__(self, most: int = MOST) -> None:
        """Owe nothing; `most` pairs are remembered."""
        self._most = most
        self._domains: dict[str, _Domain] = {}
        self._alarms: Alarms[str] = Alarms()
        self._ended: dict[Key, None] = {}
        self._full = False
        self._count = 0

    def __len__(self) -> int:
        """Return to how many pairs something is owed."""
        return self._count

    def ended(self, key: Key) -> None:
        """Note that a pair is no more: a word of that which comes back is owed, and no other."""
        self._ended[key] = None
        if len(self._ended) > MOST_ENDED:
            del self._ended[next(iter(self._ended))]

    def has_ended(self, key: Key) -> bool:
        """Tell whether a pair has ended lately: who never watched is told so, and may not care."""
        return key in self._ended

    def owe(self, key: Key, resource: str, now: float) -> None:
        """Remember that what was to be told of a resource came back; "" is the contact himself."""
        name = _domain(key)
        found = self._domains.get(name) or _Domain(now)
        resources = found.owed.get(key)
        if resources is None:
            if self._count >= self._most or len(found.owed) >= self._most // 4:
                self._log_full(name)
                return
            resources = found.owed[key] = {}
            self._count += 1
        if len(resources) < MOST_RESOURCES:
            resources[resource] = None
        self._domains[name], found.failed = found, True
        self._alarms.set(name, now + min(FIRST * 2.0**found.tries, SLOWEST))

    def _log_full(self, name: str) -> None:
        if not self._full:
            self._full = True
            log.warning("presence is told to nobody", extra=about(remote=name, owed=self._count))

    def alive(self, domain: str, now: float) -> None:
        """Have what is owed to a domain, of which there was word, be told within a second.

        Where that was tried but a moment ago it is not: there may be word from a server that can
        be told nothing.
        """
        found = self._domains.get(domain)
        if found is not None and found.owed:
            self._alarms.hasten(domain, max(now + 1.0, found.tried + FIRST))

    def due(self, now: float) -> list[tuple[Key, tuple[str, ...]]]:
        """Remove and return what is to be told now."""
        found: list[tuple[Key, tuple[str, ...]]] = []
        for name in self._alarms.due(now):
            found += self._take(name, now)
        return found

    def _take(self, name: str, now: float) -> list[tuple[Key, tuple[str, ...]]]:
        domain = self._domains[name]
        if not domain.owed or now - domain.since > LONGEST:
            self._forget(name)
            return []
        many = 1 if domain.failed and domain.tries else BATCH
        domain.tries = min(domain.tries + domain.failed, MOST_DOUBLED)
        domain.failed, domain.tried = False, now
        keys = list(domain.owed)[:many]
        found = [(key, tuple(domain.owed.pop(key))) for key in keys]
        self._count -= len(found)
        self._alarms.set(name, now + (1.0 if domain.owed else AWHILE))
        return found

    def _forget(self, name: str) -> None:
        domain = self._domains.pop(name)
        self._count -= len(domain.owed)
        self._full = self._full and self._count >= self._most // 2
        if domain.owed:
            log.warning(
                "presence is not told any more to a server that cannot be reached",
                extra=about(remote=name, owed=len(domain.owed)),
            )

    def next_timer(self) -> float | None:
        """Return when something is due next."""
        return self._alarms.next()


def _domain(key: Key) -> str:
    return key[0].rpartition("@")[2]
