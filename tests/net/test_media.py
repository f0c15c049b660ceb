from collections.abc import AsyncIterator

import pytest

from dragoman.media import rtp
from dragoman.media.dtls import State
from dragoman.media.plane import PLAIN, Connected, Side
from dragoman.net.media import Embedded, Settings
from tests.net.mediapeers import Client, Desk, Events, Phone

SETTINGS = Settings("127.0.0.1", first=42000, last=42999)
SIP, XMPP = Side.SIP, Side.XMPP


def packet(sequence: int, payload_type: int = 0, payload: bytes = b"sound") -> bytes:
    return rtp.build(
        payload,
        payload_type=payload_type,
        sequence=sequence,
        timestamp=160 * sequence,
        ssrc=0xDECAFBAD,
    )


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def plane(events: Events) -> AsyncIterator[Embedded]:
    made = Embedded(SETTINGS, events)
    yield made
    await made.aclose()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    made = await Phone.open()
    yield made
    made.close()


@pytest.mark.spec("MED-27")
@pytest.mark.spec("MED-26")
@pytest.mark.parametrize("active", [True, False])
async def test_a_client_calls_a_phone(
    plane: Embedded, events: Events, phone: Phone, active: bool
) -> None:
    desk, client = Desk(plane), Client(controlling=True, active=active)
    await client.gather()
    setup = "actpass" if not active else "active"
    phone.hears(await desk.offer(XMPP, client.says(setup), PLAIN))
    told = await desk.answer(SIP, phone.says())
    await client.hears(told)
    assert await client.shake() is State.CONNECTED
    assert {await events.next(), await events.next()} == {
        Connected("call", SIP),
        Connected("call", XMPP),
    }
    await client.send(packet(1))
    assert await phone.next() == packet(1)
    phone.send(packet(7))
    assert await client.next() == packet(7)
    await client.close()
