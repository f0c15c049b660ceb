"""Calls that a phone begins: a client rings, answers, and the phone is answered (XEP-0353)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from logging import getLogger

from dragoman.bridge import jingled
from dragoman.bridge.call import (
    Call,
    placed,
)
from dragoman.bridge.conference import marker
from dragoman.bridge.exchange import KINDS, Exchange, device
from dragoman.bridge.sessions import Caller
from dragoman.bridge.trickle import trickles
from dragoman.log import about
from dragoman.mapping import call as mapping
from dragoman.media.bypass import fits
from dragoman.media.plane import (
    BYPASS,
    PLAIN,
    Side,
)
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import SessionDescription
from dragoman.sip import session as sip
from dragoman.sip.session import Body
from dragoman.sip.sessions import Full
from dragoman.sip.usage import Session
from dragoman.xmpp.ext import jingle_dtls
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Content, Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.sessions import Full as NoRoom

log = getLogger(__name__)


class Called(Exchange):
    """How such calls begin."""

    def _invited(self, event: sip.Invited) -> None:
        session = event.session
        caller = self.hairpin.caller(session)
        if caller is None:
            caller, self._caller = self._caller, None
        assert caller is not None  # noqa: S101 - `on_request` has said who
        try:
            if event.replaced is None:
                self._called(session, event, caller)
            else:
                self.takeovers.invited(event, event.replaced, caller)
        except SdpError as error:
            log.warning("call refused", extra=about(sip=caller.sender, reason=error.reason))
            session.refuse(error.status, self._now, jingled.refusal(error.status))
        except (NoRoom, Full) as error:
            log.warning("call refused", extra=about(sip=caller.sender, reason=error.reason))
            session.refuse(503, self._now, [("Retry-After", "60")])

    def _called(self, session: Session, event: sip.Invited, caller: Caller) -> None:
        """Have a client ring. Raises SdpError, Full and NoRoom."""
        offered = None if event.offer is None else jingled.read(event.offer)
        kinds = ["audio"]
        shown = None if offered is None else jingled.for_client(offered)
        if shown is not None:
            kinds = [m.kind.lower() for m in shown.media if m.port and m.kind.lower() in KINDS]
        if not kinds:
            raise SdpError("neither audio, video nor text is offered", 488)
        local = device(caller.user)
        call = self._begin(caller.recipient, local, caller.sender, Side.SIP)
        negotiation = call.negotiation
        call.negotiation = negotiation.asked() if offered is None else negotiation.offered(offered)
        call.phone, call.sip, session.data = shown, session, call
        call.hairpin = caller.hairpin
        self.conferences.phone_says(call, event.request, self._now)
        call.trickling.able = trickles(event.request)
        try:
            if caller.recipient.resource:
                self._offer_client(call)
            else:
                descriptions = tuple(Rtp(kind) for kind in dict.fromkeys(kinds))
                call.jingle = self.jingles.propose(
                    local, caller.recipient.bare, descriptions, self._now
                )
                call.jingle.data = call
                self.unproposed.ask(call)
        except NoRoom:
            self._forget(call)
            raise

    def _ring(self, call: Call) -> None:
        if call.sip is not None and call.sip.stage is sip.Stage.INVITED:
            call.sip.ring(self._now)

    def _proceeded(self, call: Call) -> None:
        """Tell the device that answered what the phone offers; ask the phone first, if nothing."""
        if call.phone is None:
            stand_in = mapping.stand_in([Rtp("audio")])
            call.profile = PLAIN
            self.plane.offer(
                call.id,
                Side.XMPP,
                stand_in,
                PLAIN,
                self.ask(call, partial(self._offer_phone, call)),
            )
        else:
            self._offer_client(call)

    def _offer_phone(self, call: Call, made: SessionDescription) -> None:
        """Answer an INVITE without an offer by one of ours (RFC 3261 §13.2.1)."""
        call.negotiation, said = placed(call.negotiation, made).offer(made)
        if call.sip is not None:
            call.sip.answer(Body(said.encode()), self._now)

    def _confirmed(self, call: Call, body: Body) -> None:
        """Take the answer that the ACK of such a call has, and have the client answer too."""
        phone = self._heard(call, body)
        if phone is None:
            return
        self.plane.answer(
            call.id, Side.SIP, phone, self.ask(call, lambda _: self._offer_client(call))
        )

    def _offer_client(self, call: Call) -> None:
        """Tell the device what the phone offers, or answered, once it has said what it can do."""
        self.abilities.ask(call.peer, call.user, partial(self._offer_device, call), self._now)

    def _offer_device(self, call: Call, features: frozenset[str] | None) -> None:
        """Offer keys by DTLS, but to who has said that it takes none (XEP-0320 §3)."""
        clear = features is not None and jingle_dtls.NS not in features
        self.offer_device(call, partial(self._start, call), clear=clear)

    def offer_device(
        self, call: Call, then: Callable[[SessionDescription], None], *, clear: bool
    ) -> None:
        """Have `then` learn what to offer the client, `clear`: without keys."""
        if call.over or call.phone is None:
            return
        if self.rules.bypass and not (clear or call.talking) and fits(call.phone):
            call.profile = BYPASS
        toward = replace(PLAIN, more=True) if clear else call.toward_client
        self.plane.offer(call.id, Side.SIP, call.phone, toward, self.ask(call, then))

    def contents_for(
        self, call: Call, made: SessionDescription
    ) -> tuple[tuple[Content, ...], tuple[Group, ...]]:
        """Return what a client is offered first."""
        call.layout = call.layout.with_streams(made, Creator.INITIATOR)
        return mapping.contents(made, call.layout, Creator.INITIATOR)

    def _start(self, call: Call, made: SessionDescription) -> None:
        contents, groups = self.contents_for(call, made)
        if call.jingle is not None:
            call.jingle.start(contents, groups, self._now, marker(call))
            return
        try:
            call.jingle = self.jingles.initiate(
                call.peer, call.user, contents, groups, self._now, marker(call)
            )
        except NoRoom:
            self.end_sip(call, Reason(Why.GENERAL_ERROR, "too many calls"))
            return
        call.jingle.data = call

    def _accepted(self, call: Call, said: jingled.Said) -> None:
        """Tell the phone what the client takes."""
        call.joined = True
        call.client = said.described(call.layout, Creator.RESPONDER)
        if call.direct:
            self.trickle.gather(
                call, partial(self._answer_phone, call), wait=not call.trickling.able
            )
        else:
            self._answer_phone(call)

    def _answer_phone(self, call: Call) -> None:
        assert call.client is not None  # noqa: S101 - it has accepted
        accept = self.ask(call, partial(self._accept, call))
        self.plane.answer(call.id, Side.XMPP, call.client, accept)

    def _accept(self, call: Call, made: SessionDescription) -> None:
        if call.sip is None:
            return
        if not call.talking:  # else the INVITE had no offer, and its call is answered
            call.negotiation, said = placed(call.negotiation, made).answer(made)
            call.sip.stand_at(self.contact(call))
            call.sip.answer(Body(said.encode()), self._now)
        self.met(call)
