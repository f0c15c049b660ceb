"""`dragoman.msrp` and its sockets, with no gateway, against AG Projects' msrplib and Kamailio."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers.conftest import Start
from tests.peers.hosts import LAB, SOURCE, Program, run, wait_until

LONG: Final = 10_000_000
GROWTH: Final = 8.0
"""MiB that a long message may cost: less than its length, whichever way it goes."""
SECONDS: Final = 60

needs_msrplib = pytest.mark.skipif(
    not os.environ.get("MSRPLIB"),
    reason="MSRPLIB names no folder with msrplib: see tests/lab/peers/msrp_user",
)

Ours = Callable[..., Program]


@pytest.fixture
def ours(start: Start) -> Ours:
    """Start our end on the host gw: `ours("--tls")`."""

    def started(*options: str) -> Program:
        root = SOURCE.parent
        environment = {"PYTHONPATH": f"{SOURCE}:{root}"}
        command = [sys.executable, "-m", "tests.peers.msrp_end", "gw", *options]
        end = start("gw", *command, environment=environment)
        end.hears(event="ready")
        return end

    return started


@pytest.fixture
def theirs(start: Start) -> Ours:
    """Start msrplib on the host carol, without SIP."""

    def started(*options: str) -> Program:
        end = start("carol", "msrp_user", "carol", "--no-sip", "--for", "140", *options)
        end.hears(event="ready")
        return end

    return started


def path(end: Program) -> str:
    end.tell("path")
    found = end.hears(event="path")["path"]
    return found if isinstance(found, str) else " ".join(found)


def meet(our: Program, their: Program, *, active: bool) -> None:
    """Have them meet; who waits for the other is told first."""
    roads = path(our), path(their)
    roles = ("active", "passive") if active else ("passive", "active")
    orders = [(our, f"meet {roles[0]} {roads[1]}"), (their, f"meet {roles[1]} {roads[0]}")]
    for end, order in reversed(orders) if active else orders:
        end.tell(order)
    our.hears(event="up")
    their.hears(event="connected")


def peak(end: Program) -> float:
    """Return the most memory that it ever had, in MiB."""
    known = len([each for each in end.events() if each["event"] == "memory"])
    end.tell("memory")
    end.says(rf'(?s)(?:"event": "memory".*){{{known + 1}}}')
    found: list[Any] = [each for each in end.events() if each["event"] == "memory"]
    return float(found[-1]["peak"])


def both_ways(our: Program, their: Program, *, chunks: bool) -> None:
    """A message of ten million octets in each direction, whole, and no dearer than a piece."""
    before = peak(our)
    our.tell(f"big {LONG}")
    came = their.hears(SECONDS, event="message", size=LONG)
    assert our.hears(event="read")["sha256"] == came["sha256"]
    our.hears(event="sent")
    our.hears(event="delivered")
    their.tell(f"big {LONG} --chunk 8000 --report" if chunks else f"big {LONG} --report")
    sent = their.hears(SECONDS, event="sent", size=LONG)
    came = our.hears(SECONDS, event="message", size=LONG)
    assert came["sha256"] == sent["sha256"]
    their.hears(event="response", code=200)
    their.hears(event="report", status=200)
    assert peak(our) < before + GROWTH


@needs_msrplib
@pytest.mark.spec("MSRP-24")
@pytest.mark.parametrize("active", [True, False], ids=["active", "passive"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_ten_megabytes_each_way(ours: Ours, theirs: Ours, tls: bool, active: bool) -> None:
    options = ["--tls"] if tls else []
    our, their = ours(*options), theirs(*options)
    meet(our, their, active=active)
    both_ways(our, their, chunks=False)


@needs_msrplib
@pytest.mark.spec("MSRP-28", "MSRP-30")
@pytest.mark.parametrize(
    ("our_options", "their_options", "active"),
    [
        (["--relay", "secret"], [], True),
        (["--relay", "secret"], [], False),
        (["--tls"], ["--relay"], True),
        (["--tls"], ["--relay"], False),
        (["--relay", "secret"], ["--relay"], True),
    ],
    ids=["ours-active", "ours-passive", "theirs-active", "theirs-passive", "both"],
)
def test_ten_megabytes_by_a_relay(
    ours: Ours, theirs: Ours, our_options: list[str], their_options: list[str], active: bool
) -> None:
    our, their = ours(*our_options), theirs(*their_options)
    meet(our, their, active=active)
    both_ways(our, their, chunks=True)


# -- Kamailio alone, and OpenSSL ---------------------------------------------------------------

PEER: Final = "msrps://carol.lab.example:7777/jshA7weztas;tcp"


class Raw:
    """Somebody on the host carol who connects to the relay by OpenSSL, and writes MSRP by hand."""

    def __init__(self, start: Start, relay_host: str = "kamailio") -> None:
        relay = ["-connect", f"{relay_host}.lab.example:2855", "-verify_return_error"]
        self._program = start("carol", "openssl", "s_client", "-quiet", *relay)
        self._program.says("verify return:1")

    def send(self, to: str, tid: str, body: str = "") -> None:
        lines = [f"MSRP {tid} SEND", f"To-Path: {to}", f"From-Path: {PEER}", f"Message-ID: m{tid}"]
        size = len(body)
        lines.append(f"Byte-Range: 1-{size}/{size}")
        if body:
            lines += ["Content-Type: text/plain", "", body]
        self._program.tell("\r\n".join([*lines, f"-------{tid}$\r"]))

    def says(self, pattern: str, seconds: float = 20) -> re.Match[str]:
        return self._program.says(pattern, seconds)

    def accept(self, request: re.Match[str], road: str) -> None:
        tid = request.group(1)
        lines = [f"MSRP {tid} 200 OK", f"To-Path: {road}", f"From-Path: {PEER}", f"-------{tid}$\r"]
        self._program.tell("\r\n".join(lines))


@pytest.mark.spec("MSRP-30")
def test_a_relay_with_digest_and_somebody_who_writes_by_hand(ours: Ours, start: Start) -> None:
    our = ours("--relay", "secret")
    road = path(our)
    relay, own = road.split()
    assert relay.startswith("msrps://kamailio.lab.example:2855/")
    assert own.startswith("msrps://gw.lab.example:2855/")
    our.tell(f"meet passive {PEER}")
    raw = Raw(start)
    raw.send(road, "a786hjs2")
    raw.says("MSRP a786hjs2 200 OK")
    our.hears(event="up")
    raw.send(road, "b786hjs2", "Hi, I am Alice!")
    assert our.hears(event="message")["size"] == len("Hi, I am Alice!")
    our.tell("big 100")
    request = raw.says(r"MSRP (\S+) SEND\s+To-Path: (.*)\s+From-Path: (.*)\s")
    assert request.group(2).strip() == PEER
    assert request.group(3).split() == road.split()
    our.hears(event="sent")


@pytest.mark.spec("MSRP-30")
def test_a_relay_that_does_not_know_us(ours: Ours) -> None:
    our = ours("--relay", "wrong")
    our.tell("path")
    assert our.hears(event="relay failed")["status"] == 401


@pytest.mark.spec("MSRP-30")
def test_a_lease_is_renewed(ours: Ours, start: Start, tmp_path: Path) -> None:
    """Kamailio gives a new path with each lease: who knows that one reaches us, too."""
    short_leases(start, tmp_path)
    our = ours("--relay", "secret", "--at", "dave")
    road = path(our)
    our.tell(f"meet passive {PEER}")
    raw = Raw(start, "dave")
    raw.send(road, "a786hjs2", "before")
    assert our.hears(event="message")["size"] == len("before")
    renewed = our.hears(event="renewed")["path"]
    assert renewed != road
    assert renewed.split()[-1] == road.split()[-1]
    raw.send(renewed, "b786hjs2", "after it")
    assert our.hears(event="message", size=len("after it"))
    assert "relay failed" not in our.said()


def short_leases(start: Start, folder: Path) -> None:
    """Start another Kamailio, on the host dave, whose leases are for five seconds."""
    for name in ("kamailio.cfg", "kamailio-tls.cfg"):
        text = (LAB / "conf" / name).read_text(encoding="utf-8")
        text = text.replace("198.51.100.30", "198.51.100.51").replace("tls/kamailio.", "tls/dave.")
        text = text.replace("kamailio.lab.example", "dave.lab.example")
        text = text.replace("/run/lab/conf/kamailio-tls.cfg", f"{folder}/kamailio-tls.cfg")
        text = text.replace("/run/lab/kamailio/rpc.fifo", f"{folder}/rpc.fifo")
        for bound, seconds in (("auth_min_expires", 1), ("auth_max_expires", 5)):
            known = 'modparam("msrp", "cmap_size", 8)\n'
            text = text.replace(known, f'{known}modparam("msrp", "{bound}", {seconds})\n')
        (folder / name).write_text(text, encoding="utf-8")
    relay = start("dave", "kamailio", "-DD", "-E", "-f", folder / "kamailio.cfg", "-Y", folder)
    wait_until(
        lambda: b":2855" in run("dave", "ss", "-Hltn") or None,
        SECONDS,
        lambda: relay.said()[-3000:],
    )
