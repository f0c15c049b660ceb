"""Messages: bytes into values and back (RFC 3261 §7, §8.2.6, §18.3)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.sip.header import CSeq, Via
from dragoman.sip.message import (
    MAX_MESSAGE,
    PHRASES,
    Message,
    Request,
    Response,
    SipError,
    build_request,
    encode,
    parse,
    response_to,
)

MESSAGE = (
    b"MESSAGE sip:user2@domain.com SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: sip:user1@domain.com;tag=49583\r\n"
    b"To: sip:user2@domain.com\r\n"
    b"Call-ID: asd88asd77a@1.2.3.4\r\n"
    b"CSeq: 1 MESSAGE\r\n"
    b"Content-Type: text/plain\r\n"
    b"Content-Length: 18\r\n"
    b"\r\n"
    b"Watson, come here."
)


def request(data: bytes = MESSAGE) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def replaced(old: bytes, new: bytes) -> bytes:
    assert old in MESSAGE
    return MESSAGE.replace(old, new)


def refusal(data: bytes) -> SipError:
    with pytest.raises(SipError) as caught:
        parse(data)
    return caught.value


# RFC 3428 §10, F1.
def test_a_request_is_read() -> None:
    message = request()
    assert (message.method, message.target) == ("MESSAGE", "sip:user2@domain.com")
    assert message.uri.host == "domain.com"
    assert message.via.branch == "z9hG4bK776sgdkse"
    assert message.vias == [message.via]
    assert (message.from_.tag, message.to.tag) == ("49583", None)
    assert message.call_id == "asd88asd77a@1.2.3.4"
    assert message.cseq == CSeq(1, "MESSAGE")
    assert message.max_forwards == 70
    assert message.content_type is not None
    assert message.content_type.essence == "text/plain"
    assert message.content_length == 18
    assert message.contacts == []
    assert message.body == b"Watson, come here."


def test_typed_values_are_remembered() -> None:
    message = request()
    for name in ("via", "vias", "from_", "to", "cseq", "uri", "contacts"):
        assert getattr(message, name) is getattr(message, name)


def test_a_request_is_printed_as_it_came() -> None:
    assert encode(request()) == MESSAGE
    assert bytes(request()) == MESSAGE


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"SIP/2.0 200 OK", 200, "OK"),
        (b"sip/2.0 100 Trying", 100, "Trying"),
        (b"SIP/2.0 200 ", 200, ""),
        (b"SIP/2.0 404", 404, ""),
        ("SIP/2.0 699 = 2**3 * 19 невозможно".encode(), 699, "= 2**3 * 19 невозможно"),
    ],
)
def test_a_response_is_read(line: bytes, status: int, reason: str) -> None:
    message = parse(line + MESSAGE[MESSAGE.index(b"\r\n") :])
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)
    assert parse(encode(message)).start_line == f"SIP/2.0 {status} {reason}"


@pytest.mark.parametrize(
    "line",
    [
        b"SIP/2.0 099 x",
        b"SIP/2.0 700 x",
        b"SIP/2.0 4294967301 x",
        b"SIP/2.0 20 x",
        b"SIP/2.0 0200 x",
        b"SIP/2.0",
        b"SIP/2.0  200 OK",
        b"SIP/2.0 2\xd9\xa30 x",
        b"SIP/3.0 200 OK",
    ],
)
def test_a_response_with_a_bad_status_line_is_not_answered(line: bytes) -> None:
    assert refusal(line + MESSAGE[MESSAGE.index(b"\r\n") :]).request is None


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"MESSAGE sip:a SIP/3.0", 505),
        (b"MESSAGE sip:a SIP/7", 505),
        (b"MESSAGE sip:a SIP/x", 400),
        (b"MESSAGE sip:a HTTP/1.1", 400),
        (b"MESSAGE sip:a", 400),
        (b"MESSAGE  sip:a SIP/2.0", 400),
        (b"MESSAGE sip:a  SIP/2.0", 400),
        (b"MESSAGE sip:a SIP/2.0 ", 400),
        (b"MESSAGE  SIP/2.0", 400),
        (b"MESS@GE sip:a SIP/2.0", 400),
        (b"MESSAGE sip:a b SIP/2.0", 400),
        (b"MESSAGE sip:" + b"a" * 9000 + b" SIP/2.0", 414),
        (b"", 400),
    ],
)
def test_bad_request_lines(line: bytes, status: int) -> None:
    assert refusal(line + MESSAGE[MESSAGE.index(b"\r\n") :]).status == status


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (MESSAGE, b"Watson, come here."),
        (MESSAGE + b"\r\nmore", b"Watson, come here."),
        (replaced(b"Content-Length: 18\r\n", b""), b"Watson, come here."),
        (replaced(b"Content-Length: 18", b"l : 0007"), b"Watson,"),
        (replaced(b"18", b"18\r\nContent-Length: 18"), b"Watson, come here."),
        (b"\r\n\r\n\n" + MESSAGE, b"Watson, come here."),
        (MESSAGE.replace(b"\r\n", b"\n"), b"Watson, come here."),
        (MESSAGE[:-18].replace(b"18", b"0"), b""),
        (
            replaced(b"Watson, come here.", b"\r\n\r\n\x00\xff" + b"x" * 12),
            b"\r\n\r\n\x00\xff" + b"x" * 12,
        ),
    ],
)
def test_where_the_body_ends_in_a_datagram(data: bytes, body: bytes) -> None:
    assert parse(data).body == body


@pytest.mark.parametrize(
    "length",
    [
        b"19",
        b"999999999999",
        b"-1",
        b"+18",
        b"",
        b"18, 18",
        b"eighteen",
        b"18\r\nl: 17",
        b"9" * 5000,
    ],
)
def test_content_length_that_cannot_be_believed(length: bytes) -> None:
    error = refusal(replaced(b"Content-Length: 18", b"Content-Length: " + length))
    assert error.status == 400
    assert error.request is not None
    assert bytes(response_to(error.request, error.status)).startswith(
        b"SIP/2.0 400 Bad Request\r\n"
    )


@pytest.mark.parametrize("data", [b"", b"\r\n\r\n", b"\x00" * 20, MESSAGE[:200], b"\xff\xfe"])
def test_no_message_at_all(data: bytes) -> None:
    assert refusal(data).status == 400


def test_size_limit() -> None:
    filler = b"x" * (MAX_MESSAGE - len(MESSAGE) + 18 - 3)
    exact = replaced(b"18\r\n\r\nWatson, come here.", b"%d\r\n\r\n" % len(filler) + filler)
    assert len(exact) == MAX_MESSAGE
    assert len(parse(exact).body) == len(filler)
    error = refusal(exact + b"x")
    assert error.status == 513
    assert error.request is not None
    assert error.request.call_id == "asd88asd77a@1.2.3.4"


@pytest.mark.parametrize(
    "data",
    [
        replaced(b"sip:user1@domain.com", b'"\xff" <sip:user1@domain.com>'),
        replaced(b"Max-Forwards: 70", b"Max-Forwards 70"),
        replaced(b"SIP/2.0\r\nVia", b"SIP/9.0\r\nVia"),
        replaced(b"MESSAGE sip:user2@domain.com SIP", b"MESSAGE  sip:a b  SIP"),
        replaced(b"Max-Forwards: 70", b"Max Forwards: 70\r\n folded"),
        replaced(b"Max-Forwards: 70", b"X: " + b"y" * 9000),
        replaced(b"\r\n\r\nWatson, come here.", b""),
        replaced(b"Via", b" folded: nowhere\r\nVia"),
    ],
)
def test_a_bad_request_can_be_answered(data: bytes) -> None:
    error = refusal(data)
    assert error.request is not None
    answer = parse(encode(response_to(error.request, error.status, to_tag="t")))
    assert answer.via.branch == "z9hG4bK776sgdkse"
    assert answer.call_id == "asd88asd77a@1.2.3.4"
    assert answer.cseq == CSeq(1, "MESSAGE")
    assert (answer.from_.tag, answer.to.tag) == ("49583", "t")


@pytest.mark.parametrize(
    "data",
    [
        replaced(b"Via: SIP/2.0/TCP user1pc.domain.com", b"Via: nonsense").replace(b"18", b"19"),
        replaced(b"Via", b"X-Via").replace(b"18", b"19"),
        replaced(b"MESSAGE sip", b"MESS@GE sip"),
        b"GET / HTTP/1.1\r\nVia: SIP/2.0/UDP a\r\n\r\n",
    ],
)
def test_what_cannot_be_answered(data: bytes) -> None:
    assert refusal(data).request is None


FIELDS = [
    ("via", b"Via: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse", b"Via: nonsense"),
    (
        "vias",
        b"Via: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse",
        b"Via: SIP/2.0/UDP a,b",
    ),
    ("via", b"Via: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse", b"Via: ,"),
    ("via", b"Via: ", b"X-Via: "),
    ("vias", b"Via: ", b"X-Via: "),
    ("from_", b"From: sip", b"From: mailto"),
    ("from_", b"From: ", b"X-From: "),
    ("from_", b"From: ", b"From: sip:x@y\r\nf: "),
    ("to", b"To: ", b"X-To: "),
    ("to", b"To: sip", b'To: "sip'),
    ("to", b"To: ", b"To: sip:x@y\r\nt: "),
    ("call_id", b"Call-ID: ", b"X-Call-ID: "),
    ("call_id", b"Call-ID: ", b"Call-ID: a "),
    ("call_id", b"asd88asd77a@1.2.3.4", b""),
    ("call_id", b"asd88asd77a@1.2.3.4", b"\x03\0\0"),
    ("call_id", b"asd88asd77a@1.2.3.4", b"a\tb"),
    ("call_id", b"Call-ID: ", b"Call-ID: x\r\ni: "),
    ("cseq", b"CSeq: ", b"X-CSeq: "),
    ("cseq", b"CSeq: 1 ", b"CSeq: one "),
    ("cseq", b"CSeq: ", b"CSeq: 1 MESSAGE\r\nCSEQ: "),
    ("max_forwards", b": 70", b": 256"),
    ("max_forwards", b": 70", b": -1"),
    ("max_forwards", b": 70", b": 70\r\nMax-Forwards: 69"),
    ("content_type", b"text/plain", b"text"),
    ("content_type", b"text/plain", b"text/plain\r\nc: text/html"),
    ("contacts", b"Max-Forwards: 70", b"Contact: <sip:a"),
    ("contacts", b"Max-Forwards: 70", b"m: *, *"),
    ("uri", b"sip:user2@domain.com SIP", b"<sip:user2@domain.com> SIP"),
]


@pytest.mark.parametrize(("name", "old", "new"), FIELDS)
def test_bad_fields_are_refused_when_asked_for(name: str, old: bytes, new: bytes) -> None:
    message = request(replaced(old, new))
    with pytest.raises(SipError) as caught:
        getattr(message, name)
    assert caught.value.status == 400


def test_unknown_scheme_of_the_target_is_416() -> None:
    message = request(replaced(b"sip:user2@domain.com SIP", b"mailto:user2@domain.com SIP"))
    with pytest.raises(SipError) as caught:
        _ = message.uri
    assert caught.value.status == 416


def test_what_may_be_missing() -> None:
    bare = request(b"OPTIONS sip:a SIP/2.0\r\nx: y\r\n\r\n")
    assert (bare.max_forwards, bare.content_type, bare.content_length) == (None, None, None)
    assert bare.contacts == []
    assert request(b"OPTIONS sip:a SIP/2.0\r\n\r\n").headers == ()


def test_several_values_by_line_and_by_comma() -> None:
    message = request(
        replaced(b"Via: ", b'v: SIP/2.0/UDP one;x=",", SIP/2.0/UDP two\r\nVia: ').replace(
            b"Max-Forwards: 70", b'm: "a, b" <sip:c@d>, <sip:e@f>\r\nContact: *\r\nContact: sip:g@h'
        )
    )
    assert [via.host for via in message.vias] == ["one", "two", "user1pc.domain.com"]
    assert message.via.host == "one"
    assert [contact.uri.user for contact in message.contacts] == ["c", "e", "g"]
    assert len(message.get_all("Via")) == 2
    assert message.get("Via") == 'SIP/2.0/UDP one;x=",", SIP/2.0/UDP two'
    assert message.get("Subject") is None
    assert message.get_all("Subject") == []


def test_a_response_copies_what_it_must() -> None:
    asked = request(replaced(b"Via: ", b"Via: SIP/2.0/UDP p.example\r\nVia: "))
    answer = response_to(asked, 200, headers=[("Allow", "MESSAGE")], body=b"ok", to_tag="abc")
    assert encode(answer) == (
        b"SIP/2.0 200 OK\r\n"
        b"Via: SIP/2.0/UDP p.example\r\n"
        b"Via: SIP/2.0/TCP user1pc.domain.com;branch=z9hG4bK776sgdkse\r\n"
        b"From: sip:user1@domain.com;tag=49583\r\n"
        b"To: sip:user2@domain.com;tag=abc\r\n"
        b"Call-ID: asd88asd77a@1.2.3.4\r\n"
        b"CSeq: 1 MESSAGE\r\n"
        b"Allow: MESSAGE\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )


@pytest.mark.parametrize(
    ("to", "status", "expected"),
    [
        (b"<sip:b@c.example>", 200, "<sip:b@c.example>;tag=new"),
        (b"<sip:b@c.example>;TAG=old", 200, "<sip:b@c.example>;TAG=old"),
        (b"<sip:b@c.example>", 100, "<sip:b@c.example>"),
        (b"<sip:b@c.example", 400, "<sip:b@c.example;tag=new"),
        (b"<sip:b@c.example;tag=old", 400, "<sip:b@c.example;tag=old"),
    ],
)
def test_the_to_tag(to: bytes, status: int, expected: str) -> None:
    asked = request(replaced(b"To: sip:user2@domain.com", b"To: " + to))
    assert response_to(asked, status, to_tag="new").get("To") == expected


def test_only_trying_copies_the_timestamp() -> None:
    asked = request(replaced(b"Max-Forwards: 70", b"Timestamp: 54"))
    assert response_to(asked, 100).get("Timestamp") == "54"
    assert response_to(asked, 200).get("Timestamp") is None


def test_reasons() -> None:
    assert response_to(request(), 482).reason == PHRASES[482] == "Loop Detected"
    assert response_to(request(), 482, "Merged Request").reason == "Merged Request"
    assert response_to(request(), 499).start_line == "SIP/2.0 499 "
    for status in (99, 700):
        with pytest.raises(LocalError):
            response_to(request(), status)


def test_content_length_is_always_ours() -> None:
    built = build_request("MESSAGE", "sip:a@b", [("Content-Length", "99"), ("Subject", "é")], b"hi")
    assert bytes(built) == (
        "MESSAGE sip:a@b SIP/2.0\r\nSubject: é\r\nContent-Length: 2\r\n\r\nhi".encode()
    )


@pytest.mark.parametrize(
    "bad",
    [
        build_request("MESSAGE", "sip:a@b", [("Subject", "a\r\nVia: x")]),
        build_request("MESSAGE", "sip:a@b", [("Subject", "a\nb")]),
        build_request("MESSAGE", "sip:a@b", [("Subject", "a\rb")]),
        build_request("MESSAGE", "sip:a@b", [("Sub\r\nject", "a")]),
        build_request("MESSAGE", "sip:a@b\r\n", []),
        build_request("MESSAGE", "sip:a@b", [("Subject", "\ud800")]),
        Response(200, "O\nK", []),
    ],
)
def test_line_breaks_never_get_into_a_head(bad: Message) -> None:
    with pytest.raises(LocalError):
        encode(bad)


def test_via_is_added_and_replaced() -> None:
    via = Via("UDP", "gw.example", 5060, (("branch", "z9hG4bKx"),))
    sent = request().with_via(via)
    assert [hop.host for hop in sent.vias] == ["gw.example", "user1pc.domain.com"]
    assert sent.body == b"Watson, come here."
    stamped = request(replaced(b"sgdkse", b"sgdkse, SIP/2.0/UDP p")).with_top_via(via)
    assert stamped.get_all("Via") == ["SIP/2.0/UDP gw.example:5060;branch=z9hG4bKx, SIP/2.0/UDP p"]
    assert stamped.via == via
    assert [hop.host for hop in stamped.vias] == ["gw.example", "p"]
    assert stamped.from_.tag == "49583"
    with pytest.raises(SipError):
        request(replaced(b"Via", b"X-Via")).with_top_via(via)


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=40),
    st.integers(0, len(MESSAGE)),
    st.integers(0, 30),
)
def test_any_change_is_read_or_refused(noise: bytes, at: int, gone: int) -> None:
    try:
        message = parse(MESSAGE[:at] + noise + MESSAGE[at + gone :])
    except SipError as error:
        if error.request is not None:
            encode(response_to(error.request, error.status, to_tag="t"))
        return
    again = parse(encode(message))
    assert again.start_line == message.start_line
    assert again.body == message.body
