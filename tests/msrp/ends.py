"""Two MSRP endpoints joined by one connection, on the wire of tests/pair.py."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from dragoman.msrp import (
    Connection,
    ConnectWanted,
    Endpoint,
    Event,
    Limits,
    Meeting,
    Path,
    Session,
    Terms,
    Transport,
)
from tests.pair import Wire

Kind = TypeVar("Kind", bound=Event)

ADDRESSES = {
    Transport.TCP: ("gw.example.com", 2855),
    Transport.TLS: ("gw.example.com", 2856),
    Transport.WS: ("gw.example.com", 443),
}


def tokens(prefix: str) -> Callable[[], str]:
    """Return a source of tokens that never repeats, and is the same each time."""
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers):020x}"


@dataclass
class Certificate:
    """Who is at the other end of TLS."""

    names: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def shown(self) -> bool:
        return bool(self.names or self.fingerprint)

    def vouches(self, domain: str) -> bool:
        return domain in self.names

    def matches(self, fingerprint: str) -> bool:
        return fingerprint == self.fingerprint


@dataclass
class End:
    """One endpoint and its one connection, as a core of the wire; `slow` takes so much a turn."""

    endpoint: Endpoint
    connection: Connection | None = None
    now: float = 0.0
    slow: int | None = None
    seen: list[Event] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)

    def receive(self, data: bytes, now: float) -> None:
        self.now = now
        assert self.connection is not None
        self.received += data
        self.connection.receive(data, now)
        self.seen += self.endpoint.events()

    def on_timer(self, now: float) -> None:
        self.now = now
        self.endpoint.on_timer(now)
        self.seen += self.endpoint.events()

    def next_timer(self) -> float | None:
        return self.endpoint.next_timer()

    def to_send(self) -> list[bytes]:
        out: list[bytes] = []
        while self.connection is not None:
            piece = self.connection.to_send(self.now, *([] if self.slow is None else [self.slow]))
            out += piece
            if not piece or self.slow is not None:
                break
        self.seen += self.endpoint.events()
        return out

    def told(self, kind: type[Kind]) -> list[Kind]:
        """Return the events of one kind, so far."""
        self.seen += self.endpoint.events()
        return [event for event in self.seen if isinstance(event, kind)]


@dataclass
class Ends:
    """Alice, who connects, and Bob, with one session between them."""

    alice: End
    bob: End
    wire: Wire
    hers: Session
    his: Session

    def run(self, seconds: float = 1.0) -> None:
        self.wire.run(self.wire.now + seconds)
        self.alice.now = self.bob.now = self.wire.now
        self.alice.endpoint.touched()
        self.bob.endpoint.touched()

    @property
    def now(self) -> float:
        return self.wire.now


def joined(
    *,
    transport: Transport = Transport.TCP,
    alice: Terms | None = None,
    bob: Terms | None = None,
    limits: Limits | None = None,
    streams: bool = False,
    up: bool = True,
) -> Ends:
    """Return two endpoints with a session that is up, alice being active."""
    hers, his = alice or Terms(), bob or Terms()
    one = End(Endpoint(ADDRESSES, tokens("a"), limits=limits))
    two = End(Endpoint(ADDRESSES, tokens("b"), limits=limits))
    first = one.endpoint.prepare(hers, transport)
    second = two.endpoint.prepare(his, transport, streams=streams)
    second.start(first.path, hers, Meeting(active=False), 0.0)
    first.start(second.path, his, Meeting(active=True), 0.0)
    (wanted,) = one.told(ConnectWanted)
    one.connection = wanted.connection
    two.connection = two.endpoint.accepted(transport, 0.0)
    assert two.connection is not None
    one.connection.opened(0.0)
    if transport.secure:
        one.connection.secured(Certificate(("gw.example.com",)), 0.0)
        two.connection.secured(Certificate(), 0.0)
    ends = Ends(one, two, Wire(one, two), first, second)
    if up:
        ends.run()
        ends.alice.received.clear()
        ends.bob.received.clear()
    return ends


def another(ends: Ends, *, streams: bool = False) -> tuple[Session, Session]:
    """Return another session between the two, on the same connection, that is up."""
    hers = ends.alice.endpoint.prepare(Terms())
    his = ends.bob.endpoint.prepare(Terms(), streams=streams)
    his.start(hers.path, Terms(), Meeting(active=False), ends.now)
    hers.start(his.path, Terms(), Meeting(active=True), ends.now)
    ends.run()
    return hers, his


def started(end: End, remote: str, *, active: bool = False, theirs: Terms | None = None) -> Session:
    """Return a session of one endpoint towards a peer that is written by hand."""
    session = end.endpoint.prepare(Terms())
    session.start(Path.parse(remote), theirs or Terms(), Meeting(active=active), end.now)
    return session
