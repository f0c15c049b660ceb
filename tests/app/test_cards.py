"""A whole gateway whose SIP user shows a picture (RFC 3261 §20.9), and an XMPP user who looks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import tostring

import pytest
from aiohttp import web

from dragoman.app.config import Configuration, Presence, Tls
from dragoman.app.demo import CAROL, XMPP_DOMAIN
from dragoman.records import Kind, Question
from dragoman.testing.stream import body_of
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import vcard
from dragoman.xmpp.ext.avatar import Picture
from dragoman.xmpp.ext.vcard_avatar import update
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import IQ
from tests.house import ALICE, House, build, configuration, tear_down
from tests.net.test_posh import ROOT, Site, made, site

HOST = "www.sip.test"
WEB = made(ROOT, HOST)
PNG = Picture("image/png", b"\x89PNG\r\n\x1a\nrest")
PAGE = "https://sip.test/carol"


async def shows(_: web.Request) -> web.StreamResponse:
    return web.Response(body=PNG.data, content_type="text/html")  # the type is not believed


def settings(folder: Path, icons: Presence) -> Configuration:
    (folder / "ca.pem").write_bytes(ROOT.pem())
    tls = Tls(certificates=folder / "certs", trust=str(folder / "ca.pem"))
    return configuration(folder).model_copy(update={"tls": tls, "presence": icons})


@asynccontextmanager
async def house(folder: Path, icons: Presence) -> AsyncIterator[tuple[House, Site]]:
    async with site(folder, certificate=WEB) as served:
        served.pages[f"{HOST}/carol.png"] = shows
        built = await build(folder, settings=settings(folder, icons))
        built.resolver.records[Question(Kind.ADDRESS, HOST)] = ("127.0.0.1",)
        try:
            yield built, served
        finally:
            await tear_down(built)


async def writes(built: House, icon: str, *, looked_for: bool = True) -> None:
    """Have carol write to alice, with her name and Call-Info; wait for her picture, or for none."""
    came = asyncio.Event()
    built.gateway.hub.cards.changed = lambda _: came.set()
    bare = built.phone.core.message(f"sip:{CAROL}", f"sip:alice@{XMPP_DOMAIN}", "romeo")
    named = [
        (name, f'"Carol C." {value}' if name == "From" else value) for name, value in bare.headers
    ]
    info = ("Call-Info", f"<{icon}> ;purpose=icon, <{PAGE}> ;purpose=info")
    sending = asyncio.create_task(built.phone.request(replace(bare, headers=(*named, info))))
    assert body_of(await built.domain.next_stanza()) == "romeo"
    assert (await sending).status == 202
    if looked_for:
        await asyncio.wait_for(came.wait(), 5)


async def card(built: House) -> Element:
    """Have alice look at carol's card; return the answer."""
    built.domain.send(
        f"<iq type='get' id='v3' from='{ALICE}' to='{CAROL}'><vCard xmlns='vcard-temp'/></iq>",
        CAROL,
    )
    while True:
        stanza = parse_document(tostring(await built.domain.next_stanza()))
        if stanza.name == IQ and stanza.get("id") == "v3":
            return stanza


ALLOWED = Presence(icon_networks=["127.0.0.0/8"])


@pytest.mark.spec("PRES-43")
async def test_alice_sees_the_picture_of_carol_who_wrote_to_her(tmp_path: Path) -> None:
    async with house(tmp_path, ALLOWED) as (built, served):
        await writes(built, served.at("/carol.png", HOST))
        [told] = (await card(built)).elements
        assert told == vcard.vcard("Carol C.", nickname="Carol C.", url=PAGE, photo=PNG)
        assert built.gateway.hub.cards.decoration(Jid.parse(CAROL)) == [update(PNG.id)]
        assert served.asked == [f"{HOST}/carol.png"]


@pytest.mark.spec("PRES-44")
@pytest.mark.parametrize(
    ("icons", "path"),
    [
        (Presence(), "https://www.sip.test:{port}/carol.png"),
        (Presence(icons="never", icon_networks=["127.0.0.0/8"]), "https://www.sip.test:{port}/"),
        (ALLOWED, "https://elsewhere.test:{port}/carol.png"),
        (ALLOWED, "http://www.sip.test:{port}/carol.png"),
    ],
    ids=["a private address", "no pictures", "another domain", "http"],
)
async def test_alice_sees_the_name_only_of_whom_no_picture_may_be_fetched(
    tmp_path: Path, icons: Presence, path: str
) -> None:
    async with house(tmp_path, icons) as (built, served):
        built.resolver.records[Question(Kind.ADDRESS, "elsewhere.test")] = ("127.0.0.1",)
        looked_for = icons.icons != "never"
        await writes(built, path.format(port=served.port), looked_for=looked_for)
        [told] = (await card(built)).elements
        assert told == vcard.vcard("Carol C.", nickname="Carol C.", url=PAGE)
        assert served.asked == []
        assert built.gateway.hub.cards.decoration(Jid.parse(CAROL)) == [update("")]
