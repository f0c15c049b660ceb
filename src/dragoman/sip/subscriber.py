"""Subscriptions of ours: SUBSCRIBE goes out, NOTIFY comes in (RFC 6665 §4.1, §4.4)."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from typing import Final, Generic, TypeAlias, TypeVar

from dragoman.clock import Alarms
from dragoman.sip.dialog import Dialog
from dragoman.sip.event import (
    TERMINATED,
    Event,
    SubscriptionState,
    granted_seconds,
    longer_seconds,
)
from dragoman.sip.message import Header, Request, Response, SipError
from dragoman.sip.route import RouteSet

Key = TypeVar("Key", bound=Hashable)

TIMER_N: Final = 32.0
"""Seconds that we wait for the first NOTIFY, or for the last (§4.1.2.4)."""
EARLIEST, LATEST = 0.6, 0.85
"""The part of a subscription's time after which it is refreshed: by chance, so that many spread."""
MARGIN: Final = 40.0
"""Seconds before its end when a subscription is refreshed at the latest: a request may take 32."""
SOONEST: Final = 30.0
"""Seconds between two refreshes, whatever was granted: what ends sooner ends."""
SPARE: Final = 5.0
"""Seconds before its end when one that lasts little more than that is refreshed."""
SKIPPED: Final = 100
"""Requests that an earlier process may have sent since its dialog was written down."""
FOREVER: Final = frozenset({403, 489, 603})
"""Responses after which nothing is to be asked again (RFC 8048 §5.2.2)."""
GONE: Final = frozenset({404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 501, 604})
"""Responses to a refresh that say that the dialog is no more (RFC 6665 §4.1.2.2)."""


class Stage(Enum):
    """How far a subscription has come."""

    UNHEARD = auto()
    """There is no dialog: no NOTIFY came yet."""
    HEARD = auto()
    LEAVING = auto()
    """We have asked to end it."""
    LEFT = auto()
    """The far end has agreed; the last NOTIFY is to come."""


@dataclass(frozen=True, slots=True)
class Package:
    """What is subscribed to: the event, what its documents may be, and for how many seconds."""

    event: str
    accept: str
    expires: int = 3600
    more: tuple[Header, ...] = ()
    """Other headers of each SUBSCRIBE."""
    direct: bool = False
    """Whether those asked are asked where they are: Linphone's NOTIFYs have no Contact."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who subscribes to whom: Request-URI, From and To without tags, and our Contact."""

    target: str
    local: str
    remote: str
    contact: str


@dataclass(frozen=True, slots=True)
class Subscribing:
    """The handle of a SUBSCRIBE."""

    number: int


@dataclass(frozen=True, slots=True)
class Refused(Generic[Key]):
    """The subscription is over: this is the final answer to it."""

    key: Key
    response: Response


@dataclass(frozen=True, slots=True)
class Failed(Generic[Key]):
    """The subscription never came to be: no answer (a cause), or no NOTIFY (None: timer N)."""

    key: Key
    cause: object | None


@dataclass(frozen=True, slots=True)
class Lost(Generic[Key]):
    """The subscription is gone: the far end forgot it, or could not be asked in time."""

    key: Key


@dataclass(frozen=True, slots=True)
class Due(Generic[Key]):
    """It is time to refresh: say `refresh`, `defer` or `leave`."""

    key: Key


@dataclass(frozen=True, slots=True)
class Left(Generic[Key]):
    """The far end has let us go; a last NOTIFY may come still."""

    key: Key


SubscriberEvent: TypeAlias = Refused[Key] | Failed[Key] | Lost[Key] | Due[Key] | Left[Key]


@dataclass(frozen=True, slots=True)
class Notice(Generic[Key]):
    """What a NOTIFY says of the subscription `key`, which is over where it is terminated."""

    key: Key
    state: SubscriptionState
    first: bool
    """Whether none came before it."""


class _Subscription(Generic[Key]):
    __slots__ = (
        "deadline",
        "dialog",
        "expires",
        "handle",
        "key",
        "leave",
        "stage",
        "wanted",
    )

    def __init__(self, key: Key, dialog: Dialog, expires: int) -> None:
        self.key = key
        self.dialog = dialog
        self.wanted = expires
        self.expires = expires
        self.stage = Stage.UNHEARD
        self.deadline = 0.0
        self.handle = 0
        self.leave = False


