"""What phones take (RFC 3261 §20.1, §21.4.13)."""

import pytest

from dragoman.bridge.phones import MEMORY, MOST_TYPES, Phones
from dragoman.sip.message import Request

CPIM = "message/cpim"


def asks(*accept: str) -> Request:
    return Request("OPTIONS", "sip:a@b", [("Accept", value) for value in accept], b"")


@pytest.mark.parametrize(
    ("lines", "accepted"),
    [
        (["text/plain"], {"text/plain"}),
        (["text/plain, Message/CPIM;q=0.5"], {"text/plain", CPIM}),
        (["text/plain", "text/html"], {"text/plain", "text/html"}),
        (["text/plain, text/html;q=0, a/b;q=0.000, c/d;q=0.010"], {"text/plain", "c/d"}),
        (["nonsense, text/plain"], {"text/plain"}),
        ([], set()),
    ],
)
def test_accept_is_remembered(lines: list[str], accepted: set[str]) -> None:
    phones = Phones()
    phones.heard("carol@sip.example", asks(*lines))
    assert phones.accepted("carol@sip.example") == accepted
    assert phones.accepted("dave@sip.example") == frozenset()


def test_a_refusal_counts_for_a_day_or_until_the_phone_sends_the_type() -> None:
    phones = Phones()
    phones.refused("c", CPIM, 0.0)
    assert phones.refuses("c", CPIM, MEMORY - 1)
    assert not phones.refuses("c", "text/html", 1.0)
    assert not phones.refuses("d", CPIM, 1.0)
    assert not phones.refuses("c", CPIM, MEMORY)
    phones.refused("c", CPIM, 0.0)
    phones.sent("c", CPIM)
    assert not phones.refuses("c", CPIM, 1.0)
    assert phones.accepted("c") == {CPIM}


def test_memory_has_a_bound() -> None:
    phones = Phones(most=2)
    for peer in "abc":
        phones.refused(peer, CPIM, 0.0)
    assert [phones.refuses(peer, CPIM, 1.0) for peer in "abc"] == [False, True, True]
    assert len(phones) == 2
    for number in range(2 * MOST_TYPES):
        phones.refused("c", f"a/{number}", 0.0)
        phones.sent("b", f"a/{number}")
    assert not phones.refuses("c", f"a/{2 * MOST_TYPES - 1}", 1.0)
    assert len(phones.accepted("b")) == MOST_TYPES
    phones.heard("b", asks(", ".join(f"a/{number}" for number in range(200))))
    assert len(phones.accepted("b")) == MOST_TYPES
