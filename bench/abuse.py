"""A gateway under abuse: what becomes of an ordinary exchange meanwhile (RFC 3261 §26.1.5).

Starts `dragoman run` on 127.0.0.1 as `message.py` does, has two domains exchange 100 messages a
second each way, and has strangers (`strangers.py`) do their worst: idle connections and a
slow-loris on every port, junk datagrams on the SIP port; alone and together.  The last case asks
of the gateway half as much again as it can do.  Prints one JSON object a line.

A message counts as in `message.py`.  `junk_rate` is what was sent, a second; `junk_unread` what
the kernel dropped because the gateway did not read it in time.
"""

import argparse
import asyncio
import json
import platform
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

from bench.load import FarEnds, pace
from bench.message import (
    GATEWAY,
    Bench,
    Failed,
    Gateway,
    Plan,
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
from bench.strangers import Strangers
from dragoman.testing.nameserver import Nameserver

RATE: Final = 100.0
SETTLE: Final = 4.0
"""Seconds from the beginning of the abuse to that of the exchange."""
QUICK_SETTLE: Final = 2.0
QUICK_IDLE: Final = 1000


@dataclass(frozen=True, slots=True)
class Abuse:
    """How much of which abuse a case has."""

    case: str
    idle: int = 0
    loris: int = 0
    junk: int = 0


CASES: Final = (
    Abuse("quiet"),
    Abuse("idle", idle=5000),
    Abuse("loris", loris=200),
    Abuse("junk", junk=20_000),
    Abuse("all", idle=5000, loris=200, junk=20_000),
)


class AbuseBench(Bench):
    """One gateway with its far ends, and strangers."""

    def __init__(
        self,
        far_ends: FarEnds,
        gateway: Gateway,
        plan: Plan,
        ports: Ports,
        secure: Ports,
        *,
        quick: bool,
    ) -> None:
        """Abuse the plain ports and the TLS ones."""
        super().__init__(far_ends, gateway, plan)
        self.settle = QUICK_SETTLE if quick else SETTLE
        self.most_idle = QUICK_IDLE if quick else 1 << 16
        self.ports = ports
        self.secure = secure

    async def abused(self, abuse: Abuse) -> None:
        """Exchange messages while strangers do as `abuse` says; print a line."""
        seconds = self.settle + self.plan.paced + self.plan.patience
        sip, xmpp = (self.ports.sip, self.secure.sip), (self.ports.xmpp, self.secure.xmpp)
        strangers = Strangers(sip, xmpp, seconds)
        if abuse.idle:
            strangers.idle(min(abuse.idle, self.most_idle))
        if abuse.loris:
            strangers.loris(abuse.loris)
        if abuse.junk:
            strangers.flood(abuse.junk, sources=400)
        try:
            await asyncio.sleep(self.settle)
            line = await self._exchange(strangers)
        finally:
            strangers.stop()
        self._print({"bench": "abuse", "case": abuse.case, **line})

    async def _exchange(self, strangers: Strangers) -> dict[str, Any]:
        count = int(RATE * self.plan.paced)
        ways = self.far_ends.begin(count, 0, sip=True, xmpp=True)
        sent, unread = sum(each.value for each in strangers.sent), self._unread()
        sending = asyncio.create_task(pace(self.far_ends, RATE))
        measured = await self._measure("", ways, self.plan.paced + 1)
        await sending
        line = {key: value for key, value in measured.items() if key not in {"bench", "case"}}
        seconds = float(line["seconds"])
        line |= {
            "paced_rate": round(RATE),
            "junk_rate": round((sum(each.value for each in strangers.sent) - sent) / seconds),
            "junk_unread": self._unread() - unread,
            "idle_open": strangers.open.value,
            "loris_open": strangers.trickling.value,
        }
        line |= self._delays("sip_to_xmpp", ways[0].delays)
        line |= self._delays("answered", ways[0].answered)
        return line | self._delays("xmpp_to_sip", ways[1].delays)

    async def too_much(self, part: float) -> None:
        """Send from SIP at a fixed rate, `part` of the capacity; print a line.

        That is what one core does, going by the CPU time of a message of a closed loop.
        """
        count = self.plan.count
        ways = self.far_ends.begin(count, self.plan.window, sip=True, xmpp=False)
        self.far_ends.wanted.update(ways)
        self.far_ends.refill()
        measured = await self._measure("", ways, self.plan.limit)
        capacity = 1000 / float(measured["cpu_s_per_1000"])
        rate = part * capacity
        ways = self.far_ends.begin(int(rate * self.plan.paced), 0, sip=True, xmpp=False)
        sending = asyncio.create_task(pace(self.far_ends, rate))
        line = await self._measure("", ways, self.plan.paced + 1)
        await sending
        line |= {"bench": "abuse", "case": f"load {part:.0%}", "capacity": round(capacity)}
        line["paced_rate"] = round(rate)
        line["goodput"] = round(ways[0].done / self.plan.paced, 1)
        for name, delays in (("added", ways[0].delays), ("answered", ways[0].answered)):
            line |= self._delays(name, delays)
        line["answered_ms_max"] = round(1000 * (percentile(ways[0].answered, 1.0) or 0), 2)
        self._print(line)

    def _unread(self) -> int:
        """Return how many datagrams the kernel has dropped for want of room at the SIP port."""
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rpartition(":")[2], 16) == self.ports.sip:
                return int(fields[-1])
        return 0


