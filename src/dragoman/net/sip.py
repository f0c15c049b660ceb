"""SIP's transports (RFC 3261 §18): the endpoint joined to UDP sockets, TCP and TLS connections."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import getLogger
from typing import Final, Protocol, cast

from dragoman.log import about
from dragoman.net.dial import Unreachable, connect
from dragoman.net.driver import Bounds, StreamDriver
from dragoman.net.listen import Gate, Listener, Place, bind, listen
from dragoman.net.siptcp import SipStream
from dragoman.net.tls import Tls
from dragoman.net.trust import Use
from dragoman.net.udp import DatagramSocket
from dragoman.sip.endpoint import Endpoint, Flow, Outgoing, Target, Transport
from dragoman.sip.guard import Guard
from dragoman.sip.header import canonical
from dragoman.sip.message import Request, Response, encode
from dragoman.trace import Direction, Tap, of_sip
from dragoman.trace import Protocol as Side

log = getLogger(__name__)

SCHEMES: Final = ("udp", "tcp", "tls")
SWEEP: Final = 10.0
CLOSINGS: Final = 100
"""Connections that are closed at once; if more have to be, the next are soon after."""
SOON: Final = 0.1
ROUNDS: Final = 3
"""How often in one turn the owner is asked again, because what it did may have had events."""

Stream = tuple[Transport, str, int, str]
Datagram = tuple[bytes, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of connections: how many we open, and for how many seconds they may be idle."""

    opened: int = 1024
    idle: float = 3600.0
    silent: float = 32.0
    """Seconds after which a connection is closed that has not carried one whole message."""
    waiting: int = 256 * 1024
    """Bytes that may wait for one connection to be made."""
    patience: float = 10.0
    """Seconds that connecting to one target may take."""
    bounds: Bounds = field(default_factory=lambda: Bounds(hard=1 << 20))


class Listening(Protocol):
    """What listens at one place."""

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The addresses and ports bound."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The UDP sockets of one place."""

    place: Place
    addresses: tuple[tuple[str, int], ...]


