"""One call that an rtpengine carries: what the engine is asked, step by step (RFC 3264).

The engine has the transports; what is said of them to the legs is made in here, as for media that
are carried in this process (`description`). So the engine is given only what it has to know of a
description, and taken from its own only the way to it.

What it lacks: it carries each stream by a port of its own (no bundle of two: the others are left
out of it), and it does not give codecs other numbers.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from dragoman.errors import ProtocolError
from dragoman.media import codecs, description, ng, sdes, transcoding
from dragoman.media.description import Stream, Way, common
from dragoman.media.dtls import Fingerprint
from dragoman.media.ng import Asked, Command, Reply
from dragoman.media.plane import Keying, MediaError, Profile, Side, Trouble
from dragoman.media.remote import Credentials, Place, Remote, read
from dragoman.sdp.ice import Candidate
from dragoman.sdp.offer import DISCARD
from dragoman.sdp.session import NOWHERE, Address, Attribute, Media, SessionDescription

MOST_STREAMS: Final = 8
"""Streams that are carried of one call; more are refused."""
MOST_CANDIDATES: Final = 64
"""Candidates of one leg that came by themselves and are kept."""
MOST_DIGITS: Final = 32
"""Digits that are sent at once."""
SHORTEST: Final = 100
LONGEST: Final = 5000
"""Milliseconds that a digit lasts with an engine."""

NO_TAGS: Final[Mapping[int, Mapping[str, int]]] = {}

Step: TypeAlias = Generator[Asked, Reply | None, SessionDescription | None]
"""Yields what to ask, is sent what the engine said (None: nothing), returns what to tell."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer of `side`, and what the other leg is told: each stream, in which way."""

    side: Side
    heard: SessionDescription
    remotes: tuple[Remote, ...]
    ways: Mapping[int, Way]
    mids: Mapping[int, str]
    legs: "Mapping[Side, Leg]"
    """The legs that agree by it."""
    tags: Mapping[Side, str]
    """Their names at the engine."""
    asked: tuple[Remote, ...]
    """What the other leg is offered: with codecs that the engine has added."""
    more: tuple[str, ...] = ()
    """Codecs that the engine was asked to add, and makes those of this leg of."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """An offer that was answered: what the other leg says, and which streams live."""

    offer: Offer
    remotes: tuple[Remote, ...]
    live: tuple[int, ...]
    made: tuple[int, ...] = ()
    """Those that have no codec in common."""

    @property
    def transcoded(self) -> tuple[str, str] | None:
        """What the other leg speaks, and what that is made; None where nothing is made."""
        for index in self.made:
            said, told = self.remotes[index].media, self.told(index).media
            found = codecs.speech(said), codecs.speech(told)
            if found[0] is not None and found[1] is not None:
                return found[0].encoding, found[1].encoding
        return None

    def told(self, index: int) -> Remote:
        """Return what who offered is to hear of a stream that was answered."""
        remote = self.remotes[index]
        if index not in self.made:
            return remote
        asked = self.offer.remotes[index].media
        return replace(remote, media=transcoding.answered(remote.media, asked))


@dataclass(frozen=True, slots=True)
class Port:
    """The engine's way of one stream, as its description has it."""

    rtp: Place
    rtcp: Place | None
    ice: Credentials | None
    lite: bool
    candidates: tuple[Candidate, ...]
    crypto: tuple[sdes.Line, ...]
    fingerprint: Fingerprint | None
    setup: str
    media: Media

    @classmethod
    def of(cls, remote: Remote) -> "Port":
        """Read it; MediaError where there is no port."""
        if remote.rtp is None:
            raise MediaError(Trouble.FULL, "rtpengine has given no port")
        return cls(
            remote.rtp,
            remote.rtcp,
            remote.ice,
            remote.lite,
            remote.candidates,
            tuple(sorted(_keys(remote.media), key=_preference)),
            next(iter(remote.fingerprints), None),
            remote.setup,
            remote.media,
        )


