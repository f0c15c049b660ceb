"""What becomes of a packet: the pure core of one call (RFC 3550 §2.3, RFC 7983, RFC 9143 §9.2).

A `Path` is one transport of one leg: it opens what comes and closes what goes. A `Half` is what
one leg sends of one stream, and goes to a path of the other leg. Sequence numbers, timestamps and
SSRCs stay as they are; payload types are those that each leg has for a codec. Where none is in
common, sound is transcoded (`media.transcoder`), and becomes a stream of ours. Nothing goes to a
leg before its keys are there, nor to one that has said that it will not receive.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, TypeAlias

from dragoman.clock import earliest
from dragoman.media import rtcp, rtp
from dragoman.media.dialling import Dialling
from dragoman.media.dtls import MOST_HELD, Dtls, Fingerprint, State
from dragoman.media.plane import (
    Connected,
    Counters,
    Lost,
    MediaEvent,
    Side,
    Transcoded,
    Trouble,
)
from dragoman.media.quality import Receiver
from dragoman.media.remote import Place
from dragoman.media.rtp import Kind, MediaFormatError
from dragoman.media.suite import SrtpError

if TYPE_CHECKING:
    from dragoman.media.srtp import Srtp
    from dragoman.media.transcoder import Transcoder

Send: TypeAlias = Callable[[bytes, Place], None]
"""Sends a datagram; a path by ICE knows better where to than the place it is given."""

RTP: Final = 0
RTCP: Final = 1
CHECKED: Final = ("", 0)
"""The source, and the place, of all that goes by ICE: it has checked who is there."""
MOST_SOURCES: Final = 64
"""SSRCs of a bundle that are known by themselves; those of more are looked up each time."""

SILENCE: Final = 60.0
"""Seconds that nothing may come from a leg that is to send."""
PERIOD: Final = 0.02
"""Seconds between packets of silence."""
PATIENCE: Final = 30.0
"""Seconds that connecting a leg may take (docs/interworking/media.md §9)."""


class Path:
    """One transport of one leg."""

    __slots__ = (
        "_by_source",
        "_early",
        "_fingerprints",
        "_latched",
        "_mid",
        "_of_mid",
        "_of_number",
        "_of_source",
        "_only",
        "_signalled",
        "_where",
        "checked",
        "control",
        "dropped",
        "dtls",
        "failure",
        "fresh",
        "halves",
        "heard",
        "ice",
        "mux",
        "secure",
        "send",
        "srtcp",
        "srtp",
    )

    def __init__(self, send: Sequence[Send], *, ice: bool = False) -> None:
        """Send RTP by `send[0]`, RTCP by the last; by ICE all sources are checked before."""
        self.send = send
        self.ice = ice
        self.checked = False
        self.secure = True
        self.srtp: Srtp | None = None
        self.dtls: Dtls | None = None
        self.fresh = False
        """Whether keys of `dtls` are still to come."""
        self.control: Dtls | None = None
        """The association of RTCP's own port, where it has one (RFC 5764 §4.1)."""
        self.srtcp: Srtp | None = None
        """The keys of `control`, once they are there."""
        self.mux = False
        self.heard: float | None = None
        """When something came from the leg itself, in seconds."""
        self.dropped = 0
        self.failure = ""
        self.halves: tuple[Half, ...] = ()
        self._fingerprints: tuple[Fingerprint, ...] = ()
        self._early: list[tuple[int, bytes]] = []
        self._only: Half | None = None
        self._mid = 0
        self._of_mid: Mapping[bytes, Half] = {}
        self._of_number: Mapping[int, Half] = {}
        self._of_source: Mapping[bytes, Half] = {}
        self._by_source: dict[bytes, Half] = {}
        self._signalled: list[Place | None] = [None, None]
        self._where: list[Place | None] = [None, None]
        self._latched = [False, False]

    # -- what was agreed on -----------------------------------------------------------------

    def expect(self, places: tuple[Place | None, Place | None], *, mux: bool) -> None:
        """Learn where the peer says that he is: that is where we send, until he sends himself.

        Who sends first from there is he, for each of RTP and RTCP, until this is called again.
        """
        self.mux = mux
        if self.ice:
            return
        for component, place in enumerate(places):
            if place != self._signalled[component] or not self._latched[component]:
                self._signalled[component] = self._where[component] = place
            self._latched[component] = False

    def without_ice(self, send: Sequence[Send]) -> None:
        """Learn that the peer has no ICE: he is where he says he is, or sends from."""
        self.send = send
        self.ice = self.checked = False
        self._where, self._latched = [None, None], [False, False]

    def reached(self, now: float) -> None:
        """Learn that ICE has found a way: what waited for it goes."""
        self.checked = True
        self._where = [CHECKED, CHECKED]
        self._latched = [True, True]
        for each in self.associations:
            each.expect(self._fingerprints, now)
        self.flush(now)

    @property
    def associations(self) -> tuple[Dtls, ...]:
        """By which keys are agreed on."""
        return tuple(each for each in (self.dtls, self.control) if each is not None)

    def associate(self, dtls: Dtls, fingerprints: Sequence[Fingerprint], now: float) -> None:
        """Agree on keys by `dtls`, whose peer has `fingerprints`, once there is a way.

        Keys that there are hold until then.
        """
        self.dtls, self.fresh, self._fingerprints = dtls, True, tuple(fingerprints)
        self.control, self.srtcp = None, None
        self.failure = ""
        self._begin(dtls, RTP, now)

    def associate_rtcp(self, control: Dtls, now: float) -> None:
        """Agree with the same peer on keys for RTCP, which has a port of its own.

        Where that fails, RTCP goes and comes no more, and media do as before.
        """
        self.control, self.srtcp = control, None
        self._begin(control, RTCP, now)

    def _begin(self, dtls: Dtls, component: int, now: float) -> None:
        early, self._early = self._early, []
        for where, data in early:
            if where == component:
                dtls.receive(data, now)
            else:
                self._early.append((where, data))
        if self.checked or not self.ice:
            dtls.expect(self._fingerprints, now)
            self.flush(now)

    def carry(
        self,
        halves: Sequence["Half"],
        *,
        mid: int = 0,
        mids: Mapping[bytes, "Half"] | None = None,
        numbers: Mapping[int, "Half"] | None = None,
        sources: Mapping[bytes, "Half"] | None = None,
    ) -> None:
        """Learn what comes by it, and how streams are told apart: by header extension `mid`, by
        payload type, by SSRC (RFC 9143 §9.2)."""
        self.halves = tuple(halves)
        self._only = self.halves[0] if len(self.halves) == 1 else None
        self._mid, self._of_mid = mid, mids or {}
        self._of_number, self._of_source = numbers or {}, sources or {}
        self._by_source.clear()

    def close(self) -> None:
        """Send nothing any more, and forget the keys."""
        for each in self.associations:
            each.close()
        self.flush(0.0)
        self._where = [None, None]
        self.secure, self.srtp, self.dtls = True, None, None
        self.control, self.srtcp = None, None
        self.carry(())

    @property
    def ready(self) -> bool:
        """Whether media can go and come."""
        return (not self.ice or self.checked) and (not self.secure or self.srtp is not None)

    # -- what comes -------------------------------------------------------------------------

    def receive(self, component: int, data: bytes, source: Place, now: float) -> None:
        """Take a datagram that came to RTP's port (0) or RTCP's (1)."""
        kind = rtp.kind(data[0]) if data else Kind.UNKNOWN
        if kind is Kind.RTP:
            if len(data) < 8:
                self.dropped += 1
            elif 64 <= data[1] & 0x7F < 96:
                self._rtcp(RTP if self.mux else component, data, source, now)
            elif component == RTP:
                self._rtp(data, source, now)
            else:
                self.dropped += 1
        elif kind is Kind.DTLS and self._admits(component, source):
            self._handshake(component, data, source, now)
        else:
            self.dropped += 1

    def _handshake(self, component: int, data: bytes, source: Place, now: float) -> None:
        """Read DTLS; what comes before the peer's description is kept (RFC 5763 §6.2)."""
        dtls = self.dtls if component == RTP else self.control
        if dtls is None:
            if len(self._early) < MOST_HELD:
                self._early.append((component, data))
            return
        self._where[component] = self._where[component] or source
        dtls.receive(data, now)
        self.flush(now)

    def _rtp(self, data: bytes, source: Place, now: float) -> None:
        if self.srtp is not None:
            try:
                data = self.srtp.unprotect(data)
            except SrtpError:
                self.dropped += 1
                return
        elif self.secure:
            self.dropped += 1
            return
        if len(data) < rtp.FIXED or not self._is_peer(source):
            self.dropped += 1
            return
        self.heard = now
        half = self._only or self._by_source.get(data[8:12]) or self._find(data)
        if half is not None:
            half.pass_on(data, now)

    def _rtcp(self, component: int, data: bytes, source: Place, now: float) -> None:
        keys = self._keys(component)
        if self.secure and keys is None:
            self.dropped += 1
            return
        try:
            if keys is not None:
                data = keys.unprotect_rtcp(data)
            packets = rtcp.split(data)
        except (SrtpError, MediaFormatError):
            self.dropped += 1
            return
        if not self._latch(component, source):
            self.dropped += 1
            return
        self.heard = now
        for half, compound in self._sorted(data, packets):
            half.report(compound, now)

    def _keys(self, component: int) -> "Srtp | None":
        """Return the keys of RTCP that goes by a port."""
        return self.srtp if component == RTP or self.control is None else self.srtcp

    def _is_peer(self, source: Place) -> bool:
        return (self._latched[0] and source == self._where[0]) or self._latch(RTP, source)

    def _latch(self, component: int, source: Place) -> bool:
        """Tell whether a source is the peer's, and remember the first that is."""
        if self._latched[component]:
            return self.ice or source == self._where[component]
        if not self._admits(component, source):
            return False
        if self.ice:
            return True
        self._latched[component], self._where[component] = True, source
        return True

    def _admits(self, component: int, source: Place) -> bool:
        """Tell whether a source may be the peer (docs/interworking/media.md, MED-39).

        He is where he said he is, or on another port there; where he cannot be where he said he
        is (his address is private, or none), or has proved that he has the keys, he may be
        anywhere. RTCP comes from where RTP comes from.
        """
        if self.ice:
            return True
        if self._latched[component]:
            return source == self._where[component]
        other = self._where[1 - component]
        if self._latched[1 - component] and other is not None:
            return source[0] == other[0]
        signalled = self._signalled[component] or self._signalled[RTP]
        if signalled is None or source[0] == signalled[0] or self.srtp is not None:
            return True
        return not ip_address(signalled[0]).is_global

    def _find(self, data: bytes) -> "Half | None":
        """Return what stream of a bundle a packet is of (RFC 9143 §9.2)."""
        half = None
        if self._mid:
            try:
                half = self._of_mid.get(rtp.extension(data, self._mid) or b"")
            except MediaFormatError:
                return None
        source = data[8:12]
        half = half or self._of_source.get(source) or self._of_number.get(data[1] & 0x7F)
        if half is None:
            self.dropped += 1
        elif len(self._by_source) < MOST_SOURCES:
            self._by_source[source] = half
        return half

    def _sorted(self, data: bytes, packets: list[bytes]) -> list[tuple["Half", bytes]]:
        """Return whose each packet of a compound is; it stays whole where it can (§9.2)."""
        if self._only is not None:
            return [(self._only, data)]
        parts: dict[Half, list[bytes]] = {}
        last = self.halves[0] if self.halves else None
        for packet in packets:
            last = self._speaks(packet) or last
            if last is not None:
                parts.setdefault(last, []).append(packet)
        targets = {half.target for half in parts}
        if len(targets) == 1 and parts and not any(half.transcodes for half in parts):
            return [(next(iter(parts)), data)]
        return [(half, _compound(found)) for half, found in parts.items()]

    def _speaks(self, packet: bytes) -> "Half | None":
        """Return what stream a packet of RTCP is of: that of its sender, or of what it is about."""
        sender, about = packet[4:8], packet[8:12]
        half = self._by_source.get(sender) or self._of_source.get(sender)
        if half is None and len(about) == 4:
            half = next((each for each in self.halves if each.brings(about)), None)
        return half

    # -- what goes --------------------------------------------------------------------------

    def send_rtp(self, data: bytes) -> None:
        """Send a packet to the leg; without keys or a place to send to it is dropped."""
        where = self._where[0]
        if where is None:
            return
        if self.srtp is not None:
            try:
                data = self.srtp.protect(data)
            except SrtpError:
                self.dropped += 1
                return
        elif self.secure:
            return
        self.send[0](data, where)

    def send_rtcp(self, data: bytes) -> None:
        """Send a compound of RTCP to the leg."""
        component = RTP if self.mux else RTCP
        where, keys = self._where[component], self._keys(component)
        if where is None or (self.secure and keys is None):
            return
        if keys is not None:
            try:
                data = keys.protect_rtcp(data)
            except SrtpError:
                self.dropped += 1
                return
        self.send[0 if self.mux else -1](data, where)

    def flush(self, now: float) -> None:
        """Send what DTLS has to say, and take its keys once they are there."""
        self._flush_rtcp()
        dtls, where = self.dtls, self._where[0]
        if dtls is None or where is None:
            return
        for each in dtls.to_send():
            self.send[0](each, where)
        if self.fresh and dtls.state is State.CONNECTED:
            self.fresh = False
            self.srtp = dtls.srtp()
            self.heard = now
        elif dtls.state is State.FAILED and not self.failure:
            self.failure = dtls.failure or "DTLS failed"

    def _flush_rtcp(self) -> None:
        control, where = self.control, self._where[RTCP]
        if control is None or where is None:
            return
        for each in control.to_send():
            self.send[-1](each, where)
        if self.srtcp is None and control.state is State.CONNECTED:
            self.srtcp = control.srtp()


