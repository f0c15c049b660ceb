"""Jingle RTP Feedback Negotiation (XEP-0293)."""

from dataclasses import dataclass
from typing import Final

NS: Final = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A kind of feedback; "trr-int" has its milliseconds as `subtype` (§3)."""

    type: str
    subtype: str = ""
