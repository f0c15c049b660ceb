"""Provisional responses that arrive: 100rel, RSeq, RAck and PRACK (RFC 3262)."""

from collections import deque
from dataclasses import dataclass
from typing import Final, final

from dragoman.errors import LocalError
from dragoman.sip.failure import SipError
from dragoman.sip.grammar import is_token, parse_number
from dragoman.sip.message import Response

REL: Final = "100rel"
QUEUED: Final = 4
"""Reliable responses that wait for the PRACK of one before them."""
_MOST: Final = 2**32 - 1


def rseq_of(response: Response) -> int:
    """Return the number of a reliable response (§7.1); raises SipError."""
    return parse_number(response.get("RSeq") or "", "RSeq", _MOST)


@final
@dataclass(frozen=True, slots=True)
class RAck:
    """Which response a PRACK acknowledges: its RSeq, and the CSeq of its request (§7.2)."""

    rseq: int
    cseq: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "RAck":
        """Read a RAck header; raises SipError."""
        parts = text.split()
        if len(parts) != 3 or not is_token(parts[2]):
            raise SipError(f"not a RAck: {text[:40]!r}")
        rseq, cseq = (parse_number(each, "RAck", _MOST) for each in parts[:2])
        return cls(rseq, cseq, parts[2])

    def __str__(self) -> str:
        """Return the header's value."""
        return f"{self.rseq} {self.cseq} {self.method}"


class Receiver:
    """The reliable responses of one early dialog, in their order (§4)."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        """Start with none."""
        self._last: int | None = None

    def takes(self, rseq: int) -> bool:
        """Tell whether a response is the next one; any other is not to be acknowledged."""
        if rseq < 1 or (self._last is not None and rseq != self._last + 1):
            return False
        self._last = rseq
        return True


class Sender:
    """Our reliable responses to one INVITE: one at a time, again until its PRACK (§3)."""

    __slots__ = ("_cseq", "_interval", "_waiting", "current", "has_body", "rseq", "until")

    def __init__(self, rseq: int, cseq: int) -> None:
        """Number them from `rseq` on; `cseq` is the number of the INVITE."""
        self._cseq = cseq
        self.rseq = rseq - 1
        self.current: Response | None = None
        self.has_body = False
        self.until = 0.0
        self._interval = 0.0
        self._waiting: deque[tuple[Response, bool]] = deque()

    def add(self, response: Response, *, has_body: bool) -> None:
        """Have a response without RSeq sent in its turn. Raises LocalError for too many."""
        if len(self._waiting) >= QUEUED:
            raise LocalError(f"{QUEUED} reliable responses wait for PRACK already")
        self._waiting.append((response, has_body))

    def next(self, now: float, t1: float) -> Response | None:
        """Return the response whose turn it is, with its RSeq; None: not yet, or no more."""
        if self.current is not None or not self._waiting:
            return None
        response, self.has_body = self._waiting.popleft()
        self.rseq += 1
        extra = (("Require", REL), ("RSeq", str(self.rseq)))
        headers = (*response.headers, *extra)
        self.current = Response(response.status, response.reason, headers, response.body)
        self._interval, self.until = t1, now + 64 * t1
        return self.current

    @property
    def holds(self) -> bool:
        """Whether a 2xx has to wait: a description is on its way that no PRACK was seen for."""
        return (self.current is not None and self.has_body) or any(b for _, b in self._waiting)

    def when(self, now: float) -> float:
        """Return when the response is to go again, and double that pause (§3)."""
        when = min(now + self._interval, self.until)
        self._interval *= 2
        return when

    def acknowledged(self, rack: RAck) -> bool:
        """Take a PRACK; False: it does not match the latest response (481).

        One that comes late, after the final response, does match.
        """
        if rack != RAck(self.rseq, self._cseq, "INVITE"):
            return False
        self.current = None
        return True

    def stop(self) -> None:
        """Send nothing more: there is a final response."""
        self.current = None
        self._waiting.clear()
