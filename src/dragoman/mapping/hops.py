"""Max-Forwards carried across (RFC 3261 §16.3, RFC 7247 §8), so that no two gateways loop.

A stanza has no count of hops.  So a request made from a stanza starts with fewer than those of
phones do (`FROM_XMPP`, not 70), which shows the next gateway where it comes from; the stanza that
is made of such a request carries the rest in a header (XEP-0131), and each crossing costs
`CROSSING`.  What a phone sends crosses without a mark.
"""

from typing import Final

from dragoman.sip.message import Request
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import shim
from dragoman.xmpp.failure import Condition, StanzaError

NAME: Final = "Max-Forwards"
FROM_XMPP: Final = 50
"""Hops that a request made from a stanza has left, when nothing says that it has fewer."""
CROSSING: Final = 10
"""Hops that each crossing from XMPP costs: five gateways in a row are a loop."""


def mark(request: Request) -> Element | None:
    """Return what a stanza bears of a request that may come from XMPP; None for one of a phone."""
    left = request.max_forwards
    return None if left is None or left > FROM_XMPP else shim.headers({NAME: str(left)})


def left(stanza: Element) -> int:
    """Return the Max-Forwards of a request made from a stanza.

    Raises StanzaError (item-not-found, as for a domain that leads back here) where none is left.
    """
    text = shim.header(stanza, NAME)
    if text is None:
        return FROM_XMPP
    known = text.isascii() and text.isdigit() and len(text) < 4
    count = min(int(text), FROM_XMPP) - CROSSING if known else 0
    if count <= 0:
        raise StanzaError(Condition.ITEM_NOT_FOUND, text="The message passed too many gateways")
    return count
