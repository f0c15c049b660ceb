"""Subscriptions to us: SUBSCRIBE comes in, NOTIFY goes out (RFC 6665 §4.2, §4.4; RFC 6446)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

from dragoman.clock import Alarms, earliest
from dragoman.sip.dialog import Dialog
from dragoman.sip.event import ACTIVE, PENDING, TERMINATED, Event, SubscriptionState, interval
from dragoman.sip.header import parse_seconds
from dragoman.sip.message import Header, Request, Response
from dragoman.sip.route import RouteSet

GONE: Final = frozenset({404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})
"""Responses to a NOTIFY after which there is nobody to notify (§4.2.2)."""
PATIENCE: Final = 5.0
"""Seconds for what is asked once to be found out."""
SLOWEST: Final = 3600.0
"""Seconds of the longest interval that a subscriber may ask for (RFC 6446 §4)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be subscribed to, and on which terms; times are in seconds."""

    event: str
    shortest: int = 60
    longest: int = 3600
    pace: float = 5.0
    """Between two documents of a dialog, unless a SUBSCRIBE asks for one (RFC 3856 §6.10)."""
    most: int = 50_000
    """Dialogs."""
    share: int = 12_500
    """Of these, dialogs of one owner: whoever invents users leaves room for others."""


@dataclass(frozen=True, slots=True)
class Body:
    """A document, and the headers that go with it: Content-Type at least."""

    headers: Sequence[Header]
    data: bytes


@dataclass(frozen=True, slots=True)
class Notifying:
    """The handle of a NOTIFY."""

    number: int


@dataclass(frozen=True, slots=True)
class Unacceptable(Exception):
    """A SUBSCRIBE cannot be granted: the status, and the headers that go with it."""

    status: int
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """A SUBSCRIBE was granted: answer 200 with these seconds and this Contact, then send."""

    key: int
    expires: int
    contact: str
    first: bool
    """Whether it made the subscription."""

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers of the 200."""
        return (("Expires", str(self.expires)), ("Contact", self.contact))


@dataclass(frozen=True, slots=True)
class Over:
    """A subscription ended by itself: in time, answered as it asked once, or nobody is there."""

    key: int


class _Subscription:
    __slots__ = (
        "deadline",
        "dialog",
        "dirty",
        "ending",
        "event",
        "handle",
        "key",
        "last",
        "once",
        "owner",
        "pace",
        "state",
        "urgent",
    )

    def __init__(self, key: int, owner: str, dialog: Dialog, event: Event, pace: float) -> None:
        self.key = key
        self.owner = owner
        self.dialog = dialog
        self.event = event
        self.pace = pace
        self.state = PENDING
        self.deadline = 0.0
        self.last = float("-inf")
        self.handle = 0
        self.once = False
        self.dirty = False
        self.urgent = False
        self.ending: tuple[SubscriptionState, Body | None] | None = None


Document: TypeAlias = Callable[[int], Body | None]


