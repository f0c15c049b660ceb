"""Fetching POSH documents (RFC 7711 §3, §6) by HTTPS, from the domains of strangers.

Whoever connects to us may name any domain, and so has us ask its web server.  Hence what
`net/fetch.py` says, and a bound on how much is asked at once.

Only imported where POSH is on, for the same reason.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dragoman.errors import ProtocolError, RemoteError
from dragoman.log import about
from dragoman.net.dns import Resolver
from dragoman.net.fetch import Web
from dragoman.net.trust import a_label
from dragoman.xmpp.posh import LARGEST, Fingerprints, Reference, address_of, check_url, parse

log = getLogger(__name__)

LONGEST: Final = 86400.0
"""Seconds for which a document is believed at most, whatever it says of itself."""
LONGEST_NEGATIVE: Final = 300.0
"""Seconds until a domain that has no document is asked again."""


class Posh:
    """What domains publish about their certificates: learnt once, kept while it holds."""

    def __init__(
        self,
        resolver: Resolver,
        bundle: str = "",
        *,
        allowed: Sequence[str] = (),
        port: int = 443,
        documents: int = 1024,
        at_once: int = 16,
        waiting: int = 256,
        timeout: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask web servers whose certificates lead to `bundle` (the system's when empty).

        `allowed` are networks that may be asked although they are not the public internet.  At
        most `documents` answers are kept, `at_once` searches run and `waiting` more wait, each
        for `timeout` seconds in all.
        """
        self._web = Web(resolver, bundle, allowed, largest=LARGEST, accept="application/json")
        self._port = port
        self._documents = documents
        self._most_flights = at_once + waiting
        self._timeout = timeout
        self._clock = clock
        self._room = asyncio.Semaphore(at_once)
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._known: OrderedDict[str, tuple[float, Fingerprints | None]] = OrderedDict()
        self._asked = self._failed = 0

    async def learn(self, domain: str) -> None:
        """Have at hand what `domain` publishes; returns within the time-out, found or not."""
        flight = self.begin(domain)
        if flight is not None:
            await asyncio.shield(flight)

    def begin(self, domain: str) -> asyncio.Task[None] | None:
        """Start to learn, unless the answer is known or too many are being asked for."""
        name = a_label(domain)
        if self._remembered(name) is not None:
            return None
        flight = self._flights.get(name)
        if flight is None and len(self._flights) < self._most_flights:
            flight = asyncio.get_running_loop().create_task(self._fly(name))
            self._flights[name] = flight
            flight.add_done_callback(lambda _: self._flights.pop(name, None))
        return flight

    def lists(self, domain: str, certificate: x509.Certificate) -> bool:
        """Tell whether what was learnt of `domain` lists the certificate."""
        known = self._remembered(a_label(domain))
        found = known[1] if known is not None else None
        return found is not None and found.lists(certificate.public_bytes(Encoding.DER))

    def publishes(self, domain: str) -> bool:
        """Tell whether `domain` was found to have a document."""
        known = self._remembered(a_label(domain))
        return known is not None and known[1] is not None

    def describe(self) -> dict[str, int]:
        """Return counts: answers kept, searches under way, begun and failed in all."""
        return {
            "known": len(self._known),
            "in_flight": len(self._flights),
            "asked": self._asked,
            "failed": self._failed,
        }

    async def close(self) -> None:
        """Give up what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        await self._web.close()

    def _remembered(self, name: str) -> tuple[float, Fingerprints | None] | None:
        known = self._known.get(name)
        if known is not None and known[0] <= self._clock():
            del self._known[name]
            return None
        return known

    async def _fly(self, name: str) -> None:
        found: Fingerprints | None = None
        seconds = LONGEST_NEGATIVE
        try:
            async with asyncio.timeout(self._timeout), self._room:
                self._asked += 1
                found = await self._search(address_of(name, self._port))
                seconds = min(found.expires, LONGEST)
        except (ProtocolError, TimeoutError) as error:
            self._failed += 1
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.info("no POSH document", extra=about(remote=name, reason=why[:200]))
        self._known[name] = (self._clock() + seconds, found)
        self._known.move_to_end(name)
        while len(self._known) > self._documents:
            self._known.popitem(last=False)

    async def _search(self, url: str) -> Fingerprints:
        """Fetch a document; one that says where the fingerprints are is followed, once."""
        found = parse(await self._web.get(url, check_url))
        if isinstance(found, Fingerprints):
            return found
        there = parse(await self._web.get(found.url, check_url))
        if isinstance(there, Reference):
            raise RemoteError("a reference to a reference")
        return Fingerprints(there.digests, min(found.expires, there.expires))
