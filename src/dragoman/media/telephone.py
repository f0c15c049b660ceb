"""Digits that are pressed during a call: telephone-events (RFC 4733), made and recognised."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, Self

from dragoman.errors import LocalError
from dragoman.media.rtp import MediaFormatError

DIGITS: Final = "0123456789*#ABCD"
"""The digits by the number of their event (§3.2, table 7)."""
FLASH: Final = 16
VOLUME: Final = 10
"""Decibels below the reference that are told: as loud as a phone's own (§2.3.4)."""
ENDS: Final = 3
"""How often the last packet is sent (§2.5.1.4)."""
LONGEST: Final = 0xFFFF
"""Units of the longest event in one segment (§2.5.1.3)."""

_EVENT: Final = Struct("!BBH")


@dataclass(frozen=True, slots=True)
class Event:
    """The payload of a packet (§2.3): `duration` in units of the timestamp."""

    number: int
    duration: int
    end: bool = False
    volume: int = VOLUME

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read the first event of a payload; raise MediaFormatError where there is none."""
        if len(payload) < _EVENT.size:
            raise MediaFormatError("a telephone-event is cut")
        number, second, duration = _EVENT.unpack_from(payload)
        return cls(number, duration, bool(second & 0x80), second & 0x3F)

    def __bytes__(self) -> bytes:
        """Print it."""
        second = (0x80 if self.end else 0) | self.volume & 0x3F
        return _EVENT.pack(self.number, second, self.duration)

    @property
    def digit(self) -> str:
        """The digit, "" for an event that is none."""
        return DIGITS[self.number] if self.number < len(DIGITS) else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One packet to send: `after` milliseconds from the first, the timestamp `offset` units on.

    The offset is the same for all packets of one segment; the first has the marker.
    """

    after: int
    offset: int
    marker: bool
    payload: bytes


def number(digit: str) -> int:
    """Return the event of a digit, in either case; LocalError for what is none."""
    found = DIGITS.find(digit.upper()) if len(digit) == 1 else -1
    if found < 0:
        raise LocalError(f"not a digit of a phone: {digit!r}")
    return found


def press(
    digit: str, milliseconds: int = 160, *, clock_rate: int = 8000, period: int = 20
) -> Iterator[Step]:
    """Yield the packets of one digit, one each `period` ms, the last of them three times.

    What is longer than one segment can say is cut to that. Raises LocalError for no digit.
    """
    event = number(digit)
    unit = max(1, clock_rate // 1000)
    length = max(period, min(milliseconds, LONGEST // unit))
    updates = -(-length // period)
    for index in range(1, updates):
        # the first packet tells what has passed when it is sent (§2.5.1.2)
        yield Step((index - 1) * period, 0, index == 1, bytes(Event(event, index * period * unit)))
    last = bytes(Event(event, length * unit, end=True))
    for repeat in range(ENDS):
        yield Step((updates - 1 + repeat) * period, 0, updates == 1 and not repeat, last)


class Listener:
    """Recognises the events of one stream, each once however often it is told."""

    __slots__ = ("_ended", "_known")

    def __init__(self) -> None:
        """Know of none."""
        self._known: int | None = None
        self._ended = False

    def hear(self, timestamp: int, payload: bytes) -> Event | None:
        """Return the event that ends with this packet, else None; raise MediaFormatError.

        An event is known by its timestamp (§2.5.2.2); the packets that repeat its end say nothing.
        """
        event = Event.parse(payload)
        if timestamp != self._known:
            self._known, self._ended = timestamp, False
        if not event.end or self._ended:
            return None
        self._ended = True
        return event
