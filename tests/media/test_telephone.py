import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.media.rtp import MediaFormatError
from dragoman.media.telephone import DIGITS, ENDS, FLASH, Event, Listener, press


def test_numbers_of_rfc4733_table_7() -> None:
    assert [Event(number, 0).digit for number in (0, 9, 10, 11, 12, 15, FLASH)] == [
        "0", "9", "*", "#", "A", "D", "",
    ]  # fmt: skip


@given(st.integers(0, 255), st.integers(0, 65535), st.booleans(), st.integers(0, 63))
def test_an_event_reads_as_it_was_printed(number: int, duration: int, end: bool, v: int) -> None:
    event = Event(number, duration, end, v)
    assert Event.parse(bytes(event)) == event


def test_a_digit_of_160_ms() -> None:
    steps = list(press("5"))
    events = [Event.parse(each.payload) for each in steps]
    assert [each.after for each in steps] == list(range(0, 200, 20))
    assert [each.marker for each in steps] == [True] + [False] * 9
    assert [each.duration for each in events] == [*range(160, 1280, 160), 1280, 1280, 1280]
    assert [each.end for each in events] == [False] * 7 + [True] * ENDS
    assert {each.offset for each in steps} == {0}


def test_other_clocks_and_lengths() -> None:
    short = list(press("#", 1))
    assert [Event.parse(each.payload).duration for each in short] == [160] * 3
    assert short[0].marker
    wide = list(press("a", 100, clock_rate=48000))
    assert Event.parse(wide[-1].payload) == Event(12, 4800, end=True)
    longest = list(press("1", 10**9))
    assert Event.parse(longest[-1].payload).duration <= 0xFFFF
    assert len(longest) < 500
    for bad in ("", "E", "12", "é"):
        with pytest.raises(LocalError):
            list(press(bad))


@given(st.text(DIGITS, max_size=6), st.integers(1, 400), st.lists(st.booleans(), max_size=8))
def test_a_listener_hears_each_digit_once(digits: str, length: int, lost: list[bool]) -> None:
    listener, heard = Listener(), ""
    for index, digit in enumerate(digits):
        steps = list(press(digit, length))
        kept = [
            x for x, gone in zip(steps, [*lost, *[False] * len(steps)], strict=False) if not gone
        ]
        for step in kept or steps[-1:]:
            event = listener.hear(index * 8000 + 1, step.payload)
            heard += event.digit if event else ""
        if not any(Event.parse(each.payload).end for each in kept or steps[-1:]):
            heard += digit
    assert heard == digits


def test_a_cut_event_is_refused() -> None:
    with pytest.raises(MediaFormatError):
        Event.parse(b"\5\0\0")
