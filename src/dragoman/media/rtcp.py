"""RTCP: reports and feedback as values (RFC 3550 §6, RFC 4585, RFC 5104, RFC 5506)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from dragoman.media.rtp import MediaFormatError

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
APP: Final = 204
RTPFB: Final = 205
PSFB: Final = 206

NACK: Final = 1
TRANSPORT_CC: Final = 15
PLI: Final = 1
FIR: Final = 4
AFB: Final = 15
"""Application layer feedback, which REMB is."""

CNAME: Final = 1
MOST_PACKETS: Final = 64
"""Packets of one compound that are read."""
UNIX_TO_NTP: Final = 2208988800
"""Seconds from 1900 to 1970 (RFC 3550 §4)."""

_COMMON: Final = Struct("!BBH")
_LONG: Final = Struct("!I")
_PAIR: Final = Struct("!II")
_SENDER: Final = Struct("!IQIII")
_BLOCK: Final = Struct("!IIIIII")
_NACK: Final = Struct("!HH")


@dataclass(frozen=True, slots=True)
class Block:
    """What a receiver says of one source (§6.4.1); `fraction` of 256, the rest as it lies there."""

    ssrc: int
    fraction: int = 0
    lost: int = 0
    highest: int = 0
    jitter: int = 0
    lsr: int = 0
    dlsr: int = 0


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender report (§6.4.1): `ntp` in 2^-32 seconds since 1900."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver report (§6.4.2)."""

    ssrc: int
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What a source says of itself: numbers and values (§6.5)."""

    chunks: tuple[tuple[int, tuple[tuple[int, bytes], ...]], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that leave (§6.6)."""

    sources: tuple[int, ...]
    reason: bytes = b""


@dataclass(frozen=True, slots=True)
class Nack:
    """Sequence numbers that are missed (RFC 4585 §6.2.1)."""

    ssrc: int
    source: int
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PictureLoss:
    """A wish for a key frame (RFC 4585 §6.3.1)."""

    ssrc: int
    source: int


