"""One call: who talks to whom, its two legs, and what both said last (XEP-0166, RFC 3264)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from dragoman.bridge.redirect import Elsewhere
from dragoman.mapping.call import Layout
from dragoman.media.plane import JINGLE, MediaError, Profile, Side, Trouble
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Direction, SessionDescription
from dragoman.sip.session import SessionHandle, Stage
from dragoman.sip.uri import Uri
from dragoman.sip.usage import Session
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.jingle import Session as JingleSession

if TYPE_CHECKING:
    from dragoman.bridge.referral import Referral
    from dragoman.bridge.transfer import Report, Transfer

TROUBLES: Final = {
    Trouble.FULL: (503, Why.GENERAL_ERROR),
    Trouble.UNACCEPTABLE: (488, Why.INCOMPATIBLE_PARAMETERS),
    Trouble.CONNECTIVITY: (500, Why.CONNECTIVITY_ERROR),
    Trouble.SECURITY: (488, Why.SECURITY_ERROR),
    Trouble.SILENCE: (480, Why.TIMEOUT),
    Trouble.GONE: (500, Why.GENERAL_ERROR),
}
"""What either side hears of a call without media: the status of its INVITE, and the reason."""
OTHER_WAY: Final = frozenset({415, 488, 606})
"""Answers to an INVITE after which another way to carry media is tried."""
UNFIT: Final = frozenset(
    {
        Why.FAILED_APPLICATION,
        Why.INCOMPATIBLE_PARAMETERS,
        Why.MEDIA_ERROR,
        Why.UNSUPPORTED_APPLICATIONS,
    }
)
"""Reasons of a client's that are about what it was offered (XEP-0166 §7.4)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides about calls."""

    early: bool = False
    """Whether a client's proposal is taken before the phone has answered (XEP-0353 §3.4)."""
    transfer: bool = True
    """Whether a phone may have another one take its place (RFC 3515, RFC 3891)."""
    bypass: bool = False
    """Whether no plane carries media of ends that can reach each other (`media.bypass`)."""


class Gathering(NamedTuple):
    """What waits for candidates of the client's, and until when at most."""

    until: float
    then: Callable[[], None]


@dataclass(slots=True)
class Trickling:
    """Candidates that come by themselves, of either end's (XEP-0176 §5.5, RFC 8840)."""

    able: bool = False
    """Whether the phone takes them by INFO."""
    heard: set[tuple[str, str, str]] = field(default_factory=set)
    """Those of the phone's: mid, ufrag, and what they are."""
    early: list[tuple[int, IceUdp]] = field(default_factory=list)
    """Those of the client's, or of one that may be it, before it has said what it takes."""
    gathering: Gathering | None = None
    untold: bool = False
    """Whether the client has some that the phone does not know."""
    telling: SessionHandle | None = None
    """The INFO that tells the phone of them."""


