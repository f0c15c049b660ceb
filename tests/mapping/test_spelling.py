"""How a SIP user is spelled (RFC 3261 §19.1.4)."""

import pytest

from dragoman.mapping.address import jid_to_sip, sip_to_jid
from dragoman.mapping.spelling import SpellingBook
from dragoman.sip.uri import Uri
from dragoman.xmpp.jid import Jid


def answered(book: SpellingBook, jid: Jid) -> str:
    return str(book.spelled(jid, jid_to_sip(jid)))


@pytest.mark.spec("ADDR-22")
@pytest.mark.parametrize(
    ("uri", "answer"),
    [
        ("sip:Romeo@example.net", "sip:Romeo@example.net"),
        ("sip:R%6Fmeo@example.net:5070;transport=tcp", "sip:R%6Fmeo@example.net"),
        ("sip:romeo@example.net", "sip:romeo@example.net"),
        ("sip:Romeo@Example.NET;gr=x", "sip:Romeo@example.net"),
    ],
)
def test_answer_is_spelled_like_the_question(uri: str, answer: str) -> None:
    book = SpellingBook()
    jid = sip_to_jid(Uri.parse(uri))
    book.remember(jid, Uri.parse(uri), jid_to_sip(jid))
    assert answered(book, jid.bare) == answer
    assert answered(book, Jid.parse("romeo@example.net/x")) == f"{answer};gr=x"


def test_last_spelling_counts() -> None:
    book, jid = SpellingBook(), Jid.parse("romeo@example.net")
    for spelling in ("ROMEO", "Romeo"):
        book.remember(jid, Uri.parse(f"sip:{spelling}@example.net"), jid_to_sip(jid))
    assert answered(book, jid) == "sip:Romeo@example.net"
    book.remember(jid, Uri.parse("sip:romeo@example.net"), jid_to_sip(jid))
    assert answered(book, jid) == "sip:romeo@example.net"
    assert len(book) == 0


@pytest.mark.parametrize("uri", ["sip:example.net", "im:Romeo@example.net", "tel:+1-212"])
def test_nothing_to_remember(uri: str) -> None:
    book, jid = SpellingBook(), Jid.parse("romeo@example.net")
    book.remember(jid, Uri.parse(uri), jid_to_sip(jid))
    assert len(book) == 0


def test_longest_unused_is_forgotten() -> None:
    book = SpellingBook(bound=2)
    jids = [Jid.parse(f"user{number}@h") for number in range(3)]
    for jid in jids[:2]:
        book.remember(jid, Uri.parse(f"sip:{jid.local.upper()}@h"), jid_to_sip(jid))
    assert answered(book, jids[0]) == "sip:USER0@h"
    book.remember(jids[2], Uri.parse("sip:USER2@h"), jid_to_sip(jids[2]))
    assert [answered(book, jid) for jid in jids] == ["sip:USER0@h", "sip:user1@h", "sip:USER2@h"]
    assert len(book) == 2
