"""Session descriptions (RFC 8866)."""

from dataclasses import replace
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import (
    MAX_FORMATS,
    MAX_LINES,
    MAX_MEDIA,
    MAX_SIZE,
    NOWHERE,
    Address,
    Attribute,
    Bandwidth,
    Direction,
    Media,
    Origin,
    RtpMap,
    SessionDescription,
    Timing,
)

RFC_8866_5: Final = """\
v=0
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
s=Call to John Smith
i=SDP Offer #1
u=http://www.jdoe.example.com/home.html
e=Jane Doe <jane@jdoe.example.com>
p=+1 617 555-6011
c=IN IP4 198.51.100.1
t=0 0
m=audio 49170 RTP/AVP 0
m=audio 49180 RTP/AVP 0
m=video 51372 RTP/AVP 99
c=IN IP6 2001:db8::2
a=rtpmap:99 h263-1998/90000
"""
RFC_8866_6_7: Final = """\
v=0
o=jdoe 3724395000 3724395001 IN IP6 2001:db8::1
s=-
c=IN IP6 2001:db8::1
t=0 0
a=inactive
m=audio 49170 RTP/AVP 0
a=sendrecv
m=audio 49180 RTP/AVP 0
m=video 51372 RTP/AVP 99
a=rtpmap:99 h263-1998/90000
"""
RFC_4975_8_7: Final = """\
v=0
o=usera 2890844526 2890844527 IN IP4 alice.example.com
s= -
c=IN IP4 alice.example.com
t=0 0
m=message 7394 TCP/MSRP *
a=accept-types:message/cpim text/plain text/html
a=path:msrp://alice.example.com:7394/2s93i93idj;tcp
"""
EVERYTHING: Final = """\
v=0
o=- 1 2 IN IP4 192.0.2.1
s=a
i=what it is
u=https://example.com/
e=a@example.com
e=b@example.com
p=+44 20 7946 0000
c=IN IP4 233.252.0.1/127/3
b=AS:512
b=X-YZ:128
t=3724394400 3724398000
r=604800 3600 0 90000
z=3730536000 -1h
t=0 0
a=tool:pen
a=recvonly
m=video 49170/2 RTP/AVP 31 32
i=the picture
c=IN IP4 233.252.0.1/127
c=IN IP4 233.252.0.2/127
b=TIAS:64000
a=candidate:1 1 UDP 2130706431 192.0.2.3 45664 typ host
a=candidate:2 1 UDP 1694498815 192.0.2.4 45664 typ srflx
a=unheard-of
"""


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def parse(text: str) -> SessionDescription:
    return SessionDescription.parse(crlf(text))


def with_media(*lines: str) -> str:
    return "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n" + "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("text", [RFC_8866_5, RFC_8866_6_7, RFC_4975_8_7, EVERYTHING])
def test_what_is_read_is_printed_alike(text: str) -> None:
    assert parse(text).encode() == crlf(text)


def test_example_of_section_5() -> None:
    description = parse(RFC_8866_5)
    assert description.origin == Origin(
        "jdoe", "3724394400", 3724394405, Address("198.51.100.1", "IP4")
    )
    assert (description.name, description.information) == ("Call to John Smith", "SDP Offer #1")
    audio, _, video = description.media
    assert audio == Media("audio", 49170, "RTP/AVP", ("0",))
    assert description.connection_of(audio) == Address("198.51.100.1")
    assert description.connection_of(video) == Address("2001:db8::2", "IP6")
    assert video.rtpmap("99") == RtpMap("99", "h263-1998", 90000)
    assert description.timings == (Timing(0, 0),)


def test_every_kind_of_line_is_kept() -> None:
    description = parse(EVERYTHING)
    (video,) = description.media
    assert description.people == (
        ("u", "https://example.com/"),
        ("e", "a@example.com"),
        ("e", "b@example.com"),
        ("p", "+44 20 7946 0000"),
    )
    assert description.connection == Address("233.252.0.1", scope="/127/3")
    assert description.bandwidths == (Bandwidth("AS", 512), Bandwidth("X-YZ", 128))
    assert description.timings == (
        Timing(3724394400, 3724398000, ("r=604800 3600 0 90000", "z=3730536000 -1h")),
        Timing(),
    )
    assert (video.port, video.count, video.information) == (49170, 2, "the picture")
    assert [each.host for each in video.connections] == ["233.252.0.1", "233.252.0.2"]
    assert [each[:1] for each in video.values("candidate")] == ["1", "2"]
    assert video.attributes[-1] == Attribute("unheard-of")


