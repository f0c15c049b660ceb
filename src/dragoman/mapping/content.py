"""What a MESSAGE carries, as text (RFC 3428 §7, RFC 7572 §7, RFC 2046, RFC 3862).

text/plain in any common charset, message/cpim around it, and the first such part of a multipart.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dragoman.mapping.encoding import decoded
from dragoman.mapping.failure import Refused
from dragoman.msrp.cpim import NS, Cpim, CpimError
from dragoman.sip.header import MediaType
from dragoman.sip.message import Request, SipError
from dragoman.xmpp.element import sanitize

ACCEPT: Final = "text/plain, message/cpim, multipart/mixed, multipart/alternative"
MAX_DEPTH: Final = 4
MAX_PARTS: Final = 32

_LONGEST_BOUNDARY: Final = 70
_PLAIN: Final = "text/plain"
_CPIM: Final = "message/cpim"
_CPIM_HEADERS: Final = frozenset({"From", "To", "cc", "DateTime", "Subject", "NS", "Require"})
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_CHARSETS: Final = frozenset(
    {
        *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
        *(f"windows-{page}" for page in range(1250, 1259)),
        *("utf-16", "utf-16le", "utf-16be", "koi8-r", "koi8-u", "gb2312", "gbk", "gb18030"),
        *("big5", "shift_jis", "euc-jp", "iso-2022-jp", "euc-kr", "iso-2022-kr", "tis-620"),
    }
)


@dataclass(frozen=True, slots=True)
class Content:
    """The text of a message: line ends are LF, what XML 1.0 forbids is left out.

    `language` is what the part itself says ("" for nothing); `wrapper` the message/cpim around it.
    """

    text: str
    language: str = ""
    wrapper: Cpim | None = None


def read(request: Request) -> Content:
    """Return what a MESSAGE says; an empty body is the empty text.

    Raises Refused: 415 with Accept or Accept-Encoding for what is not understood, 400 for what is
    malformed, 413 for more than 32 parts or too long a body.
    """
    request = decoded(request)
    body = request.body
    if not body:
        return Content("")
    media = request.content_type
    if media is None:
        raise Refused("a body without Content-Type", 400)
    found = _text(media, body) if media.essence == _PLAIN else _read(media, body, 0)
    if found is None:
        raise _unsupported(f"nothing to read in a {media.essence}"[:80])
    return found


def wrapper(request: Request) -> Cpim | None:
    """Return the message/cpim object that the request's body is, None for any other body."""
    media = request.content_type
    if media is None or media.essence != _CPIM:
        return None
    return _parse_cpim(request.body)


def _unsupported(reason: str) -> Refused:
    return Refused(reason, 415, ("Accept", ACCEPT))


def _read(media: MediaType, body: bytes, depth: int) -> Content | None:
    if depth > MAX_DEPTH:
        raise _unsupported(f"parts more than {MAX_DEPTH} deep")
    if media.essence == _PLAIN:
        return _text(media, body)
    if media.essence == _CPIM:
        return _unwrap(body, depth)
    if media.type == "multipart":
        return _first_part(media.param("boundary") or "", body, depth)
    return None


def _text(media: MediaType, body: bytes) -> Content:
    charset = (media.param("charset") or "utf-8").lower() if media.params else "utf-8"
    if charset in _UTF_8:
        charset = "utf-8"
    elif charset not in _CHARSETS:
        raise _unsupported(f"the charset {charset[:40]!r} is not known")
    text = body.decode(charset, "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return Content(sanitize(text))


def _parse_cpim(body: bytes) -> Cpim:
    try:
        found = Cpim.parse(body)
        required = found.requires()
    except CpimError as error:
        raise Refused(error.reason, 400) from error
    for namespace, name in required:
        if namespace != NS or name not in _CPIM_HEADERS:
            raise _unsupported(f"the sender requires {name[:40]!r} to be understood")
    return found


def _unwrap(body: bytes, depth: int) -> Content | None:
    found = _parse_cpim(body)
    content = _part(dict(reversed(found.content_headers)), found.content, depth)
    if content is None:
        return None
    return Content(content.text, content.language, found)


def _first_part(boundary: str, body: bytes, depth: int) -> Content | None:
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise Refused("a multipart without a boundary", 400)
    for number, (headers, content) in enumerate(_parts(boundary.encode(), body)):
        if number == MAX_PARTS:
            raise Refused(f"more than {MAX_PARTS} parts", 413)
        found = _part(headers, content, depth)
        if found is not None:
            return found
    return None


def _parts(boundary: bytes, body: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """Cut a multipart at its delimiter lines (RFC 2046 §5.1.1), of which one closes it.

    A line that only begins like the delimiter belongs to a part: to an inner multipart, say.
    """
    data = b"\r\n" + body
    delimiter = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    begin: int | None = None
    for found in delimiter.finditer(data):
        if begin is not None:
            yield _split(data[begin : found.start()])
        if found[1]:
            return
        begin = found.end()
    if begin is not None:
        yield _split(data[begin:])


def _split(part: bytes) -> tuple[dict[str, str], bytes]:
    """Cut a part, from the end of its delimiter line, into its headers and content.

    The names of the headers become lower case; of several with one name the first counts.
    """
    if part.startswith(b"\r\n\r\n"):
        return {}, part[4:]
    head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    unfolded = head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").decode(errors="replace")
    fields = [line.partition(":") for line in unfolded.split("\r\n")]
    return {name.strip().lower(): value.strip() for name, _, value in reversed(fields)}, content


def _part(headers: Mapping[str, str], content: bytes, depth: int) -> Content | None:
    """Read one MIME entity (RFC 2045 §5.2: without Content-Type it is text/plain)."""
    try:
        media = MediaType.parse(headers.get("content-type") or _PLAIN)
    except SipError:
        return None
    decoded = _decoded(content, headers.get("content-transfer-encoding", "").lower())
    if decoded is None:
        return None
    found = _read(media, decoded, depth + 1)
    language = headers.get("content-language", "")
    if found is None or found.language or not language:
        return found
    return Content(found.text, language, found.wrapper)


def _decoded(content: bytes, encoding: str) -> bytes | None:
    """Undo a content transfer encoding (RFC 2045 §6); None for one that is not known."""
    if encoding in ("", "7bit", "8bit", "binary"):
        return content
    try:
        if encoding == "base64":
            return binascii.a2b_base64(content)
        return binascii.a2b_qp(content) if encoding == "quoted-printable" else None
    except binascii.Error:
        return None
