"""Who is let in to be heard at all (RFC 3261 §21.4.4, §21.5.4, §26.1.5): before anything is read.

An address that is believed about some domain is let through.  All others have a rate; what they
are refused for is remembered by address and domain, and refused again at a glance; and programs
that look for open gateways are told by their names and by what they ask.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from dragoman.sip.glance import (
    SILENCE,
    Answer,
    Glance,
    Kind,
    glance,
    has_via,
    is_numeric,
    kind_of,
    transaction_of,
)
from dragoman.sip.message import Request
from dragoman.sip.overload import Overload

Place = tuple[str, int]

KNOWN: Final = 600.0
"""Seconds for which an address that was believed about some domain is nobody's stranger."""
MOST_KNOWN: Final = 8192
MOST_SOURCES: Final = 16384
"""Strangers whose rate is remembered."""
MOST_REFUSED: Final = 4096
"""Addresses that refused domains are remembered of."""
MOST_DOMAINS: Final = 16
"""Domains that one address was refused for and that are remembered."""
FEW: Final = 3
"""Answers that a scanner gets before it gets none, in `MINUTE`."""
MINUTE: Final = 60.0
LONGEST: Final = 30.0
"""Seconds for which a connection is not read at most."""
LINES: Final = 25.0
"""Sightings a second that are told, of whatever address; of more, the counts speak."""
RETRY_AFTER: Final = b"Retry-After: 1\r\n"

SCANNERS: Final = (
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sipcli",
    "sip-scan",
    "sipscan",
    "sundayddr",
    "vaxsipuseragent",
    "vaxasip",
    "pplsip",
    "siparmyknife",
    "sipblast",
)
"""Names of programs, in lower case, that look for open gateways."""
SHORT: Final = re.compile(r"(?i)(?<![a-z])(?:iwar|smap)(?![a-z])")
"""Those whose names are parts of honest ones too."""


class Answering(Enum):
    """What those hear whom we do not let in."""

    REFUSE = "refuse"
    SILENCE = "silence"


class Sign(Enum):
    """What gives a scanner away."""

    AGENT = "agent"
    """The name of its program."""
    REGISTER = "register"
    """It wants to register; nobody can, here."""
    ADDRESS = "address"
    """It asks for somebody at an IP address, as who found us by trying addresses does."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A scanner was at work from `address`: `count` requests since the last such word."""

    address: str
    sign: Sign
    count: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides about strangers; rates are requests a second, 0 is no limit."""

    unbelieved: Answering = Answering.REFUSE
    scanners: Answering = Answering.SILENCE
    rate: float = 20.0
    """Of one address that is not believed."""
    total: float = 500.0
    """Of all of them together, of requests that have to be read."""


class Bucket:
    """Tokens that come at a rate; rate 0 has no end."""

    __slots__ = ("_at", "_left", "_most", "_rate")

    def __init__(self, rate: float, now: float, most: float = 0.0) -> None:
        """Begin full: with `most` tokens, or with two seconds' worth and at least one."""
        self._rate = rate
        self._most = self._left = most or max(1.0, 2 * rate)
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token; False when there is none."""
        if self._rate and self._fill(now) < 1.0:
            return False
        self._left -= 1.0
        return True

    def owe(self, now: float) -> float:
        """Take a token, lent if need be; return the seconds until all are paid back."""
        if not self._rate:
            return 0.0
        self._left = self._fill(now) - 1.0
        return max(0.0, -self._left / self._rate)

    def _fill(self, now: float) -> float:
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        return self._left


class _Source(Bucket):
    """What is remembered of a stranger's address: its rate, and what it did as a scanner."""

    __slots__ = ("minute", "recent", "unsaid")

    def __init__(self, rate: float, now: float) -> None:
        super().__init__(rate, now)
        self.minute = now
        self.recent = 0
        self.unsaid = 0


