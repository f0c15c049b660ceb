"""One session: an INVITE usage from the first request to the last (RFC 3261 §13-15, RFC 5057)."""

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from typing import Final, NamedTuple

from dragoman.clock import Alarms
from dragoman.errors import LocalError
from dragoman.sip import changes, timer
from dragoman.sip.changes import Change, Turn
from dragoman.sip.dialog import Dialog
from dragoman.sip.message import Header, Request, Response, SipError, response_to
from dragoman.sip.reliable import REL, RAck, Receiver, Sender, rseq_of
from dragoman.sip.server import ServerTransaction
from dragoman.sip.session import (
    ALLOW,
    SUPPORTED,
    Acknowledge,
    Action,
    Answered,
    Body,
    By,
    Cancel,
    Cancelled,
    Changed,
    ChangeRefused,
    Confirmed,
    Ended,
    Event,
    InDialog,
    Offered,
    Refused,
    Replied,
    Respond,
    Ringing,
    Send,
    SessionHandle,
    Signal,
    Stage,
    options_of,
    reason_of,
    session_body,
    step,
)

T1: Final = 0.5
TRANSACTION: Final = 64 * T1
PATIENCE: Final = 180.0
"""Seconds that an INVITE may wait for its answer, either way."""
DECISION: Final = 20.0
"""Seconds that the user may take over an offer: a server of UPDATE has to answer within 32."""
RETRY_AFTER: Final = 5
MOST_LEGS: Final = 16
"""Branches of a forked INVITE that are told apart."""
MOST_SHORTS: Final = 3
"""How often a 422 is a reason to ask for a longer interval."""
MOST_ASKED: Final = 16
"""Requests of the user's that wait for a response."""


class Wait(Enum):
    """What a session waits for."""

    STAGE = auto()
    """The next stage: an answer, an ACK, the end."""
    RELIABLE = auto()
    REFRESH = auto()
    EXPIRY = auto()
    CHANGE = auto()
    """The answer to our offer."""
    REST = auto()
    """The time to offer again after 491."""
    DECISION = auto()


class Kind(Enum):
    """What a request of ours was for."""

    INVITE = auto()
    OFFER = auto()
    REFRESH = auto()
    BYE = auto()
    USER = auto()
    OTHER = auto()


class Asked(NamedTuple):
    """A request of ours that has no final response."""

    kind: Kind
    method: str


class Outlet:
    """What the sessions share: what they want done and told, their clock, chance and tokens."""

    def __init__(
        self,
        token: Callable[[], str],
        chance: Callable[[float, float], float],
        over: "Callable[[Session], None]",
        allow: Sequence[str] = ALLOW,
        supported: Sequence[str] = SUPPORTED,
        packages: Sequence[str] = (),
    ) -> None:
        """Start empty; `over` is told of a session that nothing more can come for."""
        self.allow, self.supported = allow, supported
        told = (("Allow", allow), ("Supported", supported), ("Recv-Info", packages))
        self.abilities: Final = tuple((name, ", ".join(words)) for name, words in told if words)
        self.token = token
        self.chance = chance
        self.over = over
        self.actions: list[Action] = []
        self.events: list[Event] = []
        self.alarms: Alarms[tuple[int, Wait]] = Alarms()
        self.incoming: dict[ServerTransaction, Session] = {}
        """INVITEs that came and have no final response or no ACK, each with its session."""


class Leg:
    """An early dialog of our INVITE (§12.1.2)."""

    __slots__ = ("answer", "dialog", "receiver")

    def __init__(self, dialog: Dialog) -> None:
        """Begin with a dialog."""
        self.dialog = dialog
        self.receiver = Receiver()
        self.answer: Body | None = None


