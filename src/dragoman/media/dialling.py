"""Digits put into a stream of RTP that passes by: telephone-events (RFC 4733 §2.5, §2.6)."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from dragoman.media import rtp, telephone

PAUSE: Final = 60
"""Milliseconds between two digits."""
PERIOD: Final = 0.02
"""Seconds of sound in one packet, as is usual."""
MOST: Final = 64
"""Digits that wait, at most; more are not sent."""
_HALF: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class _Due:
    when: float
    digit: int
    step: telephone.Step


class Dialling:
    """The digits of one stream, and what they do to what passes.

    While a digit is sent nothing else passes; afterwards sequence numbers go on from where the
    digit's ended, timestamps stay those of the sender.
    """

    __slots__ = (
        "_barrier",
        "_began",
        "_clock",
        "_digit",
        "_due",
        "_end",
        "_passed",
        "_payload_type",
        "_sequence",
        "_shift",
        "_ssrc",
        "_timestamp",
        "used",
    )

    def __init__(self, seed: int = 0) -> None:
        """Have no digit; `seed` is the SSRC where no stream passes by."""
        self.used = False
        """Whether a digit was ever sent, so that what passes has to be looked at."""
        self._due: deque[_Due] = deque()
        self._end = 0.0
        self._digit = 0
        self._shift = 0
        self._barrier: int | None = None
        self._sequence = 0
        self._timestamp = 0
        self._ssrc = seed
        self._passed = True
        """Whether something passed since the last digit."""
        self._began = 0.0
        self._clock = 8000
        self._payload_type = 101

    def dial(
        self, digits: str, milliseconds: int, event: tuple[int, int], last: bytes, now: float
    ) -> None:
        """Queue digits, each that long; `last` is the packet that passed last, b"" for none.

        `event` is the payload type and the clock rate. LocalError for what is no digit.
        """
        for digit in digits:
            telephone.number(digit)
        self._payload_type, self._clock = event
        if not self._due:
            self._begin(last, now)
        start = max(now, self._end)
        for digit in digits[: MOST - len({each.digit for each in self._due})]:
            self._digit += 1
            steps = list(telephone.press(digit, milliseconds, clock_rate=self._clock))
            self._due += [_Due(start + step.after / 1000, self._digit, step) for step in steps]
            start += (steps[-1].after + PAUSE) / 1000
        self._end = start
        self.used = self.used or bool(self._due)

    def _begin(self, last: bytes, now: float) -> None:
        """Take up the stream where it is; without one begin, or go on with, one of our own."""
        if last and self._passed:
            # the packet that passed last had its time
            self._began = now - PERIOD
            self._passed = False
            self._sequence, self._timestamp = rtp.sequence(last), rtp.timestamp(last)
            self._ssrc = rtp.ssrc(last)
            self._barrier = (self._sequence - self._shift) & 0xFFFF

    def next_timer(self) -> float | None:
        """Return when `due` has something; None when nothing waits."""
        return self._due[0].when if self._due else None

    def due(self, now: float) -> list[bytes]:
        """Return the packets to send now."""
        found = []
        while self._due and self._due[0].when <= now:
            found.append(self._packet(self._due.popleft()))
        return found

    def _packet(self, due: _Due) -> bytes:
        if due.step.marker:
            # its timestamp is that of its beginning, by the stream's own clock (§2.2.1)
            passed = int((due.when - self._began) * self._clock)
            self._timestamp = (self._timestamp + passed) & 0xFFFFFFFF
            self._began = due.when
        self._sequence = (self._sequence + 1) & 0xFFFF
        return rtp.build(
            due.step.payload,
            payload_type=self._payload_type,
            sequence=self._sequence,
            timestamp=self._timestamp,
            ssrc=self._ssrc,
            marker=due.step.marker,
        )

    def around(self, data: bytes) -> bytes | None:
        """Return a packet that passes as it is to go on; None: not at all."""
        if data[8:12] != self._ssrc.to_bytes(4, "big"):
            return None if self._due else data
        number = data[2] << 8 | data[3]
        if self._due:
            # the digit is heard in place of it; what comes later goes on from there
            if self._barrier is None or (number - self._barrier) & 0xFFFF < _HALF:
                self._barrier = number
            return None
        if self._barrier is not None:
            if (number - self._barrier - 1) & 0xFFFF >= _HALF:
                return None
            self._shift = (self._sequence - self._barrier) & 0xFFFF
            self._barrier = None
        self._passed = True
        shifted = (number + self._shift) & 0xFFFF
        return b"%b%c%c%b" % (data[:2], shifted >> 8, shifted & 0xFF, data[4:])
