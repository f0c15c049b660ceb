"""Sessions (RFC 3261 §13 to §15, RFC 3262, RFC 3311): what an INVITE begins and a BYE ends.

For calls and for sessions of messages, without sockets or clock. Descriptions are opaque here: who
may offer when is `sdp.offer`'s to say, and the user's to obey. What the user does not see: ACK and
PRACK, forks that lost, races of CANCEL, glare, session timers, requests out of order.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from dragoman.clock import Alarms, earliest
from dragoman.errors import LocalError
from dragoman.sip import refresh
from dragoman.sip.dialog import HOPS, Dialog
from dragoman.sip.flow import AckArrived, AckMissing, CancelArrived
from dragoman.sip.message import (
    Header,
    Message,
    Request,
    Response,
    SipError,
    build_request,
    response_to,
)
from dragoman.sip.route import RouteSet

if TYPE_CHECKING:
    from dragoman.sip.server import ServerTransaction

METHODS: Final = ("INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "PRACK")
EXTENSIONS: Final = (refresh.EXTENSION, "100rel")
SDP: Final = "application/sdp"

MOST: Final = 20_000
"""Sessions of all users together."""
SHARE: Final = MOST // 4
"""Sessions that one far domain began."""
MOST_FORKS: Final = 16
"""Early dialogs of one INVITE that are known."""
MOST_PAST: Final = 10_000
LINGER: Final = 32.0
"""Seconds for which a fork may answer an INVITE of ours whose session is over (64*T1)."""
MOST_TRIES: Final = 4
"""How often one change is asked for that meets another, or one INVITE that is too brief."""
RING: Final = 180.0
"""Seconds that an INVITE may go unanswered, its user aside."""
GLARE: Final = 491
GONE: Final = frozenset({404, 408, 410, 416, 480, 481, 482, 483, 484, 485, 502, 604})
"""Answers to a request within a dialog that say that it is no more (RFC 5057 §5.1)."""


class Stage(Enum):
    """How far a session has come."""

    CALLING = auto()
    """Our INVITE has no final answer."""
    CALLED = auto()
    """The peer's has none."""
    ANSWERED = auto()
    """Ours to the peer's INVITE was 2xx; its ACK has not come."""
    UP = auto()
    ENDING = auto()
    """It is to end as soon as it may: when the ACK has come, or our INVITE is answered."""
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Handle:
    """What a request of a session's is sent under."""

    number: int
    method: str


class Line(Protocol):
    """The way to the peer; it finds where a request goes by its route."""

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        """Send a request; what comes of it is told by `on_response` and `on_failure`."""

    def acknowledge(self, ack: Request, handle: Hashable, route: RouteSet) -> None:
        """Send the ACK for a 2xx to the INVITE of `handle`."""

    def cancel(self, handle: Hashable) -> None:
        """Take back the INVITE of `handle`."""

    def respond(self, transaction: "ServerTransaction", response: Response) -> None:
        """Answer a request."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who calls whom: Request-URI, From and To without tags, our Contact."""

    target: str
    local: str
    remote: str
    contact: str
    call_id: str


@dataclass(eq=False, slots=True)
class Session:
    """One session; `tag` is its user's. All of it is done by the verbs of `Sessions`."""

    number: int
    stage: Stage
    invite: Request
    """The INVITE that began it, ours or the peer's."""
    contact: str
    dialog: Dialog | None = None
    tag: Hashable = None
    domain: str = ""
    """The far domain that began it; "" for one of ours."""
    peer_allows: frozenset[str] = frozenset()
    transaction: "ServerTransaction | None" = None
    """Of the peer's INVITE or UPDATE that waits for our answer, or for its ACK."""
    asked: Request | None = None
    """The request of that transaction."""
    early: "OrderedDict[str, Dialog]" = field(default_factory=OrderedDict)
    heard: dict[str, int] = field(default_factory=dict)
    """By tag of an early dialog, the RSeq of its last reliable response (RFC 3262 §4)."""
    change: Request | None = None
    """Our re-INVITE or UPDATE under way."""
    said: bytes = b""
    """The description that we sent last, which a refresh by INVITE repeats."""
    again: tuple[Header, ...] = ()
    interval: refresh.Interval | None = None
    seconds: int = refresh.USUAL
    tries: int = 0
    reason: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.stage is Stage.OVER

    @property
    def ours(self) -> bool:
        """Whether we began it."""
        return not self.domain


