"""One TCP, TLS or WebSocket connection and the sessions on it (RFC 4975 §5.4, RFC 7977 §5)."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol, final

from dragoman.msrp.event import CloseWanted, FailureReport, Why
from dragoman.msrp.failure import MsrpError
from dragoman.msrp.framing import Flag, Framer
from dragoman.msrp.limits import Desk, Wait
from dragoman.msrp.message import Malformed, Request, Response, write_response
from dragoman.msrp.outlet import Outlet
from dragoman.msrp.sending import Lane
from dragoman.msrp.uri import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.msrp.inbox import Chunk
    from dragoman.msrp.relay import Relay
    from dragoman.msrp.session import Session

BUDGET: Final = 65_536


class PeerIdentity(Protocol):
    """Who the certificate of the peer says that it is."""

    @property
    def shown(self) -> bool:
        """Whether there is a certificate at all."""

    def vouches(self, domain: str) -> bool:
        """Tell whether the certificate is trusted and names `domain`, a host or address."""

    def matches(self, fingerprint: str) -> bool:
        """Tell whether it has this fingerprint: "sha-256 AB:CD..." (RFC 8122 §5)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect; `host` is a name or an address, `name` what the certificate is to name.

    With `search` the port is the default of relays, to be tried where the DNS has no SRV records
    for _msrps._tcp at the host (RFC 4976 §8).
    """

    transport: Transport
    host: str
    port: int
    name: str
    search: bool = False


class Link(Enum):
    """How far a connection has come."""

    DIALLING = auto()
    SECURING = auto()
    OPEN = auto()
    CLOSING = auto()
    """What else the peer sends is not looked at."""
    CLOSED = auto()


@final
class Connection:
    """What the driver lends a socket to; made by `Endpoint.accepted` or told by `ConnectWanted`.

    It reads no more than `reading` lets it, and asks for no more than the socket takes: what waits
    waits here, in the messages themselves.
    """

    def __init__(
        self,
        desk: Desk,
        find: "Callable[[Request], Session | None]",
        transport: Transport,
        target: Target | None = None,
    ) -> None:
        """Begin one that the peer made, or that is to be made to `target`; the endpoint does."""
        self.transport = transport
        self.target = target
        """Where we dial; None where the peer did."""
        self.peer: PeerIdentity | None = None
        self.link = Link.OPEN if target is None else Link.DIALLING
        if target is None and transport is Transport.TLS:
            self.link = Link.SECURING
        self.sessions: dict[Session, None] = {}
        self.relays: dict[Relay, None] = {}
        self.asked: dict[str, Relay] = {}
        """Relays by the transaction that they owe us an answer to."""
        self._desk = desk
        self._find = find
        self._framer = Framer()
        self._outlet = Outlet(
            desk.token,
            response=desk.limits.response,
            unconfirmed=desk.limits.unconfirmed,
            whole=transport is Transport.WS,
        )
        self._request: Request | None = None
        self._session: Session | None = None
        self._chunk: Chunk | None = None
        self._paused = 0
        self._taken = 0.0
        self._since: float | None = None
        """When output began to wait; None: none does."""
        self._watching = False
        """Whether the timer for that is set."""
        self._counting = False
        """Whether the timer for 200s is set."""

    # -- what the driver asks --------------------------------------------------------------

    @property
    def reading(self) -> bool:
        """Whether the driver should read: look again after each turn."""
        behind = self._outlet.urgent_octets > self._desk.limits.answers
        return self._paused == 0 and not behind and self.link in (Link.SECURING, Link.OPEN)

    @property
    def has_output(self) -> bool:
        """Whether `to_send` would give something."""
        return self.link in (Link.OPEN, Link.CLOSING) and self._outlet.ready

    @property
    def is_open(self) -> bool:
        """Whether requests may be sent on it."""
        return self.link is Link.OPEN

    def opened(self, now: float) -> None:
        """Learn that the dialled connection is there; on TLS and WebSocket `secured` follows."""
        if self.link is Link.DIALLING:
            self.link = Link.SECURING
            if not self.transport.secure:
                self._ready(now)

    def secured(self, peer: PeerIdentity, now: float) -> None:
        """Learn that TLS is complete, and with whom; sessions with a stranger fail."""
        if self.link in (Link.SECURING, Link.OPEN):
            self.peer = peer
            if self.link is Link.SECURING:
                self._ready(now)

    def receive(self, data: bytes, now: float) -> None:
        """Take what the peer sent: any piece of the stream, or one whole WebSocket message."""
        if self.link is not Link.OPEN:
            return
        heads = 0
        for item in self._framer.receive(data):
            kind = type(item)
            if kind is bytes:
                self._piece(item, now)  # type: ignore[arg-type]
            elif kind is Flag:
                self._end(item, now)  # type: ignore[arg-type]
            else:
                heads += 1
                self._head(item, now)  # type: ignore[arg-type]
            if self.link is not Link.OPEN:
                return
        if self._framer.error is not None:
            self.drop(self._framer.error.reason, now)
        elif self.transport is Transport.WS and (heads != 1 or self._framer.partial):
            self.drop("a WebSocket message that is not one chunk", now)

    def to_send(self, now: float, budget: int = BUDGET) -> list[bytes]:
        """Return what is to be written next, some `budget` octets at most; [] is nothing.

        On WebSocket each item is one message. The 30 seconds of a transaction count from here.
        Call it when the socket can take more, as long as it gives something.
        """
        if self.link not in (Link.OPEN, Link.CLOSING):
            return []
        outlet = self._outlet
        out = outlet.take(now, budget)
        self._taken = now
        counts = self.link is Link.OPEN and not self._counting
        if counts and (deadline := outlet.next_deadline()) is not None:
            self._counting = True
            self._desk.alarms.set((Wait.ANSWERS, self), deadline)
        if outlet.done:
            done, outlet.done = outlet.done, []
            for outgoing in done:
                outgoing.session.outbox.handed(outgoing, now)
        if out:
            self._touch()
        if not outlet.ready:
            self._since = None
        return out

    def closed(self, now: float, reason: str = "") -> None:
        """Learn that the connection is gone, or could not be made; its sessions have failed."""
        if self.link is not Link.CLOSED:
            why = Why.UNREACHABLE if self.link is Link.DIALLING else Why.LOST
            self.link = Link.CLOSED
            self._forget()
            self._desk.touched.pop(self, None)
            self._fail(why, reason, now)

    def on_timer(self, now: float) -> None:
        """Do nothing: `Endpoint.on_timer` does it for all connections."""

    def next_timer(self) -> float | None:
        """Return None: see `Endpoint.next_timer`."""
        return None

    # -- what sessions and relays ask ------------------------------------------------------

    def join(self, session: "Session") -> None:
        """Count a session among those on this connection."""
        self.sessions[session] = None
        self._desk.unbound.pop(self, None)
        self._desk.alarms.cancel((Wait.BIND, self))
        self._desk.alarms.cancel((Wait.IDLE, self))
        if session.paused:
            self.pause()

    def leave(self, session: "Session", lane: Lane, now: float) -> None:
        """Forget a session; without any the connection is closed after a while."""
        if session not in self.sessions:
            return
        del self.sessions[session]
        self._outlet.leave(lane)
        if self._session is session and self._request is not None:
            self._refuse(self._request, 481, now)
        if session.paused:
            self.resume()
        self.rest(now)
        self._wait(now)

    def lend(self, session: "Session", now: float) -> bool:
        """Let a peer have a session who connects to us while we dial; False: it is in use here."""
        if self.link in (Link.OPEN, Link.CLOSING):
            return False
        self.sessions.pop(session, None)
        session.connection = None
        if session.paused:
            self.resume()
        self.rest(now)
        return True

    def rest(self, now: float) -> None:
        """Have it closed after a while, where nobody uses it."""
        unused = not self.sessions and not self.relays
        if unused and self.link in (Link.DIALLING, Link.SECURING, Link.OPEN):
            self._desk.alarms.set((Wait.IDLE, self), now + self._desk.limits.idle)

    def carry(self, session: "Session", now: float) -> None:
        """Take a session whose SENDs we begin, as soon as the connection is there."""
        self.join(session)
        session.connection = self
        if self.link is Link.OPEN:
            self._meet(session, now)

    def answer(self, data: bytes, now: float) -> None:
        """Send a response or REPORT before anything else."""
        self._outlet.answer(data)
        self._wait(now)

    def offer(self, lane: Lane, now: float) -> None:
        """Give a session its turns."""
        self._outlet.offer(lane)
        self._wait(now)

    def ask(self, relay: "Relay", transaction_id: str, data: bytes, now: float) -> None:
        """Send a relay a request, to which it will hear the answer."""
        self.asked[transaction_id] = relay
        self.answer(data, now)

    def refused(self, session: "Session", message_id: str, status: int, now: float) -> None:
        """Answer the SEND that is arriving just now, if it is of a message no longer wanted."""
        request = self._request
        if self._session is session and request is not None and request.message_id == message_id:
            self._refuse(request, status, now)

    def trusts(self, session: "Session", *, dialled: bool) -> bool:
        """Tell whether the certificate is what the session asks for (RFC 4975 §5.4, §14.4)."""
        if not self.transport.secure or session.relay is not None:
            return True
        prints = session.meeting.fingerprints if session.meeting is not None else ()
        peer = self.peer
        if not dialled:
            return not prints or peer is None or not peer.shown or _has_any(peer, prints)
        if peer is None or self.target is None:
            return False
        return _has_any(peer, prints) if prints else peer.vouches(self.target.name)

    def pause(self) -> None:
        """Read nothing, until as many `resume` have come."""
        self._paused += 1
        self._touch()

    def resume(self) -> None:
        """Take one `pause` back."""
        self._paused -= 1
        self._touch()

    def drop(self, reason: str, now: float) -> None:
        """End it from our side: answers go out, nothing is read, its sessions fail."""
        if self.link in (Link.CLOSING, Link.CLOSED):
            return
        self._desk.counts["connection dropped"] += 1
        unreachable = self.link is Link.DIALLING
        self.link = Link.CLOSING
        self._forget()
        self._fail(Why.UNREACHABLE if unreachable else Why.LOST, reason, now)
        self._desk.tell(CloseWanted(self, reason))
        self._touch()

    # -- timers ----------------------------------------------------------------------------

    def on_answers(self, now: float) -> None:
        """Tell of SENDs that got no answer."""
        self._counting = False
        if self.link is not Link.OPEN:
            return
        for outgoing in self._outlet.overdue(now):
            outgoing.session.outbox.answered(outgoing, 408, "no answer in time", now)
        deadline = self._outlet.next_deadline()
        if deadline is not None:
            self._counting = True
            self._desk.alarms.set((Wait.ANSWERS, self), deadline)
        self._go_on(now)

    def on_stalled(self, now: float) -> None:
        """Drop a peer that has read nothing for too long."""
        self._watching = False
        if self._since is None or self.link is not Link.OPEN or not self._outlet.ready:
            return
        latest = max(self._since, self._taken)
        if latest + self._desk.limits.stalled <= now:
            self.drop("the peer does not read", now)
        else:
            self._watch(latest)

    def on_idle(self, now: float) -> None:
        """Close what nobody uses."""
        if not self.sessions and not self.relays:
            self.drop("no session uses it", now)

    # -- what arrives ----------------------------------------------------------------------

    def _head(self, head: Request | Response | Malformed, now: float) -> None:
        self._request = self._session = self._chunk = None
        if isinstance(head, Response):
            self._response(head, now)
        elif isinstance(head, Malformed):
            if head.failure_report is not FailureReport.NO:
                uri = str(head.to_path.last)
                self.answer(write_response(head, head.error.status, uri), now)
        elif head.method == "SEND":
            self._send(head, now)
        elif head.method == "REPORT":
            session = self._find(head)
            if session is not None and session.connection is self:
                session.outbox.reported(head, now)
        else:
            known = self._find(head) is not None
            self._refuse(head, 501 if known else 481, now)

    def _send(self, request: Request, now: float) -> None:
        session = self._find(request)
        status = 481 if session is None else self._place(session, now)
        if session is None or status:
            self._refuse(request, status, now)
            return
        self._request, self._session = request, session
        if request.content_type is None:
            return
        try:
            self._chunk = session.inbox.open(request)
        except MsrpError as error:
            self._refuse(request, error.status, now)

    def _place(self, session: "Session", now: float) -> int:
        """See that a session is on this connection; return the status of who may not have it."""
        other = session.connection
        if other is not None and other is not self and not other.lend(session, now):
            return 506
        if session.connection is None:
            if session.uri.secure and not self.transport.secure:
                return 403
            if len(self.sessions) >= self._desk.limits.sessions_per_connection:
                return 403
            if not self.trusts(session, dialled=False):
                self._desk.counts["stranger"] += 1
                return 403
        session.bound(self, now)
        return 0

    def _piece(self, data: bytes, now: float) -> None:
        session, chunk = self._session, self._chunk
        if session is None or chunk is None:
            return
        try:
            session.inbox.feed(chunk, data)
        except MsrpError as error:
            self._refuse(chunk.request, error.status, now)

    def _end(self, flag: Flag, now: float) -> None:
        request, session, chunk = self._request, self._session, self._chunk
        self._request = self._session = self._chunk = None
        if request is None or session is None:
            return
        if request.failure_report is FailureReport.YES:
            self.answer(write_response(request, 200, str(session.uri)), now)
        if chunk is None:
            session.inbox.bare(request, flag)
        else:
            session.inbox.end(chunk, flag, now)

    def _refuse(self, request: Request, status: int, now: float) -> None:
        """Say no at once, so that the peer may stop; the rest of the chunk is passed over."""
        self._request = self._session = self._chunk = None
        self._desk.counts[f"refused {status}"] += 1
        if request.failure_report is not FailureReport.NO:
            uri = str(request.to_path.last)
            self.answer(write_response(request, status, uri), now)

    def _response(self, response: Response, now: float) -> None:
        relay = self.asked.pop(response.transaction_id, None)
        if relay is not None:
            relay.answered(response, now)
            return
        outgoing = self._outlet.answered(response.transaction_id)
        if outgoing is not None:
            outgoing.session.outbox.answered(outgoing, response.status, response.comment, now)
            self._go_on(now)

    # -- how it stands ---------------------------------------------------------------------

    def _ready(self, now: float) -> None:
        self.link = Link.OPEN
        for session in list(self.sessions):
            self._meet(session, now)
        for relay in list(self.relays):
            relay.connected(now)

    def _meet(self, session: "Session", now: float) -> None:
        """Begin a session on the connection that was made for it."""
        if not self.trusts(session, dialled=self.target is not None):
            session.fail(Why.STRANGER, "" if self.target is None else self.target.name, now)
            return
        meeting = session.meeting
        if meeting is not None and meeting.active:
            session.outbox.ping(now)
            session.bound(self, now)

    def _fail(self, why: Why, reason: str, now: float) -> None:
        for session in list(self.sessions):
            session.fail(why, reason, now)
        for relay in list(self.relays):
            relay.failed(None, reason or why.value, now)

    def _forget(self) -> None:
        desk = self._desk
        desk.connections.pop(self, None)
        desk.unbound.pop(self, None)
        if self.target is not None and desk.dialled.get(self.target) is self:
            del desk.dialled[self.target]
        for wait in (Wait.BIND, Wait.ANSWERS, Wait.STALLED, Wait.IDLE):
            desk.alarms.cancel((wait, self))

    def _go_on(self, now: float) -> None:
        """Have the driver look where answers made room for more SENDs."""
        if self._outlet.ready:
            self._wait(now)

    def _wait(self, now: float) -> None:
        """Have the driver look, and watch over whether the peer reads."""
        self._touch()
        if self._since is None and self.link is Link.OPEN and self._outlet.ready:
            self._since = now
            if not self._watching:
                self._watch(now)

    def _watch(self, since: float) -> None:
        self._watching = True
        self._desk.alarms.set((Wait.STALLED, self), since + self._desk.limits.stalled)

    def _touch(self) -> None:
        if self.link is not Link.CLOSED:
            self._desk.touched[self] = None


def _has_any(peer: PeerIdentity, fingerprints: tuple[str, ...]) -> bool:
    return any(map(peer.matches, fingerprints))


def target_of(transport: Transport, host: str, port: int | None, name: str) -> Target:
    """Return where to connect; MsrpError where nothing says to which port (RFC 4975 §6)."""
    if port is None:
        raise MsrpError(f"no port to connect to at {host}")
    return Target(transport, host.lower(), port, name.lower())
