"""Page-mode messages through one gateway process: rate, CPU, memory, delay (RFC 7572).

Starts `dragoman run` on 127.0.0.1 with a name server of its own, and is itself the load: see
`load.py`.  Prints one JSON object a line; `--help` tells the options.

The cases `noticed-` are those of `notices.py`: a word that it is written goes before each message,
and the receipt has to be back.

A message counts when it arrived at the far end and, from SIP, got its 2xx; it is `lost` otherwise.
`added_ms` is the time from writing it at one far end to reading it at the other, `answered_ms`
that to the final SIP response.  `cpu_*` and `rss_*` are the gateway's, `load_cpu_share` is ours.
"""

import argparse
import asyncio
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, socket
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

from bench.load import SIP_DOMAIN, XMPP_DOMAIN, Direction, FarEnds, pace, until_done
from bench.notices import AskingEnds
from dragoman.testing.nameserver import Nameserver

GATEWAY: Final = "127.0.0.1"
START_LIMIT: Final = 20.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
MIB: Final = 1024.0


class Failed(Exception):
    """The benchmark cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the gateway is to listen."""

    sip: int
    xmpp: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    count: int
    window: int
    warm_up: int
    limit: float
    patience: float
    paced: float


class Gateway:
    """The gateway's process, and what the kernel knows of it."""

    def __init__(self, command: list[str], directory: Path) -> None:
        """Run `command` with its output in a file of `directory`."""
        self.log = directory / "gateway.log"
        self.begun = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the caller's own command
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def check(self) -> None:
        """Raise Failed when the process has ended."""
        if self.process.poll() is not None:
            raise Failed(f"the gateway ended with status {self.process.returncode}")

    def cpu(self) -> float:
        """Return the CPU seconds used so far, of user and system."""
        self.check()
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self) -> float:
        """Return the resident memory in MiB."""
        self.check()
        (line,) = (x for x in self._proc("status").splitlines() if x.startswith("VmRSS"))
        return int(line.split()[1]) / MIB

    def stop(self) -> int:
        """Ask it to end, make it end, and return its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def last_words(self) -> str:
        """Return the end of what it printed."""
        return self.log.read_text(errors="replace")[-4000:]

    def _proc(self, name: str) -> str:
        return Path(f"/proc/{self.process.pid}/{name}").read_text()


def free_port(*kinds: int) -> int:
    """Return a port of the gateway's address that is free for every socket type given."""
    while True:
        sockets = [socket(AF_INET, kind) for kind in kinds]
        try:
            sockets[0].bind((GATEWAY, 0))
            port = int(sockets[0].getsockname()[1])
            for other in sockets[1:]:
                other.bind((GATEWAY, port))
        except OSError:
            continue
        else:
            return port
        finally:
            for each in sockets:
                each.close()


def records(ports: Ports, far_ends: FarEnds) -> dict[str, list[str]]:
    """Return DNS that leads each domain's foreign protocol to the gateway."""
    sip, xmpp = far_ends.sip_address, far_ends.domain.address
    return {
        f"_xmpp-server._tcp.{SIP_DOMAIN}": [f"SRV 0 0 {ports.xmpp} gateway.test."],
        f"_sip._udp.{SIP_DOMAIN}": [f"SRV 0 0 {sip[1]} proxy.{SIP_DOMAIN}."],
        f"proxy.{SIP_DOMAIN}": [f"A {sip[0]}"],
        f"_xmpp-server._tcp.{XMPP_DOMAIN}": [f"SRV 0 0 {xmpp[1]} server.{XMPP_DOMAIN}."],
        f"server.{XMPP_DOMAIN}": [f"A {xmpp[0]}"],
        XMPP_DOMAIN: [f'NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.{XMPP_DOMAIN}.'],
        f"_sip._udp.{XMPP_DOMAIN}": [f"SRV 0 0 {ports.sip} gateway.test."],
        f"_sip._tcp.{XMPP_DOMAIN}": [f"SRV 0 0 {ports.sip} gateway.test."],
        "gateway.test": [f"A {GATEWAY}"],
    }


def configuration(directory: Path, ports: Ports, nameserver: tuple[str, int]) -> Path:
    """Write a configuration file into `directory` and return its path."""
    for name in ("state", "certs"):
        (directory / name).mkdir()
    path = directory / "dragoman.toml"
    sip = [f"{transport}:{GATEWAY}:{ports.sip}" for transport in ("udp", "tcp")]
    path.write_text(
        f"state = {json.dumps(str(directory / 'state'))}\n"
        f"[sip]\nlisten = {json.dumps(sip)}\n"
        "[msrp]\nlisten = []\n"
        f"[xmpp]\nlisten = {json.dumps([f'starttls:{GATEWAY}:{ports.xmpp}'])}\n"
        "rate = 0\nbyte_rate = 0\n"  # what is measured is the gateway, not its limits
        f"[dns]\nservers = {json.dumps([f'{nameserver[0]}:{nameserver[1]}'])}\n"
        f"[tls]\ncertificates = {json.dumps(str(directory / 'certs'))}\n"
    )
    return path


