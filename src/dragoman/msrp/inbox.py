"""The messages that arrive in one session, and the reports on them (RFC 4975 §7.1.3, §7.3.1)."""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from dragoman.msrp.assembly import TOO_LARGE, Arriving
from dragoman.msrp.event import (
    FailureReport,
    MessageArrived,
    MessageBegun,
    MessageBroken,
    PieceArrived,
)
from dragoman.msrp.failure import PHRASES, MsrpError
from dragoman.msrp.framing import Flag
from dragoman.msrp.limits import Desk, Wait
from dragoman.msrp.message import ByteRange, Request, Status, write_request
from dragoman.msrp.terms import listed
from dragoman.msrp.uri import Path

if TYPE_CHECKING:
    from dragoman.msrp.session import Session

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ALWAYS: Final = ("multipart/mixed", "multipart/alternative")
"""What every endpoint must be able to receive (RFC 4975 §7.3.1)."""


@dataclass(slots=True)
class Record:
    """What is remembered of a message that is over: to know it again, and to report on it."""

    from_path: Path
    total: int | None
    success_report: bool
    failure_report: FailureReport
    refused: int = 0
    """The status that all further chunks get; 0: it came whole."""
    reported: tuple[int, str] | None = None
    """The last status of the whole that we reported, with its comment."""


@dataclass(slots=True)
class Chunk:
    """A SEND whose body is arriving; without `message` it is one that we have, or want none of."""

    request: Request
    message: Arriving | None
    at: int = 0


