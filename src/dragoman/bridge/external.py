"""Servers of STUN and TURN that the server offers which a component is attached to (XEP-0215)."""

from collections.abc import Callable, Mapping, Sequence
from logging import getLogger
from typing import Final, TypeAlias

from dragoman.bridge.ports import XmppPort
from dragoman.clock import earliest
from dragoman.log import about
from dragoman.mapping.date import parse_stamp
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import extdisco
from dragoman.xmpp.ext.extdisco import Service
from dragoman.xmpp.stanza import iq

log = getLogger(__name__)

Offered: TypeAlias = Sequence[tuple[Service, float]]
"""Services, each with the seconds that it may be used from now."""

AGAIN: Final = 600.0
"""Seconds until a server is asked again that gave no answer, or none of use."""
OFTEN: Final = 3600.0
"""Seconds after which one is asked again at the latest: services come and go."""
SELDOM: Final = 60.0
"""Seconds after which one is asked again at the earliest, however soon its services expire."""
LASTING: Final = 2 * OFTEN
"""Seconds that a service without expiry may be used once it is not offered any more."""
_USED: Final = frozenset({"stun", "turn", "turns"})


class External:
    """Asks for services, and has `offer` learn of all that are known."""

    def __init__(
        self,
        xmpp: XmppPort,
        asked: Mapping[str, str],
        offer: Callable[[Offered], None],
        token: Callable[[], str],
        wall: Callable[[], float],
    ) -> None:
        """Ask, in the name of each component of `asked`, the domain that it has there."""
        self._xmpp = xmpp
        self._asked = dict(asked)
        self._offer = offer
        self._token = token
        self._wall = wall
        self._due = dict.fromkeys(self._asked, 0.0)
        self._pending: dict[str, str] = {}
        """The id of the last question, by component."""
        self._known: dict[str, list[tuple[Service, float]]] = {}
        """Services, with the time of their end."""

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return earliest(self._due.values())

    def on_timer(self, now: float) -> None:
        """Ask whom it is time to ask."""
        for component in [each for each, due in self._due.items() if due <= now]:
            self._due[component] = now + AGAIN
            self._pending[component] = name = self._token()
            server = self._asked[component]
            asked = iq(server, component, id=name, type="get", children=[extdisco.query()])
            self._xmpp.send(asked, component, server)

    def on_answer(self, stanza: Element, now: float) -> bool:
        """Take the answer to a question of ours; False: it is to another."""
        component, server = stanza.get("to", ""), stanza.get("from", "")
        if self._asked.get(component) != server:
            return False
        if self._pending.get(component) != stanza.get("id"):
            return False
        del self._pending[component]
        if stanza.get("type") == "error":
            log.warning("no services", extra=about(remote=server, reason="the server refuses"))
            return True
        self._learn(component, stanza, now)
        return True

    def _learn(self, component: str, stanza: Element, now: float) -> None:
        timed = [(each, self._lasts(each)) for each in extdisco.services(stanza) if _usable(each)]
        found = [(each, lasts) for each, lasts in timed if lasts > 0]
        self._known[component] = [(each, now + lasts) for each, lasts in found]
        soonest = min((lasts for _, lasts in found), default=AGAIN)
        self._due[component] = now + max(SELDOM, min(OFTEN, soonest / 2))
        all_ = [one for known in self._known.values() for one in known if one[1] > now]
        self._offer([(each, until - now) for each, until in all_])

    def _lasts(self, service: Service) -> float:
        """Return for how many seconds a service may be used; none where nobody can say."""
        if not service.expires:
            return LASTING
        until = parse_stamp(service.expires)
        return 0.0 if until is None else until - self._wall()


def _usable(service: Service) -> bool:
    """Tell whether it is one of STUN or TURN, with the credentials that it wants."""
    return service.type in _USED and (not service.restricted or bool(service.username))
