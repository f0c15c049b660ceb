r"""CPIM message format (RFC 3862): a message wrapped with its own sender, recipient and date.

`parse` keeps every header in order with its name resolved to a namespace; `str(header)` and
`Cpim.encode` write the strict form. Header names are case-sensitive, those of the wrapped MIME
content are not. Values are unescaped on the way in and escaped on the way out (§2.3).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from string import hexdigits
from typing import Final, Self

from dragoman.errors import LocalError, RemoteError

NS: Final = "urn:ietf:params:cpim-headers:"
CONTENT_TYPE: Final = "content-type"

_SEPARATORS: Final = frozenset('()<>@,;:\\"/[]?={} .')
_HEX: Final = frozenset(hexdigits)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPED: Final = {"b": "\b", "t": "\t", "n": "\n", "r": "\r"}
_ESCAPES: Final = {
    **{code: f"\\u{code:04x}" for code in (*range(0x20), 0x7F)},
    **{ord(char): f"\\{name}" for name, char in _ESCAPED.items()},
    ord("\\"): "\\\\",
}


class CpimError(RemoteError):
    """What came is no message/cpim object; `reason` says which rule it breaks."""


@dataclass(frozen=True, slots=True)
class Header:
    """One message header: `name` in `namespace` (RFC 3862 §3.4), `value` unescaped.

    `language` is the tag of a `;lang=` parameter, "" without one; `prefix` is the name prefix
    as written, which carries no meaning beyond its namespace.
    """

    name: str
    value: str
    namespace: str = NS
    language: str = ""
    prefix: str = ""

    def __str__(self) -> str:
        """Return the header line without its CRLF."""
        prefix = f"{self.prefix}." if self.prefix else ""
        language = f";lang={self.language}" if self.language else ""
        return f"{prefix}{self.name}:{language} {escape(self.value)}"


@dataclass(frozen=True, slots=True)
class Cpim:
    """A whole message/cpim object: message headers, headers of the content, and the content.

    The names in `content_headers` are lower case, the values as written; `content` is raw.
    """

    headers: tuple[Header, ...]
    content_headers: tuple[tuple[str, str], ...]
    content: bytes

    @classmethod
    def parse(cls, data: bytes, *, limit: int = 65536, max_headers: int = 64) -> Self:
        """Read one message/cpim object; CpimError says why it is none.

        More than `limit` bytes, or more than `max_headers` headers before or after the first
        blank line, are refused.
        """
        if len(data) > limit:
            raise CpimError(f"a message/cpim of {len(data)} bytes, more than {limit}")
        head, rest = _head(data, "message headers")
        mime, content = _head(rest, "headers of the content")
        unfolded = mime.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
        return cls(
            _message_headers(_lines(head, max_headers)),
            tuple(map(_content_header, _lines(unfolded, max_headers))),
            content,
        )

    def get(self, name: str, namespace: str = NS) -> str | None:
        """Return the value of the first header of that name and namespace, None without one."""
        for header in self.headers:
            if header.name == name and header.namespace == namespace:
                return header.value
        return None

    def subject(self, language: str = "") -> str | None:
        """Return the Subject in `language`, else the first one, None without any (§4.5)."""
        found = [one for one in self.headers if one.name == "Subject" and one.namespace == NS]
        for one in found:
            if one.language.lower() == language.lower():
                return one.value
        return found[0].value if found else None

    def content_header(self, name: str) -> str | None:
        """Return the content's first MIME header of that lower-case name, None without one."""
        return next((value for key, value in self.content_headers if key == name), None)

    def requires(self) -> tuple[tuple[str, str], ...]:
        """Return what the sender insists upon, each as (namespace, name) (§3.5)."""
        prefixes = {"": NS}
        required: list[tuple[str, str]] = []
        for header in self.headers:
            if header.namespace == NS and header.name == "NS":
                prefix, uri = _declaration(header.value)
                prefixes[prefix] = uri
            elif header.namespace == NS and header.name == "Require":
                names = (name.strip().rpartition(".") for name in header.value.split(","))
                required += [(prefixes.get(prefix, ""), name) for prefix, _, name in names]
        return tuple(required)

    def encode(self) -> bytes:
        """Return the object as it goes on the wire; LocalError for a header that cannot."""
        head = "".join(f"{_checked(header)}\r\n" for header in self.headers)
        for name, value in self.content_headers:
            if not _is_name(name) or not _is_one_line(value):
                raise LocalError(f"no header of the content: {name!r}")
        mime = "".join(f"{name.title()}: {value}\r\n" for name, value in self.content_headers)
        return f"{head}\r\n{mime}\r\n".encode() + self.content