class Session:
    """One session; made by `Sessions`."""

    def __init__(self, number: int, outlet: Outlet, dialog: Dialog, peer: str) -> None:
        """Begin with our half of the dialog, or all of it; `peer` is the domain that pays."""
        self.number = number
        self.peer = peer
        self.dialog = dialog
        self.stage = Stage.CALLING
        self.data: object = None
        """Whatever the user wants to have with it."""
        self.local: Body | None = None
        """Our latest description."""
        self.refresher: Callable[[], Body | None] | None = None
        """Gives the offer of a refresh by INVITE, whose answer is then told by `Changed`.

        Without it, or where it gives none, that is our latest description, and nothing is told.
        """
        self.remote: Body | None = None
        self.change = Change.NONE
        self._outlet = outlet
        self._caller = True
        self._serial = 0
        self._asked: dict[int, Asked] = {}
        self._headers: tuple[Header, ...] = ()
        self._calling = 0
        self._inviting = dialog.request("INVITE")[1]
        self._legs: dict[str, Leg] = {}
        self._strays: set[str] = set()
        self._left: set[str] = set()
        self._lingers = 0.0
        self._least = timer.LEAST
        self._shorts = 0
        self._terms = timer.Terms()
        self._expires = 0.0
        self._updates = False
        self._invite: ServerTransaction | None = None
        self._theirs: ServerTransaction | None = None
        self._offerless = False
        self._sender: Sender | None = None
        self._held: tuple[Body | None, tuple[Header, ...]] | None = None
        self._wanted: Body | None = None
        self._offer: Body | None = None
        self._tries = 0
        self._retracted = 0
        self._parting = ""

    # -- calling ----------------------------------------------------------------------------

    def call(self, body: Body, headers: Sequence[Header], now: float) -> None:
        """Send the first INVITE, with our offer."""
        self.local, self._headers = body, tuple(headers)
        self._call(now)

    def _call(self, now: float) -> None:
        if self.local is None:
            raise LocalError("an INVITE of ours has an offer")
        asking = timer.asking(timer.USUAL, self._least)
        headers = (*self._headers, *self._outlet.abilities, *asking, *self.local.headers)
        self.dialog, self._inviting = self.dialog.request("INVITE", headers, self.local.data)
        self._calling = self._send(Kind.INVITE, self._inviting, self.dialog)
        self._wait(Wait.STAGE, now + PATIENCE)

    def cancel(self, now: float, reason: str = "") -> None:
        """Take our INVITE back (§9.1); `Refused` tells the end. Raises LocalError if answered.

        `reason` is the value of a Reason header (RFC 3326); BYE has it where the 2xx was faster.
        """
        before, self.stage = self.stage, step(self.stage, Signal.CANCEL)
        if before is Stage.CALLING:
            self._parting = reason
            self._act(Cancel(self._handle(self._calling), reason))
            self._wait(Wait.STAGE, now + 3 * TRANSACTION)

    def _called(self, serial: int, response: Response, now: float) -> None:
        """Take a response to the first INVITE."""
        status = response.status
        if status < 200:
            self._progress(response)
        elif status < 300:
            self._success(serial, response, now)
        elif self.stage in {Stage.CALLING, Stage.CANCELLING}:
            self._failure(status, response, now)

    def _progress(self, response: Response) -> None:
        if self.stage is Stage.CANCELLING:
            # it may have left only after the CANCEL was wanted; a second one is not sent
            self._act(Cancel(self._handle(self._calling), self._parting))
        if self.stage is not Stage.CALLING or response.status == 100:
            return
        tag = _tag(response)
        leg = self._leg(tag, response)
        reliable = REL in options_of(response, "Require")
        if reliable and (leg is None or not self._pracked(leg, response)):
            return
        body = session_body(response)
        if reliable and leg is not None and leg.answer is None:
            leg.answer = body
        if response.status == 199:
            self._legs.pop(tag, None)
        self._tell(Ringing(self, tag, response.status, body, reliable))

    def _leg(self, tag: str, response: Response) -> Leg | None:
        """Return the early dialog of a response, None where it makes none."""
        leg = self._legs.get(tag)
        if leg is None and tag and len(self._legs) < MOST_LEGS:
            with suppress(SipError):
                leg = self._legs[tag] = Leg(self._far(response))
        return leg

    def is_with(self, tag: str) -> bool:
        """Tell whether the peer has that tag, or one who rings because of our INVITE (§12.1.2)."""
        return tag == self.dialog.remote_tag or tag in self._legs

    def _far(self, response: Response) -> Dialog:
        """Return the dialog that a response to our INVITE makes. Raises SipError."""
        return Dialog.of_uac(self._inviting, response, self.dialog.contact)

    def _pracked(self, leg: Leg, response: Response) -> bool:
        """Acknowledge a reliable response; False: it is none, or not the next (RFC 3262 §4)."""
        try:
            rseq, cseq = rseq_of(response), response.cseq
        except SipError:
            return False
        if not leg.receiver.takes(rseq):
            return False
        rack = (("RAck", str(RAck(rseq, cseq.number, cseq.method))),)
        leg.dialog, request = leg.dialog.request("PRACK", rack)
        self._send(Kind.OTHER, request, leg.dialog)
        return True

    def _success(self, serial: int, response: Response, now: float) -> None:
        tag = _tag(response)
        if self.stage in {Stage.CALLING, Stage.CANCELLING}:
            self._lingers = now + TRANSACTION
            self._win(serial, tag, response, now)
        elif tag == self.dialog.remote_tag:
            self._acknowledge(serial, self.dialog, response)
        else:
            self._stray(serial, tag, response)

    def _win(self, serial: int, tag: str, response: Response, now: float) -> None:
        """Take the first 2xx: the session is its."""
        leg = self._legs.get(tag)
        self.dialog = self._confirmed(response, leg)
        self._legs.clear()
        self._acknowledge(serial, self.dialog, response)
        answer = session_body(response) or (leg.answer if leg else None)
        cancelled = self.stage is Stage.CANCELLING
        self.stage = step(self.stage, Signal.SUCCESS)
        self._idle(Wait.STAGE)
        if cancelled:
            self._tell(Refused(self, 487, response, cancelled=True))
            self._part(now)
        elif tag in self._left:
            self._tell(Answered(self, answer, response))
            self._end(Signal.THEIR_BYE, now, Ended(self, By.PEER))
        elif answer is None:
            self.stage = step(self.stage, Signal.BYE)
            self._tell(Refused(self, 488, response))
            self._part(now)
        else:
            self.remote = answer
            self._able(response)
            self._agreed(timer.granted(response), now)
            self._tell(Answered(self, answer, response))
            self._go_on(now)

    def _confirmed(self, response: Response, leg: Leg | None) -> Dialog:
        """Return the dialog of a 2xx, as it says (§13.2.2.4); without Contact, as was known."""
        try:
            dialog = self._far(response)
        except SipError:
            dialog = leg.dialog if leg else replace(self.dialog, remote_tag=_tag(response))
        if leg is not None:
            number = max(leg.dialog.local_cseq, dialog.local_cseq)
            dialog = replace(dialog, local_cseq=number, remote_cseq=leg.dialog.remote_cseq)
        return dialog

    def _stray(self, serial: int, tag: str, response: Response) -> None:
        """Acknowledge and end another branch that accepted too (§13.2.2.4)."""
        dialog = self._confirmed(response, None)
        self._acknowledge(serial, dialog, response)
        if tag in self._strays or len(self._strays) >= MOST_LEGS:
            return
        self._strays.add(tag)
        dialog, request = dialog.request("BYE")
        self._send(Kind.OTHER, request, dialog)

    def _failure(self, status: int, response: Response | None, now: float) -> None:
        self._asked.pop(self._calling, None)
        cancelled = self.stage is Stage.CANCELLING
        short = response if status == 422 and not cancelled else None
        if short is not None and self._lengthened(short):
            self.dialog = self.dialog.answered(short)
            self._legs.clear()
            self._call(now)
            return
        self._end(Signal.FAILURE, now, Refused(self, status, response, cancelled))

    def _lengthened(self, response: Response) -> bool:
        """Tell whether a 422 is a reason to ask again, for longer (RFC 4028 §7.3)."""
        least = timer.least_of(response)
        if self._shorts >= MOST_SHORTS or not self._least < least <= timer.LONGEST:
            return False
        self._shorts += 1
        self._least = least
        return True

    # -- being called -------------------------------------------------------------------------

    def invited(self, transaction: ServerTransaction, now: float) -> Body | None:
        """Begin with the peer's INVITE; return its offer. Raises SipError."""
        request = transaction.request
        self.remote = Body.of(request)
        self._offerless = self.remote is None
        self._caller, self.stage = False, Stage.INVITED
        self._able(request)
        self._invite = transaction
        self._outlet.incoming[transaction] = self
        self._wait(Wait.STAGE, now + PATIENCE)
        return self.remote

    def ring(
        self,
        now: float,
        status: int = 180,
        body: Body | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        """Send a provisional response, reliably where the peer requires it, or can and has a body.

        Raises LocalError where the INVITE does not wait for an answer any more.
        """
        if self.stage is not Stage.INVITED or self._invite is None or not 101 <= status < 200:
            raise LocalError(f"no {status} for a session that is {self.stage.value}")
        request = self._invite.request
        required = REL in options_of(request, "Require")
        reliable = required or (body is not None and REL in options_of(request, "Supported"))
        response = self._response(self._invite, status, (*self._outlet.abilities, *headers), body)
        if not reliable:
            self._act(Respond(self._invite, response))
            return
        self.local = body or self.local
        if self._sender is None:
            first = int(self._outlet.chance(1, 2**31 - 1))
            self._sender = Sender(first, request.cseq.number)
        self._sender.add(response, has_body=body is not None)
        self._reliably(now)

    def _reliably(self, now: float) -> None:
        """Send the next reliable response, if it is its turn."""
        if self._sender is None or self._invite is None:
            return
        response = self._sender.next(now, T1)
        if response is not None:
            self._act(Respond(self._invite, response))
            self._wait(Wait.RELIABLE, self._sender.when(now))

    def answer(self, body: Body | None, now: float, headers: Sequence[Header] = ()) -> None:
        """Accept the INVITE; without `body` only where a reliable 18x had the description.

        Where the PRACK for that is still to come, the 2xx waits for it (RFC 3262 §3).
        """
        step(self.stage, Signal.ANSWER)
        if body is None and self.local is None:
            raise LocalError("a session is accepted with a description")
        if self._sender is not None and self._sender.holds:
            self._held = (body, tuple(headers))
            return
        self._accept(body, tuple(headers), now)

    def _accept(self, body: Body | None, headers: tuple[Header, ...], now: float) -> None:
        if self._invite is None:
            return
        self._settle_provisional()
        self.stage = step(self.stage, Signal.ANSWER)
        self._terms, said = timer.granting(self._invite.request)
        self.local = body or self.local
        response = self._response(
            self._invite, 200, (*self._outlet.abilities, *said, *headers), body
        )
        self._act(Respond(self._invite, response))
        self._wait(Wait.STAGE, now + TRANSACTION + 8.0)

    def refuse(self, status: int, now: float, headers: Sequence[Header] = ()) -> None:
        """Refuse the INVITE, with 300 to 699: the session is over, without an event."""
        self._refuse(status, headers)
        self._end(Signal.REFUSE, now, None)

    def _refuse(self, status: int, headers: Sequence[Header] = ()) -> None:
        if self._invite is None or self.stage is not Stage.INVITED or not 300 <= status <= 699:
            raise LocalError(f"no {status} for a session that is {self.stage.value}")
        self._settle_provisional()
        self._act(Respond(self._invite, self._response(self._invite, status, headers)))

    def _settle_provisional(self) -> None:
        if self._sender is not None:
            self._sender.stop()
        self._idle(Wait.RELIABLE)

    def on_cancel(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Learn that the peer takes an INVITE back, which has no final response (§9.2)."""
        if transaction is self._invite and self.stage is Stage.INVITED:
            self._refuse(487)
            self._end(Signal.THEIR_CANCEL, now, Cancelled(self, reason_of(request)))
        elif transaction is self._theirs and self.change is Change.THEIRS:
            self._decide(487, (), None, now)
            self._tell(ChangeRefused(self, 487))

    def on_ack(self, transaction: ServerTransaction, ack: Request, now: float) -> None:
        """Learn that the ACK for a 2xx of ours came."""
        body = session_body(ack)
        if not self._accepted(transaction):
            return
        self._outlet.incoming.pop(transaction, None)
        if transaction is self._invite:
            self._confirm(body, now)
        else:
            self._theirs = None
            self.change = changes.turn(self.change, Turn.ACK)
            if self._offerless:
                self._concluded(body, now)
            self._go_on(now)

    def _accepted(self, transaction: ServerTransaction) -> bool:
        """Tell whether a 2xx of ours to that INVITE waits for its ACK."""
        if transaction is self._invite:
            return self.stage in {Stage.ACCEPTED, Stage.LEAVING}
        return transaction is self._theirs and self.change is Change.SETTLED

    def _confirm(self, body: Body | None, now: float) -> None:
        self._invite = None
        leaving, self.stage = self.stage is Stage.LEAVING, step(self.stage, Signal.ACK)
        self._idle(Wait.STAGE)
        if leaving:
            self._part(now)
            return
        if self._offerless and self.remote is None and body is None:
            self.bye(now, 'SIP;cause=488;text="no answer in the ACK"')
            return
        self.remote = body or self.remote
        self._agreed(self._terms, now)
        self._tell(Confirmed(self, body if self._offerless else None))
        self._go_on(now)

    def _concluded(self, body: Body | None, now: float) -> None:
        """Take the answer of an ACK to the offer that our 2xx to a re-INVITE had."""
        if body is None:
            self.bye(now, 'SIP;cause=488;text="no answer in the ACK"')
        else:
            self.remote = body
            self._tell(Changed(self, body))

    def on_missing(self, transaction: ServerTransaction, now: float) -> None:
        """Learn that the ACK for a 2xx of ours never came: the session ends (§13.3.1.4)."""
        if not self._accepted(transaction):
            return
        self._outlet.incoming.pop(transaction, None)
        if transaction is self._invite:
            told, self._invite = self.stage is Stage.LEAVING, None
            self.stage = step(self.stage, Signal.NO_ACK)
            if not told:
                self._tell(Ended(self, By.TIMER))
            self._part(now)
        else:
            self._lost(By.TIMER, now)

    # -- changes ------------------------------------------------------------------------------

    def offer(self, body: Body, now: float) -> None:
        """Have our description be another: a re-INVITE goes when it may.

        The latest counts. Raises LocalError where there is no session or none to come.
        """
        if self.stage not in {Stage.CALLING, Stage.INVITED, Stage.ACCEPTED, Stage.CONFIRMED}:
            raise LocalError(f"no offer for a session that is {self.stage.value}")
        self._wanted, self._tries = body, 0
        self._go_on(now)

    def stand_at(self, contact: str) -> None:
        """Have another Contact in whatever is said from now on (§12.2.1.1)."""
        self.dialog = replace(self.dialog, contact=contact)

    def withdraw(self) -> None:
        """Have no offer wait any more: one that has gone out is not taken back."""
        self._wanted = None

    def _go_on(self, now: float) -> None:
        """Make the offer that waits, if nothing else is under way."""
        if self._wanted is None or self.stage is not Stage.CONFIRMED:
            return
        if self.change is Change.NONE and (self.number, Wait.REST) not in self._outlet.alarms:
            body, self._wanted = self._wanted, None
            self._reinvite(body, Kind.OFFER, now)

    def _reinvite(self, body: Body, kind: Kind, now: float) -> None:
        self.change = changes.turn(self.change, Turn.OFFER)
        self._offer = body
        # without 100rel: nobody rings for a re-INVITE
        extra = (self._outlet.abilities[0], ("Supported", timer.TIMER))
        self._ask(kind, "INVITE", (*extra, *self._refreshing(), *body.headers), body.data)
        self._wait(Wait.CHANGE, now + 2 * TRANSACTION)

    def _refreshing(self) -> tuple[Header, ...]:
        return timer.asking(self._terms.seconds, self._least, "uac" if self._terms.ours else "uas")

    def _refresh(self, now: float) -> None:
        """Say that we are there still (RFC 4028 §10)."""
        if self.stage is not Stage.CONFIRMED or not self._terms.ours:
            return
        if self._updates:
            if not any(each.method == "UPDATE" for each in self._asked.values()):
                headers = (("Supported", timer.TIMER), *self._refreshing())
                self._ask(Kind.REFRESH, "UPDATE", headers)
        elif self.change is Change.NONE and (body := self._refreshed()) is not None:
            self._reinvite(body, Kind.REFRESH, now)
        else:
            self._wait(Wait.REFRESH, now + DECISION)

    def _changed(self, serial: int, asked: Asked, response: Response, now: float) -> None:
        """Take the final response to a re-INVITE or UPDATE of ours."""
        invite, status = asked.method == "INVITE", response.status
        self.dialog = self.dialog.answered(response)
        if invite and status < 300:
            self._acknowledge(serial, self.dialog, response)
            self._lingers = now + TRANSACTION
        if self.stage is not Stage.CONFIRMED:
            return
        if invite and self.change is Change.OURS:
            self.change = changes.turn(
                self.change, Turn.GLARE if status == changes.PENDING else Turn.THEIR_ANSWER
            )
            self._idle(Wait.CHANGE)
        if status < 300:
            self._made(asked, response, now)
        elif status in changes.LOST:
            self._lost(By.PEER if status == 481 else By.TIMER, now)
        else:
            self._unmade(asked, status, response, now)
        self._go_on(now)

    def _refreshed(self) -> Body | None:
        offered = None if self.refresher is None else self.refresher()
        return offered or self.local

    def _made(self, asked: Asked, response: Response, now: float) -> None:
        self._able(response)
        self._agreed(timer.granted(response), now)
        if asked.method != "INVITE":
            return
        body = session_body(response)
        before, self.local = self.remote, self._offer
        self.remote = body or self.remote
        if asked.kind is Kind.OFFER and body is None:
            self.bye(now, 'SIP;cause=488;text="no answer to the offer"')
        elif asked.kind is Kind.OFFER or self.refresher is not None or self.remote != before:
            self._tell(Changed(self, self.remote))

    def _unmade(self, asked: Asked, status: int, response: Response, now: float) -> None:
        if status == 422 and self._lengthened(response):
            if asked.kind is Kind.OFFER:
                self._wanted = self._wanted or self._offer
            else:
                self._refresh(now)
        elif asked.kind is Kind.REFRESH:
            if self.change is Change.RESTING:
                self._rest(now)
            left = max(self._expires - now, 0.0)
            self._wait(Wait.REFRESH, now + max(left / 2, 1.0))
        elif status == changes.PENDING and self._tries < changes.TRIES:
            self._tries += 1
            self._wanted = self._wanted or self._offer
            self._rest(now)
        else:
            if self.change is Change.RESTING:
                self.change = changes.turn(self.change, Turn.RESUME)
            self._tell(ChangeRefused(self, status))

    def _rest(self, now: float) -> None:
        """Wait after a 491 as long as §14.1 says."""
        window = changes.OWNER if self._caller else changes.OTHER
        self._wait(Wait.REST, now + self._outlet.chance(*window))

    def _their_change(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Take a re-INVITE or UPDATE. Raises SipError with the answer to one that cannot be."""
        if timer.too_short(request):
            self._reply(transaction, 422, (("Min-SE", str(timer.LEAST)),))
            return
        body, update = Body.of(request), request.method == "UPDATE"
        self._able(request)
        if update and body is None:
            self._respond_change(transaction, None, now)
            return
        status = self._unwelcome(request, body)
        if status:
            self._again_later(transaction, status)
        else:
            self._begin(transaction, body)
            self._wait(Wait.DECISION, now + DECISION)
            self._tell(Offered(self, request, body))

    def _unwelcome(self, request: Request, body: Body | None) -> int:
        """Return the status for an offer that comes at the wrong time (RFC 3311 §5.2)."""
        if self.stage is Stage.CONFIRMED:
            return changes.refusal(self.change)
        if self.stage is Stage.CALLING:
            leg = self._legs.get(request.from_.tag or "")
            return changes.refusal(self.change) if leg and leg.answer else changes.PENDING
        settled = self.local is not None and not self._offerless
        early = self.stage is Stage.INVITED and request.method == "UPDATE" and settled
        if early and not (self._sender is not None and self._sender.holds):
            return changes.refusal(self.change)
        return changes.PENDING if self._offerless and self.local else changes.BUSY

    def _again_later(self, transaction: ServerTransaction, status: int) -> None:
        later = (("Retry-After", str(RETRY_AFTER)),) if status == changes.BUSY else ()
        self._reply(transaction, status, later)

    def _begin(self, transaction: ServerTransaction, body: Body | None) -> None:
        self.change = changes.turn(self.change, Turn.THEIR_OFFER)
        self._theirs, self._offerless, self._offer = transaction, body is None, body
        if transaction.request.method == "INVITE":
            self._outlet.incoming[transaction] = self

    def accept(self, body: Body, now: float) -> bool:
        """Agree to an `Offered`: `body` is the answer, or our offer. False: it is gone."""
        return self._decide(200, (), body, now)

    def decline(self, now: float, status: int = 488, headers: Sequence[Header] = ()) -> bool:
        """Refuse an `Offered`; the session stays as it is. False: it is gone."""
        return self._decide(status, headers, None, now)

    def _decide(
        self, status: int, headers: Sequence[Header], body: Body | None, now: float
    ) -> bool:
        transaction = self._theirs
        if transaction is None or self.change is not Change.THEIRS:
            return False
        self._idle(Wait.DECISION)
        self.change = changes.turn(self.change, Turn.ANSWER)
        if body is not None:
            self.local = body
            self.remote = self._offer or self.remote
            self._respond_change(transaction, body, now)
        else:
            self._reply(transaction, status, headers)
            self._outlet.incoming.pop(transaction, None)
        if body is None or transaction.request.method == "UPDATE":
            self._theirs = None
            self.change = changes.turn(self.change, Turn.ACK)
            self._go_on(now)
            if self.change is Change.NONE and self._wanted is None:
                self._offer = None
        return True

    def _respond_change(
        self, transaction: ServerTransaction, body: Body | None, now: float
    ) -> None:
        terms, said = timer.granting(transaction.request)
        response = self._response(transaction, 200, (*self._outlet.abilities, *said), body)
        self._act(Respond(transaction, response))
        if self.stage is Stage.CONFIRMED:
            self._agreed(terms, now)

    # -- the end ------------------------------------------------------------------------------

    def bye(self, now: float, reason: str = "") -> None:
        """Hang up; whoever was called waits for the ACK before (§15). Raises LocalError if early.

        `reason` is the value of a Reason header (RFC 3326).
        """
        before, self.stage = self.stage, step(self.stage, Signal.BYE)
        if before in {Stage.ACCEPTED, Stage.CONFIRMED}:
            self._parting = reason
            self._tell(Ended(self, By.US))
            if before is Stage.CONFIRMED:
                self._part(now)

    def end(self, now: float, reason: str = "") -> None:
        """End the session in whichever way its stage wants: CANCEL, 480 or BYE."""
        if self.stage in {Stage.CALLING, Stage.CANCELLING}:
            self.cancel(now, reason)
        elif self.stage is Stage.INVITED:
            self.refuse(480, now, (("Reason", reason),) if reason else ())
        else:
            self.bye(now, reason)

    def _part(self, now: float) -> None:
        """Send the BYE, in PARTING."""
        self._abandon()
        self._ask(Kind.BYE, "BYE", (("Reason", self._parting),) if self._parting else ())
        self._wait(Wait.STAGE, now + TRANSACTION + 8.0)

    def _lost(self, by: By, now: float) -> None:
        """End a session that the peer does not know any more, or does not answer in."""
        self.stage = step(self.stage, Signal.BYE)
        self._tell(Ended(self, by))
        self._part(now)

    def _abandon(self) -> None:
        """Answer what of the peer's is still open, and wait for nothing (§15.1.2)."""
        if self._theirs is not None and self.change is Change.THEIRS:
            self._reply(self._theirs, 487)
        if self._theirs is not None:
            self._outlet.incoming.pop(self._theirs, None)
            self._theirs = None
        self._wanted = self._held = None
        for each in Wait:
            self._idle(each)

    def _end(self, signal: Signal, now: float, event: Event | None) -> None:
        """Come to the last stage; a late 2xx to our INVITE is heard for a while still."""
        self.stage = step(self.stage, signal)
        self._abandon()
        if self._invite is not None:
            self._outlet.incoming.pop(self._invite, None)
            self._invite = None
        if event is not None:
            self._tell(event)
        pending = any(each.method == "INVITE" for each in self._asked.values())
        if pending or self._lingers > now:
            self._wait(Wait.STAGE, max(self._lingers, now + TRANSACTION))
        else:
            self._outlet.over(self)

    def _their_bye(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        self._reply(transaction, 200)
        if self.stage in {Stage.CALLING, Stage.CANCELLING}:
            if len(self._left) < MOST_LEGS:
                self._left.add(request.from_.tag or "")
        elif self.stage is Stage.INVITED:
            self._refuse(487)
            self._end(Signal.THEIR_BYE, now, Cancelled(self, reason_of(request)))
        else:
            known = self.stage in {Stage.LEAVING, Stage.PARTING}
            told = None if known else Ended(self, By.PEER, reason_of(request), request)
            self._end(Signal.THEIR_BYE, now, told)

    # -- requests in the dialog -----------------------------------------------------------------

    def request(
        self, method: str, headers: Sequence[Header], body: bytes, now: float
    ) -> SessionHandle:
        """Send another request in the session (INFO, MESSAGE): `Replied` tells what came of it.

        Raises LocalError where there is no session, or too many requests wait.
        """
        asked = sum(each.kind is Kind.USER for each in self._asked.values())
        taken = method in {"INVITE", "UPDATE", "BYE", "PRACK", "ACK", "CANCEL"}
        if self.stage is not Stage.CONFIRMED or asked >= MOST_ASKED or taken:
            raise LocalError(f"no {method} in a session that is {self.stage.value}")
        return self._handle(self._ask(Kind.USER, method, headers, body))

    def reply(
        self,
        transaction: ServerTransaction,
        status: int,
        headers: Sequence[Header] = (),
        body: bytes = b"",
    ) -> None:
        """Answer the request of an `InDialog`."""
        tag = self.dialog.local_tag
        response = response_to(transaction.request, status, "", headers, body, tag)
        self._act(Respond(transaction, response))

    _reply = reply

    def on_request(self, transaction: ServerTransaction, now: float) -> None:
        """Take a request in the dialog. Raises SipError with the answer to one that is refused."""
        request, method = transaction.request, transaction.request.method
        if method == "BYE" and self.stage in {Stage.CALLING, Stage.CANCELLING}:
            self._their_bye(request, transaction, now)
            return
        self._counted(request)
        if method == "BYE" and self.stage is not Stage.OVER:
            self._their_bye(request, transaction, now)
        elif self.stage in {Stage.PARTING, Stage.OVER, Stage.LEAVING, Stage.CANCELLING}:
            raise SipError("the session is over", 481)
        elif method in {"INVITE", "UPDATE"}:
            self._their_change(request, transaction, now)
        elif method == "PRACK":
            self._their_prack(request, transaction, now)
        elif method == "REFER" and method not in self._outlet.allow:
            raise SipError("nobody is transferred", 603)
        elif method not in self._outlet.allow:
            raise SipError(f"no {method[:20]} in a session", 405)
        else:
            self._tell(InDialog(self, request, transaction))

    def _counted(self, request: Request) -> None:
        """Have the dialog know of a request. Raises SipError: 481 for another dialog, 500, 400."""
        tag, moves = request.from_.tag or "", request.method in {"INVITE", "UPDATE"}
        leg = self._legs.get(tag)
        if leg is not None:
            leg.dialog = leg.dialog.received(request, refresh=moves)
        elif tag == self.dialog.remote_tag and self.stage is not Stage.CALLING:
            self.dialog = self.dialog.received(request, refresh=moves)
        else:
            raise SipError("no such dialog", 481)

    def _their_prack(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        rack, sender = RAck.parse(request.get("RAck") or ""), self._sender
        if sender is None or not sender.acknowledged(rack):
            raise SipError("no response that this acknowledges", 481)
        body = session_body(request)
        if body is not None and not (self._offerless and self.remote is None):
            self._reply(transaction, 488)
        else:
            self.remote = body or self.remote
            self._reply(transaction, 200)
        self._idle(Wait.RELIABLE)
        self._reliably(now)
        if self._held is not None and not sender.holds:
            held, self._held = self._held, None
            self._accept(*held, now)

    # -- what comes of our requests -----------------------------------------------------------

    def on_response(self, serial: int, response: Response, now: float) -> None:
        """Take a response to a request of ours."""
        asked = self._asked.get(serial)
        if asked is None:
            return
        if asked.kind is Kind.INVITE:
            self._called(serial, response, now)
            return
        if response.status < 200:
            return
        del self._asked[serial]
        if asked.method in {"INVITE", "UPDATE"}:
            self._changed(serial, asked, response, now)
        else:
            with suppress(SipError):
                number = max(self.dialog.local_cseq, response.cseq.number)
                self.dialog = replace(self.dialog, local_cseq=number)
            self._replied(serial, asked, response.status, response, now)

    def on_failed(self, serial: int, status: int, now: float) -> None:
        """Learn that a request of ours got no response: `status` is what that counts as."""
        asked = self._asked.get(serial)
        if asked is None:
            return
        if asked.kind is Kind.INVITE:
            if self.stage in {Stage.CALLING, Stage.CANCELLING}:
                self._failure(status, None, now)
            return
        del self._asked[serial]
        if asked.method in {"INVITE", "UPDATE"}:
            nothing = Response(status, "", (("CSeq", f"0 {asked.method}"),))
            self._changed(serial, asked, nothing, now)
        else:
            self._replied(serial, asked, status, None, now)

    def _replied(
        self, serial: int, asked: Asked, status: int, response: Response | None, now: float
    ) -> None:
        if asked.kind is Kind.BYE and self.stage is Stage.PARTING:
            self._end(Signal.FINISHED, now, None)
        elif asked.kind is Kind.USER and self.stage is Stage.CONFIRMED:
            self._tell(Replied(self, self._handle(serial), status, response))
            # a NOTIFY is of a subscription, which may be over without the session (RFC 5057 §5.1)
            if status in changes.LOST and asked.method != "NOTIFY":
                self._lost(By.PEER if status == 481 else By.TIMER, now)

    # -- time -----------------------------------------------------------------------------------

    def on_timer(self, wait: Wait, now: float) -> None:
        """Do what is to be done when a wait is over."""
        match wait:
            case Wait.STAGE:
                self._overdue(now)
            case Wait.RELIABLE:
                self._repeat(now)
            case Wait.REFRESH:
                self._refresh(now)
            case Wait.EXPIRY:
                self._lost(By.TIMER, now)
            case Wait.CHANGE:
                self._unanswered(now)
            case Wait.REST:
                if self.change is Change.RESTING:
                    self.change = changes.turn(self.change, Turn.RESUME)
                self._go_on(now)
            case Wait.DECISION:
                self._decide(488, (), None, now)
                self._tell(ChangeRefused(self, 488))

    def _overdue(self, now: float) -> None:
        match self.stage:
            case Stage.CALLING:
                self.cancel(now)
            case Stage.CANCELLING:
                self._failure(408, None, now)
            case Stage.INVITED:
                self._refuse(480)
                self._end(Signal.REFUSE, now, Cancelled(self))
            case Stage.ACCEPTED | Stage.LEAVING:
                if self._invite is not None:
                    self.on_missing(self._invite, now)
            case Stage.PARTING:
                self._end(Signal.FINISHED, now, None)
            case _:
                self._asked.clear()
                self._outlet.over(self)

    def _repeat(self, now: float) -> None:
        """Send a reliable response again, until its PRACK was too long in coming (RFC 3262 §3)."""
        sender = self._sender
        if sender is None or sender.current is None or self._invite is None:
            return
        if now >= sender.until:
            self._refuse(504)
            self._end(Signal.REFUSE, now, Cancelled(self))
            return
        self._act(Respond(self._invite, sender.current))
        self._wait(Wait.RELIABLE, sender.when(now))

    def _unanswered(self, now: float) -> None:
        """Take back a re-INVITE that rings and rings, and then give the session up."""
        offers = [
            serial
            for serial, each in self._asked.items()
            if each.method == "INVITE" and each.kind is not Kind.INVITE
        ]
        if offers and self._retracted != offers[-1]:
            self._retracted = offers[-1]
            self._act(Cancel(self._handle(offers[-1])))
            self._wait(Wait.CHANGE, now + TRANSACTION + 8.0)
        else:
            self._lost(By.TIMER, now)

    def _agreed(self, terms: timer.Terms, now: float) -> None:
        """Have the session last as agreed."""
        self._terms = terms
        self._expires = now + terms.end
        self._wait(Wait.EXPIRY, self._expires)
        if terms.ours:
            self._wait(Wait.REFRESH, now + terms.refresh)
        else:
            self._idle(Wait.REFRESH)

    # -- the ground -------------------------------------------------------------------------------

    def _able(self, message: Request | Response) -> None:
        if message.get("Allow") is not None:
            self._updates = "UPDATE" in options_of(message, "Allow")

    def _ask(
        self, kind: Kind, method: str, headers: Sequence[Header] = (), body: bytes = b""
    ) -> int:
        self.dialog, request = self.dialog.request(method, headers, body)
        return self._send(kind, request, self.dialog)

    def _send(self, kind: Kind, request: Request, dialog: Dialog) -> int:
        self._serial += 1
        self._asked[self._serial] = Asked(kind, request.method)
        self._act(Send(request, dialog.route_set, self._handle(self._serial)))
        return self._serial

    def _acknowledge(self, serial: int, dialog: Dialog, response: Response) -> None:
        with suppress(SipError):
            ack = dialog.acknowledge(response.cseq.number)
            self._act(Acknowledge(ack, dialog.route_set, self._handle(serial)))

    def _response(
        self,
        transaction: ServerTransaction,
        status: int,
        headers: Sequence[Header] = (),
        body: Body | None = None,
    ) -> Response:
        """Return a response with our tag and Contact."""
        contact = ("Contact", self.dialog.contact)
        described = body.headers if body is not None else ()
        return response_to(
            transaction.request,
            status,
            headers=(contact, *headers, *described) if status < 300 else (*headers, *described),
            body=body.data if body is not None else b"",
            to_tag=self.dialog.local_tag,
        )

    def _handle(self, serial: int) -> SessionHandle:
        return SessionHandle(self.number, serial)

    def _act(self, action: Action) -> None:
        self._outlet.actions.append(action)

    def _tell(self, event: Event) -> None:
        self._outlet.events.append(event)

    def _wait(self, wait: Wait, when: float) -> None:
        self._outlet.alarms.set((self.number, wait), when)

    def _idle(self, wait: Wait) -> None:
        self._outlet.alarms.cancel((self.number, wait))


def _tag(response: Response) -> str:
    """Return the tag of the far end, "" where none can be read."""
    try:
        return response.to.tag or ""
    except SipError:
        return ""


def key_of(dialog: Dialog) -> Hashable:
    """Return what a request for our end of a dialog names: Call-ID and our tag."""
    return dialog.call_id, dialog.local_tag
