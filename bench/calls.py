"""Calls through one gateway process: set-up, memory and media of G.711, by either plane (RFC 3550).

Starts `dragoman run` on 127.0.0.1 as `message.py` does, on one core, and the load on another; see
`calling.py` for that. Each call has a phone by RTP in the clear and a client by Jingle, ICE and
DTLS-SRTP. With `rtpengine`, one is started beside the gateway, on its core, in user space with one
thread; its CPU and memory count. Prints one JSON object a line; `--help` tells the options.

`memory` has so many calls set up: `kib` is what one takes. `media` is what they say for some
seconds: `lost` packets, and `added_ms`, from a packet's sending to its arrival, what the load
itself is late by included; there are more calls in each line, until more than 0.1 % is lost or the
99th percentile is above 20 ms. `set-up` is calls that are begun so many a second and hung up as
soon as they are connected: `answered_ms` is the time from the proposal to session-accept, `cpu_ms`
what all of one call takes. Lines of the embedded plane have the `budget` that their figure is held
to. What one core does, whoever else uses the machine, is `calls` / `cpu_share`, or 1000 / `cpu_ms`.
"""

import argparse
import asyncio
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

from bench.calling import CallingEnds, Line
from bench.message import (
    GATEWAY,
    MIB,
    Bench,
    Failed,
    Gateway,
    Plan,
    Ports,
    conduct,
    configuration,
    free_port,
    listening,
    machine,
    records,
)
from dragoman.testing.nameserver import Nameserver

BUDGETS: Final = {"memory": {"kib": 300}, "media": {"calls": 150}, "set-up": {"rate": 30}}
"""Of the embedded plane."""
MOST_LOST: Final = 0.001
MOST_DELAY: Final = 20.0
"""Milliseconds, of the 99th percentile."""
MOST_WAIT: Final = 1000.0
"""Milliseconds from a proposal to its session-accept, of the 99th percentile."""
GENTLE: Final = 20.0
"""Calls begun a second, where that is not what is measured."""
WARM_UP: Final = 20
"""Calls before memory counts, at most."""
PLANES: Final = ("embedded", "rtpengine")


@dataclass(frozen=True, slots=True)
class Steps:
    """How much of everything."""

    calls: Sequence[int]
    rates: Sequence[float]
    seconds: float


class Engine(Gateway):
    """rtpengine, with its media on 127.0.0.1."""

    def __init__(self, directory: Path) -> None:
        """Run it with its output in a file of `directory`."""
        port = free_port(SOCK_DGRAM)
        self.address = f"{GATEWAY}:{port}"
        command = (
            f"rtpengine --config-file=none --foreground --log-stderr --log-level=4 --table=-1"
            f" --num-threads=1 --interface={GATEWAY} --listen-ng={self.address}"
            f" --port-min=40000 --port-max=59999 --timeout=3600"
        )
        (directory / "engine").mkdir()
        super().__init__(shlex.split(command), directory / "engine")


class CallBench(Bench):
    """One gateway and its far ends, through all cases."""

    name = "calls"
    far_ends: CallingEnds
    engine: Engine | None = None
    lines: list[Line]
    _numbers = 0

    def used(self) -> tuple[float, float]:
        """Return the CPU seconds and resident MiB of all that carries calls."""
        all_of_it = [self.gateway] if self.engine is None else [self.gateway, self.engine]
        return sum(each.cpu() for each in all_of_it), sum(each.rss() for each in all_of_it)

    async def begin(self, count: int, rate: float, *, stay: bool) -> list[float | None]:
        """Set up calls at a rate; return how long each waited for its answer, None without one."""
        begun = time.perf_counter()
        tasks = []
        for index in range(count):
            await asyncio.sleep(max(0.0, begun + index / rate - time.perf_counter()))
            self._numbers += 1
            tasks.append(asyncio.create_task(self._call(self._numbers, stay=stay)))
        return await asyncio.gather(*tasks)

    async def _call(self, number: int, *, stay: bool) -> float | None:
        made = await self.far_ends.call(number)
        if made is None:
            return None
        line, took = made
        if stay:
            self.lines.append(line)
        else:
            await line.hang_up()
        return took

    async def memory(self, count: int) -> None:
        """Have so many calls up; print a line."""
        before = self.used()[1]
        rss = self.gateway.rss()
        waits = await self.begin(count, GENTLE, stay=True)
        grown = self.used()[1] - before
        up = len(self.lines)
        self._say(
            "memory",
            calls=up,
            failed=waits.count(None),
            kib=round(grown * MIB / up, 1) if up else None,
            gateway_kib=round((self.gateway.rss() - rss) * MIB / up, 1) if up else None,
            rss_mib=round(before + grown, 1),
        )

    async def media(self, count: int, seconds: float) -> bool:
        """Have so many calls talk; print a line; tell whether they were carried well."""
        await self.begin(count - len(self.lines), GENTLE, stay=True)
        cpu, own = self.used()[0], time.process_time()
        traffic = await self.far_ends.talk(self.lines, seconds)
        took = traffic.seconds
        cpu, own = self.used()[0] - cpu, time.process_time() - own
        lost = traffic.sent - traffic.came
        delays = self._delays("added", traffic.delays)
        good = lost <= MOST_LOST * traffic.sent and (delays["added_ms_p99"] or 0) <= MOST_DELAY
        self._say(
            "media",
            calls=len(self.lines),
            packets_s=round(traffic.sent / took),
            lost=lost,
            spoilt=traffic.spoilt,
            good=good,
            **delays,
            cpu_share=round(cpu / took, 3),
            us=round(cpu * 1e6 / traffic.sent, 1),
            load_cpu_share=round(own / took, 2),
        )
        return good

    async def set_up(self, rate: float, seconds: float) -> bool:
        """Begin calls at a rate, and end them; print a line; tell whether they came soon."""
        cpu, own, begun = self.used()[0], time.process_time(), time.perf_counter()
        waits = await self.begin(max(1, int(rate * seconds)), rate, stay=False)
        took = time.perf_counter() - begun
        cpu, own = self.used()[0] - cpu, time.process_time() - own
        answered = [each for each in waits if each is not None]
        delays = self._delays("answered", answered)
        good = len(answered) == len(waits) and (delays["answered_ms_p99"] or 0) <= MOST_WAIT
        self._say(
            "set-up",
            rate=rate,
            count=len(waits),
            failed=waits.count(None),
            good=good,
            **delays,
            cpu_ms=round(1000 * cpu / max(1, len(answered)), 2),
            cpu_share=round(cpu / took, 3),
            load_cpu_share=round(own / took, 2),
        )
        return good

    def _say(self, case: str, **figures: Any) -> None:
        budget = {} if self.engine is not None else {"budget": BUDGETS[case]}
        plane = "embedded" if self.engine is None else "rtpengine"
        self._print({"bench": self.name, "plane": plane, "case": case, **figures, **budget})

    async def all(self, steps: Steps) -> None:
        """Go through all cases."""
        self.lines = []
        await self.begin(min(WARM_UP, steps.calls[0]), GENTLE, stay=False)
        await self.memory(steps.calls[0])
        for count in steps.calls:
            if not await self.media(count, steps.seconds):
                break
        await asyncio.gather(*(line.hang_up() for line in self.lines))
        for rate in steps.rates:
            if not await self.set_up(rate, steps.seconds):
                break


