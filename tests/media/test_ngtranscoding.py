"""What an rtpengine is asked so that sound is transcoded, and only where no codec is common."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from dragoman.media.plane import JINGLE, PLAIN, Side, Transcoded, Trouble
from dragoman.sdp.session import SessionDescription
from tests.media.ngfake import CLIENT, OPUS, STANDING, House, sdp

if TYPE_CHECKING:
    from dragoman.media.bencode import Value

SIP, XMPP = Side.SIP, Side.XMPP
MORE = replace(PLAIN, more=True)


def phone(formats: str, *lines: str) -> SessionDescription:
    return sdp("c=IN IP4 192.0.2.1", f"m=audio 5004 RTP/AVP {formats}", *lines)


def client(formats: str) -> SessionDescription:
    said = CLIENT.media[0].lines()
    lines = [each.replace("111 0 101", formats) for each in said]
    return sdp("a=group:BUNDLE voice", *lines)


@pytest.fixture
def house() -> House:
    return House(transcode=True)


def added(house: House) -> list[bytes]:
    """Return the codecs that the engine was asked to add last."""
    codec = cast("dict[bytes, Value]", house.engine.last("offer").get(b"codec", {}))
    return cast("list[bytes]", codec.get(b"transcode", []))


def transcoded(house: House) -> list[Transcoded]:
    return [each for each in house.events if isinstance(each, Transcoded)]


@pytest.mark.spec("MED-43")
def test_a_phone_without_opus_calls_a_client_that_has_nothing_else(house: House) -> None:
    offered = house.offer(SIP, phone("8"), JINGLE).description
    assert added(house) == [b"opus", b"G722", b"PCMU"]
    assert offered.media[0].formats == ("8", OPUS, "9", "0")
    assert offered.media[0].rtpmap(OPUS) is not None
    says = client(OPUS)
    lines = [each.replace("rtpmap:111", f"rtpmap:{OPUS}") for each in says.media[0].lines()]
    told = house.answer(XMPP, sdp("a=group:BUNDLE voice", *lines)).description
    assert told.media[0].formats == ("8",)
    assert transcoded(house) == [Transcoded("call", XMPP, "opus", "PCMA")]
    assert house.engine.commands() == ["offer", "answer"]


@pytest.mark.spec("MED-43")
def test_what_is_common_is_not_transcoded(house: House) -> None:
    """The engine forgets what it was to add."""
    house.offer(SIP, phone("0"), JINGLE)
    assert added(house)
    told = house.answer(XMPP, client("0")).description
    assert told.media[0].formats == ("0",)
    assert added(house) == []
    assert house.engine.commands() == ["offer", "offer", "answer"]
    assert transcoded(house) == []


@pytest.mark.spec("MED-43")
def test_who_took_more_than_what_is_common_may_send_it(house: House) -> None:
    house.offer(SIP, phone("0"), JINGLE)
    told = house.answer(XMPP, client("0 8")).description
    assert told.media[0].formats == ("0",)
    assert b"PCMA" in added(house)
    assert transcoded(house) == []


@pytest.mark.spec("MED-43")
def test_a_phone_is_offered_more_when_it_refused_what_the_client_has(house: House) -> None:
    opus = client("111")
    assert house.offer(XMPP, opus, PLAIN).description.media[0].formats == ("111",)
    assert added(house) == []
    house.revert()
    offered = house.offer(XMPP, opus, MORE).description
    assert offered.media[0].formats == ("111", "9", "0", "8")
    told = house.answer(SIP, phone("8")).description
    assert told.media[0].formats == ("111",)
    assert transcoded(house) == [Transcoded("call", SIP, "PCMA", "opus")]


@pytest.mark.spec("MED-43")
def test_a_phone_that_answered_what_stood_for_a_client_is_transcoded(house: House) -> None:
    house.offer(XMPP, STANDING, PLAIN)
    house.answer(SIP, phone("0"))
    house.offer(XMPP, client("111"), PLAIN)
    told = house.answer(SIP, phone("0")).description
    assert told.media[0].formats == ("111",)
    assert b"PCMU" in added(house)
    assert [each.source for each in transcoded(house)] == ["PCMU"]
    house.offer(XMPP, client("111"), PLAIN)
    house.answer(SIP, phone("0"))
    assert len(transcoded(house)) == 1
    assert house.calls.describe()["transcoded"] == 1


@pytest.mark.spec("MED-43")
def test_digits_wanted_later_leave_it_transcoded(house: House) -> None:
    """Both descriptions are repeated for them."""
    events = "a=rtpmap:101 telephone-event/8000"
    house.offer(XMPP, client("111 101"), MORE)
    house.answer(SIP, phone("8 101", events))
    house.calls.digits("call", SIP, "5", 100, house.now)
    house.run(0.0)
    assert b"PCMA" in added(house)


def test_engines_that_are_not_to_transcode_are_asked_for_nothing(house: House) -> None:
    house = House()
    assert house.offer(SIP, phone("8"), JINGLE).description.media[0].formats == ("8",)
    assert added(house) == []
    assert house.answer(XMPP, client("111")).error.trouble is Trouble.UNACCEPTABLE
