"""Streams that one side refuses, and the other keeps in its bundle (RFC 3264 §6, XEP-0166 §7.2.8).

SDP answers each line of an offer. A session-accept may leave contents out, but clients made of
libwebrtc make a description of it, which has a line too few then, and fail. So a content of their
bundle that the phone refuses is accepted for the phone to send, which sends nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from dragoman.mapping import call
from dragoman.mapping.call import Layout
from dragoman.sdp.session import Attribute, Direction, Media, SessionDescription
from dragoman.xmpp.ext.grouping import BUNDLE, Group
from dragoman.xmpp.ext.jingle import Content
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.senders import Creator

Accepted: TypeAlias = tuple[tuple[Content, ...], tuple[Group, ...]]

IDLE: Final = Direction.RECVONLY
"""Which way the client has it: it sends nothing.

Not inactive: libwebrtc then no longer tells the streams of a bundle apart by their payload types,
and phones have no other sign in their packets (RFC 9143 §9.2).
"""


def kept(
    accepted: Accepted, client: SessionDescription, layout: Layout, author: Creator
) -> tuple[Accepted, SessionDescription]:
    """Return a session-accept that has all of the bundle that a client offered, and its offer.

    `accepted` are the contents and groups that it would have, `author` is who the client is. What
    is new goes by the transport of the bundle, and is received only in the offer that is returned.
    Without a bundle on both sides all stays as it is.
    """
    contents, groups = accepted
    offered, theirs = call.contents(client, layout, author)
    ours, wanted = _bundled(groups), _bundled(theirs)
    taken = {each.name: each for each in contents}
    left = [each for each in offered if each.name in wanted and each.name not in taken]
    if not ours or not left:
        return accepted, client
    order = [place.name for place in layout.places]
    idle = [_idle(each, taken[ours[0]], author) for each in left]
    names = sorted((*ours, *(each.name for each in idle)), key=order.index)
    others = tuple(each for each in groups if each.semantics != BUNDLE)
    every = sorted((*contents, *idle), key=lambda each: order.index(each.name))
    still = _turned(client, [order.index(each.name) for each in idle], IDLE)
    return (tuple(every), (Group(BUNDLE, tuple(names)), *others)), still


def _bundled(groups: Sequence[Group]) -> tuple[str, ...]:
    return next((each.names for each in groups if each.semantics == BUNDLE), ())


def _idle(content: Content, carrier: Content, author: Creator) -> Content:
    """Return a content that the client only receives, by the transport of another."""
    rtp = content.description
    if isinstance(rtp, Rtp):
        rtp = Rtp(rtp.media, rtp.payload_types, mux=True)
    senders = call.senders(IDLE, author)
    return Content(content.name, content.creator, senders, rtp, carrier.transport)


def woken(
    client: SessionDescription, before: SessionDescription | None, phone: SessionDescription
) -> tuple[tuple[int, ...], SessionDescription]:
    """Return the places of such streams that a phone offers after all, and the client with them."""
    pairs = enumerate(zip(client.media, phone.media, strict=False))
    offered = {n: ours for n, (ours, theirs) in pairs if theirs.port and n in refused(before)}
    silent = (n for n, ours in offered.items() if ours.port)
    places = tuple(n for n in silent if client.direction_of(offered[n]) is IDLE)
    return places, _turned(client, places, Direction.SENDRECV)


def refused(description: SessionDescription | None) -> set[int]:
    """Return the places of streams that a description refuses."""
    media = () if description is None else description.media
    return {n for n, each in enumerate(media) if not each.port}


def _turned(
    description: SessionDescription, places: Sequence[int], way: Direction
) -> SessionDescription:
    media = [
        _directed(each, way) if n in places else each for n, each in enumerate(description.media)
    ]
    return replace(description, media=tuple(media))


def _directed(media: Media, way: Direction) -> Media:
    names = set(Direction)
    left = tuple(each for each in media.attributes if each.name not in names)
    return replace(media, attributes=(*left, Attribute(way.value)))
