"""Receipts and markers (XEP-0184, XEP-0333) to and from notifications (RFC 5438).

The tables are those of docs/interworking/im.md §5.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dragoman.mapping.imdn import Imdn, Status
from dragoman.store.interface import NOTHING, Disposition
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import markers, receipts
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import message

_STATUSES: Final = {
    Disposition.DELIVERED: Status.DELIVERED,
    Disposition.FAILED: Status.FAILED,
    Disposition.DISPLAYED: Status.DISPLAYED,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What an XMPP user says of the message with that stanza id."""

    stanza_id: str
    disposition: Disposition


def requests(asked: Disposition) -> Iterator[Element]:
    """Yield what a stanza asks of its reader, for a message of SIP that asks so."""
    if Disposition.DELIVERED in asked:
        yield receipts.request()
    if Disposition.DISPLAYED in asked:
        yield markers.markable()


def asked(stanza: Element) -> Disposition:
    """Return what is to be asked of a phone for a stanza: nothing of a room or by an error.

    Who wants to hear of delivery wants to hear of failure.
    """
    found = NOTHING
    if stanza.get("type") in ("error", "groupchat", "headline"):
        return found
    if receipts.is_request(stanza):
        found |= Disposition.DELIVERED | Disposition.FAILED
    if markers.is_markable(stanza):
        found |= Disposition.DISPLAYED
    return found


def told(stanza: Element) -> list[Told]:
    """Return what a stanza says of messages that its sender got."""
    if stanza.get("type") in ("error", "groupchat"):
        return []
    found = []
    if received := receipts.received(stanza):
        found.append(Told(received, Disposition.DELIVERED))
    for marker, stanza_id in markers.marks(stanza):
        delivered = marker is markers.Marker.RECEIVED
        kind = Disposition.DELIVERED if delivered else Disposition.DISPLAYED
        found.append(Told(stanza_id, kind))
    return found


def notification(
    message_id: str, sent: str, disposition: Disposition, recipient: str, original: str
) -> bytes:
    """Return the document that tells the sender of a message what became of it.

    `sent` is its DateTime (RFC 3339), `recipient` the URI of who got it, `original` the one that
    it was for.
    """
    return Imdn(message_id, sent, _STATUSES[disposition], recipient, original).encode()


def disposition(document: Imdn) -> Disposition:
    """Return what a notification tells; nothing where it only says that it will not."""
    return next((one for one, status in _STATUSES.items() if status is document.status), NOTHING)


def to_stanza(told: Told, sender: Jid, reader: str, token: str) -> Element:
    """Return the stanza by which `reader`, who wrote a message, hears what became of it.

    A failure is an error under the message's own id; anything else is a receipt or marker in a
    stanza with the id `token`.
    """
    if told.disposition is Disposition.FAILED:
        text = "The phone says that the message was not delivered"
        failed = StanzaError(Condition.RECIPIENT_UNAVAILABLE, ErrorType.WAIT, text=text)
        children = [failed.element()]
        return message(reader, str(sender), id=told.stanza_id, type="error", children=children)
    if told.disposition is Disposition.DELIVERED:
        child = receipts.receipt(told.stanza_id)
    else:
        child = markers.displayed(told.stanza_id)
    return message(reader, str(sender), id=token, type="chat", children=[child])
