"""Conferences across: Linphone mixes, or is told of one; Chromium is told of it, or mixes."""

from collections.abc import Callable

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, NUMBERS, Phone
from tests.peers.hosts import Program

browsers, client, phone = callers.browsers, callers.client, callers.phone

Start = Callable[..., Program]


@pytest.fixture
def linphone(start: Start) -> Callable[..., tuple[str, Program]]:
    """Linphone, registered, which holds a conference, or attends one; with its name."""

    def registered(*options: str) -> tuple[str, Program]:
        name = f"room{next(NUMBERS)}"
        peer = start("dave", "linphone_conference", name, "--transport", "udp", *options)
        peer.hears(event="registered")
        return name, peer

    return registered


@pytest.mark.spec("MED-30")
def test_a_client_hears_who_is_in_the_conference_of_a_phone(
    linphone: Callable[..., tuple[str, Program]],
    client: Callable[..., Program],
    phone: Callable[..., Phone],
) -> None:
    """By whole documents; Linphone tells of who comes later by a part."""
    name, _ = linphone()
    browser = client("call", f"{name}@sip.example/phone")
    browser.hears(event="mixer", mixes="true", seconds=20)
    focus, alice = f"sip:{name}@sip.example", f"sip:{ALICE}"
    browser.hears(event="conference", state="full", users=[focus, alice], seconds=20)
    guest = phone(dials=focus)
    third = f"sip:{guest.user}"
    browser.hears(event="conference", state="full", users=[alice, third, focus], seconds=20)
    guest.program.tell("hangup")
    browser.hears(event="conference", state="full", users=[alice, focus], seconds=25)


@pytest.mark.spec("MED-30")
def test_a_phone_hears_who_is_in_the_conference_of_a_client(
    linphone: Callable[..., tuple[str, Program]], client: Callable[..., Program]
) -> None:
    """Linphone subscribes by itself where the Contact has `isfocus`; it does not list itself."""
    name, phone = linphone("--attend")
    browser = client("call", f"{name}@sip.example/phone", "--focus")
    browser.hears(event="told", version="1", seconds=20)
    phone.hears(event="conference", users=[f"sip:{ALICE}"], seconds=20)
    both = [f"sip:{ALICE}", "sip:mercutio@xmpp.example"]
    phone.hears(event="conference", users=both, seconds=20)
