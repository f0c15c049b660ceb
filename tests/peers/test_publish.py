"""Presence of an XMPP user, published at Kamailio's presence server (RFC 3903)."""

import re
from collections.abc import Callable, Iterator

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, run, wait_until

CONFIGURATION = """
[[presence.publish]]
domain = "xmpp.example"
server = "kamailio.lab.example"
"""
ASKING = r"""
import socket
ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ours.bind(("198.51.100.50", 5077))
ours.settimeout(3)
ours.sendto("\r\n".join((
    "SUBSCRIBE sip:alice@xmpp.example SIP/2.0",
    "Via: SIP/2.0/UDP 198.51.100.50:5077;branch=z9hG4bK%(number)d",
    "From: <sip:asker@lab.example>;tag=%(number)d", "To: <sip:alice@xmpp.example>",
    "Call-ID: published%(number)d", "CSeq: 1 SUBSCRIBE", "Max-Forwards: 70", "X-Published: yes",
    "Contact: <sip:asker@198.51.100.50:5077>", "Event: presence", "Expires: 0",
    "Accept: application/pidf+xml", "Content-Length: 0", "", "")).encode(), ("198.51.100.30", 5060))
while True:
    data = ours.recv(65536).decode()
    if data.startswith("NOTIFY"):
        print(data.partition("\r\n\r\n")[2])
        break
"""
Chat = Callable[..., Program]


@pytest.fixture(scope="module")
def publishing(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    file = tmp_path_factory.mktemp("publish") / "dragoman.toml"
    file.write_text(CONFIGURATION)
    forget_state()
    with Gateway("--config", file) as running:
        yield running
        running.stop()


def published(pattern: str, numbers: Iterator[int]) -> str:
    """Return what Kamailio tells of Alice, once it has `pattern`."""
    told = [""]

    def found() -> str | None:
        program = ASKING % {"number": next(numbers)}
        told[0] = run("carol", "/usr/bin/python3", "-c", program).decode()
        return told[0] if re.search(pattern, told[0]) else None

    return wait_until(found, 20, lambda: f"{pattern!r} is not in:\n{told[0]}")


def test_a_presence_server_has_what_an_xmpp_user_tells(publishing: Gateway, chat: Chat) -> None:
    """With the gateway among her contacts; what she is, what she becomes, and that she is gone."""
    numbers = iter(range(1, 1000))
    alice = chat("alice@xmpp.example/lab")
    alice.tell("/subscribe sip.example")
    alice.tell("/be away at her window")
    published("at her window", numbers)
    alice.tell("/be dnd in the garden")
    document = published("in the garden", numbers)
    assert "rpid:busy" in document
    assert len(re.findall("<tuple", document)) == 1, "it was modified, not added"
    alice.tell("/unsubscribe sip.example")
    alice.end()
    published("<note[^>]*>Available<", numbers)  # what Kamailio tells of whom it knows nothing
