"""What comes of either leg, read: contents, descriptions, digits (XEP-0166, RFC 8866, RFC 6086)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dragoman.mapping import call as mapping
from dragoman.mapping.call import Layout
from dragoman.mapping.session_part import ACCEPTED, UNSUPPORTED, session_part
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import Media, SessionDescription
from dragoman.sip.header import MediaType
from dragoman.sip.message import Header, Request, SipError
from dragoman.sip.session import Body
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Content
from dragoman.xmpp.ext.senders import Creator

DTMF: Final = ("application/dtmf-relay", "application/dtmf")
"""Bodies of INFO that are digits."""
USUAL: Final = 160
"""Milliseconds of a digit that does not say how long it is."""
LONGEST: Final = 5000
_SIGNAL: Final = re.compile(rb"^\s*Signal\s*=\s*([0-9A-Da-d*#])\s*$", re.MULTILINE)
_DURATION: Final = re.compile(rb"^\s*Duration\s*=\s*([0-9]{1,6})\s*$", re.MULTILINE)
_DIGIT: Final = re.compile(rb"\s*([0-9A-Da-d*#])\s*")


@dataclass(frozen=True, slots=True)
class Said:
    """What a client says in one request."""

    contents: Sequence[Content]
    groups: Sequence[Group] = ()

    def described(self, layout: Layout, author: Creator) -> SessionDescription:
        """Return it as a description with the streams of a layout."""
        return mapping.description(self.contents, self.groups, layout, author)


def read(body: Body | None) -> SessionDescription:
    """Read a description that has to be there; raises SdpError for one that is none."""
    if body is None:
        raise SdpError("an answer without a description")
    try:
        media = MediaType.parse(body.type)
    except SipError as error:
        raise SdpError(error.reason) from error
    return SessionDescription.parse(session_part(media, body.data))


def refusal(status: int) -> tuple[Header, ...]:
    """Return the headers of a refusal: a 415 says what is taken (RFC 3261 §21.4.13)."""
    return (("Accept", ", ".join(ACCEPTED)),) if status == UNSUPPORTED else ()


def for_client(
    offered: SessionDescription, client: SessionDescription | None = None
) -> SessionDescription:
    """Return what a client is told of a phone's offer: of text, where there is nothing else.

    Or where the client has text there already. Others may know of none, and end the whole call
    because of it (Conversations does): nobody can tell before who that is.
    """
    kept = [] if client is None else [n for n, each in enumerate(client.media) if each.port]
    if all(_is_text(each) for each in offered.media if each.port):
        return offered
    media = [
        each.refused() if _is_text(each) and n not in kept else each
        for n, each in enumerate(offered.media)
    ]
    return replace(offered, media=tuple(media))


def _is_text(media: Media) -> bool:
    return media.kind.lower() == "text"


def digits_of(request: Request) -> tuple[str, int] | None:
    """Return the digit that an INFO presses and for how many milliseconds; None for none."""
    try:
        media = request.content_type
    except SipError:
        return None
    if media is None or media.essence not in DTMF or len(request.body) > 256:
        return None
    if media.essence == DTMF[1]:
        found = _DIGIT.fullmatch(request.body)
        return None if found is None else (found[1].decode().upper(), USUAL)
    signal, duration = _SIGNAL.search(request.body), _DURATION.search(request.body)
    if signal is None:
        return None
    return signal[1].decode().upper(), min(int(duration[1]) if duration else USUAL, LONGEST)
