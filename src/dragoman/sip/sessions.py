"""All sessions: whose request or response it is, and how many there may be (RFC 3261 §12-15)."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from dragoman.errors import RemoteError
from dragoman.sip.dialog import Dialog
from dragoman.sip.flow import AckArrived, AckMissing, CancelArrived, RequestArrived
from dragoman.sip.message import Header, Request, Response, SipError, response_to
from dragoman.sip.replaces import OPTION, Replaces
from dragoman.sip.server import ServerTransaction
from dragoman.sip.session import (
    ALLOW,
    SUPPORTED,
    Action,
    Body,
    Event,
    Invited,
    Respond,
    SessionHandle,
    Stage,
)
from dragoman.sip.subscriber import Parties
from dragoman.sip.timer import LEAST, too_short
from dragoman.sip.uri import Uri
from dragoman.sip.usage import RETRY_AFTER, Outlet, Session, Wait, key_of

USAGE: Final = frozenset({"BYE", "PRACK", "UPDATE"})
"""Methods that are for sessions only."""


class Full(RemoteError):
    """There are as many sessions as there may be, in all or with one domain."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many sessions there may be: in all, and with one domain."""

    most: int = 20_000
    share: int = 5_000


class Sessions:
    """Every session of ours, without sockets or clock.

    `token()` gives identifiers that nobody can guess, `chance(low, high)` any number between,
    `contact(request)` our Contact in the dialog that an INVITE begins; `tag(transaction)` the To
    tag of its responses, `token` where not given.
    """

    def __init__(
        self,
        token: Callable[[], str],
        chance: Callable[[float, float], float],
        contact: Callable[[Request], str],
        bounds: Bounds | None = None,
        tag: Callable[[ServerTransaction], str] | None = None,
        allow: Sequence[str] = ALLOW,
        numbers: Iterator[int] | None = None,
        supported: Sequence[str] = SUPPORTED,
        packages: Sequence[str] = (),
    ) -> None:
        """Start with none.

        `allow` are the methods that may come in a session, `supported` the extensions that may be
        required of us, `packages` what INFO may be about (RFC 6086); `numbers` is what handles
        are told apart by: the same iterator for all `Sessions` on one endpoint.
        With "replaces" among the extensions, an INVITE may take the place of a session.
        """
        self._token = token
        self._contact = contact
        self._bounds = bounds or Bounds()
        self._tag = tag or (lambda _: token())
        self._numbers = count(1) if numbers is None else numbers
        self._outlet = Outlet(token, chance, self._forget, allow, supported, packages)
        self._all: dict[int, Session] = {}
        self._by_dialog: dict[Hashable, Session] = {}
        self._shares: Counter[str] = Counter()

    def __len__(self) -> int:
        """Return how many there are, those that end included."""
        return len(self._all)

    def invite(
        self,
        parties: Parties,
        offer: Body,
        now: float,
        headers: Sequence[Header] = (),
        call_id: str = "",
    ) -> Session:
        """Call somebody, under a fresh Call-ID where none is given.

        Raises Full, and SipError for a target that cannot be read.
        """
        peer = Uri.parse(parties.target).host.lower()
        self._room(peer)
        ends = parties.local, self._token(), parties.remote, ""
        dialog = Dialog(call_id or self._token(), *ends, parties.target, parties.contact)
        session = self._add(dialog, peer)
        session.call(offer, headers, now)
        return session

    def named(self, wanted: Replaces) -> Session | None:
        """Return the session whose dialog is named so by who is in it, in whatever stage."""
        found = self._by_dialog.get((wanted.call_id, wanted.to_tag))
        return found if found is not None and found.is_with(wanted.from_tag) else None

    # -- what comes -----------------------------------------------------------------------------

    def wants(self, request: Request) -> bool:
        """Tell whether a request is for `on_request`: an INVITE, or one in a session of ours."""
        return request.method in USAGE | {"INVITE"} or self._find(request) is not None

    def knows(self, request: Request) -> bool:
        """Tell whether a request is of a session of ours: nobody else knows our tag."""
        return self._find(request) is not None

    def has(self, handle: SessionHandle) -> bool:
        """Tell whether a request was made in one of these sessions."""
        return handle.session in self._all

    def on_request(self, arrived: RequestArrived, now: float) -> None:
        """Take a request, which is answered here or told of."""
        request, transaction = arrived.request, arrived.transaction
        try:
            if request.method == "INVITE" and request.to.tag is None:
                self._invited(transaction, now)
                return
            self._named(request).on_request(transaction, now)
        except Full:
            self._answer(transaction, 503, (("Retry-After", str(RETRY_AFTER)),))
        except SipError as error:
            later = (("Retry-After", str(RETRY_AFTER)),) if error.status == 500 else ()
            self._answer(transaction, error.status, later)

    def on_ack(self, event: AckArrived, now: float) -> None:
        """Take the ACK for a 2xx; one that belongs to nothing is dropped."""
        session = self._outlet.incoming.get(event.transaction) if event.transaction else None
        if session is not None and event.transaction is not None:
            session.on_ack(event.transaction, event.request, now)

    def on_missing(self, event: AckMissing, now: float) -> None:
        """Learn that an ACK did not come: that of a refusal does not matter."""
        session = self._outlet.incoming.get(event.transaction)
        if session is not None and event.accepted:
            session.on_missing(event.transaction, now)

    def on_cancel(self, event: CancelArrived, now: float) -> None:
        """Learn that the peer takes back an INVITE."""
        session = self._outlet.incoming.get(event.transaction)
        if session is not None:
            session.on_cancel(event.transaction, event.request, now)

    def on_response(self, handle: SessionHandle, response: Response, now: float) -> None:
        """Take a response to a request of a session's."""
        session = self._all.get(handle.session)
        if session is not None:
            session.on_response(handle.serial, response, now)

    def on_failed(self, handle: SessionHandle, status: int, now: float) -> None:
        """Learn that a request of a session's got no response: `status` is what that counts as."""
        session = self._all.get(handle.session)
        if session is not None:
            session.on_failed(handle.serial, status, now)

    # -- time, and what goes out ------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        return self._outlet.alarms.next()

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        for number, wait in self._outlet.alarms.due(now):
            session = self._all.get(number)
            if session is not None:
                session.on_timer(wait, now)

    def actions(self) -> list[Action]:
        """Return what is to be done with the endpoint, in order, and forget it."""
        found, self._outlet.actions = self._outlet.actions, []
        return found

    def events(self) -> list[Event]:
        """Return what happened, in order, and forget it."""
        found, self._outlet.events = self._outlet.events, []
        return found

    def describe(self) -> dict[str, int]:
        """Return how many sessions there are in each stage."""
        return dict(Counter(each.stage.value for each in self._all.values()))

    # -- within -----------------------------------------------------------------------------------

    def _invited(self, transaction: ServerTransaction, now: float) -> None:
        """Begin a session with the peer's INVITE. Raises SipError and Full."""
        request = transaction.request
        replaced = self._replaced(request)
        if too_short(request):
            self._answer(transaction, 422, (("Min-SE", str(LEAST)),))
            return
        peer = request.from_.uri.host.lower()
        self._room(peer)
        Body.of(request)
        dialog = Dialog.of_uas(request, self._tag(transaction), self._contact(request))
        session = self._add(dialog, peer)
        offer = session.invited(transaction, now)
        self._outlet.events.append(Invited(session, request, offer, replaced))

    def _replaced(self, request: Request) -> Session | None:
        """Return the session that an INVITE is to take the place of; None: it is none's.

        SipError: 481 where there is none that it names, or one that we have not answered; 486
        where it wants to take over only one that nobody has; 603 where the session is
        over, or none is taken over or joined here; 400 for two (RFC 3891 §3, RFC 3911 §4).
        """
        named = [*request.get_all("Replaces"), *request.get_all("Join")]
        if not named:
            return None
        if len(named) > 1:
            raise SipError("more than one Replaces or Join")
        wanted = Replaces.parse(named[0])
        found = self.named(wanted)
        if found is None:
            raise SipError("no session is replaced", 481)
        if OPTION not in self._outlet.supported or request.get("Join") is not None:
            raise SipError("no session is taken over", 603)
        replaceable(found, wanted)
        return found

    def _room(self, peer: str) -> None:
        """Raise Full where there is no room for a session with a domain."""
        if len(self._all) >= self._bounds.most or self._shares[peer] >= self._bounds.share:
            raise Full(f"{len(self._all)} sessions, {self._shares[peer]} with {peer[:40]}")

    def _add(self, dialog: Dialog, peer: str) -> Session:
        session = Session(next(self._numbers), self._outlet, dialog, peer)
        self._all[session.number] = session
        self._by_dialog[key_of(dialog)] = session
        self._shares[peer] += 1
        return session

    def _forget(self, session: Session) -> None:
        if self._all.pop(session.number, None) is None:
            return
        self._by_dialog.pop(key_of(session.dialog), None)
        self._shares[session.peer] -= 1
        if not self._shares[session.peer]:
            del self._shares[session.peer]
        for wait in Wait:
            self._outlet.alarms.cancel((session.number, wait))

    def _named(self, request: Request) -> Session:
        """Return the session of a request; raises SipError(481) for none."""
        session = self._find(request)
        if session is None:
            raise SipError("no such session", 481)
        return session

    def _find(self, request: Request) -> Session | None:
        try:
            return self._by_dialog.get((request.call_id, request.to.tag))
        except SipError:
            return None

    def _answer(
        self, transaction: ServerTransaction, status: int, headers: Sequence[Header] = ()
    ) -> None:
        response = response_to(transaction.request, status, headers=headers)
        self._outlet.actions.append(Respond(transaction, response))


def replaceable(session: Session, wanted: Replaces) -> None:
    """Raise SipError where a session that is named may not be taken over (RFC 3891 §3)."""
    if session.stage is Stage.INVITED:
        raise SipError("who called is not replaced while it rings", 481)
    if session.stage not in {Stage.CALLING, Stage.ACCEPTED, Stage.CONFIRMED}:
        raise SipError("the session is over", 603)
    if wanted.early_only and session.stage is not Stage.CALLING:
        raise SipError("the session is answered", 486)
