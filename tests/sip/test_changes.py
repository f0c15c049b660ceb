"""Offers in a confirmed session: every turn, and glare."""

import pytest

from dragoman.errors import LocalError, RemoteError
from dragoman.sip.changes import TURNS, Change, Turn, refusal, turn

THEIRS = {Turn.THEIR_OFFER, Turn.THEIR_ANSWER, Turn.GLARE, Turn.ACK}


@pytest.mark.parametrize("change", Change)
@pytest.mark.parametrize("what", Turn)
def test_every_turn_is_legal_or_refused(change: Change, what: Turn) -> None:
    if (change, what) in TURNS:
        assert turn(change, what) is TURNS[change, what]
    else:
        with pytest.raises(RemoteError if what in THEIRS else LocalError):
            turn(change, what)


@pytest.mark.parametrize("change", Change)
def test_an_offer_of_the_peers_is_refused_just_where_it_has_no_turn(change: Change) -> None:
    """RFC 3261 §14.2."""
    assert bool(refusal(change)) is ((change, Turn.THEIR_OFFER) not in TURNS)
    assert refusal(Change.OURS) == 491
