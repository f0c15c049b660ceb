"""Whom codecs are offered to that the caller lacks, and when (docs/design/0013-calls.md).

Nothing is decoded unless no codec is common. A phone that can be asked twice hears of the codecs of
the client first, and of ours when it refused these.
"""

from collections.abc import Sequence
from dataclasses import replace
from logging import getLogger

from dragoman.bridge.call import UNFIT, Call
from dragoman.log import about
from dragoman.media import codecs
from dragoman.media.plane import Plane, Profile, Transcoding
from dragoman.media.sound import EXTRA
from dragoman.media.transcoding import lacking
from dragoman.sdp.session import Media, SessionDescription
from dragoman.xmpp.ext.jingle import Reason

log = getLogger(__name__)


def ways(
    usual: Sequence[Profile], known: Profile | None, call: Call, plane: Plane
) -> list[Profile]:
    """Return the ways to offer media to a phone, in their order: first what it took before.

    Where the client lacks codecs of ours, all after the first offer them too.
    """
    found = sorted(usual, key=lambda each: each != known)
    if plane.transcoding is not Transcoding.CAN or not _lacks(call.client):
        return found
    return [found[0], *(replace(each, more=True) for each in found)]


def _lacks(description: SessionDescription | None) -> bool:
    return description is not None and any(map(lacking, description.media))


def impossible(made: SessionDescription, said: SessionDescription | None) -> bool:
    """Tell whether a phone that took none of the codecs of `made` has been offered all of them.

    `said` is what it was offered: it has taken others, so that nothing is common (RFC 3264 §6.1).
    """
    if said is None or len(said.media) != len(made.media):
        return False
    return all(map(_all_asked, made.media, said.media))


def _all_asked(made: Media, said: Media) -> bool:
    known = codecs.matched(made, said)
    unknown = tuple(number for number in made.formats if number not in known)
    return codecs.speech(replace(made, formats=unknown)) is None


def advise(call: Call, plane: Plane, reason: Reason | None = None) -> None:
    """Log, of a call that found no codec or may have, what would have given it more of them."""
    if plane.transcoding is not Transcoding.LACKS or (
        reason is not None and reason.why not in UNFIT
    ):
        return
    if any(map(_lacks, (call.client, call.phone))):
        said = f"perhaps no codec is common: {EXTRA} would help"
        log.warning("call without media", extra=about(jid=call.user, sip=call.address, reason=said))
