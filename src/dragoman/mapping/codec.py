"""Encodings of RTP in Jingle and in SDP (XEP-0167 §6, XEP-0293; RFC 8866 §6.6, §6.15)."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from dragoman.media.codecs import EVENTS, STATIC
from dragoman.media.codecs import rtpmap as known
from dragoman.sdp import feedback as sdp
from dragoman.sdp.failure import SdpError
from dragoman.sdp.session import Attribute, Media, RtpMap
from dragoman.xmpp.ext.jingle_rtp import Parameter, PayloadType
from dragoman.xmpp.ext.rtcp_fb import INTERVAL, Feedback

ALL_EVENTS: Final = "0-15"
RED: Final = "red"
_OPUS: Final = "opus"
_LARGEST: Final = 127
_NAMES: Final = frozenset({"events", "pt"})
"""What Jingle calls the parameters that have no name in SDP (STOX-M §10)."""
_RATES: Final = {"video": 90000, "text": 1000}
_SEPARATOR: Final = re.compile(r"[;\s]+")
_COMMA: Final = re.compile(r"\s*,\s*")
_AROUND: Final = re.compile(r"\s*=\s*")
_NAMED: Final = re.compile(r"[^\s=,]+=[^\s=,][^\s,]*")


def attributes(payload: PayloadType, media: str) -> Iterator[Attribute]:
    """Yield the lines of SDP that say what a number stands for; none for what nobody knows."""
    found = rtpmap(payload, media)
    if found is None:
        return
    yield Attribute("rtpmap", str(found))
    if text := fmtp(payload):
        yield Attribute("fmtp", f"{payload.id} {text}")
    for each in payload.feedback:
        yield Attribute("rtcp-fb", printed(str(payload.id), each))


def rtpmap(payload: PayloadType, media: str) -> RtpMap | None:
    """Return what a number stands for; None where that is not said and it is no static one."""
    static = STATIC.get(payload.id)
    if not payload.name:
        return static
    rate = payload.clockrate
    if rate is None:
        named = static is not None and static.encoding.lower() == payload.name.lower()
        rate = static.clock_rate if static and named else _RATES.get(media.lower(), 8000)
    # RFC 7587 §7 has two channels in every description, whoever sends how many.
    channels = 2 if payload.name.lower() == _OPUS else payload.channels
    return RtpMap(str(payload.id), payload.name, rate, channels)


def fmtp(payload: PayloadType) -> str:
    """Return the parameters of an encoding as SDP has them, "" for none."""
    name = payload.name.lower()
    if name == EVENTS:
        return _value(payload) or ALL_EVENTS
    if name == RED:
        return _value(payload).replace(",", "/")
    return ";".join(filter(None, map(_named, payload.parameters)))


def payload_types(media: Media) -> tuple[PayloadType, ...]:
    """Return the encodings of a stream, in its order; what cannot be named is left out."""
    ptime, maxptime = _milliseconds(media, "ptime"), _milliseconds(media, "maxptime")
    feedback = _feedback(media)
    found = []
    for number in dict.fromkeys(media.formats):
        if not (number.isascii() and number.isdigit() and int(number) <= _LARGEST):
            continue
        codec = known(media, number)
        if codec is None:
            continue
        found.append(
            PayloadType(
                int(number),
                codec.encoding,
                codec.clock_rate,
                codec.channels,
                ptime,
                maxptime,
                tuple(_parameters(codec.encoding.lower(), media.fmtp(number) or "")),
                tuple(feedback.get(number, ())),
            )
        )
    return tuple(found)


def general_feedback(media: Media) -> tuple[Feedback, ...]:
    """Return the feedback that all encodings of a stream have."""
    return tuple(_feedback(media).get(sdp.ALL, ()))


def printed(number: str, feedback: Feedback) -> str:
    """Return the value of an a=rtcp-fb line; the number may be `*`, for all."""
    words = [f"{name}={value}" if value else name for name, value in feedback.parameters]
    return " ".join(filter(None, (number, feedback.type, feedback.subtype, *words)))


def _value(payload: PayloadType) -> str:
    """Return the parameter of an encoding whose parameters have no names in SDP.

    In Jingle it may have a name, or be one.
    """
    for each in payload.parameters:
        if each.value or each.name not in _NAMES:
            return each.value or each.name
    return ""


def _named(parameter: Parameter) -> str:
    if not parameter.name:
        return parameter.value
    return f"{parameter.name}={parameter.value}" if parameter.value else parameter.name


def _parameters(name: str, text: str) -> Iterator[Parameter]:
    if name == EVENTS:
        yield Parameter("events", "".join(text.split()) or ALL_EVENTS)
    elif name == RED:
        if text:
            yield Parameter("pt", "".join(text.split()).replace("/", ","))
    else:
        yield from (Parameter(*_pair(word)) for word in _words(text))


def _words(text: str) -> list[str]:
    """Return the parameters of a format: there is no blank in any, as clients refuse that.

    Commas are between them only where each is then a name and a value: values have commas, too.
    """
    pieces = _COMMA.split(text.strip())
    if len(pieces) > 1 and all(map(_NAMED.fullmatch, pieces)):
        return pieces
    words = _SEPARATOR.split(_AROUND.sub("=", text))
    return list(filter(None, [each.strip(",") for each in words]))


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    return (name, value) if equals else ("", name)


def _feedback(media: Media) -> dict[str, list[Feedback]]:
    """Return all feedback of a stream, by payload type; what cannot be read is left out."""
    found: dict[str, list[Feedback]] = {}
    for value in media.values("rtcp-fb"):
        with suppress(SdpError):
            said = sdp.Feedback.parse(value)
            subtype, *words = said.parameters or ("",)
            if said.type == INTERVAL and not (subtype.isascii() and subtype.isdigit()):
                continue
            pairs = [word.partition("=") for word in words]
            more = tuple((name, text) for name, _, text in pairs if name)
            found.setdefault(said.payload_type, []).append(Feedback(said.type, subtype, more))
    return found


def _milliseconds(media: Media, name: str) -> int | None:
    text = (media.value(name) or "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    return int(text) or None
