"""Stanzas on their way into SIP: the MESSAGEs made of them, one at a time for each Request-URI.

A crossing is the requests that a stanza became: sent in order, each after the one before it was
taken (RFC 3428 §8), in one turn, so that nothing of another stanza gets between them.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import Final

from dragoman.bridge.ports import SipPort
from dragoman.mapping.failure import Unreached, response_error, unanswered
from dragoman.sip.endpoint import Cause
from dragoman.sip.message import Request, Response
from dragoman.sip.pager import Due, Pager, Why
from dragoman.store.interface import Crossed
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.header import domain_part

MOST_ATTEMPTS: Final = 4
"""How often one request is made again in a form that its recipient may like better."""


class Purpose(Enum):
    """What a crossing is for, which decides who hears of its failure."""

    MESSAGE = auto()
    """Somebody's words: he hears of it."""
    NOTIFICATION = auto()
    """That a message was delivered, displayed or not delivered: nobody does."""
    COMPOSING = auto()
    """That somebody is writing: nobody does, and it does not wait for others."""


@dataclass(slots=True)
class Crossing:
    """What became of one stanza: the requests still to be answered, the first of them sent."""

    stanza: Element
    requests: deque[Request]
    exchange: str
    purpose: Purpose = Purpose.MESSAGE
    plain: Request | None = None
    """The request without what it is wrapped in, for a phone that does not take that."""
    message: Crossed | None = None
    """What is remembered of it, which is forgotten where it fails."""
    unasked: bool = False
    """Whether its sender wants a receipt, and the phone was not asked for one."""
    attempts: int = field(default=0, init=False)
    status: int = field(default=0, init=False)
    """Of the last response."""


class Crossings:
    """The stanzas whose MESSAGEs are under way, or wait for their turn.

    `again(crossing, response)` says what to send in place of a refused request and those behind
    it, nothing where the refusal is final; `ended(crossing, error)` learns what became of each, the
    error None where all was taken.
    """

    def __init__(
        self,
        sip: SipPort,
        total: int,
        again: Callable[[Crossing, Response], Sequence[Request]],
        ended: Callable[[Crossing, StanzaError | None], None],
    ) -> None:
        """Start with nothing under way; at most `total` are at a time."""
        self._sip = sip
        self._total = total
        self._again = again
        self._ended = ended
        self._handles = count(1)
        self._crossings: dict[int, Crossing] = {}
        self._under_way: Counter[str] = Counter()
        self._pager: Pager[int] = Pager(total=total)

    def __len__(self) -> int:
        """Return how many are under way or wait."""
        return len(self._crossings)

    def submit(self, crossing: Crossing, now: float) -> None:
        """Send the requests of a crossing, when it is its turn."""
        handle = next(self._handles)
        self._crossings[handle] = crossing
        self._under_way[sender_domain(crossing.stanza)] += 1
        self._pager.submit(crossing.requests[0].target, handle, now)
        self._take_turns()

    def under_way(self, domain: str) -> int:
        """Return how many crossings of an XMPP domain, as it is spelled in them, there are."""
        return self._under_way[domain]

    def on_response(self, handle: int, response: Response, now: float) -> None:
        """Take the final response to a request of ours."""
        crossing = self._crossings.get(handle)
        if crossing is None or response.status < 200:
            return
        error, crossing.status = response_error(response), response.status
        if error is None:
            crossing.requests.popleft()
        elif crossing.attempts < MOST_ATTEMPTS and (instead := self._again(crossing, response)):
            crossing.attempts += 1
            crossing.requests = deque(instead)
            error = None
        if error is None and crossing.requests:
            self._sip.request(crossing.requests[0], handle)
        else:
            self._finish(handle, error, now)

    def on_failure(self, handle: int, cause: Cause | Unreached | StanzaError, now: float) -> None:
        """Learn that a request of ours got no response, and why."""
        self._finish(handle, unanswered(cause), now)

    def on_timer(self, now: float) -> None:
        """Give up on what has waited too long for its turn."""
        self._pager.on_timer(now)
        self._take_turns()

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._pager.next_timer()

    def give_up(self) -> None:
        """Tell everybody who waits that nothing more will come: the gateway stops."""
        crossings, self._crossings = self._crossings, {}
        self._under_way.clear()
        self._pager = Pager(total=self._total)
        late = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="The gateway stops")
        for crossing in crossings.values():
            self._ended(crossing, late)

    def _take_turns(self) -> None:
        for event in self._pager.events():
            if isinstance(event, Due):
                self._sip.request(self._crossings[event.handle].requests[0], event.handle)
                continue
            text = "Too many messages to that user wait"
            if event.why is Why.EXPIRED:
                text = "The message waited too long for those before it"
            full = StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
            self._ended(self._taken(event.handle), full)

    def _finish(self, handle: int, error: StanzaError | None, now: float) -> None:
        if handle in self._crossings:
            self._ended(self._taken(handle), error)
            self._pager.finished(handle, now)
            self._take_turns()

    def _taken(self, handle: int) -> Crossing:
        crossing = self._crossings.pop(handle)
        domain = sender_domain(crossing.stanza)
        self._under_way[domain] -= 1
        if not self._under_way[domain]:
            del self._under_way[domain]
        return crossing


def sender_domain(stanza: Element) -> str:
    """Return the domain of a stanza's sender, as it is spelled there."""
    return domain_part(stanza.get("from", ""))
