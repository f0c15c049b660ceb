"""SIP on one stream: pings, violations, and silence toward a peer that has not proved itself."""

from pathlib import Path

import pytest

from dragoman.errors import RemoteError
from dragoman.net.siptcp import WHOLE, SipStream
from dragoman.net.tls import Peer
from dragoman.net.trust import Trust, Use
from dragoman.sip.endpoint import Target, Transport
from dragoman.sip.message import parse
from tests.net.authority import NOW, Issued, issue

REQUEST = (
    b"OPTIONS sip:gw.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@a.example>;tag=1\r\nTo: <sip:gw.example>\r\nCall-ID: 1\r\n"
    b"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
)
ROOT = issue("Lab CA", ca=True)
TARGET = Target(Transport.TLS, "192.0.2.1", 5061, "a.example")


@pytest.mark.spec("NET-35")
def test_messages_whole_and_byte_by_byte() -> None:
    whole, slow = SipStream(), SipStream()
    whole.receive(REQUEST * 2, 0.0)
    for byte in REQUEST * 2:
        slow.receive(bytes([byte]), 0.0)
    assert [bytes(each) for each in whole.inbox] == [bytes(each) for each in slow.inbox]
    assert len(whole.inbox) == 2


@pytest.mark.spec("NET-27")
def test_a_ping_is_answered() -> None:
    stream = SipStream()
    stream.receive(b"\r\n\r\n", 0.0)
    assert stream.to_send() == [b"\r\n"]
    stream.receive(b"\r\n", 0.0)
    assert stream.to_send() == []


def test_a_violation_is_answered_once_and_is_the_end() -> None:
    stream = SipStream()
    stream.receive(REQUEST + REQUEST.replace(b"Content-Length: 0", b"Subject: none"), 0.0)
    assert len(stream.inbox) == 1
    (answer,) = stream.to_send()
    response = parse(answer)
    assert answer.startswith(b"SIP/2.0 400 ")
    assert response.get("Call-ID") == "1"
    assert ";tag=" in (response.get("To") or "")
    assert "Content-Length" in stream.violation
    stream.receive(REQUEST, 0.0)
    assert len(stream.inbox) == 1
    assert stream.to_send() == []


def test_a_violation_that_cannot_be_answered() -> None:
    stream = SipStream()
    stream.receive(b"GET / HTTP/1.1\r\n\r\n", 0.0)
    assert stream.violation
    assert stream.to_send() == []


def peer(tmp_path: Path, leaf: Issued) -> Peer:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    return Peer((leaf.certificate,), Trust(tmp_path / "ca.pem"), lambda: NOW, Use.SIP)


@pytest.mark.spec("NET-31")
def test_nothing_leaves_before_the_peer_has_proved_itself(tmp_path: Path) -> None:
    stream = SipStream(target=TARGET, tls=True)
    assert stream.send(b"secret")
    assert stream.to_send() == []
    stream.secured(peer(tmp_path, issue("a", ROOT, names=["a.example"])), 0.0)
    assert stream.to_send() == [b"secret"]


@pytest.mark.parametrize("names", [["b.example"], ["*.example"], []])
@pytest.mark.spec("NET-31")
def test_another_domain_gets_nothing(tmp_path: Path, names: list[str]) -> None:
    stream = SipStream(target=TARGET, tls=True)
    assert stream.send(b"secret")
    with pytest.raises(RemoteError, match=r"certificate for a\.example: it is not for"):
        stream.secured(peer(tmp_path, issue("a", ROOT, names=names)), 0.0)
    assert stream.to_send() == []


def test_who_connects_to_us_need_prove_nothing(tmp_path: Path) -> None:
    stream = SipStream()
    stream.secured(peer(tmp_path, issue("a")), 0.0)
    assert stream.send(b"hello")
    assert stream.to_send() == [b"hello"]
    assert stream.identity is not None


def test_what_waits_is_bounded() -> None:
    stream = SipStream(target=TARGET, tls=True, most=10)
    assert stream.send(b"0123456789")
    assert not stream.send(b"x")
    assert SipStream(target=TARGET, most=0).send(b"x")


def pinged(pauses: list[float]) -> SipStream:
    return SipStream(target=TARGET, began=1000.0, pause=lambda: pauses.pop(0))


