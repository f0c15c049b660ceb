"""Last User Interaction in Presence (XEP-0319): since when nobody has touched the device."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:idle:1"
IDLE: Final = f"{{{NS}}}idle"


def since(presence: Element) -> str | None:
    """Return the time of the last interaction as it is written (XEP-0082), None for none."""
    found = presence.find(IDLE)
    return None if found is None else found.get("since", "")


def idle(stamp: str) -> Element:
    """Return the element that tells a time of last interaction."""
    return Element(IDLE, {"since": stamp})
