"""What we say of the media of one leg: descriptions made of those of the other.

RFC 3264, RFC 5763, RFC 8842, RFC 8839, RFC 9143, RFC 5761, RFC 4568, RFC 4585. Codecs and what
belongs to them are the other leg's; the way to us is our own. The o= line is left to the caller.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from dragoman.media import codecs, sdes
from dragoman.media.dtls import Fingerprint
from dragoman.media.plane import Keying, MediaError, Profile, Trouble
from dragoman.media.remote import Credentials, Place, Remote
from dragoman.sdp import bundle as bundles
from dragoman.sdp.bundle import Group
from dragoman.sdp.extmap import ExtMap
from dragoman.sdp.failure import SdpError
from dragoman.sdp.ice import Candidate
from dragoman.sdp.offer import DISCARD, answer_direction
from dragoman.sdp.session import (
    MAX_SIZE,
    NOWHERE,
    Address,
    Attribute,
    Direction,
    Media,
    RtpMap,
    SessionDescription,
)

BUNDLE: Final = -1
"""The transport that all streams of a bundle share; that of any other bears its index."""

MID_EXTENSION: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
_BUNDLED_ONLY: Final = (
    MID_EXTENSION,
    "transport-wide-cc",
)
"""Header extensions that mean nothing where a bundle is taken apart."""
_SIMULCAST: Final = "rtp-stream-id"
_KEPT: Final = frozenset({"ptime", "maxptime", "framerate", "label", "content", "lang"})
_FEEDBACK: Final = frozenset({"extmap-allow-mixed", "ssrc", "ssrc-group", "msid", "rtcp-rsize"})
_PREFERENCE: Final = {"relay": 3, "srflx": 2, "host": 1}
"""Which candidate is the default one (RFC 8839 §4.2.1.2)."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one stream of one leg is carried."""

    protocol: str
    keying: Keying = Keying.NONE
    ice: bool = False
    mux: bool = False
    bundle: bool = False

    @property
    def feedback(self) -> bool:
        """Whether that is AVPF (RFC 4585)."""
        return self.protocol.upper().endswith("AVPF")

    @classmethod
    def offered(cls, profile: Profile) -> "Way":
        """Return how we offer it."""
        prefix = {Keying.NONE: "RTP/AVP", Keying.SDES: "RTP/SAVP", Keying.DTLS: "UDP/TLS/RTP/SAVP"}
        protocol = prefix[profile.keying] + ("F" if profile.feedback else "")
        return cls(protocol, profile.keying, profile.ice, profile.mux, profile.bundle)

    @classmethod
    def taken(cls, remote: Remote) -> "Way":
        """Return how we answer it: as it was offered."""
        protocol, bundle = remote.media.protocol, bool(remote.bundle)
        return cls(protocol, remote.keying, remote.ice is not None, remote.mux, bundle)

    def answered(self, remote: Remote) -> "Way":
        """Return what became of it by the answer: who has no ICE, or no mux, goes without."""
        ice, mux = self.ice and remote.ice is not None, self.mux and remote.mux
        return replace(self, ice=ice, mux=mux)


class Local(Protocol):
    """What a transport of ours says of itself."""

    @property
    def rtp(self) -> Place:
        """Where RTP comes in, as the peer sees it: that of the default candidate."""

    @property
    def rtcp(self) -> Place | None:
        """Where RTCP comes in; None where only RTP's port takes it."""

    @property
    def ice(self) -> Credentials | None:
        """What our checks go by; None without ICE."""

    @property
    def lite(self) -> bool:
        """Whether we only answer checks (RFC 8445 §2.5)."""

    @property
    def candidates(self) -> Sequence[Candidate]:
        """All of ours."""

    @property
    def crypto(self) -> Sequence[sdes.Line]:
        """The keys that we offer, or the one we answer with."""

    @property
    def fingerprint(self) -> Fingerprint | None:
        """That of our certificate, where keys are agreed on by DTLS."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as we describe it: how it is carried, by which transport, as part of what.

    `local` is None where there is no transport yet: the peer was not heard of.
    """

    way: Way
    local: Local | None
    mid: str = ""
    setup: str = "actpass"


