"""Jingle RTP Header Extensions Negotiation (XEP-0294)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import number, paired, pairs, word
from dragoman.xmpp.ext.senders import Senders

NS: Final = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
RTP_HDREXT: Final = f"{{{NS}}}rtp-hdrext"
ALLOW_MIXED: Final = f"{{{NS}}}extmap-allow-mixed"
LARGEST_ID: Final = 65_535
MOST: Final = 64
"""Of a description."""
MOST_PARAMETERS: Final = 16
_PARAMETER: Final = f"{{{NS}}}parameter"
_DIRECTIONS: Final = frozenset({"sendonly", "recvonly", "sendrecv", "inactive"})


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """What an element of RTP headers with this number means (§3).

    `parameters` are pairs of name and value.
    """

    id: int
    uri: str
    senders: Senders = Senders.BOTH
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read an `<rtp-hdrext/>`. Raises StanzaError.

        Movim names senders as SDP does: whose direction that is nobody knows, so it counts as both.
        """
        return cls(
            number(element, "id", most=LARGEST_ID),
            word(element, "uri"),
            Senders.BOTH if element.get("senders") in _DIRECTIONS else Senders.of(element),
            pairs(element, _PARAMETER, MOST_PARAMETERS),
        )

    def element(self) -> Element:
        """Return the `<rtp-hdrext/>`."""
        attributes = {"id": str(self.id), "uri": self.uri}
        if self.senders is not Senders.BOTH:
            attributes["senders"] = self.senders.value
        return Element(RTP_HDREXT, attributes, paired(_PARAMETER, self.parameters))