async def measure(plane: str, options: argparse.Namespace, steps: Steps, directory: Path) -> None:
    """Start everything, run the cases with one plane, stop everything."""
    os.sched_setaffinity(0, {options.cores[0]})  # as all that is started now will have
    engine = Engine(directory) if plane == "rtpengine" else None
    ports = Ports(free_port(SOCK_DGRAM, SOCK_STREAM), free_port(SOCK_STREAM))
    sip, xmpp = (GATEWAY, ports.sip), (GATEWAY, ports.xmpp)
    far_ends = await CallingEnds.start(sip, xmpp, 1)
    far_ends.reset()
    nameserver = await Nameserver.start(records(ports, far_ends))
    file = configuration(directory, ports, nameserver.address)
    with file.open("a") as more:
        more.write(f'[media]\nplane = "{plane}"\ncalls = 5000\nsilence = 0\n')
        more.write(f'bind = "{GATEWAY}"\nfirst_port = 20000\nlast_port = 29999\n')
        more.write(f'rtpengine = ["{engine.address}"]\n' if engine is not None else "")
    gateway = Gateway([*shlex.split(options.gateway), "run", "--config", str(file)], directory)
    os.sched_setaffinity(0, {options.cores[-1]})
    bench = CallBench(far_ends, gateway, Plan(0, 0, 0, 0, 0, 0))
    bench.engine = engine
    try:
        await listening(gateway, ports)
        bench.common = {
            "machine": machine(),
            "python": platform.python_version(),
            "command": shlex.join(["python", *sys.argv]),
        }
        await bench.all(steps)
    except Failed:
        print(gateway.last_words(), file=sys.stderr)
        raise
    finally:
        for each in filter(None, (gateway, engine)):
            if status := each.stop():
                print(f"{each.log} ended with status {status}", file=sys.stderr)
        nameserver.close()
        await far_ends.aclose()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark; exit 1 with the gateway's own words where it fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="finish within 30 seconds")
    parser.add_argument("--plane", choices=PLANES, action="append", help="one only")
    parser.add_argument("--calls", type=int, action="append", help="150, 200, ...")
    parser.add_argument("--rate", type=float, action="append", help="calls a second: 30, 60, ...")
    parser.add_argument("--seconds", type=float, default=0.0, help="of each case (10)")
    parser.add_argument("--gateway", default=shlex.join([sys.executable, "-m", "dragoman"]))
    options = parser.parse_args(arguments)
    steps = Steps(
        options.calls or ([50] if options.quick else [150, 200, 250, 300, 400]),
        options.rate or ([20] if options.quick else [30, 45, 60, 80, 100]),
        options.seconds or (2.0 if options.quick else 10.0),
    )
    everywhere = os.sched_getaffinity(0)
    options.cores = sorted(everywhere)
    try:
        for plane in options.plane or PLANES:
            if plane == "rtpengine" and shutil.which("rtpengine") is None:
                print('{"bench": "calls", "plane": "rtpengine", "absent": true}', flush=True)
            else:
                conduct("calls", partial(measure, plane, options, steps))
    finally:
        os.sched_setaffinity(0, everywhere)


if __name__ == "__main__":
    main()
