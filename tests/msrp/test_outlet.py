"""What is written, and in which turns (RFC 4975 §7.1, §7.1.1)."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.msrp import (
    Delivered,
    Meeting,
    MessageArrived,
    Path,
    Terms,
)
from dragoman.msrp.endpoint import Endpoint
from dragoman.msrp.framing import Flag
from dragoman.msrp.message import MAX_CHUNK, ByteRange
from dragoman.msrp.outlet import TURN
from tests.msrp.ends import (
    ADDRESSES,
    LARGE,
    Pieces,
    another,
    chunks,
    drain,
    joined,
    report,
    take,
    tokens,
)

IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}")


# -- what is written -----------------------------------------------------------------


@pytest.mark.spec("MSRP-13")
@pytest.mark.spec("MSRP-14")
def test_a_short_message() -> None:
    ends = joined()
    text = "Grüße an alle".encode()
    ends.hers.send("text/plain", text, ends.now, headers=[("Content-Disposition", "render")])
    data = drain(ends)
    (chunk,) = chunks(data)
    request = chunk.request
    assert chunk.body == text
    assert request.byte_range == ByteRange(1, 15, 15)
    assert IDENT.fullmatch(request.transaction_id)
    assert IDENT.fullmatch(request.message_id)
    assert request.transaction_id != request.message_id
    names = [line.partition(b":")[0] for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    assert names[1:3] == [b"To-Path", b"From-Path"]
    assert names[-1] == b"Content-Type"
    assert b"Failure-Report" not in data


@pytest.mark.spec("MSRP-14")
def test_an_empty_message_has_a_type_and_an_empty_body() -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"", ends.now, success_report=True)
    assert b"Byte-Range: 1-0/0\r\n" in drain(ends)
    ends.run()
    assert ends.alice.told(Delivered) == []
    report(ends, handle, 200, "1-0/0")
    assert ends.alice.told(Delivered) == [Delivered(handle)]


def test_two_thousand_octets_need_no_interruption_and_more_do() -> None:
    ends = joined()
    for size, said in ((MAX_CHUNK, "1-2048/2048"), (MAX_CHUNK + 1, "1-*/2049")):
        ends.hers.send("text/plain", b"x" * size, ends.now)
        (chunk,) = chunks(drain(ends))
        assert str(chunk.request.byte_range) == said
        assert chunk.flag is Flag.LAST


@pytest.mark.spec("MSRP-15")
def test_an_id_that_the_body_has_is_drawn_again() -> None:
    given_out = iter(["session000000000000a", *(f"x{n:020}" for n in range(3)), *"abcd"])
    tids = tokens("t")
    endpoint = Endpoint(ADDRESSES, lambda: next(given_out, "") or tids())
    session = endpoint.prepare(Terms())
    remote = Path.parse("msrp://b.example:1/x;tcp")
    session.start(remote, Terms(), Meeting(active=True), 0.0)
    body = b"a\r\n-------x00000000000000000001$\r\n and x00000000000000000002"
    session.send("text/plain", body, 0.0)
    (event,) = endpoint.events()
    connection = event.connection  # type: ignore[union-attr]
    connection.opened(0.0)
    (chunk,) = chunks(connection.to_send(0.0))
    assert chunk.body == body
    assert chunk.request.transaction_id not in body.decode()


@pytest.mark.spec("MSRP-15")
@settings(max_examples=40)
@given(st.integers(0, 3), st.lists(st.integers(1, 3000), max_size=8), st.data())
def test_a_long_body_with_our_own_end_lines_in_it_arrives(
    ahead: int, sizes: list[int], data: st.DataObject
) -> None:
    ends = joined()
    # the tokens of the harness can be foreseen: the message takes one, its chunks the next ones
    number = int(ends.alice.endpoint._desk.token()[1:], 16) + 1
    line = f"\r\n-------a{number + 1 + ahead:020x}$\r\n".encode()
    body = bytearray(5000)
    for size in sizes:
        at = data.draw(st.integers(0, len(body)))
        body[at:at] = line + bytes(size)
    ends.hers.send("text/plain", bytes(body), ends.now)
    ends.alice.slow = data.draw(st.integers(1, 5000))
    for _ in range(20_000):
        piece = b"".join(ends.alice.to_send())
        if not piece:
            break
        ends.bob.receive(piece, ends.now)
    assert [event.body for event in ends.bob.told(MessageArrived)] == [bytes(body)]


# -- turns ---------------------------------------------------------------------------


@pytest.mark.spec("MSRP-16")
def test_a_long_message_alone_is_one_chunk() -> None:
    ends = joined()
    ends.hers.send("text/plain", LARGE, ends.now)
    (chunk,) = chunks(drain(ends))
    assert chunk.request.byte_range == ByteRange(1, None, len(LARGE))
    assert (chunk.body, chunk.flag) == (LARGE, Flag.LAST)


@pytest.mark.spec("MSRP-16")
def test_responses_and_reports_interrupt_it() -> None:
    ends = joined()
    ends.his.send("text/plain", b"a question", ends.now, success_report=True)
    ends.hers.send("text/plain", LARGE, ends.now)
    first = take(ends, 100)
    ends.alice.receive(b"".join(ends.bob.to_send()), ends.now)
    (arrived,) = ends.alice.told(MessageArrived)
    ends.hers.report(arrived.message_id, ends.now)
    data = first + take(ends, 10_000)
    assert data.index(b"\r\nStatus: 000 200 OK") < 4_000
    ok = data.index(b" 200 OK\r\nTo-Path")
    assert ok < data.index(b" REPORT\r\n")
    sends = [each for each in chunks(data + drain(ends)) if each.request.method == "SEND"]
    assert [each.flag for each in sends] == [Flag.MORE, Flag.LAST]
    assert len(sends[0].body) == MAX_CHUNK
    assert sends[1].request.byte_range == ByteRange(MAX_CHUNK + 1, None, len(LARGE))
    assert sends[0].request.message_id == sends[1].request.message_id
    assert sends[0].body + sends[1].body == LARGE


@pytest.mark.spec("MSRP-16")
def test_sessions_take_turns() -> None:
    ends = joined()
    hers, _ = another(ends)
    ends.hers.send("text/plain", LARGE, ends.now)
    data = take(ends, 10_000)
    hers.send("text/plain", LARGE, ends.now)
    hers.send("text/plain", b"short", ends.now)
    sent = chunks(data + drain(ends))
    assert {str(each.request.from_path) for each in sent[:2]} == {str(ends.hers.uri), str(hers.uri)}
    ended = [each.flag for each in sent].index(Flag.LAST)
    assert max(len(each.body) for each in sent[:ended]) <= TURN
    assert min(len(each.body) for each in sent if each.flag is Flag.MORE) >= MAX_CHUNK
    for session in (ends.hers, hers):
        own = [each for each in sent if str(each.request.from_path) == str(session.uri)]
        first = [each for each in own if each.request.message_id == own[0].request.message_id]
        assert b"".join(each.body for each in first) == LARGE
    assert sent[-1].body == b"short" or sent[-2].body == b"short"


def test_messages_of_one_session_keep_their_order() -> None:
    ends = joined()
    for body in (LARGE, b"one", b"two"):
        ends.hers.send("text/plain", body, ends.now)
    ends.run()
    assert [event.body for event in ends.bob.told(MessageArrived)] == [LARGE, b"one", b"two"]


@pytest.mark.spec("MSRP-40")
def test_no_more_is_taken_than_the_socket_takes() -> None:
    ends = joined()
    source = Pieces([bytes(1000)] * 10_000, 10_000_000)
    handle = ends.hers.send("text/plain", source, ends.now)
    for _ in range(10):
        assert 1000 <= len(take(ends, 2000)) < 4000
    assert handle.offset < 30_000
    assert len(source.pieces) > 9_900
    assert handle.weight == 0
