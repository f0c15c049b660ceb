"""Calls between phones and clients that have no codec in common: each hears the other's tone."""

from collections.abc import Callable

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, TONE, Phone, both_hear
from tests.peers.hosts import Gateway, Program

pytest.importorskip("av", reason="PyAV is not here: dragoman[transcode] has it")

browsers, client, phone = callers.browsers, callers.client, callers.phone
gateway, plane = callers.with_plane, callers.plane

OPUS = ("--codecs=opus,telephone-event",)
PHONES = {"PCMU": "PCMU/8000/1", "PCMA": "PCMA/8000/1", "G.722": "G722/16000/1"}


@pytest.mark.parametrize("codec", PHONES.values(), ids=PHONES)
@pytest.mark.spec("MED-43")
def test_a_client_that_has_only_opus_calls_a_phone_that_has_not(
    phone: Callable[..., Phone], client: Callable[..., Program], gateway: Gateway, codec: str
) -> None:
    before = transcoded(gateway)
    callee = phone(f"audio_codecs={codec}")
    caller = client("call", callee.user, *OPUS)
    both_hear(callee, caller)
    caller.hears(event="audio received", codec="audio/opus")
    caller.hears(event="audio sent", codec="audio/opus")
    assert transcoded(gateway) == before + 1


@pytest.mark.parametrize("codec", PHONES.values(), ids=PHONES)
@pytest.mark.spec("MED-43")
def test_a_phone_that_has_no_opus_calls_a_client_that_has_nothing_else(
    phone: Callable[..., Phone], client: Callable[..., Program], gateway: Gateway, codec: str
) -> None:
    before = transcoded(gateway)
    callee = client("answer", *OPUS)
    caller = phone(f"audio_codecs={codec}", dials=f"sip:{ALICE}")
    both_hear(caller, callee)
    callee.hears(event="audio received", codec="audio/opus")
    assert transcoded(gateway) == before + 1


@pytest.mark.spec("MED-43")
def test_a_client_that_proposes_nothing_calls_a_phone_that_has_no_opus(
    phone: Callable[..., Phone], client: Callable[..., Program], gateway: Gateway
) -> None:
    """The phone refuses Opus, and is offered more."""
    before = transcoded(gateway)
    callee = phone("audio_codecs=PCMA/8000/1")
    caller = client("call", f"{callee.user}/phone", *OPUS)
    both_hear(callee, caller)
    assert transcoded(gateway) == before + 1


@pytest.mark.spec("MED-28")
@pytest.mark.spec("MED-43")
def test_digits_and_hold_in_such_a_call(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """Events have a clock of 48 kHz at one end and of 8 kHz at the other (RFC 4733 §2.1)."""
    callee = client("answer", *OPUS)
    caller = phone("audio_codecs=PCMU/8000/1", dials=f"sip:{ALICE}")
    both_hear(caller, callee)
    caller.program.tell("sndcode 5")
    callee.hears(event="digit", digit="5")
    callee.tell("digits 7")
    caller.program.says(r"received event: '7' \(end=1\)")
    caller.program.tell("hold")
    callee.hears(event="hold", sender=f"{caller.user}/phone")
    caller.program.tell("resume")
    callee.hears(event="resumed", sender=f"{caller.user}/phone")
    callee.forget()
    callee.tell("listen")
    callee.hears(event="tone", hz=TONE)


@pytest.mark.spec("MED-43")
def test_what_is_common_is_not_decoded(
    phone: Callable[..., Phone], client: Callable[..., Program], gateway: Gateway
) -> None:
    before = transcoded(gateway)
    callee = phone("audio_codecs=PCMA/8000/1")
    both_hear(callee, client("call", callee.user))
    assert transcoded(gateway) == before


def transcoded(gateway: Gateway) -> int:
    """Return how many calls the log calls transcoded."""
    return gateway.said().count("no codec is common")
