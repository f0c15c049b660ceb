"""Calls between real phones and real clients, with what is heard at both ends looked at.

Each end says 440 Hz. Chromium (libwebrtc, what Conversations and Movim are made of) tells itself
when it has heard that for a second; what baresip heard is in a file, and is looked at here.
"""

import cmath
import math
import os
import shutil
import signal
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.peers.hosts import Gateway, Program, wait_until

PEERS: Final = Path("/run/lab/peers")
LIBRARY: Final = Path("/opt/lab/stanza.js")
ALICE: Final = "alice@xmpp.example"
TONE: Final = 440
SECONDS: Final = 40
NUMBERS: Final = count(os.getpid() * 100)
HEADER: Final = 44
"""Octets of a WAV file before its samples."""

Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def _browser(gateway: Gateway) -> None:
    if not (LIBRARY.exists() and shutil.which("chromium")):
        pytest.skip("Chromium and StanzaJS are not here: run tests/lab/install --all")


@dataclass(frozen=True, slots=True)
class Phone:
    """baresip, registered under a name of its own: one that was killed stays registered."""

    name: str
    program: Program

    @property
    def user(self) -> str:
        return f"{self.name}@sip.example"

    def has_heard(self) -> bool | None:
        """Tell whether it has heard the tone for half a second; None: not yet."""
        for file in (PEERS / self.name).glob("*-dec.wav"):
            data = file.read_bytes()
            if len(data) < HEADER:
                continue
            channels, rate = struct.unpack_from("<HI", data, 22)
            samples = array("h", data[HEADER : len(data) // 2 * 2])[::channels]
            half = rate // 2
            for start in range(0, len(samples) - half, half):
                part = samples[start : start + half]
                if max(map(abs, part)) > 1000 and is_tone(part, rate):
                    return True
        return None


@pytest.fixture
def phone(start: Start) -> Callable[..., Phone]:
    """A phone, registered; `dials` is whom it calls, until it hangs up after `seconds`."""

    def registered(*parameters: str, dials: str = "", seconds: int = SECONDS) -> Phone:
        commands = ["--", f"dial {dials}"] if dials else []
        name = f"caller{next(NUMBERS)}"
        peer = start("carol", "sip_user", name, str(seconds), *parameters, *commands)
        peer.says("registered successfully")
        return Phone(name, peer)

    return registered


@pytest.fixture
def client(start: Start) -> Iterator[Callable[..., Program]]:
    """A client of alice's that answers, or does what it is told."""
    clients = []

    def online(*command: str) -> Program:
        peer = start("alice", "webrtc_user", ALICE, str(SECONDS), *(command or ("answer",)))
        clients.append(peer)
        peer.hears(event="connected")
        return peer

    yield online
    for each in clients:  # whoever kills it leaves its browser behind
        each.signal(signal.SIGTERM)
        each.wait(10)


def power(samples: Sequence[int], rate: int, frequency: int) -> float:
    turn = 2j * math.pi * frequency / rate
    return abs(sum(each * cmath.exp(turn * n) for n, each in enumerate(samples)))


def is_tone(samples: Sequence[int], rate: int) -> bool:
    """Tell whether a second of sound is for the most part what the peers say."""
    said = power(samples, rate, TONE)
    return said > 20 * max(power(samples, rate, TONE // 2), power(samples, rate, 660))


def both_hear(phone: Phone, browser: Program) -> None:
    browser.hears(event="tone", hz=TONE, seconds=20)
    said = phone.program.said
    wait_until(phone.has_heard, 20, lambda: f"the phone heard no tone:\n{said()[-2000:]}")


@pytest.mark.spec("MED-02")
@pytest.mark.spec("MED-27")
def test_a_phone_calls_a_client(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    browser = client()
    caller = phone(dials=f"sip:{ALICE}", seconds=12)
    browser.hears(event="propose", sender=f"{caller.user}/phone")
    browser.hears(event="dtls", state="connected")
    both_hear(caller, browser)
    browser.says(r'"video":\{"received":\{"packets":[0-9]+,"bytes":[0-9]+,"frames":[1-9]')
    browser.hears(event="terminated", reason="success")


@pytest.mark.spec("MED-01")
@pytest.mark.spec("MED-23")
def test_a_client_calls_a_phone(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """XEP-0353: it rings and proceeds when the phone does."""
    callee = phone()
    browser = client("call", callee.user)
    browser.hears(event="ringing")
    browser.hears(event="proceed", sender=f"{callee.user}/phone")
    both_hear(callee, browser)


@pytest.mark.spec("MED-01")
def test_a_client_that_proposes_nothing_calls_a_phone_by_sound_and_picture(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """The device that it calls is but a name of ours."""
    callee = phone()
    browser = client("call", f"{callee.user}/phone", "--video")
    browser.hears(event="dtls", state="connected")
    both_hear(callee, browser)
    browser.says(r'"video":\{"received":\{"packets":[0-9]+,"bytes":[0-9]+,"frames":[1-9]')


@pytest.mark.parametrize(
    "parameters",
    [
        ("audio_codecs=PCMU/8000/1",),
        ("transport=tls", "mediaenc=srtp-mand"),
        ("mediaenc=dtls_srtp",),
    ],
    ids=["G.711", "SDES", "DTLS-SRTP"],
)
@pytest.mark.spec("MED-25")
def test_a_client_calls_a_phone_that_takes_media_in_another_way(
    phone: Callable[..., Phone], client: Callable[..., Program], parameters: tuple[str, ...]
) -> None:
    callee = phone(*parameters)
    browser = client("call", callee.user)
    both_hear(callee, browser)


@pytest.mark.parametrize(
    "parameters",
    [
        ("audio_codecs=PCMA/8000/1",),
        ("transport=tls", "mediaenc=srtp-mand"),
        ("mediaenc=dtls_srtp", "medianat=ice"),
    ],
    ids=["G.711", "SDES", "DTLS-SRTP and ICE"],
)
@pytest.mark.spec("MED-26")
def test_a_phone_that_offers_media_in_another_way_calls_a_client(
    phone: Callable[..., Phone], client: Callable[..., Program], parameters: tuple[str, ...]
) -> None:
    browser = client()
    caller = phone(*parameters, dials=f"sip:{ALICE}")
    both_hear(caller, browser)


@pytest.mark.spec("MED-17")
def test_whoever_has_no_phone_is_gone(client: Callable[..., Program]) -> None:
    browser = client("call", "nobody@sip.example")
    browser.says(r'"(terminated|reject|retract|finish|ended|error)"')
