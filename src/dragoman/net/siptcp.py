"""SIP over one stream (RFC 3261 §18.3, RFC 5922, RFC 5626 §4.4.1): the core that a driver runs."""

from collections.abc import Callable
from typing import Final

from dragoman.errors import ProtocolError, RemoteError
from dragoman.net.identity import Identity
from dragoman.net.tls import Peer
from dragoman.sip.endpoint import Flow, Target
from dragoman.sip.framing import Framer, Ping
from dragoman.sip.message import Request, Response, SipError, encode, response_to

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
PONG_WITHIN: Final = 10.0
"""Seconds that a peer has to answer a keep-alive (RFC 5626 §4.4.1)."""
WHOLE: Final = 32.0
"""Seconds that one message may take to arrive, however its bytes trickle."""


class SipCore:
    """What every SIP connection has to tell its owner, whatever lies below the messages.

    `inbox` holds messages, or the bytes of one that is yet to be read. `violation` says why the
    connection is to be closed, after what waits was sent; `mute` that the peer is gone.
    """

    def __init__(self, target: Target | None, began: float) -> None:
        """Serve a connection to `target`, or one that came in, made at `began`."""
        self.target = target
        self.flow: Flow | None = None
        self.identity: Identity | None = None
        self.inbox: list[Request | Response | bytes] = []
        self.spoke = False
        self.violation = ""
        self.mute = False
        self.began = began
        self.used = began
        """When something was last said: a message either way, or a ping of the peer's."""
        self._out: list[bytes] = []

    @property
    def ready(self) -> bool:
        """Whether messages may pass."""
        return True

    def secured(self, peer: Peer, now: float) -> None:
        """Learn who is there; raises RemoteError when it is not the domain we wanted."""
        self.identity = Identity(peer)

    def closed(self, now: float) -> None:
        """Nothing more can be sent."""
        self._out.clear()

    def farewell(self) -> None:
        """Say that we are about to close, where the protocol has a word for it."""


class SipStream(SipCore):
    """Messages in and out of one connection; nothing leaves before the peer has proved itself.

    A connection that we open with TLS must show a certificate for the domain that was looked up
    (RFC 5922 §7); without TLS, and for those who connect to us, there is nothing to prove.
    """

    def __init__(
        self,
        *,
        target: Target | None = None,
        tls: bool = False,
        most: int = 262144,
        began: float = 0.0,
        pause: Callable[[], float] | None = None,
    ) -> None:
        """Serve a connection to `target`, or one that came in; `most` bytes wait for TLS.

        With `pause` the peer is pinged, each time after as many seconds as it returns.
        """
        super().__init__(target, began)
        self._ready = target is None or not tls
        self._most = most
        self._waiting = 0
        self._framer = Framer()
        self._pause = pause
        self._ping_at = began + pause() if pause is not None else None
        self._pong_by: float | None = None
        self._since: float | None = None

    @property
    def ready(self) -> bool:
        """Whether the peer has proved what it had to."""
        return self._ready

    def send(self, data: bytes) -> bool:
        """Have `data` sent; False when too much waits already for the connection to be ready."""
        if not self._ready:
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
        for event in events:
            self.used = now
            if isinstance(event, Ping):
                self._out.append(PONG)
            else:
                self.inbox.append(event)
        if self._pong_by is not None:
            # whatever comes shows that the flow lives, and not every peer knows what a pong is
            self._pong_by = None
            self._framer.drop_pong()
        if not self._framer.partial:
            self._since = None
        elif events or self._since is None:
            self._since = now
        error = self._framer.error
        if error is not None:
            self.violation = error.reason
            if error.request is not None:
                self._refuse(error.request, error)

    def secured(self, peer: Peer, now: float) -> None:
        """Judge who is there; raises RemoteError when it is not the domain we wanted."""
        super().secured(peer, now)
        if self.target is not None:
            verdict = peer.judge(self.target.domain)
            if not verdict.good:
                raise RemoteError(f"certificate for {self.target.domain}: {verdict.reason}")
        self._ready = True

    def keep_alive(self, pause: Callable[[], float], now: float) -> None:
        """Ping the peer from now on, as on a connection of ours: requests of ours go this way."""
        if self._pause is None:
            self._pause = pause
            self._ping_at = now + pause()

    def on_timer(self, now: float) -> None:
        """Ping the peer, or find that it did not answer, or took too long over a message."""
        if self._since is not None and now >= self._since + WHOLE:
            self._since = None
            self.violation = "a message took too long to arrive"
        if self._pong_by is not None and now >= self._pong_by:
            self._pong_by = self._ping_at = None
            self.mute = True
        elif self._pause is not None and self._ping_at is not None and now >= self._ping_at:
            self._out.append(PING)
            self._pong_by = now + PONG_WITHIN
            self._ping_at = now + self._pause()

    def next_timer(self) -> float | None:
        """Return when a ping, its answer, or the rest of a message that has begun is due."""
        keep_alive = self._ping_at if self._pong_by is None else self._pong_by
        whole = None if self._since is None else self._since + WHOLE
        if keep_alive is None or whole is None:
            return whole if keep_alive is None else keep_alive
        return min(keep_alive, whole)

    def to_send(self) -> list[bytes]:
        """Return what is to be sent, once the peer may have it, and forget it."""
        if not self._ready or not self._out:
            return []
        out, self._out = self._out, []
        return out

    def _refuse(self, request: Request, error: SipError) -> None:
        try:
            self._out.append(encode(response_to(request, error.status, to_tag="framing")))
        except ProtocolError:
            return  # not even an answer can be made of it
