"""DNS records as values, and the order of SRV records (RFC 2782, RFC 3403, RFC 6698)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias, TypeVar

from dragoman.errors import ProtocolError


class Kind(StrEnum):
    """What a question asks for; ADDRESS stands for AAAA and A together."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    TLSA = "TLSA"
    ADDRESS = "ADDRESS"


@dataclass(frozen=True, slots=True)
class Question:
    """One look-up: a kind and an absolute name, in A-labels, without its last dot."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403 §4.1): which service, and the name to ask next."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782); a target of "." says that there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A TLSA record (RFC 6698 §2.1): which certificate a server may show."""

    usage: int
    selector: int
    matching: int
    data: bytes


Answer: TypeAlias = tuple[Naptr, ...] | tuple[Srv, ...] | tuple[Tlsa, ...] | tuple[str, ...]
"""Records of the kind asked for (addresses: literals, no brackets); empty: no such record."""

Record = TypeVar("Record", Naptr, Srv, Tlsa, str)


class Authentic(tuple[Record, ...]):
    """An answer whose records, aliases included, were signed and found good (RFC 4035 §3.2.3).

    A resolver gives such answers only where the name server's word for it is to be taken.
    """

    __slots__ = ()


class DnsFailure(ProtocolError):
    """No answer could be had: a time-out or SERVFAIL, which is not the same as no record."""


class Chance(Protocol):
    """The part of `random.Random` that choosing by weight needs."""

    def randint(self, a: int, b: int) -> int:
        """Return a whole number from `a` to `b`, both included."""


Service = TypeVar("Service", bound=Srv)


def in_order(records: Sequence[Service], chance: Chance) -> list[Service]:
    """Return the records in the order to try them (RFC 2782): priority, then chance by weight."""
    found: list[Service] = []
    for priority in sorted({record.priority for record in records}):
        left = sorted(
            (record for record in records if record.priority == priority),
            key=lambda record: record.weight,
        )
        while left:
            found.append(left.pop(_drawn(left, chance)))
    return found


def _drawn(records: Sequence[Srv], chance: Chance) -> int:
    """Return the index of the record whose running sum of weights reaches a drawn number."""
    drawn = chance.randint(0, sum(record.weight for record in records))
    running = 0
    for index, record in enumerate(records):
        running += record.weight
        if running >= drawn:
            return index
    return len(records) - 1
