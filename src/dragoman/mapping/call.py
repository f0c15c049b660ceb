"""Contents of Jingle as session descriptions, and back (XEP-0167, 0176, 0293, 0294, 0320, 0338).

docs/interworking/media.md §3. Both sides of a call count its streams alike: the place of a stream
in all descriptions is that of its content in the `Layout`, for good.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from dragoman.mapping import codec, transport
from dragoman.media import codecs
from dragoman.media.remote import KINDS, PROTOCOLS
from dragoman.sdp import bundle, crypto, sources
from dragoman.sdp.extmap import ALLOW_MIXED, ExtMap
from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token
from dragoman.sdp.session import (
    MAX_MEDIA,
    NOWHERE,
    Address,
    Attribute,
    Bandwidth,
    Direction,
    Media,
    SessionDescription,
)
from dragoman.xmpp.ext import jingle_rtp, rtp_hdrext
from dragoman.xmpp.ext import zrtp as zrtp_hash
from dragoman.xmpp.ext.grouping import BUNDLE, Group
from dragoman.xmpp.ext.jingle import Content, Why
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import Crypto, Encryption, Parameter, PayloadType, Rtp
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.ext.rtcp_fb import Feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.ext.ssma import Source, SourceGroup
from dragoman.xmpp.ext.zrtp import ZrtpHash


@dataclass(frozen=True, slots=True)
class Place:
    """A stream of a call: the name of its content, who made that, and what it is of.

    `mid` is what SDP calls it: as Jingle does, where that is a token (RFC 5888 §4).
    """

    name: str
    creator: Creator = Creator.INITIATOR
    media: str = "audio"
    mid: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The streams of a call, in the order of its descriptions; at most MAX_MEDIA."""

    places: tuple[Place, ...] = ()
    generation: int = 0
    """How often ICE began anew (XEP-0176 §5.9)."""

    def anew(self) -> "Layout":
        """Return the layout after ICE began anew."""
        return replace(self, generation=self.generation + 1)

    def index(self, name: str) -> int | None:
        """Return the place of a content; None: there is none of that name."""
        return next((n for n, each in enumerate(self.places) if each.name == name), None)

    def mid(self, index: int) -> str:
        """Return what SDP calls a stream."""
        return self.places[index].mid

    def named(self, mid: str) -> int | None:
        """Return the place of the stream that SDP calls by this name; None for none."""
        return next((n for n, each in enumerate(self.places) if each.mid == mid), None)

    def with_contents(self, contents: Iterable[Content]) -> "Layout":
        """Return the layout with these contents, new ones after all others, while there is room."""
        found = self
        for each in contents:
            if isinstance(each.description, Rtp) and found.index(each.name) is None:
                found = found._with(each.name, each.creator, each.description.media)
        return found

    def with_streams(self, description: SessionDescription, creator: Creator) -> "Layout":
        """Return the layout with the streams of a description, named as SDP has it, or by place."""
        found = self
        for media in description.media[len(self.places) :]:
            found = found._with((media.value("mid") or "").strip(), creator, media.kind)
        return found

    def _with(self, wanted: str, creator: Creator, media: str) -> "Layout":
        if len(self.places) >= MAX_MEDIA:
            return self
        name = _free(wanted, {each.name for each in self.places})
        mid = _free(name if is_token(name) else "", {each.mid for each in self.places})
        place = Place(name, creator, media.lower(), mid)
        return replace(self, places=(*self.places, place))


def _free(wanted: str, taken: set[str]) -> str:
    """Return a name that is not taken: the wanted one, if any, else a number."""
    if wanted and wanted not in taken:
        return wanted
    return next(
        name for n in range(len(taken), 2 * len(taken) + 1) if (name := str(n)) not in taken
    )


