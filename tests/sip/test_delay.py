"""Keys that all wait equally long."""

from dragoman.sip.delay import DelayLine


def test_keys_come_out_in_order_after_the_delay() -> None:
    line: DelayLine[str] = DelayLine(32.0, grain=1.0)
    line.add("a", 0.0)
    line.add("b", 10.0)
    assert (line.next(), len(line)) == (33.0, 2)
    assert line.due(32.9) == []
    assert line.due(33.0) == ["a"]
    assert (line.next(), line.due(100.0), line.next(), len(line)) == (43.0, ["b"], None, 0)


def test_what_goes_in_within_a_grain_comes_out_together_and_never_early() -> None:
    line: DelayLine[int] = DelayLine(5.0, grain=1.0)
    for tenth in range(21):
        line.add(tenth, tenth / 10)
    assert line.due(6.0) == list(range(11))
    assert line.due(6.05) == []
    assert line.next() == 1.1 + 6.0
    assert line.due(7.2) == list(range(11, 21))