class Notifier:
    """All subscriptions to one event package of ours, by numbers that are never used twice.

    `document(key)` is asked for the body of a NOTIFY when that is sent, and only of an active
    subscription. The user answers a SUBSCRIBE first and fetches `to_send` then.
    """

    def __init__(self, terms: Terms, document: Document) -> None:
        """Start without subscriptions."""
        self._terms = terms
        self._document = document
        self._keys = count(1)
        self._handles = count(1)
        self._all: dict[int, _Subscription] = {}
        self._of_owner: Counter[str] = Counter()
        self._by_dialog: dict[tuple[str, str, str], _Subscription] = {}
        self._by_handle: dict[int, _Subscription] = {}
        self._ends: Alarms[int] = Alarms()
        self._paces: Alarms[int] = Alarms()
        self._out: list[tuple[Request, RouteSet, Notifying]] = []
        self._events: list[Over] = []

    def __len__(self) -> int:
        """Return how many subscriptions there are, with those whose last NOTIFY is under way."""
        return len(self._all)

    # -- SUBSCRIBE ------------------------------------------------------------------------

    def subscribe(
        self, request: Request, tag: str, contact: str, now: float, owner: str = ""
    ) -> Granted:
        """Take a SUBSCRIBE; one outside of a dialog makes the dialog where our tag is `tag`.

        That is in the share of `owner` until its last NOTIFY is sent.

        Raises Unacceptable, and SipError for what cannot be read, or is older than what came.
        """
        event = self._event(request)
        if request.to.tag is not None:
            return self._again(request, event, now)
        if len(self._all) >= self._terms.most or self._of_owner[owner] >= self._terms.share:
            raise Unacceptable(500, (("Retry-After", "60"),))
        wanted = self._wanted(request)
        dialog = Dialog.of_uas(request, tag, contact)
        found = _Subscription(next(self._keys), owner, dialog, event, self._pace(request))
        self._all[found.key] = self._by_dialog[dialog.key] = found
        self._of_owner[owner] += 1
        found.once = not wanted
        found.urgent = bool(wanted)
        self._last_until(found, wanted or PATIENCE, now)
        self._paces.set(found.key, now)
        return Granted(found.key, wanted, contact, first=True)

    def find(self, request: Request) -> int | None:
        """Return the subscription in whose dialog a SUBSCRIBE is; None for none. It is not taken.

        Raises SipError.
        """
        found = self._found(request)
        return None if found is None else found.key

    def _found(self, request: Request) -> _Subscription | None:
        tags = request.to.tag or "", request.from_.tag or ""
        return self._by_dialog.get((request.call_id, *tags))

    def _again(self, request: Request, event: Event, now: float) -> Granted:
        found = self._found(request)
        if found is None or found.event != event or found.once:
            raise Unacceptable(481)
        dialog = found.dialog.received(request, refresh=True)
        wanted = self._wanted(request)
        found.dialog, found.pace = dialog, self._pace(request)
        if wanted:
            found.urgent = True
            self._paces.set(found.key, now)
            self._last_until(found, wanted, now)
        return Granted(found.key, wanted, dialog.contact, first=False)

    def _event(self, request: Request) -> Event:
        text = request.get("Event")
        event = None if text is None else Event.parse(text)
        if event is None or event.package != self._terms.event:
            raise Unacceptable(489, (("Allow-Events", self._terms.event),))
        return event

    def _wanted(self, request: Request) -> int:
        """Return the seconds that a SUBSCRIBE is granted: 0 for none, never more than asked."""
        text = request.get("Expires")
        wanted = self._terms.longest if text is None else parse_seconds(text)
        if 0 < wanted < self._terms.shortest:
            raise Unacceptable(423, (("Min-Expires", str(self._terms.shortest)),))
        return min(wanted, self._terms.longest)

    def _pace(self, request: Request) -> float:
        """Return the seconds between documents: each SUBSCRIBE says it anew (RFC 6446 §4)."""
        return max(self._terms.pace, min(interval(request.get("Event") or ""), SLOWEST))

    def _last_until(self, found: _Subscription, seconds: float, now: float) -> None:
        found.deadline = now + seconds
        self._ends.set(found.key, found.deadline)

    # -- what the user has to tell ----------------------------------------------------------

    def state(self, key: int) -> str:
        """Return "pending" or "active"; "terminated" for one that is no more."""
        found = self._all.get(key)
        return TERMINATED if found is None or found.ending else found.state

    def tag(self, key: int) -> str:
        """Return our tag in the dialog of a subscription."""
        return self._all[key].dialog.local_tag

    def activate(self, key: int, now: float) -> None:
        """Have a subscription be active, which its subscriber is told."""
        found = self._all.get(key)
        if found is not None and found.state == PENDING:
            found.state = ACTIVE
            found.urgent = found.urgent or not found.once
            self._paces.set(key, now)

    def is_once(self, key: int) -> bool:
        """Tell whether a subscription is only a question, and not answered yet."""
        found = self._all.get(key)
        return found is not None and found.once and found.ending is None

    def change(self, key: int, now: float) -> None:
        """Have a subscriber told what is new, as soon as his pace allows, and he may know."""
        found = self._all.get(key)
        if found is not None and found.state == ACTIVE:
            found.dirty = True
            self._paces.hasten(key, max(now, found.last + found.pace))

    def ready(self, key: int, now: float, within: float = 0.0) -> None:
        """Have what was asked once answered, `within` so many seconds: there is something to tell.

        It is the document of then.
        """
        found = self._all.get(key)
        if found is not None and found.once and found.ending is None:
            found.state = ACTIVE
            if within:
                self._ends.hasten(key, now + within)
            else:
                self._finish(found, now)

    def end(
        self,
        key: int,
        reason: str,
        now: float,
        *,
        retry_after: int | None = None,
        body: Body | None = None,
    ) -> None:
        """End a subscription; its subscriber gets a last NOTIFY."""
        found = self._all.get(key)
        if found is not None and found.ending is None:
            found.ending = SubscriptionState(TERMINATED, None, reason, retry_after), body
            self._by_dialog.pop(found.dialog.key, None)
            self._ends.cancel(key)
            self._paces.set(key, now)

    def forget(self, key: int) -> None:
        """Have nothing more to do with a subscription."""
        found = self._all.pop(key, None)
        if found is not None:
            self._by_dialog.pop(found.dialog.key, None)
            self._by_handle.pop(found.handle, None)
            self._of_owner[found.owner] -= 1
            if not self._of_owner[found.owner]:
                del self._of_owner[found.owner]
            self._ends.cancel(key)
            self._paces.cancel(key)

    # -- what comes of it -------------------------------------------------------------------

    def on_response(self, handle: Notifying, response: Response, now: float) -> None:
        """Take a response to a NOTIFY."""
        if response.status < 200:
            return
        found = self._taken(handle)
        if found is None:
            return
        if response.status in GONE:
            self._lost(found)
            return
        found.dialog = found.dialog.answered(response)
        self._next(found, now)

    def on_failure(self, handle: Notifying) -> None:
        """Learn that a NOTIFY got no response: nobody is there (§4.2.2)."""
        found = self._taken(handle)
        if found is not None:
            self._lost(found)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        times = (self._ends.next(), self._paces.next())
        return earliest(times)

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        for key in self._ends.due(now):
            found = self._all[key]
            if found.once:
                self._finish(found, now)
            else:
                self._events.append(Over(key))
                self.end(key, "timeout", now)
        for key in self._paces.due(now):
            self._send(self._all[key], now)

    def to_send(self, now: float) -> list[tuple[Request, RouteSet, Notifying]]:
        """Return requests with the routes that they take and their handles, and forget them."""
        for key in self._paces.due(now):
            self._send(self._all[key], now)
        found, self._out = self._out, []
        return found

    def events(self) -> list[Over]:
        """Return what ended by itself, and forget it."""
        found, self._events = self._events, []
        return found

    def _taken(self, handle: Notifying) -> _Subscription | None:
        found = self._by_handle.pop(handle.number, None)
        if found is not None:
            found.handle = 0
        return found

    def _lost(self, found: _Subscription) -> None:
        self.forget(found.key)
        if found.ending is None:
            self._events.append(Over(found.key))

    def _finish(self, found: _Subscription, now: float) -> None:
        """Answer what was asked once, with what is known."""
        body = self._document(found.key) if found.state == ACTIVE else None
        self.end(found.key, "timeout", now, body=body)
        self._events.append(Over(found.key))

    def _next(self, found: _Subscription, now: float) -> None:
        """Go on after a NOTIFY was answered: one at a time is under way (RFC 3856 §6.10)."""
        if found.ending is not None or found.urgent:
            self._paces.set(found.key, now)
        elif found.dirty:
            self._paces.set(found.key, max(now, found.last + found.pace))

    def _send(self, found: _Subscription, now: float) -> None:
        if found.handle:
            return
        if found.ending is not None:
            self._notify(found, *found.ending)
            self.forget(found.key)
        elif not found.once and (found.urgent or found.dirty):
            left = max(0, round(found.deadline - now))
            body = self._document(found.key) if found.state == ACTIVE else None
            found.urgent = found.dirty = False
            if body is not None:
                found.last = now
            found.handle = self._notify(found, SubscriptionState(found.state, left), body)
            self._by_handle[found.handle] = found

    def _notify(self, found: _Subscription, state: SubscriptionState, body: Body | None) -> int:
        headers = [("Event", str(found.event)), ("Subscription-State", str(state))]
        headers += [] if body is None else body.headers
        data = b"" if body is None else body.data
        found.dialog, request = found.dialog.request("NOTIFY", headers, data)
        number = next(self._handles)
        self._out.append((request, found.dialog.route_set, Notifying(number)))
        return number
