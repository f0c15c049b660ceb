"""UDP sockets (RFC 768) read in batches, which hear of refused ports (RFC 1122 §4.1.3.3)."""

import asyncio
import errno
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Final, Protocol

BATCH: Final = 64
BUFFER: Final = 4 << 20
SPELL: Final = 0.004
"""Seconds after which no further batch is read in the same turn of the loop."""
LARGEST: Final = 65535
LATE: Final = 0.01
"""Seconds of waiting after which it is looked at again even where few datagrams come."""

# linux/in.h, in6.h and errqueue.h; the socket module has no names for them
IP_RECVERR: Final = 11
IPV6_RECVERR: Final = 25
SO_RCVBUFFORCE: Final = 33
SO_TIMESTAMPNS: Final = 35
TIMESPEC: Final = struct.Struct("@ll")
EXTENDED_ERROR: Final = struct.Struct("=IBBBBII")
GONE: Final = {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES}

Place = tuple[str, int]


class Reader(Protocol):
    """Who hears what a socket receives."""

    def on_datagrams(self, sock: "DatagramSocket", found: list[tuple[bytes, Place]]) -> None:
        """Take the datagrams of one wake-up, with their sources; called once for all of them."""

    def on_unreachable(self, sock: "DatagramSocket", places: set[Place]) -> None:
        """Learn that what was sent to `places` was not delivered."""


class DatagramSocket:
    """A bound UDP socket on the running loop.

    The loop watches an epoll of its own for it: uvloop gives up a descriptor that reports an
    error, and the error queue, which says whose port was refused, is such a report.
    """

    def __init__(self, bound: socket.socket, reader: Reader, *, batch: int = BATCH) -> None:
        """Read from `bound` (non-blocking), at most `batch` datagrams at a time."""
        self._socket = bound
        self._reader = reader
        self._batch = batch
        # as many as came last time: to find that there are no more costs as much as to read one
        self._eager = 1
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        host, port = bound.getsockname()[:2]
        self.local: Place = (str(host), int(port))
        self.family = bound.family
        self.received = self.sent = self.dropped = 0
        self.lag: float | None = None
        """Seconds that the first datagram of the last wake-up had waited, where that was seen."""
        _enlarge(bound)
        _hear_errors(bound)
        self._stamped = _have_stamped(bound)
        self._late = False
        self._epoll.register(bound.fileno(), select.EPOLLIN)
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)

    def send(self, data: bytes, to: Place) -> bool:
        """Send a datagram; False when it cannot go there at all.

        One that finds the kernel's buffer full is dropped and counted: UDP may lose it anyway.
        """
        for _ in range(2):
            try:
                self._socket.sendto(data, to)
            except BlockingIOError:
                self.dropped += 1
                return True
            except OSError as error:
                # an earlier datagram's failure is told to the next call, whatever its address
                if error.errno not in GONE or not self._report():
                    return False
            except (OverflowError, UnicodeError):  # an address or port that is none
                return False
            else:
                self.sent += 1
                return True
        return False

    def close(self) -> None:
        """Receive no more."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._socket.close()

    def describe(self) -> dict[str, str | int]:
        """Return the address and counts of datagrams."""
        return {
            "local": f"{self.local[0]}:{self.local[1]}",
            "received": self.received,
            "sent": self.sent,
            "dropped": self.dropped,
        }

    def _on_ready(self) -> None:
        """Read what is there, batch by batch, until the others of the loop should have a turn."""
        end = time.monotonic() + SPELL
        while self._read_batch() and time.monotonic() < end:
            pass

    def _read_batch(self) -> bool:
        """Read a batch and hand it on; False when there was less than that."""
        found: list[tuple[bytes, Place]] = []
        receive = self._socket.recvfrom
        failed = False
        self.lag = None
        try:
            if self._stamped and (self._eager > 1 or self._late):
                found.append(self._receive_stamped())
            for _ in range(self._eager - len(found)):
                data, source = receive(LARGEST)
                found.append((data, source[:2]))
            self._eager = min(2 * self._eager, self._batch)
        except BlockingIOError:
            self._eager = max(1, len(found))
        except OSError:
            failed = True
        if failed or not found:
            self._report()
        if found:
            self.received += len(found)
            self._reader.on_datagrams(self, found)
        return len(found) >= self._batch and self._socket.fileno() >= 0

    def _receive_stamped(self) -> tuple[bytes, Place]:
        """Receive one datagram, and learn from the kernel's time stamp how long it waited."""
        data, ancillary, _, source = self._socket.recvmsg(LARGEST, 64)
        for _, kind, stamp in ancillary:
            if kind == SO_TIMESTAMPNS and len(stamp) == TIMESPEC.size:
                seconds, nanoseconds = TIMESPEC.unpack(stamp)
                self.lag = time.time() - seconds - nanoseconds * 1e-9
                self._late = self.lag > LATE
        return data, source[:2]

    def _report(self) -> bool:
        """Empty the error queue and tell of it; False when it was empty."""
        places: set[Place] = set()
        empty = True
        with suppress(OSError):
            for _ in range(self._batch):
                _, ancillary, _, place = self._socket.recvmsg(0, 512, socket.MSG_ERRQUEUE)
                empty = False
                if any(_is_final(data) for _, kind, data in ancillary if kind in _KINDS):
                    places.add((str(place[0]), int(place[1])))
        if places:
            self._loop.call_soon(self._reader.on_unreachable, self, places)
        return not empty


_KINDS: Final = (IP_RECVERR, IPV6_RECVERR)


def _is_final(data: bytes) -> bool:
    """Tell whether an extended error says that nobody is there (and not, say, "too big")."""
    return len(data) >= EXTENDED_ERROR.size and EXTENDED_ERROR.unpack_from(data)[0] in GONE


def _enlarge(bound: socket.socket) -> None:
    """Ask for room for a burst: beyond the system's limit where we may."""
    for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
        with suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, option, BUFFER)
            return


def _have_stamped(bound: socket.socket) -> bool:
    """Have the kernel note when each datagram came; False where it does not."""
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        return True
    return False


def _hear_errors(bound: socket.socket) -> None:
    if not sys.platform.startswith("linux"):
        return
    if bound.family is socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    else:
        bound.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
