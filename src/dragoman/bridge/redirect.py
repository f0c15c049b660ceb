"""Redirection: where somebody is called who is elsewhere (RFC 3261 §8.1.3.4, §21.3).

The best Contact of a 3xx is called first, the next one where that fails. Nobody is called twice,
nor anybody whom the XMPP user could not call: a callee does not choose whom a caller pays for.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Final, Generic, Protocol, TypeVar

from dragoman.clock import Alarms
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Response, SipError
from dragoman.sip.uri import Uri

MOST: Final = 5
"""Places that one call is redirected to, in all."""
TURN: Final = 10.0
"""Seconds that the DNS may take to tell who may be called."""
EVERYWHERE: Final = 600
"""From this status on a user is nowhere else either (§21.6)."""
Reaches = Callable[[str], bool | None]
"""Tells whether XMPP users may call users of a SIP domain; None: the DNS is being asked."""


@dataclass(slots=True)
class Elsewhere:
    """Where who is called is, as redirections have it."""

    target: Uri | None = None
    """For the Request-URI; None: he is where his address says."""
    ahead: list[Uri] = field(default_factory=list)
    """Other places that were named, the next first."""
    tried: list[Uri] = field(default_factory=list)
    """Those that were called."""


class Redirectable(Protocol):
    """What may be redirected: a call, or the transfer of one."""

    elsewhere: Elsewhere

    @property
    def id(self) -> str:
        """What tells it apart."""

    @property
    def address(self) -> Uri:
        """Who is called."""

    @property
    def over(self) -> bool:
        """Whether nobody is called any more."""


Redirected = TypeVar("Redirected", bound=Redirectable)


class Redirects(Generic[Redirected]):
    """All that is redirected."""

    def __init__(
        self,
        reaches: Reaches,
        now: Callable[[], float],
        call: Callable[[Redirected], None],
        give_up: Callable[[Redirected, int, str], None],
    ) -> None:
        """Have `call` called anew, at its target; what `give_up` learns was the last answer."""
        self._reaches = reaches
        self._now = now
        self._call = call
        self._give_up = give_up
        self._waiting: dict[str, tuple[Redirected, int, str]] = {}
        self._alarms: Alarms[str] = Alarms()

    def goes_on(self, call: Redirected, status: int, response: Response | None) -> bool:
        """Go on with another place than the one that gave this answer; False: there is none."""
        if response is not None and 300 <= status < 400:
            self._learn(call, response)
        if status >= EVERYWHERE:
            call.elsewhere.ahead.clear()
        return self._next(call, status, "" if response is None else response.reason)

    def _learn(self, call: Redirected, response: Response) -> None:
        with suppress(SipError):
            found = sorted(response.contacts, key=_quality, reverse=True)
            call.elsewhere.ahead[:0] = [replace(each.uri, headers="") for each in found[:MOST]]

    def _next(self, call: Redirected, status: int, phrase: str) -> bool:
        while call.elsewhere.ahead and len(call.elsewhere.tried) < MOST:
            may = self._may(call, call.elsewhere.ahead[0])
            if may is None:
                self._waiting[call.id] = (call, status, phrase)
                if call.id not in self._alarms:
                    self._alarms.set(call.id, self._now() + TURN)
                return True
            target = call.elsewhere.ahead.pop(0)
            if may:
                call.elsewhere.tried.append(target)
                call.elsewhere.target = target
                self._call(call)
                return True
        call.elsewhere.ahead.clear()
        return False

    def _may(self, call: Redirected, target: Uri) -> bool | None:
        known = (call.address, *call.elsewhere.tried)
        if target.scheme not in {"sip", "sips"} or any(target.matches(each) for each in known):
            return False
        if call.address.scheme == "sips" and target.scheme != "sips":
            return False  # §8.1.3.4: what was to be secure is not called otherwise
        if target.host == call.address.host or _is_device(target, call.address):
            return True
        return self._reaches(target.host)

    def learned(self) -> None:
        """Look again who may be called: the DNS has said something."""
        for name in list(self._waiting):
            self._again(name)

    def _again(self, name: str, late: bool = False) -> None:
        call, status, phrase = self._waiting.pop(name)
        if late and call.elsewhere.ahead:
            call.elsewhere.ahead.pop(0)
        if call.over:
            self._alarms.cancel(name)
        elif not self._next(call, status, phrase):
            self._alarms.cancel(name)
            self._give_up(call, status, phrase)
        elif name not in self._waiting:
            self._alarms.cancel(name)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    def on_timer(self, now: float) -> None:
        """Leave out the places of which the DNS says nothing."""
        for name in self._alarms.due(now):
            if name in self._waiting:
                self._again(name, late=True)


def _quality(contact: NameAddress) -> float:
    try:
        return float(contact.param("q") or 1)
    except ValueError:
        return 0.0


def _is_device(target: Uri, user: Uri) -> bool:
    """Tell whether a place is a device of the user who is called: an address, by his own name."""
    try:
        ip_address(target.host.strip("[]"))
    except ValueError:
        return False
    return target.user == user.user
