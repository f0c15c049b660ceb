"""Messages out of a stream (RFC 3261 §18.3, RFC 5626 §3.5.1)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.sip.framing import Event, Framer, Ping
from dragoman.sip.message import Request, Response, SipError, encode, response_to

HEAD = (
    b"MESSAGE sip:b@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP a.example.net;branch=z9hG4bK1\r\n"
    b"From: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.com>\r\n"
    b"Call-ID: 1@a.example.net\r\nCSeq: 1 MESSAGE\r\n"
)
ONE = HEAD + b"Content-Length: 5\r\n\r\nhello"
ANSWER = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a.example.net;branch=z9hG4bK2\r\nl: 0\r\n\r\n"
PING = b"\r\n\r\n"


def shown(event: Event) -> tuple[str, bytes]:
    return ("ping", b"") if isinstance(event, Ping) else (event.start_line, encode(event))


def outcome(data: bytes, size: int, limit: int = 65535) -> tuple[list[tuple[str, bytes]], str, int]:
    framer = Framer(max_message=limit)
    events: list[Event] = []
    for at in range(0, len(data), size):
        events += framer.receive(data[at : at + size])
        if framer.error is not None:
            break
    error = framer.error
    answered = b"" if error is None or error.request is None else encode(error.request)
    return (
        [*map(shown, events), ("", answered)],
        "" if error is None else error.reason,
        0 if error is None else error.status,
    )


@pytest.mark.spec("NET-35")
def test_requests_responses_and_pings_interleave() -> None:
    stream = ONE + ANSWER + PING + ONE + b"\r\n" + ONE
    for size in (1, 2, 3, 7, 50, len(stream)):
        framer = Framer()
        events = [
            event
            for at in range(0, len(stream), size)
            for event in framer.receive(stream[at : at + size])
        ]
        kinds = [type(event) for event in events]
        assert kinds == [Request, Response, Ping, Request, Request]
        assert [e.body for e in events if isinstance(e, Request)] == [b"hello"] * 3


def test_a_message_comes_as_soon_as_its_last_byte() -> None:
    framer = Framer()
    assert framer.receive(ONE[:-1]) == []
    assert len(framer.receive(ONE[-1:])) == 1


@pytest.mark.parametrize(
    ("stream", "pings"),
    [
        (PING, 1),
        (PING * 3, 3),
        (b"\r\n", 0),
        (b"\r\n" + ONE, 0),
        (b"\r\n\r", 0),
        (PING + b"\r\n" + ONE, 1),
        (b"\n\r\n\r\n" + ONE, 1),
        (b"\r" + ONE, 0),
        (b"\n\n" + ONE, 0),
        (ONE + PING + ONE, 1),
    ],
)
def test_empty_lines_and_pings(stream: bytes, pings: int) -> None:
    framer = Framer()
    events = framer.receive(stream)
    assert events.count(Ping()) == pings
    assert len(events) == pings + stream.count(b"MESSAGE sip")
    assert framer.error is None


@pytest.mark.spec("NET-35")
@pytest.mark.parametrize(
    ("lengths", "status"),
    [
        (b"", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length: \r\n", 400),
        (b"Content-Length: five\r\n", 400),
        (b"Content-Length: 5 5\r\n", 400),
        (b"Content-Length: 5,5\r\n", 400),
        (b"Content-Length: 0x5\r\n", 400),
        (b"Content-Length: \xd9\xa5\r\n", 400),
        (b"Content-Length: 5\r\nl: 6\r\n", 400),
        (b"Content-Length: 70000\r\n", 513),
        (b"Content-Length: 4294967295\r\n", 513),
        (b"Content-Length: 99999999999999999999\r\n", 400),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", 400),
    ],
)
def test_a_length_that_cannot_be_believed_ends_the_stream(lengths: bytes, status: int) -> None:
    framer = Framer()
    events = framer.receive(ONE + HEAD + lengths + b"\r\nhello" + ONE)
    assert len(events) == 1
    assert framer.error is not None
    assert framer.error.status == status
    assert framer.error.request is not None
    assert response_to(framer.error.request, status).call_id == "1@a.example.net"
    with pytest.raises(SipError) as caught:
        framer.receive(ONE)
    assert caught.value is framer.error


def test_the_same_length_twice_is_believed() -> None:
    twice = HEAD + b"Content-Length: 5\r\nl: 5\r\n\r\nhello"
    assert len(Framer().receive(twice)) == 1


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\n\n", 400),
        (HEAD.replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1) + b"l: 0\r\n\r\n", 505),
        (HEAD + b"nonsense\r\nl: 0\r\n\r\n", 400),
        (HEAD + b"Subject: \xff\r\nl: 0\r\n\r\n", 400),
    ],
)
def test_what_is_not_sip_ends_the_stream(stream: bytes, status: int) -> None:
    framer = Framer()
    assert framer.receive(stream) == []
    assert framer.error is not None
    assert framer.error.status == status


def test_limits_of_head_and_body() -> None:
    assert len(Framer(max_message=len(ONE)).receive(ONE)) == 1
    for limit in (len(ONE) - 1, len(ONE) - 6, 100):
        assert outcome(ONE, len(ONE), limit)[2] == 513
    endless = Framer(max_message=1000)
    fed = 0
    while endless.error is None:
        endless.receive(b"x" * 100)
        fed += 100
    assert fed == 1100
    assert len(endless._buffer) == 0


def test_memory_is_bounded_while_a_body_is_awaited() -> None:
    framer = Framer(max_message=2000)
    framer.receive(HEAD + b"l: 1500\r\n\r\n")
    for _ in range(149):
        assert framer.receive(b"x" * 10) == []
        assert len(framer._buffer) <= 2000
    assert len(framer.receive(b"x" * 10)) == 1
    assert len(framer._buffer) == 0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([ONE, ANSWER, PING, b"\r\n", b"\r", b"\n", HEAD, b"x", b"\xff"]), max_size=6
    ),
    st.binary(max_size=8),
    st.integers(0, 400),
    st.integers(2, 90),
    st.sampled_from([65535, 260]),
)
def test_the_outcome_does_not_depend_on_how_the_bytes_are_cut(
    parts: list[bytes], noise: bytes, at: int, size: int, limit: int
) -> None:
    stream = b"".join(parts)
    stream = stream[:at] + noise + stream[at:]
    whole = outcome(stream, max(1, len(stream)), limit)
    assert outcome(stream, 1, limit) == whole
    assert outcome(stream, size, limit) == whole