HEAD: Final = "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=-\nt=0 0\n"
"""What is printed of a session that nothing is said of."""


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(RFC_4975_8_7.encode(), RFC_4975_8_7, id="LF"),
        pytest.param(RFC_4975_8_7.encode().rstrip(b"\n"), RFC_4975_8_7, id="no last line end"),
        pytest.param(b"\r\nm=a 0 b c\n\n", f"{HEAD}m=a 0 b c\n", id="blank lines"),
        pytest.param(
            b"t=0 0\na=b\ns=-\nc=IN IP6 ::1\no=- 0 0 IN IP4 0.0.0.0\n",
            HEAD.replace("t=", "c=IN IP6 ::1\nt=") + "a=b\n",
            id="another order",
        ),
        pytest.param(b"s=\na=b", f"{HEAD}a=b\n", id="no name"),
        pytest.param(b"m=a 0 b\n", f"{HEAD}m=a 0 b *\n", id="refused without a format"),
        pytest.param(b"m=a  9  b\tc \n", f"{HEAD}m=a 9 b c\n", id="blanks"),
        pytest.param(b"v=0\nk=prompt\n", HEAD, id="a key is dropped"),
        pytest.param(b"a=\na=:x\na=sendonly \n", f"{HEAD}a=sendonly\n", id="no attributes"),
        pytest.param(b"a=caf\xe9\n", f"{HEAD}a=caf\ufffd\n", id="no UTF-8"),
        pytest.param(
            b"o=a 0xAFFE 007 IN IP6 ::1\n",
            HEAD.replace("- 0 0 IN IP4 0.0.0.0", "a 0xAFFE 7 IN IP6 ::1"),
            id="a session id that is no number",
        ),
        pytest.param(b"p=1\ne=a@b\nu=c\n", HEAD.replace("t=", "u=c\ne=a@b\np=1\nt="), id="people"),
    ],
)
def test_what_is_no_standard_is_read_and_printed_as_one(lines: bytes, expected: str) -> None:
    assert SessionDescription.parse(lines).encode() == crlf(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "hello\n",
        "v=1\n",
        "v=0\nv=0\n",
        "v=0\no=a 1 1 IN IP4 b\no=a 1 1 IN IP4 b\n",
        "v=0\ns=a\ns=b\n",
        "v=0\nx=what\n",
        "v=0\n c=IN IP4 a\n",
        "v=0\nc=IN IP4 a\nc=IN IP4 b\n",
        "v=0\nc=IN IP4\n",
        "v=0\nc=IN IP4 /127\n",
        "v=0\nc=IN IP4 a\u00a0b\n",
        f"v=0\nc=IN IP4 {'a' * 256}\n",
        "v=0\no=a 1 1 IN IP4\n",
        "v=0\no=a 1 one IN IP4 b\n",
        "v=0\no=a 1 \u0661 IN IP4 b\n",
        f"v=0\no=a 1 {'9' * 21} IN IP4 b\n",
        "v=0\nt=0\n",
        "v=0\nt=0 never\n",
        "v=0\nr=7d 1h 0\n",
        "v=0\nb=AS\n",
        "v=0\nb=:1\n",
        "v=0\nb=AS:-1\n",
        "m=audio\n",
        "m=audio 1 RTP/AVP\n",
        "m=audio 65536 RTP/AVP 0\n",
        "m=audio -1 RTP/AVP 0\n",
        "m=audio 1/x RTP/AVP 0\n",
        "m=aud:io 1 RTP/AVP 0\n",
        "m=audio 1 RTP:AVP 0\n",
        "m=audio 1 RTP/AVP 0\nt=0 0\n",
        "m=audio 1 RTP/AVP 0\no=a 1 1 IN IP4 b\n",
        "m=audio 1 RTP/AVP 0\ni=a\ni=b\n",
        "v=0\na=b\0c\n",
        "v=0\na=b\rc\n",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(SdpError) as caught:
        SessionDescription.parse(text.encode())
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"v=0\na=" + b"b" * (MAX_SIZE - 6), b"v=0\na=" + b"b" * (MAX_SIZE - 5)),
        (b"v=0\n" + b"a=b\n" * (MAX_LINES - 2), b"v=0\n" + b"a=b\n" * (MAX_LINES - 1)),
        (b"m=audio 1 a 0\n" * MAX_MEDIA, b"m=audio 1 a 0\n" * (MAX_MEDIA + 1)),
        (b"m=audio 1 a" + b" 0" * MAX_FORMATS, b"m=audio 1 a" + b" 0" * (MAX_FORMATS + 1)),
    ],
    ids=["size", "lines", "streams", "formats"],
)
def test_more_than_a_bound_is_refused(good: bytes, bad: bytes) -> None:
    SessionDescription.parse(good)
    with pytest.raises(SdpError, match=r"more than"):
        SessionDescription.parse(bad)


