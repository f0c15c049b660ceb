"""XMPP sockets: streams over loopback, with TLS from the first byte too."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime

from dragoman.net.certificates import self_signed
from dragoman.net.listen import Place
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust
from dragoman.net.xmpp import AnyStream, XmppLine, XmppSockets
from dragoman.xmpp.s2s_in import AskedFor, IncomingStream
from dragoman.xmpp.stream import Policy, StartTls

HEADER = (
    b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" version='1.0' from='far.example' to='near.example'>"
)


class Listening:
    """Serves every domain, and does TLS when it is asked for."""

    def __init__(self) -> None:
        self.lines: dict[AnyStream, XmppLine] = {}

    def accepted(self, stream: IncomingStream, line: XmppLine) -> None:
        self.lines[stream] = line

    def on_stream(self, stream: AnyStream) -> None:
        assert isinstance(stream, IncomingStream)
        for event in stream.events():
            match event:
                case StartTls(domain):
                    self.lines[stream].start_tls(domain)
                case AskedFor(domain):
                    stream.hosted(domain, True, asyncio.get_running_loop().time())
                    self.lines[stream].wake()


def client() -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["xmpp-server"])
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    return context.wrap_bio(received, to_send, server_hostname="near.example"), received, to_send


async def until(
    tls: ssl.SSLObject, received: ssl.MemoryBIO, sock: socket.socket, want: bytes
) -> bytes:
    """Read until `want` was said, answering what TLS asks meanwhile."""
    said = b""
    while want not in said:
        try:
            said += tls.read(4096)
        except ssl.SSLWantReadError:
            received.write(await asyncio.get_running_loop().sock_recv(sock, 4096))
    return said


async def test_a_client_that_speaks_tls_before_anybody_listens_is_understood() -> None:
    credentials = self_signed(["near.example"], datetime.now(UTC))
    loop, listening = asyncio.get_running_loop(), Listening()
    sockets = XmppSockets(listening, Tls(lambda _: credentials, Trust("")), loop.time)
    [listener] = await sockets.listen(
        [Place("tls", "127.0.0.1", 0)],
        lambda direct: IncomingStream(
            policy=Policy(), secret=b"s", token=lambda: "id-1", direct_tls=direct
        ),
        listening.accepted,
    )
    tls, received, to_send = client()
    with socket.create_connection(listener.addresses[0], timeout=5) as sock:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            sock.sendall(to_send.read())  # lies in the kernel before the loop can accept
        sock.setblocking(False)
        async with asyncio.timeout(5):
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    received.write(await loop.sock_recv(sock, 4096))
            tls.write(HEADER)
            await loop.sock_sendall(sock, to_send.read())
            said = await until(tls, received, sock, b"</stream:features>")
    assert b"from='near.example'" in said
    assert tls.selected_alpn_protocol() == "xmpp-server"
    sockets.stop_listening()
    sockets.abort()


async def test_a_stream_is_counted_and_not_read_when_that_is_asked_for() -> None:
    loop, listening = asyncio.get_running_loop(), Listening()
    sockets = XmppSockets(listening, Tls(lambda _: None, Trust("")), loop.time)  # type: ignore[arg-type,return-value]
    [listener] = await sockets.listen(
        [Place("starttls", "127.0.0.1", 0)],
        lambda direct: IncomingStream(policy=Policy(), secret=b"s", token=lambda: "id-1"),
        listening.accepted,
    )
    with socket.create_connection(listener.addresses[0], timeout=5) as sock:
        sock.setblocking(False)
        await loop.sock_sendall(sock, HEADER)
        async with asyncio.timeout(5):
            said = b""
            while b"</stream:features>" not in said:
                said += await loop.sock_recv(sock, 4096)
        [(stream, driver)] = sockets._drivers.items()
        assert sockets.taken(stream) == len(HEADER)
        assert sockets.taken(stream) == 0
        assert not driver.proven
        reading = driver._transport
        assert reading is not None
        sockets.pause(stream)
        assert not reading.is_reading()
        sockets.resume(stream)
        assert reading.is_reading()
        gone = asyncio.Event()
        driver.when_lost(gone.set)
        driver.abort("enough")
        sockets.pause(stream)
        sockets.resume(stream)
        await asyncio.wait_for(gone.wait(), 5)
        sockets.pause(stream)
        sockets.resume(stream)
        assert sockets.taken(stream) == 0
    sockets.stop_listening()
