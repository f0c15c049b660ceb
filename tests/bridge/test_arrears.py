"""What is owed to servers that could not be reached."""

import pytest

from dragoman.bridge import arrears
from dragoman.bridge.arrears import BATCH, FIRST, SLOWEST, Arrears
from dragoman.bridge.authorization import Key


def key(number: int = 0, domain: str = "xmpp.example") -> Key:
    """Return a pair."""
    return f"u{number}@{domain}", "carol@sip.example"


def test_what_is_owed_is_told_later() -> None:
    """Once, with all of its resources."""
    owed = Arrears()
    owed.owe(key(), "a", 0.0)
    owed.owe(key(), "", 1.0)
    owed.owe(key(), "a", 2.0)
    assert (len(owed), owed.next_timer()) == (1, 2.0 + FIRST)
    assert owed.due(FIRST) == []
    assert owed.due(2.0 + FIRST) == [(key(), ("a", ""))]
    assert len(owed) == 0
    assert owed.due(1000.0) == []
    assert owed.next_timer() is None


def test_word_of_a_server_hastens_it() -> None:
    """Within a second, however much word there is; of another, it does not."""
    owed = Arrears()
    owed.owe(key(), "a", 0.0)
    owed.alive("jabber.example", 1.0)
    assert owed.next_timer() == FIRST
    owed.alive("xmpp.example", 1.0)
    owed.alive("xmpp.example", 1.5)
    assert owed.next_timer() == 2.0
    assert owed.due(2.0) == [(key(), ("a",))]


def test_a_server_that_stays_away_is_tried_ever_less_often() -> None:
    """And not for ever."""
    owed, tried = Arrears(), []
    owed.owe(key(), "a", 0.0)
    while (when := owed.next_timer()) is not None:
        for each, resources in owed.due(when):
            tried.append(when)
            owed.owe(each, resources[0], when + 20)
    assert 25 < len(tried) < 35
    assert tried[:3] == [30, 30 + 20 + 60, 110 + 20 + 120]
    assert tried[-1] - tried[-2] == SLOWEST + 20
    assert 20 * 3600 < tried[-1] < 30 * 3600
    assert len(owed) == 0


def test_after_a_success_it_begins_anew() -> None:
    """What came to nothing long ago does not count."""
    owed, now = Arrears(), 0.0
    for _ in range(5):
        owed.owe(key(), "a", now)
        now = owed.next_timer() or 0.0
        assert owed.due(now)
    now = owed.next_timer() or 0.0
    assert owed.due(now) == []
    owed.owe(key(), "a", now)
    assert owed.next_timer() == now + FIRST


def test_much_is_told_little_by_little_and_not_to_one_who_is_away_still() -> None:
    """What comes back at once stops the rest."""
    owed = Arrears()
    for number in range(3 * BATCH):
        owed.owe(key(number), "a", 0.0)
    assert len(owed.due(FIRST)) == BATCH
    assert len(owed.due(FIRST + 1)) == BATCH
    owed.owe(key(7), "a", FIRST + 1)
    assert owed.due(FIRST + 2) == []
    assert len(owed.due(3 * FIRST + 1)) == 1, "as long as nobody knows"
    assert len(owed.due(3 * FIRST + 2)) == BATCH
    assert len(owed) == 0


def test_word_of_a_server_that_cannot_be_told_does_not_have_it_tried_all_the_time() -> None:
    """It may be let through in one direction only."""
    owed, tried = Arrears(), 0
    for now in range(3600):
        owed.owe(key(), "a", float(now)) if not owed else None
        owed.alive("xmpp.example", float(now))
        tried += len(owed.due(float(now)))
    assert 60 <= tried <= 3600 / FIRST + 1


def test_what_is_remembered_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """In pairs, of all and of one domain, and in resources of each."""
    owed = Arrears(12)
    for number in range(9):
        owed.owe(key(number), "a", 0.0)
    assert len(owed) == 3
    for number in range(90):
        owed.owe(key(number, f"d{number}.example"), "a", 0.0)
    assert (len(owed), len(owed._domains)) == (12, 10)
    assert [each.message for each in caplog.records] == ["presence is told to nobody"]
    for number in range(200):
        owed.owe(key(0), str(number), 0.0)
    assert max(len(found) for _, found in owed.due(FIRST)) == arrears.MOST_RESOURCES
    for number in range(2 * arrears.MOST_ENDED):
        owed.ended(key(number))
    assert len(owed._ended) == arrears.MOST_ENDED
    assert owed.has_ended(key(number))
