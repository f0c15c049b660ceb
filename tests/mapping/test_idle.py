"""What a phone refuses of a bundle is there for the client, who sends nothing by it."""

import pytest

from dragoman.mapping.idle import idled
from dragoman.sdp.session import Direction, SessionDescription

OFFER = """v=0
a=group:BUNDLE a v
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:a
a=rtpmap:111 opus/48000/2
m=video 9 UDP/TLS/RTP/SAVPF 96
a=mid:v
a=rtpmap:96 VP8/90000
a=fmtp:96 max-fs=12288
a=ssrc:1 cname:x
a=sendrecv
a=fingerprint:sha-256 AA
a=ice-ufrag:theirs
"""
ANSWER = """v=0
c=IN IP4 192.0.2.1
a=group:BUNDLE a
m=audio 30000 UDP/TLS/RTP/SAVPF 111
a=mid:a
a=rtpmap:111 opus/48000/2
a=sendrecv
a=rtcp-mux
a=fingerprint:sha-256 BB
a=setup:active
a=ice-ufrag:ours
a=ice-pwd:secret
a=candidate:1 1 udp 1 192.0.2.1 30000 typ host
m=video 0 UDP/TLS/RTP/SAVPF 96
"""


def read(text: str) -> SessionDescription:
    return SessionDescription.parse(text.replace("\n", "\r\n").encode())


@pytest.mark.spec("MED-35")
def test_it_has_the_codecs_offered_and_the_way_of_the_others() -> None:
    found, idle = idled(read(ANSWER), read(OFFER))
    assert idle == {1}
    audio, video = found.media
    assert audio == read(ANSWER).media[0]
    assert (video.port, video.protocol, video.formats) == (30000, "UDP/TLS/RTP/SAVPF", ("96",))
    assert found.direction_of(video) is Direction.SENDONLY
    for name in ("rtcp-mux", "fingerprint", "setup", "ice-ufrag", "ice-pwd", "candidate"):
        assert list(video.values(name)) == list(audio.values(name))
    assert (video.value("rtpmap"), video.value("fmtp")) == ("96 VP8/90000", "96 max-fs=12288")
    assert video.value("ssrc") is None
    assert found.value("group") == "BUNDLE a v"


@pytest.mark.parametrize(
    ("answer", "offer"),
    [
        (ANSWER, OFFER.replace("a=group:BUNDLE a v\n", "")),
        (ANSWER, OFFER.replace("BUNDLE a v", "BUNDLE a").replace("video 9", "video 7")),
        (ANSWER.replace("m=audio 30000", "m=audio 0"), OFFER),
        (ANSWER.replace("m=video 0", "m=video 30002"), OFFER),
    ],
    ids=["no bundle", "another bundle", "all refused", "none refused"],
)
def test_what_has_no_way_stays_refused(answer: str, offer: str) -> None:
    assert idled(read(answer), read(offer)) == (read(answer), frozenset())
