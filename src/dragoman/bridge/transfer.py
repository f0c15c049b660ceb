"""Call transfer: a phone has another one take its place (RFC 3515, RFC 5589).

The client stays, with its session and its media: the plane has another peer on the phone's leg.
The new phone is offered no more than the old one took, so that the client need not be asked.
While it rings, nothing else of the call changes, and the old phone has its media.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from ipaddress import ip_address
from logging import getLogger
from typing import TYPE_CHECKING, Final

from dragoman.bridge.call import OTHER_WAY, TROUBLES, Call, directed, placed
from dragoman.bridge.hairpin import Guest
from dragoman.bridge.jingled import read
from dragoman.bridge.redirect import Elsewhere, Reaches, Redirects
from dragoman.bridge.sessions import Caller
from dragoman.clock import Alarms, earliest
from dragoman.log import about
from dragoman.mapping import call as mapping
from dragoman.mapping import hangup
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.media.plane import MediaError, Profile, Side
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Origin, SessionDescription
from dragoman.sip import refer as refers
from dragoman.sip import session as sip
from dragoman.sip.changes import PENDING
from dragoman.sip.message import Header, Message, Request, SipError
from dragoman.sip.refer import Refer
from dragoman.sip.session import Body, SessionHandle, Stage
from dragoman.sip.sessions import Full, replaceable
from dragoman.sip.uri import Uri
from dragoman.sip.usage import PATIENCE, Session
from dragoman.xmpp.jid import Jid

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls
    from dragoman.sip.server import ServerTransaction

log = getLogger(__name__)

TURN: Final = 10.0
"""Seconds that a transfer waits for its turn, and for the DNS to tell who may be called."""
GRACE: Final = 8.0
"""Seconds that the old phone has to hang up once the new one is in its place."""
SUBSCRIBED: Final = int(PATIENCE + 2 * TURN)
"""Seconds that a referrer is told of what becomes of it."""


class Step(Enum):
    """How far a transfer is."""

    WAITING = "for its turn, or for the DNS"
    CALLING = "the new phone"
    JOINING = "the new phone and the client"
    LEAVING = "the old phone is to hang up"
    OVER = "over"


class Report:
    """What a referrer is told, one NOTIFY at a time (RFC 3515 §2.4); nothing once he is gone."""

    def __init__(self, calls: "Calls", session: Session, refer: Refer) -> None:
        """Report by the dialog of `session`, which may be over before this is."""
        self._calls = calls
        self._session = session
        self._refer = refer
        self._asked: SessionHandle | None = None
        self._next: tuple[int, str, bool] | None = None
        self._over = refer.silent

    def tell(self, status: int, phrase: str = "", *, last: bool = False) -> None:
        """Tell how it goes; the latest counts, where the one before has no answer yet."""
        if self._over:
            return
        if self._asked is not None and self._session.stage is Stage.CONFIRMED:
            self._next = (status, phrase, last)
            return
        self._over = last
        headers = refers.told(self._refer.event, 0 if last else SUBSCRIBED)
        self._send(headers, refers.fragment(status, phrase))

    def _send(self, headers: tuple[Header, ...], body: bytes) -> None:
        session, now = self._session, self._calls.now()
        if session.stage is Stage.CONFIRMED:
            self._asked = session.request("NOTIFY", headers, body, now)
            return
        # the subscription outlives the session in whose dialog it is (RFC 5057 §4.2)
        session.dialog, request = session.dialog.request("NOTIFY", headers, body)
        handle = SessionHandle(session.number, 0)
        self._calls.line.request(request, handle, session.dialog.route_set)

    def answered(self, handle: Hashable, status: int) -> bool:
        """Learn what a NOTIFY met; False: it is none of these."""
        if handle != self._asked:
            return False
        self._asked = None
        self._over = self._over or status >= 300
        waiting, self._next = self._next, None
        if waiting is not None:
            self.tell(*waiting[:2], last=waiting[2])
        return True

    @property
    def over(self) -> bool:
        """Whether all was told and taken."""
        return self._over and self._asked is None


@dataclass(slots=True, eq=False)
class Transfer:
    """One transfer of a call. `referrer` is the leg of the phone that asked for it."""

    call: Call
    referrer: Session
    refer: Refer
    report: Report
    peer: Jid
    """The new phone's user."""
    negotiation: Negotiation
    address: Uri
    """Who is called."""
    elsewhere: Elsewhere = field(default_factory=Elsewhere)
    guest: Guest | None = None
    """In whose name a client is called in the phone's place; None: another phone is."""
    step: Step = Step.WAITING
    leg: Session | None = None
    """That of the new phone."""
    profiles: list[Profile] = field(default_factory=list)
    profile: Profile = field(default_factory=Profile)
    answer: SessionDescription | None = None
    said: Message | None = None
    """The 2xx of the new phone."""
    rang: bool = False
    silent: bool = False
    """Whether the old phone's media were lost meanwhile."""

    @property
    def id(self) -> str:
        """What tells it apart: the REFER."""
        return f"{self.referrer.number} {self.refer.number}"

    @property
    def over(self) -> bool:
        """Whether nobody is called any more."""
        return self.step is not Step.CALLING


