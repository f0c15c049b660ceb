"""Calls: a leg in SIP, a leg in Jingle, and the media between (docs/design/0013-calls.md).

What a leg says is SDP in here, whichever protocol it came by: the plane makes of it what the other
leg is told. How a call begins and ends is here; how it changes is `bridge.revisions`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from logging import getLogger
from typing import Final

from dragoman.bridge import jingled, transcoding
from dragoman.bridge.abilities import Abilities
from dragoman.bridge.call import (
    OTHER_WAY,
    TROUBLES,
    Call,
    Rules,
    going,
    placed,
    reason_of,
    sound_alone,
    unfit,
)
from dragoman.bridge.conference import ISFOCUS, Conferences, marker, mixes
from dragoman.bridge.infos import Infos
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import XmppPort
from dragoman.bridge.redirect import Reaches, Redirects
from dragoman.bridge.referral import Referrals
from dragoman.bridge.revisions import Revisions
from dragoman.bridge.sessions import Caller, SessionLine, SessionService
from dragoman.bridge.transfer import Taking, Transfer, Transfers
from dragoman.bridge.trickle import PACKAGE, Trickle, trickles
from dragoman.bridge.unproposed import Unproposed
from dragoman.clock import earliest
from dragoman.log import about
from dragoman.mapping import call as mapping
from dragoman.mapping import hangup
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.mapping.failure import Refused
from dragoman.mapping.idle import idled
from dragoman.media.bypass import Bypass, fits
from dragoman.media.plane import (
    BYPASS,
    DTLS,
    PLAIN,
    SDES,
    WEBRTC,
    Connected,
    Lost,
    MediaError,
    MediaEvent,
    Plane,
    Profile,
    Side,
    Transcoded,
    Trouble,
)
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Direction, Origin, SessionDescription
from dragoman.sip import session as sip
from dragoman.sip.flow import RequestArrived
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Request, Response, SipError, response_to
from dragoman.sip.refer import NOREFERSUB, NOSUB
from dragoman.sip.replaces import OPTION as REPLACES
from dragoman.sip.session import Body
from dragoman.sip.sessions import Full, Sessions
from dragoman.sip.subscriber import Parties
from dragoman.sip.uri import Uri
from dragoman.sip.usage import Session
from dragoman.xmpp import session as jingle
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import jingle_dtls
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Content, Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.jingle import Session as JingleSession
from dragoman.xmpp.sessions import Full as NoRoom
from dragoman.xmpp.sessions import Sessions as JingleSessions

log = getLogger(__name__)

MORE: Final = ("INFO", "REFER", "NOTIFY")
"""The methods that may come in a call, beyond those of every session."""
EXTENSIONS: Final = (PACKAGE, REPLACES, NOREFERSUB, NOSUB)
"""What may be required of us in a call, beyond what may in every session."""
OF_TRANSFER: Final = frozenset({"REFER", "NOTIFY", REPLACES, NOREFERSUB, NOSUB})
"""What of these there is where calls may be transferred."""
KINDS: Final = ("audio", "video", "text")
DEVICE: Final = "phone"
"""The resource of a SIP user whose phone names none."""
FEATURES: Final = ";audio;video"
"""What our Contact says (RFC 3840)."""
NO_DEVICE: Final = frozenset({404, 410, 480, 484, 604})
"""Answers after which the user is called, where a device of his was: it may be but a name."""
MOST_CALLS: Final = 2000
MOST_TAKEN: Final = 4096
"""Users whose way of carrying media is remembered."""


class Calls(SessionService):
    """The service. `settle()` has what a late word of the plane led to go out."""

    def __init__(
        self,
        line: SessionLine,
        xmpp: XmppPort,
        naming: Naming,
        plane: Plane,
        ends_of: Callable[[Request, Uri], tuple[Jid, Jid]],
        token: Callable[[], str],
        chance: Callable[[float, float], float],
        clock: Callable[[], float],
        settle: Callable[[], None],
        numbers: Iterator[int] | None = None,
        most: int = MOST_CALLS,
        rules: Rules | None = None,
        reaches: Reaches = lambda _: True,
    ) -> None:
        """Start with no call.

        `ends_of(request, sender)` tells who a request is from and for, as JIDs; it raises Refused.
        `reaches` tells whom calls may be redirected to, and transferred, where they may.
        """
        self.line = line
        self.rules = rules or Rules()
        none = frozenset() if self.rules.transfer else OF_TRANSFER
        self.more = tuple(each for each in MORE if each not in none)
        self.extensions = tuple(each for each in EXTENSIONS if each not in none)
        self.sessions = Sessions(
            token,
            chance,
            lambda _: self._contact,
            allow=(*sip.ALLOW, *self.more),
            numbers=numbers,
            supported=(*sip.SUPPORTED, *self.extensions),
            packages=(PACKAGE,),
        )
        unwanted = frozenset() if self.rules.transfer else frozenset({jingle.Info.TRANSFER})
        self.jingles = JingleSessions(token, unwanted=unwanted)
        self.abilities = Abilities(xmpp, token)
        self.plane: Plane = Bypass(plane) if self.rules.bypass else plane
        self._xmpp = xmpp
        self._naming = naming
        self._ends_of = ends_of
        self._token = token
        self._clock = clock
        self._settle = settle
        self._most = most
        self._calls: dict[str, Call] = {}
        self._taken: dict[str, Profile] = {}
        self._caller: Caller | None = None
        self._contact = ""
        self.trickle = Trickle(self)
        self.revisions = Revisions(self)
        self.transfers = Transfers(self, reaches)
        self.redirects = Redirects(self, reaches)
        self.referrals = Referrals(self)
        self._infos = Infos(self, self.trickle)
        self.conferences = Conferences(
            line, xmpp, self.abilities.ask, naming, ends_of, self.sessions.knows, token, chance
        )
        self.unproposed = Unproposed(self)

    # -- what comes --------------------------------------------------------------------

    def takes(self, request: Request) -> bool:
        """Tell whether an INVITE is for a call: it offers one of KINDS, or nothing at all."""
        try:
            body = Body.of(request)
        except SipError:
            return False
        if body is None:
            return "message" not in (request.get("Accept-Contact") or "")
        return any(f"m={kind} ".encode() in body.data for kind in KINDS)

    def on_request(self, arrived: RequestArrived, sender: Uri, now: float) -> None:
        """Take an INVITE of `sender`, who is believed, or a request within a dialog."""
        self._now = now
        request = arrived.request
        try:
            if request.to.tag is None:
                user, recipient = self._ends_of(request, sender)
                self._contact = self._naming.contact(recipient, user) + FEATURES
                self._caller = Caller(user, recipient, sender)
        except (Refused, Unmappable) as error:
            log.warning("call refused", extra=about(sip=sender, reason=error.reason))
            headers = error.answer.headers if isinstance(error, Refused) else ()
            refusal = response_to(request, error.status, headers=headers)
            self.line.respond(arrived.transaction, refusal)
            return
        self.sessions.on_request(arrived, now)
        self._drain()

    def on_stanza(self, stanza: Element, now: float) -> bool:
        """Take a stanza; False: it is of no call."""
        self._now = now
        if self.conferences.on_stanza(stanza, now):
            return True
        taken = self.abilities.on_stanza(stanza) or self.jingles.on_stanza(stanza, now)
        self._drain()
        return taken

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> bool:
        """Learn that a stanza of ours did not arrive; False: it was of no call."""
        self._now = now
        if self.conferences.undelivered(stanza, error, now):
            return True
        taken = self.abilities.undelivered(stanza)
        taken = taken or self.jingles.undelivered(stanza, error, now)
        self._drain()
        return taken

    def on_media(self, event: MediaEvent, now: float) -> None:
        """Learn what became of the media of a call."""
        self._now = now
        call = self._calls.get(event.call)
        if call is None:
            return
        match event:
            case Connected(_, side):
                log.info("media", extra=about(jid=call.user, sip=call.address, status=side.value))
            case Transcoded(_, side, source, target):
                reason = f"{source} from {side.value} is made {target}: no codec is common"
                log.info("transcoded", extra=about(jid=call.user, sip=call.address, reason=reason))
            case Lost(_, side, trouble, reason) if not self.transfers.silent(call, side):
                self.fail(call, MediaError(trouble, reason))
        self._drain()

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self.abilities.on_timer(now)
        self.trickle.on_timer(now)
        self.unproposed.on_timer(now)
        self.jingles.on_timer(now)
        self.transfers.on_timer(now)
        self.redirects.on_timer(now)
        self.referrals.on_timer(now, self._calls)
        super().on_timer(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        timed = (
            *(self.abilities, self.jingles, self.sessions, self.trickle, self.unproposed),
            *(self.transfers, self.redirects, self.referrals),
        )
        return earliest(each.next_timer() for each in timed)

    def learned(self, now: float) -> None:
        """Learn that the DNS has said something."""
        self._now = now
        self.transfers.learned()
        self.redirects.learned()
        self._drain()

    def give_up(self, now: float) -> None:
        """Hang up everywhere: the gateway stops."""
        self._now = now
        for call in list(self._calls.values()):
            self.hang_up(call, Reason(Why.GONE, "The gateway stops"))
        self.transfers.give_up()
        self._drain()

    def describe(self) -> dict[str, int]:
        """Return how many calls there are, and in what stage their SIP legs are."""
        told = self.conferences.describe()
        transfers = len(self.transfers)
        return {"calls": len(self._calls), "transfers": transfers, **super().describe(), **told}

    # -- turns -------------------------------------------------------------------------

    def now(self) -> float:
        """Return the time of what is being done."""
        return self._now

    def _drain(self) -> None:
        while True:
            super()._drain()
            for action in self.jingles.actions():
                self.send(action.stanza)
            events = self.jingles.events()
            if not events:
                return
            for event in events:
                self._on_jingle(event)

    def send(self, stanza: Element) -> None:
        """Send a stanza of a SIP user's."""
        ours, theirs = (Jid.parse(stanza.get(each, "")) for each in ("from", "to"))
        self._xmpp.send(stanza, ours.domain, theirs.domain)

    def turn(self) -> None:
        """Have what was done outside of an event go out."""
        self._drain()
        self._settle()

    def ask(
        self, call: Call, then: Callable[[SessionDescription], None]
    ) -> Callable[[SessionDescription | MediaError], None]:
        """Return what takes the plane's word: it ends the call, or goes on with `then`."""

        def told(made: SessionDescription | MediaError) -> None:
            if call.over:
                return
            self._now = max(self._now, self._clock())
            if isinstance(made, MediaError):
                self.fail(call, made)
            else:
                then(made)
            self.turn()

        return told

    def _on_event(self, event: sip.Event) -> None:
        if isinstance(event, sip.Invited):
            self._invited(event)
            return
        call = event.session.data
        if isinstance(call, Transfer | Taking):
            self.transfers.on_event(call, event)
            return
        if not isinstance(call, Call) or call.over:
            return
        match event:
            case sip.Ringing():
                self._rang(call)
            case sip.Answered(session, body, response):
                self.conferences.phone_says(call, response, self._now)
                call.trickles = trickles(response)
                self._answered(call, body or session.remote)
            case sip.Confirmed(_, body):
                self._confirmed(call, body)
            case sip.Refused(_, status, response, cancelled):
                self._refused(call, status, response, cancelled=cancelled)
            case sip.Cancelled(_, reason):
                self.end_jingle(call, hangup.of_header(reason, Why.CANCEL))
            case sip.Ended(_, by, reason) if not self.transfers.left(call):
                otherwise = Why.EXPIRED if by is sip.By.TIMER else Why.SUCCESS
                why = hangup.of_header(reason, otherwise)
                self.end_jingle(call, self.referrals.parting(call, why))
            case _:
                self._within(call, event)
        self.trickle.flush(call)

    def _within(self, call: Call, event: sip.Event) -> None:
        """Learn what happens in a session that goes on."""
        match event:
            case sip.Offered(_, request, body):
                self.conferences.phone_says(call, request, self._now)
                self.revisions.offered(call, body)
            case sip.Changed(_, body):
                self.revisions.changed(call, body)
            case sip.ChangeRefused():
                self.revisions.unchanged(call)
            case sip.Replied(_, handle, status):
                self.trickle.replied(call, event)
                self.transfers.replied(call, handle, status)
                self.referrals.replied(call, handle, status)
            case sip.InDialog(_, request) if request.method == "NOTIFY":
                self.referrals.notified(call, event)
            case sip.InDialog(_, request, transaction) if request.method == "REFER":
                self.transfers.referred(call, request, transaction)
            case sip.InDialog():
                self._infos.take(call, event)
            case _:
                pass

    def _on_jingle(self, event: jingle.Event) -> None:
        call = event.session.data
        if not isinstance(call, Call):
            self._unknown(event)
            return
        if call.over:
            return
        match event:
            case jingle.Rang():
                self._ring(call)
            case jingle.Proceeded(session):
                self.unproposed.won(call, session)
                self._proceeded(call)
            case jingle.Initiated(_, contents, groups):
                self._joined(call, jingled.Said(contents, groups))
            case jingle.Accepted(session, contents, groups):
                self.unproposed.won(call, session)
                self._accepted(call, jingled.Said(contents, groups))
            case jingle.Ended(session, by, reason, error) if not self.unproposed.left(
                call, session, reason
            ):
                self._client_left(call, by, reason, error)
            case jingle.Migrated():
                pass
            case jingle.Informed(_, jingle.Info.CONFERENCE):
                self.met(call)
            case jingle.Informed(_, jingle.Info.TRANSFER, element):
                self.referrals.refer(call, element, self._calls.values())
            case _:
                self.revisions.on_jingle(call, event)

    def _unknown(self, event: jingle.Event) -> None:
        """Take an event of a session that has no call: the beginning of one, if anything."""
        match event:
            case jingle.Migrated(session, old, descriptions):
                self._migrated(session, old, descriptions)
            case jingle.Proposed(session, descriptions):
                self._proposed(session, descriptions)
            case jingle.Initiated(session, contents, groups):
                self._initiated(session, jingled.Said(contents, groups))
            case _:
                pass

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

    # -- from SIP ----------------------------------------------------------------------

    def _invited(self, event: sip.Invited) -> None:
        session, caller = event.session, self._caller
        self._caller = None
        assert caller is not None  # noqa: S101 - `on_request` has said who
        try:
            if event.replaced is None:
                self._called(session, event, caller)
            else:
                self.transfers.replaces(event, event.replaced, caller)
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
        self.conferences.phone_says(call, event.request, self._now)
        call.trickles = trickles(event.request)
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

    def _confirmed(self, call: Call, body: Body | None) -> None:
        """Take the answer that the ACK of such a call has, and have the client answer too."""
        if call.negotiation.pending is None:
            return
        try:
            call.phone = jingled.read(body)
            call.negotiation = call.negotiation.answered(call.phone)
        except SdpError as error:
            log.warning("call ended", extra=about(sip=call.address, reason=error.reason))
            self.hang_up(call, Reason(Why.INCOMPATIBLE_PARAMETERS, error.reason))
            return
        self.plane.answer(
            call.id, Side.SIP, call.phone, self.ask(call, lambda _: self._offer_client(call))
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
            self.trickle.gather(call, partial(self._answer_phone, call), wait=not call.trickles)
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

    # -- from XMPP ---------------------------------------------------------------------

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
        target = without_gr(call.target or call.address)
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

    def ways(self, call: Call, peer: Jid, secure: bool) -> list[Profile]:
        """Return in which ways to offer a phone media, the one that it took before the first."""
        usual = [SDES, PLAIN, DTLS, WEBRTC] if secure else [PLAIN, DTLS, WEBRTC, SDES]
        known = self._taken.get(str(peer.bare))
        return transcoding.ways(usual, known, call, self.plane)

    def named(self, uri: Uri) -> Jid | None:
        """Return how a SIP user is called on XMPP; None where he has no name there."""
        try:
            return self._naming.xmpp_sender(uri)
        except Unmappable:
            return None

    def called(self, user: Jid) -> Uri:
        """Return how SIP users call somebody, whichever side he is on. Raises Unmappable."""
        return self._naming.sip_recipient(user)

    def caller(self, user: Jid) -> Uri:
        """Return how an XMPP user is called on SIP. Raises Unmappable."""
        return self._naming.sip_sender(user)

    def parties(self, user: Jid, peer: Jid, target: Uri, called: Uri) -> Parties:
        """Return who calls whom in an INVITE of an XMPP user's, to where. Raises Unmappable."""
        source = without_gr(self._naming.sip_sender(user))
        contact = self._naming.contact(user, peer) + FEATURES
        remote = f"<{without_gr(called)}>"
        return Parties(str(target), str(NameAddress("", source)), remote, contact)

    def _ring_phone(self, call: Call) -> None:
        assert call.client is not None  # noqa: S101 - it has said what it wants
        call.profile = call.profiles.pop(0)
        self.plane.offer(
            call.id,
            Side.XMPP,
            call.client,
            call.profile,
            self.ask(call, partial(self._invite, call)),
        )

    def _invite(self, call: Call, made: SessionDescription) -> None:
        call.negotiation, said = placed(call.negotiation, made).offer(made)
        try:
            target = call.target or call.address
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
        try:
            call.phone = jingled.read(body)
            call.negotiation = call.negotiation.answered(call.phone)
        except SdpError as error:
            log.warning("call ended", extra=about(sip=call.address, reason=error.reason))
            self.hang_up(call, Reason(Why.INCOMPATIBLE_PARAMETERS, error.reason))
            return
        self.remember(call)
        if call.joined:
            self.answer_client(call)
        elif call.jingle is not None:
            call.peer = device(call.peer)
            call.jingle.proceed(call.peer, self._now)

    def remember(self, call: Call) -> None:
        """Remember in which way a phone took its media."""
        call.profile = replace(call.profile, more=False)
        if len(self._taken) >= MOST_TAKEN:
            self._taken.pop(next(iter(self._taken)))
        self._taken[str(call.peer.bare)] = call.profile

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
        assert call.client is not None  # noqa: S101 - it is told what the phone answered
        if call.direct:
            call.phone = None  # whatever it does next, that answer was to the client
        call.profile = replace(profile, more=False)
        self._taken.pop(str(call.peer.bare), None)
        self.plane.offer(
            call.id,
            Side.XMPP,
            call.client,
            profile,
            self.ask(call, partial(self.revisions.join_anew, call)),
        )

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

    def contact(self, call: Call) -> str:
        """Return our Contact in a call as the phone is to hear it. Raises Unmappable."""
        if call.sip is None:
            usual = self._naming.contact(call.user, call.peer) + FEATURES
        else:
            usual = call.sip.dialog.contact.removesuffix(f";{ISFOCUS}")
        return self.conferences.contact(call, usual, self._now)

    def met(self, call: Call) -> None:
        """Learn that both talk, or what the client does with it: the phone hears if it mixes."""
        if call.sip is not None and call.talking and mixes(call) is not call.marked:
            call.sip.stand_at(self.contact(call))
            self.revisions.announce(call)
        self.conferences.joined(call, self._now)

    def _joined(self, call: Call, said: jingled.Said) -> None:
        """Learn what a client takes whose proposal the phone answered."""
        call.joined = True
        assert call.client is not None  # noqa: S101 - something stood for it
        call.layout = mapping.arranged(said.contents, call.client)
        call.client = said.described(call.layout, Creator.INITIATOR)
        if call.direct:
            self._reached(call)
            return
        self.plane.offer(
            call.id,
            Side.XMPP,
            call.client,
            call.profile,
            self.ask(call, partial(self.revisions.join, call)),
        )

    def _reached(self, call: Call) -> None:
        """Have the phone talk to another device, which it reaches by itself or by a plane."""
        if call.client is not None and fits(call.client):
            self.trickle.gather(call, partial(self._moved, call))
        else:
            call.profile = call.profiles.pop(0) if call.profiles else PLAIN
            self._moved(call)

    def _moved(self, call: Call) -> None:
        assert call.client is not None  # noqa: S101 - it has said what it takes
        anew = self.ask(call, partial(self.revisions.join_anew, call))
        self.plane.offer(call.id, Side.XMPP, call.client, call.profile, anew)

    # -- the end -----------------------------------------------------------------------

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

    def _client_left(
        self, call: Call, by: jingle.By, reason: Reason | None, error: StanzaError | None
    ) -> None:
        if error is not None and call.sip is not None and call.sip.stage is sip.Stage.INVITED:
            answer = hangup.of_error(error, full=bool(call.user.resource))
            call.sip.refuse(answer.status, self._now, answer.headers)
            self._forget(call)
            return
        if unfit(call, reason) and self._call_anew(call):
            return
        if reason is None and by is jingle.By.TIMER:
            reason = Reason(Why.TIMEOUT)
        elif reason is None and error is not None:
            reason = Reason(Why.GENERAL_ERROR, error.text)
        if reason is not None and not call.joined:
            transcoding.advise(call, self.plane, reason)
        self.end_sip(call, reason)

    def _call_anew(self, call: Call) -> bool:
        """Call a device again, with sound alone; False: there is nothing else to leave out."""
        sound = None if call.phone is None else sound_alone(call.phone)
        if sound is None:
            return False
        log.info("called again, with sound alone", extra=about(jid=call.user, sip=call.address))
        call.phone, call.jingle, call.layout = sound, None, mapping.Layout()
        self._offer_client(call)
        return True

    def fail(self, call: Call, error: MediaError) -> None:
        """End a call that has no media."""
        log.warning("call without media", extra=about(jid=call.user, reason=error.reason))
        if error.trouble is Trouble.UNACCEPTABLE:
            transcoding.advise(call, self.plane)
        if call.sip is not None and call.sip.stage is sip.Stage.INVITED:
            status = TROUBLES[error.trouble][0]
            headers = [("Retry-After", "60")] if status == 503 else []
            call.sip.refuse(status, self._now, headers)
        self.hang_up(call, reason_of(error))

    def hang_up(self, call: Call, reason: Reason) -> None:
        """End both legs."""
        if call.jingle is not None:
            call.jingle.end(reason, self._now)
        self.end_sip(call, reason)

    def end_jingle(self, call: Call, reason: Reason) -> None:
        """End the client's leg, after the phone's."""
        if call.jingle is not None:
            call.jingle.end(reason, self._now)
        self._forget(call)

    def end_sip(self, call: Call, reason: Reason | None) -> None:
        """End the phone's leg, after the client's."""
        leg = call.sip
        self._forget(call)
        if leg is None:
            return
        if leg.stage is sip.Stage.INVITED:
            leg.refuse(hangup.status(reason), self._now, hangup.refusal(reason))
        elif leg.stage is not sip.Stage.OVER:
            leg.end(self._now, hangup.header(reason))

    def _forget(self, call: Call) -> None:
        call.over = True
        self.transfers.ended(call)
        self.referrals.ended(call)
        call.waiting.clear()
        self.conferences.over(call, self._now)
        self.unproposed.release(call)
        if self._calls.pop(call.id, None) is not None:
            self.plane.counters(call.id, partial(_tell, call))
            self.plane.close(call.id)

    def _begin(self, user: Jid, peer: Jid, address: Uri, caller: Side) -> Call:
        """Raises NoRoom."""
        if len(self._calls) >= self._most:
            raise NoRoom(f"{len(self._calls)} calls")
        number = str(int(self._token()[:15], 16))
        call = Call(self._token(), user, peer, address, caller, Negotiation(Origin("-", number, 1)))
        self._calls[call.id] = call
        log.info("call", extra=about(jid=user, sip=address, status=caller.value))
        return call


def _tell(call: Call, counters: dict[Side, object]) -> None:
    """Log how a call fared."""
    said = "; ".join(f"{side.value}: {each}" for side, each in counters.items())
    log.info("call over", extra=about(jid=call.user, sip=call.address, reason=said))


def device(user: Jid) -> Jid:
    """Return a SIP user as a device: his phone, where he names none."""
    return user if user.resource else Jid.parse(f"{user}/{DEVICE}")
