"""Calls between real phones and real clients, whose media the gateway carries, or rtpengine."""

import re
import time
from collections.abc import Callable

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Phone, both_hear
from tests.peers.hosts import Program, fresh, wait_until

browser, client, phone = callers.browser, callers.client, callers.phone
plane, gateway = callers.plane, callers.gateway

FRAMES = r'"video":\{"received":\{"packets":[0-9]+,"bytes":[0-9]+,"frames":[1-9]'


def sees(browser: Program, plane: str) -> None:
    """Wait for pictures of the phone's, which rtpengine has none of: it knows no BUNDLE."""
    if plane == "embedded":
        browser.says(FRAMES)
    else:
        browser.hears(event="stats")
        assert not re.search(FRAMES, browser.said())


@pytest.mark.spec("MED-02")
@pytest.mark.spec("MED-27")
def test_a_phone_calls_a_client(
    phone: Callable[..., Phone], client: Callable[..., Program], plane: str
) -> None:
    browser = client()
    caller = phone(dials=f"sip:{ALICE}", seconds=12)
    browser.hears(event="propose", sender=f"{caller.user}/phone")
    browser.hears(event="dtls", state="connected")
    both_hear(caller, browser)
    sees(browser, plane)
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
    phone: Callable[..., Phone], client: Callable[..., Program], plane: str
) -> None:
    """The device that it calls is but a name of ours."""
    callee = phone()
    browser = client("call", f"{callee.user}/phone", "--video")
    browser.hears(event="dtls", state="connected")
    both_hear(callee, browser)
    sees(browser, plane)


@pytest.mark.parametrize(
    "parameters",
    [
        ("audio_codecs=PCMU/8000/1",),
        ("transport=tls", "mediaenc=srtp-mand"),
        ("mediaenc=dtls_srtp",),
        ("medianat=ice",),
        ("mediaenc=dtls_srtp", "medianat=ice"),
        ("transport=tls", "mediaenc=srtp-mand", "medianat=ice"),
    ],
    ids=["G.711", "SDES", "DTLS-SRTP", "ICE", "DTLS-SRTP and ICE", "SDES and ICE"],
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
        ("medianat=ice",),
        ("mediaenc=dtls_srtp", "medianat=ice"),
    ],
    ids=["G.711", "SDES", "ICE", "DTLS-SRTP and ICE"],
)
@pytest.mark.spec("MED-26")
def test_a_phone_that_offers_media_in_another_way_calls_a_client(
    phone: Callable[..., Phone], client: Callable[..., Program], parameters: tuple[str, ...]
) -> None:
    browser = client()
    caller = phone(*parameters, dials=f"sip:{ALICE}")
    both_hear(caller, browser)


@pytest.fixture
def checked(start: Callable[..., Program]) -> Callable[[], tuple[str, Program]]:
    """Linphone that knows ICE, and does not insist on it."""

    def registered() -> tuple[str, Program]:
        name = fresh("linphone-ice")
        peer = start("dave", "linphone_user", name, "tcp", "ice")

        def is_registered() -> bool | None:
            peer.tell("register-status ALL")
            time.sleep(0.5)
            return "State: LinphoneRegistrationOk" in peer.said() or None

        wait_until(is_registered, 20, peer.said)
        return f"{name}@sip.example", peer

    return registered


@pytest.mark.parametrize("calls", ["phone", "client"])
def test_a_phone_that_knows_ice_finds_a_way_by_it(
    checked: Callable[[], tuple[str, Program]], client: Callable[..., Program], calls: str
) -> None:
    """It has no sound, and so says nothing: what it has of ICE is in its statistics."""
    user, linphone = checked()
    if calls == "client":
        browser = client("call", user)
    else:
        browser = client()
        linphone.tell(f"call sip:{ALICE}")
    browser.hears(event="dtls", state="connected")
    linphone.says("ICE state: Host connection")
    linphone.says("Sent-InterarrivalJitter: 0[.]00[0-9]*[1-9]")  # it reports of what it hears


@pytest.mark.spec("MED-17")
def test_whoever_has_no_phone_is_gone(client: Callable[..., Program]) -> None:
    browser = client("call", "nobody@sip.example")
    browser.says(r'"(terminated|reject|retract|finish|ended|error)"')
