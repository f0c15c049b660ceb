"""Descriptions shaped as those of programs in use (RFC 8866): read, printed, answered.

None of them was recorded: each was written for this test, with what its kind of program writes.
"""

from typing import Final, NamedTuple

import pytest

from dragoman.msrp.offer import Setup, Stance, answer, choose
from dragoman.msrp.terms import Terms
from dragoman.msrp.uri import Path
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation, direction
from dragoman.sdp.session import Direction, Origin, SessionDescription


class Shape(NamedTuple):
    """What a kind of program writes; `chat` is the line that a chat takes, -1 for none."""

    text: str
    chat: int = -1
    warning: int = 304


LINPHONE: Final = Shape("""\
v=0
o=romeo 1234 3056 IN IP4 192.0.2.10
s=Talk
c=IN IP4 192.0.2.10
t=0 0
a=ice-pwd:b2a1c0d9e8f7a6b5c4d3e2f1
a=ice-ufrag:0a1b2c3d
a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
a=record:off
m=audio 7078 RTP/AVP 96 97 98 0 8 18 99 100
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:97 speex/16000
a=fmtp:97 vbr=on
a=rtpmap:98 speex/8000
a=fmtp:98 vbr=on
a=fmtp:18 annexb=yes
a=rtpmap:99 telephone-event/48000
a=rtpmap:100 telephone-event/8000
a=rtcp:7079
a=candidate:1 1 UDP 2130706303 192.0.2.10 7078 typ host
a=candidate:1 2 UDP 2130706302 192.0.2.10 7079 typ host
a=rtcp-fb:* trr-int 1000
a=rtcp-fb:* ccm tmmbr
m=video 9078 RTP/AVP 96
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 nack pli
a=rtcp-fb:96 ccm fir
""")
BARESIP: Final = Shape("""\
v=0
o=- 3889021212 1420037361 IN IP6 2001:db8::10
s=-
c=IN IP6 2001:db8::10
t=0 0
a=tool:baresip 3.9.0
m=audio 24006 RTP/AVP 96 8 0 97
a=rtpmap:96 opus/48000/2
a=fmtp:96 stereo=1;sprop-stereo=1
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:97 telephone-event/8000
a=fmtp:97 0-15
a=rtcp:24007
a=sendrecv
a=label:1
a=rtcp-rsize
a=ssrc:1681695567 cname:sip:romeo@example.net
a=ptime:20
""")
BLINK: Final = Shape("""\
v=0
o=- 3889021212 3889021212 IN IP4 192.0.2.11
s=Blink 5.9.2 (Linux)
t=0 0
m=audio 50172 RTP/SAVP 113 9 0 8 101
c=IN IP4 192.0.2.11
a=rtcp:50173 IN IP4 192.0.2.11
a=rtpmap:113 opus/48000/2
a=fmtp:113 useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj
a=zrtp-hash:1.10 2a1ac4de5b1f2cf6cdd46b2ed7bc1d62cbdcff2a6f06f4fc1bb5db1e0d6a5c0e
a=sendrecv
m=message 2855 TCP/TLS/MSRP *
c=IN IP4 192.0.2.11
a=path:msrps://192.0.2.11:2855/0e9ad4ac7b7f6cbb2d81;tcp
a=accept-types:message/cpim text/* image/* application/im-iscomposing+xml
a=accept-wrapped-types:text/* image/* application/im-iscomposing+xml
a=setup:active
""", chat=1)  # fmt: skip
SIPSIMPLE_RELAY: Final = Shape("""\
v=0
o=- 3889021213 3889021213 IN IP4 192.0.2.11
s=sipsimple
t=0 0
m=message 2855 TCP/TLS/MSRP *
c=IN IP4 192.0.2.11
a=path:msrps://relay.example.net:2855/ZjY3Nzc0;tcp msrps://192.0.2.11:2855/0e9ad4ac7b7f6cbb;tcp
a=accept-types:message/cpim text/* image/* application/im-iscomposing+xml
a=accept-wrapped-types:*
a=setup:passive
""", chat=0)  # fmt: skip
FREESWITCH: Final = Shape("""\
v=0
o=FreeSWITCH 1732609234 1732609235 IN IP4 192.0.2.12
s=FreeSWITCH
c=IN IP4 192.0.2.12
t=0 0
m=audio 19042 RTP/AVP 102 0 8 103
a=rtpmap:102 opus/48000/2
a=fmtp:102 useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20
a=rtpmap:103 telephone-event/48000
a=ptime:20
m=message 2855 TCP/MSRP *
a=path:msrp://192.0.2.12:2855/4d1c8a4c-38e4-4f3c-9f3e-2b6a1f2a0c11;tcp
a=accept-types:message/cpim text/* application/im-iscomposing+xml
a=accept-wrapped-types:*
a=setup:passive
""", chat=1)  # fmt: skip
ASTERISK: Final = Shape("""\
v=0
o=- 1176374518 1176374518 IN IP4 192.0.2.13
s=Asterisk
c=IN IP4 192.0.2.13
t=0 0
m=audio 11502 RTP/AVP 0 8 107 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:107 opus/48000/2
a=fmtp:107 useinbandfec=1
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:60
a=sendrecv
m=image 4412 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxMaxDatagram:400
a=T38FaxUdpEC:t38UDPRedundancy
""")
CHROME: Final = Shape("""\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS 7f0dd9a2
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:8hhY
a=ice-pwd:asd88fgpdd777uzjYhagZg44
a=ice-options:trickle
a=fingerprint:sha-256 AA:BB:CC:DD
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:7f0dd9a2 1b6c0f12
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:126 telephone-event/8000
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=ice-ufrag:8hhY
a=ice-pwd:asd88fgpdd777uzjYhagZg44
a=fingerprint:sha-256 AA:BB:CC:DD
a=setup:actpass
a=mid:1
a=sctp-port:5000
a=max-message-size:262144
""")
FIREFOX: Final = Shape("""\
v=0
o=mozilla...THIS_IS_SDPARTA-99.0 6846326113422423172 0 IN IP4 0.0.0.0
s=-
t=0 0
a=fingerprint:sha-256 AA:BB:CC:DD
a=group:BUNDLE 0
a=ice-options:trickle
a=msid-semantic:WMS *
m=video 9 UDP/TLS/RTP/SAVPF 120 124
c=IN IP4 0.0.0.0
a=recvonly
a=fmtp:120 max-fs=12288;max-fr=60
a=ice-pwd:asd88fgpdd777uzjYhagZg44
a=ice-ufrag:8hhY8hhY
a=mid:0
a=rtcp-mux
a=rtpmap:120 VP8/90000
a=rtpmap:124 rtx/90000
a=setup:actpass
""")
RCS: Final = Shape("""\
v=0
o=- 3889021212 3889021212 IN IP6 2001:db8:9::1
s=-
c=IN IP6 2001:db8:9::1
t=0 0
m=message 9 TCP/MSRP *
a=path:msrp://[2001:db8:9::1]:9/2s93i93idj;tcp
a=accept-types:message/cpim application/im-iscomposing+xml
a=accept-wrapped-types:text/plain message/imdn+xml application/vnd.gsma.rcs-ft-http+xml
a=setup:active
a=msrp-cema
a=max-size:5120
a=sendrecv
""", chat=0)  # fmt: skip
RCS_FILE: Final = Shape(
    """\
v=0
o=- 3889021212 3889021212 IN IP4 192.0.2.14
s=-
c=IN IP4 192.0.2.14
t=0 0
m=message 20000 TCP/TLS/MSRP *
i=This is my latest picture
a=path:msrps://192.0.2.14:20000/2s93i93idj;tcp
a=accept-types:image/jpeg text/plain
a=file-selector:name:"My cool picture.jpg" type:image/jpeg size:32349 hash:sha-1:72:24:5F:E8
a=file-transfer-id:Q6LMoGymJdh0IKIgD6wD0jkcfgva4xvE
a=file-disposition:render
a=sendonly
a=setup:actpass
a=fingerprint:SHA-1 4A:AD:B9:B1
""",
    warning=399,
)
LYNC: Final = Shape(
    """\
v=0
o=- 0 0 IN IP4 192.0.2.15
s=session
c=IN IP4 192.0.2.15
t=0 0
m=message 5060 sip null
a=accept-types:text/plain multipart/alternative image/gif text/rtf text/html
""",
    warning=302,
)
LYNC_AUDIO: Final = Shape("""\
v=0
o=- 0 1 IN IP4 192.0.2.15
s=session
c=IN IP4 192.0.2.15
b=CT:99980
t=0 0
a=x-devicecaps:audio:send,recv;video:send,recv
m=audio 24262 RTP/SAVP 114 9 0 8 101
a=x-ssrc-range:1-1
a=candidate:1 1 UDP 2130706431 192.0.2.15 24262 typ host
a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:P1JXYW5kb20ga2V5IG9mIHRoaXMgdGVzdCE|2^31|1:1
a=maxptime:200
a=rtpmap:114 x-msrta/16000
a=fmtp:114 bitrate=29000
a=encryption:optional
""")
HELD: Final = Shape("""\
v=0
o=CiscoSystemsSIP-GW-UserAgent 1267 7346 IN IP4 192.0.2.16
s=SIP Call
c=IN IP4 0.0.0.0
t=0 0
m=audio 17034 RTP/AVP 18 101
c=IN IP4 0.0.0.0
a=rtpmap:18 G729/8000
a=fmtp:18 annexb=no
a=X-sqn:0
a=X-cap: 1 image udptl t38
""")

