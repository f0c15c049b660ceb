"""Long texts in several messages (RFC 3428 §8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.split import MOST_PARTS, split
from dragoman.sip.message import Request, encode
from dragoman.xmpp.failure import Condition, StanzaError

LIMIT = 500
HEADERS = [
    ("To", "<sip:carol@sip.example>"),
    ("From", '"Al" <sip:alice@xmpp.example;gr=a>;tag=t0'),
    ("Call-ID", "c"),
    ("CSeq", "1 MESSAGE"),
    ("Content-Type", "text/plain;charset=UTF-8"),
]


def long(text: str) -> Request:
    return Request("MESSAGE", "sip:carol@sip.example", HEADERS, text.encode())


def parts(text: str, limit: int = LIMIT) -> list[Request]:
    numbers = iter(range(1, 100))
    return split(long(text), limit, lambda: f"t{next(numbers)}")


def test_words_stay_whole_and_parts_are_numbered() -> None:
    words = [f"word{number}" for number in range(100)]
    found = parts(" ".join(words))
    texts = [each.body.decode() for each in found]
    numbers = range(1, len(texts) + 1)
    assert [text[:6] for text in texts] == [f"({n}/{len(texts)}) " for n in numbers]
    assert " ".join(text[6:] for text in texts).split() == words
    assert len(found) > 2


def test_each_part_is_a_request_of_its_own() -> None:
    found = parts("word " * 120)
    assert [each.from_.tag for each in found] == [f"t{n}" for n in range(1, len(found) + 1)]
    assert {str(each.from_.uri) for each in found} == {"sip:alice@xmpp.example;gr=a"}
    assert {each.from_.display for each in found} == {"Al"}
    assert {each.call_id for each in found} == {"c"}


def test_a_line_ends_a_part_rather_than_a_word() -> None:
    first = "a b " * 50
    assert parts(first.strip() + "\n" + "c d " * 50)[0].body.decode()[6:] == first.strip()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n \r\t"), max_size=500))
def test_no_character_is_cut_and_none_lost(text: str) -> None:
    found = parts(text, 640) if text else []
    assert "".join(each.body.decode()[6:] for each in found) == text
    assert all(len(encode(each)) <= 640 for each in found)


@pytest.mark.parametrize(("text", "limit"), [("x" * 10_000, LIMIT), ("x" * 600, 260)])
def test_what_would_be_too_many_is_refused(text: str, limit: int) -> None:
    with pytest.raises(StanzaError) as caught:
        parts(text, limit)
    assert caught.value.condition is Condition.POLICY_VIOLATION


def test_as_many_as_may_be_are_made() -> None:
    room = LIMIT - (len(encode(long("x" * 1000))) - 1000) - 6
    assert len(parts("x" * (room * MOST_PARTS), LIMIT)) == MOST_PARTS
    with pytest.raises(StanzaError):
        parts("x" * (room * MOST_PARTS + 1), LIMIT)
