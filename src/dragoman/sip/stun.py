"""STUN on the SIP port (RFC 8489, RFC 5389; RFC 5626 §8): Binding requests, and their answers."""

from binascii import crc32
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct
from typing import Final, Self, final

from dragoman.errors import RemoteError

FIRST: Final = b"\x04"
"""The first byte of a STUN message is below this, that of no SIP message is (RFC 7983 §7)."""

LARGEST: Final = 1500
"""Bytes of the largest message that is read: requests fit into one packet (§6.1)."""

BINDING: Final = 0x001
REQUEST: Final = 0x000
SUCCESS: Final = 0x100
FAILURE: Final = 0x110
_CLASS: Final = 0x110

ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
XOR_MAPPED_ADDRESS: Final = 0x0020
FINGERPRINT: Final = 0x8028
OPTIONAL: Final = 0x8000
"""Attributes from here on may be passed over by who does not know them (§14)."""
_KNOWN: Final = frozenset(
    {
        0x0001,  # MAPPED-ADDRESS
        0x0006,  # USERNAME
        0x0008,  # MESSAGE-INTEGRITY
        ERROR_CODE,
        UNKNOWN_ATTRIBUTES,
        0x0014,  # REALM
        0x0015,  # NONCE
        0x001C,  # MESSAGE-INTEGRITY-SHA256
        0x001D,  # PASSWORD-ALGORITHM
        0x001E,  # USERHASH
        XOR_MAPPED_ADDRESS,
    }
)
"""What RFC 8489 defines: no credentials are asked of anybody here, and none are looked at."""

_COOKIE: Final = 0x2112A442
_MASK: Final = 0x5354554E
_HEADER: Final = Struct("!HHI12s")
_PAIR: Final = Struct("!HH")
_LONG: Final = Struct("!I")
_ADDRESS: Final = Struct("!BBH")
_CODE: Final = Struct("!HBB")

Attribute = tuple[int, bytes]


@final
@dataclass(frozen=True, slots=True)
class Stun:
    """A STUN message: class (REQUEST, say), method, transaction and attributes in their order.

    `marked` says that it bears a FINGERPRINT, which is not among the attributes.
    """

    kind: int
    method: int
    transaction: bytes
    attributes: tuple[Attribute, ...] = ()
    marked: bool = False

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a whole datagram; raise RemoteError where it is not STUN of RFC 5389 or later."""
        if len(data) < _HEADER.size:
            raise RemoteError("shorter than a STUN header")
        if len(data) > LARGEST:
            raise RemoteError(f"STUN longer than {LARGEST} bytes")
        number, length, cookie, transaction = _HEADER.unpack_from(data)
        if number >> 14 or cookie != _COOKIE:
            raise RemoteError("not STUN: no magic cookie")
        if length % 4 or length != len(data) - _HEADER.size:
            raise RemoteError("the STUN length is not that of the datagram")
        attributes, marked = _attributes(data)
        return cls(number & _CLASS, number & ~_CLASS, transaction, attributes, marked)

    def __bytes__(self) -> bytes:
        """Return the message as it is sent, with a FINGERPRINT where `marked`."""
        parts: list[bytes] = []
        for number, value in self.attributes:
            parts += (_PAIR.pack(number, len(value)), value, bytes(-len(value) % 4))
        body = b"".join(parts)
        length = len(body) + (8 if self.marked else 0)
        head = _HEADER.pack(self.kind | self.method, length, _COOKIE, self.transaction)
        if not self.marked:
            return head + body
        return head + body + _PAIR.pack(FINGERPRINT, 4) + _mark(head + body)


def answer(data: bytes, source: tuple[str, int]) -> bytes | None:
    """Return the answer to what came from `source`; None where there is nothing to say.

    A Binding request is told where it came from. One with attributes that must be understood and
    are not gets 420 (§6.3.1). Either answer is at most a whole address attribute longer than
    the request, so that a forged source gains nothing by it. All else is dropped.
    """
    try:
        request = Stun.parse(data)
    except RemoteError:
        return None
    if request.kind != REQUEST or request.method != BINDING:
        return None
    unknown = {number: None for number, _ in request.attributes if number < OPTIONAL}
    strange = [number for number in unknown if number not in _KNOWN]
    if strange:
        names = b"".join(number.to_bytes(2, "big") for number in strange)
        refused = ((ERROR_CODE, _CODE.pack(0, 4, 20)), (UNKNOWN_ATTRIBUTES, names))
        return bytes(Stun(FAILURE, BINDING, request.transaction, refused, request.marked))
    mapped = (XOR_MAPPED_ADDRESS, _mapped(source, request.transaction))
    return bytes(Stun(SUCCESS, BINDING, request.transaction, (mapped,), request.marked))


def _attributes(data: bytes) -> tuple[tuple[Attribute, ...], bool]:
    """Return the attributes, and whether a FINGERPRINT, the last of them, is there and right."""
    found: list[Attribute] = []
    at = _HEADER.size
    while at < len(data):
        number, length = _PAIR.unpack_from(data, at)
        end = at + _PAIR.size + length
        if end > len(data):
            raise RemoteError("a STUN attribute is longer than the message")
        value = data[at + _PAIR.size : end]
        if number == FINGERPRINT:
            if end != len(data) or value != _mark(data[:at]):
                raise RemoteError("a wrong STUN fingerprint")
            return tuple(found), True
        found.append((number, value))
        at = end + -length % 4
    return tuple(found), False


def _mark(before: bytes) -> bytes:
    """Return the FINGERPRINT of a message, whose header counts it already (§14.7)."""
    return _LONG.pack(crc32(before) ^ _MASK)


def _mapped(source: tuple[str, int], transaction: bytes) -> bytes:
    """Return the value of XOR-MAPPED-ADDRESS (§14.2)."""
    address = ip_address(source[0].partition("%")[0])
    mask = _LONG.pack(_COOKIE) + transaction
    xored = bytes(a ^ b for a, b in zip(address.packed, mask, strict=False))
    family = 1 if address.version == 4 else 2
    return _ADDRESS.pack(0, family, source[1] ^ (_COOKIE >> 16)) + xored
