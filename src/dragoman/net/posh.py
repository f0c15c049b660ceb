"""Fetching POSH documents (RFC 7711 §3, §6) by HTTPS, from the domains of strangers.

Whoever connects to us may name any domain, and so has us ask its web server.  Hence: addresses
that are not the public internet's are refused unless the configuration allows them, what was
checked is what is connected to, and size, time, redirections and the number at once are bounded.

Only imported where POSH is on: the HTTP client costs ten MiB of memory.
"""

import asyncio
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from logging import getLogger
from typing import Final
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dragoman.errors import ProtocolError, RemoteError
from dragoman.log import about
from dragoman.net.dns import Resolver
from dragoman.net.trust import a_label
from dragoman.records import DnsFailure, Kind, Question
from dragoman.xmpp.posh import LARGEST, Fingerprints, Reference, address_of, check_url, parse

log = getLogger(__name__)

LONGEST: Final = 86400.0
"""Seconds for which a document is believed at most, whatever it says of itself."""
LONGEST_NEGATIVE: Final = 300.0
"""Seconds until a domain that has no document is asked again."""
REDIRECTIONS: Final = 2
"""How often the web server may send us elsewhere, by HTTP, in one search."""
MOVED: Final = frozenset({301, 302, 303, 307, 308})
TRANSLATED: Final = IPv6Network("64:ff9b::/96")

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


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
        self._bundle = bundle
        self._guard = _Guard(resolver, [ip_network(each, strict=False) for each in allowed])
        self._port = port
        self._documents = documents
        self._most_flights = at_once + waiting
        self._timeout = timeout
        self._clock = clock
        self._room = asyncio.Semaphore(at_once)
        self._session: aiohttp.ClientSession | None = None
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
        if self._session is not None:
            await self._session.close()

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
        except (ProtocolError, aiohttp.ClientError, OSError, ValueError) as error:
            self._failed += 1
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            log.info("no POSH document", extra=about(remote=name, reason=why[:200]))
        self._known[name] = (self._clock() + seconds, found)
        self._known.move_to_end(name)
        while len(self._known) > self._documents:
            self._known.popitem(last=False)

    async def _search(self, url: str) -> Fingerprints:
        """Fetch a document; one that says where the fingerprints are is followed, once."""
        found = parse(await self._fetch(url))
        if isinstance(found, Fingerprints):
            return found
        there = parse(await self._fetch(found.url))
        if isinstance(there, Reference):
            raise RemoteError("a reference to a reference")
        return Fingerprints(there.digests, min(found.expires, there.expires))

    async def _fetch(self, url: str) -> bytes:
        for _ in range(REDIRECTIONS + 1):
            async with self._client().get(url, allow_redirects=False) as response:
                if response.status == 200:
                    return await _read(response)
                if response.status not in MOVED:
                    raise RemoteError(f"{url}: {response.status}")
                url = check_url(urljoin(url, response.headers.get("Location", "")))
        raise RemoteError(f"{url}: redirected too often")

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._bundle or None)
            # as for streams: an operator's own authority need not have every extension
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            connector = aiohttp.TCPConnector(
                resolver=self._guard, ssl=context, force_close=True, use_dns_cache=False
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        return self._session


class _Guard(AbstractResolver):
    """Resolves for the HTTP client, which connects to what is returned and to nothing else."""

    def __init__(self, resolver: Resolver, allowed: Sequence[Network]) -> None:
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            answer = await self._resolver.ask(Question(Kind.ADDRESS, a_label(host)))
        except DnsFailure as failure:
            raise OSError(failure.reason) from failure
        good = [each for each in map(ip_address, map(str, answer)) if self._may_be_asked(each)]
        if not good:
            raise OSError(f"{host} is nowhere on the public internet")
        return [_result(host, port, each) for each in good]

    async def close(self) -> None:
        """Do nothing: the resolver is not ours."""

    def _may_be_asked(self, address: Address) -> bool:
        inner = _translated(address)
        return is_public(inner) or any(inner in each for each in self._allowed)


def is_public(address: Address) -> bool:
    """Tell whether an address is a host's on the public internet."""
    return address.is_global and not address.is_multicast and not address.is_reserved


def _translated(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, or the address itself."""
    if isinstance(address, IPv6Address):
        if address in TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _result(host: str, port: int, address: Address) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host,
        host=str(address),
        port=port,
        family=family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; one that is too long is not read to its end."""
    data = bytearray()
    async for piece in response.content.iter_chunked(LARGEST):
        data += piece
        if len(data) > LARGEST:
            raise RemoteError(f"a POSH document has no more than {LARGEST} bytes")
    return bytes(data)
