"""SIP messages: bytes into values and back (RFC 3261 §7, §8.2.6, §18.3)."""

from collections.abc import Iterable
from typing import Final, final

from dragoman.errors import LocalError
from dragoman.sip.failure import PHRASES, SipError
from dragoman.sip.grammar import is_token, parse_number
from dragoman.sip.head import (
    MAX_HEADERS,
    MAX_LINE,
    Header,
    head_end,
    read_broken_head,
    read_head,
)
from dragoman.sip.header import CSeq, MediaType, NameAddress, Via, split_list
from dragoman.sip.uri import Uri

__all__ = [
    "MAX_HEADERS",
    "MAX_LINE",
    "MAX_MESSAGE",
    "PHRASES",
    "Header",
    "Message",
    "Request",
    "Response",
    "SipError",
    "build_request",
    "encode",
    "parse",
    "parse_head",
    "response_to",
    "salvage",
]

MAX_MESSAGE: Final = 65535

_COPIES: Final = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})
_TRYING_COPIES: Final = _COPIES | {"Timestamp"}
_DIALOG_COPIES: Final = _COPIES | {"Record-Route"}
_DIALOGS: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})
"""The methods whose success makes a dialog (§12.1, RFC 6665 §4.4.1, RFC 3515 §2.4.4)."""


