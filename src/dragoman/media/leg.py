"""Two legs of a call and what they agree on: streams, joined by what each leg said (RFC 3264)."""

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from dragoman.media import codecs, transcoding
from dragoman.media.description import BUNDLE, MID_EXTENSION, Stream, Way, common, mids, role
from dragoman.media.plane import Profile, Side
from dragoman.media.relay import Half, Path, Relay
from dragoman.media.remote import Remote, read
from dragoman.media.transcoder import Plan, Transcoder
from dragoman.media.transport import Transport
from dragoman.sdp.extmap import ExtMap
from dragoman.sdp.failure import SdpError
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import Media, SessionDescription

MOST_STREAMS: Final = 8
"""Streams that are carried of one call; more are refused."""
MOST_EARLY: Final = 64
"""Candidates of one leg that wait for its description."""
_RATE: Final = 8000
Making: TypeAlias = Callable[[Plan], Transcoder]
"""Makes what transcodes."""


@dataclass(frozen=True, slots=True)
class Open:
    """An offer of `side`, as it was said to the other leg."""

    side: Side
    offer: SessionDescription
    remotes: tuple[Remote, ...]
    ways: Mapping[int, Way]
    mids: Mapping[int, str]
    transports: Mapping[int, Transport]
    """Those of the other leg, as `carrying` finds them."""
    said: SessionDescription
    legs: "Mapping[Side, Leg]" = field(default_factory=dict)
    """The legs that agree by it: another peer's is one that nothing was agreed on with."""


