"""What a peer's description says of the way to him: transport, ICE, keys, bundles, by stream.

RFC 3264, RFC 3605, RFC 5761, RFC 8839, RFC 9143, RFC 8122, RFC 4568. Nothing in it is believed to
be well formed: what cannot be read was not said.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final, TypeAlias

from dragoman.media import sdes
from dragoman.media.dtls import HASHES, Fingerprint
from dragoman.media.plane import Keying
from dragoman.sdp.bundle import BUNDLE, Group
from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token
from dragoman.sdp.ice import Candidate
from dragoman.sdp.offer import DISCARD, direction
from dragoman.sdp.session import Direction, Media, SessionDescription

Place: TypeAlias = tuple[str, int]
"""An address, as a literal, and a port."""

PROTOCOLS: Final = frozenset(
    {
        "RTP/AVP",
        "RTP/AVPF",
        "RTP/SAVP",
        "RTP/SAVPF",
        "UDP/TLS/RTP/SAVP",
        "UDP/TLS/RTP/SAVPF",
    }
)
"""The ways of RTP that are carried (RFC 3551, 4585, 3711, 5124, 5764)."""
KINDS: Final = frozenset({"audio", "video", "text"})
MOST_CANDIDATES: Final = 64
"""Candidates of one stream that are looked at."""
MOST_FINGERPRINTS: Final = 8
_CREDENTIAL: Final = 256
"""Characters of the longest ufrag or password (RFC 8839 §5.4)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What checks of ICE name and sign themselves with (RFC 8839 §5.4)."""

    ufrag: str
    password: str


@dataclass(frozen=True, slots=True)
class Remote:
    """What a peer says of one stream; `media` is how he put it.

    `open`: he has not refused it. `usable`: it is RTP of a kind and in a way that we carry, with
    keys that we can honour where he wants any. `bundle` is the mid of the stream whose transport
    it shares, "" for one of its own.
    """

    media: Media
    direction: Direction
    open: bool
    usable: bool
    keying: Keying
    mid: str = ""
    bundle: str = ""
    mux: bool = False
    rtp: Place | None = None
    rtcp: Place | None = None
    later: bool = False
    """It stands for a client that was not heard of yet: port 9, and nothing else."""
    ice: Credentials | None = None
    mismatch: bool = False
    """Somebody between changed where media go to, and did not know ICE: it is not used."""
    lite: bool = False
    trickles: bool = False
    """More candidates may come."""
    candidates: tuple[Candidate, ...] = ()
    complete: bool = False
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: str = ""

    @property
    def feedback(self) -> bool:
        """Whether he speaks AVPF (RFC 4585)."""
        return self.media.protocol.upper().endswith("AVPF")

    @property
    def components(self) -> int:
        """How many components ICE finds ways for on his side, as far as he has said."""
        rtp_only = all(each.component == 1 for each in self.candidates)
        return 1 if self.mux or (self.candidates and rtp_only and not self.trickles) else 2

    def moved(self, outside: str, inside: str) -> "Remote":
        """Return him where we reach him who is behind a NAT with us, at `outside` for others."""
        rtp, rtcp = (
            (inside, place[1]) if place is not None and place[0] == outside else place
            for place in (self.rtp, self.rtcp)
        )
        return self if (rtp, rtcp) == (self.rtp, self.rtcp) else replace(self, rtp=rtp, rtcp=rtcp)

    @property
    def carried(self) -> bool:
        """Whether there is something to carry."""
        return self.open and self.usable


def read(description: SessionDescription) -> tuple[Remote, ...]:
    """Return what is said of each stream, in order."""
    tags = _bundles(description)
    return tuple(_remote(description, media, tags) for media in description.media)


def _bundles(description: SessionDescription) -> dict[str, str]:
    """Return by mid the first of its bundle (RFC 9143 §7)."""
    found: dict[str, str] = {}
    for value in description.values("group"):
        with suppress(SdpError):
            group = Group.parse(value)
            if group.semantics.upper() == BUNDLE:
                found.update({mid: group.mids[0] for mid in group.mids if mid not in found})
    return found


def _remote(description: SessionDescription, media: Media, tags: dict[str, str]) -> Remote:
    mid = (media.value("mid") or "").strip()
    mid = mid if is_token(mid) else ""
    bundled = mid in tags
    port = media.port
    opened = port != 0 or (bundled and media.value("bundle-only") is not None)
    rtp = _place(_host(description, media), port)
    found = candidates(media.values("candidate"))
    mismatch = _mismatch(rtp, found)
    without = mismatch or media.value("ice-mismatch") is not None
    ice = None if without else _credentials(description, media)
    mux = media.value("rtcp-mux") is not None
    fingerprints = _fingerprints(description, media)
    keying = _keying(media, fingerprints)
    known = ice is not None or keying is not Keying.NONE or bool(_host(description, media))
    later = port == DISCARD and not known
    return Remote(
        media=media,
        direction=direction(description, media),
        open=opened,
        usable=_usable(media, keying, later),
        keying=keying,
        mid=mid,
        bundle=tags.get(mid, "") if opened else "",
        mux=mux,
        rtp=rtp,
        rtcp=rtp if mux else _rtcp(description, media, rtp),
        later=later,
        ice=ice,
        mismatch=mismatch,
        lite=description.value("ice-lite") is not None,
        trickles="trickle" in (description.value("ice-options", media) or "").split(),
        candidates=found,
        complete=description.value("end-of-candidates", media) is not None,
        fingerprints=fingerprints,
        setup=(description.value("setup", media) or "").strip().lower(),
    )


def _usable(media: Media, keying: Keying, later: bool) -> bool:
    protocol = media.protocol.upper()
    if media.kind.lower() not in KINDS or protocol not in PROTOCOLS:
        return False
    # who says SAVP gets SRTP or nothing
    return later or keying is not Keying.NONE or "SAVP" not in protocol


def _keying(media: Media, fingerprints: Sequence[Fingerprint]) -> Keying:
    """Return how keys are agreed on: by DTLS where both ways are offered, and by either of them
    even where the protocol is AVP (RFC 8643).
    """
    if fingerprints:
        return Keying.DTLS
    return Keying.SDES if sdes.choose(media.values("crypto")) is not None else Keying.NONE


def _fingerprints(description: SessionDescription, media: Media) -> tuple[Fingerprint, ...]:
    found = []
    for value in description.values("fingerprint", media)[:MOST_FINGERPRINTS]:
        function, _, digest = value.strip().partition(" ")
        if function.lower() in HASHES and digest.strip():
            found.append((function.lower(), digest.strip().upper()))
    return tuple(found)


def _credentials(description: SessionDescription, media: Media) -> Credentials | None:
    ufrag = (description.value("ice-ufrag", media) or "").strip()
    password = (description.value("ice-pwd", media) or "").strip()
    if not 0 < len(ufrag) <= _CREDENTIAL or not 0 < len(password) <= _CREDENTIAL:
        return None
    return Credentials(ufrag, password) if (ufrag + password).isascii() else None


def _mismatch(rtp: Place | None, found: Sequence[Candidate]) -> bool:
    """Tell whether media are to go to none of the candidates (RFC 8839 §4.2.5).

    A border that knows nothing of ICE has put itself there, and carries no checks (§8).
    """
    return rtp is not None and bool(found) and rtp not in {_of(each) for each in found}


def _of(candidate: Candidate) -> Place | None:
    return _place(candidate.address, candidate.port) if candidate.component == 1 else None


def _host(description: SessionDescription, media: Media) -> str:
    connection = description.connection_of(media)
    return "" if connection is None or connection.unspecified else connection.host


def _place(host: str, port: int) -> Place | None:
    """Return where to send; None where that is no address, or nobody's."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if not 0 < port < 65536 or port == DISCARD or address.is_multicast:
        return None
    return str(address), port


def _rtcp(description: SessionDescription, media: Media, rtp: Place | None) -> Place | None:
    """Return where RTCP goes: as a=rtcp says (RFC 3605), else the port above (RFC 3550 §11)."""
    said = (media.value("rtcp") or "").split()
    if said and _short(said[0]):
        host = said[3] if len(said) == 4 else _host(description, media)
        return _place(host, int(said[0]))
    return None if rtp is None else _place(rtp[0], rtp[1] + 1)


def _short(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def candidates(values: Sequence[str]) -> tuple[Candidate, ...]:
    """Return the candidates that can be read, at most MOST_CANDIDATES (RFC 8839 §5.1)."""
    found = []
    for value in values[:MOST_CANDIDATES]:
        with suppress(SdpError):
            found.append(Candidate.parse(value))
    return tuple(found)
