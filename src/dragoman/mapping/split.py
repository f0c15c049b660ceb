"""A text that is too long for one MESSAGE (RFC 3428 §8) becomes several, each numbered: (1/3)."""

from collections.abc import Callable, Iterator
from typing import Final

from dragoman.mapping.message import check_size
from dragoman.sip.header import NameAddress
from dragoman.sip.message import Request, build_request, encode

MOST_PARTS: Final = 9
"""Messages that one text may become: a book is not for a phone."""
LEAST_ROOM: Final = 80
"""Bytes of text that a message must have room for, or splitting makes no sense."""

_NUMBER: Final = len("(1/9) ")
_BREAKS: Final = (b"\n", b" ")


def split(request: Request, limit: int, token: Callable[[], str]) -> list[Request]:
    """Return a text/plain MESSAGE in parts of at most `limit` bytes each, whole as sent.

    Words are kept together as far as that leaves a part half full, characters always. Each part has
    a From tag of its own, made by `token()`. Raises StanzaError (policy-violation) for a text that
    would need more than 9 parts, or whose headers leave no room.
    """
    size = len(encode(request))
    room = limit - (size - len(request.body)) - _NUMBER
    if room < LEAST_ROOM or len(request.body) > MOST_PARTS * room:
        check_size(size, limit)
    pieces = list(_pieces(request.body, room))
    if len(pieces) > MOST_PARTS:
        check_size(size, limit)
    return [
        _part(request, b"(%d/%d) %s" % (number, len(pieces), piece), token())
        for number, piece in enumerate(pieces, 1)
    ]


def _pieces(body: bytes, room: int) -> Iterator[bytes]:
    start = 0
    while len(body) - start > room:
        end = _end(body, start, room)
        yield body[start:end].rstrip(b" \n")
        start = end
        while body[start : start + 1] in _BREAKS:
            start += 1
    if start < len(body):
        yield body[start:]


def _end(body: bytes, start: int, room: int) -> int:
    """Return where a piece ends: at a line's end, else a word's, else a character's."""
    for mark in _BREAKS:
        found = body.rfind(mark, start + room // 2, start + room + 1)
        if found >= 0:
            return found
    end = start + room
    while body[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _part(request: Request, body: bytes, tag: str) -> Request:
    sender = request.from_
    given = {"From": f"{NameAddress(sender.display, sender.uri)};tag={tag}"}
    headers = [(name, given.get(name, value)) for name, value in request.headers]
    return build_request(request.method, request.target, headers, body)
