"""What MSRP costs by itself: short messages, a long one, and sessions that say nothing.

Prints one JSON object a line; `--help` tells the options. Two endpoints hand each other bytes in
one process, without sockets. `us` is the microseconds of one message for both ends together; of a
long one `send_us` and `receive_us` tell the halves, `mib_s` the slower of them.
"""

import argparse
import json
import os
import secrets
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path as File
from typing import Final

sys.path.insert(0, str(File(__file__).resolve().parents[1]))  # this file is run as a script

from dragoman.msrp import (
    Connection,
    ConnectWanted,
    Endpoint,
    Meeting,
    MessageArrived,
    PieceArrived,
    Session,
    Terms,
    Transport,
)

TEXT: Final = b"Hi, I'm Alice! How are you?"
TERMS: Final = Terms(("message/cpim", "text/plain"), ("text/plain",), 100_000_000)
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
        "bench": "msrp",
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
    )
    for line in lines:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
