"""What the gateway says of itself and of SIP users on XMPP (RFC 6120 §8.2.3, XEP-0030, XEP-0115).

Every request is answered here or refused; so is presence for a domain, which has none, where its
sender waits for something.
"""

from collections.abc import Callable
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import (
    About,
    Who,
    caps,
    chatstates,
    correction,
    features,
    install,
    markers,
    oob,
    reactions,
    receipts,
    replies,
    vcard,
)
from dragoman.xmpp.ext.caps import Capabilities
from dragoman.xmpp.ext.disco import Describe, Identity, Info
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
NODE: Final = "urn:uuid:0f2d0f0c-6c8f-4b0e-9a51-3d0d6f5c8e27"
"""What this software is called in the presence of SIP users (XEP-0115 §4)."""
PHONE: Final = Info(
    (Identity("client", "phone"),),
    frozenset({*features(Who.USER), caps.NS, vcard.NS, *PUT_INTO_WORDS, *WORD_OF_ITSELF}),
)
"""What every SIP user can do.

An identity there has to be (XEP-0030 §3.1). It is not that of an account, which would say that
there is one: nobody here knows.
"""


class Discovery:
    """Two tables of answers: of the gateway's own domains, and of the SIP users in them.

    `utc()` is the time in seconds since 1970; `is_component(domain)` tells components' domains,
    which are gateways to their users, from those that stand for a SIP domain under its own name;
    `able(user)` are the features of one SIP user beyond those of `PHONE`.
    """

    def __init__(
        self,
        version: str,
        utc: Callable[[], float],
        is_component: Callable[[str], bool],
        able: Callable[[Jid], frozenset[str]] = lambda _: frozenset(),
    ) -> None:
        """Fill the tables."""
        self._is_component = is_component
        self._able = able
        self._told = Capabilities(NODE)
        service = frozenset(features(Who.SERVICE))
        server = Info((Identity("server", "im", NAME),), service)
        gateway = Info((Identity("gateway", "sip", NAME),), service | {ESCAPING})
        self._server = _table(Who.SERVICE, About(NAME, version, utc, _only(server)))
        self._gateway = _table(Who.SERVICE, About(NAME, version, utc, _only(gateway)))
        self.users = _table(Who.USER, About(NAME, version, utc, self._describe))
        """The requests to SIP users, for services to answer more of them."""

    def caps_of(self, contact: Jid) -> Element:
        """Return the `<c/>` for a presence stanza in the name of a SIP user (XEP-0115 §6.1)."""
        return self._told.tell(self._info(contact))

    def route(self, stanza: Element) -> Routed:
        """Return what becomes of an iq or presence stanza."""
        address = Jid.parse(stanza.get("to", ""))
        if address.local:
            return self.users.route(stanza)
        table = self._gateway if self._is_component(address.domain) else self._server
        return table.route(stanza)

    def _info(self, user: Jid) -> Info:
        more = self._able(user)
        return Info(PHONE.identities, PHONE.features | more) if more else PHONE

    def _describe(self, address: str, node: str) -> Info | None:
        """Say what a SIP user can do, or what a hash stands for that was told of one."""
        own = self._info(Jid.parse(address))
        if not node:
            return own
        self._told.tell(own)  # it may have been told before a restart
        return self._told.find(node)


def _only(info: Info) -> Describe:
    """Describe an address that has no nodes."""
    return lambda _, node: None if node else info


def _table(who: Who, about: About) -> Router:
    router = Router()
    install(router, who, about)
    for kind in AWAITED if who is Who.SERVICE else ():
        router.add(PRESENCE, kind, ANY, _no_presence)
    return router


def _no_presence(_: Element) -> Element:
    text = "A domain has no presence here: its users have"
    raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED, text=text)
