"""Phones and clients that call, and what each heard of the other.

Each end says 440 Hz. Chromium (libwebrtc, what Conversations and Movim are made of) tells itself
when it has heard that for a second, and so does Linphone; what baresip heard is in a file, and is
looked at here.
Who imports the fixtures needs `browser` too: without Chromium its tests are skipped.
"""

import cmath
import math
import os
import re
import shutil
import signal
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, wait_until

PEERS: Final = Path("/run/lab/peers")
LIBRARY: Final = Path("/opt/lab/stanza.js")
ALICE: Final = "alice@xmpp.example"
BOB: Final = "bob@jabber.example"
TONE: Final = 440
SECONDS: Final = 40
MODULE_SECONDS: Final = 900
FRAMES: Final = r'"video":\{"received":\{"packets":[0-9]+,"bytes":[0-9]+,"frames":[1-9]'
NUMBERS: Final = count(os.getpid() * 100)
HEADER: Final = 44
"""Octets of a WAV file before its samples."""
PLANES: Final[dict[str, dict[str, str]]] = {
    "embedded": {},
    "rtpengine": {
        "DRAGOMAN_MEDIA__PLANE": "rtpengine",
        "DRAGOMAN_MEDIA__RTPENGINE": '["media.lab.example:2223"]',
    },
}
"""What carries the media of calls, by what the gateway is told for it."""
PCM_RATE: Final = 8000
"""Samples a second of a file without that: QXmpp's."""
LOUD: Final = 1000
"""What a sample of a tone reaches; half a second without one is silence."""

Start = Callable[..., Program]


@pytest.fixture(scope="module", params=PLANES)
def plane(request: pytest.FixtureRequest) -> str:
    """What carries the media."""
    return str(request.param)


@pytest.fixture(scope="module")
def with_plane(lab: None, plane: str) -> Iterator[Gateway]:
    """The gateway of a module whose tests run with either plane."""
    forget_state()
    with Gateway(environment=PLANES[plane]) as running:
        yield running
        running.stop()


@pytest.fixture
def browser(gateway: Gateway) -> None:
    """Chromium, or no test."""
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

    def has_heard(self, tone: int = TONE) -> bool | None:
        """Tell whether it has heard a tone for half a second; None: not yet."""
        files = (PEERS / self.name).glob("*-dec.wav")
        return any(has_heard(each, tone) for each in files) or None


def has_heard(file: Path, tone: int = TONE) -> bool:
    """Tell whether a tone is in a file of sound for half a second, at some time."""
    data = file.read_bytes() if file.exists() else b""
    channels, rate, begin = 1, PCM_RATE, 0
    if file.suffix == ".wav":
        if len(data) < HEADER:
            return False
        (channels, rate), begin = struct.unpack_from("<HI", data, 22), HEADER
    samples = array("h", data[begin : begin + (len(data) - begin) // 2 * 2])[::channels]
    half = rate // 2
    parts = (samples[each : each + half] for each in range(0, len(samples) - half, half))
    return any(max(map(abs, part)) > LOUD and is_tone(part, rate, tone) for part in parts)


@dataclass(frozen=True, slots=True)
class Linphone:
    """Linphone, registered; it obeys the commands of tests/lab/peers/linphone_caller."""

    name: str
    program: Program

    @property
    def user(self) -> str:
        return f"{self.name}@sip.example"

    def has_heard(self) -> bool | None:
        """Tell whether it has heard the tone for half a second; None: not yet."""
        found = (each.items() for each in self.program.events())
        return any({"event": "sound", "what": "tone"}.items() <= each for each in found) or None


@pytest.fixture
def phone(start: Start) -> Callable[..., Phone]:
    """A phone, registered; `dials` is whom it calls, until it hangs up after `seconds`."""

    def registered(
        *parameters: str,
        name: str = "",
        dials: str = "",
        seconds: int = SECONDS,
        **environment: str,
    ) -> Phone:
        commands = ["--", f"dial {dials}"] if dials else []
        name = name or f"caller{next(NUMBERS)}"
        words = ["sip_user", name, str(seconds), *parameters, *commands]
        peer = start("carol", *words, environment=environment)
        peer.says("registered successfully")
        return Phone(name, peer)

    return registered


@pytest.fixture
def linphone_caller(start: Start) -> Callable[..., Linphone]:
    """Linphone that calls, registered, with the options of its program."""

    def registered(*options: str) -> Linphone:
        name = f"caller{next(NUMBERS)}"
        peer = start("dave", "linphone_caller", name, *options)
        peer.hears(event="registered")
        return Linphone(name, peer)

    return registered


@pytest.fixture
def client(browser: None, start: Start) -> Iterator[Callable[..., Program]]:
    """A client of alice's, or bob's, that answers, or does what it is told."""
    clients = []

    def online(*command: str, jid: str = ALICE) -> Program:
        host = jid.partition("@")[0]
        peer = start(host, "webrtc_user", jid, str(SECONDS), *(command or ("answer",)))
        clients.append(peer)
        peer.hears(event="connected")
        return peer

    yield online
    for each in clients:  # whoever kills it leaves its browser behind
        each.signal(signal.SIGTERM)
        each.wait(10)


@contextmanager
def browsing(jid: str) -> Iterator[Program]:
    """Have a client for many calls: to start one takes seconds."""
    if not (LIBRARY.exists() and shutil.which("chromium")):
        pytest.skip("Chromium and StanzaJS are not here: run tests/lab/install --all")
    with Program("alice", "webrtc_user", jid, str(MODULE_SECONDS), "answer") as peer:
        peer.hears(event="connected")
        yield peer
        peer.signal(signal.SIGTERM)
        peer.wait(10)


@pytest.fixture(scope="module")
def kept(gateway: Gateway) -> Iterator[Program]:
    """A client of alice's for all calls of a module."""
    with browsing(ALICE) as peer:
        yield peer


@pytest.fixture
def talker(kept: Program) -> Iterator[Program]:
    """The client of this module, told to call, or answering; its call ends with the test."""
    kept.forget()
    yield kept
    kept.tell("hangup")
    kept.hears(event="idle")


def power(samples: Sequence[int], rate: int, frequency: int) -> float:
    turn = 2j * math.pi * frequency / rate
    return abs(sum(each * cmath.exp(turn * n) for n, each in enumerate(samples)))


def is_tone(samples: Sequence[int], rate: int, tone: int = TONE) -> bool:
    """Tell whether sound is for the most part a tone: by default, what the peers say."""
    said = power(samples, rate, tone)
    return said > 20 * max(power(samples, rate, tone // 2), power(samples, rate, tone * 3 // 2))


def both_hear(phone: Phone | Linphone, browser: Program) -> None:
    browser.hears(event="tone", hz=TONE, seconds=20)
    said = phone.program.said
    wait_until(phone.has_heard, 20, lambda: f"the phone heard no tone:\n{said()[-2000:]}")


def sees(browser: Program, plane: str) -> None:
    """Wait for pictures of the phone's, which rtpengine has none of: it knows no BUNDLE."""
    if plane == "embedded":
        browser.says(FRAMES)
    else:
        browser.hears(event="stats")
        assert not re.search(FRAMES, browser.said())
