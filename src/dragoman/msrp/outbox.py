"""The messages that one session sends, until they are confirmed (RFC 4975 §7.1.1, §7.3.2)."""

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Final, final

from dragoman.errors import LocalError
from dragoman.msrp.event import Delivered, Failed, FailureReport, Sent, Unreported, Why
from dragoman.msrp.failure import PHRASES, Full
from dragoman.msrp.limits import Desk
from dragoman.msrp.message import ByteRange, Request
from dragoman.msrp.sending import Fate, Lane, Outgoing, Source

if TYPE_CHECKING:
    from dragoman.msrp.session import Session

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_IDENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}", re.ASCII)
_NO_SESSION: Final = (481, 506)
_REFUSALS: Final = frozenset({400, 403, 404, 413, 415, 423, 425, 428, 501})
"""Codes by which the receiver itself turns a message down; others tell that it was lost."""


@final
class Outbox:
    """The messages of one session that wait, are being sent, or may still be reported on."""

    __slots__ = ("_desk", "_octets", "_outgoing", "_sent", "_session", "lane")

    def __init__(self, desk: Desk, session: "Session") -> None:
        """Begin with none."""
        self.lane = Lane()
        self._desk = desk
        self._session = session
        self._octets = 0
        """What the bodies weigh that wait."""
        self._outgoing: dict[str, Outgoing] = {}
        self._sent: OrderedDict[str, Outgoing] = OrderedDict()

    def __len__(self) -> int:
        """Return how many messages were neither `Sent` nor `Failed`."""
        return len(self._outgoing)

    # -- what the user asks ----------------------------------------------------------------

    def message(
        self,
        message_id: str,
        content_type: str,
        body: bytes | Source,
        *,
        success_report: bool,
        failure_report: FailureReport,
        headers: Iterable[tuple[str, str]],
        limit: int | None,
        tag: Hashable,
    ) -> Outgoing:
        """Return a message that may be put; LocalError for what cannot be written."""
        name = message_id or self._desk.token()
        if _IDENT.fullmatch(name) is None or name in self._outgoing:
            raise LocalError("a Message-ID that may not be sent")
        return Outgoing(
            self._session,
            name,
            content_type,
            body,
            success_report=success_report,
            failure_report=failure_report,
            headers=_written(success_report, failure_report, headers, content_type),
            limit=limit,
            tag=tag,
        )

    def put(self, outgoing: Outgoing, now: float) -> None:
        """Send a message when its turn comes; Full where too much waits."""
        limits, size = self._desk.limits, outgoing.weight
        full = len(self.lane.queue) >= limits.waiting
        if full or self._octets + size > limits.waiting_bytes:
            raise Full("too many messages of this session wait")
        self._outgoing[outgoing.message_id] = outgoing
        self._octets += size
        self.lane.queue.append(outgoing)
        self._session.wake_up(now)

    def ping(self, now: float) -> None:
        """Send a SEND without a body, where nothing waits."""
        if not self.lane.queue:
            self.put(Outgoing(self._session, self._desk.token(), None, b""), now)

    def abort(self, outgoing: Outgoing, now: float) -> None:
        """Send no more of a message, and say so to the peer."""
        known = self._outgoing.get(outgoing.message_id) is outgoing
        if known and outgoing.fate is Fate.WAITING:
            del self._outgoing[outgoing.message_id]
            outgoing.give_up()
            self._settle(outgoing)
            self._session.wake_up(now)

    def wake(self, outgoing: Outgoing, now: float) -> None:
        """Ask a source again that had nothing to give."""
        if self.lane.asleep and self.lane.queue and self.lane.queue[0] is outgoing:
            self.lane.asleep = False
            self._session.wake_up(now)

    def close(self, reason: str) -> None:
        """Tell of all that was not confirmed."""
        for outgoing in list(self._outgoing.values()):
            self._lose(outgoing, None, reason)
        for outgoing in list(self._sent.values()):
            self.forget(outgoing)

    # -- what the peer says ----------------------------------------------------------------

    def answered(self, outgoing: Outgoing, status: int, reason: str, now: float) -> None:
        """Learn what the peer says to a SEND, or (408) that it says nothing."""
        outgoing.unanswered -= 1
        if status == 200:
            self._confirm(outgoing)
            return
        self._lose(outgoing, status, reason)
        detail = f"{status} {reason}".strip()
        if status in _NO_SESSION:
            self._session.fail(Why.REFUSED, detail, now)
        elif status == 408 and outgoing.content_type is None:
            self._session.fail(Why.TIMEOUT, detail, now)
        else:
            self._session.wake_up(now)

    def handed(self, outgoing: Outgoing, now: float) -> None:
        """Learn that all of a message is with the driver, or that its source gave it up."""
        self._settle(outgoing)
        if outgoing.aborted:
            self._lose(outgoing, None, "its source failed, ended early or gave too much")
            self._session.wake_up(now)
        else:
            self._confirm(outgoing)

    def reported(self, request: Request, now: float) -> None:
        """Learn of a REPORT; what it is for may be unknown by now (RFC 4975 §7.1.2)."""
        status, name = request.status, request.message_id
        outgoing = self._outgoing.get(name) or self._sent.get(name)
        if outgoing is None or status is None or status.namespace != 0:
            return
        if status.code == 200:
            self._cover(outgoing, request.byte_range)
            return
        comment = status.comment or PHRASES.get(status.code, "")
        detail = f"{status.code} {comment}".strip()
        self._lose(outgoing, status.code, comment)
        if status.code in _NO_SESSION:
            self._session.fail(Why.REFUSED, detail, now)
        elif status.code not in _REFUSALS and request.byte_range is not None:
            self._session.fail(Why.GAP, detail, now)
        else:
            self._session.wake_up(now)

    # -- what becomes of a message ---------------------------------------------------------

    def _confirm(self, outgoing: Outgoing) -> None:
        """See whether a message is sent now: handed over, and every SEND of it answered."""
        if outgoing.fate is not Fate.HANDED or outgoing.unanswered > 0:
            return
        if self._outgoing.pop(outgoing.message_id, None) is None:
            return
        outgoing.fate = Fate.SENT
        if outgoing.content_type is None:
            return
        self._desk.tell(Sent(outgoing))
        self._await_report(outgoing)
        if outgoing.success_report:
            self._deliver(outgoing)

    def _await_report(self, outgoing: Outgoing) -> None:
        """Remember a message for a REPORT, and where that are too many the oldest no longer."""
        desk, limits = self._desk, self._desk.limits
        self._sent[outgoing.message_id] = outgoing
        desk.sent[outgoing] = None
        if len(self._sent) > limits.unreported:
            self.forget(next(iter(self._sent.values())))
        if len(desk.sent) > limits.reportable:
            oldest = next(iter(desk.sent))
            oldest.session.outbox.forget(oldest)

    def _cover(self, outgoing: Outgoing, said: ByteRange | None) -> None:
        """Count octets that a success REPORT is for; without a range it is for all of them."""
        if not outgoing.success_report:
            return
        size = outgoing.offset if outgoing.size is None else outgoing.size
        end = size if said is None or said.end is None else min(said.end, size)
        outgoing.reports.add(0 if said is None else said.start - 1, end)
        outgoing.heard = True
        if outgoing.fate is Fate.HANDED and outgoing.covered:
            # what is delivered was received, whatever became of its 200
            outgoing.unanswered = 0
            self._confirm(outgoing)
        elif outgoing.fate is Fate.SENT:
            self._deliver(outgoing)

    def _deliver(self, outgoing: Outgoing) -> None:
        if outgoing.covered:
            self._drop(outgoing)
            outgoing.fate = Fate.DELIVERED
            self._desk.tell(Delivered(outgoing))

    def _lose(self, outgoing: Outgoing, status: int | None, reason: str) -> None:
        """Tell once that a message failed, and send no more of it."""
        name = outgoing.message_id
        if self._outgoing.pop(name, None) is None and not self._drop(outgoing):
            return
        outgoing.give_up()
        outgoing.fate = Fate.FAILED
        self._settle(outgoing)
        if outgoing.content_type is not None:
            self._desk.tell(Failed(outgoing, status, reason))

    def _settle(self, outgoing: Outgoing) -> None:
        """Count the body no more, and let the next message go on."""
        self._octets -= outgoing.weight
        outgoing.weight = 0
        if self.lane.queue and self.lane.queue[0] is outgoing:
            self.lane.asleep = False

    def forget(self, outgoing: Outgoing) -> None:
        """Await no REPORT on a message any more, and tell whoever does."""
        if self._drop(outgoing) and outgoing.success_report:
            self._desk.tell(Unreported(outgoing))

    def _drop(self, outgoing: Outgoing) -> bool:
        """Remember a sent message no longer; False: it was not."""
        self._desk.sent.pop(outgoing, None)
        return self._sent.pop(outgoing.message_id, None) is not None


def _written(
    success_report: bool,
    failure_report: FailureReport,
    headers: Iterable[tuple[str, str]],
    content_type: str,
) -> str:
    """Return the lines of a SEND between Byte-Range and Content-Type."""
    text = "Success-Report: yes\r\n" if success_report else ""
    if failure_report is not FailureReport.YES:
        text += f"Failure-Report: {failure_report}\r\n"
    for name, value in headers:
        if _CONTROL.search(f"{name}{value}"):
            raise LocalError("a header with control characters")
        text += f"{name}: {value}\r\n"
    if _CONTROL.search(content_type):
        raise LocalError("a content type with control characters")
    return text
