"""What the stream tests share: certificates, whole or byte-wise feeding, two cores joined."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.failure import StreamCondition
from dragoman.xmpp.s2s_in import AskedFor, IncomingStream, VerifyWanted
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stream import Event, Policy, StartTls, Stream

SomeEvent = TypeVar("SomeEvent", bound=Event)

STREAM_NS: Final = "http://etherx.jabber.org/streams"
TLS_NS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
SASL_NS: Final = "urn:ietf:params:xml:ns:xmpp-sasl"
ERRORS_NS: Final = "urn:ietf:params:xml:ns:xmpp-streams"
END: Final = "</stream:stream>"

STRICT: Final = Policy(require_certificate=lambda _: True)
LAX: Final = Policy(require_encryption=False)


@dataclass(frozen=True)
class Certificate:
    """Who a peer's certificate vouches for; nobody, when it is self-signed."""

    domains: frozenset[str] = frozenset()
    shown: bool = True

    def vouches(self, domain: str) -> bool:
        return domain in self.domains


NOBODY: Final = Certificate()


def certificate(*domains: str) -> Certificate:
    return Certificate(frozenset(domains))


def sent(core: Stream) -> str:
    """Take what the core has to send, as text."""
    return b"".join(core.to_send()).decode()


def feed(core: Stream, text: str, now: float = 0.0, *, bytewise: bool = False) -> str:
    """Give the core some text; return what it has to send then."""
    data = text.encode()
    for piece in [bytes([byte]) for byte in data] if bytewise else [data]:
        core.receive(piece, now)
    return sent(core)


def of_type(core: Stream, kind: type[SomeEvent]) -> list[SomeEvent]:
    """Take the core's events; return those of one kind."""
    return [event for event in core.events() if isinstance(event, kind)]


def error(condition: StreamCondition) -> str:
    """Return how a stream error begins."""
    return f"<stream:error><{condition} xmlns='{ERRORS_NS}'"


def tokens() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"id{number}"


@dataclass
class Pipe:
    """An outgoing core joined to an incoming one, with TLS that only says who each end is.

    `hosted` are the domains behind the incoming end.  Questions about them are answered, and TLS
    is done, while `run` carries bytes; other events are kept in `left` and `right`.
    """

    out: OutgoingStream
    into: IncomingStream
    hosted: frozenset[str]
    out_certificate: Certificate = NOBODY
    in_certificate: Certificate = NOBODY
    bytewise: bool = False
    now: float = 0.0
    left: list[Event] = field(default_factory=list)
    right: list[Event] = field(default_factory=list)
    queries: list[VerifyQuery] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.out.connected(self.now)
        self.into.connected(self.now)
        self.run()

    def run(self) -> None:
        while self._carry("C", self.out, self.into) | self._carry("S", self.into, self.out):
            pass

    def _carry(self, name: str, here: Stream, there: Stream) -> bool:
        data = b"".join(here.to_send())
        if data:
            self.log.append(f"{name}: {data.decode()}")
            pieces = [bytes([byte]) for byte in data] if self.bytewise else [data]
            for piece in pieces:
                there.receive(piece, self.now)
        happened = [self._handle(event) for event in self.into.events()]
        for event in self.out.events():
            self.left.append(event)
            if isinstance(event, StartTls):
                self.out.secured(self.in_certificate, self.now)
            happened.append(True)
        return bool(data) or any(happened)

    def _handle(self, event: Event) -> bool:
        self.right.append(event)
        match event:
            case AskedFor(domain):
                self.into.hosted(domain, domain in self.hosted, self.now)
            case StartTls():
                # The peer's bytes so far are the last in the clear.
                for data in self.into.to_send():
                    self.log.append(f"S: {data.decode()}")
                    self.out.receive(data, self.now)
                self.into.secured(self.out_certificate, self.now)
            case VerifyWanted(query):
                self.queries.append(query)
            case _:
                pass
        return True
