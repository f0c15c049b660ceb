"""The cores below MSRP: when who came has a connection, what is asked of it, and what is not."""

from dataclasses import dataclass, field

import pytest
from wsproto.connection import Connection as Frames
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage

from dragoman.msrp import Connection, Endpoint, Limits, Meeting, Path, Session, Terms, Transport
from dragoman.net.msrpstream import LAST, MOST, MsrpStream, MsrpWebSocket
from tests.msrp.ends import ADDRESSES, tokens
from tests.net.test_handshake import PLAIN

ALICE = "msrps://df7jal23ls0d.invalid:2855/98cjs;ws"
BODY = bytes(range(256)) * 2048


@dataclass
class Side:
    """An endpoint, and how often it was asked for a connection and heard that some was sent."""

    endpoint: Endpoint = field(
        default_factory=lambda: Endpoint({**ADDRESSES, Transport.WS: ("gw", 1)}, tokens("s"))
    )
    asked: list[Transport] = field(default_factory=list)
    sent: int = 0

    def accept(self, transport: Transport) -> Connection | None:
        self.asked.append(transport)
        return self.endpoint.accepted(transport, 0.0)

    def was_sent(self) -> None:
        self.sent += 1

    def stream(self, *, secure: bool = False) -> MsrpStream:
        return MsrpStream(lambda: 0.0, self.accept, self.was_sent, secure=secure)

    def websocket(self) -> MsrpWebSocket:
        return MsrpWebSocket(lambda: 0.0, self.accept, self.was_sent)

    def session(self, transport: Transport = Transport.TCP) -> Session:
        session = self.endpoint.prepare(Terms(), transport)
        session.start(Path.parse(ALICE), Terms(), Meeting(active=False), 0.0)
        return session


def bind(session: Session) -> bytes:
    return (
        f"MSRP a786hjs2 SEND\r\nTo-Path: {session.uri}\r\nFrom-Path: {ALICE}\r\n"
        "Message-ID: 87652491\r\nByte-Range: 1-0/0\r\n-------a786hjs2$\r\n"
    ).encode()


def test_who_comes_by_tcp_is_taken_at_once_and_by_tls_when_he_is_known() -> None:
    side = Side()
    side.stream().open()
    assert side.asked == [Transport.TCP]
    secure = side.stream(secure=True)
    secure.open()
    assert side.asked == [Transport.TCP]
    assert secure.to_send() == []


def test_one_too_many() -> None:
    side = Side(Endpoint(ADDRESSES, tokens("s"), limits=Limits(connections=1)))
    first, second = side.stream(), side.stream()
    first.open()
    second.open()
    second.open()
    assert second.connection is None
    assert second.violation == "there are too many connections"
    second.receive(b"MSRP", 0.0)
    assert second.to_send() == []
    assert side.asked == [Transport.TCP] * 2


@pytest.mark.spec("MSRP-40")
def test_nothing_is_asked_while_the_peer_does_not_read_but_for_what_is_left_in_the_end() -> None:
    side = Side()
    stream, session = side.stream(), side.session()
    stream.receive(bind(session), 0.0)
    assert b" 200 " in b"".join(stream.to_send())
    assert side.sent == 1
    session.send("application/octet-stream", BODY, 0.0)
    stream.congested = True
    assert stream.to_send() == []
    stream.congested = False
    once = sum(map(len, stream.to_send()))
    assert 0 < once < len(BODY)
    assert side.sent == 2
    stream.congested = True
    stream.finish()
    assert once + sum(map(len, stream.to_send())) > len(BODY)
    assert LAST * once > len(BODY)


class Browser:
    """The other end of a WebSocket, whose handshake is over."""

    def __init__(self, side: Side) -> None:
        self.frames = Frames(ConnectionType.CLIENT)
        self.socket = side.websocket()
        assert side.asked == []
        self.socket.receive(PLAIN.replace(b"sip\r\n", b"msrp\r\n"), 0.0)
        (answer,) = self.socket.to_send()
        assert answer.startswith(b"HTTP/1.1 101 ")

    def send(self, *events: Event) -> None:
        self.socket.receive(b"".join(map(self.frames.send, events)), 0.0)

    def heard(self) -> list[Event]:
        self.frames.receive_data(b"".join(self.socket.to_send()))
        return list(self.frames.events())


@pytest.mark.spec("MSRP-31")
def test_text_and_binary_are_chunks() -> None:
    side = Side()
    browser, session = Browser(side), side.session(Transport.WS)
    assert side.asked == [Transport.WS]
    browser.send(TextMessage(data=bind(session).decode()), BytesMessage(data=bind(session)))
    first, second = browser.heard()
    assert isinstance(first, TextMessage)
    assert isinstance(second, TextMessage)
    assert first.data.startswith("MSRP a786hjs2 200 OK\r\n")


@pytest.mark.spec("MSRP-31")
def test_each_chunk_is_one_message() -> None:
    side = Side()
    browser, session = Browser(side), side.session(Transport.WS)
    browser.send(TextMessage(data=bind(session).decode()))
    browser.heard()
    session.send("application/octet-stream", BODY, 0.0)
    found: list[Event] = []
    while some := browser.heard():
        found += some
    assert all(isinstance(each, BytesMessage) and each.message_finished for each in found)
    bodies = [
        each.data.partition(b"\r\n\r\n")[2] for each in found if isinstance(each, BytesMessage)
    ]
    assert b"".join(each[: each.rindex(b"\r\n-------")] for each in bodies) == BODY


@pytest.mark.spec("MSRP-31")
def test_what_is_no_chunk_or_too_long_ends_it() -> None:
    side = Side()
    browser = Browser(side)
    browser.send(BytesMessage(data=bytes(MOST + 1)))
    (event,) = browser.heard()
    assert isinstance(event, CloseConnection)
    assert event.code == 1009
    assert browser.socket.violation
