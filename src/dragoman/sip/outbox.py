"""What an endpoint has for its driver and its user, and the bounds of its state (RFC 3261 §17)."""

from collections import Counter
from dataclasses import dataclass, field

from dragoman.sip.flow import Event, Flow, Outgoing
from dragoman.sip.locate import DATAGRAM_LIMIT, Target
from dragoman.sip.transaction import Times


@dataclass(frozen=True, slots=True)
class Limits:
    """How much state peers and users may make an endpoint keep, and its base times."""

    max_datagram: int = DATAGRAM_LIMIT
    """The largest request sent by UDP (§18.1.1), in bytes."""
    pending: int = 16_384
    """Requests that wait for our response."""
    pending_bytes: int = 64 * 2**20
    """What those requests may weigh together: characters of headers and bytes of body."""
    completed: int = 400_000
    """Answered requests that may still come again (timer J)."""
    clients: int = 65_536
    """Requests of ours that wait for a response, or for the response to come again."""
    replies: int = 2048
    """Responses that may have to be sent elsewhere (RFC 3263 §5)."""
    replies_bytes: int = 4 * 2**20
    """What those responses may weigh together, in bytes."""
    retry_after: int = 5
    """Seconds to wait that a 503 asks for when a bound is reached."""
    times: Times = field(default_factory=Times)


class Outbox:
    """Datagrams, events and counts that nobody has fetched yet."""

    __slots__ = ("counts", "events", "outgoing")

    def __init__(self) -> None:
        """Start empty."""
        self.outgoing: list[Outgoing] = []
        self.events: list[Event] = []
        self.counts: Counter[str] = Counter()

    def send(self, data: bytes, to: Flow | Target) -> None:
        """Have the driver send `data`."""
        self.outgoing.append(Outgoing(data, to))

    def tell(self, event: Event) -> None:
        """Have the user learn of `event`."""
        self.events.append(event)
