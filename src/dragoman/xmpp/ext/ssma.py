"""Source-Specific Media Attributes in Jingle (XEP-0339)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import few, line, number, token

NS: Final = "urn:xmpp:jingle:apps:rtp:ssma:0"
SOURCE: Final = f"{{{NS}}}source"
SSRC_GROUP: Final = f"{{{NS}}}ssrc-group"
FEATURE: Final = "urn:ietf:rfc:5576"
"""What disco#info has, beside the namespace (§3)."""
MOST: Final = 64
"""Sources of a description or of a group; groups of a description."""
MOST_PARAMETERS: Final = 16
_PARAMETER: Final = f"{{{NS}}}parameter"


@dataclass(frozen=True, slots=True)
class Source:
    """What is said of one source: pairs of name and value, the value None for a property."""

    ssrc: int
    parameters: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<source/>`. Raises StanzaError."""
        told = few(element, _PARAMETER, MOST_PARAMETERS)
        return cls(
            number(element, "ssrc"), tuple((token(each, "name"), _value(each)) for each in told)
        )

    def element(self) -> Element:
        """Return the `<source/>`."""
        told = [
            Element(_PARAMETER, {"name": name} | ({} if value is None else {"value": value}))
            for name, value in self.parameters
        ]
        return Element(SOURCE, {"ssrc": str(self.ssrc)}, told)


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """Sources that belong together, and how: FID, SIM."""

    semantics: str
    sources: tuple[int, ...]

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read an `<ssrc-group/>`. Raises StanzaError."""
        members = few(element, SOURCE, MOST)
        return cls(token(element, "semantics"), tuple(number(each, "ssrc") for each in members))

    def element(self) -> Element:
        """Return the `<ssrc-group/>`."""
        members = [Element(SOURCE, {"ssrc": str(each)}) for each in self.sources]
        return Element(SSRC_GROUP, {"semantics": self.semantics}, members)


def _value(parameter: Element) -> str | None:
    return None if parameter.get("value") is None else line(parameter, "value", "")
