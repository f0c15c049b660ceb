"""MSRP cut out of a stream (RFC 4975 §7.1), with the examples of §4, §5.1 and §11."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.msrp.event import FailureReport
from dragoman.msrp.failure import MsrpError
from dragoman.msrp.framing import MAX_HEAD, Flag, Framer, Item
from dragoman.msrp.message import ByteRange, Malformed, Request, Response

PATHS = (
    b"To-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n"
    b"From-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n"
)
HI = (
    b"MSRP d93kswow SEND\r\n" + PATHS + b"Message-ID: 12339sdqwer\r\nByte-Range: 1-16/16\r\n"
    b"Content-Type: text/plain\r\n\r\nHi, I'm Alice!\r\n\r\n-------d93kswow$\r\n"
)
"""RFC 4975 §11.1 (4): the 16 octets of the body count the line end that is printed there."""
OK = (
    b"MSRP d93kswow 200 OK\r\nTo-Path: msrp://alicepc.example.com:7777/iau39soe2843z;tcp\r\n"
    b"From-Path: msrp://bob.example.com:8888/9di4eae923wzd;tcp\r\n-------d93kswow$\r\n"
)
BODILESS = (
    b"MSRP d93kswox SEND\r\n" + PATHS + b"Message-ID: 12339\r\nByte-Range: 1-0/0\r\n"
    b"-------d93kswox$\r\n"
)
CHUNKS = (
    b"MSRP dkei38sd SEND\r\n" + PATHS + b"Message-ID: 4564dpWd\r\nByte-Range: 1-*/8\r\n"
    b"Content-Type: text/plain\r\n\r\nabcd\r\n-------dkei38sd+\r\n"
    b"MSRP dkei38ia SEND\r\n" + PATHS + b"Message-ID: 4564dpWd\r\nByte-Range: 5-8/8\r\n"
    b"Content-Type: text/plain\r\n\r\nEFGH\r\n-------dkei38ia$\r\n"
)
EMPTY = HI.replace(b"Hi, I'm Alice!\r\n", b"").replace(b"1-16/16", b"1-0/0")


def cut(*pieces: bytes) -> tuple[list[Item], MsrpError | None]:
    """Return what a framer makes of the pieces, what belongs together joined."""
    framer = Framer()
    joined: list[Item] = []
    for piece in pieces:
        for item in framer.receive(piece):
            if isinstance(item, bytes) and joined and isinstance(joined[-1], bytes):
                joined[-1] += item
            else:
                joined.append(item)
        if framer.error is not None:
            break
    return joined, framer.error


def heads(data: bytes) -> list[Item]:
    items, error = cut(data)
    assert error is None
    return items


def test_the_rfcs_first_message() -> None:
    request, body, flag = heads(HI)
    assert isinstance(request, Request)
    assert request.method == "SEND"
    assert request.transaction_id == "d93kswow"
    assert request.message_id == "12339sdqwer"
    assert request.byte_range == ByteRange(1, 16, 16)
    assert request.content_type == "text/plain"
    assert request.failure_report is FailureReport.YES
    assert not request.success_report
    assert body == b"Hi, I'm Alice!\r\n"
    assert flag is Flag.LAST


def test_a_response_has_no_body() -> None:
    response, flag = heads(OK)
    assert isinstance(response, Response)
    assert (response.transaction_id, response.status, response.comment) == ("d93kswow", 200, "OK")
    assert flag is Flag.LAST


@pytest.mark.spec("MSRP-14")
def test_no_body_and_an_empty_body_are_two_things() -> None:
    request, flag = heads(BODILESS)
    assert isinstance(request, Request)
    assert request.content_type is None
    assert request.byte_range == ByteRange(1, 0, 0)
    request, flag = heads(EMPTY)
    assert isinstance(request, Request)
    assert request.content_type == "text/plain"
    assert flag is Flag.LAST


def test_an_empty_body_without_its_line_end_is_understood() -> None:
    request, flag = heads(EMPTY.replace(b"\r\n\r\n\r\n---", b"\r\n\r\n---"))
    assert isinstance(request, Request)
    assert flag is Flag.LAST


def test_chunks() -> None:
    one, first, more, two, second, last = heads(CHUNKS)
    assert isinstance(one, Request)
    assert isinstance(two, Request)
    assert one.byte_range == ByteRange(1, None, 8)
    assert two.byte_range == ByteRange(5, 8, 8)
    assert (first, more, second, last) == (b"abcd", Flag.MORE, b"EFGH", Flag.LAST)


def test_an_aborted_chunk() -> None:
    assert heads(HI.replace(b"d93kswow$", b"d93kswow#"))[-1] is Flag.ABORTED


@pytest.mark.parametrize(
    "inside",
    [
        b"-------d93kswow$\r\n",  # with no line end before it
        b"\r\n-------d93kswow$",
        b"\r\n-------d93kswow$x",
        b"\r\n-------d93kswowx\r\n",
        b"\r\n-------d93kswo\r\n-------other$\r\n",
        b"\r\n------d93kswow$\r\n",
        b"\r\n\r\n\r\n",
        b"MSRP d93kswow 200 OK\r\n",
    ],
)
def test_what_is_no_end_line_is_body(inside: bytes) -> None:
    data = HI.replace(b"Alice", inside)
    assert heads(data)[1] == b"Hi, I'm " + inside + b"!\r\n"
    whole = heads(data)
    for at in range(len(data)):
        assert cut(data[:at], data[at:]) == (whole, None)


SOME = (HI, OK, BODILESS, CHUNKS, EMPTY, HI.replace(b"text/plain", b"text/plain\r\nTo-Path: x"))


@given(st.lists(st.sampled_from(SOME), max_size=4), st.lists(st.integers(0, 2000), max_size=12))
def test_any_cut_gives_the_same(messages: list[bytes], cuts: list[int]) -> None:
    data = b"".join(messages)
    places = [0, *sorted(at for at in cuts if at < len(data)), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert shown(*pieces) == shown(data)
    assert shown(*(data[at : at + 1] for at in range(len(data)))) == shown(data)


def shown(*pieces: bytes) -> list[str]:
    return [
        repr((item.transaction_id, str(item.error))) if isinstance(item, Malformed) else repr(item)
        for item in cut(*pieces)[0]
    ]


def test_a_body_is_given_out_as_it_comes() -> None:
    framer = Framer()
    head, _, _ = HI.partition(b"Hi,")
    framer.receive(head)
    large = bytes(65_536)
    for _ in range(100):
        given_out = sum(len(item) for item in framer.receive(large) if isinstance(item, bytes))
        assert given_out > 65_000
    assert framer.receive(b"\r\n-------d93kswow$\r\n")[-1] is Flag.LAST
    assert not framer.partial


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b"MSRQ",
        b"MSRP d93kswow send\r\n" + PATHS + b"-------d93kswow$\r\n",
        b"MSRP -bad SEND\r\n",
        b"MSRP d93kswow SEND\r\nTo-Path: msrp://a.example:1/x;tcp\r\n-------d93kswow$\r\n",
        b"MSRP d93kswow SEND\r\nTo-Path: sip:a\r\nFrom-Path: b\r\n-------d93kswow$\r\n",
        b"MSRP d93kswow SEND\r\n" + PATHS + b"\xff: \r\n-------d93kswow$\r\n",
        b"MSRP d93kswow SEND\r\n" + PATHS + b"-------d93kswow!\r\n",
        b"MSRP " + b"a" * 70 + b" SEND\r\n",
        b"MSRP d93kswow SEND\n\n",
        OK.replace(b"-------", b"To-Path: msrp://a.example:1/x;tcp\r\n-------", 1),
    ],
)
def test_what_cannot_be_answered_ends_the_stream(data: bytes) -> None:
    items, error = cut(data)
    assert items == []
    assert error is not None
    framer = Framer()
    framer.receive(data)
    with pytest.raises(MsrpError):
        framer.receive(b"")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1-16/16", b"0-16/16"),
        (b"1-16/16", b"17-2/16"),
        (b"1-16/16", b"1-16"),
        (b"1-16/16", b"1-" + b"9" * 30 + b"/*"),
        (b"12339sdqwer", b"a b"),
        (b"12339sdqwer", b"a" * 300),
        (b"Byte-Range", b"Failure-Report: maybe\r\nByte-Range"),
        (b"Byte-Range", b"Success-Report: maybe\r\nByte-Range"),
        (b"Byte-Range", b"Status: 200\r\nByte-Range"),
        (b"Byte-Range", b"Message-ID: 2\r\nByte-Range"),
        (b"Byte-Range", b"no header\r\nByte-Range"),
    ],
)
def test_what_can_be_answered_is_and_the_stream_goes_on(old: bytes, new: bytes) -> None:
    bad, body, flag, after, _ = heads(HI.replace(old, new) + OK)
    assert isinstance(bad, Malformed)
    assert bad.transaction_id == "d93kswow"
    assert bad.error.status == 400
    assert body == b"Hi, I'm Alice!\r\n"
    assert flag is Flag.LAST
    assert isinstance(after, Response)


def test_a_head_is_bounded() -> None:
    framer = Framer()
    framer.receive(b"MSRP d93kswow SEND\r\n" + PATHS)
    for _ in range(MAX_HEAD // 100 + 1):
        if framer.error is None:
            framer.receive(b"X: " + b"y" * 95 + b"\r\n")
    assert framer.error is not None
    framer = Framer()
    framer.receive(b"MSRP d93kswow SEND " + b"x" * MAX_HEAD)
    assert framer.error is not None


def test_empty_lines_between_messages_are_not_kept() -> None:
    framer = Framer()
    for _ in range(100):
        assert framer.receive(b"\r\n" * 1000) == []
    assert not framer.partial
    assert len(framer.receive(b"\r\n" + OK)) == 2