def _keys(media: Media) -> list[sdes.Line]:
    """Return the keys that can be honoured, of suites that we would offer ourselves."""
    values = media.values("crypto")[: sdes.MOST_LINES]
    found = (sdes.choose([value]) for value in values)
    return [line for line in found if line is not None]


def _preference(line: sdes.Line) -> int:
    suite = line.known()
    return sdes.PREFERRED.index(suite) if suite is not None else len(sdes.PREFERRED)


class Leg:
    """One leg: the ways of its streams, and candidates that came by themselves."""

    __slots__ = ("candidates", "late", "mids", "ufrags", "ways")

    def __init__(self) -> None:
        """Know nothing of it."""
        self.ufrags: frozenset[str] = frozenset()
        """Of its last description."""
        self.ways: Mapping[int, Way] = {}
        self.mids: Mapping[int, str] = {}
        self.candidates: list[tuple[str, str, Candidate]] = []
        """mid, ufrag, candidate."""
        self.late = False
        """Whether some came since the engine heard of this leg last."""

    def keep(self, mid: str, ufrag: str, candidates: Sequence[Candidate]) -> None:
        """Keep candidates; the engine learns of them with a description."""
        room = MOST_CANDIDATES - len(self.candidates)
        added = [(mid, ufrag, each) for each in candidates[: max(0, room)]]
        self.candidates += added
        self.late = self.late or bool(added)

    def begin(self, remotes: Sequence[Remote]) -> None:
        """Learn a new description; candidates of a former session of ICE are of no use then."""
        ufrags = frozenset(each.ice.ufrag for each in remotes if each.ice is not None)
        if ufrags != self.ufrags and self.ufrags:
            former = {*self.ufrags, ""} - ufrags
            self.candidates = [each for each in self.candidates if each[1] not in former]
        self.ufrags = ufrags

    def of(self, remote: Remote) -> list[Candidate]:
        """Return those that belong to a stream, with those that its description has."""
        if remote.ice is None:
            return []
        kept = [
            each
            for mid, ufrag, each in self.candidates
            if mid in ("", remote.mid) and ufrag in ("", remote.ice.ufrag)
        ]
        return [*remote.candidates, *(each for each in kept if each not in remote.candidates)]


