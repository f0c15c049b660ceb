"""Sessions as values: the stages of an INVITE usage, what it does, what it tells (RFC 3261 §13-15).

`sip.sessions` has the sessions themselves; docs/design/0012-sip-sessions.md shows a conversation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from dragoman.errors import LocalError, RemoteError
from dragoman.sip.failure import SipError
from dragoman.sip.message import Header, Message, Request, Response
from dragoman.sip.route import RouteSet

if TYPE_CHECKING:
    from dragoman.sip.server import ServerTransaction
    from dragoman.sip.usage import Session

METHODS: Final = ("INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE")
"""The methods that sessions are made of."""
ALLOW: Final = (*METHODS, "MESSAGE", "OPTIONS")
"""The methods that may come in any session."""
SUPPORTED: Final = ("100rel", "timer")
"""The extensions that may be required of us (RFC 3262, RFC 4028)."""
SDP: Final = "application/sdp"


class Stage(Enum):
    """How far a session has come."""

    CALLING = "calling"
    """Our INVITE has no final response."""
    CANCELLING = "cancelling"
    """Nor will its answer be wanted."""
    INVITED = "invited"
    """The peer's INVITE has no final response."""
    ACCEPTED = "accepted"
    """Our 2xx has no ACK."""
    LEAVING = "leaving"
    """Nor is the session wanted: BYE follows the ACK (§15)."""
    CONFIRMED = "confirmed"
    PARTING = "parting"
    """Our BYE has no response."""
    OVER = "over"


class Signal(Enum):
    """What moves a session to another stage."""

    SUCCESS = "2xx"
    FAILURE = "3xx-6xx, or no response"
    THEIR_CANCEL = "CANCEL came"
    ACK = "ACK came"
    NO_ACK = "no ACK came"
    THEIR_BYE = "BYE came"
    CANCEL = "CANCEL"
    ANSWER = "answer"
    REFUSE = "refuse"
    BYE = "BYE"
    FINISHED = "BYE answered"


STEPS: Final[Mapping[tuple[Stage, Signal], Stage]] = {
    (Stage.CALLING, Signal.SUCCESS): Stage.CONFIRMED,
    (Stage.CALLING, Signal.FAILURE): Stage.OVER,
    (Stage.CALLING, Signal.CANCEL): Stage.CANCELLING,
    (Stage.CALLING, Signal.THEIR_BYE): Stage.CALLING,
    (Stage.CANCELLING, Signal.SUCCESS): Stage.PARTING,  # the 2xx was faster (§9.1): ACK, then BYE
    (Stage.CANCELLING, Signal.FAILURE): Stage.OVER,
    (Stage.CANCELLING, Signal.CANCEL): Stage.CANCELLING,
    (Stage.CANCELLING, Signal.THEIR_BYE): Stage.CANCELLING,
    (Stage.INVITED, Signal.THEIR_CANCEL): Stage.OVER,
    (Stage.INVITED, Signal.ANSWER): Stage.ACCEPTED,
    (Stage.INVITED, Signal.REFUSE): Stage.OVER,
    (Stage.INVITED, Signal.THEIR_BYE): Stage.OVER,
    (Stage.ACCEPTED, Signal.ACK): Stage.CONFIRMED,
    (Stage.ACCEPTED, Signal.NO_ACK): Stage.PARTING,
    (Stage.ACCEPTED, Signal.BYE): Stage.LEAVING,
    (Stage.ACCEPTED, Signal.THEIR_BYE): Stage.OVER,
    (Stage.LEAVING, Signal.ACK): Stage.PARTING,
    (Stage.LEAVING, Signal.NO_ACK): Stage.PARTING,
    (Stage.LEAVING, Signal.BYE): Stage.LEAVING,
    (Stage.LEAVING, Signal.THEIR_BYE): Stage.OVER,
    (Stage.CONFIRMED, Signal.BYE): Stage.PARTING,
    (Stage.CONFIRMED, Signal.THEIR_BYE): Stage.OVER,
    (Stage.PARTING, Signal.BYE): Stage.PARTING,
    (Stage.PARTING, Signal.THEIR_BYE): Stage.OVER,
    (Stage.PARTING, Signal.FINISHED): Stage.OVER,
    (Stage.OVER, Signal.BYE): Stage.OVER,
    (Stage.OVER, Signal.CANCEL): Stage.OVER,
}

_OURS: Final = frozenset({Signal.CANCEL, Signal.ANSWER, Signal.REFUSE, Signal.BYE})


def step(stage: Stage, signal: Signal) -> Stage:
    """Return the stage that follows.

    Raises LocalError for a step of ours that the table lacks, RemoteError for one of the peer's.
    """
    found = STEPS.get((stage, signal))
    if found is None:
        fault = LocalError if signal in _OURS else RemoteError
        raise fault(f"a session that is {stage.value} has no step for {signal.value}")
    return found


