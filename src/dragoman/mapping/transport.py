"""Transports of Jingle in session descriptions, and back (XEP-0176, XEP-0177, XEP-0320).

docs/interworking/media.md §5; RFC 8839, RFC 3605, RFC 8122.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Final

from dragoman.media.description import default
from dragoman.media.remote import MOST_CANDIDATES
from dragoman.media.remote import candidates as read_candidates
from dragoman.sdp import crypto, ice
from dragoman.sdp.failure import SdpError
from dragoman.sdp.feedback import Rtcp
from dragoman.sdp.offer import DISCARD
from dragoman.sdp.session import Address, Attribute, Media, SessionDescription
from dragoman.xmpp.ext.jingle import Transport
from dragoman.xmpp.ext.jingle_dtls import MOST as MOST_FINGERPRINTS
from dragoman.xmpp.ext.jingle_dtls import Fingerprint
from dragoman.xmpp.ext.jingle_ice import Candidate, IceUdp
from dragoman.xmpp.ext.raw_udp import RawCandidate, RawUdp

_ROLES: Final = frozenset({"active", "passive", "actpass"})
"""What has a form on both sides: holdconn has none (XEP-0320 §2)."""
_LINES: Final = frozenset(
    {"ice-ufrag", "ice-pwd", "candidate", "end-of-candidates", "remote-candidates", "rtcp"}
)
"""What is said of where to, and not of DTLS, which may go on while ICE begins anew."""
_DTLS: Final = frozenset({"fingerprint", "setup"})
_RTP: Final = 1
_RTCP: Final = 2


def attributes(transport: Transport) -> Iterator[Attribute]:
    """Yield the lines of SDP that say how a stream goes, but for where to."""
    if isinstance(transport, RawUdp):
        place = _raw(transport, _RTCP)
        if place is not None:
            yield Attribute("rtcp", str(Rtcp(place[1], Address.of(place[0]))))
    elif isinstance(transport, IceUdp):
        yield from _ice(transport)
        yield from _dtls(transport)


def place(transport: Transport) -> tuple[str, int]:
    """Return where media go to: a host, "" for none yet, and a port, that is 9 then.

    Where ICE tries addresses out, it is the default candidate (RFC 8839 §4.2.1.2).
    """
    found = None
    if isinstance(transport, RawUdp):
        found = _raw(transport, _RTP)
    elif isinstance(transport, IceUdp):
        found = default([each for each in into_sdp(transport.candidates) if _literal(each)])
    return ("", DISCARD) if found is None else found


def transport(
    description: SessionDescription, media: Media, generation: int = 0
) -> IceUdp | RawUdp:
    """Return what a description says of the transport of one of its streams.

    That is RawUdp where it has an address and neither ICE nor DTLS. For `generation` see `ice_udp`.
    """
    found = ice_udp(description, media, generation)
    where = description.connection_of(media)
    if found != IceUdp() or where is None or where.unspecified or media.port == DISCARD:
        return found
    rtcp = Rtcp(media.port + 1)
    with suppress(SdpError):
        rtcp = Rtcp.parse(media.value("rtcp") or "")
    host = where.host if rtcp.address is None else rtcp.address.host
    candidates = [RawCandidate(_RTP, where.host, media.port, generation, f"r{_RTP}")]
    if media.value("rtcp-mux") is None and rtcp.port <= 0xFFFF:
        candidates.append(RawCandidate(_RTCP, host, rtcp.port, generation, f"r{_RTCP}"))
    return RawUdp(tuple(candidates))


def ice_udp(description: SessionDescription, media: Media, generation: int = 0) -> IceUdp:
    """Return what a description says of ICE and DTLS for one of its streams."""
    return IceUdp(
        (description.value("ice-ufrag", media) or "").strip(),
        (description.value("ice-pwd", media) or "").strip(),
        tuple(into_jingle(read_candidates(media.values("candidate")), generation)),
        tuple(_fingerprints(description, media)),
        tuple(_chosen(media)),
        complete=description.value("end-of-candidates", media) is not None,
    )


def moved(media: Media, new: IceUdp | RawUdp) -> Media:
    """Return a stream that goes another way; without a new fingerprint, DTLS is as it was.

    What goes untried has no DTLS: its keys, if any, are those of its description.
    """
    stays = isinstance(new, IceUdp) and not new.fingerprints
    dropped = _LINES if stays else _LINES | _DTLS
    kept = [each for each in media.attributes if each.name not in dropped]
    host, port = place(new)
    return replace(
        media,
        port=port,
        protocol=_protocol(media.protocol, new),
        connections=(Address.of(host),) if host else (),
        attributes=(*kept, *attributes(new)),
    )


def _protocol(before: str, new: IceUdp | RawUdp) -> str:
    """Return the profile that goes with a transport, where it was another that went before."""
    if isinstance(new, RawUdp):
        return before.replace("UDP/TLS/RTP/SAVP", "RTP/AVP")
    return "UDP/TLS/RTP/SAVPF" if new.fingerprints else before


def renews(before: SessionDescription | None, after: SessionDescription) -> bool:
    """Tell whether who says this has begun ICE anew in a stream (RFC 8839 §4.4.1.1)."""
    if before is None:
        return False
    pairs = zip(before.media, after.media, strict=False)
    said = [(_ufrag(before, a), _ufrag(after, b)) for a, b in pairs if a.port and b.port]
    return any(old != new for old, new in said)


def _ufrag(description: SessionDescription, media: Media) -> str:
    return (description.value("ice-ufrag", media) or "").strip()


def gathered(media: Media, more: IceUdp) -> Media:
    """Return a stream with more candidates, MOST_CANDIDATES at most, and its default one."""
    known = list(media.values("candidate"))
    new = [str(each) for each in into_sdp(more.candidates)]
    known += [each for each in dict.fromkeys(new) if each not in known]
    lines = [Attribute("candidate", each) for each in known[:MOST_CANDIDATES]]
    if more.complete or media.value("end-of-candidates") is not None:
        lines.append(Attribute("end-of-candidates"))
    kept = [a for a in media.attributes if a.name not in {"candidate", "end-of-candidates"}]
    there = replace(media, attributes=(*kept, *lines))
    found = default([each for each in candidates(there) if _literal(each)])
    if found is None:
        return there
    return replace(there, port=found[1], connections=(Address.of(found[0]),))


def candidates(media: Media) -> tuple[ice.Candidate, ...]:
    """Return the candidates of a stream."""
    return read_candidates(media.values("candidate"))


def complete(description: SessionDescription) -> bool:
    """Tell whether no candidates will come any more of any transport (RFC 8840 §8)."""
    live = [each for each in description.media if each.port]
    ended = {
        each.value("ice-ufrag") for each in live if each.value("end-of-candidates") is not None
    }
    return all(each.value("ice-ufrag") in ended for each in live)


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


def into_jingle(
    candidates: Iterable[ice.Candidate], generation: int = 0, first: int = 0
) -> Iterator[Candidate]:
    """Yield candidates as Jingle has them, each with an id of its own; only those of UDP.

    The ids count from `first`.
    """
    for number, each in enumerate(candidates, first):
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


def _ice(transport: IceUdp) -> Iterator[Attribute]:
    if transport.ufrag and transport.pwd:
        yield Attribute("ice-ufrag", transport.ufrag)
        yield Attribute("ice-pwd", transport.pwd)
    for candidate in into_sdp(transport.candidates):
        yield Attribute("candidate", str(candidate))
    if transport.complete:
        yield Attribute("end-of-candidates")
    if transport.chosen:
        chosen = (str(ice.RemoteCandidate(*each)) for each in transport.chosen)
        yield Attribute("remote-candidates", " ".join(chosen))


def _dtls(transport: IceUdp) -> Iterator[Attribute]:
    for each in transport.fingerprints:
        said = crypto.Fingerprint(each.hash.lower(), each.value.upper())
        yield Attribute("fingerprint", str(said))
    setups = (each.setup for each in transport.fingerprints if each.setup in _ROLES)
    setup = next(setups, None)
    if setup is not None:
        yield Attribute("setup", setup)


def _fingerprints(description: SessionDescription, media: Media) -> Iterator[Fingerprint]:
    setup = (description.value("setup", media) or "").strip().lower()
    for value in description.values("fingerprint", media)[:MOST_FINGERPRINTS]:
        with suppress(SdpError):
            said = crypto.Fingerprint.parse(value)
            yield Fingerprint(said.hash, said.value, setup if setup in _ROLES else "")


def _chosen(media: Media) -> Iterator[tuple[int, str, int]]:
    with suppress(SdpError):
        found = ice.RemoteCandidate.parse_list(media.value("remote-candidates") or "")
        yield from ((each.component, each.address, each.port) for each in found)


def _raw(transport: RawUdp, component: int) -> tuple[str, int] | None:
    """Return the newest address of a component."""
    fitting = [each for each in transport.candidates if each.component == component and each.port]
    newest = max(fitting, key=lambda each: each.generation, default=None)
    return None if newest is None else (newest.ip, newest.port)


def _literal(candidate: ice.Candidate) -> bool:
    """Tell whether a candidate may be that which those without ICE send to."""
    try:
        return bool(ip_address(candidate.address)) and candidate.port != 0
    except ValueError:
        return False
