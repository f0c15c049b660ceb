"""Client transactions: our requests, target after target (RFC 3261 §17.1, §18.1, RFC 3263 §4.3)."""

from collections import Counter, deque
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import TypeAlias

from dragoman.clock import Alarms
from dragoman.errors import LocalError
from dragoman.sip.check import MAGIC_COOKIE
from dragoman.sip.delay import DelayLine
from dragoman.sip.flow import Cause, Flow, RequestFailed, ResponseArrived
from dragoman.sip.header import Via
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response, encode
from dragoman.sip.outbox import Limits, Outbox
from dragoman.sip.transaction import (
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    Action,
    InviteClient,
    Machine,
    NonInviteClient,
    Running,
    Signal,
    State,
    Timer,
    signal_of,
)

Place: TypeAlias = tuple[Transport, str, int]
"""Transport, address and port: where a transaction's messages go."""


class Attempt:
    """One request of the user's on its way through the targets."""

    __slots__ = ("handle", "line", "refused", "request", "rest", "tried", "waiting")

    def __init__(self, request: Request, targets: Iterable[Target], handle: Hashable) -> None:
        """Write `request`, which has no Via, once for all targets."""
        self.handle = handle
        self.request = request
        self.waiting = deque(targets)
        line, _, self.rest = encode(request).partition(b"\r\n")
        self.line = line + b"\r\n"
        self.tried: set[Place] = set()
        self.refused: set[Place] = set()


class ClientTransaction:
    """One request as sent to one target."""

    __slots__ = ("attempt", "data", "heard", "key", "machine", "running", "sent_by", "state", "to")

    def __init__(self, key: str, attempt: Attempt, to: Target, sent_by: str, data: bytes) -> None:
        """Begin with the bytes to be sent, which name `sent_by` in their Via."""
        invite = attempt.request.method == "INVITE"
        self.key = key
        self.attempt = attempt
        self.to = to
        self.sent_by = sent_by
        self.data = data
        self.heard = False
        self.running = Running()
        self.machine: Machine = INVITE_CLIENT if invite else NON_INVITE_CLIENT
        self.state: State = self.machine.start