class Message:
    """What requests and responses share. Treat as immutable.

    The typed properties read their header when first asked and remember the value. Each raises
    SipError(400) when the header is malformed, occurs twice, or is missing although every
    message needs it (§8.1.1).
    """

    __slots__ = (
        "_contacts",
        "_cseq",
        "_first",
        "_from",
        "_to",
        "_via",
        "_vias",
        "body",
        "headers",
    )

    def __init__(self, headers: Iterable[Header], body: bytes = b"") -> None:
        """Keep `headers`, (canonical name, value) in order, and `body`."""
        self.headers = tuple(headers)
        self.body = body
        self._first: dict[str, str] | None = None
        self._via: Via | None = None
        self._vias: list[Via] | None = None
        self._from: NameAddress | None = None
        self._to: NameAddress | None = None
        self._cseq: CSeq | None = None
        self._contacts: list[NameAddress] | None = None

    def get(self, name: str) -> str | None:
        """Return the value of the first header `name` (canonical), None when there is none."""
        if self._first is None:
            self._first = dict(reversed(self.headers))
        return self._first.get(name)

    def get_all(self, name: str) -> list[str]:
        """Return the values of every header line `name` (canonical), in order."""
        return [value for key, value in self.headers if key == name]

    @property
    def start_line(self) -> str:
        """The first line of the message, without its line end."""
        raise NotImplementedError

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            self._via = Via.parse(_first_item(self._needed("Via"), "Via"))
        return self._via

    @property
    def vias(self) -> list[Via]:
        """Every Via, the topmost first."""
        if self._vias is None:
            self._needed("Via")
            items = [item for line in self.get_all("Via") for item in split_list(line)]
            self._vias = [Via.parse(item) for item in items]
        return self._vias

    @property
    def from_(self) -> NameAddress:
        """Who sends the request; clients of RFC 2543 set no tag."""
        if self._from is None:
            self._from = NameAddress.parse(self._needed_once("From"))
        return self._from

    @property
    def to(self) -> NameAddress:
        """Whom the request is for."""
        if self._to is None:
            self._to = NameAddress.parse(self._needed_once("To"))
        return self._to

    @property
    def call_id(self) -> str:
        """The identifier that requests of one dialog or sender share."""
        value = self._needed_once("Call-ID")
        if not value or " " in value or not value.isprintable():
            raise SipError(f"not a Call-ID: {value[:40]!r}")
        return value

    @property
    def cseq(self) -> CSeq:
        """The number and method of the request."""
        if self._cseq is None:
            self._cseq = CSeq.parse(self._needed_once("CSeq"))
        return self._cseq

    @property
    def max_forwards(self) -> int | None:
        """How many hops the request may still take, 0 to 255; None when not given."""
        value = self._once("Max-Forwards")
        return None if value is None else parse_number(value, "Max-Forwards", 255)

    @property
    def content_type(self) -> MediaType | None:
        """What the body is; None when not said."""
        value = self._once("Content-Type")
        return None if value is None else MediaType.parse(value)

    @property
    def content_length(self) -> int | None:
        """How many bytes the sender says the body has; None when not said (§20.14)."""
        value = self.get("Content-Length")
        if value is None:
            return None
        if any(other != value for other in self.get_all("Content-Length")):
            raise SipError("Content-Length occurs twice and differs")
        return parse_number(value, "Content-Length", 2**32 - 1)

    @property
    def contacts(self) -> list[NameAddress]:
        """Every Contact; none for "*", which only a registrar understands."""
        if self._contacts is None:
            lines = [line for line in self.get_all("Contact") if line != "*"]
            self._contacts = [item for line in lines for item in NameAddress.parse_list(line)]
        return self._contacts

    def __bytes__(self) -> bytes:
        """Return the message as it goes onto the wire; see `encode`."""
        return encode(self)

    def _once(self, name: str) -> str | None:
        value = self.get(name)
        if self._first is None or len(self._first) == len(self.headers):
            return value
        if len(self.get_all(name)) > 1:
            raise SipError(f"{name} occurs more than once")
        return value

    def _needed(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise SipError(f"{name} is missing")
        return value

    def _needed_once(self, name: str) -> str:
        value = self._once(name)
        if value is None:
            raise SipError(f"{name} is missing")
        return value


@final
class Request(Message):
    """A request (§7.1): a method, the Request-URI as written, headers and a body."""

    __slots__ = ("_uri", "method", "target")

    def __init__(
        self, method: str, target: str, headers: Iterable[Header], body: bytes = b""
    ) -> None:
        """Keep what is given; headers with canonical names."""
        super().__init__(headers, body)
        self.method = method
        self.target = target
        self._uri: Uri | None = None

    @property
    def uri(self) -> Uri:
        """The Request-URI read: SipError 416 for an unknown scheme, 414 too long, 400 bad."""
        if self._uri is None:
            self._uri = Uri.parse(self.target)
        return self._uri

    @property
    def start_line(self) -> str:
        """The request line."""
        return f"{self.method} {self.target} SIP/2.0"

    def with_via(self, via: Via) -> "Request":
        """Return this request with `via` added on top: what a client transaction sends."""
        headers = (("Via", str(via)), *self.headers)
        return Request(self.method, self.target, headers, self.body)

    def with_top_via(self, via: Via) -> "Request":
        """Return this request with `via` in place of the topmost one; see `Via.seen_from`.

        Raises SipError(400) when there is no Via to replace.
        """
        rest = split_list(self._needed("Via"))[1:]
        headers = list(self.headers)
        at = next(index for index, (name, _) in enumerate(headers) if name == "Via")
        headers[at] = ("Via", ", ".join([str(via), *rest]))
        changed = Request(self.method, self.target, headers, self.body)
        changed._via, changed._from, changed._to = via, self._from, self._to
        changed._cseq, changed._uri = self._cseq, self._uri
        return changed


@final
class Response(Message):
    """A response (§7.2): a status from 100 to 699, a reason phrase, headers and a body."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str, headers: Iterable[Header], body: bytes = b""
    ) -> None:
        """Keep what is given; headers with canonical names."""
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        """The status line."""
        return f"SIP/2.0 {self.status} {self.reason}"


def parse(data: bytes) -> Request | Response:
    """Read one whole message: a datagram, or the head and body that framing cut out.

    Empty lines before it are skipped, a line may end in LF alone, and bytes after the body that
    Content-Length announces are dropped (§18.3); without Content-Length the body is the rest.
    At most 65535 bytes, 256 header lines, 8192 characters a header. Raises SipError: 400 when
    malformed or cut short, 505 for another version of SIP, 513 when too long; its `request` is
    set when it can be answered.
    """
    data = data.lstrip(b"\r\n")
    try:
        return _parse(data)
    except SipError as error:
        error.request = salvage(data)
        raise


def parse_head(head: bytes) -> Request | Response:
    """Read first line and headers, without the empty line after them; the body is left empty.

    Limits and errors are those of `parse`, but `request` of an error is not set.
    """
    start, headers = read_head(head)
    if start[:4].upper() == "SIP/":
        return _parse_status_line(start, headers)
    parts = start.split(" ")
    if len(parts) != 3 or not parts[1] or not is_token(parts[0]):
        raise SipError(f"not a request line: {start[:40]!r}")
    _check_version(parts[2])
    return Request(parts[0], parts[1], headers)


def build_request(
    method: str, target: str, headers: Iterable[Header], body: bytes = b""
) -> Request:
    """Return a request of ours to the URI `target`; `encode` checks what it is made of."""
    return Request(method, target, headers, body)


def response_to(
    request: Request,
    status: int,
    reason: str = "",
    headers: Iterable[Header] = (),
    body: bytes = b"",
    to_tag: str | None = None,
) -> Response:
    """Answer `request` with `status`, 100 to 699 (§8.2.6).

    Via, From, To, Call-ID and CSeq are copied as they came, whatever of them there is; `to_tag`
    is added to a To that has none, except in a 100, which gets the request's Timestamp instead.
    A response that makes a dialog has the request's Record-Route too (§12.1.1). The reason is the
    standard's unless given. `headers` follow. Raises LocalError for a status
    out of range.
    """
    if not 100 <= status <= 699:
        raise LocalError(f"no such status: {status}")
    copied = _TRYING_COPIES if status == 100 else _COPIES
    if request.method in _DIALOGS and 100 < status < 300:
        copied = _DIALOG_COPIES
    answer = [header for header in request.headers if header[0] in copied]
    if to_tag is not None and status != 100 and not _has_to_tag(request):
        answer = [(n, f"{v};tag={to_tag}") if n == "To" else (n, v) for n, v in answer]
    answer += headers
    return Response(status, reason or PHRASES.get(status, ""), answer, body)


def encode(message: Message) -> bytes:
    """Return the message as it goes onto the wire, with the Content-Length of its body.

    Raises LocalError when a name, a value or the first line holds a line break or cannot be
    written in UTF-8.
    """
    lines = [message.start_line]
    lines += [f"{name}: {value}" for name, value in message.headers if name != "Content-Length"]
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    head = "\r\n".join(lines)
    if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
        raise LocalError(f"line break inside a header of {message.start_line[:40]!r}")
    try:
        return head.encode() + message.body
    except UnicodeEncodeError:
        raise LocalError("header that cannot be written in UTF-8") from None


def _has_to_tag(request: Request) -> bool:
    try:
        return request.to.tag is not None
    except SipError:
        return ";tag=" in (request.get("To") or "").lower()


def _first_item(line: str, name: str) -> str:
    if "," not in line:
        return line
    items = split_list(line)
    if not items:
        raise SipError(f"{name} is empty")
    return items[0]


def _parse(data: bytes) -> Request | Response:
    if len(data) > MAX_MESSAGE:
        raise SipError(f"message longer than {MAX_MESSAGE} bytes", 513)
    found = head_end(data)
    if found is None:
        raise SipError("no empty line after the headers")
    end, begin = found
    message = parse_head(data[:end])
    length = message.content_length
    if length is None:
        message.body = data[begin:]
    elif begin + length > len(data):
        raise SipError(f"{length} bytes of body announced, {len(data) - begin} came")
    else:
        message.body = data[begin : begin + length]
    return message


def _parse_status_line(line: str, headers: list[Header]) -> Response:
    version, _, rest = line.partition(" ")
    digits, _, reason = rest.partition(" ")
    _check_version(version)
    status = parse_number(digits, "status", 699)
    if len(digits) != 3 or status < 100:
        raise SipError(f"not a status: {digits[:40]!r}")
    return Response(status, reason, headers)


def _check_version(text: str) -> None:
    if text.upper() == "SIP/2.0":
        return
    protocol, _, version = text.partition("/")
    major, _, minor = version.partition(".")
    known = protocol.upper() == "SIP" and (major + minor).isdigit()
    raise SipError(f"not SIP/2.0: {text[:40]!r}", 505 if known else 400)


def salvage(data: bytes) -> Request | None:
    """Read what can be read of a request that was refused, so that it can be answered."""
    start, headers = read_broken_head(data[:MAX_MESSAGE])
    parts = start.split()
    if len(parts) < 3 or parts[-1][:4].upper() != "SIP/" or not is_token(parts[0]):
        return None
    request = Request(parts[0], " ".join(parts[1:-1]), headers)
    try:
        _ = request.via
    except SipError:
        return None
    return request
