"""Calls that a client begins: a phone rings, in whichever way it takes media (RFC 3261 §13)."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from logging import getLogger

from dragoman.bridge import jingled, transcoding
from dragoman.bridge.call import (
    OTHER_WAY,
    Call,
    going,
    placed,
)
from dragoman.bridge.conference import marker
from dragoman.bridge.exchange import (
    DEVICE,
    KINDS,
    NO_DEVICE,
    Exchange,
    device,
)
from dragoman.log import about
from dragoman.mapping import call as mapping
from dragoman.mapping import hangup
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.mapping.idle import idled
from dragoman.media.bypass import fits
from dragoman.media.plane import (
    BYPASS,
    PLAIN,
    MediaError,
    Profile,
    Side,
    Trouble,
)
from dragoman.sdp.session import Direction, SessionDescription
from dragoman.sip.message import Response, SipError
from dragoman.sip.session import Body
from dragoman.sip.sessions import Full
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.jingle import Session as JingleSession
from dragoman.xmpp.sessions import Full as NoRoom

log = getLogger(__name__)


class Calling(Exchange):
    """How such calls begin."""

    def _migrated(
        self, session: JingleSession, old: JingleSession, descriptions: Sequence[Rtp]
    ) -> None:
        """Go on with another device of the client's, which has taken the call over (§4.2).

        It says what it takes by the session-initiate that follows; the phone hears of it then.
        """
        call = old.data
        if not isinstance(call, Call) or call.over or not call.talking:
            if isinstance(call, Call) and not call.over:
                self.end_sip(call, Reason(Why.EXPIRED))
            session.end(Reason(Why.EXPIRED, "there is no call any more"), self._now)
            return
        self.conferences.over(call, self._now)  # the other device is to be asked, and to say
        self.transfers.give_way(call)
        call.jingle, session.data, old.data = session, call, None
        call.user, call.caller, call.joined = session.remote, Side.XMPP, False
        call.layout, call.held, call.idle = mapping.Layout(), Direction.SENDRECV, frozenset()

    def _proposed(self, session: JingleSession, descriptions: Sequence[Rtp]) -> None:
        """Have the phone ring, with an offer of our own, or wait for the client's."""
        if self.rules.early:
            self._proceed(session, descriptions)
            return
        call = self._toward_phone(session)
        if call is None:
            return
        call.client = mapping.stand_in(descriptions)
        if not call.client.media:
            self.hang_up(
                call, Reason(Why.UNSUPPORTED_APPLICATIONS, "neither audio, video nor text")
            )
            return
        self.find(call)

    def _proceed(self, session: JingleSession, descriptions: Sequence[Rtp]) -> None:
        """Take a proposal before the phone knows of it: it hears what the client really offers."""
        if any(each.media in KINDS for each in descriptions):
            session.proceed(device(session.local), self._now)
        else:
            refusal = Reason(Why.UNSUPPORTED_APPLICATIONS, "neither audio, video nor text")
            session.end(refusal, self._now)

    def _initiated(self, session: JingleSession, said: jingled.Said) -> None:
        """Have the phone ring, with the offer of a client that proposed nothing before."""
        call = self._toward_phone(session)
        if call is None:
            return
        call.joined = True
        call.layout = call.layout.with_contents(said.contents)
        call.client = said.described(call.layout, Creator.INITIATOR)
        if not any(media.port for media in call.client.media):
            self.hang_up(call, Reason(mapping.unfit(said.contents), "no RTP that is known"))
        elif self.rules.bypass and fits(call.client):
            self.trickle.gather(call, partial(self.find, call))
        else:
            self.find(call)

    def _toward_phone(self, session: JingleSession) -> Call | None:
        """Return a new call of a client's; None where there is none, as it has heard."""
        try:
            address = self._naming.sip_recipient(session.local)
            if session.local.resource == DEVICE:  # that is what we call a phone without a name
                address = without_gr(address)
            self._naming.sip_sender(session.remote)
            call = self._begin(session.remote, session.local, address, Side.XMPP)
        except (Unmappable, NoRoom) as error:
            log.warning("call refused", extra=about(jid=session.remote, reason=error.reason))
            why = Why.GONE if isinstance(error, Unmappable) else Why.GENERAL_ERROR
            session.end(Reason(why, error.reason), self._now)
            return None
        call.jingle, session.data = session, call
        return call

    def find(self, call: Call) -> None:
        """Have the phone ring, where it is reached now."""
        target = without_gr(call.elsewhere.target or call.address)
        self.line.find(target, partial(self._found, call))

    def _found(self, call: Call, secure: bool) -> None:
        """Ring the phone, offering first what it took before, or what its transport suggests."""
        if call.over:
            return
        call.profiles = self.ways(call, call.peer, secure)
        if self.rules.bypass and call.joined and call.client is not None and fits(call.client):
            call.profiles.insert(0, BYPASS)
        self._ring_phone(call)
        self._drain()

    def _ring_phone(self, call: Call) -> None:
        call.profile = call.profiles.pop(0)
        self.offer_phone(call, partial(self._invite, call))

    def _invite(self, call: Call, made: SessionDescription) -> None:
        call.negotiation, said = placed(call.negotiation, made).offer(made)
        try:
            target = call.elsewhere.target or call.address
            parties = self.parties(call.user, call.peer, target, call.address)
            parties = replace(parties, contact=self.contact(call))
            call.sip = self.sessions.invite(parties, Body(said.encode()), self._now)
        except (Full, SipError, Unmappable) as error:
            self.hang_up(call, Reason(Why.GENERAL_ERROR, error.reason))
            return
        call.sip.data = call

    def _rang(self, call: Call) -> None:
        if call.jingle is not None:
            call.jingle.ring(self._now)

    def _answered(self, call: Call, body: Body | None) -> None:
        """Tell the client that the phone answered, or what it said."""
        if self._heard(call, body) is None:
            return
        self.remember(call)
        self.proceeds(call)

    def proceeds(self, call: Call) -> None:
        """Tell the client of a phone that has answered."""
        if call.joined:
            self.answer_client(call)
        elif call.jingle is not None:
            call.peer = device(call.peer)
            call.jingle.proceed(device(call.jingle.local), self._now)

    def answer_client(self, call: Call) -> None:
        """Tell the client by session-accept what the phone took."""
        assert call.phone is not None  # noqa: S101 - it has answered
        accept = self.ask(call, partial(self._accept_client, call))

        def told(made: SessionDescription | MediaError) -> None:
            unfit = isinstance(made, MediaError) and made.trouble is Trouble.UNACCEPTABLE
            if unfit and call.profiles and call.talking and not call.over:
                self._offer_again(call, call.profiles.pop(0))
            else:
                accept(made)

        self.plane.answer(call.id, Side.SIP, call.phone, told)

    def _offer_again(self, call: Call, profile: Profile) -> None:
        """Offer media in another way to a phone that accepted what it cannot do.

        Some answer an offer of SDES by a fingerprint, and have neither.
        """
        if call.direct:
            call.phone = None  # whatever it does next, that answer was to the client
        call.profile = replace(profile, more=False)
        self._taken.pop(str(call.peer.bare), None)
        self.offer_phone(call, partial(self.revisions.join_anew, call), profile)

    def _accept_client(self, call: Call, made: SessionDescription) -> None:
        assert call.client is not None  # noqa: S101 - it is answered
        made, call.idle = idled(made, call.client)
        # as the client has it: what the phone is offered next says so
        call.client = going(call.client, call.idle, Direction.RECVONLY)
        contents, groups = mapping.contents(made, call.layout, Creator.RESPONDER)
        if call.jingle is not None:
            call.jingle.accept(contents, groups, self._now, marker(call))
            self.met(call)
        self.revisions.go_on(call)

    def _joined(self, call: Call, said: jingled.Said) -> None:
        """Learn what a client takes whose proposal the phone answered."""
        call.joined = True
        assert call.client is not None  # noqa: S101 - something stood for it
        call.layout = mapping.arranged(said.contents, call.client)
        call.client = said.described(call.layout, Creator.INITIATOR)
        if call.direct:
            self._reached(call)
            return
        self.offer_phone(call, partial(self.revisions.join, call))

    def _reached(self, call: Call) -> None:
        """Have the phone talk to another device, which it reaches by itself or by a plane."""
        if call.client is not None and fits(call.client):
            self.trickle.gather(call, partial(self._moved, call))
        else:
            call.profile = call.profiles.pop(0) if call.profiles else PLAIN
            self._moved(call)

    def _moved(self, call: Call) -> None:
        self.offer_phone(call, partial(self.revisions.join_anew, call))

    def _refused(
        self, call: Call, status: int, response: Response | None, *, cancelled: bool
    ) -> None:
        """Try another way to carry media, or tell the client why there is no call."""
        call.sip = None
        call.negotiation = call.negotiation.drop()
        if response is not None and status in OTHER_WAY and call.profiles and not cancelled:
            self._ring_phone(call)
            return
        if not cancelled and self.redirects.goes_on(call, status, response):
            return
        if status in NO_DEVICE and call.address != without_gr(call.address) and not cancelled:
            call.address = without_gr(call.address)
            self.find(call)
            return
        if status in OTHER_WAY:
            transcoding.advise(call, self.plane)
        self.not_found(call, status, "" if response is None else response.reason)

    def not_found(self, call: Call, status: int, phrase: str) -> None:
        """Tell the client why there is no call."""
        self.end_jingle(call, hangup.of_status(status, phrase))
