"""Threads and Call-IDs (RFC 7572 §4, §5)."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.thread import LONGEST, ThreadBook
from dragoman.xmpp.jid import Jid

JULIET = Jid.parse("juliet@example.com/balcony")
NURSE = Jid.parse("nurse@example.com")
ROMEO = Jid.parse("romeo@example.net")


def book(bound: int = 100) -> ThreadBook:
    numbers = count(1)
    return ThreadBook(lambda: f"fresh-{next(numbers)}", bound=bound)


@pytest.mark.spec("IM-06")
@pytest.mark.parametrize(
    "thread",
    [
        "ffd7076498744578d10edabfe7f4a866",
        "9E97FB43-85F4-4A00-8751-1124FD4C7B2E",
        "asd88asd77a@1.2.3.4",
        r"""-.!%*_+`'~()<>:\"/[]?{}@a""",
        "x" * LONGEST,
    ],
)
def test_legal_thread_is_its_own_call_id(thread: str) -> None:
    threads = book()
    assert threads.call_id(thread, JULIET, ROMEO) == thread
    assert threads.thread(thread, JULIET, ROMEO) == (thread, False)


@pytest.mark.spec("IM-06")
@pytest.mark.parametrize(
    "thread",
    ["two words", "a@b@c", "@", "a@", "ünicode", "a\r\nX: y", "x" * (LONGEST + 1), "a,b", "a;b"],
)
def test_illegal_thread_stays_correlated(thread: str) -> None:
    threads = book()
    assert threads.call_id(thread, JULIET, ROMEO) == "fresh-1"
    assert threads.call_id(thread, JULIET, ROMEO) == "fresh-1"
    assert threads.thread("fresh-1", JULIET, ROMEO) == (thread, False)


@pytest.mark.spec("IM-06")
def test_clashing_thread_stays_correlated() -> None:
    threads = book()
    assert threads.call_id("t", JULIET, ROMEO) == "t"
    assert threads.call_id("t", NURSE, ROMEO) == "fresh-1"
    assert threads.thread("t", JULIET, ROMEO) == ("t", False)
    assert threads.thread("fresh-1", NURSE, ROMEO) == ("t", False)


def test_thread_of_others_is_not_told() -> None:
    threads = book()
    threads.call_id("a secret", JULIET, ROMEO)
    assert threads.thread("fresh-1", NURSE, ROMEO) == ("fresh-1", True)
    assert threads.thread("fresh-1", JULIET, ROMEO) == ("a secret", False)


@pytest.mark.spec("IM-06")
def test_call_id_is_its_own_thread_and_comes_back() -> None:
    threads = book()
    long = "x" * 300
    assert threads.thread(long, JULIET, ROMEO) == (long, True)
    assert threads.thread(long, JULIET, ROMEO) == (long, False)
    assert threads.call_id(long, JULIET, ROMEO) == long


def test_devices_share_a_thread() -> None:
    threads = book()
    threads.call_id("a b", JULIET, ROMEO)
    assert threads.call_id("a b", Jid.parse("juliet@example.com/garden"), ROMEO) == "fresh-1"


def test_no_thread_is_never_the_same() -> None:
    threads = book()
    assert [threads.call_id("", JULIET, ROMEO) for _ in range(2)] == ["fresh-1", "fresh-2"]
    assert len(threads) == 0


def test_longest_unused_is_forgotten() -> None:
    threads = book(bound=3)
    for name in ("a a", "b b", "c c"):
        threads.call_id(name, JULIET, ROMEO)
    threads.call_id("a a", JULIET, ROMEO)
    threads.call_id("d d", JULIET, ROMEO)
    assert len(threads) == 3
    assert threads.call_id("a a", JULIET, ROMEO) == "fresh-1"
    assert threads.call_id("b b", JULIET, ROMEO) == "fresh-5"
    assert len(threads) == 3


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b c", "d", "fresh-1"])), max_size=40)
)
def test_both_tables_stay_within_the_bound(steps: list[tuple[bool, str]]) -> None:
    threads = book(bound=2)
    for outgoing, text in steps:
        if outgoing:
            threads.call_id(text, JULIET, ROMEO)
        else:
            threads.thread(text, NURSE, ROMEO)
        assert len(threads) <= 2
        assert len(threads._by_talk) <= 2
