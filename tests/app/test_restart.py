"""A gateway as a process that ends, by order or by force, and another that goes on for it."""

import asyncio
import json
import re
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from dragoman.app.demo import CAROL, XMPP_DOMAIN, zone
from dragoman.testing.domain import Domain
from dragoman.testing.nameserver import Nameserver
from dragoman.testing.phone import Phone
from dragoman.xmpp.ext import receipts
from tests.app.test_dane import lines
from tests.app.test_run import COMMAND, environment
from tests.house import ALICE

if TYPE_CHECKING:
    from dragoman.app.services import Gateway

SOURCES = str(Path(__file__).parents[2] / "src")
WORD = "{urn:xmpp:receipts}received"
MESSAGE_ID = re.compile(r"imdn\.Message-ID: (\S+)")
ABOUT = re.compile(r"<message-id>(.*?)</message-id>.*<(delivered|failed) */>", re.DOTALL)
ASKING = (
    f"From: <sip:{CAROL}>\r\nTo: <sip:alice@{XMPP_DOMAIN}>\r\n"
    "NS: imdn <urn:ietf:params:imdn>\r\nDateTime: 2026-11-26T10:00:00Z\r\n"
    "imdn.Message-ID: carols\r\nimdn.Disposition-Notification: positive-delivery\r\n\r\n"
    "Content-Type: text/plain\r\n\r\nwherefore"
)
TELLING = (
    "NS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: word\r\n\r\n"
    "Content-Type: message/imdn+xml\r\nContent-Disposition: notification\r\n\r\n"
    '<imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>{}</message-id>'
    "<datetime>2026-11-26T10:00:00Z</datetime><delivery-notification><status><delivered/>"
    "</status></delivery-notification></imdn>"
)


@dataclass
class Ports:
    """Where a process listens, as `zone` asks for it."""

    sip_address: tuple[str, int]
    xmpp_address: tuple[str, int]


class World:
    """Both far ends and the DNS, which stay, and one gateway process after another."""

    def __init__(self, folder: Path, server: Nameserver, phone: Phone, domain: Domain) -> None:
        self.folder = folder
        self.server = server
        self.phone = phone
        self.domain = domain
        self.process: Process | None = None

    async def start(self) -> None:
        """Start a gateway, and have the DNS lead to it."""
        dns = json.dumps(["{}:{}".format(*self.server.address)])
        more = {"PYTHONPATH": SOURCES, "DRAGOMAN_DNS__SERVERS": dns}
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND, "run", env=environment(self.folder, **more), stderr=PIPE
        )
        assert self.process.stderr is not None
        first = json.loads(await self.process.stderr.readline())
        assert first["event"] == "listening"
        ports = Ports(("127.0.0.1", int(first["sip"])), ("127.0.0.1", int(first["xmpp"])))
        self.phone.gateway = ports.sip_address
        self.domain.gateway = ports.xmpp_address
        table = zone(cast("Gateway", ports), self.phone, self.domain)
        self.server.records = lines(table)

    async def end(self, how: signal.Signals) -> None:
        assert self.process is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(how)
        await self.process.communicate()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.02)

    def kept(self) -> int:
        """Return how many messages the database has."""
        path = self.folder / "state" / "dragoman.db"
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute("SELECT count(*) FROM crossed").fetchone()[0])

    async def say(self, body: str) -> int | None:
        """Have carol send a message/cpim to alice; return what is answered."""
        to = f"sip:alice@{XMPP_DOMAIN}"
        sent = await self.phone.send(f"sip:{CAROL}", to, body, content_type="message/cpim")
        return sent.status


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    server = await Nameserver.start({})
    phone = await Phone.start()
    domain = await Domain.start(XMPP_DOMAIN)
    found = World(tmp_path, server, phone, domain)
    await found.start()
    yield found
    await found.end(signal.SIGKILL)
    await phone.aclose()
    await domain.aclose()
    server.close()


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.3 is an address of Linux alone")
@pytest.mark.spec("IM-22")
@pytest.mark.spec("IM-23")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_became_of_a_message_is_told_by_the_gateway_that_comes_after(
    world: World, how: signal.Signals
) -> None:
    asks = "<request xmlns='urn:xmpp:receipts'/>"
    world.domain.message(ALICE, CAROL, "by yonder moon", stanza_id="alices", extra=asks)
    request = await world.phone.next_request()
    [message_id] = MESSAGE_ID.findall(request.body.decode())
    assert await world.say(ASKING) == 202
    carols = (await world.domain.next_stanza()).get("id", "")
    if how is signal.SIGKILL:
        await world.until(lambda: world.kept() == 2)
    await world.end(how)
    await world.until(lambda: not (world.domain.streams_in or world.domain.streams_out))
    await world.start()

    assert await world.say(TELLING.format(message_id)) == 202
    told = await world.domain.next_stanza()
    receipt = told.find(WORD)
    assert receipt is not None
    assert (told.get("to"), receipt.get("id")) == (ALICE, "alices")

    received = f"<received xmlns='{receipts.NS}' id='{carols}'/>"
    message = f"<message from='{ALICE}' to='{CAROL}' type='chat' id='r'>{received}</message>"
    world.domain.send(message, CAROL)
    request = await world.phone.next_request()
    assert ABOUT.findall(request.body.decode()) == [("carols", "delivered")]

    assert await world.say(TELLING.format(message_id)) == 200, "each is told once"
    assert await world.say(ASKING) == 202, "and no message crosses twice"
    texts = [each for each in world.domain.received if each.find("{*}body") is not None]
    assert len(texts) == 1
