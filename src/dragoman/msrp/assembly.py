"""Messages put together from their chunks (RFC 4975 §7.3.1): any order, any overlap, bounded."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import Final

from dragoman.msrp.failure import MsrpError
from dragoman.msrp.message import Request

MAX_HOLES: Final = 256
"""How many gaps a message may have at one time."""
MAX_LATE: Final = 262_144
"""Octets of a streamed message that may wait for those before them."""

TOO_LARGE: Final = 413


class Ranges:
    """Which octets there are: disjoint half-open ranges, counted from 0."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        """Start with none."""
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        """Return how many ranges there are; more than one have gaps between them."""
        return len(self._starts)

    def add(self, start: int, end: int) -> None:
        """Count in the octets from `start` up to `end`, which it does not include."""
        starts, ends = self._starts, self._ends
        if ends and starts[-1] <= start <= ends[-1]:
            if end > ends[-1]:
                ends[-1] = end
            return
        if start >= end:
            return
        low, high = bisect_left(ends, start), bisect_right(starts, end)
        if low < high:
            start, end = min(start, starts[low]), max(end, ends[high - 1])
        starts[low:high], ends[low:high] = [start], [end]

    def cover(self, total: int) -> bool:
        """Tell whether the first `total` octets are there."""
        return total == 0 or self.gap(total) is None

    def gap(self, total: int) -> tuple[int, int] | None:
        """Return the first octets, up to `total`, that are missing."""
        if not self._starts or self._starts[0] > 0:
            return 0, min(total, self._starts[0] if self._starts else total)
        if self._ends[0] >= total:
            return None
        return self._ends[0], min(total, self._starts[1] if len(self._starts) > 1 else total)

    @property
    def octets(self) -> int:
        """How many octets there are."""
        return sum(self._ends) - sum(self._starts)


@dataclass(slots=True)
class Stock:
    """What messages that are not whole weigh, in all sessions of an endpoint, and may weigh."""

    limit: int
    used: int = 0


class Arriving:
    """One message of which some has arrived."""

    __slots__ = (
        "_body", "_from", "_late", "_run", "_stock", "_streams",
        "begun", "deadline", "have", "held", "limit", "request", "total",
    )  # fmt: skip

    def __init__(self, request: Request, stock: Stock, limit: int, *, streams: bool) -> None:
        """Begin with the first chunk that came, whichever it is."""
        self.request = request
        self.limit = limit
        self.have = Ranges()
        self.total: int | None = None
        """Known when the chunk with the end has come."""
        self.held = 0
        self.begun = False
        """Whether the user was told of it."""
        self.deadline = 0.0
        self._stock = stock
        self._streams = streams
        self._body: bytes | bytearray = b""
        self._from = 0
        """Where the octets that the user does not have begin."""
        self._late: dict[int, bytearray] = {}
        self._run = (0, 0)

    @property
    def whole(self) -> bool:
        """Whether every octet is there."""
        return self.total is not None and self.have.cover(self.total)

    @property
    def body(self) -> bytes:
        """The message, where it is not streamed."""
        body = self._body if self.total is None else self._body[: self.total]
        return body if type(body) is bytes else bytes(body)

    def put(self, at: int, data: bytes) -> list[bytes]:
        """Put octets at their place; return those whose turn it is, where it is streamed.

        Raises MsrpError 413 where the message becomes too long, or too scattered.
        """
        end = at + len(data)
        if end > self.limit:
            raise MsrpError(f"a message of more than {self.limit} octets", TOO_LARGE)
        self.have.add(at, end)
        if len(self.have) > MAX_HOLES:
            raise MsrpError("a message of too many pieces", TOO_LARGE)
        if self._streams:
            return self._in_turn(at, data)
        self._write(at, data)
        return []

    def release(self) -> None:
        """Give back what is held, and hold nothing more."""
        self._hold(-self.held)
        self._body = b""
        self._late.clear()

    def _write(self, at: int, data: bytes) -> None:
        size = len(self._body)
        end = at + len(data)
        if size == 0 and at == 0:
            self._hold(end)
            self._body = data
            return
        if end > size:
            self._hold(end - size)
        body = bytearray(self._body) if isinstance(self._body, bytes) else self._body
        if at > size:
            body.extend(bytes(at - size))
        body[at:end] = data
        self._body = body

    def _in_turn(self, at: int, data: bytes) -> list[bytes]:
        if at > self._from:
            self._put_off(at, data)
            return []
        ready = [data[self._from - at :]] if at + len(data) > self._from else []
        self._from = max(self._from, at + len(data))
        while self._late and (at := min(self._late)) <= self._from:
            late = self._late.pop(at)
            self._hold(-len(late))
            if at + len(late) > self._from:
                ready.append(bytes(late[self._from - at :]))
                self._from = at + len(late)
        return ready

    def _put_off(self, at: int, data: bytes) -> None:
        """Keep what came before its turn; pieces of one chunk become one."""
        self._hold(len(data))
        start, end = self._run
        if start in self._late and end == at:
            self._late[start] += data
        else:
            self._hold(-len(self._late.get(at, b"")))
            self._late[at] = bytearray(data)
            start = at
        self._run = start, at + len(data)
        if self.held > MAX_LATE or len(self._late) > MAX_HOLES:
            raise MsrpError("too much of a message came before its turn", TOO_LARGE)

    def _hold(self, octets: int) -> None:
        self.held += octets
        self._stock.used += octets
        if octets > 0 and self._stock.used > self._stock.limit:
            raise MsrpError("too many messages are arriving", TOO_LARGE)
