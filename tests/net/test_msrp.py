"""MSRP's sockets on loopback: raw sockets at the other end, which know nothing of our code."""

import asyncio
import hashlib
import re
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path as File
from typing import Any, Final

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from dragoman.errors import LocalError
from dragoman.msrp import (
    Endpoint,
    Event,
    Failed,
    Meeting,
    MessageArrived,
    Path,
    PieceArrived,
    RelayFailed,
    Sent,
    Session,
    SessionFailed,
    Terms,
    Transport,
    Up,
    Why,
)
from dragoman.msrp import Limits as Bounds
from dragoman.msrp import MsrpUri as Uri
from dragoman.net.certificates import Credentials
from dragoman.net.dns import MemoryResolver
from dragoman.net.listen import Gate, Listener, Place
from dragoman.net.msrp import Limits, MsrpSockets
from dragoman.net.msrpstream import BUDGET
from dragoman.net.tls import Tls
from dragoman.net.trust import Trust
from dragoman.records import Answer, DnsFailure, Kind, Question, Srv
from tests.net.authority import BOTH, NOW, Issued, issue

HOST: Final = "gw.example.com"
WITHIN: Final = 10.0
ROOT: Final = issue("Test CA", ca=True)
OWN: Final = issue(HOST, ROOT, names=[HOST], purposes=BOTH)
PEER: Final = issue(
    names=["peer.example", x509.IPAddress(ip_address("127.0.0.1"))],
    issuer=ROOT,
    purposes=BOTH,
)
STRANGER: Final = issue(names=["stranger.example"])


PEERS: "Final[list[Peer]]" = []
"""The raw sockets that are open in this test."""


@dataclass
class House:
    """Our side: an endpoint with sockets, and what it told its user."""

    sockets: MsrpSockets
    events: list[Event] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def endpoint(self) -> Endpoint:
        return self.sockets.endpoint

    def hear(self, events: Sequence[Event]) -> None:
        self.events += events
        self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def told(self, kind: type[Event]) -> Any:
        """Return the first event of a kind, once there is one."""
        await self.until(lambda: any(isinstance(each, kind) for each in self.events))
        return next(each for each in self.events if isinstance(each, kind))

    def prepare(self, transport: Transport = Transport.TCP, **options: Any) -> Session:
        return self.endpoint.prepare(Terms(), transport, **options)

    def start(
        self, session: Session, remote: str, *, active: bool, prints: Sequence[str] = ()
    ) -> None:
        meeting = Meeting(active, fingerprints=tuple(prints))
        session.start(Path.parse(remote), Terms(), meeting, asyncio.get_running_loop().time())
        self.sockets.wake()

    def send(self, session: Session, body: Any, content_type: str = "text/plain") -> Any:
        handle = session.send(content_type, body, asyncio.get_running_loop().time())
        self.sockets.wake()
        return handle


Make = Callable[..., Any]


@pytest.fixture
async def make(tmp_path: File) -> AsyncIterator[Make]:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(ROOT.pem())
    made: list[House] = []

    async def build(
        *places: str,
        bounds: Bounds | None = None,
        records: Mapping[Question, Answer | DnsFailure] | None = None,
        gate: Gate | None = None,
        limits: Limits | None = None,
        origins: Sequence[str] = (),
    ) -> House:
        endpoint = Endpoint(
            dict.fromkeys(Transport, (HOST, 2855)), lambda: secrets.token_hex(12), limits=bounds
        )
        leaf = OWN.certificate
        own = Credentials((HOST,), (leaf,), OWN.key, "test", leaf.not_valid_after_utc)
        tls = Tls(lambda _: own, Trust(bundle), wall=lambda: NOW)
        house: House
        sockets = MsrpSockets(
            endpoint,
            lambda events: house.hear(events),
            tls,
            MemoryResolver(records),
            gate=gate,
            limits=limits,
            origins=origins,
        )
        house = House(sockets)
        made.append(house)
        for each in places:
            listener: Listener = await sockets.listen(Place(each, "127.0.0.1", 0))
            house.ports[each] = listener.addresses[0][1]
        return house

    yield build
    for house in made:
        await asyncio.wait_for(house.sockets.close(), WITHIN)
    while PEERS:
        await PEERS.pop().close()


