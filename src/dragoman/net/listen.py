"""Where we listen: addresses by text, bound with clear errors, and how many may come in."""

import asyncio
import errno
import ipaddress
import socket
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, cast

from dragoman.errors import LocalError
from dragoman.net.addresses import plain
from dragoman.net.driver import StreamDriver
from dragoman.sip.guard import Bucket

BACKLOG: Final = 128
"""Connections that may wait; the loop takes all of them in one turn."""
RATE: Final = 500.0
"""Connections a second that are let in: more would take the time that others need."""
LOOKS: Final = 64
"""Connections that are looked at, at most, to find one that can go."""
REASONS: Final = {
    errno.EADDRINUSE: "another program listens there",
    errno.EACCES: "not permitted (ports below 1024 need CAP_NET_BIND_SERVICE)",
    errno.EPERM: "not permitted",
    errno.EADDRNOTAVAIL: "it is not an address of this host",
    errno.EAFNOSUPPORT: "this host has no such kind of address",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of a `listen` key: "udp:*:5060", "tls:[::1]:5270"."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, schemes: Sequence[str]) -> Self:
        """Read an entry whose scheme is one of `schemes`; raise LocalError saying what is wrong."""
        scheme, _, rest = text.partition(":")
        if scheme not in schemes:
            raise LocalError(f"{text!r}: begins with none of {', '.join(schemes)}")
        host, _, port = rest.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise LocalError(f"{text!r}: ends in no port (0 to 65535)")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if host != "*" and not _is_literal(bare, bracketed=bare != host):
            raise LocalError(f"{text!r}: the host is *, an IPv4 address, or an IPv6 one in []")
        return cls(scheme, bare, int(port))

    def __str__(self) -> str:
        """Print it as it is written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}:{host}:{self.port}"


def _is_literal(host: str, *, bracketed: bool) -> bool:
    try:
        return (ipaddress.ip_address(host).version == 6) is bracketed
    except ValueError:
        return False


def bind(place: Place) -> list[socket.socket]:
    """Return non-blocking sockets bound to `place`: for "*" one of each family there is.

    They take datagrams for the scheme "udp", and connections for all others.

    With "*" and port 0 both families get the same port. Raises LocalError naming address, port
    and reason.
    """
    kind = socket.SOCK_DGRAM if place.scheme == "udp" else socket.SOCK_STREAM
    hosts = ["0.0.0.0", "::"] if place.host == "*" else [place.host]  # noqa: S104 (asked for)
    sockets: list[socket.socket] = []
    port = place.port
    try:
        for host in hosts:
            try:
                sockets.append(_bound(host, port, kind))
            except OSError as error:
                lacking = error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
                if lacking and host == "::" and sockets:
                    continue
                name = Place(place.scheme, host, port)
                reason = REASONS.get(error.errno or 0, error.strerror or str(error))
                raise LocalError(f"cannot listen on {name}: {reason}") from error
            port = sockets[-1].getsockname()[1]
    except LocalError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, kind)
    try:
        made.setblocking(False)
        if kind is socket.SOCK_STREAM:
            # not for datagrams: there it would let two programs share the port unseen
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


class Guest(Protocol):
    """A connection that came in, as the gate sees it."""

    @property
    def used(self) -> float:
        """When something last went over it."""

    @property
    def proven(self) -> bool:
        """Whether somebody whom we serve is known to be at its other end."""

    def abort(self, reason: str) -> None:
        """Close it at once."""


class Gate:
    """How many connections may be open: in all, and from one address (IPv6: from one /64).

    When all places are taken, the connection that proved nothing and has been silent longest is
    closed for the new one, so that nobody locks others out by doing nothing.
    """

    def __init__(
        self,
        most: int = 4096,
        most_per_address: int = 64,
        *,
        rate: float = RATE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Admit `most` connections, `most_per_address` of them from the same place.

        No more than `rate` are let in a second, and once as many at once.
        """
        self._clock = clock
        self._rate = Bucket(rate, clock(), rate)
        self._most = most
        self._most_per_address = most_per_address
        self._inside: Counter[str] = Counter()
        self._unproven: OrderedDict[Guest, float] = OrderedDict()
        self._open = 0
        self._refused = 0
        self._evicted = 0

    def enter(self, address: str) -> bool:
        """Admit one more from `address`, unless that is too many."""
        place = _neighbourhood(address)
        crowded = self._inside[place] >= self._most_per_address
        too_fast = crowded or not self._rate.take(self._clock())
        if too_fast or (self._open >= self._most and not self._make_room()):
            self._refused += 1
            if not self._inside[place]:
                del self._inside[place]
            return False
        self._open += 1
        self._inside[place] += 1
        return True

    def watch(self, guest: Guest) -> None:
        """Note a connection that was admitted, and that may have to go while it is unproven."""
        self._unproven[guest] = guest.used

    def leave(self, address: str, guest: Guest | None = None) -> None:
        """One from `address`, admitted before, is gone."""
        place = _neighbourhood(address)
        self._open -= 1
        self._inside[place] -= 1
        if not self._inside[place]:
            del self._inside[place]
        if guest is not None:
            self._unproven.pop(guest, None)

    def _make_room(self) -> bool:
        """Close the unproven connection that has been silent longest; False: there is none.

        Those that said something since they were last looked at go to the end of the queue; for
        one new connection, no more than `LOOKS` are looked at.
        """
        for _ in range(LOOKS):
            if not self._unproven:
                return False
            guest, used = self._unproven.popitem(last=False)
            if guest.proven:
                continue
            if guest.used > used:
                self._unproven[guest] = guest.used
                continue
            self._evicted += 1
            guest.abort("room was needed for another connection")
            return True
        return False

    def describe(self) -> dict[str, int]:
        """Return how many are open, from how many places, how many were refused or had to go."""
        return {
            "open": self._open,
            "places": len(self._inside),
            "refused": self._refused,
            "evicted": self._evicted,
        }


def _neighbourhood(address: str) -> str:
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((plain(address), 64), strict=False))


