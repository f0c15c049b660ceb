"""Session descriptions (SDP, RFC 8866): values that read and print themselves.

What RFC 4566, RFC 2327 and deployed programs write is read as well: lines that end in LF only,
lines in another order, missing v=, o=, s= and t= lines, blank lines. What is printed is complete
and in order. Attributes keep their order, unknown ones too.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self, final

from dragoman.errors import LocalError
from dragoman.sdp.failure import SdpError

MAX_SIZE: Final = 65_536
MAX_LINES: Final = 2048
MAX_MEDIA: Final = 32
MAX_FORMATS: Final = 256
MAX_HOST: Final = 255

_DIGITS: Final = 20
"""Of any number: RFC 3264 §5 has those of o= fit 63 bits, which are 19."""
_BREAK: Final = re.compile(r"[\r\n\0]")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+")
_PROTOCOL: Final = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z/-]+")
_VISIBLE: Final = re.compile(r"[^\x00-\x20\x7f-\xa0]+")

_SESSION_LETTERS: Final = frozenset("vosiuepcbtrzka")
_MEDIA_LETTERS: Final = frozenset("micbka")
_PEOPLE: Final = "uep"


class Direction(StrEnum):
    """Which way media go, as seen by whoever says it (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether who says it means to send."""
        return self in {Direction.SENDRECV, Direction.SENDONLY}

    @property
    def receives(self) -> bool:
        """Whether who says it means to receive."""
        return self in {Direction.SENDRECV, Direction.RECVONLY}

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> "Direction":
        """Return the one that means this."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE


@final
@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody is, as c= and the end of o= have it (RFC 8866 §5.2, §5.7).

    `host` is a name or a literal without brackets; `scope` is what follows the group of a
    multicast address, with its slash: "/127" or "/127/3".
    """

    host: str
    family: str = "IP4"
    network: str = "IN"
    scope: str = ""

    @classmethod
    def of(cls, host: str) -> Self:
        """Return the address of a host: IP6 for a literal with colons, else IP4."""
        return cls(host, "IP6" if ":" in host else "IP4")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `IN IP4 host`; SdpError for anything else."""
        fields = text.split()
        if len(fields) != 3 or not all(map(_VISIBLE.fullmatch, fields)):
            raise SdpError(f"not an address: {text[:60]!r}")
        network, family, where = fields
        host, slash, scope = where.partition("/")
        if not host or len(where) > MAX_HOST:
            raise SdpError(f"not a host: {where[:60]!r}")
        return cls(host, family, network, slash + scope)

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return f"{self.network} {self.family} {self.host}{self.scope}"

    @property
    def unspecified(self) -> bool:
        """Whether it is nowhere: 0.0.0.0, or :: (RFC 3264 §8.4)."""
        return not self.host.strip("0.:")


NOWHERE: Final = Address("0.0.0.0")  # noqa: S104 (what SDP says for no address, bound by nobody)


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """Who wrote a description, and which version of it this is (RFC 8866 §5.2)."""

    username: str = "-"
    session_id: str = "0"
    version: int = 0
    address: Address = NOWHERE

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of o=; SdpError for none. A session id may be any word."""
        fields = text.split(maxsplit=3)
        if len(fields) != 4 or not all(map(_VISIBLE.fullmatch, fields[:2])):
            raise SdpError(f"not an origin: {text[:60]!r}")
        username, session_id, version, address = fields
        return cls(username, session_id, _number(version, "version"), Address.parse(address))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return f"{self.username} {self.session_id} {self.version} {self.address}"


@final
@dataclass(frozen=True, slots=True)
class Timing:
    """When a session is: from `start` to `stop` in seconds since 1900, 0 for unbounded (§5.9).

    `repeats` are the r= and z= lines that follow, whole.
    """

    start: int = 0
    stop: int = 0
    repeats: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of t=; SdpError for none."""
        fields = text.split()
        if len(fields) != 2:
            raise SdpError(f"not two times: {text[:60]!r}")
        return cls(_number(fields[0], "start"), _number(fields[1], "end"))

    def __str__(self) -> str:
        """Return the value of t=, without the lines that follow it."""
        return f"{self.start} {self.stop}"


@final
@dataclass(frozen=True, slots=True)
class Bandwidth:
    """How much may be used, in the unit that `kind` has: kbit/s for AS and CT (§5.8)."""

    kind: str
    value: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of b=; SdpError for none."""
        kind, _, value = text.strip().partition(":")
        if not _TOKEN.fullmatch(kind):
            raise SdpError(f"not a bandwidth: {text[:60]!r}")
        return cls(kind, _number(value, "bandwidth"))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return f"{self.kind}:{self.value}"


@final
@dataclass(frozen=True, slots=True)
class Attribute:
    """One a= line (§5.13); `value` is None for a property such as `a=recvonly`."""

    name: str
    value: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of a=; any text is one, a name without blanks around it first."""
        name, colon, value = text.partition(":")
        return cls(name.strip(), value if colon else None)

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return self.name if self.value is None else f"{self.name}:{self.value}"


@final
@dataclass(frozen=True, slots=True)
class RtpMap:
    """What a payload type of RTP stands for (RFC 8866 §6.6)."""

    payload_type: str
    encoding: str
    clock_rate: int
    channels: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of a=rtpmap; SdpError for none."""
        payload_type, _, rest = text.strip().partition(" ")
        encoding, *numbers = rest.strip().split("/")
        if not encoding or len(numbers) not in {1, 2}:
            raise SdpError(f"not a map of a payload type: {text[:60]!r}")
        return cls(payload_type, encoding, *(_number(each, "rtpmap") for each in numbers))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        channels = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.payload_type} {self.encoding}/{self.clock_rate}{channels}"


@final
@dataclass(frozen=True, slots=True)
class Media:
    """One m= line and what belongs to it (§5.14); port 0 is a stream that is refused or over.

    `count` is how many ports there are. What is not said here may be said of the whole session:
    see `SessionDescription.value` and its like.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    count: int = 1
    information: str | None = None
    connections: tuple[Address, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    def value(self, name: str) -> str | None:
        """Return what the first attribute of that name has: "" for nothing, None: not there."""
        return next(_values(self.attributes, name), None)

    def values(self, name: str) -> tuple[str, ...]:
        """Return what each attribute of that name has, in order."""
        return tuple(_values(self.attributes, name))

    def rtpmap(self, payload_type: str) -> RtpMap | None:
        """Return what a payload type stands for here; None: not said, or not readable."""
        for value in _values(self.attributes, "rtpmap"):
            if value.split(maxsplit=1)[:1] == [payload_type]:
                try:
                    return RtpMap.parse(value)
                except SdpError:
                    return None
        return None

    def fmtp(self, format_: str) -> str | None:
        """Return the parameters of a format (§6.15), as written; None without any."""
        for value in _values(self.attributes, "fmtp"):
            name, _, parameters = value.strip().partition(" ")
            if name == format_:
                return parameters.strip()
        return None

    def refused(self) -> "Media":
        """Return the line that says no to this one (RFC 3264 §6)."""
        return Media(self.kind, 0, self.protocol, self.formats)

    def going(self, direction: Direction) -> "Media":
        """Return the stream as one that goes this way, whatever it did before (§6.7)."""
        kept = (each for each in self.attributes if each.name not in _DIRECTIONS)
        return replace(self, attributes=(*kept, Attribute(direction.value)))

    def __str__(self) -> str:
        """Return the value of m=, without the lines that follow it."""
        port = f"{self.port}/{self.count}" if self.count != 1 else str(self.port)
        return " ".join([self.kind, port, self.protocol, *self.formats])

    def lines(self) -> Iterator[str]:
        """Yield the lines of it in the order of the grammar (§9)."""
        yield f"m={self}"
        if self.information is not None:
            yield f"i={self.information}"
        yield from (f"c={each}" for each in self.connections)
        yield from (f"b={each}" for each in self.bandwidths)
        yield from (f"a={each}" for each in self.attributes)


@final
@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description: what is said of the session, and each of its streams.

    `people` are the u=, e= and p= lines, each a letter and its value. A k= line is dropped, as
    RFC 8866 §5.12 demands.
    """

    origin: Origin = Origin()
    name: str = "-"
    media: tuple[Media, ...] = ()
    connection: Address | None = None
    attributes: tuple[Attribute, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    timings: tuple[Timing, ...] = (Timing(),)
    information: str | None = None
    people: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a body of type application/sdp; SdpError(400) says why it is none.

        More than 64 KiB, 2048 lines, 32 streams or 256 formats of a stream are refused. Octets
        that are no UTF-8 become U+FFFD.
        """
        sections = _sections(_lines(data))
        session = next(sections)
        if _one(session, "v") not in {None, "0"}:
            raise SdpError("not version 0 of SDP")
        return cls(
            _origin(session),
            _one(session, "s") or "-",
            tuple(map(_media, sections)),
            _connection(session),
            _attributes(session),
            _bandwidths(session),
            _timings(session),
            _one(session, "i"),
            _people(session),
        )

    def __str__(self) -> str:
        """Return the whole text, each line with CRLF; LocalError where a value has a line break."""
        lines = list(self.lines())
        for line in lines:
            if _BREAK.search(line):
                raise LocalError(f"a line break within a line: {line[:60]!r}")
        return "".join(f"{line}\r\n" for line in lines)

    def encode(self) -> bytes:
        """Return the body of type application/sdp."""
        return str(self).encode()

    def lines(self) -> Iterator[str]:
        """Yield all lines in the order of the grammar (§9)."""
        yield "v=0"
        yield f"o={self.origin}"
        yield f"s={self.name or '-'}"
        if self.information is not None:
            yield f"i={self.information}"
        yield from (f"{letter}={value}" for letter, value in self.people)
        if self.connection is not None:
            yield f"c={self.connection}"
        yield from (f"b={each}" for each in self.bandwidths)
        for timing in self.timings or (Timing(),):
            yield f"t={timing}"
            yield from timing.repeats
        yield from (f"a={each}" for each in self.attributes)
        for media in self.media:
            yield from media.lines()

    def value(self, name: str, media: Media | None = None) -> str | None:
        """Return what the first attribute of that name has: that of `media`, else the session's.

        "" for an attribute without a value, None where there is none.
        """
        return next(iter(self.values(name, media)), None)

    def values(self, name: str, media: Media | None = None) -> tuple[str, ...]:
        """Return what each attribute of that name has: those of `media`, else the session's."""
        own = () if media is None else media.values(name)
        return own or tuple(_values(self.attributes, name))

    def connection_of(self, media: Media) -> Address | None:
        """Return where a stream goes to: its own c= line, else the session's (§5.7)."""
        return media.connections[0] if media.connections else self.connection

    def direction_of(self, media: Media) -> Direction:
        """Return which way a stream goes: what is said last counts, sendrecv if nothing (§6.7)."""
        for attributes in (media.attributes, self.attributes):
            for attribute in reversed(attributes):
                if attribute.value is None and attribute.name in _DIRECTIONS:
                    return Direction(attribute.name)
        return Direction.SENDRECV


_DIRECTIONS: Final = frozenset(Direction)


def _values(attributes: Iterable[Attribute], name: str) -> Iterator[str]:
    return (each.value or "" for each in attributes if each.name == name)


def _number(text: str, what: str, most: int = 10**_DIGITS - 1) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _DIGITS or int(text) > most:
        raise SdpError(f"not a number: {what} {text[:40]!r}")
    return int(text)


def _lines(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield each line as (letter, value)."""
    if len(data) > MAX_SIZE:
        raise SdpError(f"a description of {len(data)} octets, more than {MAX_SIZE}")
    lines = data.decode(errors="replace").split("\n")
    if len(lines) > MAX_LINES:
        raise SdpError(f"a description of {len(lines)} lines, more than {MAX_LINES}")
    for line in lines:
        text = line.removesuffix("\r")
        if not text:
            continue
        if text[1:2] != "=" or _BREAK.search(text):
            raise SdpError(f"not a line of a description: {text[:60]!r}")
        yield text[0], text[2:]


_Section = list[tuple[str, str]]


def _sections(lines: Iterable[tuple[str, str]]) -> Iterator[_Section]:
    """Yield the lines of the session, then those of each stream, the m= line first."""
    section: _Section = []
    count = 0
    letters = _SESSION_LETTERS
    for letter, value in lines:
        if letter == "m":
            yield section
            count += 1
            if count > MAX_MEDIA:
                raise SdpError(f"more than {MAX_MEDIA} streams")
            section, letters = [], _MEDIA_LETTERS
        elif letter not in letters:
            # RFC 8866 §5: who does not know a letter rejects the whole description.
            raise SdpError(f"a line that does not belong here: {letter}={value[:40]!r}")
        section.append((letter, value))
    if not section:
        raise SdpError("an empty description")
    yield section


def _one(section: _Section, letter: str) -> str | None:
    values = _all(section, letter)
    if len(values) > 1:
        raise SdpError(f"more than one line {letter}=")
    return values[0] if values else None


def _all(section: _Section, letter: str) -> list[str]:
    return [value for each, value in section if each == letter]


def _attributes(section: _Section) -> tuple[Attribute, ...]:
    attributes = map(Attribute.parse, _all(section, "a"))
    return tuple([each for each in attributes if each.name])


def _bandwidths(section: _Section) -> tuple[Bandwidth, ...]:
    return tuple(map(Bandwidth.parse, _all(section, "b")))


def _origin(section: _Section) -> Origin:
    text = _one(section, "o")
    return Origin() if text is None else Origin.parse(text)


def _connection(section: _Section) -> Address | None:
    text = _one(section, "c")
    return None if text is None else Address.parse(text)


def _people(section: _Section) -> tuple[tuple[str, str], ...]:
    people = [line for line in section if line[0] in _PEOPLE]
    return tuple(sorted(people, key=lambda line: _PEOPLE.index(line[0])))


def _timings(section: _Section) -> tuple[Timing, ...]:
    timings: list[Timing] = []
    for letter, value in section:
        if letter == "t":
            timings.append(Timing.parse(value))
        elif letter in "rz":
            if not timings:
                raise SdpError(f"{letter}= without a time that it belongs to")
            last = timings[-1]
            timings[-1] = replace(last, repeats=(*last.repeats, f"{letter}={value}"))
    return tuple(timings) or (Timing(),)


def _media(section: _Section) -> Media:
    fields = section[0][1].split()
    if len(fields) < 3 or not all(map(_VISIBLE.fullmatch, fields)):
        raise SdpError(f"not a stream: {section[0][1][:60]!r}")
    kind, ports, protocol, *formats = fields
    if not _TOKEN.fullmatch(kind) or not _PROTOCOL.fullmatch(protocol):
        raise SdpError(f"not a stream: {section[0][1][:60]!r}")
    if len(formats) > MAX_FORMATS:
        raise SdpError(f"a stream of {len(formats)} formats, more than {MAX_FORMATS}")
    first, slash, count = ports.partition("/")
    port = _number(first, "port", 65535)
    if not formats and port:
        raise SdpError(f"a stream without a format: {section[0][1][:60]!r}")
    return Media(
        kind,
        port,
        protocol,
        # Who refuses a stream may have left out which: it is as good as any.
        tuple(formats) or ("*",),
        _number(count, "ports", 65535) if slash else 1,
        _one(section, "i"),
        tuple(map(Address.parse, _all(section, "c"))),
        _bandwidths(section),
        _attributes(section),
    )
