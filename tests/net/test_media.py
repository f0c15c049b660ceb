import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from aioice import Connection

from dragoman.errors import LocalError
from dragoman.media import rtcp, rtp, sdes
from dragoman.media.dtls import Identity, State
from dragoman.media.plane import (
    JINGLE,
    NEAR,
    PLAIN,
    SDES,
    Connected,
    Lost,
    MediaError,
    Profile,
    Side,
    Trouble,
)
from dragoman.media.remote import candidates
from dragoman.media.telephone import Event, Listener
from dragoman.net.ice import Agent
from dragoman.net.media import MOST_STEPS, Embedded, Settings
from dragoman.sdp.session import Attribute, SessionDescription
from tests.net.mediapeers import Checked, Client, Desk, Events, Phone, sdp

HOST = "127.0.0.1"
SETTINGS = Settings(HOST, first=42000, last=42999)
SIP, XMPP = Side.SIP, Side.XMPP
STAND_IN = sdp(
    "a=group:BUNDLE audio",
    "m=audio 9 UDP/TLS/RTP/SAVPF 96 0 97",
    "c=IN IP4 0.0.0.0",
    "a=mid:audio",
    "a=rtpmap:96 opus/48000/2",
    "a=rtpmap:97 telephone-event/8000",
    "a=rtcp-mux",
)
EVENTS = "a=rtpmap:101 telephone-event/8000"


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


Making = Callable[..., Embedded]


@pytest.fixture
async def make(events: Events) -> AsyncIterator[Making]:
    """Make planes, which leave nothing behind."""
    made: list[Embedded] = []

    def one(settings: Settings = SETTINGS, **more: Callable[[], float]) -> Embedded:
        made.append(Embedded(settings, events, **more))  # type: ignore[arg-type]
        return made[-1]

    yield one
    for each in made:
        await each.aclose()
        assert each.describe() == {"calls": 0, "ports": 0, "tasks": 0, "transcoded": 0}


@pytest.fixture
async def plane(make: Making) -> Embedded:
    return make()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    made = await Phone.open()
    yield made
    made.close()


async def connected(events: Events) -> None:
    assert {await events.next(), await events.next()} == {
        Connected("call", SIP),
        Connected("call", XMPP),
    }


async def talk(client: Client, phone: Phone, start: int = 1) -> None:
    """One packet each way."""
    await client.send(packet(start))
    assert await phone.next() == packet(start)
    phone.send(packet(start + 1))
    assert await client.next() == packet(start + 1)


async def calling(plane: Embedded, phone: Phone, *, active: bool = True) -> Client:
    """Return a client that has called the phone."""
    desk, client = Desk(plane), Client(controlling=True, active=active)
    await client.gather()
    phone.hears(await desk.offer(XMPP, client.says("active" if active else "actpass"), PLAIN))
    await client.hears(await desk.answer(SIP, phone.says(EVENTS)))
    assert await client.shake() is State.CONNECTED
    return client


@pytest.mark.spec("MED-26")
@pytest.mark.spec("MED-27")
@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("active", [True, False])
async def test_a_client_calls_a_phone(
    make: Making, events: Events, phone: Phone, active: bool, lite: bool
) -> None:
    client = await calling(make(replace(SETTINGS, lite=lite)), phone, active=active)
    await connected(events)
    await talk(client, phone)
    await client.close()


