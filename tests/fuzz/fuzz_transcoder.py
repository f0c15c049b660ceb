"""Fuzz target: payloads and packets for each decoder, and descriptions that sound is planned by.

RFC 3550, RFC 6716, ITU-T G.722, ITU-T G.711.
"""

from contextlib import suppress
from importlib.util import find_spec

from dragoman.errors import RemoteError
from dragoman.media import rtp, transcoding
from dragoman.media.rtp import MediaFormatError
from dragoman.media.sound import CODECS, OPUS, PCMU
from dragoman.media.transcoder import Beside, Plan, Transcoder
from dragoman.sdp.session import Media, SessionDescription

NUMBERS = dict(enumerate(CODECS.values(), 96))
EVENTS = {101: Beside(102, 8000, 48000)}
SUBJECTS = [
    Transcoder(Plan(target, 1, NUMBERS, events=EVENTS, noise={13: 13}, along={8: 8}), 1)
    for target in (OPUS, PCMU)
]
KNOWN = SessionDescription.parse(
    b"v=0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
).media[0]
SEEDS = (
    b"\xf8\xff\xfe",
    bytes(160),
    b"\x0b" + bytes(range(60)),
    rtp.build(b"\xf8\xff\xfe", payload_type=96, sequence=1, timestamp=1, ssrc=1, marker=True),
    rtp.build(bytes(160), payload_type=98, sequence=1, timestamp=2**32 - 1, ssrc=1),
    rtp.build(b"\5\x8a\1\x40", payload_type=101, sequence=2, timestamp=3, ssrc=1, marker=True),
    b"\x80\xc8\0\6" + bytes(24),
    b"v=0\r\nm=audio 4000 RTP/AVP 96 13 101\r\na=rtpmap:96 opus/48000/2\r\n",
)
TOKENS = (b"m=audio 9 RTP/AVP ", b"a=rtpmap:", b"opus/48000/2", b"\x80\x60", b"\x80\xe0")
PRESENT = find_spec("av") is not None


def sounded(data: bytes) -> None:
    now = 0.0
    for subject in SUBJECTS:
        for number in NUMBERS:
            now += 1.0
            head = rtp.build(
                data, payload_type=number, sequence=number, timestamp=int(now * 8000), ssrc=1
            )
            for packet in (head, data):
                if len(packet) >= rtp.FIXED:
                    assert len(subject.transcode(packet, now)) <= 11, "more sound than came"
        with suppress(MediaFormatError):
            subject.report(data, [])


def planned(data: bytes) -> None:
    try:
        streams: tuple[Media, ...] = SessionDescription.parse(data).media
    except RemoteError:
        return
    for each in streams:
        wide = transcoding.extended(each)
        assert len(set(wide.formats) - set(each.formats)) <= 6
        for one, other in ((each, KNOWN), (KNOWN, each)):
            if transcoding.possible(one, other):
                made = transcoding.answered(one, other)
                assert set(made.formats) <= set(other.formats)
            transcoding.plan(wide, one, None, other)
            transcoding.plan(one, one, wide, other)


def one_input(data: bytes) -> None:
    planned(data)
    if PRESENT:
        sounded(data)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
