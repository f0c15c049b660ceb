"""100rel: numbers, order, repetition (RFC 3262)."""

import pytest

from dragoman.errors import LocalError
from dragoman.sip.message import Response, SipError
from dragoman.sip.reliable import QUEUED, RAck, Receiver, Sender, rseq_of

RINGING = Response(180, "Ringing", [])


def test_rack_is_read_and_written() -> None:
    assert str(RAck.parse("776656 1 INVITE")) == "776656 1 INVITE"


@pytest.mark.parametrize("text", ["", "1 INVITE", "1 2 3 4", "x 1 INVITE", "4294967296 1 INVITE"])
def test_what_is_no_rack(text: str) -> None:
    with pytest.raises(SipError):
        RAck.parse(text)


def test_what_is_no_rseq() -> None:
    with pytest.raises(SipError):
        rseq_of(RINGING)


def test_only_the_next_is_taken() -> None:
    receiver = Receiver()
    assert [receiver.takes(each) for each in (0, 5, 5, 7, 6, 4, 7)] == [
        *(False, True, False, False, True, False, True)
    ]


def test_one_at_a_time_and_again_with_longer_pauses() -> None:
    sender = Sender(9, cseq=1)
    sender.add(RINGING, has_body=True)
    sender.add(RINGING, has_body=False)
    first = sender.next(0.0, 0.5)
    assert first is not None
    assert (first.get("RSeq"), first.get("Require"), sender.holds) == ("9", "100rel", True)
    assert sender.next(0.0, 0.5) is None
    assert [sender.when(0.0), sender.when(0.5), sender.when(31.0)] == [0.5, 1.5, 32.0]
    assert not sender.acknowledged(RAck(9, 2, "INVITE"))
    assert sender.acknowledged(RAck(9, 1, "INVITE"))
    second = sender.next(1.0, 0.5)
    assert second is not None
    assert (second.get("RSeq"), sender.holds) == ("10", False)
    sender.stop()
    assert sender.next(2.0, 0.5) is None
    assert sender.acknowledged(RAck(10, 1, "INVITE")), "late, but no mistake"


def test_so_many_wait_and_no_more() -> None:
    sender = Sender(1, cseq=1)
    for _ in range(QUEUED):
        sender.add(RINGING, has_body=False)
    with pytest.raises(LocalError):
        sender.add(RINGING, has_body=False)
