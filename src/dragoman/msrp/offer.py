"""MSRP in SDP (RFC 4975 §8, RFC 6135 §4, RFC 6714 §4): what is offered, chosen and answered.

Nothing else of this room knows SDP. `offer` writes ours; `choose` reads the peer's, `answer`
answers it; `accept` reads what the peer answered. Who connects, and to where, is a `Meeting`. The
o= line and the order of steps are `sdp.offer.Negotiation`'s.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, final

from dragoman.errors import LocalError
from dragoman.msrp.failure import MsrpError
from dragoman.msrp.terms import Meeting, Terms
from dragoman.msrp.uri import MsrpUri, Path
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import DISCARD, answer_direction
from dragoman.sdp.session import Address, Attribute, Direction, Media, SessionDescription

KIND: Final = "message"
PLAIN: Final = "TCP/MSRP"
TLS: Final = "TCP/TLS/MSRP"
MAX_TYPES: Final = 256
MAX_DIGITS: Final = 20

NOT_ACCEPTABLE: Final = 488
TRANSPORT_PROTOCOL: Final = 302
MEDIA_TYPE: Final = 304
MEDIA_FORMAT: Final = 305
"""Codes of Warning (RFC 3261 §20.43)."""

_HASHES: Final = ("sha-512", "sha-384", "sha-256", "sha-224", "sha-1")
"""Hash functions of fingerprints, best first; RFC 8122 §5 forbids md5 and md2."""
_FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*+")
_TYPE: Final = re.compile(r"\*(?![^;])|[!#-'*+.0-9A-Z^-~-]+/[!#-'*+.0-9A-Z^-~-]+")


class Setup(StrEnum):
    """Who connects, as a=setup has it (RFC 4145 §4, RFC 6135 §4.2)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"


_SETUPS: Final = frozenset(Setup)

ANSWERS: Final[dict[tuple[Setup | None, bool], Setup]] = {
    (Setup.ACTPASS, True): Setup.PASSIVE,
    (Setup.ACTPASS, False): Setup.ACTIVE,
    (Setup.ACTIVE, True): Setup.PASSIVE,
    (Setup.PASSIVE, True): Setup.ACTIVE,
    (Setup.PASSIVE, False): Setup.ACTIVE,
    (None, True): Setup.PASSIVE,
}
"""What we answer to a=setup, by whether peers can reach us; nobody could connect in other cases.

An offer without it is of RFC 4975: its sender connects. `passive` must not be offered; who does it
all the same wants us to connect.
"""

ANSWERER_CONNECTS: Final = frozenset({(Setup.ACTPASS, Setup.ACTIVE), (Setup.PASSIVE, Setup.ACTIVE)})
"""When it is not the offerer, as RFC 4975 §5.4 has it, who connects: a=setup offered, answered."""


@final
@dataclass(frozen=True, slots=True)
class Stance:
    """How we meet anyone, whatever the session.

    `terms` is what we take, its direction what we want. `speaks` are the types that we may send as
    a whole message: a peer who takes none of them is no peer. `reachable`: peers can connect to
    the address in our path, or to a relay before it; where not, its port is 9 (RFC 6135 §4.2.2).
    `plain` and `tls` are what we speak. `cema`: middleboxes may sit between us (RFC 6714).
    `fingerprints` are those of our own self-signed certificate ("sha-256 AB:CD..."), none for one
    that is trusted by its name.
    """

    terms: Terms
    speaks: tuple[str, ...] = ("message/cpim", "text/plain", "text/html")
    reachable: bool = True
    plain: bool = True
    tls: bool = True
    cema: bool = False
    fingerprints: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Peer:
    """What the peer's m= line number `line` says; `address` is where its c= and m= lines point.

    `setup` is None for none, and for holdconn (RFC 6135 §4.2.1). `fingerprints` are those of his
    best hash function only; `terms` have no parameters of types.
    """

    line: int
    path: Path
    terms: Terms
    secure: bool
    setup: Setup | None
    cema: bool
    fingerprints: tuple[str, ...]
    address: tuple[str, int]

    @property
    def relayed(self) -> bool:
        """Whether a relay acts for the peer (RFC 4975 §8.3)."""
        return _relayed(self.path)


Addresses = Mapping[str, Collection[str]]
"""What names of hosts resolved to, in lower case: needed with CEMA, for those in `unresolved`."""


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """What an answer comes to; `again`: send another offer, without CEMA (RFC 6714 §4.2)."""

    peer: Peer
    meeting: Meeting
    again: bool = False


