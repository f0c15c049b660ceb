"""MSRP out of a stream of bytes (RFC 4975 §7.1, RFC 7977 §5.1): heads, pieces of bodies, ends."""

import re
from enum import Enum
from typing import Final, TypeAlias, final

from dragoman.msrp.failure import MsrpError
from dragoman.msrp.message import HYPHENS, Head, parse_head

MAX_HEAD: Final = 8192

_START: Final = re.compile(rb"MSRP ([A-Za-z0-9][A-Za-z0-9.+%=-]{0,63}) [^\r\n]*\r\n")
_EMPTY: Final = re.compile(rb"(?:\r\n)*+")
_PMSRP: Final = b"MSRP "
_REST: Final = 3
"""Octets of an end-line behind the transaction id: flag, CR, LF."""


class Flag(Enum):
    """How a chunk ended (RFC 4975 §7.1)."""

    MORE = "+"
    LAST = "$"
    ABORTED = "#"


_FLAGS: Final = {f"{flag.value}\r\n".encode(): flag for flag in Flag}

Item: TypeAlias = Head | bytes | Flag
"""A head, then the pieces of its body, then how it ended."""


@final
class Framer:
    """Cuts what arrives on one connection into heads, pieces of bodies, and ends.

    A body is never held: what cannot be its end is given out at once. The first error is the last
    thing it sees, for nothing says where the next message would begin.
    """

    def __init__(self, *, max_head: int = MAX_HEAD) -> None:
        """Refuse heads longer than `max_head` octets."""
        self.error: MsrpError | None = None
        self._max = max_head
        self._rest = b""
        self._line = b""
        """What an end-line begins with, its CRLF included; b"" between messages."""
        self._kept = 0
        self._bare = False
        """Whether nothing of the body came yet: the CRLF that stands next is still the head's."""

    @property
    def partial(self) -> bool:
        """Whether a message has begun to arrive and has not ended."""
        return bool(self._line or self._rest)

    def receive(self, data: bytes) -> list[Item]:
        """Take the next octets; return what they complete.

        After a violation `error` says what it was. What was before it is still returned; a call
        after it raises it.
        """
        if self.error is not None:
            raise self.error
        buffer = self._rest + data if self._rest else data
        items: list[Item] = []
        at: int | None = 0
        last = 0
        try:
            while at is not None:
                last = at
                if self._line:
                    at = self._body(buffer, at, items)
                else:
                    last = _after_empty_lines(buffer, at)
                    if last == len(buffer):
                        break
                    at = self._head(buffer, last, items)
        except MsrpError as error:
            self.error = error
            self._rest = b""
            return items
        self._rest = buffer[self._kept if self._line else last :]
        return items

    def _head(self, buffer: bytes, at: int, items: list[Item]) -> int | None:
        """Take a head, and an end-line right behind it; return where to go on, None: wait."""
        found = _START.match(buffer, at)
        if found is None:
            self._check_start(buffer, at)
            return None
        line = b"\r\n" + HYPHENS + found[1]
        begin = found.end() - 2
        blank = buffer.find(b"\r\n\r\n", begin, at + self._max)
        ended = buffer.find(line, begin, at + self._max if blank < 0 else blank + 2)
        if blank < 0 and ended < 0:
            if len(buffer) - at >= self._max:
                raise MsrpError(f"a head of more than {self._max} octets")
            return None
        if ended < 0:
            items.append(parse_head(buffer[at:blank]))
            self._line, self._bare = line, True
            return blank + 2
        rest = ended + len(line)
        if len(buffer) < rest + _REST:
            return None
        flag = _FLAGS.get(buffer[rest : rest + _REST])
        if flag is None:
            raise MsrpError("neither a header nor an end-line")
        items.append(parse_head(buffer[at:ended]))
        items.append(flag)
        return rest + _REST

    def _body(self, buffer: bytes, at: int, items: list[Item]) -> int | None:
        """Give out what of the body is there; return where its end was, None: it was not."""
        line = self._line
        start = at + 2 if self._bare else at
        search = at
        while True:
            found = buffer.find(line, search)
            if found < 0:
                # a part of the end-line may be the last that there is
                self._keep(buffer, max(at, len(buffer) - len(line) + 1), start, items)
                return None
            rest = found + len(line)
            flag = _FLAGS.get(buffer[rest : rest + _REST])
            if flag is not None:
                break
            if len(buffer) < rest + _REST:
                self._keep(buffer, found, start, items)
                return None
            search = found + 1
        if found > start:
            items.append(buffer[start:found])
        items.append(flag)
        self._line = b""
        return rest + _REST

    def _keep(self, buffer: bytes, end: int, start: int, items: list[Item]) -> None:
        self._kept = end
        if end > start:
            items.append(buffer[start:end])
            self._bare = False
        elif self._bare:
            self._kept = start - 2

    def _check_start(self, buffer: bytes, at: int) -> None:
        """Raise MsrpError for what can become no start line."""
        begun = buffer[at : at + len(_PMSRP)]
        if not _PMSRP.startswith(begun) and begun != b"\r":
            raise MsrpError("not MSRP")
        if b"\n" in buffer[at : at + self._max] or len(buffer) - at >= self._max:
            raise MsrpError(f"not a start line: {buffer[at : at + 60]!r}")


def _after_empty_lines(buffer: bytes, at: int) -> int:
    found = _EMPTY.match(buffer, at)
    return at if found is None else found.end()
