"""Fetching what strangers name by HTTP and HTTPS (RFC 9110), without becoming their tool.

Addresses that are not the public internet's are refused unless the configuration allows them,
what was checked is what is connected to, every URL that a server sends us to is judged as the
first was, and size and redirections are bounded.  The time is the caller's to bound.

Only imported where something is fetched: the HTTP client costs ten MiB of memory.
"""

import socket
import ssl
from collections.abc import Callable, Sequence
from errno import EHOSTUNREACH
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from dragoman.errors import RemoteError
from dragoman.net.dns import Resolver
from dragoman.net.trust import a_label
from dragoman.records import DnsFailure, Kind, Question

REDIRECTIONS: Final = 2
"""How often a web server may send us elsewhere."""
MOVED: Final = frozenset({301, 302, 303, 307, 308})
TRANSLATED: Final = IPv6Network("64:ff9b::/96")

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


class Web:
    """A client of web servers whose certificates lead to `bundle` (the system's when empty).

    `allowed` are networks that may be asked although they are not the public internet; no more
    than `largest` bytes are read of anything.
    """

    def __init__(
        self, resolver: Resolver, bundle: str, allowed: Sequence[str], *, largest: int, accept: str
    ) -> None:
        """Ask for content of the type `accept`."""
        self._bundle = bundle
        self._guard = Guard(resolver, [ip_network(each, strict=False) for each in allowed])
        self._largest = largest
        self._accept = accept
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, check: Callable[[str], str]) -> bytes:
        """Return what lies at `url`, or where it leads.

        `check(url)` returns a URL that may be asked and refuses others by a RemoteError, as all
        failures are.
        """
        try:
            return await self._get(url, check)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RemoteError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _get(self, url: str, check: Callable[[str], str]) -> bytes:
        for _ in range(REDIRECTIONS + 1):
            url = check(url)
            async with self._client().get(url, allow_redirects=False) as response:
                if response.status == 200:
                    return await _read(response, self._largest)
                if response.status not in MOVED:
                    raise RemoteError(f"{url}: {response.status}")
                url = urljoin(url, response.headers.get("Location", ""))
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
                headers={"Accept": self._accept, "Accept-Encoding": "identity"},
            )
        return self._session


class Guard(AbstractResolver):
    """Resolves for the HTTP client, which connects to what is returned and to nothing else."""

    def __init__(self, resolver: Resolver, allowed: Sequence[Network]) -> None:
        """Ask `resolver`; networks that are `allowed` need not be public."""
        self._resolver = resolver
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of `host` that may be asked; OSError where there are none."""
        try:
            answer = await self._resolver.ask(Question(Kind.ADDRESS, a_label(host)))
        except DnsFailure as failure:
            raise OSError(EHOSTUNREACH, failure.reason) from failure
        good = [each for each in map(ip_address, map(str, answer)) if self._may_be_asked(each)]
        if not good:
            raise OSError(EHOSTUNREACH, f"{host} is nowhere on the public internet")
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


async def _read(response: aiohttp.ClientResponse, largest: int) -> bytes:
    """Return the body; one that is too long is not read to its end."""
    data = bytearray()
    async for piece in response.content.iter_chunked(largest):
        data += piece
        if len(data) > largest:
            raise RemoteError(f"more than {largest} bytes")
    return bytes(data)
