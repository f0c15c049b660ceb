"""Candidates of ICE in session descriptions (RFC 8839 §5.1, §5.2)."""

from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_host, is_token, is_word

MOST_EXTENSIONS: Final = 32
"""Pairs of a candidate that are kept."""
_PORT: Final = 65_535
_COMPONENT: Final = 256
_PRIORITY: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """The value of one a=candidate line; `related` is the base of a reflexive or relayed one.

    `extensions` are the pairs that may follow, as `tcptype` and `generation`.
    """

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    related: tuple[str, int] | None = None
    extensions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=candidate:`; SdpError for none.

        The transport and the type are lower case, as clients of XMPP have them. A priority beyond
        the highest counts as that; a word too many at the end is passed over.
        """
        fields = text.split()
        if len(fields) < 8 or fields[6].lower() != "typ":
            raise SdpError(f"not a candidate: {text[:60]!r}")
        foundation, component, transport, priority, address, port, _, type_ = fields[:8]
        if not (is_token(transport) and is_token(type_) and is_host(address)):
            raise SdpError(f"not a candidate: {text[:60]!r}")
        related, extensions = _pairs(fields[8:])
        return cls(
            foundation,
            _number(component, 1, _COMPONENT),
            transport.lower(),
            min(_number(priority, 0, 10**20), _PRIORITY),
            address,
            _number(port, 0, _PORT),
            type_.lower(),
            related,
            extensions,
        )

    def __str__(self) -> str:
        """Return what `parse` reads."""
        words = [
            *(self.foundation, str(self.component), self.transport, str(self.priority)),
            *(self.address, str(self.port), "typ", self.type),
        ]
        if self.related is not None:
            words += ["raddr", self.related[0], "rport", str(self.related[1])]
        for name, value in self.extensions:
            words += [name, value]
        return " ".join(words)

    def extension(self, name: str) -> str | None:
        """Return the value of the first extension of that name, None for none."""
        return next((value for key, value in self.extensions if key == name), None)


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """One of those that an a=remote-candidates line says are used (§5.2)."""

    component: int
    address: str
    port: int

    @classmethod
    def parse_list(cls, text: str) -> tuple[Self, ...]:
        """Read what follows `a=remote-candidates:`; SdpError for none."""
        fields = text.split()
        if not fields or len(fields) % 3:
            raise SdpError(f"not candidates: {text[:60]!r}")
        triples = zip(fields[::3], fields[1::3], fields[2::3], strict=True)
        return tuple(cls._of(*each) for each in triples)

    @classmethod
    def _of(cls, component: str, address: str, port: str) -> Self:
        if not is_host(address):
            raise SdpError(f"not an address: {address[:60]!r}")
        return cls(_number(component, 1, _COMPONENT), address, _number(port, 0, _PORT))

    def __str__(self) -> str:
        """Return one of the triples that `parse_list` reads; they are joined by blanks."""
        return f"{self.component} {self.address} {self.port}"


_Pairs = tuple[tuple[str, str], ...]


def _pairs(fields: list[str]) -> tuple[tuple[str, int] | None, _Pairs]:
    """Return the base, and the other pairs."""
    base, port, others = "", 0, []
    for name, value in zip(fields[::2], fields[1::2], strict=False):
        match name.lower():
            case "raddr" if is_host(value):
                base = value
            case "rport":
                port = _number(value, 0, _PORT)
            case _ if is_token(name) and is_word(value) and name.lower() != "raddr":
                others.append((name, value))
    return ((base, port) if base else None), tuple(others[:MOST_EXTENSIONS])


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise SdpError(f"not a number in a candidate: {text[:40]!r}")
    if not least <= int(text) <= most:
        raise SdpError(f"a number in a candidate that is not from {least} to {most}: {text[:40]!r}")
    return int(text)
