"""Message Reactions (XEP-0444): emoji that somebody sets on a message."""

from dataclasses import dataclass
from itertools import islice
from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:reactions:0"
REACTIONS: Final = f"{{{NS}}}reactions"
REACTION: Final = f"{{{NS}}}reaction"
MOST: Final = 8
"""How many of one message are read: nobody has more to say without words."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """All that one person has set on the message `id`, as it is now; none: he took them back."""

    id: str
    emoji: tuple[str, ...]


def reactions(message: Element) -> Reactions | None:
    """Return the reactions that a message brings, None for none.

    What is repeated counts once (§4); what is not an emoji is as it was written.
    """
    found = message.find(REACTIONS)
    if found is None:
        return None
    said = (each.text.strip() for each in found.find_all(REACTION))
    return Reactions(found.get("id", ""), tuple(islice(dict.fromkeys(filter(None, said)), MOST)))
