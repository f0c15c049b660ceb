"""What a MESSAGE carries, as text (RFC 3428 §7, RFC 7572 §7, RFC 2046, RFC 3862).

text/plain and text/html in any common charset, what leads to files, message/cpim around it, and
the parts of a multipart: of alternatives every language, of others one after the other.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from dragoman.errors import RemoteError
from dragoman.mapping import composing, imdn, multipart, rcs
from dragoman.mapping.encoding import decoded
from dragoman.mapping.excerpt import excerpt
from dragoman.mapping.failure import Refused
from dragoman.mapping.html import from_html
from dragoman.msrp.cpim import NS, Cpim, CpimError
from dragoman.sip.header import MediaType
from dragoman.sip.message import Request, SipError
from dragoman.xmpp.element import Element, sanitize
from dragoman.xmpp.ext import xhtml

TYPES: Final = (
    *("text/plain", "text/html", "message/cpim"),
    *("multipart/alternative", "multipart/mixed", "multipart/related"),
    *(imdn.TYPE, composing.MEDIA_TYPE, rcs.MEDIA_TYPE),
)
"""What a MESSAGE may carry."""
ACCEPT: Final = ", ".join(TYPES)
MAX_DEPTH: Final = 4
MAX_PARTS: Final = 32

_PLAIN: Final = "text/plain"
_HTML: Final = "text/html"
_CPIM: Final = "message/cpim"
_HANDLING: Final = re.compile(r"(?i);\s*handling\s*=\s*\"?(required|optional)\b")
_FILENAME: Final = re.compile(r'(?i);\s*filename\s*=\s*(?:"([^"]{1,255})"|([^\s;"]{1,255}))')
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
    xhtml: Element | None = None
    """The same with its formatting (XEP-0071)."""
    translations: tuple[tuple[str, str], ...] = ()
    """The same in other languages, each with its tag."""
    urls: tuple[str, ...] = ()
    """Files that it leads to; they are in the text as well."""


def read(request: Request, wrapper: Cpim | None = None) -> Content:
    """Return what a MESSAGE says; an empty body is the empty text.

    `wrapper` is the message/cpim object that it is, where that was read before. Raises Refused:
    415 with Accept or Accept-Encoding for what is not understood, 400 for what is malformed, 413
    for more than 32 parts or too long a body.
    """
    request = decoded(request)
    body = request.body
    if not body:
        return Content("")
    media = request.content_type
    if media is None:
        raise Refused("a body without Content-Type", 400)
    found = _read(media, body, 0) if wrapper is None else _within(wrapper, 0)
    if found is None:
        raise _unsupported(f"nothing to read in a {media.essence}"[:80])
    return found


def wrapper(request: Request) -> Cpim | None:
    """Return the message/cpim object that the request's body is, None for any other body."""
    media = request.content_type
    if media is None or media.essence != _CPIM:
        return None
    return _parse_cpim(decoded(request).body)


def _unsupported(reason: str) -> Refused:
    return Refused(reason, 415, ("Accept", ACCEPT))


def _read(media: MediaType, body: bytes, depth: int) -> Content | None:
    if depth > MAX_DEPTH:
        raise _unsupported(f"parts more than {MAX_DEPTH} deep")
    if media.essence == _PLAIN:
        return _text(media, body)
    if media.essence == _HTML:
        text, formatted = from_html(_decoded_text(media, body))
        return Content(text, xhtml=formatted)
    if media.essence == _CPIM:
        return _within(_parse_cpim(body), depth)
    if media.essence == rcs.MEDIA_TYPE:
        return _files(body)
    if media.type == "multipart":
        return _multipart(media, body, depth)
    return None


def _text(media: MediaType, body: bytes) -> Content:
    return Content(sanitize(_decoded_text(media, body)))