# -- the other end --------------------------------------------------------------------------


@dataclass
class Peer:
    """A socket, and what is cut out of it by the end-line alone."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __post_init__(self) -> None:
        PEERS.append(self)

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(self.writer.wait_closed(), WITHIN)

    async def hear(self) -> str:
        """Return the next request or response, whole."""
        async with asyncio.timeout(WITHIN):
            line = await self.reader.readuntil(b"\r\n")
            tid = line.split()[1]
            rest = await self.reader.readuntil(b"-------" + tid)
            return (line + rest + await self.reader.readuntil(b"\r\n")).decode()

    async def say(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)
        await self.writer.drain()

    async def accept(self, request: str) -> None:
        """Answer a SEND with 200."""
        await self.say(answer(request))

    async def ended(self) -> bool:
        async with asyncio.timeout(WITHIN):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                return True
            return self.reader.at_eof()


def send(to: object, who: object, body: str | None = None, *, tid: str = "a786hjs2") -> str:
    """Return a SEND as RFC 4975 §11.1 has it; without a body it only binds."""
    text = f"MSRP {tid} SEND\r\nTo-Path: {to}\r\nFrom-Path: {who}\r\nMessage-ID: 8{tid}\r\n"
    if body is None:
        return f"{text}Byte-Range: 1-0/0\r\n-------{tid}$\r\n"
    size = len(body.encode())
    text += f"Byte-Range: 1-{size}/{size}\r\nContent-Type: text/plain\r\n\r\n"
    return f"{text}{body}\r\n-------{tid}$\r\n"


def answer(request: str, status: str = "200 OK") -> str:
    tid = request.split(" ")[1]
    to = re.findall(r"^To-Path: (.*)\r$", request, re.MULTILINE)[0].split()[0]
    back = re.findall(r"^From-Path: (.*)\r$", request, re.MULTILINE)[0]
    return f"MSRP {tid} {status}\r\nTo-Path: {back}\r\nFrom-Path: {to}\r\n-------{tid}$\r\n"


def context(certificate: Issued | None, folder: File, *, server: bool = False) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        certificate.save(folder, "peer")
        made.load_cert_chain(folder / "peer.crt", folder / "peer.key")
    return made


async def dialled(house: House, scheme: str = "tcp", tls: ssl.SSLContext | None = None) -> Peer:
    name = HOST if tls is not None else None
    return Peer(
        *await asyncio.open_connection(
            "127.0.0.1", house.ports[scheme], ssl=tls, server_hostname=name
        )
    )


@dataclass
class Server:
    """A peer that waits for us."""

    port: int
    came: "asyncio.Queue[Peer]"
    scheme: str = "msrp"

    @property
    def path(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/jshA7weztas;tcp"

    async def peer(self) -> Peer:
        return await asyncio.wait_for(self.came.get(), WITHIN)


@pytest.fixture
async def serve() -> AsyncIterator[Make]:
    servers: list[asyncio.Server] = []

    async def build(tls: ssl.SSLContext | None = None, *, window: int = 0) -> Server:
        came: asyncio.Queue[Peer] = asyncio.Queue()
        sock = socket.socket()
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(
            lambda reader, writer: came.put_nowait(Peer(reader, writer)),
            sock=sock,
            ssl=tls,
            limit=window or 65536,
        )
        servers.append(server)
        return Server(sock.getsockname()[1], came, "msrps" if tls else "msrp")

    yield build
    for server in servers:
        server.close()


ALICE: Final = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp"


# -- who connects to us ---------------------------------------------------------------------


async def test_a_peer_connects_and_chats(make: Make) -> None:
    house = await make("tcp")
    session = house.prepare()
    house.start(session, ALICE, active=False)
    peer = await dialled(house)
    await peer.say(send(session.uri, ALICE, "Hi, I'm Alice!"))
    assert (await peer.hear()).startswith("MSRP a786hjs2 200 OK\r\n")
    arrived = await house.told(MessageArrived)
    assert (arrived.session, arrived.body) == (session, b"Hi, I'm Alice!")
    house.send(session, b"Hi, Alice! I'm Bob!")
    request = await peer.hear()
    assert request.splitlines()[1:3] == [f"To-Path: {ALICE}", f"From-Path: {session.uri}"]
    assert "\r\n\r\nHi, Alice! I'm Bob!\r\n-------" in request
    await peer.accept(request)
    await house.told(Sent)
    peer.writer.close()
    failed = await house.told(SessionFailed)
    assert (failed.session, failed.why) == (session, Why.LOST)


async def test_by_tls_with_the_certificate_of_the_store(make: Make, tmp_path: File) -> None:
    house = await make("tls")
    session = house.prepare(Transport.TLS)
    assert str(session.uri).startswith(f"msrps://{HOST}:2855/")
    house.start(session, ALICE, active=False)
    tls = context(None, tmp_path)
    (tmp_path / "root.pem").write_bytes(ROOT.pem())
    peer = await dialled(house, "tls", tls)
    shown = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert x509.load_der_x509_certificate(shown) == OWN.certificate
    await peer.say(send(session.uri, ALICE))
    assert " 200 OK" in await peer.hear()
    await house.told(Up)


@pytest.mark.spec("MSRP-29")
async def test_who_comes_with_another_certificate_gets_no_session(
    make: Make, tmp_path: File
) -> None:
    house = await make("tls")
    session = house.prepare(Transport.TLS)
    print_ = "sha-256 " + PEER.certificate.fingerprint(SHA256()).hex(":").upper()
    house.start(session, ALICE, active=False, prints=[print_])
    peer = await dialled(house, "tls", context(STRANGER, tmp_path))
    await peer.say(send(session.uri, ALICE))
    assert " 403 " in await peer.hear()
    peer = await dialled(house, "tls", context(PEER, tmp_path))
    await peer.say(send(session.uri, ALICE))
    assert " 200 " in await peer.hear()


async def test_junk_is_hung_up_on(make: Make) -> None:
    house = await make("tcp")
    peer = await dialled(house)
    await peer.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await peer.ended()
    await house.until(lambda: not house.sockets.describe()["connections"] or house._news.set())


async def test_who_binds_no_session_is_sent_away(make: Make) -> None:
    house = await make("tcp", bounds=Bounds(bind=0.05))
    assert await (await dialled(house)).ended()


async def test_connections_are_bounded(make: Make) -> None:
    house = await make("tcp", gate=Gate(8, 2))
    peers = [await dialled(house) for _ in range(3)]
    assert await peers[2].ended()
    assert house.sockets.describe()["gate"]["refused"] == 1


async def test_the_endpoints_own_bound(make: Make) -> None:
    house = await make("tcp", bounds=Bounds(connections=1))
    first = await dialled(house)
    session = house.prepare()
    house.start(session, ALICE, active=False)
    await first.say(send(session.uri, ALICE))
    assert " 200 " in await first.hear()
    assert await (await dialled(house)).ended()
    assert house.endpoint.counts["connection refused"] == 1


async def test_tls_that_never_ends(make: Make) -> None:
    limits = Limits()
    hasty = Limits(bounds=type(limits.bounds)(high=1 << 17, low=1 << 15, handshake=0.05))
    house = await make("tls", limits=hasty)
    assert await (await dialled_raw(house, "tls")).ended()


async def dialled_raw(house: House, scheme: str) -> Peer:
    return Peer(*await asyncio.open_connection("127.0.0.1", house.ports[scheme]))


# -- whom we connect to -----------------------------------------------------------------------


async def test_we_connect_and_send_at_once(make: Make, serve: Make) -> None:
    house, server = await make(), await serve()
    session = house.prepare()
    house.start(session, server.path, active=True)
    peer = await server.peer()
    request = await peer.hear()
    assert "Byte-Range: 1-0/0\r\n" in request
    await peer.accept(request)
    await house.told(Up)
    house.send(session, b"hello")
    request = await peer.hear()
    await peer.accept(request)
    await house.told(Sent)


async def test_names_are_looked_up(make: Make, serve: Make) -> None:
    server = await serve()
    records = {Question(Kind.ADDRESS, "peer.example"): ("127.0.0.1",)}
    house = await make(records=records)
    path = f"msrp://peer.example:{server.port}/jshA7weztas;tcp"
    house.start(house.prepare(), path, active=True)
    assert f"To-Path: {path}\r\n" in await (await server.peer()).hear()


@pytest.mark.parametrize(
    "path",
    [
        "msrp://nowhere.example:7654/jshA7weztas;tcp",
        "msrp://broken.example:7654/jshA7weztas;tcp",
        "msrp://127.0.0.1:1/jshA7weztas;tcp",
        "msrps://127.0.0.1:443/jshA7weztas;ws",
    ],
)
async def test_who_cannot_be_reached(make: Make, path: str) -> None:
    records = {Question(Kind.ADDRESS, "broken.example"): DnsFailure("no answer")}
    house = await make(records=records)
    session = house.prepare(Transport.TLS)
    house.start(session, path, active=True)
    handle = house.send(session, b"hello")
    failed = await house.told(SessionFailed)
    assert (failed.session, failed.why) == (session, Why.UNREACHABLE)
    assert (await house.told(Failed)).handle is handle
    assert house.sockets.describe()["dialling"] == 0


async def never(_: Question) -> Answer:
    """Answer no question."""
    await asyncio.Event().wait()
    return ()


async def test_a_name_server_that_says_nothing(make: Make) -> None:
    house = await make(limits=Limits(whole=0.05))
    house.sockets._resolver.ask = never
    house.start(house.prepare(), "msrp://peer.example:7654/jshA7weztas;tcp", active=True)
    failed = await house.told(SessionFailed)
    assert (failed.why, failed.detail) == (Why.UNREACHABLE, "it took too long")


@pytest.mark.spec("MSRP-29")
@pytest.mark.parametrize("host", ["peer.example", "127.0.0.1"])
async def test_tls_to_whom_the_path_names(
    make: Make, serve: Make, tmp_path: File, host: str
) -> None:
    server = await serve(context(PEER, tmp_path, server=True))
    house = await make(records={Question(Kind.ADDRESS, "peer.example"): ("127.0.0.1",)})
    session = house.prepare(Transport.TLS)
    house.start(session, f"msrps://{host}:{server.port}/jshA7weztas;tcp", active=True)
    peer = await server.peer()
    await peer.accept(await peer.hear())
    await house.told(Up)


@pytest.mark.spec("MSRP-29")
@pytest.mark.parametrize("certificate", [STRANGER, issue(names=["peer.example"])])
async def test_tls_to_somebody_else(
    make: Make, serve: Make, tmp_path: File, certificate: Issued
) -> None:
    server = await serve(context(certificate, tmp_path, server=True))
    house = await make(records={Question(Kind.ADDRESS, "peer.example"): ("127.0.0.1",)})
    session = house.prepare(Transport.TLS)
    house.start(session, f"msrps://peer.example:{server.port}/jshA7weztas;tcp", active=True)
    failed = await house.told(SessionFailed)
    assert (failed.why, failed.detail) == (Why.STRANGER, "peer.example")
    peer = await server.peer()
    await house.sockets.close()
    assert await asyncio.wait_for(peer.reader.read(), WITHIN) == b""


@pytest.mark.spec("MSRP-29")
@pytest.mark.parametrize("right", [True, False])
async def test_a_self_signed_certificate_with_the_fingerprint_of_the_sdp(
    make: Make, serve: Make, tmp_path: File, right: bool
) -> None:
    server = await serve(context(STRANGER, tmp_path, server=True))
    house = await make()
    shown = (STRANGER if right else PEER).certificate.fingerprint(SHA256())
    session = house.prepare(Transport.TLS)
    print_ = f"SHA-256 {shown.hex(':').upper()}"
    house.start(session, server.path, active=True, prints=[print_])
    if right:
        assert "Byte-Range: 1-0/0\r\n" in await (await server.peer()).hear()
    else:
        assert (await house.told(SessionFailed)).why is Why.STRANGER


async def test_a_server_that_never_ends_tls(make: Make, serve: Make) -> None:
    limits = Limits()
    hasty = Limits(bounds=type(limits.bounds)(high=1 << 17, low=1 << 15, handshake=0.05))
    server, house = await serve(), await make(limits=hasty)
    session = house.prepare(Transport.TLS)
    house.start(session, server.path.replace("msrp:", "msrps:"), active=True)
    failed = await house.told(SessionFailed)
    assert failed.detail == "TLS took too long"


@pytest.mark.spec("MSRP-30")
@pytest.mark.parametrize("srv", [True, False])
async def test_a_relay_is_found_by_its_srv_records(
    make: Make, serve: Make, tmp_path: File, srv: bool
) -> None:
    relay = issue(names=["relay.example"], issuer=ROOT, purposes=BOTH)
    server = await serve(context(relay, tmp_path, server=True))
    records: dict[Question, Answer | DnsFailure] = {
        Question(Kind.ADDRESS, "one.relay.example"): ("127.0.0.1",),
        Question(Kind.ADDRESS, "relay.example"): ("127.0.0.1",),
    }
    if srv:
        found = (Srv(0, 1, server.port, "one.relay.example."),)
        records[Question(Kind.SRV, "_msrps._tcp.relay.example")] = found
    house = await make(records=records)
    uri = Uri.parse("msrps://relay.example;tcp")
    house.endpoint.relay(uri, lambda *_: None, asyncio.get_running_loop().time())
    house.sockets.wake()
    if srv:
        assert " AUTH\r\n" in await (await server.peer()).hear()
    else:
        assert "127.0.0.1:2855" in (await house.told(RelayFailed)).reason


# -- back-pressure ---------------------------------------------------------------------------


class Pattern:
    """A body of so many octets, made as they are asked for."""

    def __init__(self, size: int) -> None:
        self.size: int | None = size
        self.given = 0
        self.hash = hashlib.sha256()

    def read(self, limit: int) -> bytes:
        assert self.size is not None
        data = bytes(each & 0x7F for each in range(251)) * (limit // 251 + 1)
        data = data[: min(limit, self.size - self.given)]
        self.given += len(data)
        self.hash.update(data)
        return data


SIZE: Final = 24 * 2**20
SLACK: Final = 8 * 2**20
"""What the kernel may hold on both sides of a connection on loopback."""


async def settled(value: Callable[[], int], turns: int = 200) -> int:
    """Return a number once it has stood still for so many turns of the loop."""
    last, still = value(), 0
    async with asyncio.timeout(WITHIN):
        while still < turns:
            await asyncio.sleep(0)
            now = value()
            still = still + 1 if now == last else 0
            last = now
    return last


@pytest.mark.spec("MSRP-40")
@pytest.mark.parametrize("secure", [False, True])
async def test_a_slow_reader(make: Make, serve: Make, tmp_path: File, secure: bool) -> None:
    tls = context(PEER, tmp_path, server=True) if secure else None
    house, server = await make(), await serve(tls, window=65536)
    session = house.prepare(Transport.TLS if secure else Transport.TCP)
    house.start(session, server.path, active=True)
    peer = await server.peer()
    await peer.accept(await peer.hear())
    await house.told(Up)
    peer.writer.transport.pause_reading()
    body = Pattern(SIZE)
    house.send(session, body, "application/octet-stream")
    await settled(lambda: body.given)
    for n in range(50):  # what comes meanwhile is heard, and has nothing more sent
        bare = send(session.uri, server.path, tid=f"d{n:03}hjs2")
        await peer.say(bare.replace("Byte-Range", "Failure-Report: no\r\nByte-Range"))
        await settled(lambda: house.sockets.describe()["connections"][0]["received"], 3)
    (connection,) = house.sockets.describe()["connections"]
    assert body.given < SLACK
    assert connection["congested"]
    assert 0 < connection["waiting"] <= Limits().bounds.high + BUDGET * 2
    peer.writer.transport.resume_reading()
    assert await received(peer) == body.hash.hexdigest()
    assert body.given == SIZE


async def received(peer: Peer) -> str:
    """Take the SENDs of one message, answer each; return the digest of what they held."""
    digest = hashlib.sha256()
    data, size = b"", 0
    async with asyncio.timeout(WITHIN):
        while size < SIZE:
            while b"\r\n\r\n" not in data:
                data += await peer.reader.read(1 << 20)
            head, _, data = data.partition(b"\r\n\r\n")
            end = b"\r\n-------" + head.split()[1]
            while True:
                at = data.find(end)
                if at >= 0 and len(data) >= at + len(end) + 3:
                    break
                keep = len(data) - len(end) - 3
                if keep > 0:
                    digest.update(data[:keep])
                    size += keep
                    data = data[keep:]
                data += await peer.reader.read(1 << 20)
            digest.update(data[:at])
            size += at
            data = data[at + len(end) + 3 :]
            await peer.accept(head.decode() + "\r\n")
    return digest.hexdigest()


@pytest.mark.spec("MSRP-40")
@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_a_slow_consumer_closes_the_window(make: Make, tmp_path: File, scheme: str) -> None:
    house = await make(scheme)
    session = house.prepare(Transport[scheme.upper()], streams=True)
    house.start(session, ALICE, active=False)
    peer = await dialled(house, scheme, context(None, tmp_path) if scheme == "tls" else None)
    await peer.say(send(session.uri, ALICE))
    assert " 200 " in await peer.hear()
    session.pause()
    house.sockets.wake()
    body = Pattern(SIZE)
    head = send(session.uri, ALICE, "", tid="b786hjs2").replace("1-0/0", f"1-*/{SIZE}")
    head = head.partition("\r\n\r\n")[0] + "\r\n\r\n"

    async def write() -> None:
        await peer.say(head)
        while body.given < SIZE:
            await peer.say(body.read(65536))
        await peer.say("\r\n-------b786hjs2$\r\n")

    writing = asyncio.create_task(write())
    sent = await settled(lambda: body.given)
    (connection,) = house.sockets.describe()["connections"]
    assert 0 < sent < SLACK
    assert connection["received"] < 2 * 2**20
    assert not any(isinstance(each, PieceArrived) for each in house.events)
    digest, octets = hashlib.sha256(), 0
    session.resume()
    house.sockets.wake()
    arrived = await house.told(MessageArrived)
    await writing
    for event in house.events:
        if isinstance(event, PieceArrived):
            digest.update(event.data)
            octets += len(event.data)
    assert (octets, arrived.total) == (SIZE, SIZE)
    assert digest.hexdigest() == body.hash.hexdigest()
    assert " 200 " in await peer.hear()


# -- WebSocket --------------------------------------------------------------------------------


@pytest.mark.spec("MSRP-31")
async def test_a_browser_by_websocket(make: Make, tmp_path: File) -> None:
    house = await make("wss", origins=["https://chat.example"])
    session = house.prepare(Transport.WS)
    assert str(session.uri).endswith(";ws")
    browser = "msrps://df7jal23ls0d.invalid:2855/98cjs;ws"
    house.start(session, browser, active=False)
    tls = context(None, tmp_path)
    url = f"wss://127.0.0.1:{house.ports['wss']}/"
    async with ClientSession() as client:
        page = {"Origin": "https://chat.example"}
        async with client.ws_connect(url, protocols=["msrp"], ssl=tls, headers=page) as ws:
            assert ws.protocol == "msrp"
            await ws.send_str(send(session.uri, browser, "Hi, I'm Alice!"))
            reply = await ws.receive(WITHIN)
            assert reply.data.startswith("MSRP a786hjs2 200 OK\r\n")
            assert (await house.told(MessageArrived)).body == b"Hi, I'm Alice!"
            await ws.send_bytes(send(session.uri, browser, "é", tid="c786hjs2").encode())
            assert "c786hjs2 200" in (await ws.receive(WITHIN)).data
            house.send(session, "wörld".encode())
            heard = await ws.receive(WITHIN)
            assert heard.type is WSMsgType.TEXT
            assert heard.data.endswith("$\r\n")
            assert "\r\n\r\nwörld\r\n" in heard.data
            await ws.send_str(answer(heard.data))
            await house.told(Sent)
            await house.sockets.close()
            assert (await ws.receive(WITHIN)).data == 1001


@pytest.mark.spec("MSRP-31")
async def test_a_long_message_by_websocket_is_many(make: Make, tmp_path: File) -> None:
    house = await make("wss")
    session = house.prepare(Transport.WS)
    browser = "msrps://df7jal23ls0d.invalid:2855/98cjs;ws"
    house.start(session, browser, active=False)
    url = f"wss://127.0.0.1:{house.ports['wss']}/"
    body = bytes(range(256)) * 4096
    async with (
        ClientSession() as client,
        client.ws_connect(url, protocols=["msrp"], ssl=context(None, tmp_path)) as ws,
    ):
        await ws.send_str(send(session.uri, browser))
        assert " 200 " in (await ws.receive(WITHIN)).data
        house.send(session, body, "application/octet-stream")
        found = b""
        while len(found) < len(body):
            heard = await ws.receive(WITHIN)
            data = heard.data if isinstance(heard.data, bytes) else heard.data.encode()
            head, _, rest = data.partition(b"\r\n\r\n")
            found += rest[: rest.rindex(b"\r\n-------")]
            await ws.send_str(answer(head.decode() + "\r\n"))
        assert found == body
        await house.told(Sent)


@pytest.mark.spec("MSRP-31")
@pytest.mark.parametrize(
    ("protocol", "origin", "status"),
    [("sip", "https://chat.example", 400), ("msrp", "https://evil.example", 403)],
)
async def test_a_websocket_for_something_else(
    make: Make, tmp_path: File, protocol: str, origin: str, status: int
) -> None:
    house = await make("wss", origins=["https://chat.example"])
    url = f"wss://127.0.0.1:{house.ports['wss']}/"
    async with ClientSession() as client:
        with pytest.raises(WSServerHandshakeError) as caught:
            await client.ws_connect(
                url,
                protocols=[protocol],
                ssl=context(None, tmp_path),
                headers={"Origin": origin},
            )
    assert caught.value.status == status


# -- the end ------------------------------------------------------------------------------------


async def test_what_waits_is_sent_before_all_is_closed(make: Make) -> None:
    house = await make("tcp")
    session = house.prepare()
    house.start(session, ALICE, active=False)
    peer = await dialled(house)
    await peer.say(send(session.uri, ALICE))
    await house.told(Up)
    assert " 200 " in await peer.hear()
    session.send("text/plain", b"goodbye", asyncio.get_running_loop().time())
    await house.sockets.close()
    assert "\r\n\r\ngoodbye\r\n" in await peer.hear()
    assert await peer.ended()
    with pytest.raises(OSError, match=r"(?i)connect"):
        await dialled(house)


async def test_dialling_is_given_up_with_the_rest(make: Make) -> None:
    house = await make()
    house.sockets._resolver.ask = never
    session = house.prepare()
    house.start(session, "msrp://peer.example:7654/jshA7weztas;tcp", active=True)
    await settled(lambda: house.sockets.describe()["dialling"])
    assert house.sockets.describe()["dialling"] == 1
    await house.sockets.close()
    assert (await house.told(SessionFailed)).why is Why.UNREACHABLE


async def test_a_place_that_is_taken(make: Make) -> None:
    house = await make("tcp")
    with pytest.raises(LocalError, match="another program listens"):
        await house.sockets.listen(Place("tcp", "127.0.0.1", house.ports["tcp"]))
