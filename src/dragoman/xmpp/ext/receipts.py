"""Message Delivery Receipts (XEP-0184): a message asks for one, and gets it from its reader."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:receipts"
REQUEST: Final = f"{{{NS}}}request"
RECEIVED: Final = f"{{{NS}}}received"


def is_request(message: Element) -> bool:
    """Tell whether a message asks for a receipt; one that is a receipt may not (§5.4)."""
    return message.find(REQUEST) is not None and message.find(RECEIVED) is None


def received(message: Element) -> str:
    """Return the id of the message whose receipt this is, "" where it is none."""
    found = message.find(RECEIVED)
    return "" if found is None else found.get("id", "")


def request() -> Element:
    """Return what asks for a receipt."""
    return Element(REQUEST)


def receipt(stanza_id: str) -> Element:
    """Return the receipt for the message with this id."""
    return Element(RECEIVED, {"id": stanza_id})
