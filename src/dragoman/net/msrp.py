"""MSRP's transports (RFC 4975, RFC 4976 §8, RFC 7977): its endpoint joined to connections."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from logging import getLogger
from random import SystemRandom
from typing import Final, cast

from dragoman.log import about
from dragoman.msrp import CloseWanted, Connection, ConnectWanted, Endpoint, Event, Target, Transport
from dragoman.net.dial import Unreachable, connect
from dragoman.net.dns import Resolver
from dragoman.net.driver import Bounds, StreamDriver
from dragoman.net.listen import Gate, Listener, Place, listen
from dragoman.net.msrpstream import MsrpStream, MsrpWebSocket
from dragoman.net.tls import Tls, TlsEngine
from dragoman.net.trust import Use, a_label
from dragoman.records import Chance, DnsFailure, Kind, Question, Srv, in_order
from dragoman.sip.locate import is_address

log = getLogger(__name__)

SCHEMES: Final = ("tcp", "tls", "wss")
ROUNDS: Final = 8
"""How often in one turn what happened is asked for: what the owner does may have events, too."""
MOST_RECORDS: Final = 8
"""SRV records, and addresses, that are tried for one relay or peer."""

Core = MsrpStream | MsrpWebSocket


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of connections; how many there are is the endpoint's to say, and the gate's.

    Beyond `bounds.high` octets written and not taken by the kernel, nothing more is asked of MSRP.
    """

    patience: float = 10.0
    """Seconds that connecting to one address may take."""
    whole: float = 30.0
    """Seconds that finding, and connecting to, a peer may take in all."""
    bounds: Bounds = field(
        default_factory=lambda: Bounds(high=1 << 17, low=1 << 15, hard=1 << 20, handshake=10.0)
    )


@dataclass(frozen=True, slots=True)
class At:
    """An address and port to connect to."""

    address: str
    port: int


