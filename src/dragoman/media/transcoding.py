"""What is offered and agreed on so that sound may be transcoded (RFC 3264 §5.1, RFC 7587 §7).

A leg is offered the codecs of the other one first, then those of ours that it lacks. What has a
codec in common then is as if ours had not been offered.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from dragoman.media import codecs, sound
from dragoman.media.sound import Codec
from dragoman.media.transcoder import Beside, Plan
from dragoman.sdp.session import Attribute, Media, RtpMap

NOISE: Final = "cn"
_EVENTS: Final = "0-15"
_NUMBERS: Final = {sound.OPUS: "111", sound.G722: "9", sound.PCMU: "0", sound.PCMA: "8"}
_SPARE: Final = tuple(map(str, (*range(96, 128), *range(35, 64))))
_CODED: Final = frozenset({"rtpmap", "fmtp", "rtcp-fb"})
_SOURCES: Final = frozenset({"ssrc", "ssrc-group", "msid"})


def _maps(media: Media) -> Iterator[tuple[str, RtpMap]]:
    """Yield what the numbers of a stream stand for; what is no number of RTP is left out."""
    for number in media.formats:
        found = codecs.rtpmap(media, number)
        if found is not None and number.isascii() and number.isdigit() and int(number[:4]) < 128:
            yield number, found


def _named(media: Media, name: str) -> list[tuple[str, RtpMap]]:
    return [(number, each) for number, each in _maps(media) if each.encoding.lower() == name]


def sounds(media: Media) -> dict[str, Codec]:
    """Return the codecs of a stream that can be transcoded, by their numbers, in its order."""
    if media.kind.lower() != "audio":
        return {}
    known = (
        (n, sound.CODECS.get((each.encoding.lower(), each.clock_rate))) for n, each in _maps(media)
    )
    return {number: codec for number, codec in known if codec is not None}


def lacking(media: Media) -> tuple[Codec, ...]:
    """Return the codecs of ours that a stream lacks; none where it has none we can decode."""
    had = set(sounds(media).values())
    return tuple(each for each in sound.CODECS.values() if had and each not in had)


def extended(media: Media) -> Media:
    """Return a stream with the codecs that it lacks after its own, and events by their clocks."""
    more = lacking(media)
    if not more:
        return media
    numbers: list[str] = []
    attributes: list[Attribute] = []
    spare = (each for each in _SPARE if each not in {*media.formats, *numbers})
    for codec in more:
        number = _NUMBERS[codec]
        number = next(spare) if number in media.formats else number
        channels = "/2" if codec is sound.OPUS else ""  # whoever sends how many (RFC 7587 §7)
        numbers.append(number)
        attributes.append(Attribute("rtpmap", f"{number} {codec.name}/{codec.clock}{channels}"))
    for clock in _clocks_without_events(media, {each.clock for each in more}):
        number = next(spare)
        numbers.append(number)
        attributes.append(Attribute("rtpmap", f"{number} {codecs.EVENTS}/{clock}"))
        attributes.append(Attribute("fmtp", f"{number} {_EVENTS}"))
    return replace(
        media,
        formats=(*media.formats, *numbers),
        attributes=(*media.attributes, *attributes),
    )


def _clocks_without_events(media: Media, clocks: set[int]) -> list[int]:
    """Return the clocks that lack telephone-events, where a stream has any (RFC 4733 §2.1)."""
    found = {each.clock_rate for number, each in _named(media, codecs.EVENTS)}
    return sorted(clocks - found) if found else []


def possible(given: Media, asked: Media) -> bool:
    """Tell whether an answer and the offer of the other leg can be transcoded into one another."""
    return bool(sounds(given) and sounds(asked))


def answered(given: Media, asked: Media) -> Media:
    """Return an answer to a leg's offer whose other leg answered without a codec in common.

    It has the first codec of the offer that can be transcoded, and of what goes beside that, what
    both have.
    """
    number, codec = next(iter(sounds(asked).items()))
    numbers = [number]
    for name in (codecs.EVENTS, NOISE):
        fitting = [n for n, each in _named(asked, name) if each.clock_rate == codec.clock]
        others = [n for n, _ in _named(asked, name)] if name == codecs.EVENTS else []
        if _named(given, name):
            numbers += (fitting or others)[:1]
    attributes = [a for a in given.attributes if a.name not in _CODED | _SOURCES]
    for each in numbers:
        found = codecs.rtpmap(asked, each)
        if found is not None:
            attributes.append(Attribute("rtpmap", str(replace(found, payload_type=each))))
        if each != number and (text := asked.fmtp(each)):
            attributes.append(Attribute("fmtp", f"{each} {text}"))
    return replace(given, formats=tuple(numbers), attributes=tuple(attributes))


def agreed(said: Media, told: Media | None) -> Media:
    """Return what a leg said, without what it was not told.

    Who has answered what stood for the other leg may have nothing of what that leg says itself.
    """
    if told is None:
        return said
    both = codecs.renumbered(said, {number: number for number in codecs.matched(said, told)})
    return both if codecs.speech(both) is not None else said


def plan(told: Media, said: Media, far_told: Media | None, far_said: Media) -> Plan | None:
    """Return what to do with what a leg sends; None where all of it can go as it is.

    `told` is what the leg was told, `said` what it said; the others are those of the leg that
    hears it.
    """
    far, near = agreed(far_said, far_told), agreed(said, told)
    direct, mine = codecs.matched(near, far), sounds(near)
    target = next(iter(sounds(far).items()), None)
    if target is None or all(number in direct for number in mine):
        return None
    number, codec = target
    used = next(each for text, each in mine.items() if text not in direct)
    decoded: dict[int, Codec] = {}
    through: dict[int, int] = {}
    along: dict[int, int] = {}
    for source in (told, said):  # some use their own numbers to send
        through |= _through(source, far)
        along |= _through(source, far, codec.clock)
        for text, each in sounds(source).items():
            if int(text) not in through:
                decoded.setdefault(int(text), each)
    return Plan(
        codec,
        int(number),
        dict(sorted(decoded.items(), key=lambda item: item[1] is not used)),
        whole=codecs.speech(codecs.renumbered(near, direct)) is None,
        through=frozenset(through),
        along=along,
        events=_events((told, said), far, codec.clock),
        noise=_noise((told, said), far, codec.clock),
    )


def _through(source: Media, far: Media, clock: int | None = None) -> dict[int, int]:
    """Return the payload types of codecs that need not be transcoded, here and there; all of them,
    or those with a clock.
    """
    direct = codecs.matched(source, far)
    found = {}
    for number, each in _maps(source):
        sound_ = codecs.speech(replace(source, formats=(number,))) is not None
        if sound_ and number in direct and clock in {None, each.clock_rate}:
            found[int(number)] = int(direct[number])
    return found


def _events(sources: tuple[Media, Media], far: Media, clock: int) -> dict[int, Beside]:
    """Return how telephone-events go on: best by the clock of the sound over there."""
    there = codecs.events(replace(far, formats=tuple(number for number, _ in _maps(far))), (clock,))
    if there is None:
        return {}
    number, rate = int(there.payload_type), there.clock_rate
    found = [(int(n), each) for media in sources for n, each in _named(media, codecs.EVENTS)]
    return {mine: Beside(number, each.clock_rate, rate) for mine, each in reversed(found)}


def _noise(sources: tuple[Media, Media], far: Media, clock: int) -> dict[int, int]:
    there = [int(number) for number, each in _named(far, NOISE) if each.clock_rate == clock]
    mine = [int(number) for media in sources for number, _ in _named(media, NOISE)]
    return dict.fromkeys(mine, there[0]) if there else {}