class Subscriber(Generic[Key]):
    """All subscriptions of ours to one event package; a key has one at a time.

    `token()` gives identifiers that nobody can guess. The user carries `to_send` to the wire, hands
    in what comes back, and says by `Due` whether a subscription goes on.
    """

    def __init__(
        self,
        package: Package,
        token: Callable[[], str],
        chance: Callable[[float, float], float],
    ) -> None:
        """Start without subscriptions; `chance(low, high)` is any number between."""
        self._package = package
        self._token = token
        self._chance = chance
        self._numbers = count(1)
        self._all: dict[Key, _Subscription[Key]] = {}
        self._by_call: dict[str, _Subscription[Key]] = {}
        self._by_handle: dict[int, _Subscription[Key]] = {}
        self._alarms: Alarms[Key] = Alarms()
        self._out: list[tuple[Request, RouteSet, Subscribing]] = []
        self._events: list[SubscriberEvent[Key]] = []

    def __len__(self) -> int:
        """Return how many subscriptions there are, those that end included."""
        return len(self._all)

    def __contains__(self, key: Key) -> bool:
        """Tell whether there is a subscription that is not about to end."""
        found = self._all.get(key)
        return found is not None and not found.leave

    @property
    def asking(self) -> int:
        """How many requests are under way."""
        return len(self._by_handle)

    # -- what the user wants --------------------------------------------------------------

    def subscribe(self, key: Key, parties: Parties, now: float, expires: int | None = None) -> None:
        """Ask in a new dialog; what there was under `key` is forgotten.

        `expires` 0 asks once (§4.4.3): one NOTIFY comes, which ends it.
        """
        self.forget(key)
        ends = parties.local, self._token(), parties.remote, ""
        dialog = Dialog(self._token(), *ends, parties.target, parties.contact)
        wanted = self._package.expires if expires is None else expires
        found = _Subscription(key, dialog, wanted)
        self._add(found)
        self._alarms.set(key, now + TIMER_N)
        self._ask(found, wanted)

    def refresh(self, key: Key) -> None:
        """Ask for more time, and for a NOTIFY, in a dialog that is there."""
        found = self._all[key]
        if found.stage is Stage.HEARD and not found.handle:
            self._alarms.set(key, found.deadline)
            self._ask(found, found.wanted)

    def defer(self, key: Key, when: float) -> None:
        """Have `Due` told again at `when`, or the end if that is sooner."""
        found = self._all[key]
        self._alarms.set(key, min(when, found.deadline))

    def leave(self, key: Key, now: float) -> None:
        """End a subscription: `Left` tells when the far end has agreed, or will not answer."""
        found = self._all[key]
        if found.leave:
            return
        found.leave = True
        if found.stage is Stage.HEARD and not found.handle:
            self._end(found, now)

    def forget(self, key: Key) -> None:
        """Have nothing more to do with a subscription; a NOTIFY of it is answered 481."""
        found = self._all.pop(key, None)
        if found is not None:
            del self._by_call[found.dialog.call_id]
            self._by_handle.pop(found.handle, None)
            self._alarms.cancel(key)

    def keep(self, key: Key, now: float) -> tuple[str, float] | None:
        """Return the dialog of a subscription as text, and the seconds it has left; see `restore`.

        None where there is no dialog, or it is about to end.
        """
        found = self._all.get(key)
        if found is None or found.stage is not Stage.HEARD:
            return None
        return found.dialog.to_text(), max(0.0, found.deadline - now)

    def restore(self, key: Key, text: str, left: float, now: float) -> None:
        """Go on with a dialog of an earlier process, which has `left` seconds.

        What that process asked last may not have been written down: a gap in CSeq is no harm
        (RFC 3261 §12.2.2). Nothing is sent before `Due`, or `refresh`. Raises SipError for another
        text.
        """
        dialog = Dialog.from_text(text)
        self.forget(key)
        found = _Subscription(key, dialog.skipping(SKIPPED), self._package.expires)
        found.stage, found.deadline = Stage.HEARD, now + left
        self._add(found)
        self._plan(found, now)

    # -- what comes -----------------------------------------------------------------------

    def knows(self, request: Request) -> bool:
        """Tell whether a NOTIFY is for a subscription of ours, as far as its names tell."""
        found = self._by_call.get(request.get("Call-ID") or "")
        try:
            return found is not None and request.to.tag == found.dialog.local_tag
        except SipError:
            return False

    def match(self, request: Request) -> Key:
        """Return whose NOTIFY it is, with nothing changed yet.

        Raises SipError with the answer: 481 for no subscription, or another branch of a forked one
        (RFC 3856 §6.9), 489 for another event, 400 for what cannot be read, 500 for what is older
        than what was told before.
        """
        found = self._by_call.get(request.call_id)
        if found is None or request.to.tag != found.dialog.local_tag:
            raise SipError("no such subscription", 481)
        if found.dialog.remote_tag not in {"", request.from_.tag}:
            raise SipError("another branch of a forked subscription", 481)
        event = request.get("Event")
        if event is None or Event.parse(event) != Event(self._package.event):
            raise SipError(f"not the event subscribed to: {event!r}", 489)
        _state(request)
        self._after(found.dialog, request)
        return found.key

    def take(self, request: Request, now: float) -> Notice[Key]:
        """Take in a NOTIFY that `match` found and the user means to answer 200."""
        found = self._by_call[request.call_id]
        state = _state(request)
        first = found.stage is Stage.UNHEARD
        found.dialog = self._after(found.dialog, request)
        if state.state == TERMINATED:
            self._close(found, None)
        elif found.stage in {Stage.UNHEARD, Stage.HEARD}:
            self._heard(found, state, now)
        return Notice(found.key, state, first)

    def on_response(self, handle: Subscribing, response: Response, now: float) -> Key | None:
        """Take a response to a SUBSCRIBE; return whose it is, None where nobody waits for it."""
        if response.status < 200:
            return None
        found = self._by_handle.pop(handle.number, None)
        if found is None:
            return None
        found.handle = 0
        if response.status < 300:
            self._granted(found, response, now)
        else:
            found.dialog = found.dialog.answered(response)
            self._denied(found, response, now)
        return found.key

    def on_failure(self, handle: Subscribing, cause: object, now: float) -> None:
        """Learn that a SUBSCRIBE got no response."""
        found = self._by_handle.pop(handle.number, None)
        if found is None:
            return
        found.handle = 0
        if found.leave or found.stage is Stage.UNHEARD:
            self._close(found, Failed(found.key, cause))
        else:
            self._again_later(found, now)

    # -- time, and what goes out ------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        return self._alarms.next()

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        for key in self._alarms.due(now):
            found = self._all.get(key)
            if found is not None:
                self._fire(found, now)

    def to_send(self) -> list[tuple[Request, RouteSet, Subscribing]]:
        """Return requests with the routes that they take and their handles, and forget them."""
        found, self._out = self._out, []
        return found

    def events(self) -> list[SubscriberEvent[Key]]:
        """Return what happened, in order, and forget it."""
        found, self._events = self._events, []
        return found

    def _after(self, dialog: Dialog, request: Request) -> Dialog:
        """Return the dialog after a NOTIFY, which makes it if it is the first; raises SipError."""
        if dialog.remote_tag:
            after = dialog.received(request, refresh=True)
        else:
            after = dialog.met(request, direct=self._package.direct)
        via = request.via  # with `received` and `rport` as we have seen them
        port = via.rport or ""
        seen = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else via.port
        return after.met_at(via.received or via.host, seen if via.transport == "UDP" else None)

    def _add(self, found: _Subscription[Key]) -> None:
        self._all[found.key] = found
        self._by_call[found.dialog.call_id] = found

    def _ask(self, found: _Subscription[Key], expires: int) -> None:
        headers: list[Header] = [
            ("Event", self._package.event),
            ("Accept", self._package.accept),
            ("Expires", str(expires)),
            *self._package.more,
        ]
        found.dialog, request = found.dialog.request("SUBSCRIBE", headers)
        found.handle = next(self._numbers)
        self._by_handle[found.handle] = found
        self._out.append((request, found.dialog.route_set, Subscribing(found.handle)))

    def _end(self, found: _Subscription[Key], now: float) -> None:
        """Ask to end a dialog that is there."""
        found.stage = Stage.LEAVING
        self._alarms.set(found.key, now + TIMER_N)
        self._ask(found, 0)

    def _heard(self, found: _Subscription[Key], state: SubscriptionState, now: float) -> None:
        """Take the time that a NOTIFY gives, which counts more than the response's (§4.1.2.2)."""
        first, found.stage = found.stage is Stage.UNHEARD, Stage.HEARD
        if state.expires is not None:
            found.expires = state.expires
        if first or state.expires is not None:
            found.deadline = now + found.expires
            self._plan(found, now)
        if found.leave and not found.handle:
            self._end(found, now)

    def _granted(self, found: _Subscription[Key], response: Response, now: float) -> None:
        found.expires = granted_seconds(response, found.wanted)
        if found.stage is Stage.UNHEARD:
            # The dialog is made by its NOTIFY: of a forked request, nobody knows whose that is.
            return
        if _tag(response) == found.dialog.remote_tag:
            found.dialog = found.dialog.answered(response).kept_outside(found.dialog)
        if found.stage is Stage.LEAVING:
            found.stage = Stage.LEFT
            self._events.append(Left(found.key))
        elif found.leave:
            self._end(found, now)
        else:
            found.deadline = now + found.expires
            self._plan(found, now)

    def _denied(self, found: _Subscription[Key], response: Response, now: float) -> None:
        status, longer = response.status, 0
        if status == 423 and found.wanted == self._package.expires:
            longer = longer_seconds(response, found.wanted)
        if found.leave:
            self._close(found, None)
        elif longer:
            found.wanted = longer
            self._ask(found, longer)
        elif found.stage is Stage.UNHEARD or status in FOREVER:
            self._close(found, Refused(found.key, response))
        elif status in GONE:
            self._close(found, Lost(found.key))
        else:
            self._again_later(found, now)

    def _close(self, found: _Subscription[Key], event: SubscriberEvent[Key] | None) -> None:
        """Have a subscription end: `event` tells, unless its user wanted the end."""
        self.forget(found.key)
        if found.leave:
            event = None if found.stage is Stage.LEFT else Left(found.key)
        if event is not None:
            self._events.append(event)

    def _plan(self, found: _Subscription[Key], now: float) -> None:
        """Set the time for a refresh, within what is left."""
        left = found.deadline - now
        latest = min(LATEST * left, left - MARGIN) if left > 2 * MARGIN else left / 2
        soonest = max(latest * EARLIEST / LATEST, SOONEST)
        wait = self._chance(soonest, max(latest, min(soonest / 3 * 4, left - SPARE), soonest))
        self._alarms.set(found.key, min(now + wait, found.deadline))

    def _again_later(self, found: _Subscription[Key], now: float) -> None:
        """Have a refresh tried again after half of the time that is left (§4.1.2.2)."""
        left = found.deadline - now
        self._alarms.set(found.key, min(now + max(left / 2, SOONEST), found.deadline))

    def _fire(self, found: _Subscription[Key], now: float) -> None:
        if found.stage is Stage.UNHEARD:
            self._close(found, Failed(found.key, None))
        elif found.stage is not Stage.HEARD or now >= found.deadline:
            self._close(found, Lost(found.key))
        else:
            self._alarms.set(found.key, found.deadline)
            self._events.append(Due(found.key))


def is_last(request: Request) -> bool:
    """Tell whether a NOTIFY that `match` found ends its subscription."""
    return _state(request).state == TERMINATED


def _tag(response: Response) -> str | None:
    """Return the tag of the far end, None where none can be read."""
    try:
        return response.to.tag
    except SipError:
        return None


def _state(request: Request) -> SubscriptionState:
    value = request.get("Subscription-State")
    if value is None:
        raise SipError("Subscription-State is missing")
    return SubscriptionState.parse(value)
