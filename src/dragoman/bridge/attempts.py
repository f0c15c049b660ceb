"""When a SIP user is asked for again: how often users may have that, and what far ends want.

A far end that refuses, fails, or ends dialogs early is asked ever less often (RFC 6665 §4.1.2.2,
§4.1.3; RFC 3261 §20.33).
"""

from typing import Final

from dragoman.bridge.authorization import Authorization, Key
from dragoman.bridge.pace import Pace
from dragoman.clock import Alarms

LATER: Final = 300
"""Seconds until the next attempt, where the far end names none, and the first of a row."""
SLOWEST: Final = 3600
"""Seconds between attempts at most, however many failed; and retry-after at most a day."""
DAY: Final = 86_400
MOST_DOUBLED: Final = 8
HASTE: Final = 30.0
"""Seconds between two dialogs of a pair, and two questions, however often somebody asks; where the
far end ends them early, or refuses them, twice as many each time."""
AT_ONCE: Final = 3
"""As many as may follow each other without that."""
LASTING: Final = 300.0
"""Seconds for which a contact is seen in a dialog that has not ended early."""


class Attempts:
    """What is to be tried again, and when: all times are absolute seconds."""

    def __init__(self) -> None:
        """Have nothing to try."""
        self._retries: Alarms[Key] = Alarms()
        self._pace = Pace(AT_ONCE, HASTE)

    def __contains__(self, key: Key) -> bool:
        """Tell whether a pair waits for its next attempt."""
        return key in self._retries

    def cancel(self, key: Key) -> None:
        """Have no attempt be made by itself; what is not to be before a time is not."""
        self._retries.cancel(key)

    def may_begin(self, pair: Authorization, now: float) -> bool:
        """Count a dialog that is made now; False where it may not be yet: its time will come up."""
        when = self._pace.when(pair.key, now)
        if when > now:
            self._retries.hasten(pair.key, when)
            return False
        self._retries.cancel(pair.key)
        self._pace.took(pair.key, now)
        return True

    def may_ask(self, pair: Authorization, now: float) -> bool:
        """Count a question that is asked once; False where there were many lately."""
        if self._pace.when(pair.question, now) > now:
            return False
        self._pace.took(pair.question, now)
        return True

    def rest(self, pair: Authorization, until: float) -> None:
        """Have no dialog be made before a time, and one then, whoever asks meanwhile."""
        self._pace.hold(pair.key, until)
        self._retries.set(pair.key, until)

    def hush(self, pair: Authorization, seconds: int, now: float) -> None:
        """Ask no question for as long as a far end wants that."""
        self._pace.hold(pair.question, now + min(seconds, DAY))

    def ended(self, pair: Authorization, least: int, now: float) -> float:
        """Return when a dialog may be made after one that the far end has ended.

        That is `least` seconds later; ever later where they end early again and again.
        """
        if pair.active_since is not None and now - pair.active_since >= LASTING:
            pair.short = 0
        pause = min(HASTE * 2.0**pair.short, SLOWEST)
        pair.short = min(pair.short + 1, MOST_DOUBLED)
        return max(now + min(least, DAY), pair.began + pause)

    def failed(self, pair: Authorization, least: int, now: float) -> None:
        """Try again later, after `least` seconds: sooner where somebody asks, but not that soon."""
        doubled, least = 2 ** min(pair.failures, MOST_DOUBLED), min(least, DAY)
        pair.failures += 1
        self._retries.set(pair.key, now + max(min(LATER * doubled, SLOWEST), least))
        for each in (pair.key, pair.question):
            self._pace.hold(each, now + max(min(HASTE * doubled, SLOWEST), least))

    def due(self, now: float) -> list[Key]:
        """Remove and return whose time it is."""
        return self._retries.due(now)

    def next_timer(self) -> float | None:
        """Return when the next is due."""
        return self._retries.next()
