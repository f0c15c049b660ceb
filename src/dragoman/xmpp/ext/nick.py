"""User Nickname (XEP-0172): what somebody wishes to be called."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "http://jabber.org/protocol/nick"
NICK: Final = f"{{{NS}}}nick"


def nickname(message: Element) -> str:
    """Return the name that the sender of a message gives himself (§4.2), "" for none."""
    found = message.find(NICK)
    return "" if found is None else found.text


def nick(name: str) -> Element:
    """Return the element that tells a name."""
    return Element(NICK, None, (name,))
