"""The SIP endpoint: messages in and out through transactions (RFC 3261 §8, §17, §18)."""

from collections.abc import Callable, Hashable, Sequence

from dragoman.sip.check import Refusal, passed_through, refusal, syntax
from dragoman.sip.client import Clients
from dragoman.sip.credentials import Account
from dragoman.sip.flow import (
    AckArrived,
    AckMissing,
    CancelArrived,
    Cause,
    Event,
    Flow,
    Outgoing,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
    ResponseStranded,
    reply_flow,
)
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response, SipError, encode, parse, response_to
from dragoman.sip.outbox import Limits, Outbox
from dragoman.sip.route import Ours, arrived
from dragoman.sip.server import Servers, ServerTransaction, fingerprint, key_of
from dragoman.sip.transaction import InviteServer

__all__ = [
    "AckArrived",
    "AckMissing",
    "CancelArrived",
    "Cause",
    "Endpoint",
    "Event",
    "Flow",
    "Limits",
    "Outgoing",
    "RequestArrived",
    "RequestFailed",
    "ResponseArrived",
    "ResponseStranded",
    "ServerTransaction",
    "Target",
    "Transport",
]


class Endpoint:
    """One SIP element without sockets or clock; see `tests/sip/test_endpoint.py` for its talk.

    Bytes and messages go in with the time; what is to be sent and what the user must know are
    fetched with `to_send` and `events`. Refusals that need no one's opinion it sends by itself.
    """

    def __init__(
        self,
        *,
        sent_by: Callable[[Target], str],
        allow: Sequence[str],
        token: Callable[[], str],
        screen: Callable[[Request, Flow], int | None],
        supported: Sequence[str] = (),
        limits: Limits | None = None,
        quiet: Callable[[Flow], bool] = lambda _: False,
        accounts: Sequence[Account] = (),
        ours: Ours = lambda _: False,
    ) -> None:
        """Serve the methods of `allow` and the extensions of `supported`.

        `sent_by` gives our "host[:port]" for the Via toward a target, with parameters of ours where
        there are any (";alias"); `token` returns a new unguessable token; `screen` is asked about
        each new request before any state is made, and returns the status to refuse it with or None
        to admit it; `quiet` tells of a flow whether no refusal is to be heard on it.
        Challenges are answered with `accounts`; a Route is taken away that `ours` says names us.
        """
        limits = limits or Limits()
        self._allow = tuple(allow)
        self._cancellable = [each for each in allow if each not in {"ACK", "CANCEL"}]
        self._supported = frozenset(supported)
        self._screen = screen
        self._ours = ours
        self._quiet = quiet
        self._outbox = Outbox()
        self._busy = Refusal(503, (("Retry-After", str(limits.retry_after)),))
        self._clients = Clients(limits, self._outbox, sent_by, token, accounts)
        self._sent_by = sent_by
        self._servers = Servers(limits, self._outbox, token().encode()[:64])

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> None:
        """Take one datagram that came over `flow`, at `now`.

        What cannot be read is answered where it is a request with a Via, and else dropped.
        """
        try:
            message = parse(data)
        except SipError as error:
            self._unreadable(data, error, flow, now)
        else:
            self.receive(message, flow, now)

    def receive(self, message: Request | Response, flow: Flow, now: float) -> None:
        """Take one message that came over `flow`, at `now`."""
        if isinstance(message, Request):
            self._outbox.counts["requests in"] += 1
            self._receive_request(message, flow, now)
        else:
            self._outbox.counts["responses in"] += 1
            self._receive_response(message, now)

    def send(
        self, request: Request, targets: Sequence[Target], handle: Hashable, now: float
    ) -> None:
        """Send a request without Via to the first target that takes it.

        ResponseArrived or RequestFailed with `handle` tell what came of it. Raises LocalError for
        a request that has a Via or cannot be written.
        """
        self._outbox.counts["requests out"] += 1
        self._clients.send(request, targets, handle, now)

    def cancel(self, handle: Hashable, now: float, reason: str = "") -> None:
        """Take back the INVITE sent under `handle` (§9.1); one that is answered already stays so.

        Its CANCEL goes when a provisional response is there, and its response is told of as ever:
        487, or a success that came first, or RequestFailed when for 64*T1 there is none. It is
        neither sent elsewhere then nor shows credentials. `reason` is its Reason header (RFC 3326).
        Raises LocalError for another request.
        """
        self._clients.cancel(handle, now, reason)

    def acknowledge(
        self, ack: Request, targets: Sequence[Target], handle: Hashable, now: float
    ) -> None:
        """Send the ACK for a 2xx to the INVITE of `handle`, without Via (§13.2.2.4).

        Whenever that 2xx comes again the same ACK goes, and no one is told. It has the CSeq number
        of the 2xx and gets the credentials of the INVITE. RequestFailed says that there is no
        target. Raises LocalError for an ACK of another number, or before there is a 2xx.
        """
        self._outbox.counts["requests out"] += 1
        self._clients.acknowledge(ack, targets, handle, now)

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Answer the request of a RequestArrived; a To without tag gets the transaction's.

        What comes too late to matter is dropped. A 2xx to INVITE is sent until its ACK comes;
        AckMissing says that it did not. Raises LocalError for a response that the
        transaction's state or RFC 4320 forbids: 408 or an early 1xx to anything but INVITE.
        """
        self._outbox.counts["responses out"] += 1
        self._servers.respond(transaction, response, now)

    def place(self, to: Target) -> str:
        """Return the "host[:port]" at which `to` reaches us."""
        return self._sent_by(to).partition(";")[0]

    def tag(self, transaction: ServerTransaction) -> str:
        """Return the To tag of the transaction's responses, for who needs it before."""
        return self._servers.tag(transaction.key)

    def abandon(self, transaction: ServerTransaction) -> None:
        """Leave the request of a RequestArrived without an answer, and forget it."""
        self._servers.abandon(transaction)

    def refusal_tag(self, branch: str, sent_by: str, method: str) -> str:
        """Return the To tag of a refusal of the request that these tell apart."""
        return self._servers.tag(key_of(branch, sent_by, method))

    def pending(self, branch: str, sent_by: str, method: str) -> bool:
        """Tell whether there is a transaction of the request that these tell apart."""
        return self._servers.knows(key_of(branch, sent_by, method))

    def asked(self, branch: str, method: str) -> bool:
        """Tell whether a response with that branch and CSeq method would answer us."""
        return self._clients.asked(branch, method)

    @property
    def waiting(self) -> int:
        """How many requests wait for our answer, or for its ACK."""
        return self._servers.waiting

    def unreachable(self, to: Target, now: float) -> None:
        """Take the driver's word that what was sent to `to` could not be delivered."""
        self._clients.unreachable(to, now)
        self._servers.replies.unreachable(to)

    def unsent(self, outgoing: Outgoing, now: float) -> None:
        """Take the driver's word that a message could not be sent at all."""
        to = outgoing.to
        if isinstance(to, Target):
            self.unreachable(to, now)
        elif outgoing.via is not None:
            self._servers.replies.send(outgoing.data, outgoing.via, to, now, gone=True)
        else:
            self._outbox.counts["undeliverable"] += 1
            self._servers.replies.unreachable(Target(to.transport, *to.remote))

    def redirect(self, handle: int, targets: Sequence[Target]) -> None:
        """Send the response of a ResponseStranded to the first of `targets` that takes it."""
        self._servers.replies.redirect(handle, targets)

    def closed(self, flow: Flow, now: float) -> None:
        """Take the driver's word that a connection is gone."""
        self._servers.closed(flow)
        self._clients.closed(flow, now)

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        self._servers.on_timer(now)
        self._clients.on_timer(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted; None: not before something comes."""
        server, client = self._servers.next_timer(), self._clients.next_timer()
        if server is None or client is None:
            return client if server is None else server
        return min(server, client)

    def to_send(self) -> list[Outgoing]:
        """Return what is to be sent, in order, and forget it."""
        found, self._outbox.outgoing = self._outbox.outgoing, []
        return found

    def events(self) -> list[Event]:
        """Return what happened, in order, and forget it."""
        found, self._outbox.events = self._outbox.events, []
        return found

    def describe(self) -> dict[str, int]:
        """Return counts: messages in and out, refusals, and transactions by state."""
        return {**self._outbox.counts, **self._servers.describe(), **self._clients.describe()}

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        stamped = self._stamped(request, flow)
        if stamped is None:
            return
        try:
            self._admit(stamped, flow, now)
        except SipError as error:
            self._refuse(stamped, Refusal(error.status), flow)

    def _stamped(self, request: Request, flow: Flow) -> Request | None:
        """Return the request with its source in its Via; None: it can never be answered."""
        try:
            return request.with_top_via(request.via.seen_from(*flow.remote))
        except SipError:
            self._outbox.counts["dropped"] += 1
            return None

    def _admit(self, request: Request, flow: Flow, now: float) -> None:
        """Find the transaction of a request, or begin one if nothing speaks against it."""
        key = fingerprint(request, "INVITE" if request.method == "ACK" else request.method)
        if self._servers.match(request, key, flow, now):
            return
        syntax(request)
        if request.method == "ACK":
            self._acknowledge(request, key, flow)
            return
        seen = arrived(request, self._ours)
        refused = self._judge(seen, flow)
        if refused is not None:
            self._refuse(request, refused, flow)
        elif request.method == "CANCEL":
            self._cancel(request, flow)
        elif not self._servers.open(seen, key, flow, now):
            self._refuse(request, self._busy, flow)

    def _judge(self, request: Request, flow: Flow) -> Refusal | None:
        """Return how a new request is to be refused, None when it may come in."""
        status = self._screen(request, flow)
        if status is not None:
            return self._busy if status == self._busy.status else Refusal(status)
        found = refusal(request, allow=self._allow, supported=self._supported)
        if found is not None:
            return found
        if passed_through(request, self._clients.names) or self._servers.merged(request):
            return Refusal(482)
        return None

    def _refuse(self, request: Request, refused: Refusal, flow: Flow) -> None:
        """Answer without keeping anything: the same request gets the same answer (§8.2.7)."""
        if request.method == "ACK" or self._quiet(flow):
            self._outbox.counts["dropped"] += 1
            return
        self._outbox.counts[f"refused {refused.status}"] += 1
        self._answer(request, refused, flow, _tag_source(request))

    def _answer(self, request: Request, answer: Refusal, flow: Flow, source: int) -> None:
        tag = self._servers.tag(source)
        response = response_to(request, answer.status, headers=answer.headers, to_tag=tag)
        self._outbox.send(encode(response), reply_flow(request.via, flow))

    def _acknowledge(self, request: Request, key: int, flow: Flow) -> None:
        """Pass on the ACK for a 2xx, whose branch is new, but not that of a refusal of ours."""
        if request.to.tag != self._servers.tag(key):
            self._servers.acknowledged(request, flow)

    def _cancel(self, request: Request, flow: Flow) -> None:
        """Answer a CANCEL, and tell of it when its INVITE has no final response yet (§9.2).

        Another request is not cancelled by it, but there.
        """
        keys = (fingerprint(request, each) for each in self._cancellable)
        key = next((each for each in keys if self._servers.knows(each)), None)
        if key is None:
            self._refuse(request, Refusal(481), flow)
            return
        self._answer(request, Refusal(200), flow, key)
        transaction = self._servers.invite(key)
        if transaction is None or transaction.cancelled:
            return
        if transaction.state is InviteServer.PROCEEDING:
            transaction.cancelled = True
            self._outbox.tell(CancelArrived(request, transaction))

    def _receive_response(self, response: Response, now: float) -> None:
        try:
            if not self._clients.receive(response, now):
                self._outbox.counts["stray"] += 1
        except SipError:
            self._outbox.counts["dropped"] += 1

    def _unreadable(self, data: bytes, error: SipError, flow: Flow, now: float) -> None:
        """Answer a request that could not be read; a status beyond 699 counts as 500."""
        self._outbox.counts["unreadable"] += 1
        if error.request is not None:
            request = self._stamped(error.request, flow)
            if request is not None:
                self._refuse(request, Refusal(error.status), flow)
        elif data[:8].upper() == b"SIP/2.0 " and data[8:11].isdigit() and data[8:9] in b"789":
            self.receive_datagram(b"SIP/2.0 500" + data[11:], flow, now)


def _tag_source(request: Request) -> int:
    """Return what the tag of a refusal is made from: as much of the fingerprint as can be read."""
    try:
        return fingerprint(request, request.method)
    except SipError:
        return 0
