"""Presence of XMPP users at SIP presence servers, where the operator wants it (RFC 3903).

A SIP domain whose users have XMPP accounts of the same names may have a presence server that
others ask about them. An XMPP user has his presence told there by telling it to the gateway
itself: by having its domain among his contacts, or by presence directed to it. What he lets single
SIP users see goes to nobody else (RFC 8048 §8.2), and not there.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from logging import getLogger
from typing import Final

from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import RequestPort, XmppPort
from dragoman.bridge.sight import Room, Sight
from dragoman.log import about
from dragoman.mapping.describe import described
from dragoman.mapping.pidf import MEDIA_TYPE
from dragoman.mapping.presence import Presence, read
from dragoman.sip.message import Response
from dragoman.sip.publisher import Publisher, Publishing
from dragoman.sip.route import RouteSet
from dragoman.sip.subscriber import Package
from dragoman.xmpp.element import Element
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends, presence

log = getLogger(__name__)

PACKAGE: Final = Package("presence", MEDIA_TYPE, 3600)
MOST: Final = 100_000
"""Users whose presence is published."""


class Publications:
    """The service. `servers` are the presence servers by the XMPP domains whose users they have."""

    def __init__(
        self,
        sip: RequestPort,
        xmpp: XmppPort,
        naming: Naming,
        servers: Mapping[str, RouteSet],
        token: Callable[[], str],
        wall: Callable[[], float],
        chance: Callable[[float, float], float],
    ) -> None:
        """Publish nothing yet."""
        self._sip = sip
        self._xmpp = xmpp
        self._naming = naming
        self._servers = servers
        self._token = token
        self._wall = wall
        self._publisher: Publisher[str] = Publisher(PACKAGE, token, chance)
        self._seen: dict[str, Sight] = {}
        self._room = Room()

    def takes(self, user: Jid) -> bool:
        """Tell whether presence of an XMPP user for our own domain is published."""
        return user.domain in self._servers

    def on_stanza(self, stanza: Element, now: float) -> None:
        """Take presence of an XMPP user for our own domain."""
        user, domain = ends(stanza)
        kind = stanza.get("type")
        if kind == "subscribe":
            self._say(user, domain, "subscribed")
            self._say(user, domain, "subscribe")
        elif kind in {"unsubscribe", "unsubscribed", "error"}:
            self._forget(user, now)
        elif kind == "probe":
            self._say(user, domain, None)
        elif kind in {None, "unavailable"}:
            self._told(user, read(stanza), now)
        self._drain(now)

    def on_response(self, handle: Publishing, response: Response, now: float) -> None:
        """Take a response to a PUBLISH."""
        self._publisher.on_response(handle, response, now)
        self._drain(now)

    def on_failure(self, handle: Publishing, now: float) -> None:
        """Learn that a PUBLISH got no response."""
        self._publisher.on_failure(handle, now)
        self._drain(now)

    def _told(self, user: Jid, what: Presence, now: float) -> None:
        bare, address = str(user.bare), self._naming.sip_sender(user.bare)
        sight = self._seen.get(bare)
        if sight is None:
            if not what.available or len(self._seen) >= MOST:
                return
            sight = self._seen[bare] = Sight(len(str(address)), self._room)
        since = what.since or self._wall()
        sight.take(replace(what, since=since) if what.available else what, ())
        if not sight.seen:
            self._forget(user, now)
            return
        seen = list(sight.seen.values())
        body = described(user.bare, seen, self._naming.sip_sender, self._wall())
        self._publisher.publish(bare, str(address), body, now)

    def _forget(self, user: Jid, now: float) -> None:
        sight = self._seen.pop(str(user.bare), None)
        if sight is not None:
            sight.clear()
            self._publisher.remove(str(user.bare), now)

    def _say(self, user: Jid, domain: Jid, kind: str | None) -> None:
        stanza = presence(str(user.bare), str(domain.bare), id=self._token(), type=kind)
        self._xmpp.send(stanza, domain.domain, user.domain)

    def _drain(self, now: float) -> None:
        for request, handle in self._publisher.to_send(now):
            self._sip.request(request, handle, self._servers[request.from_.uri.host])
        for failed in self._publisher.events():
            log.warning(
                "presence is not published", extra=about(jid=failed.key, status=failed.status)
            )

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._publisher.on_timer(now)
        self._drain(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._publisher.next_timer()

    def describe(self) -> dict[str, int]:
        """Return whose presence is published."""
        return {"users": len(self._seen), "states": len(self._publisher)}
