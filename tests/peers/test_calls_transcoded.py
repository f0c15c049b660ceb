"""Calls between phones and clients that have no codec in common: each hears the other's tone."""

from collections.abc import Callable

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Phone, both_hear
from tests.peers.hosts import Gateway, Program

pytest.importorskip("av", reason="PyAV is not here: dragoman[transcode] has it")

browser, client, phone = callers.browser, callers.client, callers.phone

OPUS = ("--codecs", "opus,telephone-event")
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
