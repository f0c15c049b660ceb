"""How much one XMPP domain may send (RFC 6120 §13.12): who sends more is not read for a while.

Nothing is refused or dropped: what is not read waits at its sender, whose connection fills.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from dragoman.clock import Alarms

Stream = TypeVar("Stream", bound=Hashable)

BURST: Final = 5.0
"""Seconds' worth that may come at once."""
MOST: Final = 4096
"""Domains whose account is kept; one that is forgotten begins anew."""
BEHIND: Final = 0.25
"""Seconds for which a stream that brought something is not read while the gateway is behind."""
LONGEST: Final = 10.0
"""Seconds for which a stream is not read at most: what more is owed is paid the next time."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one domain may send in a second, and have under way; 0 is no limit."""

    stanzas: float = 0.0
    octets: float = 0.0
    under_way: int = 0
    """Messages that wait for an answer from the SIP side."""


@dataclass(slots=True)
class _Account:
    """What a domain has left to send without being made to wait; below zero it owes."""

    stanzas: float
    octets: float
    at: float


class Restraint(Generic[Stream]):
    """Which streams are not to be read, and until when.

    `under_way(domain)` tells how many messages of a domain wait for the SIP side, `behind()`
    whether the gateway has more to do than it can.
    """

    def __init__(
        self,
        allowance: Allowance,
        under_way: Callable[[str], int],
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """Hold nobody back."""
        self._allowance = allowance
        self._under_way = under_way
        self._behind = behind
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._until: Alarms[Stream] = Alarms()
        self._full: dict[Stream, str] = {}
        self._times = 0

    def took(self, stream: Stream, domain: str, stanzas: int, octets: int, now: float) -> bool:
        """Note what a stream brought from `domain`; True: stop reading it, until `due` has it."""
        most = self._allowance.under_way
        if most and self._under_way(domain) >= most:
            self._full[stream] = domain
        wait = self._spend(domain, stanzas, octets, now)
        if self._behind():
            wait = max(wait, BEHIND)
        if wait > 0.0:
            self._until.set(stream, now + min(wait, LONGEST))
        stop = wait > 0.0 or stream in self._full
        self._times += stop
        return stop

    def due(self, now: float) -> list[Stream]:
        """Return, and forget, the streams that may be read again."""
        found = [each for each in self._until.due(now) if each not in self._full]
        if self._full:
            low = self._allowance.under_way // 2
            roomy = [each for each, domain in self._full.items() if self._under_way(domain) <= low]
            for each in roomy:
                del self._full[each]
            found += [each for each in roomy if each not in self._until]
        return found

    def next_timer(self) -> float | None:
        """Return when `due` is wanted next; besides, whenever less is under way."""
        return self._until.next()

    @property
    def waiting(self) -> bool:
        """Whether a stream waits for less to be under way."""
        return bool(self._full)

    def describe(self) -> dict[str, int]:
        """Return how many streams are held back now, and how often one was."""
        held = len(self._until) + sum(each not in self._until for each in self._full)
        return {"held_back": held, "times_held_back": self._times, "domains": len(self._accounts)}

    def _spend(self, domain: str, stanzas: int, octets: int, now: float) -> float:
        """Charge a domain; return the seconds until it owes nothing."""
        allowed = self._allowance
        if not allowed.stanzas and not allowed.octets:
            return 0.0
        account = self._accounts.get(domain)
        if account is None:
            account = _Account(BURST * allowed.stanzas, BURST * allowed.octets, now)
            self._accounts[domain] = account
            if len(self._accounts) > MOST:
                self._accounts.popitem(last=False)
        passed, account.at = now - account.at, now
        wait = 0.0
        if allowed.stanzas:
            left = min(BURST * allowed.stanzas, account.stanzas + passed * allowed.stanzas)
            account.stanzas = left - stanzas
            wait = -account.stanzas / allowed.stanzas
        if allowed.octets:
            left = min(BURST * allowed.octets, account.octets + passed * allowed.octets)
            account.octets = left - octets
            wait = max(wait, -account.octets / allowed.octets)
        return max(0.0, wait)
