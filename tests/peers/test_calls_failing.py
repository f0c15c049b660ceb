"""Calls whose media fail between real peers: no way, wrong keys, somebody who is gone (RFC 8445).

Both ends are told, and the gateway keeps no port of them.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Phone, both_hear
from tests.peers.hosts import Gateway, Program, forget_state, run, wait_until

browsers, client, phone = callers.browsers, callers.client, callers.phone

SILENCE: Final = 6
"""Seconds that a leg may be silent here."""
PATIENCE: Final = 30
"""Seconds that connecting a leg may take (docs/interworking/media.md §9)."""
ANNA: Final = "anna@xmpp.example"
CLIENT: Final = "198.51.100.40"
PORTS: Final = range(30000, 40000)


@pytest.fixture(scope="module")
def gateway(lab: None) -> Iterator[Gateway]:
    """A gateway with little patience."""
    forget_state()
    with Gateway(environment={"DRAGOMAN_MEDIA__SILENCE": str(SILENCE)}) as running:
        yield running
        running.stop()


@pytest.fixture
def anna(gateway: Gateway) -> Iterator[Program]:
    """A client of another user's, on the same host, that answers."""
    with callers.browsing(ANNA) as peer:
        yield peer


def open_ports(gateway: Gateway) -> list[int]:
    """Return the ports that the gateway has for media."""
    lines = run("gw", "ss", "-Hulnp").decode().splitlines()
    ours = [line for line in lines if f"pid={gateway.pid}," in line]
    found = [int(re.split(r"\s+", line)[3].rpartition(":")[2]) for line in ours]
    return [port for port in found if port in PORTS]


@pytest.fixture
def leaves_nothing(gateway: Gateway) -> Iterator[None]:
    """Look that no port is left in the end, for what was there in between."""
    yield
    nothing: Callable[[], bool | None] = lambda: not open_ports(gateway) or None  # noqa: E731
    wait_until(nothing, 10, lambda: f"still open: {open_ports(gateway)}")


@contextmanager
def no_way(*words: str) -> Iterator[None]:
    """Have the host of the gateway drop UDP from the client, and to it, as `words` have it."""
    rules = [("INPUT", "-s"), ("OUTPUT", "-d")]
    for chain, end in rules:
        run("gw", "iptables", "-A", chain, end, CLIENT, "-p", "udp", *words, "-j", "DROP")
    try:
        yield
    finally:
        for chain, end in rules:
            run("gw", "iptables", "-D", chain, end, CLIENT, "-p", "udp", *words, "-j", "DROP")


def kill_what_it_started(process: int) -> None:
    """Kill the processes that a process has started, and those that they have."""
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        for each in map(int, file.read_text(encoding="ascii").split()):
            kill_what_it_started(each)
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)


def packets_heard(phone: Phone) -> int:
    """Return how many packets of RTP a phone has heard in its call, once that is over."""
    return int(phone.program.says(r"packets:\s+\d+\s+(\d+)", 20)[1])


@pytest.mark.spec("MED-33")
@pytest.mark.usefixtures("leaves_nothing")
def test_no_way_to_the_client_ends_both_legs(
    phone: Callable[..., Phone], client: Callable[..., Program], anna: Program
) -> None:
    """Two calls at once, for it takes long: one by the client, one by the phone."""
    with no_way():
        callee = phone()
        calling = client("call", callee.user)
        caller = phone(dials=f"sip:{ANNA}")
        ends = [(callee, calling), (caller, anna)]
        for each, _ in ends:
            each.program.says("Call established")
        begun = time.monotonic()
        for each, browser in ends:
            # who notices first says so: we, or libwebrtc
            browser.says('"terminated".*"(connectivity-error|failed-transport)"', PATIENCE + 5)
            assert time.monotonic() - begun < PATIENCE + 5
            each.program.says("session closed|terminated")
            assert packets_heard(each) == 0


@pytest.mark.spec("MED-26")
@pytest.mark.parametrize("calls", ["client", "phone"])
@pytest.mark.usefixtures("leaves_nothing")
def test_who_shows_another_certificate_than_he_said_hears_and_says_nothing(
    phone: Callable[..., Phone], client: Callable[..., Program], calls: str
) -> None:
    if calls == "client":
        caller = phone()
        browser = client("call", caller.user, "--forged")
    else:
        browser = client("answer", "--forged")
        caller = phone(dials=f"sip:{ALICE}")
    browser.hears(event="terminated", reason="security-error")
    caller.program.says("session closed|terminated")
    assert packets_heard(caller) == 0
    assert '"received"' not in browser.said()


@pytest.mark.spec("MED-38")
@pytest.mark.usefixtures("leaves_nothing")
def test_a_client_that_is_gone_is_hung_up_on(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    callee = phone()
    browser = client("call", callee.user)
    both_hear(callee, browser)
    kill_what_it_started(browser.pid)
    callee.program.says("session closed|terminated", SILENCE + 10)


@pytest.mark.spec("MED-38")
@pytest.mark.parametrize("parameters", [(), ("medianat=ice",)], ids=["plain", "ICE"])
@pytest.mark.usefixtures("leaves_nothing")
def test_a_phone_that_is_gone_is_hung_up_on(
    phone: Callable[..., Phone], client: Callable[..., Program], parameters: tuple[str, ...]
) -> None:
    callee = phone(*parameters)
    browser = client("call", callee.user)
    both_hear(callee, browser)
    kill_what_it_started(callee.program.pid)
    browser.hears(event="terminated", reason="timeout", seconds=SILENCE + 10)
