"""Presence through one gateway process: standing subscriptions, changes, refreshes, a restart.

Starts `dragoman run` on 127.0.0.1 with a name server of its own, and is itself the load: see
`watching.py`.  Prints one JSON object a line; `--help` tells the options.

A subscription counts when the watcher has consent and sees the contact; a change, when the watcher
sees it; a refresh, and what a restart takes up, when the gateway took the state that was sent upon
its SUBSCRIBE.  `delay_ms` is the time between; `overtaken` are changes not seen for a later one of
the same pair, `lost` those of which nothing was seen.  `rate` is what counted by the time until the
last did, and of paced cases `offered_rate` what was begun by the time in which that was.  `peak` is
the most SUBSCRIBEs of the gateway in one second, `mean` their number by the `spread_s` seconds from
the first to the last, those with none too.  `sent_again` and `came_again` are requests that were
repeated, ours and the gateway's; they count once.  `cpu_s_per_1000` is the gateway's from the
beginning of a case to its end; what a process needs until it listens is `start_cpu_s`.
`rss_added_mib` is what the gateway has grown by in the case, `load_cpu_share` what of a core this
process needed.
"""

import argparse
import asyncio
import json
import platform
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

from bench.message import (
    GATEWAY,
    Failed,
    Gateway,
    Ports,
    add_gateway,
    conduct,
    configuration,
    free_port,
    listening,
    machine,
    percentile,
    records,
)
from bench.watching import Run, WatchingEnds
from dragoman.testing.nameserver import Nameserver

