"""Jingle Grouping Framework (XEP-0338): contents that belong together."""

from dataclasses import dataclass
from typing import Final

NS: Final = "urn:xmpp:jingle:apps:grouping:0"
BUNDLE: Final = "BUNDLE"


@dataclass(frozen=True, slots=True)
class Group:
    """The names of contents that belong together, and how: BUNDLE, LS."""

    semantics: str
    names: tuple[str, ...]
