"""Jingle ICE-UDP Transport (XEP-0176): where media may go, tried out by ICE."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle_dtls import Fingerprint

NS: Final = "urn:xmpp:jingle:transports:ice-udp:1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address to try (§5.3); `related` is the base of a reflexive or relayed one."""

    foundation: str
    component: int
    protocol: str
    priority: int
    ip: str
    port: int
    type: str
    related: tuple[str, int] | None = None
    generation: int = 0
    network: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class IceUdp:
    """What one side says of its transport; `complete`: no more candidates will come (XEP-0371).

    `chosen` are the remote candidates that are used (§5.7), as component, address and port.
    """

    ufrag: str = ""
    pwd: str = ""
    candidates: tuple[Candidate, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    chosen: tuple[tuple[int, str, int], ...] = ()
    complete: bool = False

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<transport/>`."""
        return cls(element.get("ufrag", ""), element.get("pwd", ""))

    def element(self) -> Element:
        """Return the `<transport/>`."""
        return Element(f"{{{NS}}}transport", {"ufrag": self.ufrag, "pwd": self.pwd})
