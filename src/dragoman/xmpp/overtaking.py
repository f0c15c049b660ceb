"""Candidates that overtook the session-initiate of their session (XEP-0166 §6.3, XEP-0176 §5.5).

RFC 6120 §10.1 has it that stanzas keep their order. Prosody sends at once what comes while it opens
its stream anew after SASL, and only then what had waited for the stream: a client that trickles is
told that its session is unknown, and gives it up.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from dragoman.clock import Alarms
from dragoman.xmpp.element import Element
from dragoman.xmpp.jid import Jid

PATIENCE: Final = 2.0
"""Seconds that candidates wait for their session."""
MOST_EACH: Final = 16
MOST: Final = 256

Key: TypeAlias = tuple[Jid, Jid, str]
"""Our user and theirs, bare, and a sid."""


class Overtaking:
    """Requests without a session, each until that begins or for a while."""

    def __init__(self) -> None:
        """Hold none."""
        self._held: dict[Key, list[Element]] = {}
        self._alarms: Alarms[Key] = Alarms()

    def __len__(self) -> int:
        """Return how many are held."""
        return sum(map(len, self._held.values()))

    def hold(self, key: Key, request: Element, now: float) -> bool:
        """Hold a request; False: there is no room for it."""
        held = self._held.get(key, [])
        if len(held) >= MOST_EACH or len(self) >= MOST:
            return False
        if not held:
            self._alarms.set(key, now + PATIENCE)
        self._held[key] = [*held, request]
        return True

    def release(self, key: Key) -> list[Element]:
        """Return what was held, in order: its session has begun, or will not."""
        self._alarms.cancel(key)
        return self._held.pop(key, [])

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        return self._alarms.next()

    def on_timer(self, now: float, late: Callable[[Element], None]) -> None:
        """Give back what has waited in vain."""
        for key in self._alarms.due(now):
            for each in self.release(key):
                late(each)
