"""One transport of one leg: what we say of it, and what follows from what the peer says of his.

RFC 5763 §5, RFC 8842 §5, RFC 4568 §5.1, RFC 8839 §4.4.1.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from dragoman.media import sdes
from dragoman.media.description import Way
from dragoman.media.dtls import Dtls, Fingerprint, Identity
from dragoman.media.plane import Keying
from dragoman.media.relay import Path
from dragoman.media.remote import Credentials, Place, Remote
from dragoman.media.rtp import MediaFormatError
from dragoman.sdp.ice import Candidate


class Carrier(Protocol):
    """What has the sockets: with ICE or without."""

    def start(self, remote: Credentials, *, lite: bool, components: int) -> None:
        """Learn who the peer is, and find a way to him; only the first call counts.

        There is one to be found for each of `components`, or of ours where those are fewer.
        """

    def plain(self) -> None:
        """Do without ICE, which the peer has not: all goes by the sockets themselves."""

    def add(self, candidates: Sequence[Candidate], *, complete: bool = False) -> None:
        """Learn candidates of the peer's."""

    def sender(self, component: int) -> Callable[[bytes, Place], None]:
        """Return what sends by the socket of RTP (0) or RTCP (1)."""

    async def aclose(self) -> None:
        """Free all that it has."""


@dataclass(frozen=True, slots=True)
class Sockets:
    """A carrier, with what the peer is told of it."""

    carrier: Carrier
    rtp: Place
    rtcp: Place | None
    ice: Credentials | None = None
    lite: bool = False
    candidates: tuple[Candidate, ...] = ()

    @classmethod
    def of(
        cls, carrier: Carrier, ice: Credentials, candidates: Sequence[Candidate], *, lite: bool
    ) -> "Sockets":
        """Return those of a carrier with ICE, which has at least one candidate."""
        rtp = _own(candidates, 1) or ("", 9)
        return cls(carrier, rtp, _own(candidates, 2), ice, lite, tuple(candidates))

    def senders(self) -> tuple[Callable[[bytes, Place], None], ...]:
        """Return what sends RTP, and what RTCP where that has a socket of its own."""
        count = 1 if self.rtcp is None else 2
        return tuple(self.carrier.sender(component) for component in range(count))


def _own(candidates: Sequence[Candidate], component: int) -> Place | None:
    """Return where who has no ICE is to send to: the address that was configured for it."""
    return next(
        ((x.address, x.port) for x in candidates if (x.type, x.component) == ("host", component)),
        None,
    )