SHAPES: Final = {
    "Linphone": LINPHONE,
    "baresip": BARESIP,
    "Blink, chat and audio": BLINK,
    "sipsimple behind a relay": SIPSIMPLE_RELAY,
    "FreeSWITCH": FREESWITCH,
    "Asterisk": ASTERISK,
    "Chrome": CHROME,
    "Firefox": FIREFOX,
    "RCS": RCS,
    "RCS, a file": RCS_FILE,
    "Lync, messages in SIP": LYNC,
    "Lync": LYNC_AUDIO,
    "Cisco, held": HELD,
}

STANCE: Final = Stance(Terms(("message/cpim", "text/plain"), ("*",), 9000))
PATHS: Final = {
    False: Path.parse("msrp://gw.example.com:2855/iau39soe2843z;tcp"),
    True: Path.parse("msrps://gw.example.com:2856/iau39soe2843z;tcp"),
}


def parse(shape: Shape) -> SessionDescription:
    return SessionDescription.parse(shape.text.replace("\n", "\r\n").encode())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_all_of_it_is_kept(shape: Shape) -> None:
    description = parse(shape)
    assert str(description) == shape.text.replace("\n", "\r\n")
    assert SessionDescription.parse(shape.text.encode()) == description


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_chat_takes_its_stream_and_no_other(shape: Shape) -> None:
    offered = parse(shape)
    if shape.chat < 0:
        with pytest.raises(SdpError) as caught:
            choose(offered, STANCE)
        assert (caught.value.status, caught.value.warning) == (488, shape.warning)
        return
    peer = choose(offered, STANCE)
    wanted, _ = answer(offered, peer, STANCE, PATHS[peer.secure])
    _, said = Negotiation(Origin()).offered(offered).answer(wanted)
    assert peer.line == shape.chat
    assert [each.port > 0 for each in said.media] == [
        line == shape.chat for line in range(len(offered.media))
    ]
    assert [(each.kind, each.protocol, each.formats) for each in said.media] == [
        (each.kind, each.protocol, each.formats) for each in offered.media
    ]


