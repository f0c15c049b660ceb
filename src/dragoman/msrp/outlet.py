"""What one connection sends, in which order and in which chunks (RFC 4975 §7.1, §7.1.1)."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from dragoman.msrp.event import FailureReport
from dragoman.msrp.message import HYPHENS, MAX_CHUNK, ByteRange
from dragoman.msrp.sending import Fate, Lane, Outgoing

PIECE: Final = 32_768
"""Octets of a long body that are taken at one time."""
TURN: Final = 16_384
"""Octets after which a long message lets those of other sessions go on."""


@dataclass(slots=True)
class Transaction:
    """One SEND that was begun; `deadline` None: not ended yet, or no 200 is to come."""

    outgoing: Outgoing
    deadline: float | None = None


@dataclass(slots=True)
class _Open:
    """The chunk that is being written."""

    lane: Lane
    outgoing: Outgoing
    transaction_id: str
    mark: bytes
    transaction: Transaction
    octets: int = 0
    tail: bytes = b""
    """The last octets written: an end-line may begin in one piece and end in the next."""


@final
class Outlet:
    """What one connection has to send: responses and REPORTs first, then the sessions in turn.

    With `whole` each chunk is one item of what `take` returns, as WebSocket wants it.
    """

    def __init__(
        self,
        token: Callable[[], str],
        *,
        response: float,
        unconfirmed: int,
        whole: bool = False,
    ) -> None:
        """Wait `response` seconds for each 200, and for no more than `unconfirmed` of them."""
        self.urgent: deque[bytes] = deque()
        self.urgent_octets = 0
        self.done: list[Outgoing] = []
        """Messages that were handed over, or given up by their source, since last looked at."""
        self._token = token
        self._response = response
        self._unconfirmed = unconfirmed
        self._whole = whole
        self._turns: deque[Lane] = deque()
        self._open: _Open | None = None
        self._transactions: dict[str, Transaction] = {}
        self._partial: dict[str, Transaction] = {}

    @property
    def ready(self) -> bool:
        """Whether `take` would give something."""
        return bool(self.urgent or self._open is not None or (self._turns and not self._blocked))

    def answer(self, data: bytes) -> None:
        """Send a response or REPORT before anything else."""
        self.urgent.append(data)
        self.urgent_octets += len(data)

    def offer(self, lane: Lane) -> None:
        """Give a session its turns, as long as it has something to send."""
        if lane.queue and not lane.turned and not lane.asleep:
            lane.turned = True
            self._turns.append(lane)

    def leave(self, lane: Lane) -> None:
        """Forget a session, whose messages were given up; the open chunk will end with `#`."""
        if lane.turned:
            self._turns = deque(each for each in self._turns if each is not lane)
            lane.turned = False
        lane.queue.clear()

    def take(self, now: float, budget: int) -> list[bytes]:
        """Return what is to be written next, until that is `budget` octets or nothing is left."""
        out: list[bytes] = []
        while budget > 0:
            before = len(out)
            if self._open is not None:
                self._go_on(self._open, out, now, budget)
            elif self.urgent:
                out.append(self.urgent.popleft())
                self.urgent_octets -= len(out[-1])
            elif not self._turns or self._blocked:
                break
            else:
                self._begin(self._turns.popleft(), out, now, budget)
            for each in out[before:]:
                budget -= len(each)
        return out

    def answered(self, transaction_id: str) -> Outgoing | None:
        """Return the message that a response is for; a SEND is answered once."""
        found = self._transactions.pop(transaction_id, None)
        if found is None:
            found = self._partial.pop(transaction_id, None)
        return None if found is None else found.outgoing

    def overdue(self, now: float) -> list[Outgoing]:
        """Return the messages of which a SEND got no 200 in time."""
        found: list[Outgoing] = []
        for tid, each in list(self._transactions.items()):
            if each.deadline is None or each.deadline > now:
                break
            del self._transactions[tid]
            found.append(each.outgoing)
        return found

    def next_deadline(self) -> float | None:
        """Return when the first 200 is overdue."""
        first = next(iter(self._transactions.values()), None)
        return None if first is None else first.deadline

    @property
    def _blocked(self) -> bool:
        return len(self._transactions) >= self._unconfirmed

    def _begin(self, lane: Lane, out: list[bytes], now: float, budget: int) -> None:
        """Give a session its turn: a short message whole, or the first piece of a chunk."""
        lane.turned = False
        if not lane.queue:
            return
        outgoing = lane.queue[0]
        body = outgoing.short
        if outgoing.aborted:
            self._say_aborted(lane, outgoing, out)
        elif body is not None:
            lane.queue.popleft()
            self._write_short(lane, outgoing, body, out, now)
        elif self._whole:
            self._write_whole(lane, outgoing, out, now)
        else:
            data = outgoing.read(min(TURN if self._turns else PIECE, budget, lane.longest))
            if data is None:
                lane.asleep = True
                return
            self._open = self._opened(lane, outgoing)
            said = ByteRange(outgoing.offset + 1, None, outgoing.size)
            out.append(_head(lane, outgoing, self._open.transaction_id, said))
            self._write_piece(self._open, data, out, now)
            return
        self.offer(lane)

    def _write_short(
        self, lane: Lane, outgoing: Outgoing, body: bytes, out: list[bytes], now: float
    ) -> None:
        tid = self._token()
        while body and tid.encode() in body:
            tid = self._token()
        size = len(body)
        head = _head(lane, outgoing, tid, ByteRange(1, size, size))
        if outgoing.content_type is None:
            out.append(b"%b-------%b$\r\n" % (head, tid.encode()))
        else:
            out.append(b"%b%b\r\n-------%b$\r\n" % (head, body, tid.encode()))
        outgoing.offset = size
        transaction = Transaction(outgoing)
        self._track(tid, transaction)
        transaction.deadline = now + self._response
        self._hand_over(outgoing)

    def _write_whole(self, lane: Lane, outgoing: Outgoing, out: list[bytes], now: float) -> None:
        """Write one chunk that nothing interrupts, as one item."""
        pieces: list[bytes] = []
        data = outgoing.read(min(TURN, lane.longest))
        if data is None:
            lane.asleep = True
            return
        chunk = self._opened(lane, outgoing)
        end = outgoing.offset + len(data)
        said = ByteRange(
            outgoing.offset + 1, end if len(data) <= MAX_CHUNK else None, outgoing.size
        )
        pieces.append(_head(lane, outgoing, chunk.transaction_id, said))
        self._open = chunk
        self._write_piece(chunk, data, pieces, now)
        if self._open is not None:
            self._close(chunk, b"+", pieces, now)
        out.append(b"".join(pieces))

    def _opened(self, lane: Lane, outgoing: Outgoing) -> _Open:
        tid = self._token()
        transaction = Transaction(outgoing)
        self._track(tid, transaction)
        return _Open(lane, outgoing, tid, HYPHENS + tid.encode(), transaction)

    def _go_on(self, chunk: _Open, out: list[bytes], now: float, budget: int) -> None:
        """Write the next piece of the open chunk, or end it where others are to have their turn."""
        if chunk.outgoing.over:
            self._close(chunk, b"#", out, now)
            return
        turn = MAX_CHUNK if self.urgent else TURN if self._turns else chunk.lane.longest
        turn = min(turn, chunk.lane.longest)
        if chunk.octets >= turn:
            self._close(chunk, b"+", out, now)
            return
        data = chunk.outgoing.read(min(PIECE, budget, turn - chunk.octets))
        if data is None:
            chunk.lane.asleep = True
            self._close(chunk, b"+", out, now)
        else:
            self._write_piece(chunk, data, out, now)

    def _write_piece(self, chunk: _Open, data: bytes, out: list[bytes], now: float) -> None:
        outgoing = chunk.outgoing
        found = (chunk.tail + data).find(chunk.mark)
        if found >= 0:
            # the body has our end-line: end before that, the rest goes under another id
            data = data[: max(0, found - len(chunk.tail) + 1)]
        if data:
            out.append(data)
            outgoing.offset += len(data)
            chunk.octets += len(data)
            chunk.tail = (chunk.tail + data)[1 - len(chunk.mark) :]
        if outgoing.aborted:
            self._close(chunk, b"#", out, now)
            self.done.append(outgoing)
        elif outgoing.offset == outgoing.size:
            self._close(chunk, b"$", out, now)
        elif found >= 0:
            self._close(chunk, b"+", out, now)

    def _close(self, chunk: _Open, flag: bytes, out: list[bytes], now: float) -> None:
        """Write the end-line of the open chunk; the seconds for its 200 begin."""
        out.append(b"\r\n%b%b\r\n" % (chunk.mark, flag))
        self._open = None
        if chunk.transaction.deadline is None:
            chunk.transaction.deadline = now + self._response
        if flag != b"+":
            if chunk.lane.queue and chunk.lane.queue[0] is chunk.outgoing:
                chunk.lane.queue.popleft()
            if flag == b"$":
                self._hand_over(chunk.outgoing)
        self.offer(chunk.lane)

    def _say_aborted(self, lane: Lane, outgoing: Outgoing, out: list[bytes]) -> None:
        """End a message, of which chunks went out, by an empty one with `#` (RFC 4975 §7.1)."""
        lane.queue.popleft()
        if outgoing.offset and outgoing.fate is Fate.WAITING:
            tid = self._token()
            said = ByteRange(outgoing.offset + 1, outgoing.offset, outgoing.size)
            out.append(_head(lane, outgoing, tid, said) + b"\r\n-------%b#\r\n" % tid.encode())

    def _track(self, tid: str, transaction: Transaction) -> None:
        """Remember which message a response will be for."""
        outgoing = transaction.outgoing
        if outgoing.failure_report is FailureReport.YES:
            outgoing.unanswered += 1
            self._transactions[tid] = transaction
        elif outgoing.failure_report is FailureReport.PARTIAL:
            self._partial[tid] = transaction
            if len(self._partial) > self._unconfirmed:
                del self._partial[next(iter(self._partial))]

    def _hand_over(self, outgoing: Outgoing) -> None:
        outgoing.handed()
        self.done.append(outgoing)


def _head(lane: Lane, outgoing: Outgoing, tid: str, said: ByteRange) -> bytes:
    """Return the head of a SEND, with the empty line where a body follows."""
    text = (
        f"MSRP {tid} SEND\r\n{lane.paths}Message-ID: {outgoing.message_id}\r\n"
        f"Byte-Range: {said}\r\n{outgoing.headers}"
    )
    if outgoing.content_type is not None:
        text = f"{text}Content-Type: {outgoing.content_type}\r\n\r\n"
    return text.encode()