@final
class Inbox:
    """The messages of one session that arrive, and those that did."""

    __slots__ = ("_arriving", "_desk", "_limit", "_records", "_session", "_streams")

    def __init__(self, desk: Desk, session: "Session", *, limit: int, streams: bool) -> None:
        """Take messages of `limit` octets; with `streams` hand their octets on as they come."""
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._arriving: dict[str, Arriving] = {}
        self._desk = desk
        self._session = session
        self._limit = limit
        self._streams = streams

    # -- SENDs -----------------------------------------------------------------------------

    def open(self, request: Request) -> Chunk:
        """Take the head of a SEND with a body; MsrpError where it is refused.

        413 comes as early as its Byte-Range says that the message will be too long.
        """
        if not request.message_id:
            raise MsrpError("a SEND without Message-ID")
        kind = request.content_type or ""
        if not (listed(kind, self._session.ours.accept_types) or listed(kind, _ALWAYS)):
            raise MsrpError(f"no {kind[:60]} here", 415)
        record = self._records.get(request.message_id)
        if record is None:
            return self._begin(request)
        if record.refused:
            raise MsrpError("this message was refused before", record.refused)
        return Chunk(request, None)

    def feed(self, chunk: Chunk, data: bytes) -> None:
        """Take octets of a chunk; MsrpError where it is refused now."""
        message = chunk.message
        if message is None:
            return
        at = chunk.at
        chunk.at += len(data)
        try:
            ready = message.put(at, data)
        except MsrpError as error:
            chunk.message = None
            self._refuse(message, error.status)
            self._tell_broken(message, error.reason)
            raise
        for piece in ready:
            self._tell_begun(message)
            self._desk.tell(PieceArrived(self._session, chunk.request.message_id, piece))

    def end(self, chunk: Chunk, flag: Flag, now: float) -> None:
        """Take the end of a chunk, whose SEND was answered."""
        message = chunk.message
        if message is None:
            self._report_again(chunk.request.message_id, now)
        elif flag is Flag.ABORTED:
            self._drop(message)
            self._tell_broken(message, "given up by its sender")
        else:
            if flag is Flag.LAST:
                message.total = chunk.at
            if message.whole:
                self._finish(message)
            else:
                self._await(message, now)

    def bare(self, request: Request, flag: Flag) -> None:
        """Take a SEND without a body: it may give up a message of which something came."""
        message = self._arriving.get(request.message_id)
        if message is not None and flag is Flag.ABORTED:
            self._drop(message)
            self._tell_broken(message, "given up by its sender")

    def refuse(self, message_id: str, status: int) -> bool:
        """Take no more of a message; tell whether any of it had arrived."""
        message = self._arriving.get(message_id)
        if message is not None:
            self._refuse(message, status)
        return message is not None

    def on_gap(self, now: float) -> None:
        """Give up what had nothing added for too long, unless it is us who do not read."""
        connection = self._session.connection
        for message in [each for each in self._arriving.values() if each.deadline <= now]:
            if connection is None or not connection.reading:
                message.deadline = now + self._desk.limits.gap
                continue
            record = self._refuse(message, TOO_LARGE)
            gap = (0, message.have.octets)
            if message.total is not None:
                gap = message.have.gap(message.total) or gap
            name = message.request.message_id
            self._report(record, name, TOO_LARGE, "", now, [(gap[0] + 1, gap[1])])
            self._tell_broken(message, "a part of it did not come")
        deadline = min((each.deadline for each in self._arriving.values()), default=None)
        if deadline is not None:
            self._desk.alarms.set((Wait.GAP, self._session), deadline)

    def close(self, reason: str) -> None:
        """Forget all that did not come whole."""
        for message in list(self._arriving.values()):
            self._drop(message)
            self._tell_broken(message, reason)

    # -- REPORTs ---------------------------------------------------------------------------

    def report(
        self,
        message_id: str,
        status: int,
        reason: str,
        now: float,
        ranges: Sequence[tuple[int, int]],
    ) -> bool:
        """Report on a message that came whole; tell whether its sender wanted that."""
        record = self._records.get(message_id)
        if record is None or record.refused:
            return False
        if not ranges:
            record.reported = (status, reason)
        return self._report(record, message_id, status, reason, now, ranges)

    def _report_again(self, message_id: str, now: float) -> None:
        """Acknowledge a message that came before (RFC 4975 §5.4)."""
        record = self._records.get(message_id)
        if record is not None and record.reported is not None:
            status, reason = record.reported
            self._report(record, message_id, status, reason, now, ())

    def _report(
        self,
        record: Record,
        message_id: str,
        status: int,
        reason: str,
        now: float,
        ranges: Sequence[tuple[int, int]],
    ) -> bool:
        good = status == 200
        wanted = record.success_report if good else record.failure_report is FailureReport.YES
        connection = self._session.connection
        if not wanted or connection is None:
            return False
        # a line break would end the header
        said = Status(status, _CONTROL.sub(" ", reason or PHRASES.get(status, "")))
        own = Path((self._session.uri,))
        for first, last in ranges or [(1, record.total or 0)]:
            headers = (
                ("Message-ID", message_id),
                ("Byte-Range", str(ByteRange(first, last, record.total))),
                ("Status", str(said)),
            )
            tid = self._desk.token()
            data = write_request(tid, "REPORT", record.from_path, own, headers)
            connection.answer(data, now)
        return True

    # -- messages that come ----------------------------------------------------------------

    def _begin(self, request: Request) -> Chunk:
        """Take a chunk of a message that is not whole."""
        message = self._arriving.get(request.message_id)
        said = request.byte_range
        if message is None:
            if len(self._arriving) >= self._desk.limits.partial:
                raise MsrpError("too many messages at one time", TOO_LARGE)
            message = Arriving(request, self._desk.stock, self._limit, streams=self._streams)
            self._arriving[request.message_id] = message
        if said is None or said.start == 1:
            # what is told of a message is told by its beginning, also where that comes late
            message.request = request
        if said is None:
            return Chunk(request, message)
        if max(said.start - 1, said.end or 0, said.total or 0) > self._limit:
            self._refuse(message, TOO_LARGE)
            self._tell_broken(message, "too large")
            raise MsrpError(f"a message of more than {self._limit} octets", TOO_LARGE)
        return Chunk(request, message, said.start - 1)

    def _finish(self, message: Arriving) -> None:
        """Hand a message over that is whole."""
        self._tell_begun(message)
        request, body = message.request, message.body
        self._drop(message)
        self._keep(message, 0)
        self._desk.tell(
            MessageArrived(
                self._session,
                request.message_id,
                request.transaction_id,
                request.content_type or "",
                body,
                message.total or 0,
                request.success_report,
                request.failure_report,
                request.headers,
            )
        )

    def _await(self, message: Arriving, now: float) -> None:
        message.deadline = now + self._desk.limits.gap
        self._desk.alarms.hasten((Wait.GAP, self._session), message.deadline)

    def _refuse(self, message: Arriving, status: int) -> Record:
        self._drop(message)
        return self._keep(message, status)

    def _drop(self, message: Arriving) -> None:
        self._arriving.pop(message.request.message_id, None)
        message.release()

    def _keep(self, message: Arriving, refused: int) -> Record:
        request = message.request
        record = Record(
            request.from_path,
            message.total,
            request.success_report,
            request.failure_report,
            refused,
        )
        self._records[request.message_id] = record
        if len(self._records) > self._desk.limits.remembered:
            self._records.popitem(last=False)
        return record

    def _tell_begun(self, message: Arriving) -> None:
        if self._streams and not message.begun:
            message.begun = True
            request = message.request
            total = None if request.byte_range is None else request.byte_range.total
            name, kind = request.message_id, request.content_type or ""
            self._desk.tell(MessageBegun(self._session, name, kind, total, request.headers))

    def _tell_broken(self, message: Arriving, reason: str) -> None:
        if message.begun:
            message.begun = False
            self._desk.tell(MessageBroken(self._session, message.request.message_id, reason))
