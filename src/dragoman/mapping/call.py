"""Contents of Jingle as session descriptions, and back (XEP-0167, 0176, 0293, 0294, 0320, 0338).

docs/interworking/media.md §3. Both sides of a call count its streams alike: the place of a stream
in all descriptions is that of its content in the `Layout`, for good.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dragoman.mapping import codec
from dragoman.media.remote import candidates as read_candidates
from dragoman.sdp import ice
from dragoman.sdp.offer import DISCARD
from dragoman.sdp.session import (
    NOWHERE,
    Address,
    Attribute,
    Bandwidth,
    Direction,
    Media,
    SessionDescription,
)
from dragoman.xmpp.ext import jingle_rtp
from dragoman.xmpp.ext.grouping import BUNDLE, Group
from dragoman.xmpp.ext.jingle import Content
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.jingle_rtp import Crypto, Encryption, Parameter, PayloadType, Rtp
from dragoman.xmpp.ext.raw_udp import RawUdp
from dragoman.xmpp.ext.rtcp_fb import Feedback
from dragoman.xmpp.ext.rtp_hdrext import HeaderExtension
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.ext.ssma import Source, SourceGroup

_ICE: Final = frozenset({"ice-ufrag", "ice-pwd", "candidate", "end-of-candidates"})
_TOKEN: Final = frozenset("!#$%&'*+-.^_`{|}~")


@dataclass(frozen=True, slots=True)
class Place:
    """A stream of a call: the name of its content, who made that, and what it is of."""

    name: str
    creator: Creator = Creator.INITIATOR
    media: str = "audio"


@dataclass(frozen=True, slots=True)
class Layout:
    """The streams of a call, in the order of its descriptions."""

    places: tuple[Place, ...] = ()

    def index(self, name: str) -> int | None:
        """Return the place of a content; None: there is none of that name."""
        return next((n for n, each in enumerate(self.places) if each.name == name), None)

    def mid(self, index: int) -> str:
        """Return what SDP calls a stream: as Jingle does, where that is a token (RFC 5888 §4)."""
        name = self.places[index].name
        plain = bool(name) and all((c.isascii() and c.isalnum()) or c in _TOKEN for c in name)
        return name if plain else f"content-{index}"

    def named(self, mid: str) -> int | None:
        """Return the place of the stream that SDP calls by this name; None for none."""
        found = (n for n in range(len(self.places)) if self.mid(n) == mid)
        return next(found, None)

    def with_contents(self, contents: Iterable[Content]) -> "Layout":
        """Return the layout with these contents, new ones after all others."""
        new = [
            Place(each.name, each.creator, each.description.media)
            for each in contents
            if self.index(each.name) is None and isinstance(each.description, Rtp)
        ]
        return Layout((*self.places, *new))

    def with_streams(self, description: SessionDescription, creator: Creator) -> "Layout":
        """Return the layout with the streams of a description, named as SDP has it, or by place."""
        places = list(self.places)
        for n, media in enumerate(description.media[len(places) :], len(places)):
            wanted = (media.value("mid") or "").strip() or str(n)
            taken = {each.name for each in places}
            name = wanted if wanted not in taken else f"{wanted}-{n}"
            places.append(Place(name, creator, media.kind.lower()))
        return Layout(tuple(places))


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

    The layout has to have them all. What is neither audio, video nor text by RTP is refused.
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
            yield Attribute("group", " ".join([each.semantics, *map(layout.mid, known)]))


def _media(content: Content | None, place: Place, mid: str, author: Creator) -> Media:
    rtp = None if content is None else content.description
    if content is None or not isinstance(rtp, Rtp):
        return Media(place.media, 0, "RTP/AVP", ("0",))
    codecs = [each for each in rtp.payload_types if codec.rtpmap(each, rtp.media) is not None]
    if not codecs:
        return Media(place.media, 0, "RTP/AVP", ("0",))
    attributes = [Attribute("mid", mid)]
    for each in codecs:
        attributes += codec.attributes(each, rtp.media)
    attributes += _described(rtp, author)
    attributes.append(Attribute(direction(content.senders, author).value))
    attributes += _transport(content)
    host, port = _raw(content)
    return Media(
        rtp.media,
        port,
        _protocol(rtp, content),
        tuple(str(each.id) for each in codecs),
        connections=(Address.of(host),) if host else (),
        bandwidths=tuple(Bandwidth(each.type, int(each.value)) for each in rtp.bandwidths),
        attributes=tuple(attributes),
    )


def _described(rtp: Rtp, author: Creator) -> Iterator[Attribute]:
    for name, times in (
        ("ptime", [each.ptime for each in rtp.payload_types if each.ptime]),
        ("maxptime", [each.maxptime for each in rtp.payload_types if each.maxptime]),
    ):
        if times:
            yield Attribute(name, str(min(filter(None, times))))
    if rtp.mux:
        yield Attribute("rtcp-mux")
    yield from (Attribute("rtcp-fb", f"* {codec.printed(each)}") for each in rtp.feedback)
    for extension in rtp.header_extensions:
        yield Attribute("extmap", _extension(extension, author))
    if rtp.allow_mixed:
        yield Attribute("extmap-allow-mixed")
    for group in rtp.source_groups:
        yield Attribute("ssrc-group", " ".join([group.semantics, *map(str, group.sources)]))
    for source in rtp.sources:
        for name, value in source.parameters:
            said = name if value is None else f"{name}:{value}"
            yield Attribute("ssrc", f"{source.ssrc} {said}")
    for crypto in rtp.encryption.cryptos if rtp.encryption else ():
        parts = (crypto.tag, crypto.suite, crypto.key_params, crypto.session_params)
        yield Attribute("crypto", " ".join(filter(None, parts)))


def _extension(extension: HeaderExtension, author: Creator) -> str:
    said = direction(extension.senders, author)
    way = "" if said is Direction.SENDRECV else f"/{said}"
    more = [f"{name}={value}" if value else name for name, value in extension.parameters]
    return " ".join([f"{extension.id}{way}", extension.uri, *more])


def _transport(content: Content) -> Iterator[Attribute]:
    ice_udp = content.transport
    if not isinstance(ice_udp, IceUdp):
        return
    if ice_udp.ufrag:
        yield Attribute("ice-ufrag", ice_udp.ufrag)
        yield Attribute("ice-pwd", ice_udp.pwd)
    for candidate in into_sdp(ice_udp.candidates):
        yield Attribute("candidate", str(candidate))
    if ice_udp.complete:
        yield Attribute("end-of-candidates")
    for each in ice_udp.fingerprints:
        yield Attribute("fingerprint", f"{each.hash.lower()} {each.value.upper()}")
    setups = [each.setup for each in ice_udp.fingerprints if each.setup]
    if setups:
        yield Attribute("setup", setups[0])


def _protocol(rtp: Rtp, content: Content) -> str:
    ice_udp = content.transport
    feedback = "F" if rtp.feedback or any(each.feedback for each in rtp.payload_types) else ""
    if isinstance(ice_udp, IceUdp) and ice_udp.fingerprints:
        return "UDP/TLS/RTP/SAVPF"
    required = rtp.encryption is not None and rtp.encryption.cryptos
    return f"RTP/{'S' if required else ''}AVP{feedback}"


def _raw(content: Content) -> tuple[str, int]:
    """Return where media go to that no ICE tries out; port 9 for what ICE finds."""
    raw = content.transport
    if isinstance(raw, RawUdp):
        found = [each for each in raw.candidates if each.component == 1]
        if found:
            return found[0].ip, found[0].port
    return "", DISCARD


# -- a description into contents -----------------------------------------------------------


def contents(
    description: SessionDescription, layout: Layout, author: Creator
) -> tuple[tuple[Content, ...], tuple[Group, ...]]:
    """Return what `author` says by a description, whose streams are those of the layout.

    Streams that are refused are not among them; nor is any that is no RTP.
    """
    pairs = zip(layout.places, description.media, strict=False)
    made = [
        _content(description, media, place, author)
        for place, media in pairs
        if media.port and media.protocol.upper().rpartition("/")[0].endswith("RTP")
    ]
    return tuple(made), tuple(_grouped(description, layout, {each.name for each in made}))


def _grouped(description: SessionDescription, layout: Layout, live: set[str]) -> Iterator[Group]:
    mids = {(media.value("mid") or "").strip(): n for n, media in enumerate(description.media)}
    for value in description.values("group"):
        semantics, *named = value.split()
        known = [mids[each] for each in named if each in mids]
        names = tuple(layout.places[n].name for n in known if n < len(layout.places))
        kept = tuple(each for each in names if each in live)
        if kept:
            yield Group(semantics.upper() if semantics.upper() == BUNDLE else semantics, kept)


def _content(
    description: SessionDescription, media: Media, place: Place, author: Creator
) -> Content:
    return Content(
        place.name,
        place.creator,
        senders(description.direction_of(media), author),
        _rtp(description, media, author),
        ice_udp(description, media),
    )


def _rtp(description: SessionDescription, media: Media, author: Creator) -> Rtp:
    cryptos = tuple(_cryptos(media))
    return Rtp(
        media.kind.lower(),
        codec.payload_types(media),
        media.value("rtcp-mux") is not None,
        tuple(jingle_rtp.Bandwidth(each.kind, str(each.value)) for each in media.bandwidths),
        Encryption(cryptos, required="SAVP" in media.protocol) if cryptos else None,
        codec.general_feedback(media),
        tuple(_extensions(description, media, author)),
        description.value("extmap-allow-mixed", media) is not None,
        tuple(_sources(media)),
        tuple(_source_groups(media)),
    )


def _cryptos(media: Media) -> Iterator[Crypto]:
    for value in media.values("crypto"):
        tag, *words = value.split(maxsplit=3)
        if len(words) >= 2:
            yield Crypto(tag, words[0], words[1], words[2] if len(words) > 2 else "")


def _extensions(
    description: SessionDescription, media: Media, author: Creator
) -> Iterator[HeaderExtension]:
    for value in description.values("extmap", media):
        head, *words = value.split()
        number, _, way = head.partition("/")
        if not words or not (number.isascii() and number.isdigit() and len(number) < 6):
            continue
        said = Direction(way) if way in set(Direction) else Direction.SENDRECV
        pairs = [word.partition("=") for word in words[1:]]
        parameters = tuple((name, text) for name, _, text in pairs)
        yield HeaderExtension(int(number), words[0], senders(said, author), parameters)


def _sources(media: Media) -> Iterator[Source]:
    found: dict[int, list[tuple[str, str | None]]] = {}
    for value in media.values("ssrc"):
        number, _, said = value.strip().partition(" ")
        if number.isascii() and number.isdigit() and int(number) < 2**32:
            name, colon, text = said.partition(":")
            if name:
                found.setdefault(int(number), []).append((name, text if colon else None))
    yield from (Source(number, tuple(parameters)) for number, parameters in found.items())


def _source_groups(media: Media) -> Iterator[SourceGroup]:
    for value in media.values("ssrc-group"):
        semantics, *numbers = value.split()
        if numbers and all(each.isascii() and each.isdigit() for each in numbers):
            yield SourceGroup(semantics, tuple(map(int, numbers)))


# -- transports -----------------------------------------------------------


def ice_udp(description: SessionDescription, media: Media, generation: int = 0) -> IceUdp:
    """Return what a description says of the transport of one of its streams.

    `generation` is how often ICE began anew (XEP-0176 §5.9).
    """
    found = read_candidates(media.values("candidate"))
    setup = (description.value("setup", media) or "").strip()
    prints = [value.split() for value in description.values("fingerprint", media)]
    return IceUdp(
        (description.value("ice-ufrag", media) or "").strip(),
        (description.value("ice-pwd", media) or "").strip(),
        tuple(into_jingle(found, generation)),
        tuple(Fingerprint(each[0], each[1], setup) for each in prints if len(each) == 2),
        complete=description.value("end-of-candidates", media) is not None,
    )


def restarted(media: Media, ice: IceUdp) -> Media:
    """Return a stream whose ICE begins anew, by other credentials."""
    kept = [each for each in media.attributes if each.name not in _ICE]
    said = _transport(Content("", transport=IceUdp(ice.ufrag, ice.pwd, ice.candidates)))
    return replace(media, attributes=(*kept, *said))


def into_sdp(candidates: Iterable[Candidate]) -> Iterator[ice.Candidate]:
    """Yield candidates as SDP has them; Jingle has those of UDP only (XEP-0176 §5.3)."""
    for each in candidates:
        if each.protocol.lower() == "udp":
            yield ice.Candidate(
                each.foundation,
                each.component,
                "udp",
                each.priority,
                each.ip,
                each.port,
                each.type,
                each.related,
            )


def into_jingle(candidates: Iterable[ice.Candidate], generation: int = 0) -> Iterator[Candidate]:
    """Yield candidates as Jingle has them, each with an id of its own; only those of UDP."""
    for number, each in enumerate(candidates):
        if each.transport.lower() == "udp":
            yield Candidate(
                each.foundation,
                each.component,
                "udp",
                each.priority,
                each.address,
                each.port,
                each.type,
                each.related,
                generation,
                id=f"c{generation}-{each.component}-{number}",
            )


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
_H264: Final = (
    Parameter("level-asymmetry-allowed", "1"),
    Parameter("packetization-mode", "1"),
    Parameter("profile-level-id", "42e01f"),
)
_VIDEO: Final = (
    PayloadType(96, "VP8", 90000, feedback=_PICTURE),
    PayloadType(102, "H264", 90000, parameters=_H264, feedback=_PICTURE),
)
_USUAL: Final = {"audio": _AUDIO, "video": _VIDEO}


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