def arranged(contents: Sequence[Content], before: SessionDescription) -> Layout:
    """Return the layout of contents that take the places of what stood for them before.

    Each has the first place of its kind that is free; where none of them is of that kind, nobody
    is. A stream never becomes one of another kind (RFC 3264 §8.3.3).
    """
    left = [each for each in contents if isinstance(each.description, Rtp)]
    names = {each.name for each in left}
    ordered: list[Content] = []
    for media in before.media:
        kind = media.kind.lower()
        found = next((each for each in left if _kind(each) == kind), None)
        if found is None:
            name = _free("", names)
            names.add(name)
            found = Content(name, description=Rtp(kind))
        else:
            left.remove(found)
        ordered.append(found)
    return Layout().with_contents([*ordered, *left])


def _kind(content: Content) -> str:
    return content.description.media.lower() if isinstance(content.description, Rtp) else ""


# -- who sends -----------------------------------------------------------


def direction(senders: Senders, author: Creator) -> Direction:
    """Return which way a stream goes, as `author` says it (RFC 3264 §5.1)."""
    return Direction.of(
        sends=senders in {Senders.BOTH, _sender(author)},
        receives=senders in {Senders.BOTH, _sender(other(author))},
    )


def senders(said: Direction, author: Creator) -> Senders:
    """Return who sends, where `author` says which way a stream goes."""
    if said.sends and said.receives:
        return Senders.BOTH
    if said.sends:
        return _sender(author)
    return _sender(other(author)) if said.receives else Senders.NONE


def other(side: Creator) -> Creator:
    """Return the other end of a session."""
    return Creator.RESPONDER if side is Creator.INITIATOR else Creator.INITIATOR


def _sender(side: Creator) -> Senders:
    return Senders.INITIATOR if side is Creator.INITIATOR else Senders.RESPONDER


# -- contents into a description -----------------------------------------------------------


def description(
    contents: Sequence[Content], groups: Sequence[Group], layout: Layout, author: Creator
) -> SessionDescription:
    """Return what `author` says by these contents; a stream that is not among them is refused.

    So is what is neither audio, video nor text by RTP, is of another kind than its place, has no
    encoding that anybody could know, or goes by a transport that is not known. What has no place
    in the layout is left out.
    """
    named = {each.name: each for each in contents}
    media = [
        _media(named.get(place.name), place, layout.mid(n), author)
        for n, place in enumerate(layout.places)
    ]
    return SessionDescription(
        media=tuple(media), connection=NOWHERE, attributes=tuple(_groups(groups, layout))
    )


def _groups(groups: Sequence[Group], layout: Layout) -> Iterator[Attribute]:
    for each in groups:
        known = [n for name in each.names if (n := layout.index(name)) is not None]
        if known:
            mids = tuple(map(layout.mid, known))
            yield Attribute("group", str(bundle.Group(each.semantics, mids)))


def _media(content: Content | None, place: Place, mid: str, author: Creator) -> Media:
    rtp = None if content is None else content.description
    if content is None or not isinstance(rtp, Rtp) or not _usable(content, place):
        return _refused(place)
    encodings: dict[int, PayloadType] = {}
    for each in rtp.payload_types:
        if codec.rtpmap(each, rtp.media) is not None:
            encodings.setdefault(each.id, each)  # QXmpp has two of one number
    if not encodings:
        return _refused(place)
    attributes = [Attribute("mid", mid)]
    for each in encodings.values():
        attributes += codec.attributes(each, rtp.media)
    attributes += _described(rtp, author)
    attributes += _keys(content, rtp)
    attributes.append(Attribute(direction(content.senders, author).value))
    attributes += transport.attributes(content.transport)
    host, port = transport.place(content.transport)
    return Media(
        place.media,
        port,
        _protocol(rtp, content),
        tuple(map(str, encodings)),
        connections=(Address.of(host),) if host else (),
        bandwidths=tuple(Bandwidth(each.type, int(each.value)) for each in rtp.bandwidths),
        attributes=tuple(attributes),
    )


def _refused(place: Place) -> Media:
    return Media(place.media, 0, "RTP/AVP", ("0",))


def _usable(content: Content, place: Place) -> bool:
    return _reachable(content) and place.media in KINDS and _kind(content) == place.media