@pytest.mark.parametrize(
    "description",
    [
        SessionDescription(name="a\r\nm=audio 1 RTP/AVP 0"),
        SessionDescription(attributes=(Attribute("a", "b\nc"),)),
        SessionDescription(media=(Media("audio", 1, "RTP/AVP", ("0\0",)),)),
        SessionDescription(connection=Address("a\r\nb=AS:1")),
    ],
)
def test_no_line_break_gets_into_a_line(description: SessionDescription) -> None:
    with pytest.raises(LocalError):
        description.encode()


def test_what_is_printed_is_complete() -> None:
    assert str(SessionDescription()) == "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
    assert SessionDescription.parse(SessionDescription(name="", timings=()).encode()) == (
        SessionDescription()
    )


def test_an_attribute_of_the_stream_comes_before_that_of_the_session() -> None:
    description = parse(
        "v=0\na=fingerprint:sha-256 AA\na=setup:actpass\n"
        "m=audio 1 RTP/AVP 0\na=fingerprint:sha-256 BB\na=fingerprint:sha-1 CC\na=rtcp-mux\n"
        "m=audio 1 RTP/AVP 0\n"
    )
    first, second = description.media
    assert description.values("fingerprint", first) == ("sha-256 BB", "sha-1 CC")
    assert description.values("fingerprint", second) == ("sha-256 AA",)
    assert description.value("setup", first) == "actpass"
    assert description.value("rtcp-mux", first) == ""
    assert description.value("rtcp-mux", second) is None
    assert description.value("rtcp-mux") is None
    assert first.value("setup") is None


def test_directions_of_the_example_in_section_6_7() -> None:
    description = parse(RFC_8866_6_7)
    assert [description.direction_of(each) for each in description.media] == [
        Direction.SENDRECV,
        Direction.INACTIVE,
        Direction.INACTIVE,
    ]
    assert parse(RFC_8866_5).direction_of(parse(RFC_8866_5).media[0]) is Direction.SENDRECV


def test_an_attribute_that_looks_like_a_direction_is_none() -> None:
    description = parse(with_media("m=audio 1 RTP/AVP 0", "a=sendonly:no", "a=SENDONLY"))
    assert description.direction_of(description.media[0]) is Direction.SENDRECV


@pytest.mark.parametrize("direction", Direction)
def test_a_direction_is_what_is_sent_and_received(direction: Direction) -> None:
    assert Direction.of(sends=direction.sends, receives=direction.receives) is direction