class NgCall:
    """What two legs have said, and the steps that have the engine know it."""

    def __init__(self, call_id: str, *, lite: bool = False, transcode: bool = False) -> None:
        """Name it as engines know it; `lite`: our ICE only answers.

        `transcode`: sound is, where no codec is common.
        """
        self.id = call_id
        self.legs = {side: Leg() for side in Side}
        self.tags = dict(ng.LEGS)
        """How the engine knows them; another peer of a leg has another name."""
        self.open: Offer | None = None
        self.agreed: Agreed | None = None
        self._lite = lite
        self._transcode = transcode
        self._dtmf = False
        self._tags: dict[int, dict[str, int]] = {}
        """By stream and suite, the tags of the keys that the engine offered last."""
        self._successors = 0

    # -- offer and answer ------------------------------------------------------------------------

    def undecided(self, side: Side, offer: SessionDescription) -> bool:
        """Tell whether an offer is of more if candidates come: by these, streams are apart."""
        remotes = read(offer)
        shared = _shared(self.legs[side], remotes)
        return any(remotes[index].ice is not None for index in shared)

    def shaking(self, answer: SessionDescription) -> bool:
        """Tell whether a handshake may be under way that the engine forgets by an answer.

        Who is offered ICE and has none begins DTLS at once, and with ICE the engine has other
        connections of DTLS than without.
        """
        ways = {} if self.open is None else self.open.ways
        able = {index for index, way in ways.items() if way.ice and way.keying is Keying.DTLS}
        return bool(able) and any(
            remote.open and remote.ice is None and remote.keying is Keying.DTLS
            for index, remote in enumerate(read(answer))
            if index in able
        )

    def offer(
        self,
        side: Side,
        offer: SessionDescription,
        toward: Profile,
        successor: Side | None = None,
    ) -> Step:
        """Have an offer of `side` known; returns the one to make to the other leg."""
        remotes = read(offer)
        legs, tags = self._known(successor)
        far = legs[side.other]
        ways = _ways(legs[side], remotes, far.ways, toward)
        if not ways:
            raise MediaError(Trouble.UNACCEPTABLE, "no stream that can be carried")
        if self.agreed is None and self.open is not None and _differ(self.open, side, ways):
            # keys and ICE that it has offered once an engine offers again, whatever it is told
            yield self._deletion()
        names = description.mids(remotes, far.mids)
        legs[side].begin(remotes)
        more = self._more(side, remotes, toward) if successor is None or toward.more else ()
        self.open = Offer(side, offer, remotes, ways, names, legs, tags, remotes, more)
        # who was not heard of yet has offered; now that he is offered to, ICE has the other roles
        first = self.agreed is not None and not far.ways and successor is None
        reset = first and all(each.ice is None for each in remotes)
        ports = self._offered((yield self._offering(self.open, reset=reset)), self.open)
        self.open = _widened(self.open, ports)
        streams = [
            Stream(ways[index], ports[index], names.get(index, "")) if index in ways else None
            for index in range(len(remotes))
        ]
        return description.offer(offer, self.open.asked, streams)

    def _more(self, side: Side, remotes: Sequence[Remote], toward: Profile) -> tuple[str, ...]:
        """Return the codecs to offer beside those of a leg: as `toward` has it, or where the other
        took none of these last.
        """
        if not self._transcode:
            return ()
        last: Sequence[Remote] = ()
        if self.agreed is not None:
            offer = self.agreed.offer
            last = self.agreed.remotes if offer.side is side else offer.remotes
        wanted = [
            codec.name
            for index, remote in enumerate(remotes)
            if toward.more or (index < len(last) and not common(last[index], remote))
            for codec in transcoding.lacking(remote.media)
        ]
        return tuple(dict.fromkeys(wanted))

    def _known(self, successor: Side | None) -> tuple[dict[Side, Leg], dict[Side, str]]:
        """Return the legs and their names; another peer is a leg of which nothing is known."""
        legs, tags = dict(self.legs), dict(self.tags)
        if successor is not None:
            self._successors += 1
            legs[successor] = Leg()
            tags[successor] = f"{successor.value}{self._successors}"
        return legs, tags

    def answer(self, side: Side, answer: SessionDescription) -> Step:
        """Have the answer of `side` known; returns the one for who offered."""
        offer = self.open
        if offer is None or offer.side is side:
            raise MediaError(Trouble.UNACCEPTABLE, "no offer was made to this leg")
        if len(answer.media) != len(offer.remotes):
            raise MediaError(Trouble.UNACCEPTABLE, "an answer with other streams than the offer")
        said = read(answer)
        made = self._foreign(offer, said)
        shared = _shared(offer.legs[side], said)
        live = [index for index in _live(offer, said, made) if index not in shared]
        if not live:
            raise MediaError(Trouble.UNACCEPTABLE, "no stream was taken that can be carried")
        offer.legs[side].begin(said)
        more = _wanted(offer, said, made)
        other = bool(offer.more and not more) or not set(more) <= set(offer.more)
        if offer.legs[offer.side].late or other:
            offer = replace(offer, more=more if other else offer.more)
            offer = _widened(offer, self._offered((yield self._offering(offer)), offer))
        remotes = tuple(
            _unrenumbered(remote, offer.asked[index]) if index in offer.ways else remote
            for index, remote in enumerate(said)
        )
        ways = {index: way.answered(remotes[index]) for index, way in offer.ways.items()}
        agreed = Agreed(replace(offer, ways=ways), remotes, tuple(live), tuple(made))
        ports = self._ports((yield self._answering(agreed)), _heard_of(agreed))
        streams: list[Stream | None] = [None] * len(remotes)
        for index, way in _taken(agreed).items():
            asked, port = offer.remotes[index], ports.get(index)
            setup = "actpass" if port is None else port.setup
            streams[index] = Stream(way, port, asked.mid, setup)
        heard = [agreed.told(index) for index in range(len(remotes))]
        told = description.answer(answer, heard, offer.remotes, streams)
        self._settle(agreed)
        return told

    def _foreign(self, offer: Offer, said: Sequence[Remote]) -> list[int]:
        """Return the streams of an answer that have sound only if it is transcoded."""
        return [
            index
            for index in offer.ways
            if self._transcode
            and said[index].open
            and not common(said[index], offer.remotes[index])
            and transcoding.possible(said[index].media, offer.remotes[index].media)
        ]

    def _settle(self, agreed: Agreed) -> None:
        offer = agreed.offer
        self.legs, self.tags = dict(offer.legs), dict(offer.tags)
        near, far = self.legs[offer.side], self.legs[offer.side.other]
        # who was not heard of yet has agreed on nothing
        heard = _heard_of(agreed)
        near.ways = {index: way for index, way in _taken(agreed).items() if index in heard}
        far.ways = {index: offer.ways[index] for index in agreed.live}
        near.mids = {index: offer.remotes[index].mid for index in agreed.live}
        far.mids = {index: offer.mids[index] for index in agreed.live}
        self.agreed, self.open = agreed, offer

    def revert(self) -> Step:
        """Have the engine forget the open offer.

        It cannot: so it hears again what was agreed on before, or forgets all where nothing was.
        """
        if self.agreed is None:
            self.open = None
            yield self._deletion()
        else:
            self.open = self.agreed.offer
            yield from self._repeat(self.agreed)
        return None

    def refresh(self) -> Step:
        """Have the engine know candidates that came after the descriptions.

        It would take them as a fragment (RFC 8840), but after one it sends no media to the leg
        until it hears the whole again (seen with 10.5.3.5): so it hears the whole.
        """
        if self.agreed is not None and self.open is self.agreed.offer:
            yield from self._repeat(self.agreed)
        return None

    def digits(self, toward: Side, digits: str, milliseconds: int) -> Step:
        """Have telephone-events sent to a leg; those who never want any keep their SSRCs."""
        agreed = self.agreed
        if agreed is None or not _takes_digits(agreed, toward):
            return None
        if not self._dtmf:
            self._dtmf = True
            yield from self._repeat(agreed)
        lasting = min(LONGEST, max(SHORTEST, milliseconds))
        for digit in digits[:MOST_DIGITS]:
            fields = {"call-id": self.id, "from-tag": self.tags[toward.other], "code": digit}
            self._taken((yield Asked(Command.DTMF, {**fields, "duration": lasting})))
        return None

    # -- what the engine is asked ----------------------------------------------------------------

    def query(self) -> Asked:
        """Return the question how the call fares."""
        return Asked(Command.QUERY, {"call-id": self.id})

    def _repeat(self, agreed: Agreed) -> Generator[Asked, Reply | None, None]:
        self._offered((yield self._offering(agreed.offer)), agreed.offer)
        self._taken((yield self._answering(agreed)))

    def _offering(self, offer: Offer, *, reset: bool = False) -> Asked:
        toward = next(iter(offer.ways.values()))
        offer.legs[offer.side].late = False
        return Asked(
            Command.OFFER,
            {
                **self._named(offer),
                **ng.offering(
                    [offer.remotes[index] for index in offer.ways],
                    toward,
                    lite=self._lite,
                    dtmf=self._dtmf,
                    reset=reset,
                    more=offer.more,
                ),
                "sdp": self._written(offer, offer.side, offer.remotes, list(offer.ways)),
            },
        )

    def _answering(self, agreed: Agreed) -> Asked:
        side = agreed.offer.side
        agreed.offer.legs[side.other].late = False
        remotes = agreed.offer.remotes
        back = next((Way.taken(remotes[index]) for index in _heard_of(agreed)), None)
        return Asked(
            Command.ANSWER,
            {
                **self._named(agreed.offer),
                **ng.answering(back, dtmf=self._dtmf),
                "sdp": self._written(
                    agreed.offer, side.other, agreed.remotes, agreed.live, self._tags
                ),
            },
        )

    def _deletion(self) -> Asked:
        return Asked(Command.DELETE, {"call-id": self.id, "delete-delay": 0})

    def _named(self, offer: Offer) -> dict[str, str]:
        return {
            "call-id": self.id,
            "from-tag": offer.tags[offer.side],
            "to-tag": offer.tags[offer.side.other],
        }

    def _written(
        self,
        offer: Offer,
        side: Side,
        remotes: Sequence[Remote],
        live: Sequence[int],
        tags: Mapping[int, Mapping[str, int]] = NO_TAGS,
    ) -> str:
        """Return what the engine is to know of a description: ways, and codecs by name.

        Keys have the `tags` that it knows them by: there are phones that answer by another, and
        engines that offer by others when they are asked again.
        """
        leg = offer.legs[side]
        media = [
            _media(_tagged(remote, tags.get(index)), leg.of(remote), index)
            if index in live
            else _refused(remote, index)
            for index, remote in enumerate(remotes)
        ]
        return str(SessionDescription(media=tuple(media), connection=NOWHERE))

    # -- what the engine says --------------------------------------------------------------------

    def _offered(self, reply: Reply | None, offer: Offer) -> dict[int, Port]:
        """Return the engine's ways of what it was told to offer, and know its keys."""
        ports = self._ports(reply, list(offer.ways))
        self._tags = {
            index: {line.suite: line.tag for line in port.crypto} for index, port in ports.items()
        }
        return ports

    def _ports(self, reply: Reply | None, wanted: Sequence[int]) -> dict[int, Port]:
        """Return the engine's ways, of the streams that are wanted."""
        said = self._taken(reply).fields.get(b"sdp")
        try:
            remotes = read(SessionDescription.parse(said if isinstance(said, bytes) else b""))
        except ProtocolError as error:
            raise MediaError(Trouble.UNACCEPTABLE, f"rtpengine: {error.reason}") from error
        if any(index >= len(remotes) for index in wanted):
            raise MediaError(Trouble.UNACCEPTABLE, "rtpengine has dropped a stream")
        return {index: Port.of(remotes[index]) for index in wanted}

    def _taken(self, reply: Reply | None) -> Reply:
        """Return a reply that says yes; MediaError for all others."""
        if reply is None:
            raise MediaError(Trouble.GONE, "rtpengine does not answer")
        if reply.forgotten:
            raise MediaError(Trouble.GONE, "rtpengine has forgotten the call")
        if reply.failed:
            trouble = Trouble.FULL if reply.full else Trouble.UNACCEPTABLE
            raise MediaError(trouble, f"rtpengine: {reply.reason}")
        return reply


