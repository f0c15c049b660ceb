"""Two offers that answer each other."""

import pytest

from dragoman.mapping.pickup import met
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import SessionDescription

OURS = (
    "m=audio 30000 RTP/AVP 111 9 0 101",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 useinbandfec=1",
    "a=rtpmap:101 telephone-event/8000",
    "a=ice-ufrag:abcd",
    "a=candidate:1 1 udp 1 192.0.2.1 30000 typ host",
    "a=rtcp:30001",
)


def sdp(*lines: str, host: str = "192.0.2.1") -> SessionDescription:
    head = ("v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0")
    return SessionDescription.parse("".join(f"{each}\r\n" for each in (*head, *lines)).encode())


def body(description: SessionDescription) -> list[str]:
    return [each for each in description.lines() if each[0] in "mca"]


def test_what_both_have_is_what_either_answers() -> None:
    theirs = sdp("m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", host="h.test")
    said, heard = met(sdp(*OURS), theirs)
    assert body(said) == [
        "c=IN IP4 192.0.2.1",
        "m=audio 30000 RTP/AVP 0 101",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtcp:30001",
        "a=sendrecv",
    ]
    assert body(heard) == [
        "c=IN IP4 h.test",
        "m=audio 4000 RTP/AVP 0 101",
        "a=rtpmap:101 telephone-event/8000",
        "a=sendrecv",
    ]


@pytest.mark.parametrize(("way", "answered"), [("sendonly", "recvonly"), ("inactive", "inactive")])
def test_who_holds_at_once(way: str, answered: str) -> None:
    """RFC 3264 §6.1."""
    said, heard = met(sdp(*OURS), sdp("m=audio 4000 RTP/AVP 0", f"a={way}"))
    assert body(said)[-1] == f"a={answered}"
    assert body(heard)[-1] == f"a={way}"


def test_each_has_as_many_streams_as_it_offered() -> None:
    """RFC 3264 §6."""
    ours = sdp(*OURS, "m=video 30002 RTP/AVP 31")
    said, heard = met(ours, sdp("m=audio 4000 RTP/AVPF 0"))
    assert [str(each) for each in said.media] == ["audio 30000 RTP/AVPF 0"]
    assert [str(each) for each in heard.media] == ["audio 4000 RTP/AVP 0", "video 0 RTP/AVP 31"]
    three = ("m=audio 4000 RTP/AVP 0", "m=text 4002 RTP/AVP 98", "m=video 4004 RTP/AVP 31")
    said, heard = met(ours, sdp(*three))
    assert [each.port for each in said.media] == [30000, 0, 0]
    assert [each.port for each in heard.media] == [4000, 0]


@pytest.mark.parametrize(
    "line",
    [
        "m=audio 4000 RTP/SAVP 0",
        "m=audio 4000 UDP/TLS/RTP/SAVPF 0",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/AVP 18",
        "m=video 4000 RTP/AVP 31",
        "m=audio 4000 RTP/AVP 101",
    ],
)
def test_who_has_nothing_in_common(line: str) -> None:
    more = ("a=rtpmap:101 telephone-event/8000",) if "101" in line else ()
    with pytest.raises(SdpError) as raised:
        met(sdp(*OURS), sdp(line, *more))
    assert raised.value.status == 488


def test_a_codec_by_another_number_is_left_out() -> None:
    """Either would have to be told of two numbers for one."""
    theirs = sdp("m=audio 4000 RTP/AVP 96 0", "a=rtpmap:96 opus/48000/2")
    said, _ = met(sdp(*OURS), theirs)
    assert said.media[0].formats == ("0",)
