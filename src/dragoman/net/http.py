"""A small HTTP server (RFC 9112): a few pages by path, GET and HEAD, one answer a connection."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from logging import getLogger
from typing import Final

import h11

from dragoman.log import about
from dragoman.net.driver import Bounds, StreamDriver
from dragoman.net.listen import Gate, Listener, Place, listen

log = getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that a request may take to come."""
LONGEST: Final = 16384
"""Bytes of a request's head."""
TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer."""

    body: bytes
    kind: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


Pages = Mapping[str, Callable[[], Page]]
"""What makes the page of each path; called when it is asked for."""


class HttpStream:
    """One connection: a request in, an answer out, and it is over."""

    def __init__(self, pages: Pages, now: float) -> None:
        """Wait for a request from `now` on."""
        self._pages = pages
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST)
        self._deadline: float | None = now + PATIENCE
        self._out: list[bytes] = []
        self.over = False
        self.request = ""
        """Method and path, for the log; empty as long as there was none."""

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes of a request; what follows the first one is not read."""
        if self.over:
            return
        try:
            self._http.receive_data(data)
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._send(_plain(HTTPStatus(error.error_status_hint)), head=False)
            return
        if isinstance(event, h11.Request):
            method, path = event.method.decode(), event.target.decode("ascii", "replace")
            self.request = f"{method} {path}"
            self._send(self._answer(method, path.partition("?")[0]), head=method == "HEAD")

    def on_timer(self, now: float) -> None:
        """Give up on a request that does not come."""
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self.over = True

    def next_timer(self) -> float | None:
        """Return when patience ends."""
        return self._deadline

    def to_send(self) -> list[bytes]:
        """Remove and return what is to be written."""
        found, self._out = self._out, []
        return found

    def closed(self, now: float) -> None:
        """Learn that the connection is gone."""
        self.over = True
        self._deadline = None

    def _answer(self, method: str, path: str) -> Page:
        make = self._pages.get(path)
        if make is None:
            return _plain(HTTPStatus.NOT_FOUND)
        if method not in {"GET", "HEAD"}:
            return _plain(HTTPStatus.METHOD_NOT_ALLOWED)
        return make()

    def _send(self, page: Page, *, head: bool) -> None:
        headers = [
            ("Content-Type", page.kind),
            ("Content-Length", str(len(page.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        if page.status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", "GET, HEAD"))
        reason = page.status.phrase.encode()
        answer = h11.Response(status_code=page.status, headers=headers, reason=reason)
        self._out.append(self._http.send(answer) or b"")
        if not head:
            self._out.append(page.body)
        self._deadline = None
        self.over = True


class HttpServer:
    """Answers with `pages` where it listens."""

    def __init__(
        self, pages: Pages, clock: Callable[[], float], *, gate: Gate | None = None
    ) -> None:
        """Start listening nowhere; at most as many connections as `gate` admits are open."""
        self._pages = pages
        self._clock = clock
        self._gate = gate or Gate(64, 64)
        self._listener: Listener | None = None
        self._drivers: set[StreamDriver] = set()

    async def listen(self, place: Place) -> Listener:
        """Listen at one place; raises LocalError naming address, port and reason."""
        self._listener = await listen(place, self._accept, self._gate)
        return self._listener

    def close(self) -> None:
        """Accept no more, and close what is open."""
        if self._listener is not None:
            self._listener.close()
        for driver in list(self._drivers):
            driver.abort("the gateway stops")

    def on_events(self, driver: StreamDriver) -> None:
        """Close a connection that had its answer."""
        core = driver.core
        if isinstance(core, HttpStream) and core.over:
            driver.close("answered" if core.request else "no request")

    def on_congestion(self, driver: StreamDriver, congested: bool) -> None:
        """Let it be: an answer is small, and closing has its own time-out."""

    def on_lost(self, driver: StreamDriver, reason: str) -> None:
        """Forget the connection."""
        self._drivers.discard(driver)
        core = driver.core
        if isinstance(core, HttpStream):
            log.debug(
                "http", extra=about(peer=driver.remote[0], request=core.request, reason=reason)
            )

    def _accept(self) -> StreamDriver:
        stream = HttpStream(self._pages, self._clock())
        driver = StreamDriver(stream, self, clock=self._clock, bounds=Bounds(hard=16 << 20))
        self._drivers.add(driver)
        return driver


def _plain(status: HTTPStatus) -> Page:
    return Page(f"{status.value} {status.phrase}\n".encode(), status=status)
