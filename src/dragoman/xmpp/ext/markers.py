"""Displayed Markers (XEP-0333): how far the reader of a conversation has got."""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:chat-markers:0"
MARKABLE: Final = f"{{{NS}}}markable"


class Marker(Enum):
    """What is said of a message and all before it; the value is the name of the element.

    The first and the last are of older versions, which clients as deployed still send.
    """

    RECEIVED = f"{{{NS}}}received"
    DISPLAYED = f"{{{NS}}}displayed"
    ACKNOWLEDGED = f"{{{NS}}}acknowledged"


_MARKERS: Final = {each.value: each for each in Marker}


def is_markable(message: Element) -> bool:
    """Tell whether a message asks its reader for markers."""
    return message.find(MARKABLE) is not None


def marks(message: Element) -> Iterator[tuple[Marker, str]]:
    """Yield each marker of a message with the id of the message that it is about."""
    for child in message.children:
        if isinstance(child, Element) and child.name in _MARKERS and (id_ := child.get("id")):
            yield _MARKERS[child.name], id_


def markable() -> Element:
    """Return what asks for markers."""
    return Element(MARKABLE)


def displayed(stanza_id: str) -> Element:
    """Return the marker for the message with this id."""
    return Element(Marker.DISPLAYED.value, {"id": stanza_id})
