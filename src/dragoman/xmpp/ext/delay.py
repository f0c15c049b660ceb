"""Delayed Delivery (XEP-0203): when a stanza was sent that arrives late."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:delay"
DELAY: Final = f"{{{NS}}}delay"


def sent(stanza: Element) -> str | None:
    """Return the time of sending as it is written (XEP-0082); None: the stanza is not late."""
    found = stanza.find(DELAY)
    return None if found is None else found.get("stamp", "")


def delay(stamp: str) -> Element:
    """Return the element that tells a time of sending."""
    return Element(DELAY, {"stamp": stamp})
