"""Heads of MSRP requests and responses (RFC 4975 §7, §9): read, printed, answered."""

import pytest

from dragoman.msrp.event import FailureReport
from dragoman.msrp.failure import MsrpError
from dragoman.msrp.message import (
    ByteRange,
    Malformed,
    Request,
    Response,
    Status,
    parse_head,
    write_request,
    write_response,
)
from dragoman.msrp.uri import Path

BOB = "msrp://bob.example.com:8888/9di4eae923wzd;tcp"
ALICE = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp"
RELAY = "msrps://relay.example.com:9000/x;tcp"


def head(*lines: str, start: str = "MSRP d93kswow SEND", sender: str = ALICE) -> bytes:
    return "\r\n".join([start, f"To-Path: {BOB}", f"From-Path: {sender}", *lines]).encode()


@pytest.mark.spec("MSRP-14")
@pytest.mark.parametrize("text", ["1-25/25", "1-0/0", "1-*/8", "5-8/*", "9-*/*", "4001-4000/8000"])
def test_byte_ranges(text: str) -> None:
    assert str(ByteRange.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "0-1/1", "3-1/5", "*-1/1", "1-2", "1-2/x", "\u0661-2/2", "1-" + "9" * 19 + "/*"],
)
def test_what_is_no_byte_range(text: str) -> None:
    with pytest.raises(MsrpError):
        ByteRange.parse(text)


@pytest.mark.parametrize("text", ["000 200 OK", "000 413", "001 200 later perhaps"])
def test_status(text: str) -> None:
    assert str(Status.parse(text)) == text


@pytest.mark.parametrize("text", ["", "200", "200 OK", "000 20", "0 200", "000  200"])
def test_what_is_no_status(text: str) -> None:
    with pytest.raises(MsrpError):
        Status.parse(text)


def test_names_are_read_in_any_case_and_unknown_headers_are_kept() -> None:
    request = parse_head(
        head("MESSAGE-ID:  1 ", "Success-report: YES", "failure-Report: partial", "X-a:b", "Y:")
    )
    assert isinstance(request, Request)
    assert request.message_id == "1"
    assert request.success_report
    assert request.failure_report is FailureReport.PARTIAL
    assert request.headers == (("X-a", "b"), ("Y", ""))


def test_a_response_with_and_without_a_phrase() -> None:
    for start in ("MSRP d93kswow 200 OK", "MSRP d93kswow 200"):
        response = parse_head(head(start=start))
        assert isinstance(response, Response)
        assert response.status == 200


@pytest.mark.parametrize("wish", ["no", "partial", "maybe"])
def test_what_is_malformed_keeps_what_an_answer_needs(wish: str) -> None:
    found = parse_head(head("Byte-Range: x", f"Failure-Report: {wish}"))
    assert isinstance(found, Malformed)
    assert (found.failure_report is FailureReport.NO) == (wish == "no")
    assert found.from_path == Path.parse(ALICE)


def test_the_rfcs_answer() -> None:
    request = parse_head(head("Message-ID: 12339sdqwer"))
    assert isinstance(request, Request)
    assert (
        write_response(request, 200, BOB)
        == (
            f"MSRP d93kswow 200 OK\r\nTo-Path: {ALICE}\r\nFrom-Path: {BOB}\r\n-------d93kswow$\r\n"
        ).encode()
    )


def test_a_send_is_answered_to_the_previous_hop_and_others_all_the_way() -> None:
    way = f"{RELAY} {ALICE}"
    for method, back in (("SEND", RELAY), ("NICKNAME", way)):
        request = parse_head(head(start=f"MSRP d93kswow {method}", sender=way))
        assert isinstance(request, Request)
        assert f"To-Path: {back}\r\n".encode() in write_response(request, 501, BOB)


def test_a_request_is_written() -> None:
    path = Path.parse(BOB)
    data = write_request("abcd", "REPORT", path, path, (("Message-ID", "1"),))
    lines = ("MSRP abcd REPORT", f"To-Path: {BOB}", f"From-Path: {BOB}", "Message-ID: 1")
    assert data.decode().split("\r\n") == [*lines, "-------abcd$", ""]
