"""INVITEs that we accepted: the 2xx goes out until its ACK comes (RFC 3261 §13.3.1.4, RFC 6026)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dragoman.clock import Alarms
from dragoman.sip.flow import AckMissing
from dragoman.sip.message import Message, Response
from dragoman.sip.outbox import Outbox
from dragoman.sip.transaction import Times

if TYPE_CHECKING:
    from dragoman.sip.server import ServerTransaction

Key: TypeAlias = tuple[str, str | None, str | None, int]


@dataclass(slots=True)
class _Acceptance:
    """A 2xx whose ACK has not come: when it is given up, and the pause before it goes again."""

    transaction: "ServerTransaction"
    until: float
    pause: float


class Accepted:
    """The 2xx responses of ours that wait for their ACK, by dialog and number.

    The ACK has a branch of its own: it is known by Call-ID, tags and CSeq. Each 2xx is that of an
    INVITE transaction in Accepted, which lasts as long: there are never more than of those.
    """

    def __init__(self, times: Times, outbox: Outbox) -> None:
        """Start with none; `outbox` is told what was never acknowledged."""
        self._times = times
        self._outbox = outbox
        self._waiting: dict[Key, _Acceptance] = {}
        self._alarms: Alarms[Key] = Alarms()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def begin(self, transaction: "ServerTransaction", response: Response, now: float) -> None:
        """Have `response`, which was sent at `now`, sent again whatever the transport.

        An INVITE of the same dialog and number that was accepted before, which the standard does
        not know, is given up for this one.
        """
        key = _key(response)
        before = self._waiting.get(key)
        if before is not None:
            self._outbox.tell(AckMissing(before.transaction, accepted=True))
        t1 = self._times.t1
        self._waiting[key] = _Acceptance(transaction, now + 64 * t1, t1)
        self._alarms.set(key, now + t1)

    def acknowledged(self, ack: Message) -> "ServerTransaction | None":
        """Return the transaction whose 2xx this is the first ACK for, and let that rest.

        Raises SipError for an ACK that cannot be read.
        """
        key = _key(ack)
        found = self._waiting.pop(key, None)
        if found is None:
            return None
        self._alarms.cancel(key)
        return found.transaction

    def next(self) -> float | None:
        """Return when `due` is next wanted."""
        return self._alarms.next()

    def due(self, now: float) -> "list[ServerTransaction]":
        """Return the transactions whose 2xx is to go again at `now`; tell of those given up."""
        found = []
        for key in self._alarms.due(now):
            each = self._waiting[key]
            if each.until <= now:
                del self._waiting[key]
                self._outbox.tell(AckMissing(each.transaction, accepted=True))
            else:
                each.pause = min(2 * each.pause, self._times.t2)
                self._alarms.set(key, min(now + each.pause, each.until))
                found.append(each.transaction)
        return found


def _key(message: Message) -> Key:
    """Return what the ACK for a 2xx shares with it."""
    return message.call_id, message.to.tag, message.from_.tag, message.cseq.number
