"""How sessions of messages open and close in SIP (RFC 7573 §4, §5; RFC 4975 §8).

An INVITE for whoever of ours is called is accepted at once: XMPP has no sessions, and whether its
user is there is not known. What is agreed to in SDP is `msrp.offer`'s; this is when, and with whom.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from logging import getLogger
from typing import Final

from dragoman import msrp
from dragoman.bridge.chat import FINAL, FULL, LATE, Chats
from dragoman.bridge.naming import Naming
from dragoman.bridge.sessions import Caller, SessionLine, SessionService
from dragoman.bridge.talk import MOST_LEGS, Leg, Talk
from dragoman.errors import LocalError
from dragoman.log import about
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.mapping.failure import Refused, response_error, unanswered
from dragoman.msrp import offer as streams
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation
from dragoman.sdp.session import Address, Origin, SessionDescription
from dragoman.sip import session as sip
from dragoman.sip.flow import RequestArrived
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Header, Message, Request, Response, SipError, response_to
from dragoman.sip.session import SDP, Body
from dragoman.sip.sessions import Full, Sessions
from dragoman.sip.subscriber import Parties
from dragoman.sip.uri import Uri
from dragoman.sip.usage import Session
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends

log = getLogger(__name__)

NOT_HERE: Final = 488
BUSY: Final = 486
OTHER_WAY: Final = frozenset({415, 488, 606})
"""Answers to an INVITE after which the other transport is tried (docs/interworking)."""
NO_DESCRIPTION: Final = StanzaError(
    Condition.NOT_ACCEPTABLE, text="The SIP user's program and the gateway have nothing in common"
)
FEATURE: Final = ";message"
"""What our Contact says (RFC 3840): who reads it knows that sessions are welcome."""


@dataclass(slots=True)
class Agreement:
    """What offer and answer of one session have come to."""

    negotiation: Negotiation
    transport: msrp.Transport
    line: int = 0
    next: msrp.Session | None = None
    """The wire of the offer of ours that has no answer: another, where it changes the path."""


@dataclass
class Openings(SessionService):
    """The service: `stand()` is what SDP says of us now, `host` our name in warnings."""

    line: SessionLine
    naming: Naming
    chats: Chats
    endpoint: msrp.Endpoint
    stand: Callable[[], streams.Stance]
    ends_of: Callable[[Request, Uri], tuple[Jid, Jid]]
    """Who a request of a sender is from and for, as JIDs; raises Refused."""
    token: Callable[[], str]
    chance: Callable[[float, float], float]
    host: str
    numbers: Iterator[int] | None = None
    """What handles of all services are told apart by."""
    sessions: Sessions = field(init=False)
    _agreements: dict[Leg, Agreement] = field(default_factory=dict)
    _caller: Caller | None = None
    _contact: str = ""

    def __post_init__(self) -> None:
        """Start with no session."""
        self.sessions = Sessions(
            self.token, self.chance, lambda _: self._contact, numbers=self.numbers
        )

    @property
    def stance(self) -> streams.Stance:
        """What SDP says of us now: our certificate may be another than it was."""
        return self.stand()

    # -- sessions of ours ---------------------------------------------------------------

    def begin(self, talk: Talk, now: float) -> None:
        """Ask the SIP user of a talk for a session; over TLS where SIP goes over it."""
        self._now = now
        talk.asking, talk.tried_both = True, False
        target = talk.queue[0].crossing.requests[0].uri
        self.line.find(target, partial(self._found, talk))

    def _found(self, talk: Talk, secure: bool) -> None:
        if not talk.asking:
            return
        talk.asking = False
        transport = msrp.Transport.TLS if secure else msrp.Transport.TCP
        if not self._speaks(transport):
            transport = _other(transport)
        if talk.queue and self._speaks(transport):
            self._call(talk, transport)
        else:
            self.chats.refused(talk, NO_DESCRIPTION, page=True, now=self._now)
        self._drain()

    def _speaks(self, transport: msrp.Transport) -> bool:
        return self.stance.tls if transport.secure else self.stance.plain

    def _call(self, talk: Talk, transport: msrp.Transport) -> None:
        crossing = talk.queue[0].crossing
        plain, (user, peer) = crossing.requests[0], ends(crossing.stanza)
        try:
            source = self.naming.sip_sender(user)
            contact = self.naming.contact(user, peer) + FEATURE
            wire = self.endpoint.prepare(self.stance.terms, transport)
        except (msrp.Full, Unmappable):
            self.chats.refused(talk, FULL, page=False, now=self._now)
            return
        agreement = Agreement(Negotiation(self._origin(wire)), transport)
        agreement.negotiation, said = agreement.negotiation.offer(
            streams.offer(self.stance, wire.path)
        )
        local = NameAddress(plain.from_.display, without_gr(source))
        remote = f"<{without_gr(plain.to.uri)}>"
        parties = Parties(plain.target, str(local), remote, contact)
        leg = Leg(talk, None, wire, user, peer, plain.to.uri, source, plain.call_id)
        wire.tag = leg
        try:
            session = self.sessions.invite(
                parties, Body(said.encode()), self._now, _headers(plain), plain.call_id
            )
        except (Full, SipError):
            wire.close(self._now)
            self.chats.refused(talk, FULL, page=False, now=self._now)
            return
        leg.dialog, session.data = session, leg
        session.refresher = partial(self._refreshing, leg)
        self._agreements[leg] = agreement
        talk.calling, talk.secure = leg, transport.secure

    def _origin(self, wire: msrp.Session) -> Origin:
        number = str(int(self.token()[:15], 16))
        return Origin(session_id=number, version=1, address=Address.of(wire.path.last.host))

    def give_up(self, talk: Talk, now: float) -> None:
        """Take back what was asked of a SIP user."""
        self._now = now
        talk.asking = False
        leg, talk.calling = talk.calling, None
        if leg is not None:
            leg.over = True
            self._agreements.pop(leg, None)
            leg.wire.close(now)
            self.end(leg, now)

    def end(self, leg: Leg, now: float) -> None:
        """End a session."""
        self._now = now
        self._agreements.pop(leg, None)
        session = leg.dialog
        if isinstance(session, Session):
            session.data = None
            session.end(now)
        self._drain()

    def renew(self, leg: Leg, now: float) -> bool:
        """Give a session another path, whose connection was lost; False: that cannot be."""
        self._now = now
        agreement = self._agreements.get(leg)
        if agreement is None or not isinstance(leg.dialog, Session):
            return False
        if not agreement.negotiation.may_offer:
            return False
        try:
            wire = self.endpoint.prepare(self.stance.terms, agreement.transport, tag=leg)
        except msrp.Full:
            return False
        description = streams.offer(
            self.stance, wire.path, agreement.negotiation.said, agreement.line
        )
        negotiation, said = agreement.negotiation.offer(description)
        try:
            leg.dialog.offer(Body(said.encode()), now)
        except LocalError:
            wire.close(now)
            return False
        agreement.negotiation, agreement.next = negotiation, wire
        self._drain()
        return True

    # -- what comes from SIP ------------------------------------------------------------

    def heard(self, request: Request, sender: Uri) -> None:
        """Learn from the Contact of a SIP user's request whether he takes sessions."""
        try:
            self.chats.heard(self.naming.xmpp_sender(sender), request)
        except Unmappable:
            return

    def on_request(self, arrived: RequestArrived, sender: Uri, now: float) -> None:
        """Take an INVITE of `sender`, who is believed, or a request within a dialog."""
        self._now = now
        request = arrived.request
        try:
            if request.to.tag is None:
                user, recipient = self.ends_of(request, sender)
                self._contact = self.naming.contact(recipient, user) + FEATURE
                self._caller = Caller(user, recipient, sender)
        except (Refused, Unmappable) as error:
            log.warning(
                "session refused",
                extra=about(sip=sender, call_id=request.call_id, reason=error.reason),
            )
            headers = error.answer.headers if isinstance(error, Refused) else ()
            refusal = response_to(request, error.status, headers=headers)
            self.line.respond(arrived.transaction, refusal)
            return
        self.sessions.on_request(arrived, now)
        self._drain()

    def _on_event(self, event: sip.Event) -> None:
        leg = event.session.data
        if isinstance(event, sip.Invited):
            self._invited(event)
        elif isinstance(leg, Leg):
            self._of_leg(leg, event)

    def _of_leg(self, leg: Leg, event: sip.Event) -> None:
        match event:
            case sip.Answered(_, body, response):
                self._answered(leg, body, response)
            case sip.Refused(_, status, response):
                self._refused(leg, status, response)
            case sip.Confirmed(_, body):
                self._confirmed(leg, body)
            case sip.Offered(session, request):
                self._offered(leg, session, request)
            case sip.Changed(_, body):
                self._changed(leg, body)
            case sip.ChangeRefused():
                self._unchanged(leg)
            case sip.Cancelled() | sip.Ended():
                self._ended(leg)
            case _:
                pass  # that it rings

    # -- ours, answered -----------------------------------------------------------------

    def _answered(self, leg: Leg, body: Body | None, response: Response) -> None:
        """Meet the device that accepted; a session that comes to nothing is as good as refused."""
        agreement = self._agreements[leg]
        leg.remote, leg.sender = _device(leg.remote, leg.sender, response)
        try:
            agreed = self._agree(leg, agreement, body, leg.wire)
        except SdpError as error:
            log.warning("no session", extra=about(sip=leg.sender, reason=error.reason))
            self._break(leg, leg.wire)
            return
        if agreed:
            self._met(leg)

    def _met(self, leg: Leg) -> None:
        """Have messages go in a session of ours; of several that came of it at once, in one."""
        talk = leg.talk
        if talk.calling is leg:
            talk.calling = None
        self.chats.opened(leg, self._now)
        rivals = [each for each in talk.legs if each.rival]
        if rivals:
            self._leave_one(leg, rivals)

    def _leave_one(self, leg: Leg, rivals: list[Leg]) -> None:
        """Leave one session of those that both ends began at once (MSRP-39)."""
        kept = max(leg, *rivals, key=lambda each: each.call_id)
        for each in (leg, *rivals):
            each.rival = False
            if each is not kept:
                self.end(each, self._now)
                self.chats.ended(each, self._now, tell=False)

    def _agree(
        self, leg: Leg, agreement: Agreement, answer: Body | None, wire: msrp.Session
    ) -> bool:
        """Take the answer to an offer of ours; False: another offer is due. Raises SdpError."""
        said = agreement.negotiation.pending
        description = None if answer is None else _described(answer)
        if said is None or description is None:
            raise SdpError("an answer without a description", NOT_HERE)
        agreement.negotiation = agreement.negotiation.answered(description)
        found = streams.accept(said, description, self.stance, wire.path)
        agreement.line = found.peer.line
        if found.again:
            self._ask_again(leg, agreement, wire)
            return False
        if wire is not leg.wire or leg.terms is None:
            wire.start(found.peer.path, found.peer.terms, found.meeting, self._now)
        elif wire.remote == found.peer.path:
            wire.modify(found.peer.terms)
        else:
            raise SdpError("another path in answer to the same", NOT_HERE)
        leg.wire, leg.terms = wire, found.peer.terms
        return True

    def _ask_again(self, leg: Leg, agreement: Agreement, wire: msrp.Session) -> None:
        """Offer without CEMA, which somebody on the way does not know (RFC 6714 §4.2)."""
        stance, said = replace(self.stance, cema=False), agreement.negotiation.said
        again = streams.offer(stance, wire.path, said, agreement.line)
        agreement.negotiation, offer = agreement.negotiation.offer(again)
        agreement.next = wire
        if isinstance(leg.dialog, Session):
            leg.dialog.offer(Body(offer.encode()), self._now)

    def _refused(self, leg: Leg, status: int, response: Response | None) -> None:
        talk = leg.talk
        self._agreements.pop(leg, None)
        leg.over = True
        leg.wire.close(self._now)
        if talk.calling is not leg:
            return
        talk.calling = None
        other = msrp.Transport.TCP if talk.secure else msrp.Transport.TLS
        if response is None:
            status = 0
        if status in OTHER_WAY and not talk.tried_both and self._speaks(other) and talk.queue:
            talk.tried_both = True
            self._call(talk, other)
            return
        error = unanswered(self._cause) if response is None else response_error(response) or LATE
        page = response is not None and status not in FINAL
        log.info("session refused", extra=about(sip=leg.sender, status=status, reason=error.reason))
        self.chats.refused(talk, error, page=page, now=self._now)

    def _changed(self, leg: Leg, body: Body | None) -> None:
        """Take what a session has now: another path, or the same."""
        agreement = self._agreements.get(leg)
        wire = None if agreement is None else agreement.next
        if agreement is None or wire is None:
            return
        agreement.next = None
        try:
            agreed = self._agree(leg, agreement, body, wire)
        except SdpError:
            self._break(leg, wire)
            return
        if agreed:
            self._met(leg)

    def _unchanged(self, leg: Leg) -> None:
        """End a session whose offer of another path is refused; of the same, it stays."""
        agreement = self._agreements.get(leg)
        if agreement is None or agreement.next is None:
            return
        if agreement.next is leg.wire and leg.terms is not None:
            self._drop(leg, agreement)
        else:
            self._break(leg, agreement.next)

    def _drop(self, leg: Leg, agreement: Agreement) -> None:
        """Take it that an offer of ours was never made."""
        agreement.negotiation = agreement.negotiation.drop()
        wire, agreement.next = agreement.next, None
        if wire is not None and wire is not leg.wire:
            wire.close(self._now)

    def _break(self, leg: Leg, wire: msrp.Session) -> None:
        """End a session that comes to nothing: as good as refused, where it never was one."""
        talk, asked = leg.talk, leg.talk.calling is leg
        wire.close(self._now)
        self.end(leg, self._now)
        if asked:
            talk.calling, leg.over = None, True
            leg.wire.close(self._now)
            self.chats.refused(talk, NO_DESCRIPTION, page=True, now=self._now)
        else:
            self.chats.ended(leg, self._now)

    # -- theirs -------------------------------------------------------------------------

    def _invited(self, event: sip.Invited) -> None:
        """Accept what can be accepted, at once (RFC 7573 §5)."""
        session, request = event.session, event.request
        caller, self._caller = self._caller, None
        assert caller is not None  # noqa: S101 - `on_request` has said who
        try:
            self._accept(session, request, caller)
        except SdpError as error:
            headers = [("Warning", f'{error.warning} {self.host} "{_quotable(error.reason)}"')]
            headers = headers if error.status == NOT_HERE else []
            log.warning("session refused", extra=about(sip=caller.sender, reason=error.reason))
            session.refuse(error.status, self._now, headers)
        except SipError as error:
            session.refuse(error.status, self._now, _accept(error.status))
        except msrp.Full:
            session.refuse(500, self._now, [("Retry-After", "60")])

    def _accept(self, session: Session, request: Request, caller: Caller) -> None:
        """Raises SdpError or SipError for an INVITE that cannot be, Full where there is no room."""
        user, recipient = caller.user, caller.recipient
        pair = str(recipient.bare), str(user.bare)
        if self.chats.legs(pair) >= MOST_LEGS:
            raise SipError("too many sessions of these two", BUSY)
        offered = _description(request)
        peer = None if offered is None else streams.choose(offered, self.stance)
        transport = self._answering(peer)
        target = self.naming.sip_sender(recipient)
        wire = self.endpoint.prepare(self.stance.terms, transport)
        talk = self.chats.talk(pair)
        remote, sender = _device(user, caller.sender, request)
        leg = Leg(talk, session, wire, recipient, remote, sender, target, request.call_id)
        leg.left, leg.rival = request.max_forwards, talk.begun
        wire.tag = session.data = leg
        agreement = Agreement(Negotiation(self._origin(wire)), transport)
        self._agreements[leg] = agreement
        if offered is None or peer is None:
            negotiation = agreement.negotiation.asked()
            negotiation, said = negotiation.offer(streams.offer(self.stance, wire.path))
        else:
            negotiation = agreement.negotiation.offered(offered)
            description, meeting = streams.answer(offered, peer, self.stance, wire.path)
            negotiation, said = negotiation.answer(description)
            agreement.line = peer.line
            wire.start(peer.path, peer.terms, meeting, self._now)
            leg.terms = peer.terms
        agreement.negotiation = negotiation
        session.answer(Body(said.encode()), self._now)
        session.refresher = partial(self._refreshing, leg)
        if leg.terms is not None:
            self.chats.opened(leg, self._now)

    def _refreshing(self, leg: Leg) -> Body | None:
        """Return the offer that refreshes a session: never `passive` (RFC 6135 §4.2.2)."""
        agreement = self._agreements.get(leg)
        if agreement is None:
            return None
        if agreement.next is not None and agreement.negotiation.pending is not None:
            return Body(agreement.negotiation.pending.encode())
        return self._same_again(leg, agreement, agreement.negotiation)

    def _same_again(self, leg: Leg, agreement: Agreement, negotiation: Negotiation) -> Body:
        """Offer the path that there is."""
        again = streams.offer(self.stance, leg.wire.path, negotiation.said, agreement.line)
        agreement.negotiation, offer = negotiation.offer(again)
        agreement.next = leg.wire
        return Body(offer.encode())

    def _answering(self, peer: streams.Peer | None) -> msrp.Transport:
        """Return what a session runs over that a peer offers; without an offer, what we like.

        Raises SdpError for what is not listened for.
        """
        if peer is None:
            return msrp.Transport.TCP if self.stance.plain else msrp.Transport.TLS
        found = msrp.Transport.TLS if peer.secure else msrp.Transport.TCP
        if peer.path.first.transport.lower() == msrp.Transport.WS.parameter:
            found = msrp.Transport.WS  # RFC 7977 §5.2: it connects, and to nothing else
        if found not in self.endpoint.transports:
            raise SdpError(f"MSRP over {found} is not spoken here", NOT_HERE, 302)
        return found

    def _confirmed(self, leg: Leg, body: Body | None) -> None:
        """Learn that the peer has our answer: where we ask him too, one session is enough.

        Which one that is, both ends have to see alike: the one with the greater Call-ID.
        """
        agreement = self._agreements.get(leg)
        if agreement is not None and agreement.negotiation.pending is not None:
            try:
                self._agree(leg, agreement, body, leg.wire)
            except SdpError as error:
                log.warning("no session", extra=about(sip=leg.sender, reason=error.reason))
                self._break(leg, leg.wire)
                return
            self.chats.opened(leg, self._now)
        calling = leg.talk.calling
        if calling is not None and calling.call_id < leg.call_id:
            self.give_up(leg.talk, self._now)

    def _offered(self, leg: Leg, session: Session, request: Request) -> None:
        """Agree to what a peer wants changed: a hold, another path, or nothing at all."""
        agreement = self._agreements.get(leg)
        if agreement is None:
            session.decline(self._now, 481)
            return
        try:
            self._agree_again(leg, agreement, session, request)
        except SdpError as error:
            session.decline(self._now, error.status)
        except SipError as error:
            session.decline(self._now, error.status, _accept(error.status))
        except msrp.Full:
            session.decline(self._now, 500, [("Retry-After", "60")])
        else:
            return
        if leg.terms is None:  # there is no path left, neither his nor ours
            self._break(leg, leg.wire)

    def _agree_again(
        self, leg: Leg, agreement: Agreement, session: Session, request: Request
    ) -> None:
        """Raises SdpError or SipError for what cannot be agreed to, Full where there is no room."""
        offered = _description(request)
        if agreement.next is not None:  # ours waits still, so that his comes first (RFC 3261 §14.1)
            session.withdraw()
            self._drop(leg, agreement)
        if offered is None:
            asked = agreement.negotiation.asked()
            session.accept(self._same_again(leg, agreement, asked), self._now)
            return
        negotiation = agreement.negotiation.offered(offered)
        peer = streams.choose(offered, self.stance)
        same = leg.wire.remote == peer.path and leg.terms is not None
        wire = leg.wire
        if not same:
            wire = self.endpoint.prepare(self.stance.terms, agreement.transport, tag=leg)
        description, meeting = streams.answer(offered, peer, self.stance, wire.path)
        agreement.negotiation, said = negotiation.answer(description)
        agreement.line = peer.line
        session.accept(Body(said.encode()), self._now)
        if same:
            wire.modify(peer.terms)
        else:
            leg.wire.close(self._now)
            wire.start(peer.path, peer.terms, meeting, self._now)
            leg.wire = wire
        leg.terms = peer.terms
        self._met(leg)

    def _ended(self, leg: Leg) -> None:
        self._agreements.pop(leg, None)
        talk = leg.talk
        if talk.calling is leg:
            talk.calling = None
            leg.over = True
            leg.wire.close(self._now)
            self.chats.refused(talk, LATE, page=False, now=self._now)
        else:
            self.chats.ended(leg, self._now)