class Guard:
    """The judge of datagrams, and of requests on connections, by what they cost.

    `trusted(address)` tells whether the configuration trusts an address; `tag(branch, sent_by,
    method)` gives the To tag that the endpoint would; `pending(branch, sent_by, method)` whether
    a transaction has that request; `asked(branch, method)` whether a request of ours is that one.
    """

    def __init__(
        self,
        rules: Rules,
        trusted: Callable[[str], bool],
        tag: Callable[[str, str, str], str],
        pending: Callable[[str, str, str], bool],
        asked: Callable[[str, str], bool],
        overload: Overload | None = None,
    ) -> None:
        """Know nobody."""
        self.overload = overload or Overload()
        self._rules = rules
        self._trusted = trusted
        self._tag = tag
        self._pending = pending
        self._asked = asked
        self._known: OrderedDict[str, float] = OrderedDict()
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._refused: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()
        self._all = Bucket(rules.total, 0.0)
        self._lines = Bucket(LINES, 0.0)
        self._sightings: list[Sighting] = []
        self._counts: Counter[str] = Counter()

    # -- what the driver asks ---------------------------------------------------------------

    def look(self, data: bytes, source: Place, now: float) -> Answer | None:
        """Return how to dispose of a datagram from `source`; None: it is to be heard."""
        address = source[0]
        if (
            self._known.get(address, 0.0) > now
            and address not in self._refused
            and not self.overload.behind
        ):
            return None
        known = self.knows(address, now)
        kind = kind_of(data)
        if kind is Kind.REQUEST:
            return self._request(data, source, now, known=known)
        if known:
            return None
        if kind is Kind.SIGN:
            within = self._source(address, now).take(now)
            return None if within else self._drop("over the rate")
        if kind is Kind.JUNK:
            return self._drop("junk")
        ours = transaction_of(data)
        if ours is None and has_via(data):
            # written in an unusual way: that is read, as often as a request would be
            few = self._source(address, now).take(now) and self._all.take(now)
            return None if few else self._drop("stray")
        return None if ours is not None and self._asked(*ours) else self._drop("stray")

    def owes(self, request: Request, address: str, now: float) -> float | None:
        """Return for how many seconds nobody should read on a connection, after this request.

        None: that is a scanner's, which has had its answers.
        """
        if self.knows(address, now):
            return 0.0
        source = self._source(address, now)
        sign = _sign(request.method, request.target, request.get("User-Agent") or "")
        if sign is not None and self._offends(source, address, sign, now) > FEW:
            return None
        own = source.owe(now)
        # who is over his own rate must not use up what all strangers have together
        return min(LONGEST, own or self._all.owe(now))

    def knows(self, address: str, now: float) -> bool:
        """Tell whether an address is trusted, or was believed about some domain lately."""
        return self._known.get(address, 0.0) > now or self._trusted(address)

    def quiet(self, address: str, now: float) -> bool:
        """Tell whether nothing at all is to be answered to an address."""
        return self._rules.unbelieved is Answering.SILENCE and not self.knows(address, now)

    # -- what the service says --------------------------------------------------------------

    def believed(self, address: str, now: float) -> None:
        """Note that an address was believed about some domain."""
        if self._known.get(address, 0.0) > now + KNOWN / 2:
            return
        self._known[address] = now + KNOWN
        self._known.move_to_end(address)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def refused(self, address: str, domain: str, until: float) -> None:
        """Note that an address is not believed about `domain`, which holds until then."""
        domains = self._refused.get(address)
        if domains is None:
            domains = self._refused[address] = OrderedDict()
            if len(self._refused) > MOST_REFUSED:
                self._refused.popitem(last=False)
        domains[domain.lower()] = until
        domains.move_to_end(domain.lower())
        if len(domains) > MOST_DOMAINS:
            domains.popitem(last=False)

    def sightings(self) -> list[Sighting]:
        """Return what scanners were seen that are worth a line, and forget it."""
        found, self._sightings = self._sightings, []
        return found

    def describe(self) -> dict[str, int]:
        """Return what was turned away, by kind, and how much is remembered."""
        return {
            **self._counts,
            "known": len(self._known),
            "strangers": len(self._sources),
            "refused": len(self._refused),
            "times behind": self.overload.times,
        }

    # -- its parts --------------------------------------------------------------------------

    def _request(self, data: bytes, source: Place, now: float, *, known: bool) -> Answer | None:
        if known and not self.overload.behind and source[0] not in self._refused:
            return None  # trusted by the configuration, which is looked up here only
        stranger = None if self._trusted(source[0]) else self._source(source[0], now)
        if stranger is not None and not known and not stranger.take(now):
            return self._drop("over the rate")
        seen = glance(data)
        if seen is not None:
            found = self._dispose(seen, source, now, known=known, stranger=stranger)
            if found is not None:
                return found
        if not known and not self._all.take(now):
            return self._drop("over the total")
        return None

    def _dispose(
        self, seen: Glance, source: Place, now: float, *, known: bool, stranger: _Source | None
    ) -> Answer | None:
        """Return the answer to what need not be read: refused before, a scanner's, too much."""
        if stranger is not None:
            sign = None if known else _sign(seen.method, seen.target, seen.agent)
            if sign is not None:
                return self._scanner(seen, source, sign, stranger, now)
            if self._is_refused(seen, source[0], now):
                if known and not stranger.take(now):
                    return self._drop("over the rate")
                return self._unbelieved(seen, source)
        return self._too_much(seen, source) if self.overload.behind else None

    def _unbelieved(self, seen: Glance, source: Place) -> Answer | None:
        self._counts["unbelieved"] += 1
        if self._rules.unbelieved is Answering.SILENCE:
            return SILENCE
        return self._curt(seen, source, 403)

    def _is_refused(self, seen: Glance, address: str, now: float) -> bool:
        """Tell whether that address is known not to be believed about the sender's domain."""
        domains = self._refused.get(address)
        if domains is None:
            return False
        if domains[next(reversed(domains))] <= now:  # the latest of them, so all are over
            del self._refused[address]
            return False
        return not seen.asserted and domains.get(seen.domain, 0.0) > now

    def _scanner(
        self, seen: Glance, source: Place, sign: Sign, stranger: _Source, now: float
    ) -> Answer | None:
        """Answer a scanner as the rules have it: the first few times, always or never."""
        recent = self._offends(stranger, source[0], sign, now)
        if self._rules.unbelieved is Answering.SILENCE:
            return SILENCE
        if self._rules.scanners is Answering.SILENCE and recent > FEW:
            return SILENCE
        return self._curt(seen, source, 403)

    def _offends(self, source: _Source, address: str, sign: Sign, now: float) -> int:
        """Count what a scanner did; return how often it did in this minute."""
        self._counts[f"scanner {sign.value}"] += 1
        if now - source.minute >= MINUTE:
            source.minute, source.recent = now, 0
        source.recent += 1
        source.unsaid += 1
        if source.recent == 1 and self._lines.take(now):
            self._sightings.append(Sighting(address, sign, source.unsaid))
            source.unsaid = 0
        return source.recent

    def _too_much(self, seen: Glance, source: Place) -> Answer | None:
        """Turn a new request away; what is under way already goes on."""
        via = seen.via()
        if seen.method in {"ACK", "CANCEL"} or via is None or self._pending(*via, seen.method):
            return None
        self._counts["too much"] += 1
        return self._curt(seen, source, 503, RETRY_AFTER)

    def _curt(self, seen: Glance, source: Place, status: int, more: bytes = b"") -> Answer | None:
        """Return an answer without more ado; nothing answers an ACK (RFC 3261 §17.1.1.3)."""
        if seen.method == "ACK":
            return SILENCE
        via = seen.via()
        return via and seen.answer(status, self._tag(*via, seen.method), source, more)

    def _drop(self, why: str) -> Answer:
        self._counts[why] += 1
        return SILENCE

    def _source(self, address: str, now: float) -> _Source:
        found = self._sources.get(address)
        if found is None:
            found = self._sources[address] = _Source(self._rules.rate, now)
            if len(self._sources) > MOST_SOURCES:
                self._sources.popitem(last=False)
        return found


def _sign(method: str, target: str, agent: str) -> Sign | None:
    """Return what gives a scanner away, if anything does."""
    if agent and (any(name in agent.lower() for name in SCANNERS) or SHORT.search(agent)):
        return Sign.AGENT
    if method == "REGISTER":
        return Sign.REGISTER
    return Sign.ADDRESS if is_numeric(target) else None
