"""Jingle DTMF (XEP-0181): keys that are pressed, told beside the media.

This is read and never written: events go in RTP (XEP-0167 §12.1).
"""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import number, refuse

NS: Final = "urn:xmpp:jingle:dtmf:0"
DTMF: Final = f"{{{NS}}}dtmf"
LONGEST: Final = 60_000
"""Milliseconds of a tone."""
_DURATION: Final = 100
_CODES: Final = frozenset("0123456789ABCD*#")


@dataclass(frozen=True, slots=True)
class Dtmf:
    """A key, how long in milliseconds (0 for what is to be ignored), and -dBm0 if that is told."""

    code: str
    duration: int = _DURATION
    volume: int | None = None

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read the payload of a session-info. Raises StanzaError (bad-request)."""
        code = element.get("code", "").strip().upper()
        if code not in _CODES:
            refuse(element, "no such key")
        duration = number(element, "duration", _DURATION)
        volume = number(element, "volume", most=63) if element.get("volume") else None
        return cls(code, min(duration, LONGEST), volume)