class SipSockets:
    """Drives one endpoint: what arrives goes in, what it has to send goes out, one alarm rings."""

    def __init__(
        self,
        endpoint: Endpoint,
        on_events: Callable[[Endpoint], None],
        tls: Tls,
        *,
        clock: Callable[[], float] | None = None,
        tap: Tap | None = None,
        gate: Gate | None = None,
        limits: Limits | None = None,
        guard: Guard | None = None,
    ) -> None:
        """Call `on_events` once after each turn in which the endpoint ran; needs a running loop.

        `clock` gives absolute seconds, the loop's own unless told otherwise.
        """
        self.endpoint = endpoint
        self._on_events = on_events
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._tap = tap
        self._guard = guard
        self._gate = gate or Gate()
        self._limits = limits or Limits()
        self._listeners: list[Listener] = []
        self._udp: dict[tuple[str, int], DatagramSocket] = {}
        self._numbers = 0
        self._flows: dict[int, StreamDriver] = {}
        self._opened: dict[Stream, StreamDriver | _Dialling] = {}
        self._failed: list[Flow | Target] = []
        self._turning = self._again = False
        self._waking: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._sweeping: asyncio.TimerHandle | None = None

    # -- what the owner asks ------------------------------------------------------------

    async def listen(self, place: Place) -> Listening:
        """Listen at a place of scheme udp, tcp or tls; raises LocalError saying where and why."""
        if place.scheme == "udp":
            sockets = [DatagramSocket(each, self) for each in bind(place, socket.SOCK_DGRAM)]
            self._udp.update((each.local, each) for each in sockets)
            return Bound(place, tuple(each.local for each in sockets))
        secure = place.scheme == "tls"
        listener = await listen(place, lambda: self._driver(SipStream(), secure), self._gate)
        self._listeners.append(listener)
        return listener

    def wake(self) -> None:
        """Have the endpoint's output and events looked at soon: call it after using it."""
        if self._turning:
            self._again = True
        elif self._waking is None:
            self._waking = self._loop.call_soon(self._turn)

    def vouches(self, flow: Flow, domain: str) -> bool:
        """Tell whether the TLS peer of `flow` showed a certificate for `domain` (RFC 5922)."""
        driver = self._flows.get(flow.connection)
        peer = _core(driver).peer if driver is not None else None
        return peer is not None and peer.vouches(domain)

    def stop_listening(self) -> None:
        """Accept no more connections; what is open, and UDP, goes on."""
        for listener in self._listeners:
            listener.close()

    async def close(self) -> None:
        """Send what waits, then close everything."""
        self._turn()
        self.stop_listening()
        dialling = [each for each in self._opened.values() if isinstance(each, _Dialling)]
        for dial in dialling:
            dial.task.cancel()
        await asyncio.gather(*(each.task for each in dialling), return_exceptions=True)
        gone = [asyncio.Event() for _ in self._flows]
        for driver, event in zip(list(self._flows.values()), gone, strict=True):
            driver.when_lost(event.set)
            driver.close()
        await asyncio.gather(*(event.wait() for event in gone))
        for sock in self._udp.values():
            sock.close()
        for handle in (self._timer, self._waking, self._sweeping):
            if handle is not None:
                handle.cancel()

    def describe(self) -> dict[str, object]:
        """Return sockets, listeners, connections and what the gate counted."""
        return {
            "udp": [each.describe() for each in self._udp.values()],
            "listeners": [each.describe() for each in self._listeners],
            "connections": [each.describe() for each in self._flows.values()],
            "dialling": sum(isinstance(each, _Dialling) for each in self._opened.values()),
            "gate": self._gate.describe(),
            "guard": self._guard.describe() if self._guard is not None else {},
        }

    # -- what UDP says --------------------------------------------------------------------

    def on_datagrams(self, sock: DatagramSocket, found: list[Datagram]) -> None:
        """Hand the endpoint the datagrams of one wake-up, then take its turn."""
        now = self._clock()
        tap = self._tap if self._tap is not None and self._tap.readers else None
        receive, local = self.endpoint.receive_datagram, sock.local
        if self._guard is not None:
            found = self._heard(self._guard, sock, found, now)
        for data, remote in found:
            if tap is not None:
                self._show(tap, Direction.IN, remote, data)
            receive(data, Flow(Transport.UDP, local, remote), now)
        self._turn()

    def _heard(
        self, guard: Guard, sock: DatagramSocket, found: list[Datagram], now: float
    ) -> list[Datagram]:
        """Return what the guard lets be heard; the rest it has answered, or it is dropped."""
        if sock.lag is not None:
            guard.overload.waited(sock.lag, now)
        heard: list[Datagram] = []
        look = guard.look
        for each in found:
            answer = look(each[0], each[1], now)
            if answer is None:
                heard.append(each)
                continue
            if self._tap is not None and self._tap.readers:
                self._show(self._tap, Direction.IN, each[1], each[0])
                if answer.data:
                    self._show(self._tap, Direction.OUT, answer.to, answer.data)
            if answer.data:
                sock.send(answer.data, answer.to)
        return heard

    def on_unreachable(self, sock: DatagramSocket, places: set[tuple[str, int]]) -> None:
        """Tell the endpoint which of its targets refused."""
        now = self._clock()
        for host, port in places:
            self.endpoint.unreachable(Target(Transport.UDP, host, port), now)
        self._turn()

    # -- what drivers say -------------------------------------------------------------------

    def on_events(self, driver: StreamDriver) -> None:
        """Hand the endpoint the messages of a connection, then take its turn."""
        core = _core(driver)
        if core.flow is None:
            core.flow = self._admit(driver, core)
        inbox, core.inbox = core.inbox, []
        if inbox:
            core.spoke = True
            now = self._clock()
            for message in inbox:
                if self._tap is not None and self._tap.readers:
                    self._show(self._tap, Direction.IN, driver.remote, encode(message))
                if not self._may_speak(driver, message, now):
                    break
                self.endpoint.receive(message, core.flow, now)
            self._turn()
        if core.violation:
            driver.close(core.violation)

    def _may_speak(self, driver: StreamDriver, message: Request | Response, now: float) -> bool:
        """Tell whether a message is to be heard, and those after it.

        Who sends too many is not read for a while; a scanner that has had its answers is hung up
        on.
        """
        if self._guard is None:
            return True
        driver.proven = driver.proven or self._guard.knows(driver.remote[0], now)
        if isinstance(message, Response):
            return True
        wait = self._guard.owes(message, driver.remote[0], now)
        if wait is None:
            _core(driver).violation = "a scanner"
            return False
        if wait:
            driver.pause()
            self._loop.call_later(wait, driver.resume)
        return True

    def on_congestion(self, driver: StreamDriver, congested: bool) -> None:
        """Leave it: the hard bound of the write buffer ends a peer that never catches up."""

    def on_lost(self, driver: StreamDriver, reason: str) -> None:
        """Tell the endpoint that a connection is gone, or never came to be."""
        core, now = _core(driver), self._clock()
        if core.target is not None and self._opened.get(_stream(core.target)) is driver:
            del self._opened[_stream(core.target)]
        if core.flow is None:
            return
        del self._flows[core.flow.connection]
        log.debug("connection closed", extra=about(peer=driver.remote[0], reason=reason))
        if core.target is not None and not core.ready:
            log.warning("not sent", extra=about(peer=driver.remote[0], reason=reason))
            self.endpoint.unreachable(core.target, now)
        self.endpoint.closed(core.flow, now)
        self.wake()

    # -- its turns --------------------------------------------------------------------------

    def _turn(self) -> None:
        """Let the owner act, send what there is to send, and set the alarm."""
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._turning = True
        try:
            for _ in range(ROUNDS):
                self._again = False
                self._on_events(self.endpoint)
                if not self._again:
                    break
            if self._guard is not None:
                self._guard.overload.pending(self.endpoint.waiting, self._clock())
            for outgoing in self.endpoint.to_send():
                self._send(outgoing)
        finally:
            self._turning = False
        if self._again:
            self.wake()
        if self._failed:
            failed, self._failed = self._failed, []
            now = self._clock()
            for to in failed:
                self.endpoint.unreachable(to, now)
            self.wake()
        self._rearm()

    def _send(self, outgoing: Outgoing) -> None:
        """Send over an open flow, or to a target by the way of its transport."""
        data, to = outgoing.data, outgoing.to
        tap = self._tap
        remote = to.remote if isinstance(to, Flow) else (to.address, to.port)
        if tap is not None and tap.readers:
            self._show(tap, Direction.OUT, remote, data)
        if to.transport is Transport.UDP:
            sock = self._udp.get(to.local) if isinstance(to, Flow) else self._toward(to.address)
            sent = sock is not None and sock.send(data, remote)
        elif isinstance(to, Flow):
            sent = self._send_along(self._flows.get(to.connection), data)
        else:
            sent = self._send_stream(to, data)
        if not sent:
            self._failed.append(to)

    def _toward(self, address: str) -> DatagramSocket | None:
        """Return the socket to send to an address from: of its family, loopback for loopback."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        fitting = [each for each in self._udp.values() if each.family is family]
        near = _is_loopback(address)
        for sock in fitting:
            if sock.local[0] in ("0.0.0.0", "::") or _is_loopback(sock.local[0]) is near:  # noqa: S104
                return sock
        return fitting[0] if fitting else None

    def _send_along(self, driver: StreamDriver | None, data: bytes) -> bool:
        if driver is None or not _core(driver).send(data):
            return False
        driver.wake()
        return True

    def _send_stream(self, target: Target, data: bytes) -> bool:
        """Send over the connection to `target`, which is made if there is none."""
        key = _stream(target)
        found = self._opened.get(key)
        if found is None:
            if len(self._opened) >= self._limits.opened and not self._make_room():
                return False
            core = SipStream(
                target=target, tls=target.transport is Transport.TLS, most=self._limits.waiting
            )
            found = self._opened[key] = _Dialling(core, self._limits.waiting)
            found.task = self._loop.create_task(self._dial(key, core))
        if isinstance(found, _Dialling):
            return found.add(data)
        return self._send_along(found, data)

    async def _dial(self, key: Stream, core: SipStream) -> None:
        target = cast("Target", core.target)
        secure = target.transport is Transport.TLS
        try:
            _, driver = await connect(
                [target], lambda _: self._driver(core, secure), patience=self._limits.patience
            )
        except Unreachable as error:
            del self._opened[key]
            log.debug("not connected", extra=about(reason=error.reason))
            self.endpoint.unreachable(target, self._clock())
            self.wake()
            return
        dialling = cast("_Dialling", self._opened.pop(key))
        if driver.lost:
            self.endpoint.unreachable(target, self._clock())
            self.wake()
            return
        self._opened[key] = driver
        for data in dialling.waiting:
            core.send(data)
        driver.wake()

    def _driver(self, core: SipStream, secure: bool) -> StreamDriver:
        engine = None
        if secure and core.target is not None:
            engine = self._tls.client(core.target.domain, use=Use.SIP)
        elif secure:
            engine = self._tls.server(use=Use.SIP)
        return StreamDriver(core, self, tls=engine, bounds=self._limits.bounds, clock=self._clock)

    def _admit(self, driver: StreamDriver, core: SipStream) -> Flow:
        """Give a new connection its number, and watch that it is used."""
        self._numbers += 1
        self._flows[self._numbers] = driver
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP, self._sweep)
        transport = Transport.TCP if driver.tls is None else Transport.TLS
        return Flow(transport, driver.local, driver.remote, self._numbers)

    def _sweep(self) -> None:
        """Close what has been idle for too long, a few at a time: others want their turn."""
        self._sweeping = None
        now, closed = self._clock(), 0
        for driver in list(self._flows.values()):
            if not driver.closing and self._is_idle(driver, now):
                driver.close("idle")
                closed += 1
                if closed == CLOSINGS:
                    break
        if self._flows:
            wait = SOON if closed == CLOSINGS else SWEEP
            self._sweeping = self._loop.call_later(wait, self._sweep)

    def _is_idle(self, driver: StreamDriver, now: float) -> bool:
        core, limits = _core(driver), self._limits
        if core.spoke or core.target is not None:
            return now - driver.used > limits.idle
        # whatever trickles in: what counts is that nothing whole has come
        return now - driver.began > limits.silent

    def _make_room(self) -> bool:
        """Close the connection of ours that has been idle longest; False when there is none."""
        drivers = [each for each in self._opened.values() if isinstance(each, StreamDriver)]
        if not drivers:
            return False
        oldest = min(drivers, key=lambda each: each.used)
        del self._opened[_stream(cast("Target", _core(oldest).target))]
        oldest.close("room was needed for another connection")
        return True

    def _rearm(self) -> None:
        """Set the alarm for the endpoint's next timer; one that rings earlier will do."""
        when = self.endpoint.next_timer()
        if when is None or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_later(max(0.0, when - self._clock()), self._on_alarm)

    def _on_alarm(self) -> None:
        self._timer = None
        now = self._clock()
        if self._guard is not None:
            self._guard.overload.rang_late(now - self._timer_at, now)
        self.endpoint.on_timer(now)
        self._turn()

    def _show(self, tap: Tap, direction: Direction, remote: tuple[str, int], data: bytes) -> None:
        host, port = remote
        peer = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        text = data.decode("utf-8", "replace")
        tap.saw(Side.SIP, direction, peer, key_of(text), text)


class _Dialling:
    """A connection under way, and what waits for it."""

    def __init__(self, core: SipStream, most: int) -> None:
        self.core = core
        self.waiting: list[bytes] = []
        self.task: asyncio.Task[None]
        self._room = most

    def add(self, data: bytes) -> bool:
        """Have `data` wait; False when too much does already."""
        if len(data) > self._room:
            return False
        self._room -= len(data)
        self.waiting.append(data)
        return True


def key_of(text: str) -> str:
    """Return what a message as it crossed the wire shares with its answers, for the tap."""
    found: dict[str, str] = {}
    for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:]:
        name, _, value = line.partition(":")
        found.setdefault(canonical(name.strip()), value.strip())
    return of_sip(found.get("Call-ID", ""), found.get("CSeq", ""), found.get("From", ""))


def _core(driver: StreamDriver) -> SipStream:
    return cast("SipStream", driver.core)


def _stream(target: Target) -> Stream:
    """Return what a connection is known by: with TLS also the domain that it was proved for."""
    domain = target.domain if target.transport is Transport.TLS else ""
    return target.transport, target.address, target.port, domain


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host == "::1"
