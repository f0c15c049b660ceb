"""Several rtpengines: which of them has which call, and what a former process left with them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from re import compile as pattern
from typing import Final

from dragoman.clock import earliest
from dragoman.errors import LocalError
from dragoman.media import ng
from dragoman.media.engine import Engine, Health
from dragoman.media.ng import Asked, Command, Reply

MOST_LISTED: Final = 500
"""Calls that an engine is asked to name at once: a datagram has no room for many more."""
MOST_SWEEPS: Final = 20
"""How often in a row it is asked, as long as there are calls to end."""

_INSTANCE: Final = pattern(r"[A-Za-z0-9_.-]{1,64}")


class Engines:
    """The pool. A call stays where it is; new ones go where the fewest are."""

    def __init__(
        self,
        names: Sequence[str],
        instance: str,
        token: Callable[[], str],
        gone: Callable[[str, float], None],
    ) -> None:
        """Know engines by their names; `gone` is called for each call whose engine is down.

        Calls bear the name of this `instance`: no other process that asks the same engines may
        have it, and the same process should after a restart. LocalError where it is no word.
        """
        if not names or len(set(names)) != len(names):
            raise LocalError("media engines: none, or one twice")
        if not _INSTANCE.fullmatch(instance):
            raise LocalError(f"an instance is a word of letters, digits, '.', '_', '-': {instance}")
        self._prefix = f"{instance}:"
        self._gone = gone
        self._engines = {name: Engine(name, token, self._turned) for name in names}
        self._places: dict[str, Engine] = {}
        self._ours: dict[str, int] = dict.fromkeys(names, 0)

    @property
    def all(self) -> Mapping[str, Engine]:
        """The engines by their names."""
        return self._engines

    # -- calls -----------------------------------------------------------------------------------

    def call_id(self, call: str) -> str:
        """Return what engines know a call of ours by."""
        return self._prefix + call

    def of(self, call: str) -> Engine | None:
        """Return the engine that has a call."""
        return self._places.get(call)

    def place(self, call: str, now: float, tried: Collection[str] = ()) -> Engine | None:
        """Choose an engine for a new call, or another than those it was tried at.

        One that answers and is not full, with the fewest calls; where none is known to answer,
        one that was not heard of yet. None: there is none.
        """
        self.free(call)
        for health in (Health.UP, Health.NEW):
            fit = [
                each
                for each in self._engines.values()
                if each.health is health and each.name not in tried and not each.full(now)
            ]
            if fit:
                found = min(fit, key=lambda each: max(each.load, self._ours[each.name]))
                self._places[call] = found
                self._ours[found.name] += 1
                found.load += 1
                return found
        return None

    def free(self, call: str) -> None:
        """Forget where a call is."""
        engine = self._places.pop(call, None)
        if engine is not None:
            self._ours[engine.name] -= 1
            engine.load = max(0, engine.load - 1)

    @property
    def answering(self) -> bool:
        """Whether any engine may answer."""
        return any(each.health is not Health.DOWN for each in self._engines.values())

    # -- what becomes of engines -----------------------------------------------------------------

    def _turned(self, engine: Engine, now: float) -> None:
        if engine.health is Health.UP:
            self._sweep(engine, now, MOST_SWEEPS)
            return
        for call in [each for each, place in self._places.items() if place is engine]:
            self.free(call)
            self._gone(call, now)

    def _sweep(self, engine: Engine, now: float, left: int) -> None:
        """Have it name its calls, to end those of this instance that nobody knows."""
        asked = Asked(Command.LIST, {"limit": MOST_LISTED})
        engine.ask(asked, partial(self._listed, engine, left), now)

    def _listed(self, engine: Engine, left: int, reply: Reply | None, now: float) -> None:
        if reply is None or reply.failed or not left:
            return
        known = {self.call_id(call) for call, place in self._places.items() if place is engine}
        orphans = [
            name
            for name in ng.calls(reply)[:MOST_LISTED]
            if name.startswith(self._prefix) and name not in known
        ]
        for name in orphans[:-1]:
            engine.ask(deletion(name), _nothing, now)
        if orphans:
            # there may be more than were named: look again once these are gone
            engine.ask(deletion(orphans[-1]), partial(self._ended, engine, left - 1), now)

    def _ended(self, engine: Engine, left: int, reply: Reply | None, now: float) -> None:
        if reply is not None and not reply.failed:
            self._sweep(engine, now, left)

    # -- datagram cores, together ----------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        for each in self._engines.values():
            each.on_timer(now)

    def next_timer(self) -> float | None:
        """Return when something is due."""
        return earliest(each.next_timer() for each in self._engines.values())

    def to_send(self) -> list[tuple[str, bytes]]:
        """Return what is to be sent, and to which engine, and forget it."""
        return [(name, data) for name, each in self._engines.items() for data in each.to_send()]

    def describe(self) -> list[dict[str, str | int]]:
        """Return how each engine is, and how many calls of ours it has."""
        return [
            {**each.describe(), "calls": self._ours[name]} for name, each in self._engines.items()
        ]


def deletion(call_id: str) -> Asked:
    """Return the request that ends a call at once, with its ports."""
    return Asked(Command.DELETE, {"call-id": call_id, "delete-delay": 0})


def _nothing(_: Reply | None, __: float) -> None:
    """Be told nothing: what is not ended now is when the engine returns."""