@pytest.mark.spec("MED-31")
@pytest.mark.parametrize("toward", [PLAIN, SDES])
async def test_another_phone_takes_the_place_of_one(
    plane: Embedded, events: Events, phone: Phone, toward: Profile
) -> None:
    """The client hears of nothing; the old phone has its media until the new one has answered."""
    client = await calling(plane, phone)
    await connected(events)
    desk, other = Desk(plane), await Phone.open()
    offer = await desk.offer(XMPP, client.says("active"), toward, successor=SIP)
    assert offer.media[0].port != phone.there[1]
    await talk(client, phone)
    plane.revert("call")
    await talk(client, phone, 5)
    offer = await desk.offer(XMPP, client.says("active"), toward, successor=SIP)
    other.hears(offer)
    keys = [sdes.Line.parse(each) for each in offer.media[0].values("crypto")]
    mine = [sdes.answer(each, bytes) for each in keys[:1]]
    protocol = "RTP/SAVP" if keys else "RTP/AVP"
    lines = (f"m=audio {other.port} {protocol} 0", *(f"a=crypto:{each}" for each in mine))
    await desk.answer(SIP, sdp(f"c=IN IP4 {HOST}", *lines))
    assert await events.next() == Connected("call", SIP)
    srtp = sdes.session(mine[0], keys[0]) if keys else None
    await client.send(packet(9))
    heard = await other.next()
    assert (srtp.unprotect(heard) if srtp else heard) == packet(9)
    said = packet(10)
    other.send(srtp.protect(said) if srtp else said)
    assert await client.next() == said
    phone.send(packet(11))
    await client.send(packet(12))
    heard = await other.next()
    assert (srtp.unprotect(heard) if srtp else heard) == packet(12)
    assert phone.heard.empty()
    assert len(plane.ports) == 2
    await client.close()
    other.close()


@pytest.mark.spec("MED-31")
@pytest.mark.parametrize("advertised", ["", "127.0.0.2"])
async def test_two_calls_are_joined_though_a_nat_is_before_them(
    make: Making, phone: Phone, advertised: str
) -> None:
    """What peers are told is not where this host reaches itself."""
    desk, other = Desk(make(replace(SETTINGS, advertised=advertised))), await Phone.open()
    between = await desk.offer(XMPP, phone.says(), NEAR, "one")
    other.hears(await desk.offer(SIP, between, NEAR, "two"))
    between = await desk.answer(XMPP, other.says(), "two")
    phone.hears(await desk.answer(SIP, between, "one"))
    for each in (phone, other):
        each.there = HOST, each.there[1]
    phone.send(packet(1))
    assert await other.next() == packet(1)
    other.send(packet(2))
    assert await phone.next() == packet(2)
    other.close()


@pytest.mark.spec("MED-25")
@pytest.mark.spec("MED-26")
@pytest.mark.spec("MED-27")
@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("controlling", [False, True])
async def test_a_phone_calls_a_client(
    make: Making, events: Events, phone: Phone, lite: bool, controlling: bool
) -> None:
    desk = Desk(make(replace(SETTINGS, lite=lite)))
    offer = await desk.offer(SIP, phone.says(EVENTS), JINGLE)
    (media,) = offer.media
    assert media.value("setup") == "actpass"
    client = Client(controlling=controlling, active=True, mid=media.value("mid") or "")
    await client.gather()
    phone.hears(await desk.answer(XMPP, client.says("active")))
    await client.hears(offer)
    assert await client.shake() is State.CONNECTED
    await connected(events)
    await talk(client, phone)
    # RTCP: one port there, two here
    report = rtcp.receiver_report(rtcp.Receiver(5))
    phone.send(report, 1)
    assert await client.next() == report
    assert client.srtp is not None
    await client.ice.send(client.srtp.protect_rtcp(report))
    assert await phone.next() == report
    await client.close()


REPORT = rtcp.receiver_report(rtcp.Receiver(5))


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize("lite", [False, True])
async def test_a_phone_that_is_offered_ice_and_has_none(
    make: Making, events: Events, phone: Phone, lite: bool
) -> None:
    """RFC 8839 §4.3.3: RTP and RTCP by the plain addresses of both, and no ICE in later offers."""
    desk, other = Desk(make(replace(SETTINGS, lite=lite))), await Phone.open()
    offer = await desk.offer(XMPP, other.says(), PLAIN)
    (media,) = offer.media
    found = candidates(media.values("candidate"))
    assert [(each.component, each.port) for each in found] == [(1, media.port), (2, media.port + 1)]
    assert media.value("rtcp") == f"{media.port + 1} IN IP4 {HOST}"
    assert ("ice-lite" in str(offer)) is lite
    phone.hears(offer)
    other.hears(await desk.answer(SIP, phone.says()))
    await connected(events)
    other.send(packet(1))
    assert await phone.next() == packet(1)
    phone.send(packet(2))
    assert await other.next() == packet(2)
    other.send(REPORT, 1)
    assert await phone.next() == REPORT
    phone.send(REPORT, 1)
    assert await other.next() == REPORT
    again = await desk.offer(XMPP, other.says(), PLAIN)
    assert "ice" not in str(again)
    assert again.media[0].port == media.port
    other.close()


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("components", [1, 2])
async def test_a_phone_that_insists_on_ice(
    make: Making, events: Events, lite: bool, components: int
) -> None:
    desk, other = Desk(make(replace(SETTINGS, lite=lite))), await Phone.open()
    phone = Checked(components)
    await phone.gather()
    offer = await desk.offer(XMPP, other.says(), PLAIN)
    assert "a=ice-options:ice2" in str(offer)
    other.hears(await desk.answer(SIP, phone.says()))
    await phone.hears(offer)
    await connected(events)
    other.send(packet(1))
    assert await phone.next() == (packet(1), 1)
    await phone.ice.sendto(packet(2), 1)
    assert await other.next() == packet(2)
    if components == 2:
        other.send(REPORT, 1)
        assert await phone.next() == (REPORT, 2)
        await phone.ice.sendto(REPORT, 2)
        assert await other.next() == REPORT
    await phone.ice.close()
    other.close()


