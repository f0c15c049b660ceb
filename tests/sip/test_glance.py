"""What is told at a glance, and that an answer made of it is the one that reading would give."""

import pytest

from dragoman.sip.endpoint import Flow, Transport
from dragoman.sip.glance import Kind, glance, is_numeric, kind_of, transaction_of
from dragoman.sip.message import Request, encode, parse
from tests.sip.desk import Desk, request

SOURCE = ("203.0.113.66", 5070)
FLOW = Flow(Transport.UDP, ("192.0.2.2", 5060), SOURCE)
WHOLE = encode(request())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (WHOLE, Kind.REQUEST),
        (b"\r\n\r\n" + WHOLE, Kind.REQUEST),
        (b"OPTIONS sip:a@b sip/2.0\n", Kind.REQUEST),
        (b"OPTIONS sip:a@b SIP/7.0\r\n", Kind.REQUEST),
        (b"SIP/2.0 200 OK\r\n", Kind.RESPONSE),
        (b"", Kind.SIGN),
        (b"\r\n\r\n", Kind.SIGN),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), Kind.SIGN),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x43" + bytes(12), Kind.JUNK),
        (b"GET / HTTP/1.1\r\nHost: SIP/2.0\r\n", Kind.JUNK),
        (WHOLE[:10], Kind.JUNK),
        (b"\r\n\r\njunk", Kind.JUNK),
        (bytes(1200), Kind.JUNK),
    ],
)
def test_kinds(data: bytes, kind: Kind) -> None:
    assert kind_of(data) is kind


REQUESTS = [
    request(),
    request("INVITE"),
    request("REGISTER", via="SIP/2.0/UDP 192.0.2.1"),
    request(via="SIP/2.0/UDP 203.0.113.66:5070"),
    request(via="SIP/2.0/UDP phone.EXAMPLE.com;rport"),
    request(via="SIP/2.0/UDP 192.0.2.1:5071;rport=9;ttl=1"),
    request(more=[("Via", "SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK2")]),
    request(To="<sip:romeo@example.net>;tag=12"),
    request(From='"a <sip:x@other.example>" <sip:juliet@example.com:5070;a=b>;tag=1'),
    request(From="sip:juliet@EXAMPLE.com;tag=1"),
]


@pytest.mark.parametrize("asked", REQUESTS)
def test_an_answer_made_at_a_glance_is_that_of_the_endpoint(asked: Request) -> None:
    desk = Desk(screen=lambda _request, _flow: 403)
    desk.endpoint.receive_datagram(encode(asked), FLOW, 0.0)
    [slow] = desk.endpoint.to_send()
    seen = glance(encode(asked))
    assert seen is not None
    assert (seen.method, seen.target, seen.domain) == (asked.method, asked.target, "example.com")
    via = seen.via()
    assert via is not None
    answer = seen.answer(403, desk.endpoint.refusal_tag(*via, seen.method), SOURCE)
    assert answer is not None
    assert isinstance(slow.to, Flow)
    assert answer.to == slow.to.remote
    fast, slow_message = parse(answer.data), parse(slow.data)
    assert fast.start_line == slow_message.start_line
    assert sorted(map(spelled, fast.headers)) == sorted(map(spelled, slow_message.headers))


def spelled(header: tuple[str, str]) -> tuple[str, str]:
    """Names of hosts are written in lower case by who reads them."""
    name, value = header
    return name, value.lower() if name == "Via" else value


@pytest.mark.parametrize(
    "data",
    [
        WHOLE.replace(b"\r\nMax", b"\r\n folded\r\nMax"),
        WHOLE.replace(b"CSeq", b"Cseq2"),
        WHOLE.replace(b"\r\nCall-ID", b"\r\nCall-ID: other\r\nCall-ID"),
        WHOLE.replace(b"SIP/2.0\r\nVia", b"SIP/3.0\r\nVia"),
        WHOLE.replace(b"\r\n\r\n", b"\r\n"),
        b"",
        b"\n\n\n",
    ],
)
def test_what_is_written_unusually_is_read_whole(data: bytes) -> None:
    assert glance(data) is None


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 192.0.2.1;maddr=192.0.2.7",
        "SIP/2.0/UDP 192.0.2.1;received=192.0.2.7",
        "SIP/2.0/TCP 192.0.2.1",
        "SIP/2.0/UDP [2001:db8::1]",
        'SIP/2.0/UDP 192.0.2.1;x=","',
    ],
)
def test_an_unusual_via_is_read_whole(via: str) -> None:
    seen = glance(encode(request(via=via)))
    assert seen is not None
    assert seen.answer(403, "t", SOURCE) is None


def test_a_branch_of_older_days_is_read_whole() -> None:
    seen = glance(encode(request(branch="1")))
    assert seen is not None
    assert seen.via() is None


def test_no_header_can_be_slipped_into_an_answer() -> None:
    seen = glance(encode(request(From="<sip:a@b.example>;tag=1\x0bContact: x")))
    assert seen is not None
    answer = seen.answer(403, "t", SOURCE)
    assert answer is not None
    assert answer.data.count(b"\r\n") == 8


def test_what_a_response_answers() -> None:
    response = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=z9hG4bKq\r\nCSeq: 1 MESSAGE\r\n\r\n"
    assert transaction_of(response) == ("z9hG4bKq", "MESSAGE")
    assert transaction_of(response.replace(b"branch", b"x")) is None
    assert transaction_of(b"SIP/2.0 200 OK\r\n\r\n") is None


@pytest.mark.parametrize(
    ("target", "numeric"),
    [
        ("sip:100@192.0.2.1", True),
        ("sip:100@192.0.2.1:5060;x", True),
        ("sip:100@[2001:db8::1]", True),
        ("sip:192.0.2.1", False),
        ("sip:a@sip.example", False),
        ("tel:+1", False),
    ],
)
def test_who_asks_for_somebody_at_an_address(target: str, numeric: bool) -> None:
    assert is_numeric(target) is numeric


@pytest.mark.parametrize(
    ("via", "cseq"),
    [
        ("SIP/2.0/UDP a;branch=z9hG4bKq", "7 MESSAGE "),
        ("SIP/2.0/UDP a;branch=z9hG4bKq", "7\tMESSAGE"),
        ("SIP/2.0/UDP a;branch=z9hG4bKq ;received=192.0.2.1", "7 MESSAGE"),
        ("SIP/2.0/UDP a;branch=z9hG4bKq, SIP/2.0/UDP b;branch=z9hG4bKr", "7 MESSAGE"),
        ("SIP/2.0/UDP a;branch=z9hG4bKq", "7 MESSAGE\r\n\r\nCSeq: 1 INVITE"),
    ],
)
def test_what_a_response_answers_however_it_is_written(via: str, cseq: str) -> None:
    response = f"SIP/2.0 200 OK\r\nVia: {via}\r\nCSeq: {cseq}\r\n\r\n"
    assert transaction_of(response.encode()) == ("z9hG4bKq", "MESSAGE")
