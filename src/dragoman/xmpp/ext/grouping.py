"""Jingle Grouping Framework (XEP-0338): contents that belong together."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import few, line, token

NS: Final = "urn:xmpp:jingle:apps:grouping:0"
GROUP: Final = f"{{{NS}}}group"
BUNDLE: Final = "BUNDLE"
FEATURE: Final = "urn:ietf:rfc:5888"
"""What disco#info has, beside the namespace (§3)."""
MOST: Final = 32
"""Contents of a group."""
_CONTENT: Final = f"{{{NS}}}content"


@dataclass(frozen=True, slots=True)
class Group:
    """The names of contents that belong together, and how: BUNDLE, LS."""

    semantics: str
    names: tuple[str, ...]

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<group/>`. Raises StanzaError."""
        members = few(element, _CONTENT, MOST)
        return cls(token(element, "semantics"), tuple(line(each, "name") for each in members))

    def element(self) -> Element:
        """Return the `<group/>`."""
        members = [Element(_CONTENT, {"name": each}) for each in self.names]
        return Element(GROUP, {"semantics": self.semantics}, members)
