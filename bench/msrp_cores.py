"""What MSRP costs by itself: short messages, a long one, and sessions that say nothing.

Prints one JSON object a line; `--help` tells the options. Two endpoints hand each other bytes in
one process, without sockets. `us` is the microseconds of one message for both ends together; of a
long one `send_us` and `receive_us` tell the halves, `mib_s` the slower of them.

`loopback` is a long message between `net.msrp` and a raw socket of another process, over TCP:
`mb_s` by the clock, `mb_cpu_s` by this process's CPU alone; the budget is 40.
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path as File
from socket import SHUT_RDWR, create_connection, socket, socketpair
from threading import Thread
from typing import Final

sys.path.insert(0, str(File(__file__).resolve().parents[1]))  # this file is run as a script

from dragoman.msrp import (
    Connection,
    ConnectWanted,
    Endpoint,
    Event,
    Failed,
    Meeting,
    MessageArrived,
    Path,
    PieceArrived,
    Sent,
    Session,
    SessionFailed,
    Terms,
    Transport,
)
from dragoman.net.certificates import Credentials
from dragoman.net.dns import MemoryResolver
from dragoman.net.listen import Place
from dragoman.net.msrp import MsrpSockets
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust

TEXT: Final = b"Hi, I'm Alice! How are you?"
TERMS: Final = Terms(("message/cpim", "text/plain"), ("text/plain",), 100_000_000)
RAW: Final = "msrp://127.0.0.3:9/rawpeer0;tcp"
END: Final = re.compile(rb"-------([^$#+\r\n]+)[$#+]\r\n")
FROM: Final = re.compile(rb"From-Path: ([^\r]+)\r\n")
PAGES_PER_MIB: Final = (1 << 20) / os.sysconf("SC_PAGE_SIZE")


@dataclass
class Octets:
    """A body that is nowhere in memory."""

    size: int
    given: int = 0

    def read(self, limit: int) -> bytes:
        count = min(limit, self.size - self.given)
        self.given += count
        return bytes(count)


class Pair:
    """Two endpoints with one connection and any number of sessions between them."""

    def __init__(self) -> None:
        token = partial(secrets.token_hex, 12)
        self.alice, self.bob = (
            Endpoint({Transport.TCP: (host, 2855)}, token) for host in ("a.example", "b.example")
        )
        self.here: Connection | None = None
        self.there: Connection | None = None
        self.now = 0.0

    def session(self, *, streams: bool = False) -> Session:
        """Return alice's half of a session that is up."""
        hers, his = self.alice.prepare(TERMS), self.bob.prepare(TERMS, streams=streams)
        his.start(hers.path, TERMS, Meeting(active=False), self.now)
        hers.start(his.path, TERMS, Meeting(active=True), self.now)
        for event in self.alice.events():
            if isinstance(event, ConnectWanted):
                self.here = event.connection
                self.there = self.bob.accepted(Transport.TCP, self.now)
                self.here.opened(self.now)
        self.turn()
        return hers

    def turn(self) -> tuple[float, float, int]:
        """Carry all there is from alice to bob and back: seconds of each, and octets of bodies."""
        sending = receiving = 0.0
        octets = 0
        if self.here is None or self.there is None:
            return sending, receiving, octets
        while True:
            start = time.perf_counter()
            data = b"".join(self.here.to_send(self.now))
            middle = time.perf_counter()
            if data:
                self.there.receive(data, self.now)
            for event in self.bob.events():
                if isinstance(event, MessageArrived):
                    octets += len(event.body)
                elif isinstance(event, PieceArrived):
                    octets += len(event.data)
            back = b"".join(self.there.to_send(self.now))
            end = time.perf_counter()
            if back:
                self.here.receive(back, self.now)
            self.alice.events()
            self.alice.touched()
            self.bob.touched()
            sending += middle - start
            receiving += end - middle
            if not data and not back:
                return sending, receiving, octets


def rss() -> float:
    """Return how many MiB this process has in memory."""
    return int(File("/proc/self/statm").read_text().split()[1]) / PAGES_PER_MIB


def told(
    case: str, count: int, lost: int, seconds: float, before: float, **more: float
) -> dict[str, str | int | float]:
    """Return the line of a case; what no other process shares is processor time."""
    return {
        "bench": "msrp_cores",
        "case": case,
        "count": count,
        "lost": lost,
        "seconds": round(seconds, 3),
        "rate": round(count / seconds, 1),
        "cpu_s_per_1000": round(seconds / count * 1000, 4),
        "us": round(seconds / count * 1e6, 1),
        "rss_mib": round(rss(), 1),
        "rss_growth_mib": round(rss() - before, 1),
        **{name: round(value, 2) for name, value in more.items()},
    }


def short(count: int) -> dict[str, str | int | float]:
    """Send short messages one after the other: SEND, 200, and what both users hear."""
    pair = Pair()
    session = pair.session()
    before, start, octets = rss(), time.process_time(), 0
    for _ in range(count):
        pair.now += 0.001
        session.send("text/plain", TEXT, pair.now)
        octets += pair.turn()[2]
    lost = count - octets // len(TEXT)
    return told("short", count, lost, time.process_time() - start, before)


def long(size: int, *, streams: bool) -> dict[str, str | int | float]:
    """Send one long message out of a source, into a stream or into memory."""
    pair = Pair()
    session = pair.session(streams=streams)
    before = rss()
    session.send("text/plain", Octets(size), pair.now)
    sending, receiving, octets = pair.turn()
    case = "long, streamed" if streams else "long, whole"
    speed = size / max(sending, receiving) / (1 << 20)
    more = {"send_us": sending * 1e6, "receive_us": receiving * 1e6, "mib_s": speed}
    return told(case, 1, int(octets != size), sending + receiving, before, **more)