class Listener:
    """Accepts connections at one place, each with a driver of its own."""

    def __init__(
        self, place: Place, servers: Sequence[asyncio.Server], sockets: Sequence[socket.socket]
    ) -> None:
        """Hold what `listen` made."""
        self.place = place
        self._servers = servers
        self.addresses: tuple[tuple[str, int], ...] = tuple(
            (str(each.getsockname()[0]), int(each.getsockname()[1])) for each in sockets
        )

    def close(self) -> None:
        """Accept no more; connections that are open stay so."""
        for server in self._servers:
            server.close()

    def describe(self) -> dict[str, str | list[str]]:
        """Return the place as configured and the addresses it came to."""
        bound = [str(Place(self.place.scheme, host, port)) for host, port in self.addresses]
        return {"place": str(self.place), "bound": bound}


async def listen(place: Place, make: Callable[[], StreamDriver], gate: Gate) -> Listener:
    """Accept connections at `place` that `gate` admits, each driven by what `make` returns.

    Raises LocalError naming address, port and reason.
    """
    loop = asyncio.get_running_loop()
    sockets = bind(place)
    servers = [
        await loop.create_server(lambda: _Door(make, gate), sock=each, backlog=BACKLOG)
        for each in sockets
    ]
    return Listener(place, servers, sockets)


class _Door(asyncio.Protocol):
    """Stands where a driver will, until it is known who comes and whether there is room."""

    def __init__(self, make: Callable[[], StreamDriver], gate: Gate) -> None:
        self._make = make
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        name = stream.get_extra_info("peername")
        if not name or not self._gate.enter(name[0]):
            stream.abort()
            return
        driver = self._make()
        driver.when_lost(lambda: self._gate.leave(name[0], driver))
        stream.set_protocol(driver)
        driver.connection_made(stream)
        if not driver.lost:
            self._gate.watch(driver)
