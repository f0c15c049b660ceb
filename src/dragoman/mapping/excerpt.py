"""A line of somebody's text, to speak of it by (its end as in UAX #29, directions as in UAX #9)."""

from typing import Final
from unicodedata import category

LONGEST: Final = 60
"""Characters of an excerpt."""

_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")
_DIRECTIONS: Final = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
"""Embeddings, overrides and isolates: one that is not closed would turn what stands behind it."""
_ENOUGH: Final = 1000
_JOINER: Final = "\u200d"
_FLAGS: Final = range(0x1F1E6, 0x1F200)
_SKINS: Final = range(0x1F3FB, 0x1F400)
_TAGS: Final = range(0xE0020, 0xE0080)


def line(text: str) -> str:
    """Return `text` on one line: no header can begin inside it."""
    return " ".join(text.translate(_CONTROLS).split())


def excerpt(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of `text` on one line, of at most `longest` characters.

    It ends between two characters as a reader sees them; what is left out shows as "…". Controls
    of direction are not in it.
    """
    return _cut(line(text.lstrip()[:_ENOUGH].translate(_DIRECTIONS)), longest)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    end = longest - 1
    while end and _belongs(text, end):
        end -= 1
    return text[: end or longest - 1].rstrip() + "…"


def _belongs(text: str, at: int) -> bool:
    """Say whether the code point at `at` is of one character with the one before it."""
    before, after = text[at - 1], text[at]
    if before == _JOINER or after == _JOINER or category(after)[0] == "M":
        return True
    if ord(after) in _FLAGS:
        run = len(text[:at]) - len(text[:at].rstrip("".join(map(chr, _FLAGS))))
        return run % 2 == 1
    return ord(after) in _SKINS or ord(after) in _TAGS
