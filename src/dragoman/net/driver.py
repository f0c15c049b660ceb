"""The driver of stream cores: lends a core one TCP connection, TLS where asked, and a clock."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, cast, runtime_checkable

from dragoman.errors import ProtocolError
from dragoman.net.tls import Peer, TlsEngine

CLOSED: Final = "closed by the peer"


class Core(Protocol):
    """What the driver needs of a stream core: bytes in, bytes out, one timer."""

    def receive(self, data: bytes, now: float) -> None:
        """Take what the peer sent."""

    def on_timer(self, now: float) -> None:
        """Do what is due."""

    def next_timer(self) -> float | None:
        """Return when something is due; None means nothing is pending."""

    def to_send(self) -> list[bytes]:
        """Return what is to be sent, and forget it."""

    def closed(self, now: float) -> None:
        """Learn that the connection ended."""


@runtime_checkable
class Securable(Protocol):
    """A core that wants to know who is at the other end of TLS."""

    def secured(self, peer: Peer, now: float) -> None:
        """Learn that TLS is complete, and with whom."""


class Owner(Protocol):
    """Who hears what a driver has to say; the same owner may have many drivers."""

    def on_events(self, driver: "StreamDriver") -> None:
        """Drain the core's events: called once after each turn in which the core ran."""

    def on_congestion(self, driver: "StreamDriver", congested: bool) -> None:
        """Learn that the peer reads more slowly than we write, or has caught up."""

    def on_lost(self, driver: "StreamDriver", reason: str) -> None:
        """Learn that the connection is gone and why; the core has been told, nothing follows."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait to be written: `high` reports congestion, `hard` drops the connection."""

    high: int = 256 * 1024
    low: int = 64 * 1024
    hard: int = 4 * 1024 * 1024
    closing: float = 5.0
    handshake: float = 30.0


