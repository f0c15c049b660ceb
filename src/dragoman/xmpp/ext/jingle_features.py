"""What an address that takes calls says that it can do (XEP-0167 §10, XEP-0353)."""

from typing import Final

from dragoman.xmpp.ext import (
    coin,
    grouping,
    jingle,
    jingle_dtls,
    jingle_ice,
    jingle_rtp,
    jmi,
    rtcp_fb,
    rtp_hdrext,
    rtt_sync,
    ssma,
    transfer,
)

CALLS: Final = frozenset(
    {
        jingle.NS,
        jingle_rtp.NS,
        jingle_rtp.AUDIO,
        jingle_rtp.VIDEO,
        jingle_ice.NS,
        jingle_dtls.NS,
        grouping.NS,
        grouping.FEATURE,
        rtcp_fb.NS,
        rtp_hdrext.NS,
        ssma.NS,
        ssma.FEATURE,
        coin.NS,
        rtt_sync.RTP_T140,
        jmi.NS,
    }
)
"""What clients look for before they call, and before they say more than they need to."""
TRANSFERS: Final = frozenset({transfer.NS})
"""What they look for before they transfer a call (XEP-0251 §4)."""
OFFER_ANSWER: Final = "urn:ietf:rfc:3264"
"""All candidates are wanted in one offer and one answer (XEP-0176 §7.2)."""
