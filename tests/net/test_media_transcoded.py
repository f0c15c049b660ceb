"""Calls whose legs have no codec in common, through the plane of this process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from dragoman.media import codecs, rtcp, rtp, sound
from dragoman.media.dtls import State
from dragoman.media.plane import (
    JINGLE,
    PLAIN,
    Connected,
    MediaError,
    Side,
    Transcoded,
    Transcoding,
    Trouble,
)
from dragoman.media.sound import OPUS, PCMA, PCMU, Codec
from dragoman.media.telephone import Event
from dragoman.net.media import Embedded, Settings
from dragoman.sdp.session import Media, SessionDescription
from tests.media.tone import LEVEL, SOURCE, heard, power, stream
from tests.net.mediapeers import Client, Desk, Events, Phone

pytest.importorskip("av", reason="PyAV is not here: dragoman[transcode] has it")

HOST = "127.0.0.1"
SETTINGS = Settings(HOST, first=43000, last=43999, transcode=True)
SIP, XMPP = Side.SIP, Side.XMPP
MORE = replace(PLAIN, more=True)
OPUS_LINE = "a=rtpmap:111 opus/48000/2"
EVENTS = "a=rtpmap:101 telephone-event/8000"
WIDE_EVENTS = "a=rtpmap:110 telephone-event/48000"
PACKETS = 25


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def plane(events: Events) -> AsyncIterator[Embedded]:
    made = Embedded(SETTINGS, events)
    yield made
    await made.aclose()
    assert made.describe() == {"calls": 0, "ports": 0, "tasks": 0, "transcoded": 0}


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    made = await Phone.open()
    yield made
    made.close()


@pytest.fixture
async def other() -> AsyncIterator[Phone]:
    """The other leg, in the clear too."""
    made = await Phone.open()
    yield made
    made.close()


def opus_only(description: SessionDescription) -> SessionDescription:
    """Return what a client says, without G.711."""
    media = description.media[0]
    kept = codecs.renumbered(media, {"111": "111", "110": "110"})
    return replace(description, media=(kept,))


def named(media: Media) -> list[str]:
    found = [codecs.rtpmap(media, number) for number in media.formats]
    return [f"{each.encoding}/{each.clock_rate}" for each in found if each]


async def opus_calls_g711(plane: Embedded, phone: Phone, other: Phone) -> None:
    """Have a leg that has only Opus call a phone that has only G.711."""
    desk = Desk(plane)
    offer = other.says(OPUS_LINE, WIDE_EVENTS, formats="111 110")
    phone.hears(await desk.offer(XMPP, offer, MORE))
    other.hears(await desk.answer(SIP, phone.says(EVENTS)))


async def listen(peer: Phone | Client, count: int, *numbers: int) -> list[bytes]:
    """Return that many packets that a peer hears with one of the payload types."""
    found: list[bytes] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            data = await peer.next()
            if rtp.is_rtp(data) and rtp.payload_type(data) in numbers:
                found.append(data)
    return found


async def spoken(peer: Phone | Client, number: int, count: int = PACKETS) -> list[bytes]:
    """Return that many packets of speech, which begins with a marker, as silence before it does."""
    found = await listen(peer, 1, number)
    while len(found) < count:
        (data,) = await listen(peer, 1, number)
        found = [data] if rtp.marker(data) else [*found, data]
    return found


def is_tone(codec: Codec, packets: Sequence[bytes]) -> bool:
    pcm = heard(codec, packets)
    level = power(pcm[len(pcm) // 3 :], codec.rate)
    return level == pytest.approx(LEVEL, rel=0.1)


@pytest.mark.spec("MED-43")
async def test_a_client_that_has_only_opus_calls_a_phone_that_has_only_g711(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    desk, client = Desk(plane), Client(controlling=True, active=True)
    await client.gather()
    asked = await desk.offer(XMPP, opus_only(client.says("active")), MORE)
    phone.hears(asked)
    assert named(asked.media[0]) == [
        "opus/48000",
        "telephone-event/8000",
        "G722/8000",
        "PCMU/8000",
        "PCMA/8000",
    ]
    told = await desk.answer(SIP, phone.says(EVENTS))
    assert named(told.media[0]) == ["opus/48000", "telephone-event/8000"]
    assert await events.next() == Transcoded("call", SIP, "PCMU", "opus")
    assert await events.next() == Connected("call", SIP)
    assert plane.describe()["transcoded"] == 1
    # nobody speaks yet, and is heard as silence
    quiet = await listen(phone, 5, 0)
    assert max(map(abs, heard(PCMU, quiet))) < 40
    await client.hears(told)
    assert await client.shake() is State.CONNECTED
    assert await events.next() == Connected("call", XMPP)
    for each in stream(OPUS, PACKETS):
        await client.send(each)
    found = await spoken(phone, 0)
    assert is_tone(PCMU, found)
    assert len({rtp.ssrc(each) for each in quiet + found}) == 1
    for each in stream(PCMU, PACKETS):
        phone.send(each)
    assert is_tone(OPUS, await spoken(client, 111))
    counted = plane._calls["call"].relay.counters()
    assert counted[SIP].packets == counted[XMPP].packets == PACKETS
    assert counted[SIP].lost == counted[XMPP].lost == 0
    await client.close()


@pytest.mark.spec("MED-43")
async def test_a_phone_that_has_only_g711_calls_a_client_that_has_only_opus(
    plane: Embedded, events: Events, phone: Phone
) -> None:
    desk = Desk(plane)
    offer = await desk.offer(SIP, phone.says(EVENTS), JINGLE)
    assert named(offer.media[0])[:3] == ["PCMU/8000", "telephone-event/8000", "opus/48000"]
    client = Client(controlling=False, active=True, mid=offer.media[0].value("mid") or "")
    await client.gather()
    told = await desk.answer(XMPP, opus_only(client.says("active")))
    phone.hears(told)
    assert named(told.media[0]) == ["PCMU/8000", "telephone-event/8000"]
    await client.hears(offer)
    assert await client.shake() is State.CONNECTED
    for each in stream(PCMU, PACKETS):
        phone.send(each)
    assert is_tone(OPUS, await spoken(client, 111))
    await client.close()


@pytest.mark.spec("MED-43")
async def test_digits_and_reports_cross(
    plane: Embedded, events: Events, phone: Phone, other: Phone
) -> None:
    await opus_calls_g711(plane, phone, other)
    for each in stream(OPUS, PACKETS):
        other.send(each)
    digit = rtp.build(
        bytes(Event(7, 4800, end=True)),
        payload_type=110,
        sequence=PACKETS,
        timestamp=2**32 - 1,
        ssrc=SOURCE,
        marker=True,
    )
    other.send(digit)
    (pressed,) = await listen(phone, 1, 101)
    assert Event.parse(rtp.payload(pressed)) == Event(7, 800, end=True)
    for each in stream(PCMU, PACKETS):
        phone.send(each)
    assert is_tone(OPUS, await spoken(other, 111))
    report = rtcp.sender_report(rtcp.Sender(SOURCE, 7 << 32, 2**32 - 1, 9, 9))
    other.send(report, 1)
    async with asyncio.timeout(10):
        while not rtp.is_rtcp(data := await phone.next()):
            pass
    (said,) = rtcp.parse(data)
    assert isinstance(said, rtcp.Sender)
    assert (said.ssrc, said.ntp) == (rtp.ssrc(pressed), 7 << 32)
    # what the plane heard of the phone, for what the other leg says is of another stream
    assert [(each.ssrc, each.lost) for each in said.blocks] == [(SOURCE, 0)]
    plane.digits("call", SIP, "5", 80)
    found = await listen(phone, 1, 101)
    assert Event.parse(rtp.payload(found[0])).number == 5
    assert rtp.ssrc(found[0]) == rtp.ssrc(pressed)


async def test_a_call_that_goes_on_is_offered_what_it_needs(
    plane: Embedded, events: Events, phone: Phone, other: Phone
) -> None:
    """On hold, or with another address: the phone still has no Opus."""
    await opus_calls_g711(plane, phone, other)
    for each in stream(OPUS, 5):
        other.send(each)
    before = await spoken(phone, 0, 5)
    desk = Desk(plane)
    again = other.says(OPUS_LINE, WIDE_EVENTS, "a=sendonly", formats="111 110")
    assert "PCMU/8000" in named((await desk.offer(XMPP, again, PLAIN)).media[0])
    told = await desk.answer(SIP, phone.says(EVENTS, "a=recvonly"))
    assert named(told.media[0])[0] == "opus/48000"
    for each in stream(OPUS, 10)[5:]:
        other.send(each)
    after = await listen(phone, 5, 0)
    assert rtp.ssrc(before[0]) == rtp.ssrc(after[0])
    assert rtp.sequence(after[-1]) == (rtp.sequence(before[-1]) + 5) % 2**16
    # the phone asks for the same: the other leg is not asked, and answers as it said
    await desk.offer(SIP, phone.says(EVENTS), JINGLE)
    told = await desk.answer(XMPP, other.says(OPUS_LINE, WIDE_EVENTS, formats="111 110"))
    assert named(told.media[0]) == ["PCMU/8000", "telephone-event/8000"]


@pytest.mark.spec("MED-43")
async def test_a_phone_that_answered_what_stood_for_a_client(
    plane: Embedded, events: Events, phone: Phone, other: Phone
) -> None:
    """It took G.711 of all codecs, and the client has none of it: the phone is not asked anew."""
    desk = Desk(plane)
    all_ = SessionDescription.parse(
        f"v=0\r\nm=audio 9 RTP/AVP 111 9 0 8 101\r\n{OPUS_LINE}\r\n{EVENTS}\r\n".encode()
    )
    phone.hears(await desk.offer(XMPP, all_, PLAIN))
    answer = phone.says(EVENTS)
    await desk.offer(XMPP, other.says(OPUS_LINE, WIDE_EVENTS, formats="111 110"), PLAIN)
    other.hears(await desk.answer(SIP, answer))
    for each in stream(OPUS, PACKETS):
        other.send(each)
    assert is_tone(PCMU, await spoken(phone, 0))
    for each in stream(PCMU, PACKETS):
        phone.send(each)
    assert is_tone(OPUS, await spoken(other, 111))
    assert plane._calls["call"].relay.halves[SIP][0].receiver.codec == "PCMU"


async def test_a_codec_in_common_is_passed_on(
    plane: Embedded, events: Events, phone: Phone, other: Phone
) -> None:
    """Whatever else the phone takes of what was offered is decoded only if it sends that."""
    desk = Desk(plane)
    phone.hears(await desk.offer(XMPP, other.says(OPUS_LINE, formats="111"), MORE))
    answer = phone.says(OPUS_LINE, formats="111 0")
    other.hears(await desk.answer(SIP, answer))
    assert {await events.next(), await events.next()} == {
        Connected("call", SIP),
        Connected("call", XMPP),
    }
    (native,) = stream(OPUS, 1)
    for here, there in ((phone, other), (other, phone)):
        here.send(native)
        assert await there.next() == native
    assert plane.describe()["transcoded"] == 0
    for each in stream(PCMU, PACKETS):
        phone.send(each)
    assert await events.next() == Transcoded("call", SIP, "PCMU", "opus")
    heard_ = await listen(other, PACKETS, 111)
    assert is_tone(OPUS, heard_)
    phone.send(native)
    again = await other.next()
    assert rtp.payload(again) == rtp.payload(native)
    # one stream to who hears it
    assert {rtp.ssrc(each) for each in heard_} == {rtp.ssrc(native)}
    pairs = zip([native, *heard_], [*heard_, again], strict=True)
    assert {(rtp.sequence(b) - rtp.sequence(a)) % 2**16 for a, b in pairs} == {1}


@pytest.mark.spec("MED-43")
async def test_nothing_is_decoded_that_the_operator_does_not_want_decoded(
    events: Events, phone: Phone, other: Phone
) -> None:
    plane = Embedded(replace(SETTINGS, transcode=False), events)
    assert plane.transcoding is Transcoding.NEVER
    desk = Desk(plane)
    asked = await desk.offer(XMPP, other.says(OPUS_LINE, WIDE_EVENTS, formats="111 110"), MORE)
    assert named(asked.media[0]) == ["opus/48000", "telephone-event/48000"]
    with pytest.raises(MediaError) as caught:
        await desk.answer(SIP, phone.says(EVENTS))
    assert caught.value.trouble is Trouble.UNACCEPTABLE
    await plane.aclose()


@pytest.mark.spec("MED-43")
async def test_without_the_library_calls_fail_as_they_did(
    events: Events, phone: Phone, other: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sound, "find_spec", lambda _: None)
        plane = Embedded(SETTINGS, events)
    assert plane.transcoding is Transcoding.LACKS
    asked = await Desk(plane).offer(XMPP, other.says(OPUS_LINE, formats="111"), MORE)
    assert named(asked.media[0]) == ["opus/48000"]
    with pytest.raises(MediaError):
        await Desk(plane).answer(SIP, phone.says(EVENTS))
    await plane.aclose()


async def test_a_library_that_cannot_be_loaded_is_none(
    plane: Embedded,
    phone: Phone,
    other: Phone,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(sound, "import_module", broken)
    with pytest.raises(MediaError):
        await opus_calls_g711(plane, phone, other)
    assert plane.transcoding is Transcoding.LACKS
    assert "no transcoding" in caplog.text


async def test_only_so_many_calls_are_transcoded(
    events: Events, phone: Phone, other: Phone
) -> None:
    plane = Embedded(replace(SETTINGS, transcoded=1), events)
    await opus_calls_g711(plane, phone, other)
    desk = Desk(plane)
    offer = other.says(OPUS_LINE, formats="111")
    asked = await desk.offer(XMPP, offer, MORE, "another")
    assert named(asked.media[0]) == ["opus/48000"]
    with pytest.raises(MediaError) as caught:
        await desk.answer(SIP, phone.says(), "another")
    assert caught.value.trouble is Trouble.FULL
    await opus_calls_g711(plane, phone, other)  # the first goes on
    plane.close("call")
    await desk.offer(XMPP, offer, MORE, "another")
    await desk.answer(SIP, phone.says(), "another")
    await plane.aclose()


async def test_g711_of_two_kinds(
    plane: Embedded, events: Events, phone: Phone, other: Phone
) -> None:
    desk = Desk(plane)
    phone.hears(await desk.offer(XMPP, other.says(formats="8"), MORE))
    other.hears(await desk.answer(SIP, phone.says(formats="0")))
    for each in stream(PCMA, PACKETS):
        other.send(each)
    assert is_tone(PCMU, await spoken(phone, 0))