@pytest.mark.spec("NET-27")
def test_a_connection_of_ours_is_pinged_at_random_times() -> None:
    stream = pinged([95.0, 120.0, 100.0])
    assert stream.next_timer() == 1095.0
    stream.on_timer(1094.9)
    assert stream.to_send() == []
    stream.on_timer(1095.0)
    assert stream.to_send() == [b"\r\n\r\n"]
    assert stream.next_timer() == 1105.0
    stream.receive(b"\r\n", 1095.1)
    assert stream.next_timer() == 1215.0
    stream.on_timer(1105.0)
    assert (stream.to_send(), stream.mute) == ([], False)
    stream.on_timer(1215.0)
    assert stream.to_send() == [b"\r\n\r\n"]


@pytest.mark.spec("NET-27")
def test_who_does_not_answer_a_ping_is_gone() -> None:
    stream = pinged([95.0, 95.0])
    stream.on_timer(1095.0)
    stream.on_timer(1104.9)
    assert not stream.mute
    stream.on_timer(1105.0)
    assert stream.mute
    assert stream.next_timer() is None


def test_anything_that_comes_shows_that_the_peer_lives() -> None:
    stream = pinged([95.0, 95.0])
    stream.on_timer(1095.0)
    stream.receive(REQUEST[:7], 1104.0)
    stream.on_timer(1105.0)
    assert not stream.mute
    stream.receive(REQUEST[7:], 1105.0)
    assert len(stream.inbox) == 1


@pytest.mark.spec("NET-27")
def test_two_pongs_are_not_a_ping() -> None:
    stream = pinged([95.0, 95.0, 95.0])
    for now in (1095.0, 1190.0):
        stream.on_timer(now)
        assert stream.to_send() == [b"\r\n\r\n"]
        stream.receive(b"\r\n", now + 0.1)
        assert stream.to_send() == []
    stream.receive(b"\r\n\r\n", 1191.0)
    assert stream.to_send() == [b"\r\n"]


def test_pings_are_no_use_but_those_of_the_peer() -> None:
    stream = pinged([95.0, 95.0, 95.0])
    stream.on_timer(1095.0)
    stream.receive(b"\r\n", 1095.1)
    assert stream.used == 1000.0
    stream.receive(b"\r\n\r\n", 1100.0)
    assert stream.used == 1100.0
    stream.receive(REQUEST, 1110.0)
    assert stream.used == 1110.0


def test_who_connected_to_us_is_not_pinged_and_nothing_follows_the_end() -> None:
    stream = SipStream()
    stream.send(b"x")
    stream.on_timer(1e9)
    assert stream.to_send() == [b"x"]
    assert stream.next_timer() is None
    stream.send(b"y")
    stream.farewell()
    stream.closed(0.0)
    assert stream.to_send() == []


@pytest.mark.spec("NET-38")
def test_a_message_that_trickles_has_a_time_to_be_whole() -> None:
    stream = SipStream()
    assert stream.next_timer() is None
    for second, byte in enumerate(REQUEST[:20]):
        stream.receive(bytes([byte]), float(second))
    assert stream.next_timer() == WHOLE
    stream.on_timer(WHOLE - 1)
    assert stream.violation == ""
    stream.on_timer(WHOLE)
    assert stream.violation == "a message took too long to arrive"


def test_the_time_begins_anew_with_each_message() -> None:
    stream = SipStream()
    stream.receive(REQUEST[:50], 0.0)
    stream.receive(REQUEST[50:] + REQUEST[:50], 30.0)
    assert stream.next_timer() == 30.0 + WHOLE
    stream.receive(REQUEST[50:], 50.0)
    assert stream.next_timer() is None
    assert len(stream.inbox) == 2


def test_half_a_ping_is_no_message_that_has_to_end() -> None:
    stream = SipStream()
    stream.receive(b"\r\n", 0.0)
    assert stream.next_timer() is None
    stream.receive(b"MES", 1.0)
    assert stream.next_timer() == 1.0 + WHOLE


def test_a_connection_that_came_in_is_pinged_once_requests_of_ours_go_over_it() -> None:
    stream = SipStream()
    assert stream.next_timer() is None
    stream.keep_alive(lambda: 95.0, 1000.0)
    stream.keep_alive(lambda: 1.0, 1001.0)
    assert stream.next_timer() == 1095.0
    stream.on_timer(1095.0)
    assert stream.to_send() == [b"\r\n\r\n"]
    stream.on_timer(1105.0)
    assert stream.mute
