"""The connections that we opened for SIP requests, and those under way (RFC 3261 §18.1.1)."""

from typing import TYPE_CHECKING, cast

from dragoman.net.driver import StreamDriver
from dragoman.net.siptcp import SipStream
from dragoman.sip.endpoint import Target, Transport

if TYPE_CHECKING:
    from asyncio import Task

Stream = tuple[Transport, str, int, str, str]


class Dialling:
    """A connection under way, and what waits for it."""

    def __init__(self, core: SipStream, most: int) -> None:
        """Have at most `most` bytes wait for `core` to have a connection."""
        self.core = core
        self.waiting: list[bytes] = []
        self.task: Task[None]
        self._room = most

    def add(self, data: bytes) -> bool:
        """Have `data` wait; False when too much does already."""
        if len(data) > self._room:
            return False
        self._room -= len(data)
        self.waiting.append(data)
        return True


class Opened:
    """At most one connection to each target: with TLS, for each two domains that it joins."""

    def __init__(self, most: int) -> None:
        """Hold at most `most` connections, those under way included."""
        self._most = most
        self._known: dict[Stream, StreamDriver | Dialling] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._known)

    def find(self, target: Target) -> StreamDriver | Dialling | None:
        """Return the connection to `target`, made or under way, None when there is none."""
        return self._known.get(_stream(target))

    def dialling(self) -> list[Dialling]:
        """Return the connections under way."""
        return [each for each in self._known.values() if isinstance(each, Dialling)]

    def begin(self, target: Target, dialling: Dialling) -> bool:
        """Note a connection that is to be made; False when there is no room for it."""
        if len(self._known) >= self._most and not self._make_room():
            return False
        self._known[_stream(target)] = dialling
        return True

    def made(self, target: Target, driver: StreamDriver) -> None:
        """Note that the connection to `target` is made."""
        self._known[_stream(target)] = driver

    def end(self, target: Target, driver: StreamDriver | None = None) -> None:
        """Forget the connection to `target`, if it is that of `driver` or was never made."""
        found = self._known.get(_stream(target))
        if found is driver or (driver is None and isinstance(found, Dialling)):
            self._known.pop(_stream(target), None)

    def _make_room(self) -> bool:
        """Close the connection that has been idle longest; False when all are under way."""
        made = [each for each in self._known.values() if not isinstance(each, Dialling)]
        if not made:
            return False
        oldest = min(made, key=lambda each: _core(each).used)
        self.end(cast("Target", _core(oldest).target), oldest)
        oldest.close("room was needed for another connection")
        return True


def _core(driver: StreamDriver) -> SipStream:
    return cast("SipStream", driver.core)


def _stream(target: Target) -> Stream:
    """Return what a connection is known by: with TLS also who has proved to be whom over it."""
    if target.transport is not Transport.TLS:
        return target.transport, target.address, target.port, "", ""
    return target.transport, target.address, target.port, target.domain, target.local
