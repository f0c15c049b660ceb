"""Fallback Indication (XEP-0428): what of a body is there for clients that know no better."""

from collections.abc import Container, Iterable, Iterator
from itertools import islice
from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:fallback:0"
FALLBACK: Final = f"{{{NS}}}fallback"
BODY: Final = f"{{{NS}}}body"
SUBJECT: Final = f"{{{NS}}}subject"
MOST: Final = 32
"""How many ranges of one message are read."""
_DIGITS: Final = 10

Range = tuple[int, int]
"""Where a part of a body begins and where it has ended, in Unicode code points (XEP-0426)."""


def ranges(message: Element, understood: Container[str], length: int) -> list[Range]:
    """Return what of a body of `length` stands in for an extension, in order and disjoint.

    That is where the namespace of the extension is `understood`, or not told. A range that reaches
    beyond the end ends there; one that is none, or is beyond the 32nd, does not count.
    """
    found = (
        each
        for fallback in message.find_all(FALLBACK)
        if (extension := fallback.get("for")) is None or extension in understood
        for each in _of(fallback, length)
    )
    return list(_merged(sorted(islice(found, MOST))))


def split(text: str, parts: Iterable[Range]) -> tuple[str, str]:
    """Return what of `text` is in these ranges, and what is not."""
    inside, outside, at = [], [], 0
    for start, end in parts:
        outside.append(text[at:start])
        inside.append(text[start:end])
        at = end
    return "".join(inside), "".join([*outside, text[at:]])


def _of(fallback: Element, length: int) -> Iterator[Range]:
    if length and not fallback.elements:
        yield 0, length
    for body in fallback.find_all(BODY):
        start, end = _offset(body.get("start", "0")), _offset(body.get("end", str(length)))
        if start is not None and end is not None and start < min(end, length):
            yield start, min(end, length)


def _offset(text: str) -> int | None:
    """Return an xs:unsignedInt, None for what is none."""
    digits = text.strip()
    return int(digits) if len(digits) <= _DIGITS and digits.isascii() and digits.isdigit() else None


def _merged(parts: Iterable[Range]) -> Iterator[Range]:
    begun: Range | None = None
    for start, end in parts:
        if begun is None or start > begun[1]:
            if begun is not None:
                yield begun
            begun = start, end
        else:
            begun = begun[0], max(begun[1], end)
    if begun is not None:
        yield begun
