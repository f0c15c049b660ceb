"""The sessions and connections of one place that speaks MSRP (RFC 4975 §5.4, §14.5)."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import cast, final

from dragoman.errors import LocalError
from dragoman.msrp.connection import Connection, Target, target_of
from dragoman.msrp.event import ConnectWanted, Event, Why
from dragoman.msrp.failure import Full, MsrpError
from dragoman.msrp.limits import Desk, Limits, Wait
from dragoman.msrp.message import Request
from dragoman.msrp.relay import DEFAULT_PORT, Authorize, Relay
from dragoman.msrp.session import Session
from dragoman.msrp.terms import Meeting, Terms
from dragoman.msrp.uri import MsrpUri, Path, Transport


@final
class Endpoint:
    """All that one host has of MSRP; the driver lends it sockets and a clock."""

    def __init__(
        self,
        addresses: Mapping[Transport, tuple[str, int]],
        token: Callable[[], str],
        *,
        limits: Limits | None = None,
        sessmatch: bool = False,
    ) -> None:
        """Stand at these public addresses, which may change: hosts and ports of URIs.

        `token` returns at least 80 random bits in 20 to 32 letters and digits
        (`secrets.token_hex(12)`): of it are session-ids, transaction ids and Message-IDs.
        `sessmatch` has URIs compared by their session-id alone, for middleboxes that rewrite paths.
        """
        self._addresses = addresses
        self._desk = Desk(token, limits or Limits())
        self._sessmatch = sessmatch

    # -- what the user asks ----------------------------------------------------------------

    @property
    def counts(self) -> Counter[str]:
        """What happened, by name: for metrics."""
        return self._desk.counts

    @property
    def transports(self) -> frozenset[Transport]:
        """What peers reach us by."""
        return frozenset(self._addresses)

    @property
    def limits(self) -> Limits:
        """The bounds that it keeps."""
        return self._desk.limits

    def prepare(
        self,
        ours: Terms,
        transport: Transport = Transport.TCP,
        *,
        port: int | None = None,
        relay: Relay | None = None,
        streams: bool = False,
        tag: Hashable = None,
    ) -> Session:
        """Return a new session with a URI of its own, before offer or answer is written.

        `ours` is what we take. `port` is written instead of our own: 9 where we can only be active
        (RFC 6135 §4.2.2). With `streams` messages come in pieces. Raises Full where there are too
        many sessions, LocalError where we have no address for the transport or the relay is not
        ready, or has a session already.
        """
        desk = self._desk
        if len(desk.sessions) >= desk.limits.sessions:
            raise Full("too many sessions")
        if relay is None:
            uri = self._own(transport, port)
        elif relay.ready and relay.own.session_id not in desk.sessions:
            uri = relay.own
        else:
            raise LocalError("the relay is not ready, or has a session already")
        session = Session(desk, uri, ours, relay=relay, streams=streams, tag=tag, dial=self._dial)
        desk.sessions[uri.session_id] = session
        desk.written[str(uri)] = session
        return session

    def relay(
        self,
        uri: MsrpUri,
        authorize: Authorize,
        now: float,
        *,
        through: Relay | None = None,
        expires: int | None = None,
    ) -> Relay:
        """Ask the relay at `uri` to act for us, may be through another that does already.

        RelayReady or RelayFailed follows. Raises LocalError for what is no `msrps` URI: AUTH is for
        TLS only (RFC 4976 §8); Full where there are too many connections.
        """
        if not uri.secure:
            raise LocalError("a relay is asked over TLS only")
        if through is None:
            search = uri.port is None
            port = DEFAULT_PORT if uri.port is None else uri.port
            host = uri.host.lower()
            connection = self._connect(Target(Transport.TLS, host, port, host, search))
        elif through.ready:
            connection = through.connection
        else:
            raise LocalError("the relay on the way is not ready")
        relay = Relay(
            self._desk,
            connection,
            uri,
            self._own(Transport.TLS, None),
            authorize,
            through=None if through is None else through.use_path,
            expires=expires,
        )
        self._desk.alarms.set((Wait.RELAY, relay), now + self._desk.limits.connect)
        if connection.is_open:
            relay.connected(now)
        return relay

    def session(self, session_id: str) -> Session | None:
        """Return the session with this id in its URI."""
        return self._desk.sessions.get(session_id)

    def events(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        events, self._desk.events = self._desk.events, []
        return events

    # -- what the driver asks --------------------------------------------------------------

    def accepted(self, transport: Transport, now: float) -> Connection | None:
        """Take a connection that a peer made; None: close it, there are too many.

        On TLS and WebSocket `secured` may tell who is there. Who binds no session on it in time is
        sent away, and the one that waits longest where too many wait.
        """
        desk = self._desk
        if len(desk.connections) >= desk.limits.connections:
            desk.counts["connection refused"] += 1
            return None
        if len(desk.unbound) >= desk.limits.unbound:
            next(iter(desk.unbound)).drop("too many that bind no session", now)
        connection = Connection(desk, self._find, transport)
        desk.connections[connection] = None
        desk.unbound[connection] = None
        desk.alarms.set((Wait.BIND, connection), now + desk.limits.bind)
        return connection

    def touched(self) -> list[Connection]:
        """Return each connection that may have output, or another `reading`, since the last call.

        The driver asks after each turn, whoever's verb was called in it.
        """
        touched = list(self._desk.touched)
        self._desk.touched.clear()
        return touched

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        for wait, whose in self._desk.alarms.due(now):
            if wait is Wait.RELAY:
                cast("Relay", whose).on_timer(now)
            elif wait is Wait.MEETING:
                cast("Session", whose).fail(Why.TIMEOUT, "", now)
            elif wait is Wait.GAP:
                cast("Session", whose).inbox.on_gap(now)
            else:
                _ON_TIMER[wait](cast("Connection", whose), now)

    def next_timer(self) -> float | None:
        """Return when something is due; None means nothing is."""
        return self._desk.alarms.next()

    # -- where sessions and connections meet -----------------------------------------------

    def _own(self, transport: Transport, port: int | None) -> MsrpUri:
        address = self._addresses.get(transport)
        if address is None:
            raise LocalError(f"no address for {transport}")
        session_id = self._desk.token()
        if session_id in self._desk.sessions:
            raise LocalError("the same token twice")
        return MsrpUri(
            address[0],
            address[1] if port is None else port,
            session_id,
            transport.secure,
            transport.parameter,
        )

    def _dial(self, remote: Path, meeting: Meeting) -> Connection:
        """Return the connection to a peer: one that there is, or one that is wanted now."""
        first = remote.first
        transport = Transport.TCP
        if first.secure:
            transport = Transport.WS if first.transport.lower() == "ws" else Transport.TLS
        if first.transport.lower() != transport.parameter:
            raise MsrpError(f"no way to connect by {first.transport}")
        host, port = meeting.address or (first.host, first.port)
        return self._connect(target_of(transport, host, port, first.host))

    def _connect(self, target: Target) -> Connection:
        desk = self._desk
        known = desk.dialled.get(target)
        if known is not None and len(known.sessions) < desk.limits.sessions_per_connection:
            desk.alarms.cancel((Wait.IDLE, known))
            return known
        if len(desk.connections) >= desk.limits.connections:
            raise Full("too many connections")
        connection = Connection(desk, self._find, target.transport, target)
        desk.connections[connection] = None
        desk.dialled[target] = connection
        desk.tell(ConnectWanted(connection))
        return connection

    def _find(self, request: Request) -> Session | None:
        """Return the session that a request is for (RFC 4975 §7.3, §6.1)."""
        path = request.to_path
        session = self._desk.written.get(path.text)
        if session is not None or len(path.uris) != 1:
            return session
        session = self._desk.sessions.get(path.first.session_id)
        if session is None or self._sessmatch or path.first.matches(session.uri):
            return session
        return None


def _unbound(connection: Connection, now: float) -> None:
    connection.drop("no session was bound in time", now)


_ON_TIMER = {
    Wait.BIND: _unbound,
    Wait.ANSWERS: Connection.on_answers,
    Wait.STALLED: Connection.on_stalled,
    Wait.IDLE: Connection.on_idle,
}
