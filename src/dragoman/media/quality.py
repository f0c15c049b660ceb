"""How a stream fares: what came, what is missing, and how it sounds (RFC 3550 A, ITU-T G.107)."""

from dataclasses import dataclass
from typing import Final

from dragoman.media.plane import Counters
from dragoman.media.rtcp import Block

MAX_DROPOUT: Final = 3000
"""How far a sequence number may leap ahead (RFC 3550 A.1)."""
MAX_MISORDER: Final = 100
"""How late a packet may be (A.1)."""
MOST_SOURCES: Final = 16
"""SSRCs that are followed each by itself; packets of more are only counted."""

_SEQUENCES: Final = 1 << 16
_NONE: Final = _SEQUENCES + 1
_SAME: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Codec:
    """What a codec costs by itself, and how well it bears loss (ITU-T G.113 appendix I)."""

    impairment: float
    robustness: float


CODECS: Final = {
    "PCMU": Codec(0, 25.1),
    "PCMA": Codec(0, 25.1),
    "G722": Codec(0, 20.0),
    "OPUS": Codec(0, 20.0),
    "G729": Codec(11, 19.0),
    "GSM": Codec(26, 43.0),
    "ILBC": Codec(11, 32.0),
}
"""By the name in SDP. G.113 has G.711 (with concealment), G.729A, GSM and iLBC; the others, wider
than its scale, count as no worse than G.711 when nothing is lost."""
DEFAULT: Final = Codec(5, 15.0)


class Source:
    """What came of one SSRC (RFC 3550 A.1, A.3, A.8)."""

    __slots__ = (
        "_bad",
        "_base",
        "_before",
        "_cycles",
        "_jitter",
        "_max",
        "_rate",
        "_received",
        "_transit",
    )

    def __init__(self, rate: int, sequence: int) -> None:
        """Begin with its first sequence number; the timestamp counts `rate` units a second."""
        self._rate = rate
        self._jitter = 0.0
        self._received = 0
        self._before = (0, 0)
        self._restart(sequence)

    def _restart(self, sequence: int) -> None:
        self._base = sequence
        self._max = sequence - 1 & 0xFFFF
        self._cycles = 0 if sequence else -_SEQUENCES
        self._bad = _NONE
        self._received = 0
        self._transit = _SAME

    def tick(self, rate: int) -> None:
        """Count by another clock from now on."""
        if rate != self._rate:
            self._rate, self._transit, self._jitter = rate, _SAME, 0.0

    def heard(self, sequence: int, timestamp: int, now: float) -> None:
        """Count a packet that arrived at `now`, in seconds."""
        ahead = (sequence - self._max) & 0xFFFF
        if ahead < MAX_DROPOUT:
            if sequence < self._max:
                self._cycles += _SEQUENCES
            self._max = sequence
        elif ahead <= _SEQUENCES - MAX_MISORDER:
            # two packets in a row of another place: the sender has begun anew
            if sequence != self._bad:
                self._bad = (sequence + 1) & 0xFFFF
                return
            self._before = (self.received, self.lost)
            self._restart(sequence)
            self._max = sequence
            self._cycles = 0
        self._received += 1
        transit = now * self._rate - timestamp
        change = transit - self._transit
        self._transit = transit
        if change < 0:
            change = -change
        if change < 1e7:  # not the first, nor over a wrap of the timestamp
            self._jitter += (change - self._jitter) / 16

    @property
    def received(self) -> int:
        """Packets, those that came twice counted twice."""
        return self._before[0] + self._received

    @property
    def highest(self) -> int:
        """The extended highest sequence number (A.1)."""
        return (self._cycles + self._max) & 0xFFFFFFFF

    @property
    def lost(self) -> int:
        """Packets expected, less those received; negative where many came twice (A.3)."""
        return self._before[1] + self._cycles + self._max - self._base + 1 - self._received

    @property
    def jitter(self) -> float:
        """The mean deviation of the spacing, in units of the timestamp (A.8)."""
        return self._jitter


class Receiver:
    """What came from one leg, in any number of sources."""

    __slots__ = ("_octets", "_packets", "_rate", "_sources", "codec", "round_trip")

    def __init__(self, rate: int, codec: str = "") -> None:
        """Count what comes by a clock of `rate` units a second, encoded as `codec` (as in SDP)."""
        self._rate = rate
        self._packets = 0
        self._octets = 0
        self._sources: dict[bytes, Source] = {}
        self.codec = codec
        self.round_trip: float | None = None

    def become(self, rate: int, codec: str) -> None:
        """Count what comes by another clock, as another codec."""
        self._rate, self.codec = rate, codec
        for each in self._sources.values():
            each.tick(rate)

    def heard(self, data: bytes, octets: int, now: float) -> None:
        """Count an RTP packet, known to be one, with `octets` of payload, at `now` in seconds."""
        self._packets += 1
        self._octets += octets
        source = self._sources.get(data[8:12])
        if source is None:
            source = self._new(data)
            if source is None:
                return
        source.heard(data[2] << 8 | data[3], int.from_bytes(data[4:8], "big"), now)

    def _new(self, data: bytes) -> Source | None:
        if len(self._sources) >= MOST_SOURCES:
            return None
        source = Source(self._rate, data[2] << 8 | data[3])
        self._sources[data[8:12]] = source
        return source

    def block(self, ssrc: int) -> Block | None:
        """Return what a report of ours would say of a source; None where nothing came of it.

        `fraction` is of all that came, as nobody else keeps what came since the last report.
        """
        source = self._sources.get(ssrc.to_bytes(4, "big"))
        if source is None:
            return None
        lost = max(-(1 << 23), min(source.lost, (1 << 23) - 1))
        expected = max(1, source.received + lost)
        fraction = min(255, max(0, lost) * 256 // expected)
        return Block(ssrc, fraction, lost, source.highest, int(source.jitter))

    @property
    def busiest(self) -> int | None:
        """The SSRC that most came of; None where nothing came."""
        found = max(self._sources, key=lambda each: self._sources[each].received, default=None)
        return None if found is None else int.from_bytes(found, "big")

    def counters(self) -> Counters:
        """Return what there is to know now."""
        lost = sum(max(0, each.lost) for each in self._sources.values())
        busiest = max(self._sources.values(), key=lambda each: each.received, default=None)
        if busiest is None:
            return Counters(self._packets, self._octets, round_trip=self.round_trip)
        jitter = busiest.jitter * 1000 / self._rate
        return Counters(
            packets=self._packets,
            octets=self._octets,
            lost=lost,
            jitter=jitter,
            round_trip=self.round_trip,
            mos=self._mos(lost, jitter),
        )

    def _mos(self, lost: int, jitter: float) -> float:
        codec = CODECS.get(self.codec.upper(), DEFAULT)
        # the far end's buffer waits for what is late: twice the jitter, and a packet's length
        delay = (self.round_trip or 0.0) / 2 + 2 * jitter + 20
        return mos(rating(delay, 100 * lost / max(1, lost + self._packets), codec))


def rating(delay: float, loss: float, codec: Codec = DEFAULT) -> float:
    """Return the rating R of G.107, for milliseconds one way and per cent lost at random."""
    late = 0.024 * delay + (0.11 * (delay - 177.3) if delay > 177.3 else 0.0)
    equipment = codec.impairment + (95 - codec.impairment) * loss / (loss + codec.robustness)
    return 93.2 - late - equipment


def mos(rating: float) -> float:
    """Return the mean opinion score of a rating (G.107 annex B), 1.0 to 4.5."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
    return max(1.0, score)