@pytest.mark.parametrize("lite", [False, True])
async def test_a_phone_may_go_on_without_ice(
    make: Making, events: Events, phone: Phone, lite: bool
) -> None:
    """Another one may have taken the call over: nobody is asked for consent then."""
    desk, other, first = Desk(make(replace(SETTINGS, lite=lite))), await Phone.open(), Checked()
    await first.gather()
    offer = await desk.offer(XMPP, other.says(), PLAIN)
    other.hears(await desk.answer(SIP, first.says()))
    await first.hears(offer)
    await connected(events)
    phone.hears(await desk.offer(XMPP, other.says(), PLAIN))
    await desk.answer(SIP, phone.says())
    await first.ice.close()
    other.send(packet(1))
    assert await phone.next() == packet(1)
    phone.send(packet(2))
    assert await other.next() == packet(2)
    other.close()


VIDEO = ("m=video {} RTP/AVP 96", "a=rtpmap:96 VP8/90000")


def alone(*said: SessionDescription) -> SessionDescription:
    """Return what is said of several streams, without a bundle."""
    audio, video = (each.media[0] for each in said)
    maps = ("rtpmap", "mid")
    kept = tuple(each for each in video.attributes if each.name not in maps)
    picture = Attribute("rtpmap", "96 VP8/90000")
    video = replace(video, kind="video", formats=("96",), attributes=(picture, *kept))
    return replace(said[0], media=(audio, video), attributes=())


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize("lite", [False, True])
async def test_who_does_not_bundle_gets_each_stream_by_itself(
    make: Making, events: Events, phone: Phone, lite: bool
) -> None:
    """RFC 9143 §7.2: as each was offered a transport of its own."""
    plane, other = make(replace(SETTINGS, lite=lite)), await Phone.open()
    desk = Desk(plane)
    says = phone.says(*(line.format(other.port) for line in VIDEO))
    offer = await desk.offer(SIP, says, JINGLE)
    assert offer.value("group") == "BUNDLE 0 1"
    first, second = offer.media
    assert first.port != second.port
    for name in ("ice-ufrag", "ice-pwd", "fingerprint"):
        assert first.value(name) == second.value(name)
    clients = [Client(controlling=False, active=True, mid=str(n)) for n in range(2)]
    for each in clients:
        await each.gather()
    told = await desk.answer(XMPP, alone(*(each.says("active") for each in clients)))
    assert [bool(each.port) for each in told.media] == [True, True]
    phone.hears(told)
    other.there = (HOST, told.media[1].port)
    for index, each in enumerate(clients):
        await each.hears(offer, index)
        assert await each.shake() is State.CONNECTED
    await connected(events)
    await talk(clients[0], phone)
    await clients[1].send(packet(5, 96))
    assert await other.next() == packet(5, 96)
    other.send(packet(6, 96))
    assert await clients[1].next() == packet(6, 96)
    again = await desk.offer(SIP, says, JINGLE)
    assert again.value("group") is None
    assert [each.port for each in again.media] == [first.port, second.port]
    for each in clients:
        await each.close()
    other.close()


