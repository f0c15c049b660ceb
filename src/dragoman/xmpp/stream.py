"""What every XML stream does (RFC 6120 §4): events, errors, closing, time-outs.

A stream is a core: bytes in, bytes and events out, the clock passed in.  Its roles are in the
files beside this one.  The driver calls `connected` once there is a connection, `secured` after
TLS, `closed` when the connection is gone; it closes the connection when it sees `Ended`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Protocol

from dragoman.clock import Alarms
from dragoman.errors import LocalError
from dragoman.xmpp import dialback
from dragoman.xmpp.element import SERVER, STREAMS, Element, to_xml
from dragoman.xmpp.failure import StanzaError, StreamCondition, StreamError
from dragoman.xmpp.parser import StreamEnd, StreamParser, StreamStart

TLS: Final = "urn:ietf:params:xml:ns:xmpp-tls"
SASL: Final = "urn:ietf:params:xml:ns:xmpp-sasl"

END: Final = b"</stream:stream>"
FEATURES: Final = f"{{{STREAMS}}}features"
ERROR: Final = f"{{{STREAMS}}}error"
STARTTLS: Final = f"{{{TLS}}}starttls"
PREFIXES: Final = {STREAMS: "stream", dialback.NS: "db"}
MECHANISM: Final = "EXTERNAL"

_HEADER: Final = f"{{{STREAMS}}}stream"
_PIECE: Final = re.compile(rb"[^>]*>|[^>]+")


class PeerIdentity(Protocol):
    """Who the certificate of the peer says that it is."""

    @property
    def shown(self) -> bool:
        """Whether there is a certificate at all."""

    def vouches(self, domain: str) -> bool:
        """Tell whether the certificate is trusted and names `domain` (RFC 6120 §13.7.2)."""


def _never(domain: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Policy:
    """What a stream insists on; sizes in bytes, times in seconds."""

    require_encryption: bool = True
    require_certificate: Callable[[str], bool] = _never
    """Whether that domain has to have a certificate that vouches for it."""
    proofs: bool = False
    """Whether what a certificate does not prove may be proven otherwise (RFC 7712 §5)."""
    max_stanza: int = 262_144
    max_unauthenticated: int = 10_000
    """The largest element before authentication."""
    max_pairs: int = 64
    """Domain pairs on one stream, and open questions about them."""
    max_refusals: int = 8
    """Failed attempts to authenticate on one stream."""
    max_held: int = 65_536
    """Bytes that wait while we learn whether a domain is ours."""
    negotiation: float = 30.0
    keepalive: float = 60.0
    idle: float = 900.0
    verify: float = 30.0
    close: float = 5.0
    acknowledge: float = 90.0
    """How long a peer may owe an acknowledgement (XEP-0198) before its stream counts as lost.

    TCP may need 50 s to notice that a network that was cut for half a minute is back.
    """
    resumption: float = 300.0
    """How long a session may be resumed after its stream was lost."""
    max_unacknowledged: int = 4096
    """Stanzas on one stream that wait to be acknowledged."""


class Event:
    """What a stream tells its driver."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class StartTls(Event):
    """Flush what is to be sent, do TLS, call `secured`; `domain` is the name in question.

    On an outgoing stream that is the peer's (for SNI), on an incoming one ours (whose
    certificate to show).
    """

    domain: str


@dataclass(frozen=True, slots=True)
class Ready(Event):
    """Stanzas may be sent."""


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The stream will not come to carry stanzas; once, and never after `Ready`.

    `cause` is what to tell the senders of stanzas that wait.  `host` is where the peer says it
    is instead, "" unless it may be believed (RFC 6120 §4.9.3.19).
    """

    error: StreamError
    cause: StanzaError
    host: str = ""


@dataclass(frozen=True, slots=True)
class StanzaArrived(Event):
    """A stanza, in jabber:client, from the peer's domain `remote` to our domain `local`."""

    element: Element
    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """It is over, always the last event: flush what is to be sent and close the connection."""

    reason: str
    error: StreamError | None = None


class Life(Enum):
    """How far a stream has come, whatever its role."""

    NEW = auto()
    """There is no connection yet."""
    UP = auto()
    DEAF = auto()
    """TLS is being negotiated: nothing that was sent in the clear counts any more."""
    CLOSING = auto()
    """We have closed our side and wait for the peer (RFC 6120 §4.4)."""
    ENDED = auto()


class Timer(Enum):
    """The time-outs that every role has."""

    NEGOTIATION = auto()
    KEEPALIVE = auto()
    IDLE = auto()
    CLOSE = auto()
    ACKNOWLEDGE = auto()


