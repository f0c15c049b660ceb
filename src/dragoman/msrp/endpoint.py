"""The sessions and connections of one place that speaks MSRP (RFC 4975 §5.4, §14.5)."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from dragoman.msrp.connection import Connection
from dragoman.msrp.event import Event
from dragoman.msrp.relay import Authorize, Relay
from dragoman.msrp.session import Session, Terms
from dragoman.msrp.uri import MsrpUri, Transport


@dataclass(frozen=True, slots=True)
class Limits:
    """How much peers and users may make an endpoint keep; sizes in octets, times in seconds."""

    sessions: int = 20_000
    connections: int = 4096
    unbound: int = 256
    """Accepted connections on which no SEND has bound a session yet."""
    sessions_per_connection: int = 1024
    bind: float = 10.0
    """How long an accepted connection may take for that."""
    connect: float = 32.0
    """How long a started session waits for its connection, whoever makes it."""
    response: float = 30.0
    """How long a SEND waits for its 200 (RFC 4975 §7.1.1)."""
    gap: float = 60.0
    """How long a part of a message that arrives may be missing."""
    stalled: float = 60.0
    """How long a peer may read nothing while something waits for it."""
    idle: float = 60.0
    """How long a connection of ours without sessions is kept for the next (RFC 4975 §5.4)."""
    message: int = 1_000_000
    """The longest message taken whole, where `Terms.max_size` says nothing."""
    streamed: int = 1_000_000_000
    """The longest message taken in pieces, where `Terms.max_size` says nothing."""
    assembling: int = 64 * 2**20
    """Octets of messages that are not whole, in all sessions together."""
    partial: int = 16
    """Messages of one session that are not whole."""
    waiting: int = 256
    """Messages of one session that wait to be sent."""
    waiting_bytes: int = 16 * 2**20
    """Octets of their bodies; those of a `Source` do not count."""
    unconfirmed: int = 1024
    """SENDs of one connection without a 200; more wait."""
    unreported: int = 1024
    """Sent messages of one session whose success REPORT is awaited."""
    remembered: int = 256
    """Message-IDs of one session that are known again when they come twice."""


class Endpoint:
    """All that one host has of MSRP; the driver lends it sockets and a clock."""

    counts: Counter[str]
    """What happened, by name: for metrics."""

    def __init__(
        self,
        addresses: Mapping[Transport, tuple[str, int]],
        token: Callable[[], str],
        *,
        limits: Limits | None = None,
        sessmatch: bool = False,
    ) -> None:
        """Stand at these public addresses: hosts and ports as they go into URIs.

        `token` returns at least 80 random bits in 20 to 32 letters and digits
        (`secrets.token_hex(16)`). `sessmatch` has URIs compared by their session-id alone, for
        middleboxes that rewrite paths.
        """
        raise NotImplementedError

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
        many sessions, LocalError where we have no address for the transport.
        """
        raise NotImplementedError

    def relay(
        self,
        uri: MsrpUri,
        authorize: Authorize,
        now: float,
        *,
        through: Relay | None = None,
        expires: int | None = None,
    ) -> Relay:
        """Ask the relay at `uri` to act for us, may be through another that does already."""
        raise NotImplementedError

    def accepted(self, transport: Transport, now: float) -> Connection | None:
        """Take a connection that a peer made; None: close it, there are too many."""
        raise NotImplementedError

    def events(self) -> list[Event]:
        """Return what happened since the last call, in order."""
        raise NotImplementedError

    def touched(self) -> list[Connection]:
        """Return each connection that may have output, or another `reading`, since the last call.

        The driver asks after each turn, whoever's verb was called in it.
        """
        raise NotImplementedError

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        raise NotImplementedError

    def next_timer(self) -> float | None:
        """Return when something is due; None means nothing is."""
        raise NotImplementedError

    def session(self, session_id: str) -> Session | None:
        """Return the session with this id in its URI."""
        raise NotImplementedError
