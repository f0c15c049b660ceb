"""Who is served, and who is believed: both are read from the domains' own DNS.

We stand for a domain on one protocol when its records of that protocol lead to an address of
ours; a SIP request is believed to be from a domain when it comes from an address that the
domain's SIP records lead to.  The answers come in from outside (`learn`); what is not known yet
is asked for (`wanted`).  An answer is used while it is fresh, and a little longer while it is
being asked for again, so that a name server's pause stops nobody.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

FRESH: Final = 60.0
"""Seconds until an answer is asked for again."""
STALE: Final = 600.0
"""Seconds until an answer that could not be renewed is no longer used."""
FAILED: Final = 5.0
"""Seconds until a question that got no answer is asked again."""
KNOWN: Final = 8192
"""How many answers are kept."""
ASKING: Final = 256
"""How many questions may be open; a claim that needs one more counts as not answered."""


class Side(Enum):
    """The protocol whose DNS records are meant."""

    SIP = auto()
    XMPP = auto()


class Standing(Enum):
    """What is known of a claim."""

    YES = auto()
    NO = auto()
    UNKNOWN = auto()
    """Not yet: the question is among `wanted`."""
    UNANSWERED = auto()
    """The DNS gave no answer when last asked."""


@dataclass(frozen=True, slots=True)
class Look:
    """A question for the DNS: which addresses do this domain's records lead to?"""

    side: Side
    domain: str


@dataclass(frozen=True, slots=True)
class _Fact:
    addresses: frozenset[str] | None
    """None: the DNS did not answer."""
    ask_at: float
    """When to ask again."""
    end: float
    """Until when it may be used."""


@dataclass(frozen=True, slots=True)
class Override:
    """What the configuration says instead of the DNS; an empty list leaves it to the DNS."""

    xmpp: Collection[str] = ()
    """SIP domains that we stand for on XMPP."""
    sip: Collection[str] = ()
    """XMPP domains that we stand for on SIP."""


class Directory:
    """The claims of domains, as their DNS has them.

    `ours(address)` tells whether an IP address is one of the gateway's; `trusted(address)`
    whether the configuration trusts it to speak for any domain.
    """

    def __init__(
        self,
        ours: Callable[[str], bool],
        trusted: Callable[[str], bool],
        override: Override | None = None,
    ) -> None:
        """Start knowing nothing."""
        self._ours = ours
        self._override = override or Override()
        self.trusted = trusted
        self._facts: OrderedDict[Look, _Fact] = OrderedDict()
        self._asking: set[Look] = set()
        self._wanted: list[Look] = []

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._facts)

    def stands_for(self, side: Side, domain: str, now: float) -> Standing:
        """Tell whether the gateway answers for `domain` on the protocol `side`."""
        listed = self._override.xmpp if side is Side.XMPP else self._override.sip
        if listed:
            return Standing.YES if domain in listed else Standing.NO
        return self._claim(Look(side, domain), self._leads_here, now)

    def leads_here(self, side: Side, domain: str, now: float) -> Standing:
        """Tell whether traffic for `domain` on `side` would come back to the gateway."""
        return self._claim(Look(side, domain), self._leads_here, now)

    def believes(self, domain: str, address: str, now: float) -> Standing:
        """Tell whether a SIP request from `address` may speak for `domain`."""
        if self.trusted(address):
            return Standing.YES
        return self._claim(Look(Side.SIP, domain), lambda found: address in found, now)

    def wanted(self) -> list[Look]:
        """Remove and return the questions to ask; each is answered by one `learn`."""
        found, self._wanted = self._wanted, []
        return found

    def learn(self, look: Look, addresses: frozenset[str] | None, now: float) -> None:
        """Take the answer to a question; None says that there was no answer to be had."""
        self._asking.discard(look)
        old = self._facts.pop(look, None)
        if addresses is not None:
            fact = _Fact(addresses, now + FRESH, now + STALE)
        elif old is not None and old.addresses is not None and now < old.end:
            fact = _Fact(old.addresses, now + FAILED, old.end)
        else:
            fact = _Fact(None, now + FAILED, now + FAILED)
        self._facts[look] = fact
        if len(self._facts) > KNOWN:
            self._facts.popitem(last=False)

    def _leads_here(self, addresses: frozenset[str]) -> bool:
        return any(self._ours(address) for address in addresses)

    def _claim(self, look: Look, holds: Callable[[frozenset[str]], bool], now: float) -> Standing:
        fact = self._facts.get(look)
        if fact is None or now >= fact.end:
            return Standing.UNKNOWN if self._want(look) else Standing.UNANSWERED
        if fact.addresses is None:
            return Standing.UNANSWERED
        if now >= fact.ask_at:
            self._want(look)
        return Standing.YES if holds(fact.addresses) else Standing.NO

    def _want(self, look: Look) -> bool:
        """Have the question asked; tell whether it is being asked."""
        if look in self._asking:
            return True
        if len(self._asking) >= ASKING:
            return False
        self._asking.add(look)
        self._wanted.append(look)
        return True
