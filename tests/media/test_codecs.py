import pytest

from dragoman.media import codecs
from dragoman.sdp.session import Media, SessionDescription


def media(formats: str, *lines: str, kind: str = "audio") -> Media:
    text = "\r\n".join(["v=0", f"m={kind} 4000 RTP/AVP {formats}", *lines, ""])
    return SessionDescription.parse(text.encode()).media[0]


OPUS = "a=rtpmap:96 opus/48000/2"
VIDEO = media(
    "96 97 98 99",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=rtpmap:98 H264/90000",
    "a=fmtp:98 profile-level-id=42e01f;packetization-mode=1",
    "a=rtpmap:99 rtx/90000",
    "a=fmtp:99 apt=98",
    kind="video",
)


@pytest.mark.parametrize(
    ("formats", "line", "expected"),
    [
        ("0", "", ("pcmu", 8000, 1)),
        ("9", "", ("g722", 8000, 1)),
        ("96", OPUS, ("opus", 48000, 2)),
        ("96", "", None),
        ("0", "a=rtpmap:0 PCMA/8000", ("pcma", 8000, 1)),
        ("x", "", None),
    ],
)
def test_a_number_stands_for_a_codec(
    formats: str, line: str, expected: codecs.Identity | None
) -> None:
    lines = [line] if line else []
    assert codecs.identity(media(formats, *lines), formats) == expected


def test_profiles_and_repaired_codecs_make_others_of_a_codec() -> None:
    found = codecs.identities(VIDEO)
    assert found == {
        "96": ("vp8", 90000, 1),
        "97": ("rtx", 90000, 1, "vp8", 90000, 1),
        "98": ("h264", 90000, 1, "42", "1"),
        "99": ("rtx", 90000, 1, "h264", 90000, 1, "42", "1"),
    }


def test_retransmissions_of_retransmissions_end() -> None:
    odd = media("97 98", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=98", "a=rtpmap:98 rtx/90000")
    assert codecs.identity(odd, "97") == ("rtx", 90000, 1)


def test_codecs_are_matched_by_what_they_are_and_by_their_own_number_best() -> None:
    other = media("111 0 112", "a=rtpmap:111 opus/48000/2", "a=rtpmap:112 opus/48000/2")
    assert codecs.matched(media("96 0 8", OPUS), other) == {"96": "111", "0": "0"}
    own = media("112", "a=rtpmap:112 opus/48000/2")
    assert codecs.matched(own, other) == {"112": "112"}


@pytest.mark.parametrize(
    ("formats", "lines", "before", "expected"),
    [
        # never heard of: its own number
        ("96 0", [OPUS], None, {"96": "96", "0": "0"}),
        # heard of by another number: that one
        (
            "96 0",
            [OPUS],
            media("111", "a=rtpmap:111 opus/48000/2"),
            {"96": "111", "0": "0"},
        ),
        # its number stood for another codec: a new one (RFC 3264 §8.3.2)
        ("96", [OPUS], media("96", "a=rtpmap:96 iLBC/8000"), {"96": "97"}),
        # nobody knows what it stands for, now as before
        ("99", [], media("99"), {"99": "99"}),
    ],
)
def test_a_number_keeps_its_meaning(
    formats: str, lines: list[str], before: Media | None, expected: dict[str, str]
) -> None:
    assert codecs.settled(media(formats, *lines), before) == expected


def test_what_hangs_on_a_number_is_renumbered_with_it() -> None:
    red = media(
        "63 96 97 101",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 96/96",
        OPUS,
        "a=rtcp-fb:96 transport-cc",
        "a=rtcp-fb:* nack",
        "a=fmtp:96 useinbandfec=1",
        "a=rtpmap:97 rtx/48000",
        "a=fmtp:97 apt=96;rtx-time=200",
        "a=rtpmap:101 telephone-event/8000",
    )
    made = codecs.renumbered(red, {"63": "121", "96": "111", "97": "112"})
    assert made.formats == ("121", "111", "112")
    assert [str(each) for each in made.attributes] == [
        "rtpmap:121 red/48000/2",
        "fmtp:121 111/111",
        "rtpmap:111 opus/48000/2",
        "rtcp-fb:111 transport-cc",
        "rtcp-fb:* nack",
        "fmtp:111 useinbandfec=1",
        "rtpmap:112 rtx/48000",
        "fmtp:112 apt=111;rtx-time=200",
    ]


def test_a_repair_goes_where_its_codec_goes() -> None:
    made = codecs.renumbered(VIDEO, {"96": "96", "97": "97", "99": "99"})
    assert made.formats == ("96", "97")


def test_numbers_are_translated_between_the_legs() -> None:
    told = media("96 0 101", OPUS, "a=rtpmap:101 telephone-event/8000")
    heard = media(
        "111 0 101 126",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:101 iLBC/8000",
        "a=rtpmap:126 telephone-event/8000",
    )
    assert codecs.translation(told, heard) == {96: 111, 101: 126}


def test_a_number_that_means_something_else_over_there_does_not_pass() -> None:
    told = media("96", "a=rtpmap:96 speex/16000")
    heard = media("96", OPUS)
    assert codecs.translation(told, heard) == {96: None}


def test_who_sends_by_numbers_of_his_own_is_understood_too() -> None:
    told, theirs = media("111", "a=rtpmap:111 opus/48000/2"), media("96", OPUS)
    assert codecs.translation(told, told, theirs) == {96: 111}


def test_events_are_best_at_the_clock_of_the_speech() -> None:
    both = media(
        "96 101 110",
        OPUS,
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:110 telephone-event/48000",
    )
    found = codecs.events(both, (48000,))
    assert found is not None
    assert found.payload_type == "110"
    first = codecs.events(both, (16000,))
    assert first is not None
    assert first.payload_type == "101"
    assert codecs.events(media("0")) is None
    speech = codecs.speech(media("101 13 0", "a=rtpmap:101 telephone-event/8000"))
    assert speech is not None
    assert speech.encoding == "PCMU"


@pytest.mark.spec("MED-25")
def test_no_number_stands_for_two_codecs_of_a_bundle() -> None:
    video = media("96 97", "a=rtpmap:96 VP8/90000", "a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96")
    assert codecs.settled(video, None, {"96", "0"}) == {"96": "97", "97": "98"}
    told = codecs.renumbered(video, codecs.settled(video, None, {"96", "0"}))
    assert told.fmtp("98") == "apt=97"