class Clients:
    """Every client transaction of an endpoint."""

    def __init__(
        self,
        limits: Limits,
        outbox: Outbox,
        sent_by: Callable[[Target], str],
        token: Callable[[], str],
    ) -> None:
        """Keep state up to `limits`; `sent_by` names us in Via, `token` makes branches."""
        self._limits = limits
        self._times = limits.times
        self._outbox = outbox
        self._sent_by = sent_by
        self._token = token
        self._known: dict[str, str] = {}
        self._active: dict[str, ClientTransaction] = {}
        self._places: dict[Place, dict[str, None]] = {}
        self._alarms: Alarms[str] = Alarms()
        self._absorbing: set[str] = set()
        self._absorbed: DelayLine[str] = DelayLine(self._times.t4)

    @property
    def names(self) -> Collection[str]:
        """Every "host:port" that our Via headers have borne."""
        return self._known.values()

    def send(
        self, request: Request, targets: Iterable[Target], handle: Hashable, now: float
    ) -> None:
        """Send `request` to the first target, and on failure to the next (RFC 3263 §4.3).

        An ACK, which no one answers, goes to the first target and is forgotten. Raises LocalError
        for a request that has a Via or cannot be written.
        """
        if request.get("Via") is not None:
            raise LocalError("a request is sent without Via: the endpoint adds its own")
        if len(self._active) + len(self._absorbing) >= self._limits.clients:
            self._outbox.tell(RequestFailed(handle, Cause.OVERLOAD))
        elif not self._next(Attempt(request, targets, handle), now):
            self._outbox.tell(RequestFailed(handle, Cause.UNREACHABLE))

    def receive(self, response: Response, now: float) -> bool:
        """Give a response to its transaction (§17.1.3); False: it belongs to none.

        Raises SipError when Via or CSeq cannot be read.
        """
        via = response.via
        key = f"{via.branch} {response.cseq.method}"
        transaction = self._active.get(key)
        if transaction is None:
            return self._absorb(key, response)
        # §18.1.2 and §8.1.3.3: what was not sent to this name, or has more hops to go, is not ours
        if via.sent_by != transaction.sent_by or len(response.vias) != 1:
            return False
        transaction.heard = True
        self._step(transaction, signal_of(response.status), now, response)
        return True

    def asked(self, branch: str, method: str) -> bool:
        """Tell whether a response with that branch and CSeq method would answer us."""
        key = f"{branch} {method}"
        return key in self._active or key in self._absorbing

    def unreachable(self, to: Target, now: float) -> None:
        """Fail what was sent to `to`: it could not be delivered.

        With TLS, another domain's connection to the same place is not concerned.
        """
        place = (to.transport, to.address, to.port)
        for key in list(self._places.get(place, ())):
            transaction = self._active[key]
            if to.transport is Transport.TLS and transaction.to != to:
                continue
            transaction.attempt.refused.add(place)
            self._step(transaction, Signal.TRANSPORT_ERROR, now)

    def closed(self, flow: Flow, now: float) -> None:
        """Fail what waits for an answer over a connection that is gone.

        With TLS it is told as the target that is `unreachable`: there may be several connections
        to one place, each for a domain of its own.
        """
        if flow.transport is Transport.TLS:
            return
        place = (flow.transport, *flow.remote)
        for key in list(self._places.get(place, ())):
            self._step(self._active[key], Signal.TRANSPORT_ERROR, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        alarm, line = self._alarms.next(), self._absorbed.next()
        if alarm is None or line is None:
            return line if alarm is None else alarm
        return min(alarm, line)

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        for key in self._absorbed.due(now):
            NON_INVITE_CLIENT.step(NonInviteClient.COMPLETED, Timer.K)
            self._absorbing.discard(key)
        for key in self._alarms.due(now):
            transaction = self._active.get(key)
            timer = transaction.running.fire(self._times, now) if transaction else None
            if transaction is not None and timer is not None:
                self._step(transaction, timer, now)

    def describe(self) -> dict[str, int]:
        """Return how many transactions there are in each state."""
        states = Counter(
            f"{each.machine.name}: {each.state.value}" for each in self._active.values()
        )
        if self._absorbing:
            states[f"{NON_INVITE_CLIENT.name}: Completed"] = len(self._absorbing)
        return dict(states)

    def _next(self, attempt: Attempt, now: float) -> bool:
        """Send to the next target there is; False: there is none.

        A request too large for UDP is sent to the same address by TCP, and by UDP only when that
        is refused (§18.1.1).
        """
        while attempt.waiting:
            to = attempt.waiting.popleft()
            place = (to.transport, to.address, to.port)
            if place in attempt.tried:
                continue
            transaction = self._dressed(attempt, to)
            if to.transport is Transport.UDP and len(transaction.data) > self._limits.max_datagram:
                stream = Target(Transport.TCP, to.address, to.port, to.domain)
                if (stream.transport, to.address, to.port) not in attempt.tried:
                    attempt.waiting.extendleft((to, stream))
                    continue
                if (stream.transport, to.address, to.port) not in attempt.refused:
                    continue
            attempt.tried.add(place)
            self._start(transaction, place, now)
            return True
        return False

    def _dressed(self, attempt: Attempt, to: Target) -> ClientTransaction:
        """Return the request with our Via and a branch of its own, for one target."""
        name = self._sent_by(to)
        branch = MAGIC_COOKIE + self._token()
        sent_by = self._known.get(f"{to.transport} {name}")
        if sent_by is None:
            sent_by = Via.parse(f"SIP/2.0/{to.transport} {name}").sent_by
            self._known[f"{to.transport} {name}"] = sent_by
        via = f"SIP/2.0/{to.transport} {name};rport;branch={branch}"
        data = b"%bVia: %b\r\n%b" % (attempt.line, via.encode(), attempt.rest)
        key = f"{branch} {attempt.request.method}"
        return ClientTransaction(key, attempt, to, sent_by, data)

    def _start(self, transaction: ClientTransaction, place: Place, now: float) -> None:
        self._outbox.send(transaction.data, transaction.to)
        if transaction.attempt.request.method == "ACK":
            return
        self._active[transaction.key] = transaction
        self._places.setdefault(place, {})[transaction.key] = None
        self._enter(transaction, transaction.state, now)

    def _step(
        self,
        transaction: ClientTransaction,
        signal: Signal | Timer,
        now: float,
        response: Response | None = None,
    ) -> None:
        """Take a step: what it sends, then the state it leads to, then what it tells."""
        before = transaction.state
        step = transaction.machine.step(before, signal)
        if Action.SEND_REQUEST in step.actions:
            self._outbox.send(transaction.data, transaction.to)
            self._outbox.counts["retransmitted"] += 1
        if Action.SEND_ACK in step.actions and response is not None:
            self._outbox.send(_acknowledgement(transaction, response), transaction.to)
        self._enter(transaction, step.state, now)
        if Action.TELL in step.actions and response is not None:
            self._tell(transaction, response, now)
        elif Action.TELL_TIMEOUT in step.actions:
            self._fail(transaction, Cause.TIMEOUT, now)
        elif Action.TELL_ERROR in step.actions and before is not InviteClient.COMPLETED:
            self._fail(transaction, Cause.UNREACHABLE, now)

    def _enter(self, transaction: ClientTransaction, state: State, now: float) -> None:
        """Move to `state`, where the transaction may already be, and set its timers."""
        transaction.state = state
        reliable = transaction.to.transport.reliable
        waits = transaction.machine.waits[state]
        transaction.running.enter(waits, self._times, now, reliable=reliable)
        if waits.final and self._times.first(waits.final, reliable=reliable) == 0.0:
            state = transaction.machine.step(state, waits.final).state
        when = transaction.running.next()
        terminated = state is transaction.machine.end
        if terminated or state is NonInviteClient.COMPLETED:
            self._forget(transaction)
            if not terminated:
                self._absorbing.add(transaction.key)
                self._absorbed.add(transaction.key, now)
        elif when is None:
            self._alarms.cancel(transaction.key)
        else:
            self._alarms.set(transaction.key, when)

    def _forget(self, transaction: ClientTransaction) -> None:
        del self._active[transaction.key]
        self._alarms.cancel(transaction.key)
        to = transaction.to
        keys = self._places[to.transport, to.address, to.port]
        del keys[transaction.key]
        if not keys:
            del self._places[to.transport, to.address, to.port]

    def _absorb(self, key: str, response: Response) -> bool:
        """Take the step of a completed transaction, which does nothing: timer K."""
        if key not in self._absorbing:
            return False
        NON_INVITE_CLIENT.step(NonInviteClient.COMPLETED, signal_of(response.status))
        return True

    def _tell(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Hand a response to the user; a 503 only when there is no other target to try."""
        if response.status == 503 and self._next(transaction.attempt, now):
            self._outbox.counts["failed over"] += 1
            return
        handle = transaction.attempt.handle
        self._outbox.tell(ResponseArrived(handle, response, transaction.to))

    def _fail(self, transaction: ClientTransaction, cause: Cause, now: float) -> None:
        """Try the next target, unless this one gave a sign of life and then none in time."""
        silent = cause is Cause.UNREACHABLE or not transaction.heard
        if silent and self._next(transaction.attempt, now):
            self._outbox.counts["failed over"] += 1
            return
        self._outbox.tell(RequestFailed(transaction.attempt.handle, cause))


def _acknowledgement(transaction: ClientTransaction, response: Response) -> bytes:
    """Return the ACK for a response of 300 or more to our INVITE (§17.1.1.3)."""
    request = transaction.attempt.request
    via = transaction.data.split(b"\r\n", 2)[1].decode().partition(": ")[2]
    headers = [("Via", via), ("Max-Forwards", "70")]
    headers += [header for header in request.headers if header[0] in {"From", "Call-ID", "Route"}]
    headers.append(("To", response.get("To") or request.get("To") or ""))
    headers.append(("CSeq", f"{request.cseq.number} ACK"))
    return encode(Request("ACK", request.target, headers))
