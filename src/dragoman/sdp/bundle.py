"""Streams that belong together in session descriptions (RFC 5888 §5), as in a BUNDLE (RFC 9143)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token
from dragoman.sdp.session import MAX_MEDIA

BUNDLE: Final = "BUNDLE"


@dataclass(frozen=True, slots=True)
class Group:
    """The value of one a=group line: the a=mid values of streams, and how they belong together."""

    semantics: str
    mids: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=group:`; SdpError for none."""
        semantics, *mids = text.split() or [""]
        if len(mids) > MAX_MEDIA or not all(map(is_token, (semantics, *mids))):
            raise SdpError(f"not a group: {text[:60]!r}")
        return cls(semantics, tuple(mids))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return " ".join((self.semantics, *self.mids))
