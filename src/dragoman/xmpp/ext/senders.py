"""Who of a Jingle session made a content, and who sends media in it (XEP-0166 §7.3)."""

from enum import StrEnum
from typing import Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import refuse


class Creator(StrEnum):
    """Who made a content."""

    INITIATOR = "initiator"
    RESPONDER = "responder"

    @classmethod
    def of(cls, element: Element) -> Self:
        """Return who made it; the initiator where nobody is told, as old clients leave it out.

        Raises StanzaError (bad-request) for anybody else.
        """
        try:
            return cls(element.get("creator") or cls.INITIATOR)
        except ValueError:
            refuse(element, "creator is nobody of this session")


class Senders(StrEnum):
    """Who sends media in a content."""

    BOTH = "both"
    INITIATOR = "initiator"
    NONE = "none"
    RESPONDER = "responder"

    @classmethod
    def of(cls, element: Element) -> Self:
        """Return who sends; both where it is not told (XEP-0166 §7.3).

        Raises StanzaError (bad-request) for anybody else.
        """
        try:
            return cls(element.get("senders") or cls.BOTH)
        except ValueError:
            refuse(element, "senders are nobody of this session")
