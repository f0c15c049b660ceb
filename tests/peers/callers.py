"""Phones and clients that call, and what each heard of the other.

Each end says 440 Hz. Chromium (libwebrtc, what Conversations and Movim are made of) tells itself
when it has heard that for a second, and so does Linphone; what baresip heard is in a file, and is
looked at here.
Who imports `client` or `talker` needs `browsers` too, and `client` for `talker`: without Chromium
their tests are skipped.
"""

import cmath
import math
import os
import re
import shutil
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
def phone(start: Start) -> Iterator[Callable[..., Phone]]:
    """A phone, registered; `dials` is whom it calls, until it hangs up after `seconds`.

    At the end of the test it hangs up what it has, and is registered no more.
    """
    phones = []

    def registered(
        *parameters: str,
        name: str = "",
        dials: str = "",
        seconds: int = SECONDS,
        **environment: str,
    ) -> Phone:
        name = name or f"caller{next(NUMBERS)}"
        words = ["sip_user", name, str(seconds), *parameters]
        peer = start("carol", *words, environment=environment)
        phones.append(peer)
        peer.says("registered successfully")
        if dials:
            peer.tell(f"dial {dials}")
        return Phone(name, peer)

    yield registered
    for each in phones:
        each.leave()


@pytest.fixture
def linphone_caller(start: Start) -> Callable[..., Linphone]:
    """Linphone that calls, registered, with the options of its program."""

    def registered(*options: str) -> Linphone:
        name = f"caller{next(NUMBERS)}"
        peer = start("dave", "linphone_caller", name, *options)
        peer.hears(event="registered")
        return Linphone(name, peer)

    return registered


@contextmanager
def browsing(jid: str, *options: str) -> Iterator[Program]:
    """Have a client that answers, and is told whom to call, for many calls; or no test."""
    if not (LIBRARY.exists() and shutil.which("chromium")):
        pytest.skip("Chromium and StanzaJS are not here: run tests/lab/install --all")
    host = "bob" if jid == BOB else "alice"
    with Program(host, "webrtc_user", jid, str(MODULE_SECONDS), "answer", *options) as peer:
        peer.hears(event="connected")
        yield peer
        peer.leave()  # whoever kills it leaves its browser behind


class Browser:
    """The client of somebody's of a module: another is started for other options only."""

    def __init__(self, jid: str) -> None:
        """Have none yet."""
        self._jid = jid
        self._stack = ExitStack()
        self._options: tuple[str, ...] = ()
        self._peer: Program | None = None

    def having(self, *options: str) -> Program:
        """Return the client with these options, in no call, and nothing said of those before."""
        self.rest()
        if self._peer is None or options != self._options:
            self.end()
            self._options = options
            self._peer = self._stack.enter_context(browsing(self._jid, *options))
        self._peer.forget()
        return self._peer

    def rest(self) -> None:
        """Have it hang up, if it still lives."""
        if self._peer is None:
            return
        peer, idle = self._peer, {"event": "idle"}
        peer.forget()
        with suppress(BrokenPipeError):
            peer.tell("hangup")
        wait_until(lambda: idle in peer.events() or not peer.alive or None, 20, peer.said)
        if not peer.alive:
            self.end()

    def end(self) -> None:
        """End it."""
        self._peer = None
        self._stack.close()


@pytest.fixture(scope="module")
def browsers(lab: None) -> Iterator[dict[str, Browser]]:
    """To start a browser takes seconds: a module has one for each user, whichever gateways."""
    kept = {jid: Browser(jid) for jid in (ALICE, BOB)}
    yield kept
    for each in kept.values():
        each.end()


@pytest.fixture
def client(gateway: Gateway, browsers: dict[str, Browser]) -> Iterator[Callable[..., Program]]:
    """A client of alice's, or bob's, that answers, or does what it is told.

    Its call ends with the test.
    """

    def online(*command: str, jid: str = ALICE) -> Program:
        flags = [each for each in command if each.startswith("--") and each != "--video"]
        words = [each for each in command if each not in flags]
        peer = browsers[jid].having(*flags)
        if words[:1] == ["call"]:
            peer.tell(" ".join(words))
        return peer

    yield online
    for each in browsers.values():
        each.rest()


@pytest.fixture
def talker(client: Callable[..., Program]) -> Program:
    """The client, told to call by tests, or answering."""
    return client()


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


def sees(browser: Program) -> None:
    """Wait for pictures of the phone's."""
    browser.says(FRAMES)


def sees_nothing(browser: Program) -> None:
    """Make sure of three seconds of the call that there were no pictures in it."""
    browser.forget()
    browser.hears(event="stats")
    assert not re.search(FRAMES, browser.said())
