"""Client transactions: our requests, target after target (RFC 3261 §17.1, §18.1, RFC 3263 §4.3)."""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import Final

from dragoman.clock import Alarms
from dragoman.errors import LocalError
from dragoman.sip import options
from dragoman.sip.attempt import Attempt, ClientTransaction, acknowledgement, cancellation
from dragoman.sip.calling import Calling
from dragoman.sip.check import MAGIC_COOKIE
from dragoman.sip.credentials import CHALLENGED, Account, Keyring, Tries
from dragoman.sip.delay import DelayLine
from dragoman.sip.failure import SipError
from dragoman.sip.flow import Cause, Flow, Outgoing, RequestFailed, ResponseArrived
from dragoman.sip.header import Via, parse_seconds
from dragoman.sip.health import Health, Place, place_of
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response
from dragoman.sip.outbox import Limits, Outbox
from dragoman.sip.transaction import (
    CANCELLED,
    NON_INVITE_CLIENT,
    Action,
    InviteClient,
    NonInviteClient,
    Signal,
    State,
    Timer,
    signal_of,
)

UNSETTLED: Final = frozenset({482, 503})
"""What says nothing of a copy sent elsewhere: 482, that one is there; 503, that this is none."""


_RINGING: Final = (InviteClient.CALLING, InviteClient.PROCEEDING)
"""The step of an INVITE's first provisional response."""


