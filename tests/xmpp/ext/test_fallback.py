"""Fallback Indication (XEP-0428), its ranges counted in code points (XEP-0426), hostile or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.fallback import BODY, FALLBACK, MOST, Range, ranges, split
from dragoman.xmpp.parser import parse_document

REPLY = "urn:xmpp:reply:0"
LENGTH = 100


def message(inner: str) -> Element:
    return parse_document(f"<message xmlns='jabber:client'>{inner}</message>".encode())


def fallback(inner: str, extension: str = f"for='{REPLY}'") -> str:
    return f"<fallback xmlns='urn:xmpp:fallback:0' {extension}>{inner}</fallback>"


@pytest.mark.parametrize(
    ("inner", "found"),
    [
        ("", []),
        (fallback(""), [(0, 100)]),
        (fallback("<body/>"), [(0, 100)]),
        (fallback("<subject/>"), []),
        (fallback("<subject/><body start='0' end='33'/>"), [(0, 33)]),
        (fallback("<body start='0' end='33'/>"), [(0, 33)]),
        (fallback("<body start='0' end='33'/>", ""), [(0, 33)]),
        (fallback("<body start='0' end='33'/>", "for='urn:xmpp:other'"), []),
        (fallback("<body start='90'/>"), [(90, 100)]),
        (fallback("<body end='9'/>"), [(0, 9)]),
        (fallback("<body start=' 3 ' end='&#10;9'/>"), [(3, 9)]),
        (fallback("<body start='90' end='101'/>"), [(90, 100)]),
        (fallback("<body start='90' end='4294967295'/>"), [(90, 100)]),
        (fallback(f"<body start='90' end='{'9' * 5000}'/>"), []),
        (fallback("<body start='100' end='101'/>"), []),
        (fallback("<body start='5' end='5'/>"), []),
        (fallback("<body start='6' end='5'/>"), []),
        (fallback("<body start='-1' end='5'/>"), []),
        (fallback("<body start='x' end='5'/>"), []),
        (fallback("<body start='1.0' end='5'/>"), []),
        (fallback("<body start='\u0661' end='5'/>"), []),
        (fallback("<body start='' end='5'/>"), []),
        (fallback("<body start='5' end='9'/><body start='0' end='3'/>"), [(0, 3), (5, 9)]),
        (fallback("<body start='0' end='5'/><body start='3' end='9'/>"), [(0, 9)]),
        (fallback("<body start='0' end='9'/><body start='3' end='5'/>"), [(0, 9)]),
        (fallback("<body start='0' end='5'/><body start='5' end='9'/>"), [(0, 9)]),
        (fallback("<body start='0' end='5'/>") + fallback("<body start='7' end='9'/>", ""),
         [(0, 5), (7, 9)]),
    ],
)  # fmt: skip
def test_ranges(inner: str, found: list[Range]) -> None:
    assert ranges(message(inner), {REPLY}, LENGTH) == found


@pytest.mark.parametrize(
    ("text", "end", "own"),
    [
        # Two code points, four bytes in UTF-16 and eight in UTF-8 (XEP-0426 §2).
        ("> 👋🏽\nhello", 5, "hello"),
        ("> 𝄞&amp;\nhello", 5, "hello"),
        ("> こんにちは世界\nhello", 10, "hello"),
        ("> e\u0301\u0301\nhello", 6, "hello"),
        ("> 👩‍👩‍👦\nhello", 8, "hello"),
    ],
)
def test_offsets_are_code_points(text: str, end: int, own: str) -> None:
    body = message(f"<body>{text}</body>").elements[0].text
    found = ranges(message(fallback(f"<body start='0' end='{end}'/>")), {REPLY}, len(body))
    assert split(body, found) == (body[:end], own)


def test_ten_thousand_ranges_are_read_as_thirty_two() -> None:
    many = [(each * 3, each * 3 + 1) for each in range(10_000)]
    bodies = [Element(BODY, {"start": str(start), "end": str(end)}) for start, end in many]
    for inside in (
        [Element(FALLBACK, None, bodies)],
        [Element(FALLBACK, None, [each]) for each in bodies],
    ):
        found = ranges(Element("m", None, inside), (), 30_000)
        assert found == many[:MOST]


OFFSETS = st.integers(-5, 40).map(str) | st.text(max_size=4)


@given(st.text(max_size=30), st.lists(st.tuples(OFFSETS, OFFSETS), max_size=6))
def test_nothing_is_lost_or_said_twice(text: str, given_: list[tuple[str, str]]) -> None:
    bodies = [Element(BODY, {"start": start, "end": end}) for start, end in given_]
    found = ranges(Element("m", None, [Element(FALLBACK, None, bodies)]), (), len(text))
    assert all(0 <= start < end <= len(text) for start, end in found)
    inside, outside = split(text, found)
    assert sorted(inside + outside) == sorted(text)
    assert len(inside) == sum(end - start for start, end in found)
