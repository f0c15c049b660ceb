"""What XMPP users learn of a SIP user beside his presence (XEP-0054, XEP-0153, XEP-0084).

A card is made of what he says of himself in requests that are believed: the display name, and
Call-Info (RFC 3261 §20.9).  It is public, as every card is on XMPP.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Final

from dragoman.bridge.album import Album, Source
from dragoman.bridge.naming import Naming
from dragoman.errors import RemoteError
from dragoman.log import about
from dragoman.mapping.address import Unmappable
from dragoman.mapping.card import Card, picture, said_in
from dragoman.sip.message import Request
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import avatar, vcard
from dragoman.xmpp.ext.avatar import Picture
from dragoman.xmpp.ext.vcard_avatar import update
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.router import Router
from dragoman.xmpp.stanza import IQ, reply

log = getLogger(__name__)

MOST: Final = 4096
"""Cards that are kept; the longest unheard of is forgotten."""
PAUSE: Final = 60.0
"""Seconds in which a SIP user has one picture only, and is not heard to say the same again."""


@dataclass(frozen=True, slots=True)
class _Known:
    card: Card
    since: float
    """When it got its picture."""


class Cards:
    """The cards of SIP users, by their bare JIDs.

    `icons` tells whether pictures are fetched; `changed(contact)` hears of each whose picture
    came, so that his presence may tell of it (`decoration`).
    """

    def __init__(
        self, naming: Naming, *, icons: bool, changed: Callable[[Jid], None] = lambda _: None
    ) -> None:
        """Start with no cards."""
        self._naming = naming
        self._icons = icons
        self.changed = changed
        self._cards: OrderedDict[Jid, _Known] = OrderedDict()
        self._heard: OrderedDict[int, float] = OrderedDict()
        self._album = Album()
        self._now = 0.0

    def __len__(self) -> int:
        """Return how many cards there are."""
        return len(self._cards)

    def install(self, router: Router) -> None:
        """Have `router`, which has the requests to SIP users, ask here for cards and pictures."""
        router.add(IQ, "get", vcard.NS, self._on_card)
        router.add(IQ, "set", vcard.NS, _on_set)
        router.add(IQ, "get", avatar.PUBSUB, self._on_items)

    # -- what SIP users say ---------------------------------------------------------------

    def heard_in(self, request: Request, sender: Uri, now: float) -> None:
        """Hear what a request of `sender`, who is believed, says of him.

        The display name is that of From, and counts for nobody else.
        """
        from_ = request.from_
        same = from_.uri.user == sender.user and from_.uri.host == sender.host
        name = from_.display if same else ""
        lines = request.get_all("Call-Info") if request.get("Call-Info") is not None else []
        if not (name or lines) or self._just_heard(sender, name, lines, now):
            return
        try:
            contact = self._naming.xmpp_sender(sender).bare
        except Unmappable:
            return
        self._hear(contact, said_in(name, lines), now)

    # -- what XMPP users are told ------------------------------------------------------------

    def decoration(self, contact: Jid) -> list[Element]:
        """Return what a presence stanza in the name of a SIP user has beside his presence."""
        known = self._cards.get(contact.bare)
        if known is None:
            return []
        found, certain = self._picture(contact.bare, known.card)
        if found is not None:
            return [update(found.id)]
        return [update("" if certain else None)]

    # -- pictures ---------------------------------------------------------------------------

    def wanted(self) -> Sequence[Source]:
        """Return the pictures to fetch now; each has to come back to `fetched`."""
        return self._album.wanted()

    def fetched(self, source: Source, data: bytes | None, now: float) -> None:
        """Take what was fetched, None where that failed."""
        self._now = now
        found = None
        try:
            found = None if data is None else picture(data)
        except RemoteError as error:
            log.info("no picture", extra=about(remote=source.domain, reason=error.reason))
        if not self._album.learn(source, found, now):
            return
        for contact in [jid for jid, each in self._cards.items() if each.card.icon == source.url]:
            if self._domain(contact) == source.domain:
                self.changed(contact)

    def describe(self) -> dict[str, int]:
        """Return counts: cards, and those of the album."""
        return {"cards": len(self._cards)} | self._album.describe()

    def _just_heard(self, sender: Uri, name: str, lines: Sequence[str], now: float) -> bool:
        """Tell whether this was said in the last seconds: a talk has many messages."""
        key = hash((sender.user, sender.host, name, *lines))
        last = self._heard.get(key)
        if last is not None and now - last < PAUSE:
            return True
        self._heard[key] = now
        self._heard.move_to_end(key)
        if len(self._heard) > MOST:
            self._heard.popitem(last=False)
        return False

    def _hear(self, contact: Jid, said: Card, now: float) -> None:
        self._now = now
        if said == Card():
            return
        known = self._cards.get(contact, _Known(Card(), float("-inf")))
        if known.card.icon and now - known.since < PAUSE:
            said = Card(said.name, "", said.info)
        told = known.card.and_then(said)
        since = known.since if told.icon == known.card.icon else now
        self._cards[contact] = _Known(told, since)
        self._cards.move_to_end(contact)
        if len(self._cards) > MOST:
            self._cards.popitem(last=False)
        self._picture(contact, told)

    def _picture(self, contact: Jid, known: Card) -> tuple[Picture | None, bool]:
        """Return a SIP user's picture, and whether it is certain that he has that or none."""
        domain = self._domain(contact) if self._icons and known.icon else ""
        if not domain:
            return None, True
        source = Source(known.icon, domain)
        found = self._album.ask(source, self._now)
        return found, found is not None or self._album.missed(source)

    def _domain(self, contact: Jid) -> str:
        """Return the SIP domain of a SIP user, "" where he has none."""
        try:
            return self._naming.sip_recipient(contact).host
        except Unmappable:
            return ""

    def _on_card(self, iq: Element) -> Element:
        contact, known = self._asked(iq)
        if known is None:
            # XEP-0054 §3.3: the same whether there is no card or no such user.
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        found, _ = self._picture(contact, known.card)
        return reply(iq, [known.card.element(str(contact), found)])

    def _on_items(self, iq: Element) -> Element:
        contact, known = self._asked(iq)
        found = None if known is None else self._picture(contact, known.card)[0]
        return avatar.answer(iq, found)

    def _asked(self, iq: Element) -> tuple[Jid, _Known | None]:
        contact = Jid.parse(iq.get("to", "")).bare
        return contact, self._cards.get(contact)


def _on_set(_: Element) -> Element:
    raise StanzaError(Condition.FORBIDDEN, text="A card is its owner's to write")
