"""Those who watched when the last process ended: their dialogs are taken up little by little."""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from dragoman.bridge.authorization import Authorization, Key
from dragoman.sip.dialog import ends_of
from dragoman.sip.message import Request, SipError

PACE: Final = 50
"""Dialogs a second that are made anew after a start."""
TICK: Final = 0.1
UNDER_WAY: Final = 200
"""SUBSCRIBEs that wait for an answer while more are made anew."""


class Inheritance:
    """What is still to be taken up of `pairs`, which others add to and take from."""

    def __init__(self, pairs: Mapping[Key, Authorization]) -> None:
        """Inherit nothing."""
        self._pairs = pairs
        self._anew: deque[Key] = deque()
        self._calls: dict[str, Key] = {}
        self._tick: float | None = None

    def __len__(self) -> int:
        """Return how many are to be taken up."""
        return len(self._anew)

    def add(self, pair: Authorization, now: float) -> None:
        """Have a pair be taken up from `now` on."""
        pair.stored, pair.ghosts = True, pair.record.shown
        self._anew.append(pair.key)
        self._tick = now
        if pair.record.dialog:
            self._calls[ends_of(pair.record.dialog)[0]] = pair.key

    def find(self, request: Request) -> Authorization | None:
        """Return whose dialog a NOTIFY is of, where it is one that waits to be taken up."""
        key = self._calls.get(request.get("Call-ID") or "")
        pair = None if key is None else self._pairs.get(key)
        if pair is None or not pair.stored:
            return None
        with suppress(SipError):
            if request.to.tag == ends_of(pair.record.dialog)[1]:
                return pair
        return None

    def due(self, now: float, asking: int) -> list[Authorization]:
        """Remove and return those whose turn it is, while `asking` requests wait for an answer.

        The others' will come up.
        """
        if self._tick is None or self._tick > now:
            return []
        many = max(0, min(int(PACE * TICK), UNDER_WAY - asking, len(self._anew)))
        keys = [self._anew.popleft() for _ in range(many)]
        if not self._anew:
            self._calls.clear()
        self._tick = now + TICK if self._anew else None
        found = (self._pairs.get(key) for key in keys)
        return [pair for pair in found if pair is not None and pair.stored]

    def next_timer(self) -> float | None:
        """Return when somebody's turn is."""
        return self._tick
