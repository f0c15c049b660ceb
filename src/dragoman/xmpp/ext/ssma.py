"""Source-Specific Media Attributes in Jingle (XEP-0339)."""

from dataclasses import dataclass
from typing import Final

NS: Final = "urn:xmpp:jingle:apps:rtp:ssma:0"


@dataclass(frozen=True, slots=True)
class Source:
    """What is said of one source: pairs of name and value, the value None for a property."""

    ssrc: int
    parameters: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """Sources that belong together, and how: FID, SIM."""

    semantics: str
    sources: tuple[int, ...]