def _description(message: Message) -> SessionDescription | None:
    """Return the description that a message has; None where it has no body.

    Raises SdpError for one that cannot be read, SipError(415) for another type.
    """
    if not message.body:
        return None
    media = message.content_type
    if media is None or media.essence != SDP:
        raise SipError("a body that is no session description", 415)
    return SessionDescription.parse(message.body)


def _described(body: Body) -> SessionDescription:
    """Read a description; raises SdpError for one that is none."""
    if not body.type.lower().startswith(SDP):
        raise SdpError(f"a description of the type {body.type[:60]!r}")
    return SessionDescription.parse(body.data)


def _accept(status: int) -> list[Header]:
    return [("Accept", SDP)] if status == 415 else []


def _device(user: Jid, uri: Uri, message: Message) -> tuple[Jid, Uri]:
    """Return a SIP user with the device that its Contact tells (RFC 7573 §4, RFC 5627 §7)."""
    try:
        contacts = message.contacts
    except SipError:
        contacts = []
    gr = contacts[0].uri.param("gr") or contacts[0].param("gr") if contacts else None
    if not gr:
        return user, uri
    try:
        named = Jid.parse(f"{user.bare}/{gr}")
    except StanzaError:
        return user, uri
    plain = without_gr(uri)
    return named, replace(plain, params=(*plain.params, ("gr", gr)))


def _headers(plain: Request) -> list[Header]:
    """Return what an INVITE says beside who calls whom: its hops, and what it is about."""
    return [each for each in plain.headers if each[0] in {"Max-Forwards", "Subject"}]


def _quotable(text: str) -> str:
    return text.replace("\\", "").replace('"', "'")[:120]


def _other(transport: msrp.Transport) -> msrp.Transport:
    return msrp.Transport.TCP if transport.secure else msrp.Transport.TLS