@dataclass(frozen=True, slots=True)
class Invited:
    """The peer asks for a session: `answer` or `refuse` it. Its body may be an offer, or empty."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Ringing:
    """A provisional response, that is no 100, came to our INVITE."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Answered:
    """Our INVITE was accepted, and is acknowledged: the body is the answer."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """Our INVITE was not accepted: by `response`, or for a cause that is no response."""

    session: Session
    response: Response | None
    cause: object = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK for our answer came: its body is the peer's answer, where we offered."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Offered:
    """The peer wants a change: `answer` or `refuse` it. No body: ours is the offer."""

    session: Session
    request: Request


@dataclass(frozen=True, slots=True)
class Changed:
    """The change that we asked for is agreed to: the body is the answer."""

    session: Session
    response: Response


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The change that we asked for is refused: what held before holds. None: no answer."""

    session: Session
    response: Response | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over; `peer`: it was he who ended it, or took his INVITE back.

    `reason` is what is known of why, such as a Reason header (RFC 3326).
    """

    session: Session
    peer: bool
    reason: str = ""


SessionEvent: TypeAlias = (
    Invited | Ringing | Answered | Refused | Confirmed | Offered | Changed | Unchanged | Ended
)


class Sessions:
    """All sessions. `token()` makes tags, `chance(low, high)` a number between."""

    def __init__(
        self, line: Line, token: Callable[[], str], chance: Callable[[float, float], float]
    ) -> None:
        """Start with none."""
        self._line = line
        self._token = token
        self._chance = chance
        self._numbers = count(1)
        self._sessions: dict[int, Session] = {}
        self._dialogs: dict[tuple[str, str, str], Session] = {}
        self._of_domain: Counter[str] = Counter()
        self._waiting: dict[ServerTransaction, Session] = {}
        self._refreshes: Alarms[int] = Alarms()
        self._retries: Alarms[int] = Alarms()
        self._patience: Alarms[int] = Alarms()
        self._past: dict[int, Session] = {}
        self._forgets: Alarms[int] = Alarms()
        self._events: list[SessionEvent] = []
        self._now = 0.0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sessions)

    def events(self) -> list[SessionEvent]:
        """Return what happened, in order, and forget it."""
        found, self._events = self._events, []
        return found

    # -- what the user wants ------------------------------------------------------------

    def invite(
        self,
        parties: Parties,
        headers: Sequence[Header],
        offer: bytes,
        now: float,
        tag: Hashable = None,
    ) -> Session | None:
        """Ask for a session with this offer; None: there are too many."""
        self._now = now
        if len(self._sessions) >= MOST:
            return None
        number = next(self._numbers)
        asked: list[Header] = [
            ("From", f"{parties.local};tag={self._token()}"),
            ("To", parties.remote),
            ("Call-ID", parties.call_id),
            ("CSeq", "1 INVITE"),
            ("Max-Forwards", str(HOPS)),
            ("Contact", parties.contact),
        ]
        kept = [each for each in headers if each[0] != "Max-Forwards"]
        hops = [each for each in headers if each[0] == "Max-Forwards"]
        request = build_request(
            "INVITE", parties.target, [*asked[:4], *(hops or [asked[4]])], offer
        )
        session = Session(number, Stage.CALLING, request, parties.contact, tag=tag, said=offer)
        session.again = (*kept, ("Contact", parties.contact))
        self._sessions[number] = session
        self._patience.set(number, now + RING)
        self._call(session, 1)
        return session

    def _call(self, session: Session, number: int) -> None:
        """Send the INVITE with this CSeq number."""
        first = [each for each in session.invite.headers if each[0] in _FIRST]
        headers = [
            *first,
            ("CSeq", f"{number} INVITE"),
            *session.again,
            *_abilities(),
            *refresh.asked(session.seconds),
            ("Content-Type", SDP),
        ]
        session.invite = build_request("INVITE", session.invite.target, headers, session.said)
        self._line.request(session.invite, Handle(session.number, "INVITE"))

    def ring(self, session: Session, now: float) -> None:
        """Tell the peer that his INVITE is being seen to (180)."""
        self._now = now
        if session.stage is Stage.CALLED and session.transaction is not None:
            if any("100rel" in each.lower() for each in session.invite.get_all("Require")):
                return  # it would have to be reliable (RFC 3262 §3), and nothing depends on it
            self._line.respond(session.transaction, response_to(session.invite, 180))

    def answer(self, session: Session, body: bytes, now: float) -> None:
        """Accept the peer's INVITE, or the change that he wants.

        LocalError where he wants neither.
        """
        self._now = now
        request, transaction = session.asked, session.transaction
        if request is None or transaction is None:
            raise LocalError("an answer to nothing")
        first = session.dialog is None
        tag = self._token() if first else None
        headers = self._accepting(session, request)
        if body:
            headers.append(("Content-Type", SDP))
        response = response_to(request, 200, headers=headers, body=body, to_tag=tag)
        if first:
            session.dialog = Dialog.of_uas(request, tag or "", session.contact)
            self._dialogs[session.dialog.key] = session
            session.stage = Stage.ANSWERED
        session.said = body or session.said
        if request.method != "INVITE":
            self._settle_request(session)
        else:
            session.asked = None
        self._line.respond(transaction, response)

    def _accepting(self, session: Session, request: Request) -> list[Header]:
        interval, headers = refresh.chosen(request)
        session.interval = interval
        self._arm(session)
        return [("Contact", session.contact), *_abilities(), *headers]

    def refuse(
        self, session: Session, status: int, now: float, headers: Sequence[Header] = ()
    ) -> None:
        """Refuse the peer's INVITE, which ends the session, or the change that he wants."""
        self._now = now
        request, transaction = session.asked, session.transaction
        if request is None or transaction is None:
            raise LocalError("a refusal of nothing")
        self._settle_request(session)
        self._line.respond(transaction, response_to(request, status, headers=headers))
        if session.stage is Stage.CALLED:
            self._close(session)

    def offer(self, session: Session, body: bytes, now: float) -> bool:
        """Ask for a change, by INVITE; False: not now, for another is under way."""
        self._now = now
        if session.stage is not Stage.UP or session.change or session.transaction:
            return False
        session.said, session.tries = body, 0
        self._ask(session, "INVITE", body)
        return True

    def end(self, session: Session, now: float, reason: str = "") -> None:
        """End a session, or take back an INVITE; nothing more is told of it."""
        self._now = now
        session.reason = reason
        if session.stage is Stage.CALLED:
            self.refuse(session, 480, now)
        elif session.stage is Stage.CALLING:
            session.stage = Stage.ENDING
            self._line.cancel(Handle(session.number, "INVITE"))
        elif session.stage is Stage.ANSWERED:
            session.stage = Stage.ENDING  # §15: not before the ACK
        elif session.stage is Stage.UP:
            self._bye(session)

    # -- what comes ---------------------------------------------------------------------

    def knows(self, request: Request) -> bool:
        """Tell whether a request is of a dialog of ours: nobody else knows its tags."""
        try:
            return self._of(request) is not None
        except SipError:
            return False

    def on_request(
        self, request: Request, transaction: "ServerTransaction", contact: str, now: float
    ) -> None:
        """Take an INVITE, or a request within a dialog; `contact` is ours in a new one."""
        self._now = now
        try:
            if request.to.tag is None and request.method == "INVITE":
                self._invited(request, transaction, contact)
            else:
                self._within(request, transaction)
        except SipError as error:
            headers = [("Retry-After", "5")] if error.status == 500 else []
            self._line.respond(transaction, response_to(request, error.status, headers=headers))

    def _invited(self, request: Request, transaction: "ServerTransaction", contact: str) -> None:
        domain = request.from_.uri.host
        if request.get("Replaces") is not None or request.get("Join") is not None:
            raise SipError("there is nothing that could be replaced (RFC 3891 §3)", 481)
        if len(self._sessions) >= MOST or self._of_domain[domain] >= SHARE:
            raise SipError("too many sessions", 500)
        if refresh.too_brief(request):
            headers = [("Min-SE", str(refresh.LEAST))]
            self._line.respond(
                transaction, response_to(request, refresh.TOO_BRIEF, headers=headers)
            )
            return
        Dialog.of_uas(request, "", contact)  # raises SipError where there can be none
        session = Session(next(self._numbers), Stage.CALLED, request, contact, domain=domain)
        session.peer_allows = _allowed(request)
        self._sessions[session.number] = session
        self._of_domain[domain] += 1
        self._await(session, request, transaction)
        self._patience.set(session.number, self._now + RING)
        self._events.append(Invited(session, request))

    def _within(self, request: Request, transaction: "ServerTransaction") -> None:
        session = self._of(request)
        if session is None or session.dialog is None:
            raise SipError("no such dialog", 481)
        moves = request.method in {"INVITE", "UPDATE"}
        if moves:
            self._check_change(session)
        session.dialog = session.dialog.received(request, refresh=moves)
        if request.method == "BYE":
            self._line.respond(transaction, response_to(request, 200))
            self._over(session, peer=True, reason=request.get("Reason") or "")
        elif not moves:
            raise SipError("there is nothing to acknowledge so", 481)
        else:
            session.peer_allows = _allowed(request) or session.peer_allows
            self._await(session, request, transaction)
            if request.method == "UPDATE" and not request.body:
                self.answer(session, b"", self._now)  # it refreshes, and offers nothing
            else:
                self._events.append(Offered(session, request))

    def _check_change(self, session: Session) -> None:
        """Refuse a change that crosses one of ours, or that comes too soon (§14.2)."""
        if session.change is not None:
            raise SipError("both ends want a change", GLARE)
        if session.transaction is not None:
            raise SipError("one change at a time", 500)

    def on_cancel(self, event: CancelArrived, now: float) -> None:
        """Learn that the peer wants no more of an INVITE (§9.2)."""
        self._now = now
        session = self._waiting.get(event.transaction)
        if session is None or session.asked is None:
            return
        request = session.asked
        self._settle_request(session)
        self._line.respond(event.transaction, response_to(request, 487))
        if session.stage is Stage.CALLED:
            self._over(session, peer=True, reason=event.request.get("Reason") or "")

    def on_ack(self, event: AckArrived, now: float) -> None:
        """Learn that the peer has our answer."""
        self._now = now
        session = self._waiting.get(event.transaction) if event.transaction else None
        if session is None:
            return
        self._settle_request(session)
        if session.stage is Stage.ENDING:
            self._bye(session)
            return
        if session.stage is Stage.ANSWERED:
            session.stage = Stage.UP
            self._patience.cancel(session.number)
        self._events.append(Confirmed(session, event.request))

    def on_missing(self, event: AckMissing, now: float) -> None:
        """Learn that our answer was never acknowledged (§13.3.1.4)."""
        self._now = now
        session = self._waiting.get(event.transaction)
        if session is None or not event.accepted:
            return
        told = session.stage is not Stage.ENDING
        self._settle_request(session)
        self._bye(session)
        if told:
            self._events.append(Ended(session, peer=False, reason="no ACK"))

    def on_response(self, handle: Handle, response: Response, now: float) -> None:
        """Take a response to a request of ours."""
        self._now = now
        session = self._sessions.get(handle.number) or self._past.get(handle.number)
        if session is None:
            return
        if handle.method == "INVITE":
            self._on_invite_response(session, response)
        elif handle.method in {"RE-INVITE", "UPDATE"} and response.status >= 200:
            self._on_change_response(session, handle, response)
        elif handle.method == "BYE" and response.status >= 200:
            self._close(session)

    def on_failure(self, handle: Handle, cause: object, now: float) -> None:
        """Learn that a request of ours got no response."""
        self._now = now
        session = self._sessions.get(handle.number)
        if session is None:
            return
        if handle.method == "INVITE" and session.stage in {Stage.CALLING, Stage.ENDING}:
            told = session.stage is Stage.CALLING
            self._close(session)
            if told:
                self._events.append(Refused(session, None, cause))
        elif handle.method in {"RE-INVITE", "UPDATE"}:
            session.change = None
            self._bye(session)
            self._events.append(Ended(session, peer=False, reason="the peer does not answer"))
        elif handle.method == "BYE":
            self._close(session)

    def on_timer(self, now: float) -> None:
        """Refresh what is to be, try again what met another, give up what lasts too long."""
        self._now = now
        for number in self._forgets.due(now):
            del self._past[number]
        for number in self._refreshes.due(now):
            self._refresh(self._sessions[number])
        for number in self._retries.due(now):
            session = self._sessions[number]
            if session.stage is Stage.UP and session.change is None:
                self._ask(session, "INVITE", session.said)
        for number in self._patience.due(now):
            session = self._sessions[number]
            told = session.stage in {Stage.CALLING, Stage.CALLED}
            if session.stage is Stage.ENDING:
                self._close(session)
                continue
            self.end(session, now)
            if told:
                self._events.append(Ended(session, peer=False, reason="no answer"))

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        alarms = (self._refreshes, self._retries, self._patience, self._forgets)
        return earliest(each.next() for each in alarms)

    # -- INVITE of ours -----------------------------------------------------------------

    def _on_invite_response(self, session: Session, response: Response) -> None:
        status = response.status
        if status // 100 == 2:
            self._accepted(session, response)
        elif session.stage not in {Stage.CALLING, Stage.ENDING}:
            return
        elif status < 200:
            self._provisional(session, response)
        elif session.stage is Stage.ENDING:
            self._close(session)
        elif status == refresh.TOO_BRIEF and session.tries < MOST_TRIES:
            session.tries += 1
            session.seconds = refresh.longer(response, session.seconds)
            self._call(session, session.invite.cseq.number + 1)
        else:
            self._close(session)
            self._events.append(Refused(session, response))

    def _provisional(self, session: Session, response: Response) -> None:
        tag = response.to.tag
        if response.status == 100 or tag is None:
            return
        if tag not in session.early:
            if len(session.early) >= MOST_FORKS:
                return
            try:
                early = Dialog.of_uac(session.invite, response, session.contact)
            except SipError:
                return  # one without Contact makes no dialog, and says all the same
            session.early[tag] = early
        reliable = refresh.supports(response, "100rel") and response.get("RSeq") is not None
        if reliable and not self._acknowledge_provisional(session, response, tag):
            return
        if session.stage is Stage.CALLING:
            self._events.append(Ringing(session, response))

    def _acknowledge_provisional(self, session: Session, response: Response, tag: str) -> bool:
        """Send PRACK (RFC 3262 §4); False: the response came before, or one before it did not."""
        value = response.get("RSeq") or ""
        if not (value.isascii() and value.isdigit()) or len(value) > 10:
            return False
        number, last = int(value), session.heard.get(tag)
        if last is not None and number != last + 1:
            return False
        session.heard[tag] = number
        headers = [("RAck", f"{number} {response.cseq.number} INVITE")]
        session.early[tag], prack = session.early[tag].request("PRACK", headers)
        self._send(session, prack, session.early[tag], "PRACK")
        return True

    def _accepted(self, session: Session, response: Response) -> None:
        """Acknowledge a 2xx; one that is too late, or of another fork, is ended at once."""
        tag = response.to.tag or ""
        early = session.early.get(tag)
        try:
            dialog = Dialog.of_uac(session.invite, response, session.contact)
        except SipError:
            self._close(session)
            self._events.append(Refused(session, None, "a 2xx without Contact"))
            return
        if early is not None:
            dialog = dialog.skipping(early.local_cseq - dialog.local_cseq)
        self._acknowledge(session, dialog, response.cseq.number, "INVITE")
        if session.stage is Stage.CALLING:
            session.dialog, session.stage = dialog, Stage.UP
            session.peer_allows = _allowed(response)
            session.early.clear()
            self._dialogs[dialog.key] = session
            self._patience.cancel(session.number)
            session.interval = refresh.granted(response)
            self._arm(session)
            self._events.append(Answered(session, response))
        elif session.dialog is None or dialog.key != session.dialog.key:
            _, request = dialog.request("BYE")
            self._send(session, request, dialog, "FORK")
            if session.stage is Stage.ENDING and session.dialog is None:
                self._close(session)

    def _acknowledge(self, session: Session, dialog: Dialog, number: int, method: str) -> None:
        _, template = dialog.request("BYE")
        headers = [each for each in template.headers if each[0] not in {"CSeq", "Contact"}]
        ack = build_request("ACK", dialog.target, [*headers, ("CSeq", f"{number} ACK")])
        self._line.acknowledge(ack, Handle(session.number, method), dialog.route_set)

    # -- within a dialog ----------------------------------------------------------------

    def _ask(self, session: Session, method: str, body: bytes) -> None:
        """Send a re-INVITE or UPDATE."""
        if session.dialog is None:
            raise LocalError("a change without a dialog")
        refreshing = None if session.interval is None else session.interval.ours
        headers = [*_abilities(), *refresh.asked(session.seconds, refreshing=refreshing)]
        if body:
            headers.append(("Content-Type", SDP))
        session.dialog, session.change = session.dialog.request(method, headers, body)
        named = "RE-INVITE" if method == "INVITE" else method
        self._send(session, session.change, session.dialog, named)

    def _on_change_response(self, session: Session, handle: Handle, response: Response) -> None:
        request, session.change = session.change, None
        if session.dialog is None or request is None:
            return
        session.dialog = session.dialog.answered(response)
        status, invited = response.status, handle.method == "RE-INVITE"
        if status // 100 == 2:
            if invited:
                self._acknowledge(session, session.dialog, response.cseq.number, "RE-INVITE")
            if session.stage is Stage.ENDING:
                self._bye(session)
                return
            session.interval = refresh.granted(response)
            self._arm(session)
            if invited:
                self._events.append(Changed(session, response))
        elif session.stage is Stage.ENDING:
            self._bye(session)
        elif status in GONE:
            self._bye(session)
            self._events.append(Ended(session, peer=True, reason=f"answered {status}"))
        else:
            self._change_refused(session, invited, response)

    def _change_refused(self, session: Session, invited: bool, response: Response) -> None:
        """Try again what met a change of the peer's, after a while that is his or ours (§14.1)."""
        session.tries += 1
        if response.status == refresh.TOO_BRIEF:
            session.seconds = refresh.longer(response, session.seconds)
        if response.status in {GLARE, refresh.TOO_BRIEF} and session.tries < MOST_TRIES:
            low, high = (2.1, 4.0) if session.ours else (0.0, 2.0)
            self._retries.set(session.number, self._now + self._chance(low, high))
        else:
            self._arm(session)
            if invited:
                self._events.append(Unchanged(session, response))

    def _refresh(self, session: Session) -> None:
        """Refresh a session, or give it up that the peer has not refreshed (RFC 4028 §10)."""
        interval = session.interval
        if session.stage is not Stage.UP or interval is None:
            return
        if not interval.ours:
            self._bye(session)
            self._events.append(Ended(session, peer=False, reason="the session expired"))
        elif session.change is None and session.asked is None:
            session.tries = 0
            update = "UPDATE" in session.peer_allows
            self._ask(session, *(("UPDATE", b"") if update else ("INVITE", session.said)))
        else:
            self._refreshes.set(session.number, self._now + refresh.SPARE / 4)

    def _bye(self, session: Session) -> None:
        if session.dialog is None:
            self._close(session)
            return
        headers = [("Reason", session.reason)] if session.reason else []
        if session.asked is not None and session.transaction is not None:
            request, transaction = session.asked, session.transaction
            self._settle_request(session)
            self._line.respond(transaction, response_to(request, 487))
        session.stage = Stage.ENDING
        self._rest(session)
        self._patience.set(session.number, self._now + RING)
        session.dialog, request = session.dialog.request("BYE", headers)
        self._send(session, request, session.dialog, "BYE")

    def _send(self, session: Session, request: Request, dialog: Dialog, method: str) -> None:
        self._line.request(request, Handle(session.number, method), dialog.route_set)

    # -- what is kept -------------------------------------------------------------------

    def _of(self, request: Request) -> Session | None:
        key = request.call_id, request.to.tag or "", request.from_.tag or ""
        return self._dialogs.get(key)

    def _await(self, session: Session, request: Request, transaction: "ServerTransaction") -> None:
        session.transaction, session.asked = transaction, request
        self._waiting[transaction] = session

    def _settle_request(self, session: Session) -> None:
        if session.transaction is not None:
            self._waiting.pop(session.transaction, None)
        session.transaction = session.asked = None

    def _arm(self, session: Session) -> None:
        if session.interval is None:
            self._refreshes.cancel(session.number)
        else:
            self._refreshes.set(session.number, self._now + session.interval.pause)

    def _over(self, session: Session, *, peer: bool, reason: str) -> None:
        told = session.stage is not Stage.ENDING
        if session.asked is not None and session.transaction is not None:
            request, transaction = session.asked, session.transaction
            self._settle_request(session)
            self._line.respond(transaction, response_to(request, 487))
        self._close(session)
        if told:
            self._events.append(Ended(session, peer, reason))

    def _rest(self, session: Session) -> None:
        for alarms in (self._refreshes, self._retries, self._patience):
            alarms.cancel(session.number)

    def _close(self, session: Session) -> None:
        if session.stage is Stage.OVER:
            return
        session.stage = Stage.OVER
        self._rest(session)
        self._settle_request(session)
        del self._sessions[session.number]
        if session.ours and len(self._past) < MOST_PAST:
            self._past[session.number] = session
            self._forgets.set(session.number, self._now + LINGER)
        if session.dialog is not None:
            self._dialogs.pop(session.dialog.key, None)
        if session.domain:
            self._of_domain[session.domain] -= 1
            if not self._of_domain[session.domain]:
                del self._of_domain[session.domain]

    def describe(self) -> dict[str, int]:
        """Return how many sessions there are, and in which stages."""
        stages = Counter(each.stage.name.lower() for each in self._sessions.values())
        names = (each.name.lower() for each in Stage if each is not Stage.OVER)
        return {"sessions": len(self._sessions), **{each: stages[each] for each in names}}


_FIRST: Final = frozenset({"From", "To", "Call-ID", "Max-Forwards"})


def _abilities() -> list[Header]:
    return [("Allow", ", ".join(METHODS)), ("Supported", ", ".join(EXTENSIONS))]


def _allowed(message: Message) -> frozenset[str]:
    lines = ",".join(message.get_all("Allow"))
    return frozenset(each.strip().upper() for each in lines.split(",")[:64] if each.strip())
