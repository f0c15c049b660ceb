"""POSH documents (RFC 7711 §3; for XMPP servers RFC 7712 §5.2): a domain lists its certificates.

The document lies at a well-known place of the domain's own web server, so that the web's
authorities vouch for it, and says by fingerprint which certificates the XMPP server may show,
whatever names they bear.  Or it says where such a document is to be found.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from dragoman.errors import RemoteError

PATH: Final = "/.well-known/posh/xmpp-server.json"
LARGEST: Final = 65536
"""Bytes of a document; a longer one is refused."""
DEEPEST: Final = 8
"""How deep arrays and objects may lie in one another."""
MOST: Final = 256
"""How many certificates a document may list; what follows is not looked at."""
LONGEST: Final = 2048
"""Characters of an address."""
HASHES: Final = {"sha-256": sha256, "sha-512": sha512}
"""The hash functions that count, by their IANA names; others are passed over."""

# A string that never ends is taken whole too: to look for its end from each of its quotes would
# cost the square of its length.
_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_HOST: Final = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The certificates that a domain's servers may show, each by its digests."""

    digests: Sequence[Mapping[str, bytes]]
    expires: int
    """Seconds for which this may be relied on."""

    def lists(self, certificate: bytes) -> bool:
        """Tell whether a certificate (DER) is listed: every digest given for it has to match."""
        return any(
            all(HASHES[name](certificate).digest() == digest for name, digest in each.items())
            for each in self.digests
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """Where the fingerprints are to be found (RFC 7711 §3.2), for `expires` seconds."""

    url: str
    expires: int


def address_of(domain: str, port: int = 443) -> str:
    """Return where the document of `domain` (A-labels) lies; RemoteError if it can have none."""
    if not is_host(domain):
        raise RemoteError(f"no domain that could have a web server: {domain[:64]!r}")
    return f"https://{domain}{PATH}" if port == 443 else f"https://{domain}:{port}{PATH}"


def is_host(name: str) -> bool:
    """Tell whether `name` is a domain name of two labels or more, and not an IP literal."""
    return _HOST.fullmatch(name.lower()) is not None


def check_url(url: str) -> str:
    """Return an address that may be asked: https, a domain name, no user; else RemoteError."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError as error:
        raise RemoteError(f"no address of a document: {error}") from error
    fine = url.isascii() and url.isprintable() and " " not in url and len(url) <= LONGEST
    if not fine or parts.scheme != "https" or not is_host(parts.hostname or ""):
        raise RemoteError(f"a document is found by https at a domain name, not {url[:64]!r}")
    if parts.username is not None or parts.password is not None or not 0 < port < 65536:
        raise RemoteError("the address of a document has neither user nor odd port")
    return url


def parse(data: bytes) -> Fingerprints | Reference:
    """Read a document; raise RemoteError where it is none, is too large, or expires at once."""
    found = _json(data)
    if not isinstance(found, dict):
        raise RemoteError("a POSH document is a JSON object")
    expires = found.get("expires")
    if not isinstance(expires, int) or isinstance(expires, bool) or expires <= 0:
        raise RemoteError("a POSH document is good for a number of seconds, above none")
    if "fingerprints" in found:
        return Fingerprints(tuple(_listed(found["fingerprints"])), expires)
    url = found.get("url")
    if not isinstance(url, str):
        raise RemoteError("a POSH document has fingerprints, or says where they are")
    return Reference(check_url(url), expires)


def document(certificates: Sequence[bytes], expires: int) -> str:
    """Return the document that lists certificates (DER), for the web server of a domain."""
    listed = [
        {name: b64encode(made(each).digest()).decode() for name, made in HASHES.items()}
        for each in certificates
    ]
    return json.dumps({"fingerprints": listed, "expires": expires}, indent=2)


def _listed(found: Any) -> list[dict[str, bytes]]:
    if not isinstance(found, list) or not found:
        raise RemoteError("fingerprints are a list with something in it")
    digests = [_digests(each) for each in found[:MOST]]
    return [each for each in digests if each]


def _digests(found: Any) -> dict[str, bytes]:
    """Return the digests of one certificate by the hashes known here."""
    if not isinstance(found, dict):
        raise RemoteError("a fingerprint is an object: the name of a hash, the digest in base64")
    return {name: _digest(name, found[name]) for name in HASHES if name in found}


def _digest(name: str, text: Any) -> bytes:
    size = HASHES[name]().digest_size
    try:
        digest = b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        digest = b""
    if len(digest) != size:
        raise RemoteError(f"a {name} fingerprint is {size} bytes in base64")
    return digest


def _json(data: bytes) -> Any:
    if len(data) > LARGEST:
        raise RemoteError(f"a POSH document has no more than {LARGEST} bytes")
    depth = 0
    for token in _TOKENS.findall(data):
        depth += (token in b"[{") - (token in b"]}")
        if depth > DEEPEST:
            raise RemoteError(f"a POSH document is no more than {DEEPEST} deep")
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RemoteError(f"not JSON: {str(error)[:100]}") from error


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
