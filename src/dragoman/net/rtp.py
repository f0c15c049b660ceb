"""UDP sockets of RTP and RTCP from a range of ports (RFC 3550 §11); no packet waits."""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeAlias, cast

from dragoman.errors import LocalError
from dragoman.media.plane import MediaError, Trouble
from dragoman.media.remote import Credentials, Place
from dragoman.sdp.ice import Candidate

Arrived: TypeAlias = Callable[[int, bytes, Place], None]
"""Takes the component (0: RTP, 1: RTCP), a datagram and its source."""

BUFFER: Final = 1 << 18
"""Bytes that may wait in the kernel: a quarter of a second of video."""
TRIES: Final = 64
"""Pairs that are tried, at most, where other programs have some of them."""


class Ports:
    """The pairs of ports that streams take, and those that are taken."""

    def __init__(self, first: int, last: int, chance: Random) -> None:
        """Have the pairs, even and odd, from `first` to `last`; LocalError where that is none."""
        self._first = first + first % 2
        self._pairs = (last - self._first + 1) // 2
        if not 0 < first <= last < 65536 or self._pairs < 1:
            raise LocalError(f"no ports for RTP: {first} to {last}")
        self._chance = chance
        self._taken: set[int] = set()

    def __len__(self) -> int:
        """Return how many pairs are taken."""
        return len(self._taken)

    def bind(self, host: str, count: int = 2) -> list[socket.socket]:
        """Return `count` (1 or 2) bound sockets of a free pair, the even port first.

        MediaError (FULL) where there is none. `release` gives the pair back.
        """
        start = self._chance.randrange(self._pairs)
        tries = 0
        for offset in range(self._pairs):
            port = self._first + 2 * ((start + offset) % self._pairs)
            if port in self._taken:
                continue
            tries += 1
            bound = _pair(host, port, count)
            if bound:
                self._taken.add(port)
                return bound
            if tries == TRIES:
                break
        raise MediaError(Trouble.FULL, "no free port for RTP")

    def release(self, port: int) -> None:
        """Give back the pair that `port` is of, once its sockets are closed."""
        self._taken.discard(port - port % 2)


def _pair(host: str, port: int, count: int) -> list[socket.socket]:
    """Return the sockets, or none where another program has one of them."""
    made: list[socket.socket] = []
    try:
        made.extend(_bound(host, number) for number in range(port, port + count))
    except OSError as error:
        for each in made:
            each.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return []
        raise MediaError(Trouble.FULL, f"no socket for RTP: {error.strerror}") from error
    return made


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


class _Socket(asyncio.DatagramProtocol):
    """One socket: what it hears goes on at once."""

    def __init__(self, component: int, arrived: Arrived) -> None:
        self._component = component
        self._arrived = arrived
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        # addresses of IPv6 have two fields more
        self._arrived(self._component, data, addr if len(addr) == 2 else addr[:2])

    def error_received(self, exc: Exception) -> None:
        """Nothing: whoever is gone is found out by his silence."""


class Pair:
    """The socket of RTP, with that of RTCP beside it."""

    def __init__(self, ports: Ports, sockets: Sequence[socket.socket]) -> None:
        """Have `sockets`, of `ports`, on the running loop, once `open` is done."""
        self._ports = ports
        self._sockets = sockets
        self._transports: list[asyncio.DatagramTransport] = []
        self._closed = False
        self.ports = tuple(int(each.getsockname()[1]) for each in sockets)

    @classmethod
    async def open(cls, ports: Ports, host: str, arrived: Arrived, count: int = 2) -> "Pair":
        """Open a pair, or with a `count` of 1 only its even port; MediaError (FULL) without one."""
        pair = cls(ports, ports.bind(host, count))
        try:
            loop = asyncio.get_running_loop()
            for component, bound in enumerate(pair._sockets):
                transport, _ = await loop.create_datagram_endpoint(
                    lambda component=component: _Socket(component, arrived),  # type: ignore[misc]
                    sock=bound,
                )
                pair._transports.append(transport)
        except BaseException:
            pair.close()
            raise
        return pair

    def sender(self, component: int) -> Callable[[bytes, Place], None]:
        """Return what sends from one socket, until `close`; the family must be the socket's."""
        return self._transports[component].sendto

    def start(self, remote: Credentials, *, lite: bool, components: int) -> None:
        """Nothing: without ICE nobody is checked."""

    def plain(self) -> None:
        """Nothing: it is."""

    def add(self, candidates: Sequence[Candidate], *, complete: bool = False) -> None:
        """Nothing."""

    async def aclose(self) -> None:
        """Close both."""
        self.close()

    def close(self) -> None:
        """Close both, and give the ports back."""
        if self._closed:
            return
        self._closed = True
        for transport in self._transports:
            transport.abort()
        for each in self._sockets[len(self._transports) :]:
            each.close()
        self._transports.clear()
        self._ports.release(self.ports[0])
