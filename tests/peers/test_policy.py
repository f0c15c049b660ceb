"""With xmpp.require_certificate, a server whose certificate nobody signed is refused."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers.conftest import Start
from tests.peers.hosts import Gateway, Program, forget_state, sip_message


@pytest.fixture(scope="module")
def strict(lab: None) -> Iterator[Gateway]:
    forget_state()
    with Gateway(environment={"DRAGOMAN_XMPP__REQUIRE_CERTIFICATE": "true"}) as running:
        yield running
        running.stop()


def test_self_signed_sender_is_refused(
    strict: Gateway, start: Start, baresip: Callable[..., Program]
) -> None:
    carol = baresip("carol")
    sam = start(
        *("alice", "xmpp_user", "sam@selfsigned.example/lab", "--insecure"),
        *("send", "carol@sip.example", "let me in", "--for", "60"),
    )
    sent = sam.hears(event="sent")
    error = sam.hears(40, event="message", type="error", id=sent["id"])
    assert error["error"] in {"remote-server-not-found", "remote-server-timeout"}
    assert "let me in" not in carol.said()


def test_self_signed_recipient_is_refused(strict: Gateway, start: Start) -> None:
    sam = start(
        *("alice", "xmpp_user", "sam@selfsigned.example/lab", "--insecure"),
        *("listen", "--for", "60"),
    )
    sam.hears(event="presence", type="available")
    answer = sip_message("sip:sam@selfsigned.example", "are you who you say")
    assert answer["status"] >= 400
    assert "are you who" not in sam.said()


def test_a_signed_certificate_still_passes(strict: Gateway, start: Start) -> None:
    bob = start("bob", "xmpp_user", "bob@jabber.example/lab", "listen", "--for", "60")
    bob.hears(event="presence", type="available")
    assert sip_message("sip:bob@jabber.example", "papers please")["status"] in {200, 202}
    bob.hears(event="message", body="papers please")
