"""Fuzz target: descriptions that a plane makes of others, STUN, and datagrams through a relay.

RFC 3264, RFC 8445 §7.3, RFC 7983.
"""

from contextlib import suppress

from dragoman.errors import RemoteError
from dragoman.mapping.idle import idled
from dragoman.media import codecs, rtp
from dragoman.media.description import Stream, Way, answer, mids, offer
from dragoman.media.icelite import Lite
from dragoman.media.plane import JINGLE, PLAIN, MediaError
from dragoman.media.relay import Half, Path
from dragoman.media.remote import Credentials, read
from dragoman.sdp.session import SessionDescription

HERE = ("192.0.2.1", 4000)
LITE = Lite(Credentials("ours", "o" * 24))
PLAIN_OFFER = (
    b"v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 96 101\r\na=rtpmap:96 opus/48000/2\r\n"
    b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:4001\r\na=ssrc:1 cname:x\r\n"
)
JINGLE_OFFER = (
    b"v=0\r\na=group:BUNDLE a\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:a\r\na=rtcp-mux\r\n"
    b"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=rtpmap:97 rtx/90000\r\n"
    b"a=fmtp:97 apt=96\r\na=rtcp-fb:* nack\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    b"a=fingerprint:sha-256 AA\r\na=setup:actpass\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\n"
    b"a=candidate:1 1 udp 1 192.0.2.1 4000 typ host\r\n"
)
SEEDS = (
    PLAIN_OFFER,
    JINGLE_OFFER,
    b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12),
    rtp.build(b"x", payload_type=96, sequence=1, timestamp=1, ssrc=1, extensions=[(4, b"a")]),
    b"\x80\xc9\0\1\0\0\0\1\x81\xce\0\2\0\0\0\1\0\0\0\2",
)
TOKENS = (b"a=", b"m=audio 9 RTP/AVP ", b"a=rtpmap:", b"apt=", b"\x80\xc8", b"\x90\x60", b"red")


def described(data: bytes) -> None:
    try:
        found = SessionDescription.parse(data)
    except RemoteError:
        return
    remotes = read(found)
    names = mids(remotes, {})
    for profile in (PLAIN, JINGLE):
        streams = [
            Stream(Way.offered(profile), None, names[i]) if each.carried else None
            for i, each in enumerate(remotes)
        ]
        said = offer(found, remotes, streams, before=found)
        again = read(SessionDescription.parse(said.encode()))
        assert len(again) == len(remotes)
    made = answer(
        found,
        remotes,
        remotes,
        [Stream(Way.taken(each), None, each.mid) if each.carried else None for each in remotes],
    )
    assert len(SessionDescription.parse(made.encode()).media) == len(remotes)
    refusing = [
        Stream(Way.taken(each), None, each.mid) if each.carried and not n % 2 else None
        for n, each in enumerate(remotes)
    ]
    told, idle = idled(answer(found, remotes, remotes, refusing), found)
    again = read(SessionDescription.parse(told.encode()))
    assert all(again[n].open and again[n].bundle for n in idle)
    for one in remotes:
        for other in remotes:
            codecs.translation(one.media, other.media, one.media)


def carried(data: bytes) -> None:
    sent: list[bytes] = []
    near, far = (Path([lambda packet, _: sent.append(packet)]) for _ in range(2))
    halves = [Half(8000, "PCMU"), Half(90000, "H264")]
    for path in (near, far):
        path.expect((HERE, HERE), mux=True)
        path.secure = False
    for half in halves:
        half.target, half.other = far, half
        half.dial("1", 40, (101, 8000), 0.0)
        half.on_timer(0.5)
    sent.clear()
    near.carry(halves, mid=4, mids={b"a": halves[1]}, numbers={0: halves[0]})
    for component in (0, 1):
        near.receive(component, data, HERE, 1.0)
    assert len(sent) <= 4, "more went than came"


def one_input(data: bytes) -> None:
    with suppress(MediaError):  # too long to be said
        described(data)
    carried(data)
    assert LITE.receive(0, data, HERE) is None, "unsigned STUN was answered"


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
