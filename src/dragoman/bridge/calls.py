"""Calls: a leg in SIP, a leg in Jingle, and the media between (docs/design/0013-calls.md).

What a leg says is SDP in here, whichever protocol it came by: the plane makes of it what the other
leg is told. What comes is told apart here: how a call begins is `bridge.called` and
`bridge.calling`, how it ends `bridge.exchange`, how it changes `bridge.revisions`.
"""

from collections.abc import Callable, Iterator
from itertools import count
from logging import getLogger

from dragoman.bridge import jingled, transcoding
from dragoman.bridge.abilities import Abilities
from dragoman.bridge.call import (
    Call,
    Rules,
    sound_alone,
    unfit,
)
from dragoman.bridge.called import Called
from dragoman.bridge.calling import Calling
from dragoman.bridge.conference import Conferences
from dragoman.bridge.exchange import EXTENSIONS, FEATURES, KINDS, MORE, MOST_CALLS, OF_TRANSFER
from dragoman.bridge.hairpin import Hairpin
from dragoman.bridge.infos import Infos
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import XmppPort
from dragoman.bridge.redirect import Reaches, Redirects
from dragoman.bridge.referral import Referrals
from dragoman.bridge.revisions import Revisions
from dragoman.bridge.sessions import Caller, SessionLine
from dragoman.bridge.takeover import Takeovers, Taking
from dragoman.bridge.transfer import Transfer, Transfers
from dragoman.bridge.trickle import PACKAGE, Trickle, trickles
from dragoman.bridge.unproposed import Unproposed
from dragoman.clock import earliest
from dragoman.log import about
from dragoman.mapping import call as mapping
from dragoman.mapping import hangup
from dragoman.mapping.address import Unmappable
from dragoman.mapping.failure import Refused
from dragoman.media.bypass import Bypass
from dragoman.media.plane import (
    Connected,
    Lost,
    MediaError,
    MediaEvent,
    Plane,
    Profile,
    Side,
    Transcoded,
)
from dragoman.sip import session as sip
from dragoman.sip.flow import RequestArrived
from dragoman.sip.message import Request, SipError, response_to
from dragoman.sip.session import Body
from dragoman.sip.sessions import Sessions
from dragoman.sip.uri import Uri
from dragoman.xmpp import session as jingle
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.sessions import Sessions as JingleSessions

log = getLogger(__name__)


class Calls(Called, Calling):
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
        serves: Reaches = lambda _: False,
    ) -> None:
        """Start with no call.

        `ends_of(request, sender)` tells who a request is from and for, as JIDs; it raises Refused.
        `reaches` tells whom calls may be redirected to, and transferred, where they may; `serves`
        the domains whose users are called here by SIP users.
        """
        self.line = line
        self.rules = rules or Rules()
        none = frozenset() if self.rules.transfer else OF_TRANSFER
        self.more = tuple(each for each in MORE if each not in none)
        self.extensions = tuple(each for each in EXTENSIONS if each not in none)
        numbers = count(1) if numbers is None else numbers
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
        self.transfers = Transfers(self, reaches, serves)
        self.takeovers = Takeovers(self)
        self.hairpin = Hairpin(token, chance, self._contact_of, numbers)
        self.redirects = Redirects(reaches, self.now, self.find, self.not_found)
        self.referrals = Referrals(self)
        self._infos = Infos(self, self.trickle)
        self.conferences = Conferences(
            line, xmpp, self.abilities.ask, naming, ends_of, self.sessions.knows, token, chance
        )
        self.unproposed = Unproposed(self)

    # -- what comes ----------------------------------------------------------------------

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
                self._caller = Caller(user, recipient, sender)
                self._contact = self._contact_of(self._caller)
        except (Refused, Unmappable) as error:
            log.warning("call refused", extra=about(sip=sender, reason=error.reason))
            headers = error.answer.headers if isinstance(error, Refused) else ()
            refusal = response_to(request, error.status, headers=headers)
            self.line.respond(arrived.transaction, refusal)
            return
        self.sessions.on_request(arrived, now)
        self._drain()

    def _contact_of(self, caller: Caller) -> str:
        """Return our Contact toward who calls. Raises Unmappable."""
        return self._naming.contact(caller.recipient, caller.user) + FEATURES

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
        self.hairpin.on_timer(now)
        self.redirects.on_timer(now)
        self.referrals.on_timer(now, self._calls)
        super().on_timer(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        timed = (
            *(self.abilities, self.jingles, self.sessions, self.trickle, self.unproposed),
            *(self.transfers, self.hairpin, self.redirects, self.referrals),
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

    # -- turns ---------------------------------------------------------------------------

    def _drain(self) -> None:
        while True:
            super()._drain()
            told = self.hairpin.events(self._now)
            for each in told:
                self._on_event(each)
            if told:
                continue
            for action in self.jingles.actions():
                self.send(action.stanza)
            events = self.jingles.events()
            if not events:
                return
            for event in events:
                self._on_jingle(event)

    def _on_event(self, event: sip.Event) -> None:
        if isinstance(event, sip.Invited):
            self._invited(event)
            return
        call = event.session.data
        if isinstance(call, Transfer):
            self.transfers.on_event(call, event)
            return
        if isinstance(call, Taking):
            self.takeovers.on_event(call, event)
            return
        if not isinstance(call, Call) or call.over:
            return
        match event:
            case sip.Ringing():
                self._rang(call)
            case sip.Answered(session, body, response):
                self.conferences.phone_says(call, response, self._now)
                call.trickling.able = trickles(response)
                self._answered(call, body or session.remote)
            case sip.Confirmed(_, Body() as answer) if call.caller is Side.SIP:
                self._confirmed(call, answer)
            case sip.Confirmed(_, Body() as answer):
                self._answered(call, answer)
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

    # -- the end -------------------------------------------------------------------------

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
