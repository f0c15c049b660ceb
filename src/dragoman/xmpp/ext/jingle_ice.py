"""Jingle ICE-UDP Transport (XEP-0176): where media may go, tried out by ICE."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import few, host, line, number, printed, token, word
from dragoman.xmpp.ext.jingle_dtls import FINGERPRINT, Fingerprint
from dragoman.xmpp.ext.jingle_dtls import MOST as MOST_FINGERPRINTS

NS: Final = "urn:xmpp:jingle:transports:ice-udp:1"
TRANSPORT: Final = f"{{{NS}}}transport"
MOST: Final = 128
"""Candidates of a transport."""
LONGEST: Final = 256
"""Of a password, a name fragment, a foundation (RFC 8839 §5.4)."""
PRIORITY: Final = 2**31 - 1
"""The highest (RFC 8445 §5.1.2)."""
_CANDIDATE: Final = f"{{{NS}}}candidate"
_REMOTE: Final = f"{{{NS}}}remote-candidate"
_COMPLETE: Final = "gathering-complete"
_PORT: Final = 65_535


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

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<candidate/>`, with what deployed clients leave out. Raises StanzaError.

        A priority beyond the highest, as in an example of §5.5, counts as the highest.
        """
        return cls(
            word(element, "foundation", "0", LONGEST),
            _component(element),
            token(element, "protocol", "udp"),
            min(number(element, "priority", most=10**20), PRIORITY),
            host(element, "ip"),
            number(element, "port", most=_PORT),
            token(element, "type", "host"),
            _related(element),
            number(element, "generation", 0),
            number(element, "network", 0),
            line(element, "id", ""),
        )

    def element(self) -> Element:
        """Return the `<candidate/>`."""
        attributes = {
            "component": str(self.component),
            "foundation": self.foundation,
            "generation": str(self.generation),
            "id": self.id,
            "ip": self.ip,
            "network": str(self.network),
            "port": str(self.port),
            "priority": str(self.priority),
            "protocol": self.protocol,
            "type": self.type,
        }
        if not self.id:
            del attributes["id"]
        if self.related is not None:
            attributes |= {"rel-addr": self.related[0], "rel-port": str(self.related[1])}
        return Element(_CANDIDATE, attributes)


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
        """Read a `<transport/>`. Raises StanzaError."""
        # Clients have the sign of XEP-0371 in this namespace, or in that of its own transport.
        complete = any(each.local_name == _COMPLETE for each in element.elements)
        return cls(
            word(element, "ufrag", "", LONGEST),
            word(element, "pwd", "", LONGEST),
            tuple(map(Candidate.parse, few(element, _CANDIDATE, MOST))),
            tuple(map(Fingerprint.parse, few(element, FINGERPRINT, MOST_FINGERPRINTS))),
            tuple(map(_chosen, few(element, _REMOTE, MOST))),
            complete,
        )

    def element(self) -> Element:
        """Return the `<transport/>`."""
        named = {"pwd": self.pwd, "ufrag": self.ufrag}
        children = printed(*self.fingerprints, *self.candidates)
        children += [
            Element(_REMOTE, {"component": str(component), "ip": ip, "port": str(port)})
            for component, ip, port in self.chosen
        ]
        if self.complete:
            children.append(Element(f"{{{NS}}}{_COMPLETE}"))
        return Element(TRANSPORT, {key: value for key, value in named.items() if value}, children)


def _component(element: Element) -> int:
    return number(element, "component", least=1, most=256)


def _related(element: Element) -> tuple[str, int] | None:
    if not element.get("rel-addr"):
        return None
    return host(element, "rel-addr"), number(element, "rel-port", 0, most=_PORT)


def _chosen(element: Element) -> tuple[int, str, int]:
    return _component(element), host(element, "ip"), number(element, "port", most=_PORT)