def test_formats_of_rtp() -> None:
    (audio,) = parse(
        with_media(
            "m=audio 1 RTP/AVP 0 96 97 98",
            "a=rtpmap:96 opus/48000/2",
            "a=rtpmap:97  telephone-event/8000 ",
            "a=rtpmap:98 broken",
            "a=fmtp:96 useinbandfec=1; stereo=0",
            "a=fmtp:97 0-15",
        )
    ).media
    assert audio.rtpmap("96") == RtpMap("96", "opus", 48000, 2)
    assert audio.rtpmap("97") == RtpMap("97", "telephone-event", 8000)
    assert audio.rtpmap("98") is None
    assert audio.rtpmap("0") is None
    assert audio.fmtp("96") == "useinbandfec=1; stereo=0"
    assert audio.fmtp("97") == "0-15"
    assert audio.fmtp("9") is None
    for text in ("96 opus/48000/2", "0 PCMU/8000"):
        assert str(RtpMap.parse(text)) == text


@pytest.mark.parametrize("text", ["", "96", "96 opus", "96 opus/a", "96 opus/1/2/3", "96 /8000"])
def test_what_is_no_rtpmap_is_refused(text: str) -> None:
    with pytest.raises(SdpError):
        RtpMap.parse(text)


@pytest.mark.parametrize(
    ("host", "written", "nowhere"),
    [
        ("192.0.2.1", "IN IP4 192.0.2.1", False),
        ("2001:db8::1", "IN IP6 2001:db8::1", False),
        ("example.com", "IN IP4 example.com", False),
        ("0.0.0.0", "IN IP4 0.0.0.0", True),  # noqa: S104
        ("::", "IN IP6 ::", True),
        ("10.0.0.0", "IN IP4 10.0.0.0", False),
    ],
)
def test_an_address_says_its_family(host: str, written: str, nowhere: bool) -> None:
    address = Address.of(host)
    assert str(address) == written
    assert Address.parse(written) == address
    assert address.unspecified is nowhere


def test_nowhere_is_nowhere() -> None:
    assert NOWHERE.unspecified


def test_a_refused_stream_keeps_its_place() -> None:
    (video,) = parse(EVERYTHING).media
    assert str(video.refused()) == "video 0 RTP/AVP 31 32"
    assert list(video.refused().lines()) == ["m=video 0 RTP/AVP 31 32"]


texts = st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8"), max_size=20)
words = st.from_regex(r"[A-Za-z0-9-]{1,8}", fullmatch=True)
numbers = st.integers(0, 10**20 - 1)
addresses = st.builds(Address, words, words, words, st.sampled_from(["", "/127", "/127/3"]))
attributes = st.builds(Attribute, words, st.none() | texts)
streams = st.builds(
    Media,
    words,
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "TCP/TLS/MSRP"]),
    st.lists(words, min_size=1, max_size=4).map(tuple),
    st.integers(0, 65535),
    st.none() | texts,
    st.lists(addresses, max_size=2).map(tuple),
    st.lists(st.builds(Bandwidth, words, numbers), max_size=2).map(tuple),
    st.lists(attributes, max_size=4).map(tuple),
)
descriptions = st.builds(
    SessionDescription,
    st.builds(Origin, words, words, numbers, addresses),
    texts.map(lambda text: text or "-"),
    st.lists(streams, max_size=3).map(tuple),
    st.none() | addresses,
    st.lists(attributes, max_size=4).map(tuple),
    st.lists(st.builds(Bandwidth, words, numbers), max_size=2).map(tuple),
    st.lists(st.builds(Timing, numbers, numbers), min_size=1, max_size=2).map(tuple),
    st.none() | texts,
)


@settings(max_examples=25)
@given(descriptions)
def test_what_is_printed_is_read_alike(description: SessionDescription) -> None:
    assert SessionDescription.parse(description.encode()) == description


def test_garbage_is_a_value_or_an_error() -> None:
    random = Random(7)  # noqa: S311
    whole = crlf(EVERYTHING)
    for _ in range(300):
        start = random.randrange(len(whole))
        garbage = whole[:start] + random.randbytes(3) + whole[start + random.randrange(9) :]
        try:
            description = SessionDescription.parse(garbage)
        except SdpError:
            continue
        assert SessionDescription.parse(description.encode()) == description


def test_versions_are_told_apart() -> None:
    one = parse(RFC_4975_8_7)
    other = replace(one, origin=replace(one.origin, version=one.origin.version + 1))
    assert str(other.origin) == "usera 2890844526 2890844528 IN IP4 alice.example.com"
    assert one != other
