"""In what form a message goes to a phone (RFC 3428 §8, RFC 5438 §7.1.1, RFC 5627 §6.4).

With its formatting or its languages, where the phone is known to take them; wrapped, where its
sender wants to hear of it and the phone takes that; else bare, in as many parts as it needs. What
a phone refuses is made again in a form that it may like better.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from dragoman.bridge.phones import Phones
from dragoman.bridge.receipts import Receipts
from dragoman.bridge.to_sip import Crossing, Purpose
from dragoman.mapping import receipt
from dragoman.mapping.chat import Form, Takes, form
from dragoman.mapping.date import parse_sip_date
from dragoman.mapping.envelope import CONTENT_TYPE as CPIM
from dragoman.mapping.envelope import Envelope, opened, wrapped
from dragoman.mapping.imdn import TYPE as IMDN
from dragoman.mapping.message import Dropped, check_size
from dragoman.mapping.parties import to_any_device
from dragoman.mapping.richer import RICH, richer
from dragoman.mapping.split import split
from dragoman.sip.message import Request, Response, encode
from dragoman.store.interface import NOTHING, Disposition
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid

UNSUPPORTED: Final = frozenset({406, 415, 488, 606})
"""Statuses by which a phone says that it does not take a type of body."""
GONE: Final = frozenset({404, 410, 430, 480})
"""Statuses that say no more than that a device is not there (RFC 5627 §6.4)."""


@dataclass(frozen=True, slots=True)
class Note:
    """A message as it goes in a session."""

    form: Form
    success: bool = False
    """Whether its sender wants to hear that it was delivered."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Makes crossings of requests; `room` is how many bytes a request may have as we make it."""

    phones: Phones
    receipts: Receipts
    token: Callable[[], str]
    room: int
    splits: bool
    """Whether a longer text becomes several; RFC 7572 §6 has policy-violation."""

    def crossing(
        self,
        stanza: Element,
        plain: Request,
        exchange: str,
        purpose: Purpose,
        now: float,
        size: int,
    ) -> Crossing | Dropped:
        """Return how the text of a stanza, which as a bare request is `plain`, goes to its phone.

        `size` is how many octets the bare request has. Dropped is one that crossed before. Raises
        StanzaError for one that is too long.
        """
        date = plain.get("Date")
        if self.receipts.is_repeated(stanza, delayed=date is not None):
            return Dropped("it crossed before")
        peer, wanted = peer_of(stanza), receipt.asked(stanza)
        refused = wanted and self.phones.refuses(peer, CPIM, now)
        message = self.receipts.outward(stanza, NOTHING if refused else wanted)
        rich = richer(stanza, plain, self._taken(peer, now))
        letters = [] if rich is None else [rich]
        if message is not None and message.asked:
            sent = None if date is None else parse_sip_date(date)
            envelope = Envelope(message.message_id, message.asked, sent or message.sent)
            letters = [wrapped(each, envelope, *_addresses(plain)) for each in (*letters, plain)]
        for letter in letters:
            if len(encode(letter)) <= self.room:
                unasked = bool(wanted) and not (message and message.asked)
                first = deque([letter])
                return Crossing(stanza, first, exchange, purpose, plain, message, unasked)
        parts = deque(self._parts(plain, size))
        return Crossing(stanza, parts, exchange, purpose, message=message, unasked=bool(wanted))

    def note(self, draft: Crossing, takes: Takes) -> Note | Dropped:
        """Return how a draft goes in a session, and remember it in the draft (RFC 7573 §7).

        Dropped is one that crossed before. Raises StanzaError for what the far end does not take.
        """
        stanza, plain, message = draft.stanza, draft.requests[0], draft.message
        delayed = plain.get("Date") is not None
        if message is None and self.receipts.is_repeated(stanza, delayed=delayed):
            return Dropped("it crossed before")
        wanted = receipt.asked(stanza)
        message = message or self.receipts.outward(stanza, wanted)
        rich = richer(stanza, plain, [each for each in RICH if takes.accepts(each)])
        found = form(
            [plain] if rich is None else [rich, plain],
            takes,
            message_id="" if message is None else message.message_id,
            displayed=Disposition.DISPLAYED in wanted and takes.wraps(IMDN),
            sent=self.receipts.wall(),
        )
        if found is None:
            if message is not None:
                self.receipts.forget(message)
            text = "The SIP user's program does not take this kind of message"
            raise StanzaError(Condition.NOT_ACCEPTABLE, text=text)
        draft.message = message
        return Note(found, Disposition.DELIVERED in wanted)

    def again(self, crossing: Crossing, response: Response, now: float) -> Sequence[Request]:
        """Return what a phone may take that refused a request: it bare, or for any of its kind."""
        refused = crossing.requests[0]
        if response.status in UNSUPPORTED and crossing.plain is not None:
            peer, plain, crossing.plain = peer_of(crossing.stanza), crossing.plain, None
            self.phones.heard(peer, response)
            self.phones.refused(peer, self._to_blame(peer, refused), now)
            crossing.unasked = bool(receipt.asked(crossing.stanza))
            try:
                return self._parts(plain, len(encode(plain)))
            except StanzaError:
                return ()
        if response.status in GONE and refused.uri.param("gr") is not None:
            return [to_any_device(each) for each in crossing.requests]
        return ()

    def _taken(self, peer: str, now: float) -> set[str]:
        """Return what a user's phones are known to take, though one refused it lately."""
        found = self.phones.accepted(peer)
        return {each for each in found if not self.phones.refuses(peer, each, now)}

    def _to_blame(self, peer: str, refused: Request) -> str:
        """Return which type of a request a phone does not take, of which it was just heard.

        That is not message/cpim where it lists that, and what is wrapped is more than text.
        """
        media = refused.content_type
        outer = CPIM if media is None else media.essence
        inner = opened(refused).essence if outer == CPIM else outer
        return inner if inner in RICH and outer in self.phones.accepted(peer) else outer

    def _parts(self, plain: Request, size: int) -> Sequence[Request]:
        """Return a message in as many as it needs; raises StanzaError where it may not be cut."""
        if size <= self.room:
            return [plain]
        if not self.splits:
            check_size(size, self.room)
        return split(plain, self.room, self.token)


def peer_of(stanza: Element) -> str:
    """Return the bare JID of the SIP user whom a stanza is for."""
    return str(Jid.parse(stanza.get("to", "")).bare)


def _addresses(request: Request) -> tuple[str, str]:
    """Return who a request of ours is from, as it says itself, and for.

    To Linphone, who is from another address, be it by `gr` only, is another than who was writing.
    """
    return str(request.from_.uri), str(request.to.uri)
