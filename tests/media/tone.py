"""A tone in any codec that is transcoded, and how much of it there is in samples."""

import math
from array import array
from collections.abc import Sequence
from typing import Final

from dragoman.media import rtp
from dragoman.media.sound import OPUS, Codec, Decoder, Encoder

LEVEL: Final = 9000
HERTZ: Final = 440
NUMBERS: Final = {"opus": 111, "G722": 9, "PCMU": 0, "PCMA": 8}
SOURCE: Final = 0xDECAFBAD


def samples(rate: int, count: int, hertz: int = HERTZ) -> bytes:
    turn = 2 * math.pi * hertz / rate
    return array("h", [int(LEVEL * math.sin(turn * n)) for n in range(count)]).tobytes()


def payloads(codec: Codec, packets: int, milliseconds: int = 20) -> list[bytes]:
    """Return a tone in packets; those of Opus are of 20 ms."""
    pcm = samples(codec.rate, codec.rate * milliseconds // 1000 * packets)
    size = codec.rate // 25
    encoder = Encoder(codec, codec.rate)
    parts = [encoder.encode(pcm[start : start + size]) for start in range(0, len(pcm), size)]
    if codec is OPUS:
        return parts
    whole, octets = b"".join(parts), 8 * milliseconds
    return [whole[start : start + octets] for start in range(0, len(whole), octets)]


def stream(
    codec: Codec,
    packets: int,
    milliseconds: int = 20,
    sequence: int = 65530,
    start: int = 2**32 - 1,
) -> list[bytes]:
    """Return a tone as RTP, whose numbers soon wrap."""
    step = codec.clock * milliseconds // 1000
    return [
        rtp.build(
            payload,
            payload_type=NUMBERS[codec.name],
            sequence=sequence + index,
            timestamp=start + index * step,
            ssrc=SOURCE,
            marker=not index,
        )
        for index, payload in enumerate(payloads(codec, packets, milliseconds))
    ]


def heard(codec: Codec, packets: Sequence[bytes]) -> "array[int]":
    """Return what a listener hears, at the codec's own rate."""
    decoder = Decoder(codec, codec.rate)
    return array("h", b"".join(decoder.decode(rtp.payload(each)) or b"" for each in packets))


def power(pcm: Sequence[int], rate: int, hertz: int = HERTZ) -> float:
    """Return how loud a frequency is (Goertzel), as the level of a sine that is all of it."""
    turn = 2 * math.cos(2 * math.pi * hertz / rate)
    before = last = 0.0
    for each in pcm:
        before, last = last, each + turn * last - before
    square = before * before + last * last - turn * before * last
    return 2 * math.sqrt(max(0.0, square)) / len(pcm)
