"""Packets of RTP as bytes (RFC 3550 §5, RFC 8285), and who shares a port with them (RFC 7983).

The fields are read where they lie, without a check: `header_length` is what tells whether a
datagram is an RTP packet at all. Who has asked it may ask for everything else.
"""

from collections.abc import Sequence
from enum import Enum
from struct import Struct
from typing import Final

from dragoman.errors import RemoteError

FIXED: Final = 12
"""Bytes of the header that every packet has."""
LARGEST: Final = 2048
"""Bytes of the largest packet that is taken: it fits into one datagram of any path there is."""
ONE_BYTE: Final = 0xBEDE
"""The profile of header extensions with one byte before each (RFC 8285 §4.2)."""
TWO_BYTE: Final = 0x1000
"""The profile of those with two; its last four bits are the application's (§4.3)."""

_HEADER: Final = Struct("!BBHII")
_SHORT: Final = Struct("!H")
_LONG: Final = Struct("!I")
_PROFILE: Final = Struct("!HH")


class MediaFormatError(RemoteError):
    """A packet is not what it should be: drop it."""


class Kind(Enum):
    """What a datagram is (RFC 7983 §7)."""

    STUN = "STUN"
    ZRTP = "ZRTP"
    DTLS = "DTLS"
    TURN = "TURN channel"
    RTP = "RTP or RTCP"
    UNKNOWN = "nothing known"


def _kind(first: int) -> Kind:
    if first < 4:
        return Kind.STUN
    if 16 <= first < 20:
        return Kind.ZRTP
    if 20 <= first < 64:
        return Kind.DTLS
    if 64 <= first < 80:
        return Kind.TURN
    return Kind.RTP if 128 <= first < 192 else Kind.UNKNOWN


_KINDS: Final = tuple(_kind(first) for first in range(256))


def kind(first_byte: int) -> Kind:
    """Return what a datagram is that begins with `first_byte` (RFC 7983 §7)."""
    return _KINDS[first_byte]


def is_rtp(data: bytes) -> bool:
    """Tell whether a datagram looks like RTP, and not like RTCP (RFC 5761 §4)."""
    return len(data) >= FIXED and data[0] >> 6 == 2 and not 64 <= data[1] & 0x7F < 96


def is_rtcp(data: bytes) -> bool:
    """Tell whether a datagram looks like RTCP: its type lies where no payload type may (§4)."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 64 <= data[1] & 0x7F < 96


def payload_type(data: bytes) -> int:
    """Return the payload type, 0 to 127."""
    return data[1] & 0x7F


def marker(data: bytes) -> bool:
    """Tell whether the marker bit is set."""
    return data[1] > 0x7F


def sequence(data: bytes) -> int:
    """Return the sequence number, 16 bits."""
    return data[2] << 8 | data[3]


def timestamp(data: bytes) -> int:
    """Return the timestamp, 32 bits."""
    return int.from_bytes(data[4:8], "big")


def ssrc(data: bytes) -> int:
    """Return the SSRC, 32 bits."""
    return int.from_bytes(data[8:12], "big")


def header_length(data: bytes) -> int:
    """Return the bytes before the payload; raise MediaFormatError where there are fewer."""
    if len(data) < FIXED or data[0] >> 6 != 2:
        raise MediaFormatError("not RTP")
    first = data[0]
    length = FIXED + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < length + 4:
            raise MediaFormatError("RTP cut before its header extension")
        length += 4 + 4 * (data[length + 2] << 8 | data[length + 3])
    if len(data) < length:
        raise MediaFormatError("RTP cut in its header")
    return length


def payload_length(data: bytes) -> int:
    """Return the bytes of payload without padding; raise MediaFormatError where that is absurd.

    Of an encrypted packet it is what there is before the padding is known: ask after decryption.
    """
    length = len(data) - header_length(data)
    if data[0] & 0x20:
        padding = data[-1] if length else 0
        if not 0 < padding <= length:
            raise MediaFormatError("RTP with more padding than packet")
        length -= padding
    return length


def payload(data: bytes) -> bytes:
    """Return the payload without padding; raise MediaFormatError."""
    start = header_length(data)
    return data[start : start + payload_length(data)]


def with_payload_type(data: bytes, number: int) -> bytes:
    """Return the packet with another payload type."""
    return b"%b%c%b" % (data[:1], data[1] & 0x80 | number & 0x7F, data[2:])


def with_ssrc(data: bytes, number: int) -> bytes:
    """Return the packet with another SSRC."""
    return data[:8] + _LONG.pack(number) + data[12:]


def extension(data: bytes, identifier: int) -> bytes | None:
    """Return what the header extension `identifier` says, None where it is not there.

    Raises MediaFormatError where the header is cut, or an extension is.
    """
    end = header_length(data)
    if not data[0] & 0x10:
        return None
    start = FIXED + 4 * (data[0] & 0x0F)
    profile = _SHORT.unpack_from(data, start)[0]
    if profile == ONE_BYTE:
        return _one_byte(data, start + 4, end, identifier)
    if profile & 0xFFF0 == TWO_BYTE:
        return _two_byte(data, start + 4, end, identifier)
    return None


def _one_byte(data: bytes, position: int, end: int, identifier: int) -> bytes | None:
    while position < end:
        number, length = data[position] >> 4, (data[position] & 0x0F) + 1
        if data[position] == 0:
            position += 1
            continue
        if number == 15:  # RFC 8285 §4.2: stop here
            return None
        position += 1
        if position + length > end:
            raise MediaFormatError("a header extension is cut")
        if number == identifier and number:
            return data[position : position + length]
        position += length
    return None


def _two_byte(data: bytes, position: int, end: int, identifier: int) -> bytes | None:
    while position < end:
        number = data[position]
        if number == 0:
            position += 1
            continue
        if position + 2 > end or position + 2 + data[position + 1] > end:
            raise MediaFormatError("a header extension is cut")
        length = data[position + 1]
        position += 2
        if number == identifier:
            return data[position : position + length]
        position += length
    return None


def build(
    payload: bytes,
    *,
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    marker: bool = False,
    sources: Sequence[int] = (),
    extensions: Sequence[tuple[int, bytes]] = (),
    padding: int = 0,
) -> bytes:
    """Make a packet; numbers wrap at their size, at most 15 `sources` (CSRC) are told.

    `extensions` are pairs of number and value, with one byte before each where that can be. With
    `padding` that many bytes follow the payload, 1 to 255.
    """
    first = 0x80 | len(sources) | (0x10 if extensions else 0) | (0x20 if padding else 0)
    second = (0x80 if marker else 0) | payload_type & 0x7F
    header = _HEADER.pack(
        first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc & 0xFFFFFFFF
    )
    contributors = b"".join(_LONG.pack(each) for each in sources[:15])
    tail = bytes(padding - 1) + bytes([padding]) if padding else b""
    return header + contributors + _extensions(extensions) + payload + tail


def _extensions(extensions: Sequence[tuple[int, bytes]]) -> bytes:
    if not extensions:
        return b""
    short = all(0 < number < 15 and 0 < len(value) <= 16 for number, value in extensions)
    if short:
        parts = [bytes([number << 4 | len(value) - 1]) + value for number, value in extensions]
    else:
        parts = [bytes([number, len(value)]) + value for number, value in extensions]
    body = b"".join(parts)
    body += bytes(-len(body) % 4)
    return _PROFILE.pack(ONE_BYTE if short else TWO_BYTE, len(body) // 4) + body