Starter = Callable[[int], int]
PACE = 5.2
"""Seconds after which a SIP user is told the next state at once (RFC 3856 §6.10)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    count: int
    window: int
    granted: int
    """Seconds of the subscriptions whose refreshes are counted."""
    refreshes: int
    paced: float
    """Seconds of the paced cases."""
    rate: float = 1000.0
    patience: float = 20.0


class Bench:
    """One gateway and its far ends, through all cases."""

    def __init__(self, ends: WatchingEnds, gateway: Gateway, plan: Plan) -> None:
        """Measure `gateway` by `plan`; `common` goes into every line."""
        self.ends = ends
        self.gateway = gateway
        self.plan = plan
        self.common: dict[str, Any] = {}

    async def windowed(self, case: str, numbers: Iterable[int], seen: str, start: Starter) -> None:
        """Do something to each pair, a window of them at a time; print a line."""
        run = self._run(numbers, self.plan.window, seen, start)
        await self._measure(case, run)

    async def paced(self, case: str, numbers: Iterable[int], seen: str, start: Starter) -> None:
        """Do something to so many pairs a second; print a line."""
        run = self._run(numbers, 0, seen, start)
        pacing = asyncio.create_task(self._pace(run))
        await self._measure(case, run, pacing)

    def _run(self, numbers: Iterable[int], window: int, seen: str, start: Starter) -> Run:
        self.ends.seen = seen
        self.ends.run = run = Run(numbers, window, start)
        return run

    async def _pace(self, run: Run) -> float:
        """Begin with so many a second; return how many that were."""
        begun, sent = time.perf_counter(), 0
        while run.todo:
            due = int((time.perf_counter() - begun) * self.plan.rate) - sent
            if due > 0:
                run.fill(due)
                sent += due
                self.ends.flush()
            await asyncio.sleep(0.001)
        return run.count / (time.perf_counter() - begun)

    async def pace_allows(self) -> None:
        """Wait until the gateway may tell every SIP user the next state at once."""
        await asyncio.sleep(max(0.0, self.ends.last_told + PACE - time.perf_counter()))

    async def _measure(
        self, case: str, run: Run, pacing: "asyncio.Task[float] | None" = None
    ) -> None:
        own = time.process_time()
        self.ends.counts.clear()
        rss, cpu, begun = self.gateway.rss(), self.gateway.cpu(), time.perf_counter()
        run.last_done = begun
        if run.window:
            run.fill()
            self.ends.flush()
        await self._until(lambda: run.over, lambda: run.last_done)
        seconds, cpu = run.last_done - begun, self.gateway.cpu() - cpu
        more: dict[str, Any] = {"load_cpu_share": round((time.process_time() - own) / seconds, 2)}
        if pacing is not None:
            more |= {"paced_rate": self.plan.rate, "offered_rate": round(await pacing, 1)}
        delays = {f"delay_ms_p{part}": _ms(percentile(run.delays, part / 100)) for part in (50, 99)}
        self.say(
            case,
            (run.count, run.done, run.lost),
            seconds,
            cpu,
            overtaken=run.overtaken,
            rss_added_mib=round(self.gateway.rss() - rss, 1),
            **delays,
            **more,
        )

    async def _until(self, over: Callable[[], bool], last: Callable[[], float]) -> None:
        while not over() and time.perf_counter() - last() < self.plan.patience:
            self.gateway.check()
            await asyncio.sleep(0.02)

    async def refreshes(self, case: str, numbers: set[int], **more: Any) -> None:
        """Wait until each of these dialogs was refreshed; tell how evenly that was."""
        ends, begun, cpu = self.ends, time.perf_counter(), self.gateway.cpu()
        ends.counts.clear()
        last = [begun]

        def over() -> bool:
            if len(ends.refreshed) > seen[0]:
                seen[0], last[0] = len(ends.refreshed), time.perf_counter()
            return numbers <= ends.refreshed

        seen = [len(ends.refreshed)]
        await self._until(over, lambda: last[0])
        spread = max(ends.seconds, default=0) - min(ends.seconds, default=1) + 1
        self.say(
            case,
            (len(numbers), len(numbers & ends.refreshed), len(numbers - ends.refreshed)),
            last[0] - begun,
            self.gateway.cpu() - cpu,
            peak=max(ends.seconds.values(), default=0),
            mean=round(sum(ends.seconds.values()) / max(1, spread), 1),
            spread_s=spread,
            **more,
        )

    def say(
        self, case: str, counts: tuple[int, int, int], seconds: float, cpu: float, **more: Any
    ) -> None:
        """Print a line; `counts` are how many there were, how many counted, how many were lost."""
        count, done, lost = counts
        line = {
            "bench": "presence",
            "case": case,
            "count": count,
            "lost": lost,
            "seconds": round(seconds, 3),
            "rate": round(done / seconds, 1) if seconds else None,
            "cpu_s_per_1000": round(1000 * cpu / done, 4) if done else None,
            "rss_mib": round(self.gateway.rss(), 1),
            **{each: self.ends.counts[each] for each in ("sent_again", "came_again", "refused")},
        }
        print(json.dumps({**line, **more, **self.common}), flush=True)


async def measure(options: argparse.Namespace, plan: Plan, directory: Path) -> None:
    """Start everything, run the cases, stop everything."""
    ports = Ports(free_port(SOCK_DGRAM, SOCK_STREAM), free_port(SOCK_STREAM))
    ends = await WatchingEnds.start((GATEWAY, ports.sip), (GATEWAY, ports.xmpp), options.users)
    ends.reset()
    nameserver = await Nameserver.start(records(ports, ends))
    file = configuration(directory, ports, nameserver.address)
    command = [*shlex.split(options.gateway), "run", "--config", str(file)]
    gateway = Gateway(command, directory)
    bench = Bench(ends, gateway, plan)
    try:
        await listening(gateway, ports)
        await _cases(bench, options)
        await _restart(bench, command, directory, ports)
    except Failed:
        print(bench.gateway.last_words(), file=sys.stderr)
        raise
    finally:
        bench.gateway.stop()
        nameserver.close()
        await ends.aclose()


async def _cases(bench: Bench, options: argparse.Namespace) -> None:
    ends, plan = bench.ends, bench.plan
    bench.common = {
        "rss_rest_mib": round(bench.gateway.rss(), 1),
        "users": options.users,
        "machine": machine(),
        "python": platform.python_version(),
        "command": shlex.join(["python", *sys.argv]),
    }
    numbers, xmpp, sip = range(plan.count), ends.xmpp_sees, ends.sip_sees
    await bench.windowed("xmpp-watches-sip", numbers, xmpp, ends.xmpp_subscribes)
    await bench.windowed("sip-watches-xmpp", numbers, sip, ends.sip_subscribes)
    some = [each % plan.count for each in range(int(plan.rate * plan.paced))]
    await bench.windowed("changes-from-sip", numbers, xmpp, ends.sip_changes)
    await bench.paced("paced-changes-from-sip", some, xmpp, ends.sip_changes)
    ends.run, ends.granted = None, plan.granted
    extra = range(plan.count, plan.count + plan.refreshes)
    await bench.windowed("short-subscriptions", extra, xmpp, ends.xmpp_subscribes)
    ends.run = None
    ends.clear()
    await bench.refreshes("refreshes", set(extra))
    await bench.pace_allows()
    await bench.windowed("changes-from-xmpp", numbers, sip, ends.xmpp_changes)
    await bench.pace_allows()
    if len(some) <= plan.count or plan.count >= plan.rate * PACE:  # else a pair's turn is too soon
        await bench.paced("paced-changes-from-xmpp", some, sip, ends.xmpp_changes)
    ends.run = None


async def _restart(bench: Bench, command: list[str], directory: Path, ports: Ports) -> None:
    """Kill the gateway, start another, and see all subscriptions taken up."""
    ends, plan = bench.ends, bench.plan
    await asyncio.sleep(2)  # what is written behind is written
    bench.gateway.process.kill()
    bench.gateway.process.wait()
    ends.granted = 3600
    ends.clear()
    bench.gateway = Gateway(command, directory)
    start = round(await listening(bench.gateway, ports), 2)
    used = round(bench.gateway.cpu(), 2)
    await bench.refreshes("restart", set(range(plan.count)), start_s=start, start_cpu_s=used)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="finish within 30 seconds")
    parser.add_argument("--count", type=int, default=0, help="subscriptions each way (10000)")
    parser.add_argument("--window", type=int, default=200, help="under way at once")
    add_gateway(parser)
    parser.set_defaults(users=2000)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark; exit 1 with the gateway's own words where it fails."""
    options = arguments()
    if options.quick:
        plan = Plan(options.count or 200, options.window, 14, 100, 1.0, rate=200.0, patience=8.0)
    else:
        plan = Plan(options.count or 10_000, options.window, 120, 2000, 20.0, patience=60.0)
    conduct("presence", lambda directory: measure(options, plan, directory))


if __name__ == "__main__":
    main()
