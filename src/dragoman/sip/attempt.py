"""A request of ours on its way through the targets (RFC 3261 §17.1, RFC 3263 §4.3)."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from dragoman.sip.locate import Target
from dragoman.sip.message import Request, Response, encode
from dragoman.sip.transaction import (
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    Machine,
    Running,
    State,
)

if TYPE_CHECKING:
    from dragoman.sip.credentials import Tries
    from dragoman.sip.flow import Outgoing, RequestFailed, ResponseArrived
    from dragoman.sip.health import Place


class Attempt:
    """One request of the user's on its way through the targets."""

    __slots__ = (
        "cancelled",
        "current",
        "handle",
        "kept",
        "line",
        "listening",
        "over",
        "own",
        "reason",
        "refused",
        "request",
        "rest",
        "tried",
        "tries",
        "waiting",
    )

    def __init__(
        self,
        request: Request,
        targets: Iterable[Target],
        handle: Hashable,
        *,
        own: bool = False,
    ) -> None:
        """Write `request`, which has no Via, once for all targets.

        What we send of our `own` accord, a probe or CANCEL, is nobody's: no user hears of it.
        """
        self.handle = handle
        self.waiting = deque(targets)
        self.tried: set[Place] = set()
        self.refused: set[Place] = set()
        self.own = own
        self.cancelled = False
        self.reason = ""
        self.tries: Tries | None = None
        # Keys of transactions, not these, which refer back: no cycle may wait for a collection.
        self.current = ""
        self.over = ""
        self.listening = 0
        self.kept: ResponseArrived | RequestFailed | None = None
        self.write(request)

    def write(self, request: Request) -> None:
        """Have `request` sent from now on."""
        self.request = request
        line, _, self.rest = encode(request).partition(b"\r\n")
        self.line = line + b"\r\n"


class ClientTransaction:
    """One request as sent to one target."""

    __slots__ = (
        "acks",
        "attempt",
        "data",
        "heard",
        "key",
        "left",
        "machine",
        "place",
        "request",
        "running",
        "sent_by",
        "started",
        "state",
        "to",
    )

    place: "Place"

    def __init__(self, key: str, attempt: Attempt, to: Target, sent_by: str, data: bytes) -> None:
        """Begin with the bytes to be sent, which name `sent_by` in their Via."""
        invite = attempt.request.method == "INVITE"
        self.key = key
        self.attempt = attempt
        self.request = attempt.request
        self.to = to
        self.sent_by = sent_by
        self.data = data
        self.acks: dict[str, Outgoing] | None = None
        self.heard = False
        self.left = False
        self.started = 0.0
        self.running = Running()
        self.machine: Machine = INVITE_CLIENT if invite else NON_INVITE_CLIENT
        self.state: State = self.machine.start


def acknowledgement(transaction: ClientTransaction, response: Response) -> bytes:
    """Return the ACK for a response of 300 or more to our INVITE (§17.1.1.3)."""
    return encode(_to_same_hop(transaction, "ACK", response.get("To")))


def cancellation(transaction: ClientTransaction) -> ClientTransaction:
    """Return the CANCEL of our INVITE, to the same target under the same branch (§9.1)."""
    cancel = _to_same_hop(transaction, "CANCEL", None)
    if reason := transaction.attempt.reason:
        cancel = Request("CANCEL", cancel.target, [*cancel.headers, ("Reason", reason)])
    attempt = Attempt(cancel, (), None, own=True)
    key = transaction.key.partition(" ")[0] + " CANCEL"
    data = attempt.line + attempt.rest
    return ClientTransaction(key, attempt, transaction.to, transaction.sent_by, data)


def _to_same_hop(transaction: ClientTransaction, method: str, to: str | None) -> Request:
    """Return what follows an INVITE hop by hop: with its topmost Via, its Route, its number."""
    request = transaction.request
    via = transaction.data.split(b"\r\n", 2)[1].decode().partition(": ")[2]
    headers = [("Via", via), ("Max-Forwards", "70")]
    headers += [header for header in request.headers if header[0] in {"From", "Call-ID", "Route"}]
    headers.append(("To", to or request.get("To") or ""))
    headers.append(("CSeq", f"{request.cseq.number} {method}"))
    return Request(method, request.target, headers)
