"""Chat sessions through one gateway process: set-up, memory, rate, CPU, delay (RFC 7573, RFC 4975).

Starts `dragoman run` on 127.0.0.1 as `message.py` does; see `chatting.py` for the load. Prints one
JSON object a line; `--help` tells the options.

`idle` opens sessions that say nothing: `kib` is what one takes of the gateway. Then messages go in
one of them, and in all of them in turn; one counts when it arrived at the far end and, from SIP,
got its 200. `set-up` is sessions of one message each: INVITE, TCP, SEND, stanza, BYE. Each line has
the `budget` that its figure is held to, where there is one: what one core does in a second, whoever
else uses the machine, is 1000 / `cpu_s_per_1000`. `set-up` keeps below what the gate lets in, so
its `rate` is ours, and its CPU what counts.
"""

import argparse
import asyncio
import platform
import shlex
import sys
import time
from pathlib import Path
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this file is run as a script

from bench.chatting import ChattingEnds
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
    records,
)
from bench.watching import Run
from dragoman.testing.nameserver import Nameserver

BUDGETS: Final = {"idle": {"rss_growth_mib": 60.0}, "chat": {"cpu_s_per_1000": 0.33}}
WINDOW: Final = 50
"""Sessions that are begun or ended at one time."""
PACE: Final = 400.0
"""Sessions that are begun a second for `set-up`: the gate lets 500 connections in."""


class ChatBench(Bench):
    """One gateway and its far ends, through all cases."""

    name = "msrp"
    far_ends: ChattingEnds

    async def sessions(self, case: str, run: Run) -> None:
        """Begin or end sessions; print a line."""
        cpu, rss, begun = self.gateway.cpu(), self.gateway.rss(), time.perf_counter()
        self.far_ends.run = run
        await self._until_over(run)
        self.far_ends.run = None
        seconds = run.last_done - begun
        cpu = self.gateway.cpu() - cpu
        growth = self.gateway.rss() - rss
        self._print(
            {
                "bench": self.name,
                "case": case,
                "count": run.count,
                "lost": run.lost,
                "seconds": round(seconds, 3),
                "rate": round(run.done / seconds, 1),
                "cpu_s_per_1000": round(1000 * cpu / max(1, run.done), 4),
                "sent_again": self.far_ends.again,
                "refused": self.far_ends.refused,
                "gone": self.far_ends.gone,
                "rss_mib": round(rss + growth, 1),
                "rss_growth_mib": round(growth, 1),
                "kib": round(1024 * growth / run.count, 1),
            }
        )

    async def _until_over(self, run: Run) -> None:
        """Return when all is done, or nothing was for `patience` seconds.

        Without a window they are begun at the rate PACE.
        """
        begun, first = time.perf_counter(), len(run.todo)
        run.fill()
        while not run.over:
            await asyncio.sleep(0.01)
            now = time.perf_counter()
            if not run.window:
                run.fill(int((now - begun) * PACE) - (first - len(run.todo)))
            if now - max(run.last_done, begun) > self.plan.patience:
                return
            if now - begun > self.plan.limit:
                run.count -= len(run.todo)
                run.todo.clear()

    async def messages(self, sessions: int, count: int, *, paced: bool) -> None:
        """Send messages in the first so many sessions, each way."""
        for way, sip in (("sip-to-xmpp", True), ("xmpp-to-sip", False)):
            self.far_ends.among = sessions
            case = f"{way}-{sessions}"
            rate = await self.closed_loop(case, count, sip=sip, xmpp=not sip)
            if paced and rate:
                await self.paced(f"latency-{case}", rate / 2, sip=sip)
        self.far_ends.among = 0

    def _print(self, line: dict[str, Any]) -> None:
        case = str(line["case"])
        kind = "chat" if "-to-" in case else case
        budget = {"budget": BUDGETS[kind]} if kind in BUDGETS else {}
        broken = {"broken": self.far_ends.broken}
        super()._print({**line, **broken, **budget})


async def measure(options: argparse.Namespace, plan: Plan, directory: Path) -> None:
    """Start everything, run the cases, stop everything."""
    ports = Ports(free_port(SOCK_DGRAM, SOCK_STREAM), free_port(SOCK_STREAM))
    sip, xmpp = (GATEWAY, ports.sip), (GATEWAY, ports.xmpp)
    far_ends = await ChattingEnds.start(sip, xmpp, options.users)
    far_ends.reset()
    nameserver = await Nameserver.start(records(ports, far_ends))
    file = configuration(directory, ports, nameserver.address)
    place = f"tcp:{GATEWAY}:{free_port(SOCK_STREAM)}"
    ours = f'[msrp]\nadvertise = "{GATEWAY}"\nlisten = ["{place}"]\n'
    file.write_text(file.read_text().replace("[msrp]\nlisten = []\n", ours))
    gateway = Gateway([*shlex.split(options.gateway), "run", "--config", str(file)], directory)
    try:
        bench = ChatBench(far_ends, gateway, plan)
        await _cases(bench, options, await listening(gateway, ports))
    except Failed:
        print(gateway.last_words(), file=sys.stderr)
        raise
    finally:
        if status := gateway.stop():
            print(f"the gateway ended with status {status}", file=sys.stderr)
        nameserver.close()
        await far_ends.aclose()


async def _cases(bench: ChatBench, options: argparse.Namespace, start_s: float) -> None:
    far_ends, many, count = bench.far_ends, options.sessions, bench.plan.count
    await bench.prove()
    bench.common = {
        "start_s": round(start_s, 2),
        "rss_rest_mib": round(bench.gateway.rss(), 1),
        "users": options.users,
        "machine": machine(),
        "python": platform.python_version(),
        "command": shlex.join(["python", *sys.argv]),
    }
    await bench.sessions("idle", Run(range(many), WINDOW, far_ends.invite))
    await bench.messages(1, count, paced=not options.quick)
    await bench.messages(many, count, paced=True)
    await bench.sessions("ended", Run(range(many), WINDOW, far_ends.end))
    far_ends.ending = True
    more = range(many, many + bench.plan.count // 10)
    await bench.sessions("set-up", Run(more, 0, far_ends.invite))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="finish within 30 seconds")
    parser.add_argument("--count", type=int, default=0, help="messages each way (100000)")
    parser.add_argument("--window", type=int, default=200, help="messages under way at once")
    parser.add_argument("--sessions", type=int, default=500, help="sessions at one time")
    parser.add_argument("--warm-up", type=int, default=5000, help="messages before RSS counts")
    add_gateway(parser)
    return parser.parse_args()


def main() -> None:
    """Run the benchmark; exit 1 with the gateway's own words where it fails."""
    options = arguments()
    if options.quick:
        plan = Plan(options.count or 8000, options.window, 1000, 2.5, 2.0, 1.5)
    else:
        plan = Plan(options.count or 100_000, options.window, options.warm_up, 600.0, 35.0, 20.0)
    conduct("msrp", lambda directory: measure(options, plan, directory))


if __name__ == "__main__":
    main()
