"""SIP on one WebSocket: whole messages however they are cut, and a code for every violation.

The last tests have aiohttp's client at the other end of a real connection.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
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

from dragoman.net.driver import StreamDriver
from dragoman.net.sip import Core, Limits
from dragoman.net.siptcp import WHOLE
from dragoman.net.websocket import HANDSHAKE, MOST_HEAD, SipWebSocket
from dragoman.sip.endpoint import Flow, Outgoing, Target, Transport
from dragoman.sip.message import MAX_MESSAGE, Response, parse
from tests.net.authority import BOTH, issue
from tests.net.test_handshake import PLAIN
from tests.net.test_sip import ROOT, Make, make
from tests.net.test_siptcp import REQUEST

__all__ = ["make"]


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


@asynccontextmanager
async def connected(
    target: Target, context: ssl.SSLContext | bool = False, **headers: str
) -> AsyncIterator[ClientWebSocketResponse]:
    """Yield a WebSocket of aiohttp's to a listener of ours."""
    host = f"[{target.address}]" if ":" in target.address else target.address
    url = f"{target.transport.lower()}://{host}:{target.port}/sip"
    async with (
        ClientSession() as session,
        session.ws_connect(url, protocols=("sip",), ssl=context, headers=headers) as socket,
    ):
        yield socket


def ask(method: str, number: int = 1) -> str:
    """Return a request as a browser sends it: from nowhere, and without Content-Length."""
    return (
        f"{method} sip:gw.example SIP/2.0\r\n"
        f"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK{number}\r\n"
        "From: <sip:a@a.example>;tag=1\r\nTo: <sip:gw.example>\r\n"
        f"Call-ID: {number}\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\n"
        "Content-Type: text/plain\r\n\r\nhello"
    )


async def answer(socket: ClientWebSocketResponse) -> Response:
    message = await asyncio.wait_for(socket.receive(), 5)
    assert message.type is WSMsgType.TEXT
    found = parse(message.data.encode())
    assert isinstance(found, Response)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.spec("NET-34")
async def test_a_client_that_is_not_ours(make: Make, scheme: str, host: str) -> None:
    far = make()
    target = await far.at(scheme, host)
    async with connected(target) as socket:
        assert socket.protocol == "sip"
        await socket.send_str(ask("OPTIONS", 1))
        await socket.send_bytes(ask("MESSAGE", 2).encode())
        answers = [await answer(socket) for _ in range(2)]
        await socket.ping(b"still there?")
        await socket.send_str("SIP")
    assert [(each.call_id, each.status) for each in answers] == [("1", 200), ("2", 200)]
    assert [request.body for request in far.requests()] == [b"hello", b"hello"]
    assert {flow.transport for flow in far.flows} == {Transport(scheme.upper())}
    await far.until(lambda: not far.sockets._flows)
    assert far.sockets.endpoint.describe()["unreadable"] == 1


async def test_a_request_of_ours_goes_over_the_open_flow(make: Make) -> None:
    far = make()
    async with connected(await far.at("ws")) as socket:
        await socket.send_str(ask("OPTIONS"))
        await answer(socket)
        far.sockets._send(Outgoing(REQUEST, far.flows[0]))
        message = await asyncio.wait_for(socket.receive(), 5)
        assert message.data == REQUEST.decode()
    await far.until(lambda: not far.sockets._flows)
    far.sockets._send(Outgoing(REQUEST, far.flows[0]))
    far.sockets._turn()
    assert far.sockets.endpoint.describe()["undeliverable"] == 1


@pytest.mark.spec("NET-31", "NET-32")
async def test_over_wss_a_certificate_may_be_shown_too(make: Make, tmp_path: Path) -> None:
    issue("a", ROOT, names=["a.example"], purposes=BOTH).save(tmp_path, "a")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(tmp_path / "a.crt", tmp_path / "a.key")
    far = make()
    async with connected(await far.at("wss"), context) as socket:
        await socket.send_str(ask("OPTIONS"))
        await answer(socket)
        assert far.sockets.vouches(far.flows[0], "a.example")
        assert not far.sockets.vouches(far.flows[0], "b.example")


async def test_the_handshake_of_another_subprotocol_or_page_is_refused(make: Make) -> None:
    far = make(origins={"https://phone.example"})
    target = await far.at("ws")
    async with ClientSession() as session:
        url = f"http://127.0.0.1:{target.port}/"
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(url, protocols=("xmpp",))
        assert refused.value.status == 400
        async with session.get(url) as page:
            assert (page.status, page.headers["Upgrade"]) == (426, "websocket")
    with pytest.raises(WSServerHandshakeError) as refused:
        async with connected(target, Origin="https://evil.example"):
            pass
    assert refused.value.status == 403
    async with connected(target, Origin="https://phone.example") as socket:
        assert socket.protocol == "sip"


async def test_who_is_slow_to_ask_for_a_websocket_is_sent_away(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = make()
    target = await far.at("ws")
    came: asyncio.Queue[StreamDriver] = asyncio.Queue()
    admit = far.sockets._admit

    def noted(driver: StreamDriver, core: Core) -> Flow:
        came.put_nowait(driver)
        return admit(driver, core)

    monkeypatch.setattr(far.sockets, "_admit", noted)
    reader, writer = await asyncio.open_connection(target.address, target.port)
    driver = await asyncio.wait_for(came.get(), 5)
    far.ahead = HANDSHAKE + 1
    driver._on_alarm()
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_the_code_of_what_ends_a_connection(make: Make) -> None:
    far = make()
    target = await far.at("ws")
    async with connected(target) as socket:
        await socket.send_str("x" * (MAX_MESSAGE + 1))
        await asyncio.wait_for(socket.receive(), 5)
        assert socket.close_code == 1009
    async with connected(target) as socket:
        await socket.send_str(ask("OPTIONS"))
        await answer(socket)
        far.sockets._limits = Limits(idle=-1)
        far.sockets._sweep()
        await asyncio.wait_for(socket.receive(), 5)
        assert socket.close_code == 1001
    async with connected(await far.at("ws")) as socket:
        await socket.send_str(ask("OPTIONS", 2))
        await answer(socket)
        closing = asyncio.create_task(far.sockets.close())
        await asyncio.wait_for(socket.receive(), 5)
        assert socket.close_code == 1001
        await closing


@pytest.mark.spec("NET-38")
def test_a_message_that_trickles_has_a_time_to_be_whole(client: Client) -> None:
    assert client.socket.next_timer() is None
    client.send(TextMessage(data="MESS", message_finished=False), now=10.0)
    client.send(TextMessage(data="AGE", message_finished=False), Ping(payload=b""), now=30.0)
    assert client.socket.next_timer() == 10.0 + WHOLE
    client.heard()
    client.socket.on_timer(10.0 + WHOLE)
    assert client.code() == CloseReason.POLICY_VIOLATION
    assert client.socket.next_timer() is None


def test_a_message_that_is_whole_leaves_no_alarm(client: Client) -> None:
    client.send(TextMessage(data="a", message_finished=False), now=10.0)
    client.send(TextMessage(data="b"), TextMessage(data="c", message_finished=False), now=20.0)
    assert client.socket.next_timer() == 20.0 + WHOLE
    client.send(TextMessage(data="d"), now=21.0)
    assert client.socket.next_timer() is None
