"""One MSRP session (RFC 4975 §5.4, §8): who it is between, how it stands, and what to ask of it."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

from dragoman.errors import LocalError
from dragoman.msrp.event import FailureReport, SessionFailed, Up, Why
from dragoman.msrp.failure import DirectionForbids, NotOpen, TooLarge, TypeNotAccepted
from dragoman.msrp.inbox import Inbox
from dragoman.msrp.limits import Desk, Wait
from dragoman.msrp.message import MAX_CHUNK
from dragoman.msrp.outbox import Outbox
from dragoman.msrp.sending import Outgoing, Source
from dragoman.msrp.terms import Meeting, Terms
from dragoman.msrp.uri import MsrpUri, Path

if TYPE_CHECKING:
    from dragoman.msrp.connection import Connection
    from dragoman.msrp.relay import Relay


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
        "_desk", "_dial", "connection", "inbox", "meeting", "ours", "outbox", "path", "paused",
        "relay", "remote", "state", "tag", "theirs", "uri",
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
        self.tag = tag
        """Whatever the user likes to find here."""
        self.connection: Connection | None = None
        self.paused = False
        self._desk = desk
        self._dial = dial
        self.outbox = Outbox(desk, self)
        longest = desk.limits.streamed if streams else desk.limits.message
        limit = longest if ours.max_size is None else ours.max_size
        self.inbox = Inbox(desk, self, limit=limit, streams=streams)

    # -- what the user asks ----------------------------------------------------------------

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
        self.outbox.lane.paths = f"To-Path: {out}\r\nFrom-Path: {self.uri}\r\n"
        if len(out.uris) > 1:
            # relays that keep a chunk until it is whole have little room for it: Kamailio 4096
            # octets with its head, where nobody says otherwise
            self.outbox.lane.longest = MAX_CHUNK
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

    def modify(self, theirs: Terms, ours: Terms | None = None) -> None:
        """Keep to new terms from now on: another offer and answer with the same paths.

        What was put before goes out by the terms of then; `max_size` of `ours` stays as it was.
        """
        self.theirs = theirs
        if ours is not None:
            self.ours = ours

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
        A source of unknown size that gives more than the peer takes is `Failed` when it does.
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
        outgoing = self.outbox.message(
            message_id,
            content_type,
            body,
            success_report=success_report,
            failure_report=failure_report,
            headers=headers,
            limit=theirs.max_size,
            tag=tag,
        )
        if theirs.max_size is not None and (outgoing.size or 0) > theirs.max_size:
            raise TooLarge(f"the peer takes {theirs.max_size} octets at most")
        self.outbox.put(outgoing, now)
        return outgoing

    def abort(self, handle: Outgoing, now: float) -> None:
        """Send no more of a message, and say so to the peer; no event follows for it."""
        self.outbox.abort(handle, now)

    def wake(self, handle: Outgoing, now: float) -> None:
        """Ask a source again that had nothing to give."""
        self.outbox.wake(handle, now)

    def keep_alive(self, now: float) -> None:
        """Send a SEND without a body (RFC 4975 §7.1): the session fails where no 200 comes.

        Nothing is sent where something waits anyway, or the session is not up.
        """
        if self.state is State.UP:
            self.outbox.ping(now)

    @property
    def unfinished(self) -> int:
        """How many messages were neither `Sent` nor `Failed` yet: wait for none before BYE."""
        return len(self.outbox)

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
        return self.inbox.report(message_id, status, reason, now, ranges)

    def refuse(self, message_id: str, status: int, now: float) -> None:
        """Take no more of a message that is arriving; `status` answers its next SEND, 413 mostly.

        The rest of a chunk that is arriving just now is read and forgotten.
        """
        if self.inbox.refuse(message_id, status) and self.connection is not None:
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

    # -- what its connection and boxes say -------------------------------------------------

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
            self.wake_up(now)

    def wake_up(self, now: float) -> None:
        """Have the connection look at what waits, and at what does no longer."""
        if self.connection is not None and self.state is State.UP:
            self.connection.offer(self.outbox.lane, now)

    def fail(self, why: Why, detail: str, now: float) -> None:
        """End it against the user's will."""
        if self.state not in OVER:
            self._end(Step.FAIL, why.value, now)
            self._desk.counts[f"session {why.name.lower()}"] += 1
            self._desk.tell(SessionFailed(self, why, detail))

    def _end(self, step: Step, reason: str, now: float) -> None:
        self.step(step)
        desk = self._desk
        desk.alarms.cancel((Wait.MEETING, self))
        desk.alarms.cancel((Wait.GAP, self))
        desk.sessions.pop(self.uri.session_id, None)
        desk.written.pop(str(self.uri), None)
        self.inbox.close(reason)
        self.outbox.close(reason)
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.leave(self, self.outbox.lane, now)
        if self.relay is not None:
            self.relay.close(now)
