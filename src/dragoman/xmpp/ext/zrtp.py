"""Use of ZRTP in Jingle RTP Sessions (XEP-0262): the hash of a Hello, said beforehand."""

import re
from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import refuse, token

NS: Final = "urn:xmpp:jingle:apps:rtp:zrtp:1"
ZRTP_HASH: Final = f"{{{NS}}}zrtp-hash"
MOST: Final = 8
"""Versions of one medium."""
_VALUE: Final = re.compile(r"[0-9A-Fa-f]{2,128}")


@dataclass(frozen=True, slots=True)
class ZrtpHash:
    """The version of ZRTP, as in "1.10", and the hash in hexadecimal digits (§1)."""

    version: str
    value: str

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<zrtp-hash/>`. Raises StanzaError."""
        value = element.text.strip()
        if not _VALUE.fullmatch(value):
            refuse(element, "not hexadecimal digits")
        return cls(token(element, "version"), value)

    def element(self) -> Element:
        """Return the `<zrtp-hash/>`."""
        return Element(ZRTP_HASH, {"version": self.version}, [self.value])
