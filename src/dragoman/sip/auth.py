"""Digest: challenges, and the response to one (RFC 3261 §22, RFC 7616, RFC 8760, RFC 2069)."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, is_token, quote, split, unquote

MAX_CHALLENGES: Final = 16
"""How many challenges of one response are read; what follows is not looked at."""

AUTH: Final = "auth"
AUTH_INT: Final = "auth-int"

_KNOWN: Final = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}
HASHES: Final = {
    name: hash_ for name, hash_ in _KNOWN.items() if hash_ in hashlib.algorithms_available
}
"""The algorithms that we have, strongest first, and what they are called here."""

_ORDER: Final = tuple(HASHES)
_SCHEME: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]++)[ \t]++(.*)", re.DOTALL)
_SESSION: Final = "-SESS"


@final
@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server wants to see proven, and how (RFC 7616 §3.3)."""

    realm: str
    nonce: str
    algorithm: str = ""
    """In upper case; "" where none is named, which means MD5."""
    qops: tuple[str, ...] = ()
    """In lower case; none means the response of RFC 2069."""
    opaque: str | None = None
    stale: bool = False

    @property
    def usable(self) -> bool:
        """Whether algorithm and quality of protection are among those that we have."""
        known = self._plain in HASHES
        return known and (not self.qops or AUTH in self.qops or AUTH_INT in self.qops)

    @property
    def strength(self) -> int:
        """The lower the stronger; only for what is usable."""
        return _ORDER.index(self._plain)

    @property
    def qop(self) -> str | None:
        """The quality of protection to answer with: auth where it is offered; None: RFC 2069."""
        if not self.qops:
            return None
        return AUTH if AUTH in self.qops else AUTH_INT

    @property
    def _plain(self) -> str:
        return (self.algorithm or "MD5").removesuffix(_SESSION)

    def hash(self, text: str | bytes) -> str:
        """Return H(text) of RFC 7616 §3.3, in hexadecimal."""
        data = text if isinstance(text, bytes) else text.encode()
        return hashlib.new(HASHES[self._plain], data, usedforsecurity=False).hexdigest()

    def secret(self, user: str, password: str, cnonce: str) -> str:
        """Return H(A1): the account, and with a -sess algorithm the two nonces (§3.4.2)."""
        found = self.hash(f"{user}:{self.realm}:{password}")
        if self.algorithm.endswith(_SESSION):
            return self.hash(f"{found}:{self.nonce}:{cnonce}")
        return found


@dataclass(frozen=True, slots=True)
class Asked:
    """The request whose sender is to be proven: what of it goes into the response."""

    method: str
    uri: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Count:
    """Our own nonce, and how often the server's has been used, this time included."""

    cnonce: str
    number: int = 1

    def __str__(self) -> str:
        """Return the number as it is written in `nc`."""
        return f"{self.number:08x}"


def parse_challenges(lines: Iterable[str]) -> list[Challenge]:
    """Read the values of WWW-Authenticate or Proxy-Authenticate header lines.

    Each line may hold several challenges (RFC 7235 §4.1). Other schemes than Digest, and
    parameters that nobody knows, are passed over. At most MAX_CHALLENGES are returned. Raises
    SipError for a challenge without realm or nonce, or what is none at all.
    """
    found: list[Challenge] = []
    for line in lines:
        for scheme, params in _schemes(line):
            if len(found) == MAX_CHALLENGES:
                return found
            if scheme == "digest":
                found.append(_challenge(params))
    return found


def strongest(challenges: Sequence[Challenge]) -> Challenge | None:
    """Return the one to answer among challenges of one realm (RFC 8760 §2.4); None: we cannot.

    Of equally strong ones the first is taken, which the server likes most.
    """
    return min((each for each in challenges if each.usable), key=_strength, default=None)


def digest(challenge: Challenge, secret: str, asked: Asked, count: Count) -> str:
    """Return the response to `challenge` (RFC 7616 §3.4.1), `secret` being H(A1)."""
    a2 = f"{asked.method}:{asked.uri}"
    qop = challenge.qop
    if qop is None:
        return challenge.hash(f"{secret}:{challenge.nonce}:{challenge.hash(a2)}")
    if qop == AUTH_INT:
        a2 = f"{a2}:{challenge.hash(asked.body)}"
    middle = f"{challenge.nonce}:{count}:{count.cnonce}:{qop}"
    return challenge.hash(f"{secret}:{middle}:{challenge.hash(a2)}")


def authorization(
    challenge: Challenge, user: str, password: str, asked: Asked, count: Count
) -> str:
    """Return the value of the Authorization or Proxy-Authorization header that answers."""
    secret = challenge.secret(user, password, count.cnonce)
    parts = [
        f"Digest username={quote(user)}",
        f"realm={quote(challenge.realm)}",
        f"nonce={quote(challenge.nonce)}",
        f"uri={quote(asked.uri)}",
        f'response="{digest(challenge, secret, asked, count)}"',
    ]
    if challenge.algorithm:
        parts.append(f"algorithm={_written(challenge.algorithm)}")
    if challenge.opaque is not None:
        parts.append(f"opaque={quote(challenge.opaque)}")
    if challenge.qop is not None:
        parts.append(f"qop={challenge.qop}, nc={count}")
    if challenge.qop is not None or challenge.algorithm.endswith(_SESSION):
        parts.append(f"cnonce={quote(count.cnonce)}")
    return ", ".join(parts)


def parse_params(items: Iterable[str]) -> dict[str, str]:
    """Read `name=value` items, values unquoted and names in lower case.

    Raises SipError for anything else, and for a name that occurs twice.
    """
    found: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        name, value = name.rstrip(BLANK).lower(), value.strip(BLANK)
        if not equals or not is_token(name) or name in found:
            raise SipError(f"not a parameter of a digest: {item[:40]!r}")
        found[name] = unquote(value)
    return found


def _schemes(line: str) -> Iterable[tuple[str, list[str]]]:
    """Yield each scheme of a line, in lower case, with its parameters."""
    scheme, params = "", list[str]()
    for item in split(line, ","):
        begun = _SCHEME.fullmatch(item)
        if begun is None or begun[2][:1] == "=":
            params.append(item)
            continue
        if scheme:
            yield scheme, params
        scheme, params = begun[1].lower(), [begun[2]]
    if not scheme:
        raise SipError(f"not a challenge: {line[:40]!r}")
    yield scheme, params


def _challenge(items: list[str]) -> Challenge:
    params = parse_params(items)
    if "realm" not in params or not params.get("nonce"):
        raise SipError("a challenge without realm or nonce")
    qops = params.get("qop", "").split(",")
    return Challenge(
        params["realm"],
        params["nonce"],
        params.get("algorithm", "").upper(),
        tuple(kept for each in qops if (kept := each.strip(BLANK).lower())),
        params.get("opaque"),
        params.get("stale", "").lower() == "true",
    )


def _strength(challenge: Challenge) -> int:
    return challenge.strength


def _written(algorithm: str) -> str:
    """Return the algorithm as the standards spell it."""
    plain = algorithm.removesuffix(_SESSION)
    return plain if plain == algorithm else f"{plain}-sess"
