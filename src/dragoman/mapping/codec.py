"""Encodings of RTP in Jingle and in SDP (XEP-0167 §6, XEP-0293; RFC 8866 §6.6, §6.15)."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from dragoman.sdp.session import Attribute, Media, RtpMap
from dragoman.xmpp.ext.jingle_rtp import Parameter, PayloadType
from dragoman.xmpp.ext.rtcp_fb import Feedback

STATIC: Final[Mapping[int, tuple[str, int, int]]] = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    13: ("CN", 8000, 1),
    15: ("G728", 8000, 1),
    18: ("G729", 8000, 1),
    26: ("JPEG", 90000, 1),
    31: ("H261", 90000, 1),
    32: ("MPV", 90000, 1),
    34: ("H263", 90000, 1),
}
"""What numbers stand for that need not be said (RFC 3551 §6)."""
EVENTS: Final = "telephone-event"
ALL_EVENTS: Final = "0-15"
RED: Final = "red"
_RATES: Final = {"video": 90000}
_SEPARATOR: Final = re.compile(r"\s*[;,]\s*")
_BARE: Final = frozenset({EVENTS, RED})
"""Encodings whose parameters have no names in SDP."""


def attributes(payload: PayloadType, media: str) -> Iterator[Attribute]:
    """Yield the lines of SDP that say what a number stands for; none for what nobody knows."""
    found = rtpmap(payload, media)
    if found is None:
        return
    yield Attribute("rtpmap", str(found))
    if text := fmtp(payload):
        yield Attribute("fmtp", f"{payload.id} {text}")
    yield from (Attribute("rtcp-fb", f"{payload.id} {_printed(each)}") for each in payload.feedback)


def rtpmap(payload: PayloadType, media: str) -> RtpMap | None:
    """Return what a number stands for; None where that is not said and it is no static one."""
    static = STATIC.get(payload.id)
    if not payload.name:
        return None if static is None else RtpMap(str(payload.id), *static)
    rate = payload.clockrate
    if rate is None:
        known = static is not None and static[0].lower() == payload.name.lower()
        rate = static[1] if known and static is not None else _RATES.get(media.lower(), 8000)
    return RtpMap(str(payload.id), payload.name, rate, payload.channels)


def fmtp(payload: PayloadType) -> str:
    """Return the parameters of an encoding as SDP has them, "" for none."""
    name = payload.name.lower()
    if name == EVENTS:
        return next((each.value for each in payload.parameters if each.value), ALL_EVENTS)
    if name == RED:
        values = [each.value for each in payload.parameters if each.value]
        return "/".join(values[0].split(",")) if values else ""
    return ";".join(filter(None, map(_named, payload.parameters)))


def payload_types(media: Media) -> tuple[PayloadType, ...]:
    """Return the encodings of a stream, in its order; what cannot be named is left out."""
    ptime, maxptime = _milliseconds(media, "ptime"), _milliseconds(media, "maxptime")
    found = []
    for number in media.formats:
        if not (number.isascii() and number.isdigit() and int(number) < 128):
            continue
        known = _known(media, number)
        if known is None:
            continue
        parameters = _parameters(known.encoding.lower(), media.fmtp(number))
        feedback = tuple(_feedback(media, number))
        found.append(
            PayloadType(
                int(number),
                known.encoding,
                known.clock_rate,
                known.channels,
                ptime,
                maxptime,
                parameters,
                feedback,
            )
        )
    return tuple(found)


def general_feedback(media: Media) -> tuple[Feedback, ...]:
    """Return the feedback that all encodings of a stream have."""
    return tuple(_feedback(media, "*"))


def printed(feedback: Feedback) -> str:
    """Return what a=rtcp-fb says of it after the number."""
    return _printed(feedback)


def _known(media: Media, number: str) -> RtpMap | None:
    said = media.rtpmap(number)
    if said is not None:
        return said
    static = STATIC.get(int(number))
    return None if static is None else RtpMap(number, *static)


def _parameters(name: str, text: str | None) -> tuple[Parameter, ...]:
    if name == EVENTS:
        return (Parameter("events", text or ALL_EVENTS),)
    if not text:
        return ()
    if name == RED:
        return (Parameter("pt", ",".join(text.split("/"))),)
    words = [each for each in _SEPARATOR.split(text.strip()) if each]
    return tuple(Parameter(*_pair(each)) for each in words)


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    return (name.strip(), value.strip()) if equals else ("", name.strip())


def _named(parameter: Parameter) -> str:
    if not parameter.name:
        return parameter.value
    return f"{parameter.name}={parameter.value}" if parameter.value else parameter.name


def _feedback(media: Media, number: str) -> Iterator[Feedback]:
    for value in media.values("rtcp-fb"):
        which, *words = value.split(maxsplit=2)
        if which == number and words:
            yield Feedback(words[0], words[1].strip() if len(words) > 1 else "")


def _printed(feedback: Feedback) -> str:
    return f"{feedback.type} {feedback.subtype}" if feedback.subtype else feedback.type


def _milliseconds(media: Media, name: str) -> int | None:
    text = (media.value(name) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    return int(text) or None