def offer(
    theirs: SessionDescription,
    remotes: Sequence[Remote],
    streams: Sequence[Stream | None],
    *,
    before: SessionDescription | None = None,
) -> SessionDescription:
    """Make the offer to a leg, of what the other one offers; None: the stream is not offered.

    Nor is one that has only repairs of codecs that it has not.
    Codecs have the numbers that `before`, our last description to that leg, gave them.
    """
    made, taken = [], []
    bundled: set[str] = set()
    for index, (remote, stream) in enumerate(zip(remotes, streams, strict=True)):
        told = before.media[index] if before and index < len(before.media) else None
        if told is not None and told.kind.lower() != remote.media.kind.lower():
            told = None
        shared = bundled if stream is not None and stream.way.bundle else set()
        media = codecs.renumbered(remote.media, codecs.settled(remote.media, told, shared))
        shared.update(media.formats)
        taken.append(stream if media.formats else None)
        if stream is None or not media.formats:
            made.append(remote.media.refused())
            continue
        kept = _kept(media, remote, stream, media)
        made.append(_media(media, kept, stream, remote.direction, offering=True))
    return _session(theirs, made, taken)


def answer(
    theirs: SessionDescription,
    remotes: Sequence[Remote],
    offered: Sequence[Remote],
    streams: Sequence[Stream | None],
) -> SessionDescription:
    """Make the answer to what a leg `offered`, of what the other one answers.

    Codecs have the numbers and names that the leg offered them by; those that it did not offer are
    left out. A stream that is None, or has no codec then, is refused.
    """
    made = []
    taken: list[Stream | None] = []
    for remote, asked, stream in zip(remotes, offered, streams, strict=True):
        media = codecs.renumbered(remote.media, codecs.matched(remote.media, asked.media))
        if stream is None or not media.formats:
            made.append(asked.media.refused())
            taken.append(None)
            continue
        kept = _offered_only(_kept(media, remote, stream, asked.media), asked)
        kept += [Attribute("ice-mismatch")] if asked.mismatch else []
        direction = answer_direction(asked.direction, remote.direction)
        made.append(_media(media, kept, stream, direction, offering=False))
        taken.append(stream)
    return _session(theirs, made, taken)


def common(remote: Remote, asked: Remote) -> bool:
    """Tell whether an answer has a codec that the offer of the other leg has: not events alone."""
    both = codecs.renumbered(remote.media, codecs.matched(remote.media, asked.media))
    return codecs.speech(both) is not None


def _kept(media: Media, remote: Remote, stream: Stream, spelled: Media) -> list[Attribute]:
    """Return what is passed on of what the other leg says of a stream, codecs as `spelled` there.

    Case does not count in their names (RFC 8866 §6.6), but does to some: QXmpp's is OPUS.
    """
    feedback = remote.feedback and stream.way.feedback
    # packets name the stream that they are of: it must have the same name on both legs
    bundled = bool(remote.bundle) and stream.way.bundle and remote.mid == stream.mid
    numbers = codecs.identities(media)
    maps = {number: codecs.rtpmap(spelled, number) for number in numbers}
    kept = [Attribute("rtpmap", str(_named(each, n))) for n, each in maps.items() if each]
    kept += [each for each in media.attributes if _passes(each, media, feedback, bundled)]
    return kept


def _passes(each: Attribute, media: Media, feedback: bool, bundled: bool) -> bool:
    value = each.value or ""
    match each.name:
        case "rtcp-fb":
            # phones that speak AVP take key frames and what is lost of video all the same
            wanted = feedback or media.kind.lower() == "video"
            return wanted and (bundled or "transport-cc" not in value)
        case "extmap":
            apart = bundled or not any(name in value for name in _BUNDLED_ONLY)
            return feedback and apart and _SIMULCAST not in value
        case name:
            return name == "fmtp" or name in _KEPT or (feedback and name in _FEEDBACK)


def _named(found: RtpMap, number: str) -> RtpMap:
    return replace(found, payload_type=number)


def _offered_only(attributes: list[Attribute], asked: Remote) -> list[Attribute]:
    """Leave out header extensions that were not offered, or by another number (RFC 8285 §6)."""
    offered = {_extension(value) for value in asked.media.values("extmap")} - {None}
    return [
        each
        for each in attributes
        if each.name != "extmap" or _extension(each.value or "") in offered
    ]


def _extension(value: str) -> tuple[int, str] | None:
    try:
        found = ExtMap.parse(value)
    except SdpError:
        return None
    return found.id, found.uri


