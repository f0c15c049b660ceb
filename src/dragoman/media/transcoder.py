"""One leg's sound made into another codec, packet by packet (RFC 3550, RFC 3551, RFC 7587).

For the other leg it is a stream of its own: one SSRC, sequence numbers without holes but for what
was lost, timestamps by the clock of its codec, 20 ms in a packet. Time passes there as it does
here: pauses, and what was lost, are holes in the timestamps, which the listener's decoder conceals.
telephone-events (RFC 4733) and comfort noise (RFC 3389) go beside, by the clock over there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dragoman.errors import LocalError
from dragoman.media import rtcp, rtp
from dragoman.media.rtcp import Block
from dragoman.media.rtp import MediaFormatError
from dragoman.media.sound import OPUS, Codec, Decoder, Encoder
from dragoman.media.telephone import LONGEST as LONGEST_EVENT
from dragoman.media.telephone import Event

PERIOD: Final = 0.02
"""Seconds of sound in a packet that is sent."""
BURST: Final = 2.0
"""Seconds of sound that may come sooner than they last; more is not decoded."""
MOST_LOST: Final = 100
"""Packets in a row that count as lost; where more are missing the stream has begun anew."""
MOST_LATE: Final = 5
"""Packets in a row from the past, after which the sender's clock has begun anew."""
LONGEST_PAUSE: Final = 60
"""Seconds that a sender may pause by his timestamps; beyond that his clock has begun anew."""
_FRAMES: Final = 50
_WIDTH: Final = 2
_TURN: Final = 1 << 32
_HALF: Final = 1 << 15


@dataclass(frozen=True, slots=True)
class Beside:
    """What is not sound but belongs to it: by which payload type it goes on, and the two clocks."""

    number: int
    clock: int
    far: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of what a leg sends, by its payload types.

    `sound` is decoded, what the leg likes best first, and encoded as `target`, by the payload type
    `number`; `through` is what the other leg has as well, and needs nothing: once there is a stream
    of ours it goes `along` in that, by these payload types. `whole`: they agreed on no such codec.
    """

    target: Codec
    number: int
    sound: Mapping[int, Codec]
    whole: bool = True
    through: frozenset[int] = frozenset()
    along: Mapping[int, int] = field(default_factory=dict)
    events: Mapping[int, Beside] = field(default_factory=dict)
    noise: Mapping[int, int] = field(default_factory=dict)

    @property
    def clock(self) -> int:
        """The clock of the leg's timestamps, before sound was heard."""
        return next(iter(self.sound.values())).clock


