"""Where messages come from and go to (RFC 3261 §18.2.2, RFC 3581 §4), and what they tell."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from dragoman.sip.header import Via
from dragoman.sip.locate import Target, Transport, is_address
from dragoman.sip.message import Request, Response

if TYPE_CHECKING:
    from dragoman.sip.server import ServerTransaction


@dataclass(frozen=True, slots=True)
class Flow:
    """One way between us and a peer: addresses without brackets, and ports.

    `connection` tells connections of one stream transport apart; it is 0 on UDP.
    """

    transport: Transport
    local: tuple[str, int]
    remote: tuple[str, int]
    connection: int = 0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What the driver is to send: over an open flow, or to a target that it may have to dial.

    `via` is that of the request which is answered, where the answer is to go by another way when
    its connection turns out to be gone.
    """

    data: bytes
    to: Flow | Target
    via: Via | None = None


class Cause(Enum):
    """Why a request got no response; the value is the status it counts as (§8.1.3.1)."""

    TIMEOUT = 408
    UNREACHABLE = 503
    OVERLOAD = 500
    """We have as many requests pending as we may."""


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """A new request to be answered by `Endpoint.respond` with this transaction."""

    request: Request
    flow: Flow
    transaction: "ServerTransaction"


@dataclass(frozen=True, slots=True)
class AckArrived:
    """An ACK for a 2xx, whose dialog the user knows (§13.3.1.4).

    `transaction` is that of the INVITE, None for an ACK that came before or belongs to nothing.
    """

    request: Request
    flow: Flow
    transaction: "ServerTransaction | None" = None


@dataclass(frozen=True, slots=True)
class CancelArrived:
    """The peer wants no more of an INVITE; its CANCEL is answered already (§9.2)."""

    request: Request
    transaction: "ServerTransaction"


@dataclass(frozen=True, slots=True)
class AckMissing:
    """The answer to an INVITE was never acknowledged: a refusal until timer H (§17.2.1).

    Where it was `accepted`, its 2xx went out for 64*T1: the user ends the session with BYE, see
    `sip.usage` (§13.3.1.4).
    """

    transaction: "ServerTransaction"
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class ResponseArrived:
    """A response to the request sent under `handle`, from the target that it was sent to."""

    handle: Hashable
    response: Response
    target: Target


@dataclass(frozen=True, slots=True)
class ResponseStranded:
    """A response has no way left but what the DNS says of sent-by, `host` and `port` (RFC 3263 §5).

    `Endpoint.redirect` with this handle takes the places that `sip.locate.locate_sent_by` finds.
    """

    handle: int
    transport: Transport
    host: str
    port: int | None


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """The request sent under `handle` got no response from any target."""

    handle: Hashable
    cause: Cause


Event: TypeAlias = (
    RequestArrived
    | AckArrived
    | CancelArrived
    | AckMissing
    | ResponseArrived
    | ResponseStranded
    | RequestFailed
)


def reply_flow(via: Via, flow: Flow, *, believed: bool = False) -> Flow:
    """Return where the response to a request goes that came over `flow` under this Via.

    Streams answer over their own connection. A datagram goes back to the source address, to the
    source port if `rport` asked for that, else to the port of `sent-by`; an address in `maddr`
    comes before both, where its sender is `believed`: nobody else has us send to third parties.
    Names in `maddr` are not looked up.
    """
    if flow.transport.reliable:
        return flow
    maddr = via.maddr if believed else None
    if maddr and is_address(maddr.strip("[]")):
        return Flow(flow.transport, flow.local, (maddr.strip("[]"), via.port or 5060))
    port = via.port or 5060
    if via.rport is not None or port == flow.remote[1]:
        return flow
    return Flow(flow.transport, flow.local, (flow.remote[0], port))


def reply_target(via: Via, flow: Flow) -> Target:
    """Return where the response goes when the connection of `flow` is gone (§18.2.2)."""
    return Target(flow.transport, flow.remote[0], via.port or flow.transport.port, via.host)
