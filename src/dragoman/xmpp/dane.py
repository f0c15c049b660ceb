"""Certificates that the DNS names (DANE: RFC 6698, RFC 7671; by way of SRV records: RFC 7673).

What counts was signed, and found to be so by a resolver whose word is taken.  Which authority
stands behind a certificate, and which names it bears, is not looked at here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256, sha512
from typing import Final

from dragoman.errors import RemoteError
from dragoman.records import Tlsa

MOST: Final = 32
"""How many records of one server are looked at."""


class Usage(IntEnum):
    """What a record says of a certificate (RFC 6698 §2.1.1, named by RFC 7218 §2.1)."""

    PKIX_TA = 0
    """An authority that it has to come from, and that is trusted here anyway."""
    PKIX_EE = 1
    """The certificate itself, which comes from an authority trusted here."""
    DANE_TA = 2
    """An authority that it has to come from, whether trusted here or not."""
    DANE_EE = 3
    """The certificate itself: neither its authority, nor its names, nor its dates matter."""


SELECTORS: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: lambda certificate: certificate,
    1: lambda certificate: public_key(certificate),
}
"""Which part of a certificate a record is about (RFC 6698 §2.1.2)."""

MATCHINGS: Final[dict[int, Callable[[bytes], bytes]]] = {
    0: lambda part: part,
    1: lambda part: sha256(part).digest(),
    2: lambda part: sha512(part).digest(),
}
"""What of that part a record has (RFC 6698 §2.1.3)."""

LENGTHS: Final = {1: 32, 2: 64}


@dataclass(frozen=True, slots=True)
class Associations:
    """What signed records say of one server: that it serves `domain`, and by which certificates.

    `domain` is the one looked up, `host` where its SRV record leads, both in A-labels; `records`
    are the usable ones, and may be none.
    """

    domain: str
    host: str
    records: tuple[Tlsa, ...] = ()

    @property
    def names(self) -> tuple[str, str]:
        """The names that the certificate may bear (RFC 7673 §4.1), where names matter."""
        return self.domain, self.host

    def lists(self, usage: Usage, certificate: bytes) -> bool:
        """Tell whether some record of that usage is of a certificate (DER)."""
        return any(each.usage == usage and matches(each, certificate) for each in self.records)


def question_of(host: str, port: int) -> str:
    """Return the name that the records of a server are at (RFC 6698 §3, RFC 7673 §3.3)."""
    return f"_{port}._tcp.{host.rstrip('.')}"


def usable(records: Sequence[Tlsa]) -> tuple[Tlsa, ...]:
    """Return the records that say something to us (RFC 6698 §4.1): the others do not exist."""
    return tuple(each for each in records[:MOST] if _is_usable(each))


def matches(record: Tlsa, certificate: bytes) -> bool:
    """Tell whether a usable record is of a certificate (DER), whatever its usage."""
    try:
        part = SELECTORS[record.selector](certificate)
    except RemoteError:
        return False
    return MATCHINGS[record.matching](part) == record.data


def public_key(certificate: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo in a certificate (both DER), to the byte.

    It is the sixth element after the version, which may be left out (RFC 5280 §4.1).  Raises
    RemoteError for what is no certificate.
    """
    at, end = _inside(certificate, *_inside(certificate, 0, len(certificate)))
    if certificate[at : at + 1] == b"\xa0":
        at = _inside(certificate, at, end)[1]
    for _ in range(5):
        at = _inside(certificate, at, end)[1]
    return certificate[at : _inside(certificate, at, end)[1]]


def _inside(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return where the content of the DER element at `at` begins and ends, before `end`."""
    if at + 2 > end:
        raise RemoteError("a certificate that ends too soon")
    length, begin = data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        if not 0 < size <= 4 or begin + size > end:
            raise RemoteError("a certificate with an element of no length")
        length = int.from_bytes(data[begin : begin + size], "big")
        begin += size
    if begin + length > end:
        raise RemoteError("a certificate that ends too soon")
    return begin, begin + length


def _is_usable(record: Tlsa) -> bool:
    known = record.usage in set(Usage) and record.selector in SELECTORS
    length = LENGTHS.get(record.matching, len(record.data))
    return known and record.matching in MATCHINGS and len(record.data) == length > 0
