"""Jingle RTP Header Extensions Negotiation (XEP-0294)."""

from dataclasses import dataclass
from typing import Final

from dragoman.xmpp.ext.senders import Senders

NS: Final = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"


@dataclass(frozen=True, slots=True)
class HeaderExtension:
    """What an element of RTP headers with this number means (§3).

    `parameters` are pairs of name and value.
    """

    id: int
    uri: str
    senders: Senders = Senders.BOTH
    parameters: tuple[tuple[str, str], ...] = ()
