"""Jingle Session Transfer (XEP-0251): somebody is asked to call somebody else in one's place."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import line

NS: Final = "urn:xmpp:jingle:transfer:0"
TRANSFER: Final = f"{{{NS}}}transfer"
TRANSFERRED: Final = f"{{{NS}}}transferred"
"""The detail of the reason of a session whose transfer succeeded."""
_LONGEST_JID: Final = 3071


@dataclass(frozen=True, slots=True)
class Transfer:
    """In a session-info, whom to call; in a session-initiate, who asked for the call.

    `sid` is the session between the two that the new one takes the place of. Addresses are as
    they were written, each of the three may be "".
    """

    to: str = ""
    from_: str = ""
    sid: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<transfer/>`. Raises StanzaError."""
        return cls(
            line(element, "to", "", _LONGEST_JID),
            line(element, "from", "", _LONGEST_JID),
            line(element, "sid", ""),
        )

    def element(self) -> Element:
        """Return the `<transfer/>`."""
        told = {"from": self.from_, "sid": self.sid, "to": self.to}
        return Element(TRANSFER, {name: value for name, value in told.items() if value})
