"""Event state of ours at somebody else's server: PUBLISH goes out (RFC 3903 §4)."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import count
from typing import Final, Generic, TypeVar

from dragoman.clock import Alarms
from dragoman.sip.dialog import HOPS
from dragoman.sip.event import granted_seconds, longer_seconds
from dragoman.sip.message import Header, Request, Response, build_request
from dragoman.sip.notifier import Body
from dragoman.sip.subscriber import EARLIEST, LATEST, Package

Key = TypeVar("Key", bound=Hashable)

PACE: Final = 5.0
"""Seconds between two publications of one state that changes."""
LATER: Final = 300.0
"""Seconds until the next attempt after a failure."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """The handle of a PUBLISH."""

    number: int


@dataclass(frozen=True, slots=True)
class Failed(Generic[Key]):
    """State could not be published: the answer, or None for none. It is tried again."""

    key: Key
    status: int | None


class _State(Generic[Key]):
    __slots__ = (
        "address",
        "body",
        "call_id",
        "cseq",
        "dirty",
        "etag",
        "handle",
        "key",
        "last",
        "tag",
        "wanted",
    )

    def __init__(self, key: Key, address: str, call_id: str, tag: str, expires: int) -> None:
        self.key = key
        self.address = address
        self.call_id = call_id
        self.tag = tag
        self.wanted = expires
        self.body: Body | None = None
        self.etag = ""
        self.cseq = 0
        self.handle = 0
        self.last = float("-inf")
        self.dirty = False


class Publisher(Generic[Key]):
    """All state of one event package that we publish, one of each key.

    `token()` gives identifiers that nobody can guess; `chance` is that of `Subscriber`.
    """

    def __init__(
        self,
        package: Package,
        token: Callable[[], str],
        chance: Callable[[float, float], float],
    ) -> None:
        """Publish nothing yet."""
        self._package = package
        self._token = token
        self._chance = chance
        self._numbers = count(1)
        self._all: dict[Key, _State[Key]] = {}
        self._by_handle: dict[int, _State[Key]] = {}
        self._alarms: Alarms[Key] = Alarms()
        self._out: list[tuple[Request, Publishing]] = []
        self._events: list[Failed[Key]] = []

    def __len__(self) -> int:
        """Return how many states there are, with those that are being removed."""
        return len(self._all)

    def publish(self, key: Key, address: str, body: Body, now: float) -> None:
        """Have `body` be the state of the URI `address`, as soon as its pace allows."""
        found = self._all.get(key)
        if found is None:
            expires = self._package.expires
            found = _State(key, address, self._token(), self._token(), expires)
            self._all[key] = found
        found.body, found.dirty = body, True
        if not found.handle:
            self._alarms.set(key, max(now, found.last + PACE))

    def remove(self, key: Key, now: float) -> None:
        """Have there be no state of ours (§4.5)."""
        found = self._all.get(key)
        if found is not None:
            found.body, found.dirty = None, True
            if not found.handle:
                self._alarms.set(key, now)

    def on_response(self, handle: Publishing, response: Response, now: float) -> None:
        """Take a response to a PUBLISH."""
        if response.status < 200:
            return
        found = self._taken(handle)
        if found is None:
            return
        found.cseq = max(found.cseq, response.cseq.number)
        if response.status < 300:
            self._taken_over(found, response, now)
        elif response.status == 412 and found.etag:
            found.etag = ""
            self._alarms.set(found.key, now)
        elif response.status == 423 and (longer := longer_seconds(response, found.wanted)):
            found.wanted = longer
            self._alarms.set(found.key, now)
        else:
            self._again_later(found, response.status, now)

    def on_failure(self, handle: Publishing, now: float) -> None:
        """Learn that a PUBLISH got no response."""
        found = self._taken(handle)
        if found is not None:
            self._again_later(found, None, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        return self._alarms.next()

    def on_timer(self, now: float) -> None:
        """Send what is due."""
        for key in self._alarms.due(now):
            self._send(self._all[key], now)

    def to_send(self, now: float) -> list[tuple[Request, Publishing]]:
        """Return requests with their handles, and forget them."""
        self.on_timer(now)
        found, self._out = self._out, []
        return found

    def events(self) -> list[Failed[Key]]:
        """Return what failed, and forget it."""
        found, self._events = self._events, []
        return found

    def _taken(self, handle: Publishing) -> _State[Key] | None:
        found = self._by_handle.pop(handle.number, None)
        if found is not None:
            found.handle = 0
        return found

    def _forget(self, found: _State[Key]) -> None:
        del self._all[found.key]
        self._alarms.cancel(found.key)

    def _taken_over(self, found: _State[Key], response: Response, now: float) -> None:
        """Note the entity-tag that the state has from now on, and when it ends (§4.1)."""
        found.etag = response.get("SIP-ETag") or ""
        if found.body is None and not found.dirty:
            self._forget(found)
        elif found.dirty:
            self._alarms.set(found.key, max(now, found.last + PACE))
        else:
            granted = granted_seconds(response, found.wanted)
            self._alarms.set(found.key, now + granted * self._chance(EARLIEST, LATEST))

    def _again_later(self, found: _State[Key], status: int | None, now: float) -> None:
        """Try again with all of the state: nobody knows what the server has of it."""
        if found.body is None:
            self._forget(found)  # it ends there by itself
            return
        found.etag, found.dirty = "", True
        self._alarms.set(found.key, now + LATER)
        self._events.append(Failed(found.key, status))

    def _send(self, found: _State[Key], now: float) -> None:
        """Send what is new, that nothing is, or that there is no state any more (§4.3 to §4.5)."""
        if found.body is None and not found.etag:
            self._forget(found)
            return
        expires = 0 if found.body is None else found.wanted
        headers: list[Header] = [("Event", self._package.event), ("Expires", str(expires))]
        if found.etag:
            headers.append(("SIP-If-Match", found.etag))
        data = b""
        if found.body is not None and (found.dirty or not found.etag):
            headers += found.body.headers
            data = found.body.data
        found.dirty = False
        found.last = now
        found.cseq += 1
        found.handle = next(self._numbers)
        self._by_handle[found.handle] = found
        self._out.append((self._request(found, headers, data), Publishing(found.handle)))

    def _request(self, found: _State[Key], headers: list[Header], data: bytes) -> Request:
        named: list[Header] = [
            ("From", f"<{found.address}>;tag={found.tag}"),
            ("To", f"<{found.address}>"),
            ("Call-ID", found.call_id),
            ("CSeq", f"{found.cseq} PUBLISH"),
            ("Max-Forwards", str(HOPS)),
        ]
        return build_request("PUBLISH", found.address, [*named, *headers], data)
