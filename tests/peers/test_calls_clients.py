"""Calls of real phones with Dino and QXmpp, and of those who have several clients.

What Dino and QXmpp heard is in a file, and is looked at here as what phones heard is.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import (
    ALICE,
    BOB,
    PEERS,
    TONE,
    Linphone,
    Phone,
    Start,
    both_hear,
    browsing,
    has_heard,
)
from tests.peers.hosts import Gateway, Program, fresh, run, wait_until

browsers, client = callers.browsers, callers.client
linphone_caller, talker = callers.linphone_caller, callers.talker
phone = callers.phone

PATIENCE: Final = 30
OTHER_TONE: Final = 1000
"""What a phone says to who takes his own tone, coming back, for an echo."""


def hears(file: Path, who: Program, tone: int = TONE) -> None:
    """Wait until a tone is in the file of what somebody heard."""
    _hears(lambda: has_heard(file, tone) or None, who)


def phone_hears(phone: Phone, tone: int = TONE) -> None:
    """Wait until a phone has heard a tone."""
    _hears(lambda: phone.has_heard(tone), phone.program)


def _hears(heard: Callable[[], bool | None], who: Program) -> None:
    wait_until(heard, PATIENCE, lambda: f"no tone was heard:\n{who.said()[-2000:]}")


# -- QXmpp: neither XEP-0353 nor DTLS --------------------------------------------------


@pytest.fixture
def qxmpp(gateway: Gateway, start: Start) -> Callable[..., tuple[Program, Path]]:
    """QXmpp as bob, for some seconds, with what it is told, and the file of what it hears."""

    def online(seconds: int, *command: str) -> tuple[Program, Path]:
        folder = PEERS / "qxmpp"
        shutil.rmtree(folder, ignore_errors=True)
        words = [f"{BOB}/qxmpp", "secret", str(seconds), folder, *command]
        peer = start("bob", "qxmpp_user", *words)
        peer.says("^connected", 90)  # it may have to be compiled
        return peer, folder / "heard.pcm"

    return online


@pytest.mark.spec("MED-01")
def test_a_client_that_knows_neither_proposals_nor_keys_calls_a_phone(
    phone: Callable[..., Phone], qxmpp: Callable[..., tuple[Program, Path]]
) -> None:
    """It offers RTP in the clear over ICE, and hangs up itself."""
    callee = phone(TONE=str(OTHER_TONE))
    peer, heard = qxmpp(8, "call", f"{callee.user}/phone")
    peer.says("call connected")
    hears(heard, peer, OTHER_TONE)
    phone_hears(callee)
    callee.program.says(f"Call with sip:{BOB}.* terminated")


@pytest.mark.spec("MED-36")
def test_a_phone_calls_a_client_that_knows_neither_proposals_nor_keys(
    phone: Callable[..., Phone], qxmpp: Callable[..., tuple[Program, Path]]
) -> None:
    """It is called by its full JID, and offered what it has said that it can do."""
    peer, heard = qxmpp(16)
    caller = phone(dials=f"sip:{BOB};gr=qxmpp", TONE=str(OTHER_TONE))
    peer.says(f"call from {caller.user}/phone")
    caller.program.says("180 Ringing")
    hears(heard, peer, OTHER_TONE)
    phone_hears(caller)
    caller.program.tell("hangup")
    peer.says("call finished")


# -- Dino: XEP-0353, DTLS-SRTP ---------------------------------------------------------


@pytest.fixture
def dino(gateway: Gateway, start: Start) -> Callable[..., tuple[Program, Path]]:
    """Dino as bob, told to call a phone or to answer it, and the file of what it hears."""
    if not shutil.which("dino-im"):
        pytest.skip("Dino is not here: run tests/lab/install --all")

    def online(peer: str, action: str, resource: str = "dino") -> tuple[Program, Path]:
        program = start("bob", "dino_user", f"{BOB}/{resource}", peer, "120", action)
        return program, PEERS / "dino-bob/heard.wav"

    return online


@pytest.mark.spec("MED-23")
def test_dino_calls_a_phone(
    phone: Callable[..., Phone], dino: Callable[..., tuple[Program, Path]]
) -> None:
    callee = phone(TONE=str(OTHER_TONE), seconds=120)
    run("bob", "xmpp_user", f"{BOB}/lab", "subscribe", callee.user, "--for", "2")
    peer, heard = dino(callee.user, "call")
    peer.says("calling", 90)  # it is started anew until it knows its peer
    hears(heard, peer, OTHER_TONE)
    phone_hears(callee)


@pytest.mark.spec("MED-02")
@pytest.mark.spec("MED-35")
@pytest.mark.parametrize("video", ["", "VP8", "H264"])
def test_a_phone_calls_dino(
    video: str,
    phone: Callable[..., Phone],
    dino: Callable[..., tuple[Program, Path]],
    chat: Callable[..., Program],
) -> None:
    """It takes calls from those only whom it has talked to, or is about to.

    Video that it cannot show makes it decline all; it rings again then, without.
    """
    another = chat(f"{BOB}/lab")
    name = fresh("caller")
    peer, heard = dino(f"{name}@sip.example", "answer", name)
    another.hears(event="presence", sender=f"{BOB}/{name}", type="available", seconds=PATIENCE)
    codecs = [f"video_codecs={video}"] if video else []
    environment = {"TONE": str(OTHER_TONE), "VIDEO": "yes" if video else "no"}
    caller = phone(*codecs, name=name, dials=f"sip:{BOB}", seconds=50, **environment)
    peer.says("pressed Accept", PATIENCE)
    hears(heard, peer, OTHER_TONE)
    phone_hears(caller)


# -- Chromium: libwebrtc ---------------------------------------------------------------


@pytest.mark.spec("MED-02")
def test_a_phone_calls_a_device_of_a_client_by_its_name(
    phone: Callable[..., Phone], talker: Program
) -> None:
    """Nothing is proposed: the device rings by session-initiate."""
    caller = phone(dials=f"sip:{ALICE};gr=webrtc")
    talker.hears(event="incoming", peer=f"{caller.user}/phone", proposed=False, seconds=PATIENCE)
    caller.program.says("180 Ringing")
    both_hear(caller, talker)


# -- phones that do not answer ---------------------------------------------------------


@pytest.mark.spec("MED-17")
def test_a_phone_in_a_call_is_busy(phone: Callable[..., Phone], talker: Program) -> None:
    callee = phone(CALLS="1")
    phone(dials=f"sip:{callee.user}")
    callee.program.says("Call established")
    talker.tell(f"call {callee.user}/phone")
    talker.hears(event="terminated", reason="busy")
    talker.tell(f"call {callee.user}")
    talker.hears(event="reject", reason="busy")


@pytest.mark.spec("MED-17")
def test_a_phone_whose_user_declines(
    linphone_caller: Callable[..., Linphone], talker: Program
) -> None:
    callee = linphone_caller("--manual")
    talker.tell(f"call {callee.user}/phone")
    talker.hears(event="ringing")
    callee.program.tell("bye")
    talker.hears(event="terminated", reason="decline")


@pytest.mark.spec("MED-17")
def test_whoever_has_no_phone_is_gone(talker: Program) -> None:
    nobody = f"{fresh('nobody')}@sip.example"
    talker.tell(f"call {nobody}/phone")
    talker.hears(event="terminated", reason="gone")
    talker.tell(f"call {nobody}")
    talker.hears(event="reject", reason="gone")


# -- several devices of a user ---------------------------------------------------------


@pytest.fixture(scope="module")
def another(gateway: Gateway) -> Iterator[Program]:
    """One more client of alice's, for all calls of this module, that waits to be told."""
    with browsing(f"{ALICE}/mobile") as peer:
        peer.tell("manual")
        yield peer


