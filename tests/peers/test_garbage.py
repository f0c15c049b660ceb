"""Bad input on every port: the protocol's own error or a closed stream, and life goes on."""

from collections.abc import Callable
from random import Random

import pytest

from tests.peers.hosts import Gateway, Program, raw, sip_message

NOISE = Random(20).randbytes(3000)
RESIDENT_MIB = 150

STREAM = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' to='sip.example' "
    b"from='xmpp.example' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
)
DOCTYPE = b"<!DOCTYPE bomb [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (STREAM.replace(b"?>", b"?>" + DOCTYPE), b"restricted-xml"),
        (STREAM + b"<!-- a comment -->", b"restricted-xml"),
        (STREAM + b"<?target instruction?>", b"restricted-xml"),
        (
            STREAM + b"<message><body>&undefined;</body></message>",
            b"restricted-xml|not-well-formed",
        ),
        (STREAM + b"<message><body></message>", b"not-well-formed"),
        (STREAM + b"<message><body>\xff\xfe</body></message>", b"unsupported-encoding"),
        (STREAM + b"<a>" * 50_000, b"policy-violation|resource-constraint"),
        (STREAM + b"<message x='" + b"y" * 400_000, b"policy-violation|resource-constraint"),
        (STREAM + b"<message to='carol@sip.example'><body>hi</body></message>", b"not-authorized"),
        (STREAM.replace(b"sip.example", b"nowhere.example"), b"host-unknown"),
        (STREAM.replace(b"jabber:server", b"jabber:nonsense"), b"invalid-namespace"),
        (NOISE, b"not-well-formed|unsupported-encoding|bad-format"),
        (b"GET / HTTP/1.1\r\nHost: sip.example\r\n\r\n", b"not-well-formed|bad-format"),
    ],
    ids=[
        *("doctype", "comment", "instruction", "entity", "mismatch", "not UTF-8", "nested"),
        *("oversize", "too early", "unknown host", "namespace", "noise", "HTTP"),
    ],
)
def test_xmpp_stream_is_closed_by_an_error(gateway: Gateway, data: bytes, condition: bytes) -> None:
    closed, answer = raw(5269, "tcp", data, "--for", "8")
    assert closed
    assert any(b"<" + each in answer for each in condition.split(b"|")), answer[-500:]


@pytest.mark.parametrize("port", [5061, 5270])
def test_a_tls_port_hangs_up_on_anything_else(gateway: Gateway, port: int) -> None:
    closed, _ = raw(port, "tcp", NOISE, "--for", "8")
    assert closed


HEAD = (
    b"MESSAGE sip:alice@xmpp.example SIP/2.0\r\n"
    b"Via: SIP/2.0/%s carol.lab.example;branch=z9hG4bK%d;rport\r\n"
)
REST = (
    b"Max-Forwards: 70\r\nFrom: <sip:carol@sip.example>;tag=1\r\nTo: <sip:alice@xmpp.example>\r\n"
    b"Call-ID: garbage\r\nCSeq: 1 MESSAGE\r\n"
)


@pytest.mark.parametrize(
    "rest",
    [
        b"\r\n",
        REST.replace(b"CSeq: 1 MESSAGE", b"CSeq: one MESSAGE") + b"\r\n",
        REST.replace(b"CSeq: 1 MESSAGE", b"CSeq: 1 OPTIONS") + b"Content-Length: 0\r\n\r\n",
        REST.replace(b"<sip:carol@sip.example>", b'"<sip:carol@sip.example') + b"\r\n",
        REST + b"Content-Length: 5000\r\n\r\nshort",
        REST + b"Subject: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["no headers", "CSeq", "CSeq method", "quotes", "Content-Length", "not UTF-8"],
)
def test_bad_request_by_udp_is_answered_400(gateway: Gateway, rest: bytes) -> None:
    _, answer = raw(5060, "udp", HEAD % (b"UDP", len(rest)) + rest)
    assert answer.startswith(b"SIP/2.0 400 ")


@pytest.mark.parametrize(
    "data",
    [
        NOISE + b"\r\n\r\n",
        HEAD % (b"TCP", 1) + REST + b"Content-Length: -1\r\n\r\n",
        HEAD % (b"TCP", 2) + REST + b"Content-Length: 99999999999\r\n\r\n",
        HEAD % (b"TCP", 3) + b"X: y\r\n" * 50_000,
        HEAD % (b"TCP", 4) + b"X: " + b"y" * 500_000,
        b"\0" * 100_000,
    ],
    ids=["noise", "negative", "gigantic", "many headers", "long header", "zeros"],
)
def test_bad_stream_by_tcp_is_answered_or_closed(gateway: Gateway, data: bytes) -> None:
    closed, answer = raw(5060, "tcp", data, "--for", "8")
    assert closed or answer.startswith((b"SIP/2.0 4", b"SIP/2.0 5"))


def test_noise_by_udp_is_dropped(gateway: Gateway) -> None:
    for data in (NOISE, b"", b"\0" * 1000, b"SIP/2.0 200 OK\r\n\r\n", b"\r\n\r\n"):
        raw(5060, "udp", data, "--for", "0.2")
    assert gateway.alive


def test_after_all_that_messages_cross_and_memory_is_bounded(
    gateway: Gateway, chat: Callable[[str], Program]
) -> None:
    assert gateway.alive
    assert gateway.resident_mib < RESIDENT_MIB
    alice = chat("alice@xmpp.example/lab")
    assert sip_message("sip:alice@xmpp.example", "still here")["status"] in {200, 202}
    alice.hears(event="message", body="still here")