class Clients:
    """Every client transaction of an endpoint."""

    def __init__(
        self,
        limits: Limits,
        outbox: Outbox,
        sent_by: Callable[[Target], str],
        token: Callable[[], str],
        accounts: Sequence[Account] = (),
    ) -> None:
        """Keep state up to `limits`; `sent_by` names us in Via, `token` makes branches.

        `accounts` are what challenges are answered with.
        """
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
        self._keyring = Keyring(accounts, token)
        self._health = Health()
        self._calling = Calling(outbox)
        self._probed: set[Place] = set()
        # A server of RFC 4320 that got one of the copies sent until then (at 0, T1 and 3*T1) has
        # said 100 by the end of both: the last one's answer has T1 for its way.
        self._doubts: DelayLine[str] = DelayLine(3 * self._times.t1)
        self._verdicts: DelayLine[str] = DelayLine(self._times.trying + self._times.t1)

    @property
    def names(self) -> Collection[str]:
        """Every "host:port" that our Via headers have borne."""
        return self._known.values()

    def send(
        self, request: Request, targets: Sequence[Target], handle: Hashable, now: float
    ) -> None:
        """Send `request` to the first target, and on failure to the next (RFC 3263 §4.3).

        An ACK, which no one answers, goes to the first target and is forgotten. Raises LocalError
        for a request that has a Via or cannot be written, and for CANCEL.
        """
        if request.get("Via") is not None:
            raise LocalError("a request is sent without Via: the endpoint adds its own")
        if request.method == "CANCEL":
            raise LocalError("a CANCEL has the branch of its INVITE: see `cancel`")
        if self._full:
            self._outbox.tell(RequestFailed(handle, Cause.OVERLOAD))
            return
        order = self._health.order(targets, now)
        # The ACK for a 2xx has the credentials of its INVITE (§22.1): its user knows them.
        if self._keyring.warm and order and request.method != "ACK":
            request = self._keyring.sign(request, order[0].domain)
        if not self._next(Attempt(request, order, handle), now):
            self._outbox.tell(RequestFailed(handle, Cause.UNREACHABLE))

    def cancel(self, handle: Hashable, now: float, reason: str = "") -> None:
        """Cancel the INVITE sent under `handle`, once a provisional response is there (§9.1).

        `reason` is the value of its Reason header (RFC 3326), "" for none. Raises LocalError for
        another request that is under way.
        """
        if handle not in self._calling and any(
            each.attempt.handle == handle for each in self._active.values()
        ):
            raise LocalError("no request but INVITE is cancelled (RFC 3261 §9.1)")
        transaction = self._calling.cancelled(handle, reason)
        if transaction is not None:
            self._enter(transaction, transaction.state, now)
            self._start(cancellation(transaction), now)

    def acknowledge(
        self, ack: Request, targets: Sequence[Target], handle: Hashable, now: float
    ) -> None:
        """Send the ACK for a 2xx to the INVITE of `handle`, again whenever that comes again.

        It gets the credentials of the INVITE (§13.2.2.4). Raises LocalError for an ACK that
        cannot be that.
        """
        ack, transaction = self._calling.confirming(handle, ack)
        chosen = self._chosen(Attempt(ack, self._health.order(targets, now), handle))
        if chosen is None:
            self._outbox.tell(RequestFailed(handle, Cause.UNREACHABLE))
            return
        self._outbox.send(chosen.data, chosen.to)
        if transaction is not None:
            sent = Outgoing(chosen.data, chosen.to)
            self._calling.keep(transaction, ack.to.tag or "", sent)

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
        cseq = response.cseq  # whose number the ACK for a 2xx repeats, by other hands than ours
        if cseq.method == "INVITE" and cseq.number != transaction.request.cseq.number:
            return False
        transaction.heard = True
        if self._health.watching:
            self._health.heard(transaction.to, now)
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
        when = self._alarms.next()
        for other in (
            self._absorbed.next(),
            self._doubts.next(),
            self._verdicts.next(),
            self._health.next_timer(),
        ):
            if other is not None and (when is None or other < when):
                when = other
        return when

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
        for key in self._verdicts.due(now):
            self._judge(key, now)
        for key in self._doubts.due(now):
            self._doubt(key, now)
        for target in self._health.due(now):
            self._probe(target, now)

    def describe(self) -> dict[str, int]:
        """Return how many transactions there are in each state."""
        states = Counter(
            f"{each.machine.name}: {each.state.value}" for each in self._active.values()
        )
        if self._absorbing:
            states[f"{NON_INVITE_CLIENT.name}: Completed"] = len(self._absorbing)
        return {**states, **self._health.describe()}

    @property
    def _full(self) -> bool:
        return len(self._active) + len(self._absorbing) >= self._limits.clients

    def _next(self, attempt: Attempt, now: float) -> bool:
        """Send to the next target there is; False: there is none."""
        transaction = self._chosen(attempt)
        if transaction is not None:
            self._start(transaction, now)
        return transaction is not None

    def _chosen(self, attempt: Attempt) -> ClientTransaction | None:
        """Return what goes to the next target; None: there is none.

        A request too large for UDP is sent to the same address by TCP, and by UDP only when that
        is refused (§18.1.1).
        """
        while attempt.waiting:
            to = attempt.waiting.popleft()
            place = place_of(to)
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
            return transaction
        return None

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

    def _start(self, transaction: ClientTransaction, now: float) -> None:
        self._outbox.send(transaction.data, transaction.to)
        attempt = transaction.attempt
        if attempt.request.method == "ACK":
            return
        attempt.current = transaction.key
        transaction.place = place_of(transaction.to)
        transaction.started = now
        self._active[transaction.key] = transaction
        self._places.setdefault(transaction.place, {})[transaction.key] = None
        if attempt.request.method == "INVITE":
            self._calling.begin(transaction)
        self._enter(transaction, transaction.state, now)
        if attempt.waiting:
            self._watch(transaction, now)

    def _watch(self, transaction: ClientTransaction, now: float) -> None:
        """Have a request looked at soon that could go elsewhere.

        A stream delivers what it holds once it is up, and an INVITE goes on ringing: leaving either
        early would double it.
        """
        invite = transaction.request.method == "INVITE"
        if invite or transaction.to.transport is not Transport.UDP:
            return
        if len(self._doubts) + len(self._verdicts) < self._limits.clients:
            self._doubts.add(transaction.key, now)

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
            self._outbox.send(acknowledgement(transaction, response), transaction.to)
        self._enter(transaction, step.state, now)
        if transaction.attempt.cancelled and (before, step.state) == _RINGING:
            self._start(cancellation(transaction), now)
        if Action.TELL in step.actions and response is not None:
            if not self._calling.repeated(transaction, response):
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
        if transaction.attempt.cancelled and state is InviteClient.PROCEEDING:
            waits = CANCELLED
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
        keys = self._places[transaction.place]
        del keys[transaction.key]
        if not keys:
            del self._places[transaction.place]
        if transaction.request.method == "INVITE":
            self._calling.end(transaction)

    def _absorb(self, key: str, response: Response) -> bool:
        """Take the step of a completed transaction, which does nothing: timer K."""
        if key not in self._absorbing:
            return False
        NON_INVITE_CLIENT.step(NonInviteClient.COMPLETED, signal_of(response.status))
        return True

    def _tell(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """Hand a response to the user; a 503 only when there is no other target to try."""
        attempt, status = transaction.attempt, response.status
        if status == 503:
            self._held_off(transaction.to, response, now)
        if attempt.own:
            self._settled(transaction)
            return
        told = ResponseArrived(attempt.handle, response, transaction.to)
        if transaction.left or attempt.over not in {"", transaction.key}:
            self._late(transaction, told)
        elif status in CHALLENGED and self._again(transaction, response, now):
            self._outbox.counts["challenged"] += 1
        elif status == 503 and self._next(attempt, now):
            self._outbox.counts["failed over"] += 1
        elif status in UNSETTLED and attempt.listening:
            attempt.kept = told
        else:
            attempt.over = transaction.key if status >= 200 else ""
            self._outbox.tell(told)

    def _fail(self, transaction: ClientTransaction, cause: Cause, now: float) -> None:
        """Try the next target, unless this one gave a sign of life and then none in time."""
        attempt = transaction.attempt
        silent = cause is Cause.UNREACHABLE or not transaction.heard
        if silent:
            self._health.failed(transaction.to, now)
        if attempt.own:
            self._settled(transaction)
        elif transaction.left or attempt.over:
            self._late(transaction, None)
        elif silent and self._next(attempt, now):
            self._outbox.counts["failed over"] += 1
        elif attempt.listening:
            attempt.kept = RequestFailed(attempt.handle, cause)
        else:
            attempt.over = transaction.key
            self._outbox.tell(RequestFailed(attempt.handle, cause))

    def _again(self, transaction: ClientTransaction, response: Response, now: float) -> bool:
        """Send the request to the same target with an answer to its challenge (§22.2, §22.3)."""
        attempt, to = transaction.attempt, transaction.to
        if attempt.cancelled:
            return False
        attempt.tries = attempt.tries or Tries()
        request = self._keyring.again(attempt.request, response, to.domain, attempt.tries)
        if request is None:
            return False
        attempt.write(request)
        attempt.waiting.appendleft(to)
        attempt.tried.discard(place_of(to))
        return self._next(attempt, now)

    def _held_off(self, target: Target, response: Response, now: float) -> None:
        try:
            seconds = parse_seconds(response.get("Retry-After") or "")
        except SipError:
            return
        if seconds:
            self._health.asked(target, seconds, now)

    def _doubt(self, key: str, now: float) -> None:
        """Ask a target that said nothing whether it is there, when there is another one."""
        transaction = self._active.get(key)
        if transaction is not None and self._replaceable(transaction) and not self._full:
            self._health.doubt(transaction.to)
            self._verdicts.add(key, now)
            self._probe(transaction.to, now)

    def _judge(self, key: str, now: float) -> None:
        """Go on to the next target where this one is silent altogether, and listen still.

        It gets no more copies: one that came to life would deliver what the next one did.
        """
        transaction = self._active.get(key)
        if transaction is None or not self._replaceable(transaction):
            return
        if not self._health.silent(transaction.to, transaction.started):
            return
        self._health.failed(transaction.to, now)
        if self._next(transaction.attempt, now):
            self._outbox.counts["failed over"] += 1
            self._leave(transaction)

    def _replaceable(self, transaction: ClientTransaction) -> bool:
        """Tell whether a silent target may be left for one that is well."""
        waiting = transaction.attempt.waiting
        unheard = not (transaction.heard or transaction.left)
        return unheard and bool(waiting) and not self._health.holds(waiting[0])

    def _leave(self, transaction: ClientTransaction) -> None:
        """Have a transaction say no more, but hear what comes until its timer F."""
        transaction.left = True
        transaction.attempt.listening += 1
        transaction.running.stop_repeating()
        when = transaction.running.next()
        if when is not None:
            self._alarms.set(transaction.key, when)

    def _late(self, transaction: ClientTransaction, told: ResponseArrived | None) -> None:
        """Take what comes of a target that was left, or beside an outcome that was told.

        A success counts, whoever says so; anything else only when no other outcome is to come.
        """
        attempt = transaction.attempt
        if told is not None and told.response.status < 200:
            return
        attempt.listening -= transaction.left
        success = told is not None and told.response.status < 300
        outcome = told or attempt.kept
        if attempt.over:
            self._outbox.counts["answered twice"] += success
        elif outcome and (success or (attempt.kept and not attempt.listening)):
            attempt.over = transaction.key
            self._outbox.tell(outcome)
            current = self._active.get(attempt.current)
            if current is not None:
                self._leave(current)

    def _probe(self, target: Target, now: float) -> None:
        """Send OPTIONS to a target, unless one is under way; what comes of it is for health."""
        place = place_of(target)
        if place in self._probed:
            return
        request = options.probe(target, self._sent_by(target).partition(";")[0], self._token())
        self._probed.add(place)
        self._outbox.counts["probes"] += 1
        self._next(Attempt(request, (target,), None, own=True), now)

    def _settled(self, transaction: ClientTransaction) -> None:
        """Take it that a request of our own accord is over; its place may be probed again."""
        if transaction.request.method == "OPTIONS":
            self._probed.discard(transaction.place)