class MsrpSockets:
    """Lends an endpoint connections, a clock and one alarm; tells its owner what happens."""

    def __init__(
        self,
        endpoint: Endpoint,
        on_events: Callable[[Sequence[Event]], None],
        tls: Tls,
        resolver: Resolver,
        *,
        clock: Callable[[], float] | None = None,
        gate: Gate | None = None,
        limits: Limits | None = None,
        origins: Collection[str] = (),
        chance: Chance | None = None,
        dials: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Call `on_events` with all that the endpoint tells its user, in order; needs a loop.

        `clock` gives absolute seconds, the loop's own unless told otherwise. Browsers may open
        WebSockets from the pages of `origins`. `dials` tells of an address whether it may be
        connected to: a peer names where we are to connect, and may mean somebody else.
        """
        self.endpoint = endpoint
        self._on_events = on_events
        self._tls = tls
        self._resolver = resolver
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._gate = gate or Gate()
        self._limits = limits or Limits()
        self._origins = origins
        self._chance = chance or SystemRandom()
        self._dials = dials
        self._listeners: list[Listener] = []
        self._drivers: dict[StreamDriver, None] = {}
        self._of: dict[Connection, StreamDriver] = {}
        self._dialling: dict[Connection, asyncio.Task[None]] = {}
        self._turning = self._again = False
        self._waking: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    # -- what the owner asks ------------------------------------------------------------

    async def listen(self, place: Place) -> Listener:
        """Listen at a place of one of SCHEMES; raises LocalError saying where and why."""
        listener = await listen(place, partial(self._incoming, place.scheme), self._gate)
        self._listeners.append(listener)
        return listener

    def wake(self) -> None:
        """Have the endpoint's output and events looked at soon: call it after using it."""
        if self._turning:
            self._again = True
        elif self._waking is None:
            self._waking = self._loop.call_soon(self._turn)

    def stop_listening(self) -> None:
        """Accept no more connections; those that are open go on."""
        for listener in self._listeners:
            listener.close()

    async def close(self) -> None:
        """Send what waits, then close everything, within `bounds.closing` seconds."""
        self.stop_listening()
        self._turn()
        dialling = list(self._dialling.values())
        for task in dialling:
            task.cancel()
        await asyncio.gather(*dialling, return_exceptions=True)
        gone = [asyncio.Event() for _ in self._drivers]
        for driver, event in zip(list(self._drivers), gone, strict=True):
            driver.when_lost(event.set)
            self._close(driver, "closed by us")
        await asyncio.gather(*(event.wait() for event in gone))
        self._turn()
        for handle in (self._timer, self._waking):
            if handle is not None:
                handle.cancel()

    def describe(self) -> dict[str, object]:
        """Return listeners, connections, and what gate and endpoint counted."""
        return {
            "listeners": [each.describe() for each in self._listeners],
            "connections": [each.describe() for each in self._drivers],
            "dialling": len(self._dialling),
            "gate": self._gate.describe(),
            "counts": dict(self.endpoint.counts),
        }

    # -- what drivers say -------------------------------------------------------------------

    def on_events(self, driver: StreamDriver) -> None:
        """Take a turn: something came, or more may be sent."""
        core = _core(driver)
        self._drivers.setdefault(driver)
        if isinstance(core, MsrpStream):
            core.open()
        connection = core.connection
        new = connection is not None and connection not in self._of and not driver.lost
        if connection is not None and new:
            self._of[connection] = driver
        self._turn()
        if connection is not None and new:
            self._look(connection)  # whoever else took a turn before could not know whose it is
        if core.violation and not driver.closing:
            driver.close(core.violation)

    def on_congestion(self, driver: StreamDriver, congested: bool) -> None:
        """Ask nothing more of a connection whose peer reads slowly, until it has caught up."""
        _core(driver).congested = congested
        if not congested:
            driver.wake()

    def on_lost(self, driver: StreamDriver, reason: str) -> None:
        """Tell the connection that it is gone."""
        self._drivers.pop(driver, None)
        connection = _core(driver).connection
        log.debug("connection closed", extra=about(peer=driver.remote[0], reason=reason))
        if connection is not None:
            self._of.pop(connection, None)
            connection.closed(self._clock(), reason)
            self.wake()

    # -- its turns --------------------------------------------------------------------------

    def _turn(self) -> None:
        """Let the owner act, have connections send and read as they may, and set the alarm."""
        if self._turning:
            self._again = True
            return
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._turning, self._again = True, False
        try:
            for _ in range(ROUNDS):
                events = self.endpoint.events()
                if not events:
                    break
                self._tell(events)
            else:
                self._again = True
            for connection in self.endpoint.touched():
                self._look(connection)
        finally:
            self._turning = False
        if self._again:
            self.wake()
        self._rearm()

    def _tell(self, events: Sequence[Event]) -> None:
        """Do what is ours to do; the owner hears the rest."""
        theirs: list[Event] = []
        for event in events:
            match event:
                case ConnectWanted(connection):
                    task = self._loop.create_task(self._dial(connection))
                    self._dialling[connection] = task
                case CloseWanted(connection, reason):
                    self._end(connection, reason)
                case _:
                    theirs.append(event)
        if theirs:
            self._on_events(theirs)

    def _look(self, connection: Connection) -> None:
        """Read a connection or not, as it wishes, and have its output fetched."""
        driver = self._of.get(connection)
        if driver is None:
            return
        core = _core(driver)
        driver.proven = driver.proven or bool(connection.sessions)
        if core.paused is connection.reading and not driver.closing:
            core.paused = not core.paused
            if core.paused:
                driver.pause()
            else:
                driver.resume()
        if connection.has_output and not core.congested:
            driver.wake()

    def _end(self, connection: Connection, reason: str) -> None:
        """Close what MSRP has done with; what is not even made is not made."""
        task = self._dialling.get(connection)
        if task is not None:
            task.cancel()
        driver = self._of.get(connection)
        if driver is not None:
            self._close(driver, reason)

    def _close(self, driver: StreamDriver, reason: str) -> None:
        _core(driver).finish()
        driver.close(reason)

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
        self.endpoint.on_timer(self._clock())
        self._turn()

    # -- connections ------------------------------------------------------------------------

    def _incoming(self, scheme: str) -> StreamDriver:
        """Return the driver of a connection that came in by one of SCHEMES."""
        if scheme == "wss":
            engine = self._tls.server(alpn=("http/1.1",), use=Use.MSRP)
            web = MsrpWebSocket(self._clock, self._accept, self.wake, origins=self._origins)
            return self._drive(web, engine)
        stream = MsrpStream(self._clock, self._accept, self.wake, secure=scheme == "tls")
        return self._drive(stream, self._tls.server(use=Use.MSRP) if scheme == "tls" else None)

    def _accept(self, transport: Transport) -> Connection | None:
        return self.endpoint.accepted(transport, self._clock())

    def _drive(self, core: Core, engine: TlsEngine | None) -> StreamDriver:
        bounds = self._limits.bounds
        return StreamDriver(core, self, tls=engine, bounds=bounds, clock=self._clock)

    async def _dial(self, connection: Connection) -> None:
        """Make a connection that is wanted, or say why there is none."""
        try:
            async with asyncio.timeout(self._limits.whole):
                await self._reach(connection)
        except (Unreachable, DnsFailure) as error:
            self._undialled(connection, error.reason)
        except TimeoutError:
            self._undialled(connection, "it took too long")
        except asyncio.CancelledError:
            self._undialled(connection, "no longer wanted")
            raise
        finally:
            self._dialling.pop(connection, None)

    async def _reach(self, connection: Connection) -> None:
        target = connection.target
        if target is None or target.transport is Transport.WS:
            raise Unreachable[At]([])  # WebSocket servers do not dial (RFC 7977 §5.1)
        secure = target.transport is Transport.TLS
        places = await self._find(target)

        def make(_: At) -> StreamDriver:
            core = MsrpStream(self._clock, self._accept, self.wake, connection, secure=secure)
            name = target.name
            return self._drive(core, self._tls.client(name, use=Use.MSRP) if secure else None)

        _, driver = await connect(places, make, patience=self._limits.patience)
        driver.wake()

    def _undialled(self, connection: Connection, reason: str) -> None:
        log.debug("not connected", extra=about(reason=reason))
        connection.closed(self._clock(), reason)
        self.wake()

    async def _find(self, target: Target) -> list[At]:
        """Return where a peer may be; for a relay without a port, as its SRV records say."""
        places = [(target.host, target.port)]
        if target.search and not is_address(target.host):
            question = Question(Kind.SRV, f"_msrps._tcp.{a_label(target.host)}")
            records = cast("tuple[Srv, ...]", await self._resolver.ask(question))
            ordered = in_order(records[:MOST_RECORDS], self._chance)
            places = [(each.target.rstrip("."), each.port) for each in ordered] or places
        found: list[At] = []
        for host, port in places:
            found += [At(each, port) for each in await self._addresses(host) if self._dials(each)]
        return found[:MOST_RECORDS]

    async def _addresses(self, host: str) -> Sequence[str]:
        if not host or is_address(host):
            return [host] if host else []
        answer = await self._resolver.ask(Question(Kind.ADDRESS, a_label(host)))
        return cast("tuple[str, ...]", answer)


def _core(driver: StreamDriver) -> Core:
    return cast("Core", driver.core)