@dataclass(frozen=True, slots=True)
class Body:
    """A session description, opaque here: an offer or an answer, by where it stands."""

    data: bytes
    type: str = SDP

    @classmethod
    def of(cls, message: Message) -> "Body | None":
        """Return the session description of a message, also within a multipart; None: it has none.

        Raises SipError(400) for a Content-Type that cannot be read.
        """
        media = message.content_type
        if not message.body or media is None:
            return None
        essence = media.essence
        inside = essence.startswith("multipart/") and SDP.encode() in message.body.lower()
        return cls(message.body, str(media)) if essence == SDP or inside else None

    @property
    def headers(self) -> tuple[Header, ...]:
        """The header that says what it is."""
        return (("Content-Type", self.type),)


class By(Enum):
    """Who ended a session, or changed it."""

    US = "us"
    PEER = "peer"
    TIMER = "timer"
    """Nobody: an ACK, a refresh or an answer did not come."""


# -- what is to be done with the endpoint --------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionHandle:
    """The handle of a request of a session's."""

    session: int
    serial: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request on its route: `RequestPort.request`."""

    request: Request
    route: RouteSet
    handle: SessionHandle


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Send the ACK for the 2xx to the INVITE of `handle` on its route: `Endpoint.acknowledge`."""

    request: Request
    route: RouteSet
    handle: SessionHandle


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back the INVITE of `handle`, for a `reason` (RFC 3326): `Endpoint.cancel`."""

    handle: SessionHandle
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer a request that came: `Endpoint.respond`; provisional responses too."""

    transaction: "ServerTransaction"
    response: Response


Action: TypeAlias = Send | Acknowledge | Cancel | Respond


# -- what the user learns -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Invited:
    """An INVITE came: say `ring`, `answer` or `refuse`. Without `offer`, the answer has ours."""

    session: "Session"
    request: Request
    offer: Body | None
    replaced: "Session | None" = None
    """The session whose place it is to take (RFC 3891): `bye` ends that once this is accepted."""


@dataclass(frozen=True, slots=True)
class Ringing:
    """A 101 to 199 came to our INVITE; `tag` tells the branches of a fork apart, "" for none.

    `body` of one that is not `reliable` shows only what the answer will be (RFC 6337 §3.1.1).
    """

    session: "Session"
    tag: str
    status: int
    body: Body | None
    reliable: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """Our INVITE was accepted and acknowledged; None where a reliable 18x had the answer."""

    session: "Session"
    body: Body | None
    response: Response


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK for our 2xx came; `body` answers the offer that the 2xx had, if it had one."""

    session: "Session"
    body: Body | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Our INVITE failed and the session is over.

    `response` has what came (Retry-After, Warning, Contact of a 3xx); None where nothing came:
    `status` is what that counts as (408, 503, 500).
    """

    session: "Session"
    status: int
    response: Response | None = None
    cancelled: bool = False
    """Whether we had wanted it to fail."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The peer took back the INVITE that we had not answered: the session is over."""

    session: "Session"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """A re-INVITE or UPDATE wants a change: say `accept` or `decline`.

    Without `body` the peer wants our offer; `Changed` brings his answer.
    """

    session: "Session"
    request: Request
    body: Body | None


@dataclass(frozen=True, slots=True)
class Changed:
    """A change is made: `body` answers our offer."""

    session: "Session"
    body: Body | None


@dataclass(frozen=True, slots=True)
class ChangeRefused:
    """Our `offer` was refused, or his taken back (487): the session is as before (§14.1)."""

    session: "Session"
    status: int


@dataclass(frozen=True, slots=True)
class InDialog:
    """Another request came in the session (INFO, MESSAGE): answer it with `reply`."""

    session: "Session"
    request: Request
    transaction: "ServerTransaction"


@dataclass(frozen=True, slots=True)
class Replied:
    """What came of a `request` of the user's; without `response`, `status` is what that means."""

    session: "Session"
    handle: SessionHandle
    status: int
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that was accepted is over; `reason` is the peer's Reason header (RFC 3326)."""

    session: "Session"
    by: By
    reason: str = ""
    request: Request | None = None
    """The peer's BYE."""


Event: TypeAlias = (
    Invited
    | Ringing
    | Answered
    | Confirmed
    | Refused
    | Cancelled
    | Offered
    | Changed
    | ChangeRefused
    | InDialog
    | Replied
    | Ended
)


def reason_of(message: Message) -> str:
    """Return the Reason header of a message (RFC 3326), "" for none."""
    return message.get("Reason") or ""


def options_of(message: Message, name: str) -> frozenset[str]:
    """Return the tokens of a list header (Supported, Require, Allow); none of a broken one."""
    items = [item.strip() for line in message.get_all(name) for item in line.split(",")]
    return frozenset(item for item in items if item)


def session_body(message: Message) -> Body | None:
    """Return the session description of a response, None where it cannot be read."""
    try:
        return Body.of(message)
    except SipError:
        return None
