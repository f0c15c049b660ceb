"""One WebSocket (RFC 6455), the server's side: cores that a driver runs, SIP's own (RFC 7118)."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Final

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, TextMessage
from wsproto.events import Ping as WirePing
from wsproto.frame_protocol import CloseReason

from dragoman.net.handshake import Refusal, accept
from dragoman.net.siptcp import PING, PONG, WHOLE, SipCore
from dragoman.sip.message import MAX_MESSAGE

MOST_HEAD: Final = 8192
"""Bytes of the largest HTTP request head that is read."""
HANDSHAKE: Final = 10.0
"""Seconds that the HTTP request may take to arrive."""
END: Final = b"\r\n\r\n"


class WebSocketServer(ABC):
    """Whole messages out of a connection that came in, and into it.

    Compression is never agreed to: a message is as large as what was received for it. `violation`
    says why the connection is to be closed, after what waits was sent.
    """

    subprotocol: str

    def __init__(
        self, *, began: float = 0.0, origins: Collection[str] = (), most: int = MAX_MESSAGE
    ) -> None:
        """Take messages of `most` bytes, from the pages of `origins` where a browser sends them."""
        self.violation = ""
        self.began = began
        self.used = began
        """When something was last said: a message, or a ping of the peer's."""
        self._out: list[bytes] = []
        self._origins = origins
        self._most = most
        self._head = bytearray()
        self._frames: Connection | None = None
        self._message = bytearray()
        self._since: float | None = None

    @abstractmethod
    def _deliver(self, data: bytes) -> None:
        """Take a whole message."""

    def send(self, data: bytes) -> bool:
        """Have a message sent: as text where it is UTF-8 (RFC 7118 §4.2); False: nobody listens."""
        if self._frames is None or self.violation:
            return False
        try:
            event: Event = TextMessage(data=data.decode())
        except UnicodeDecodeError:
            event = BytesMessage(data=data)
        self._out.append(self._frames.send(event))
        return True

    def receive(self, data: bytes, now: float) -> None:
        """Answer the handshake, then collect messages; what breaks the protocol ends it."""
        if self.violation:
            return
        if self._frames is None:
            data = self._shake_hands(data)
        if self._frames is None or not data:
            return
        self._frames.receive_data(data)
        for event in self._frames.events():
            self._take(self._frames, event, now)
            if self.violation:
                return
        if not self._message:
            self._since = None
        elif self._since is None:
            self._since = now

    def on_timer(self, now: float) -> None:
        """Refuse who is too slow to ask for a WebSocket, or over a message."""
        when = self.next_timer()
        if when is None or when > now:
            return
        if self._frames is not None:
            self._end(self._frames, CloseReason.POLICY_VIOLATION, "a message took too long")
        else:
            self._refuse(Refusal(408, "the WebSocket handshake took too long"))

    def next_timer(self) -> float | None:
        """Return when the handshake, or a message that has begun, must be over; None: neither."""
        if self.violation:
            return None
        if self._frames is None:
            return self.began + HANDSHAKE
        return None if self._since is None else self._since + WHOLE

    def to_send(self) -> list[bytes]:
        """Return what is to be sent, and forget it."""
        out, self._out = self._out, []
        return out

    def farewell(self) -> None:
        """Say that we go away."""
        if self._frames is not None and not self.violation:
            self._end(self._frames, CloseReason.GOING_AWAY, "closed by us")

    def _shake_hands(self, data: bytes) -> bytes:
        """Take a piece of the HTTP request; return what follows it, empty while it is not whole."""
        self._head += data
        end = self._head.find(END)
        if end + len(END) > MOST_HEAD or (end < 0 and len(self._head) >= MOST_HEAD):
            self._refuse(Refusal(431, "an HTTP request head that is too large"))
            return b""
        if end < 0:
            return b""
        head, rest = bytes(self._head[: end + len(END)]), bytes(self._head[end + len(END) :])
        self._head.clear()
        try:
            self._out.append(accept(head, self._origins, subprotocol=self.subprotocol))
        except Refusal as refusal:
            self._refuse(refusal)
            return b""
        self._frames = Connection(ConnectionType.SERVER)
        return rest

    def _refuse(self, refusal: Refusal) -> None:
        self._head.clear()
        self._out.append(refusal.answer)
        self.violation = refusal.reason

    def _take(self, frames: Connection, event: Event, now: float) -> None:
        match event:
            case TextMessage() | BytesMessage():
                self._collect(frames, event, now)
            case WirePing():
                self.used = now
                self._out.append(frames.send(event.response()))
            case CloseConnection(code=code):
                # the peer's own close is given back; a broken frame is answered with its code
                bad_text = code == CloseReason.INVALID_FRAME_PAYLOAD_DATA
                self._end(frames, code, "not UTF-8" if bad_text else event.reason or "")

    def _collect(self, frames: Connection, event: TextMessage | BytesMessage, now: float) -> None:
        """Add a piece of a message, and have it read when it is whole."""
        self._message += event.data.encode() if isinstance(event, TextMessage) else event.data
        if len(self._message) > self._most:
            reason = f"message longer than {self._most} bytes"
            self._end(frames, CloseReason.MESSAGE_TOO_BIG, reason)
        elif event.message_finished:
            whole = bytes(self._message)
            self._message.clear()
            self._since = None
            self.used = now
            self._deliver(whole)

    def _end(self, frames: Connection, code: int, reason: str) -> None:
        """Say why it is over, and have the connection closed."""
        self._out.append(frames.send(CloseConnection(code=code, reason=reason)))
        self._message.clear()
        self.violation = reason or "closed by the peer"


class SipWebSocket(WebSocketServer, SipCore):
    """SIP messages, one a WebSocket message (RFC 7118)."""

    subprotocol = "sip"

    def __init__(
        self, *, began: float = 0.0, origins: Collection[str] = (), most: int = MAX_MESSAGE
    ) -> None:
        """Take messages of `most` bytes, from the pages of `origins` where a browser sends them."""
        SipCore.__init__(self, None, began)
        WebSocketServer.__init__(self, began=began, origins=origins, most=most)

    def _deliver(self, data: bytes) -> None:
        """Keep a message to be read; answer a ping of SIP's own (RFC 7118 §6)."""
        if data.strip(b"\r\n"):
            self.inbox.append(data)
        elif data == PING:
            self.send(PONG)
