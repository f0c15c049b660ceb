"""The bounds of what an endpoint keeps (RFC 4975 §14.5), and what its parts have in common."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from dragoman.clock import Alarms
from dragoman.msrp.assembly import Stock
from dragoman.msrp.event import Event

if TYPE_CHECKING:
    from dragoman.msrp.connection import Connection, Target
    from dragoman.msrp.sending import Outgoing
    from dragoman.msrp.session import Session


@dataclass(frozen=True, slots=True)
class Limits:
    """How much peers and users may make an endpoint keep; sizes in octets, times in seconds."""

    sessions: int = 20_000
    connections: int = 4096
    unbound: int = 256
    """Accepted connections on which no SEND has bound a session yet; one more ends the oldest."""
    sessions_per_connection: int = 1024
    bind: float = 10.0
    """How long an accepted connection may take for that."""
    connect: float = 32.0
    """How long a started session waits for its connection, whoever makes it."""
    response: float = 30.0
    """How long a SEND waits for its 200 (RFC 4975 §7.1.1), and AUTH for its answer."""
    gap: float = 60.0
    """How long a message that arrives may have nothing added to it."""
    stalled: float = 60.0
    """How long a peer may read nothing while something waits for it."""
    idle: float = 60.0
    """How long a connection without sessions is kept for the next (RFC 4975 §5.4)."""
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
    answers: int = 65_536
    """Octets of responses and REPORTs that wait; over it nothing more is read."""
    unconfirmed: int = 1024
    """SENDs of one connection without a 200; more wait."""
    unreported: int = 256
    """Sent messages of one session that a REPORT may still be for."""
    reportable: int = 16_384
    """The same of all sessions."""
    remembered: int = 256
    """Messages of one session that are known again when they come twice, or reported on."""


class Wait(Enum):
    """What a timer is for."""

    MEETING = auto()
    GAP = auto()
    BIND = auto()
    ANSWERS = auto()
    STALLED = auto()
    IDLE = auto()
    RELAY = auto()


class Desk:
    """What the sessions, connections and relays of one endpoint share."""

    __slots__ = (
        "alarms", "connections", "counts", "dialled", "events", "limits", "sent", "sessions",
        "stock", "token", "touched", "unbound", "written",
    )  # fmt: skip

    def __init__(self, token: Callable[[], str], limits: Limits) -> None:
        """Start with nothing."""
        self.token = token
        self.limits = limits
        self.stock = Stock(limits.assembling)
        self.alarms: Alarms[tuple[Wait, Hashable]] = Alarms()
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()
        self.sessions: dict[str, Session] = {}
        """By session-id."""
        self.written: dict[str, Session] = {}
        """The same by URI as we write it."""
        self.sent: OrderedDict[Outgoing, None] = OrderedDict()
        """Messages that a REPORT may still be for, the oldest first."""
        self.connections: dict[Connection, None] = {}
        self.dialled: dict[Target, Connection] = {}
        """Those of ours that may be used again."""
        self.unbound: dict[Connection, None] = {}
        """Accepted ones, the oldest first."""
        self.touched: dict[Connection, None] = {}

    def tell(self, event: Event) -> None:
        """Have user and driver learn of `event`."""
        self.events.append(event)