class StreamDriver(asyncio.Protocol):
    """Joins one core to one connection.

    Output is collected and written once a loop turn. A `ProtocolError` out of the core or of
    TLS, a full write buffer, or a peer that will not finish TLS or closing ends the connection.
    """

    def __init__(
        self,
        core: Core,
        owner: Owner,
        *,
        tls: TlsEngine | None = None,
        bounds: Bounds | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Drive `core` for `owner`; with `tls` everything is ciphertext from the first byte.

        `clock` gives absolute seconds, the loop's own unless told otherwise.
        """
        self.core = core
        self.owner = owner
        self.tls = tls
        self.bounds = bounds or Bounds()
        self.local: tuple[str, int] = ("", 0)
        self.remote: tuple[str, int] = ("", 0)
        self.received = 0
        self.sent = 0
        self.used = 0.0
        self.began = 0.0
        self.proven = False
        """Whether the owner knows that somebody whom it serves is at the other end."""
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._transport: asyncio.Transport | None = None
        self._flushing: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._limit: asyncio.TimerHandle | None = None
        self._closing = False
        self._lost = False
        self._congested = False
        self._reason = CLOSED
        self._when_lost: list[Callable[[], None]] = []

    # -- what the owner asks ------------------------------------------------------------

    def wake(self) -> None:
        """Have the core's output and events looked at soon: call it after using the core."""
        if self._flushing is None and not self._lost:
            self._flushing = self._loop.call_soon(self._turn)

    def start_tls(self, tls: TlsEngine) -> None:
        """Send what waits in the clear, then have everything that follows pass through `tls`."""
        self._write_out()
        if self._lost:
            return
        self.tls = tls
        self._start_handshake(tls)

    def pause(self) -> None:
        """Stop reading: what the peer sends then waits in its own buffers."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, reason: str = "closed by us") -> None:
        """Send what waits, say goodbye on TLS, and close; within `bounds.closing` seconds."""
        if self._closing or self._lost:
            return
        self._write_out()
        if self._lost or self._transport is None:
            return
        self._closing = True
        self._reason = reason
        if self.tls is not None:
            self.tls.close()
            self._transport.write(self.tls.take())
        self._transport.close()
        self._set_limit(self.bounds.closing, reason)

    def abort(self, reason: str) -> None:
        """Close at once, whatever waits."""
        if self._transport is not None and not self._lost:
            self._reason = reason
            self._transport.abort()

    def reset(self, reason: str) -> None:
        """Close at once, and take back what the kernel has not delivered (RFC 9293 §3.10.5)."""
        if self._transport is not None and not self._lost:
            # With no time to linger the kernel forgets what waits, and sends RST.
            found = self._transport.get_extra_info("socket")
            if found is not None:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.abort(reason)

    def when_lost(self, call: Callable[[], None]) -> None:
        """Have `call` made when the connection is gone, before the owner hears of it."""
        self._when_lost.append(call)

    @property
    def waiting(self) -> int:
        """How many bytes are written and not yet taken by the kernel."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._lost

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed: what else the peer sends is not looked at."""
        return self._closing or self._lost

    def describe(self) -> dict[str, str | int | bool]:
        """Return addresses, counts of bytes, and whether it is encrypted, congested, closing."""
        return {
            "local": _endpoint(self.local),
            "remote": _endpoint(self.remote),
            "received": self.received,
            "sent": self.sent,
            "waiting": self.waiting,
            "tls": self.tls is not None and self.tls.done,
            "congested": self._congested,
            "closing": self._closing,
        }

    # -- what asyncio says ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: TLS from the start where there is an engine, and the core's first words."""
        # uvloop's transports are asyncio's in all but class
        self._transport = stream = cast("asyncio.Transport", transport)
        stream.set_write_buffer_limits(self.bounds.high, self.bounds.low)
        self.local = _pair(transport.get_extra_info("sockname"))
        self.remote = _pair(transport.get_extra_info("peername"))
        self.used = self.began = self._clock()
        if self.tls is not None:
            self._start_handshake(self.tls)
        self.wake()

    def data_received(self, data: bytes) -> None:
        """Hand the core what came, decrypted where it must be."""
        if self._closing or self._lost:
            return
        self.received += len(data)
        self.used = now = self._clock()
        try:
            if self.tls is not None:
                data = self._decrypted(self.tls, data, now)
            if data:
                self.core.receive(data, now)
        except ProtocolError as error:
            self._fail(error.reason)
            return
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._turn)
        if self.tls is not None and self.tls.over:
            self.close(CLOSED)

    def eof_received(self) -> bool:
        """Close: a peer that will not speak is not listened to, though what waits is sent."""
        if self.tls is not None and not self.tls.over and not self._closing:
            self._reason = "closed by the peer in the middle of TLS"
        self._write_out()
        return False

    def pause_writing(self) -> None:
        """Tell the owner that the peer reads too slowly."""
        self._congested = True
        self.owner.on_congestion(self, True)

    def resume_writing(self) -> None:
        """Tell the owner that the peer has caught up."""
        self._congested = False
        self.owner.on_congestion(self, False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the core, then the owner, once."""
        if self._lost:
            return
        self._lost = True
        if exc is not None and self._reason == CLOSED:
            self._reason = _why(exc)
        for handle in (self._timer, self._flushing, self._limit):
            if handle is not None:
                handle.cancel()
        self._timer = self._flushing = self._limit = None
        self.core.closed(self._clock())
        for call in self._when_lost:
            call()
        self.owner.on_events(self)
        self.owner.on_lost(self, self._reason)

    # -- its turns ------------------------------------------------------------------------

    def _turn(self) -> None:
        """Let the owner act, write what there is to write, and set the timer."""
        self._flushing = None
        self.owner.on_events(self)
        self._write_out()
        self._rearm()

    def _write_out(self) -> None:
        """Write what the core has to send; drop the connection when the buffer is full."""
        parts = self.core.to_send()
        if not parts or self._transport is None or self._closing or self._lost:
            return
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if self.tls is not None:
            try:
                self.tls.write(data)
            except ProtocolError as error:
                self._fail(error.reason)
                return
            data = self.tls.take()
        self._write(data)

    def _write(self, data: bytes) -> None:
        if not data or self._transport is None:
            return
        self.sent += len(data)
        self.used = self._clock()
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self.bounds.hard:
            self.abort("the peer does not read what we send")

    def _decrypted(self, tls: TlsEngine, data: bytes, now: float) -> bytes:
        """Return what `data` says; tell the core when the handshake is complete."""
        before = tls.done
        try:
            data = tls.feed(data)
        finally:
            self._write(tls.take())
        if tls.done and not before:
            if self._limit is not None:
                self._limit.cancel()
            if isinstance(self.core, Securable):
                self.core.secured(tls.peer, now)
        return data

    def _start_handshake(self, tls: TlsEngine) -> None:
        try:
            tls.start()
        except ProtocolError as error:
            self._fail(error.reason)
            return
        self._write(tls.take())
        self._set_limit(self.bounds.handshake, "TLS took too long")

    def _fail(self, reason: str) -> None:
        """Close for `reason`, sending what already waits in the transport (an alert, say)."""
        if self._transport is None or self._closing or self._lost:
            return
        self._closing = True
        self._reason = reason
        self._transport.close()
        self._set_limit(self.bounds.closing, reason)

    def _set_limit(self, seconds: float, reason: str) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = self._loop.call_later(seconds, self.abort, reason)

    def _rearm(self) -> None:
        """Set the loop's alarm for the core's; one that is set for earlier will do."""
        when = self.core.next_timer()
        if when is None or self._lost or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        # the delay is taken of our own clock, which need not be the loop's
        self._timer = self._loop.call_later(max(0.0, when - self._clock()), self._on_alarm)

    def _on_alarm(self) -> None:
        self._timer = None
        when, now = self.core.next_timer(), self._clock()
        if when is not None and when <= now:
            self.core.on_timer(now)
            self.wake()
        else:
            self._rearm()


def _pair(name: object) -> tuple[str, int]:
    """Return host and port of a socket's name; of one that is gone, nothing."""
    if isinstance(name, tuple) and len(name) >= 2:
        return str(name[0]).partition("%")[0], int(name[1])
    return "", 0


def _endpoint(pair: tuple[str, int]) -> str:
    return f"[{pair[0]}]:{pair[1]}" if ":" in pair[0] else f"{pair[0]}:{pair[1]}"


def _why(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
