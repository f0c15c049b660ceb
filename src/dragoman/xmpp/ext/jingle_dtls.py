"""Use of DTLS-SRTP in Jingle Sessions (XEP-0320)."""

from dataclasses import dataclass
from typing import Final

NS: Final = "urn:xmpp:jingle:apps:dtls:0"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Of the certificate that one side shows: `hash` as in "sha-256", `value` as in "AB:CD".

    `setup` is who begins: active, passive, actpass; "" where it is not said.
    """

    hash: str
    value: str
    setup: str = ""
