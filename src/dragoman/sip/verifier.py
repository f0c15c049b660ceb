"""Digest as a server: nonces that cost no memory, and who proves a password (RFC 7616 §3.3-3.4)."""

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final, final

from dragoman.sip.auth import AUTH, HASHES, Asked, Challenge, Count, digest, parse_params
from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, quote, split

OFFERED: Final = tuple(name for name in ("SHA-256", "MD5") if name in HASHES)
"""The algorithms of our challenges: the one that we want first, then what everybody has."""

_NEEDED: Final = ("username", "realm", "nonce", "uri", "response")
_COUNT: Final = re.compile(r"[0-9A-Fa-f]{1,8}")


class Verdict(Enum):
    """What a server makes of an Authorization."""

    GOOD = "the password is proven"
    STALE = "the nonce is too old, used up, or none of ours: challenge again, saying stale"
    WRONG = "something does not fit: challenge again"


@final
@dataclass(frozen=True, slots=True)
class Claim:
    """What a client sent in Authorization or Proxy-Authorization (RFC 7616 §3.4)."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str = ""
    cnonce: str = ""
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> "Claim":
        """Read the value of the header. Raises SipError for what is no Digest, or incomplete."""
        scheme, _, rest = text.strip(BLANK).partition(" ")
        if scheme.lower() != "digest":
            raise SipError(f"not a Digest: {text[:40]!r}")
        params = parse_params(split(rest, ","))
        missing = [name for name in _NEEDED if name not in params]
        if missing:
            raise SipError(f"a Digest without {missing[0]}")
        return cls(
            params["username"],
            params["realm"],
            params["nonce"],
            params["uri"],
            params["response"],
            params.get("algorithm", "MD5").upper(),
            params.get("qop", "").lower(),
            params.get("cnonce", ""),
            _number(params.get("nc", "0")),
        )


class Verifier:
    """One realm's door. It keeps the counts of the nonces in use, and nothing else."""

    def __init__(
        self,
        realm: str,
        secret: bytes,
        token: Callable[[], str],
        *,
        lifetime: float = 300.0,
        limit: int = 4096,
    ) -> None:
        """Stand for `realm`; `secret` is behind its nonces, which live `lifetime` seconds.

        The counts of `limit` nonces are kept. One that is forgotten makes every nonce stale that
        was made before it: a count that is not known cannot be told from a replay.
        """
        self._realm = realm
        self._secret = secret
        self._token = token
        self._lifetime = lifetime
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._forgotten = -1

    def challenges(self, now: float, *, stale: bool = False) -> list[str]:
        """Return the values of WWW-Authenticate to send at `now`, one header line each."""
        made = f"{int(now * 1000):x}.{self._token()}"
        nonce = f"{made}.{self._proof(made)}"
        tail = ", stale=true" if stale else ""
        head = f'Digest realm={quote(self._realm)}, nonce="{nonce}", qop="{AUTH}"'
        return [f"{head}, algorithm={name}{tail}" for name in OFFERED]

    def check(self, claim: Claim, asked: Asked, password: str, now: float) -> Verdict:
        """Judge `claim`, made for the request `asked`, by the password of its user.

        A count is spent only by who proves the password: nobody else can use up a nonce.
        """
        if claim.realm != self._realm or claim.uri != asked.uri or claim.algorithm not in OFFERED:
            return Verdict.WRONG
        if claim.qop not in {"", AUTH}:
            return Verdict.WRONG
        if not self._proves(claim, asked, password):
            return Verdict.WRONG
        made = self._made(claim.nonce)
        if made is None or not made / 1000 <= now < made / 1000 + self._lifetime:
            return Verdict.STALE
        return self._spend(claim, made)

    def _proves(self, claim: Claim, asked: Asked, password: str) -> bool:
        qops = (claim.qop,) if claim.qop else ()
        challenge = Challenge(claim.realm, claim.nonce, claim.algorithm, qops)
        secret = challenge.secret(claim.user, password, claim.cnonce)
        wanted = digest(challenge, secret, asked, Count(claim.cnonce, claim.number))
        return hmac.compare_digest(wanted.encode(), claim.response.lower().encode())

    def _made(self, nonce: str) -> int | None:
        """Return when a nonce was made, in milliseconds; None: not by us."""
        made, _, proof = nonce.rpartition(".")
        if not hmac.compare_digest(self._proof(made).encode(), proof.encode()):
            return None
        return int(made.partition(".")[0], 16)

    def _proof(self, made: str) -> str:
        text = f"{self._realm}:{made}".encode()
        return hmac.new(self._secret, text, sha256).hexdigest()[:32]

    def _spend(self, claim: Claim, made: int) -> Verdict:
        """Take a count that must be higher than all before; without one, a nonce serves once."""
        number = claim.number if claim.qop else 1
        last = self._counts.get(claim.nonce, 0)
        if number <= last or (not last and made <= self._forgotten):
            return Verdict.STALE
        if not last and len(self._counts) >= self._limit:
            oldest = next(iter(self._counts))
            del self._counts[oldest]
            self._forgotten = max(self._forgotten, int(oldest.partition(".")[0], 16))
        self._counts[claim.nonce] = number
        return Verdict.GOOD


def _number(text: str) -> int:
    """Read `nc`, up to eight hexadecimal digits."""
    if not _COUNT.fullmatch(text):
        raise SipError(f"not a nonce count: {text[:40]!r}")
    return int(text, 16)
