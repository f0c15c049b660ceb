"""When Python looks for reference cycles: young ones as they come, all there is when nobody waits.

A message leaves no cycle (tests/app/test_cycles.py), a connection may.  To look at everything that
is kept takes up to a third of a second under full load, in which nobody is served.  So that is
done in a quiet minute, and only when there is none for a long time in a busy one.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import Final

YOUNG: Final = (5_000, 20)
"""New objects until the youngest are looked at, and how often that is until those next to them."""
NEVER: Final = 1_000_000
"""How often that is until everything would be looked at."""
PERIOD: Final = 60.0
PATIENCE: Final = 15
"""Periods that all of it may wait for a quiet one."""


class Collection:
    """Looks for cycles in the house at large; `busy()` tells whether many are being served."""

    def __init__(
        self, busy: Callable[[], bool], *, collect: Callable[[], object] = gc.collect
    ) -> None:
        """Begin with `start`, end with `stop`."""
        self._busy = busy
        self._collect = collect
        self._waited = 0
        self._before = gc.get_threshold()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Take over from Python; what there is now stays, and is not looked at again."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*YOUNG, NEVER)
        self._rearm()

    def stop(self) -> None:
        """Give it back."""
        if self._timer is not None:
            self._timer.cancel()
        gc.set_threshold(*self._before)
        gc.unfreeze()

    def look(self) -> None:
        """Look at everything, unless that is better done later."""
        self._waited += 1
        if self._busy() and self._waited < PATIENCE:
            return
        self._waited = 0
        self._collect()

    def _rearm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._ring)

    def _ring(self) -> None:
        self.look()
        self._rearm()
