"""What a bug costs: the event that it happened at, and no other.

The one place where the exceptions of events are caught whatever they are. Whoever takes one event
after the other has each of them done by `contained`; services with timers are rung by `Timers`.
"""

from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final, ParamSpec, Protocol

from dragoman.clock import earliest
from dragoman.xmpp.failure import Condition, StanzaError

P = ParamSpec("P")

log = getLogger(__name__)

BUG: Final = "the gateway failed"
"""What those are told whose event is lost."""
REST: Final = 1.0
"""Seconds for which a service is not rung whose timer failed."""
BREATH: Final = 0.01
"""Seconds for which one is not rung that wants it again at once: others have their turn."""


def bug() -> StanzaError:
    """Return what those are told whose event a service failed at."""
    return StanzaError(Condition.INTERNAL_SERVER_ERROR, text=BUG)


def nothing() -> None:
    """Tell nobody: there is nobody to tell, or all is told by the log."""


def contained(
    failed: Callable[[], None], act: Callable[P, None], /, *args: P.args, **kwargs: P.kwargs
) -> bool:
    """Do something; where it fails, log that, and have `failed()` tell who waits for it.

    Tells whether it was done. Whatever is raised, in `failed` too, goes no further.
    """
    try:
        act(*args, **kwargs)
    except Exception:  # a bug, of whatever kind: the other events have no part in it
        log.exception("an event is lost: a bug")
    else:
        return True
    if failed is not nothing:
        contained(nothing, failed)
    return False


class Timed(Protocol):
    """A service that wants to be rung at times."""

    def on_timer(self, now: float) -> None:
        """Do what is due."""

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""


class Timers:
    """The timers of all services: what fails in one neither stops the others nor fills the loop."""

    def __init__(self, services: Sequence[Timed]) -> None:
        """Ring `services`, in this order."""
        self._services = services
        self._resting = [float("-inf")] * len(services)

    def next(self, now: float) -> float | None:
        """Return when `ring` is wanted next."""
        found: list[float | None] = []
        while not contained(nothing, self._ask, found, now):
            found.append(self._rest(len(found), now + REST))
        return earliest(found)

    def ring(self, now: float) -> None:
        """Have all do what is due."""
        for number, service in enumerate(self._services):
            if self._resting[number] > now:
                continue
            if not contained(nothing, self._ring, service, number, now):
                self._rest(number, now + REST)

    def _ring(self, service: Timed, number: int, now: float) -> None:
        service.on_timer(now)
        when = service.next_timer()
        if when is not None and when <= now:
            self._rest(number, now + BREATH)

    def _ask(self, found: list[float | None], now: float) -> None:
        """Add to `found` when each service that has none there wants to be rung."""
        for number in range(len(found), len(self._services)):
            rest = self._resting[number]
            found.append(rest if rest > now else self._services[number].next_timer())

    def _rest(self, number: int, until: float) -> float:
        self._resting[number] = until
        return until
