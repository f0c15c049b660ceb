"""What is kept of messages that crossed: under which identifiers they are known on either side."""

from enum import Flag, auto


class Disposition(Flag):
    """What the sender of a message asks to be told, or was told (RFC 5438 §5)."""

    DELIVERED = auto()
    FAILED = auto()
    DISPLAYED = auto()
