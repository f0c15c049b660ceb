"""XMPP sockets: streams over loopback, with TLS from the first byte too."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dragoman.net.certificates import LOOK_AGAIN, CertificateStore, self_signed
from dragoman.net.listen import Listener, Place
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust
from dragoman.net.xmpp import AnyStream, XmppLine, XmppSockets
from dragoman.xmpp.locate import Target
from dragoman.xmpp.s2s_in import AskedFor, IncomingStream
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stream import Policy, StartTls
from tests.net.authority import Issued, issue

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
        for event in stream.events():
            match event:
                case StartTls(domain):
                    self.lines[stream].start_tls(domain)
                case AskedFor(domain) if isinstance(stream, IncomingStream):
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


# -- TLS as OpenSSL sees it, by way of the standard library ------------------------------------


@dataclass
class Server:
    """A server that speaks TLS first of all, and remembers what its clients asked for."""

    context: ssl.SSLContext
    names: list[str | None] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)
    said: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.context.sni_callback = lambda _, name, __: self.names.append(name)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocols.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        self.said.put_nowait(await reader.readuntil(b">"))
        await reader.read()
        writer.close()


@pytest.mark.spec("NET-03")
@pytest.mark.parametrize("domain", ["far.example", "b\u00fccher.example"])
async def test_direct_tls_out_names_the_domain_and_the_protocol(
    tmp_path: Path, domain: str
) -> None:
    now = datetime.now(UTC)
    shown = issue("far", names=["target.example"], begins=now, ends=now + timedelta(days=1))
    shown.save(tmp_path, "far")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "far.crt", tmp_path / "far.key")
    context.set_alpn_protocols(["xmpp-client", "xmpp-server"])
    far = Server(context)
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]

    loop, listening = asyncio.get_running_loop(), Listening()
    own = self_signed(["near.example"], now)
    sockets = XmppSockets(listening, Tls(lambda _: own, Trust("")), loop.time)
    target = Target("127.0.0.1", port, direct_tls=True, domain=domain)
    try:
        _, stream, line = await sockets.connect(
            [target],
            lambda each: OutgoingStream(
                "near.example", domain, policy=Policy(), secret=b"s", direct_tls=each.direct_tls
            ),
        )
        listening.lines[stream] = line
        async with asyncio.timeout(5):
            said = await far.said.get()
        assert far.names == [domain.encode("idna").decode()]
        assert far.protocols == ["xmpp-server"]
        assert said.startswith(b"<?xml")
    finally:
        sockets.abort()
        server.close()
        await server.wait_closed()


@dataclass
class Clock:
    seconds: float = 0.0


@asynccontextmanager
async def listening_with(
    folder: Path, scheme: str, clock: Clock
) -> AsyncIterator[tuple[Listener, Listening]]:
    """Listen with the certificates of a folder."""
    store = CertificateStore(folder, folder / "state", clock=lambda: clock.seconds)
    loop, heard = asyncio.get_running_loop(), Listening()
    sockets = XmppSockets(heard, Tls(store.pick, Trust("")), loop.time)
    [listener] = await sockets.listen(
        [Place(scheme, "127.0.0.1", 0)],
        lambda direct: IncomingStream(
            policy=Policy(), secret=b"s", token=lambda: "id-1", direct_tls=direct
        ),
        heard.accepted,
    )
    try:
        yield listener, heard
    finally:
        sockets.stop_listening()
        sockets.abort()


def renewed(folder: Path, *names: str, stem: str = "near") -> bytes:
    """Put a new certificate into the folder; return it."""
    now = datetime.now(UTC)
    made: Issued = issue(stem, names=names, begins=now, ends=now + timedelta(days=90))
    made.save(folder, stem)
    os.utime(folder / f"{stem}.crt", ns=(made.certificate.serial_number % 2**60,) * 2)
    return ssl.PEM_cert_to_DER_cert(made.pem().decode())


async def reach(
    address: tuple[str, int], name: str | None
) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        *address, ssl=context, server_hostname=name or ""
    )
    return writer.get_extra_info("ssl_object").getpeercert(True), reader, writer


async def test_new_certificates_are_shown_and_open_streams_go_on(tmp_path: Path) -> None:
    clock = Clock()
    old = renewed(tmp_path, "near.example")
    async with listening_with(tmp_path, "tls", clock) as (listener, _), asyncio.timeout(5):
        seen, reader, writer = await reach(listener.addresses[0], "near.example")
        assert seen == old
        new = renewed(tmp_path, "near.example")
        clock.seconds += LOOK_AGAIN
        seen, _, other = await reach(listener.addresses[0], "near.example")
        assert seen == new
        assert new != old
        writer.write(HEADER)
        assert b"from='near.example'" in await reader.readuntil(b"</stream:features>")
        for each in (writer, other):
            each.close()


async def test_the_name_asked_for_picks_the_certificate(tmp_path: Path) -> None:
    near = renewed(tmp_path, "near.example", stem="a")
    rooms = renewed(tmp_path, "rooms.near.example", stem="b")
    wild = renewed(tmp_path, "*.near.example", stem="c")
    async with listening_with(tmp_path, "tls", Clock()) as (listener, _), asyncio.timeout(5):
        for name, shown in (
            ("near.example", near),
            ("rooms.near.example", rooms),
            ("other.near.example", wild),
            ("stranger.example", near),
        ):
            seen, _, writer = await reach(listener.addresses[0], name)
            assert seen == shown, name
            writer.close()


async def test_without_a_certificate_a_self_signed_one_is_shown_and_stays(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        async with listening_with(tmp_path, "tls", Clock()) as (listener, _), asyncio.timeout(5):
            shown, _, writer = await reach(listener.addresses[0], "near.example")
            seen.append(shown)
            writer.close()
    assert seen[0] == seen[1]
