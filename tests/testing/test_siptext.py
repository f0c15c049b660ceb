"""How scripted phones read SIP, and what they hold against it."""

import pytest

from dragoman.testing.siptext import Cutter, SipText, faults, parameter, user_of

GOOD = (
    b"MESSAGE sip:alice@sip.test SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "A; tag=no" <sip:romeo@xmpp.test;gr=x>;tag=yes\r\n'
    b"To:\r\n <sip:alice@sip.test>\r\n"
    b"Call-ID: c1\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)


def test_a_message_is_read_whatever_its_spelling() -> None:
    message = SipText.parse(GOOD)
    assert message is not None
    assert (message.method, message.target, message.status) == (
        "MESSAGE",
        "sip:alice@sip.test",
        0,
    )
    assert message.get("To") == "<sip:alice@sip.test>"
    assert message.get("Via") == "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1;rport"
    assert parameter(message.get("From") or "", "tag") == "yes"
    assert message.text == "hello"
    assert faults(message, "UDP") == []


def test_what_is_written_reads_back() -> None:
    message = SipText.parse(GOOD)
    assert message is not None
    assert SipText.parse(bytes(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"MESSAGE sip:a@b SIP/2.0\r\nTo: x\r\n",
        b"MESSAGE sip:a@b HTTP/1.1\r\n\r\n",
        b"SIP/2.0 99 No\r\n\r\n",
        b"\xff sip:a@b SIP/2.0\r\n\r\n",
        GOOD + b"!",
        GOOD[:-1],
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    assert SipText.parse(data) is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"Max-Forwards: 70\r\n", b"", "Max-Forwards must come once"),
        (b"c1\r\n", b"c1\r\nCall-ID: c2\r\n", "Call-ID must come once"),
        (b"/UDP", b"/TCP", "Via does not name this transport and its sender"),
        (b"z9hG4bK1", b"1", "Via has no branch of RFC 3261"),
        (b";tag=yes", b"", "From has no tag"),
        (b"1 MESSAGE", b"1 INVITE", "CSeq does not name the method"),
        (b"c1\r\n", b"c1\r\nm: <sip:a@b>\r\n", "MESSAGE must not have a Contact"),
        (b"Content-Type: text/plain\r\n", b"", "body without Content-Type"),
        (b"c1", b"c" * 1300, "MESSAGE is larger than 1300 bytes"),
    ],
)
def test_each_broken_rule_is_named(old: bytes, new: bytes, fault: str) -> None:
    message = SipText.parse(GOOD.replace(old, new))
    assert message is not None
    assert faults(message, "UDP") == [fault]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_is_cut_alike_in_any_pieces(size: int) -> None:
    stream = b"\r\n\r\n" + GOOD + b"\r\n\r\n" + GOOD
    cutter, found = Cutter(), []
    for at in range(0, len(stream), size):
        found += cutter.feed(stream[at : at + size])
    assert found == [GOOD, GOOD]


@pytest.mark.parametrize(
    ("uri", "user"), [("sip:a%20b@x;gr=c", "a%20b"), ("sip:x", ""), ("im:r@x", "r")]
)
def test_user_of(uri: str, user: str) -> None:
    assert user_of(uri) == user
