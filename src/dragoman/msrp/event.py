"""What an endpoint tells its user and its driver (RFC 4975 §5.3, §5.4)."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

from dragoman.msrp.uri import Path

if TYPE_CHECKING:
    from dragoman.msrp.connection import Connection
    from dragoman.msrp.relay import Relay
    from dragoman.msrp.sending import Outgoing
    from dragoman.msrp.session import Session


class FailureReport(StrEnum):
    """Which failures the sender of a message wants to hear of (RFC 4975 §5.3)."""

    YES = "yes"
    PARTIAL = "partial"
    """Errors, but no 200 and so no time-outs."""
    NO = "no"


class Why(Enum):
    """What ended a session against its user's will."""

    LOST = "the connection was lost"
    UNREACHABLE = "no connection could be made"
    TIMEOUT = "the peer never connected, or never answered"
    STRANGER = "the peer is not whom its SDP announced"
    """Neither name nor fingerprint is that of the certificate (RFC 4975 §5.4, §14.4)."""
    REFUSED = "the peer says that there is no such session, or that it is elsewhere"
    """481 or 506."""
    GAP = "a part of a message did not arrive"
    """A failure REPORT for a range of bytes (RFC 4975 §7.3.2)."""


@dataclass(frozen=True, slots=True)
class Up:
    """Messages flow from now on; those that were sent before this go out first."""

    session: "Session"


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """A whole message, once for each Message-ID; its SENDs are answered already.

    `transaction_id` is that of the first chunk. Where `success_report` is set, the user owes
    `session.report(message_id)` once the message is where it was to go; where `failure_report` is
    not NO, it may say with a status that it could not be brought there. `body` is empty where the
    session is one that streams: the pieces came before. `total` is the length in octets.
    """

    session: "Session"
    message_id: str
    transaction_id: str
    content_type: str
    body: bytes
    total: int
    success_report: bool = False
    failure_report: FailureReport = FailureReport.YES
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that MSRP itself has no use for: Content-Disposition, Content-ID and others."""


@dataclass(frozen=True, slots=True)
class MessageBegun:
    """Only in a session that streams: the pieces of this message follow; `total` None: unknown."""

    session: "Session"
    message_id: str
    content_type: str
    total: int | None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class PieceArrived:
    """The next octets of a streamed message, in order and none twice."""

    session: "Session"
    message_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class MessageBroken:
    """A streamed message that began will not come whole: given up by its sender, or for a gap."""

    session: "Session"
    message_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The peer, or the relay next to us, has the whole message: each SEND got its 200.

    With Failure-Report no or partial no 200 is to be had: it says that the last octet was handed
    to the driver.
    """

    handle: "Outgoing"


@dataclass(frozen=True, slots=True)
class Delivered:
    """Success REPORTs cover every octet of the message: it is where it was to go."""

    handle: "Outgoing"


@dataclass(frozen=True, slots=True)
class Failed:
    """A message will not arrive, or its receiver says so after all; once for a message.

    `status` is the peer's code, 408 as well where we waited in vain; None where the session ended
    before anything was known: the message may be sent again in another session, under the same
    Message-ID (RFC 4975 §5.4).
    """

    handle: "Outgoing"
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Unreported:
    """The session ended without the success REPORT that was asked for; `Sent` came before."""

    handle: "Outgoing"


@dataclass(frozen=True, slots=True)
class SessionFailed:
    """The session is over; its unconfirmed messages were told of before. BYE, or new SDP."""

    session: "Session"
    why: Why
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RelayReady:
    """The relay serves us (RFC 4976 §5.1): `relay` may be given to `Endpoint.prepare`.

    It comes again where a refreshed lease has another path: sessions then need new SDP.
    """

    relay: "Relay"
    use_path: Path
    expires: int


@dataclass(frozen=True, slots=True)
class RelayFailed:
    """The relay does not serve us, or no longer; `status` None: nothing was heard of it."""

    relay: "Relay"
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectWanted:
    """For the driver: dial `connection.target`, then `opened` (and `secured`) or `closed`."""

    connection: "Connection"


@dataclass(frozen=True, slots=True)
class CloseWanted:
    """For the driver: send what is left, close, then `closed`."""

    connection: "Connection"
    reason: str


Event: TypeAlias = (
    Up
    | MessageArrived
    | MessageBegun
    | PieceArrived
    | MessageBroken
    | Sent
    | Delivered
    | Failed
    | Unreported
    | SessionFailed
    | RelayReady
    | RelayFailed
    | ConnectWanted
    | CloseWanted
)
