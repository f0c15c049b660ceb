"""Jingle Raw UDP Transport (XEP-0177): media go to an address untried."""

from dataclasses import dataclass
from typing import Final

NS: Final = "urn:xmpp:jingle:transports:raw-udp:1"


@dataclass(frozen=True, slots=True)
class RawCandidate:
    """The address of one component: 1 for RTP, 2 for RTCP (§5)."""

    component: int
    ip: str
    port: int
    generation: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class RawUdp:
    """What one side says of its transport."""

    candidates: tuple[RawCandidate, ...] = ()