def offer(
    stance: Stance, path: Path, within: SessionDescription | None = None, line: int = 0
) -> SessionDescription:
    """Return an offer of the session whose URI is the last of `path`.

    `within` is what we said last in the same dialog, where `line` is the number of this stream:
    the other streams stay as they are. LocalError where the port and `reachable` do not agree.
    """
    setup = Setup.ACTPASS if stance.reachable else Setup.ACTIVE
    media = _media(stance, path, setup, cema=stance.cema)
    return _described(media, _shown(path, cema=stance.cema).host, within, line)


def read(description: SessionDescription, line: int) -> Peer:
    """Return what one m= line says; SdpError(488) where it is no stream of MSRP that could be."""
    media = description.media[line]
    secure = _secure(media)
    path = _path(media)
    if path.first.secure is not secure:
        raise _no(f"{media.protocol} with a path to {path.first}", TRANSPORT_PROTOCOL)
    connection = description.connection_of(media)
    return Peer(
        line,
        path,
        _terms(description, media),
        secure,
        _setup(description.value("setup", media)),
        media.value("msrp-cema") is not None,
        _fingerprints(description.values("fingerprint", media)) if secure else (),
        (path.last.host if connection is None else connection.host, media.port),
    )


def choose(offered: SessionDescription, stance: Stance, addresses: Addresses | None = None) -> Peer:
    """Return the first stream of an offer that we can take for a chat.

    `addresses` answers `unresolved`. SdpError(488) where there is none, with the reason against
    the first MSRP stream, or the first of any kind.
    """
    refusals: list[SdpError] = []
    for line in range(len(offered.media)):
        try:
            return _agreeable(offered, line, stance, addresses or {})
        except SdpError as error:
            refusals.append(error)
    ours = (error for error in refusals if error.warning != MEDIA_TYPE)
    raise next(ours, refusals[0]) if refusals else _no("an offer of no streams", MEDIA_TYPE)


def answer(
    offered: SessionDescription, peer: Peer, stance: Stance, path: Path
) -> tuple[SessionDescription, Meeting]:
    """Return the answer that takes the stream `peer` and refuses all others, and who connects.

    `path` is ours, secure as the peer's is. LocalError where it is not, and where `choose` would
    have refused this peer.
    """
    setup = ANSWERS.get((peer.setup, stance.reachable))
    if setup is None or path.last.secure is not peer.secure:
        raise LocalError("an answer to an offer that cannot be taken")
    cema = stance.cema and peer.cema and not _falls_back(peer, path)
    direction = answer_direction(peer.terms.direction, stance.terms.direction)
    terms = replace(stance.terms, direction=direction)
    media = _media(replace(stance, terms=terms), path, setup, cema=cema)
    active = setup is Setup.ACTIVE
    address = peer.address if cema and active else None
    meeting = Meeting(active, address, _prints(peer, path))
    host = _shown(path, cema=cema).host
    return _described(media, host, decline(offered), peer.line), meeting


def decline(offered: SessionDescription) -> SessionDescription:
    """Return the answer that takes no stream: to an offer that ends ours, with port 0."""
    return SessionDescription(media=tuple(each.refused() for each in offered.media))


def accept(
    sent: SessionDescription,
    answered: SessionDescription,
    stance: Stance,
    path: Path,
    addresses: Addresses | None = None,
) -> Accepted:
    """Read the answer to an offer of ours, which has the stream with `path`.

    `addresses` answers `unresolved`. SdpError(488) where the answer takes nothing of it.
    """
    line = _line(sent, path)
    ours = sent.media[line]
    if line >= len(answered.media):
        raise _no("an answer of fewer streams")
    peer = read(answered, line)
    if (path.last.secure and not peer.secure) or (peer.secure and not stance.tls):
        raise _no(f"{answered.media[line].protocol} in answer to {ours.protocol}")
    _listens(peer, stance)
    active = (_setup(ours.value("setup")), peer.setup) not in ANSWERER_CONNECTS
    meeting = Meeting(active, None, _prints(peer, path))
    if ours.value("msrp-cema") is None:
        return Accepted(peer, meeting)
    return _anchored(peer, meeting, path, addresses or {})


