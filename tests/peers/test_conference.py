"""Conferences across: Linphone mixes, or is told of one; Chromium is told of it, or mixes."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.peers.hosts import Gateway, Program

ALICE: Final = "alice@xmpp.example"
LIBRARY: Final = Path("/opt/lab/stanza.js")
NUMBERS: Final = count(os.getpid() * 100)
SECONDS: Final = 45

Start = Callable[..., Program]


@pytest.fixture(autouse=True)
def _browser(gateway: Gateway) -> None:
    if not (LIBRARY.exists() and shutil.which("chromium")):
        pytest.skip("Chromium and StanzaJS are not here: run tests/lab/install --all")


@pytest.fixture
def client(start: Start) -> Iterator[Callable[..., Program]]:
    """A client of alice's that calls a device of Linphone's, or what stands for one."""
    clients = []

    def calling(name: str, *options: str) -> Program:
        words = (ALICE, str(SECONDS), "call", f"{name}@sip.example/phone", *options)
        peer = start("alice", "webrtc_user", *words)
        clients.append(peer)
        peer.hears(event="connected")
        return peer

    yield calling
    for each in clients:  # whoever kills it leaves its browser behind
        each.leave()


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
    linphone: Callable[..., tuple[str, Program]], client: Callable[..., Program], start: Start
) -> None:
    """By whole documents; Linphone tells of who comes later by a part."""
    name, _ = linphone()
    browser = client(name)
    browser.hears(event="mixer", mixes="true", seconds=20)
    focus, alice = f"sip:{name}@sip.example", f"sip:{ALICE}"
    browser.hears(event="conference", state="full", users=[focus, alice], seconds=20)
    guest = f"guest{next(NUMBERS)}"
    start("carol", "sip_user", guest, "12", "--", f"dial {focus}")
    third = f"sip:{guest}@sip.example"
    browser.hears(event="conference", state="full", users=[alice, third, focus], seconds=20)
    browser.hears(event="conference", state="full", users=[alice, focus], seconds=25)


@pytest.mark.spec("MED-30")
def test_a_phone_hears_who_is_in_the_conference_of_a_client(
    linphone: Callable[..., tuple[str, Program]], client: Callable[..., Program]
) -> None:
    """Linphone subscribes by itself where the Contact has `isfocus`; it does not list itself."""
    name, phone = linphone("--attend")
    browser = client(name, "--focus")
    browser.hears(event="told", version="1", seconds=20)
    phone.hears(event="conference", users=[f"sip:{ALICE}"], seconds=20)
    both = [f"sip:{ALICE}", "sip:mercutio@xmpp.example"]
    phone.hears(event="conference", users=both, seconds=20)
