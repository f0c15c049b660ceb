"""What cannot be delivered comes back to its sender, as the mapped error and in time."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.hosts import Gateway, Program, fresh, raw, sip_message

TIMER_F = 32
"""RFC 3261 §17.1.2.2: no request without INVITE may stay unanswered for longer (seconds)."""

Chat = Callable[[str], Program]


def refusal(user: Program, to: str, text: str, seconds: float = TIMER_F + 8) -> dict[str, Any]:
    """Send a message and return the error that its sender hears."""
    user.tell(f"{to} {text}")
    sent = user.hears(event="sent", to=to)
    return user.hears(seconds, event="message", type="error", id=sent["id"])


@pytest.mark.parametrize("domain", ["xmpp.example", "jabber.example"])
def test_unknown_xmpp_user(gateway: Gateway, domain: str) -> None:
    # Both servers say service-unavailable: an account must not be told from none.
    assert sip_message(f"sip:nobody@{domain}", "anyone?")["status"] == 403


@pytest.mark.parametrize("jid", ["alice@xmpp.example/lab", "bob@jabber.example/lab"])
def test_unknown_sip_user(gateway: Gateway, chat: Chat, jid: str) -> None:
    error = refusal(chat(jid), "nobody@sip.example", "anyone?")
    assert (error["error"], error["error_type"]) == ("item-not-found", "cancel")
    assert error["sender"] == "nobody@sip.example"
    assert error["error_text"] == "Not registered"


@pytest.mark.parametrize(
    ("domain", "status"),
    [("xmpp-refused", 504), ("xmpp-silent", 504), ("xmpp-none", 404)],
)
def test_unreachable_xmpp_domain(gateway: Gateway, domain: str, status: int) -> None:
    answer = sip_message(f"sip:romeo@{domain}.broken.example", "anyone?")
    assert answer["status"] == status
    assert answer["seconds"] <= TIMER_F


@pytest.mark.parametrize("domain", ["sip-refused", "sip-silent"])
def test_unreachable_sip_domain(gateway: Gateway, chat: Chat, domain: str) -> None:
    to = f"romeo@{domain}.broken.example"
    error = refusal(chat("alice@xmpp.example/lab"), to, "anyone?")
    assert (error["error"], error["error_type"]) == ("remote-server-timeout", "wait")
    assert error["sender"] == to


def test_a_loop_is_refused_both_ways(gateway: Gateway, chat: Chat) -> None:
    error = refusal(chat("alice@xmpp.example/lab"), "romeo@loop.broken.example", "hall of mirrors")
    assert (error["error"], error["error_type"]) == ("item-not-found", "cancel")
    assert sip_message("sip:romeo@loop.broken.example", "hall of mirrors")["status"] == 482


def test_oversize_body_to_sip(gateway: Gateway, chat: Chat) -> None:
    error = refusal(chat("alice@xmpp.example/lab"), f"{fresh('carol')}@sip.example", "long " * 3000)
    assert (error["error"], error["error_type"]) == ("policy-violation", "modify")


MESSAGE = (
    "MESSAGE sip:alice@xmpp.example SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} {host};branch=z9hG4bKpeer{tag};rport\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:carol@sip.example>;tag={tag}\r\n"
    "To: <sip:alice@xmpp.example>\r\nCall-ID: {tag}@{host}\r\nCSeq: 1 MESSAGE\r\n"
    "Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
)


def message(transport: str, host: str, tag: str, body: bytes) -> bytes:
    head = MESSAGE.format(transport=transport, host=host, tag=tag, length=len(body))
    return head.encode() + body


def test_oversize_body_to_xmpp(gateway: Gateway) -> None:
    # From the host of sip.example's own server, so that only its size is wrong.
    data = message("TCP", "kamailio.lab.example", "oversize", b"x" * 300_000)
    _, answer = raw(5060, "tcp", data, host="kamailio")
    assert answer.startswith((b"SIP/2.0 413 ", b"SIP/2.0 513 "))


@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_a_stranger_cannot_claim_a_domain(gateway: Gateway, chat: Chat, kind: str) -> None:
    alice = chat("alice@xmpp.example/lab")
    data = message(kind.upper(), "carol.lab.example", f"stranger{kind}", b"it is me, carol")
    _, answer = raw(5060, kind, data)
    assert answer.startswith(b"SIP/2.0 403 ")
    assert sip_message("sip:alice@xmpp.example", "and this is true")["status"] in {200, 202}
    alice.hears(event="message", body="and this is true")
    assert "it is me" not in alice.said()