@dataclass(frozen=True, slots=True)
class FullIntra:
    """A command to make a key frame, with the sources and the number of each (RFC 5104 §4.3.1)."""

    ssrc: int
    entries: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """REMB: the bits per second that a receiver can take of some sources."""

    ssrc: int
    bitrate: int
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A packet of another type or format, whole; transport-wide feedback is one."""

    type: int
    format: int
    data: bytes


Packet: TypeAlias = (
    Sender | Receiver | Description | Bye | Nack | PictureLoss | FullIntra | Estimate | Other
)


def split(data: bytes) -> list[bytes]:
    """Cut a compound into its packets, reduced size or not (RFC 5506); raise MediaFormatError."""
    found: list[bytes] = []
    position = 0
    while position < len(data):
        if len(data) - position < 4 or data[position] >> 6 != 2:
            raise MediaFormatError("not RTCP")
        end = position + 4 + 4 * (data[position + 2] << 8 | data[position + 3])
        if end > len(data):
            raise MediaFormatError("RTCP is cut")
        if len(found) == MOST_PACKETS:
            raise MediaFormatError("RTCP of too many packets")
        found.append(data[position:end])
        position = end
    if not found:
        raise MediaFormatError("no RTCP")
    return found


def parse(data: bytes) -> list[Packet]:
    """Read a compound; raise MediaFormatError where a packet of it is not what it says it is."""
    return [_packet(each) for each in split(data)]


def _packet(data: bytes) -> Packet:
    count, kind = data[0] & 0x1F, data[1]
    body = _unpadded(data)[4:]
    reader = _READERS.get((kind, count)) or _READERS.get((kind, None))
    found = reader(body, count) if reader is not None else None
    return Other(kind, count, data) if found is None else found


def _unpadded(data: bytes) -> bytes:
    if not data[0] & 0x20:
        return data
    if not 0 < data[-1] <= len(data) - 4:
        raise MediaFormatError("RTCP with more padding than packet")
    return data[: -data[-1]]


def _need(body: bytes, length: int) -> None:
    if len(body) < length:
        raise MediaFormatError("RTCP shorter than its type wants")


def _blocks(body: bytes, start: int, count: int) -> tuple[Block, ...]:
    _need(body, start + count * _BLOCK.size)
    found = []
    for position in range(start, start + count * _BLOCK.size, _BLOCK.size):
        ssrc, loss, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(body, position)
        lost = loss & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        found.append(Block(ssrc, loss >> 24, lost, highest, jitter, lsr, dlsr))
    return tuple(found)


def _sender(body: bytes, count: int) -> Sender:
    _need(body, _SENDER.size)
    ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
    return Sender(ssrc, ntp, timestamp, packets, octets, _blocks(body, _SENDER.size, count))


def _receiver(body: bytes, count: int) -> Receiver:
    _need(body, 4)
    return Receiver(_LONG.unpack_from(body)[0], _blocks(body, 4, count))


def _description(body: bytes, count: int) -> Description:
    chunks = []
    position = 0
    for _ in range(count):
        _need(body, position + 4)
        ssrc = _LONG.unpack_from(body, position)[0]
        items, position = _items(body, position + 4)
        chunks.append((ssrc, items))
    return Description(tuple(chunks))


def _items(body: bytes, position: int) -> tuple[tuple[tuple[int, bytes], ...], int]:
    """Return the items of a chunk and where the next chunk begins: at a word after the zero."""
    items = []
    while position < len(body) and body[position]:
        _need(body, position + 2)
        end = position + 2 + body[position + 1]
        _need(body, end)
        items.append((body[position], body[position + 2 : end]))
        position = end
    return tuple(items), position // 4 * 4 + 4


def _bye(body: bytes, count: int) -> Bye:
    _need(body, 4 * count)
    sources = tuple(_LONG.unpack_from(body, 4 * each)[0] for each in range(count))
    rest = body[4 * count :]
    reason = rest[1 : 1 + rest[0]] if rest else b""
    return Bye(sources, reason)


def _nack(body: bytes, _format: int) -> Nack:
    _need(body, 8)
    ssrc, source = _PAIR.unpack_from(body)
    missing = []
    for position in range(8, len(body) - 3, 4):
        first, mask = _NACK.unpack_from(body, position)
        missing.append(first)
        missing += [(first + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return Nack(ssrc, source, tuple(missing))


def _picture_loss(body: bytes, _format: int) -> PictureLoss:
    _need(body, 8)
    return PictureLoss(*_PAIR.unpack_from(body))


def _full_intra(body: bytes, _format: int) -> FullIntra:
    _need(body, 8)
    entries = [
        (_LONG.unpack_from(body, position)[0], body[position + 4])
        for position in range(8, len(body) - 7, 8)
    ]
    return FullIntra(_LONG.unpack_from(body)[0], tuple(entries))


def _estimate(body: bytes, _format: int) -> Estimate | None:
    if len(body) < 16 or body[8:12] != b"REMB":
        return None
    exponent, mantissa = body[13] >> 2, int.from_bytes(body[13:16], "big") & 0x3FFFF
    _need(body, 16 + 4 * body[12])
    sources = tuple(_LONG.unpack_from(body, 16 + 4 * each)[0] for each in range(body[12]))
    return Estimate(_LONG.unpack_from(body)[0], mantissa << exponent, sources)


_Reader: TypeAlias = Callable[[bytes, int], Packet | None]
_READERS: Final[dict[tuple[int, int | None], _Reader]] = {
    (SR, None): _sender,
    (RR, None): _receiver,
    (SDES, None): _description,
    (BYE, None): _bye,
    (RTPFB, NACK): _nack,
    (PSFB, PLI): _picture_loss,
    (PSFB, FIR): _full_intra,
    (PSFB, AFB): _estimate,
}


def sender_report(report: Sender) -> bytes:
    """Print a sender report."""
    numbers = (report.ssrc, report.ntp, report.timestamp, report.packets, report.octets)
    return _made(SR, len(report.blocks), _SENDER.pack(*numbers) + _printed(report.blocks))


def receiver_report(report: Receiver) -> bytes:
    """Print a receiver report."""
    return _made(RR, len(report.blocks), _LONG.pack(report.ssrc) + _printed(report.blocks))


def description(ssrc: int, cname: bytes) -> bytes:
    """Print the SDES of one source with its CNAME, which a compound must have (§6.1)."""
    body = _LONG.pack(ssrc) + bytes([CNAME, len(cname[:255])]) + cname[:255]
    return _made(SDES, 1, body + bytes(4 - len(body) % 4))


def bye(sources: Sequence[int]) -> bytes:
    """Print a BYE of at most 31 sources."""
    return _made(BYE, len(sources[:31]), b"".join(_LONG.pack(each) for each in sources[:31]))


def picture_loss(ssrc: int, source: int) -> bytes:
    """Print a wish of `ssrc` for a key frame of `source` (RFC 4585 §6.3.1)."""
    return _made(PSFB, PLI, _PAIR.pack(ssrc, source))


def full_intra(ssrc: int, source: int, number: int) -> bytes:
    """Print a command for a key frame of `source`; `number` grows by one with each new command."""
    return _made(PSFB, FIR, _PAIR.pack(ssrc, 0) + _PAIR.pack(source, (number & 0xFF) << 24))


def _printed(blocks: Sequence[Block]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            each.ssrc,
            each.fraction << 24 | each.lost & 0xFFFFFF,
            each.highest,
            each.jitter,
            each.lsr,
            each.dlsr,
        )
        for each in blocks
    )


def _made(kind: int, count: int, body: bytes) -> bytes:
    return _COMMON.pack(0x80 | count, kind, len(body) // 4) + body


def with_sources(data: bytes, sources: dict[int, int]) -> bytes:
    """Return a compound with other SSRCs where `sources` has one for them; raise MediaFormatError.

    Senders, reported sources and sources of feedback are looked at; what REMB and descriptions
    beyond the first chunk name is left alone.
    """
    parts = []
    for packet in split(data):
        words = bytearray(packet)
        for position in _places(packet):
            if position + 4 <= len(packet):
                old = _LONG.unpack_from(packet, position)[0]
                _LONG.pack_into(words, position, sources.get(old, old))
        parts.append(bytes(words))
    return b"".join(parts)


def _places(packet: bytes) -> Sequence[int]:
    """Return where a packet names SSRCs."""
    count, kind = packet[0] & 0x1F, packet[1]
    if kind == SR:
        return [4, *range(28, 28 + 24 * count, 24)]
    if kind == RR:
        return [4, *range(8, 8 + 24 * count, 24)]
    if kind == BYE:
        return range(4, 4 + 4 * count, 4)
    if kind == PSFB and count == FIR:
        return [4, *range(12, len(packet), 8)]
    if kind in {RTPFB, PSFB}:
        return [4, 8]
    return [4] if kind in {SDES, APP} and count | (kind == APP) else []


def compact(ntp: int) -> int:
    """Return the middle 32 bits of a time of NTP, as reports have it (§4): 2^-16 seconds."""
    return ntp >> 16 & 0xFFFFFFFF


def ntp(seconds: float) -> int:
    """Return seconds since 1970 as a time of NTP, in 2^-32 seconds since 1900."""
    return int((seconds + UNIX_TO_NTP) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def round_trip(block: Block, now: int) -> float | None:
    """Return the milliseconds to there and back that a block tells at `now`, compact (§6.4.1).

    None where the receiver had no report of ours, or the times make no sense.
    """
    if not block.lsr:
        return None
    units = (now - block.lsr - block.dlsr) & 0xFFFFFFFF
    return units * 1000 / 65536 if units < 1 << 31 else None
