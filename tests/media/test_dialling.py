import pytest

from dragoman.errors import LocalError
from dragoman.media import rtp
from dragoman.media.dialling import MOST, Dialling
from dragoman.media.telephone import Event, Listener

EVENT = (101, 8000)


def packet(sequence: int, timestamp: int | None = None, ssrc: int = 7) -> bytes:
    stamp = 160 * sequence if timestamp is None else timestamp
    return rtp.build(b"", payload_type=0, sequence=sequence, timestamp=stamp, ssrc=ssrc)


def drain(dialling: Dialling) -> list[bytes]:
    found: list[bytes] = []
    while (when := dialling.next_timer()) is not None:
        found += dialling.due(when)
    return found


@pytest.mark.spec("MED-28")
def test_a_digit_goes_on_in_the_numbers_of_the_stream() -> None:
    dialling = Dialling()
    dialling.dial("5", 100, EVENT, packet(10), 1.0)
    sent = drain(dialling)
    assert [rtp.sequence(each) for each in sent] == list(range(11, 11 + len(sent)))
    assert {rtp.ssrc(each) for each in sent} == {7}
    assert {rtp.payload_type(each) for each in sent} == {101}
    # the packet that passed last was 20 ms long, and the digit begins where it ends
    assert {rtp.timestamp(each) for each in sent} == {1600 + 160}
    assert [rtp.marker(each) for each in sent] == [True] + [False] * (len(sent) - 1)
    listener = Listener()
    heard = [listener.hear(rtp.timestamp(each), rtp.payload(each)) for each in sent]
    assert [each.digit for each in heard if isinstance(each, Event)] == ["5"]


@pytest.mark.spec("MED-28")
def test_the_sound_goes_on_after_the_digit_without_a_gap() -> None:
    dialling = Dialling()
    dialling.dial("1", 40, EVENT, packet(65535), 1.0)
    first = dialling.due(1.0)
    assert dialling.around(packet(0)) is None
    sent = first + drain(dialling)
    assert dialling.around(packet(65530)) is None  # late: before the digit
    passed = [dialling.around(packet(number)) for number in (1, 2, 3)]
    numbers = [rtp.sequence(each) for each in [*sent, *(x for x in passed if x is not None)]]
    assert numbers == [number & 0xFFFF for number in range(65536, 65536 + len(sent) + 3)]
    assert [rtp.timestamp(each) for each in passed if each] == [160, 320, 480]


def test_digits_follow_each_other_with_a_pause() -> None:
    dialling = Dialling(seed=99)
    dialling.dial("12", 100, EVENT, b"", 1.0)
    sent = drain(dialling)
    stamps = sorted({rtp.timestamp(each) for each in sent})
    assert len(stamps) == 2
    assert stamps[1] - stamps[0] >= 8 * 100
    assert {rtp.ssrc(each) for each in sent} == {99}


def test_digits_later_go_on_where_the_last_ended() -> None:
    dialling = Dialling()
    dialling.dial("1", 100, EVENT, packet(10), 1.0)
    first = drain(dialling)
    dialling.dial("2", 100, EVENT, packet(10), 5.0)
    second = drain(dialling)
    assert rtp.sequence(second[0]) == rtp.sequence(first[-1]) + 1
    assert rtp.timestamp(second[0]) == rtp.timestamp(first[-1]) + 4 * 8000
    passed = dialling.around(packet(11))
    assert passed is not None
    assert rtp.sequence(passed) == rtp.sequence(second[-1]) + 1


def test_another_source_passes_as_it_is() -> None:
    dialling = Dialling()
    dialling.dial("1", 100, EVENT, packet(10), 1.0)
    assert dialling.around(packet(5, ssrc=8)) is None
    drain(dialling)
    assert dialling.around(packet(5, ssrc=8)) == packet(5, ssrc=8)


def test_digits_have_a_bound_and_are_digits() -> None:
    dialling = Dialling()
    dialling.dial("1" * (MOST + 9), 40, EVENT, b"", 0.0)
    dialling.dial("1", 40, EVENT, b"", 0.0)
    assert len({rtp.timestamp(each) for each in drain(dialling)}) == MOST
    with pytest.raises(LocalError):
        dialling.dial("1x", 40, EVENT, b"", 0.0)
    assert dialling.next_timer() is None