class Leg:
    """One leg: what was said there, and its transports."""

    __slots__ = ("early", "heard", "mids", "remotes", "side", "told", "transports", "ways")

    def __init__(self, side: Side) -> None:
        """Know nothing of it."""
        self.side = side
        self.told: SessionDescription | None = None
        """What we said last that was agreed on."""
        self.heard: SessionDescription | None = None
        self.remotes: tuple[Remote, ...] = ()
        self.ways: dict[int, Way] = {}
        self.mids: dict[int, str] = {}
        self.transports: dict[int, Transport] = {}
        self.early: deque[tuple[str, str, Candidate]] = deque(maxlen=MOST_EARLY)
        """Candidates before their description: mid, ufrag, candidate; the oldest go first."""

    def offered(self, remotes: Sequence[Remote], toward: Profile) -> dict[int, Way]:
        """Return how to offer each stream: as it was agreed on before, else as `toward` says."""
        settled = next(iter(self.ways.values()), None)
        found: dict[int, Way] = {}
        for index, remote in enumerate(remotes):
            if remote.carried and len(found) < MOST_STREAMS:
                found[index] = self.ways.get(index) or settled or Way.offered(toward)
        return found

    def names(self, remotes: Sequence[Remote]) -> dict[int, str]:
        """Return the mids to offer streams by."""
        return mids(remotes, self.mids)

    def keep(self, mid: str, ufrag: str, candidates: Sequence[Candidate]) -> None:
        """Keep candidates until their description is there."""
        self.early.extend((mid, ufrag, each) for each in candidates)

    def trickle(self) -> None:
        """Give the candidates that waited to whom they belong."""
        for _ in range(len(self.early)):
            mid, ufrag, candidate = self.early.popleft()
            transport = self.of_mid(mid)
            if transport is None or not transport.trickle(ufrag, [candidate]):
                self.early.append((mid, ufrag, candidate))

    def of_mid(self, mid: str) -> Transport | None:
        """Return the transport of a stream by its name; the only one where names say nothing."""
        for index, remote in enumerate(self.remotes):
            if remote.mid == mid and index in self.ways:
                return self.transports.get(key(index, self.ways[index]))
        distinct = list(self.transports.values())
        return distinct[0] if len(distinct) == 1 else None

    def transport(self, index: int) -> Transport | None:
        """Return the transport of a stream that is carried; None where it is not, or not yet."""
        return self.transports.get(key(index, self.ways[index])) if index in self.ways else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of all transports."""
        return tuple(each.path for each in self.transports.values())


def key(index: int, way: Way) -> int:
    """Return the transport of a stream: BUNDLE for those that share one, else its index."""
    return BUNDLE if way.bundle else index


def carrying(transports: Mapping[int, Transport], index: int, way: Way) -> Transport | None:
    """Return what carries a stream that is offered: its own transport, or the bundle's.

    Streams that are to become a bundle have each its own, until somebody has taken them as one
    (RFC 9143 §7.2).
    """
    return transports.get(index) or (transports.get(BUNDLE) if way.bundle else None)


def heard(description: SessionDescription, side: Side) -> tuple[Remote, ...]:
    """Return what the description of a leg says of each stream.

    Clients may send more candidates without having said so (XEP-0176 §5.5).
    """
    remotes = read(description)
    if side is Side.SIP:
        return remotes
    return tuple(replace(each, trickles=True) for each in remotes)


def foreign(open_: Open, remotes: Sequence[Remote]) -> list[int]:
    """Return the streams of an answer that can be carried only if they are transcoded."""
    pairs = enumerate(zip(open_.remotes, remotes, strict=True))
    return [
        index
        for index, (asked, remote) in pairs
        if asked.carried
        and remote.open
        and not common(remote, asked)
        and transcoding.possible(remote.media, asked.media)
    ]


def transcoded(open_: Open, remotes: Sequence[Remote], some: Sequence[int]) -> list[Remote]:
    """Return an answer as the leg that offered is to hear it, where `some` are transcoded."""
    return [
        replace(remote, media=transcoding.answered(remote.media, open_.remotes[index].media))
        if index in some
        else remote
        for index, remote in enumerate(remotes)
    ]


def accepted(open_: Open, remotes: Sequence[Remote], made: Sequence[int] = ()) -> list[int]:
    """Return the streams that an answer takes, and that can be carried for both legs then.

    Those that are `made` into another codec need none in common.
    """
    found = []
    for index, (asked, remote) in enumerate(zip(open_.remotes, remotes, strict=True)):
        way = open_.ways.get(index)
        if way is None or not asked.carried or not remote.open:
            continue
        if index not in made and not common(remote, asked):
            continue
        shared = way.bundle and index not in open_.transports
        if shared and not remote.bundle and not _is_first(open_, index):
            continue  # it was offered no transport of its own (RFC 9143 §7.3)
        transport = carrying(open_.transports, index, way)
        if transport is not None and transport.settle_keys(remote):
            found.append(index)
    return found


def _is_first(open_: Open, index: int) -> bool:
    return index == min((each for each, way in open_.ways.items() if way.bundle), default=index)


def agree(leg: Leg, live: Sequence[int], *, answering: bool, now: float) -> None:
    """Have the transports of a leg carry as it said; `answering`: it answered our offer."""
    seen = set()
    for index in live:
        transport, remote = leg.transport(index), leg.remotes[index]
        if transport is None or transport in seen:
            continue
        seen.add(transport)
        ours = role(remote.setup, transport.role)
        if answering and remote.setup not in {"active", "passive"}:
            # who answers is active unless he says otherwise (RFC 4145 §4.1)
            ours = transport.role or "passive"
        transport.agree(remote, active=ours == "active", now=now)


def wider(leg: Leg, remotes: Sequence[Remote], *, all_: bool) -> list[Remote]:
    """Return an offer with the codecs that it lacks: of all streams, or where it has none of those
    that the leg, which is to hear it, took last.
    """
    return [
        replace(remote, media=transcoding.extended(remote.media))
        if all_ or (index < len(leg.remotes) and not common(leg.remotes[index], remote))
        else remote
        for index, remote in enumerate(remotes)
    ]


def join(
    relay: Relay,
    legs: Mapping[Side, Leg],
    live: Sequence[int],
    seed: int,
    making: Making | None = None,
) -> None:
    """Have the relay carry the streams that are `live` between two legs that have agreed.

    `making` is used where sound has to be transcoded; without it, it is not.
    """
    for side in Side:
        halves = relay.halves[side]
        for index in [each for each in halves if each not in live]:
            del halves[index]
    relay.expected = set()
    for index in live:
        made = {side: _half(relay, legs[side], index, seed) for side in Side}
        for side, half in made.items():
            _aim(half, made[side.other], legs[side], legs[side.other], index)
            _transcode(half, legs[side], legs[side.other], index, making)
            half.notice = relay.notice
            if legs[side].transports and not half.blocked and _sends(legs[side], index):
                relay.expected.add(side)
    for side, leg in legs.items():
        relay.paths[side] = leg.paths
        _sort(leg, relay.halves[side])


def _half(relay: Relay, leg: Leg, index: int, seed: int) -> Half:
    halves = relay.halves[leg.side]
    codec = codecs.speech(_sent(leg, index))
    rate, name = (codec.clock_rate, codec.encoding) if codec is not None else (_RATE, "")
    if index not in halves:
        halves[index] = Half(rate, name, seed)
    halves[index].receiver.become(rate, name)
    return halves[index]


def _sent(leg: Leg, index: int) -> Media:
    """Return what a leg may send: what it said, of what it was told."""
    said = leg.remotes[index].media
    return said if leg.told is None else transcoding.agreed(said, leg.told.media[index])


def _transcode(half: Half, leg: Leg, far: Leg, index: int, making: Making | None) -> None:
    """Have what a leg sends made into a codec of the other, where that lacks it."""
    plan = None
    if leg.told is not None and making is not None:
        far_told = None if far.told is None else far.told.media[index]
        said, far_said = leg.remotes[index].media, far.remotes[index].media
        plan = transcoding.plan(leg.told.media[index], said, far_told, far_said)
    if plan is None or making is None:
        half.transcoder = None
    elif half.transcoder is None:
        half.transcoder = making(plan)
    else:
        half.transcoder.follow(plan)


def _sends(leg: Leg, index: int) -> bool:
    return leg.remotes[index].direction.sends


def _aim(half: Half, other: Half, leg: Leg, far: Leg, index: int) -> None:
    """Send what a leg says of a stream to the other, as that one wants it."""
    transport = far.transport(index)
    half.target = None if transport is None else transport.path
    half.other = other
    half.blocked = not far.remotes[index].direction.receives
    if leg.told is not None:
        theirs = leg.remotes[index].media
        half.numbers = codecs.translation(leg.told.media[index], far.remotes[index].media, theirs)


def _sort(leg: Leg, halves: Mapping[int, Half]) -> None:
    """Have each path know its streams, and how to tell them apart (RFC 9143 §9.2)."""
    for transport in leg.transports.values():
        own = {index: half for index, half in halves.items() if leg.transport(index) is transport}
        told = {i: leg.told.media[i] for i in own} if leg.told is not None else {}
        transport.path.carry(
            list(own.values()),
            mid=next((n for media in told.values() if (n := _mid_number(media))), 0),
            mids={leg.remotes[i].mid.encode(): half for i, half in own.items()},
            numbers=_unique(own, leg, told),
            sources={ssrc: half for i, half in own.items() for ssrc in _sources(leg.remotes[i])},
        )


def _mid_number(media: Media) -> int:
    for value in media.values("extmap"):
        with suppress(SdpError):
            found = ExtMap.parse(value)
            if found.uri == MID_EXTENSION:
                return found.id
    return 0


def _unique(own: Mapping[int, Half], leg: Leg, told: Mapping[int, Media]) -> dict[int, Half]:
    """Return the payload types that only one stream has."""
    found: dict[int, Half | None] = {}
    for index, half in own.items():
        media = leg.remotes[index].media
        numbers = {*media.formats, *(told[index].formats if index in told else ())}
        for number in {int(each) for each in numbers if each.isascii() and each.isdigit()}:
            found[number] = None if number in found else half
    return {number: half for number, half in found.items() if half is not None}


def _sources(remote: Remote) -> Iterator[bytes]:
    for value in remote.media.values("ssrc"):
        digits = value.split(maxsplit=1)[0] if value.strip() else ""
        if digits.isascii() and digits.isdigit() and int(digits[:11]) < 1 << 32:
            yield int(digits[:11]).to_bytes(4, "big")


def answering(
    open_: Open, live: Sequence[int], ways: Mapping[int, Way], transports: Mapping[int, Transport]
) -> list[Stream | None]:
    """Return what to say of each stream to who offered; `transports` are ours there."""
    names = {index: open_.remotes[index].mid for index in live}
    setups = {}
    for index in live:
        transport = transports.get(key(index, ways[index]))
        if transport is not None:
            setups[index] = role(open_.remotes[index].setup, transport.role)
    return streams(live, len(open_.remotes), ways, transports, names, setups)


def commit(
    near: Leg,
    far: Leg,
    open_: Open,
    answer: tuple[SessionDescription, tuple[Remote, ...], SessionDescription],
    ways: Mapping[int, Way],
    transports: dict[int, Transport],
) -> Open:
    """Have both legs stand as an offer and its answer say; return the offer as it was taken.

    `answer` is what the far leg said, what that means, and what we said to the near one; `ways`
    and `transports` are those of the near one, for the streams that were taken. Another answer may
    follow (RFC 3261 §13.2.2.4), but to what was taken alone. A leg that was not heard of yet has
    agreed to no way.
    """
    heard_, remotes, said = answer
    near.told, near.heard, near.remotes = said, open_.offer, open_.remotes
    near.ways = {index: way for index, way in ways.items() if not near.remotes[index].later}
    near.mids = {index: near.remotes[index].mid for index in ways}
    near.transports = transports
    far.told, far.heard, far.remotes = open_.said, heard_, remotes
    far.ways = dict(_answered(open_, ways, remotes))
    far.mids = {index: open_.mids[index] for index in ways}
    far.transports = _used(open_, far.ways)
    return replace(open_, ways=far.ways, transports=far.transports)


def _answered(
    open_: Open, live: Collection[int], remotes: Sequence[Remote]
) -> Iterator[tuple[int, Way]]:
    """Yield the ways that streams were offered in, as the answer leaves them.

    Who leaves a bundle goes by the transport that it was offered. Of those who stay it is the first
    that says what theirs is (RFC 9143 §10).
    """
    said: dict[int, Remote] = {}
    for index in live:
        way = open_.ways[index]
        if index in open_.transports and not remotes[index].bundle:
            way = replace(way, bundle=False)
        yield index, way.answered(said.setdefault(key(index, way), remotes[index]))


def _used(open_: Open, ways: Mapping[int, Way]) -> dict[int, Transport]:
    """Return the transports that an answer has left: of a bundle the one of its first stream."""
    found: dict[int, Transport] = {}
    for index, way in ways.items():
        transport = carrying(open_.transports, index, way)
        if transport is not None:
            found.setdefault(key(index, way), transport)
    return found


def streams(
    live: Sequence[int],
    count: int,
    ways: Mapping[int, Way],
    transports: Mapping[int, Transport],
    names: Mapping[int, str],
    setups: Mapping[int, str],
) -> list[Stream | None]:
    """Return what to say of each of `count` streams; None for those that are not `live`."""
    found: list[Stream | None] = [None] * count
    for index in live:
        way = ways[index]
        local = carrying(transports, index, way)
        found[index] = Stream(way, local, names.get(index, ""), setups.get(index, "actpass"))
    return found
