"""MSRP in SDP (RFC 4975 §8, RFC 6135 §4, RFC 6714 §4): what is offered, chosen and answered.

Nothing else of this room knows SDP. `offer` writes ours; `choose` reads the peer's, `answer`
answers it; `accept` reads what the peer answered. Who connects, and to where, is a `Meeting`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import final

from dragoman.msrp.session import Meeting, Terms
from dragoman.msrp.uri import Path
from dragoman.sdp.session import Media, SessionDescription


class Setup(StrEnum):
    """Who connects, as a=setup has it (RFC 4145 §4, RFC 6135 §4.2)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"


@final
@dataclass(frozen=True, slots=True)
class Stance:
    """How we meet anyone, whatever the session.

    `terms` is what we take, its direction what we want. `reachable`: peers can connect to the
    address in our path; where not, its port is 9 (RFC 6135 §4.2.2). `plain` and `tls` are what we
    speak. `cema`: middleboxes may sit between us (RFC 6714). `fingerprints` are those of our own
    self-signed certificate ("sha-256 AB:CD..."), none for one that is trusted by its name.
    """

    terms: Terms
    reachable: bool = True
    plain: bool = True
    tls: bool = True
    cema: bool = False
    fingerprints: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Peer:
    """What the peer's m= line number `line` says; `address` is where its c= and m= lines point."""

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
        return len(self.path.uris) > 1


Addresses = Mapping[str, Collection[str]]
"""What names of hosts resolved to: needed only with CEMA, for those in `unresolved`."""


@final
@dataclass(frozen=True, slots=True)
class Accepted:
    """What an answer comes to; `again`: send another offer, without CEMA (RFC 6714 §4.2)."""

    peer: Peer
    meeting: Meeting
    again: bool = False


def offer(stance: Stance, path: Path) -> SessionDescription:
    """Return an offer of one session whose URI is the last of `path`; its o= line is to be set."""
    raise NotImplementedError


def choose(offered: SessionDescription, stance: Stance, addresses: Addresses | None = None) -> Peer:
    """Return the first stream of an offer that we can take; SdpError(488) where there is none."""
    raise NotImplementedError


def answer(
    offered: SessionDescription, peer: Peer, stance: Stance, path: Path
) -> tuple[SessionDescription, Meeting]:
    """Return the answer that takes the stream `peer` and refuses all others, and who connects."""
    raise NotImplementedError


def accept(
    sent: SessionDescription,
    answered: SessionDescription,
    stance: Stance,
    path: Path,
    addresses: Addresses | None = None,
) -> Accepted:
    """Read the answer to an offer of ours; SdpError(488) where it takes nothing of it."""
    raise NotImplementedError


def unresolved(description: SessionDescription) -> frozenset[str]:
    """Return the names of hosts whose addresses CEMA compares (RFC 6714 §4.4)."""
    raise NotImplementedError


def media(stance: Stance, path: Path) -> Media:
    """Return the m= line of an offer alone, for who offers other streams as well."""
    raise NotImplementedError
