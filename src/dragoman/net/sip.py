"""SIP's transports (RFC 3261 §18, RFC 7118): the endpoint joined to UDP sockets and connections."""

import asyncio
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from logging import getLogger
from random import SystemRandom
from typing import Final, Protocol, cast

from dragoman.log import about
from dragoman.net.dial import Unreachable, connect
from dragoman.net.driver import Bounds, StreamDriver
from dragoman.net.identity import Identity
from dragoman.net.listen import Gate, Listener, Place, bind, listen
from dragoman.net.opened import Dialling, Opened
from dragoman.net.reuse import Aliases
from dragoman.net.siptcp import SipStream
from dragoman.net.tls import Tls
from dragoman.net.trust import Use
from dragoman.net.udp import DatagramSocket
from dragoman.net.websocket import SipWebSocket
from dragoman.sip import stun
from dragoman.sip.endpoint import Endpoint, Flow, Outgoing, Target, Transport
from dragoman.sip.guard import Guard
from dragoman.sip.header import canonical
from dragoman.sip.locate import DIALLED
from dragoman.sip.message import Request, Response, SipError, encode, parse
from dragoman.trace import Direction, Tap, of_sip
from dragoman.trace import Protocol as Side

log = getLogger(__name__)

SCHEMES: Final = ("udp", "tcp", "tls", "ws", "wss")
SWEEP: Final = 10.0
KEEP_ALIVE: Final = (95.0, 120.0)
"""Seconds between two pings on a connection that we opened, by chance (RFC 5626 §4.4.1)."""
MUTE: Final = "no answer to a keep-alive"
CLOSINGS: Final = 100
"""Connections that are closed at once; if more have to be, the next are soon after."""
SOON: Final = 0.1
ROUNDS: Final = 3
"""How often in one turn the owner is asked again, because what it did may have had events."""

