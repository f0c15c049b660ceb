"""Connection reuse (RFC 5923): requests of ours over TLS connections that their servers opened."""

from collections.abc import Callable
from typing import Final

from dragoman.net.driver import StreamDriver
from dragoman.net.identity import Identity
from dragoman.net.trust import a_label
from dragoman.sip.endpoint import Target, Transport
from dragoman.sip.grammar import find_param
from dragoman.sip.message import Request, SipError

PORTS: Final = 4
"""Ports at most that one connection may stand in for."""

Place = tuple[str, int]


class Aliases:
    """The alias table (§8.2): which connections that came in lead to an address and port.

    An entry is a claim. Whether a connection may carry a request is asked for each request: its
    peer's certificate must be good for the domain looked up (§9.3), and the peer must have
    connected to the domain of ours that the request is from.
    """

    def __init__(self, identity: Callable[[StreamDriver], Identity | None]) -> None:
        """Ask `identity` who is at the other end of a connection."""
        self._identity = identity
        self._at: dict[Place, dict[StreamDriver, None]] = {}
        self._used: dict[StreamDriver, dict[Place, set[Target]]] = {}

    def learn(self, driver: StreamDriver, request: Request) -> None:
        """Take the claim that a request makes which came over `driver`, if it makes one.

        That is `alias` in its topmost Via. The address is where the connection comes from, which
        no one can choose freely; the port is that of sent-by. A peer without a certificate claims
        in vain (§9.2).
        """
        who = self._identity(driver)
        if who is None or not who.names or driver.lost:
            return
        try:
            via = request.via
        except SipError:
            return  # the endpoint says so
        if find_param(via.params, "alias") is None:
            return
        place = (driver.remote[0], via.port or Transport.TLS.port)
        places = self._used.setdefault(driver, {})
        if place in places or len(places) < PORTS:
            places.setdefault(place, set())
            self._at.setdefault(place, {})[driver] = None

    def find(self, target: Target, now: float) -> StreamDriver | None:
        """Return the newest connection that may carry a request to `target`, None without one."""
        if target.transport is not Transport.TLS:
            return None
        place = (target.address, target.port)
        for driver in reversed(self._at.get(place, {})):
            who = self._identity(driver)
            asked_for = driver.tls.server_name if driver.tls is not None else ""
            ours = bool(asked_for) and asked_for == a_label(target.local)
            if ours and who is not None and who.vouches(target.domain, now):
                self._used[driver][place].add(target)
                return driver
        return None

    def forget(self, driver: StreamDriver) -> set[Target]:
        """Forget a connection that is gone; return the targets that it was used for."""
        places = self._used.pop(driver, {})
        for place in places:
            del self._at[place][driver]
            if not self._at[place]:
                del self._at[place]
        return set[Target]().union(*places.values())

    def __len__(self) -> int:
        """Return how many connections have a claim."""
        return len(self._used)