@pytest.mark.spec("MED-25")
async def test_who_bundles_leaves_one_transport(plane: Embedded, phone: Phone) -> None:
    desk, client = Desk(plane), Client(controlling=False, active=True, mid="0")
    await client.gather()
    says = phone.says(*(line.format(4000) for line in VIDEO))
    offer = await desk.offer(SIP, says, JINGLE)
    assert plane.describe()["ports"] == 2
    assert (await desk.offer(SIP, says, JINGLE)) == offer
    answer = alone(client.says("active"), client.says("active"))
    first, second = answer.media
    named = replace(second, attributes=(*second.attributes, Attribute("mid", "1")))
    group = (Attribute("group", "BUNDLE 0 1"),)
    await desk.answer(XMPP, replace(answer, media=(first, named), attributes=group))
    (transport,) = plane._calls["call"].legs[XMPP].transports.values()
    assert transport.rtp[1] == offer.media[0].port
    for _ in range(100):
        if plane.describe()["ports"] == 3:
            break
        await asyncio.sleep(0.01)
    assert plane.describe()["ports"] == 3  # two of the phone's
    again = await desk.offer(SIP, says, JINGLE)
    assert {each.port for each in again.media} == {offer.media[0].port}
    assert len(again.media[0].values("candidate")) == 1
    await client.close()


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize("lite", [False, True])
async def test_who_refuses_rtcp_on_the_port_of_rtp_has_it_on_another(
    make: Making, events: Events, lite: bool
) -> None:
    """RFC 5761 §5.1.1, by ICE with two components."""
    desk, other = Desk(make(replace(SETTINGS, lite=lite))), await Phone.open()
    phone, muxed = Checked(), Profile(ice=True, mux=True)
    await phone.gather()
    offer = await desk.offer(XMPP, other.says(), muxed)
    assert offer.media[0].value("rtcp-mux") == ""
    assert len(offer.media[0].values("candidate")) == 2
    other.hears(await desk.answer(SIP, phone.says()))
    await phone.hears(offer)
    await connected(events)
    other.send(REPORT, 1)
    assert await phone.next() == (REPORT, 2)
    await phone.ice.sendto(REPORT, 2)
    assert await other.next() == REPORT
    again = await desk.offer(XMPP, other.says(), muxed)
    assert again.media[0].value("rtcp-mux") is None
    assert again.media[0].value("rtcp") is not None
    await phone.ice.close()
    other.close()


@pytest.mark.spec("MED-25")
@pytest.mark.parametrize("lite", [False, True])
async def test_rtcp_on_another_port_has_keys_of_its_own(
    make: Making, events: Events, phone: Phone, lite: bool
) -> None:
    """RFC 5764 §4.1, by ICE with two components."""
    desk = Desk(make(replace(SETTINGS, lite=lite)))
    client = Client(controlling=True, active=True, mid="0", components=2)
    await client.gather()
    offer = await desk.offer(SIP, phone.says(), JINGLE)
    assert len(offer.media[0].values("candidate")) == 2
    answer = client.says("active")
    (media,) = answer.media
    kept = tuple(each for each in media.attributes if each.name != "rtcp-mux")
    said = replace(answer, media=(replace(media, attributes=kept),), attributes=())
    phone.hears(await desk.answer(XMPP, said))
    await client.hears(offer)
    assert await client.shake() is State.CONNECTED
    await connected(events)
    await talk(client, phone)
    await client.shake_rtcp()
    assert client.srtcp is not None
    await client.ice.sendto(client.srtcp.protect_rtcp(REPORT), 2)
    assert await phone.next() == REPORT
    phone.send(REPORT, 1)
    data, component = await client.ice.recvfrom()
    assert (client.srtcp.unprotect_rtcp(data), component) == (REPORT, 2)
    again = await desk.offer(SIP, phone.says(), JINGLE)
    assert again.media[0].value("rtcp-mux") is None
    assert again.media[0].value("rtcp") is not None
    await client.close()


async def test_candidates_may_come_later(plane: Embedded, events: Events, phone: Phone) -> None:
    desk, client = Desk(plane), Client(controlling=True, active=True)
    await client.gather()
    found = candidates([each.to_sdp() for each in client.candidates])
    plane.candidates("call", XMPP, "audio", client.ice.local_username, found)  # no call yet
    first = desk.offer(XMPP, client.says("active", trickle=True), PLAIN)
    phone.hears(await first)
    plane.candidates("call", XMPP, "audio", client.ice.local_username, found)
    odd = candidates(["1 1 tcp 1 192.0.2.1 9 typ host", "1 1 udp 1 x.local 4000 typ host"])
    plane.candidates("call", XMPP, "audio", client.ice.local_username, odd)
    told = await desk.answer(SIP, phone.says())
    await client.hears(told)
    assert await client.shake() is State.CONNECTED
    await talk(client, phone)
    await client.close()