def _decoded_text(media: MediaType, body: bytes) -> str:
    charset = (media.param("charset") or "utf-8").lower() if media.params else "utf-8"
    if charset in _UTF_8:
        charset = "utf-8"
    elif charset not in _CHARSETS:
        raise _unsupported(f"the charset {charset[:40]!r} is not known")
    text = body.decode(charset, "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _files(body: bytes) -> Content:
    try:
        found = rcs.files(body)
    except RemoteError as error:
        raise Refused(error.reason, 400) from error
    lines = [_encrypted(each) if each.encrypted else each.url for each in found]
    return Content("\n".join(lines), urls=tuple(e.url for e in found if not e.encrypted))


def _encrypted(file: rcs.File) -> str:
    """Return what stands for a file that none but the sender's kind of client can open."""
    return f"[encrypted file: {excerpt(file.name)}]" if file.name else "[encrypted file]"


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


def _within(found: Cpim, depth: int) -> Content | None:
    content = _part(dict(reversed(found.content_headers)), found.content, depth)
    if content is None:
        return None
    return replace(content, wrapper=found)


def _multipart(media: MediaType, body: bytes, depth: int) -> Content | None:
    boundary = media.param("boundary") or ""
    if not 0 < len(boundary) <= multipart.LONGEST_BOUNDARY:
        raise Refused("a multipart without a boundary", 400)
    parts: list[tuple[dict[str, str], bytes]] = []
    for part in multipart.parts(boundary.encode(), body):
        if len(parts) == MAX_PARTS:
            raise Refused(f"more than {MAX_PARTS} parts", 413)
        parts.append(part)
    if media.subtype == "alternative":
        return _alternative(parts, depth)
    if media.subtype == "related":
        return _mixed(_root_first(parts, media.param("start") or ""), depth)
    return _mixed(parts, depth)


def _alternative(parts: list[tuple[dict[str, str], bytes]], depth: int) -> Content | None:
    """Join alternatives (RFC 2046 §5.1.4): the first plain text, its languages, its formatting."""
    read_ = [(each, _tried(each, depth)) for each in parts]
    found = [(each[0], one) for each, one in read_ if one is not None]
    plain = [one for headers, one in found if not _is_html(headers)]
    if not plain:
        if any(one is None and _is_html(each[0]) for each, one in read_):
            raise Refused("the HTML is too long", 413)
        return found[0][1] if found else None
    first = plain[0]
    others = {one.language: one.text for one in plain[1:] if one.language and one.text}
    others.pop(first.language, None)
    formatted = (one.xhtml for headers, one in found if _is_html(headers))
    with_form = first.xhtml or next((each for each in formatted if each is not None), None)
    return replace(first, xhtml=with_form, translations=tuple(others.items()))


def _tried(part: tuple[dict[str, str], bytes], depth: int) -> Content | None:
    """Read an alternative, of which one that is too long to be read is none."""
    try:
        return _part(*part, depth)
    except Refused as error:
        if error.answer.status == 413 and _is_html(part[0]):
            return None
        raise


def _is_html(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith(_HTML)


def _mixed(parts: list[tuple[dict[str, str], bytes]], depth: int) -> Content | None:
    """Join parts in their order (§5.1.3); what cannot be read is named in its place.

    None where nothing can be read, or a part that must be understood is not (RFC 5621 §8).
    """
    contents: list[Content] = []
    readable: list[int] = []
    for headers, data in parts:
        handling = _HANDLING.search(headers.get("content-disposition", ""))
        one = _part(headers, data, depth)
        if one is not None:
            readable.append(len(contents))
            contents.append(one)
        elif handling is None:
            contents.append(Content(f"[left out: {_described(headers)}]"))
        elif handling[1].lower() == "required":
            return None
    if not readable:
        return None
    if len(readable) == 1:
        at = readable[0]
        return _between(contents[:at], contents[at], contents[at + 1 :])
    text = "\n".join(each.text for each in contents if each.text)
    urls = tuple(url for each in contents for url in each.urls)
    return replace(contents[0], text=text, xhtml=None, translations=(), urls=urls)


def _between(before: list[Content], content: Content, after: list[Content]) -> Content:
    """Return the one content that can be read, with the names of the others in every form of it."""
    if not before and not after:
        return content
    head, tail = [each.text for each in before], [each.text for each in after]

    def among(text: str) -> str:
        return "\n".join(each for each in (*head, text, *tail) if each)

    return replace(
        content,
        text=among(content.text),
        xhtml=_among(head, content.xhtml, tail),
        translations=tuple((tag, among(text)) for tag, text in content.translations),
    )


def _among(head: list[str], formatted: Element | None, tail: list[str]) -> Element | None:
    body = None if formatted is None else formatted.find(xhtml.BODY)
    if body is None:
        return formatted
    lines = [[Element(xhtml.name("p"), None, (each,)) for each in told] for told in (head, tail)]
    return xhtml.html([*lines[0], *body.children, *lines[1]])


def _root_first(
    parts: list[tuple[dict[str, str], bytes]], start: str
) -> list[tuple[dict[str, str], bytes]]:
    """Put the part that the others belong to before them (RFC 2387 §3.2)."""
    of_root = (each for each in parts if start and each[0].get("content-id") == start)
    root = next(of_root, None)
    return parts if root is None else [root, *(each for each in parts if each is not root)]


def _described(headers: Mapping[str, str]) -> str:
    """Return what a part is, for people: its name and type."""
    kind = excerpt(headers.get("content-type", "").partition(";")[0]) or _PLAIN
    named = _FILENAME.search(headers.get("content-disposition", ""))
    return f"{excerpt(sanitize(named[1] or named[2]))}, {kind}" if named else kind


def _part(headers: Mapping[str, str], content: bytes, depth: int) -> Content | None:
    """Read one MIME entity (RFC 2045 §5.2: without Content-Type it is text/plain)."""
    try:
        media = MediaType.parse(headers.get("content-type") or _PLAIN)
    except SipError:
        return None
    decoded = multipart.transfer_decoded(
        content, headers.get("content-transfer-encoding", "").lower()
    )
    if decoded is None:
        return None
    found = _read(media, decoded, depth + 1)
    language = headers.get("content-language", "")
    if found is None or found.language or not language:
        return found
    return replace(found, language=language)
