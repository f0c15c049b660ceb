"""What the gateway says of itself and of SIP users on XMPP (RFC 6120 §8.2.3, XEP-0030).

Every request is answered here or refused; presence, which does not cross, is refused as well
where its sender waits for something.
"""

from collections.abc import Callable
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import (
    About,
    Who,
    chatstates,
    correction,
    install,
    markers,
    oob,
    reactions,
    receipts,
    replies,
)
from dragoman.xmpp.ext.disco import Identity
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.router import ANY, Routed, Router
from dragoman.xmpp.stanza import PRESENCE

NAME: Final = "Dragoman"
ESCAPING: Final = r"jid\20escaping"
"""The feature of a component whose users have escaped addresses (XEP-0106 §6)."""
PUT_INTO_WORDS: Final = (correction.NS, reactions.NS, replies.NS, oob.NS)
"""What a SIP user reads as text (mapping/readable.py), so that clients offer it.

Retraction is not among them: who lists it is to take the words away, and what a phone has shown
stays there (XEP-0424 §2). Nor are spoilers, which it does not cover, nudges, which it cannot tell
from messages, and encryption.
"""
WORD_OF_ITSELF: Final = (chatstates.NS, markers.NS, receipts.NS)
"""What a SIP user's phone tells of itself, if it can: writing, delivered and displayed."""
AWAITED: Final = ("subscribe", "probe")
"""Presence whose sender waits for an answer."""


class Discovery:
    """Two tables of answers: of the gateway's own domains, and of the SIP users in them.

    `utc()` is the time in seconds since 1970; `is_component(domain)` tells components' domains,
    which are gateways to their users, from those that stand for a SIP domain under its own name.
    """

    def __init__(
        self, version: str, utc: Callable[[], float], is_component: Callable[[str], bool]
    ) -> None:
        """Fill the tables."""
        self._is_component = is_component
        server, gateway = Identity("server", "im", NAME), Identity("gateway", "sip", NAME)
        self._server = _table(Who.SERVICE, About(NAME, version, utc, (server,)))
        component = About(NAME, version, utc, (gateway,), features=(ESCAPING,))
        self._gateway = _table(Who.SERVICE, component)
        user = About(NAME, version, utc, features=(*PUT_INTO_WORDS, *WORD_OF_ITSELF))
        self._user = _table(Who.USER, user)

    def route(self, stanza: Element) -> Routed:
        """Return what becomes of an iq or presence stanza."""
        address = Jid.parse(stanza.get("to", ""))
        if address.local:
            return self._user.route(stanza)
        table = self._gateway if self._is_component(address.domain) else self._server
        return table.route(stanza)


def _table(who: Who, about: About) -> Router:
    router = Router()
    install(router, who, about)
    for kind in AWAITED:
        router.add(PRESENCE, kind, ANY, _no_presence)
    return router


def _no_presence(_: Element) -> Element:
    text = "Presence does not cross to SIP"
    raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text=text)
