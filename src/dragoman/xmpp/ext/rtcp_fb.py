"""Jingle RTP Feedback Negotiation (XEP-0293)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import number, paired, pairs, token, word
from dragoman.xmpp.failure import Condition, StanzaError

NS: Final = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
RTCP_FB: Final = f"{{{NS}}}rtcp-fb"
TRR_INT: Final = f"{{{NS}}}rtcp-fb-trr-int"
INTERVAL: Final = "trr-int"
MOST: Final = 64
"""Kinds of one payload type, or of all together."""
MOST_PARAMETERS: Final = 8
_PARAMETER: Final = f"{{{NS}}}parameter"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A kind of feedback; "trr-int" has its milliseconds as `subtype` (§3).

    `parameters` are what follows in SDP, pairs of name and value; a value may be "".
    """

    type: str
    subtype: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read an `<rtcp-fb/>` or `<rtcp-fb-trr-int/>`. Raises StanzaError."""
        if element.name == TRR_INT:
            return cls(INTERVAL, str(number(element, "value")))
        type_ = token(element, "type")
        if type_ == INTERVAL:
            return cls(INTERVAL, str(number(element, "subtype")))
        parameters = pairs(element, _PARAMETER, MOST_PARAMETERS)
        return cls(type_, word(element, "subtype", ""), parameters)

    def element(self) -> Element:
        """Return the element of this kind."""
        if self.type == INTERVAL:
            return Element(TRR_INT, {"value": self.subtype})
        subtype = {"subtype": self.subtype} if self.subtype else {}
        return Element(RTCP_FB, {"type": self.type} | subtype, paired(_PARAMETER, self.parameters))


def feedback(element: Element) -> tuple[Feedback, ...]:
    """Return what a `<description/>` or a `<payload-type/>` has, in order. Raises StanzaError."""
    found = [each for each in element.elements if each.name in {RTCP_FB, TRR_INT}]
    if len(found) > MOST:
        raise StanzaError(Condition.RESOURCE_CONSTRAINT, text=f"more than {MOST} kinds of feedback")
    return tuple(map(Feedback.parse, found))