def unresolved(description: SessionDescription) -> frozenset[str]:
    """Return the names of hosts whose addresses CEMA compares (RFC 6714 §4.4), 17 at most.

    They are those of the first stream that can be read, where what is written does not agree.
    """
    for line in range(len(description.media)):
        try:
            peer = read(description, line)
        except SdpError:
            continue
        if peer.cema or not _elsewhere(peer, {}):
            return frozenset()
        host, _ = peer.address
        hosts = {name.lower() for uri in _candidates(peer) for name in (host, uri.host)}
        return frozenset(name for name in hosts if _literal(name) is None)
    return frozenset()


def _agreeable(
    offered: SessionDescription, line: int, stance: Stance, addresses: Addresses
) -> Peer:
    """Return the peer of a stream that we can take for a chat; SdpError(488) for another."""
    peer = read(offered, line)
    if offered.media[line].value("file-selector") is not None:
        raise _no("a file is no chat (RFC 5547)")
    if not (stance.tls if peer.secure else stance.plain):
        raise _no(f"{offered.media[line].protocol} is not spoken here", TRANSPORT_PROTOCOL)
    _listens(peer, stance)
    if (peer.setup, stance.reachable) not in ANSWERS:
        raise _no("neither side can be connected to")
    if stance.cema and not peer.cema and _elsewhere(peer, addresses):
        # RFC 6714 §4.3: a middlebox that knows no CEMA would not let us through.
        raise _no("c= and m= do not point where the path does")
    return peer


def _listens(peer: Peer, stance: Stance) -> None:
    if not any(map(peer.terms.accepts, stance.speaks)):
        raise _no("no type of message that both sides know", MEDIA_FORMAT)


def _media(stance: Stance, path: Path, setup: Setup, *, cema: bool) -> Media:
    """Return our m= line and what belongs to it."""
    uri = _shown(path, cema=cema)
    if uri.port is None or (uri.port == DISCARD) is stance.reachable:
        raise LocalError(f"port {uri.port} where reachable is {stance.reachable}")
    attributes = tuple(_attributes(stance, path, setup, cema=cema))
    protocol = TLS if path.last.secure else PLAIN
    return Media(KIND, uri.port, protocol, ("*",), attributes=attributes)


def _shown(path: Path, *, cema: bool) -> MsrpUri:
    """Return the URI whose place c= and m= lines have: with CEMA that of our relay (§4.2)."""
    return path.first if cema else path.last


def _attributes(stance: Stance, path: Path, setup: Setup, *, cema: bool) -> Iterator[Attribute]:
    terms = stance.terms
    yield Attribute("accept-types", " ".join(terms.accept_types))
    if terms.accept_wrapped_types:
        yield Attribute("accept-wrapped-types", " ".join(terms.accept_wrapped_types))
    if terms.max_size is not None:
        yield Attribute("max-size", str(terms.max_size))
    yield Attribute("path", str(path))
    yield Attribute("setup", setup)
    if cema:
        yield Attribute("msrp-cema")
    if path.last.secure and not _relayed(path):
        yield from (Attribute("fingerprint", each) for each in stance.fingerprints)
    if terms.direction is not Direction.SENDRECV:
        yield Attribute(terms.direction.value)


def _described(
    media: Media, host: str, within: SessionDescription | None, line: int
) -> SessionDescription:
    """Return `within` with this stream in its line; the c= line says `host`."""
    connection = Address.of(host)
    base = SessionDescription() if within is None else within
    if line > len(base.media):
        raise LocalError(f"no line {line} in a description of {len(base.media)} streams")
    if base.connection is None:
        base = replace(base, connection=connection)
    elif base.connection != connection:
        media = replace(media, connections=(connection,))
    return replace(base, media=(*base.media[:line], media, *base.media[line + 1 :]))


def _secure(media: Media) -> bool:
    """Tell whether a stream is MSRP over TLS; SdpError(488) where it is no MSRP at all."""
    if media.kind.lower() != KIND:
        raise _no(f"{media.kind} is no stream of messages", MEDIA_TYPE)
    protocol = media.protocol.upper()
    if protocol not in {PLAIN, TLS}:
        raise _no(f"messages over {media.protocol}", TRANSPORT_PROTOCOL)
    if "*" not in media.formats:
        raise _no(f"MSRP with the format {media.formats[0]}", MEDIA_FORMAT)
    if not media.port:
        raise _no("a stream that is refused, or over")
    return protocol == TLS


