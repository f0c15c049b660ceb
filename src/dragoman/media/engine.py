"""Talking to one rtpengine by its NG protocol: requests that get lost, answers, and its health."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from dragoman.clock import Alarms
from dragoman.errors import RemoteError
from dragoman.media import ng
from dragoman.media.ng import Asked, Command, Reply, Result

RESEND: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds to wait for an answer, after each time that a request is sent.

An engine knows a request by its cookie for 30 s, and does none twice.
"""
ONCE: Final = (2.0,)
PING: Final = 5.0
"""Seconds between two looks at how an engine is."""
REST: Final = 10.0
"""Seconds for which an engine that was full is not asked to take another call."""
MOST_WAITING: Final = 1024
"""Requests that may wait for their answers; more are not sent."""

Told: TypeAlias = Callable[[Reply | None, float], None]
"""Learns the answer to a request, and the time; None: there was none."""


class Health(Enum):
    """Whether an engine answers."""

    NEW = "not heard of yet"
    UP = "answers"
    DOWN = "does not answer"


@dataclass(slots=True)
class _Waiting:
    datagram: bytes
    told: Told
    waits: tuple[float, ...]
    since: float
    sent: int = 1


class Engine:
    """Our side of the conversation with one engine: a datagram core."""

    def __init__(
        self,
        name: str,
        token: Callable[[], str],
        turned: Callable[["Engine", float], None] | None = None,
    ) -> None:
        """Call it `name`; `token` makes cookies, which nobody else who asks it may have.

        `turned` is called, with the time, when `health` has changed.
        """
        self.name = name
        self.health = Health.NEW
        self.load = 0
        """Calls that it said it has, ours and others'."""
        self.strays = 0
        """Datagrams that answered nothing, or could not be read."""
        self._token = token
        self._turned = turned
        self._waiting: dict[str, _Waiting] = {}
        self._alarms: Alarms[str] = Alarms()
        self._out: list[bytes] = []
        self._alarms.set(_PROBE, float("-inf"))
        self._heard = float("-inf")
        self._full_until = float("-inf")

    # -- what the owner asks ---------------------------------------------------------------------

    def ask(
        self, asked: Asked, told: Told, now: float, *, waits: tuple[float, ...] = RESEND
    ) -> None:
        """Send a request, again after each of `waits` but the last; `told` is called once."""
        if len(self._waiting) >= MOST_WAITING:
            told(Reply(Result.LIMIT, "too many requests wait for their answers"), now)
            return
        cookie = self._token()
        datagram = asked.encode(cookie)
        self._waiting[cookie] = _Waiting(datagram, told, waits, now)
        self._alarms.set(cookie, now + waits[0])
        self._out.append(datagram)

    def rest(self, now: float) -> None:
        """Learn that it was full."""
        self._full_until = now + REST

    def full(self, now: float) -> bool:
        """Tell whether it was, a short while ago."""
        return now < self._full_until

    @property
    def waiting(self) -> int:
        """How many requests wait for their answers."""
        return len(self._waiting)

    def describe(self) -> dict[str, str | int]:
        """Return its health, its load as it says, and counts."""
        return {
            "engine": self.name,
            "health": self.health.value,
            "load": self.load,
            "waiting": len(self._waiting),
            "strays": self.strays,
        }

    # -- a datagram core -------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Take a datagram of the engine's; one that answers nothing, or nothing any more, is
        counted."""
        try:
            cookie, body = ng.split(data)
            waiting = self._waiting.pop(cookie, None)
        except RemoteError:
            waiting = None
        if waiting is None:
            self.strays += 1
            return
        self._alarms.cancel(cookie)
        self._heard = now
        try:
            reply = Reply.parse(body)
        except RemoteError as error:
            self.strays += 1
            reply = Reply(Result.ERROR, error.reason)
        self._turn(Health.UP, now)
        waiting.told(reply, now)

    def on_timer(self, now: float) -> None:
        """Send again what was not answered, give up what never was, look how the engine is."""
        for key in self._alarms.due(now):
            if key == _PROBE:
                self._alarms.set(_PROBE, now + PING)
                self._probe(now)
            elif key in self._waiting:
                self._again(key, self._waiting[key], now)

    def next_timer(self) -> float | None:
        """Return when something is due."""
        return self._alarms.next()

    def to_send(self) -> list[bytes]:
        """Return what is to be sent, and forget it."""
        out, self._out = self._out, []
        return out

    def _again(self, cookie: str, waiting: _Waiting, now: float) -> None:
        if waiting.sent < len(waiting.waits):
            self._alarms.set(cookie, now + waiting.waits[waiting.sent])
            waiting.sent += 1
            self._out.append(waiting.datagram)
            return
        lost = {cookie: waiting}
        if self._heard < waiting.since:
            # nor will it answer the others, which wait no longer
            lost = dict(self._waiting)
        for each in lost:
            del self._waiting[each]
            self._alarms.cancel(each)
        if self._heard < waiting.since:
            self._turn(Health.DOWN, now)
        for left in lost.values():
            left.told(None, now)

    def _probe(self, now: float) -> None:
        if self.health is Health.UP:
            self.ask(Asked(Command.STATISTICS), self._counted, now)
        elif not self._waiting:
            waits = RESEND if self.health is Health.NEW else ONCE
            self.ask(Asked(Command.PING), _nothing, now, waits=waits)

    def _counted(self, reply: Reply | None, _: float) -> None:
        if reply is not None and not reply.failed:
            self.load = ng.sessions(reply)

    def _turn(self, health: Health, now: float) -> None:
        if self.health is not health:
            self.health = health
            if self._turned is not None:
                self._turned(self, now)


_PROBE: Final = ""
"""What the alarm for the next look is called; no cookie is empty."""


def _nothing(_: Reply | None, __: float) -> None:
    """Be told nothing: that there was an answer says it all."""
