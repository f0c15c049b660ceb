"""Jingle Message Initiation (XEP-0353): all devices of a user ring before one of them is called."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from dragoman.xmpp import stanza
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import few, line, refuse
from dragoman.xmpp.ext.hints import STORE
from dragoman.xmpp.ext.jingle import Reason
from dragoman.xmpp.ext.jingle_rtp import DESCRIPTION, Rtp

NS: Final = "urn:xmpp:jingle-message:0"
MOST: Final = 32
"""Descriptions of a proposal."""
_TIE_BREAK: Final = f"{{{NS}}}tie-break"
_MIGRATED: Final = f"{{{NS}}}migrated"


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
        """Read what a message says; descriptions of anything but RTP are passed over.

        Raises StanzaError.
        """
        if (step := _STEPS.get(element.name)) is None:
            refuse(element, "no step of a call")
        # Some clients forget that a reason has a namespace of its own.
        reason = next((each for each in element.elements if each.local_name == "reason"), None)
        migrated = element.find(_MIGRATED)
        return cls(
            step,
            line(element, "id"),
            tuple(map(Rtp.parse, few(element, DESCRIPTION, MOST))),
            None if reason is None else Reason.parse(reason),
            element.find(_TIE_BREAK) is not None,
            "" if migrated is None else line(migrated, "to", ""),
        )

    def element(self) -> Element:
        """Return what the message has."""
        children = [each.element() for each in self.descriptions]
        if self.reason is not None:
            children.append(self.reason.element())
        if self.tie_break:
            children.append(Element(_TIE_BREAK))
        if self.migrated:
            children.append(Element(_MIGRATED, {"to": self.migrated}))
        return Element(f"{{{NS}}}{self.step}", {"id": self.id}, children)


_STEPS: Final = {f"{{{NS}}}{each}": each for each in Step}


def initiation(message: Element) -> Initiation | None:
    """Return what a message says of a call, None where it says nothing. Raises StanzaError."""
    found = next((each for each in message.elements if each.name in _STEPS), None)
    return None if found is None else Initiation.parse(found)


def carrier(to: str, from_: str, said: Initiation, id_: str = "") -> Element:
    """Return the message that says it: of type chat, to be kept by all servers (§3)."""
    return stanza.message(to, from_, id=id_, type="chat", children=(said.element(), Element(STORE)))
