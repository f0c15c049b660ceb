"""Calls between real phones and real clients, whose media the gateway carries, or rtpengine."""

from collections.abc import Callable

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Linphone, Phone, both_hear, sees, sees_nothing
from tests.peers.hosts import Program

browsers, client, phone = callers.browsers, callers.client, callers.phone
gateway, linphone_caller, plane = (callers.with_plane, callers.linphone_caller, callers.plane)


@pytest.mark.spec("MED-02")
@pytest.mark.spec("MED-27")
def test_a_phone_calls_a_client(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    browser = client()
    caller = phone(dials=f"sip:{ALICE}")
    browser.hears(event="propose", sender=f"{caller.user}/phone")
    browser.hears(event="dtls", state="connected")
    both_hear(caller, browser)
    sees(browser)
    caller.program.tell("hangup")
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
    sees(browser)


@pytest.mark.parametrize("peer", ["{}", "{}/phone"], ids=["proposes", "proposes nothing"])
@pytest.mark.spec("MED-25")
def test_a_client_that_has_one_transport_or_none_calls_a_phone(
    phone: Callable[..., Phone], client: Callable[..., Program], plane: str, peer: str
) -> None:
    """As Conversations does: it takes no answer that leaves a stream out of its bundle, and
    rtpengine has no bundles. So it has sound alone then."""
    callee = phone()
    browser = client("call", peer.format(callee.user), "--video", "--max-bundle")
    both_hear(callee, browser)
    if plane == "embedded":
        sees(browser)
    else:
        sees_nothing(browser)


@pytest.mark.spec("MED-25")
def test_a_phone_calls_a_client_that_has_one_transport_or_none(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """It takes an offer whose bundle is of sound alone, and the picture beside it."""
    browser = client("answer", "--max-bundle")
    caller = phone(dials=f"sip:{ALICE}")
    both_hear(caller, browser)
    sees(browser)


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


@pytest.mark.parametrize("calls", ["phone", "client"])
def test_a_phone_that_knows_ice_finds_a_way_by_it(
    linphone_caller: Callable[..., Linphone], client: Callable[..., Program], calls: str
) -> None:
    linphone = linphone_caller("--ice")
    if calls == "client":
        browser = client("call", linphone.user)
    else:
        browser = client()
        linphone.program.tell(f"call sip:{ALICE}")
    both_hear(linphone, browser)
    linphone.program.hears(event="media", ice="host")
