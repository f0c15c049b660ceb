"""The media plane that is a pool of rtpengines: all calls, without sockets or clock."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from dragoman.clock import Alarms, earliest
from dragoman.errors import ProtocolError
from dragoman.media import ng
from dragoman.media.engines import Engines, deletion
from dragoman.media.ng import Asked, Command, Fare, Reply, Result
from dragoman.media.ngcall import Agreed, NgCall, Step
from dragoman.media.plane import (
    Connected,
    Counters,
    Keying,
    Lost,
    MediaError,
    MediaEvent,
    Profile,
    Side,
    Told,
    Transcoded,
    Trouble,
)
from dragoman.media.relay import PATIENCE, SILENCE
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import SessionDescription

MOST_STEPS: Final = 16
"""Offers, answers and the like of one call that wait for their turn."""
MOST_POLLS: Final = 32
"""Questions how calls fare that wait for their answers."""
EARLY: Final = 1.0
"""Seconds between two such questions about a call while a leg is being connected."""
POLL: Final = 10.0
"""The same once all are, as long as there are few calls."""
RATE: Final = 50.0
"""Such questions a second, at most, of calls that are connected."""
SOON: Final = 0.5
"""Seconds for which candidates are gathered before an engine hears of them."""
APART: Final = 1.0
"""Seconds that an offer of a bundle waits for candidates of each of its streams (`undecided`)."""
SHAKEN: Final = 0.5
"""Seconds that an answer waits for a handshake that it would cut in two (`shaking`)."""
NEW: Final = 5.0
"""Seconds for which a session of ICE is new: then candidates are of use even where there is a way,
for that may be a former one's."""
QUIET: Final = 20.0
"""Seconds of silence before an engine forgot a call, by which that was why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which engines there are, and how long is too long."""

    engines: tuple[str, ...]
    """host:port of each one's NG protocol by UDP."""
    instance: str
    """A word that no other process has that asks the same engines, kept over a restart."""
    lite: bool = False
    """Whether ICE only answers: where engines have public addresses."""
    calls: int = 2000
    silence: float | None = SILENCE
    """Seconds that nothing may come from a leg that is to send; None: for ever.

    An engine has limits of its own, 60 s for both legs unless it is configured otherwise.
    """
    transcode: bool = False
    """Whether engines are asked to transcode sound where no codec is common."""
    patience: float = PATIENCE
    """Seconds that connecting a leg may take."""


@dataclass(slots=True)
class _Watch:
    """What is known of one leg."""

    waits: bool = False
    connected: bool = False
    since: float = float("-inf")
    """When it began to be connected, the last time."""
    ufrags: frozenset[str] = frozenset()
    tag: str = ""
    """The name of its peer at the engine."""
    expected: bool = False
    packets: int = -1
    heard: float = 0.0


