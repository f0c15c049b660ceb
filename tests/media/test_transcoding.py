import pytest

from dragoman.media import codecs
from dragoman.media.sound import G722, OPUS, PCMA, PCMU, Codec
from dragoman.media.transcoder import Beside
from dragoman.media.transcoding import answered, extended, lacking, plan, possible
from dragoman.sdp.session import Media, SessionDescription

OPUS_LINE = "a=rtpmap:111 opus/48000/2"
EVENTS = "a=rtpmap:101 telephone-event/8000"
WIDE_EVENTS = "a=rtpmap:110 telephone-event/48000"


def media(formats: str, *lines: str, kind: str = "audio") -> Media:
    text = "\r\n".join(["v=0", f"m={kind} 4000 RTP/AVP {formats}", *lines, ""])
    return SessionDescription.parse(text.encode()).media[0]


def shown(stream: Media) -> list[str]:
    found = [(number, codecs.rtpmap(stream, number)) for number in stream.formats]
    return [f"{number} {each.encoding}/{each.clock_rate}" for number, each in found if each]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (media("0 8 9 111", OPUS_LINE), ()),
        (media("0"), (OPUS, G722, PCMA)),
        (media("111", "a=rtpmap:111 OPUS/48000/2"), (G722, PCMU, PCMA)),
        (media("18"), ()),  # nothing that could be decoded
        (media("101", EVENTS), ()),
        (media("96", "a=rtpmap:96 VP8/90000", kind="video"), ()),
        (media("x 0", "a=rtpmap:x opus/48000/2"), (OPUS, G722, PCMA)),
    ],
)
def test_what_a_stream_lacks(stream: Media, expected: tuple[Codec, ...]) -> None:
    assert lacking(stream) == expected


def test_the_codecs_of_ours_come_after_their_own() -> None:
    assert shown(extended(media("0 101", EVENTS))) == [
        "0 PCMU/8000",
        "101 telephone-event/8000",
        "111 opus/48000",
        "9 G722/8000",
        "8 PCMA/8000",
        "96 telephone-event/48000",
    ]
    taken = media("9 111 96", "a=rtpmap:111 PCMU/8000", "a=rtpmap:96 PCMA/8000", "a=rtpmap:9 x/1")
    assert shown(extended(taken))[3:] == ["97 opus/48000", "98 G722/8000"]
    whole = media("0 8 9 111", OPUS_LINE)
    assert extended(whole) is whole


def test_who_can_be_brought_together() -> None:
    assert possible(media("0"), media("111", OPUS_LINE))
    assert not possible(media("18"), media("111", OPUS_LINE))
    assert not possible(media("0"), media("96", "a=rtpmap:96 VP8/90000", kind="video"))


def test_who_offered_hears_of_a_codec_of_its_own() -> None:
    asked = media(
        "18 111 0 110 126",
        OPUS_LINE,
        "a=fmtp:111 useinbandfec=1",
        WIDE_EVENTS,
        "a=rtpmap:126 telephone-event/8000",
        "a=fmtp:110 0-16",
    )
    given = media("8 101", EVENTS, "a=ptime:20", "a=ssrc:1 cname:x", "a=sendrecv")
    made = answered(given, asked)
    assert shown(made) == ["111 opus/48000", "110 telephone-event/48000"]
    assert made.fmtp("110") == "0-16"
    assert made.fmtp("111") is None
    assert (made.value("ptime"), made.value("ssrc")) == ("20", None)
    assert shown(answered(media("8"), asked)) == ["111 opus/48000"]
    old = media("111 126", OPUS_LINE, "a=rtpmap:126 telephone-event/8000")
    assert shown(answered(given, old))[1:] == ["126 telephone-event/8000"]
    assert shown(answered(media("8 13"), media("0 13"))) == ["0 PCMU/8000", "13 CN/8000"]
    assert shown(answered(media("8 13"), media("111 13", OPUS_LINE))) == ["111 opus/48000"]


def test_what_is_done_where_no_codec_is_common() -> None:
    client, told_client = (
        media("111 110", OPUS_LINE, WIDE_EVENTS),
        media("111 110", OPUS_LINE, WIDE_EVENTS),
    )
    phone = media("0 101 13", EVENTS)
    told_phone = extended(media("111 101", OPUS_LINE, EVENTS))
    found = plan(told_phone, phone, told_client, client)
    assert found is not None
    assert (found.target, found.number, found.whole) == (OPUS, 111, True)
    assert (found.sound[0], found.sound[8], found.sound[9]) == (PCMU, PCMA, G722)
    assert found.events[101] == Beside(110, 8000, 48000)
    assert found.noise == {}
    assert found.clock == 8000
    back = plan(told_client, client, told_phone, phone)
    assert back is not None
    assert (back.target, back.number, back.sound) == (PCMU, 0, {111: OPUS})
    assert back.events == {110: Beside(101, 48000, 8000)}


def test_a_phone_that_answered_something_else_has_what_it_said() -> None:
    """It was asked by what stood for a client, and not anew by what that says itself."""
    client, phone = media("111 101", OPUS_LINE, EVENTS), media("0 101", EVENTS)
    found = plan(client, phone, client, client)
    assert found is not None
    assert (found.sound, found.whole) == ({0: PCMU}, True)
    back = plan(client, client, client, phone)
    assert back is not None
    assert (back.target, back.sound) == (PCMU, {111: OPUS})


def test_what_is_common_is_left_alone() -> None:
    both = media("111 0", OPUS_LINE)
    assert plan(both, both, both, both) is None
    assert plan(both, media("18"), both, media("18")) is None
    video = media("96", "a=rtpmap:96 VP8/90000", kind="video")
    assert plan(video, video, video, video) is None


def test_who_may_send_both_is_decoded_only_when_it_sends_what_is_not_common() -> None:
    client = media("111", OPUS_LINE)
    told_phone, phone = extended(client), media("0 111 13", OPUS_LINE)
    found = plan(told_phone, phone, client, client)
    assert found is not None
    assert not found.whole
    assert found.through == frozenset({111})
    assert found.along == {111: 111}
    assert 111 not in found.sound
    # what goes to the phone is what it takes
    assert plan(client, client, told_phone, phone) is None


def test_noise_goes_where_it_has_the_clock_of_the_sound() -> None:
    phone, other = media("8 13"), media("0 13")
    found = plan(extended(phone), phone, extended(other), other)
    assert found is not None
    assert found.noise == {13: 13}


def test_numbers_that_are_none_are_no_codecs() -> None:
    odd = media("x 0", "a=rtpmap:x opus/48000/2", "a=rtpmap:999 opus/48000/2")
    found = plan(odd, odd, media("8"), media("8"))
    assert found is not None
    assert found.sound == {0: PCMU}