class Transcoder:
    """Transcodes one stream. PyAV is to be loaded when sound comes, not before."""

    __slots__ = (
        "_after",
        "_clock",
        "_decoder",
        "_encoder",
        "_expected",
        "_head",
        "_late",
        "_left",
        "_marker",
        "_octets",
        "_packets",
        "_plan",
        "_rate",
        "_room",
        "_sent_at",
        "_sequence",
        "_sound",
        "_when",
        "active",
        "errors",
        "source",
        "ssrc",
    )

    def __init__(self, plan: Plan, ssrc: int, sequence: int = 0, timestamp: int = 0) -> None:
        """Begin a stream with these numbers, which are best random (RFC 3550 §5.1)."""
        self._plan = plan
        self.ssrc = ssrc
        self.active = plan.whole
        """Whether what the leg sent last went in a stream of ours, or will."""
        self.source: int | None = None
        """The SSRC that was transcoded last; None: nothing was yet."""
        self.errors = 0
        """Packets that were no sound of their codec, came too late, or were too many."""
        self._sequence = sequence
        """The number of the next packet."""
        self._head = timestamp
        """The timestamp of the sound that is encoded next."""
        self._left = b""
        """Samples that fill no packet yet."""
        self._expected = 0
        """The timestamp of the leg's at which its sound goes on; that is after what is left."""
        self._after = 0
        """The leg's sequence number after the last."""
        self._clock = plan.clock
        """The clock of the leg's timestamps."""
        self._sound: Codec | None = None
        self._decoder: Decoder | None = None
        self._encoder: Encoder | None = None
        self._rate = 0
        self._late = 0
        self._marker = True
        self._room = BURST
        self._when: float | None = None
        self._sent_at: float | None = None
        self._packets = self._octets = 0

    def follow(self, plan: Plan) -> None:
        """Go on by another plan: the stream stays the same to who hears it."""
        if plan == self._plan:
            return
        if plan.target != self._plan.target:
            self._left = b""
            self._encoder = self._decoder = self._sound = self.source = None
            self._clock = plan.clock
        self._plan = plan
        self.active = plan.whole

    @property
    def plan(self) -> Plan:
        """What is done."""
        return self._plan

    def takes(self, number: int) -> bool:
        """Tell whether a packet of this payload type, which is next, is to be transcoded.

        What goes beside sound goes where the sound before it went. Where a stream of ours has begun
        what needs no decoding goes along, for some who hear two streams believe the first alone.
        """
        if number in self._plan.sound:
            self.active = True
        elif number in self._plan.through:
            begun = self._plan.whole or self._sent_at is not None
            self.active = begun and number in self._plan.along
        return self.active

    def adopt(self, last: bytes, now: float) -> None:
        """Go on where what needed no decoding ended: with the packet that was sent last."""
        if self._sent_at is None:
            self.ssrc = rtp.ssrc(last)
            self._sequence = rtp.sequence(last) + 1 & 0xFFFF
            self._head = (rtp.timestamp(last) + self._plan.target.clock // _FRAMES) % _TURN
            self._sent_at = now - PERIOD
            self._marker = False

    # -- what comes -------------------------------------------------------------------------

    def transcode(self, data: bytes, now: float) -> list[bytes]:
        """Return what goes on of a packet that came at `now`: at most eleven packets."""
        number = data[1] & 0x7F
        try:
            payload = rtp.payload(data)
        except MediaFormatError:
            payload = b""
        codec = self._plan.sound.get(number)
        beside = self._plan.events.get(number)
        found: list[bytes] = []
        if codec is not None:
            try:
                found = self._heard(data, payload, codec, now)
            except LocalError:  # PyAV is there, but cannot be loaded
                self.errors += 1
        elif beside is not None:
            found = self._event(data, payload, beside, now)
        elif number in self._plan.noise:
            found = self._passed(data, payload, self._plan.noise[number], now)
        elif number in self._plan.along:
            found = self._along(data, payload, self._plan.along[number], now)
        after = rtp.sequence(data) + 1 & 0xFFFF
        if (after - self._after) & 0xFFFF < _HALF:
            self._after = after
        return found

    def _heard(self, data: bytes, payload: bytes, codec: Codec, now: float) -> list[bytes]:
        if not self._admits(now):
            self.errors += 1
            return []
        encoder, decoder = self._engines(codec)
        found = self._place(data, now)
        if self._late:
            return found
        pcm = decoder.decode(payload)
        if not pcm:
            self.errors += 1
            self._room -= PERIOD
            return found
        length = len(pcm) // _WIDTH
        self._room -= length / self._rate
        self._expected = (self._expected + length * self._clock // self._rate) % _TURN
        self._left += pcm
        size = self._rate // _FRAMES * _WIDTH
        while len(self._left) >= size:
            frame, self._left = self._left[:size], self._left[size:]
            found += self._encoded(encoder, frame, now)
        return found

    def _admits(self, now: float) -> bool:
        """Tell whether there is room for sound, which comes about as fast as it lasts."""
        if self._when is not None:
            # a quarter more, for clocks differ
            self._room = min(BURST, self._room + (now - self._when) * 1.25)
        self._when = now
        return self._room > 0

    def _engines(self, codec: Codec) -> tuple[Encoder, Decoder]:
        """Return what encodes and decodes; another codec of the leg's begins anew."""
        if self._encoder is None or self._decoder is None or codec is not self._sound:
            self._left = b""
            self._rate = codec.rate if self._plan.target is OPUS else self._plan.target.rate
            self._encoder = Encoder(self._plan.target, self._rate)
            self._decoder = Decoder(codec, self._rate)
            self._sound, self._clock = codec, codec.clock
            self.source = None
        return self._encoder, self._decoder

    # -- when it is -------------------------------------------------------------------------

    def _place(self, data: bytes, now: float) -> list[bytes]:
        """Find where in time a packet of sound belongs; return what had to go before it."""
        ahead = self._ahead(data, now)
        if ahead < 0:
            self._late += 1
            self.errors += 1
            return []
        self._late = 0
        found = []
        if ahead:
            found = self._flush(now)
            self._skip(data, ahead)
            self._expected = rtp.timestamp(data)
        self._marker = self._marker or rtp.marker(data)
        return found

    def _ahead(self, data: bytes, now: float) -> int:
        """Return how far ahead of what is expected a packet is, by the leg's clock.

        What is of another source, or of another time altogether, is where we are.
        """
        stamp = rtp.timestamp(data)
        ahead = (stamp - self._expected + _TURN // 2) % _TURN - _TURN // 2
        anew = self._late >= MOST_LATE or ahead > LONGEST_PAUSE * self._clock
        if self.source == rtp.ssrc(data) and not anew:
            return ahead
        self.source = rtp.ssrc(data)
        self._late, self._left = 0, b""
        self._expected = stamp
        self._after = rtp.sequence(data)
        if self._sent_at is not None:
            passed = max(0.0, now - self._sent_at - PERIOD)
            self._head = (self._head + round(passed * self._plan.target.clock)) % _TURN
        self._marker = True
        return 0

    def _flush(self, now: float) -> list[bytes]:
        """Send what is left of the sound before a pause; what it lacks of a packet is silence."""
        if not self._left or self._encoder is None:
            return []
        size = self._rate // _FRAMES * _WIDTH
        missing = size - len(self._left)
        frame, self._left = self._left + bytes(missing), b""
        found = self._encoded(self._encoder, frame, now)
        # what was made up is no time that passed
        self._head = (self._head - self._units(missing)) % _TURN
        return found

    def _units(self, octets: int) -> int:
        """Return how long samples last by our clock."""
        return octets // _WIDTH * self._plan.target.clock // self._rate if octets else 0

    def _skip(self, data: bytes, ahead: int) -> None:
        """Leave out time that passed: numbers too where that was lost, so that it is known."""
        passed = ahead * self._plan.target.clock // self._clock
        self._head = (self._head + passed) % _TURN
        lost = (rtp.sequence(data) - self._after) & 0xFFFF
        if 0 < lost < MOST_LOST:
            frames = passed * _FRAMES // self._plan.target.clock
            self._sequence = (self._sequence + min(frames, MOST_LOST)) & 0xFFFF
        else:
            self._marker = True

    # -- what goes --------------------------------------------------------------------------

    def _encoded(self, encoder: Encoder, frame: bytes, now: float) -> list[bytes]:
        stamp = self._head
        self._head = (stamp + self._plan.target.clock // _FRAMES) % _TURN
        self._sent_at = now
        payload = encoder.encode(frame)
        if not payload:
            self.errors += 1
            return []
        marker, self._marker = self._marker, False
        return [self._built(payload, self._plan.number, stamp, marker=marker)]

    def _built(self, payload: bytes, number: int, timestamp: int, *, marker: bool) -> bytes:
        made = rtp.build(
            payload,
            payload_type=number,
            sequence=self._sequence,
            timestamp=timestamp,
            ssrc=self.ssrc,
            marker=marker,
        )
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._packets += 1
        self._octets += len(payload)
        return made

    def silence(self, now: float) -> list[bytes]:
        """Return a packet of silence, for who would hear nothing from a leg that was not heard."""
        if self._encoder is None:
            self._rate = self._plan.target.rate
            self._encoder = Encoder(self._plan.target, self._rate)
        return self._encoded(self._encoder, bytes(self._rate // _FRAMES * _WIDTH), now)

    def _event(self, data: bytes, payload: bytes, beside: Beside, now: float) -> list[bytes]:
        """Pass a telephone-event on: the same digit, as long by another clock (RFC 4733 §2.3)."""
        try:
            event = Event.parse(payload)
        except MediaFormatError:
            self.errors += 1
            return []
        found = self._flush(now) if rtp.marker(data) else []
        duration = min(LONGEST_EVENT, event.duration * beside.far // beside.clock)
        made = bytes(Event(event.number, duration, event.end, event.volume))
        stamp = self.timestamp(data, now)
        return [*found, self._built(made, beside.number, stamp, marker=rtp.marker(data))]

    def _along(self, data: bytes, payload: bytes, number: int, now: float) -> list[bytes]:
        """Pass on what needs no decoding: it has the clock of our stream."""
        found = self._flush(now)
        if self._sound is not None or self.source != rtp.ssrc(data):
            self._sound = self.source = None
            self._clock = self._plan.target.clock
        found += self._passed(data, payload, number, now)
        frame = self._clock // _FRAMES
        self._head = (rtp.timestamp(found[-1]) + frame) % _TURN
        self._expected = (rtp.timestamp(data) + frame) % _TURN
        return found

    def _passed(self, data: bytes, payload: bytes, number: int, now: float) -> list[bytes]:
        """Pass a packet on as it is: sound, or how loud it is where nobody speaks (RFC 3389 §3)."""
        found = self._flush(now)
        stamp = self.timestamp(data, now)
        self._sent_at = now
        return [*found, self._built(payload, number, stamp, marker=rtp.marker(data))]

    def timestamp(self, data: bytes, now: float) -> int:
        """Return the timestamp over there of what is not sound itself."""
        if self.source is None:
            self._ahead(data, now)
        return self._mapped(rtp.timestamp(data))

    def _mapped(self, stamp: int) -> int:
        ahead = (stamp - self._expected + _TURN // 2) % _TURN - _TURN // 2
        return (
            self._head
            + self._units(len(self._left))
            + ahead * self._plan.target.clock // self._clock
        ) % _TURN

    # -- RTCP -------------------------------------------------------------------------------

    def report(self, data: bytes, blocks: Sequence[Block] | None) -> bytes:
        """Return a compound of the leg's as one of the stream that goes on.

        What it says of what it heard is replaced by `blocks`, or left as it is. Raises
        MediaFormatError.
        """
        made, name = b"", b""
        for packet in rtcp.parse(data):
            match packet:
                case rtcp.Sender() if not made:
                    made = self._sender_report(packet, packet.blocks if blocks is None else blocks)
                case rtcp.Receiver() if not made:
                    said = packet.blocks if blocks is None else blocks
                    made = rtcp.receiver_report(rtcp.Receiver(self.ssrc, tuple(said)))
                case rtcp.Description(chunks):
                    items = [item for _, chunk in chunks for item in chunk]
                    name = next((value for kind, value in items if kind == rtcp.CNAME), name)
                case _:
                    pass  # feedback about numbers that the other leg never had
        if not made:
            return b""
        return made + (rtcp.description(self.ssrc, name) if name else b"")

    def _sender_report(self, said: rtcp.Sender, blocks: Sequence[Block]) -> bytes:
        if self.source is None:
            return rtcp.receiver_report(rtcp.Receiver(self.ssrc, tuple(blocks)))
        stamp = self._mapped(said.timestamp)
        counts = (self._packets % _TURN, self._octets % _TURN)
        return rtcp.sender_report(rtcp.Sender(self.ssrc, said.ntp, stamp, *counts, tuple(blocks)))
