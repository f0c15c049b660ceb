"""Messages of rtpengine's NG protocol (docs/ng_control_protocol.md there; versions from mr10.5).

A message is a cookie, a blank, and a bencoded dictionary. What an offer is to become for the other
leg is said in flags: see `offering`, `answering`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from dragoman.errors import RemoteError
from dragoman.media import bencode
from dragoman.media.bencode import Value, Written
from dragoman.media.description import Way
from dragoman.media.plane import Counters, Keying, Side
from dragoman.media.remote import Remote

MAX_COOKIE: Final = 64
MOST_TOLD: Final = 64
"""Streams of one leg, and sources of one call, that are looked at."""
LEGS: Final[Mapping[Side, str]] = {side: side.value for side in Side}
"""How an engine knows the legs of a call whose peers are the first."""


class NgError(RemoteError):
    """This is no message of an engine's."""


class Command(StrEnum):
    """What an engine is asked for."""

    PING = "ping"
    OFFER = "offer"
    ANSWER = "answer"
    DELETE = "delete"
    QUERY = "query"
    LIST = "list"
    STATISTICS = "statistics"
    DTMF = "play DTMF"


class Result(StrEnum):
    """How it went."""

    OK = "ok"
    PONG = "pong"
    ERROR = "error"
    LIMIT = "load limit"


