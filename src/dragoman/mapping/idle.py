"""Streams of a bundle that a phone refuses, for a client that cannot be told so (RFC 9143 §7.3.3).

A session-accept has no word for one content that is refused (XEP-0166 §7.2.8), and clients that
make an answer in SDP of it need a line for each that they offered. Where the others' transport is
at hand, the client hears that we alone send, and we send nothing.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dragoman.media.remote import Remote, read
from dragoman.sdp import bundle
from dragoman.sdp.session import Attribute, Direction, Media, SessionDescription

_CODECS: Final = frozenset({"mid", "rtpmap", "fmtp"})
"""What is said of a stream as it was offered."""
_WAY: Final = frozenset(
    {
        *("rtcp-mux", "fingerprint", "setup"),
        *("ice-ufrag", "ice-pwd", "candidate", "end-of-candidates"),
    }
)
"""What is said of it as the others of its bundle are."""


def idled(
    made: SessionDescription, offered: SessionDescription
) -> tuple[SessionDescription, frozenset[int]]:
    """Return an answer that refuses no stream of a bundle, and the places of those it did refuse.

    `made` answers `offered`. What is refused of no bundle, or with all of its bundle, stays so.
    """
    ways: dict[str, Media] = {}
    asked = read(offered)
    for remote, media in zip(asked, made.media, strict=False):
        if remote.bundle and media.port:
            ways.setdefault(remote.bundle, media)
    found = {
        n: _idle(remote, ways[remote.bundle])
        for n, (remote, media) in enumerate(zip(asked, made.media, strict=False))
        if not media.port and remote.bundle in ways
    }
    streams = tuple(found.get(n, each) for n, each in enumerate(made.media))
    mids = {asked[n].mid: asked[n].bundle for n in found}
    attributes = tuple(_grown(made, mids, asked)) if found else made.attributes
    return replace(made, media=streams, attributes=attributes), frozenset(found)


def _idle(remote: Remote, way: Media) -> Media:
    asked = remote.media
    return replace(
        asked,
        port=way.port,
        protocol=way.protocol,
        connections=way.connections,
        bandwidths=(),
        attributes=(
            *(each for each in asked.attributes if each.name in _CODECS),
            *(each for each in way.attributes if each.name in _WAY),
            # a=inactive would be plain; Chromium then drops the sound of phones, which names no mid
            Attribute(Direction.SENDONLY.value),
        ),
    )


def _grown(
    made: SessionDescription, idle: dict[str, str], asked: tuple[Remote, ...]
) -> Iterator[Attribute]:
    """Yield the attributes of an answer, whose bundles have these streams too."""
    bundles = {each.mid: each.bundle for each in asked}
    for each in made.attributes:
        if each.name != "group" or each.value is None:
            yield each
            continue
        group = bundle.Group.parse(each.value)
        more = [mid for mid, tag in idle.items() if tag == bundles.get(group.mids[0])]
        yield Attribute("group", str(replace(group, mids=(*group.mids, *more))))