@dataclass(slots=True, eq=False)
class Call:
    """A call. `caller` is the side that began it; `address` is how the SIP user is reached."""

    id: str
    user: Jid
    """The XMPP user, as a device once it is known which."""
    peer: Jid
    """The SIP user."""
    address: Uri
    caller: Side
    negotiation: Negotiation
    sip: Session | None = None
    jingle: JingleSession | None = None
    layout: Layout = field(default_factory=Layout)
    client: SessionDescription | None = None
    """What the XMPP client said last, as a description."""
    phone: SessionDescription | None = None
    """What the phone said last."""
    profiles: list[Profile] = field(default_factory=list)
    """The ways to offer media to the phone that were not tried, the next first."""
    profile: Profile = field(default_factory=Profile)
    joined: bool = False
    """Whether the client has said by Jingle what it takes."""
    idle: frozenset[int] = frozenset()
    """Streams that the phone refuses, and by which the client sends nothing."""
    held: Direction = Direction.SENDRECV
    """Which way the client lets media go."""
    change: Callable[[SessionDescription | None], None] | None = None
    """What is done with the phone's answer to an offer of ours; None for one that is refused."""
    focus: Uri | None = None
    """Where the phone's conference is asked about, where the phone mixes one (RFC 4579 §4)."""
    marked: bool = False
    """Whether the phone has heard that the client mixes a conference."""
    waiting: list[Callable[[], None]] = field(default_factory=list)
    """Changes that the client wants while another is under way."""
    transfer: "Transfer | None" = None
    """How another phone is being called in place of this one, if it is."""
    reports: "list[Report]" = field(default_factory=list)
    """Of this transfer, and of those before whose phone has not taken the last word yet."""
    referral: "Referral | None" = None
    """What the phone was asked to do instead of talking to this client, if it was."""
    occupied: bool = False
    """Whether that is under way at the plane: nothing else changes meanwhile."""
    referrals: int = 0
    """How many REFERs came in the phone's dialog."""
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    trickling: Trickling = field(default_factory=Trickling)
    renewed: Callable[[], None] | None = None
    """What is done when the client has begun ICE anew as well, as the phone has."""
    deaf: dict[Jid, bool] = field(default_factory=dict)
    """Devices of the XMPP user's that hear no proposal, and whether they have DTLS."""
    others: list[JingleSession] = field(default_factory=list)
    """The sessions that were begun with these, while none was accepted."""
    hairpin: bool = False
    """Whether its other end is a client of another call of ours now, and no phone."""
    over: bool = False

    @property
    def direct(self) -> bool:
        """Whether no plane carries its media."""
        return self.profile.bypass

    @property
    def toward_client(self) -> Profile:
        """How the client is offered media."""
        return self.profile if self.direct else JINGLE

    @property
    def client_role(self) -> Creator:
        """Which end of the Jingle session the client is."""
        return Creator.INITIATOR if self.caller is Side.XMPP else Creator.RESPONDER

    @property
    def our_role(self) -> Creator:
        """Which end of the Jingle session we are."""
        return Creator.RESPONDER if self.caller is Side.XMPP else Creator.INITIATOR

    @property
    def talking(self) -> bool:
        """Whether the phone's side is up."""
        return self.sip is not None and self.sip.stage in {Stage.ACCEPTED, Stage.CONFIRMED}


def sound_alone(description: SessionDescription) -> SessionDescription | None:
    """Return a description with all but sound refused; None where that leaves all, or nothing."""
    media = [m if m.kind.lower() == "audio" else m.refused() for m in description.media]
    before, after = (sum(m.port != 0 for m in each) for each in (description.media, media))
    return replace(description, media=tuple(media)) if 0 < after < before else None


def unfit(call: Call, reason: Reason | None) -> bool:
    """Tell whether a client ended a call for what was offered, and not because its user would.

    Who has proceeded takes the call (XEP-0353 §3.4): if its client declines then, it is the offer
    that it declines, as Dino does for one video that it cannot show.
    """
    told = call.caller is Side.SIP and bool(call.layout.places) and not call.joined
    if reason is None or call.jingle is None or not told:
        return False
    return reason.why in UNFIT or (reason.why is Why.DECLINE and call.jingle.messages)


def reason_of(error: MediaError) -> Reason:
    """Return what the client hears of a call that has no media."""
    return Reason(TROUBLES[error.trouble][1], error.reason)


def widened(description: SessionDescription, other: SessionDescription) -> SessionDescription:
    """Return a description with a refused line for each stream of another that it is short of."""
    more = other.media[len(description.media) :]
    return replace(description, media=(*description.media, *(each.refused() for each in more)))


def placed(negotiation: Negotiation, made: SessionDescription) -> Negotiation:
    """Return a negotiation whose o= line has the address of our first description."""
    origin = negotiation.origin
    if negotiation.said is not None or not origin.address.unspecified or not made.media:
        return negotiation
    here = made.connection_of(made.media[0]) or origin.address
    return replace(negotiation, origin=replace(origin, address=here))


def directed(description: SessionDescription, direction: Direction) -> SessionDescription:
    """Return a description all of whose streams go that way, as far as they did (RFC 3264 §8.4)."""
    media = []
    for each in description.media:
        before = description.direction_of(each)
        now = Direction.of(
            sends=direction.sends and before.sends,
            receives=direction.receives and before.receives,
        )
        media.append(each.going(now))
    return replace(description, media=tuple(media))


def going(
    description: SessionDescription, streams: Collection[int], direction: Direction
) -> SessionDescription:
    """Return a description of whose streams some go another way than they did."""
    media = tuple(
        each.going(direction) if n in streams else each for n, each in enumerate(description.media)
    )
    return replace(description, media=media)