_BUNDLED: Final = Way("", bundle=True)


def _ways(
    leg: Leg, remotes: Sequence[Remote], agreed: Mapping[int, Way], toward: Profile
) -> dict[int, Way]:
    """Return which streams of a leg to offer, all in one way: as agreed on before, else `toward`.

    Of a bundle there is one, which comes first; the others have transports of their own.
    """
    wanted = next(iter(agreed.values()), None) or Way.offered(toward)
    shared = _shared(leg, remotes)
    found = [index for index in _carried(remotes) if index not in shared]
    return _apart(dict.fromkeys(found, wanted))


def _carried(remotes: Sequence[Remote]) -> list[int]:
    """Return the streams that can be carried, sound before all others."""
    found = [index for index, remote in enumerate(remotes) if remote.carried][:MOST_STREAMS]
    return sorted(found, key=lambda index: remotes[index].media.kind.lower() != "audio")


def _apart(ways: Mapping[int, Way]) -> dict[int, Way]:
    """Return ways of which none but the first is of a bundle (RFC 9143 §7.3.3)."""
    first = next(iter(ways), None)
    return {n: way if n == first else replace(way, bundle=False) for n, way in ways.items()}


def _taken(agreed: Agreed) -> dict[int, Way]:
    """Return the ways by which to answer: those that were offered, of a bundle the first alone."""
    return _apart({index: Way.taken(agreed.offer.remotes[index]) for index in agreed.live})


