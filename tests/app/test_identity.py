"""A whole gateway with TLS: a certificate is believed from anywhere, and ours is shown."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from dragoman.app.config import Sip, Tls
from dragoman.app.demo import CAROL, SIP_DOMAIN, XMPP_DOMAIN, zone
from dragoman.app.services import Gateway
from dragoman.net.dns import MemoryResolver
from dragoman.records import Kind, Naptr, Question, Srv
from dragoman.sip.framing import Framer
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, encode, response_to
from dragoman.testing.credentials import names_in
from dragoman.testing.domain import Domain
from dragoman.testing.phone import Phone
from dragoman.testing.stream import body_of
from dragoman.trace import Tap
from tests.house import ALICE, configuration
from tests.net.authority import BOTH, Issued, issue

ELSEWHERE = "127.0.0.9"
BEGINS, ENDS = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=9)
ROOT = issue("Lab CA", ca=True, begins=BEGINS, ends=ENDS)


def certificate(domain: str) -> Issued:
    return issue(domain, ROOT, names=[domain], purposes=BOTH, begins=BEGINS, ends=ENDS)


def context(folder: Path, domain: str, side: int) -> ssl.SSLContext:
    """Return what `domain` uses in the role of `side`; "" has no certificate."""
    made = ssl.SSLContext(side)
    if side == ssl.PROTOCOL_TLS_CLIENT:
        made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(folder / "ca.pem")
    if domain:
        certificate(domain).save(folder, domain)
        made.load_cert_chain(folder / f"{domain}.crt", folder / f"{domain}.key")
    return made


@dataclass
class Secure:
    """A gateway that listens for TLS and WSS, and the XMPP domain behind it."""

    folder: Path
    gateway: Gateway
    domain: Domain
    resolver: MemoryResolver
    ports: list[int] = field(default_factory=list)

    async def says(self, certified: str, sender: str = CAROL) -> int:
        """Send a MESSAGE over TLS from elsewhere; return the status."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.ports[0],
            ssl=context(self.folder, certified, ssl.PROTOCOL_TLS_CLIENT),
            server_hostname=XMPP_DOMAIN,
            local_addr=(ELSEWHERE, 0),
        )
        writer.write(written(sender, "TLS"))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        writer.close()
        return int(head.split(b" ")[1])

    def bodies(self) -> list[str]:
        found = [body_of(each) for each in self.domain.received]
        return [each for each in found if each is not None]


def written(sender: str, transport: str) -> bytes:
    return (
        f"MESSAGE sip:alice@{XMPP_DOMAIN} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} df7jal23ls0d.invalid;branch=z9hG4bK1\r\n"
        f"From: <sip:{sender}>;tag=1\r\nTo: <sip:alice@{XMPP_DOMAIN}>\r\nCall-ID: 1\r\n"
        "CSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\n"
        "Content-Length: 5\r\n\r\nhello"
    ).encode()


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[Secure]:
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    certs = tmp_path / "certs"
    certs.mkdir()
    for name in ("another.test", XMPP_DOMAIN):
        certificate(name).save(certs, name)
    listen = ["udp:127.0.0.1:0", "tls:127.0.0.1:0", "wss:127.0.0.1:0"]
    settings = configuration(tmp_path).model_copy(
        update={
            "sip": Sip(listen=listen),
            "tls": Tls(certificates=certs, trust=str(tmp_path / "ca.pem")),
        }
    )
    resolver = MemoryResolver()
    gateway = Gateway(settings, resolver, Tap(lambda: 0.0))
    await gateway.start()
    phone = await Phone.start(gateway=gateway.sip_address)
    domain = await Domain.start(XMPP_DOMAIN, gateway=gateway.xmpp_address)
    resolver.records.update(zone(gateway, phone, domain))
    built = Secure(tmp_path, gateway, domain, resolver)
    places = gateway.sip.describe()["listeners"]
    assert isinstance(places, list)
    built.ports = [int(each["bound"][0].rpartition(":")[2]) for each in places]
    yield built
    await gateway.stop(1.0)
    await phone.aclose()
    await domain.aclose()


@pytest.mark.parametrize(
    ("certified", "sender", "status"),
    [
        (SIP_DOMAIN, CAROL, 202),
        (SIP_DOMAIN, f"ceo@{XMPP_DOMAIN}", 403),
        ("evil.test", CAROL, 403),
        ("", CAROL, 403),
    ],
)
@pytest.mark.spec("NET-32")
async def test_who_shows_the_certificate_of_his_domain_is_believed_from_anywhere(
    secure: Secure, certified: str, sender: str, status: int
) -> None:
    assert await secure.says(certified, sender) == status
    assert secure.bodies() == (["hello"] if status == 202 else [])


@pytest.mark.parametrize(("certified", "status"), [(SIP_DOMAIN, 202), ("evil.test", 403)])
async def test_the_same_over_a_websocket(secure: Secure, certified: str, status: int) -> None:
    connector = TCPConnector(
        ssl=context(secure.folder, certified, ssl.PROTOCOL_TLS_CLIENT), local_addr=(ELSEWHERE, 0)
    )
    url = f"https://127.0.0.1:{secure.ports[1]}/"
    async with (
        ClientSession(connector=connector) as session,
        session.ws_connect(url, protocols=("sip",)) as socket,
    ):
        await socket.send_bytes(written(CAROL, "WSS"))
        message = await asyncio.wait_for(socket.receive(), 10)
    assert message.data.split(" ")[1] == str(status)


class Server:
    """The SIP server of a domain: it asks for a certificate, and answers 200 to all."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[tuple[Request, frozenset[str]]] = asyncio.Queue()
        self.named: list[str | None] = []

    async def start(self, secure: Secure) -> None:
        accepting = context(secure.folder, SIP_DOMAIN, ssl.PROTOCOL_TLS_SERVER)
        accepting.sni_callback = lambda _, name, __: self.named.append(name)
        self._server = await asyncio.start_server(self._serve, "127.0.0.7", 0, ssl=accepting)
        port = self._server.sockets[0].getsockname()[1]
        srv, host = f"_sips._tcp.{SIP_DOMAIN}", "proxy.host.test"
        secure.resolver.records |= {
            Question(Kind.NAPTR, SIP_DOMAIN): (Naptr(10, 0, "s", "SIPS+D2T", srv),),
            Question(Kind.SRV, srv): (Srv(0, 0, port, host),),
            Question(Kind.ADDRESS, host): ("127.0.0.7",),
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        framer = Framer()
        shown = names_in(writer.get_extra_info("ssl_object"))
        while data := await reader.read(65536):
            for event in framer.receive(data):
                if isinstance(event, Request):
                    self.seen.put_nowait((event, shown))
                    writer.write(encode(response_to(event, 200, to_tag="x")))
        writer.close()

    def close(self) -> None:
        self._server.close()


@pytest.mark.spec("NET-31")
async def test_a_server_with_tls_is_shown_the_certificate_of_the_domain_that_sends(
    secure: Secure,
) -> None:
    server = Server()
    await server.start(secure)
    try:
        secure.domain.message(ALICE, CAROL, "hail")
        request, shown = await asyncio.wait_for(server.seen.get(), 10)
    finally:
        server.close()
    assert request.body == b"hail"
    assert (set(shown), server.named) == ({XMPP_DOMAIN}, [SIP_DOMAIN])
    assert request.via.transport == "TLS"
    assert dict(request.via.params)["alias"] is None
    other = Target(Transport.TLS, "127.0.0.7", 5061, SIP_DOMAIN, "uncertified.test")
    assert "alias" not in secure.gateway._sent_by(other)
