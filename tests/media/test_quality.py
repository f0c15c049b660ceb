import pytest

from dragoman.media import rtp
from dragoman.media.plane import Counters
from dragoman.media.quality import (
    CODECS,
    MAX_DROPOUT,
    MOST_SOURCES,
    Receiver,
    Source,
    mos,
    rating,
)


def packet(sequence: int, ssrc: int = 1, timestamp: int | None = None) -> bytes:
    units = sequence * 160 if timestamp is None else timestamp
    return rtp.build(bytes(160), payload_type=0, sequence=sequence, timestamp=units, ssrc=ssrc)


def source(*sequences: int) -> Source:
    found = Source(8000, sequences[0])
    for index, sequence in enumerate(sequences):
        found.heard(sequence, index * 160, index * 0.02)
    return found


@pytest.mark.parametrize(
    ("sequences", "received", "lost", "highest"),
    [
        ((0, 1, 2), 3, 0, 2),
        ((65534, 65535, 0, 1), 4, 0, 65537),
        ((65535, 1), 2, 1, 65537),
        ((5, 7, 6, 8), 4, 0, 8),
        ((5, 9), 2, 3, 9),
        ((5, 5, 6), 3, -1, 6),
        ((0, 65535, 1), 3, -1, 1),
        ((10, 10 + MAX_DROPOUT), 1, 0, 10),
        ((10, 20000, 20001, 20002), 3, 0, 20002),
        ((10, 12, 20000, 20001), 3, 1, 20001),
        ((10, 20000, 11), 2, 0, 11),
    ],
)
def test_sequences_of_rfc3550_a1(
    sequences: tuple[int, ...], received: int, lost: int, highest: int
) -> None:
    found = source(*sequences)
    assert (found.received, found.lost, found.highest) == (received, lost, highest)


def test_jitter_of_rfc3550_a8() -> None:
    found = Source(8000, 0)
    expected = 0.0
    for index in range(200):
        late = 0.005 * (index % 2)
        found.heard(index, index * 160, index * 0.02 + late)
        if index:
            expected += (40 - expected) / 16
    assert found.jitter == pytest.approx(expected)
    wrapped = Source(8000, 0)
    for index in range(100):
        wrapped.heard(index, (2**32 - 1600 + index * 160) % 2**32, index * 0.02)
    assert wrapped.jitter == pytest.approx(0, abs=1e-6)


def test_counters_of_a_leg() -> None:
    leg = Receiver(8000, "pcmu")
    assert leg.counters() == Counters()
    for sequence in range(100):
        if sequence % 10:
            leg.heard(packet(sequence), 160, sequence * 0.02)
    leg.round_trip = 40.0
    found = leg.counters()
    # the first and nine more are missing, and nobody knows of the first
    assert (found.packets, found.octets, found.lost) == (90, 14400, 9)
    assert found.round_trip == 40.0
    assert found.jitter == pytest.approx(0, abs=1e-6)
    assert found.mos is not None
    assert 3.0 < found.mos < 4.0
    block = leg.block(1)
    assert block is not None
    assert (block.lost, block.highest, block.fraction) == (9, 99, 9 * 256 // 99)
    assert leg.block(2) is None


def test_sources_are_followed_apart_and_bounded() -> None:
    leg = Receiver(8000)
    for sequence in range(50):
        leg.heard(packet(sequence, ssrc=1), 160, sequence * 0.02)
        leg.heard(packet(30000 + sequence, ssrc=2), 160, sequence * 0.02)
    assert leg.counters().lost == 0
    for ssrc in range(100):
        leg.heard(packet(1, ssrc=ssrc), 160, 2.0)
    assert len(leg._sources) == MOST_SOURCES
    assert leg.counters().packets == 200


def test_the_scale_of_g107() -> None:
    assert mos(93.2) == pytest.approx(4.41, abs=0.01)
    assert mos(50) == pytest.approx(2.58, abs=0.01)
    assert (mos(-5), mos(0), mos(120)) == (1.0, 1.0, 4.5)
    assert rating(0, 0, CODECS["PCMU"]) == pytest.approx(93.2)
    assert rating(400, 0, CODECS["PCMU"]) < rating(150, 0, CODECS["PCMU"]) < 93.2
    assert rating(0, 5, CODECS["PCMU"]) == pytest.approx(93.2 - 95 * 5 / 30.1)
    assert rating(0, 0, CODECS["GSM"]) == pytest.approx(67.2)