def _path(media: Media) -> Path:
    text = " ".join((media.value("path") or "").split())
    if not text:
        raise _no("MSRP without a path")
    try:
        path = Path.parse(text)
    except MsrpError as error:
        raise _no(error.reason) from error
    if not path.first.port:
        raise _no(f"a path without a port: {path.first}")
    return path


def _terms(description: SessionDescription, media: Media) -> Terms:
    types = _types(media.value("accept-types"))
    if not types:
        raise _no("MSRP without accept-types", MEDIA_FORMAT)
    return Terms(
        types,
        _types(media.value("accept-wrapped-types")),
        _size(media.value("max-size")),
        description.direction_of(media),
    )


def _types(value: str | None) -> tuple[str, ...]:
    """Return the media types in a list, without what is none of them."""
    words = (value or "").split()
    if len(words) > MAX_TYPES:
        raise _no(f"a list of {len(words)} types, more than {MAX_TYPES}", MEDIA_FORMAT)
    # A type with parameters counts as the same type without (§8.6).
    return tuple(found[0] for word in words if (found := _TYPE.match(word)))


def _size(value: str | None) -> int | None:
    """Return the longest message that is wanted; None where nothing sensible is said: a hint."""
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS else None


def _setup(value: str | None) -> Setup | None:
    word = (value or "").strip().lower()
    return Setup(word) if word in _SETUPS else None


def _fingerprints(values: Iterable[str]) -> tuple[str, ...]:
    """Return the fingerprints of the best hash function that there is (RFC 8122 §5, §5.1)."""
    found: dict[str, list[str]] = {}
    for value in values:
        name, _, digits = value.strip().partition(" ")
        if _FINGERPRINT.fullmatch(digits):
            found.setdefault(name.lower(), []).append(f"{name.lower()} {digits.upper()}")
    return next((tuple(found[name]) for name in _HASHES if name in found), ())


def _line(sent: SessionDescription, path: Path) -> int:
    for line, media in enumerate(sent.media):
        if media.value("path") == str(path):
            return line
    raise LocalError(f"no stream with {path} was offered")


def _relayed(path: Path) -> bool:
    return len(path.uris) > 1


def _prints(peer: Peer, path: Path) -> tuple[str, ...]:
    """Return the fingerprints that count: not those of who is behind a relay (RFC 6135 §4.3)."""
    return () if peer.relayed or _relayed(path) else peer.fingerprints


def _falls_back(peer: Peer, path: Path) -> bool:
    """Tell whether an answer is that of RFC 4975 although CEMA was offered (RFC 6714 §4.3)."""
    if _relayed(path):
        return peer.relayed or peer.setup is Setup.PASSIVE
    return peer.relayed and peer.setup in {None, Setup.ACTIVE}


def _anchored(peer: Peer, meeting: Meeting, path: Path, addresses: Addresses) -> Accepted:
    """Say where an answer leads to an offer with CEMA (RFC 6714 §4.2)."""
    relayed = _relayed(path)
    if peer.cema:
        address = peer.address if meeting.active and not relayed else None
        return Accepted(peer, replace(meeting, address=address))
    if not _elsewhere(peer, addresses):
        return Accepted(peer, meeting)
    if not meeting.active or relayed or peer.relayed:
        return Accepted(peer, meeting, again=True)
    return Accepted(peer, replace(meeting, address=peer.address))


def _elsewhere(peer: Peer, addresses: Addresses) -> bool:
    """Tell whether c= and m= lines point to no URI of the path: to a middlebox (RFC 6714 §4.4)."""
    here = _places(peer.address[0], addresses)
    return not any(here & _places(uri.host, addresses) for uri in _candidates(peer))


def _candidates(peer: Peer) -> list[MsrpUri]:
    """Return the URIs of a path that have the port of the m= line."""
    # Port 9 says that the peer will connect, wherever his URI points (RFC 4145 §4.1).
    return [uri for uri in peer.path.uris if peer.address[1] in {uri.port, DISCARD}]


def _places(host: str, addresses: Addresses) -> set[str]:
    """Return how a host may be written: as an address in one form, or as a name and addresses."""
    literal = _literal(host)
    if literal is not None:
        return {literal}
    resolved = map(_literal, addresses.get(host.lower(), ()))
    return {host.lower(), *filter(None, resolved)}


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _no(reason: str, warning: int = 399) -> SdpError:
    return SdpError(reason, NOT_ACCEPTABLE, warning)
