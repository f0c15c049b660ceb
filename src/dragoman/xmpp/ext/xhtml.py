"""XHTML-IM (XEP-0071): a formatted version beside the plain body, which says the same."""

from collections.abc import Iterable
from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "http://jabber.org/protocol/xhtml-im"
XHTML: Final = "http://www.w3.org/1999/xhtml"
HTML: Final = f"{{{NS}}}html"
BODY: Final = f"{{{XHTML}}}body"


def name(local: str) -> str:
    """Return the name of an XHTML element."""
    return f"{{{XHTML}}}{local}"


def html(content: Iterable[Element | str]) -> Element:
    """Return the element that stands beside the body (§5)."""
    return Element(HTML, None, [Element(BODY, None, content)])


def body(message: Element) -> Element | None:
    """Return the formatted body of a message, the first where it has several languages."""
    found = message.find(HTML)
    return None if found is None else found.find(BODY)