def _compound(packets: list[bytes]) -> bytes:
    """Return packets as a compound, which begins with a report (RFC 3550 §6.1)."""
    if packets[0][1] not in {rtcp.SR, rtcp.RR}:
        sender = int.from_bytes(packets[0][4:8], "big")
        packets = [rtcp.receiver_report(rtcp.Receiver(sender)), *packets]
    return b"".join(packets)


def _unnoticed(_: "Half") -> None:
    """Tell nobody."""


class Half:
    """What one leg sends of one stream."""

    __slots__ = (
        "_commands",
        "_last",
        "_sent",
        "_silent",
        "blocked",
        "dialling",
        "notice",
        "numbers",
        "other",
        "receiver",
        "target",
        "transcoder",
    )

    def __init__(self, rate: int, codec: str, seed: int = 0) -> None:
        """Count it by a clock of `rate`, as `codec`; it goes nowhere yet.

        `seed` is the SSRC of digits that are sent where nothing else was.
        """
        self.receiver = Receiver(rate, codec)
        self.target: Path | None = None
        self.other: Half | None = None
        self.numbers: Mapping[int, int | None] = {}
        """By what payload type to pass one on, where that is another; None: not at all."""
        self.blocked = False
        """Whether the other leg will not receive, or this one is not to send."""
        self.dialling = Dialling(seed)
        self._commands = 0
        self.transcoder: Transcoder | None = None
        """What makes sound into a codec of the other leg, which lacks that of this one."""
        self.notice: Callable[[Half], None] = _unnoticed
        """Is told of each packet that is transcoded."""
        self._last = b""
        self._sent: tuple[int, float] = (0, 0.0)
        self._silent = 0.0

    def pass_on(self, data: bytes, now: float) -> None:
        """Count a packet of the leg, and send it to the other."""
        octets = len(data) - 12
        if data[0] != 0x80:
            try:
                octets = rtp.payload_length(data)
            except MediaFormatError:
                return
        self.receiver.heard(data, octets, now)
        target = self.target
        if target is None or self.blocked:
            return
        transcoder = self.transcoder
        if transcoder is not None and transcoder.takes(data[1] & 0x7F):
            self._transcode(transcoder, target, data, now)
            return
        if self.numbers:
            number = data[1] & 0x7F
            there = self.numbers.get(number, number)
            if there is None:
                return
            if there != number:
                data = rtp.with_payload_type(data, there)
        if self.dialling.used:
            passed = self.dialling.around(data)
            if passed is None:
                return
            data = passed
        self._last = data
        target.send_rtp(data)

    @property
    def transcodes(self) -> bool:
        """Whether what the leg sends is transcoded, as far as is known."""
        return self.transcoder is not None and self.transcoder.active

    def _transcode(self, transcoder: "Transcoder", target: Path, data: bytes, now: float) -> None:
        self.notice(self)
        if target.ready:
            self._go_on(transcoder, now)
            self._made(transcoder.transcode(data, now), target)

    def _go_on(self, transcoder: "Transcoder", now: float) -> None:
        """Have a stream of ours go on where that of the leg ended, if any of it was passed on."""
        if self._last:
            transcoder.adopt(self._last, now)

    def _made(self, packets: Sequence[bytes], target: Path) -> None:
        """Send packets of a stream of ours, around the digits in it."""
        for each in packets:
            passed = self.dialling.around(each) if self.dialling.used else each
            if passed is not None:
                self._last = passed
                target.send_rtp(passed)

    def report(self, data: bytes, now: float) -> None:
        """Send a compound of RTCP to the other leg; learn from it how long its way is."""
        kind = data[1]
        if kind == rtcp.SR and len(data) >= 16:
            self._sent = (int.from_bytes(data[10:14], "big"), now)
        if self.other is not None and kind in {rtcp.SR, rtcp.RR}:
            self._time(data, kind, now, self.other)
        if self.transcoder is not None and self.transcoder.active:
            try:
                data = self.transcoder.report(data, self._blocks(now))
            except MediaFormatError:
                return
        if self.target is not None and data:
            self.target.send_rtcp(data)

    def _blocks(self, now: float) -> list[rtcp.Block] | None:
        """Return what to tell the other leg of its sound, which we hear; None: others tell it."""
        other = self.other
        if other is None or not other.transcodes or other.transcoder is None:
            return None
        source = other.transcoder.source
        found = None if source is None else other.receiver.block(source)
        if found is None:
            return []
        stamp, when = other._sent  # noqa: SLF001 (the two are of one stream)
        delay = int((now - when) * 65536) & 0xFFFFFFFF if stamp else 0
        return [replace(found, lsr=stamp, dlsr=delay)]

    def _time(self, data: bytes, kind: int, now: float, other: "Half") -> None:
        """Measure there and back: from a report of the other leg's passing to its echo here."""
        start = (28 if kind == rtcp.SR else 8) + 16
        if not data[0] & 0x1F or len(data) < start + 8:
            return
        echo = int.from_bytes(data[start : start + 4], "big")
        stamp, when = other._sent  # noqa: SLF001 (the two are of one stream)
        if echo and echo == stamp:
            held = int.from_bytes(data[start + 4 : start + 8], "big") * 1000 / 65536
            self.receiver.round_trip = max(0.0, (now - when) * 1000 - held)

    def brings(self, source: bytes) -> bool:
        """Tell whether the other leg sends this SSRC here."""
        ssrc = int.from_bytes(source, "big")
        return self.other is not None and self.other.receiver.block(ssrc) is not None

    def refresh(self, feedback: Collection[str]) -> None:
        """Ask the leg for a whole picture, by what feedback it said that it takes."""
        path, source = None if self.other is None else self.other.target, self.receiver.busiest
        if self.other is None or path is None or source is None:
            return
        sender = self.other.receiver.busiest or 1
        if "nack pli" in feedback:
            path.send_rtcp(_compound([rtcp.picture_loss(sender, source)]))
        elif "ccm fir" in feedback:
            self._commands += 1
            path.send_rtcp(_compound([rtcp.full_intra(sender, source, self._commands)]))

    def dial(self, digits: str, milliseconds: int, event: tuple[int, int], now: float) -> None:
        """Send digits into the stream, as `event`: payload type and clock rate (RFC 4733)."""
        self.dialling.dial(digits, milliseconds, event, self._last, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` has something to send; None when nothing is due."""
        return earliest((self.dialling.next_timer(), self._silent if self._unheard() else None))

    def _unheard(self) -> bool:
        """Tell whether the other leg is there, and would hear nothing of one that was not heard."""
        return (
            self.transcodes
            and self.transcoder is not None
            and self.transcoder.source is None
            and self.target is not None
            and self.target.ready
            and not self.blocked
        )

    def on_timer(self, now: float) -> None:
        """Send what is to be sent of digits now, or silence for a leg that was not heard."""
        for each in self.dialling.due(now):
            if self.target is not None and not self.blocked:
                self.target.send_rtp(each)
        if self._unheard() and self._silent <= now and self.transcoder and self.target:
            self._go_on(self.transcoder, now)
            self._made(self.transcoder.silence(now), self.target)
            late = now - self._silent > PERIOD
            self._silent = (now if late else self._silent) + PERIOD


class Relay:
    """The media of one call: its paths and streams, its timers, and what happens to it."""

    __slots__ = (
        "_connected",
        "_deadline",
        "_events",
        "_lost",
        "_noticed",
        "_patience",
        "_quiet",
        "_silence",
        "call",
        "expected",
        "halves",
        "paths",
    )

    def __init__(
        self, call: str, *, silence: float | None = SILENCE, patience: float = PATIENCE
    ) -> None:
        """Know of no path; None: silence is never too long."""
        self.call = call
        self.paths: dict[Side, tuple[Path, ...]] = dict.fromkeys(Side, ())
        self.halves: dict[Side, dict[int, Half]] = {side: {} for side in Side}
        self.expected: set[Side] = set()
        """The legs that are to send: not on hold."""
        self._silence = silence
        self._patience = patience
        self._connected: set[Side] = set()
        self._lost = False
        self._noticed = False
        self._deadline: dict[Side, float] = {}
        self._quiet: dict[Side, float] = {}
        self._events: list[MediaEvent] = []

    def settled(self, now: float) -> None:
        """Learn that both legs have agreed: they are to connect now."""
        for side, paths in self.paths.items():
            if paths and side not in self._connected:
                self._deadline.setdefault(side, now + self._patience)
            self._quiet[side] = now
        for half in self._transcoded():
            self.notice(half)
        self.look(now)

    def succeed(self, side: Side) -> None:
        """Learn that another peer has a leg now: he is to connect, and what was lost is not."""
        self.halves[side].clear()
        self._connected.discard(side)
        self._deadline.pop(side, None)
        self._lost = False

    def _transcoded(self) -> list[Half]:
        return [h for halves in self.halves.values() for h in halves.values() if h.transcodes]

    @property
    def transcodes(self) -> bool:
        """Whether anything is transcoded, as far as is known."""
        return bool(self._transcoded())

    def notice(self, half: Half) -> None:
        """Learn that a half is transcoded: the first time in a call that is told."""
        if self._noticed or half.transcoder is None:
            return
        self._noticed = True
        side = next(each for each, halves in self.halves.items() if half in halves.values())
        plan = half.transcoder.plan
        source = next(iter(plan.sound.values()))
        self._events.append(Transcoded(self.call, side, source.name, plan.target.name))

    def look(self, now: float) -> None:
        """Notice who is connected, and who failed: call it when a path may have changed."""
        for side, paths in self.paths.items():
            failed = next((each.failure for each in paths if each.failure), "")
            if failed:
                self.lose(side, Trouble.SECURITY, failed)
            elif paths and side in self._deadline and all(each.ready for each in paths):
                del self._deadline[side]
                self._quiet[side] = now
                if side not in self._connected:
                    self._connected.add(side)
                    self._events.append(Connected(self.call, side))

    def lose(self, side: Side, trouble: Trouble, reason: str) -> None:
        """Tell that a leg is lost; only the first loss is told."""
        if not self._lost:
            self._lost = True
            self._events.append(Lost(self.call, side, trouble, reason))

    def events(self) -> list[MediaEvent]:
        """Return what happened since the last time."""
        found, self._events = self._events, []
        return found

    @property
    def eventful(self) -> bool:
        """Whether something happened."""
        return bool(self._events)

    def next_timer(self) -> float | None:
        """Return when `on_timer` wants to be called; None when nothing is pending."""
        times: list[float | None] = list(self._deadline.values())
        for paths in self.paths.values():
            times += [each.next_timer() for path in paths for each in path.associations]
        for halves in self.halves.values():
            times += [each.next_timer() for each in halves.values()]
        if self._silence is not None and not self._lost:
            times += [
                when + self._silence for side, when in self._quiet.items() if self._hears(side)
            ]
        return earliest(times)

    def _hears(self, side: Side) -> bool:
        return side in self.expected and side in self._connected

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        for side, paths in self.paths.items():
            for path in paths:
                for each in path.associations:
                    each.on_timer(now)
                path.flush(now)
            for half in self.halves[side].values():
                half.on_timer(now)
            self._wait(side, now)
        self.look(now)

    def _wait(self, side: Side, now: float) -> None:
        if side in self._deadline and now >= self._deadline[side]:
            del self._deadline[side]
            self.lose(side, Trouble.CONNECTIVITY, "no way to the peer was found in time")
        if self._silence is None or side not in self._quiet:
            return
        heard = [each.heard for each in self.paths[side] if each.heard is not None]
        self._quiet[side] = max([*heard, self._quiet[side]])
        if not self._hears(side):
            self._quiet[side] = now
        elif now - self._quiet[side] >= self._silence:
            self.lose(side, Trouble.SILENCE, f"nothing came for {self._silence:.0f} seconds")

    def counters(self) -> dict[Side, Counters]:
        """Return how each leg fares: all its streams together, as the first of them sounds."""
        return {side: _sum(list(halves.values())) for side, halves in self.halves.items()}


def _sum(halves: Sequence[Half]) -> Counters:
    found = [each.receiver.counters() for each in halves]
    if not found:
        return Counters()
    first = found[0]
    return Counters(
        packets=sum(each.packets for each in found),
        octets=sum(each.octets for each in found),
        lost=sum(each.lost for each in found),
        jitter=first.jitter,
        round_trip=first.round_trip,
        mos=first.mos,
    )
