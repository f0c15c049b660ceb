"""What it costs to remember a message: in memory, in the database, and asked for again.

Prints one JSON object a line; `--help` tells the options. No gateway runs: the store is called as
one calls it, a thousand messages between two flushes. `cpu_s_per_1000` is that of both threads,
`us` the microseconds of one message for whoever remembers or asks, `flush_us` those in the
flushing thread.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

from dragoman.store.interface import Crossed, Disposition, Identifiers
from dragoman.store.memory import Memory
from dragoman.store.sqlite import Sqlite

BATCH: Final = 1000
USERS: Final = 1000
EVERYTHING: Final = Disposition(7)
PAGES_PER_MIB: Final = (1 << 20) / os.sysconf("SC_PAGE_SIZE")


def message(number: int) -> Crossed:
    """Return a message such as clients send: random identifiers, an origin-id from XMPP."""
    user, peer = f"user{number % USERS}@xmpp.test", f"user{number % (USERS - 3)}@sip.test"
    name = f"{hash((number, 'salt')) & 0xFFFFFFFFFFFFFFFF:016x}-{number:08d}"
    inward = bool(number % 2)
    return Crossed(
        user=user,
        peer=peer,
        stanza_id=name,
        message_id=f"m{name}",
        inward=inward,
        asked=EVERYTHING,
        reply_to=f"sip:{peer};gr=phone" if inward else f"{user}/phone",
        origin_id="" if inward else name,
        sent=time.time(),
    )


def rss() -> float:
    """Return how many MiB this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) / PAGES_PER_MIB


class Clock:
    """Measures a case; `pause` takes a part of it aside."""

    def __init__(self) -> None:
        self.start, self.cpu, self.rss = time.perf_counter(), time.process_time(), rss()
        self.aside = 0.0

    def pause(self, work: Callable[[], None]) -> None:
        """Do what another thread would do."""
        start = time.perf_counter()
        work()
        self.aside += time.perf_counter() - start

    def told(self, case: str, count: int, lost: int = 0) -> None:
        """Print the line."""
        seconds, cpu = time.perf_counter() - self.start, time.process_time() - self.cpu
        line = {
            "bench": "store",
            "case": case,
            "count": count,
            "lost": lost,
            "seconds": round(seconds, 3),
            "rate": round(count / seconds, 1),
            "cpu_s_per_1000": round(cpu / count * 1000, 4),
            "us": round((seconds - self.aside) / count * 1e6, 1),
            "flush_us": round(self.aside / count * 1e6, 1),
            "rss_mib": round(rss(), 1),
            "rss_growth_mib": round(rss() - self.rss, 1),
        }
        print(json.dumps(line), flush=True)


def remember(store: Identifiers, count: int, flush: Callable[[], None], case: str) -> None:
    """Do what one message does: it is no copy, is remembered, and its sender hears once."""
    made = [message(number) for number in range(count)]
    clock = Clock()
    for first in range(0, count, BATCH):
        for each in made[first : first + BATCH]:
            store.by_message(each.peer, each.message_id, inward=each.inward)
            store.add(each)
            store.tell(each, Disposition.DELIVERED)
        clock.pause(flush)
    clock.told(case, count)


def recall(store: Sqlite, numbers: Sequence[int], case: str) -> None:
    """Ask for messages that memory has no more."""
    wanted = [message(number) for number in numbers]
    clock = Clock()
    found = (store.by_message(each.peer, each.message_id, inward=each.inward) for each in wanted)
    lost = sum(each is None for each in found)
    clock.told(case, len(wanted), lost)


def start(path: Path) -> Sqlite:
    """Open a database and have all of it told to the sieve."""
    clock = Clock()
    store = Sqlite(path, time.time)
    store.open()

    while not store.ready:
        clock.pause(store.flush)
    clock.told("start", 1)
    return store


def main() -> None:
    """Run the cases one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="finish within 30 seconds")
    parser.add_argument("--count", type=int, default=0, help="messages (100000)")
    options = parser.parse_args()
    count = options.count or (20_000 if options.quick else 100_000)
    remember(Memory(), count, lambda: None, "memory")
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
        path = Path(folder) / "dragoman.db"
        store = Sqlite(path, time.time)
        store.open()
        remember(store, count, store.flush, "database")
        store.close()
        store = start(path)
        recall(store, range(0, count, 10), "recall")
        recall(store, range(count, 2 * count, 10), "unknown")
        store.close()


if __name__ == "__main__":
    main()
