"""Transfers of calls between real phones and real clients, by what each end hears afterwards.

The gateway carries the media, or rtpengine.
"""

from collections.abc import Callable
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, BOB, NUMBERS, TONE, Linphone, Phone
from tests.peers.hosts import Gateway, Program, wait_until

browsers, client, phone = callers.browsers, callers.client, callers.phone
plane, gateway, linphone_caller = callers.plane, callers.with_plane, callers.linphone_caller

HOSTS: Final = ("carol", "dave")


def seconds_heard(browser: Program) -> float:
    """Return for how long the client has heard the tone."""
    return max(
        (each["total"] for each in browser.events() if each.get("event") == "tone"), default=0
    )


def hears_more(browser: Program, seconds: float = 2) -> None:
    """Wait until the client has heard the tone for some more seconds."""
    wanted = seconds_heard(browser) + seconds
    wait_until(
        lambda: seconds_heard(browser) >= wanted or None,
        20,
        lambda: f"no more of the tone:\n{browser.said()[-3000:]}",
    )


def phone_hears(phone: Phone) -> None:
    wait_until(phone.has_heard, 20, lambda: f"no tone:\n{phone.program.said()[-3000:]}")


@pytest.mark.spec("MED-31")
def test_a_phone_that_called_transfers_its_call_to_another(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """After a blind transfer by the phone A to the phone B, the client and B hear each other."""
    online = client()
    other = phone()
    caller = phone(dials=f"sip:{ALICE}")
    online.hears(event="tone", hz=TONE, seconds=20)
    phone_hears(caller)
    caller.program.tell(f"transfer sip:{other.user}")
    other.program.says("Call established")
    caller.program.says("Call with .* terminated")
    hears_more(online)
    phone_hears(other)
    assert not [each for each in online.events() if each.get("event") == "terminated"]


@pytest.mark.spec("MED-31")
def test_a_phone_that_was_called_transfers_its_call_to_another(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    other = phone("mediaenc=dtls_srtp")
    callee = phone()
    online = client("call", callee.user)
    online.hears(event="tone", hz=TONE, seconds=20)
    phone_hears(callee)
    callee.program.tell(f"transfer sip:{other.user}")
    other.program.says("Call established")
    callee.program.says("Call with .* terminated")
    hears_more(online)
    phone_hears(other)


@pytest.mark.spec("MED-31")
def test_a_phone_whose_transfer_fails_goes_on_talking(
    gateway: Gateway, linphone_caller: Callable[[], Linphone], client: Callable[..., Program]
) -> None:
    """RFC 5589 §6.3."""
    online, caller = client(), linphone_caller()
    caller.program.tell(f"call sip:{ALICE}")
    online.hears(event="tone", hz=TONE, seconds=20)
    caller.program.tell("transfer sip:nobody@sip.example")
    gateway.says("not transferred")
    hears_more(online)
    assert not [each for each in online.events() if each.get("event") == "terminated"]


@pytest.mark.parametrize(
    "command",
    ["call-transfer 1 2", "call-transfer 2 1"],
    ids=["the client is called by REFER", "the other phone takes the call over"],
)
def test_linphone_transfers_a_call_that_it_has_announced(
    linphone: Callable[..., Program], client: Callable[..., Program], command: str
) -> None:
    """RFC 5589 §7: by REFER with Replaces to us, or by an INVITE with Replaces of the other."""
    names = [f"linphone{next(NUMBERS)}" for _ in range(2)]
    caller, other = (linphone(name, host) for name, host in zip(names, HOSTS, strict=True))
    online = client()
    caller.tell(f"call sip:{ALICE}")
    caller.says(r"LinphoneCallStreamsRunning\s+From: .*\s+Id: 1")
    caller.tell(f"call sip:{names[1]}@sip.example")
    caller.says(r"LinphoneCallStreamsRunning\s+From: .*\s+Id: 2")
    caller.tell(command)
    other.says(r"LinphoneCallStreamsRunning\s+From: .*\s+Id: 2[\s\S]*JitterBufferSizeMs: [1-9]")
    caller.says(r"LinphoneCallEnd\s+From: .*\s+Id: 1")
    assert not [each for each in online.events() if each.get("event") == "terminated"]
    for each in (caller, other):
        each.tell("quit")


def test_a_client_transfers_its_call_to_another_phone(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """XEP-0251: the phone is asked by REFER; the two phones hear each other afterwards."""
    other, callee = phone(), phone()
    online = client("call", callee.user)
    online.hears(event="tone", hz=TONE, seconds=20)
    phone_hears(callee)
    online.tell(f"transfer {other.user}")
    other.program.says("Call established")
    online.hears(event="terminated", reason="success")
    phone_hears(other)


@pytest.mark.spec("MED-31")
def test_a_phone_transfers_a_client_to_another_client(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """After a blind transfer the two clients hear each other, and hang up on each other."""
    other, online = client(jid=BOB), client()
    caller = phone(dials=f"sip:{ALICE}")
    online.hears(event="tone", hz=TONE, seconds=20)
    phone_hears(caller)
    caller.program.tell(f"transfer sip:{BOB}")
    other.hears(event="tone", hz=TONE, seconds=20)
    caller.program.says("Call with .* terminated")
    hears_more(online)
    hears_more(other)
    assert not [each for each in online.events() if each.get("event") == "terminated"]
    online.tell("hangup")
    other.hears(event="terminated", reason="success")


def test_linphone_joins_two_clients_that_it_talks_to(
    linphone: Callable[..., Program], client: Callable[..., Program]
) -> None:
    """RFC 5589 §7: by REFER with Replaces, which names its call with the second client."""
    caller = linphone(f"linphone{next(NUMBERS)}", "carol")
    other, online = client(jid=BOB), client()
    for number, called in ((1, ALICE), (2, BOB)):
        caller.tell(f"call sip:{called}")
        caller.says(rf"LinphoneCallStreamsRunning\s+From: .*\s+Id: {number}")
    caller.tell("call-transfer 1 2")
    caller.says(r"LinphoneCallEnd\s+From: .*\s+Id: 1")
    caller.says(r"LinphoneCallEnd\s+From: .*\s+Id: 2")
    hears_more(online)
    hears_more(other)
    other.tell("hangup")
    online.hears(event="terminated", reason="success")
    caller.tell("quit")
