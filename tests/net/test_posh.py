"""POSH over HTTPS, from a web server on the loopback: what is asked, believed, kept and refused."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from dragoman.net.dns import MemoryResolver
from dragoman.net.posh import LONGEST, LONGEST_NEGATIVE, Posh
from dragoman.net.trust import Trust, Use, Verdict
from dragoman.records import DnsFailure, Kind, Question
from dragoman.xmpp.posh import LARGEST, PATH, document
from tests.net.authority import Issued, issue

TODAY = datetime.now(UTC)


def made(issuer: Issued | None, *names: str, ca: bool = False) -> Issued:
    """Make a certificate that is good today: the web's client asks the real clock."""
    begins, ends = TODAY - timedelta(days=1), TODAY + timedelta(days=30)
    return issue(names[0], issuer, names=names, ca=ca, begins=begins, ends=ends)


ROOT = made(None, "web-ca.example", ca=True)
WEB = made(ROOT, "far.example", "hosting.example", "b.example")
SHOWN = made(None, "somewhere.else.example")
OTHER = made(None, "far.example")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def listing(*issued: Issued, expires: int = 3600) -> str:
    return document([der(each) for each in issued], expires)


@dataclass
class Site:
    """A web server that answers by host and path, and what fetches from it."""

    posh: Posh
    resolver: MemoryResolver
    port: int
    seconds: list[float]
    pages: dict[str, str | Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def at(self, path: str, host: str = "far.example") -> str:
        return f"https://{host}:{self.port}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        name = f"{request.host.partition(':')[0]}{request.path}"
        self.asked.append(name)
        self.first.set()
        page = self.pages.get(name)
        if page is None:
            raise web.HTTPNotFound
        return web.Response(text=page) if isinstance(page, str) else await page(request)

    async def learns(self, domain: str = "far.example", shown: Issued = SHOWN) -> bool:
        await self.posh.learn(domain)
        return self.posh.lists(domain, shown.certificate)


FAR = f"far.example{PATH}"


@asynccontextmanager
async def site(
    folder: Path, *, certificate: Issued = WEB, allowed: bool = True, **bounds: float
) -> AsyncIterator[Site]:
    certificate.save(folder, "web")
    (folder / "ca.pem").write_bytes(ROOT.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "web.crt", folder / "web.key")
    sites: list[Site] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        return await sites[0].handle(request)

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await place.start()
    port = runner.addresses[0][1]
    names = ("far.example", "hosting.example", "stranger.example", "b.example")
    resolver = MemoryResolver({Question(Kind.ADDRESS, name): ("127.0.0.1",) for name in names})
    seconds = [0.0]
    posh = Posh(
        resolver,
        str(folder / "ca.pem"),
        allowed=["127.0.0.0/8"] if allowed else [],
        port=port,
        clock=lambda: seconds[0],
        **bounds,  # type: ignore[arg-type] # whole numbers and seconds alike
    )
    sites.append(Site(posh, resolver, port, seconds))
    try:
        yield sites[0]
    finally:
        await posh.close()
        await runner.cleanup()


@pytest.mark.spec("NET-40")
async def test_a_listed_certificate_is_good_whatever_its_name(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        web_site.pages[FAR] = listing(SHOWN)
        trust = Trust(tmp_path / "ca.pem", published=web_site.posh.lists)
        chain = [SHOWN.certificate]
        refused = Verdict(good=False, reason="it is self-signed")
        assert trust.judge(chain, "far.example", TODAY) == refused
        assert await web_site.learns()
        assert trust.judge(chain, "far.example", TODAY) == Verdict(good=True)
        assert trust.judge(chain, "far.example", TODAY, Use.SIP) == refused
        assert not trust.vouches(chain, "hosting.example", TODAY)
        assert not trust.vouches([OTHER.certificate], "far.example", TODAY)
        assert not trust.vouches(chain, "far.example", TODAY + timedelta(days=31))
        assert not trust.vouches(chain, "far.example", TODAY - timedelta(days=2))
        assert not Trust(tmp_path / "ca.pem").vouches(chain, "far.example", TODAY)


@pytest.mark.spec("NET-40")
async def test_a_certificate_of_an_authority_for_another_name_may_be_listed(tmp_path: Path) -> None:
    hosted = made(ROOT, "hosting.example")
    async with site(tmp_path) as web_site:
        web_site.pages[FAR] = listing(hosted)
        trust = Trust(tmp_path / "ca.pem", published=web_site.posh.lists)
        assert not trust.vouches([hosted.certificate], "far.example", TODAY)
        await web_site.learns()
        assert trust.vouches([hosted.certificate], "far.example", TODAY)


async def test_the_web_servers_certificate_has_to_be_good_for_the_domain(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        web_site.pages[f"stranger.example{PATH}"] = listing(SHOWN)
        assert not await web_site.learns("stranger.example")
        assert web_site.asked == []
    unknown = made(None, "far.example")
    async with site(tmp_path, certificate=unknown) as web_site:
        web_site.pages[FAR] = listing(SHOWN)
        assert not await web_site.learns()
        assert web_site.asked == []


async def test_a_document_is_kept_as_long_as_it_says_and_a_day_at_most(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        for says, holds in ((3600, 3600.0), (10**9, LONGEST)):
            web_site.pages[FAR] = listing(SHOWN, expires=says)
            assert await web_site.learns()
            web_site.seconds[0] += holds - 1
            assert await web_site.learns()
            assert len(web_site.asked) == 1
            web_site.seconds[0] += 2
            assert not web_site.posh.lists("far.example", SHOWN.certificate)
            web_site.asked.clear()
        assert await web_site.learns()
        assert web_site.asked == [FAR]


async def test_that_there_is_none_is_kept_for_some_minutes(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        assert not await web_site.learns()
        web_site.pages[FAR] = listing(SHOWN)
        assert not await web_site.learns()
        assert len(web_site.asked) == 1
        web_site.seconds[0] += LONGEST_NEGATIVE + 1
        assert await web_site.learns()


async def test_a_reference_is_followed_once(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        there = f"hosting.example{PATH}"
        web_site.pages[FAR] = json.dumps(
            {"url": web_site.at(PATH, "hosting.example"), "expires": 9}
        )
        web_site.pages[there] = listing(SHOWN)
        assert await web_site.learns()
        assert web_site.asked == [FAR, there]
        web_site.seconds[0] += 10  # the lower of both times counts
        web_site.pages[there] = json.dumps({"url": web_site.at("/third"), "expires": 9})
        web_site.pages["far.example/third"] = listing(SHOWN)
        assert not await web_site.learns()
        assert "far.example/third" not in web_site.asked


def moved(to: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": to})

    return answer


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("/elsewhere", True),
        ("https://hosting.example:{port}/elsewhere", True),
        ("http://far.example:{port}/elsewhere", False),
        ("https://127.0.0.1:{port}/elsewhere", False),
        ("https://stranger.example:{port}/elsewhere", False),
        (PATH, False),
        ("", False),
    ],
)
async def test_http_redirections(tmp_path: Path, to: str, found: bool) -> None:
    async with site(tmp_path) as web_site:
        web_site.pages[FAR] = moved(to.format(port=web_site.port))
        for host in ("far.example", "hosting.example", "stranger.example", "127.0.0.1"):
            web_site.pages[f"{host}/elsewhere"] = listing(SHOWN)
        assert await web_site.learns() is found
        assert len(web_site.asked) <= 3


@pytest.mark.parametrize("length", ["told", "not told"])
async def test_a_document_that_is_too_long_is_not_read_to_its_end(
    tmp_path: Path, length: str
) -> None:
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        answer = web.StreamResponse()
        if length == "told":
            answer.content_length = LARGEST * 1000
        await answer.prepare(request)
        for _ in range(1000):
            await answer.write(b" " * LARGEST)
            written += LARGEST
        return answer

    async with site(tmp_path) as web_site:
        web_site.pages[FAR] = endless
        assert not await web_site.learns()
        assert written < LARGEST * 500


async def test_a_silent_server_costs_the_time_out_and_no_more(tmp_path: Path) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with site(tmp_path, timeout=0.2) as web_site:
        web_site.pages[FAR] = silent
        assert not await asyncio.wait_for(web_site.learns(), 5)
        assert web_site.posh.describe() == {"known": 1, "in_flight": 0, "asked": 1, "failed": 1}


async def test_those_who_ask_at_once_share_one_search_and_searches_are_bounded(
    tmp_path: Path,
) -> None:
    gate = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await gate.wait()
        return web.Response(text=listing(SHOWN))

    async with site(tmp_path, at_once=1, waiting=1) as web_site:
        web_site.pages |= {FAR: slow, f"b.example{PATH}": slow, f"hosting.example{PATH}": slow}
        asking = [asyncio.create_task(web_site.learns()) for _ in range(5)]
        second = asyncio.create_task(web_site.learns("b.example"))
        await asyncio.wait_for(web_site.first.wait(), 5)
        assert web_site.posh.describe()["in_flight"] == 2
        assert not await web_site.learns("hosting.example")  # one too many: not asked, at once
        assert web_site.asked == [FAR]
        gate.set()
        assert await asyncio.gather(*asking, second) == [True] * 6
        assert web_site.asked == [FAR, f"b.example{PATH}"]


async def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    async with site(tmp_path, documents=2) as web_site:
        for number in range(4):
            assert not await web_site.learns(f"d{number}.example")
        assert web_site.posh.describe()["known"] == 2


@pytest.mark.parametrize("domain", ["127.0.0.1", "::1", "[::1]", "localhost", "", "a b", "x/y.z"])
async def test_what_is_no_domain_is_not_asked(tmp_path: Path, domain: str) -> None:
    async with site(tmp_path) as web_site:
        assert not await web_site.learns(domain)
        assert (web_site.asked, web_site.resolver.asked) == ([], [])


async def test_private_addresses_are_not_asked_unless_configured(tmp_path: Path) -> None:
    async with site(tmp_path, allowed=False) as web_site:
        web_site.pages[FAR] = listing(SHOWN)
        assert not await web_site.learns()
        assert web_site.resolver.asked != []
        assert web_site.asked == []


async def test_a_dns_that_fails_is_no_document(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        web_site.resolver.records[Question(Kind.ADDRESS, "far.example")] = DnsFailure("late")
        assert not await web_site.learns()


async def test_a_u_label_is_asked_as_its_a_label(tmp_path: Path) -> None:
    async with site(tmp_path) as web_site:
        await web_site.learns("b\u00fccher.example")
        assert web_site.resolver.asked == [Question(Kind.ADDRESS, "xn--bcher-kva.example")]


async def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with site(tmp_path) as web_site:
        web_site.pages[FAR] = silent
        assert web_site.posh.begin("far.example") is not None
        await asyncio.wait_for(web_site.first.wait(), 5)
        await web_site.posh.close()
        assert web_site.posh.describe()["in_flight"] == 0
