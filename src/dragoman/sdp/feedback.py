"""Feedback by RTCP in session descriptions (RFC 4585 §4.2), and its port (RFC 3605)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token
from dragoman.sdp.session import Address

ALL: Final = "*"
"""In place of a payload type."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """The value of one a=rtcp-fb line: `parameters` are the words after the kind.

    The first of them is the subtype, where the kind has any: `nack pli`, `trr-int 100`.
    """

    payload_type: str
    type: str
    parameters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=rtcp-fb:`; SdpError for none."""
        payload_type, type_, *parameters = [*text.split(), "", ""]
        number = payload_type.isascii() and payload_type.isdigit() and len(payload_type) <= 3
        if not (number or payload_type == ALL) or not is_token(type_):
            raise SdpError(f"not a kind of feedback: {text[:60]!r}")
        return cls(payload_type, type_, tuple(filter(None, parameters)))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return " ".join((self.payload_type, self.type, *self.parameters))


@dataclass(frozen=True, slots=True)
class Rtcp:
    """The value of an a=rtcp line: where RTCP goes to (RFC 3605 §2.1)."""

    port: int
    address: Address | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=rtcp:`; SdpError for none."""
        port, _, address = text.strip().partition(" ")
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535):
            raise SdpError(f"not a port: {text[:60]!r}")
        return cls(int(port), Address.parse(address) if address.strip() else None)

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return str(self.port) if self.address is None else f"{self.port} {self.address}"