def _media(
    media: Media,
    kept: list[Attribute],
    stream: Stream,
    direction: Direction,
    *,
    offering: bool,
) -> Media:
    local = stream.local
    attributes = [*kept, Attribute(direction.value)]
    if stream.way.bundle and stream.mid:
        attributes.insert(0, Attribute("mid", stream.mid))
    if stream.way.mux:
        attributes.append(Attribute("rtcp-mux"))
    if local is not None:
        attributes += _transport(stream, local, offering=offering)
    place = ("", DISCARD) if local is None else local.rtp
    return Media(
        media.kind,
        place[1],
        stream.way.protocol,
        media.formats,
        connections=(Address.of(place[0]) if place[0] else NOWHERE,),
        bandwidths=media.bandwidths,
        attributes=tuple(attributes),
    )


def _transport(stream: Stream, local: Local, *, offering: bool) -> Iterator[Attribute]:
    if stream.way.keying is Keying.DTLS:
        if local.fingerprint is None:
            raise MediaError(Trouble.SECURITY, "no certificate to show")
        yield Attribute("fingerprint", " ".join(local.fingerprint))
        # RFC 8842 §5.2, §5.5: every offer leaves the role open, every answer has taken one
        yield Attribute("setup", "actpass" if offering else stream.setup)
    elif stream.way.keying is Keying.SDES:
        yield from (Attribute("crypto", str(line)) for line in local.crypto)
    if local.rtcp is not None and (offering or not stream.way.mux):
        host = local.rtcp[0]
        yield Attribute("rtcp", f"{local.rtcp[1]} {Address.of(host)}")
    if stream.way.ice and local.ice is not None:
        yield Attribute("ice-ufrag", local.ice.ufrag)
        yield Attribute("ice-pwd", local.ice.password)
        yield from (Attribute("candidate", str(each)) for each in local.candidates)
        yield Attribute("end-of-candidates")


def _session(
    theirs: SessionDescription, media: Sequence[Media], streams: Sequence[Stream | None]
) -> SessionDescription:
    """Return the whole; where all streams have one address, that is said once.

    MediaError for one that nobody would read: it may be longer than what it is made of.
    """
    attributes = []
    bundled = [each.mid for each in streams if each is not None and each.way.bundle]
    if bundled:
        attributes.append(Attribute("group", str(Group(bundles.BUNDLE, tuple(bundled)))))
    checked = [each.local for each in streams if each and each.way.ice and each.local]
    lite = any(each.lite for each in checked)
    if lite:
        attributes.append(Attribute("ice-lite"))
    if checked:  # all candidates of ours are in it, those of a phone may come later (RFC 8838)
        attributes.append(Attribute("ice-options", "ice2" if lite else "ice2 trickle"))
    places = {each.connections for each in media if each.port}
    connection = None
    if len(places) == 1:
        (connection,) = places.pop()
        media = [replace(each, connections=()) for each in media]
    elif any(not each.connections for each in media):
        connection = NOWHERE
    made = SessionDescription(
        media=tuple(media),
        connection=connection,
        attributes=tuple(attributes),
        bandwidths=theirs.bandwidths,
    )
    if len(made.encode()) > MAX_SIZE:
        raise MediaError(Trouble.UNACCEPTABLE, "a description of too many octets")
    return made


def mids(remotes: Sequence[Remote], known: Mapping[int, str]) -> dict[int, str]:
    """Return a name for each stream, toward a leg that bundles: what it is known by, else the
    other leg's, else one of ours, none twice (RFC 9143 §7.1).
    """
    found = dict(known)
    for index, remote in enumerate(remotes):
        if index in found:
            continue
        wanted = (remote.mid, str(index), *(f"m{n}" for n in range(len(remotes))))
        taken = set(found.values())
        found[index] = next(each for each in wanted if each and each not in taken)
    return found


def default(candidates: Sequence[Candidate], component: int = 1) -> Place | None:
    """Return the default candidate of a component: the one most likely to work."""
    fitting = [each for each in candidates if each.component == component]
    best = max(fitting, key=lambda each: _PREFERENCE.get(each.type, 0), default=None)
    return None if best is None else (best.address, best.port)


def role(setup: str, ours: str = "") -> str:
    """Return the setup to answer an offer with: the role we have, else active unless they are.

    An offer that insists on a role has it (RFC 8842 §5.3).
    """
    if setup == "active":
        return "passive"
    if setup == "passive":
        return "active"
    return ours or "active"
