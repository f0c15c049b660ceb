"""Fuzz target: what rtpengine says: bencoding, NG messages, descriptions, how calls fare."""

from contextlib import suppress
from itertools import count

from dragoman.errors import RemoteError
from dragoman.media import bencode, ng
from dragoman.media.bencode import BencodeError, Value, Written
from dragoman.media.ng import Reply
from dragoman.media.ngplane import Calls, Settings
from dragoman.media.plane import JINGLE, MediaEvent, Side
from dragoman.sdp.session import SessionDescription

PHONE = SessionDescription.parse(
    b"v=0\nc=IN IP4 192.0.2.1\nm=audio 5004 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n"
)
CLIENT = SessionDescription.parse(
    b"v=0\nc=IN IP4 0.0.0.0\nm=audio 9 UDP/TLS/RTP/SAVPF 0 101\na=rtpmap:101 telephone-event/8000\n"
    b"a=mid:0\na=rtcp-mux\na=ice-ufrag:abcd\na=ice-pwd:abcdabcdabcdabcdabcdabcd\na=setup:active\n"
    b"a=fingerprint:sha-256 " + b":".join([b"AB"] * 32) + b"\n"
)
_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 198.51.100.11\r\ns=-\r\nt=0 0\r\n"
    b"m=audio 30016 UDP/TLS/RTP/SAVPF 0 101\r\nc=IN IP4 198.51.100.11\r\na=mid:0\r\na=sendrecv\r\n"
    b"a=rtcp:30016\r\na=rtcp-mux\r\na=setup:active\r\na=fingerprint:sha-256 "
    + b":".join([b"2D"] * 32)
    + b"\r\n"
    b"a=ice-ufrag:U3kiOIte\r\na=ice-pwd:UG7MGcaEk2NEIDWmRsukoykm4a\r\na=ice-options:trickle\r\n"
    b"a=candidate:ykgKiww153vv5DSk 1 UDP 2130706431 198.51.100.11 30016 typ host\r\n"
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n"
)
_STREAM: Written = {
    "SSRC": 77,
    "local port": 30016,
    "endpoint": {"family": "IPv4", "address": "192.0.2.1", "port": 6000},
    "advertised endpoint": {},
    "flags": ["RTP", "RTCP", "filled", "DTLS fingerprint verified", "ICE"],
    "stats": {"packets": 5, "bytes": 860, "errors": 0},
}
_LEG: Written = {"tag": "sip", "medias": [{"flags": ["DTLS-SRTP", "ICE"], "streams": [_STREAM]}]}
_MEAN: Written = {"MOS": 43, "round-trip time": 1000, "jitter": 3}
SEEDS = (
    bencode.encode({"result": "ok", "sdp": _SDP}),
    bencode.encode({"result": "error", "error-reason": "Unknown call-id"}),
    bencode.encode({"result": "load limit", "message": "Parallel session limit reached"}),
    bencode.encode({"result": "ok", "calls": ["here:a.1", "there:b.1"]}),
    bencode.encode(
        {
            "result": "ok",
            "tags": {"sip": _LEG, "xmpp": _LEG},
            "SSRC": {"77": {"cumulative loss": 3, "average MOS": _MEAN}},
            "statistics": {"currentstatistics": {"sessionstotal": 3}},
        }
    ),
)
TOKENS = (b"d", b"l", b"e", b"i1e", b"i-1e", b"0:", b"1:a", b"6:result2:ok", b"3:sdp", b"99999:")


def one_input(data: bytes) -> None:
    try:
        value = bencode.decode(data)
    except BencodeError:
        pass
    else:
        # keys that are no text cannot be written by us
        with suppress(UnicodeDecodeError):
            assert bencode.decode(bencode.encode(_writable(value))) == value
    with suppress(RemoteError):
        ng.split(data)
    with suppress(RemoteError):
        reply = Reply.parse(data)
        assert len(reply.reason) <= 200
        for fare in ng.fares(reply).values():
            assert min(fare.counters.packets, fare.counters.octets, fare.counters.lost) >= 0
        assert ng.sessions(reply) >= 0
        assert all(isinstance(each, str) for each in ng.calls(reply))
    _plane(data)


def _writable(value: Value) -> Written:
    if isinstance(value, dict):
        return {key.decode(): _writable(each) for key, each in value.items()}
    return [_writable(each) for each in value] if isinstance(value, list) else value


def _plane(data: bytes) -> None:
    """Hold a call whose engine gives this answer to all that it is asked; each step has its end."""
    numbers = count()
    told: list[object] = []
    events: list[MediaEvent] = []
    calls = Calls(Settings(("a:1",), "here"), lambda: f"c{next(numbers)}", events.append)
    calls.offer("call", Side.SIP, PHONE, JINGLE, told.append, 0.0)
    calls.answer("call", Side.XMPP, CLIENT, told.append, 0.0)
    calls.digits("call", Side.XMPP, "1", 100, 0.0)
    for now in range(5):
        calls.on_timer(float(now))
        for _ in range(20):
            for name, asked in calls.engines.to_send():
                cookie = asked.partition(b" ")[0]
                calls.engines.all[name].receive(cookie + b" " + data, float(now))
            for each in calls.due():
                each()
    calls.close("call", 5.0)
    for each in calls.due():
        each()
    assert len(told) == 2
    assert len(events) <= 3


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
