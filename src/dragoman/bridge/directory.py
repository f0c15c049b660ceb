"""Who is served, and who is believed: both are read from the domains' own DNS.

We stand for a domain on one protocol when its records of that protocol lead to an address and
port of ours (another server may live on the same host).  A SIP request is believed to be from a
domain when it comes from an address that the domain's SIP records lead to.  The answers come in
from outside (`learn`); what is not known yet is asked for (`wanted`).  An answer is used while it
is fresh, and a little longer while it is being asked for again, so that a name server's pause
stops nobody.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from dragoman.sip.guard import Bucket

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
STRANGE: Final = 2048
"""How many answers are kept that only strangers wanted."""
ASKING_STRANGERS: Final = 192
"""How many questions of strangers may be open."""
ASKING_RATE: Final = 20.0
"""Questions of strangers a second, all together: each is several to the name servers."""
ASKING_ONE: Final = 32
"""How many questions on behalf of one address may be open."""
ASKING_FAMILIAR: Final = 128
"""The same of one that was let in lately: a proxy that many domains share."""
DOUBTED: Final = 30.0
"""Seconds until an answer that spoke against a stranger is asked for again."""


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


Place = tuple[str, int]
"""An IP address without brackets, and a port."""


@dataclass(frozen=True, slots=True)
class Look:
    """A question for the DNS: where do this domain's records of one protocol lead to?"""

    side: Side
    domain: str


@dataclass(frozen=True, slots=True)
class Asker:
    """On behalf of which address something is asked; `familiar` where it was let in lately."""

    address: str
    familiar: bool = False


@dataclass(frozen=True, slots=True)
class _Fact:
    addresses: frozenset[str]
    here: bool
    """Whether one of the places is ours."""
    answered: bool
    """Whether the DNS did answer."""
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

    `ours(side, place)` tells whether the gateway listens there for that protocol;
    `trusted(address)` whether the configuration trusts an address to speak for any domain.
    """

    def __init__(
        self,
        ours: Callable[[Side, Place], bool],
        trusted: Callable[[str], bool],
        override: Override | None = None,
    ) -> None:
        """Start knowing nothing."""
        self._ours = ours
        self._override = override or Override()
        self.trusted = trusted
        self._facts: OrderedDict[Look, _Fact] = OrderedDict()
        self._strange: OrderedDict[Look, _Fact] = OrderedDict()
        self._asking: dict[Look, Asker | None] = {}
        self._askers: Counter[str] = Counter()
        self._rate = Bucket(ASKING_RATE, 0.0, ASKING_STRANGERS)
        self._wanted: list[Look] = []

    def __len__(self) -> int:
        """Return how many answers are kept."""
        return len(self._facts) + len(self._strange)

    def stands_for(
        self, side: Side, domain: str, now: float, asker: Asker | None = None
    ) -> Standing:
        """Tell whether the gateway answers for `domain` on the protocol `side`.

        What one `asker` wants to have asked is bounded, so that no flood of claims keeps others
        from being asked about.
        """
        listed = self._override.xmpp if side is Side.XMPP else self._override.sip
        if listed:
            return Standing.YES if domain in listed else Standing.NO
        return self.leads_here(side, domain, now, asker)

    def served(self, side: Side) -> frozenset[str]:
        """Return the domains that the gateway is known to stand for on `side`; asks nobody."""
        listed = self._override.xmpp if side is Side.XMPP else self._override.sip
        if listed:
            return frozenset(listed)
        facts = self._facts.items()
        return frozenset(look.domain for look, fact in facts if look.side is side and fact.here)

    def leads_here(
        self, side: Side, domain: str, now: float, asker: Asker | None = None
    ) -> Standing:
        """Tell whether traffic for `domain` on `side` would come back to the gateway."""
        fact = self._fact(Look(side, domain), now, asker)
        if isinstance(fact, Standing):
            return fact
        return _standing(fact.here)

    def believes(
        self, domain: str, address: str, now: float, asker: Asker | None = None
    ) -> Standing:
        """Tell whether a SIP request from `address` may speak for `domain`."""
        if self.trusted(address):
            return Standing.YES
        look = Look(Side.SIP, domain)
        fact = self._fact(look, now, asker)
        if isinstance(fact, Standing):
            return fact
        if address in fact.addresses and look in self._strange:
            self._keep(self._facts, look, self._strange.pop(look), KNOWN)
        return _standing(address in fact.addresses)

    def doubted_until(self, domain: str) -> float:
        """Return until when what speaks against a claim about `domain` need not be asked again."""
        look = Look(Side.SIP, domain)
        fact = self._facts.get(look) or self._strange.get(look)
        return fact.ask_at if fact is not None and look not in self._asking else 0.0

    def wanted(self) -> list[Look]:
        """Remove and return the questions to ask; each is answered by one `learn`."""
        found, self._wanted = self._wanted, []
        return found

    def learn(self, look: Look, places: frozenset[Place] | None, now: float) -> None:
        """Take the answer to a question; None says that there was no answer to be had."""
        asker = self._asking.pop(look, None)
        if asker is not None:
            self._askers[asker.address] -= 1
            if not self._askers[asker.address]:
                del self._askers[asker.address]
        kept = self._facts.pop(look, None)
        old = kept or self._strange.pop(look, None)
        doubted = False
        if places is not None:
            addresses = frozenset(address for address, _ in places)
            here = any(self._ours(look.side, place) for place in places)
            doubted = asker is not None and asker.address not in addresses
            fact = _Fact(addresses, here, True, now + (DOUBTED if doubted else FRESH), now + STALE)
        elif old is not None and old.answered and now < old.end:
            fact = replace(old, ask_at=now + FAILED)
        else:
            fact = _Fact(frozenset(), False, False, now + FAILED, now + FAILED)
        if kept is None and asker is not None and (doubted or not fact.answered):
            self._keep(self._strange, look, fact, STRANGE)
        else:
            self._keep(self._facts, look, fact, KNOWN)

    def _keep(self, facts: OrderedDict[Look, _Fact], look: Look, fact: _Fact, most: int) -> None:
        facts[look] = fact
        if len(facts) > most:
            facts.popitem(last=False)

    def _fact(self, look: Look, now: float, asker: Asker | None) -> _Fact | Standing:
        """Return what the DNS said, or that it has not, and have it asked where that is due."""
        fact = self._facts.get(look) or self._strange.get(look)
        if fact is None or now >= fact.end:
            return Standing.UNKNOWN if self._want(look, asker, now) else Standing.UNANSWERED
        if not fact.answered:
            return Standing.UNANSWERED
        if now >= fact.ask_at:
            self._want(look, asker, now)
        return fact

    def _want(self, look: Look, asker: Asker | None, now: float) -> bool:
        """Have the question asked; tell whether it is being asked."""
        if look in self._asking:
            return True
        if len(self._asking) >= ASKING:
            return False
        if asker is not None:
            crowded = not asker.familiar and self._askers.total() >= ASKING_STRANGERS
            most = ASKING_FAMILIAR if asker.familiar else ASKING_ONE
            if crowded or self._askers[asker.address] >= most:
                return False
            if not asker.familiar and not self._rate.take(now):
                return False
            self._askers[asker.address] += 1
        self._asking[look] = asker
        self._wanted.append(look)
        return True


def _standing(holds: bool) -> Standing:
    return Standing.YES if holds else Standing.NO
