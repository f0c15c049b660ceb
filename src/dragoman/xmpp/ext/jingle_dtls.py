"""Use of DTLS-SRTP in Jingle Sessions (XEP-0320)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.attributes import refuse, token

NS: Final = "urn:xmpp:jingle:apps:dtls:0"
FINGERPRINT: Final = f"{{{NS}}}fingerprint"
MOST: Final = 8
"""Of a transport."""
SETUPS: Final = frozenset({"active", "passive", "actpass", "holdconn"})
_VALUE: Final = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){0,127}")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of the certificate that one side shows: `hash` as in "sha-256", `value` as in "AB:CD".

    `setup` is who begins: active, passive, actpass; "" where it is not said.
    """

    hash: str
    value: str
    setup: str = ""

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<fingerprint/>`, in upper or lower case. Raises StanzaError.

        A role that nobody knows counts as none.
        """
        value = element.text.strip().upper()
        if not _VALUE.fullmatch(value):
            refuse(element, "not pairs of hexadecimal digits")
        setup = element.get("setup", "").strip().lower()
        return cls(token(element, "hash").lower(), value, setup if setup in SETUPS else "")

    def element(self) -> Element:
        """Return the `<fingerprint/>`."""
        setup = {"setup": self.setup} if self.setup else {}
        return Element(FINGERPRINT, {"hash": self.hash} | setup, [self.value])
