"""Fuzz target: RTP and RTCP in the clear, keys in SDP, telephone-events, counters (RFC 3550)."""

from contextlib import suppress

from dragoman.media import rtcp, rtp, sdes
from dragoman.media.quality import Receiver
from dragoman.media.rtp import MediaFormatError
from dragoman.media.telephone import Event

_BLOCK = rtcp.Block(1, 2, 3, 4, 5, 6, 7)
SEEDS = (
    rtp.build(b"x" * 20, payload_type=0, sequence=1, timestamp=160, ssrc=7),
    rtp.build(
        b"x",
        payload_type=96,
        sequence=65535,
        timestamp=1,
        ssrc=7,
        marker=True,
        sources=(1, 2),
        extensions=((1, b"a"), (3, b"abc")),
        padding=4,
    ),
    rtp.build(b"", payload_type=1, sequence=2, timestamp=3, ssrc=4, extensions=((20, b""),)),
    rtcp.sender_report(rtcp.Sender(1, 2, 3, 4, 5, (_BLOCK,)))
    + rtcp.description(1, b"romeo")
    + rtcp.bye([1, 2]),
    rtcp.receiver_report(rtcp.Receiver(1, (_BLOCK, _BLOCK)))
    + rtcp.picture_loss(1, 2)
    + rtcp.full_intra(1, 2, 3)
    + bytes.fromhex("81cd00030000000100000002fffe8005")
    + bytes.fromhex("8fce0005000000010000000052454d4201050001" + "00000007"),
    b"1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20 WSH=64",
)
TOKENS = (b"\x80", b"\xbe\xde", b"\x10\0", b"\x80\xc8", b"\xa0\xc9", b"\0\0\0\0", b"2^", b"|")


def one_input(data: bytes) -> None:
    rtp.kind(data[0] if data else 0)
    with suppress(MediaFormatError):
        _rtp(data)
    try:
        packets = rtcp.parse(data)
        assert rtcp.with_sources(data, {}) == data
        assert len(rtcp.with_sources(data, {1: 2, 2: 1})) == len(data)
        assert 0 < len(packets) <= rtcp.MOST_PACKETS
    except MediaFormatError:
        pass
    try:
        line = sdes.Line.parse(data.decode("latin-1"))
        assert sdes.Line.parse(str(line)) == line
        line.key()
    except MediaFormatError:
        pass


def _rtp(data: bytes) -> None:
    length = rtp.payload_length(data)
    assert 0 <= length <= len(data) - rtp.header_length(data)
    receiver = Receiver(8000)
    receiver.heard(data, length, 1.0)
    assert receiver.counters().packets == 1
    assert rtp.ssrc(rtp.with_ssrc(data, 9)) == 9
    assert rtp.payload_type(rtp.with_payload_type(data, 9)) == 9
    for identifier in (1, 3, 20):
        rtp.extension(data, identifier)
    Event.parse(rtp.payload(data))


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
