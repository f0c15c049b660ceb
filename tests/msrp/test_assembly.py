"""Ranges of octets, and a message made of them (RFC 4975 §7.3.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.msrp.assembly import Arriving, Ranges, Stock
from dragoman.msrp.message import Request
from dragoman.msrp.uri import Path


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=30))
def test_ranges_are_the_octets_that_were_added(spans: list[tuple[int, int]]) -> None:
    ranges, octets = Ranges(), set[int]()
    for start, size in spans:
        ranges.add(start, start + size)
        octets |= set(range(start, start + size))
    assert ranges.octets == len(octets)
    for total in range(60):
        assert ranges.cover(total) == (octets >= set(range(total)))
    missing = min(set(range(60)) - octets)
    gap = ranges.gap(60)
    assert gap is not None
    assert gap[0] == missing
    assert not octets & set(range(*gap))


def arriving(stock: Stock, limit: int = 1000, *, streams: bool = False) -> Arriving:
    path = Path.parse("msrp://a.example:1/x;tcp")
    request = Request("tid1", "SEND", path, path, "id", content_type="text/plain")
    return Arriving(request, stock, limit, streams=streams)


@pytest.mark.spec("MSRP-40")
def test_a_hole_is_counted_as_what_it_takes() -> None:
    stock = Stock(1000)
    message = arriving(stock)
    message.put(899, b"x")
    assert stock.used == message.held == 900
    message.put(0, bytes(500))
    assert stock.used == 900
    message.release()
    assert stock.used == 0


def test_octets_are_put_where_they_belong() -> None:
    message = arriving(Stock(1000))
    for at, data in ((4, b"ef"), (0, b"ab"), (2, b"cdEFgh"), (3, b"")):
        message.put(at, data)
    assert not message.whole
    message.total = 8
    assert message.whole
    assert message.body == b"abcdEFgh"


def test_what_is_streamed_is_held_no_longer_than_needed() -> None:
    stock = Stock(1000)
    message = arriving(stock, streams=True)
    assert message.put(4, b"ef") == []
    assert message.put(6, b"gh") == []
    assert stock.used == 4
    assert message.put(0, b"abcde") == [b"abcde", b"fgh"]
    assert stock.used == 0
    assert message.put(2, b"CDEFGHij") == [b"ij"]
    assert message.put(0, b"AB") == []
