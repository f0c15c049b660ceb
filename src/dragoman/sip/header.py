"""The typed header fields of SIP (RFC 3261 §20, RFC 3581)."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import (
    BLANK,
    Params,
    find_param,
    is_token,
    parse_number,
    parse_params,
    print_params,
    quote,
    split,
    take_quoted,
)
from dragoman.sip.head import CANONICAL, canonical
from dragoman.sip.uri import MAX_HOSTPORT, Uri, parse_hostport

__all__ = [
    "CANONICAL",
    "CSeq",
    "MediaType",
    "NameAddress",
    "Params",
    "Via",
    "Warning",
    "canonical",
    "parse_seconds",
    "split_list",
]

_SENT_PROTOCOL: Final = re.compile(
    r"SIP[ \t]*+/[ \t]*+[^ \t/]++[ \t]*+/[ \t]*+([^ \t/]++)[ \t]++(.*)", re.IGNORECASE | re.DOTALL
)
# What is longer has parameters that nobody reads: left out, they cannot make the cache large.
_CACHED_LENGTH: Final = 128
_COLON: Final = re.compile(r"[ \t]*+:[ \t]*+")
_DEFAULT_PORTS: Final = {"TLS": 5061, "TLS-SCTP": 5061, "WS": 80, "WSS": 443}
_MAX_CSEQ: Final = 2**31 - 1
_MAX_SECONDS: Final = 2**32 - 1


def split_list(text: str) -> list[str]:
    """Cut a header value at its commas, not at those in quotes or angle brackets (§7.3.1).

    Empty items are left out. Raises SipError(400) for a quote or bracket never closed.
    """
    return split(text, ",")


def accepts(lines: Iterable[str], types: Collection[str]) -> bool:
    """Tell whether Accept headers name one of `types`, in lower case; who says none takes all.

    RFC 3261 §20.1. Raises SipError(400) as `split_list` does.
    """
    said = {item.partition(";")[0].strip().lower() for line in lines for item in split_list(line)}
    return not said or not said.isdisjoint(types)


def parse_seconds(text: str) -> int:
    """Read delta-seconds with a comment or parameters after it: Retry-After (§20.33), Expires.

    Numbers too large to mean anything become 2**32 - 1. Raises SipError(400) for no number.
    """
    digits = text.partition(";")[0].partition("(")[0].strip(BLANK)
    if digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) > len(str(_MAX_SECONDS)):
        return _MAX_SECONDS
    return min(parse_number(digits, "seconds", 10**64), _MAX_SECONDS)


@final
@dataclass(frozen=True, slots=True)
class NameAddress:
    """An address with a name for people and parameters: From, To, Contact, Route (§20.10)."""

    display: str
    uri: Uri
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "NameAddress":
        """Read `"name" <uri>;params`, or `uri;params`, whose parameters are the header's.

        Raises SipError(400) for anything malformed, an unknown URI scheme included.
        """
        text = text.strip(BLANK)
        if text[:1] == '"':
            display, rest = take_quoted(text)
            between, angle, rest = rest.partition("<")
            if not angle or between.strip(BLANK):
                raise SipError(f"no address in brackets after the name: {text[:40]!r}")
        else:
            display, angle, rest = text.partition("<")
            if not angle:
                return _bare_address(text)
            display = display.rstrip(BLANK)
            if '"' in display:
                raise SipError(f"quote inside a name: {text[:40]!r}")
        address, angle, params = rest.partition(">")
        if not angle:
            raise SipError(f"angle bracket without an end: {text[:40]!r}")
        return NameAddress(display, _address(address), parse_params(params.strip(BLANK)))

    @classmethod
    def parse_list(cls, text: str) -> "list[NameAddress]":
        """Read the comma-separated addresses of a Contact, Route or P-Asserted-Identity line."""
        return [cls.parse(item) for item in split_list(text)]

    @property
    def tag(self) -> str | None:
        """The tag that names this end of a dialog (§19.3), None when there is none."""
        return find_param(self.params, "tag")

    def param(self, name: str) -> str | None:
        """Return the header parameter `name` (lower case) unquoted; "" bare, None when absent."""
        return find_param(self.params, name)

    def __str__(self) -> str:
        """Return the value with its address in brackets and its name, if any, in quotes."""
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{print_params(self.params)}"


@final
@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a request: where its response goes (§20.42, RFC 3581)."""

    transport: str
    host: str
    port: int | None
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Read one Via value; the transport becomes upper case, the host lower case.

        The version is not looked at, so that a request of another one can be refused with 505.
        Raises SipError(400) when malformed.
        """
        front, semicolon, params = text.partition(";")
        found = _SENT_PROTOCOL.fullmatch(front.strip(BLANK))
        if found is None or not is_token(found[1]):
            raise SipError(f"not a Via: {text[:40]!r}")
        sent_by = found[2]
        if len(sent_by) <= MAX_HOSTPORT and (" " in sent_by or "\t" in sent_by):
            sent_by = _COLON.sub(":", sent_by)
        host, port = parse_hostport(sent_by)
        return Via(found[1].upper(), host, port, parse_params(semicolon + params))

    @property
    def branch(self) -> str | None:
        """The transaction's identifier (§17.1.3), None when the client set none."""
        return find_param(self.params, "branch")

    @property
    def received(self) -> str | None:
        """The address the request came from, without brackets (RFC 5118 §4.5), None if unset."""
        address = find_param(self.params, "received")
        return address.strip("[]") if address else None

    @property
    def rport(self) -> str | None:
        """The port the request came from (RFC 3581); "" when only asked for, None if neither."""
        return find_param(self.params, "rport")

    @property
    def maddr(self) -> str | None:
        """The address to use in place of the host (§18.2.2), None when absent."""
        return find_param(self.params, "maddr")

    @property
    def sent_by(self) -> str:
        """The client's own "host:port", with the transport's port when none is written."""
        return f"{self.host}:{self.port or _DEFAULT_PORTS.get(self.transport, 5060)}"

    def seen_from(self, address: str, port: int) -> "Via":
        """Return this Via as the server that got it from `address` (no brackets) and `port`.

        Sets `received` where the host says something else or `rport` was asked for, and then
        `rport` too (§18.2.1, RFC 3581 §4); what the client wrote there itself is not believed.
        """
        wants_port = self.rport is not None
        params = [param for param in self.params if param[0] not in ("received", "rport")]
        if wants_port or self.host.strip("[]") != address.lower():
            params.append(("received", address))
        if wants_port:
            params.append(("rport", str(port)))
        return Via(self.transport, self.host, self.port, tuple(params))

    def __str__(self) -> str:
        """Return the value as it is written in a message of SIP/2.0."""
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{print_params(self.params)}"


