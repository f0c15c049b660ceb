"""A phone takes a call over by itself, one that is talked in or one that rings (RFC 3891).

The client stays, as in a transfer. A call that rings is picked up; who did not begin it cannot be
replaced in it while it rings (§3).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, Final

from dragoman.bridge.call import TROUBLES, Call, directed, placed, widened
from dragoman.bridge.jingled import read
from dragoman.bridge.sessions import Caller
from dragoman.log import about
from dragoman.mapping import call as mapping
from dragoman.mapping import hangup
from dragoman.mapping.pickup import met
from dragoman.media.plane import JINGLE, NEAR, MediaError, Side
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Origin, SessionDescription
from dragoman.sip import session as sip
from dragoman.sip.changes import PENDING
from dragoman.sip.message import Request
from dragoman.sip.session import Body, Stage
from dragoman.sip.usage import RETRY_AFTER, Session

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls

log = getLogger(__name__)

ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'
"""Why a phone need not ring any more (RFC 3326 §2): it has missed no call."""


@dataclass(slots=True, eq=False)
class Taking:
    """A phone that takes the place of `old` by an INVITE of its own (RFC 3891)."""

    call: Call
    old: Session
    leg: Session
    invite: Request
    caller: Caller
    negotiation: Negotiation
    offer: SessionDescription | None = None
    over: bool = False


class Takeovers:
    """The phones that take calls over."""

    def __init__(self, calls: "Calls") -> None:
        """Take over what is among `calls`."""
        self._calls = calls

    def invited(self, event: sip.Invited, old: Session, caller: Caller) -> None:
        """Take the INVITE of a phone that is to take the place of another. Raises SdpError."""
        leg, call, now = event.session, old.data, self._calls.now()
        named = isinstance(call, Call) and call.user.bare == caller.recipient.bare
        if not isinstance(call, Call) or not named or call.over or call.sip is not old:
            leg.refuse(481, now)
            return
        if old.stage is Stage.CALLING:
            self._pick_up(event, call, old, caller)
            return
        if not self._calls.revisions.is_free(call) or call.client is None or call.phone is None:
            leg.refuse(500, now, [("Retry-After", str(RETRY_AFTER))])
            return
        offer = None if event.offer is None else _fitting(read(event.offer), call.client)
        made = Negotiation(Origin("-", call.negotiation.origin.session_id, 1))
        negotiation = made.asked() if offer is None else made.offered(offer)
        taking = Taking(call, old, leg, event.request, caller, negotiation, offer)
        leg.data, call.occupied = taking, True
        client = directed(mapping.agreed(call.client, call.phone), call.held)
        plane = self._calls.plane
        if offer is None:
            told = self._taken(taking, partial(self._ask, taking))
            plane.offer(call.id, Side.XMPP, client, call.profile, told, successor=Side.SIP)
            return
        told = self._taken(taking, partial(self._accept, taking))
        client = widened(client, offer)
        then = self._taken(taking, lambda _: plane.answer(call.id, Side.XMPP, client, told))
        wide = widened(offer, client)
        plane.offer(call.id, Side.SIP, wide, JINGLE, then, successor=Side.SIP)

    def _pick_up(self, event: sip.Invited, call: Call, old: Session, caller: Caller) -> None:
        """Have a phone answer a call that rings at another. Raises SdpError.

        What was offered to that stands, so that it goes on to ring where the two do not meet.
        """
        leg, now, offer = event.session, self._calls.now(), call.negotiation.pending
        if offer is None or call.direct:
            raise SdpError("the call is not carried", 488)
        made, phone = Negotiation(Origin("-", call.negotiation.origin.session_id, 1)), None
        if event.offer is None:
            negotiation, said = placed(made.asked(), offer).offer(offer)
        else:
            theirs = read(event.offer)
            answer, phone = met(offer, theirs)
            negotiation, said = placed(made.offered(theirs), answer).answer(answer)
        leg.answer(Body(said.encode()), now)
        old.data = None
        old.end(now, ELSEWHERE)
        call.sip, leg.data, call.negotiation, call.phone = leg, call, negotiation, phone
        call.hairpin = caller.hairpin
        log.info("picked up", extra=about(jid=call.user, sip=caller.sender))
        self._calls.conferences.phone_says(call, event.request, now)
        if phone is not None:
            self._calls.proceeds(call)
        call.peer, call.address = caller.user, caller.sender

    def _taken(
        self, taking: Taking, then: Callable[[SessionDescription], None]
    ) -> Callable[[SessionDescription | MediaError], None]:
        """Return what goes on with `then`, or refuses the phone."""
        told = self._calls.ask(taking.call, then)

        def decided(made: SessionDescription | MediaError) -> None:
            if taking.over or taking.call.over:
                self._give_back(taking, 481)
            elif isinstance(made, MediaError):
                self._give_back(taking, TROUBLES[made.trouble][0])
            else:
                told(made)
                return
            self._calls.turn()

        return decided

    def _ask(self, taking: Taking, made: SessionDescription) -> None:
        """Answer an INVITE without an offer by what the client and the old phone agreed on."""
        taking.negotiation, said = placed(taking.negotiation, made).offer(made)
        taking.leg.answer(Body(said.encode()), self._calls.now())

    def _accept(self, taking: Taking, made: SessionDescription) -> None:
        offer = taking.offer
        assert offer is not None  # noqa: S101 - this answers it
        made = replace(made, media=made.media[: len(offer.media)])
        taking.negotiation, said = placed(taking.negotiation, made).answer(made)
        taking.leg.answer(Body(said.encode()), self._calls.now())
        self._take(taking, widened(offer, taking.call.client or offer))

    def _take(self, taking: Taking, phone: SessionDescription) -> None:
        call, old, user = taking.call, taking.old, taking.caller.user
        taking.over, old.data = True, None
        call.peer, call.address = user, taking.caller.sender
        call.hairpin = taking.caller.hairpin
        if call.hairpin:
            call.profile = NEAR
        self._calls.transfers.succeed(call, taking.leg, phone, taking.negotiation)
        self._calls.conferences.phone_says(call, taking.invite, self._calls.now())
        if old.stage is not Stage.OVER:
            old.end(self._calls.now(), hangup.header(None))

    def on_event(self, taking: Taking, event: sip.Event) -> None:
        """Learn what happens in the leg of the new phone."""
        match event:
            case sip.Confirmed(_, body) if taking.offer is None and not taking.over:
                self._confirmed(taking, body)
            case sip.Cancelled() | sip.Ended() if not taking.over:
                self._give_back(taking, 487)
            case sip.Offered(session):
                session.decline(self._calls.now(), PENDING)
            case sip.InDialog(session, _, transaction):
                session.reply(transaction, PENDING)

    def _confirmed(self, taking: Taking, body: Body | None) -> None:
        try:
            answer = read(body)
            taking.negotiation = taking.negotiation.answered(answer)
        except SdpError as error:
            self._give_back(taking, error.status)
            return
        told = self._taken(taking, lambda _: self._take(taking, answer))
        self._calls.plane.answer(taking.call.id, Side.SIP, answer, told)

    def _give_back(self, taking: Taking, status: int) -> None:
        """Leave the call to the phone that has it."""
        leg, call, now = taking.leg, taking.call, self._calls.now()
        if leg.stage is Stage.INVITED:
            leg.refuse(status, now)
        elif leg.stage is not Stage.OVER:
            leg.end(now, hangup.header(None))
        if taking.over:
            return
        taking.over, call.occupied = True, False
        if not call.over:
            self._calls.plane.revert(call.id)
            self._calls.revisions.go_on(call)


def _fitting(offer: SessionDescription, client: SessionDescription) -> SessionDescription:
    """Return an offer whose streams are those of the client, in its order; or raise SdpError."""
    for asked, has in zip(offer.media, client.media, strict=False):
        if asked.kind.lower() != has.kind.lower() and asked.port:
            raise SdpError(f"{asked.kind} where the call has {has.kind}", 488)
    return offer