def _reachable(content: Content) -> bool:
    return content.transport is None or isinstance(content.transport, IceUdp | RawUdp)


def unfit(contents: Iterable[Content]) -> Why:
    """Return why none of these contents can be used (XEP-0166 §6.3.2).

    It is their transports where there is RTP of a known kind, by a transport that is not known.
    """
    lost = any(_kind(each) in KINDS and not _reachable(each) for each in contents)
    return Why.UNSUPPORTED_TRANSPORTS if lost else Why.UNSUPPORTED_APPLICATIONS


def _described(rtp: Rtp, author: Creator) -> Iterator[Attribute]:
    for name, times in (
        ("ptime", [each.ptime for each in rtp.payload_types if each.ptime]),
        ("maxptime", [each.maxptime for each in rtp.payload_types if each.maxptime]),
    ):
        if times:
            yield Attribute(name, str(min(times)))
    if rtp.mux:
        yield Attribute("rtcp-mux")
    yield from (Attribute("rtcp-fb", codec.printed("*", each)) for each in rtp.feedback)
    for extension in rtp.header_extensions:
        yield Attribute("extmap", _extension(extension, author))
    if rtp.allow_mixed:
        yield Attribute(ALLOW_MIXED)
    for group in filter(lambda each: each.sources, rtp.source_groups):
        yield Attribute("ssrc-group", str(sources.SourceGroup(group.semantics, group.sources)))
    for source in rtp.sources:
        for name, value in source.parameters:
            yield Attribute("ssrc", str(sources.Source(source.ssrc, name, value)))


def _keys(content: Content, rtp: Rtp) -> Iterator[Attribute]:
    """Yield keys in the clear, but for who agrees on them by DTLS as well: that is better."""
    if rtp.encryption is None:
        return
    for hello in rtp.encryption.zrtp:
        yield Attribute("zrtp-hash", str(crypto.ZrtpHash(hello.version, hello.value)))
    for each in () if _fingerprinted(content) else rtp.encryption.cryptos:
        said = crypto.Crypto(each.tag, each.suite, each.key_params, each.session_params)
        yield Attribute("crypto", str(said))


def _extension(extension: HeaderExtension, author: Creator) -> str:
    words = [f"{name}={value}" if value else name for name, value in extension.parameters]
    way = direction(extension.senders, author)
    return str(ExtMap(extension.id, extension.uri, way, " ".join(words)))


def _protocol(rtp: Rtp, content: Content) -> str:
    if _fingerprinted(content):
        return "UDP/TLS/RTP/SAVPF"
    feedback = "F" if rtp.feedback or any(each.feedback for each in rtp.payload_types) else ""
    keys = rtp.encryption is not None and rtp.encryption.cryptos
    return f"RTP/{'S' if keys else ''}AVP{feedback}"


def _fingerprinted(content: Content) -> bool:
    return isinstance(content.transport, IceUdp) and bool(content.transport.fingerprints)


# -- a description into contents -----------------------------------------------------------


def contents(
    description: SessionDescription, layout: Layout, author: Creator
) -> tuple[tuple[Content, ...], tuple[Group, ...]]:
    """Return what `author` says by a description, whose streams are those of the layout.

    Streams that are refused are not among them; nor is any that is no RTP, or of whose encodings
    nobody says what they are.
    """
    pairs = zip(layout.places, description.media, strict=False)
    made = [
        _content(description, media, place, author, layout.generation)
        for place, media in pairs
        if media.port and media.protocol.upper() in PROTOCOLS and codec.payload_types(media)
    ]
    return tuple(made), tuple(_grouped(description, layout, {each.name for each in made}))


def _grouped(description: SessionDescription, layout: Layout, live: set[str]) -> Iterator[Group]:
    mids = {(media.value("mid") or "").strip(): n for n, media in enumerate(description.media)}
    for value in description.values("group"):
        with suppress(SdpError):
            said = bundle.Group.parse(value)
            known = [mids[each] for each in said.mids if each in mids]
            names = [layout.places[n].name for n in known if n < len(layout.places)]
            kept = tuple(each for each in names if each in live)
            if kept:
                upper = said.semantics.upper()
                yield Group(upper if upper == BUNDLE else said.semantics, kept)


