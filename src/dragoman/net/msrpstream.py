"""MSRP over one connection (RFC 4975 §5.4, RFC 7977): the cores that a driver runs.

The connection of `dragoman.msrp` does all of MSRP; these fit it to `net.driver`: they ask it for
more only while the socket takes more, and tell it who is at the other end.
"""

from collections.abc import Callable, Collection
from typing import Final

from dragoman.msrp import Connection, Transport
from dragoman.net.tls import Peer
from dragoman.net.websocket import WebSocketServer

BUDGET: Final = 65_536
"""Bytes that are asked for at one time."""
LAST: Final = 16
"""How often they are asked for when the connection is to be closed."""
MOST: Final = 262_144
"""Bytes of the largest WebSocket message taken; each is one chunk (RFC 7977 §5.3.1)."""

Accept = Callable[[Transport], Connection | None]
Heard = Callable[[], None]


class MsrpCore:
    """What every MSRP connection has, whatever lies below its chunks.

    `connection` is None until whoever connected to us has done what comes before MSRP. While
    `congested` nothing is asked of it: what waits, waits in its messages. `violation` says why it
    is to be closed without MSRP having said so.
    """

    def __init__(
        self, clock: Callable[[], float], accept: Accept, sent: Heard, connection: Connection | None
    ) -> None:
        """Serve `connection`, which we dialled, or the one that `accept` gives for who came.

        `sent` is called whenever something was taken out of it.
        """
        self.connection = connection
        self.congested = False
        self.paused = False
        """Whether the driver was told not to read."""
        self.violation = ""
        self._clock = clock
        self._accept = accept
        self._sent = sent
        self._began = False
        self._closing = False

    def admit(self, transport: Transport) -> None:
        """Have a connection for who came, unless there are too many."""
        if self.connection is None and not self.violation:
            self.connection = self._accept(transport)
            self._began = True
            if self.connection is None:
                self.violation = "there are too many connections"

    def open(self) -> None:
        """Tell the connection that it is made, if we made it."""
        if self.connection is not None and not self._began:
            self._began = True
            self.connection.opened(self._clock())

    def finish(self) -> None:
        """Let what is left be sent at once, for the connection is about to be closed."""
        self._closing = True

    def closed(self, now: float) -> None:
        """Nothing: the connection is told by whoever knows the reason."""

    def _more(self) -> list[bytes]:
        """Return what is to be sent next, as much as the socket may be given."""
        if self.connection is None or (self.congested and not self._closing):
            return []
        out: list[bytes] = []
        for _ in range(LAST if self._closing else 1):
            some = self.connection.to_send(self._clock(), BUDGET)
            if not some:
                break
            out += some
        if out:
            self._sent()
        return out


class MsrpStream(MsrpCore):
    """Chunks on TCP, or on TLS."""

    def __init__(
        self,
        clock: Callable[[], float],
        accept: Accept,
        sent: Heard,
        connection: Connection | None = None,
        *,
        secure: bool = False,
    ) -> None:
        """Serve a connection that was dialled or, with None, one that came; `secure`: on TLS."""
        super().__init__(clock, accept, sent, connection)
        self._secure = secure

    def open(self) -> None:
        """Tell the connection that it is made; on TLS who came is not yet taken."""
        if not self._secure:
            self.admit(Transport.TCP)
        super().open()

    def secured(self, peer: Peer, now: float) -> None:
        """Tell the connection who is there."""
        self.admit(Transport.TLS)
        super().open()
        if self.connection is not None:
            self.connection.secured(peer, now)

    def receive(self, data: bytes, now: float) -> None:
        """Hand on what came."""
        self.open()
        if self.connection is not None:
            self.connection.receive(data, now)

    def to_send(self) -> list[bytes]:
        """Return what is to be sent next."""
        return self._more()

    def on_timer(self, now: float) -> None:
        """Nothing: the endpoint's timers are for all its connections."""

    def next_timer(self) -> float | None:
        """Return None: there is nothing to wait for here."""
        return None


class MsrpWebSocket(WebSocketServer, MsrpCore):
    """Chunks, one a WebSocket message, of a browser that connected to us (RFC 7977)."""

    subprotocol = "msrp"

    def __init__(
        self,
        clock: Callable[[], float],
        accept: Accept,
        sent: Heard,
        *,
        origins: Collection[str] = (),
    ) -> None:
        """Let the pages of `origins` in."""
        MsrpCore.__init__(self, clock, accept, sent, None)
        WebSocketServer.__init__(self, began=clock(), origins=origins, most=MOST)
        self._peer: Peer | None = None

    def secured(self, peer: Peer, now: float) -> None:
        """Remember who is there until there is a WebSocket."""
        self._peer = peer

    def receive(self, data: bytes, now: float) -> None:
        """Answer the handshake; hand on each message that is whole."""
        super().receive(data, now)
        if self._frames is not None:
            self._meet(now)

    def to_send(self) -> list[bytes]:
        """Return what is to be sent next, each chunk in a frame of its own."""
        for chunk in self._more():
            self.send(chunk)
        return super().to_send()

    def finish(self) -> None:
        """Say goodbye behind what is left."""
        super().finish()
        for chunk in self._more():
            self.send(chunk)
        self.farewell()

    def _meet(self, now: float) -> None:
        """Begin with MSRP, and say who is there."""
        if self.connection is None:
            self.admit(Transport.WS)
            if self.connection is not None and self._peer is not None:
                self.connection.secured(self._peer, now)

    def _deliver(self, data: bytes) -> None:
        self._meet(self.used)
        if self.connection is not None:
            self.connection.receive(data, self.used)
