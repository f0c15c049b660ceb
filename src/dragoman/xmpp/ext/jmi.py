"""Jingle Message Initiation (XEP-0353): all devices of a user ring before one of them is called."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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
