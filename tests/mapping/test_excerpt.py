"""Excerpts: one line, at most sixty characters, none of them cut in two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.excerpt import LONGEST, excerpt, line

COUPLE = "\U0001f469\U0001f3fd\u200d\u2764\ufe0f\u200d\U0001f48b\u200d\U0001f468\U0001f3ff"
SCOTLAND = "\U0001f3f4" + "".join(chr(0xE0000 + ord(each)) for each in "gbsct") + "\U000e007f"
SPAIN, FRANCE = "\U0001f1ea\U0001f1f8", "\U0001f1eb\U0001f1f7"
ZALGO = "a" + "\u0316" * 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        (" \n ", ""),
        ("wherefore", "wherefore"),
        ("a\r\nb\tc\x00\x7f\u2028d  e", "a b c d e"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 59 + "…"),
        ("x" * 58 + " yz", "x" * 58 + "…"),
        ("x" * 100_000, "x" * 59 + "…"),
        (" " * 5000 + "late", "late"),
        ("x" * 55 + COUPLE, "x" * 55 + "…"),
        ("x" * 56 + SCOTLAND, "x" * 56 + "…"),
        ("x" * 57 + SPAIN + FRANCE, "x" * 57 + SPAIN + "…"),
        ("x" * 58 + SPAIN + FRANCE, "x" * 58 + "…"),
        ("x" * 58 + "e\u0301" + "yz", "x" * 58 + "…"),
        ("x" * 57 + "e\u0301" + "yz", "x" * 57 + "e\u0301" + "…"),
        (ZALGO, ZALGO[:59] + "…"),
        ("\u202eevil\u202c \u2066isolate", "evil isolate"),
        ("\u05d0\u200f\u05d1", "\u05d0\u200f\u05d1"),
    ],
)
def test_excerpt(text: str, shown: str) -> None:
    assert excerpt(text) == shown


@given(st.text(max_size=200))
def test_an_excerpt_is_short_and_on_one_line(text: str) -> None:
    shown = excerpt(text)
    assert len(shown) <= LONGEST
    assert line(shown) == shown
    assert excerpt(shown) == shown
