"""User Avatar (XEP-0084): somebody's picture, as whoever looks for it there is answered.

Nobody is told of changes: that takes a server that knows who wishes it (XEP-0163).
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha1
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import reply

DATA: Final = "urn:xmpp:avatar:data"
METADATA: Final = "urn:xmpp:avatar:metadata"
PUBSUB: Final = "http://jabber.org/protocol/pubsub"
PNG: Final = "image/png"

_ITEMS: Final = f"{{{PUBSUB}}}items"
_ITEM: Final = f"{{{PUBSUB}}}item"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture and its content type."""

    type: str
    data: bytes

    @property
    def id(self) -> str:
        """The name that it has by its content (§4.1)."""
        return sha1(self.data, usedforsecurity=False).hexdigest()

    @property
    def base64(self) -> str:
        """The picture as text (§4.1)."""
        return b64encode(self.data).decode()


def answer(iq: Element, picture: Picture | None) -> Element:
    """Return the answer to a request for items (§3.4; XEP-0060 §6.5).

    Raises StanzaError: item-not-found where there is no picture, or none in the format that all
    clients have to know (§4.2.1); feature-not-implemented for anything but items.
    """
    pubsub = iq.find(f"{{{PUBSUB}}}pubsub")
    items = None if pubsub is None else pubsub.find(_ITEMS)
    if items is None:
        raise StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)
    node, wanted = items.get("node", ""), {each.get("id") for each in items.find_all(_ITEM)}
    payload = _payload(node, picture)
    if payload is None or picture is None or (wanted and picture.id not in wanted):
        raise StanzaError(Condition.ITEM_NOT_FOUND)
    item = Element(_ITEM, {"id": picture.id}, [payload])
    found = Element(_ITEMS, {"node": node}, [item])
    return reply(iq, [Element(f"{{{PUBSUB}}}pubsub", None, [found])])


def _payload(node: str, picture: Picture | None) -> Element | None:
    """Return what a node has of a picture; None where it has nothing."""
    if picture is None or picture.type != PNG:
        return None
    if node == DATA:
        return Element(f"{{{DATA}}}data", None, [picture.base64])
    if node == METADATA:
        told = {"bytes": str(len(picture.data)), "id": picture.id, "type": picture.type}
        return Element(f"{{{METADATA}}}metadata", None, [Element(f"{{{METADATA}}}info", told)])
    return None