def _shared(leg: Leg, remotes: Sequence[Remote]) -> list[int]:
    """Return the streams of which a leg has not said that they have transports of their own.

    Who is to bundle all or nothing says none, and takes no answer that has them (RFC 9429 §4.1.1).
    """
    firsts: dict[str, Remote] = {}
    found = []
    for index in _carried(remotes):
        remote = remotes[index]
        first = firsts.setdefault(remote.bundle, remote) if remote.bundle else remote
        if remote is not first and not _own(leg, index, remote, first):
            found.append(index)
    return found


def _own(leg: Leg, index: int, remote: Remote, first: Remote) -> bool:
    """Tell whether a stream has another transport than the first of its bundle, if we like.

    What was agreed on stays so as long as its session of ICE does (RFC 9143 §7.5).
    """
    if leg.ways and (remote.ice is None or remote.ice.ufrag in leg.ufrags):
        return not leg.ways.get(index, _BUNDLED).bundle
    if remote.ice is None:
        return remote.rtp != first.rtp
    given = {mid for mid, ufrag, _ in leg.candidates if ufrag in {"", remote.ice.ufrag}}
    return remote.mid in given or bool(remote.candidates) or remote.ice != first.ice


def _differ(open_: Offer, side: Side, ways: Mapping[int, Way]) -> bool:
    before = next(iter(open_.ways.values()))
    return open_.side is not side or before != next(iter(ways.values()))