def bundled(description: SessionDescription, layout: Layout) -> frozenset[int]:
    """Return the places of the live streams that have one transport (RFC 9143)."""
    found: set[int] = set()
    for value in description.values("group"):
        with suppress(SdpError):
            said = bundle.Group.parse(value)
            if said.semantics.upper() == BUNDLE:
                found.update(n for mid in said.mids if (n := layout.named(mid)) is not None)
    return frozenset(n for n in found if description.media[n].port)


def _content(
    description: SessionDescription, media: Media, place: Place, author: Creator, generation: int
) -> Content:
    return Content(
        place.name,
        place.creator,
        senders(description.direction_of(media), author),
        _rtp(description, media, author),
        transport.transport(description, media, generation),
    )


def _rtp(description: SessionDescription, media: Media, author: Creator) -> Rtp:
    cryptos, zrtp = tuple(_cryptos(media)), tuple(_zrtp(media))
    required = bool(cryptos) and "SAVP" in media.protocol.upper()
    return Rtp(
        media.kind.lower(),
        codec.payload_types(media),
        media.value("rtcp-mux") is not None,
        tuple(jingle_rtp.Bandwidth(each.kind, str(each.value)) for each in media.bandwidths),
        Encryption(cryptos, required=required, zrtp=zrtp) if cryptos or zrtp else None,
        codec.general_feedback(media),
        tuple(_extensions(description, media, author)),
        description.value(ALLOW_MIXED, media) is not None,
        tuple(_sources(media)),
        tuple(_source_groups(media)),
    )


def _cryptos(media: Media) -> Iterator[Crypto]:
    for value in media.values("crypto"):
        with suppress(SdpError):
            said = crypto.Crypto.parse(value)
            yield Crypto(said.tag, said.suite, said.key_params, said.session_params)


def _zrtp(media: Media) -> Iterator[ZrtpHash]:
    for value in media.values("zrtp-hash")[: zrtp_hash.MOST]:
        with suppress(SdpError):
            said = crypto.ZrtpHash.parse(value)
            yield ZrtpHash(said.version, said.value)


def _extensions(
    description: SessionDescription, media: Media, author: Creator
) -> Iterator[HeaderExtension]:
    for value in description.values("extmap", media)[: rtp_hdrext.MOST]:
        with suppress(SdpError):
            said = ExtMap.parse(value)
            pairs = [word.partition("=") for word in said.attributes.split()]
            parameters = tuple((name, text) for name, _, text in pairs if name)
            yield HeaderExtension(said.id, said.uri, senders(said.direction, author), parameters)


def _sources(media: Media) -> Iterator[Source]:
    found: dict[int, list[tuple[str, str | None]]] = {}
    for value in media.values("ssrc"):
        with suppress(SdpError):
            said = sources.Source.parse(value)
            found.setdefault(said.ssrc, []).append((said.name, said.value))
    yield from (Source(number, tuple(parameters)) for number, parameters in found.items())


def _source_groups(media: Media) -> Iterator[SourceGroup]:
    for value in media.values("ssrc-group"):
        with suppress(SdpError):
            said = sources.SourceGroup.parse(value)
            if said.sources:
                yield SourceGroup(said.semantics, said.sources)


# -- who was not heard of yet -----------------------------------------------------------


_AUDIO: Final = (
    PayloadType(111, "opus", 48000, 2, parameters=(Parameter("useinbandfec", "1"),)),
    PayloadType(9, "G722", 8000),
    PayloadType(0, "PCMU", 8000),
    PayloadType(8, "PCMA", 8000),
    PayloadType(110, "telephone-event", 48000, parameters=(Parameter("events", "0-15"),)),
    PayloadType(126, "telephone-event", 8000, parameters=(Parameter("events", "0-15"),)),
)
_PICTURE: Final = (
    Feedback("goog-remb"),
    Feedback("ccm", "fir"),
    Feedback("nack"),
    Feedback("nack", "pli"),
)


