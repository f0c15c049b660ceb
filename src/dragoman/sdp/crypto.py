"""Keys of SRTP in session descriptions (RFC 4568), fingerprints (RFC 8122), ZRTP (RFC 6189)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from dragoman.sdp.failure import SdpError
from dragoman.sdp.grammar import is_token, is_word

_TAG: Final = re.compile(r"[0-9]{1,9}")
_HELLO: Final = re.compile(r"[0-9A-Fa-f]{2,128}")
_VALUE: Final = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){0,127}")


@dataclass(frozen=True, slots=True)
class Crypto:
    """The value of one a=crypto line (§9.1); key and session parameters are as written.

    It prints with its key: it belongs into a description, and not into a log.
    """

    tag: str
    suite: str
    key_params: str
    session_params: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=crypto:`; SdpError for none, which repeats nothing of it."""
        tag, suite, key, *more = [*text.split(maxsplit=3), "", "", ""][:4]
        if not (_TAG.fullmatch(tag) and is_token(suite) and is_word(key)):
            raise SdpError("not a tag, a suite and a key")
        return cls(str(int(tag)), suite, key, " ".join("".join(more).split()))

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return " ".join(filter(None, (self.tag, self.suite, self.key_params, self.session_params)))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The value of one a=fingerprint line: `hash` in lower case, `value` in upper case."""

    hash: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=fingerprint:`; SdpError for none."""
        hash_, _, value = text.strip().partition(" ")
        value = value.strip().upper()
        if not (is_token(hash_) and _VALUE.fullmatch(value)):
            raise SdpError(f"not a fingerprint: {text[:60]!r}")
        return cls(hash_.lower(), value)

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return f"{self.hash} {self.value}"


@dataclass(frozen=True, slots=True)
class ZrtpHash:
    """The value of one a=zrtp-hash line (RFC 6189 §8): the version, and the hash of its Hello."""

    version: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows `a=zrtp-hash:`; SdpError for none."""
        version, _, value = text.strip().partition(" ")
        if not (is_token(version) and _HELLO.fullmatch(value.strip())):
            raise SdpError(f"not the hash of a Hello: {text[:60]!r}")
        return cls(version, value.strip())

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return f"{self.version} {self.value}"