def _widened(offer: Offer, ports: Mapping[int, Port]) -> Offer:
    """Return an offer with the codecs that the engine has added, by the numbers that it gave."""
    asked = tuple(
        replace(remote, media=_added(remote.media, ports[index].media, offer.more))
        if index in ports
        else remote
        for index, remote in enumerate(offer.remotes)
    )
    return replace(offer, asked=asked)


def _added(media: Media, wider: Media, more: Sequence[str]) -> Media:
    wanted = {each.lower() for each in more}
    if not wanted.intersection(each.name.lower() for each in transcoding.lacking(media)):
        return media
    known, wanted = set(codecs.identities(media).values()), wanted | {codecs.EVENTS}
    maps = {
        number: codecs.rtpmap(wider, number)
        for number, codec in codecs.identities(wider).items()
        if codec not in known and codec[0] in wanted and number not in media.formats
    }
    lines = [Attribute("rtpmap", f"{each}") for each in maps.values() if each is not None]
    lines += [
        Attribute("fmtp", f"{number} {text}") for number in maps if (text := wider.fmtp(number))
    ]
    formats, attributes = (*media.formats, *maps), (*media.attributes, *lines)
    return replace(media, formats=formats, attributes=attributes)


def _wanted(offer: Offer, said: Sequence[Remote], made: Sequence[int]) -> tuple[str, ...]:
    """Return the codecs that the engine is to add by an answer: none that was not taken.

    Who took some beside what is common may send them (RFC 3264 §6.1): they are known to it then.
    """
    taken = [
        codec.name
        for index in offer.ways
        if index in made or offer.more
        for codec in transcoding.lacking(offer.remotes[index].media)
        if said[index].open and codec in transcoding.sounds(said[index].media).values()
    ]
    return tuple(dict.fromkeys(taken))


def _live(offer: Offer, remotes: Sequence[Remote], made: Sequence[int]) -> list[int]:
    """Return the streams that an answer takes, with keys where some were offered."""
    return [
        index
        for index, way in offer.ways.items()
        if (remote := remotes[index]).open
        and (index in made or common(remote, offer.remotes[index]))
        and (way.keying is Keying.NONE or way.keying is remote.keying)
    ]


def _heard_of(agreed: Agreed) -> list[int]:
    """Return the streams of which who offered has said where they are to go."""
    remotes = agreed.offer.remotes
    return [index for index in agreed.live if not remotes[index].later]


