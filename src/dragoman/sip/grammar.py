"""Tokens, quoted strings, parameters and lists of SIP headers (RFC 3261 §25.1)."""

import re
import string
from typing import Final, TypeAlias

from dragoman.sip.failure import SipError

Params: TypeAlias = tuple[tuple[str, str | None], ...]
"""Parameters in order: lower-case name, value as written (quotes kept), None without "="."""

BLANK: Final = " \t"
TOKEN: Final = string.ascii_letters + string.digits + "-.!%*_+`'~"

# Wider than the standard's token, host or quoted string: instance and routing parameters seen on
# the wire carry URI characters unquoted, and none of these can be taken for a separator.
_VALUE: Final = TOKEN + "[]:/@?$&=()#^{|}"
_QUOTED: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_SHIELDED: Final = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?P<quote>"?)|<[^<>]*+(?P<angle>>?)', re.DOTALL
)


def is_token(text: str) -> bool:
    """Say whether `text` is a token: at least one character, all of them token characters."""
    return (text.isalnum() and text.isascii()) or (text != "" and not text.strip(TOKEN))


def parse_number(text: str, what: str, most: int) -> int:
    """Return the decimal number in `text`, from 0 to `most`; leading zeros are allowed.

    Anything else is a SipError(400) that names `what`.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > 64 or int(text) > most:
        raise SipError(f"{what} is not a number up to {most}: {text[:40]!r}")
    return int(text)


def quote(text: str) -> str:
    """Return `text` as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """Return what the quoted string `text` stands for; any other text is returned as it is."""
    found = _QUOTED.fullmatch(text)
    return text if found is None else _unescape(found[1])


def take_quoted(text: str) -> tuple[str, str]:
    """Return what the quoted string at the start of `text` stands for, and what follows it.

    Raises SipError(400) when the string has no end.
    """
    found = _QUOTED.match(text)
    if found is None:
        raise SipError(f"quoted string without an end: {text[:40]!r}")
    return _unescape(found[1]), text[found.end() :]


def split(text: str, separator: str) -> list[str]:
    """Cut `text` at each `separator` outside quotes and angle brackets.

    The pieces lose blanks at both ends; empty ones are left out. Raises SipError(400) for a
    quote or an angle bracket that is never closed.
    """
    if '"' in text or "<" in text:
        pieces = _split_shielded(text, separator)
    else:
        pieces = text.split(separator)
    return [kept for piece in pieces if (kept := piece.strip(BLANK))]


def parse_params(text: str) -> Params:
    """Read `text`, a possibly empty sequence of ";name" and ";name=value".

    Raises SipError(400) for anything else.
    """
    if not text:
        return ()
    if text[0] != ";":
        raise SipError(f"a parameter has to begin with ';': {text[:40]!r}")
    return tuple([_parse_param(piece) for piece in split(text, ";")])


def find_param(params: Params, name: str) -> str | None:
    """Return the first value of `name` (lower case) without quotes; "" for none, None if absent."""
    for key, value in params:
        if key == name:
            return "" if value is None else unquote(value) if value[:1] == '"' else value
    return None


def print_params(params: Params) -> str:
    """Return `params` as they are written after a value, each with its semicolon."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])


def _unescape(text: str) -> str:
    return _PAIR.sub(r"\1", text) if "\\" in text else text


def _split_shielded(text: str, separator: str) -> list[str]:
    masked = _SHIELDED.sub(_mask, text)
    if '"' in masked or "<" in masked:
        raise SipError(f"quote or angle bracket without an end: {text[:40]!r}")
    pieces = []
    start = 0
    for piece in masked.split(separator):
        end = start + len(piece)
        pieces.append(text[start:end])
        start = end + len(separator)
    return pieces


def _mask(found: re.Match[str]) -> str:
    closed = found["quote"] or found["angle"]
    return "." * len(found[0]) if closed else found[0]


def _parse_param(piece: str) -> tuple[str, str | None]:
    name, equals, value = piece.partition("=")
    name = name.rstrip(BLANK)
    if not is_token(name):
        raise SipError(f"not a parameter: {piece[:40]!r}")
    if not equals:
        return name.lower(), None
    value = value.lstrip(BLANK)
    if value.strip(_VALUE) and not _QUOTED.fullmatch(value):
        raise SipError(f"not the value of a parameter: {piece[:40]!r}")
    return name.lower(), value