@dataclass(slots=True)
class _Running:
    """A step, and what it waits for."""

    step: Step
    told: Told
    asked: Asked


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A step whose turn has not come: `until` then at most, and while it `waits`."""

    make: Callable[[], Step]
    told: Told
    until: float = float("-inf")
    waits: Callable[[], bool] = bool


@dataclass(slots=True)
class _Call:
    name: str
    key: str
    core: NgCall
    steps: deque[_Waiting] = field(default_factory=deque)
    running: _Running | None = None
    settled: bool = False
    """Whether an engine has taken it."""
    tried: set[str] = field(default_factory=set)
    over: bool = False
    watches: dict[Side, _Watch] = field(default_factory=lambda: {side: _Watch() for side in Side})
    fares: dict[Side, Fare] = field(default_factory=dict)
    polling: bool = False
    transcoded: bool = False
    """Whether it ever was."""


class Calls:
    """All calls. Whatever is to be told to others waits in `due`, to be called by the owner."""

    def __init__(
        self, settings: Settings, token: Callable[[], str], heard: Callable[[MediaEvent], None]
    ) -> None:
        """Have no calls; `token` makes cookies that nobody else has. LocalError: see `Engines`."""
        self.settings = settings
        self.engines = Engines(settings.engines, settings.instance, token, self._gone)
        self._event = heard
        self._calls: dict[str, _Call] = {}
        self._keys: dict[str, _Call] = {}
        self._alarms: Alarms[tuple[str, str]] = Alarms()
        self._due: deque[Callable[[], None]] = deque()
        self._count = 0
        self._polls = 0

    # -- the port, with the time -----------------------------------------------------------------

    def offer(
        self,
        call: str,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        told: Told,
        now: float,
        successor: Side | None = None,
    ) -> None:
        """Take what the leg `side` offers (see `Plane`)."""
        found = self._known(call)
        if found is None:
            self._tell(told, MediaError(Trouble.FULL, "no room for another call"))
            return
        step = partial(found.core.offer, side, offer, toward, successor)
        waits = partial(found.core.undecided, side, offer)
        self._line_up(found, _Waiting(step, told, now + APART, waits), now)

    def answer(
        self, call: str, side: Side, answer: SessionDescription, told: Told, now: float
    ) -> None:
        """Take what the leg `side` answers."""
        found = self._calls.get(call)
        if found is None:
            self._tell(told, MediaError(Trouble.GONE, "no such call"))
            return
        step, waits = partial(found.core.answer, side, answer), partial(found.core.shaking, answer)
        self._line_up(found, _Waiting(step, told, now + SHAKEN, waits), now)

    def revert(self, call: str, now: float) -> None:
        """Forget the open offer."""
        found = self._calls.get(call)
        if found is not None:
            self._enqueue(found, found.core.revert, _nobody, now)

    def candidates(
        self,
        call: str,
        side: Side,
        mid: str,
        ufrag: str,
        candidates: Sequence[Candidate],
        now: float,
    ) -> None:
        """Learn more candidates of a leg; an engine hears of them where that may still help."""
        found = self._known(call)
        if found is None:
            return
        found.core.legs[side].keep(mid, ufrag, candidates)
        self._next(found, now)
        watch = found.watches[side]
        wanted = watch.waits or now < watch.since + NEW
        if found.core.agreed is not None and wanted:
            self._alarms.hasten((_REFRESH, found.key), now + SOON)

    def digits(self, call: str, toward: Side, digits: str, milliseconds: int, now: float) -> None:
        """Send telephone-events to a leg."""
        found = self._calls.get(call)
        if found is not None:
            step = partial(found.core.digits, toward, digits, milliseconds)
            self._enqueue(found, step, _nobody, now)

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None], now: float) -> None:
        """Tell how a call fares, as its engine says now, or said last."""
        found = self._calls.get(call)
        engine = None if found is None else self.engines.of(found.key)
        if found is None or engine is None or found.core.agreed is None:
            self._due.append(partial(told, {}))
            return
        engine.ask(found.core.query(), partial(self._counted, found, told), now)

    def close(self, call: str, now: float) -> None:
        """End the media of a call, once what its engine is busy with is done."""
        found = self._calls.pop(call, None)
        if found is None:
            return
        self._drop(found)
        if found.running is None:
            self._end(found, now)

    def close_all(self, now: float) -> None:
        """End all calls."""
        for call in list(self._calls):
            self.close(call, now)

    # -- the owner's -----------------------------------------------------------------------------

    def due(self) -> list[Callable[[], None]]:
        """Return what is to be called now, and forget it."""
        due, self._due = list(self._due), deque()
        return due

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self.engines.on_timer(now)
        for kind, key in self._alarms.due(now):
            call = self._keys.get(key)
            if call is None or call.over:
                continue
            if kind == _POLL:
                self._poll(call, now)
            elif kind == _APART:
                self._next(call, now)
            else:
                self._enqueue(call, call.core.refresh, _nobody, now)

    def next_timer(self) -> float | None:
        """Return when something is due."""
        return earliest([self.engines.next_timer(), self._alarms.next()])

    def describe(self) -> dict[str, object]:
        """Return how many calls there are, and how the engines are."""
        agreed = [each.core.agreed for each in self._calls.values()]
        made = sum(each is not None and bool(each.made) for each in agreed)
        return {"calls": len(self._calls), "transcoded": made, "engines": self.engines.describe()}

    @property
    def busy(self) -> bool:
        """Whether an engine has yet to answer."""
        return any(each.waiting for each in self.engines.all.values())

    # -- steps -----------------------------------------------------------------------------------

    def _known(self, name: str) -> _Call | None:
        """Return a call, which begins with the first that is said of it; None: there is no room."""
        found = self._calls.get(name)
        if found is None and len(self._calls) < self.settings.calls:
            found = self._new(name)
        return found

    def _new(self, name: str) -> _Call:
        self._count += 1
        key = f"{name}.{self._count}"
        settings = self.settings
        core = NgCall(self.engines.call_id(key), lite=settings.lite, transcode=settings.transcode)
        self._calls[name] = self._keys[key] = made = _Call(name, key, core)
        return made

    def _enqueue(self, call: _Call, make: Callable[[], Step], told: Told, now: float) -> None:
        self._line_up(call, _Waiting(make, told), now)

    def _line_up(self, call: _Call, step: _Waiting, now: float) -> None:
        if call.over:
            self._tell(step.told, MediaError(Trouble.GONE, "the call was lost"))
        elif len(call.steps) >= MOST_STEPS:
            self._tell(step.told, MediaError(Trouble.FULL, "too many descriptions at once"))
        else:
            call.steps.append(step)
            self._next(call, now)

    def _next(self, call: _Call, now: float) -> None:
        while call.steps and call.running is None:
            first = call.steps[0]
            if now < first.until and first.waits():
                self._alarms.set((_APART, call.key), first.until)
                return
            call.steps.popleft()
            self._advance(call, first.make(), first.told, None, now)

    def _advance(
        self, call: _Call, step: Step, told: Told, reply: Reply | None, now: float
    ) -> None:
        """Go on with a step, which is at its beginning or has been answered."""
        before = call.core.agreed
        try:
            asked = step.send(reply)
        except StopIteration as done:
            if done.value is not None:
                self._tell(told, done.value)
        except MediaError as error:
            self._tell(told, error)
        except ProtocolError as error:
            self._tell(told, MediaError(Trouble.UNACCEPTABLE, error.reason))
        else:
            call.running = _Running(step, told, asked)
            self._ask(call, call.running, now)
        agreed = call.core.agreed
        if agreed is not None and agreed is not before:
            self._watch(call, agreed, now)
            self._transcoded(call, agreed)

    def _ask(self, call: _Call, running: _Running, now: float) -> None:
        asked = running.asked
        engine = self.engines.of(call.key)
        if engine is None and asked.command is Command.OFFER:
            engine = self.engines.place(call.key, now, call.tried)
        if engine is not None:
            engine.ask(asked, partial(self._heard, call, running), now)
        elif asked.command is Command.DELETE:
            self._heard(call, running, Reply(Result.OK), now)
        else:
            full = Reply(Result.LIMIT, "no engine has room")
            self._heard(call, running, full if self.engines.answering else None, now)

    def _heard(self, call: _Call, running: _Running, reply: Reply | None, now: float) -> None:
        """Take the answer to what a step asked."""
        if self._elsewhere(call, running, reply, now):
            return
        call.running = None
        if reply is not None and not reply.failed:
            # an engine that has ended it has no say in who takes it next
            call.settled = running.asked.command is not Command.DELETE
            if not call.settled:
                self.engines.free(call.key)
        if call.over:
            running.step.close()
            self._end(call, now)
            return
        self._advance(call, running.step, running.told, reply, now)
        if reply is not None and reply.forgotten and call.settled:
            self._forgotten(call, now)
        self._next(call, now)

    def _elsewhere(self, call: _Call, running: _Running, reply: Reply | None, now: float) -> bool:
        """Ask another engine to take a new call, where this one cannot."""
        engine = self.engines.of(call.key)
        if reply is not None and reply.full and engine is not None:
            engine.rest(now)
        if call.settled or call.over or running.asked.command is not Command.OFFER:
            return False
        if reply is not None and not reply.full:
            call.tried.clear()
            return False
        call.tried |= {engine.name} if engine is not None else set()
        if self.engines.place(call.key, now, call.tried) is None:
            call.tried.clear()
            return False
        self._ask(call, running, now)
        return True

    # -- how calls end ---------------------------------------------------------------------------

    def _drop(self, call: _Call) -> None:
        """Tell who waits that it is over; what is under way at an engine goes on."""
        call.over = True
        waiting = [each.told for each in call.steps]
        if call.running is not None:
            waiting.insert(0, call.running.told)
            call.running.told = _nobody
        call.steps.clear()
        for each in waiting:
            self._tell(each, MediaError(Trouble.GONE, "the call is over"))
        self._alarms.cancel((_POLL, call.key))
        self._alarms.cancel((_REFRESH, call.key))
        self._alarms.cancel((_APART, call.key))

    def _end(self, call: _Call, now: float) -> None:
        """Have the engine end it, and forget it, if it was closed."""
        engine = self.engines.of(call.key)
        if engine is not None:
            engine.ask(deletion(call.core.id), _unheard, now)
        self.engines.free(call.key)
        if self._calls.get(call.name) is not call:
            self._keys.pop(call.key, None)

    def _lose(self, call: _Call, side: Side, trouble: Trouble, reason: str, now: float) -> None:
        """Tell that a call has no media any more; its engine need not keep it."""
        if call.over:
            return
        self._drop(call)
        self._due.append(partial(self._event, Lost(call.name, side, trouble, reason)))
        if call.running is None:
            self._end(call, now)

    def _gone(self, key: str, now: float) -> None:
        """Learn that the engine of a call is down."""
        call = self._keys.get(key)
        if call is not None and call.settled:
            self._lose(call, Side.SIP, Trouble.GONE, "rtpengine does not answer", now)

    def _forgotten(self, call: _Call, now: float) -> None:
        """Learn that the engine of a call knows it no more: after silence it ends calls itself."""
        quiet = [
            side
            for side, watch in call.watches.items()
            if watch.expected and now - watch.heard >= QUIET
        ]
        if quiet:
            self._lose(call, quiet[0], Trouble.SILENCE, "rtpengine ended the call", now)
        else:
            self._lose(call, Side.SIP, Trouble.GONE, "rtpengine has forgotten the call", now)

    # -- how calls fare --------------------------------------------------------------------------

    def _watch(self, call: _Call, agreed: Agreed, now: float) -> None:
        """Know what to expect of each leg, now that something was agreed on."""
        says = {agreed.offer.side: agreed.offer.remotes, agreed.offer.side.other: agreed.remotes}
        for side, watch in call.watches.items():
            live = [says[side][index] for index in agreed.live]
            far = [says[side.other][index] for index in agreed.live]
            pairs = zip(live, far, strict=True)
            watch.expected = any(a.direction.sends and b.direction.receives for a, b in pairs)
            watch.heard = now
            if watch.tag != call.core.tags[side]:  # another peer than before is to connect
                watch.tag, watch.connected, watch.packets = call.core.tags[side], False, -1
            ways = call.core.legs[side].ways.values()
            needs = any(way.ice or way.keying is Keying.DTLS for way in ways)
            if all(each.later for each in live):
                watch.expected = False
            elif not needs:
                self._connect(call, side)
            elif watch.ufrags != call.core.legs[side].ufrags or not (
                watch.connected or watch.waits
            ):
                watch.ufrags = call.core.legs[side].ufrags
                watch.waits, watch.since = True, now
        self._alarms.hasten((_POLL, call.key), now + EARLY)

    def _transcoded(self, call: _Call, agreed: Agreed) -> None:
        """Tell, the first time, that what a leg speaks is made something else."""
        found = agreed.transcoded
        if found is not None and not call.transcoded:
            call.transcoded = True
            self._due.append(
                partial(self._event, Transcoded(call.name, agreed.offer.side.other, *found))
            )

    def _connect(self, call: _Call, side: Side) -> None:
        watch = call.watches[side]
        watch.waits = False
        if not watch.connected:
            watch.connected = True
            self._due.append(partial(self._event, Connected(call.name, side)))

    def _poll(self, call: _Call, now: float) -> None:
        engine = self.engines.of(call.key)
        if engine is None or call.polling or self._polls >= MOST_POLLS:
            self._alarms.set((_POLL, call.key), now + EARLY)
            return
        call.polling = True
        self._polls += 1
        engine.ask(call.core.query(), partial(self._polled, call), now)

    def _polled(self, call: _Call, reply: Reply | None, now: float) -> None:
        call.polling = False
        self._polls -= 1
        if call.over or not call.settled:
            return
        if reply is not None and reply.forgotten:
            self._forgotten(call, now)
            return
        if reply is not None and not reply.failed:
            call.fares = ng.fares(reply, call.core.tags)
            for side, fare in call.fares.items():
                self._judge(call, side, fare, now)
        if not call.over:
            waits = any(watch.waits for watch in call.watches.values())
            wait = EARLY if waits else max(POLL, len(self._calls) / RATE)
            self._alarms.set((_POLL, call.key), now + wait)

    def _judge(self, call: _Call, side: Side, fare: Fare, now: float) -> None:
        watch = call.watches[side]
        if fare.counters.packets != watch.packets:
            watch.packets, watch.heard = fare.counters.packets, now
        if watch.waits and fare.reached and fare.secured:
            self._connect(call, side)
        patience, silence = self.settings.patience, self.settings.silence
        if watch.waits and now - watch.since >= patience:
            why = "no keys by DTLS" if fare.reached else "no way by ICE"
            self._lose(call, side, Trouble.CONNECTIVITY, why, now)
        elif silence is not None and watch.expected and now - watch.heard >= silence:
            self._lose(call, side, Trouble.SILENCE, f"nothing came for {silence:.0f} s", now)

    def _counted(
        self,
        call: _Call,
        told: Callable[[dict[Side, Counters]], None],
        reply: Reply | None,
        _: float,
    ) -> None:
        if reply is not None and not reply.failed:
            call.fares = ng.fares(reply, call.core.tags)
        said = {side: fare.counters for side, fare in call.fares.items()}
        self._due.append(partial(told, said))

    def _tell(self, told: Told, outcome: SessionDescription | MediaError) -> None:
        if told is not _nobody:
            self._due.append(partial(told, outcome))


_POLL: Final = "poll"
_REFRESH: Final = "refresh"
_APART: Final = "apart"


def _nobody(_: SessionDescription | MediaError) -> None:
    """Be told nothing."""


def _unheard(_: Reply | None, __: float) -> None:
    """Need no answer: what an engine has not ended now, it is asked to when it returns."""
