"""The media plane in this process: sockets, ICE and alarms for the relays of calls (RFC 3550)."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from logging import getLogger
from random import SystemRandom
from secrets import token_bytes
from typing import Final

from dragoman.errors import LocalError, ProtocolError
from dragoman.log import about
from dragoman.media import codecs, description, leg, sound
from dragoman.media.description import BUNDLE, Way
from dragoman.media.dtls import Identity
from dragoman.media.leg import Leg, Open, key
from dragoman.media.plane import (
    Counters,
    MediaError,
    MediaEvent,
    Profile,
    Side,
    Told,
    Transcoding,
    Trouble,
)
from dragoman.media.relay import CHECKED, PATIENCE, SILENCE, Relay
from dragoman.media.remote import Credentials, Place, Remote
from dragoman.media.transcoder import Plan, Transcoder
from dragoman.media.transport import Carrier, Sockets, Transport
from dragoman.net.carrier import Listener, Opening
from dragoman.net.rtp import Ports
from dragoman.net.servers import Servers
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import SessionDescription

log = getLogger(__name__)

MOST_TRANSCODED: Final = 50
"""Calls that are transcoded at a time: each takes up to a fiftieth of a core (bench/media.py)."""
MOST_STEPS: Final = 16
"""Offers and answers of one call that wait for their turn."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where media come in, and how much of it there may be."""

    bind: str
    """The address of this host to bind, a literal."""
    advertised: str = ""
    """The address that peers are told, where that is another: behind a NAT that maps it."""
    first: int = 30000
    last: int = 39999
    servers: Servers = field(default_factory=Servers)
    lite: bool | None = None
    """Whether ICE only answers; None: where the address is a public one."""
    calls: int = 500
    silence: float | None = SILENCE
    """Seconds that nothing may come from a leg that is to send; None: for ever."""
    patience: float = PATIENCE
    """Seconds that connecting a leg may take."""
    transcode: bool = False
    """Whether sound is transcoded where no codec is common, if PyAV is there."""
    transcoded: int = MOST_TRANSCODED
    """Calls that may be transcoded at a time; one more is refused."""

    @property
    def address(self) -> str:
        """What peers are told."""
        return self.advertised or self.bind

    @property
    def answers_only(self) -> bool:
        """Whether ICE is lite."""
        return ip_address(self.address).is_global if self.lite is None else self.lite