async def listening(gateway: Gateway, ports: Ports) -> float:
    """Wait until the gateway accepts streams; return the seconds since its start."""
    while time.perf_counter() - gateway.begun < START_LIMIT:
        gateway.check()
        for port in (ports.xmpp, ports.sip):
            with closing(socket(AF_INET, SOCK_STREAM)) as probe:
                if probe.connect_ex((GATEWAY, port)):
                    break
        else:
            return time.perf_counter() - gateway.begun
        await asyncio.sleep(0.005)
    raise Failed(f"the gateway did not listen within {START_LIMIT:.0f} s")


def percentile(values: Sequence[float], part: float) -> float | None:
    """Return the value that `part` of all values do not exceed; None where there are none."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else None


class Bench:
    """One gateway and its far ends, through all cases."""

    name = "message"

    def __init__(self, far_ends: FarEnds, gateway: Gateway, plan: Plan) -> None:
        """Measure `gateway` by `plan`; `common` goes into every line."""
        self.far_ends = far_ends
        self.gateway = gateway
        self.plan = plan
        self.common: dict[str, Any] = {}

    async def prove(self) -> None:
        """Send one message each way, so that streams are up; raise Failed when one is lost."""
        for sip in (True, False):
            ways = self.far_ends.begin(1, 1, sip=sip, xmpp=not sip)
            self.far_ends.wanted.update(ways)
            self.far_ends.refill()
            await until_done(self.far_ends, patience=10, limit=10)
            self.gateway.check()
            if ways[0].lost:
                name = "SIP to XMPP" if sip else "XMPP to SIP"
                refused = dict(ways[0].refused) or "no answer"
                ended = [reason for reason in self.far_ends.domain.ended if reason]
                raise Failed(f"the first message, {name}, was lost: {refused}; streams: {ended}")

    async def closed_loop(self, case: str, count: int, *, sip: bool, xmpp: bool) -> float:
        """Keep a window of messages under way; print a line; return the rate."""
        ways = self.far_ends.begin(count, self.plan.window, sip=sip, xmpp=xmpp)
        self.far_ends.wanted.update(ways)
        self.far_ends.refill()
        line = await self._measure(case, ways, self.plan.limit)
        self._print({**line, "window": self.plan.window})
        return float(line["rate"])

    async def paced(self, case: str, rate: float, *, sip: bool) -> None:
        """Send at a fixed rate; print a line with the delays."""
        count = max(1, int(rate * self.plan.paced))
        ways = self.far_ends.begin(count, 0, sip=sip, xmpp=not sip)
        sending = asyncio.create_task(pace(self.far_ends, rate))
        line = await self._measure(case, ways, self.plan.paced + 1)
        await sending
        line["paced_rate"] = round(rate)
        for name, delays in (("added", ways[0].delays), ("answered", ways[0].answered)):
            line |= self._delays(name, delays)
        self._print(line)

    def _delays(self, name: str, delays: Sequence[float]) -> dict[str, float | None]:
        found = ((part, percentile(delays, part / 100)) for part in (50, 99))
        return {
            f"{name}_ms_p{part}": None if value is None else round(value * 1000, 2)
            for part, value in found
        }

    async def _measure(self, case: str, ways: list[Direction], limit: float) -> dict[str, Any]:
        begun, cpu, own = time.perf_counter(), self.gateway.cpu(), time.process_time()
        marks: dict[int, float] = {}
        total = sum(way.count for way in ways)
        warm_up = min(self.plan.warm_up, total // 4)
        watching = asyncio.create_task(self._watch(ways, marks, (warm_up, total // 2)))
        await until_done(self.far_ends, self.plan.patience, limit)
        watching.cancel()
        seconds = max(way.last_done for way in ways) - begun
        done = sum(way.done for way in ways)
        rss = self.gateway.rss()
        cpu = self.gateway.cpu() - cpu
        late = marks.get(total // 2)
        refused = sum((way.refused for way in ways), Counter[str]())
        return {
            "bench": self.name,
            "case": case,
            "count": sum(way.next - way.first for way in ways),
            "lost": sum(way.lost for way in ways),
            "duplicates": sum(way.duplicates for way in ways),
            "refused": refused,
            "retransmitted": sum(way.retransmitted for way in ways),
            "seconds": round(seconds, 3),
            "rate": round(done / seconds, 1) if done else 0.0,
            "cpu_s_per_1000": round(1000 * cpu / done, 4) if done else None,
            "cpu_share": round(cpu / seconds, 2) if done else None,
            "load_cpu_share": round((time.process_time() - own) / seconds, 2) if done else None,
            "rss_mib": round(rss, 1),
            "rss_growth_mib": round(rss - marks.get(warm_up, rss), 1),
            "rss_growth_after": warm_up,
            "rss_growth_second_half_mib": None if late is None else round(rss - late, 1),
        }

    async def _watch(
        self, ways: list[Direction], marks: dict[int, float], wanted: tuple[int, ...]
    ) -> None:
        while True:
            done = sum(way.done for way in ways)
            for mark in wanted:
                if done >= mark and mark not in marks:
                    marks[mark] = self.gateway.rss()
            await asyncio.sleep(0.02)

    def _print(self, line: dict[str, Any]) -> None:
        print(json.dumps({**line, **self.common}), flush=True)


def machine() -> str:
    """Return the processor's name and the number of cores."""
    info = Path("/proc/cpuinfo").read_text()
    names = [x.partition(":")[2].strip() for x in info.splitlines() if x.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


async def measure(options: argparse.Namespace, plan: Plan, directory: Path) -> None:
    """Start everything, run the cases, stop everything."""
    ports = Ports(free_port(SOCK_DGRAM, SOCK_STREAM), free_port(SOCK_STREAM))
    sip, xmpp = (GATEWAY, ports.sip), (GATEWAY, ports.xmpp)
    far_ends = await AskingEnds.start(sip, xmpp, options.users)
    nameserver = await Nameserver.start(records(ports, far_ends))
    file = configuration(directory, ports, nameserver.address)
    command = [*shlex.split(options.gateway), "run", "--config", str(file)]
    gateway = Gateway(command, directory)
    try:
        bench = Bench(far_ends, gateway, plan)
        await _cases(bench, far_ends, options, await listening(gateway, ports))
    except Failed:
        print(gateway.last_words(), file=sys.stderr)
        raise
    finally:
        if status := gateway.stop():
            print(f"the gateway ended with status {status}", file=sys.stderr)
        nameserver.close()
        await far_ends.aclose()


async def _cases(
    bench: Bench, far_ends: AskingEnds, options: argparse.Namespace, start_s: float
) -> None:
    bench.common = {
        "start_s": round(start_s, 2),
        "rss_rest_mib": round(bench.gateway.rss(), 1),
        "users": options.users,
        "machine": machine(),
        "python": platform.python_version(),
        "command": shlex.join(["python", *sys.argv]),
    }
    await bench.prove()
    count = bench.plan.count
    rates = {}
    for case, sip in (("sip-to-xmpp", True), ("xmpp-to-sip", False)):
        rates[case] = await bench.closed_loop(case, count, sip=sip, xmpp=not sip)
    await bench.closed_loop("both", max(1, count // 4), sip=True, xmpp=True)
    far_ends.asks = True
    for case, sip in (("sip-to-xmpp", True), ("xmpp-to-sip", False)):
        await bench.closed_loop(f"noticed-{case}", max(1, count // 4), sip=sip, xmpp=not sip)
    far_ends.asks = False
    for case, sip in (("sip-to-xmpp", True), ("xmpp-to-sip", False)):
        if rates[case]:
            await bench.paced(f"latency-{case}", rates[case] / 2, sip=sip)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="finish within 30 seconds")
    parser.add_argument("--count", type=int, default=0, help="messages each way (200000)")
    parser.add_argument("--window", type=int, default=200, help="messages under way at once")
    parser.add_argument("--warm-up", type=int, default=5000, help="messages before RSS counts")
    add_gateway(parser)
    return parser.parse_args()


def add_gateway(parser: argparse.ArgumentParser) -> None:
    """Add what every benchmark of a gateway may be told."""
    parser.add_argument("--users", type=int, default=500, help="users of each domain")
    parser.add_argument(
        "--gateway",
        default=shlex.join([sys.executable, "-m", "dragoman"]),
        help="the gateway's command, before `run --config FILE`",
    )


def main() -> None:
    """Run the benchmark; exit 1 with the gateway's own words where it fails."""
    options = arguments()
    if options.quick:
        plan = Plan(options.count or 8000, options.window, 1000, 3.5, 2.0, 2.5)
    else:
        plan = Plan(options.count or 200_000, options.window, options.warm_up, 600.0, 35.0, 20.0)
    conduct("message", lambda directory: measure(options, plan, directory))


def conduct(name: str, measure: Callable[[Path], Coroutine[Any, Any, None]]) -> None:
    """Run `measure` with a directory of its own; exit 1 with the reason where it fails."""
    try:
        import uvloop

        run: Any = uvloop.run
    except ImportError:
        run = asyncio.run
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as directory:
        try:
            run(measure(Path(directory)))
        except Failed as failure:
            sys.exit(f"bench/{name}.py: {failure}")


if __name__ == "__main__":
    main()