class Transport:
    """One transport of one leg: sockets, keys, and the path that packets take."""

    __slots__ = (
        "_fingerprints",
        "_identity",
        "_keys",
        "_remote_ice",
        "crypto",
        "established",
        "later",
        "path",
        "role",
        "sockets",
        "way",
    )

    def __init__(self, way: Way, sockets: Sockets, identity: Identity) -> None:
        """Carry in the `way` agreed on or offered, by `sockets`, with our certificate."""
        self.way = way
        self.sockets = sockets
        self.later: Sockets | None = None
        """Those of an ICE restart, until they have found a way."""
        self.path = Path(sockets.senders(), ice=sockets.ice is not None)
        self.crypto: tuple[sdes.Line, ...] = ()
        self.role = ""
        """Our role in DTLS, once there is one: "active" or "passive"."""
        self.established = False
        self._identity = identity
        self._fingerprints: frozenset[Fingerprint] = frozenset()
        self._keys: tuple[sdes.Line, sdes.Line] | None = None
        self._remote_ice: Credentials | None = None

    # -- what we say -------------------------------------------------------------------------

    @property
    def _told(self) -> Sockets:
        return self.later or self.sockets

    @property
    def rtp(self) -> Place:
        """Where RTP comes in."""
        return self._told.rtp

    @property
    def rtcp(self) -> Place | None:
        """Where RTCP comes in, where that has a port of its own."""
        return self._told.rtcp

    @property
    def ice(self) -> Credentials | None:
        """Our credentials; None without ICE."""
        return self._told.ice

    @property
    def lite(self) -> bool:
        """Whether we only answer checks."""
        return self._told.lite

    @property
    def candidates(self) -> Sequence[Candidate]:
        """Our candidates."""
        return self._told.candidates

    @property
    def fingerprint(self) -> Fingerprint | None:
        """That of our certificate."""
        return ("sha-256", self._identity.fingerprint())

    # -- what they say -----------------------------------------------------------------------

    def fits(self, way: Way) -> bool:
        """Tell whether it can carry in another way, too: only sockets cannot be changed."""
        return self.way.ice == way.ice and (not way.ice or self.way.mux == way.mux)

    def restarts(self, remote: Remote) -> bool:
        """Tell whether the peer restarts ICE: his credentials are others (RFC 8839 §4.4.1.1.1)."""
        known = self._remote_ice
        return known is not None and remote.ice is not None and remote.ice != known

    def offer_keys(self, token: Callable[[int], bytes]) -> None:
        """Have keys to offer where the way wants them; those agreed on stay (RFC 4568 §7.1.4)."""
        if self.way.keying is Keying.SDES and not self.crypto:
            self.crypto = sdes.offer(token)

    def take_keys(self, remote: Remote, token: Callable[[int], bytes]) -> None:
        """Have the key that answers those offered, the same one again for the same."""
        chosen = sdes.choose(remote.media.values("crypto"))
        if self.way.keying is not Keying.SDES or chosen is None:
            return
        if self._keys is None or self._keys[1] != chosen:
            ours = sdes.answer(chosen, token)
            self._keys = (ours, chosen)
            self.path.srtp = None
        self.crypto = (self._keys[0],)

    def settle_keys(self, remote: Remote) -> bool:
        """Take the keys of an answer to ours; False where they do not fit what was offered."""
        match self.way.keying:
            case Keying.NONE:
                return True
            case Keying.DTLS:
                return bool(remote.fingerprints)
            case Keying.SDES:
                return self._settle(remote)

    def _settle(self, remote: Remote) -> bool:
        try:
            keys = sdes.settle(self.crypto, remote.media.values("crypto"))
        except MediaFormatError:
            return False
        if keys != self._keys:
            self._keys = keys
            self.path.srtp = None
        self.crypto = keys[:1]
        return True

    def agree(self, remote: Remote, *, active: bool, now: float) -> None:
        """Carry as was agreed on: know where the peer is, and whose keys are his."""
        path = self.path
        if self.way.ice and remote.ice is None:
            self._do_without_ice()
        self.way = self.way.answered(remote)
        if self.way.ice and remote.components == 1:
            self._do_without_rtcp()
        mux = self.way.mux
        path.expect((self._there(remote.rtp), self._there(remote.rtcp)), mux=mux)
        path.secure = self.way.keying is not Keying.NONE
        if self.way.keying is not Keying.DTLS:
            path.control = None
        if self.way.keying is Keying.NONE:
            path.srtp = None
        elif self.way.keying is Keying.SDES and path.srtp is None and self._keys is not None:
            path.srtp = sdes.session(*self._keys)
        elif self.way.keying is Keying.DTLS:
            self._associate(remote, active=active, now=now)
            self._associate_rtcp(mux=mux, now=now)
        self._check(remote)
        self.established = True

    def _do_without_ice(self) -> None:
        """Carry by plain addresses what was offered by ICE (RFC 8839 §4.3.3)."""
        self.sockets.carrier.plain()
        self.path.without_ice(self.sockets.senders())

    def _do_without_rtcp(self) -> None:
        """Forget the component of RTCP, for which the peer has none (RFC 5761 §5.1.3)."""
        told = self._told
        kept = tuple(each for each in told.candidates if each.component == 1)
        fewer = replace(told, rtcp=None, candidates=kept)
        if self.later is None:
            self.sockets = fewer
        else:
            self.later = fewer

    def _there(self, place: Place | None) -> Place | None:
        """Return a place of the peer's; None where our sockets are of another family."""
        ours = ":" in self._told.rtp[0]
        return place if place is not None and (":" in place[0]) is ours else None

    def _associate(self, remote: Remote, *, active: bool, now: float) -> None:
        """Begin a DTLS association, unless there is one with the same peer (RFC 8842 §4)."""
        found = frozenset(remote.fingerprints)
        if self.path.dtls is not None and found == self._fingerprints:
            return
        self._fingerprints = found
        self.role = "active" if active else "passive"
        self.path.associate(Dtls(self._identity, active), tuple(found), now)

    def _associate_rtcp(self, *, mux: bool, now: float) -> None:
        """Have an association for RTCP where that has a port of its own (RFC 5764 §4.1)."""
        if not mux and self.path.control is None and self._told.rtcp is not None:
            self.path.associate_rtcp(Dtls(self._identity, self.role == "active"), now)

    def _check(self, remote: Remote) -> None:
        if remote.ice is None or not self.way.ice:
            return
        carrier = self._told.carrier
        self._remote_ice = remote.ice
        carrier.start(remote.ice, lite=remote.lite, components=remote.components)
        carrier.add(remote.candidates, complete=remote.complete)

    def trickle(self, ufrag: str, candidates: Sequence[Candidate]) -> bool:
        """Learn more candidates; False where they are of no ICE session that is known yet."""
        known = self._remote_ice
        if known is None or (ufrag and ufrag != known.ufrag):
            return False
        self._told.carrier.add(candidates)
        return True

    def connected(self, carrier: object, now: float) -> Carrier | None:
        """Learn that ICE has found a way by `carrier`; return the one that it replaces, if any."""
        old = None
        if self.later is not None and self.later.carrier is carrier:
            old, self.sockets, self.later = self.sockets.carrier, self.later, None
            self.path.send = self.sockets.senders()
        self.path.reached(now)
        return old
