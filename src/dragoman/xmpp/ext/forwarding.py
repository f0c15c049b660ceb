"""Messages in messages: forwarded (XEP-0297), carbon copies (XEP-0280), from an archive (XEP-0313).

Only a user's own server may send him the last two, and a gateway's users have none: whoever sends
one to them wants somebody else's name above his words.
"""

from typing import Final

from dragoman.xmpp.element import Element

FORWARDED: Final = "{urn:xmpp:forward:0}forwarded"
COPIES: Final = frozenset(
    {
        *(f"{{urn:xmpp:carbons:{v}}}{name}" for v in range(3) for name in ("sent", "received")),
        *(f"{{urn:xmpp:mam:{v}}}result" for v in ("tmp", 0, 1, 2)),
    }
)


def is_copy(message: Element) -> bool:
    """Say whether a message pretends to be a copy of another, from the receiver's own server."""
    return any(each.name in COPIES for each in message.elements)


def is_forwarded(message: Element) -> bool:
    """Say whether a message brings another along."""
    return message.find(FORWARDED) is not None
