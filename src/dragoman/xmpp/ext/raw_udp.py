"""Jingle Raw UDP Transport (XEP-0177): media go to an address untried."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import few, host, line, number

NS: Final = "urn:xmpp:jingle:transports:raw-udp:1"
TRANSPORT: Final = f"{{{NS}}}transport"
MOST: Final = 32
"""Candidates of a transport."""
_CANDIDATE: Final = f"{{{NS}}}candidate"


@dataclass(frozen=True, slots=True)
class RawCandidate:
    """The address of one component: 1 for RTP, 2 for RTCP (§5)."""

    component: int
    ip: str
    port: int
    generation: int = 0
    id: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<candidate/>`; one without a component is for RTP. Raises StanzaError."""
        return cls(
            number(element, "component", 1, least=1, most=255),
            host(element, "ip"),
            number(element, "port", most=65_535),
            number(element, "generation", 0),
            line(element, "id", ""),
        )

    def element(self) -> Element:
        """Return the `<candidate/>`."""
        attributes = {"component": str(self.component), "generation": str(self.generation)}
        attributes |= {"id": self.id} if self.id else {}
        return Element(_CANDIDATE, attributes | {"ip": self.ip, "port": str(self.port)})


@dataclass(frozen=True, slots=True)
class RawUdp:
    """What one side says of its transport."""

    candidates: tuple[RawCandidate, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<transport/>`. Raises StanzaError."""
        return cls(tuple(map(RawCandidate.parse, few(element, _CANDIDATE, MOST))))

    def element(self) -> Element:
        """Return the `<transport/>`."""
        return Element(TRANSPORT, None, [each.element() for each in self.candidates])
