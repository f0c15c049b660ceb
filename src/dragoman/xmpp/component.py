"""Component connections (XEP-0114): our end of `jabber:component:accept`."""

from collections.abc import Hashable
from enum import Enum, auto
from hashlib import sha1
from typing import Final

from dragoman.errors import LocalError
from dragoman.xmpp.element import CLIENT, COMPONENT, Element, to_xml
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.header import check_header
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import StreamStart
from dragoman.xmpp.stream import Life, Policy, Ready, Refused, StanzaArrived, Stream, Timer

# The parser gives every content namespace as jabber:client.
_HANDSHAKE: Final = f"{{{CLIENT}}}handshake"
_STANZAS: Final = frozenset(f"{{{CLIENT}}}{name}" for name in ("message", "presence", "iq"))


class State(Enum):
    """Where the handshake stands (XEP-0114 §3)."""

    HEADER = auto()
    """The server's stream header is awaited."""
    HANDSHAKE = auto()
    """We showed that we know the secret."""
    READY = auto()


class ComponentStream(Stream):
    """The stream on which an XMPP server gives us everything for `domain`, and takes all from it.

    Events: Ready or Refused; StanzaArrived; Ended.
    """

    def __init__(self, domain: str, secret: bytes, *, policy: Policy) -> None:
        """Begin; `domain` is the component's own, `secret` is shared with the server."""
        super().__init__(COMPONENT, policy)
        self.local = domain
        self._secret = secret
        self._state = State.HEADER
        self._sent = False

    @property
    def ready(self) -> bool:
        """Whether stanzas may be sent."""
        return self._state is State.READY and self._life is Life.UP

    def send(self, stanza: Element, now: float) -> None:
        """Send a stanza from the component's domain; LocalError unless the stream is ready."""
        if not self.ready:
            raise LocalError("the component is not connected")
        self._now = now
        self._sent = True
        self._out.append(to_xml(stanza, COMPONENT).encode())

    def _begin(self) -> None:
        self._open()

    def _open(self) -> None:
        self._write_header({"to": self.local})

    def _header(self, header: StreamStart) -> None:
        check_header(header, COMPONENT)
        identifier = header.attributes.get("id", "")
        # XEP-0114 §3 has SHA-1 and no choice; nothing but this handshake rests on it.
        shown = sha1(identifier.encode() + self._secret, usedforsecurity=False).hexdigest()
        self._state = State.HANDSHAKE
        self._write(Element(_HANDSHAKE, None, (shown,)))

    def _element(self, element: Element) -> None:
        if self._state is State.READY and element.name in _STANZAS:
            self._stanza(element)
        elif self._state is State.HANDSHAKE and element.name == _HANDSHAKE:
            self._become_ready()
        elif self._state is State.READY:
            text = f"{element.local_name} has no place here"
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, text)
        else:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "the handshake comes first")

    def _become_ready(self) -> None:
        self._state = State.READY
        self._established = True
        self._alarms.cancel(Timer.NEGOTIATION)
        self._alarms.set(Timer.KEEPALIVE, self._now + self._policy.keepalive)
        self._events.append(Ready())

    def _stanza(self, stanza: Element) -> None:
        to, sender = stanza.get("to"), stanza.get("from")
        if not to or not sender:
            text = "a stanza has `to` and `from`"
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, text)
        self._events.append(StanzaArrived(stanza, self.local, _domain(sender)))

    def _gave_up(self, error: StreamError, host: str = "") -> None:
        if self._state is not State.READY:
            cause = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=error.reason)
            self._events.append(Refused(error, cause, host))

    def _farewell(self) -> None:
        """Say nothing: a component's stream is not managed."""

    def _parting(self, element: Element) -> None:
        """Take nothing that comes after our closing tag."""

    def _expired(self, key: Hashable) -> None:
        if key is Timer.KEEPALIVE:
            if not self._sent:
                self._out.append(b" ")
            self._sent = False
            self._alarms.set(Timer.KEEPALIVE, self._now + self._policy.keepalive)


def _domain(address: str) -> str:
    """Return the domain of a sender; the server vouches for it, so a strange one is let pass."""
    try:
        return Jid.parse(address).domain
    except StanzaError:
        return address.partition("/")[0].rpartition("@")[2]
