"""SIP URIs and their comparison (RFC 3261 §19.1), and tel, im and pres (RFC 3966, 3860, 3859)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import Params, find_param, parse_number, print_params

MAX_URI: Final = 2048
MAX_HOSTPORT: Final = 264
SCHEMES: Final = frozenset({"sip", "sips", "im", "pres", "tel"})

# Long addresses are legal but rare: left out, they cannot make the memory of the caches large.
_CACHED_LENGTH: Final = 128
_FORBIDDEN: Final = re.compile(r"[^!#-;=?-~]")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_LABELS: Final = re.compile(r"[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+\.?")
_TEL_NUMBER: Final = re.compile(r"\+?[().-]*+[0-9A-Fa-f*#][0-9A-Fa-f*#().-]*+")
_TEL_VISUAL: Final = str.maketrans("", "", "-.()")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_RESERVED: Final = frozenset(";/?:@&=+$,%")
_NEVER_IGNORED: Final = ("transport", "user", "ttl", "method", "maddr")


@final
@dataclass(frozen=True, slots=True)
class Uri:
    """An address of the schemes sip, sips, im, pres or tel, its parts spelled as on the wire."""

    scheme: str
    user: str | None
    host: str
    port: int | None = None
    password: str | None = None
    params: Params = ()
    headers: str = ""

    @classmethod
    def parse(cls, text: str) -> "Uri":
        """Read a URI of at most 2048 characters.

        Scheme, host and parameter names become lower case; nothing is unescaped. The first "@"
        ends the user, so ";" and "?" before it belong to the user (RFC 3261 §25.1). Raises
        SipError: 416 for another scheme, 414 for a longer text, 400 for anything malformed.
        """
        return _parse_cached(text) if len(text) <= _CACHED_LENGTH else _parse(text)

    def param(self, name: str) -> str | None:
        """Return the parameter `name` (lower case): "" when it has no value, None when absent."""
        return find_param(self.params, name)

    def __str__(self) -> str:
        """Return the URI as it is written on the wire, without angle brackets."""
        params = print_params(self.params)
        if self.scheme == "tel":
            return f"tel:{self.user}{params}"
        user = "" if self.user is None else f"{self.user}@"
        if self.password is not None:
            user = f"{self.user}:{self.password}@"
        port = "" if self.port is None else f":{self.port}"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{self.host}{port}{params}{headers}"

    def matches(self, other: "Uri") -> bool:
        """Say whether both lead to the same resource (RFC 3261 §19.1.4; for tel RFC 3966 §4)."""
        if self.scheme != other.scheme:
            return False
        if self.scheme == "tel":
            return _tel_key(self) == _tel_key(other)
        return (
            self.host == other.host
            and self.port == other.port
            and _plain(self.user) == _plain(other.user)
            and _plain(self.password) == _plain(other.password)
            and _params_match(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )


def parse_hostport(text: str) -> tuple[str, int | None]:
    """Read `host[:port]`: a name, an IPv4 address or an IPv6 address in brackets.

    Returns the host in lower case (brackets kept) and the port, 1 to 65535, or None. Raises
    SipError(400) otherwise (RFC 3261 §25.1 hostport).
    """
    if len(text) > MAX_HOSTPORT:
        raise SipError(f"host of {len(text)} characters")
    return _hostport(text)


@lru_cache(maxsize=4096)
def _hostport(text: str) -> tuple[str, int | None]:
    if text[:1] == "[":
        host, bracket, rest = text.partition("]")
        host = _ipv6(host + bracket)
        colon, port = rest[:1], rest[1:]
        if colon not in ("", ":"):
            raise SipError(f"not a port after the address: {text!r}")
    else:
        name, colon, port = text.partition(":")
        host = name.lower()
        if not _LABELS.fullmatch(host):
            raise SipError(f"not a host: {text!r}")
    if not colon:
        return host, None
    number = parse_number(port, "port", 65535)
    if number == 0:
        raise SipError("port 0")
    return host, number


def _ipv6(literal: str) -> str:
    if "." in literal:
        # RFC 3261's grammar yields a third colon there, to be tolerated (RFC 5118 §4.10).
        literal = literal.replace(":::", "::", 1)
    try:
        address = IPv6Address(literal[1:-1])
    except AddressValueError:
        raise SipError(f"not an IPv6 address in brackets: {literal!r}") from None
    # A zone (RFC 4007) means nothing to anyone else and has no place in SIP's grammar.
    if literal[-1] != "]" or address.scope_id is not None:
        raise SipError(f"not an IPv6 address in brackets: {literal!r}")
    return literal.lower()


def _parse(text: str) -> Uri:
    if len(text) > MAX_URI:
        raise SipError(f"URI longer than {MAX_URI} characters", 414)
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in SCHEMES:
        known = bool(colon and _SCHEME.fullmatch(scheme))
        raise SipError(f"not a SIP address: {text[:40]!r}", 416 if known else 400)
    if _FORBIDDEN.search(rest):
        raise SipError(f"character that a URI may not contain: {text[:40]!r}")
    return _parse_tel(rest) if scheme == "tel" else _parse_sip(scheme, rest)


_parse_cached = lru_cache(maxsize=4096)(_parse)


def _parse_sip(scheme: str, rest: str) -> Uri:
    user: str | None = None
    password: str | None = None
    userinfo, at, address = rest.partition("@")
    if at:
        user, colon, secret = userinfo.partition(":")
        password = secret if colon else None
        if not user:
            raise SipError("URI with an '@' and no user")
    else:
        address = rest
    address, _, headers = address.partition("?")
    hostport, _, params = address.partition(";")
    if "@" in params:
        raise SipError("URI with a second '@'")
    host, port = parse_hostport(hostport)
    return Uri(scheme, user, host, port, password, _parse_params(params), headers)


def _parse_tel(rest: str) -> Uri:
    number, _, params = rest.partition(";")
    if not _TEL_NUMBER.fullmatch(number):
        raise SipError(f"not a telephone number: {number[:40]!r}")
    return Uri("tel", number, "", params=_parse_params(params))


def _parse_params(text: str) -> Params:
    params: list[tuple[str, str | None]] = []
    for piece in text.split(";"):
        name, equals, value = piece.partition("=")
        if name:
            params.append((name.lower(), value if equals else None))
        elif equals:
            raise SipError(f"URI parameter without a name: {piece[:40]!r}")
    return tuple(params)


def _plain(text: str | None) -> str | None:
    """Undo the escapes that do not matter to a comparison, and spell the others alike."""
    return None if text is None else _ESCAPE.sub(_plain_escape, text)


def _plain_escape(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    if character in _RESERVED or not (character.isascii() and character.isprintable()):
        return found[0].upper()
    return character


def _folded(value: str | None) -> str:
    return (_plain(value) or "").lower()


def _params_match(ours: Params, theirs: Params) -> bool:
    mine, other = dict(reversed(ours)), dict(reversed(theirs))
    if any((name in mine) != (name in other) for name in _NEVER_IGNORED):
        return False
    return all(_folded(mine[name]) == _folded(other[name]) for name in mine.keys() & other.keys())


def _header_set(headers: str) -> list[tuple[str, str]]:
    pairs = [header.partition("=") for header in headers.split("&")]
    return sorted((_folded(name), _plain(value) or "") for name, _, value in pairs)


def _tel_key(uri: Uri) -> tuple[str, list[tuple[str, str]]]:
    number = (uri.user or "").translate(_TEL_VISUAL).lower()
    return number, sorted((name, _tel_value(value or "")) for name, value in uri.params)


def _tel_value(value: str) -> str:
    # A context that begins with "+" is a number, whose separators carry no meaning.
    return value.translate(_TEL_VISUAL) if value[:1] == "+" else value.lower()
