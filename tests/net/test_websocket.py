"""SIP on one WebSocket: whole messages however they are cut, and a code for every violation."""

import struct
from collections.abc import Iterator

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason

from dragoman.net.websocket import HANDSHAKE, MOST_HEAD, SipWebSocket
from tests.net.test_handshake import PLAIN
from tests.net.test_siptcp import REQUEST


class Client:
    """The other end: wsproto as a client, and a socket whose handshake is over."""

    def __init__(self, *, most: int = 65535) -> None:
        self.frames = Connection(ConnectionType.CLIENT)
        self.socket = SipWebSocket(most=most)
        self.socket.receive(PLAIN, 0.0)
        (answer,) = self.socket.to_send()
        assert answer.startswith(b"HTTP/1.1 101 ")

    def send(self, *events: Event, now: float = 0.0) -> None:
        self.socket.receive(b"".join(self.frames.send(event) for event in events), now)

    def heard(self) -> list[Event]:
        for data in self.socket.to_send():
            self.frames.receive_data(data)
        return list(self.frames.events())

    def code(self) -> int:
        """Return the code that the connection was closed with."""
        (event,) = self.heard()
        assert isinstance(event, CloseConnection)
        assert self.socket.violation
        return event.code


@pytest.fixture
def client() -> Client:
    return Client()


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """Return a masked frame, by hand, with a mask of zeros."""
    assert len(payload) < 126
    return struct.pack("!BBI", (0x80 if fin else 0) | opcode, 0x80 | len(payload), 0) + payload


def pieces(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def test_text_and_binary_messages(client: Client) -> None:
    client.send(TextMessage(data=REQUEST.decode()), BytesMessage(data=REQUEST + b"\xff"))
    assert client.socket.inbox == [REQUEST, REQUEST + b"\xff"]


def test_a_message_in_fragments_byte_by_byte(client: Client) -> None:
    whole = frame(1, "é".encode()[:1], fin=False) + frame(9, b"hey") + frame(0, b"", fin=False)
    whole += frame(0, "é".encode()[1:] + b" SIP")
    for byte in pieces(whole):
        client.socket.receive(byte, 0.0)
    assert client.socket.inbox == ["é SIP".encode()]
    assert client.heard() == [Pong(payload=b"hey")]


def test_the_handshake_byte_by_byte_and_frames_right_behind_it() -> None:
    socket = SipWebSocket()
    for byte in pieces(PLAIN[:-1]):
        socket.receive(byte, 0.0)
    assert socket.to_send() == []
    assert not socket.send(b"too early")
    socket.receive(PLAIN[-1:] + frame(1, b"hello"), 0.0)
    assert socket.inbox == [b"hello"]


def test_messages_out_are_text_where_they_can_be(client: Client) -> None:
    assert client.socket.send("SIP/2.0 200 ökay".encode())
    assert client.socket.send(b"\xff")
    heard = client.heard()
    assert heard == [TextMessage(data="SIP/2.0 200 ökay"), BytesMessage(data=b"\xff")]


@pytest.mark.spec("NET-27")
def test_pings_of_both_kinds_are_answered(client: Client) -> None:
    client.send(Ping(payload=b"1"), TextMessage(data="\r\n\r\n"), TextMessage(data="\r\n"), now=5.0)
    assert client.heard() == [Pong(payload=b"1"), TextMessage(data="\r\n")]
    assert client.socket.inbox == []
    assert client.socket.used == 5.0


@pytest.mark.parametrize("fragments", [1, 11])
def test_a_message_too_big_is_1009(fragments: int) -> None:
    client = Client(most=100)
    client.send(TextMessage(data="x" * 100))
    assert client.socket.inbox == [b"x" * 100]
    last = fragments - 1
    for number in range(fragments):
        piece = "x" * (10 if last else 101)
        client.send(TextMessage(data=piece, message_finished=number == last))
    assert client.code() == CloseReason.MESSAGE_TOO_BIG
    assert len(client.socket.inbox) == 1
    assert not client.socket.send(b"x")


def test_a_length_alone_takes_no_memory() -> None:
    client = Client(most=100)
    client.socket.receive(struct.pack("!BBQI", 0x82, 0xFF, 2**62, 0) + b"x" * 101, 0.0)
    assert client.code() == CloseReason.MESSAGE_TOO_BIG
    assert not client.socket._message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x05hello", CloseReason.PROTOCOL_ERROR),
        (frame(1 | 0x40, b"x"), CloseReason.PROTOCOL_ERROR),
        (frame(3, b""), CloseReason.PROTOCOL_ERROR),
        (frame(0, b"x"), CloseReason.PROTOCOL_ERROR),
        (frame(9, b"x", fin=False), CloseReason.PROTOCOL_ERROR),
        (frame(8, b"x"), CloseReason.PROTOCOL_ERROR),
        (frame(1, b"\xff"), CloseReason.INVALID_FRAME_PAYLOAD_DATA),
        (frame(1, b"\xc3"), CloseReason.INVALID_FRAME_PAYLOAD_DATA),
        (frame(8, b"\x03\xe8"), CloseReason.NORMAL_CLOSURE),
        (frame(8, b"\x0f\xa0bye"), 4000),
        (frame(8, b""), CloseReason.NO_STATUS_RCVD),
    ],
    ids=[
        "no mask",
        "reserved bit",
        "opcode",
        "continues nothing",
        "ping in pieces",
        "half a code",
        "not UTF-8",
        "half of UTF-8",
        "closed",
        "closed with a code",
        "closed without one",
    ],
)
def test_the_end_has_a_code(client: Client, data: bytes, code: int) -> None:
    client.socket.receive(data + frame(1, b"late"), 0.0)
    assert client.code() == code
    client.socket.receive(frame(1, b"later"), 0.0)
    assert client.socket.inbox == []


def test_we_say_when_we_leave(client: Client) -> None:
    client.socket.farewell()
    assert client.code() == CloseReason.GOING_AWAY
    client.socket.farewell()
    assert client.socket.to_send() == []
    client.socket.closed(0.0)


@pytest.mark.parametrize("length", [MOST_HEAD - 1, MOST_HEAD, 100 * MOST_HEAD])
def test_the_head_is_bounded(length: int) -> None:
    socket = SipWebSocket()
    socket.receive(b"GET / HTTP/1.1\r\n", 0.0)
    socket.receive(b"x" * (length - 16), 0.0)
    assert bool(socket.violation) is (length >= MOST_HEAD)
    socket.receive(b"x" * 16 + b"\r\n\r\n", 0.0)
    (answer,) = socket.to_send()
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert not socket._head


def test_a_refusal_is_sent_once() -> None:
    socket = SipWebSocket()
    socket.receive(PLAIN.replace(b": sip", b": xmpp") * 2, 0.0)
    (answer,) = socket.to_send()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert "does not speak SIP" in socket.violation
    socket.farewell()
    assert (socket.to_send(), socket.next_timer()) == ([], None)


def test_the_handshake_must_be_over_in_time() -> None:
    socket = SipWebSocket(began=100.0)
    socket.receive(PLAIN[:20], 101.0)
    assert socket.next_timer() == 100.0 + HANDSHAKE
    socket.on_timer(100.0 + HANDSHAKE - 1)
    assert not socket.violation
    socket.on_timer(100.0 + HANDSHAKE)
    assert socket.to_send()[0].startswith(b"HTTP/1.1 408 ")
    assert socket.violation
    quick = Client().socket
    quick.on_timer(1e9)
    assert (quick.next_timer(), quick.violation) == (None, "")
