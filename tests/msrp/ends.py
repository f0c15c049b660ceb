"""Two MSRP endpoints joined by one connection, on the wire of tests/pair.py; and peers by hand."""

from collections.abc import Callable, Sequence
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
    Outgoing,
    Path,
    Session,
    Terms,
    Transport,
)
from dragoman.msrp.framing import Flag, Framer
from dragoman.msrp.message import Request
from dragoman.msrp.session import State
from tests.pair import Wire

Kind = TypeVar("Kind", bound=Event)

ALICE = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp"
LARGE = bytes(range(256)) * 400

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


def alone(limits: Limits | None = None, *, sessmatch: bool = False) -> End:
    end = End(Endpoint(ADDRESSES, tokens("b"), limits=limits, sessmatch=sessmatch))
    end.connection = end.endpoint.accepted(Transport.TCP, 0.0)
    return end


def send(
    to: object,
    *lines: str,
    tid: str = "d93kswow",
    body: str | None = "Hi, I'm Alice!",
    flag: str = "$",
    method: str = "SEND",
) -> bytes:
    """Return a request from alice; what follows Message-ID may be among `lines`."""
    head = f"MSRP {tid} {method}\r\nTo-Path: {to}\r\nFrom-Path: {ALICE}\r\n"
    head += "".join(f"{line}\r\n" for line in lines)
    if body is not None:
        head += f"Content-Type: text/plain\r\n\r\n{body}\r\n"
    return f"{head}-------{tid}{flag}\r\n".encode()


def statuses(end: End) -> list[int]:
    """Return the codes of the responses that `end` sends."""
    lines = b"".join(end.to_send()).decode().split("\r\n")
    return [int(line.split(" ")[2]) for line in lines if line.startswith("MSRP ") and
            line.split(" ")[2].isdigit()]  # fmt: skip


def stands(session: Session) -> State:
    return session.state


@dataclass
class Pieces:
    """A source of some pieces; None among them is nothing yet."""

    pieces: list[bytes | None]
    size: int | None = None
    fails: bool = False

    def read(self, limit: int) -> bytes | None:
        if not self.pieces:
            if self.fails:
                raise OSError
            return b""
        piece = self.pieces.pop(0)
        if piece is not None and len(piece) > limit:
            self.pieces.insert(0, piece[limit:])
            piece = piece[:limit]
        return piece


@dataclass
class Chunk:
    request: Request
    body: bytes
    flag: Flag


def chunks(data: bytes | Sequence[bytes]) -> list[Chunk]:
    """Return what is sent as requests with their bodies."""
    framer, found = Framer(), list[Chunk]()
    request, body = None, b""
    for item in framer.receive(data if isinstance(data, bytes) else b"".join(data)):
        if isinstance(item, bytes):
            body += item
        elif isinstance(item, Flag):
            if request is not None:
                found.append(Chunk(request, body, item))
            request, body = None, b""
        elif isinstance(item, Request):
            request = item
    assert framer.error is None
    return found


def take(ends: Ends, budget: int = 65_536) -> bytes:
    assert ends.alice.connection is not None
    data = b"".join(ends.alice.connection.to_send(ends.now, budget))
    ends.alice.seen += ends.alice.endpoint.events()
    return data


def drain(ends: Ends) -> bytes:
    return b"".join(ends.alice.to_send())


def reply(ends: Ends, request: Request, status: int) -> None:
    tid = request.transaction_id
    head = f"MSRP {tid} {status}\r\nTo-Path: {ends.hers.uri}\r\nFrom-Path: {ends.his.uri}\r\n"
    ends.alice.receive(f"{head}-------{tid}$\r\n".encode(), ends.now)


def report(ends: Ends, handle: Outgoing, status: int, said: str | None) -> None:
    head = f"MSRP rrrr1 REPORT\r\nTo-Path: {ends.hers.uri}\r\nFrom-Path: {ends.his.uri}\r\n"
    head += f"Message-ID: {handle.message_id}\r\nStatus: 000 {status} x\r\n"
    head += "" if said is None else f"Byte-Range: {said}\r\n"
    ends.alice.receive(f"{head}-------rrrr1$\r\n".encode(), ends.now)
