"""Header extensions of RTP in session descriptions (RFC 8285 §5)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import Direction

ALLOW_MIXED: Final = "extmap-allow-mixed"
LARGEST: Final = 65_535
_DIRECTIONS: Final = {str(each): each for each in Direction}


@dataclass(frozen=True, slots=True)
class ExtMap:
    """The value of one a=extmap line: `attributes` are what follows the URI, as written."""

    id: int
    uri: str
    direction: Direction = Direction.SENDRECV
    attributes: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=extmap:`; SdpError for none."""
        what, uri, *attributes = [*text.split(maxsplit=2), "", ""][:3]
        number, slash, way = what.partition("/")
        direction = _DIRECTIONS.get(way) if slash else Direction.SENDRECV
        digits = number.isascii() and number.isdigit() and len(number) <= 5
        if not digits or int(number) > LARGEST or direction is None or not uri:
            raise SdpError(f"not a header extension: {text[:60]!r}")
        return cls(int(number), uri, direction, "".join(attributes).strip())

    def __str__(self) -> str:
        """Return what `parse` reads; a direction only where it is not both ways."""
        both = self.direction is Direction.SENDRECV
        what = str(self.id) if both else f"{self.id}/{self.direction}"
        return " ".join(filter(None, (what, self.uri, self.attributes)))
