"""Who is to hear what became of a message, and of which (RFC 5438, XEP-0184, XEP-0333).

A message that asks for word of itself is remembered under its names on both sides. Word that comes
from one side goes to the sender on the other: once for each kind, and never that a message failed
after it was delivered.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from dragoman.mapping import hops, receipt
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.mapping.date import stamp
from dragoman.mapping.envelope import Envelope, wrapped
from dragoman.mapping.imdn import LONGEST_URI, TYPE, Asked, Imdn
from dragoman.mapping.receipt import Told
from dragoman.sip.message import Request, SipError, build_request
from dragoman.sip.uri import Uri
from dragoman.store.interface import NOTHING, Crossed, Disposition, Identifiers
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import replies
from dragoman.xmpp.ext.stanza_ids import origin_id
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends

NOTIFICATION: Final = "notification"
NOBODY: Final = "anonymous.invalid"


@dataclass(frozen=True, slots=True)
class Word:
    """What became of a message of SIP, to be told: the request that tells it."""

    request: Request
    about: Crossed


class Receipts:
    """The service. `address(jid)` is the SIP URI of an XMPP user, `token()` a random id."""

    def __init__(
        self,
        store: Identifiers,
        address: Callable[[Jid], Uri],
        token: Callable[[], str],
        wall: Callable[[], float],
    ) -> None:
        """Remember in `store`; `wall()` is the time in seconds since 1970."""
        self._store = store
        self._address = address
        self._token = token
        self.wall = wall

    # -- messages of SIP ------------------------------------------------------------------

    def is_copy(self, asked: Asked, sender: Jid, recipient: Jid) -> bool:
        """Tell whether a message of SIP is one that crossed already, come once more."""
        found = self._store.by_message(str(sender.bare), asked.message_id, inward=True)
        return found is not None and found.user == str(recipient.bare)

    def answers(self, message_id: str, sender: Jid, recipient: Jid) -> Element | None:
        """Return what says that a message of SIP answers another between the two (XEP-0461).

        None where the one with that Message-ID is not known.
        """
        user, peer = str(recipient.bare), str(sender.bare)
        for inward in (False, True):
            found = self._store.by_message(peer, message_id, inward=inward)
            if found is not None and found.user == user:
                return replies.reply(found.stanza_id, peer if inward else user)
        return None

    def expect(self, asked: Asked, sender: Uri, target: Uri, stanza: Element) -> Crossed:
        """Remember a message of SIP to `target` that becomes this stanza.

        The stanza asks what its sender asks.
        """
        wanted = NOTHING if sender.host == NOBODY else asked.dispositions
        stanza.children = [*stanza.children, *receipt.requests(wanted)]
        crossed = Crossed(
            user=str(Jid.parse(stanza.attributes["to"]).bare),
            peer=str(Jid.parse(stanza.attributes["from"]).bare),
            stanza_id=stanza.get("id", ""),
            message_id=asked.message_id,
            inward=True,
            asked=wanted,
            reply_to=str(sender),
            route=asked.route,
            sent=self.wall(),
            original_to=asked.original_to or _short(target),
        )
        self._store.add(crossed)
        return crossed

    def failed(self, user: str, peer: str, stanza_id: str) -> Word | None:
        """Return what tells the sender of a message of SIP that it was not delivered after all.

        None where he did not ask, was told, or heard that it was delivered.
        """
        crossed = self._store.by_stanza(user, peer, stanza_id, inward=True)
        if crossed is None:
            return None
        return self._word(crossed, Disposition.FAILED, Jid.parse(user), hops.FROM_XMPP)

    def told(self, stanza: Element) -> list[Word]:
        """Return what tells the senders of messages of SIP what an XMPP user says of them.

        Raises StanzaError where the stanza passed too many gateways.
        """
        left = hops.left(stanza)
        found: list[Word] = []
        for each in receipt.told(stanza):
            reader, peer = ends(stanza)
            user, sender = str(reader.bare), str(peer.bare)
            crossed = self._store.by_stanza(user, sender, each.stanza_id, inward=True)
            if crossed is not None:
                found += self._words(crossed, each.disposition, reader, left)
        return found

    def _words(
        self, crossed: Crossed, disposition: Disposition, reader: Jid, left: int
    ) -> list[Word]:
        """A display covers the messages before it too (XEP-0333 §5)."""
        earlier = self._store.open_before(crossed) if disposition is Disposition.DISPLAYED else []
        words = [self._word(each, disposition, reader, left) for each in (*earlier, crossed)]
        return [each for each in words if each is not None]

    def _word(
        self, crossed: Crossed, disposition: Disposition, reader: Jid, left: int
    ) -> Word | None:
        if disposition not in crossed.asked or not self._store.tell(crossed, disposition):
            return None
        try:
            return Word(self._request(crossed, disposition, reader, left), crossed)
        except (SipError, Unmappable):
            return None

    def _request(
        self, crossed: Crossed, disposition: Disposition, reader: Jid, left: int
    ) -> Request:
        """Make the MESSAGE of a notification (RFC 5438 §7.2.1, §12.1.3)."""
        user, peer = self._reader(crossed, reader), Uri.parse(crossed.reply_to)
        target = Uri.parse(crossed.route[0]) if crossed.route else peer
        sent = stamp(crossed.sent)
        recipient = str(without_gr(user))
        original = crossed.original_to or recipient
        body = receipt.notification(crossed.message_id, sent, disposition, recipient, original)
        headers = [
            ("Max-Forwards", str(left)),
            ("To", f"<{without_gr(peer)}>"),
            ("From", f"<{user}>;tag={self._token()}"),
            ("Call-ID", self._token()),
            ("CSeq", "1 MESSAGE"),
            ("Content-Type", TYPE),
        ]
        envelope = Envelope(self._token(), NOTHING, self.wall(), crossed.route, NOTIFICATION)
        request = build_request("MESSAGE", str(target), headers, body)
        return wrapped(request, envelope, str(user), str(without_gr(peer)))

    def _reader(self, crossed: Crossed, reader: Jid) -> Uri:
        """Return the address that a notification is from: of the user or device written to.

        A phone that has a talk for each address, as Linphone has, looks for the message there.
        """
        own = without_gr(self._address(reader))
        try:
            written = Uri.parse(crossed.original_to)
        except SipError:
            return own
        device = written.param("gr")
        if device is None or (written.user, written.host) != (own.user, own.host):
            return own
        return replace(own, params=(*own.params, ("gr", device)))

    # -- messages of XMPP -----------------------------------------------------------------

    def is_repeated(self, stanza: Element, *, delayed: bool) -> bool:
        """Tell whether a stanza is a message that crossed already, sent once more.

        Such a message has the origin-id of one that crossed; or, where it comes `delayed` from
        some store, the id of one.
        """
        origin, stanza_id = origin_id(stanza), stanza.get("id", "") if delayed else ""
        if not (origin or stanza_id):
            return False
        user, peer = _ends(stanza)
        if origin and self._store.by_origin(user, peer, origin):
            return True
        if not stanza_id:
            return False
        return self._store.by_stanza(user, peer, stanza_id, inward=False) is not None

    def outward(self, stanza: Element, asked: Disposition) -> Crossed | None:
        """Remember a message to SIP that asks this, or that may come again; None for others."""
        stanza_id, origin = stanza.get("id", ""), origin_id(stanza)
        if not stanza_id or not (asked or origin):
            return None
        user, peer = _ends(stanza)
        crossed = Crossed(
            user=user,
            peer=peer,
            stanza_id=stanza_id,
            message_id=self._token() if asked else "",
            inward=False,
            asked=asked,
            reply_to=stanza.get("from", ""),
            origin_id=origin,
            sent=self.wall(),
        )
        self._store.add(crossed)
        return crossed

    def forget(self, crossed: Crossed) -> None:
        """Forget a message that did not cross: who sends it again is no repetition."""
        self._store.remove(crossed)

    def delivered(self, crossed: Crossed) -> Element | None:
        """Return the stanza that tells an XMPP user that a message of a session was delivered.

        None where he did not ask, or was told.
        """
        if Disposition.DELIVERED not in crossed.asked:
            return None
        if not self._store.tell(crossed, Disposition.DELIVERED):
            return None
        told = Told(crossed.stanza_id, Disposition.DELIVERED)
        return receipt.to_stanza(told, Jid.parse(crossed.peer), crossed.reply_to, self._token())

    def heard(self, document: Imdn, sender: Jid) -> Element | None:
        """Return the stanza that tells an XMPP user what a phone says of a message of his.

        None where the message is not known, he did not ask, or was told.
        """
        peer, disposition = str(sender.bare), receipt.disposition(document)
        crossed = self._store.by_message(peer, document.message_id, inward=False)
        if crossed is None or not disposition:
            return None
        if disposition not in crossed.asked or not self._store.tell(crossed, disposition):
            return None
        told = Told(crossed.stanza_id, disposition)
        return receipt.to_stanza(told, sender, crossed.reply_to, self._token())


def _short(uri: Uri) -> str:
    """Return a URI that is worth remembering as text, "" for others."""
    text = str(uri)
    return text if len(text) <= LONGEST_URI else ""


def _ends(stanza: Element) -> tuple[str, str]:
    """Return the bare addresses of the XMPP user and the SIP user of a stanza to SIP."""
    user, peer = ends(stanza)
    return str(user.bare), str(peer.bare)
