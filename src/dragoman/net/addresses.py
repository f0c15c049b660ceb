"""Which addresses are ours, and which of them a peer sees (RFC 3261 §18.1.1's sent-by)."""

import ipaddress
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

import ifaddr

REFRESH: Final = 10.0
"""Seconds for which a look at the interfaces, or at a route, holds."""


def plain(address: str) -> str:
    """Return an address in its shortest form, without scope; an IPv4-mapped one as IPv4.

    What is no address is returned as it came.
    """
    try:
        value = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(value, "ipv4_mapped", None)
    return str(mapped or value)


class Addresses:
    """The addresses of this host's interfaces and those configured (an outside NAT's, say)."""

    def __init__(
        self,
        configured: Iterable[str] = (),
        *,
        most: int = 4096,
        clock: Callable[[], float] = time.monotonic,
        interfaces: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        """Count `configured` among ours; remember routes to at most `most` peers."""
        self._configured = frozenset(plain(address) for address in configured)
        self._most = most
        self._clock = clock
        self._interfaces = interfaces or _interfaces
        self._ours: frozenset[str] = frozenset()
        self._until = float("-inf")
        self._routes: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def ours(self) -> frozenset[str]:
        """Return every address that is ours, in shortest form, loopback included."""
        now = self._clock()
        if now >= self._until:
            self._ours = self._configured | {plain(each) for each in self._interfaces()}
            self._until = now + REFRESH
        return self._ours

    def __contains__(self, address: str) -> bool:
        """Tell whether an address is ours; every loopback address is."""
        value = plain(address)
        return value in self.ours() or value.startswith("127.") or value == "::1"

    def local_toward(self, address: str) -> str:
        """Return the address of ours that packets toward `address` bear.

        Where there is no route, loopback of the same family: the packet will not leave either.
        """
        now = self._clock()
        known = self._routes.get(address)
        if known is not None and known[0] > now:
            return known[1]
        found = _source(address)
        self._routes[address] = (now + REFRESH, found)
        self._routes.move_to_end(address)
        while len(self._routes) > self._most:
            self._routes.popitem(last=False)
        return found

    def describe(self) -> dict[str, list[str]]:
        """Return our addresses, sorted."""
        return {"ours": sorted(self.ours())}


def _interfaces() -> list[str]:
    return [
        ip.ip if isinstance(ip.ip, str) else ip.ip[0]
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    ]


def _source(address: str) -> str:
    """Ask the kernel for the route: connecting a UDP socket sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return plain(str(probe.getsockname()[0]))
    except OSError:
        return "::1" if ":" in address else "127.0.0.1"
