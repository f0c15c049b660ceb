"""Who of a Jingle session made a content, and who sends media in it (XEP-0166 §7.3)."""

from enum import StrEnum


class Creator(StrEnum):
    """Who made a content."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class Senders(StrEnum):
    """Who sends media in a content."""

    BOTH = "both"
    INITIATOR = "initiator"
    NONE = "none"
    RESPONDER = "responder"
