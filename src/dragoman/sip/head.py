"""Heads of SIP messages: bytes into header lines (RFC 3261 §7.3, §20)."""

from typing import Final, TypeAlias

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, is_token

Header: TypeAlias = tuple[str, str]
"""A header's canonical name and its value, unfolded and without blanks at the ends."""

MAX_HEADERS: Final = 256
MAX_LINE: Final = 8192

_NAMES: Final = [
    "Accept",
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Authentication-Info",
    "Authorization",
    "Call-ID",
    "Call-Info",
    "Contact",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "CSeq",
    "Date",
    "Error-Info",
    "Event",
    "Expires",
    "From",
    "History-Info",
    "Identity",
    "Identity-Info",
    "In-Reply-To",
    "Max-Breadth",
    "Max-Forwards",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "Reason",
    "Record-Route",
    "Refer-Sub",
    "Refer-To",
    "Referred-By",
    "Reject-Contact",
    "Replaces",
    "Reply-To",
    "Request-Disposition",
    "Require",
    "Retry-After",
    "Route",
    "RSeq",
    "Server",
    "Service-Route",
    "Session-Expires",
    "SIP-ETag",
    "SIP-If-Match",
    "Subject",
    "Subscription-State",
    "Supported",
    "Timestamp",
    "To",
    "Unsupported",
    "User-Agent",
    "Via",
    "Warning",
    "WWW-Authenticate",
]
_COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

CANONICAL: Final[dict[str, str]] = {name.lower(): name for name in _NAMES} | _COMPACT
"""Each known header name in lower case, and each compact form, with the name as we write it."""

_SPELLED: Final = {name: name for name in _NAMES}
_FOLD: Final = (" ", "\t")


def canonical(name: str) -> str:
    """Return the header name as we write it: known ones by the table, others in Title-Case.

    Raises SipError(400) when it is not a token.
    """
    known = CANONICAL.get(name.lower())
    if known is not None:
        return known
    if not is_token(name):
        raise SipError(f"not a header name: {name[:40]!r}")
    return "-".join([part.capitalize() for part in name.split("-")])


def head_end(data: bytes | bytearray, start: int = 0) -> tuple[int, int] | None:
    """Find the empty line that ends a head: where the head stops, and where the body begins.

    Looks from `start` on; None when there is no such line yet.
    """
    end = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, len(data) if end < 0 else end + 1)
    if bare >= 0:
        return _without_cr(data, bare), bare + 2
    return None if end < 0 else (_without_cr(data, end), end + 3)


def _without_cr(data: bytes | bytearray, end: int) -> int:
    return end - 1 if end and data[end - 1] == 13 else end


def read_head(head: bytes) -> tuple[str, list[Header]]:
    """Return the first line and the headers of `head`, which lacks its empty line.

    Raises SipError: 414 for a first line, 400 for a header longer than 8192 characters, 400 for
    more than 256 header lines, for what is not UTF-8, and for a line that is no header.
    """
    try:
        text = head.decode()
    except UnicodeDecodeError:
        raise SipError("head that is not UTF-8") from None
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        if "\r" in text:
            raise SipError("CR without LF")
    start, _, rest = text.partition("\n")
    if len(start) > MAX_LINE:
        raise SipError(f"first line longer than {MAX_LINE} characters", 414)
    return start, _read_headers(rest)


def read_broken_head(data: bytes) -> tuple[str, list[Header]]:
    """Return the first line and those headers of `data` that make sense; never fails."""
    found = head_end(data)
    text = data[: found[0] if found else None].decode(errors="replace")
    start, *lines = text.replace("\r\n", "\n").replace("\r", " ").split("\n")
    headers: list[Header] = []
    kept = False
    for line in lines[:MAX_HEADERS]:
        try:
            if line[:1] not in _FOLD:
                kept = False
                headers += _read_headers(line)
                kept = True
            elif kept:
                _unfold(headers, line)
        except SipError:
            continue
    return start, headers


def _read_headers(text: str) -> list[Header]:
    lines = text.split("\n") if text else []
    if len(lines) > MAX_HEADERS:
        raise SipError(f"more than {MAX_HEADERS} header lines")
    headers: list[Header] = []
    for line in lines:
        if line[:1] in _FOLD:
            _unfold(headers, line)
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise SipError(f"header line without a colon: {line[:40]!r}")
        spelled = _SPELLED.get(name) or canonical(name.rstrip(BLANK))
        headers.append((spelled, value.strip(BLANK)))
    if len(text) > MAX_LINE and any(len(n) + len(v) > MAX_LINE for n, v in headers):
        raise SipError(f"header longer than {MAX_LINE} characters")
    return headers


def _unfold(headers: list[Header], line: str) -> None:
    if not headers:
        raise SipError("the first header line continues nothing")
    name, value = headers[-1]
    headers[-1] = (name, f"{value} {line.strip(BLANK)}".strip(BLANK))
