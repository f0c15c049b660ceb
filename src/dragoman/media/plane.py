"""The port to whatever carries the media of calls: in this process, or rtpengine.

A call has two legs. Who has something to say to one of them hears first from the plane how:
`offer` takes the offer that one leg made and tells the one to make to the other; `answer` takes the
answer of that other leg and tells the one for the first. Codecs and what belongs to them pass
through; addresses, ICE, keys, multiplexing and bundles are of the plane's making, for each leg as
it wants them. A leg that has not been heard of yet stands for itself by a description without
transport (port 9): its real offer comes later, under the same call, and replaces it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol, TypeAlias

from dragoman.errors import ProtocolError
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import SessionDescription


class Side(Enum):
    """One of the two legs of a call."""

    SIP = "sip"
    XMPP = "xmpp"

    @property
    def other(self) -> "Side":
        """The leg that this one talks to."""
        return Side.XMPP if self is Side.SIP else Side.SIP


class Keying(Enum):
    """How the keys of SRTP are agreed on."""

    NONE = "RTP in the clear"
    SDES = "RFC 4568"
    DTLS = "RFC 5763"


@dataclass(frozen=True, slots=True)
class Profile:
    """How an offer of ours has media carried; answers follow what was offered."""

    keying: Keying = Keying.NONE
    ice: bool = False
    """ICE, for who answers with it (RFC 8839 §4.3.3)."""
    mux: bool = False
    """RTCP on the port of RTP (RFC 5761)."""
    bundle: bool = False
    feedback: bool = False
    """AVPF (RFC 4585), with all that hangs on it: feedback, header extensions, sources."""
    more: bool = False
    """After the codecs of the other leg those that the plane can transcode, where it can."""
    bypass: bool = False
    """What the other leg offers, as it is: nothing is carried. See `media.bypass`."""


WEBRTC: Final = Profile(Keying.DTLS, ice=True, mux=True, bundle=True, feedback=True)
JINGLE: Final = replace(WEBRTC, more=True)
"""What Jingle clients of today take; as they are asked but once, they hear of all codecs."""
PLAIN: Final = Profile(ice=True)
"""What every phone takes: who has no ICE answers without, and gets RTP where he says he is.

So do clients that have no DTLS.
"""
NEAR: Final = Profile()
"""What two calls of one plane take from each other: either is where it says it is."""
SDES: Final = Profile(Keying.SDES, ice=True)
DTLS: Final = Profile(Keying.DTLS, ice=True)
BYPASS: Final = replace(WEBRTC, bypass=True)


class Transcoding(Enum):
    """Whether a plane makes one codec into another where no codec is common."""

    CAN = "yes"
    LACKS = "no, for want of software"
    NEVER = "no"


class Trouble(Enum):
    """Why there are no media, or not any more."""

    FULL = "no port, or no room for another call"
    UNACCEPTABLE = "the description cannot be carried"
    CONNECTIVITY = "no way to the peer, or it was lost"
    SECURITY = "the keys are not those of whom we talk to"
    SILENCE = "nothing came for too long"
    GONE = "the plane does not answer, or has forgotten the call"


class MediaError(ProtocolError):
    """The plane cannot do it: `trouble` is why."""

    def __init__(self, trouble: Trouble, reason: str) -> None:
        """Keep both; `reason` is for people."""
        super().__init__(reason)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Connected:
    """Media can go to and come from a leg now."""

    call: str
    side: Side


@dataclass(frozen=True, slots=True)
class Lost:
    """A leg has no media any more, or never had: the call is to be ended."""

    call: str
    side: Side
    trouble: Trouble
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Transcoded:
    """What a leg sends is decoded now, the first time in this call: `source` is made `target`."""

    call: str
    side: Side
    source: str
    target: str


MediaEvent: TypeAlias = Connected | Lost | Transcoded


@dataclass(frozen=True, slots=True)
class Counters:
    """What came from one leg: packets and octets of RTP payload, what is missing, and how it came.

    `jitter` and `round_trip` are in milliseconds, None where nobody said; `mos` is an estimate from
    1.0 to 4.5 (ITU-T G.107), None without packets.
    """

    packets: int = 0
    octets: int = 0
    lost: int = 0
    jitter: float | None = None
    round_trip: float | None = None
    mos: float | None = None


Told: TypeAlias = Callable[[SessionDescription | MediaError], None]
"""Learns what a plane made of a description; called once, at once or later."""


class Plane(Protocol):
    """What carries media. `call` is a name that the caller makes up, without blanks."""

    @property
    def transcoding(self) -> Transcoding:
        """Whether codecs are offered beyond those of the other leg, as `Profile.more` wants."""

    def offer(
        self,
        call: str,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        told: Told,
        successor: Side | None = None,
    ) -> None:
        """Take what the leg `side` offers; tell what to offer the other leg, in the way `toward`.

        The first offer begins the call, later ones change it. `successor` is a leg that is another
        peer than before: nothing that was agreed on with that one counts, who has his media until
        the offer is answered.
        """

    def answer(self, call: str, side: Side, answer: SessionDescription, told: Told) -> None:
        """Take what the leg `side` answers to that; tell what to answer the leg that offered."""

    def revert(self, call: str) -> None:
        """Forget the open offer, which was refused: what held before holds."""

    def candidates(
        self, call: str, side: Side, mid: str, ufrag: str, candidates: Sequence[Candidate]
    ) -> None:
        """Learn more candidates of a leg; those that come before its description are kept."""

    def digits(self, call: str, toward: Side, digits: str, milliseconds: int) -> None:
        """Send telephone-events (RFC 4733) to a leg that negotiated them; else nothing happens."""

    def refresh(self, call: str, toward: Side) -> None:
        """Ask a leg for a whole picture of its video, as it agreed on: PLI (RFC 4585 §6.3.1) or
        FIR (RFC 5104 §4.3.1); else nothing happens."""

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None]) -> None:
        """Tell how a call fares; nothing for one that is not known."""

    def close(self, call: str) -> None:
        """End the media of a call and free all of it; harmless where it is not known."""