@pytest.mark.parametrize(
    ("shape", "setup", "active"),
    [
        (BLINK, Setup.ACTIVE, False),
        (SIPSIMPLE_RELAY, Setup.PASSIVE, True),
        (FREESWITCH, Setup.PASSIVE, True),
        (RCS, Setup.ACTIVE, False),
    ],
)
def test_who_connects(shape: Shape, setup: Setup, active: bool) -> None:
    offered = parse(shape)
    peer = choose(offered, STANCE)
    _, meeting = answer(offered, peer, STANCE, PATHS[peer.secure])
    assert (peer.setup, meeting.active) == (setup, active)
    assert peer.terms.direction is Direction.SENDRECV
    assert peer.terms.accepts("message/cpim", "text/plain")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (HELD, [Direction.SENDONLY]),
        (CHROME, [Direction.SENDRECV, Direction.SENDRECV]),
        (FIREFOX, [Direction.RECVONLY]),
        (LINPHONE, [Direction.SENDRECV, Direction.SENDRECV]),
        (RCS_FILE, [Direction.SENDONLY]),
    ],
)
def test_no_address_is_hold_only_where_none_comes_later(
    shape: Shape, expected: list[Direction]
) -> None:
    description = parse(shape)
    assert [direction(description, each) for each in description.media] == expected


def test_formats_of_rtp_are_found() -> None:
    audio, video = parse(LINPHONE).media
    opus, vp8 = audio.rtpmap("96"), video.rtpmap("96")
    assert opus is not None
    assert vp8 is not None
    assert (opus.encoding, opus.channels, vp8.encoding) == ("opus", 2, "VP8")
    assert audio.fmtp("18") == "annexb=yes"
    assert parse(FREESWITCH).media[0].fmtp("102") == (
        "useinbandfec=1; maxaveragebitrate=30000; maxplaybackrate=48000; ptime=20"
    )
