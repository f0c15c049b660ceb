"""Keys for SRTP that SDP carries itself: the lines a=crypto (RFC 4568, RFC 7714 §14.3)."""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from dragoman.errors import LocalError
from dragoman.media.rtp import MediaFormatError
from dragoman.media.suite import Suite

if TYPE_CHECKING:
    from dragoman.media.srtp import Srtp

PREFERRED: Final = (
    Suite.AES_CM_128_HMAC_SHA1_80,
    Suite.AEAD_AES_128_GCM,
    Suite.AEAD_AES_256_GCM,
    Suite.AES_CM_128_HMAC_SHA1_32,
)
"""What is offered, in this order: first what every phone has (RFC 4568 §6.2)."""
LEAST_LIFE: Final = 1 << 20
"""Packets that a key must last, as there is no new one during a call: 5 hours of 20 ms each."""
MOST_LIFE: Final = 1 << 48
"""Packets that any key may last (§6.2)."""
LONGEST: Final = 1024
MOST_LINES: Final = 32
"""Lines of one medium that are looked at."""

_SUITES: Final = {suite.label: suite for suite in Suite}
_INLINE: Final = "inline:"


@dataclass(frozen=True, slots=True)
class Line:
    """One a=crypto line: tag, suite by name, key parameters and session parameters."""

    tag: int
    suite: str
    key_params: str
    session_params: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows "a=crypto:"; raise MediaFormatError where that is not of §9.1."""
        parts = text.split() if len(text) <= LONGEST else []
        if len(parts) < 3 or not (parts[0].isascii() and parts[0].isdigit()) or len(parts[0]) > 9:
            raise MediaFormatError("a=crypto without tag, suite and key")
        return cls(int(parts[0]), parts[1], parts[2], tuple(parts[3:]))

    def __str__(self) -> str:
        """Print it, without "a=crypto:"."""
        return " ".join((str(self.tag), self.suite, self.key_params, *self.session_params))

    def __repr__(self) -> str:
        """Print it without the key, which belongs into no log."""
        return f"Line({self.tag}, {self.suite!r})"

    def known(self) -> Suite | None:
        """Return the suite, None where we have it not."""
        return _SUITES.get(self.suite.upper())

    def key(self) -> bytes:
        """Return master key and salt; raise MediaFormatError where we cannot do as the line says.

        That is: more keys than one or a key with an identifier (MKI), as libsrtp is told of none
        here; a lifetime that ends within a call; what leaves packets in the clear or unsigned; an
        unknown parameter that is not marked as optional (§6.3.7).
        """
        suite = self.known()
        if suite is None:
            raise MediaFormatError("a=crypto with an unknown suite")
        for parameter in self.session_params:
            if not parameter.startswith(("-", "WSH=")):
                raise MediaFormatError("a=crypto with a parameter that is not honoured here")
        if self.key_params[: len(_INLINE)].lower() != _INLINE or ";" in self.key_params:
            raise MediaFormatError("a=crypto without exactly one inline key")
        value, *rest = self.key_params[len(_INLINE) :].split("|")
        if rest and ":" not in rest[0]:
            _check_life(rest.pop(0))
        if rest:
            raise MediaFormatError("a=crypto with a key identifier")
        return _decoded(value, suite)


def choose(lines: Sequence[str], suites: Sequence[Suite] = PREFERRED) -> Line | None:
    """Return the line of an offer that is taken, the offerer's first that we can honour (§5.1.2).

    None where there is none: the medium is to be refused then.
    """
    for text in lines[:MOST_LINES]:
        try:
            line = Line.parse(text)
            line.key()
        except MediaFormatError:
            continue
        if line.known() in suites:
            return line
    return None


def offer(token: Callable[[int], bytes], suites: Sequence[Suite] = PREFERRED) -> tuple[Line, ...]:
    """Make the lines of an offer, tags from 1; `token` gives that many random bytes."""
    return tuple(_line(tag, suite, token) for tag, suite in enumerate(suites, 1))


def answer(chosen: Line, token: Callable[[int], bytes]) -> Line:
    """Make the one line that answers `chosen`: its tag and suite, and a key of our own (§5.1.2)."""
    suite = chosen.known()
    if suite is None:
        raise LocalError("an unknown suite cannot have been chosen")
    return _line(chosen.tag, suite, token)


def settle(offered: Sequence[Line], lines: Sequence[str]) -> tuple[Line, Line]:
    """Return (ours, theirs) once an offer was answered by `lines` (§5.1.3).

    Raises MediaFormatError where the answer is not one line that we offered, or not to be honoured.
    """
    if len(lines) != 1:
        raise MediaFormatError("an answer with another number of a=crypto lines than one")
    theirs = Line.parse(lines[0])
    theirs.key()
    for ours in offered:
        if ours.tag == theirs.tag and ours.known() is theirs.known():
            return ours, theirs
    raise MediaFormatError("an answer to an a=crypto line that was not offered")


def session(ours: Line, theirs: Line) -> "Srtp":
    """Return the SRTP session of two lines, ours for what we send; raise MediaFormatError."""
    suite = ours.known()
    if suite is None or suite is not theirs.known():
        raise MediaFormatError("two a=crypto lines that do not belong together")
    from dragoman.media.srtp import Srtp  # libsrtp is 5 MB

    return Srtp(suite, ours.key(), theirs.key())


def _line(tag: int, suite: Suite, token: Callable[[int], bytes]) -> Line:
    key = b64encode(token(suite.length)).decode("ascii")
    return Line(tag, suite.label, _INLINE + key)


def _check_life(text: str) -> None:
    digits = text.removeprefix("2^")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
        raise MediaFormatError("a=crypto with a lifetime that is no number")
    # an exponent is small, or it is no lifetime that any suite has
    number = 1 << min(int(digits), 64) if text.startswith("2^") else int(digits)
    if not LEAST_LIFE <= number <= MOST_LIFE:
        raise MediaFormatError("a=crypto with a lifetime too short or too long")


def _decoded(value: str, suite: Suite) -> bytes:
    try:
        # many phones leave the padding out
        key = b64decode(value + "=" * (-len(value) % 4), validate=True)
    except ValueError as error:
        raise MediaFormatError("a=crypto with a key that is not base64") from error
    if len(key) != suite.length:
        raise MediaFormatError("a=crypto with a key of another length than its suite has")
    return key
