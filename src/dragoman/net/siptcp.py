"""SIP over one stream (RFC 3261 §18.3, RFC 5922, RFC 5626 §4.4.1): the core that a driver runs."""

from typing import Final

from dragoman.errors import ProtocolError, RemoteError
from dragoman.net.tls import Peer
from dragoman.sip.endpoint import Flow, Target
from dragoman.sip.framing import Framer, Ping
from dragoman.sip.message import Request, Response, SipError, encode, response_to

PONG = b"\r\n"
WHOLE: Final = 32.0
"""Seconds that one message may take to arrive, however its bytes trickle."""


class SipStream:
    """Messages in and out of one connection; nothing leaves before the peer has proved itself.

    A connection that we open with TLS must show a certificate for the domain that was looked up
    (RFC 5922 §7); without TLS, and for those who connect to us, there is nothing to prove.
    """

    def __init__(self, *, target: Target | None = None, tls: bool = False, most: int = 262144):
        """Serve a connection to `target`, or one that came in; `most` bytes wait for TLS."""
        self.target = target
        self.flow: Flow | None = None
        self.peer: Peer | None = None
        self.ready = target is None or not tls
        self.inbox: list[Request | Response] = []
        self.spoke = False
        self.violation = ""
        self._most = most
        self._waiting = 0
        self._out: list[bytes] = []
        self._framer = Framer()
        self._since: float | None = None

    def send(self, data: bytes) -> bool:
        """Have `data` sent; False when too much waits already for the connection to be ready."""
        if not self.ready:
            self._waiting += len(data)
            if self._waiting > self._most:
                return False
        self._out.append(data)
        return True

    def receive(self, data: bytes, now: float) -> None:
        """Cut messages out of the stream; answer pings, and the violation that ends it."""
        if self.violation:
            return
        events = self._framer.receive(data)
        if not self._framer.partial:
            self._since = None
        elif events or self._since is None:
            self._since = now
        for event in events:
            if isinstance(event, Ping):
                self._out.append(PONG)
            else:
                self.inbox.append(event)
        error = self._framer.error
        if error is not None:
            self.violation = error.reason
            if error.request is not None:
                self._refuse(error.request, error)

    def secured(self, peer: Peer, now: float) -> None:
        """Judge who is there; raises RemoteError when it is not the domain we wanted."""
        self.peer = peer
        if self.target is not None:
            verdict = peer.judge(self.target.domain)
            if not verdict.good:
                raise RemoteError(f"certificate for {self.target.domain}: {verdict.reason}")
        self.ready = True

    def on_timer(self, now: float) -> None:
        """Have the connection closed when a message has taken too long to arrive."""
        when = self.next_timer()
        if when is not None and when <= now:
            self._since = None
            self.violation = "a message took too long to arrive"

    def next_timer(self) -> float | None:
        """Return until when the message that has begun must be whole."""
        return None if self._since is None else self._since + WHOLE

    def to_send(self) -> list[bytes]:
        """Return what is to be sent, once the peer may have it, and forget it."""
        if not self.ready or not self._out:
            return []
        out, self._out = self._out, []
        return out

    def closed(self, now: float) -> None:
        """Nothing more can be sent."""
        self._out.clear()

    def _refuse(self, request: Request, error: SipError) -> None:
        try:
            self._out.append(encode(response_to(request, error.status, to_tag="framing")))
        except ProtocolError:
            return  # not even an answer can be made of it
