"""Sources of RTP in session descriptions (RFC 5576 §4.1, §4.2)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token

MOST: Final = 64
"""Sources of a group."""
_LARGEST: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Source:
    """The value of one a=ssrc line: an attribute of a source; `value` None for a property."""

    ssrc: int
    name: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=ssrc:`; SdpError for none."""
        ssrc, _, attribute = text.strip().partition(" ")
        name, colon, value = attribute.strip().partition(":")
        if not is_token(name):
            raise SdpError(f"not an attribute of a source: {text[:60]!r}")
        return cls(_ssrc(ssrc), name, value if colon else None)

    def __str__(self) -> str:
        """Return what `parse` reads."""
        value = "" if self.value is None else f":{self.value}"
        return f"{self.ssrc} {self.name}{value}"


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """The value of one a=ssrc-group line: sources that belong together, and how: FID, SIM."""

    semantics: str
    sources: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=ssrc-group:`; SdpError for none."""
        semantics, *sources = text.split() or [""]
        if not is_token(semantics) or len(sources) > MOST:
            raise SdpError(f"not a group of sources: {text[:60]!r}")
        return cls(semantics, tuple(map(_ssrc, sources)))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return " ".join((self.semantics, *map(str, self.sources)))


def _ssrc(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _LARGEST):
        raise SdpError(f"not a source: {text[:40]!r}")
    return int(text)