def idle(count: int) -> dict[str, str | int | float]:
    """Open sessions that say nothing; `kib` is what both halves of one take."""
    pair = Pair()
    before, start = rss(), time.process_time()
    kept = [pair.session() for _ in range(count)]
    took = time.process_time() - start
    return told("idle", len(kept), 0, took, before, kib=(rss() - before) * 1024 / count)


def peer(there: socket, size: int, step: int, *, sends: bool) -> None:
    """Be the other end, in a process of its own: bind the session, send or receive, hang up.

    `step` is how many octets a chunk has that it sends.
    """
    port, to = there.recv(256).decode().split(" ", 1)
    head = f"To-Path: {to}\r\nFrom-Path: {RAW}\r\nMessage-ID: {{}}\r\n"
    with create_connection(("127.0.0.1", int(port))) as line:
        bind = head.format("bind")
        line.sendall(f"MSRP bind SEND\r\n{bind}Byte-Range: 1-0/0\r\n-------bind$\r\n".encode())
        if not sends:
            _read(line, size)
            return
        reading = Thread(target=_swallow, args=(line,))
        reading.start()
        body = bytes(step)
        for at in range(0, size, step):
            count, last = min(step, size - at), at + step >= size
            said = f"Byte-Range: {at + 1}-{at + count}/{size}\r\nContent-Type: text/plain\r\n\r\n"
            begin = f"MSRP a{at:08d} SEND\r\n{head.format('long')}{said}".encode()
            end = b"\r\n-------a%08d%s\r\n" % (at, b"$" if last else b"+")
            line.sendall(begin + (body if count == step else body[:count]) + end)
        there.recv(1)  # until it was all read
        line.shutdown(SHUT_RDWR)
        reading.join()


def _read(line: socket, size: int) -> None:
    """Take a message in whatever chunks, and answer each: bodies are zeros, which end nothing."""
    held = b""
    while size > 0 and (data := line.recv(1 << 18)):
        size -= data.count(0)
        held += data.replace(b"\0", b"")
        while (found := END.search(held)) is not None:
            if found[1] != b"bind":
                to = FROM.search(held)
                assert to is not None  # noqa: S101 - it is in every head
                line.sendall(
                    b"MSRP %s 200 OK\r\nTo-Path: %s\r\nFrom-Path: %s\r\n-------%s$\r\n"
                    % (found[1], to[1], RAW.encode(), found[1])
                )
            held = held[found.end() :]


def _swallow(line: socket) -> None:
    with suppress(OSError):
        while line.recv(1 << 18):
            pass


async def loopback(size: int, *, sends: bool, step: int = 0) -> dict[str, str | int | float]:
    """Move one long message by `net.msrp`; the other end `sends` it in chunks of `step`, or not."""
    loop = asyncio.get_running_loop()
    octets, over = 0, asyncio.Event()

    def hear(events: Sequence[Event]) -> None:
        nonlocal octets
        for event in events:
            if isinstance(event, PieceArrived):
                octets += len(event.data)
            elif isinstance(event, Sent):
                octets += event.handle.offset
            if octets >= size or isinstance(event, SessionFailed | Failed):
                over.set()

    places: dict[Transport, tuple[str, int]] = {}
    endpoint = Endpoint(places, partial(secrets.token_hex, 12))
    sockets = MsrpSockets(endpoint, hear, Tls(_nobody, Trust()), MemoryResolver())
    listener = await sockets.listen(Place("tcp", "127.0.0.1", 0))
    places[Transport.TCP] = listener.addresses[0]
    session = endpoint.prepare(TERMS, streams=True)
    session.start(Path.parse(RAW), TERMS, Meeting(active=False), loop.time())
    here, there = socketpair()
    with here, there:
        before = rss()
        other = get_context("fork").Process(
            target=peer, args=(there, size, step or size), kwargs={"sends": sends}
        )
        other.start()
        begun, cpu = time.perf_counter(), time.process_time()
        here.sendall(f"{listener.addresses[0][1]} {session.path}".encode())
        if not sends:
            session.send("text/plain", Octets(size), loop.time())
            sockets.wake()
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                await over.wait()
        cpu, took = time.process_time() - cpu, time.perf_counter() - begun
        here.sendall(b".")
        await sockets.close()
        other.join(10)
    case = "loopback, sent" if not sends else f"loopback, received in {step or 'one'}"
    more = {"mb_s": size / took / 1e6, "mb_cpu_s": size / cpu / 1e6, "budget_mb_s": 40.0}
    return told(case, 1, int(octets != size), cpu, before, **more)


def _nobody(_: str) -> Credentials:
    raise AssertionError("no TLS here")


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="short messages")
    parser.add_argument("--size", type=int, default=10_000_000, help="octets of the long message")
    parser.add_argument("--quick", action="store_true", help="a tenth of the messages")
    options = parser.parse_args()
    count = options.count // 10 if options.quick else options.count
    lines = (
        short(count),
        long(options.size, streams=True),
        long(options.size, streams=False),
        idle(min(count, 1000)),
        asyncio.run(loopback(options.size, sends=False)),
        asyncio.run(loopback(options.size, sends=True)),
        asyncio.run(loopback(options.size, sends=True, step=2048)),
    )
    for line in lines:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
