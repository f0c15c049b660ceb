"""Clients in a conference that a phone mixes hear what it tells of that (RFC 4575, XEP-0298).

We subscribe where the client lists XEP-0298, once, for as long as the call lasts. What the focus
tells is made whole in here, and the client is told all of it, one document at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from logging import getLogger
from typing import Final, TypeAlias

from dragoman.bridge.abilities import Told
from dragoman.bridge.call import Call
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import XmppPort
from dragoman.clock import Alarms, earliest
from dragoman.log import about
from dragoman.mapping.address import Unmappable, without_gr
from dragoman.mapping.conference import MEDIA_TYPE, ConferenceError, Document, Gap, Known
from dragoman.mapping.encoding import decoded
from dragoman.mapping.failure import Refused
from dragoman.sip.event import TERMINATED
from dragoman.sip.message import Header, Request, Response, SipError
from dragoman.sip.route import RouteSet
from dragoman.sip.subscriber import (
    Due,
    Failed,
    Left,
    Lost,
    Notice,
    Package,
    Parties,
    Subscriber,
    SubscriberEvent,
    Subscribing,
    is_last,
)
from dragoman.sip.subscriber import Refused as Denied
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.session import Stage
from dragoman.xmpp.stanza import ends

log = getLogger(__name__)

PACKAGE: Final = Package(
    "conference", MEDIA_TYPE, more=(("Last-Notify-Version", "0"),), direct=True
)
"""The header is Linphone's, and says that all is to be told. liblinphone 5.1, which Debian 12 has,
crashes as a focus where a SUBSCRIBE is without it."""
PACE: Final = 1.0
"""Seconds between two documents to a client: what changes meanwhile is in the second."""
PATIENCE: Final = 30.0
"""Seconds that the answer of a client is waited for."""
UNABLE: Final = frozenset({Condition.FEATURE_NOT_IMPLEMENTED, Condition.SERVICE_UNAVAILABLE})
"""Errors of a client that does not want to hear of conferences, whatever it lists."""

Able: TypeAlias = Callable[[Jid, Jid, Told, float], None]
Ask: TypeAlias = Callable[[Request, Subscribing, RouteSet], None]


@dataclass(slots=True, eq=False)
class Seat:
    """What a client in a conference has heard of it."""

    call: Call
    able: bool = False
    """Whether the client wants to hear, as far as it said."""
    asked: str = ""
    """The id of the request to the client that has no answer."""
    known: Known = field(default_factory=Known)
    said: int = 0
    """The version of the last document that the client got."""
    dirty: bool = False
    """Whether more is known by now."""
    next: float = 0.0
    """When the client may be told."""


class Attendance:
    """All seats. `request` sends a SUBSCRIBE, `able` asks a client what it can do."""

    def __init__(
        self,
        request: Ask,
        xmpp: XmppPort,
        able: Able,
        naming: Naming,
        token: Callable[[], str],
        chance: Callable[[float, float], float],
    ) -> None:
        """Have no seat."""
        self._request = request
        self._xmpp = xmpp
        self._able = able
        self._naming = naming
        self._token = token
        self._subscriber: Subscriber[str] = Subscriber(PACKAGE, token, chance)
        self._seats: dict[str, Seat] = {}
        self._asked: dict[str, Seat] = {}
        self._alarms: Alarms[str] = Alarms()

    # -- the call ----------------------------------------------------------------------------

    def joined(self, call: Call, now: float) -> None:
        """Learn that the two of a call talk, if they do: does the client want to hear?"""
        if call.focus is not None and _talks(call) and call.id not in self._seats:
            self._seats[call.id] = seat = Seat(call)
            session = call.jingle
            assert session is not None  # noqa: S101 - they talk
            self._able(session.local, session.remote, partial(self._found, seat, now), now)

    def over(self, call: Call, now: float) -> None:
        """Have nothing more to tell the client."""
        seat = self._seats.pop(call.id, None)
        if seat is not None:
            self._free(seat)
            self._leave(seat, now)

    def _leave(self, seat: Seat, now: float) -> None:
        if seat.call.id in self._subscriber:
            self._subscriber.leave(seat.call.id, now)

    # -- the client --------------------------------------------------------------------------

    def _ask(self, seat: Seat, make: Callable[[str, str, str], Element], now: float) -> None:
        """Send a request to the client, which has no other of ours."""
        session = seat.call.jingle
        if session is None:
            return
        seat.asked = self._token()
        self._asked[seat.asked] = seat
        self._alarms.set(seat.call.id, now + PATIENCE)
        stanza = make(str(session.remote), str(session.local), seat.asked)
        self._xmpp.send(stanza, session.local.domain, session.remote.domain)

    def _free(self, seat: Seat) -> None:
        """Wait for the client no more."""
        self._asked.pop(seat.asked, None)
        self._alarms.cancel(seat.call.id)
        seat.asked = ""

    def on_answer(self, stanza: Element, now: float) -> bool:
        """Take the answer to a request of ours, from whom it was sent to; False: it is none."""
        seat = self._asked.get(stanza.get("id", ""))
        session = None if seat is None else seat.call.jingle
        if seat is None or session is None or ends(stanza) != (session.remote, session.local):
            return False
        self._free(seat)
        if stanza.get("type") == "error":
            self._refused(seat, StanzaError.parse(stanza), now)
        self._tell(seat, now)
        return True

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> bool:
        """Learn that a request of ours did not arrive; False: it was none."""
        seat = self._asked.get(stanza.get("id", ""))
        if seat is None or stanza.get("type") not in {"get", "set"}:
            return False
        self._free(seat)
        self._refused(seat, error, now)
        return True

    def _refused(self, seat: Seat, error: StanzaError, now: float) -> None:
        told = about(jid=seat.call.user, reason=error.reason)
        log.info("the client does not hear of its conference", extra=told)
        if error.condition in UNABLE:
            seat.able = False
            self._leave(seat, now)

    def _found(self, seat: Seat, now: float, features: frozenset[str] | None) -> None:
        """Subscribe for a client that wants to hear, which was asked at `now`."""
        seat.able = features is not None and coin.NS in features
        if not seat.able or self._seats.get(seat.call.id) is not seat:
            return
        try:
            parties = self._parties(seat.call)
        except Unmappable as error:
            log.info("no subscription", extra=about(jid=seat.call.user, reason=error.reason))
        else:
            self._subscriber.subscribe(seat.call.id, parties, now)
            self.settle()

    def _parties(self, call: Call) -> Parties:
        """Raises Unmappable."""
        source = without_gr(self._naming.sip_sender(call.user))
        contact = self._naming.contact(call.user, call.peer)
        return Parties(str(call.focus), f"<{source}>", f"<{call.focus}>", contact)

    def _tell(self, seat: Seat, now: float) -> None:
        """Tell the client what is new, as soon as it may be told."""
        if not (seat.dirty and seat.able) or seat.asked:
            return
        if now < seat.next:
            self._alarms.set(seat.call.id, seat.next)
            return
        document = seat.known.told(seat.known.entity or str(seat.call.focus), seat.said + 1)
        if document is None:
            return
        seat.said, seat.next, seat.dirty = seat.said + 1, now + PACE, False
        self._ask(seat, partial(coin.carrier, document=document), now)

    # -- the focus ---------------------------------------------------------------------------

    def knows(self, request: Request) -> bool:
        """Tell whether a NOTIFY is of a subscription of ours."""
        return self._subscriber.knows(request)

    def on_notify(self, request: Request, now: float) -> tuple[int, Sequence[Header]]:
        """Take a NOTIFY; return the status that answers it, and the headers that go with that."""
        try:
            key = self._subscriber.match(request)
        except SipError as error:
            return _refusal(request, error.status, error.reason)
        seat = self._seats.get(key)
        try:
            document = _document(request)
            if seat is not None and document is not None:
                self._hear(seat, document, now)
        except Gap as error:
            log.info("all is asked for", extra=about(sip=request.get("From"), reason=error.reason))
            self._taken(self._subscriber.take(request, now), seat, now)
            self._subscriber.refresh(key)
        except (ConferenceError, Refused, SipError) as error:
            if is_last(request):
                self._taken(self._subscriber.take(request, now), seat, now)
            return _refusal(request, error.status, error.reason)
        else:
            self._taken(self._subscriber.take(request, now), seat, now)
        return 200, ()

    def _hear(self, seat: Seat, document: Document, now: float) -> None:
        """Take a document in. Raises Gap and ConferenceError."""
        known = seat.known.heard(document)
        if known is not seat.known:
            seat.known, seat.dirty = known, True
            self._tell(seat, now)

    def _taken(self, notice: Notice[str], seat: Seat | None, now: float) -> None:
        if notice.state.state == TERMINATED:
            whom = None if seat is None else seat.call.focus
            told = about(sip=whom, reason=notice.state.reason)
            log.info("the focus tells no more", extra=told)
        elif seat is not None and seat.known.over:
            self._leave(seat, now)

    def on_response(self, handle: Subscribing, response: Response, now: float) -> None:
        """Take a response to a SUBSCRIBE."""
        self._subscriber.on_response(handle, response, now)

    def on_failure(self, handle: Subscribing, cause: object, now: float) -> None:
        """Learn that a SUBSCRIBE got no response."""
        self._subscriber.on_failure(handle, cause, now)

    def _on_event(self, event: SubscriberEvent[str]) -> None:
        """Learn what becomes of a subscription: without one, the call goes on as it is."""
        seat = self._seats.get(event.key)
        focus = None if seat is None else seat.call.focus
        match event:
            case Due(key):
                self._subscriber.refresh(key)
            case Denied(_, response):
                told = about(sip=focus, status=response.status)
                log.info("the focus refuses SUBSCRIBE", extra=told)
            case Failed() | Lost():
                log.info("the subscription to the focus is gone", extra=about(sip=focus))
            case Left():
                pass

    # -- time, and what goes out -----------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._subscriber.on_timer(now)
        for key in self._alarms.due(now):
            seat = self._seats[key]
            if seat.asked:
                self._free(seat)
            self._tell(seat, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return earliest((self._subscriber.next_timer(), self._alarms.next()))

    def settle(self) -> None:
        """Send what waits."""
        for event in self._subscriber.events():
            self._on_event(event)
        for request, route, handle in self._subscriber.to_send():
            self._request(request, handle, route)

    def describe(self) -> dict[str, int]:
        """Return how many clients attend a phone's conference, and how many of them hear of it."""
        return {"attended": len(self._seats), "subscriptions": len(self._subscriber)}


def _talks(call: Call) -> bool:
    session = call.jingle
    return call.talking and session is not None and session.stage is Stage.ACTIVE


def _document(request: Request) -> Document | None:
    """Return the document of a NOTIFY, None for one without body.

    Raises ConferenceError, with 415 for what is of another type, Refused and SipError.
    """
    request = decoded(request)
    if not request.body:
        return None
    media = request.content_type
    if media is None or media.essence != MEDIA_TYPE:
        raise ConferenceError("no conference document", 415)
    return Document.parse(request.body)


def _refusal(request: Request, status: int, reason: str) -> tuple[int, Sequence[Header]]:
    told = about(sip=request.get("From"), status=status, reason=reason)
    log.info("NOTIFY refused", extra=told)
    return status, (("Accept", MEDIA_TYPE),) if status == 415 else ()
