"""The media plane that is rtpengine: its NG protocol by UDP, one socket for all engines."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from logging import getLogger
from secrets import token_hex
from typing import Final

from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.media.engine import Health
from dragoman.media.ngplane import Calls, Settings
from dragoman.media.plane import Counters, MediaEvent, Profile, Side, Told, Transcoding
from dragoman.net.addresses import plain
from dragoman.net.udp import DatagramSocket, Place
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import SessionDescription

log = getLogger(__name__)

FAREWELL: Final = 1.0
"""Seconds that engines have at the end to hear that calls are over."""
LOOKUP: Final = 30.0
"""Seconds between two looks at where the name of an engine leads, while it does not answer."""
MOST_TURNS: Final = 64
"""How often in one turn those who were told may ask for more at once; then others have theirs."""


class Rtpengine:
    """Has media carried by rtpengines. `heard` is told of connections and losses."""

    def __init__(
        self,
        settings: Settings,
        heard: Callable[[MediaEvent], None],
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """Open the sockets, and ask all engines how they are; needs a running loop.

        `clock` gives absolute seconds, the loop's own unless told otherwise. LocalError where the
        settings name no engine, one by a port that is none, or an instance that is no word.
        """
        self.loop = asyncio.get_running_loop()
        self._clock = clock or self.loop.time
        # a restarted process must not be taken for its former self, whose cookies engines know
        self._session = token_hex(4)
        self._cookies = 0
        self._calls = Calls(settings, self._token, heard)
        self._targets = {name: _target(name) for name in settings.engines}
        self._places: dict[str, Place] = {}
        self._names: dict[Place, str] = {}
        self._sockets: dict[socket.AddressFamily, DatagramSocket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._turning: asyncio.Handle | None = None
        self._health: dict[str, Health] = {}
        self._idle = asyncio.Event()
        self._closed = False
        for name, (host, port) in self._targets.items():
            if _literal(host):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                self._settle(name, family, (host, port))
            else:
                self._spawn(name, host, port)
        self._wake()

    # -- the port ------------------------------------------------------------------------------

    @property
    def transcoding(self) -> Transcoding:
        """Whether engines are asked to transcode."""
        return Transcoding.CAN if self._calls.settings.transcode else Transcoding.NEVER

    def offer(
        self,
        call: str,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        told: Told,
        successor: Side | None = None,
    ) -> None:
        """Take what the leg `side` offers (see `Plane`)."""
        self._calls.offer(call, side, offer, toward, told, self._clock(), successor)
        self._wake()

    def answer(self, call: str, side: Side, answer: SessionDescription, told: Told) -> None:
        """Take what the leg `side` answers (see `Plane`)."""
        self._calls.answer(call, side, answer, told, self._clock())
        self._wake()

    def revert(self, call: str) -> None:
        """Forget the open offer: engines hear again what was agreed on before."""
        self._calls.revert(call, self._clock())
        self._wake()

    def candidates(
        self, call: str, side: Side, mid: str, ufrag: str, candidates: Sequence[Candidate]
    ) -> None:
        """Learn more candidates of a leg."""
        self._calls.candidates(call, side, mid, ufrag, candidates, self._clock())
        self._wake()

    def digits(self, call: str, toward: Side, digits: str, milliseconds: int) -> None:
        """Send telephone-events to a leg."""
        self._calls.digits(call, toward, digits, milliseconds, self._clock())
        self._wake()

    def refresh(self, call: str, toward: Side) -> None:
        """Do nothing: no engine makes feedback when it is asked to."""

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None]) -> None:
        """Tell how a call fares."""
        self._calls.counters(call, told, self._clock())
        self._wake()

    def close(self, call: str) -> None:
        """End the media of a call."""
        self._calls.close(call, self._clock())
        self._wake()

    # -- the owner's ---------------------------------------------------------------------------

    async def aclose(self) -> None:
        """End all calls, have engines know, and wait until sockets and tasks are gone."""
        self._calls.close_all(self._clock())
        self._turn()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._idle.wait()
        self._closed = True
        for handle in (self._timer, self._turning):
            if handle is not None:
                handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self._sockets.values():
            each.close()

    def describe(self) -> dict[str, object]:
        """Return how many calls there are, and how the engines are."""
        return self._calls.describe()

    # -- sockets -------------------------------------------------------------------------------

    def on_datagrams(self, _: DatagramSocket, found: list[tuple[bytes, Place]]) -> None:
        """Take what engines say; what others do is not heard."""
        now = self._clock()
        for data, (host, port) in found:
            name = self._names.get((plain(host), port))
            if name is not None:
                self._calls.engines.all[name].receive(data, now)
        self._wake()

    def on_unreachable(self, _: DatagramSocket, places: set[Place]) -> None:
        """Learn that nobody is at an engine's port: it may be starting anew, time will tell."""

    def _spawn(self, name: str, host: str, port: int) -> None:
        task = self.loop.create_task(self._find(name, host, port))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _find(self, name: str, host: str, port: int) -> None:
        """Learn where an engine is, now and whenever it does not answer."""
        engine = self._calls.engines.all[name]
        while True:
            if name not in self._places or engine.health is Health.DOWN:
                try:
                    found = await _lookup(host, port)
                except OSError as error:
                    log.warning("engine not found", extra=about(engine=name, reason=str(error)))
                else:
                    self._settle(name, *found)
                    self._wake()
            await asyncio.sleep(LOOKUP)

    def _settle(self, name: str, family: socket.AddressFamily, place: Place) -> None:
        if family not in self._sockets:
            bound = socket.socket(family, socket.SOCK_DGRAM)
            bound.setblocking(False)
            bound.bind(("", 0))
            self._sockets[family] = DatagramSocket(bound, self)
        self._names = {where: each for where, each in self._names.items() if each != name}
        self._places[name] = place
        self._names[plain(place[0]), place[1]] = name

    def _send(self, name: str, data: bytes) -> None:
        """Send a datagram; while it is not known where to, it is as good as lost."""
        place = self._places.get(name)
        if place is None:
            return
        family = socket.AF_INET6 if ":" in place[0] else socket.AF_INET
        self._sockets[family].send(data, place)

    def _token(self) -> str:
        self._cookies += 1
        return f"{self._session}{self._cookies:x}"

    # -- turns ---------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Have what is due looked at soon."""
        if self._turning is None and not self._closed:
            self._turning = self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = None
        for _ in range(MOST_TURNS):
            due = self._calls.due()
            if not due:
                break
            for each in due:
                each()
        else:
            self._wake()
        for name, data in self._calls.engines.to_send():
            self._send(name, data)
        if self._calls.busy:
            self._idle.clear()
        else:
            self._idle.set()
        self._report()
        self._rearm()

    def _report(self) -> None:
        """Log which engines have begun, or ceased, to answer."""
        for name, engine in self._calls.engines.all.items():
            if self._health.setdefault(name, Health.NEW) is not engine.health:
                self._health[name] = engine.health
                level = log.info if engine.health is Health.UP else log.warning
                level("engine %s", engine.health.value, extra=about(engine=name))

    def _rearm(self) -> None:
        """Set the alarm for what is due next; one that rings earlier will do."""
        when = self._calls.next_timer()
        if self._closed or when is None or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        delay = max(0.0, when - self._clock())
        self._timer = self.loop.call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        self._timer = None
        self._calls.on_timer(self._clock())
        self._turn()


async def _lookup(host: str, port: int) -> tuple[socket.AddressFamily, Place]:
    """Return where a name leads, as the system says; raises OSError."""
    loop = asyncio.get_running_loop()
    family, _, _, _, place = (await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM))[0]
    return family, (str(place[0]), port)


def _literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _target(name: str) -> tuple[str, int]:
    """Split host:port; LocalError where it is none."""
    host, _, port = name.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65536:
        raise LocalError(f"a media engine is host:port, not {name!r}")
    return host, int(port)
