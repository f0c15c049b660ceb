"""SIP messages out of a stream of bytes (RFC 3261 §7.5, §18.3; RFC 5626 §3.5.1 pings)."""

from dataclasses import dataclass
from typing import TypeAlias, final

from dragoman.sip.failure import SipError
from dragoman.sip.head import head_end
from dragoman.sip.message import MAX_MESSAGE, Request, Response, parse_head, salvage

_PING = b"\r\n\r\n"


@final
@dataclass(frozen=True, slots=True)
class Ping:
    """An empty line twice between messages: the peer wants one back (RFC 5626 §3.5.1)."""


Event: TypeAlias = Request | Response | Ping


@final
class Framer:
    """Cuts what arrives on one connection into messages, by their Content-Length.

    The first error is the last thing it sees: nothing says where the next message would begin.
    """

    def __init__(self, *, max_message: int = MAX_MESSAGE) -> None:
        """Refuse messages longer than `max_message` bytes, head and body together."""
        self.error: SipError | None = None
        self._max = max_message
        self._buffer = bytearray()
        self._scanned = 0
        self._message: Request | Response | None = None
        self._missing = 0

    @property
    def partial(self) -> bool:
        """Whether a message has begun to arrive and is not whole; half a ping is no beginning."""
        begun = len(self._buffer) > 4 or bool(self._buffer.strip(b"\r\n"))
        return self._message is not None or begun

    def receive(self, data: bytes) -> list[Event]:
        """Take the next bytes of the stream; return the messages and pings they complete.

        After a violation `error` says what it was, with the request to answer if there is one:
        400 for a malformed head or one without a good Content-Length, 505 for another version,
        414 or 513 for what is too long. Events before it are still returned; a call after it
        raises it.
        """
        if self.error is not None:
            raise self.error
        self._buffer += data
        events: list[Event] = []
        try:
            while (event := self._next()) is not None:
                events.append(event)
        except SipError as error:
            self.error = error
            self._buffer.clear()
        return events

    def drop_pong(self) -> None:
        """Forget a line end that stands alone: the answer to a ping, not one half of another."""
        if self._message is None and self._buffer == b"\r\n":
            self._buffer.clear()
            self._scanned = 0

    def _next(self) -> Event | None:
        if self._message is None:
            if self._skip_empty_lines():
                return Ping()
            self._message = self._take_head()
        message = self._message
        if message is None or len(self._buffer) < self._missing:
            return None
        message.body = bytes(self._buffer[: self._missing])
        del self._buffer[: self._missing]
        self._message = None
        return message

    def _skip_empty_lines(self) -> bool:
        """Drop line ends before a message; True when they were a ping, which is dropped too."""
        buffer = self._buffer
        while buffer.startswith((b"\r", b"\n")):
            if buffer.startswith(_PING):
                del buffer[:4]
                return True
            if _PING.startswith(buffer):
                return False
            del buffer[: 2 if buffer.startswith(b"\r\n") else 1]
        return False

    def _take_head(self) -> Request | Response | None:
        # The empty line may have been cut in two by the last call.
        found = head_end(self._buffer, max(0, self._scanned - 2))
        end, begin = found or (len(self._buffer), len(self._buffer))
        if begin > self._max:
            raise self._refusal(f"head longer than {self._max} bytes", 513)
        self._scanned = 0 if found else begin
        if found is None:
            return None
        try:
            message = parse_head(bytes(self._buffer[:end]))
            self._missing = self._body_length(message, begin)
        except SipError as error:
            raise self._refusal(error.reason, error.status) from None
        del self._buffer[:begin]
        return message

    def _body_length(self, message: Request | Response, begin: int) -> int:
        length = message.content_length
        if length is None:
            raise SipError("no Content-Length on a stream")
        if begin + length > self._max:
            raise SipError(f"message longer than {self._max} bytes", 513)
        return length

    def _refusal(self, reason: str, status: int) -> SipError:
        error = SipError(reason, status)
        error.request = salvage(bytes(self._buffer[: self._max]))
        return error