def _unrenumbered(remote: Remote, asked: Remote) -> Remote:
    """Return what is answered without codecs of other numbers than they were offered by.

    MediaError where that is the one that would be spoken: the engine would pass it on by a number
    that means nothing to who offered.
    """
    matched = codecs.matched(remote.media, asked.media)
    if all(number == other for number, other in matched.items()):
        return remote
    number, other = next(iter(matched.items()))
    if number != other and remote.open:
        raise MediaError(Trouble.UNACCEPTABLE, f"rtpengine cannot pass {number} on as {other}")
    same = {number: number for number, other in matched.items() if number == other}
    return replace(remote, media=codecs.renumbered(remote.media, same))


def _takes_digits(agreed: Agreed, toward: Side) -> bool:
    """Tell whether a leg negotiated telephone-events (RFC 4733)."""
    remotes = agreed.offer.remotes if agreed.offer.side is toward else agreed.remotes
    medias = [remotes[index].media for index in agreed.live]
    return any(each.kind.lower() == "audio" and _events(each) for each in medias)


def _events(media: Media) -> bool:
    found = (codecs.rtpmap(media, number) for number in media.formats)
    return any(each is not None and each.encoding.lower() == codecs.EVENTS for each in found)


def _tagged(remote: Remote, tags: Mapping[str, int] | None) -> Remote:
    """Return what was answered, its keys by the tags that they were offered by."""
    if not tags or remote.keying is not Keying.SDES:
        return remote
    keys = [replace(key, tag=tags.get(key.suite, key.tag)) for key in _keys(remote.media)]
    kept = [each for each in remote.media.attributes if each.name != "crypto"]
    lines = [Attribute("crypto", str(key)) for key in keys]
    return replace(remote, media=replace(remote.media, attributes=(*kept, *lines)))


def _refused(remote: Remote, index: int) -> Media:
    return replace(remote.media.refused(), attributes=(Attribute("mid", str(index)),))


def _media(remote: Remote, candidates: Sequence[Candidate], index: int) -> Media:
    """Return a stream as the engine is to see it; its name is its index."""
    media = remote.media
    attributes = [Attribute("mid", str(index))]
    for number in media.formats:
        found = codecs.rtpmap(media, number)
        if found is not None:
            attributes.append(Attribute("rtpmap", str(replace(found, payload_type=number))))
        if (parameters := media.fmtp(number)) is not None:
            attributes.append(Attribute("fmtp", f"{number} {parameters}"))
    attributes += [Attribute(remote.direction.value), *_transport(remote, candidates)]
    host, port = remote.rtp or ("", media.port or DISCARD)
    return Media(
        media.kind,
        port,
        ng.with_feedback(media.protocol),
        media.formats,
        connections=(Address.of(host) if host else NOWHERE,),
        attributes=tuple(attributes),
    )


def _transport(remote: Remote, candidates: Sequence[Candidate]) -> list[Attribute]:
    found = []
    if remote.mux:
        found.append(Attribute("rtcp-mux"))
    elif remote.rtcp is not None:
        host, port = remote.rtcp
        found.append(Attribute("rtcp", f"{port} {Address.of(host)}"))
    if remote.ice is not None:
        found += [
            Attribute("ice-ufrag", remote.ice.ufrag),
            Attribute("ice-pwd", remote.ice.password),
            # without this the engine would give up when the candidates it knows have failed
            Attribute("ice-options", "trickle"),
            *(Attribute("candidate", str(each)) for each in candidates),
        ]
        if remote.lite:
            found.append(Attribute("ice-lite"))
    if remote.keying is Keying.DTLS:
        strongest = min(remote.fingerprints, key=lambda each: each[0] != "sha-256")
        found.append(Attribute("fingerprint", " ".join(strongest)))
        found.append(Attribute("setup", remote.setup or "actpass"))
    elif remote.keying is Keying.SDES:
        found += [Attribute("crypto", str(line)) for line in _keys(remote.media)]
    return found
