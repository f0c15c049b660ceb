"""Codecs by what they are, not by their numbers (RFC 3264 §5.1, §6.1, §8.3.2; RFC 3551 §6)."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from dragoman.sdp.session import Attribute, Media, RtpMap

Identity: TypeAlias = tuple[str | int, ...]
"""Name in lower case, clock rate, channels, and what else makes two codecs different ones."""

STATIC: Final = {
    number: RtpMap(str(number), name, rate, channels)
    for number, name, rate, channels in (
        (0, "PCMU", 8000, 1),
        (3, "GSM", 8000, 1),
        (4, "G723", 8000, 1),
        (5, "DVI4", 8000, 1),
        (6, "DVI4", 16000, 1),
        (7, "LPC", 8000, 1),
        (8, "PCMA", 8000, 1),
        (9, "G722", 8000, 1),
        (10, "L16", 44100, 2),
        (11, "L16", 44100, 1),
        (12, "QCELP", 8000, 1),
        (13, "CN", 8000, 1),
        (14, "MPA", 90000, 1),
        (15, "G728", 8000, 1),
        (16, "DVI4", 11025, 1),
        (17, "DVI4", 22050, 1),
        (18, "G729", 8000, 1),
        (25, "CelB", 90000, 1),
        (26, "JPEG", 90000, 1),
        (28, "nv", 90000, 1),
        (31, "H261", 90000, 1),
        (32, "MPV", 90000, 1),
        (33, "MP2T", 90000, 1),
        (34, "H263", 90000, 1),
    )
}
"""What payload types stand for without an rtpmap (RFC 3551 tables 4 and 5)."""
EVENTS: Final = "telephone-event"
RETRANSMISSION: Final = "rtx"
_REDUNDANCY: Final = frozenset({"red", "ulpfec", "flexfec-03", "cn", EVENTS, RETRANSMISSION})
_PARAMETERS: Final[Mapping[str, tuple[str, str, int]]] = {
    # what of the profile counts: its first octet (RFC 6184 §8.2.2 lets the level differ)
    "h264": ("profile-level-id", "42", 2),
    "vp9": ("profile-id", "0", 8),
    "av1": ("profile", "0", 8),
}
"""By codec: the parameter that makes it another one, its default, and how much of it counts."""
_DYNAMIC: Final = (*range(96, 128), *range(35, 64))
"""Payload types that may stand for anything, without those that RTCP takes (RFC 5761 §4)."""


def rtpmap(media: Media, number: str) -> RtpMap | None:
    """Return what a number stands for, said or static; None where nobody knows."""
    return media.rtpmap(number) or STATIC.get(_static(number))


def _static(number: str) -> int:
    return int(number) if number.isascii() and number.isdigit() and len(number) < 4 else -1


def parameters(media: Media, number: str) -> dict[str, str]:
    """Return the parameters of a format that have names, in lower case."""
    found = {}
    for part in (media.fmtp(number) or "").split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            found[name.lower()] = value.strip()
    return found


def identity(media: Media, number: str) -> Identity | None:
    """Return what codec a number stands for; None where nobody knows."""
    found = rtpmap(media, number)
    if found is None:
        return None
    name = found.encoding.lower()
    said: Identity = (name, found.clock_rate, found.channels)
    if name == RETRANSMISSION:
        other = rtpmap(media, parameters(media, number).get("apt", ""))
        if other is None or other.encoding.lower() == RETRANSMISSION:
            return said
        return (*said, *(identity(media, other.payload_type) or ()))
    if name in _PARAMETERS:
        key, default, length = _PARAMETERS[name]
        given = parameters(media, number)
        said = (*said, given.get(key, default).lower()[:length])
        if name == "h264":
            said = (*said, given.get("packetization-mode", "0"))
    return said


def identities(media: Media) -> dict[str, Identity]:
    """Return the codecs of a stream by their numbers, in order; unknown ones are left out."""
    found = ((number, identity(media, number)) for number in media.formats)
    return {number: codec for number, codec in found if codec is not None}


def matched(media: Media, others: Media) -> dict[str, str]:
    """Return by which number `others` has each codec of `media` that it has; its own is best."""
    theirs = identities(others)
    found: dict[str, str] = {}
    for number, codec in identities(media).items():
        free = [each for each, other in theirs.items() if other == codec]
        if number in free:
            found[number] = number
        elif free:
            found[number] = free[0]
    return found


def settled(media: Media, before: Media | None, bundled: Collection[str] = ()) -> dict[str, str]:
    """Return the numbers to offer the codecs of `media` by, to whom heard `before` of some.

    A number never stands for another codec within a session (RFC 3264 §8.3.2), nor within a
    bundle, some of whose numbers are `bundled` already (RFC 9143 §9.1); numbers that are used up
    leave a codec out.
    """
    known: dict[str, str] = {}
    taken = {str(number) for number in _DYNAMIC}.intersection(bundled)
    if before is not None:
        nameless = set(media.formats) - set(identities(media))
        same = nameless & (set(before.formats) - set(identities(before)))
        known = {**{number: number for number in same}, **matched(media, before)}
        taken |= set(before.formats) | set(known.values())
    spare = (str(number) for number in _DYNAMIC)
    found: dict[str, str] = {}
    for number in media.formats:
        wanted = known.get(number, number)
        if number not in known and number in taken:
            wanted = next((each for each in spare if each not in taken), "")
        if wanted:
            found[number] = wanted
            taken.add(wanted)
    return found


def renumbered(media: Media, numbers: Mapping[str, str]) -> Media:
    """Return the stream with only the formats of `numbers`, by their new numbers.

    What hangs on a format goes with it: rtpmap, fmtp and the numbers therein, rtcp-fb. What only
    repeats or protects another codec goes where that does.
    """
    kept = [number for number in media.formats if number in numbers]
    kept = [each for each in kept if parameters(media, each).get("apt", each) in numbers]
    renamed = {number: numbers[number] for number in kept}
    formats = tuple(dict.fromkeys(renamed.values()))
    return replace(media, formats=formats, attributes=tuple(_attributes(media, renamed)))


def _attributes(media: Media, numbers: Mapping[str, str]) -> Iterator[Attribute]:
    for each in media.attributes:
        if each.name not in {"rtpmap", "fmtp", "rtcp-fb"} or each.value is None:
            yield each
            continue
        number, _, rest = each.value.strip().partition(" ")
        if number == "*" and each.name == "rtcp-fb":
            yield each
        elif number in numbers:
            rest = _referring(rest.strip(), numbers) if each.name == "fmtp" else rest.strip()
            if rest:
                yield Attribute(each.name, f"{numbers[number]} {rest}")


def _referring(text: str, numbers: Mapping[str, str]) -> str:
    """Return parameters with the numbers that they name: apt=96 (RFC 4588), 96/97 (RFC 2198)."""
    if "=" not in text and "/" in text:
        levels = text.split("/")
        return "/".join(numbers[each] for each in levels) if set(levels) <= set(numbers) else ""
    parts = [part.strip() for part in text.split(";")]
    for index, part in enumerate(parts):
        name, _, value = part.partition("=")
        if name.strip().lower() == "apt" and value.strip() in numbers:
            parts[index] = f"{name.strip()}={numbers[value.strip()]}"
    return text if "apt" not in text.lower() else ";".join(parts)


def translation(told: Media, heard: Media, theirs: Media | None = None) -> dict[int, int | None]:
    """Return by what payload types to pass on what a leg sends, where that is not its own.

    `told` is what that leg was told, so what its numbers mean; `heard` is what the other leg said
    and wants to read. `theirs` is what the leg said itself: some use their own numbers to send.
    None: the number means something else over there, and nothing there means this.
    """
    wanted = identities(heard)
    found: dict[int, int | None] = {}
    for source in (told, theirs):
        if source is None:
            continue
        here = matched(source, heard)
        for number in source.formats:
            if _static(number) < 0 or int(number) in found:
                continue
            there = here.get(number)
            if there is not None:
                found[int(number)] = int(there)
            elif number in wanted:
                found[int(number)] = None
    return {number: to for number, to in found.items() if number != to}


def speech(media: Media) -> RtpMap | None:
    """Return the first codec of a stream that carries the medium itself; None without any."""
    for number in media.formats:
        found = rtpmap(media, number)
        if found is not None and found.encoding.lower() not in _REDUNDANCY:
            return found
    return None


def events(media: Media, rates: Collection[int] = ()) -> RtpMap | None:
    """Return telephone-events as a stream has them, best by one of the clock `rates`; or None."""
    found = [rtpmap(media, number) for number in media.formats]
    all_events = [each for each in found if each is not None and each.encoding.lower() == EVENTS]
    fitting = [each for each in all_events if each.clock_rate in rates]
    return next(iter(fitting or all_events), None)