class Transfers:
    """The transfers of all calls."""

    def __init__(self, calls: "Calls", reaches: Reaches, serves: Reaches) -> None:
        """Transfer what is among `calls`; `serves` tells the domains of clients."""
        self._calls = calls
        self._reaches = reaches
        self._serves = serves
        self._redirects = Redirects(reaches, calls.now, self._find, self._fail)
        self._all: dict[Transfer, None] = {}
        self._alarms: Alarms[Transfer] = Alarms()

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._all)

    # -- what is wanted ------------------------------------------------------------------

    def referred(self, call: Call, request: Request, transaction: "ServerTransaction") -> None:
        """Take a REFER of the phone's in its call."""
        session = call.sip
        if session is None:
            return
        try:
            refer = Refer.of(request, first=not call.referrals)
        except SipError as error:
            session.reply(transaction, error.status)
            return
        if call.transfer is not None or call.phone is None:
            session.reply(transaction, PENDING)
            return
        call.referrals += 1
        call.reports = [each for each in call.reports if not each.over]
        contact = ("Contact", session.dialog.contact)
        session.reply(transaction, 200, (contact, *refer.answered))
        transfer = self._new(call, session, refer)
        transfer.report.tell(100)
        self._admit(transfer)

    def _new(self, call: Call, session: Session, refer: Refer) -> Transfer:
        number = call.negotiation.origin.session_id
        target = _at_home(refer.target, call.address)
        transfer = Transfer(
            call,
            session,
            refer,
            Report(self._calls, session, refer),
            self._calls.named(target) or call.peer,
            Negotiation(Origin("-", number, 1)),
            target,
        )
        call.transfer = transfer
        call.reports.append(transfer.report)
        self._all[transfer] = None
        self._alarms.set(transfer, self._calls.now() + TURN)
        log.info("transfer", extra=about(jid=call.user, sip=target))
        return transfer

    def _admit(self, transfer: Transfer) -> None:
        """Go on where whoever is named may be called."""
        try:
            may = self._may(transfer)
        except (SipError, Unmappable) as error:
            self._fail(transfer, error.status, error.reason)
            return
        if may is False:
            self._fail(transfer, 403, f"{transfer.address.host} is not called from here")
        elif may:
            transfer.step = Step.CALLING
            begin = partial(self._begin, transfer)
            if not self._calls.revisions.when_free(transfer.call, begin):
                self._fail(transfer, 500)

    def _may(self, transfer: Transfer) -> bool | None:
        """Tell whether somebody may be called: a client by any phone, a phone by its neighbours
        and by any client. None: the DNS is being asked. Raises SipError and Unmappable.
        """
        wanted, host = transfer.refer.replaces, transfer.address.host
        replaced = None if wanted is None else self._calls.sessions.named(wanted)
        if wanted is not None and replaced is not None:
            replaceable(replaced, wanted)
            other = replaced.data
            if not isinstance(other, Call):
                raise SipError("no call is replaced", 481)
            transfer.guest = _guest(transfer, other.user, replaced)
            return True
        if host == transfer.call.address.host:
            return True
        served = self._serves(host)
        if served is False:
            return self._reaches(host)
        if served and wanted is not None:
            raise SipError("no call is replaced", 481)
        if served:
            transfer.guest = _guest(transfer, self._calls.recipient(transfer.address))
        return served

    def learned(self) -> None:
        """Look again who may be called: the DNS has said something."""
        for each in [each for each in self._all if each.step is Step.WAITING]:
            self._admit(each)
        self._redirects.learned()

    def _begin(self, transfer: Transfer) -> None:
        if transfer.step is not Step.CALLING:
            return
        transfer.call.occupied = True
        self._alarms.cancel(transfer)
        if transfer.guest is None:
            self._find(transfer)
        else:
            transfer.profiles = self._calls.ways_inside(transfer.call)
            self._offer(transfer)

    def _find(self, transfer: Transfer) -> None:
        """Have the new phone ring, where it is reached now."""
        target = without_gr(transfer.elsewhere.target or transfer.address)
        self._calls.line.find(target, partial(self._found, transfer))

    def _found(self, transfer: Transfer, secure: bool) -> None:
        if transfer.step is Step.CALLING:
            transfer.profiles = self._calls.ways(transfer.call, transfer.peer, secure)
            self._offer(transfer)
            self._calls.turn()

    def _offer(self, transfer: Transfer) -> None:
        """Have the plane make the offer for the new phone."""
        call = transfer.call
        assert call.client is not None  # noqa: S101 - it talks
        assert call.phone is not None  # noqa: S101 - it talks
        transfer.profile = transfer.profiles.pop(0)
        wanted = directed(mapping.agreed(call.client, call.phone), call.held)
        told = self._or(transfer, partial(self._invite, transfer))
        self._calls.plane.offer(
            call.id, Side.XMPP, wanted, transfer.profile, told, successor=Side.SIP
        )

    def _invite(self, transfer: Transfer, made: SessionDescription) -> None:
        transfer.negotiation, said = placed(transfer.negotiation, made).offer(made)
        address, headers = transfer.address, transfer.refer.headers
        target = transfer.elsewhere.target or address
        try:
            parties = self._calls.parties(transfer.call.user, transfer.peer, target, address)
            body, now = Body(said.encode()), self._calls.now()
            if transfer.guest is None:
                leg = self._calls.sessions.invite(parties, body, now, headers)
            else:
                leg = self._calls.hairpin.invite(parties, body, now, transfer.guest)
        except (Full, SipError, Unmappable) as error:
            log.warning("not transferred", extra=about(sip=target, reason=error.reason))
            self._fail(transfer, 503)
            return
        transfer.leg, leg.data = leg, transfer

    def _or(
        self, transfer: Transfer, then: Callable[[SessionDescription], None]
    ) -> Callable[[SessionDescription | MediaError], None]:
        """Return what goes on with `then`, or leaves the call as it was."""
        told = self._calls.ask(transfer.call, then)

        def decided(made: SessionDescription | MediaError) -> None:
            if transfer.step not in {Step.CALLING, Step.JOINING}:
                return
            if isinstance(made, MediaError):
                self._fail(transfer, TROUBLES[made.trouble][0])
                self._calls.turn()
            else:
                told(made)

        return decided

    # -- what happens --------------------------------------------------------------------

    def on_event(self, transfer: Transfer, event: sip.Event) -> None:
        """Learn what happens in the leg of the new phone, or in the old one's after it."""
        ours = event.session is transfer.leg and transfer.step is not Step.OVER
        match event:
            case sip.Replied(_, handle, status):
                self.replied(transfer.call, handle, status)
            case sip.Offered(session):
                session.decline(self._calls.now(), PENDING if ours else 488)
            case sip.InDialog(session, _, transaction):
                session.reply(transaction, PENDING)
            case sip.Ended() if event.session is transfer.referrer:
                self._done(transfer)
            case _ if ours:
                self._of_new(transfer, event)

    def _of_new(self, transfer: Transfer, event: sip.Event) -> None:
        match event:
            case sip.Ringing(_, _, status) if not transfer.rang:
                transfer.rang = True
                transfer.report.tell(status)
            case sip.Answered(session, body, response):
                transfer.said = response
                self._answered(transfer, body or session.remote)
            case sip.Refused(_, status, response, cancelled):
                transfer.leg = None
                transfer.negotiation = transfer.negotiation.drop()
                other = response is not None and status in OTHER_WAY
                if other and transfer.profiles and not cancelled:
                    self._offer(transfer)
                elif cancelled or not self._redirects.goes_on(transfer, status, response):
                    self._fail(transfer, status, response.reason if response else "")
            case sip.Ended():
                transfer.leg = None
                self._fail(transfer, 480)

    def _answered(self, transfer: Transfer, body: Body | None) -> None:
        try:
            transfer.answer = read(body)
            transfer.negotiation = transfer.negotiation.answered(transfer.answer)
        except SdpError as error:
            log.warning("not transferred", extra=about(reason=error.reason))
            self._fail(transfer, 488)
            return
        transfer.step = Step.JOINING
        told = self._or(transfer, lambda _: self._joined(transfer))
        self._calls.plane.answer(transfer.call.id, Side.SIP, transfer.answer, told)

    def _joined(self, transfer: Transfer) -> None:
        """Have the new phone in the place of the old one, which is to hang up."""
        call, old = transfer.call, transfer.referrer
        assert transfer.leg is not None  # noqa: S101 - it has answered
        assert transfer.answer is not None  # noqa: S101 - it has answered
        assert transfer.said is not None  # noqa: S101 - it has answered
        call.profile, call.transfer = transfer.profile, None
        call.hairpin = transfer.guest is not None
        transfer.step, old.data = Step.LEAVING, transfer
        transfer.report.tell(200, last=True)
        if not call.hairpin:  # else the SIP user is who the client goes on to see
            call.peer, call.address = transfer.peer, transfer.address
            self._calls.remember(call)
        self.succeed(call, transfer.leg, transfer.answer, transfer.negotiation)
        self._calls.conferences.phone_says(call, transfer.said, self._calls.now())
        if old.stage is Stage.OVER:
            self._done(transfer)
        else:
            self._alarms.set(transfer, self._calls.now() + GRACE)

    def succeed(
        self, call: Call, leg: Session, phone: SessionDescription, negotiation: Negotiation
    ) -> None:
        """Have a call go on with the phone of `leg`, which has said what it takes."""
        before = call.phone
        call.sip, leg.data = leg, call
        call.phone, call.negotiation = phone, negotiation
        call.occupied, call.referrals = False, 0
        log.info("transferred", extra=about(jid=call.user, sip=call.address))
        self._calls.revisions.succeeded(call, before)

    def _fail(self, transfer: Transfer, status: int, phrase: str = "") -> None:
        """Leave the call as it was, and say so; it is over where its phone has hung up."""
        call, began = transfer.call, transfer.call.occupied
        self._drop(transfer, status, phrase)
        log.info("not transferred", extra=about(jid=call.user, status=status, reason=phrase))
        if began:
            self._calls.plane.revert(call.id)
        if transfer.silent or transfer.referrer.stage is Stage.OVER:
            self._calls.hang_up(call, hangup.of_status(status, phrase))
        else:
            self._calls.revisions.go_on(call)

    def _drop(self, transfer: Transfer, status: int, phrase: str = "") -> None:
        transfer.step = Step.OVER
        transfer.call.transfer, transfer.call.occupied = None, False
        leg, transfer.leg = transfer.leg, None
        if leg is not None and leg.stage is not Stage.OVER:
            leg.end(self._calls.now(), "")
        transfer.report.tell(status, phrase, last=True)
        self._done(transfer)

    def _done(self, transfer: Transfer) -> None:
        if transfer.step is Step.LEAVING:
            transfer.step = Step.OVER
        self._alarms.cancel(transfer)
        self._all.pop(transfer, None)

    # -- what happens to the call ----------------------------------------------------------

    def left(self, call: Call) -> bool:
        """Learn that the phone hung up; True: another one is being called in its place."""
        return call.transfer is not None

    def silent(self, call: Call, side: Side) -> bool:
        """Learn that a leg's media were lost; True: another phone is to have that leg."""
        transfer = call.transfer
        if transfer is None or side is not Side.SIP:
            return False
        transfer.silent = True
        return True

    def ended(self, call: Call) -> None:
        """Learn that a call is over."""
        if call.transfer is not None:
            self._drop(call.transfer, 487)

    def give_way(self, call: Call) -> None:
        """Give up the transfer of a call, whose client has another device now."""
        if call.transfer is not None:
            self._fail(call.transfer, 487)

    def replied(self, call: Call, handle: Hashable, status: int) -> None:
        """Learn what a request of ours in a call met."""
        any(each.answered(handle, status) for each in call.reports)
        call.reports = [each for each in call.reports if not each.over]

    def give_up(self) -> None:
        """Hang up old phones that have not: the gateway stops."""
        for each in [each for each in self._all if each.step is Step.LEAVING]:
            self._hang_up(each)

    # -- time --------------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return earliest((self._alarms.next(), self._redirects.next_timer()))

    def on_timer(self, now: float) -> None:
        """Give up what waited too long, and hang up where the old phone does not."""
        self._redirects.on_timer(now)
        for each in self._alarms.due(now):
            if each.step is Step.LEAVING:
                self._hang_up(each)
            else:
                self._fail(each, 504 if each.step is Step.WAITING else 500)

    def _hang_up(self, transfer: Transfer) -> None:
        if transfer.referrer.stage is not Stage.OVER:
            transfer.referrer.end(self._calls.now(), hangup.header(None))
        self._done(transfer)


def _guest(transfer: Transfer, recipient: Jid, replaced: Session | None = None) -> Guest:
    """Return in whose name a client is called: the referrer's, the only one that is ours to use."""
    call = transfer.call
    return Guest(Caller(call.peer, recipient, call.address, hairpin=True), replaced)


def _at_home(target: Uri, referrer: Uri) -> Uri:
    """Return where a phone is that is named by an IP address: a user of the referrer's domain.

    Phones name themselves by addresses that may mean nothing here, or somebody else (RFC 5589 §7.1
    wants what can be called from anywhere), and of which nobody tells whose they are.
    """
    try:
        ip_address(target.host.strip("[]"))
    except ValueError:
        return target
    return replace(target, host=referrer.host, port=referrer.port, params=())
