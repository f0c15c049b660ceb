"""Calls whose rtpengine dies, or whose gateway does: no leg hangs, and no port is left behind."""

import json
import re
import shutil
from collections.abc import Callable
from secrets import token_hex
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import PEERS, Phone, both_hear, has_heard
from tests.peers.hosts import Gateway, Program, forget_state, fresh, run, wait_until

browsers, client, phone = callers.browsers, callers.client, callers.phone

HOST: Final = "198.51.100.11"
LABS: Final = f"{HOST}:2223"
OURS: Final = f"{HOST}:2226"
FIRST: Final = 31000
"""The first port of media of the engine that tests start, and may kill."""
BOB: Final = "bob@jabber.example"
DINO: Final = PEERS / "dino-bob/dino-im.log"

Start = Callable[..., Program]
Client = Callable[..., Program]
Phones = Callable[..., Phone]


@pytest.fixture
def gateway(lab: None) -> None:
    """None runs but those that tests begin, with nothing known from before."""
    forget_state()


def engine(start: Start) -> Program:
    """Another engine than the lab's, on its host, with OpenSSL as Debian has it."""
    command = ["rtpengine", "--foreground", "--log-stderr", "--table=-1", f"--interface={HOST}"]
    command.append("--config-file=none")  # that of the machine names ports that the lab's has
    ports = [f"--listen-ng={OURS}", f"--port-min={FIRST}", f"--port-max={FIRST + 99}"]
    running = start("media", *command, *ports)
    wait_until(lambda: asked(b"ping") or None, 10, running.said)
    return running


def asked(command: bytes) -> bytes:
    """Return what that engine says, if anything: its NG protocol is a cookie and a dictionary.

    To a cookie that it knows it says again what it said.
    """
    data = b"%s d7:command%d:%se" % (token_hex(4).encode(), len(command), command)
    said = run("media", "raw", *OURS.rsplit(":", 1), "udp", "--for", "0.5", data=data)
    return said.partition(b"\n")[2]


def calls() -> int:
    """Return how many calls that engine has."""
    return len(re.findall(rb"[0-9a-f]{16}:[0-9a-f]+\.[0-9]", asked(b"list")))


def ports() -> int:
    """Return how many ports of media are open at that engine."""
    return len(re.findall(rf"{HOST}:310\d\d\s".encode(), run("media", "ss", "-Hlnu")))


def with_engines(*engines: str) -> Gateway:
    environment = {
        "DRAGOMAN_MEDIA__PLANE": "rtpengine",
        "DRAGOMAN_MEDIA__RTPENGINE": json.dumps(engines),
    }
    return Gateway(environment=environment)


def test_both_legs_end_with_their_engine_and_another_takes_the_next_call(
    start: Start, phone: Phones, client: Client
) -> None:
    dying = engine(start)
    with with_engines(OURS, LABS) as running:
        callee = phone()
        browser = client("call", callee.user)
        both_hear(callee, browser)
        assert calls() == 1
        dying.end()
        browser.hears(event="terminated")
        callee.program.says(r"session closed|terminated")
        running.says(rf"does not answer.*{OURS}|{OURS}.*does not answer")

        other = phone()
        second = client("call", other.user)
        both_hear(other, second)

        engine(start)
        running.says(rf"engine answers.*{OURS}.*(?s:.*)engine answers.*{OURS}")
        assert calls() == 0
        running.stop()


@pytest.mark.parametrize("where", [LABS, OURS], ids=["without tickets", "with tickets"])
def test_dino_finds_keys_with_an_engine_that_gives_no_session_tickets(
    where: str, start: Start, phone: Phones, chat: Client
) -> None:
    """Others cut their Finished, which GnuTLS takes for a wrong one: docs/howto/rtpengine.md."""
    if not shutil.which("dino-im"):
        pytest.skip("Dino is not here: run tests/lab/install --all")
    engine(start)
    with with_engines(where) as running:
        another = chat(f"{BOB}/lab")
        name = fresh("caller")
        start("bob", "dino_user", f"{BOB}/{name}", f"{name}@sip.example", "120", "answer")
        another.hears(event="presence", sender=f"{BOB}/{name}", type="available", seconds=30)
        caller = phone(name=name, dials=f"sip:{BOB}", seconds=50, TONE="1000", VIDEO="no")
        if where == LABS:
            wait_until(caller.has_heard, 60, caller.program.said)
            heard = PEERS / "dino-bob/heard.wav"
            wait_until(lambda: has_heard(heard, 1000) or None, 30, running.said)
        else:
            failed = "DTLS handshake failed: An error was encountered at the TLS Finished"
            wait_until(lambda: failed in DINO.read_text("utf-8") or None, 60, running.said)
            assert not caller.has_heard()
        running.stop()


def test_what_a_killed_gateway_left_is_ended_by_the_next(
    start: Start, phone: Phones, client: Client
) -> None:
    """Dialogs and sessions do not outlive a process; nor do their media, and the ports of these."""
    engine(start)
    with with_engines(OURS) as first:
        callee = phone()
        browser = client("call", callee.user)
        both_hear(callee, browser)
        assert calls() == 1
        assert ports() > 0
        first.kill()
    assert calls() == 1
    with with_engines(OURS) as second:
        wait_until(lambda: calls() == 0 or None, 10, second.said)
        assert ports() == 0
        again = phone()
        anew = client("call", again.user)
        both_hear(again, anew)
        second.stop()
    assert calls() == 0
    assert ports() == 0