@pytest.fixture
def devices(talker: Program, another: Program) -> tuple[Program, Program]:
    """Both clients of alice's, neither of which answers by itself."""
    another.forget()
    talker.tell("manual")
    return talker, another


@pytest.mark.spec("MED-23")
def test_all_devices_ring_and_one_answers(
    phone: Callable[..., Phone], devices: tuple[Program, Program]
) -> None:
    one, other = devices
    caller = phone(dials=f"sip:{ALICE}")
    for each in devices:
        each.hears(event="propose", sender=f"{caller.user}/phone", seconds=PATIENCE)
    caller.program.says("180 Ringing")
    one.tell("answer")
    both_hear(caller, one)
    other.hears(event="elsewhere", step="accept", sender=f"{ALICE}/webrtc")
    assert "incoming" not in [each["event"] for each in other.events()]


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(("reason", "status"), [("busy", "486 "), ("decline", "603 ")])
def test_one_device_rejects_for_all(
    reason: str, status: str, phone: Callable[..., Phone], devices: tuple[Program, Program]
) -> None:
    one, other = devices
    caller = phone(dials=f"sip:{ALICE}")
    for each in devices:
        each.hears(event="propose", seconds=PATIENCE)
    other.tell(f"reject {reason}")
    caller.program.says(f"session closed: {status}")
    one.hears(event="elsewhere", step="reject", sender=f"{ALICE}/mobile")


@pytest.mark.spec("MED-18")
def test_a_phone_that_gives_up_is_heard_by_all_devices(
    phone: Callable[..., Phone], devices: tuple[Program, Program]
) -> None:
    caller = phone(dials=f"sip:{ALICE}")
    for each in devices:
        each.hears(event="propose", seconds=PATIENCE)
    caller.program.says("180 Ringing")
    caller.program.tell("hangup")
    for each in devices:
        each.hears(event="retract", sender=f"{caller.user}/phone", reason="cancel")
