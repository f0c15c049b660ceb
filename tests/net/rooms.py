"""What tests of sockets share: a core that speaks lines, owners that remember."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from dragoman.errors import RemoteError
from dragoman.net.driver import StreamDriver
from dragoman.net.listen import Listener
from dragoman.net.tls import Peer


@dataclass
class Lines:
    """A stream core: what is received is an event, what is said is sent, one timer."""

    greeting: bytes = b""
    heard: bytes = b""
    out: list[bytes] = field(default_factory=list)
    alarm: float | None = None
    rang: list[float] = field(default_factory=list)
    ended: bool = False

    def __post_init__(self) -> None:
        if self.greeting:
            self.out.append(self.greeting)

    def receive(self, data: bytes, now: float) -> None:
        self.heard += data
        if b"nonsense" in self.heard:
            raise RemoteError("that was nonsense")

    def on_timer(self, now: float) -> None:
        self.rang.append(now)
        self.alarm = None

    def next_timer(self) -> float | None:
        return self.alarm

    def to_send(self) -> list[bytes]:
        out, self.out = self.out, []
        return out

    def closed(self, now: float) -> None:
        self.ended = True


@dataclass
class SecureLines(Lines):
    """The same, told of TLS."""

    peer: Peer | None = None

    def secured(self, peer: Peer, now: float) -> None:
        self.peer = peer


@dataclass
class Keeper:
    """An owner that remembers, and tells those who wait whenever something happens."""

    drivers: list[StreamDriver] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    congestion: list[bool] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    turns: int = 0
    react: Callable[[StreamDriver], None] = lambda _: None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def on_events(self, driver: StreamDriver) -> None:
        self.turns += 1
        if driver not in self.drivers:
            self.drivers.append(driver)
        self.react(driver)
        self._news.set()

    def on_congestion(self, driver: StreamDriver, congested: bool) -> None:
        self.congestion.append(congested)
        self._news.set()

    def on_lost(self, driver: StreamDriver, reason: str) -> None:
        self.lost.append(reason)
        self._news.set()

    async def until(self, true: Callable[[], object], within: float = 5.0) -> None:
        """Wait until something that was heard makes `true` true."""
        async with asyncio.timeout(within):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def end(self) -> None:
        """Have every connection gone, and nobody listen: uvloop waits for those for ever."""
        for listener in self.listeners:
            listener.close()
        for driver in self.drivers:
            driver.abort("the test is over")
        await self.until(lambda: len(self.lost) >= len(self.drivers))


def say(driver: StreamDriver, data: bytes) -> None:
    """Have the driver's core send."""
    lines(driver).out.append(data)
    driver.wake()


def lines(driver: StreamDriver) -> Lines:
    core = driver.core
    assert isinstance(core, Lines)
    return core
