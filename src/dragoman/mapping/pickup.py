"""Two offers that answer each other: a phone takes a call that rings elsewhere (RFC 3264 §6).

It was not asked, and offers what it likes, while what we offered to who rings stands. Where the two
meet, either side may have it so: media in the clear, and codecs that go by the same number.
"""

from dataclasses import replace
from typing import Final

from dragoman.media import codecs
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import answer_direction, direction
from dragoman.sdp.session import Media, SessionDescription

CLEAR: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
_PLAIN: Final = frozenset({"rtpmap", "fmtp", "ptime", "maxptime", "rtcp"})
"""Attributes that need nothing of the other side."""


def met(
    ours: SessionDescription, theirs: SessionDescription
) -> tuple[SessionDescription, SessionDescription]:
    """Return our answer to their offer, and what they are taken to answer to ours.

    Raises SdpError (488) where they have nothing in common.
    """
    pairs = list(zip(ours.media, theirs.media, strict=False))
    common = [_common(mine, his) for mine, his in pairs]
    if not any(common):
        raise SdpError("nothing of it was offered to the phone that rings", 488)
    said = [m.refused() for m in theirs.media]
    heard = [m.refused() for m in ours.media]
    for n, (mine, his) in enumerate(pairs):
        if common[n]:
            way = direction(theirs, his)
            answered = _bare(mine, common[n], his.protocol)
            said[n] = answered.going(answer_direction(way, direction(ours, mine)))
            heard[n] = _bare(his, common[n], mine.protocol).going(way)
    return (
        replace(ours, media=tuple(said), attributes=()),
        replace(theirs, media=tuple(heard), attributes=()),
    )


def _common(mine: Media, his: Media) -> tuple[str, ...]:
    """Return the numbers of codecs that both have, in his order."""
    clear = all(each.protocol.upper() in CLEAR and each.port for each in (mine, his))
    if mine.kind.lower() != his.kind.lower() or not clear:
        return ()
    kept = tuple(one for one, other in codecs.matched(his, mine).items() if one == other)
    known = codecs.renumbered(his, {each: each for each in kept})
    return kept if his.kind.lower() != "audio" or codecs.speech(known) else ()


def _bare(media: Media, formats: tuple[str, ...], protocol: str) -> Media:
    kept = codecs.renumbered(media, {each: each for each in formats})
    attributes = tuple(each for each in kept.attributes if each.name in _PLAIN)
    return replace(kept, protocol=protocol, formats=formats, attributes=attributes)
