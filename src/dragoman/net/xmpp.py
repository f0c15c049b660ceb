"""XMPP over TCP (RFC 6120 §3-5, XEP-0368): stream cores on connections, accepted and dialled."""

from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final, Protocol, TypeVar, cast

from dragoman.log import about
from dragoman.net.dial import connect
from dragoman.net.driver import Bounds, Core, StreamDriver
from dragoman.net.listen import Gate, Listener, Place, listen
from dragoman.net.tls import Tls, TlsEngine
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.dane import Associations
from dragoman.xmpp.locate import Target
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.s2s_out import OutgoingStream

log = getLogger(__name__)

ALPN: Final = ("xmpp-server",)
SCHEMES: Final = ("starttls", "tls")

AnyStream = IncomingStream | OutgoingStream | ComponentStream

Made = TypeVar("Made", bound=AnyStream)


class Listening(Protocol):
    """Who decides what streams mean."""

    def on_stream(self, stream: AnyStream) -> None:
        """Drain the stream's events: called once after each turn in which it ran."""


class XmppLine:
    """One connection with its stream, as the federation sees it."""

    __slots__ = ("_associations", "_driver", "_stream", "_tls")

    def __init__(
        self,
        driver: StreamDriver,
        stream: AnyStream,
        tls: Tls,
        associations: Associations | None = None,
    ) -> None:
        """Join a driver and the core that it drives; `associations` are the server's (DANE)."""
        self._associations = associations
        self._driver = driver
        self._stream = stream
        self._tls = tls

    @property
    def peer(self) -> str:
        """Address and port of the other end."""
        host, port = self._driver.remote
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def tls(self) -> str:
        """The version of TLS, "" where there is none."""
        engine = self._driver.tls
        return engine.describe()["version"] if engine is not None and engine.done else ""

    def wake(self) -> None:
        """Have what the stream has to send and to tell looked at soon."""
        self._driver.wake()

    def start_tls(self, domain: str) -> None:
        """Begin TLS: as a client toward `domain`, or as a server with our certificate for it.

        Harmless where TLS came first of all.
        """
        if self._driver.tls is None:
            self._driver.start_tls(self._engine(domain))

    def close(self, reason: str) -> None:
        """Send what waits, and close."""
        self._driver.close(reason)

    def abort(self, reason: str) -> None:
        """Close at once; nothing that the peer has not got yet may reach it any more."""
        self._driver.reset(reason)

    def _engine(self, domain: str) -> TlsEngine:
        if isinstance(self._stream, OutgoingStream):
            return self._tls.client(
                domain, local=self._stream.local, alpn=ALPN, associations=self._associations
            )
        return self._tls.server(local=domain, alpn=ALPN)


class XmppSockets:
    """All connections of XMPP streams; `listening` hears what happens on them."""

    def __init__(
        self,
        listening: Listening,
        tls: Tls,
        clock: Callable[[], float],
        *,
        gate: Gate | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """Start with no connection."""
        self._listening = listening
        self._tls = tls
        self._clock = clock
        self._gate = gate or Gate()
        self._bounds = bounds
        self._listeners: list[Listener] = []
        self._drivers: dict[AnyStream, StreamDriver] = {}
        self._taken: dict[AnyStream, int] = {}

    async def listen(
        self,
        places: Sequence[Place],
        make: Callable[[bool], IncomingStream],
        accepted: Callable[[IncomingStream, XmppLine], None],
    ) -> list[Listener]:
        """Accept streams at `places`; `make(direct_tls)` makes the core of each.

        Raises LocalError naming address, port and reason.
        """
        for place in places:
            direct = place.scheme == "tls"

            def accept(direct: bool = direct) -> StreamDriver:
                stream = make(direct)
                stream.connected(self._clock())
                # A client speaks TLS at once, maybe before the stream's first turn.
                driver = self._driver(stream, self._tls.server(alpn=ALPN) if direct else None)
                accepted(stream, XmppLine(driver, stream, self._tls))
                return driver

            self._listeners.append(await listen(place, accept, self._gate))
        return self._listeners

    async def connect(
        self, targets: Sequence[Target], make: Callable[[Target], Made]
    ) -> tuple[Target, Made, XmppLine]:
        """Connect to the first target that answers; `make` makes the core for one.

        Raises `net.dial.Unreachable`, which says why for each.
        """
        target, driver = await connect(targets, lambda chosen: self._driver(make(chosen)))
        stream = cast("Made", driver.core)
        stream.connected(self._clock())
        driver.wake()
        return target, stream, XmppLine(driver, stream, self._tls, target.associations)

    def taken(self, stream: AnyStream) -> int:
        """Return how many bytes came on a stream since this was last asked."""
        driver = self._drivers.get(stream)
        if driver is None:
            return 0
        before, self._taken[stream] = self._taken.get(stream, 0), driver.received
        return driver.received - before

    def pause(self, stream: AnyStream) -> None:
        """Stop reading a stream: what its peer sends then waits at the peer."""
        if (driver := self._drivers.get(stream)) is not None:
            driver.pause()

    def resume(self, stream: AnyStream) -> None:
        """Read a stream again; harmless where it is gone."""
        if (driver := self._drivers.get(stream)) is not None:
            driver.resume()

    def stop_listening(self) -> None:
        """Accept no more connections."""
        for listener in self._listeners:
            listener.close()

    def abort(self) -> None:
        """Close every connection at once."""
        for driver in list(self._drivers.values()):
            driver.abort("the gateway stops")

    def describe(self) -> dict[str, object]:
        """Return the listeners, the connections and what the gate counted."""
        return {
            "listeners": [each.describe() for each in self._listeners],
            "connections": [each.describe() for each in self._drivers.values()],
            "gate": self._gate.describe(),
        }

    # -- what drivers say ---------------------------------------------------------------

    def on_events(self, driver: StreamDriver) -> None:
        """Pass it on."""
        stream = cast("AnyStream", driver.core)
        self._listening.on_stream(stream)
        if not driver.proven and isinstance(stream, IncomingStream):
            driver.proven = bool(stream.pairs)

    def on_congestion(self, driver: StreamDriver, congested: bool) -> None:
        """Note it: the hard bound of the write buffer ends a peer that never catches up."""
        if congested:
            log.debug("the peer reads slowly", extra=about(peer=str(driver.remote)))

    def on_lost(self, driver: StreamDriver, reason: str) -> None:
        """Forget the driver; its core has told the rest."""
        stream = cast("AnyStream", driver.core)
        self._drivers.pop(stream, None)
        self._taken.pop(stream, None)
        log.debug("connection closed", extra=about(peer=str(driver.remote), reason=reason))

    def _driver(self, stream: AnyStream, tls: TlsEngine | None = None) -> StreamDriver:
        core = cast("Core", stream)
        driver = StreamDriver(core, self, tls=tls, clock=self._clock, bounds=self._bounds)
        self._drivers[stream] = driver
        return driver
