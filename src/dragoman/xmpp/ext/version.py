"""Software Version (XEP-0092): what runs here."""

from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.stanza import reply

NS: Final = "jabber:iq:version"


def answer(iq: Element, name: str, version: str) -> Element:
    """Return the name and version of the software; never the system's, which is no one's business.

    The standard lets `<os/>` be left out (XEP-0092 §3).
    """
    told = (("name", name), ("version", version))
    children = [Element(f"{{{NS}}}{tag}", None, (text,)) for tag, text in told]
    return reply(iq, (Element(f"{{{NS}}}query", None, children),))