def write_configuration(
    directory: Path, ports: Ports, secure: Ports, nameserver: tuple[str, int]
) -> Path:
    """Write a configuration file that has all four kinds of port; return its path."""
    file = configuration(directory, ports, nameserver)
    text = file.read_text()
    sip = [
        f"udp:{GATEWAY}:{ports.sip}",
        f"tcp:{GATEWAY}:{ports.sip}",
        f"tls:{GATEWAY}:{secure.sip}",
    ]
    xmpp = [f"starttls:{GATEWAY}:{ports.xmpp}", f"tls:{GATEWAY}:{secure.xmpp}"]
    lines = [line for line in text.splitlines() if not line.startswith("listen")]
    lines.insert(lines.index("[sip]") + 1, f"listen = {json.dumps(sip)}")
    lines.insert(lines.index("[msrp]") + 1, "listen = []")
    lines.insert(lines.index("[xmpp]") + 1, f"listen = {json.dumps(xmpp)}")
    file.write_text("\n".join(lines) + "\n")
    return file


async def measure(options: argparse.Namespace, plan: Plan, directory: Path) -> None:
    """Start everything, run the cases, stop everything."""
    ports = Ports(free_port(SOCK_DGRAM, SOCK_STREAM), free_port(SOCK_STREAM))
    secure = Ports(free_port(SOCK_STREAM), free_port(SOCK_STREAM))
    far_ends = await FarEnds.start((GATEWAY, ports.sip), (GATEWAY, ports.xmpp), options.users)
    nameserver = await Nameserver.start(records(ports, far_ends))
    file = write_configuration(directory, ports, secure, nameserver.address)
    command = [*shlex.split(options.gateway), "run", "--config", str(file)]
    gateway = Gateway(command, directory)
    try:
        bench = AbuseBench(far_ends, gateway, plan, ports, secure, quick=options.quick)
        await listening(gateway, ports)
        bench.common = {
            "machine": machine(),
            "python": platform.python_version(),
            "command": shlex.join(["python", *sys.argv]),
        }
        await bench.prove()
        for abuse in CASES:
            if not options.case or abuse.case in options.case:
                await bench.abused(abuse)
        if not options.case or "load" in options.case:
            await bench.too_much(1.5)
    except Failed:
        print(gateway.last_words(), file=sys.stderr)
        raise
    finally:
        if status := gateway.stop():
            print(f"the gateway ended with status {status}", file=sys.stderr)
        nameserver.close()
        await far_ends.aclose()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="within 30 seconds, 1000 idle")
    parser.add_argument("--case", action="append", help="only this case; may be repeated")
    parser.add_argument("--paced", type=float, default=0.0, help="seconds of a case (60)")
    add_gateway(parser)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark; exit 1 with the gateway's own words where it fails."""
    options = arguments()
    if options.quick:
        plan = Plan(4000, 200, 100, 2.0, 0.5, 1.5)
    else:
        plan = Plan(20_000, 200, 500, 30.0, 5.0, options.paced or 60.0)
    conduct("abuse", lambda directory: measure(options, plan, directory))


if __name__ == "__main__":
    main()
