"""A whole gateway that believes what web servers say of certificates (POSH: RFC 7711, RFC 7712)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dragoman.app.check import Level, published
from dragoman.app.config import Configuration, Tls, Xmpp
from dragoman.app.demo import XMPP_DOMAIN
from dragoman.log import fields_of
from dragoman.net.certificates import CertificateStore
from dragoman.net.dns import MemoryResolver
from dragoman.net.posh import Posh
from dragoman.records import Kind, Question
from dragoman.testing.credentials import self_signed
from dragoman.testing.domain import Domain
from dragoman.testing.stream import body_of
from dragoman.xmpp.posh import PATH, document
from tests.house import ALICE, House, build, configuration, tear_down
from tests.net.test_posh import ROOT, made, site

SHOWN, OTHER = self_signed("hosting.test"), self_signed(XMPP_DOMAIN)
WEB = made(ROOT, XMPP_DOMAIN)
PAGE = f"{XMPP_DOMAIN}{PATH}"


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def settings(folder: Path) -> Configuration:
    xmpp = Xmpp(
        listen=["starttls:127.0.0.1:0"],
        posh=True,
        posh_networks=["127.0.0.0/8"],
        require_certificate=[XMPP_DOMAIN],
    )
    (folder / "ca.pem").write_bytes(ROOT.pem())
    tls = Tls(certificates=folder / "certs", trust=str(folder / "ca.pem"))
    return configuration(folder).model_copy(update={"xmpp": xmpp, "tls": tls})


@asynccontextmanager
async def web_server(folder: Path, page: str, asked: list[str]) -> AsyncIterator[int]:
    """Serve a document as https://xmpp.test has it, none where it is empty; yield the port."""
    async with site(folder, certificate=WEB) as served:
        served.asked = asked
        served.pages |= {PAGE: page} if page else {}
        yield served.port


def on_port(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have web servers asked at a port that a test may listen at."""
    usual = Posh.__init__.__kwdefaults__
    assert usual is not None
    monkeypatch.setitem(usual, "port", port)


@asynccontextmanager
async def house(
    folder: Path, listed: bytes, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> AsyncIterator[House]:
    """Build a house whose far server shows a certificate of another name; `listed` is published."""
    async with web_server(folder, document([der(listed)], 3600), asked) as port:
        on_port(port, monkeypatch)
        domain = await Domain.start(XMPP_DOMAIN, credentials=SHOWN, verify=False)
        built = await build(folder, settings=settings(folder), domain=domain)
        built.resolver.records[Question(Kind.ADDRESS, XMPP_DOMAIN)] = ("127.0.0.1",)
        try:
            yield built
        finally:
            await tear_down(built)


@pytest.mark.spec("NET-40")
async def test_a_certificate_that_the_domains_web_server_lists_is_good_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    async with house(tmp_path, SHOWN.certificate, monkeypatch, asked) as built:
        saying = asyncio.create_task(built.says(f"alice@{XMPP_DOMAIN}", "wherefore"))
        assert body_of(await built.domain.next_stanza()) == "wherefore"
        assert await saying == 202, "its own stream, with the pong, is believed as well"
        built.domain.message(ALICE, "carol@sip.test", "romeo")
        assert (await built.phone.next_request()).text == "romeo"
        assert asked == [PAGE], "asked once, for both directions"


@pytest.mark.spec("NET-40")
async def test_one_that_it_does_not_list_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    async with house(tmp_path, OTHER.certificate, monkeypatch, asked) as built:
        assert await built.says(f"alice@{XMPP_DOMAIN}", "wherefore") == 504
        assert asked == [PAGE]
        assert built.stanzas() == []
        assert "not-authorized" in built.domain.ended


@pytest.mark.spec("NET-40")
async def test_who_shows_a_certificate_that_is_listed_comes_in_by_external(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []
    caplog.set_level("INFO")
    async with house(tmp_path, SHOWN.certificate, monkeypatch, asked) as built:
        built.domain.external = True
        built.domain.message(ALICE, "carol@sip.test", "romeo")
        assert (await built.phone.next_request()).text == "romeo"
        assert asked == [PAGE]
    [came] = [fields_of(each) for each in caplog.records if each.message == "stream in"]
    assert (came["remote"], came["by"]) == (XMPP_DOMAIN, "external")


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize("shows", [True, False], ids=["another certificate", "no certificate"])
async def test_nobody_else_comes_in_and_who_shows_nothing_has_nobody_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shows: bool
) -> None:
    asked: list[str] = []
    async with house(tmp_path, OTHER.certificate, monkeypatch, asked) as built:
        built.domain.external = True
        if not shows:
            built.domain.connecting = without_certificate()
        built.domain.message(ALICE, "carol@sip.test", "romeo")
        assert await built.domain.next_end() == "not-authorized"
        assert built.domain.streams_out == {}
        assert built.phone.received == []
        assert asked == ([PAGE] if shows else [])


def without_certificate() -> ssl.SSLContext:
    """Return a context to connect with that shows no certificate and believes every one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("pages", "level", "words"),
    [
        ("shown", Level.OK, "lists the certificate shown"),
        ("other", Level.WARNING, "lists other certificates"),
        ("none", Level.OK, "publishes no certificates"),
    ],
)
async def test_the_doctor_says_whether_our_own_certificate_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: str, level: Level, words: str
) -> None:
    store = CertificateStore(tmp_path / "certs", tmp_path)
    shown = store.pick(XMPP_DOMAIN).chain[0].public_bytes(Encoding.DER)
    page = {"shown": document([shown], 60), "other": document([der(OTHER.certificate)], 60)}
    resolver = MemoryResolver({Question(Kind.ADDRESS, XMPP_DOMAIN): ("127.0.0.1",)})
    async with web_server(tmp_path, page.get(pages, ""), []) as port:
        on_port(port, monkeypatch)
        [found] = await published(settings(tmp_path), XMPP_DOMAIN, resolver, store)
    assert found.level is level
    assert words in found.text
