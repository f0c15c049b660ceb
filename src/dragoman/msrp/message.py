"""MSRP requests and responses (RFC 4975 §7, §9): heads read and written; bodies are elsewhere."""

import re
from dataclasses import dataclass
from typing import Final, Self, TypeAlias, final

from dragoman.msrp.event import FailureReport
from dragoman.msrp.failure import PHRASES, MsrpError
from dragoman.msrp.uri import Path, known_path

MAX_IDENT: Final = 256
"""The longest Message-ID taken: the grammar has 32, but what is deployed is longer."""
MAX_CHUNK: Final = 2048
"""Octets of a body above which a chunk must be interruptible (§7.1.1)."""
HYPHENS: Final = b"-------"

_IDENT: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_IDENT}}}")
_RANGE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18}|\*)/([0-9]{1,18}|\*)", re.ASCII)
_STATUS: Final = re.compile(r"([0-9]{3}) ([0-9]{3})(?: (.*))?", re.ASCII)
_START: Final = re.compile(r"MSRP ([^ ]+) (?:([0-9]{3})(?: (.*))?|([A-Z]+))", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z][!#-'*+.0-9A-Z^-~-]*", re.ASCII)
_CACHED: Final = 512
"""Paths longer than this are not kept."""


@final
@dataclass(frozen=True, slots=True)
class ByteRange:
    """Which octets of a message a chunk has, the first being 1; None where a `*` stands."""

    start: int
    end: int | None
    total: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of Byte-Range; MsrpError where it is none."""
        found = _RANGE.fullmatch(text)
        if found is None:
            raise MsrpError(f"not a Byte-Range: {text[:60]!r}")
        start, end, total = found.groups()
        self = cls(
            int(start), None if end == "*" else int(end), None if total == "*" else int(total)
        )
        if self.start < 1 or (self.end is not None and self.end < self.start - 1):
            raise MsrpError(f"not a range of octets: {text}")
        return self

    def __str__(self) -> str:
        """Return the value of the header."""
        end = "*" if self.end is None else self.end
        total = "*" if self.total is None else self.total
        return f"{self.start}-{end}/{total}"


@final
@dataclass(frozen=True, slots=True)
class Status:
    """What a REPORT says (§7.1.3); `code` is one of MSRP only where the namespace is 0."""

    code: int
    comment: str = ""
    namespace: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the value of Status; MsrpError where it is none."""
        found = _STATUS.fullmatch(text)
        if found is None:
            raise MsrpError(f"not a Status: {text[:60]!r}")
        return cls(int(found[2]), found[3] or "", int(found[1]))

    def __str__(self) -> str:
        """Return the value of the header."""
        comment = f" {self.comment}" if self.comment else ""
        return f"{self.namespace:03} {self.code:03}{comment}"


Headers: TypeAlias = tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request; `content_type` is None where no body follows, not even an empty one.

    `headers` are those that have no place of their own, in order, names as written.
    """

    transaction_id: str
    method: str
    to_path: Path
    from_path: Path
    message_id: str = ""
    byte_range: ByteRange | None = None
    success_report: bool = False
    failure_report: FailureReport = FailureReport.YES
    status: Status | None = None
    headers: Headers = ()
    content_type: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Response:
    """A response; it has no body."""

    transaction_id: str
    status: int
    comment: str
    to_path: Path
    from_path: Path
    headers: Headers = ()


@final
@dataclass(frozen=True, slots=True)
class Malformed:
    """A request of which only this much could be read: it can be answered, nothing more."""

    transaction_id: str
    to_path: Path
    from_path: Path
    failure_report: FailureReport
    error: MsrpError


Head: TypeAlias = Request | Response | Malformed

_PLACES: Final = {
    "to-path": "to_path",
    "from-path": "from_path",
    "message-id": "message_id",
    "byte-range": "byte_range",
    "success-report": "success_report",
    "failure-report": "failure_report",
    "status": "status",
    "content-type": "content_type",
}


def parse_head(data: bytes) -> Head:
    """Read a head: start line and headers, without the CRLF that ends the last of them.

    Raises MsrpError where not even an answer can be made of it.
    """
    try:
        lines = data.decode().split("\r\n")
    except UnicodeDecodeError:
        raise MsrpError("a head that is not UTF-8") from None
    start = _START.fullmatch(lines[0])
    if start is None:
        raise MsrpError(f"not a start line: {lines[0][:60]!r}")
    transaction_id, code, comment, method = start.groups()
    known, headers, error = _headers(lines)
    to_path, from_path = _path(known, "to_path"), _path(known, "from_path")
    if code is not None:
        if error is not None:
            raise error
        return Response(transaction_id, int(code), comment or "", to_path, from_path, headers)
    try:
        if error is not None:
            raise error
        return _request(transaction_id, method, to_path, from_path, known, headers)
    except MsrpError as found:
        wanted = FailureReport.NO if known.get("failure_report") == "no" else FailureReport.YES
        return Malformed(transaction_id, to_path, from_path, wanted, found)


def _headers(lines: list[str]) -> tuple[dict[str, str], Headers, MsrpError | None]:
    """Return the headers with a place, the others, and what is wrong with any of them."""
    known: dict[str, str] = {}
    others: list[tuple[str, str]] = []
    error: MsrpError | None = None
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        place = _PLACES.get(name.lower())
        if place is None:
            if not colon or _NAME.fullmatch(name) is None:
                error = MsrpError(f"not a header: {line[:60]!r}")
            others.append((name, value.strip(" \t")))
        elif place in known:
            error = MsrpError(f"{name} twice")
        else:
            known[place] = value.strip(" \t")
    return known, tuple(others), error


def _path(known: dict[str, str], place: str) -> Path:
    text = known.get(place)
    if text is None:
        raise MsrpError(f"no {place.replace('_', ' ')}")
    return known_path(text) if len(text) <= _CACHED else Path.parse(text)


def _request(
    transaction_id: str,
    method: str,
    to_path: Path,
    from_path: Path,
    known: dict[str, str],
    headers: Headers,
) -> Request:
    message_id = known.get("message_id", "")
    if message_id and _IDENT.fullmatch(message_id) is None:
        raise MsrpError("a Message-ID that is none")
    byte_range, status = known.get("byte_range"), known.get("status")
    return Request(
        transaction_id,
        method,
        to_path,
        from_path,
        message_id,
        None if byte_range is None else ByteRange.parse(byte_range),
        _wanted(known.get("success_report")),
        _failures(known.get("failure_report")),
        None if status is None else Status.parse(status),
        headers,
        known.get("content_type"),
    )


def _wanted(text: str | None) -> bool:
    if text is not None and text.lower() not in {"yes", "no"}:
        raise MsrpError(f"not a Success-Report: {text[:60]!r}")
    return text is not None and text.lower() == "yes"


def _failures(text: str | None) -> FailureReport:
    if text is None:
        return FailureReport.YES
    try:
        return FailureReport(text.lower())
    except ValueError:
        raise MsrpError(f"not a Failure-Report: {text[:60]!r}") from None


def write_response(request: Request | Malformed, status: int, from_uri: str) -> bytes:
    """Return the response to a request: to the previous hop only, if that was a SEND (§7.2)."""
    tid = request.transaction_id
    path = request.from_path
    whole = type(request) is Request and request.method != "SEND"
    back = path.text if whole or len(path.uris) == 1 else str(path.first)
    phrase = PHRASES.get(status, "")
    return (
        f"MSRP {tid} {status:03} {phrase}\r\nTo-Path: {back}\r\nFrom-Path: {from_uri}\r\n"
        f"-------{tid}$\r\n"
    ).encode()


def write_request(
    transaction_id: str, method: str, to_path: Path, from_path: Path, headers: Headers = ()
) -> bytes:
    """Return a whole request without a body."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    return (
        f"MSRP {transaction_id} {method}\r\nTo-Path: {to_path}\r\nFrom-Path: {from_path}\r\n"
        f"{lines}-------{transaction_id}$\r\n"
    ).encode()
