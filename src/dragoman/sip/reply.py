"""Responses whose way is gone, and the places to try next (RFC 3263 §5, RFC 3261 §18.2.2)."""

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final, TypeAlias

from dragoman.sip.flow import Flow, Outgoing, ResponseStranded, reply_flow, reply_target
from dragoman.sip.header import Via
from dragoman.sip.locate import DIALLED, Target, Transport
from dragoman.sip.outbox import Limits, Outbox

MOST_PLACES: Final = 8
"""Places behind one sent-by that a response is sent to in turn, whatever the DNS says."""

Place: TypeAlias = tuple[Transport, str, int]


class Reply:
    """One final response on its way, and where it has been sent to."""

    __slots__ = ("asked", "began", "data", "to", "tried", "via", "waiting")

    def __init__(self, data: bytes, via: Via, to: Target, now: float) -> None:
        """Begin for a response sent to `to` at `now`, to a request that came with `via`."""
        self.data = data
        self.via = via
        self.to = to
        self.began = now
        self.asked = False
        self.tried: set[Place] = set()
        self.waiting: deque[Target] = deque()


class Replies:
    """The final responses to believed senders that may yet turn out not to be deliverable.

    A response that leaves over its own connection is not kept: whether it arrives there is not
    known. Kept is what is dialled, and what is sent by UDP to a place that is not sent-by itself,
    whose refusal the driver may hear of. The oldest make room for new ones.
    """

    def __init__(self, limits: Limits, outbox: Outbox) -> None:
        """Keep at most what `limits` says, each for as long as its sender waits (timer F)."""
        self._most = limits.replies
        self._most_bytes = limits.replies_bytes
        self._life = 64 * limits.times.t1
        self._outbox = outbox
        self._known: OrderedDict[int, Reply] = OrderedDict()
        self._at: dict[Place, dict[int, None]] = {}
        self._bytes = 0
        self._handles = 0

    def __len__(self) -> int:
        """Return how many responses are kept."""
        return len(self._known)

    def send(self, data: bytes, via: Via, flow: Flow, now: float, *, gone: bool) -> None:
        """Send a response to what came over `flow`; `gone` says that its connection is no more."""
        reliable = flow.transport.reliable
        if reliable and not gone:
            self._outbox.outgoing.append(Outgoing(data, flow, via))
            return
        back = reply_target(via, flow) if reliable else reply_flow(via, flow, believed=True)
        self._outbox.send(data, back)
        to = back if isinstance(back, Target) else Target(back.transport, *back.remote)
        if to.transport in DIALLED and (reliable or not _is_sent_by(to, via)):
            self._keep(Reply(data, via, to, now), now)

    def unreachable(self, to: Target) -> None:
        """Send what went to `to` elsewhere, or ask where that may be.

        With TLS, another domain's connection to the same place is not concerned.
        """
        for handle in list(self._at.get(_place(to), ())):
            reply = self._known[handle]
            if to.transport is not Transport.TLS or reply.to == to:
                self._leave(handle, reply)
                self._go_on(handle, reply)

    def redirect(self, handle: int, targets: Iterable[Target]) -> None:
        """Send a stranded response to the first of `targets` that takes it."""
        reply = self._known.get(handle)
        if reply is not None and reply.asked and not reply.waiting:
            fresh = [each for each in targets if _place(each) not in reply.tried]
            reply.waiting.extend(fresh[:MOST_PLACES])
            self._go_on(handle, reply)

    def expire(self, now: float) -> None:
        """Forget responses that nobody waits for any more."""
        while self._known:
            handle, reply = next(iter(self._known.items()))
            if now - reply.began < self._life:
                return
            self._forget(handle)

    def _keep(self, reply: Reply, now: float) -> None:
        self.expire(now)
        self._handles += 1
        self._known[self._handles] = reply
        self._bytes += len(reply.data)
        self._arrive(self._handles, reply)
        while len(self._known) > self._most or self._bytes > self._most_bytes:
            self._forget(next(iter(self._known)))

    def _go_on(self, handle: int, reply: Reply) -> None:
        """Try the next place, ask for more of them once, or give the response up."""
        if reply.waiting:
            reply.to = reply.waiting.popleft()
            self._arrive(handle, reply)
            self._outbox.send(reply.data, reply.to)
        elif reply.asked:
            self._forget(handle)
            self._outbox.counts["undeliverable"] += 1
        else:
            reply.asked = True
            via = reply.via
            self._outbox.tell(ResponseStranded(handle, reply.to.transport, via.host, via.port))

    def _arrive(self, handle: int, reply: Reply) -> None:
        place = _place(reply.to)
        reply.tried.add(place)
        self._at.setdefault(place, {})[handle] = None

    def _leave(self, handle: int, reply: Reply) -> None:
        place = _place(reply.to)
        there = self._at.get(place, {})
        there.pop(handle, None)
        if not there:
            self._at.pop(place, None)

    def _forget(self, handle: int) -> None:
        reply = self._known.pop(handle)
        self._bytes -= len(reply.data)
        self._leave(handle, reply)


def _place(target: Target) -> Place:
    return target.transport, target.address, target.port


def _is_sent_by(to: Target, via: Via) -> bool:
    """Tell whether sent-by names no other place than `to`, by its address."""
    return via.host.strip("[]") == to.address and (via.port or to.transport.port) == to.port