@final
@dataclass(frozen=True, slots=True)
class CSeq:
    """The number of a request and its method (§20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> "CSeq":
        """Read "number method"; SipError(400) unless number < 2**31 and method is a token."""
        number, _, method = text.replace("\t", " ").partition(" ")
        method = method.strip(" ")
        if not is_token(method):
            raise SipError(f"CSeq without a method: {text[:40]!r}")
        return CSeq(parse_number(number, "CSeq", _MAX_CSEQ), method)

    def __str__(self) -> str:
        """Return the value as it is written in a message."""
        return f"{self.number} {self.method}"


@final
@dataclass(frozen=True, slots=True)
class MediaType:
    """What a body is (§20.15): type and subtype in lower case, and parameters."""

    type: str
    subtype: str
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "MediaType":
        """Read "type/subtype;params"; SipError(400) when malformed."""
        return _media_cached(text) if len(text) <= _CACHED_LENGTH else _parse_media_type(text)

    @property
    def essence(self) -> str:
        """The type without its parameters: "text/plain"."""
        return f"{self.type}/{self.subtype}"

    def param(self, name: str) -> str | None:
        """Return the parameter `name` (lower case) unquoted; None when absent."""
        return find_param(self.params, name)

    def __str__(self) -> str:
        """Return the value as it is written in a message."""
        return f"{self.type}/{self.subtype}{print_params(self.params)}"


@final
@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the header's own name; Python's is not used where this one is
    """What was wrong with a request, for people (§20.43): a code, who says it, and a text."""

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str) -> "Warning":
        """Read one warning value; SipError(400) when malformed."""
        code, _, rest = text.strip(BLANK).partition(" ")
        agent, _, quoted = rest.lstrip(BLANK).partition(" ")
        if len(code) != 3 or not agent:
            raise SipError(f"not a Warning: {text[:40]!r}")
        words, rest = take_quoted(quoted.lstrip(BLANK))
        if rest.strip(BLANK):
            raise SipError(f"something after the text of a Warning: {rest[:40]!r}")
        return Warning(parse_number(code, "warning code", 999), agent, words)

    def __str__(self) -> str:
        """Return the value as it is written in a message."""
        return f"{self.code:03} {self.agent} {quote(self.text)}"


def _bare_address(text: str) -> NameAddress:
    address, semicolon, params = text.partition(";")
    if "?" in address or "," in address:
        raise SipError(f"address that needs angle brackets: {text[:40]!r}")
    return NameAddress("", _address(address.rstrip(BLANK)), parse_params(semicolon + params))


def _address(text: str) -> Uri:
    try:
        return Uri.parse(text)
    except SipError as error:
        # 414 and 416 speak of the Request-URI; in a header the request itself is bad.
        raise SipError(error.reason) from None


def _parse_media_type(text: str) -> MediaType:
    essence, semicolon, params = text.partition(";")
    kind, _, subtype = essence.partition("/")
    kind, subtype = kind.strip(BLANK).lower(), subtype.strip(BLANK).lower()
    if not (is_token(kind) and is_token(subtype)):
        raise SipError(f"not a media type: {text[:40]!r}")
    return MediaType(kind, subtype, parse_params(semicolon + params))


_media_cached = lru_cache(maxsize=512)(_parse_media_type)
