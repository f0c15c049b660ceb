"""One MSRP session (RFC 4975 §5.4, §8): who it is between, what both sides take, how it stands."""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

from dragoman.errors import LocalError
from dragoman.msrp.assembly import Arriving, Chunk, Inbox, Record
from dragoman.msrp.event import (
    Delivered,
    Failed,
    FailureReport,
    MessageArrived,
    MessageBegun,
    MessageBroken,
    PieceArrived,
    Sent,
    SessionFailed,
    Unreported,
    Up,
    Why,
)
from dragoman.msrp.failure import (
    PHRASES,
    DirectionForbids,
    Full,
    MsrpError,
    NotOpen,
    TooLarge,
    TypeNotAccepted,
)
from dragoman.msrp.framing import Flag
from dragoman.msrp.limits import Desk, Wait
from dragoman.msrp.message import ByteRange, Request, Status, write_request
from dragoman.msrp.sending import Fate, Lane, Outgoing, Source
from dragoman.msrp.uri import MsrpUri, Path

if TYPE_CHECKING:
    from dragoman.msrp.connection import Connection
    from dragoman.msrp.relay import Relay

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_IDENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}", re.ASCII)
_ALWAYS: Final = ("multipart/mixed", "multipart/alternative")
"""What every endpoint must be able to receive (RFC 4975 §7.3.1)."""

_REFUSALS: Final = frozenset({400, 403, 404, 413, 415, 423, 425, 428, 501})
"""Codes by which the receiver itself turns a message down; others tell that it was lost."""


class Direction(Enum):
    """Which way message payloads go, as seen by whoever says it (RFC 4975 §8.9)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether who says it may send."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether who says it wants to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one side's SDP says it takes (RFC 4975 §8.6, §8.9); types as written there."""

    accept_types: Sequence[str] = ("*",)
    accept_wrapped_types: Sequence[str] = ()
    max_size: int | None = None
    direction: Direction = Direction.SENDRECV

    def accepts(self, content_type: str, wrapped: str | None = None) -> bool:
        """Tell whether this may be sent: `*` and `type/*` count; parameters do not.

        `wrapped` is the type inside a container such as message/cpim: it may be listed in either
        list, while `content_type` itself must be in `accept_types`.
        """
        if not _listed(content_type, self.accept_types):
            return False
        if wrapped is None:
            return True
        return _listed(wrapped, self.accept_types) or _listed(wrapped, self.accept_wrapped_types)


@dataclass(frozen=True, slots=True)
class Meeting:
    """Who connects, and to where, as offer and answer have it (RFC 6135 §4, RFC 6714 §4).

    `address` is where to connect instead of the first URI of the path: the c= and m= lines, with
    CEMA. `fingerprints` are those of a=fingerprint ("sha-256 AB:CD..."): where there are any, the
    peer's certificate must have one of them, and its name does not count. A peer that connects to
    us with another certificate does not get the session; one without any does, by its URI.
    """

    active: bool
    address: tuple[str, int] | None = None
    fingerprints: tuple[str, ...] = ()


class State(Enum):
    """How far a session has come."""

    PREPARED = auto()
    """It has an own URI; the peer's is not known."""
    CONNECTING = auto()
    """We are active: the connection is being made."""
    WAITING = auto()
    """We are passive: the peer's first SEND has not come."""
    UP = auto()
    FAILED = auto()
    CLOSED = auto()


class Step(Enum):
    """What happens to a session."""

    DIAL = auto()
    LISTEN = auto()
    BIND = auto()
    FAIL = auto()
    CLOSE = auto()


