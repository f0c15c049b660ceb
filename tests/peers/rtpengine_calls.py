"""Both ends of calls whose media rtpengine carries: a phone, a client, and the plane's port.

    python -m tests.peers.rtpengine_calls CASE HOST ENGINE

Runs the case of that name at the address HOST; prints a JSON object, or fails.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from dragoman.media import rtp, sdes
from dragoman.media.ngplane import Settings
from dragoman.media.plane import JINGLE, PLAIN, SDES, WEBRTC, Counters, MediaError, Side
from dragoman.media.remote import candidates
from dragoman.media.srtp import Srtp
from dragoman.net.rtpengine import Rtpengine
from dragoman.sdp.session import SessionDescription
from tests.net import mediapeers
from tests.net.mediapeers import Client, Desk, Events, Phone, sdp

SIP, XMPP = Side.SIP, Side.XMPP
INSTANCE: Final = "lab-test"


def packet(sequence: int, ssrc: int = 0xDECAFBAD, payload_type: int = 0) -> bytes:
    return rtp.build(
        bytes(160),
        payload_type=payload_type,
        sequence=sequence,
        timestamp=160 * sequence,
        ssrc=ssrc,
    )


class House:
    """A plane, a phone, and what became of the calls."""

    def __init__(self, engine: str, plane: Rtpengine, phone: Phone, events: Events) -> None:
        self.engines = (engine,)
        self.plane = plane
        self.desk = Desk(plane)
        self.phone = phone
        self.events = events

    async def counters(self) -> dict[Side, Counters]:
        told: asyncio.Future[dict[Side, Counters]] = asyncio.Future()
        self.plane.counters("call", told.set_result)
        async with asyncio.timeout(5):
            return await told

    async def connected(self) -> list[str]:
        """Return the legs that are, once both are."""
        return sorted([str(await self.events.next()), str(await self.events.next())])

    def trickle(self, client: Client) -> None:
        """Have the plane know the candidates of a client."""
        late = candidates([each.to_sdp() for each in client.candidates])
        self.plane.candidates("call", XMPP, client.mid, client.ice.local_username, late)

    async def talk(self, client: Client) -> int:
        """Have both hear one another; return the SSRC by which the client hears the phone."""
        await client.send(packet(1))
        assert await self.phone.next() == packet(1)
        for sequence in range(7, 12):
            self.phone.send(packet(sequence, 77))
            heard = await client.next()
            assert heard == packet(sequence, 77), heard
        return rtp.ssrc(heard)


def port(description: SessionDescription) -> int:
    return description.media[0].port


async def plain(house: House) -> dict[str, Any]:
    """Two phones."""
    other = await Phone.open()
    offered = await house.desk.offer(XMPP, other.says(), PLAIN)
    house.phone.hears(offered)
    other.hears(await house.desk.answer(SIP, house.phone.says()))
    events = await house.connected()
    for sequence in range(5):
        other.send(packet(sequence, payload_type=101))
        assert await house.phone.next() == packet(sequence, payload_type=101)
        house.phone.send(packet(sequence, 77))
        assert await other.next() == packet(sequence, 77)
    house.phone.send(b"\x80\xc9\0\1" + b"\0\0\0\x4d", 1)
    report = await other.next()
    counters = await house.counters()
    return {
        "events": events,
        "offered": str(offered),
        "rtcp": report[1],
        "packets": {side.value: each.packets for side, each in counters.items()},
        "octets": {side.value: each.octets for side, each in counters.items()},
    }


async def stand_in(house: House) -> dict[str, Any]:
    """The client is not heard of yet; then it is, and its candidates come last."""
    standing = sdp(
        "c=IN IP4 0.0.0.0",
        "m=audio 9 RTP/AVP 0 8 110",
        "a=rtpmap:110 telephone-event/8000",
    )
    first = await house.desk.offer(XMPP, standing, PLAIN)
    house.phone.hears(first)
    says = house.phone.says("a=rtpmap:110 telephone-event/8000", formats="0 110")
    answer = await house.desk.answer(SIP, says)
    client = Client(controlling=True, active=False)
    await client.gather()
    second = await house.desk.offer(XMPP, client.says("actpass", trickle=True), PLAIN)
    told = await house.desk.answer(SIP, says)
    house.trickle(client)
    await client.hears(told)
    state = await client.shake()
    events = await house.connected()
    ssrc = await house.talk(client)
    house.plane.digits("call", XMPP, "5", 100)
    digits = set()
    for sequence in range(12, 60):
        house.phone.send(packet(sequence, 77))
        heard = await client.next()
        if rtp.payload_type(heard) == 110:
            digits.add(rtp.payload(heard)[0])
        await asyncio.sleep(0.02)
    await client.close()
    return {
        "first": str(first),
        "kept": port(first) == port(second),
        "answer": str(answer),
        "state": state.name,
        "events": events,
        "ssrc": ssrc,
        "digits": sorted(digits),
    }


async def client_called(house: House) -> dict[str, Any]:
    """A phone calls a client, which answers; its candidates come after that."""
    offered = await house.desk.offer(SIP, house.phone.says(formats="0"), JINGLE)
    client = Client(controlling=False, active=True, mid=offered.media[0].value("mid") or "")
    await client.gather()
    house.phone.hears(await house.desk.answer(XMPP, client.says("active", trickle=True)))
    house.trickle(client)
    await client.hears(offered)
    state = await client.shake()
    events = await house.connected()
    await house.talk(client)
    await client.close()
    return {"offered": str(offered), "state": state.name, "events": events}


async def anew(house: House) -> dict[str, Any]:
    """A client calls, then goes on from another device: another session of ICE, other keys."""
    states, ports = [], []
    says = house.phone.says(formats="0")
    for _ in range(2):
        client = Client(controlling=True, active=False)
        await client.gather()
        offered = await house.desk.offer(XMPP, client.says("actpass", trickle=True), PLAIN)
        house.phone.hears(offered)
        told = await house.desk.answer(SIP, says)
        house.trickle(client)
        await client.hears(told)
        states.append((await client.shake()).name)
        ports.append(port(offered))
        await house.talk(client)
        await client.close()
    return {"states": states, "kept": len(set(ports)) == 1}


async def asked_for_an_offer(house: House) -> dict[str, Any]:
    """An INVITE without an offer: the phone answers ours, then the client is called."""
    standing = sdp("c=IN IP4 0.0.0.0", "m=audio 9 RTP/AVP 0 8")
    first = await house.desk.offer(XMPP, standing, PLAIN)
    house.phone.hears(first)
    says = house.phone.says(formats="0")
    await house.desk.answer(SIP, says)
    offered = await house.desk.offer(SIP, says, JINGLE)
    client = Client(controlling=False, active=True, mid=offered.media[0].value("mid") or "")
    await client.gather()
    told = await house.desk.answer(XMPP, client.says("active", trickle=True))
    house.trickle(client)
    await client.hears(offered)
    state = await client.shake()
    events = await house.connected()
    await house.talk(client)
    await client.close()
    return {"kept": port(first) == port(told), "state": state.name, "events": events}


async def retried(house: House) -> dict[str, Any]:
    """A phone refuses what is in the clear, then takes SDES; before, it was offered what browsers
    take."""
    other = await Phone.open()
    says = other.says(formats="0")
    await house.desk.offer(XMPP, says, PLAIN)
    house.plane.revert("call")
    browsers = await house.desk.offer(XMPP, says, WEBRTC)
    house.plane.revert("call")
    offered = await house.desk.offer(XMPP, says, SDES)
    house.phone.hears(offered)
    lines = [sdes.Line.parse(value) for value in offered.media[0].values("crypto")]
    ours = sdes.answer(lines[0], lambda n: bytes(range(n)))
    answer = sdp(
        f"c=IN IP4 {mediapeers.HOST}",
        f"m=audio {house.phone.port} RTP/SAVP 0",
        f"a=rtcp:{house.phone.rtcp}",
        f"a=crypto:{ours}",
    )
    other.hears(await house.desk.answer(SIP, answer))
    srtp = sdes.session(ours, lines[0])
    assert isinstance(srtp, Srtp)
    events = await house.connected()
    for sequence in range(1, 4):
        other.send(packet(sequence))
        assert srtp.unprotect(await house.phone.next()) == packet(sequence)
        house.phone.send(srtp.protect(packet(sequence, 77)))
        assert await other.next() == packet(sequence, 77)
    # a re-INVITE that is refused: what held before holds
    before = port(await house.desk.offer(XMPP, says, SDES))
    house.plane.revert("call")
    other.send(packet(9))
    assert srtp.unprotect(await house.phone.next()) == packet(9)
    return {
        "browsers": str(browsers),
        "offered": str(offered),
        "suites": [line.suite for line in lines],
        "kept": before == port(offered),
        "events": events,
    }


async def moved(house: House) -> dict[str, Any]:
    """A phone holds the call, then goes on with it from another port."""
    other, elsewhere = await Phone.open(), await Phone.open()
    offered = await house.desk.offer(XMPP, other.says(formats="0"), PLAIN)
    house.phone.hears(offered)
    other.hears(await house.desk.answer(SIP, house.phone.says(formats="0")))
    for sequence in range(3):
        other.send(packet(sequence))
        assert await house.phone.next() == packet(sequence)
        house.phone.send(packet(sequence, 77))
        assert await other.next() == packet(sequence, 77)
    held = await house.desk.offer(SIP, house.phone.says("a=sendonly", formats="0"), PLAIN)
    told = await house.desk.answer(XMPP, other.says("a=recvonly", formats="0"))
    again = await house.desk.offer(SIP, elsewhere.says(formats="0"), PLAIN)
    elsewhere.hears(await house.desk.answer(XMPP, other.says(formats="0")))
    for sequence in range(3):
        elsewhere.send(packet(sequence, 78))
        assert await other.next() == packet(sequence, 78)
        other.send(packet(sequence))
        assert await elsewhere.next() == packet(sequence)
    return {
        "held": str(held),
        "told": str(told),
        "kept": port(again) == port(held) and elsewhere.there == house.phone.there,
    }


async def answers_keys(house: House) -> dict[str, Any]:
    """A phone that offers SDES calls a phone that has none."""
    line = sdes.offer(lambda n: bytes(range(n)))[0]
    offer = sdp(
        f"c=IN IP4 {mediapeers.HOST}",
        f"m=audio {house.phone.port} RTP/SAVP 0",
        f"a=rtcp:{house.phone.rtcp}",
        f"a=crypto:{line}",
    )
    other = await Phone.open()
    other.hears(await house.desk.offer(SIP, offer, PLAIN))
    told = await house.desk.answer(XMPP, other.says(formats="0"))
    house.phone.hears(told)
    ours, theirs = sdes.settle([line], told.media[0].values("crypto"))
    srtp = sdes.session(ours, theirs)
    house.phone.send(srtp.protect(packet(1)))
    assert await other.next() == packet(1)
    other.send(packet(2))
    assert srtp.unprotect(await house.phone.next()) == packet(2)
    return {"told": str(told)}


async def feedback(house: House) -> dict[str, Any]:
    """Who has AVPF asks a phone that has AVP for a key frame."""
    other = await Phone.open()
    offer = str(other.says(formats="0")).replace("RTP/AVP", "RTP/AVPF")
    offered = await house.desk.offer(XMPP, SessionDescription.parse(offer.encode()), PLAIN)
    house.phone.hears(offered)
    other.hears(await house.desk.answer(SIP, house.phone.says(formats="0")))
    other.send(packet(1))
    assert await house.phone.next() == packet(1)
    report, pli = b"\x80\xc9\0\1" + b"\0\0\0\x4d", b"\x81\xce\0\2" + b"\0\0\0\x4d" * 2
    other.send(report + pli, 1)
    while pli not in await house.phone.next():  # reports of the engine's own may come first
        pass
    return {"offered": str(offered)}


async def left_behind(house: House) -> dict[str, Any]:
    """A process dies; the next one of its name ends its calls, and forgets the other's."""
    await house.desk.offer(XMPP, house.phone.says(), PLAIN)
    other = Rtpengine(Settings(house.engines, "lab-other"), lambda _: None)
    await Desk(other).offer(XMPP, house.phone.says(), PLAIN)
    await Desk(other).answer(SIP, house.phone.says())
    again = Rtpengine(Settings(house.engines, INSTANCE), lambda _: None)
    await asyncio.sleep(0.5)
    try:
        await house.desk.answer(SIP, house.phone.says())
        trouble = ""
    except MediaError as error:
        trouble = error.trouble.name
    told: asyncio.Future[dict[Side, Counters]] = asyncio.Future()
    other.counters("call", told.set_result)
    found = len(await told)
    await again.aclose()
    await other.aclose()
    return {"trouble": trouble, "other": found}


Case = Callable[[House], Awaitable[dict[str, Any]]]
CASES: Final[dict[str, Case]] = {
    each.__name__: each
    for each in (
        plain,
        stand_in,
        client_called,
        anew,
        asked_for_an_offer,
        moved,
        retried,
        answers_keys,
        feedback,
        left_behind,
    )
}


async def main(case: str, host: str, engine: str) -> None:
    mediapeers.HOST = host
    events = Events()
    plane = Rtpengine(Settings((engine,), INSTANCE), events)
    try:
        found = await CASES[case](House(engine, plane, await Phone.open(), events))
    finally:
        await plane.aclose()
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