UNKNOWN_CALL: Final = "Unknown call-id"
_FULL: Final = frozenset({"Parallel session limit reached", "Ran out of ports"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: a command, and what belongs to it."""

    command: Command
    fields: Mapping[str, Written] = field(default_factory=dict)

    def encode(self, cookie: str) -> bytes:
        """Return the datagram."""
        whole = bencode.encode({**self.fields, "command": str(self.command)})
        return cookie.encode() + b" " + whole


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine says to it; `reason` is for people, where it failed."""

    result: Result
    reason: str = ""
    fields: Mapping[bytes, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the dictionary; NgError, or BencodeError, where it is none of an answer."""
        said = bencode.decode(data)
        if not isinstance(said, dict):
            raise NgError("an answer that is no dictionary")
        name = text(said.get(b"result"))
        if name not in frozenset(Result):
            raise NgError(f"an answer with the result {name[:40]!r}")
        reason = text(said.get(b"error-reason")) or text(said.get(b"message"))
        return cls(Result(name), " ".join(reason.split())[:200], said)

    @property
    def failed(self) -> bool:
        """Whether it was not done."""
        return self.result in {Result.ERROR, Result.LIMIT}

    @property
    def full(self) -> bool:
        """Whether that is for want of room: another engine may have some."""
        return self.result is Result.LIMIT or self.reason in _FULL

    @property
    def forgotten(self) -> bool:
        """Whether the engine knows no such call."""
        return self.result is Result.ERROR and self.reason == UNKNOWN_CALL


def split(datagram: bytes) -> tuple[str, bytes]:
    """Return cookie and rest of a datagram; NgError where there is no cookie."""
    cookie, blank, rest = datagram[: MAX_COOKIE + 1].partition(b" ")
    if not blank or not cookie or not cookie.isascii():
        raise NgError("a datagram without a cookie")
    return cookie.decode(), rest + datagram[MAX_COOKIE + 1 :]


# -- what an engine is told of the way --------------------------------------------------------


def offering(
    remotes: Sequence[Remote],
    toward: Way,
    *,
    lite: bool = False,
    dtmf: bool = False,
    reset: bool = False,
    more: Sequence[str] = (),
) -> dict[str, Written]:
    """Return the flags of an offer, made by who says `remotes`, to be carried `toward` the other.

    `lite`: our ICE only answers. `dtmf`: digits are to be sent, which costs the engine its
    kernel module and the leg the other one's SSRC. `reset`: what is known of ICE with both legs is
    forgotten, so that it begins anew. `more`: codecs to add, and to make those of this leg of.
    """
    ice = any(each.ice is not None for each in remotes)
    return {
        **_always(dtmf=dtmf, reset=reset),
        "ICE": "force" if toward.ice else "remove",
        "ICE-lite": _LITE[lite and toward.ice, lite and ice],
        "transport-protocol": with_feedback(toward.protocol),
        "rtcp-mux": _MUX[any(each.mux for each in remotes), toward.mux],
        **_KEYS[toward.keying],
        **({"codec": {"transcode": list(more)}} if more else {}),
    }


def answering(back: Way | None, *, dtmf: bool) -> dict[str, Written]:
    """Return the flags of an answer; `back` is the way of who offered, None: not heard of yet."""
    ice = back is not None and back.ice
    return {
        **_always(dtmf=dtmf),
        "ICE": "force" if ice else "remove",
        # keys within RTP/AVP are taken, by whoever offers them (RFC 8643)
        "OSRTP": ["accept"],
    }


def with_feedback(protocol: str) -> str:
    """Return what an engine knows a protocol as: AVPF, whichever of both it is (RFC 4585).

    From whoever has AVP it would keep requests for key frames, which phones take all the same.
    """
    return protocol if protocol.upper().endswith("F") else f"{protocol}F"


def _always(*, dtmf: bool, reset: bool = False) -> dict[str, Written]:
    """Return what holds for every description.

    Ports stay whatever the other leg says of itself; who sends first is the peer, and nobody
    else; an address that is none becomes ours in what we say.
    """
    flags = ["port-latching", "strict-source"]
    flags += ["inject-DTMF"] if dtmf else []
    flags += ["reset"] if reset else []
    return {"flags": flags, "replace": ["origin", "session-connection", "zero-address"]}


_LITE: Final = {
    (False, False): "off",
    (True, False): "forward",
    (False, True): "backward",
    (True, True): "both",
}
"""By whether it is so toward who is offered to, and toward who offers."""
_MUX: Final[Mapping[tuple[bool, bool], list[str]]] = {
    (False, False): ["demux"],
    (False, True): ["require"],
    (True, False): ["demux"],
    (True, True): ["require", "accept"],
}
"""By whether who offers has RTCP on RTP's port, and whether the other one is to."""
_KEYS: Final[Mapping[Keying, Mapping[str, Written]]] = {
    Keying.NONE: {"SDES": ["off"], "DTLS": "off"},
    Keying.SDES: {"DTLS": "off"},
    Keying.DTLS: {"SDES": ["off"], "DTLS-fingerprint": "SHA-256"},
}


# -- what an engine tells of a call -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fare:
    """How one leg fares, as a `query` tells it.

    `reached`: something came by each stream that has ICE, or ICE has found a way there.
    `secured`: the certificate behind each stream with DTLS is the one that was announced.
    """

    counters: Counters
    reached: bool
    secured: bool


def fares(reply: Reply, names: Mapping[Side, str] = LEGS) -> dict[Side, Fare]:
    """Return how the legs of a call fare, each by its name at the engine, if that tells of it."""
    tags = _dictionary(reply.fields.get(b"tags"))
    sources = _dictionary(reply.fields.get(b"SSRC"))
    found = {}
    for side in Side:
        leg = tags.get(names[side].encode())
        if isinstance(leg, dict):
            found[side] = _fare(leg, sources)
    return found


def _fare(leg: dict[bytes, Value], sources: dict[bytes, Value]) -> Fare:
    reached = secured = True
    packets = octets = 0
    heard: list[dict[bytes, Value]] = []
    for media in _dictionaries(leg.get(b"medias")):
        for stream in _dictionaries(media.get(b"streams")):
            flags = _flags(stream)
            if b"RTP" not in flags or number(stream.get(b"local port")) == 0:
                continue
            stats = _dictionary(stream.get(b"stats"))
            came = max(0, number(stats.get(b"packets")))
            packets += came
            octets += max(0, number(stats.get(b"bytes")) - 12 * came)
            reached = reached and (b"ICE" not in flags or came > 0 or _found(stream))
            secured = secured and (
                b"DTLS-SRTP" not in _flags(media) or b"DTLS fingerprint verified" in flags
            )
            source = sources.get(b"%d" % number(stream.get(b"SSRC")))
            if isinstance(source, dict):
                heard.append(source)
    return Fare(_counters(packets, octets, heard), reached, secured)


def _found(stream: dict[bytes, Value]) -> bool:
    """Tell whether ICE has found where to send: that is not where the description had it."""
    there = _dictionary(stream.get(b"endpoint"))
    said = _dictionary(stream.get(b"advertised endpoint"))
    port = number(there.get(b"port"))
    return port > 0 and (there.get(b"address"), port) != (said.get(b"address"), said.get(b"port"))


def _counters(packets: int, octets: int, heard: list[dict[bytes, Value]]) -> Counters:
    """Return counters; what reports of RTCP told is there only where some came."""
    if not heard:
        return Counters(packets, octets)
    lost = sum(max(0, number(each.get(b"cumulative loss"))) for each in heard)
    mean = _dictionary(heard[0].get(b"average MOS"))
    score, trip = number(mean.get(b"MOS")), number(mean.get(b"round-trip time"))
    return Counters(
        packets,
        octets,
        lost,
        jitter=float(number(mean.get(b"jitter"))),
        round_trip=trip / 1000 if trip > 0 else None,
        mos=min(4.5, max(1.0, score / 10)) if score > 0 else None,
    )


def sessions(reply: Reply) -> int:
    """Return how many calls an engine has, as its `statistics` tell; 0 where they do not."""
    statistics = _dictionary(reply.fields.get(b"statistics"))
    current = _dictionary(statistics.get(b"currentstatistics"))
    return max(0, number(current.get(b"sessionstotal")))


def calls(reply: Reply) -> list[str]:
    """Return the names of calls, as `list` tells them."""
    said = reply.fields.get(b"calls")
    return [text(each) for each in said] if isinstance(said, list) else []


def text(value: Value | None) -> str:
    """Return a string; "" where there is none."""
    return value.decode(errors="replace") if isinstance(value, bytes) else ""


def number(value: Value | None) -> int:
    """Return a number; 0 where there is none."""
    return value if isinstance(value, int) else 0


def _dictionary(value: Value | None) -> dict[bytes, Value]:
    return value if isinstance(value, dict) else {}


def _dictionaries(value: Value | None) -> list[dict[bytes, Value]]:
    said = value if isinstance(value, list) else []
    return [each for each in said[:MOST_TOLD] if isinstance(each, dict)]


def _flags(value: dict[bytes, Value]) -> list[Value]:
    said = value.get(b"flags")
    return said if isinstance(said, list) else []