class Stream(ABC):
    """The part that all roles share; a role overrides the methods marked as its own."""

    def __init__(self, namespace: str, policy: Policy) -> None:
        """Begin a stream whose content namespace is `namespace`."""
        self._namespace = namespace
        self._policy = policy
        self._life = Life.NEW
        self._alarms: Alarms[Hashable] = Alarms()
        self._parser = StreamParser(max_stanza=policy.max_stanza)
        self._unread = 0
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._now = 0.0
        self._heard = 0.0
        self._established = False
        self._opened = False
        self._draining = False
        self._broken = False
        self._held: bytearray | None = None
        self._later: list[StreamStart | Element | StreamEnd] = []
        self.torn = False
        """Whether it ended by a loss: neither side closed it (XEP-0198 §5)."""
        self._ending: tuple[str, StreamError | None] = ("", None)

    @property
    def closing(self) -> bool:
        """Whether the stream is over, or about to be: nothing more can be asked of it."""
        return self._life in {Life.CLOSING, Life.ENDED}

    def connected(self, now: float) -> None:
        """Note that the connection is there; negotiation starts and has to end in time."""
        if self._life is not Life.NEW:
            raise LocalError("connected twice")
        self._now = self._heard = now
        self._life = Life.UP
        self._alarms.set(Timer.NEGOTIATION, now + self._policy.negotiation)
        self._begin()

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the peer, however they were cut."""
        self._now = self._heard = now
        if self._established:
            self._feed(data)
            return
        # Before the stream is established an element may change how the next byte is read.
        for piece in _PIECE.findall(data):
            self._feed_little(piece)

    def closed(self, now: float, reason: str = "the connection was lost") -> None:
        """Note that the connection is gone, or that TLS failed."""
        self._now = now
        if self._life is Life.CLOSING:
            self._end(*self._ending)
        elif self._life is not Life.ENDED:
            self._tear(StreamCondition.REMOTE_CONNECTION_FAILED, reason)

    def shut(self, condition: StreamCondition | None, now: float) -> None:
        """Close the stream, with an error if `condition` is given, and wait for the peer's end.

        Without an error, stanzas that are still under way from the peer are delivered.
        """
        self._now = now
        if self._life is Life.UP and condition is not None:
            self._fail(StreamError(condition))
        elif self._life is Life.UP:
            self._draining = self._established
            self._close("closed by us", None)
        elif self._life in {Life.NEW, Life.DEAF}:
            self._end("closed by us", None)

    def on_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        self._now = now
        for key in self._alarms.due(now):
            if self._life is not Life.ENDED:
                self._alarm(key)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next; None: not at all."""
        return self._alarms.next()

    def to_send(self) -> list[bytes]:
        """Remove and return what is to be written to the connection, in order."""
        found, self._out = self._out, []
        return found

    def events(self) -> list[Event]:
        """Remove and return what happened, in order."""
        found, self._events = self._events, []
        return found

    def describe(self) -> dict[str, str | int]:
        """Return what the console shows of the stream: plain values, no secrets."""
        return {"life": self._life.name.lower(), "established": int(self._established)}

    @abstractmethod
    def _begin(self) -> None:
        """Own: what to do first."""

    @abstractmethod
    def _header(self, header: StreamStart) -> None:
        """Own: take the peer's stream header."""

    @abstractmethod
    def _element(self, element: Element) -> None:
        """Own: take an element that is not a stream error."""

    @abstractmethod
    def _open(self) -> None:
        """Own: send our stream header."""

    @abstractmethod
    def _gave_up(self, error: StreamError, host: str = "") -> None:
        """Own: tell who waits for this stream that there will be none."""

    @abstractmethod
    def _expired(self, key: Hashable) -> None:
        """Own: one of the role's own time-outs struck."""

    @abstractmethod
    def _farewell(self) -> None:
        """Own: say what is to be said before our closing tag."""

    @abstractmethod
    def _parting(self, element: Element) -> None:
        """Own: take an element that came after our closing tag."""

    def _feed(self, data: bytes) -> None:
        if self._held is not None:
            self._hold(self._held, data)
            return
        if self._life not in _LISTENING:
            return
        try:
            events = self._parser.feed(data)
        except StreamError as error:
            self._take(self._parser.completed)
            self._broken = True
            self._fail(error)
            return
        if events:
            self._unread = 0
            self._take(events)

    def _feed_little(self, piece: bytes) -> None:
        """Feed no more than may be sent before authentication (RFC 6120 §13.12)."""
        if self._held is not None:
            self._hold(self._held, piece)
            return
        room = self._policy.max_unauthenticated - self._unread
        self._unread += min(len(piece), room)
        self._feed(piece[:room])
        if len(piece) > room and self._held is None and self._life is Life.UP:
            large = "that is too much before authentication"
            self._fail(StreamError(StreamCondition.POLICY_VIOLATION, large))

    def _take(self, events: Sequence[StreamStart | Element | StreamEnd]) -> None:
        try:
            for index, event in enumerate(events):
                if self._held is not None:
                    self._later = list(events[index:])
                    return
                if self._life not in _LISTENING:
                    return
                self._take_one(event)
        except StreamError as error:
            self._fail(error)

    def _take_one(self, event: StreamStart | Element | StreamEnd) -> None:
        if isinstance(event, Element):
            if event.name == ERROR:
                self._failed(StreamError.parse(event))
            elif self._life is Life.UP or self._draining:
                self._element(event)
            else:
                self._parting(event)
        elif isinstance(event, StreamEnd):
            self._finish()
        elif self._life is Life.UP:
            self._header(event)

    def _hold(self, held: bytearray, data: bytes) -> None:
        held += data
        if len(held) > self._policy.max_held:
            self._fail(StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too much was sent ahead"))

    def _resume(self) -> None:
        """Go on with what came in while a question was open."""
        events, self._later = self._later, []
        data, self._held = self._held, None
        self._take(events)
        if self._held is not None:
            self._held += data or b""
        elif data:
            self.receive(bytes(data), self._now)

    def _fail(self, error: StreamError) -> None:
        """End the stream because of what the peer did, and say why (RFC 6120 §4.9.1)."""
        if self._life is Life.ENDED:
            return
        if self._life is Life.CLOSING:
            self._end(*self._ending)
            return
        self._gave_up(error)
        if self._life is not Life.UP:
            self._end(error.reason, error)
            return
        if not self._opened:
            self._open()
        self._farewell()  # behind an error nothing is read any more
        self._write(error.element())
        self._close(error.reason, error)

    def _failed(self, error: StreamError) -> None:
        """Take the peer's stream error: answer with our own end, and it is over."""
        if self._life is Life.UP:
            self._gave_up(error, error.host)
            self._out.append(END)
        self._end(f"the peer said {error.reason}", error)

    def _finish(self) -> None:
        """Take the peer's closing tag."""
        if self._life is Life.CLOSING:
            self._end(*self._ending)
            return
        reason = "closed by the peer"
        self._gave_up(StreamError(StreamCondition.REMOTE_CONNECTION_FAILED, reason))
        self._farewell()
        self._out.append(END)
        self._end(reason, None)

    def _close(self, reason: str, error: StreamError | None) -> None:
        self._held = None
        self._later = []
        if error is None:
            self._farewell()
        self._out.append(END)
        self._ending = (reason, error)
        self._life = Life.CLOSING
        self._alarms = Alarms()
        self._alarms.set(Timer.CLOSE, self._now + self._policy.close)
        if self._broken:
            self._end(reason, error)

    def _tear(self, condition: StreamCondition, reason: str) -> None:
        """End without a word: the connection is gone, or as good as gone."""
        self.torn = True
        error = StreamError(condition, reason)
        self._gave_up(error)
        self._end(reason, error)

    def _end(self, reason: str, error: StreamError | None) -> None:
        self._life = Life.ENDED
        self._alarms = Alarms()
        self._held = None
        self._later = []
        self._events.append(Ended(reason, error))

    def _alarm(self, key: Hashable) -> None:
        if key is Timer.CLOSE:
            self._end(*self._ending)
        elif key is Timer.NEGOTIATION:
            late = StreamError(StreamCondition.CONNECTION_TIMEOUT, "negotiation took too long")
            self._fail(late)
        else:
            self._expired(key)

    def _write(self, element: Element) -> None:
        self._out.append(to_xml(element, self._namespace, PREFIXES).encode())

    def _write_header(self, attributes: dict[str, str]) -> None:
        tag = to_xml(Element(_HEADER, attributes), self._namespace, PREFIXES)
        declared = f" xmlns='{self._namespace}' xmlns:stream='{STREAMS}'"
        if self._namespace == SERVER:
            declared += f" xmlns:db='{dialback.NS}'"
        self._opened = True
        self._out.append(f"<?xml version='1.0'?>{tag[:-2]}{declared}>".encode())

    def _restart(self) -> None:
        """Expect a new stream on the same connection (RFC 6120 §4.3.3)."""
        self._parser.reset()
        self._unread = 0
        self._opened = False


_LISTENING: Final = frozenset({Life.UP, Life.CLOSING})
