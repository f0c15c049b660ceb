"""Pictures over HTTPS, from a web server on the loopback: what is asked for, and what never is."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from dragoman.errors import RemoteError
from dragoman.net.dns import MemoryResolver
from dragoman.net.icons import LARGEST, Icons
from dragoman.records import Kind, Question
from tests.net.test_posh import ROOT, made

DOMAIN = "sip.example"
WEB = made(ROOT, DOMAIN, f"www.{DOMAIN}", "other.example")
PNG = b"\x89PNG\r\n\x1a\nrest"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A web server, and what fetches from it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Handler = self.shows
        self.port = 0
        self.resolver = MemoryResolver(
            {
                Question(Kind.ADDRESS, name): ("127.0.0.1",)
                for name in (DOMAIN, f"www.{DOMAIN}", "other.example")
            }
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.host.partition(':')[0]}{request.path}")
        return await self.answer(request)

    async def shows(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=PNG)


@asynccontextmanager
async def site(folder: Path, *, tls: bool = True) -> AsyncIterator[Site]:
    WEB.save(folder, "web")
    (folder / "ca.pem").write_bytes(ROOT.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "web.crt", folder / "web.key")
    served = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context if tls else None).start()
    served.port = runner.addresses[0][1]
    try:
        yield served
    finally:
        await runner.cleanup()


@asynccontextmanager
async def icons(
    folder: Path,
    served: Site,
    *,
    allowed: bool = True,
    anywhere: bool = False,
    plain: bool = False,
    patience: float = 10.0,
) -> AsyncIterator[Icons]:
    made = Icons(
        served.resolver,
        str(folder / "ca.pem"),
        allowed=["127.0.0.0/8"] if allowed else [],
        anywhere=anywhere,
        plain=plain,
        timeout=patience,
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.spec("PRES-44")
@pytest.mark.parametrize("host", [DOMAIN, f"www.{DOMAIN}", "WWW.Sip.Example"])
async def test_a_picture_comes_from_the_web_servers_of_its_users_domain(
    tmp_path: Path, host: str
) -> None:
    async with site(tmp_path) as served, icons(tmp_path, served) as found:
        assert await found.fetch(f"https://{host}:{served.port}/a.png", "SIP.example") == PNG
        assert served.asked == [f"{host.lower()}/a.png"]


@pytest.mark.spec("PRES-44")
@pytest.mark.parametrize(
    "url",
    [
        "https://other.example:{port}/a.png",
        "https://notsip.example:{port}/a.png",
        "http://sip.example:{port}/a.png",
        "https://127.0.0.1:{port}/a.png",
        "https://[::1]:{port}/a.png",
        "https://localhost:{port}/a.png",
        "https://user@sip.example:{port}/a.png",
        "https://sip.example:25/a.png",
        "https://sip.example:80/a.png",
        "https://sip.example:0/a.png",
        "https://sip.example:99999/a.png",
        "https://sip.example:{port}/a b.png",
        "https://[sip.example/",
        "ftp://sip.example:{port}/a.png",
        "file:///etc/passwd",
        "",
    ],
)
async def test_from_nowhere_else_by_nothing_else(tmp_path: Path, url: str) -> None:
    async with site(tmp_path) as served, icons(tmp_path, served) as found:
        with pytest.raises(RemoteError):
            await found.fetch(url.format(port=served.port), DOMAIN)
        assert (served.asked, served.resolver.asked) == ([], [])


async def test_the_operator_may_allow_other_domains(tmp_path: Path) -> None:
    async with site(tmp_path) as served, icons(tmp_path, served, anywhere=True) as found:
        assert await found.fetch(f"https://other.example:{served.port}/a.png", DOMAIN) == PNG
        with pytest.raises(RemoteError):
            await found.fetch(f"http://other.example:{served.port}/a.png", DOMAIN)


async def test_the_operator_may_allow_http(tmp_path: Path) -> None:
    async with (
        site(tmp_path, tls=False) as served,
        icons(tmp_path, served, anywhere=True, plain=True) as found,
    ):
        assert await found.fetch(f"http://other.example:{served.port}/a.png", DOMAIN) == PNG


@pytest.mark.spec("PRES-44")
async def test_private_addresses_are_not_asked_unless_configured(tmp_path: Path) -> None:
    async with site(tmp_path) as served, icons(tmp_path, served, allowed=False) as found:
        with pytest.raises(RemoteError, match="public internet"):
            await found.fetch(f"https://{DOMAIN}:{served.port}/a.png", DOMAIN)
        assert served.resolver.asked != []
        assert served.asked == []


@pytest.mark.spec("PRES-44")
@pytest.mark.parametrize(
    ("to", "good"),
    [
        ("/b.png", True),
        ("https://www.sip.example:{port}/b.png", True),
        ("https://other.example:{port}/b.png", False),
        ("http://sip.example:{port}/b.png", False),
        ("https://127.0.0.1:{port}/b.png", False),
        ("/a.png", False),
        ("", False),
    ],
)
async def test_where_a_server_sends_us_is_judged_alike(tmp_path: Path, to: str, good: bool) -> None:
    async with site(tmp_path) as served, icons(tmp_path, served) as found:

        async def moves(request: web.Request) -> web.StreamResponse:
            if request.path == "/b.png":
                return web.Response(body=PNG)
            return web.Response(status=302, headers={"Location": to.format(port=served.port)})

        served.answer = moves
        url = f"https://{DOMAIN}:{served.port}/a.png"
        if good:
            assert await found.fetch(url, DOMAIN) == PNG
            return
        with pytest.raises(RemoteError):
            await found.fetch(url, DOMAIN)
        assert served.asked == [f"{DOMAIN}/a.png"] * len(served.asked)


@pytest.mark.spec("PRES-44")
async def test_a_picture_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(1000):
            await answer.write(bytes(LARGEST))
            written += LARGEST
        return answer

    async with site(tmp_path) as served, icons(tmp_path, served) as found:
        served.answer = endless
        with pytest.raises(RemoteError, match="65536 bytes"):
            await found.fetch(f"https://{DOMAIN}:{served.port}/a.png", DOMAIN)
        assert written < LARGEST * 500


async def test_a_silent_server_costs_the_time_out_and_no_more(tmp_path: Path) -> None:
    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async with site(tmp_path) as served, icons(tmp_path, served, patience=0.2) as found:
        served.answer = silent
        with pytest.raises(RemoteError, match="seconds"):
            await asyncio.wait_for(found.fetch(f"https://{DOMAIN}:{served.port}/a.png", DOMAIN), 5)


@pytest.mark.parametrize("status", [404, 500, 204])
async def test_a_server_that_has_none(tmp_path: Path, status: int) -> None:
    async def none(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with site(tmp_path) as served, icons(tmp_path, served) as found:
        served.answer = none
        with pytest.raises(RemoteError, match=str(status)):
            await found.fetch(f"https://{DOMAIN}:{served.port}/a.png", DOMAIN)


async def test_a_server_that_does_not_answer_or_shows_another_certificate(tmp_path: Path) -> None:
    async with site(tmp_path) as served, icons(tmp_path, served) as found:
        name = f"stranger.{DOMAIN}"
        served.resolver.records[Question(Kind.ADDRESS, name)] = ("127.0.0.1",)
        with pytest.raises(RemoteError):
            await found.fetch(f"https://{name}:{served.port}/a.png", DOMAIN)
        with pytest.raises(RemoteError):
            await found.fetch(f"https://nowhere.{DOMAIN}:{served.port}/a.png", DOMAIN)
        assert served.asked == []
