"""Calls whose only way is a relay: coturn, a real server of TURN (RFC 8656)."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import Phone, both_hear
from tests.peers.hosts import Gateway, Program, forget_state, run, wait_until

browsers, client, phone = callers.browsers, callers.client, callers.phone

RELAY: Final = "198.51.100.11"
CLIENT: Final = "198.51.100.40"
PORTS: Final = (49152, 49300)
ACCOUNT: Final = ("--lt-cred-mech", "--user", "gateway:turn-secret")
TLS: Final = "/run/lab/tls/media"
SHARED: Final = ("--use-auth-secret", "--static-auth-secret", "secret")
"""What Prosody makes passwords with, too, which expire (tests/lab/conf/prosody.cfg.lua)."""


def configured(uri: str) -> dict[str, str]:
    """Return a configuration that names the relay."""
    turn = {"uri": uri, "user": "gateway", "password": "turn-secret"}
    return {"DRAGOMAN_MEDIA__TURN": json.dumps([turn])}


COMPONENT: Final = {
    "domain": "gateway.xmpp.example",
    "secret": "secret",
    "server": "prosody.lab.example:5347",
    "services": "xmpp.example",
}


@dataclass(frozen=True, slots=True)
class Case:
    """How the relay knows us, and we know of it."""

    accounts: tuple[str, ...]
    environment: Mapping[str, str]


CASES: Final = {
    "udp": Case(ACCOUNT, configured(f"turn:{RELAY}")),
    "tcp": Case(ACCOUNT, configured(f"turn:{RELAY}:3478?transport=tcp")),
    "tls": Case(ACCOUNT, configured("turns:media.lab.example")),
    "XEP-0215": Case(SHARED, {"DRAGOMAN_XMPP__COMPONENT": json.dumps([COMPONENT])}),
}


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture(scope="module")
def coturn(lab: None, case: Case) -> Iterator[Program]:
    """A relay on the host media."""
    if not shutil.which("turnserver"):
        pytest.skip("need coturn: run tests/lab/install")
    words = [
        *("turnserver", "-n", "-v", "--log-file=stdout", "--simple-log", "--no-cli"),
        *("--listening-ip", RELAY, "--relay-ip", RELAY, "--realm", "lab.example", *case.accounts),
        *("--cert", f"{TLS}.crt", "--pkey", f"{TLS}.key", "--no-dtls"),
        *("--pidfile", "/dev/null", "--userdb", "/run/lab/turn.db"),
        *("--min-port", str(PORTS[0]), "--max-port", str(PORTS[1])),
    ]
    with Program("media", *words) as running:

        def listens() -> bool | None:
            assert running.alive, running.said()
            return ":3478" in run("media", "ss", "-Hlun").decode() or None

        wait_until(listens, 10, running.said)
        yield running


@pytest.fixture(scope="module")
def gateway(coturn: Program, case: Case) -> Iterator[Gateway]:
    """A gateway that knows the relay."""
    forget_state()
    with Gateway(environment=case.environment) as running:
        yield running
        running.stop()


@contextmanager
def only_the_relay() -> Iterator[None]:
    """Have the host of the gateway drop UDP from the client, and to it."""
    rules = [("INPUT", "-s"), ("OUTPUT", "-d")]
    for chain, end in rules:
        run("gw", "iptables", "-A", chain, end, CLIENT, "-p", "udp", "-j", "DROP")
    try:
        yield
    finally:
        for chain, end in rules:
            run("gw", "iptables", "-D", chain, end, CLIENT, "-p", "udp", "-j", "DROP")


@pytest.mark.parametrize("calls", ["client", "phone"])
def test_media_go_by_the_relay_where_nothing_else_gets_through(
    phone: Callable[..., Phone], client: Callable[..., Program], coturn: Program, calls: str
) -> None:
    with only_the_relay():
        if calls == "client":
            caller = phone()
            browser = client("call", caller.user)
        else:
            browser = client()
            caller = phone(dials=f"sip:{callers.ALICE}")
        both_hear(caller, browser)
        pair = browser.says(r'"event":"pair".*"remote":"(\w+) udp ([0-9.]+):(\d+)"')
        assert pair[2] == RELAY
        assert PORTS[0] <= int(pair[3]) <= PORTS[1]


def test_what_was_relayed_is_given_back(
    phone: Callable[..., Phone], client: Callable[..., Program], coturn: Program
) -> None:
    """An allocation is over with its call (RFC 8656 §8), not by its time."""
    before = coturn.said().count("delete: realm")
    callee = phone()
    browser = client("call", callee.user)
    both_hear(callee, browser)
    callee.program.tell("hangup")
    browser.hears(event="terminated")
    wait_until(lambda: coturn.said().count("delete: realm") > before or None, 10, coturn.said)