@pytest.mark.spec("MED-26")
async def test_a_wrong_fingerprint_ends_the_call(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    desk, client = Desk(plane), Client(controlling=True, active=True)
    await client.gather()
    stranger = Identity.make().fingerprint()
    phone.hears(await desk.offer(XMPP, client.says("active", fingerprint=stranger), PLAIN))
    await client.hears(await desk.answer(SIP, phone.says()))
    assert await client.shake() is State.FAILED
    assert await events.next() == Connected("call", SIP)
    lost = await events.next()
    assert isinstance(lost, Lost)
    assert (lost.side, lost.trouble) == (XMPP, Trouble.SECURITY)
    await client.close()


async def test_a_client_that_nobody_can_reach_is_lost(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    desk, client = Desk(plane), Client(controlling=True, active=True)
    offer = client.says("active", "a=end-of-candidates")
    await desk.offer(XMPP, offer, PLAIN)
    await desk.answer(SIP, phone.says())
    assert await events.next() == Connected("call", SIP)
    lost = await events.next()
    assert isinstance(lost, Lost)
    assert (lost.side, lost.trouble) == (XMPP, Trouble.CONNECTIVITY)


async def test_a_client_that_does_not_come_in_time_is_lost(
    make: Making, events: Events, phone: Phone
) -> None:
    late = 0.0
    loop = asyncio.get_running_loop()
    plane = make(clock=lambda: loop.time() + late)
    desk, client = Desk(plane), Client(controlling=True, active=True)
    await desk.offer(XMPP, client.says("active"), PLAIN)
    await desk.answer(SIP, phone.says())
    assert await events.next() == Connected("call", SIP)
    late = 30.0
    plane._calls["call"]._on_alarm()
    lost = await events.next()
    assert isinstance(lost, Lost)
    assert (lost.side, lost.trouble) == (XMPP, Trouble.CONNECTIVITY)


async def test_consent_that_is_not_given_any_more_ends_the_call(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    client = await calling(plane, phone)
    await connected(events)
    (transport,) = plane._calls["call"].legs[XMPP].transports.values()
    agent = transport.sockets.carrier
    assert isinstance(agent, Agent)
    await Connection.close(agent)  # as aioice does by itself
    lost = await events.next()
    assert isinstance(lost, Lost)
    assert (lost.side, lost.trouble) == (XMPP, Trouble.CONNECTIVITY)
    await client.close()


@pytest.mark.parametrize("hold", [False, True])
async def test_silence_ends_a_call_that_is_not_on_hold(
    make: Making, events: Events, phone: Phone, hold: bool
) -> None:
    late = 0.0
    loop = asyncio.get_running_loop()
    plane = make(clock=lambda: loop.time() + late)
    desk = Desk(plane)
    other = await Phone.open()
    line = "a=inactive" if hold else "a=sendrecv"
    await desk.offer(XMPP, other.says(line), PLAIN)
    await desk.answer(SIP, phone.says(line))
    await connected(events)
    for late in (59.0, 61.0):
        plane._calls["call"]._on_alarm()
        if late == 59.0 or hold:
            assert events.queue.empty()
    if not hold:
        lost = await events.next()
        assert isinstance(lost, Lost)
        assert lost.trouble is Trouble.SILENCE
    other.close()


T140 = ("a=rtpmap:98 t140/1000", "a=rtpmap:100 red/1000", "a=fmtp:100 98/98/98")


def as_text(description: SessionDescription) -> SessionDescription:
    """Return a description whose stream is of text, by T.140 (RFC 4103 §10.1)."""
    (media,) = description.media
    kept = [each for each in media.attributes if each.name not in {"rtpmap", "fmtp"}]
    said = [Attribute(*line.removeprefix("a=").split(":", 1)) for line in T140]
    text = replace(media, kind="text", formats=("98", "100"), attributes=(*kept, *said))
    return replace(description, media=(text,))


@pytest.mark.spec("MED-40")
async def test_text_passes_like_any_stream(plane: Embedded, events: Events, phone: Phone) -> None:
    """With what repeats it (RFC 2198), whose blocks name its number."""
    desk, client = Desk(plane), Client(controlling=True, active=True)
    await client.gather()
    offer = await desk.offer(XMPP, as_text(client.says("active")), PLAIN)
    assert (offer.media[0].kind, offer.media[0].formats) == ("text", ("98", "100"))
    phone.hears(offer)
    await client.hears(await desk.answer(SIP, as_text(phone.says())))
    assert client.told is not None
    assert client.told.media[0].fmtp("100") == "98/98/98"
    assert await client.shake() is State.CONNECTED
    await connected(events)
    repeated = bytes([0x80 | 98, 0, 0, 1, 98]) + b"Hi"
    for number, (kind, payload) in enumerate([(98, b"H"), (100, repeated)], 1):
        await client.send(packet(number, kind, payload))
        assert await phone.next() == packet(number, kind, payload)
        phone.send(packet(number, kind, payload))
        assert await client.next() == packet(number, kind, payload)
    await client.close()


def test_an_address_that_says_nothing_is_none() -> None:
    for bind in ("::", "0.0.0.0"):  # noqa: S104 (refused)
        with pytest.raises(LocalError):
            Embedded(Settings(bind), print)


async def test_ports_are_bounded_and_come_back(make: Making, phone: Phone) -> None:
    plane = make(replace(SETTINGS, first=42000, last=42003))
    desk = Desk(plane)
    for name in ("one", "two"):
        await desk.offer(XMPP, phone.says(), PLAIN, name)
    with pytest.raises(MediaError) as full:
        await desk.offer(XMPP, phone.says(), PLAIN, "three")
    assert full.value.trouble is Trouble.FULL
    with pytest.raises(MediaError):
        await desk.offer(SIP, phone.says(), JINGLE, "three")
    plane.close("one")
    plane.close("three")
    await asyncio.sleep(0)
    video = ("m=video 4000 RTP/AVP 96", "a=rtpmap:96 VP8/90000")
    both = sdp(f"c=IN IP4 {HOST}", "m=audio 4000 RTP/AVP 0", *video)
    with pytest.raises(MediaError):
        await desk.offer(XMPP, both, PLAIN, "four")
    await asyncio.sleep(0)
    await desk.offer(SIP, phone.says(), JINGLE, "four")


async def test_calls_and_steps_are_bounded(make: Making, phone: Phone) -> None:
    plane = make(replace(SETTINGS, calls=1))
    found: list[object] = []
    for _ in range(MOST_STEPS + 1):
        plane.offer("call", XMPP, phone.says(), PLAIN, found.append)
    (full,) = found
    plane.offer("other", XMPP, phone.says(), PLAIN, found.append)
    assert isinstance(full, MediaError)
    assert all(isinstance(each, MediaError) and each.trouble is Trouble.FULL for each in found)


async def test_who_waits_when_a_call_ends_is_told(plane: Embedded, phone: Phone) -> None:
    found: asyncio.Queue[object] = asyncio.Queue()
    plane.offer("call", SIP, phone.says(), JINGLE, found.put_nowait)
    await asyncio.sleep(0)
    plane.close("call")
    plane.close("call")
    async with asyncio.timeout(5):
        told = await found.get()
    assert isinstance(told, MediaError)
    assert told.trouble is Trouble.GONE
    plane.answer("call", SIP, phone.says(), found.put_nowait)
    assert isinstance(found.get_nowait(), MediaError)


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_hold(plane: Embedded, events: Events, phone: Phone, direction: str) -> None:
    client, desk = await calling(plane, phone), Desk(plane)
    await talk(client, phone)
    told = await desk.offer(SIP, phone.says(f"a={direction}"), JINGLE)
    assert told.media[0].value(direction) is not None or f"a={direction}" in str(told)
    assert told.media[0].value("ice-ufrag") == client.ice.remote_username
    back = "recvonly" if direction == "sendonly" else "inactive"
    answer = await desk.answer(XMPP, client.says("active", f"a={back}"))
    assert f"a={back}\r\n" in str(answer)
    await client.send(packet(50))
    await desk.offer(SIP, phone.says(), JINGLE)
    await desk.answer(XMPP, client.says("active"))
    await talk(client, phone, 60)  # 50 has not come
    await client.close()


async def test_a_client_that_is_not_heard_of_yet(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    desk, client = Desk(plane), Client(controlling=True, active=True)
    await client.gather()
    first = await desk.offer(XMPP, STAND_IN, PLAIN)
    phone.hears(first)
    answer = phone.says("a=rtpmap:97 telephone-event/8000", formats="0 97")
    useless = await desk.answer(SIP, answer)
    assert useless.media[0].port == 9
    assert await events.next() == Connected("call", SIP)
    phone.send(packet(1))  # nobody is there yet
    second = await desk.offer(XMPP, client.says("active"), PLAIN)
    assert second.media[0].port == first.media[0].port
    assert second.media[0].formats == ("96", "0", "97")
    again = await desk.offer(XMPP, client.says("active"), PLAIN)
    assert again == second
    asked = await desk.offer(SIP, answer, JINGLE)
    assert asked.media[0].value("fingerprint") is not None
    plane.revert("call")
    await desk.offer(XMPP, client.says("active"), PLAIN)
    told = await desk.answer(SIP, answer)
    assert told.media[0].formats == ("0", "110")
    await client.hears(told)
    assert await client.shake() is State.CONNECTED
    await talk(client, phone)
    await client.send(packet(5, 110))
    assert await phone.next() == packet(5, 97)
    await client.close()


async def test_an_offer_that_is_refused_leaves_nothing_behind(
    plane: Embedded, phone: Phone
) -> None:
    desk = Desk(plane)
    first = await desk.offer(XMPP, phone.says(), PLAIN)
    await desk.answer(SIP, phone.says())
    ports = plane.describe()["ports"]
    more = sdp(
        f"c=IN IP4 {HOST}",
        f"m=audio {phone.port} RTP/AVP 0",
        "m=video 4000 RTP/AVP 96",
        "a=rtpmap:96 VP8/90000",
    )
    await desk.offer(XMPP, more, PLAIN)
    plane.revert("call")
    with pytest.raises(MediaError):
        await desk.answer(SIP, phone.says())
    assert plane.describe()["ports"] == ports
    again = await desk.offer(XMPP, phone.says(), PLAIN)
    assert again.media[0].port == first.media[0].port


async def test_what_is_refused_is_free_again(plane: Embedded, phone: Phone) -> None:
    desk = Desk(plane)
    video = ("m=video 4000 RTP/AVP 96", "a=rtpmap:96 VP8/90000")
    both = sdp(f"c=IN IP4 {HOST}", f"m=audio {phone.port} RTP/AVP 0", *video)
    await desk.offer(XMPP, both, PLAIN)
    one = sdp(f"c=IN IP4 {HOST}", f"m=audio {phone.port} RTP/AVP 0", "m=video 0 RTP/AVP 96")
    await desk.answer(SIP, one)
    for _ in range(100):
        if plane.describe()["ports"] == 2:
            break
        await asyncio.sleep(0.01)
    assert plane.describe()["ports"] == 2


async def test_by_ice_nobody_is_heard_who_was_not_checked(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    client = await calling(plane, phone)
    await connected(events)
    (transport,) = plane._calls["call"].legs[XMPP].transports.values()
    stranger = await Phone.open()
    stranger.there = transport.rtp
    stranger.send(packet(1))
    stranger.send(b"")
    stranger.send(b"\0\1 no STUN")
    await talk(client, phone)
    assert transport.path.dropped == 0
    stranger.close()
    await client.close()


async def test_other_keys_for_a_phone_that_refuses_the_first(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    desk, other = Desk(plane), await Phone.open()
    await desk.offer(XMPP, other.says(), PLAIN)
    plane.revert("call")
    offer = await desk.offer(XMPP, other.says(), SDES)
    line = sdes.choose(offer.media[0].values("crypto"))
    assert line is not None
    ours = sdes.answer(line, lambda count: bytes(range(count)))
    keys = sdes.session(ours, line)
    answer = phone.says(f"a=crypto:{ours}")
    answer = replace(answer, media=(replace(answer.media[0], protocol="RTP/SAVP"),))
    other.hears(await desk.answer(SIP, answer))
    phone.hears(offer)
    await connected(events)
    other.send(packet(1))
    assert keys.unprotect(await phone.next()) == packet(1)
    phone.send(packet(2))  # in the clear: nothing comes of it
    phone.send(keys.protect(packet(3)))
    assert await other.next() == packet(3)
    other.close()


@pytest.mark.spec("MED-36")
@pytest.mark.parametrize("toward", [SDES, JINGLE])
async def test_who_is_offered_keys_and_answers_without_gets_nothing(
    plane: Embedded, phone: Phone, toward: Profile
) -> None:
    desk, other = Desk(plane), await Phone.open()
    await desk.offer(XMPP, other.says(), toward)
    with pytest.raises(MediaError) as refused:
        await desk.answer(SIP, phone.says())
    assert refused.value.trouble is Trouble.UNACCEPTABLE
    other.close()


@pytest.mark.spec("MED-35")
async def test_what_cannot_be_carried_at_all_is_refused(plane: Embedded) -> None:
    with pytest.raises(MediaError) as refused:
        await Desk(plane).offer(SIP, sdp("m=application 4000 UDP/BFCP *"), JINGLE)
    assert refused.value.trouble is Trouble.UNACCEPTABLE
    with pytest.raises(MediaError):
        await Desk(plane).offer(SIP, sdp("m=audio 4000 RTP/SAVP 0"), JINGLE)


async def test_ice_begins_anew(plane: Embedded, events: Events, phone: Phone) -> None:
    old = await calling(plane, phone)
    await talk(old, phone)
    assert old.told is not None
    desk, new = Desk(plane), Client(controlling=True, active=True)
    new.identity = old.identity
    await new.gather()
    await desk.offer(XMPP, new.says("actpass"), PLAIN)
    told = await desk.answer(SIP, phone.says())
    assert told.media[0].value("ice-ufrag") != old.told.media[0].value("ice-ufrag")
    assert told.media[0].value("setup") == "passive"
    await talk(old, phone, 10)
    await new.hears(told)
    new.dtls, new.srtp = old.dtls, old.srtp  # keys are those of before (RFC 8842 §4)
    (transport,) = plane._calls["call"].legs[XMPP].transports.values()
    for _ in range(500):
        if transport.later is None:
            break
        await asyncio.sleep(0.01)
    await talk(new, phone, 20)
    await old.close()
    await new.close()


@pytest.mark.spec("MED-28")
async def test_digits_are_heard(plane: Embedded, events: Events, phone: Phone) -> None:
    client = await calling(plane, phone)
    await connected(events)
    await client.send(packet(1))
    await phone.next()
    plane.digits("call", SIP, "5#", 40)
    plane.digits("call", SIP, "no digit", 40)
    listener, heard = Listener(), ""
    while heard != "5#":
        data = await phone.next()
        assert rtp.payload_type(data) == 101
        found = listener.hear(rtp.timestamp(data), rtp.payload(data))
        heard += found.digit if isinstance(found, Event) else ""
    await client.close()


async def test_ice_with_a_port_for_rtcp(plane: Embedded, phone: Phone) -> None:
    client = Client(controlling=True, active=True)
    await client.gather()
    offer = client.says("active")
    media = offer.media[0]
    kept = tuple(each for each in media.attributes if each.name != "rtcp-mux")
    desk = Desk(plane)
    await desk.offer(XMPP, replace(offer, media=(replace(media, attributes=kept),)), PLAIN)
    told = await desk.answer(SIP, phone.says())
    components = [value.split()[1] for value in told.media[0].values("candidate")]
    assert components == ["1", "2"]
    assert told.media[0].value("rtcp") is not None
    await client.close()


async def test_how_a_call_fares(plane: Embedded, events: Events, phone: Phone) -> None:
    client = await calling(plane, phone)
    await talk(client, phone)
    found: list[dict[Side, object]] = []
    plane.counters("call", lambda counters: found.append(dict(counters)))
    plane.counters("other", lambda counters: found.append(dict(counters)))
    assert [getattr(found[0][side], "packets") for side in Side] == [1, 1]  # noqa: B009
    assert found[1] == {}
    await client.close()
