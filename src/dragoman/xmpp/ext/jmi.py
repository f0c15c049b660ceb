"""Jingle Message Initiation (XEP-0353): all devices of a user ring before one of them is called."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import NS as JINGLE
from dragoman.xmpp.ext.jingle import Reason
from dragoman.xmpp.ext.jingle_rtp import Rtp

NS: Final = "urn:xmpp:jingle-message:0"


class Step(StrEnum):
    """What a message says of a call (§3)."""

    ACCEPT = "accept"
    FINISH = "finish"
    PROCEED = "proceed"
    PROPOSE = "propose"
    REJECT = "reject"
    RETRACT = "retract"
    RINGING = "ringing"


@dataclass(frozen=True, slots=True)
class Initiation:
    """What a message says of the call `id`, which is the sid of the session that may follow.

    `descriptions` are those of a proposal, one for each medium; `tie_break` tells a rejection
    because of a proposal of one's own (§4.1), `migrated` the id that took the place of this (§4.2).
    """

    step: Step
    id: str
    descriptions: tuple[Rtp, ...] = ()
    reason: Reason | None = None
    tie_break: bool = False
    migrated: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read one. Raises RemoteError."""
        reason = element.find(f"{{{JINGLE}}}reason")
        migrated = element.find(f"{{{NS}}}migrated")
        media = [each for each in element.elements if each.local_name == "description"]
        try:
            return cls(
                Step(element.local_name),
                element.attributes["id"],
                tuple(Rtp.parse(each) for each in media),
                Reason.parse(reason) if reason is not None else None,
                element.find(f"{{{NS}}}tie-break") is not None,
                migrated.get("to", "") if migrated is not None else "",
            )
        except (KeyError, ValueError) as error:
            raise RemoteError("a message that says nothing of a call") from error

    def element(self) -> Element:
        """Return it."""
        children = [each.element() for each in self.descriptions]
        if self.reason is not None:
            children.append(self.reason.element())
        if self.tie_break:
            children.append(Element(f"{{{NS}}}tie-break"))
        if self.migrated:
            children.append(Element(f"{{{NS}}}migrated", {"to": self.migrated}))
        return Element(f"{{{NS}}}{self.step}", {"id": self.id}, children)
