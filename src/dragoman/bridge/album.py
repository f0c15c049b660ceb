"""Pictures of SIP users that were fetched, and those that are to be (RFC 3261 §20.9), in bounds.

Whoever writes may name any address: so few are asked at once, fewer still for one domain, and
what was not found there is not looked for again for a while.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dragoman.xmpp.ext.avatar import Picture

MOST: Final = 1024
"""Addresses whose picture, or lack of one, is remembered; the longest unused is forgotten."""
MOST_BYTES: Final = 8 * 1024 * 1024
"""Bytes of all pictures."""
AT_ONCE: Final = 4
AT_ONCE_OF_ONE: Final = 2
"""Pictures that are fetched at once for the users of one domain."""
WAITING: Final = 128
WAITING_OF_ONE: Final = 16
FRESH: Final = 86400.0
"""Seconds until a picture is looked for again, and shown meanwhile."""
MISSED: Final = 600.0
"""Seconds until an address that had none is asked again."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture is: its URL, and the SIP domain whose user says so."""

    url: str
    domain: str


@dataclass(frozen=True, slots=True)
class _Kept:
    picture: Picture | None
    until: float


class Album:
    """The pictures. Whoever wants one `asks`; whoever can fetch takes what is `wanted`."""

    def __init__(self) -> None:
        """Start with no pictures."""
        self._kept: OrderedDict[Source, _Kept] = OrderedDict()
        self._bytes = 0
        self._waiting: OrderedDict[Source, None] = OrderedDict()
        self._flights: set[Source] = set()

    def ask(self, source: Source, now: float) -> Picture | None:
        """Return the picture at `source`; where it is not known, or old, it is wanted from now."""
        kept = self._kept.get(source)
        if kept is not None:
            self._kept.move_to_end(source)
        if kept is None or kept.until <= now:
            self._want(source)
        return None if kept is None else kept.picture

    def missed(self, source: Source) -> bool:
        """Tell whether there was no picture when it was looked for."""
        kept = self._kept.get(source)
        return kept is not None and kept.picture is None

    def wanted(self) -> Sequence[Source]:
        """Return what is to be fetched now; each has to come back to `learn`."""
        if not self._waiting or len(self._flights) >= AT_ONCE:
            return ()
        busy = Counter(each.domain for each in self._flights)
        found: list[Source] = []
        for each in self._waiting:
            if len(self._flights) + len(found) < AT_ONCE and busy[each.domain] < AT_ONCE_OF_ONE:
                busy[each.domain] += 1
                found.append(each)
        for each in found:
            del self._waiting[each]
        self._flights.update(found)
        return found

    def learn(self, source: Source, picture: Picture | None, now: float) -> bool:
        """Keep what was found at `source`, None for nothing; tell whether that is something new.

        What was found there before is shown still while nothing is found.
        """
        self._flights.discard(source)
        before = self._kept.pop(source, None)
        known = None if before is None else before.picture
        shown = known if picture is None else picture
        self._kept[source] = _Kept(shown, now + (MISSED if picture is None else FRESH))
        self._bytes += _size(shown) - _size(known)
        while len(self._kept) > MOST or self._bytes > MOST_BYTES:
            _, forgotten = self._kept.popitem(last=False)
            self._bytes -= _size(forgotten.picture)
        return before is None or shown != known

    def describe(self) -> dict[str, int]:
        """Return counts: addresses known, bytes kept, pictures that wait and that are fetched."""
        return {
            "known": len(self._kept),
            "bytes": self._bytes,
            "waiting": len(self._waiting),
            "in_flight": len(self._flights),
        }

    def _want(self, source: Source) -> None:
        if source in self._waiting or source in self._flights or len(self._waiting) >= WAITING:
            return
        if sum(each.domain == source.domain for each in self._waiting) < WAITING_OF_ONE:
            self._waiting[source] = None


def _size(picture: Picture | None) -> int:
    return 0 if picture is None else len(picture.data)
