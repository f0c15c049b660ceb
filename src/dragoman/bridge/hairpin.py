"""Legs between two calls of ours: a client takes the place of a phone in another's (RFC 5589 §6).

Either end is a session, and hears of the other what a phone would hear of it. No wire is between:
nothing that comes from outside is looked up here, and nothing of this goes out. So whom such a leg
is for, and in whose name, needs no proof: it is what we have said ourselves.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from dragoman.bridge.sessions import Caller
from dragoman.sip import session as sip
from dragoman.sip.flow import AckArrived, CancelArrived, Flow, RequestArrived
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, build_request
from dragoman.sip.server import ServerTransaction
from dragoman.sip.session import Body, SessionHandle
from dragoman.sip.sessions import Sessions
from dragoman.sip.subscriber import Parties
from dragoman.sip.usage import Session

NOWHERE: Final = Flow(Transport.TCP, ("", 0), ("", 0))
"""Where these requests come from."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who is said to call in an INVITE of ours, and whose place in his call it is to take."""

    caller: Caller
    replaced: Session | None = None


class Hairpin:
    """All such legs. `numbers` is that of the `Sessions` with phones."""

    def __init__(
        self,
        token: Callable[[], str],
        chance: Callable[[float, float], float],
        contact: Callable[[Caller], str],
        numbers: Iterator[int],
    ) -> None:
        """Have none. `contact` is ours toward a caller."""
        self._sessions = Sessions(
            token,
            chance,
            lambda request: contact(self._guests[request.call_id].caller),
            numbers=numbers,
        )
        self._guests: dict[str, Guest] = {}
        self._asked: dict[ServerTransaction, SessionHandle] = {}
        self._said: deque[sip.Action] = deque()

    def __len__(self) -> int:
        """Return how many sessions there are, two for each leg."""
        return len(self._sessions)

    def invite(self, parties: Parties, offer: Body, now: float, guest: Guest) -> Session:
        """Call a client as a guest. Raises Full, SipError and Unmappable."""
        leg = self._sessions.invite(parties, offer, now)
        self._guests[leg.dialog.call_id] = guest
        return leg

    def caller(self, session: Session) -> Caller | None:
        """Return who calls in a session that has just begun, once; None: it is none of these."""
        guest = self._guests.pop(session.dialog.call_id, None)
        return None if guest is None else guest.caller

    def events(self, now: float) -> list[sip.Event]:
        """Have an end hear what the other has said, and return what happened; empty: no more."""
        while not (events := self._sessions.events()):
            self._said += self._sessions.actions()
            if not self._said:
                return []
            self._act(self._said.popleft(), now)
        return [self._placed(each) for each in events]

    def _placed(self, event: sip.Event) -> sip.Event:
        """Return an event that names whose place is taken, which is a session with a phone."""
        if not isinstance(event, sip.Invited):
            return event
        return replace(event, replaced=self._guests[event.request.call_id].replaced)

    def _act(self, action: sip.Action, now: float) -> None:
        match action:
            case sip.Send(request, _, handle):
                transaction = ServerTransaction(0, request, NOWHERE, now)
                self._asked[transaction] = handle
                self._sessions.on_request(RequestArrived(request, NOWHERE, transaction), now)
            case sip.Respond(transaction, response):
                self._respond(transaction, response, now)
            case sip.Acknowledge(ack, _, handle) if invite := self._invite(handle):
                del self._asked[invite]
                self._sessions.on_ack(AckArrived(ack, NOWHERE, invite), now)
            case sip.Cancel(handle, reason) if invite := self._invite(handle):
                cancel = _cancel(invite.request, reason)
                self._sessions.on_cancel(CancelArrived(cancel, invite), now)
            case _:
                pass  # what was taken back had its answer

    def _respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        handle, invite = self._asked[transaction], transaction.request.method == "INVITE"
        if response.status >= 300 or (response.status >= 200 and not invite):
            del self._asked[transaction]
        if response.status >= 300:
            self._guests.pop(transaction.request.call_id, None)
        self._sessions.on_response(handle, response, now)

    def _invite(self, handle: SessionHandle) -> ServerTransaction | None:
        """Return the INVITE whose handle it is, while it has no answer, or that no ACK."""
        return next((each for each, asked in self._asked.items() if asked == handle), None)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._sessions.next_timer()

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._sessions.on_timer(now)


def _cancel(invite: Request, reason: str) -> Request:
    headers = [each for each in invite.headers if each[0] in {"From", "To", "Call-ID"}]
    headers += [("CSeq", f"{invite.cseq.number} CANCEL")]
    headers += [("Reason", reason)] if reason else []
    return build_request("CANCEL", invite.target, headers)