def _h264(number: int, mode: str) -> PayloadType:
    """Return H.264 with one NAL unit in a packet, which is all that many phones have, or more.

    RFC 6184 §6.2, §6.3.
    """
    parameters = (
        Parameter("level-asymmetry-allowed", "1"),
        Parameter("packetization-mode", mode),
        Parameter("profile-level-id", "42e01f"),
    )
    return PayloadType(number, "H264", 90000, parameters=parameters, feedback=_PICTURE)


_VIDEO: Final = (
    PayloadType(96, "VP8", 90000, feedback=_PICTURE),
    _h264(102, "1"),
    _h264(104, "0"),
)
_TEXT: Final = (
    PayloadType(98, "t140", 1000),
    PayloadType(100, "red", 1000, parameters=(Parameter("pt", "98,98,98"),)),
)
"""RFC 4103 §10.1."""
_USUAL: Final = {"audio": _AUDIO, "video": _VIDEO, "text": _TEXT}


def stand_in(descriptions: Sequence[Rtp]) -> SessionDescription:
    """Return what stands for a client that proposed a call and said nothing of encodings.

    It has those that clients have, and no transport (port 9): see `media.plane`.
    """
    made = [
        Content(str(n), description=Rtp(each.media, _USUAL[each.media]))
        for n, each in enumerate(descriptions)
        if each.media in _USUAL
    ]
    layout = Layout().with_contents(made)
    return description(made, (), layout, Creator.INITIATOR)


def capabilities() -> SessionDescription:
    """Return what calls can be, as nobody offers it: with port 0 and no transport (RFC 3264 §9)."""
    offered = stand_in([Rtp(kind) for kind in _USUAL])
    kept = {"rtpmap", "fmtp"}
    media = [
        Media(
            each.kind,
            0,
            "RTP/AVP",
            each.formats,
            attributes=tuple(a for a in each.attributes if a.name in kept),
        )
        for each in offered.media
    ]
    return SessionDescription(media=tuple(media), connection=NOWHERE)


def agrees(offer: SessionDescription, answer: SessionDescription, *, first: bool = False) -> bool:
    """Tell whether an answer to another offer is one to this, so that nobody need be asked anew.

    That is where each stream that it takes is offered, with a codec in common, by what that is and
    not by its number; telephone-events, and what only protects or repeats another codec, are none.
    `first`: it has to be the one that the answer likes best, which is what will be sent.
    """
    if len(offer.media) != len(answer.media):
        return False
    pairs = zip(offer.media, answer.media, strict=True)
    return all(asked.port and _common(asked, given, first) for asked, given in pairs if given.port)


def narrowed(answer: SessionDescription, offer: SessionDescription) -> SessionDescription | None:
    """Return an answer without the streams that another offer lacks; None: nothing is left."""
    if len(offer.media) != len(answer.media):
        return None
    pairs = zip(offer.media, answer.media, strict=True)
    media = tuple(given if asked.port else given.refused() for asked, given in pairs)
    return replace(answer, media=media) if any(each.port for each in media) else None


def agreed(offer: SessionDescription, answer: SessionDescription) -> SessionDescription:
    """Return a description with only what another one has too: streams, and codecs by what they
    are. Who was told of these need not hear anything new where somebody else is offered them."""
    media = []
    for n, asked in enumerate(offer.media):
        given = answer.media[n] if n < len(answer.media) else None
        if not asked.port or given is None or not given.port:
            media.append(asked.refused())
            continue
        kept = codecs.matched(given, asked).values()
        media.append(codecs.renumbered(asked, {number: number for number in kept}))
    return replace(offer, media=tuple(media))


def _common(asked: Media, given: Media, first: bool) -> bool:
    both = codecs.matched(given, asked)
    found = codecs.speech(given if first else codecs.renumbered(given, both))
    return found is not None and (not first or found.payload_type in both)
