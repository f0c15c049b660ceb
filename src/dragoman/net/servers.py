"""Servers of STUN and TURN: their URIs (RFC 7064, RFC 7065), and which of them is asked."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from logging import getLogger
from typing import Final, Self

from dragoman.errors import LocalError
from dragoman.log import about

log = getLogger(__name__)

PASSED_OVER: Final = 60.0
"""Seconds that a server is not asked which did not answer: each call would wait for it."""
MOST_OFFERED: Final = 16
"""Servers that another server tells of, at most."""
_PORTS: Final = {"stun": 3478, "turn": 3478, "turns": 5349}
_TRANSPORTS: Final = {"stun": ("udp",), "turn": ("udp", "tcp"), "turns": ("tcp",)}
"""How each is spoken, the usual way first; TURN by DTLS, and STUN by TLS, nobody here speaks."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `scheme` is "stun", "turn" or "turns"; `transport` is "udp" or "tcp"."""

    scheme: str
    host: str
    port: int
    transport: str = "udp"
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, uri: str, username: str = "", password: str = "") -> Self:
        """Read `stun:HOST[:PORT]`, `turn:HOST[:PORT][?transport=udp|tcp]` or `turns:...`.

        Raises LocalError for what is none, or is spoken in a way that we cannot.
        """
        scheme, _, rest = uri.partition(":")
        scheme = scheme.lower()
        place, mark, parameter = rest.partition("?")
        name, _, transport = parameter.partition("=")
        if scheme not in _PORTS or (mark and (scheme == "stun" or name.lower() != "transport")):
            raise LocalError(f"no server of STUN or TURN: {uri!r}")
        return cls.of(scheme, *_place(place, uri), transport.lower(), username, password)

    @classmethod
    def of(
        cls, scheme: str, host: str, port: int, transport: str, username: str, password: str
    ) -> Self:
        """Return a server; 0 and "" are the usual port and transport. Raises LocalError."""
        known = _TRANSPORTS.get(scheme, ())
        if not host or (transport or (*known, "")[0]) not in known:
            raise LocalError(f"not spoken here: {scheme} by {transport or 'nothing'}")
        port = port or _PORTS[scheme]
        return cls(scheme, host, port, transport or known[0], username, password)

    @property
    def relays(self) -> bool:
        """Whether it is one of TURN."""
        return self.scheme != "stun"


def _place(text: str, uri: str) -> tuple[str, int]:
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        port = port.removeprefix(":") if closed and port[:1] in ("", ":") else "x"
    else:
        host, colon, port = text.partition(":")
        port = port if port or not colon else "x"
    if not host or any(each in host for each in " /@?") or not (port or "1").isascii():
        raise LocalError(f"no host: {uri!r}")
    if port and not (port.isdigit() and 0 < int(port[:6]) < 65536):
        raise LocalError(f"no port: {uri!r}")
    return host, int(port or 0)


class Servers:
    """Those that are asked: the first of each kind, but for those that did not answer lately."""

    def __init__(
        self, configured: Iterable[Server] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Ask those configured before any that are offered."""
        self._configured = tuple(configured)
        self._offered: tuple[tuple[Server, float], ...] = ()
        self._clock = clock
        self._silent: dict[Server, float] = {}

    def offer(self, servers: Iterable[tuple[Server, float]]) -> None:
        """Learn of others, each with the seconds that it may be used from now; they replace those
        learnt before."""
        now = self._clock()
        self._offered = tuple((each, now + lasts) for each, lasts in servers)[:MOST_OFFERED]

    def asked(self) -> list[Server]:
        """Return whom to ask now: at most one of STUN, and one of TURN."""
        now = self._clock()
        self._silent = {each: until for each, until in self._silent.items() if until > now}
        known = [*self._configured, *(each for each, until in self._offered if until > now)]
        found = [
            next((each for each in known if each.relays is relays and self._may(each)), None)
            for relays in (False, True)
        ]
        return [each for each in found if each is not None]

    def _may(self, server: Server) -> bool:
        return server not in self._silent

    def failed(self, server: Server, why: str) -> None:
        """Learn that one did not answer, or refused: it is passed over for a while."""
        if server not in self._silent:
            what = f"{server.scheme}:{server.host}:{server.port}"
            log.warning("no candidate", extra=about(peer=what, reason=why))
        self._silent[server] = self._clock() + PASSED_OVER