Core = SipStream | SipWebSocket
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
        origins: Collection[str] = (),
        guard: Guard | None = None,
    ) -> None:
        """Call `on_events` once after each turn in which the endpoint ran; needs a running loop.

        `clock` gives absolute seconds, the loop's own unless told otherwise. Browsers may open
        WebSockets from the pages of `origins`.
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
        self._origins = origins
        self._chance = SystemRandom()
        self._stun = 0
        self._listeners: list[Listener] = []
        self._udp: dict[tuple[str, int], DatagramSocket] = {}
        self._numbers = 0
        self._flows: dict[int, StreamDriver] = {}
        self._opened = Opened(self._limits.opened)
        self._aliases = Aliases(_identity)
        self._failed: list[Outgoing] = []
        self._turning = self._again = False
        self._waking: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._sweeping: asyncio.TimerHandle | None = None

    # -- what the owner asks ------------------------------------------------------------

    async def listen(self, place: Place) -> Listening:
        """Listen at a place of one of SCHEMES; raises LocalError saying where and why."""
        if place.scheme == "udp":
            sockets = [DatagramSocket(each, self) for each in bind(place)]
            self._udp.update((each.local, each) for each in sockets)
            return Bound(place, tuple(each.local for each in sockets))
        web, secure = place.scheme in ("ws", "wss"), place.scheme in ("tls", "wss")
        listener = await listen(place, lambda: self._incoming(web, secure), self._gate)
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
        who = _core(driver).identity if driver is not None else None
        return who is not None and who.vouches(domain, self._clock())

    def stop_listening(self) -> None:
        """Accept no more connections; what is open, and UDP, goes on."""
        for listener in self._listeners:
            listener.close()

    async def close(self) -> None:
        """Send what waits, then close everything."""
        self._turn()
        self.stop_listening()
        dialling = self._opened.dialling()
        for dial in dialling:
            dial.task.cancel()
        await asyncio.gather(*(each.task for each in dialling), return_exceptions=True)
        gone = [asyncio.Event() for _ in self._flows]
        for driver, event in zip(list(self._flows.values()), gone, strict=True):
            driver.when_lost(event.set)
            _core(driver).farewell()
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
            "dialling": len(self._opened.dialling()),
            "aliases": len(self._aliases),
            "stun": self._stun,
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
            if data[:1] < stun.FIRST:
                self._answer_stun(sock, data, remote)
                continue
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

    def _answer_stun(self, sock: DatagramSocket, data: bytes, remote: tuple[str, int]) -> None:
        answer = stun.answer(data, remote)
        if answer is not None:
            self._stun += 1
            sock.send(answer, remote)

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
                if not self._receive(message, driver, core.flow, now):
                    break
            self._turn()
        if core.mute:
            driver.abort(MUTE)
        elif core.violation:
            driver.close(core.violation)

    def _receive(
        self, message: Request | Response | bytes, driver: StreamDriver, flow: Flow, now: float
    ) -> bool:
        """Hand on a message off a connection; tell whether those after it are to be heard."""
        if self._tap is not None and self._tap.readers:
            data = message if isinstance(message, bytes) else encode(message)
            self._show(self._tap, Direction.IN, driver.remote, data)
        core = _core(driver)
        if isinstance(message, bytes):  # off a WebSocket, which keeps messages apart as UDP does
            whole = _read(message)
            if whole is None:
                self.endpoint.receive_datagram(message, flow, now)
                core.violation = core.violation or "what came is no SIP message"
                return False
            message = whole
        if not self._may_speak(driver, message, now):
            return False
        if core.identity is not None and core.target is None and isinstance(message, Request):
            self._aliases.learn(driver, message)
        self.endpoint.receive(message, flow, now)
        return True

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
        if core.target is not None:
            self._opened.end(core.target, driver)
        if core.flow is None:
            return
        del self._flows[core.flow.connection]
        log.debug("connection closed", extra=about(peer=driver.remote[0], reason=reason))
        used_for = self._aliases.forget(driver)
        if core.target is not None and not core.ready:
            log.warning("not sent", extra=about(peer=driver.remote[0], reason=reason))
        if core.target is not None and (not core.ready or core.flow.transport is Transport.TLS):
            used_for.add(core.target)
        for target in used_for:
            self.endpoint.unreachable(target, now)
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
            for outgoing in failed:
                self.endpoint.unsent(outgoing, now)
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
            sent = to.transport in DIALLED and self._send_stream(to, data)
        if not sent:
            self._failed.append(outgoing)

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
        _core(driver).used = self._clock()
        driver.wake()
        return True

    def _alias(self, target: Target) -> StreamDriver | None:
        """Return a connection that came in for requests to `target`; it is pinged like ours."""
        now = self._clock()
        driver = self._aliases.find(target, now)
        if driver is not None and isinstance(core := _core(driver), SipStream):
            core.keep_alive(self._pause, now)
        return driver

    def _pause(self) -> float:
        return self._chance.uniform(*KEEP_ALIVE)

    def _send_stream(self, target: Target, data: bytes) -> bool:
        """Send over the connection to `target`, or one that came from there; else make one."""
        found = self._opened.find(target) or self._alias(target)
        if found is None:
            core = SipStream(
                target=target,
                tls=target.transport is Transport.TLS,
                most=self._limits.waiting,
                began=self._clock(),
                pause=self._pause,
            )
            found = Dialling(core, self._limits.waiting)
            if not self._opened.begin(target, found):
                return False
            found.task = self._loop.create_task(self._dial(target, found))
        if isinstance(found, Dialling):
            return found.add(data)
        return self._send_along(found, data)

    async def _dial(self, target: Target, dialling: Dialling) -> None:
        core, secure = dialling.core, target.transport is Transport.TLS
        try:
            _, driver = await connect(
                [target], lambda _: self._driver(core, secure), patience=self._limits.patience
            )
        except Unreachable as error:
            log.debug("not connected", extra=about(reason=error.reason))
            self._undialled(target)
            return
        if driver.lost:
            self._undialled(target)
            return
        self._opened.made(target, driver)
        for data in dialling.waiting:
            core.send(data)
        driver.wake()

    def _undialled(self, target: Target) -> None:
        self._opened.end(target)
        self.endpoint.unreachable(target, self._clock())
        self.wake()

    def _incoming(self, web: bool, secure: bool) -> StreamDriver:
        now = self._clock()
        core = SipWebSocket(began=now, origins=self._origins) if web else SipStream(began=now)
        return self._driver(core, secure)

    def _driver(self, core: Core, secure: bool) -> StreamDriver:
        engine, target = None, core.target
        if secure and target is not None:
            engine = self._tls.client(target.domain, local=target.local, use=Use.SIP)
        elif secure:
            alpn = ("http/1.1",) if isinstance(core, SipWebSocket) else ()
            engine = self._tls.server(alpn=alpn, use=Use.SIP)
        return StreamDriver(core, self, tls=engine, bounds=self._limits.bounds, clock=self._clock)

    def _admit(self, driver: StreamDriver, core: Core) -> Flow:
        """Give a new connection its number, and watch that it is used."""
        self._numbers += 1
        self._flows[self._numbers] = driver
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP, self._sweep)
        web, secure = isinstance(core, SipWebSocket), driver.tls is not None
        return Flow(_TRANSPORTS[web, secure], driver.local, driver.remote, self._numbers)

    def _sweep(self) -> None:
        """Close what has been idle for too long, a few at a time: others want their turn."""
        self._sweeping = None
        now, closed = self._clock(), 0
        for driver in list(self._flows.values()):
            if not driver.closing and self._is_idle(driver, now):
                _core(driver).farewell()
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
            return now - core.used > limits.idle
        # whatever trickles in: what counts is that nothing whole has come
        return now - core.began > limits.silent

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


def key_of(text: str) -> str:
    """Return what a message as it crossed the wire shares with its answers, for the tap."""
    found: dict[str, str] = {}
    for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:]:
        name, _, value = line.partition(":")
        found.setdefault(canonical(name.strip()), value.strip())
    return of_sip(found.get("Call-ID", ""), found.get("CSeq", ""), found.get("From", ""))


_TRANSPORTS: Final = {
    (False, False): Transport.TCP,
    (False, True): Transport.TLS,
    (True, False): Transport.WS,
    (True, True): Transport.WSS,
}


def _read(data: bytes) -> Request | Response | None:
    """Return the message in `data`, None where there is none that can be read."""
    try:
        return parse(data)
    except SipError:
        return None


def _core(driver: StreamDriver) -> Core:
    return cast("Core", driver.core)


def _identity(driver: StreamDriver) -> Identity | None:
    return _core(driver).identity


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host == "::1"
