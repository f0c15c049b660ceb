"""Server transactions: requests that came in and their responses (RFC 3261 §17.2, RFC 6026)."""

from collections import Counter
from hashlib import blake2b
from typing import Final, NamedTuple

from dragoman.clock import Alarms
from dragoman.errors import LocalError, RemoteError
from dragoman.sip.accepted import Accepted
from dragoman.sip.check import MAGIC_COOKIE
from dragoman.sip.delay import DelayLine
from dragoman.sip.flow import (
    AckArrived,
    AckMissing,
    Flow,
    RequestArrived,
    reply_flow,
    reply_target,
)
from dragoman.sip.message import Header, Request, Response, encode, response_to
from dragoman.sip.outbox import Limits, Outbox
from dragoman.sip.reply import Replies
from dragoman.sip.transaction import (
    INVITE_SERVER,
    NON_INVITE_SERVER,
    Action,
    InviteServer,
    Machine,
    NonInviteServer,
    Running,
    Signal,
    State,
    Timer,
    signal_of,
)

_PROVISIONAL: Final = b"SIP/2.0 1"
_COPIED: Final = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})
_FINGERPRINT_BITS: Final = (1 << 60) - 1
_SHARED_ANSWERS: Final = 256


class Answer(NamedTuple):
    """What of a final response cannot be rebuilt from the request when that comes again.

    `tag` is the To tag, None for the one that the transaction would get anyway; `believed` is that
    of the transaction.
    """

    status: int
    reason: str
    headers: tuple[Header, ...]
    body: bytes
    tag: str | None
    believed: bool


class ServerTransaction:
    """One request that came over `flow`, and where its transaction stands."""

    __slots__ = (
        "began",
        "believed",
        "cancelled",
        "flow",
        "gone",
        "key",
        "last",
        "merged",
        "request",
        "running",
        "state",
        "weight",
    )

    def __init__(self, key: int, request: Request, flow: Flow, now: float) -> None:
        """Begin for a request that came at `now`."""
        invite = request.method == "INVITE"
        self.key = key
        self.request = request
        self.flow = flow
        self.began = now
        self.weight = weigh(request)
        self.merged = None if request.to.tag is not None else _merged(request)
        self.gone = False
        self.believed = False
        """Whether its sender has proved himself: the user may set it, before it is answered.

        Only then is the DNS asked where a response may go that cannot be delivered.
        """
        self.cancelled = False
        self.last: bytes | None = None
        self.running = Running() if invite else None
        self.state: State = self.machine.start

    @property
    def machine(self) -> Machine:
        """The table that it follows."""
        return NON_INVITE_SERVER if self.running is None else INVITE_SERVER


def fingerprint(request: Request, method: str) -> int:
    """Return what tells transactions apart (§17.2.3), for the transaction of `method`.

    It is 60 bits of Python's keyed hash: hundreds of thousands are kept, a number costs a third
    of the text, and at full load one false match is to be expected in centuries.
    """
    via = request.via
    branch = via.branch or ""
    # The cookie alone tells nothing apart: then the rules of RFC 2543 do (RFC 4475 §3.2.1).
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
        return key_of(branch, via.sent_by, method)
    to_tag = None if method == "INVITE" else request.to.tag
    older = (request.target, to_tag, request.from_.tag, request.call_id, request.cseq.number)
    return hash((older, branch, via.sent_by, method)) & _FINGERPRINT_BITS


def key_of(branch: str, sent_by: str, method: str) -> int:
    """Return the fingerprint of a request whose branch has the cookie of RFC 3261."""
    return hash((branch, sent_by, method)) & _FINGERPRINT_BITS


def weigh(request: Request) -> int:
    """Return about how much memory a request holds, in characters and bytes."""
    return len(request.body) + sum([len(value) for _, value in request.headers])


