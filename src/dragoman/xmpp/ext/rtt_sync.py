"""Jingle Synchronized Real-Time Text (XEP-0517): text within a call, as RTP (T.140, RFC 4103).

It goes by XEP-0167, with text as its media; what XEP-0517 says of a stream beside that stays with
the client that says it.
"""

from typing import Final

RTP_T140: Final = "urn:xmpp:jingle:apps:rtt-sync:rtp-t140:0"
"""The feature of who takes text as RTP."""
