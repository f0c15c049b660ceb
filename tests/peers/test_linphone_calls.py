"""Calls between Linphone and Chromium, with what is heard and seen at both ends looked at."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Linphone, both_hear
from tests.peers.hosts import Program, wait_until

browsers, client = callers.browsers, callers.client
linphone_caller, talker = callers.linphone_caller, callers.talker

SEEN: Final = r'"video":\{"received":\{"packets":[0-9]+,"bytes":[0-9]+,"frames":[1-9]'
WAYS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "plain": ((), "none"),
    "G.711": (("--codecs", "PCMU,PCMA"), "none"),
    "SDES": (("--transport", "tls", "--encryption", "srtp"), "srtp"),
    "DTLS-SRTP": (("--encryption", "dtls"), "dtls"),
}
ICE: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "ICE": (("--ice",), "none"),
    "DTLS-SRTP and ICE": (("--ice", "--encryption", "dtls"), "dtls"),
}
Caller = Callable[..., Linphone]


@pytest.mark.parametrize(("options", "encryption"), (WAYS | ICE).values(), ids=WAYS | ICE)
@pytest.mark.spec("MED-25")
def test_a_client_calls_linphone(
    linphone_caller: Caller, talker: Program, options: tuple[str, ...], encryption: str
) -> None:
    callee = linphone_caller(*options)
    talker.tell(f"call {callee.user}")
    both_hear(callee, talker)
    ice = "host" if "--ice" in options else "off"
    callee.program.hears(event="media", encryption=encryption, ice=ice)


@pytest.mark.parametrize(("options", "encryption"), (WAYS | ICE).values(), ids=WAYS | ICE)
@pytest.mark.spec("MED-26")
def test_linphone_calls_a_client(
    linphone_caller: Caller, talker: Program, options: tuple[str, ...], encryption: str
) -> None:
    caller = linphone_caller(*options)
    caller.program.tell(f"call sip:{ALICE}")
    both_hear(caller, talker)
    ice = "host" if "--ice" in options else "off"
    caller.program.hears(event="media", encryption=encryption, ice=ice)
    caller.program.tell("bye")
    talker.hears(event="terminated", reason="success")


def both_see(phone: Linphone, browser: Program) -> None:
    browser.says(SEEN)
    browser.hears(event="video received", codec="video/VP8")
    phone.program.hears(event="media", video="VP8")
    said = phone.program.said
    wait_until(lambda: shown(phone), 10, lambda: f"no picture came to the phone:\n{said()[-2000:]}")


def shown(phone: Linphone) -> bool | None:
    """Tell whether pictures were decoded; None: not yet."""
    found = (each for each in phone.program.events() if each["event"] == "pictures")
    return any(each["received"] > 0 for each in found) or None


@pytest.mark.spec("MED-01")
def test_a_client_calls_linphone_by_sound_and_picture(
    linphone_caller: Caller, talker: Program
) -> None:
    callee = linphone_caller("--video", "VP8")
    talker.tell(f"call {callee.user} --video")
    both_hear(callee, talker)
    both_see(callee, talker)


@pytest.mark.spec("MED-02")
def test_linphone_calls_a_client_by_sound_and_picture(
    linphone_caller: Caller, talker: Program
) -> None:
    caller = linphone_caller("--video", "VP8")
    caller.program.tell(f"call sip:{ALICE}")
    both_hear(caller, talker)
    both_see(caller, talker)


@pytest.mark.spec("MED-28")
def test_digits_go_both_ways(linphone_caller: Caller, talker: Program) -> None:
    """RFC 4733: what comes as telephone-events, Chromium says as the tones of a keypad."""
    caller = linphone_caller()
    caller.program.tell(f"call sip:{ALICE}")
    both_hear(caller, talker)
    talker.tell("digits 5")
    caller.program.hears(event="digit", digit="5")
    caller.program.tell("digits 9")
    talker.hears(event="digit", digit="9")


@pytest.mark.spec("MED-15")
def test_each_holds_the_other(linphone_caller: Caller, talker: Program) -> None:
    caller = linphone_caller()
    phone = caller.program
    phone.tell(f"call sip:{ALICE}")
    both_hear(caller, talker)
    phone.tell("hold")
    talker.hears(event="hold")
    phone.hears(event="call", state="held")
    phone.tell("resume")
    talker.hears(event="resumed")
    phone.forget()
    phone.hears(event="sound", what="tone")
    talker.tell("hold")
    phone.hears(event="call", state="is-held")
    phone.forget()
    talker.tell("resume")
    phone.hears(event="call", state="running")
    phone.hears(event="sound", what="tone")
