"""XMPP Ping (XEP-0199): is anybody there?"""

from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.stanza import reply

NS: Final = "urn:xmpp:ping"


def answer(iq: Element) -> Element:
    """Return the empty result that a ping is answered with (XEP-0199 §4)."""
    return reply(iq)