def wrap(
    headers: Iterable[Header], content: bytes, content_type: str = "text/plain;charset=UTF-8"
) -> Cpim:
    """Return `content` of that type under `headers`."""
    return Cpim(tuple(headers), ((CONTENT_TYPE, content_type),), content)


def address(value: str) -> tuple[str, str]:
    """Split the value of From, To, cc or NS into (formal name, URI); CpimError for no URI."""
    name, opened, rest = value.rpartition("<")
    if not opened or not rest.endswith(">"):
        raise CpimError(f"no <URI> in {value[:80]!r}")
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1]
    return name, rest[:-1]


def escape(value: str) -> str:
    r"""Write backslashes and control characters as escapes: tab as `\t`, NUL as `\u0000`."""
    return value.translate(_ESCAPES)


def unescape(value: str) -> str:
    """Read escapes: an unknown one is its second character, a last backslash nothing (§2.3.1)."""
    if "\\" not in value:
        return value
    pieces = iter(value.split("\\"))
    found = [next(pieces)]
    for piece in pieces:
        if piece:
            found.append(_unescaped(piece))
        elif (literal := next(pieces, None)) is not None:
            # Nothing between two backslashes: the second is the character that the first escapes.
            found.append("\\" + literal)
    return "".join(found)


def _unescaped(piece: str) -> str:
    code = piece[1:5]
    if piece[0] == "u" and len(code) == 4 and _HEX.issuperset(code):
        number = int(code, 16)
        # Half of a surrogate pair is no character and could not be encoded again.
        return ("\ufffd" if 0xD800 <= number < 0xE000 else chr(number)) + piece[5:]
    return _ESCAPED.get(piece[0], piece[0]) + piece[1:]


def _head(data: bytes, what: str) -> tuple[bytes, bytes]:
    """Cut `data` at its first blank line, which is the first line where there are no headers."""
    if data.startswith(b"\r\n"):
        return b"", data[2:]
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        raise CpimError(f"no blank line ends the {what}")
    return head, rest


def _lines(head: bytes, max_headers: int) -> list[str]:
    try:
        lines = head.decode().split("\r\n") if head else []
    except UnicodeDecodeError as error:
        raise CpimError("a header is not UTF-8") from error
    if len(lines) > max_headers:
        raise CpimError(f"{len(lines)} headers, more than {max_headers}")
    return lines


def _message_headers(lines: Iterable[str]) -> tuple[Header, ...]:
    prefixes = {"": NS}
    headers: list[Header] = []
    for line in lines:
        header = _header(line, prefixes)
        if header.namespace == NS and header.name == "NS":
            prefix, uri = _declaration(header.value)
            prefixes[prefix] = uri
        headers.append(header)
    return tuple(headers)


def _header(line: str, prefixes: dict[str, str]) -> Header:
    key, colon, rest = line.partition(":")
    prefix, dot, name = key.rpartition(".")
    if not colon or not _is_name(name) or (dot and not _is_name(prefix)):
        raise CpimError(f"no header: {line[:80]!r}")
    if not _is_one_line(rest):
        raise CpimError(f"a control character in the header {name!r}")
    params, space, value = rest.partition(" ") if rest.startswith(";") else ("", " ", rest)
    if not space:
        raise CpimError(f"no space before the value of the header {name!r}")
    language = next((one[5:] for one in params.split(";") if one.startswith("lang=")), "")
    if not _is_name(language):
        language = ""
    if not params:
        value = value.removeprefix(" ")
    # A prefix nobody declared names no namespace that anyone could know.
    return Header(name, unescape(value), prefixes.get(prefix, ""), language, prefix)


def _declaration(value: str) -> tuple[str, str]:
    prefix, uri = address(value)
    if prefix and not _is_name(prefix):
        raise CpimError(f"no namespace prefix: {prefix[:80]!r}")
    return prefix, uri


def _is_name(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and not _SEPARATORS & set(text)


def _is_one_line(text: str) -> bool:
    return _CONTROL.search(text) is None


def _content_header(line: str) -> tuple[str, str]:
    name, colon, value = line.replace("\t", " ").partition(":")
    if not colon or not _is_name(name) or not _is_one_line(value):
        raise CpimError(f"no header of the content: {line[:80]!r}")
    return name.lower(), value.strip()


def _checked(header: Header) -> str:
    prefix = header.prefix
    if not _is_name(header.name) or (prefix and not _is_name(prefix)):
        raise LocalError(f"no header name: {header.name!r}")
    if header.language and not _is_name(header.language):
        raise LocalError(f"no language tag: {header.language!r}")
    return str(header)