STEPS: Final = {
    (State.PREPARED, Step.DIAL): State.CONNECTING,
    (State.PREPARED, Step.LISTEN): State.WAITING,
    (State.PREPARED, Step.FAIL): State.FAILED,
    (State.PREPARED, Step.CLOSE): State.CLOSED,
    (State.CONNECTING, Step.BIND): State.UP,
    (State.CONNECTING, Step.FAIL): State.FAILED,
    (State.CONNECTING, Step.CLOSE): State.CLOSED,
    (State.WAITING, Step.BIND): State.UP,
    (State.WAITING, Step.FAIL): State.FAILED,
    (State.WAITING, Step.CLOSE): State.CLOSED,
    (State.UP, Step.FAIL): State.FAILED,
    (State.UP, Step.CLOSE): State.CLOSED,
}
"""What follows from what; a step that is not here is not taken."""

OPEN: Final = (State.CONNECTING, State.WAITING, State.UP)
OVER: Final = (State.FAILED, State.CLOSED)


@final
class Session:
    """One session, made by `Endpoint.prepare`; all of it is done with these verbs."""

    __slots__ = (
        "_bodies", "_desk", "_dial", "_inbox", "_lane", "_outgoing", "_sent", "connection",
        "meeting", "ours", "path", "paused", "relay", "remote", "state", "streams", "tag", "theirs",
        "uri",
    )  # fmt: skip

    def __init__(
        self,
        desk: Desk,
        uri: MsrpUri,
        ours: Terms,
        *,
        relay: "Relay | None" = None,
        streams: bool = False,
        tag: Hashable = None,
        dial: "Callable[[Path, Meeting], Connection]",
    ) -> None:
        """Begin with nothing known of the peer; `Endpoint.prepare` is who calls this."""
        self.uri = uri
        """Our own URI, used for no other session, ever."""
        self.path = Path((uri,))
        """What goes into a=path: our URI, behind those of our relays."""
        if relay is not None and relay.use_path is not None:
            self.path = relay.use_path.reversed() + self.path
        self.remote: Path | None = None
        """The peer's a=path."""
        self.state = State.PREPARED
        self.ours = ours
        self.theirs: Terms | None = None
        self.meeting: Meeting | None = None
        self.relay = relay
        self.streams = streams
        self.tag = tag
        """Whatever the user likes to find here."""
        self.connection: Connection | None = None
        self.paused = False
        self._desk = desk
        self._dial = dial
        self._lane = Lane()
        self._bodies = 0
        self._outgoing: dict[str, Outgoing] = {}
        self._sent: OrderedDict[str, Outgoing] = OrderedDict()
        limits = desk.limits
        longest = limits.streamed if streams else limits.message
        self._inbox = Inbox(
            desk.stock,
            limit=longest if ours.max_size is None else ours.max_size,
            bound=limits.partial,
            remember=limits.remembered,
            streams=streams,
        )

    # -- what the user asks ---------------------------------------------------------------

    def start(self, remote: Path, theirs: Terms, meeting: Meeting, now: float) -> None:
        """Meet the peer: offer and answer are complete.

        Active: a connection is wanted, or one to the same place is used again, and a SEND without
        a body goes out first if nothing else waits. Passive: whoever sends to our URI binds it, may
        be before this. LocalError where the session was started or is over; MsrpError where
        the path leads nowhere; Full where there are too many connections.
        """
        if self.state is not State.PREPARED:
            raise LocalError("a session is started once")
        early = self.connection
        way = None
        if early is None and self.relay is None and meeting.active:
            way = self._dial(remote, meeting)
        self.remote, self.theirs, self.meeting = remote, theirs, meeting
        out = remote
        if self.relay is not None and self.relay.use_path is not None:
            out = self.relay.use_path + remote
        self._lane.paths = f"To-Path: {out}\r\nFrom-Path: {self.uri}\r\n"
        self.step(Step.DIAL if meeting.active else Step.LISTEN)
        self._desk.alarms.set((Wait.MEETING, self), now + self._desk.limits.connect)
        if early is not None and not early.trusts(self, dialled=False):
            self.fail(Why.STRANGER, "", now)
        elif early is not None:
            self.bound(early, now)
        elif self.relay is not None:
            self.relay.carry(self, now)
        elif way is not None:
            way.carry(self, now)

    def modify(self, theirs: Terms) -> None:
        """Keep to new terms from now on: another offer and answer with the same paths."""
        self.theirs = theirs

    def send(
        self,
        content_type: str,
        body: bytes | Source,
        now: float,
        *,
        message_id: str = "",
        wrapped: str | None = None,
        success_report: bool = False,
        failure_report: FailureReport = FailureReport.YES,
        headers: Iterable[tuple[str, str]] = (),
        control: bool = False,
        tag: Hashable = None,
    ) -> Outgoing:
        """Send a message, as soon as the session is up; return the handle that events bear.

        Messages of one session go out in this order. `message_id` is given only to send again what
        another session could not confirm. `wrapped` is the type inside a container. `control` is
        for what no direction attribute stops (IMDN, isComposing). `headers` are MIME headers.
        Raises TypeNotAccepted, TooLarge, DirectionForbids, NotOpen, or Full where too much waits.
        """
        theirs = self.theirs
        if theirs is None or self.state not in OPEN:
            raise NotOpen("the session is not open")
        if not theirs.accepts(content_type, wrapped):
            inside = "" if wrapped is None else f" with {wrapped} inside"
            raise TypeNotAccepted(f"the peer does not take {content_type}{inside}")
        if not (control or (self.ours.direction.sends and theirs.direction.receives)):
            raise DirectionForbids("no messages are to be sent now")
        fields = _written(success_report, failure_report, headers, content_type)
        name = message_id or self._desk.token()
        if _IDENT.fullmatch(name) is None or name in self._outgoing:
            raise LocalError("a Message-ID that may not be sent")
        outgoing = Outgoing(
            self,
            name,
            content_type,
            body,
            success_report=success_report,
            failure_report=failure_report,
            headers=fields,
            tag=tag,
        )
        if theirs.max_size is not None and (outgoing.size or 0) > theirs.max_size:
            raise TooLarge(f"the peer takes {theirs.max_size} octets at most")
        self._enqueue(outgoing, now)
        return outgoing

    def abort(self, handle: Outgoing, now: float) -> None:
        """Send no more of a message, and say so to the peer; no event follows for it."""
        if self._outgoing.get(handle.message_id) is handle and handle.fate is Fate.WAITING:
            del self._outgoing[handle.message_id]
            handle.give_up()
            self._settle(handle)
            self._wake(now)

    def wake(self, handle: Outgoing, now: float) -> None:
        """Ask a source again that had nothing to give."""
        if self._lane.asleep and self._lane.queue and self._lane.queue[0] is handle:
            self._lane.asleep = False
            self._wake(now)

    def keep_alive(self, now: float) -> None:
        """Send a SEND without a body (RFC 4975 §7.1): the session fails where no 200 comes.

        Nothing is sent where something waits anyway, or the session is not up.
        """
        if self.state is State.UP and not self._lane.queue:
            self._ping(now)

    @property
    def unfinished(self) -> int:
        """How many messages were neither `Sent` nor `Failed` yet: wait for none before BYE."""
        return len(self._outgoing)

    def report(
        self,
        message_id: str,
        now: float,
        *,
        status: int = 200,
        reason: str = "",
        ranges: Sequence[tuple[int, int]] = (),
    ) -> bool:
        """Report on a message that arrived: 200, or why it could not be delivered after all.

        `ranges` are octets, first and last, the whole message where there are none. It is sent only
        where the message's sender asked for that kind of report (RFC 4975 §7.1.3, §7.1.4); returns
        whether it was. A message that is not remembered is not reported on.
        """
        record = self._inbox.records.get(message_id)
        if record is None or record.refused:
            return False
        if not ranges:
            record.reported = (status, reason)
        return self._report(record, message_id, status, reason, now, ranges)

    def refuse(self, message_id: str, status: int, now: float) -> None:
        """Take no more of a message that is arriving; `status` answers its next SEND, 413 mostly.

        The rest of a chunk that is arriving just now is read and forgotten.
        """
        if self._inbox.refuse(message_id, status) is not None and self.connection is not None:
            self.connection.refused(self, message_id, status, now)

    def pause(self) -> None:
        """Have nothing more read that would come here: `Connection.reading` becomes False."""
        if not self.paused:
            self.paused = True
            if self.connection is not None:
                self.connection.pause()

    def resume(self) -> None:
        """Read again."""
        if self.paused:
            self.paused = False
            if self.connection is not None:
                self.connection.resume()

    def close(self, now: float) -> None:
        """End it, after or before BYE: what waits is `Failed` or `Unreported`, nothing follows."""
        if self.state not in OVER:
            self._end(Step.CLOSE, "the session was closed", now)

    # -- what its connection says ------------------------------------------------------------

    def step(self, step: Step) -> None:
        """Take a step of the table; LocalError where there is none."""
        after = STEPS.get((self.state, step))
        if after is None:
            raise LocalError(f"no {step.name} in {self.state.name}")
        self.state = after

    def bound(self, connection: "Connection", now: float) -> None:
        """Learn which connection it is on; messages flow, once offer and answer are complete."""
        if self.connection is not connection:
            self.connection = connection
            connection.join(self)
        if self.state in (State.CONNECTING, State.WAITING):
            self.step(Step.BIND)
            self._desk.alarms.cancel((Wait.MEETING, self))
            self._desk.tell(Up(self))
            self._wake(now)

    def greet(self, now: float) -> None:
        """Have a SEND go out at once, which binds the session for the peer (RFC 4975 §5.4)."""
        if not self._lane.queue:
            self._ping(now)

    def fail(self, why: Why, detail: str, now: float) -> None:
        """End it against the user's will."""
        if self.state not in OVER:
            self._end(Step.FAIL, why.value, now)
            self._desk.counts[f"session {why.name.lower()}"] += 1
            self._desk.tell(SessionFailed(self, why, detail))

    def open(self, request: Request) -> Chunk:
        """Take the head of a SEND with a body; MsrpError where it is refused."""
        if not request.message_id:
            raise MsrpError("a SEND without Message-ID")
        kind = request.content_type or ""
        if not (_listed(kind, self.ours.accept_types) or _listed(kind, _ALWAYS)):
            raise MsrpError(f"no {kind[:60]} here", 415)
        return self._inbox.open(request)

    def feed(self, chunk: Chunk, data: bytes) -> None:
        """Take octets of a SEND; MsrpError where it is refused now."""
        message = chunk.message
        try:
            pieces = self._inbox.feed(chunk, data)
        except MsrpError as error:
            self._broken(message, error.reason)
            raise
        if message is not None:
            for piece in pieces:
                self._begin(message)
                self._desk.tell(PieceArrived(self, chunk.request.message_id, piece))

    def end(self, chunk: Chunk, flag: Flag, now: float) -> None:
        """Take the end of a SEND, which was answered."""
        message = chunk.message
        if message is None:
            self._again(chunk.request.message_id, now)
            return
        whole = self._inbox.end(chunk, flag)
        if whole is not None:
            self._arrived(whole)
        elif flag is Flag.ABORTED:
            self._broken(message, "given up by its sender")
        else:
            message.deadline = now + self._desk.limits.gap
            self._desk.alarms.hasten((Wait.GAP, self), message.deadline)

    def bare(self, request: Request, flag: Flag) -> None:
        """Take a SEND without a body: it may give up a message of which something came."""
        message = self._inbox.get(request.message_id)
        if message is not None and flag is Flag.ABORTED:
            self._inbox.drop(message)
            self._broken(message, "given up by its sender")

    def answered(self, outgoing: Outgoing, status: int, reason: str, now: float) -> None:
        """Learn what the peer says to a SEND, or (408) that it says nothing."""
        outgoing.unanswered -= 1
        if status == 200:
            self._confirm(outgoing)
        elif status in {481, 506} or (status == 408 and outgoing.content_type is None):
            self._lose(outgoing, status, reason)
            why = Why.TIMEOUT if status == 408 else Why.REFUSED
            self.fail(why, f"{status} {reason}".strip(), now)
        else:
            self._lose(outgoing, status, reason)
            self._wake(now)

    def handed(self, outgoing: Outgoing, now: float) -> None:
        """Learn that all of a message is with the driver, or that its source gave it up."""
        self._settle(outgoing)
        if outgoing.aborted:
            self._lose(outgoing, None, "its source ended early")
            self._wake(now)
        else:
            self._confirm(outgoing)

    def reported(self, request: Request, now: float) -> None:
        """Learn of a REPORT; what it is for may be unknown by now (RFC 4975 §7.1.2)."""
        status = request.status
        name = request.message_id
        outgoing = self._outgoing.get(name) or self._sent.get(name)
        if outgoing is None or status is None or status.namespace != 0:
            return
        if status.code == 200:
            self._covered(outgoing, request.byte_range)
            return
        comment = status.comment or PHRASES.get(status.code, "")
        self._lose(outgoing, status.code, comment)
        if status.code in {481, 506}:
            self.fail(Why.REFUSED, f"{status.code} {comment}".strip(), now)
        elif status.code not in _REFUSALS and request.byte_range is not None:
            self.fail(Why.GAP, f"{status.code} {comment}".strip(), now)
        else:
            self._wake(now)

    def on_gap(self, now: float) -> None:
        """Give up what had nothing added for too long, unless it is us who do not read."""
        for message in self._inbox.overdue(now):
            if self.connection is None or not self.connection.reading:
                message.deadline = now + self._desk.limits.gap
                continue
            self._inbox.refuse(message.request.message_id, 413)
            request = message.request
            record = Record(request.from_path, message.total or 0, False, request.failure_report)
            known = message.total is not None
            gap = message.have.gap(message.total or 0) if known else (0, message.have.octets)
            first, last = gap or (0, 0)
            self._report(record, request.message_id, 413, "", now, [(first + 1, last)])
            self._broken(message, "a part of it did not come")
        deadline = self._inbox.next_deadline()
        if deadline is not None:
            self._desk.alarms.set((Wait.GAP, self), deadline)

    # -- messages in ---------------------------------------------------------------------------

    def _begin(self, message: Arriving) -> None:
        if self.streams and not message.begun:
            message.begun = True
            request = message.request
            said = request.byte_range
            self._desk.tell(
                MessageBegun(
                    self,
                    request.message_id,
                    request.content_type or "",
                    None if said is None else said.total,
                    request.headers,
                )
            )

    def _arrived(self, message: Arriving) -> None:
        self._begin(message)
        request, total = message.request, message.total or 0
        body = message.body
        message.release()
        self._desk.tell(
            MessageArrived(
                self,
                request.message_id,
                request.transaction_id,
                request.content_type or "",
                body,
                total,
                request.success_report,
                request.failure_report,
                request.headers,
            )
        )

    def _broken(self, message: Arriving | None, reason: str) -> None:
        if message is not None and message.begun:
            message.begun = False
            self._desk.tell(MessageBroken(self, message.request.message_id, reason))

    def _again(self, message_id: str, now: float) -> None:
        """Acknowledge a message that came before (RFC 4975 §5.4)."""
        record = self._inbox.records.get(message_id)
        if record is not None and record.reported is not None:
            status, reason = record.reported
            self._report(record, message_id, status, reason, now)

    def _report(
        self,
        record: Record,
        message_id: str,
        status: int,
        reason: str,
        now: float,
        ranges: Sequence[tuple[int, int]] = (),
    ) -> bool:
        good = status == 200
        wanted = record.success_report if good else record.failure_report is FailureReport.YES
        if not wanted or self.connection is None or self.state in OVER:
            return False
        phrase = reason or PHRASES.get(status, "")
        # a line break would end the header
        said = str(Status(status, _CONTROL.sub(" ", phrase)))
        total = record.total
        for first, last in ranges or [(1, total)]:
            headers = (
                ("Message-ID", message_id),
                ("Byte-Range", str(ByteRange(first, last, total or None if ranges else total))),
                ("Status", said),
            )
            tid = self._desk.token()
            path = Path((self.uri,))
            data = write_request(tid, "REPORT", record.from_path, path, headers)
            self.connection.answer(data, now)
        return True

    # -- messages out --------------------------------------------------------------------------

    def _enqueue(self, outgoing: Outgoing, now: float) -> None:
        limits = self._desk.limits
        lane = self._lane
        size = outgoing.weight
        if len(lane.queue) >= limits.waiting or self._bodies + size > limits.waiting_bytes:
            raise Full("too many messages of this session wait")
        self._outgoing[outgoing.message_id] = outgoing
        self._bodies += size
        lane.queue.append(outgoing)
        self._wake(now)

    def _ping(self, now: float) -> None:
        self._enqueue(Outgoing(self, self._desk.token(), None, b""), now)

    def _wake(self, now: float) -> None:
        """Have the connection look at what waits, and at what does no longer."""
        if self.connection is not None and self.state is State.UP:
            self.connection.offer(self._lane, now)

    def _settle(self, outgoing: Outgoing) -> None:
        """Count the body no more."""
        self._bodies -= outgoing.weight
        outgoing.weight = 0
        if self._lane.queue and self._lane.queue[0] is outgoing:
            self._lane.asleep = False

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
        self._sent[outgoing.message_id] = outgoing
        if len(self._sent) > self._desk.limits.unreported:
            self._unreported(self._sent.popitem(last=False)[1])
        elif outgoing.success_report:
            self._deliver(outgoing)

    def _covered(self, outgoing: Outgoing, said: ByteRange | None) -> None:
        """Count octets that a success REPORT is for; without a range it is for all of them."""
        if not outgoing.success_report or outgoing.fate is Fate.FAILED:
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
            self._sent.pop(outgoing.message_id, None)
            outgoing.fate = Fate.DELIVERED
            self._desk.tell(Delivered(outgoing))

    def _lose(self, outgoing: Outgoing, status: int | None, reason: str) -> None:
        """Tell once that a message failed, and send no more of it."""
        name = outgoing.message_id
        known = self._outgoing.pop(name, None) or self._sent.pop(name, None)
        if known is None:
            return
        outgoing.give_up()
        outgoing.fate = Fate.FAILED
        self._settle(outgoing)
        if outgoing.content_type is not None:
            self._desk.tell(Failed(outgoing, status, reason))

    def _unreported(self, outgoing: Outgoing) -> None:
        if outgoing.success_report:
            self._desk.tell(Unreported(outgoing))

    def _end(self, step: Step, reason: str, now: float) -> None:
        self.step(step)
        desk = self._desk
        desk.alarms.cancel((Wait.MEETING, self))
        desk.alarms.cancel((Wait.GAP, self))
        desk.sessions.pop(self.uri.session_id, None)
        desk.written.pop(str(self.uri), None)
        for message in self._inbox.clear():
            self._broken(message, reason)
        for outgoing in list(self._outgoing.values()):
            self._lose(outgoing, None, reason)
        for outgoing in self._sent.values():
            self._unreported(outgoing)
        self._sent.clear()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.leave(self, self._lane, now)
        if self.relay is not None:
            self.relay.close(now)


def _listed(content_type: str, types: Sequence[str]) -> bool:
    """Tell whether a media type is among those of a=accept-types."""
    kind = content_type.partition(";")[0].strip().lower()
    whole = kind.partition("/")[0] + "/*"
    return any(each == "*" or each.lower() in {kind, whole} for each in types)


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
