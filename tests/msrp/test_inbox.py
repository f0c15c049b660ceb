"""Messages that arrive (RFC 4975 §7.3.1): order, overlaps, gaps, sizes, duplicates, streams."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.msrp import (
    Limits,
    MessageArrived,
    MessageBegun,
    MessageBroken,
    PieceArrived,
    State,
    Terms,
)
from dragoman.msrp.assembly import MAX_HOLES, MAX_LATE
from tests.msrp.ends import End, Ends, joined, statuses

BODY = bytes(range(256)) * 40


def chunk(
    ends: Ends, start: int, data: bytes, flag: str = "+", *lines: str, total: str = "*"
) -> bytes:
    """Return a chunk of message 4564dpWd for bob; `start` counts from 1."""
    tid = f"tid{start}x{len(data)}"
    head = (
        f"MSRP {tid} SEND\r\nTo-Path: {ends.his.uri}\r\nFrom-Path: {ends.hers.uri}\r\n"
        f"Message-ID: 4564dpWd\r\nByte-Range: {start}-*/{total}\r\n"
        + "".join(f"{line}\r\n" for line in lines)
        + "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + data + f"\r\n-------{tid}{flag}\r\n".encode()


def put(ends: Ends, *chunks: bytes) -> list[int]:
    """Give bob the chunks; return the codes that he answers with."""
    for each in chunks:
        ends.bob.receive(each, ends.now)
    return statuses(ends.bob)


def bodies(end: End) -> list[bytes]:
    return [event.body for event in end.told(MessageArrived)]


# -- whole messages ------------------------------------------------------------------


@pytest.mark.spec("MSRP-17")
def test_the_rfcs_chunks() -> None:
    ends = joined()
    assert put(ends, chunk(ends, 1, b"abcd", total="8")) == [200]
    assert bodies(ends.bob) == []
    assert put(ends, chunk(ends, 5, b"EFGH", "$", total="8")) == [200]
    (arrived,) = ends.bob.told(MessageArrived)
    assert (arrived.body, arrived.total) == (b"abcdEFGH", 8)
    assert arrived.transaction_id == "tid1x4"


@pytest.mark.spec("MSRP-17")
def test_out_of_order_and_the_end_first() -> None:
    ends = joined()
    last = chunk(ends, 7, b"GH", "$")
    assert put(ends, last, chunk(ends, 5, b"EF"), chunk(ends, 1, b"abcd")) == [200] * 3
    assert bodies(ends.bob) == [b"abcdEFGH"]
    assert [event.transaction_id for event in ends.bob.told(MessageArrived)] == ["tid1x4"]


@pytest.mark.spec("MSRP-17")
def test_of_octets_that_come_twice_the_last_count() -> None:
    ends = joined()
    put(ends, chunk(ends, 1, b"abcdef"), chunk(ends, 5, b"EFGH"), chunk(ends, 7, b"gh", "$"))
    assert bodies(ends.bob) == [b"abcdEFgh"]


@pytest.mark.spec("MSRP-17")
@given(st.integers(0, 2**32), st.booleans())
def test_any_chunks_in_any_order_make_the_message(seed: int, streams: bool) -> None:
    random = Random(seed)  # noqa: S311 (repeatable)
    ends = joined(streams=streams)
    cuts = sorted({0, len(BODY), *(random.randrange(len(BODY)) for _ in range(20))})
    spans = [(a, min(len(BODY), b + random.randrange(200))) for a, b in zip(cuts, cuts[1:])]  # noqa: B905, RUF007
    random.shuffle(spans)
    for start, end in spans:
        data = chunk(ends, start + 1, BODY[start:end], "$" if end == len(BODY) else "+")
        at = random.randrange(len(data))
        put(ends, data[:at], data[at:])
    if streams:
        assert b"".join(event.data for event in ends.bob.told(PieceArrived)) == BODY
        assert [event.total for event in ends.bob.told(MessageArrived)] == [len(BODY)]
    else:
        assert bodies(ends.bob) == [BODY]
    assert ends.bob.endpoint._desk.stock.used == 0


def test_a_chunk_shorter_than_it_says_counts_by_what_it_has() -> None:
    ends = joined()
    put(ends, chunk(ends, 1, b"abcd").replace(b"1-*/*", b"1-8/8"), chunk(ends, 5, b"EFGH", "$"))
    assert bodies(ends.bob) == [b"abcdEFGH"]


def test_an_aborted_message_is_forgotten() -> None:
    ends = joined()
    assert put(ends, chunk(ends, 1, b"abcd"), chunk(ends, 5, b"EF", "#")) == [200, 200]
    assert put(ends, chunk(ends, 5, b"EFGH", "$"), chunk(ends, 1, b"abcd")) == [200, 200]
    assert bodies(ends.bob) == [b"abcdEFGH"]


@pytest.mark.spec("MSRP-34")
def test_a_duplicate_is_acknowledged_again_and_told_once() -> None:
    ends = joined()
    message = chunk(ends, 1, b"abcd", "$", "Success-Report: yes")
    assert put(ends, message, message) == [200, 200]
    assert ends.his.report("4564dpWd", ends.now)
    (report,) = ends.bob.to_send()
    ends.bob.receive(message, ends.now)
    ok, again = ends.bob.to_send()
    assert b" 200 OK" in ok
    for data in (report, again):
        assert b" REPORT\r\n" in data
        assert b"\r\nByte-Range: 1-4/4\r\nStatus: 000 200 OK\r\n-------" in data
    assert bodies(ends.bob) == [b"abcd"]


@pytest.mark.spec("MSRP-40")
def test_not_all_messages_are_remembered() -> None:
    ends = joined(limits=Limits(remembered=2))
    one = chunk(ends, 1, b"abcd", "$")
    messages = [one.replace(b"4564dpWd", f"id{each}".encode()) for each in range(3)]
    put(ends, *messages, messages[1], messages[0])
    ids = [event.message_id for event in ends.bob.told(MessageArrived)]
    assert ids == ["id0", "id1", "id2", "id0"]


@pytest.mark.spec("MSRP-20")
def test_a_session_that_ends_in_the_middle_of_a_message_hears_no_more_of_it() -> None:
    ends = joined(streams=True)
    data = chunk(ends, 1, b"a" * 5000, "$")
    ends.bob.receive(data[:3000], ends.now)
    ends.his.close(ends.now)
    count = len(ends.bob.told(PieceArrived))
    assert put(ends, data[3000:]) == [481]
    assert len(ends.bob.told(PieceArrived)) == count
    assert ends.bob.told(MessageArrived) == []


# -- sizes ---------------------------------------------------------------------------


@pytest.mark.spec("MSRP-18")
@pytest.mark.parametrize("said", ["1-*/10001", "1-10001/*", "10002-*/*"])
def test_too_large_is_said_at_the_first_chunk_that_tells(said: str) -> None:
    ends = joined(bob=Terms(max_size=10_000))
    whole = chunk(ends, 1, b"abcd").replace(b"1-*/*", said.encode())
    head, _, _ = whole.partition(b"abcd")
    assert put(ends, head) == [413]
    assert put(ends, whole[len(head) :]) == []
    assert put(ends, chunk(ends, 5, b"abcd")) == [413]
    assert put(ends, chunk(ends, 5, b"abcd", "$", "Failure-Report: no")) == []
    assert put(ends, chunk(ends, 1, b"ok", "$").replace(b"4564dpWd", b"other")) == [200]
    assert bodies(ends.bob) == [b"ok"]


@pytest.mark.spec("MSRP-18")
def test_too_large_is_said_as_soon_as_it_is() -> None:
    ends = joined(bob=Terms(max_size=10_000))
    assert put(ends, chunk(ends, 1, bytes(9_999))) == [200]
    data = chunk(ends, 10_000, bytes(10_000), "$")
    assert put(ends, data[:400]) == [413]
    assert put(ends, data[400:]) == []
    assert ends.bob.endpoint._desk.stock.used == 0
    assert bodies(ends.bob) == []


@pytest.mark.spec("MSRP-40")
def test_what_is_not_whole_is_bounded() -> None:
    ends = joined(limits=Limits(assembling=50_000, partial=8))

    def part(name: str, start: int, data: bytes) -> bytes:
        return chunk(ends, start, data).replace(b"4564dpWd", name.encode())

    assert put(ends, part("one", 40_000, b"x")) == [200]
    assert put(ends, part("two", 1, bytes(20_000)))[0] == 413
    assert put(ends, part("three", 1, bytes(2_000))) == [200]
    assert put(ends, *(part(f"many{each}", 1, b"x") for each in range(8)))[-2:] == [413, 413]


@pytest.mark.spec("MSRP-40")
def test_a_message_of_holes_is_refused() -> None:
    ends = joined()
    chunks = [chunk(ends, 1 + 2 * each, b"x") for each in range(MAX_HOLES + 1)]
    assert put(ends, *chunks) == [200] * MAX_HOLES + [413]


# -- time ----------------------------------------------------------------------------


@pytest.mark.spec("MSRP-17")
def test_a_gap_that_stays_ends_in_a_failure_report() -> None:
    ends = joined()
    put(ends, chunk(ends, 1, b"abcd"), chunk(ends, 7, b"GH", "$"))
    due = ends.now + ends.bob.endpoint.limits.gap
    ends.bob.on_timer(due - 0.1)
    assert ends.bob.to_send() == []
    ends.bob.on_timer(due)
    (report,) = ends.bob.to_send()
    assert b"\r\nMessage-ID: 4564dpWd\r\nByte-Range: 5-6/8\r\nStatus: 000 413 " in report
    assert put(ends, chunk(ends, 5, b"EF")) == [413]
    assert bodies(ends.bob) == []


@pytest.mark.parametrize("mode", ["no", "partial"])
def test_a_gap_is_not_reported_to_who_does_not_want_to_know(mode: str) -> None:
    ends = joined()
    put(ends, chunk(ends, 7, b"GH", "$", f"Failure-Report: {mode}"))
    ends.bob.on_timer(ends.now + ends.bob.endpoint.limits.gap)
    assert ends.bob.to_send() == []
    assert ends.bob.endpoint._desk.stock.used == 0


def test_time_does_not_run_while_it_is_us_who_do_not_read() -> None:
    ends = joined(streams=True)
    put(ends, chunk(ends, 1, b"abcd"))
    ends.his.pause()
    later = ends.now + ends.bob.endpoint.limits.gap
    ends.bob.on_timer(later)
    ends.his.resume()
    ends.bob.receive(chunk(ends, 5, b"EFGH", "$"), later)
    assert len(ends.bob.told(MessageArrived)) == 1


# -- streams -------------------------------------------------------------------------


def test_a_stream_is_told_as_it_comes() -> None:
    ends = joined(streams=True)
    data = chunk(ends, 1, b"a" * 5000, "+", "Content-Disposition: attachment", total="5004")
    ends.bob.receive(data[:3000], ends.now)
    (begun,) = ends.bob.told(MessageBegun)
    assert (begun.message_id, begun.total) == ("4564dpWd", 5004)
    assert begun.headers == (("Content-Disposition", "attachment"),)
    assert sum(len(event.data) for event in ends.bob.told(PieceArrived)) > 2500
    put(ends, data[3000:], chunk(ends, 5001, b"EFGH", "$"))
    assert [event.total for event in ends.bob.told(MessageArrived)] == [5004]
    assert bodies(ends.bob) == [b""]
    assert ends.bob.endpoint._desk.stock.used == 0


def test_an_empty_stream() -> None:
    ends = joined(streams=True)
    put(ends, chunk(ends, 1, b"", "$"))
    assert len(ends.bob.told(MessageBegun)) == len(ends.bob.told(MessageArrived)) == 1
    assert ends.bob.told(PieceArrived) == []


@pytest.mark.parametrize("how", ["aborted", "gap", "lost", "closed", "too large"])
def test_a_stream_that_breaks_is_told(how: str) -> None:
    ends = joined(streams=True)
    assert put(ends, chunk(ends, 1, b"abcd")) == [200]
    if how == "aborted":
        put(ends, chunk(ends, 5, b"", "#"))
    elif how == "too large":
        assert put(ends, chunk(ends, 5, b"x", total="9" * 12)) == [413]
    elif how == "gap":
        ends.bob.on_timer(ends.now + 60)
    elif how == "lost":
        assert ends.bob.connection is not None
        ends.bob.connection.closed(ends.now)
    else:
        ends.his.close(ends.now)
    assert len(ends.bob.told(MessageBroken)) == 1
    assert ends.bob.told(MessageArrived) == []


@pytest.mark.spec("MSRP-40")
def test_what_comes_before_its_turn_is_bounded() -> None:
    ends = joined(streams=True)
    data = chunk(ends, 2, bytes(MAX_LATE + 1))
    assert put(ends, *(data[at : at + 1000] for at in range(0, len(data), 1000))) == [413]
    assert ends.bob.endpoint._desk.stock.used == 0


@pytest.mark.spec("MSRP-40")
def test_how_many_pieces_come_before_their_turn_is_bounded() -> None:
    ends = joined(streams=True)
    chunks = [chunk(ends, start, b"x") for start in range(MAX_HOLES + 2, 1, -1)]
    assert put(ends, *chunks) == [200] * MAX_HOLES + [413]


def test_a_stream_is_refused_in_its_course() -> None:
    ends = joined(streams=True)
    data = chunk(ends, 1, b"a" * 5000)
    ends.bob.receive(data[:3000], ends.now)
    ends.his.refuse("4564dpWd", 413, ends.now)
    assert statuses(ends.bob) == [413]
    count = len(ends.bob.told(PieceArrived))
    assert put(ends, data[3000:], chunk(ends, 5001, b"x")) == [413]
    assert len(ends.bob.told(PieceArrived)) == count


@pytest.mark.spec("MSRP-40")
def test_who_streams_slowly_has_nothing_more_read() -> None:
    ends = joined(streams=True)
    connection = ends.bob.connection
    assert connection is not None
    assert connection.reading
    ends.bob.endpoint.touched()
    ends.his.pause()
    ends.his.pause()
    assert not connection.reading
    assert ends.bob.endpoint.touched() == [connection]
    ends.his.resume()
    assert connection.reading
    ends.his.pause()
    ends.his.close(ends.now)
    assert connection.reading
    assert ends.his.state is State.CLOSED


# -- who wants to hear what ----------------------------------------------------------


@pytest.mark.spec("MSRP-21")
@pytest.mark.parametrize(
    ("mode", "good", "bad"),
    [(None, [200], [415]), ("yes", [200], [415]), ("partial", [], [415]), ("no", [], [])],
)
def test_answers_by_failure_report(mode: str | None, good: list[int], bad: list[int]) -> None:
    ends = joined(bob=Terms(("application/*",)))
    line = () if mode is None else (f"Failure-Report: {mode}",)
    message = chunk(ends, 1, b"abcd", "$", *line)
    assert put(ends, message) == good
    assert put(ends, message.replace(b"application/octet-stream", b"text/html")) == bad
    assert bodies(ends.bob) == [b"abcd"]


@pytest.mark.spec("MSRP-21")
@pytest.mark.parametrize("mode", ["yes", "partial", "no"])
@pytest.mark.parametrize("success", ["yes", "no"])
def test_reports_by_what_was_asked_for(mode: str, success: str) -> None:
    ends = joined()
    lines = (f"Failure-Report: {mode}", f"Success-Report: {success}")
    put(ends, chunk(ends, 1, b"abcd", "$", *lines))
    assert ends.his.report("4564dpWd", ends.now) == (success == "yes")
    assert ends.his.report("4564dpWd", ends.now, status=403) == (mode == "yes")
    assert not ends.his.report("unknown", ends.now)
    sent = b"".join(ends.bob.to_send())
    assert (b"Status: 000 200 OK" in sent) == (success == "yes")
    assert (b"Byte-Range: 1-4/4\r\nStatus: 000 403 Forbidden" in sent) == (mode == "yes")
    assert b"-Report:" not in sent


def test_a_report_may_be_of_a_part_and_may_not_break_its_line() -> None:
    ends = joined()
    put(ends, chunk(ends, 1, b"abcd", "$", "Success-Report: yes"))
    ends.his.report("4564dpWd", ends.now, ranges=[(1, 2), (3, 4)])
    ends.his.report("4564dpWd", ends.now, status=400, reason="no\r\nX: y")
    sent = b"".join(ends.bob.to_send())
    assert b"Byte-Range: 1-2/4" in sent
    assert b"Byte-Range: 3-4/4" in sent
    assert b"Status: 000 400 no  X: y\r\n" in sent


def test_an_endpoint_that_closed_reports_nothing() -> None:
    ends = joined()
    put(ends, chunk(ends, 1, b"abcd", "$", "Success-Report: yes"))
    ends.his.close(ends.now)
    assert not ends.his.report("4564dpWd", ends.now)