class Embedded:
    """Carries media in this process. `heard` is told of connections and losses."""

    def __init__(
        self,
        settings: Settings,
        heard: Callable[[MediaEvent], None],
        *,
        clock: Callable[[], float] | None = None,
        identity: Identity | None = None,
    ) -> None:
        """Open nothing yet; needs a running loop, whose `clock` it takes unless told otherwise.

        LocalError where ports are none, or peers cannot be told the address. `identity` is the
        certificate shown in DTLS.
        """
        if ip_address(settings.address).is_unspecified:
            raise LocalError("media need an address that peers can be told")
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.clock = clock or self.loop.time
        self.heard = heard
        self.chance = SystemRandom()
        self.ports = Ports(settings.first, settings.last, self.chance)
        self.identity = identity or Identity.make()
        self._transcoding = Transcoding.NEVER
        if settings.transcode:
            self._transcoding = Transcoding.CAN if sound.installed() else Transcoding.LACKS
        self._calls: dict[str, _Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the port ------------------------------------------------------------------------------

    @property
    def transcoding(self) -> Transcoding:
        """Whether it transcodes."""
        return self._transcoding

    def offer(
        self,
        call: str,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        told: Told,
        successor: Side | None = None,
    ) -> None:
        """Take what the leg `side` offers (see `Plane`)."""
        found = self._calls.get(call)
        if found is None:
            if len(self._calls) >= self.settings.calls:
                told(MediaError(Trouble.FULL, "no room for another call"))
                return
            found = self._calls[call] = _Call(self, call)
        found.enqueue(partial(found.offer, side, offer, toward, successor), told)

    def answer(self, call: str, side: Side, answer: SessionDescription, told: Told) -> None:
        """Take what the leg `side` answers (see `Plane`)."""
        found = self._calls.get(call)
        if found is None:
            told(MediaError(Trouble.GONE, "no such call"))
            return
        found.enqueue(partial(found.answer, side, answer), told)

    def revert(self, call: str) -> None:
        """Forget the open offer."""
        found = self._calls.get(call)
        if found is not None:
            found.enqueue(found.revert, _nobody)

    def candidates(
        self, call: str, side: Side, mid: str, ufrag: str, candidates: Sequence[Candidate]
    ) -> None:
        """Learn more candidates of a leg."""
        found = self._calls.get(call)
        if found is not None:
            found.legs[side].keep(mid, ufrag, candidates)
            found.legs[side].trickle()

    def digits(self, call: str, toward: Side, digits: str, milliseconds: int) -> None:
        """Send telephone-events to a leg."""
        found = self._calls.get(call)
        if found is not None:
            found.digits(toward, digits, milliseconds)

    def refresh(self, call: str, toward: Side) -> None:
        """Ask a leg for a whole picture."""
        found = self._calls.get(call)
        if found is not None:
            found.refresh(toward)

    def counters(self, call: str, told: Callable[[dict[Side, Counters]], None]) -> None:
        """Tell how a call fares."""
        found = self._calls.get(call)
        told({} if found is None else found.relay.counters())

    def close(self, call: str) -> None:
        """End the media of a call."""
        found = self._calls.pop(call, None)
        if found is not None:
            found.close()

    # -- the owner's ---------------------------------------------------------------------------

    async def aclose(self) -> None:
        """End all calls, and wait until sockets and tasks are gone."""
        for call in list(self._calls):
            self.close(call)
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def describe(self) -> dict[str, object]:
        """Return how many calls, pairs of ports and tasks there are, and calls transcoded."""
        return {
            "calls": len(self._calls),
            "ports": len(self.ports),
            "tasks": len(self._tasks),
            "transcoded": self.transcoded(),
        }

    def transcoded(self) -> int:
        """Return how many calls are transcoded now."""
        return sum(each.relay.transcodes for each in self._calls.values())

    # -- what calls need -----------------------------------------------------------------------

    def opening(self, listener: Listener) -> Opening:
        """Return what opens sockets of ours, which tell `listener` what they hear."""
        settings = self.settings
        return Opening(self.ports, settings.bind, settings.address, settings.servers, listener)

    async def load(self) -> None:
        """Load what transcodes, while other calls go on; where that fails nothing is transcoded."""
        if self._transcoding is not Transcoding.CAN:
            return
        try:
            await self.loop.run_in_executor(None, sound.load)
        except LocalError as error:
            log.warning("no transcoding", extra=about(reason=error.reason))
            self._transcoding = Transcoding.LACKS

    def transcoder(self, plan: Plan) -> Transcoder:
        """Return what transcodes a stream, with numbers that nobody can guess."""
        if not plan.whole:
            self.spawn(self.load())  # it may be wanted, or not
        bits = self.chance.getrandbits
        return Transcoder(plan, bits(32), bits(15), bits(32))

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Have a task, which is ended with the plane."""
        task = asyncio.ensure_future(_finish(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _finish(work: Awaitable[None]) -> None:
    await work


def _nobody(_: SessionDescription | MediaError) -> None:
    """Be told nothing."""


Step = Callable[[], Awaitable[SessionDescription | None]]


class _Call:
    """One call: its legs, its relay, its steps in their order, and one alarm."""

    def __init__(self, plane: Embedded, name: str) -> None:
        self.plane = plane
        settings = plane.settings
        self.relay = Relay(name, silence=settings.silence, patience=settings.patience)
        self.legs = {side: Leg(side) for side in Side}
        self.open: Open | None = None
        self.closed = False
        self._all: list[Transport] = []
        self._steps: deque[tuple[Step, Told]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")

    # -- steps ---------------------------------------------------------------------------------

    def enqueue(self, step: Step, told: Told) -> None:
        """Do a step when those before it are done."""
        if len(self._steps) >= MOST_STEPS:
            told(MediaError(Trouble.FULL, "too many descriptions at once"))
            return
        self._steps.append((step, told))
        if self._task is None:
            self._task = self.plane.spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._steps:
                step, told = self._steps[0]
                made = await self._outcome(step)
                if self.closed:
                    return
                self._steps.popleft()
                if made is not None:
                    told(made)
                self.turn()
        finally:
            self._task = None

    async def _outcome(self, step: Step) -> SessionDescription | MediaError | None:
        try:
            return await step()
        except MediaError as error:
            failed = error
        except ProtocolError as error:
            failed = MediaError(Trouble.UNACCEPTABLE, error.reason)
        self._sweep()
        return failed

    async def offer(
        self,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        successor: Side | None = None,
    ) -> SessionDescription:
        """Take an offer; return the one for the other leg."""
        remotes = self._heard(offer, side)
        legs = {each: Leg(each) if each is successor else self.legs[each] for each in Side}
        far = legs[side.other]
        ways = far.offered(remotes, toward)
        if not ways:
            raise MediaError(Trouble.UNACCEPTABLE, "no stream that can be carried")
        asked: Sequence[Remote] = remotes
        if self._able:
            asked = leg.wider(far, remotes, all_=toward.more)
        names = far.names(remotes)
        # an offer that is made again before it was answered says the same again
        known = dict(far.transports)
        if successor is None:
            known = {**self._offered(side), **known}
        transports: dict[int, Transport] = {}
        bundle: Transport | None = None
        for index, way in ways.items():
            number = key(index, way) if BUNDLE in far.transports else index
            if number not in transports:
                found = await self._transport(known.get(number), way, offering=True, like=bundle)
                found.offer_keys(token_bytes)
                transports[number] = found
                bundle = found if way.bundle else bundle
        said = description.offer(
            offer,
            asked,
            leg.streams(list(ways), len(remotes), ways, transports, names, {}),
            before=far.told,
        )
        self.open = Open(side, offer, remotes, ways, names, transports, said, legs)
        self._sweep()
        return said

    def _heard(self, said: SessionDescription, side: Side) -> tuple[Remote, ...]:
        """Return what a leg says, which may be one of ours: it is reached within this host.

        A NAT before that need not let in what comes from inside.
        """
        settings = self.plane.settings
        return tuple(each.moved(settings.address, settings.bind) for each in leg.heard(said, side))

    def _offered(self, side: Side) -> Mapping[int, Transport]:
        """Return what was made for the last offer of a leg."""
        return self.open.transports if self.open is not None and self.open.side is side else {}

    async def answer(self, side: Side, answer: SessionDescription) -> SessionDescription:
        """Take the answer to the offer that was made last; return the one for who offered."""
        open_ = self.open
        if open_ is None or open_.side is side:
            raise MediaError(Trouble.UNACCEPTABLE, "no offer was made to this leg")
        remotes = self._heard(answer, side)
        if len(remotes) != len(open_.remotes):
            raise MediaError(Trouble.UNACCEPTABLE, "an answer with other streams than the offer")
        made = await self._made(open_, remotes)
        live = leg.accepted(open_, remotes, made)
        if not live:
            raise MediaError(Trouble.UNACCEPTABLE, "no stream was taken that can be carried")
        near, far = open_.legs[open_.side], open_.legs[side]
        ways = {index: Way.taken(open_.remotes[index]) for index in live}
        transports = await self._answering(near, open_, ways)
        said = description.answer(
            answer,
            leg.transcoded(open_, remotes, made),
            open_.remotes,
            leg.answering(open_, live, ways, transports),
        )
        self.open = leg.commit(near, far, open_, (answer, remotes, said), ways, transports)
        self._succeed(open_.legs)
        self._settle(near, far, live)
        return said

    async def _made(self, open_: Open, remotes: Sequence[Remote]) -> list[int]:
        """Return the streams that are transcoded, for no codec is common; none where that fails."""
        found = leg.foreign(open_, remotes)
        if found:
            await self.plane.load()
        if found and self.plane.transcoding is Transcoding.CAN and not self._able:
            raise MediaError(Trouble.FULL, "no room for another call that is transcoded")
        return found if self._able else []

    @property
    def _able(self) -> bool:
        """Whether this call may be transcoded: it is, or there is room for another."""
        room = self.relay.transcodes or self.plane.transcoded() < self.plane.settings.transcoded
        return self.plane.transcoding is Transcoding.CAN and room

    async def _answering(
        self, near: Leg, open_: Open, ways: dict[int, Way]
    ) -> dict[int, Transport]:
        """Return the transports by which to answer; none for who was not heard of yet."""
        transports: dict[int, Transport] = {}
        for index, way in ways.items():
            number, remote = key(index, way), open_.remotes[index]
            if remote.later or number in transports:
                continue
            known = near.transports.get(number)
            transport = await self._transport(known, way, offering=False, remote=remote)
            transport.take_keys(remote, token_bytes)
            transports[number] = transport
        return transports

    def _succeed(self, legs: Mapping[Side, Leg]) -> None:
        """Have legs be those that have agreed: another peer may have taken one over."""
        for side, each in legs.items():
            if self.legs[side] is not each:
                self.relay.succeed(side)
        self.legs = dict(legs)

    def _settle(self, near: Leg, far: Leg, live: Sequence[int]) -> None:
        """Have all that was agreed on take effect."""
        now = self.plane.clock()
        leg.agree(near, live, answering=False, now=now)
        leg.agree(far, live, answering=True, now=now)
        seed = self.plane.chance.getrandbits(32)
        making = self.plane.transcoder if self._able else None
        leg.join(self.relay, self.legs, live, seed, making)
        for each in (near, far):
            each.trickle()
        self.relay.settled(now)
        self._sweep()

    async def revert(self) -> None:
        """Forget the open offer, with what was made for it."""
        self.open = None
        self._sweep()

    def _sweep(self) -> None:
        """Free the transports that no leg has and no open offer names."""
        kept = [each for one in self.legs.values() for each in one.transports.values()]
        kept += [] if self.open is None else self.open.transports.values()
        for each in [each for each in self._all if each not in kept]:
            self._free(each)

    def digits(self, toward: Side, digits: str, milliseconds: int) -> None:
        """Send digits into the first stream of sound whose receiver knows telephone-events."""
        far = self.legs[toward]
        for index, half in self.relay.halves[toward.other].items():
            media = far.remotes[index].media
            codec = codecs.speech(media)
            found = codecs.events(media, () if codec is None else (codec.clock_rate,))
            if media.kind.lower() == "audio" and found is not None:
                event = (int(found.payload_type), found.clock_rate)
                try:
                    half.dial(digits, milliseconds, event, self.plane.clock())
                except LocalError as error:
                    log.warning("digits not sent", extra=about(reason=error.reason))
                self._rearm()
                return

    def refresh(self, toward: Side) -> None:
        """Ask a leg for a whole picture of each stream of video, as it said that one may."""
        remotes = self.legs[toward].remotes
        for index, half in self.relay.halves[toward].items():
            media = remotes[index].media
            if media.kind.lower() == "video":
                half.refresh({each.partition(" ")[2] for each in media.values("rtcp-fb")})

    # -- transports ----------------------------------------------------------------------------

    async def _transport(
        self,
        known: Transport | None,
        way: Way,
        *,
        offering: bool,
        remote: Remote | None = None,
        like: Transport | None = None,
    ) -> Transport:
        """Return a transport that can carry in this way: the one that is known, if that can.

        `like` is another, of the bundle that both may become: then ICE knows them by one name, as
        clients want it of a bundle.
        """
        fits = known is not None and known.fits(way)
        if known is not None and fits:
            if remote is not None and known.restarts(remote):
                if known.later is not None:
                    self.plane.spawn(known.later.carrier.aclose())
                    known.later = None
                known.later = await self._sockets(_Slot(self, known), way, False, remote)
            known.way = way
            return known
        slot = _Slot(self)
        ours = None if like is None else like.ice
        sockets = await self._sockets(slot, way, offering, remote, ours)
        slot.transport = made = Transport(way, sockets, self.plane.identity)
        self._all.append(made)
        return made

    async def _sockets(
        self,
        slot: "_Slot",
        way: Way,
        offering: bool,
        remote: Remote | None,
        ours: Credentials | None = None,
    ) -> Sockets:
        """Open what carries a transport."""
        lite = self.plane.settings.answers_only and not (remote is not None and remote.lite)
        opening = self.plane.opening(slot)
        made = await opening.open(way, offering=offering, lite=lite, credentials=ours)
        slot.carrier = made.carrier
        if self.closed:  # meanwhile
            self.plane.spawn(made.carrier.aclose())
            raise MediaError(Trouble.GONE, "the call is over")
        return made

    def _free(self, transport: Transport) -> None:
        self._all.remove(transport)
        transport.path.close()
        for sockets in (transport.sockets, transport.later):
            if sockets is not None:
                self.plane.spawn(sockets.carrier.aclose())

    # -- what happens --------------------------------------------------------------------------

    def connected(self, transport: Transport, carrier: Carrier) -> None:
        """Learn that ICE has found a way."""
        old = transport.connected(carrier, self.plane.clock())
        if old is not None:
            self.plane.spawn(old.aclose())
        self.turn()

    def lost(self, transport: Transport, carrier: Carrier, reason: str) -> None:
        """Learn that ICE has found none, or lost it."""
        if transport.sockets.carrier is not carrier:
            return
        for side, one in self.legs.items():
            if transport in one.transports.values():
                self.relay.lose(side, Trouble.CONNECTIVITY, reason)
        self.turn()

    def turn(self) -> None:
        """Tell what happened, and set the alarm."""
        if self.closed:
            return
        self.relay.look(self.plane.clock())
        for event in self.relay.events():
            self.plane.heard(event)
        self._rearm()

    def _rearm(self) -> None:
        """Set the alarm for the relay's next timer; one that rings earlier will do."""
        when = None if self.closed else self.relay.next_timer()
        if when is None or (self._timer is not None and self._timer_at <= when):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        delay = max(0.0, when - self.plane.clock())
        self._timer = self.plane.loop.call_later(delay, self._on_alarm)

    def _on_alarm(self) -> None:
        self._timer = None
        self.relay.on_timer(self.plane.clock())
        self.turn()

    def close(self) -> None:
        """Free all of it; who waits to be told hears that it is over."""
        self.closed = True
        # a step under way is not cancelled: uvloop would leak a socket that is being opened; it
        # ends within GATHERING seconds, and frees what it opened
        if self._timer is not None:
            self._timer.cancel()
        for each in list(self._all):
            self._free(each)
        steps, self._steps = list(self._steps), deque()
        gone = MediaError(Trouble.GONE, "the call is over")
        for _, told in steps:
            self.plane.loop.call_soon(told, gone)


class _Slot:
    """What the sockets of one carrier tell: it goes to the transport that they are of."""

    __slots__ = ("_call", "carrier", "transport")

    def __init__(self, call: _Call, transport: Transport | None = None) -> None:
        self._call = call
        self.transport = transport
        self.carrier: Carrier | None = None

    def arrived(self, component: int, data: bytes, source: Place) -> None:
        """Hand a datagram to its path, and notice what only DTLS brings about."""
        if self.transport is None:
            return
        path = self.transport.path
        path.receive(component, data, CHECKED if path.ice else source, self._call.plane.clock())
        if self._call.relay.eventful or (data and data[0] < 128):
            self._call.turn()

    def connected(self) -> None:
        """Tell the call that there is a way."""
        if self.transport is not None and self.carrier is not None and not self._call.closed:
            self._call.connected(self.transport, self.carrier)

    def lost(self, reason: str) -> None:
        """Tell the call that there is none."""
        if self.transport is not None and self.carrier is not None and not self._call.closed:
            self._call.lost(self.transport, self.carrier, reason)