class Servers:
    """Every server transaction of an endpoint."""

    def __init__(self, limits: Limits, outbox: Outbox, secret: bytes) -> None:
        """Keep state up to `limits`; `secret`, at most 64 bytes, is behind the To tags."""
        self._limits = limits
        self._times = limits.times
        self._outbox = outbox
        self._secret = secret
        self._active: dict[int, ServerTransaction] = {}
        self._weight = 0
        self._by_flow: dict[Flow, set[int]] = {}
        self._alarms: Alarms[int] = Alarms()
        self._trying: DelayLine[int] = DelayLine(self._times.trying)
        self._expiry: DelayLine[int] = DelayLine(64 * self._times.t1 - self._times.trying)
        self._completed: dict[int, Answer] = {}
        self._lingering: DelayLine[int] = DelayLine(64 * self._times.t1)
        self._merged: set[int] = set()
        self._merged_lingering: DelayLine[int] = DelayLine(64 * self._times.t1)
        self._answers: dict[Answer, Answer] = {}
        self._accepted = Accepted(self._times, outbox)
        self.replies = Replies(limits, outbox)

    def match(self, request: Request, key: int, flow: Flow, now: float) -> bool:
        """Deal with a request or ACK that belongs to a transaction; False: to none."""
        transaction = self._active.get(key)
        if transaction is not None:
            signal = Signal.ACK if request.method == "ACK" else Signal.REQUEST
            self._again(transaction, signal, request, now)
            return True
        answer = self._completed.get(key)
        if answer is None:
            return False
        step = NON_INVITE_SERVER.step(NonInviteServer.COMPLETED, Signal.REQUEST)
        if Action.SEND_AGAIN in step.actions:
            response = response_to(request, *answer[:4], to_tag=answer.tag or self.tag(key))
            self._outbox.send(
                encode(response), reply_flow(request.via, flow, believed=answer.believed)
            )
            self._outbox.counts["repeated"] += 1
        return True

    def merged(self, request: Request) -> bool:
        """Tell whether a new request is one that we know, come by another path (§8.2.2.2)."""
        return request.to.tag is None and _merged(request) in self._merged

    def open(self, request: Request, key: int, flow: Flow, now: float) -> bool:
        """Begin the transaction of a new request and tell the user of it; False: no room."""
        transaction = ServerTransaction(key, request, flow, now)
        limits = self._limits
        if (
            len(self._active) >= limits.pending
            or len(self._completed) >= limits.completed
            or self._weight + transaction.weight > limits.pending_bytes
        ):
            return False
        self._active[key] = transaction
        self._weight += transaction.weight
        if transaction.merged is not None:
            self._merged.add(transaction.merged)
        if flow.transport.reliable:
            self._by_flow.setdefault(flow, set()).add(key)
        if transaction.running is None:
            self._trying.add(key, now)
        else:
            self._enter(transaction, transaction.running, transaction.state, now)
        self._outbox.tell(RequestArrived(request, flow, transaction))
        return True

    def knows(self, key: int) -> bool:
        """Tell whether the transaction `key` is there, answered or not."""
        return key in self._active or key in self._completed

    @property
    def waiting(self) -> int:
        """How many transactions there are that wait for an answer, or for its ACK."""
        return len(self._active)

    def abandon(self, transaction: ServerTransaction) -> None:
        """Let go of a transaction that is never to be answered; an accepted INVITE was."""
        if transaction.state is InviteServer.ACCEPTED:
            return
        if self._active.get(transaction.key) is transaction:
            self._terminate(transaction)

    def acknowledged(self, ack: Request, flow: Flow) -> None:
        """Tell of the ACK for a 2xx, which rests then. Raises SipError for one not to be read."""
        self._outbox.tell(AckArrived(ack, flow, self._accepted.acknowledged(ack)))

    def invite(self, key: int) -> ServerTransaction | None:
        """Return the INVITE transaction `key` while it lasts."""
        found = self._active.get(key)
        return None if found is None or found.running is None else found

    def tag(self, key: int) -> str:
        """Return the To tag of the transaction `key`: the same whenever it is asked for."""
        return blake2b(key.to_bytes(8, "big"), digest_size=9, key=self._secret).hexdigest()

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Send a response of the user's and take the step that its class means.

        One that comes too late, after 64*T1 or another final one, is dropped (RFC 4320 §4.2).
        Raises LocalError for a response that the table or RFC 4320 forbids.
        """
        if self._active.get(transaction.key) is not transaction:
            self._outbox.counts["late"] += 1
            return
        if transaction.running is None:
            self._check_non_invite(transaction, response.status, now)
        before = transaction.state
        step = transaction.machine.step(before, signal_of(response.status))
        tag: str | None = None
        if Action.SEND_RESPONSE in step.actions:
            response, tag = self._tagged(transaction, response)
            self._send(transaction, encode(response), now)
        if transaction.running is not None:
            transaction.running.stop(Timer.TRYING)
            self._enter(transaction, transaction.running, step.state, now)
            if before is InviteServer.PROCEEDING and step.state is InviteServer.ACCEPTED:
                self._accepted.begin(transaction, response, now)
        elif step.state is NonInviteServer.COMPLETED:
            self._complete(transaction, response, tag, now)
        else:
            transaction.state = step.state

    def closed(self, flow: Flow) -> None:
        """Have the requests of a connection that is gone answered by another (§18.2.2)."""
        for key in self._by_flow.pop(flow, ()):
            self._active[key].gone = True

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        soonest = self._alarms.next()
        lines = (self._trying, self._expiry, self._lingering, self._merged_lingering)
        for line in (self._accepted, *lines):
            when = line.next()
            if when is not None and (soonest is None or when < soonest):
                soonest = when
        return soonest

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        self.replies.expire(now)
        for key in self._lingering.due(now):
            NON_INVITE_SERVER.step(NonInviteServer.COMPLETED, Timer.J)
            del self._completed[key]
        self._merged.difference_update(self._merged_lingering.due(now))
        for key in self._trying.due(now):
            self._fire_trying(key, now)
        for key in self._expiry.due(now):
            self._fire_expiry(key)
        # Before timer L, which may end the transaction of a 2xx at the same time.
        for transaction in self._accepted.due(now):
            if transaction.last is not None:
                self._send(transaction, transaction.last, now)
                self._outbox.counts["repeated"] += 1
        for key in self._alarms.due(now):
            self._fire(self._active[key], now)

    def describe(self) -> dict[str, int]:
        """Return how many transactions there are in each state."""
        states = Counter(
            f"{each.machine.name}: {each.state.value}" for each in self._active.values()
        )
        if self._completed:
            states[f"{NON_INVITE_SERVER.name}: Completed"] = len(self._completed)
        if self._accepted:
            states["2xx without ACK"] = len(self._accepted)
        if self.replies:
            states["responses under way"] = len(self.replies)
        return dict(states)

    def _again(
        self, transaction: ServerTransaction, signal: Signal, request: Request, now: float
    ) -> None:
        """Take the step of a request or ACK that came; one that has none is dropped."""
        try:
            step = transaction.machine.step(transaction.state, signal)
        except RemoteError:
            self._outbox.counts["dropped"] += 1
            return
        if Action.SEND_AGAIN in step.actions and transaction.last is not None:
            self._send(transaction, transaction.last, now)
            self._outbox.counts["repeated"] += 1
        if Action.TELL in step.actions:
            self.acknowledged(request, transaction.flow)
        if transaction.running is not None:
            self._enter(transaction, transaction.running, step.state, now)

    def _check_non_invite(self, transaction: ServerTransaction, status: int, now: float) -> None:
        """Refuse what RFC 4320 forbids: 408, and a 1xx other than a 100 that is late enough."""
        if status == 408:
            raise LocalError("408 answers nothing but an INVITE (RFC 4320 §4.2)")
        if status < 200:
            early = now < transaction.began + self._times.trying
            if status > 100 or (early and not transaction.flow.transport.reliable):
                raise LocalError(f"{status} this early answers an INVITE only (RFC 4320 §4.1)")

    def _tagged(
        self, transaction: ServerTransaction, response: Response
    ) -> tuple[Response, str | None]:
        """Return the response with a To tag, and that tag unless it is the request's or ours."""
        request = transaction.request
        if response.status == 100 or request.to.tag is not None:
            return response, None
        untagged, to = request.get("To") or "", response.get("To") or ""
        if to != untagged:
            plain = to.startswith(untagged + ";tag=")
            return response, to[len(untagged) + 5 :] if plain else response.to.tag
        tagged = ("To", f"{untagged};tag={self.tag(transaction.key)}")
        headers = [tagged if header[0] == "To" else header for header in response.headers]
        return Response(response.status, response.reason, headers, response.body), None

    def _send(self, transaction: ServerTransaction, data: bytes, now: float) -> None:
        transaction.last = data
        via, flow, gone = transaction.request.via, transaction.flow, transaction.gone
        believed = transaction.believed
        # a provisional response that is lost is followed by a final one, which finds its way
        if believed and not data.startswith(_PROVISIONAL):
            self.replies.send(data, via, flow, now, gone=gone)
        else:
            back = reply_target(via, flow) if gone else reply_flow(via, flow, believed=believed)
            self._outbox.send(data, back)

    def _complete(
        self, transaction: ServerTransaction, response: Response, tag: str | None, now: float
    ) -> None:
        """Keep of an answered request only what answers it again until timer J."""
        transaction.state = NonInviteServer.COMPLETED
        if self._times.first(Timer.J, reliable=transaction.flow.transport.reliable) == 0.0:
            self._terminate(transaction)
            return
        self._forget(transaction)
        extra = tuple([header for header in response.headers if header[0] not in _COPIED])
        kept = response.status, response.reason, extra, response.body
        answer = Answer(*kept, tag, transaction.believed)
        self._completed[transaction.key] = self._shared(answer)
        self._lingering.add(transaction.key, now)
        if transaction.merged is not None and response.status == 503:
            # RFC 3263 §4.3: the same may come again at once, by another of our addresses
            self._merged.discard(transaction.merged)
        elif transaction.merged is not None:
            self._merged_lingering.add(transaction.merged, now)

    def _shared(self, answer: Answer) -> Answer:
        """Return an equal answer that is kept already, if there is one."""
        if len(self._answers) >= _SHARED_ANSWERS:
            self._answers.clear()
        return self._answers.setdefault(answer, answer)

    def _forget(self, transaction: ServerTransaction) -> None:
        """Let go of a transaction, the request with it."""
        del self._active[transaction.key]
        self._weight -= transaction.weight
        self._alarms.cancel(transaction.key)
        keys = self._by_flow.get(transaction.flow) if transaction.flow.transport.reliable else None
        if keys is not None:
            keys.discard(transaction.key)
            if not keys:
                del self._by_flow[transaction.flow]

    def _terminate(self, transaction: ServerTransaction) -> None:
        self._forget(transaction)
        if transaction.merged is not None:
            self._merged.discard(transaction.merged)

    def _fire_trying(self, key: int, now: float) -> None:
        """Send the 100 that RFC 4320 §4.1 wants of whoever has not answered by now."""
        transaction = self._active.get(key)
        if transaction is None or transaction.running is not None:
            return
        self._expiry.add(key, now)
        if transaction.state is NonInviteServer.TRYING:
            step = NON_INVITE_SERVER.step(transaction.state, Timer.TRYING)
            transaction.state = step.state
            self._send(transaction, encode(response_to(transaction.request, 100)), now)

    def _fire_expiry(self, key: int) -> None:
        transaction = self._active.get(key)
        if transaction is not None and transaction.state is NonInviteServer.PROCEEDING:
            transaction.state = NON_INVITE_SERVER.step(transaction.state, Timer.EXPIRY).state
            self._outbox.counts["expired"] += 1
            self._terminate(transaction)

    def _enter(
        self, transaction: ServerTransaction, running: Running, state: State, now: float
    ) -> None:
        """Move an INVITE transaction to `state`, where it may already be, and set its timers."""
        transaction.state = state
        if state is InviteServer.TERMINATED:
            self._terminate(transaction)
            return
        reliable = transaction.flow.transport.reliable
        running.enter(INVITE_SERVER.waits[state], self._times, now, reliable=reliable)
        when = running.next()
        if when is None:
            self._alarms.cancel(transaction.key)
        elif when <= now:
            self._fire(transaction, now)
        else:
            self._alarms.set(transaction.key, when)

    def _fire(self, transaction: ServerTransaction, now: float) -> None:
        """Take the step of an INVITE transaction's timer."""
        running = transaction.running
        timer = running.fire(self._times, now) if running else None
        if running is None or timer is None:
            return
        step = INVITE_SERVER.step(transaction.state, timer)
        for action in step.actions:
            if action is Action.SEND_AGAIN and transaction.last is not None:
                self._send(transaction, transaction.last, now)
            elif action is Action.SEND_TRYING:
                self._send(transaction, encode(response_to(transaction.request, 100)), now)
            elif action is Action.TELL_TIMEOUT:
                self._outbox.tell(AckMissing(transaction))
        self._enter(transaction, running, step.state, now)


def _merged(request: Request) -> int:
    """Return what a request shares with itself come by another path (§8.2.2.2)."""
    same = (request.from_.tag, request.call_id, request.get("CSeq"))
    return hash(same) & _FINGERPRINT_BITS
