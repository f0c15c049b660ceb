"""Conferences that somebody in a call mixes: who hears of them, and how (RFC 4579, XEP-0298).

A phone that mixes is asked by SUBSCRIBE, and the client told (`bridge.attendance`); a client that
mixes tells of itself, and the phone may subscribe to that (`bridge.hosting`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from logging import getLogger
from typing import Final

from dragoman.bridge.attendance import Able, Attendance
from dragoman.bridge.call import Call
from dragoman.bridge.hosting import Hosting
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.clock import earliest
from dragoman.log import about
from dragoman.mapping.address import Unmappable
from dragoman.mapping.failure import Refused
from dragoman.sip.endpoint import ServerTransaction
from dragoman.sip.event import Event
from dragoman.sip.message import Message, Request, Response, SipError, response_to
from dragoman.sip.notifier import Notifying
from dragoman.sip.route import RouteSet
from dragoman.sip.subscriber import Subscribing
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.session import Stage
from dragoman.xmpp.stanza import IQ

log = getLogger(__name__)

EVENT: Final = "conference"
"""The event package (RFC 4575 §3.1)."""
ISFOCUS: Final = "isfocus"
"""What the Contact of one who mixes says (RFC 4579 §4)."""
SAID: Final = frozenset({Stage.CALLING, Stage.ACTIVE})
"""Our session-initiate, or session-accept, is said: what is new is said by session-info."""


@dataclass(frozen=True, slots=True)
class Conferring:
    """The handle of a SUBSCRIBE or NOTIFY about a conference."""

    inner: Subscribing | Notifying


class Conferences:
    """The front of both directions. Calls tell it what is said in them."""

    def __init__(
        self,
        sip: SipPort,
        xmpp: XmppPort,
        able: Able,
        naming: Naming,
        ends_of: Callable[[Request, Uri], tuple[Jid, Jid]],
        in_call: Callable[[Request], bool],
        token: Callable[[], str],
        chance: Callable[[float, float], float],
    ) -> None:
        """Know of no conference.

        `able` is `Abilities.ask`, and `ends_of` that of `Calls`; `in_call(request)` tells a
        request in the dialog of a call.
        """
        self._sip = sip
        self._ends_of = ends_of
        self._in_call = in_call
        self.attendance = Attendance(self._request_for, xmpp, able, naming, token, chance)
        self.hosting = Hosting(sip, self._request_for, xmpp, naming, token)

    # -- what calls tell ---------------------------------------------------------------------

    def phone_says(self, call: Call, message: Message, now: float) -> None:
        """Learn by a request or response that has a Contact whether the phone mixes.

        A client that took a phone's place is not asked: it would be by a SUBSCRIBE to ourselves.
        """
        focus = None if call.hairpin else focus_of(message)
        if focus == call.focus:
            return
        turned, call.focus = (call.focus is None) != (focus is None), focus
        self.attendance.over(call, now)
        session = call.jingle
        if turned and session is not None and session.stage in SAID:
            session.info(coin.focus(is_focus=focus is not None), now)
        self.joined(call, now)

    def joined(self, call: Call, now: float) -> None:
        """Learn that both sides of a call talk."""
        self.attendance.joined(call, now)
        self.settle(now)

    def contact(self, call: Call, contact: str, now: float) -> str:
        """Return our Contact in a call as the phone is told it: with what the client does now."""
        call.marked = mixes(call)
        if not call.marked:
            self.hosting.over(call, now)
            return contact
        self.hosting.begin(call)
        return f"{contact};{ISFOCUS}"

    def over(self, call: Call, now: float) -> None:
        """End all that concerns a call."""
        self.attendance.over(call, now)
        self.hosting.over(call, now)
        self.settle(now)

    # -- what comes ----------------------------------------------------------------------------

    def takes(self, request: Request) -> bool:
        """Tell whether a SUBSCRIBE or NOTIFY is about a conference."""
        try:
            return Event.parse(request.get("Event") or "").package.lower() == EVENT
        except SipError:
            return False

    def knows(self, request: Request) -> bool:
        """Tell whether a NOTIFY is of a dialog that we began."""
        return self.attendance.knows(request)

    def on_request(
        self, request: Request, transaction: ServerTransaction, sender: Uri, now: float
    ) -> None:
        """Take a SUBSCRIBE of a SIP user who is believed, or a NOTIFY."""
        if request.method == "NOTIFY":
            status, headers = self.attendance.on_notify(request, now)
            self._sip.respond(transaction, response_to(request, status, headers=headers))
        else:
            self._subscribed(request, transaction, sender, now)
        self.settle(now)

    def _subscribed(
        self, request: Request, transaction: ServerTransaction, sender: Uri, now: float
    ) -> None:
        if self._in_call(request):  # 481 may end the call as well (RFC 5057 §5.1)
            self._refuse(request, transaction, 403)
            return
        try:
            user, recipient = self._ends_of(request, sender)
            self.hosting.on_subscribe(request, transaction, user, recipient, now)
        except Refused as error:
            self._refuse(request, transaction, error.answer.status, error.answer.headers)
        except (Unmappable, SipError) as error:
            self._refuse(request, transaction, error.status)

    def _refuse(
        self,
        request: Request,
        transaction: ServerTransaction,
        status: int,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        told = about(sip=request.get("From"), call_id=request.get("Call-ID"), status=status)
        log.info("SUBSCRIBE refused", extra=told)
        self._sip.respond(transaction, response_to(request, status, headers=headers))

    def on_stanza(self, stanza: Element, now: float) -> bool:
        """Take an iq about a conference; False: it is about none."""
        if stanza.name != IQ:
            return False
        if stanza.get("type") in {"result", "error"}:
            taken = self.attendance.on_answer(stanza, now)
        else:
            taken = stanza.get("type") == "set" and self.hosting.on_document(stanza, now)
        if taken:
            self.settle(now)
        return taken

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> bool:
        """Learn that a stanza of ours did not arrive; False: it was of no conference."""
        taken = self.attendance.undelivered(stanza, error, now)
        self.settle(now)
        return taken

    def on_response(self, handle: Conferring, response: Response, now: float) -> None:
        """Take a response to a request of ours."""
        match handle.inner:
            case Subscribing():
                self.attendance.on_response(handle.inner, response, now)
            case Notifying():
                self.hosting.on_response(handle.inner, response, now)
        self.settle(now)

    def on_failure(self, handle: Conferring, cause: object, now: float) -> None:
        """Learn that a request of ours got no response."""
        match handle.inner:
            case Subscribing():
                self.attendance.on_failure(handle.inner, cause, now)
            case Notifying():
                self.hosting.on_failure(handle.inner)
        self.settle(now)

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self.attendance.on_timer(now)
        self.hosting.on_timer(now)
        self.settle(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return earliest((self.attendance.next_timer(), self.hosting.next_timer()))

    def settle(self, now: float) -> None:
        """Send what waits."""
        self.attendance.settle()
        self.hosting.settle(now)

    def describe(self) -> dict[str, int]:
        """Return how many conferences there are, and how many subscriptions of either kind."""
        return {**self.attendance.describe(), **self.hosting.describe()}

    def _request_for(
        self, request: Request, handle: Subscribing | Notifying, route: RouteSet
    ) -> None:
        self._sip.request(request, Conferring(handle), route)


def focus_of(message: Message) -> Uri | None:
    """Return the address of a conference that a Contact names; None where it is of none."""
    try:
        found = message.contacts
    except SipError:
        return None
    return next((each.uri for each in found if each.param(ISFOCUS) is not None), None)


def mixes(call: Call) -> bool:
    """Tell whether the client of a call mixes a conference."""
    return call.jingle is not None and bool(call.jingle.mixes)


def marker(call: Call) -> Element | None:
    """Return what our session-initiate or session-accept says of a phone that mixes."""
    return None if call.focus is None else coin.focus()
