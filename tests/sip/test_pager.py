"""One MESSAGE at a time for each Request-URI (RFC 3428 §8)."""

import pytest

from dragoman.errors import LocalError
from dragoman.sip.pager import Dropped, Due, Pager, Why

ROMEO, NURSE = "sip:romeo@example.net", "sip:nurse@example.net"


@pytest.mark.spec("IM-14")
def test_no_second_message_goes_to_a_uri_while_one_is_pending() -> None:
    pager: Pager[int] = Pager()
    for handle in (1, 2, 3):
        pager.submit(ROMEO, handle, now=0.0)
    assert pager.events() == [Due(1)]
    pager.finished(1, now=1.0)
    assert pager.events() == [Due(2)]
    assert pager.events() == []
    pager.finished(2, now=2.0)
    pager.finished(3, now=3.0)
    assert (pager.events(), pager.describe()) == ([Due(3)], {"pending": 0, "waiting": 0})


@pytest.mark.spec("IM-14")
def test_a_message_never_overtakes_those_that_wait() -> None:
    pager: Pager[int] = Pager()
    order = []
    for handle in range(4):
        pager.submit(ROMEO, handle, now=0.0)
    for late in (4, 5, None, None, None, None):
        events = pager.events()
        order += [event.handle for event in events]
        pager.finished(order[-1], now=1.0)
        if late is not None:
            pager.submit(ROMEO, late, now=1.0)
    assert order == [0, 1, 2, 3, 4, 5]


def test_uris_do_not_wait_for_one_another() -> None:
    pager: Pager[int] = Pager()
    pager.submit(ROMEO, 1, now=0.0)
    pager.submit(NURSE, 2, now=0.0)
    assert pager.events() == [Due(1), Due(2)]


def test_the_thousand_and_first_waiting_message_is_dropped() -> None:
    pager: Pager[int] = Pager()
    for handle in range(1002):
        pager.submit(ROMEO, handle, now=0.0)
    assert pager.events() == [Due(0), Dropped(1001, Why.OVERFLOW)]
    assert pager.describe() == {"pending": 1, "waiting": 1000}


def test_the_total_is_bounded() -> None:
    pager: Pager[int] = Pager(total=3)
    for handle in range(4):
        pager.submit(f"sip:{handle // 2}@example.net", handle, now=0.0)
    assert pager.events() == [Due(0), Due(2), Dropped(3, Why.OVERFLOW)]
    pager.finished(2, now=0.0)
    pager.submit(NURSE, 4, now=0.0)
    assert pager.events() == [Due(4)]


def test_a_message_waits_five_minutes_and_no_longer() -> None:
    pager: Pager[int] = Pager()
    pager.submit(ROMEO, 1, now=0.0)
    pager.submit(ROMEO, 2, now=0.0)
    pager.submit(ROMEO, 3, now=200.0)
    pager.on_timer(299.0)
    assert pager.events() == [Due(1)]
    when = pager.next_timer()
    assert when is not None
    assert 300.0 <= when <= 301.0
    pager.on_timer(when)
    assert pager.events() == [Dropped(2, Why.EXPIRED)]
    pager.finished(1, now=302.0)
    assert pager.events() == [Due(3)]


def test_a_turn_does_not_go_to_a_message_that_has_waited_too_long() -> None:
    pager: Pager[int] = Pager()
    for handle in (1, 2):
        pager.submit(ROMEO, handle, now=0.0)
    pager.finished(1, now=300.0)
    assert pager.events() == [Due(1), Dropped(2, Why.EXPIRED)]
    assert pager.describe() == {"pending": 0, "waiting": 0}
    pager.submit(ROMEO, 3, now=300.5)
    pager.on_timer(301.0)
    assert pager.events() == [Due(3)]


def test_handles_are_used_once_at_a_time() -> None:
    pager: Pager[int] = Pager()
    pager.submit(ROMEO, 1, now=0.0)
    with pytest.raises(LocalError):
        pager.submit(NURSE, 1, now=0.0)
    with pytest.raises(LocalError):
        pager.finished(2, now=0.0)
