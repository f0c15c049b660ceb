"""Torture messages (RFC 4475, RFC 5118): our own messages with each section's difficulty."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

import pytest

from dragoman.sip.framing import Framer
from dragoman.sip.message import Request, Response, SipError, encode, parse, response_to

VIA = "Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bK-t0"
FROM = "From: <sip:caller@example.net>;tag=f0"
TO = "To: <sip:user@example.com>"
CALL = "Call-ID: torture.0@host1.example.com"
CSEQ = "CSeq: 7 OPTIONS"
HOPS = "Max-Forwards: 70"
USUAL: Final = (VIA, FROM, TO, CALL, CSEQ, HOPS)


def message(start: str, *lines: str, body: bytes = b"") -> bytes:
    """Return a message of these lines, completed by each usual header that none of them is."""
    given = {line.partition(":")[0].strip().lower() for line in lines}
    rest = [line for line in USUAL if line.partition(":")[0].lower() not in given]
    return "\r\n".join([start, *lines, *rest, "", ""]).encode() + body


def options(*lines: str, target: str = "sip:user@example.com", body: bytes = b"") -> bytes:
    return message(f"OPTIONS {target} SIP/2.0", *lines, body=body)


NASTY_METHOD = "!interesting-Method0123456789_*+`.%indeed'~"
NASTY_TAIL = "&it+has=1,weird!*pas$wo~d_too.(doesn't)"
NASTY_USER = "1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"

# Name of the section's message, the bytes, and what must be read from them.
READABLE: list[tuple[str, bytes, Mapping[str, object]]] = [
    (
        "4475-3.1.1.1 short tortuous INVITE",
        (
            b"INVITE sip:user@host2.example.com;unknownparam SIP/2.0\n"
            b"TO :\n sip:user@host2.example.com ;   tag    = 1918n\n"
            b'from   : "J Doe \\\\\\""       <sip:jdoe@example.com>\n  ;\n  tag = 98a\n'
            b"MaX-fOrWaRdS: 0068\nCall-ID: ws.1@192.0.2.1\nContent-Length   : 4\n"
            b"cseq: 0009\n  INVITE\nVia  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390s\n"
            b"s :\nNewFangledHeader:   newfangled value\n continued newfangled value\n"
            b"UnknownHeaderWithUnusualValue: ;;,,;;,;\n"
            b"Route:\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\n"
            b"v:  SIP  / 2.0  / TCP     host3.example.com   ;\n  branch  =   z9hG4bK9i  ,\n"
            b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30\n"
            b'm:"Quoted string \\"\\"" <sip:jdoe@example.com> ; newparam =\n'
            b"      newvalue ;\n  secondparam ; q = 0.33\n\nbody"
        ),
        {
            "to.tag": "1918n",
            "from_.display": 'J Doe \\"',
            "from_.tag": "98a",
            "max_forwards": 68,
            "cseq.number": 9,
            "cseq.method": "INVITE",
            "via.branch": "390s",
            "vias.__len__": 3,
            "body": b"body",
        },
    ),
    (
        "4475-3.1.1.2 wide range of valid characters",
        message(
            f"{NASTY_METHOD} sip:{NASTY_USER}:{NASTY_TAIL}@example.com SIP/2.0",
            f'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:{NASTY_USER}@example.com>',
            "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>"
            ";fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.",
            "Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            f"CSeq: 139122385 {NASTY_METHOD}",
            "extensionHeader-!.%*+_`'~:大停電",
        ),
        {
            "method": NASTY_METHOD,
            "uri.user": NASTY_USER,
            "uri.password": NASTY_TAIL,
            "to.display": "BEL:\x07 NUL:\x00 DEL:\x7f",
            "from_.display": "token1~` token2'+_ token3*%!.-",
            "from_.tag": "_token~1'+`*%!-.",
            "cseq.method": NASTY_METHOD,
            "call_id": "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        },
    ),
    (
        "4475-3.1.1.3 escapes stay escaped",
        options(
            "To: sip:%75se%72@example.com",
            "From: <sip:I%20have%20spaces@example.net>;tag=938",
            target="sip:sips%3Auser%40example.com@example.net",
        ),
        {
            "uri.user": "sips%3Auser%40example.com",
            "uri.host": "example.net",
            "from_.uri.user": "I%20have%20spaces",
            "to.uri.user": "%75se%72",
        },
    ),
    (
        "4475-3.1.1.4 escaped nulls are part of the user",
        options("To: sip:null-%00-null@example.com", target="sip:%00%00@example.com"),
        {"uri.user": "%00%00", "to.uri.user": "null-%00-null"},
    ),
    (
        "4475-3.1.1.5 a percent sign that is no escape",
        message(
            "RE%47IST%45R sip:registrar.example.com SIP/2.0",
            'To: "%Z%45" <sip:resource@example.com>',
            "CSeq: 29344 RE%47IST%45R",
        ),
        {"method": "RE%47IST%45R", "to.display": "%Z%45", "cseq.method": "RE%47IST%45R"},
    ),
    (
        "4475-3.1.1.6 no blank between name and bracket",
        options("From: caller<sip:caller@example.com>;tag=323"),
        {"from_.display": "caller", "from_.tag": "323"},
    ),
    (
        "4475-3.1.1.7 long values",
        options(
            f'To: "I have a user name of {"extreme " * 30}proportion"'
            f"<sip:user@example.com;unknownparam{'long' * 30}={'l' * 400}>",
            f"F: sip:{'amazinglylongcallername' * 10}@example.net;tag=12{'9' * 300}; x{'y' * 300}",
            f"Call-ID: long.{'really' * 40}",
            *[f"V: SIP/2.0/TCP sip{n}.example.com;branch=z9hG4bK{'0' * 60}{n}" for n in range(34)],
            f"Unknown-{'Long' * 40}-Name: {'unknown-value ' * 100}",
        )
        .replace(VIA.encode() + b"\r\n", b"")
        .replace(FROM.encode() + b"\r\n", b""),
        {"vias.__len__": 34, "call_id": f"long.{'really' * 40}", "from_.tag": f"12{'9' * 300}"},
    ),
    (
        "4475-3.1.1.8 extra bytes after the body",
        options("Content-Length: 0", body=b"INVITE sip:joe@example.com SIP/2.0\r\n\r\n"),
        {"method": "OPTIONS", "body": b""},
    ),
    (
        "4475-3.1.1.9 semicolons in the user",
        options(target="sip:user;par=u%40example.net@example.com"),
        {"uri.user": "user;par=u%40example.net", "uri.host": "example.com", "uri.params": ()},
    ),
    (
        "4475-3.1.1.10 known and unknown transports",
        options(
            "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKk",
            "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKn",
            "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bKm",
            "Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKl",
        ),
        {"vias.__len__": 4, "via.transport": "UDP"},
    ),
    (
        "4475-3.1.1.11 multipart body with bytes of every kind",
        options(
            "Content-Type: multipart/mixed;boundary=7a9cbec02ceef655",
            "Content-Length: 70",
            body=b"--7a9cbec02ceef655\r\n\r\n"
            + bytes(range(256))[:26]
            + b"\r\n\r\n--7a9cbec02ceef65"
            + b"5--\xff\xfe",
        ),
        {"content_type.essence": "multipart/mixed", "body.__len__": 70},
    ),
    (
        "4475-3.1.1.12 reason phrase outside ASCII",
        message("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять", "CSeq: 35 INVITE"),
        {"status": 200, "reason": "= 2**3 * 5**2 но сто девяносто девять"},
    ),
    (
        "4475-3.1.1.13 empty reason phrase",
        message("SIP/2.0 100 ", "CSeq: 35 INVITE"),
        {"status": 100, "reason": ""},
    ),
    (
        "4475-3.1.2.11 headers escaped in the Request-URI are not the request's",
        options(target="sip:user@example.com?Route=%3Csip:example.com%3E"),
        {"uri.headers": "Route=%3Csip:example.com%3E", "uri.host": "example.com"},
    ),
    (
        "4475-3.1.2.15 name that is neither tokens nor quoted",
        options("From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"),
        {"from_.display": "Bell, Alexander", "from_.tag": "43"},
    ),
    (
        "4475-3.1.2.17 method and CSeq differ (refused by the transaction layer)",
        options("CSeq: 8 INVITE"),
        {"method": "OPTIONS", "cseq.method": "INVITE"},
    ),
    (
        "4475-3.2.1 branch of nothing but the cookie",
        options("Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
        {"via.branch": "z9hG4bK"},
    ),
    (
        "4475-3.3.10 response to a broadcast Via",
        message(
            "SIP/2.0 200 OK",
            "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324",
            "Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23",
        ),
        {"vias.__len__": 2, "status": 200},
    ),
    ("4475-3.3.11 no hops left", options("Max-Forwards: 0"), {"max_forwards": 0}),
    (
        "4475-3.3.12 contact parameter outside brackets",
        options("Contact: sip:+19725552222@gw1.example.net;unknownparam"),
        {"contacts.__len__": 1},
    ),
    (
        "4475-3.3.13 URI parameter inside brackets",
        options("Contact: <sip:+19725552222@gw1.example.net;unknownparam>"),
        {"contacts.__len__": 1},
    ),
    (
        "4475-3.3.14 headers escaped in a Contact",
        options("Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"),
        {"contacts.__len__": 1},
    ),
    (
        "4475-3.4.1 INVITE of RFC 2543",
        (
            b"INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP gw.example.com\r\n"
            b"From: <sip:+13035551111@client.example.net;user=phone>\r\n"
            b"To: sip:+16505552222@ss1.example.net;user=phone\r\n"
            b"Call-ID: 1717@gw.example.com\r\nCSeq: 56 INVITE\r\n\r\nv=0\r\n"
        ),
        {"from_.tag": None, "via.branch": None, "max_forwards": None, "body": b"v=0\r\n"},
    ),
    (
        "5118-4.1 IPv6 reference",
        options(
            "From: sip:user@example.com;tag=81x2",
            "Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111",
            'Contact: "Caller" <sip:caller@[2001:db8::1]>',
            target="sip:[2001:db8::10]",
        ),
        {"uri.host": "[2001:db8::10]", "via.host": "[2001:db8::9:1]", "contacts.__len__": 1},
    ),
    (
        "5118-4.3 a port inside the brackets is part of the address",
        options(target="sip:[2001:db8::10:5070]"),
        {"uri.host": "[2001:db8::10:5070]", "uri.port": None},
    ),
    (
        "5118-4.4 a port after the brackets",
        options(target="sip:[2001:db8::10]:5070"),
        {"uri.host": "[2001:db8::10]", "uri.port": 5070},
    ),
    (
        "5118-4.5 received with brackets",
        options("Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bK1"),
        {"via.received": "2001:db8::9:255", "via.branch": "z9hG4bK1"},
    ),
    (
        "5118-4.5 received without brackets",
        options("Via: SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bK1"),
        {"via.received": "2001:db8::9:255", "via.branch": "z9hG4bK1"},
    ),
    (
        "5118-4.7 IPv4 and IPv6 in one message",
        options(
            "Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
            "Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
        ),
        {"vias.__len__": 3, "via.port": 6050},
    ),
    (
        "5118-4.9 IPv4-mapped addresses",
        options(
            "Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
            'Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>',
        ),
        {"via.host": "[::ffff:192.0.2.10]", "via.port": 19823, "contacts.__len__": 1},
    ),
    (
        "5118-4.10 the third colon of RFC 3261's grammar",
        options("To: sip:user@[2001:db8:::192.0.2.1]", target="sip:user@[2001:db8:::192.0.2.1]"),
        {"uri.host": "[2001:db8::192.0.2.1]", "to.uri.host": "[2001:db8::192.0.2.1]"},
    ),
    (
        "5118-4.10 the same without it",
        options("To: sip:user@[2001:db8::192.0.2.1]", target="sip:user@[2001:db8::192.0.2.1]"),
        {"uri.host": "[2001:db8::192.0.2.1]", "to.uri.host": "[2001:db8::192.0.2.1]"},
    ),
]

# Name, bytes, the status to answer, and the field that is refused ("" when the message is).
REFUSED: list[tuple[str, bytes, int, str]] = [
    (
        "4475-3.1.2.1 separators with nothing between",
        options("Via: SIP/2.0/UDP 192.0.2.15;;,;,,"),
        400,
        "vias",
    ),
    ("4475-3.1.2.2 Content-Length too large", options("Content-Length: 9999", body=b"x"), 400, ""),
    ("4475-3.1.2.3 negative Content-Length", options("Content-Length: -999", body=b"x"), 400, ""),
    ("4475-3.1.2.4 CSeq too large", options("CSeq: 36893488147419103232 OPTIONS"), 400, "cseq"),
    ("4475-3.1.2.4 Max-Forwards too large", options("Max-Forwards: 300"), 400, "max_forwards"),
    (
        "4475-3.1.2.5 CSeq of a response too large",
        message("SIP/2.0 503 Service Unavailable", "CSeq: 9292394834772304023312 OPTIONS"),
        400,
        "cseq",
    ),
    (
        "4475-3.1.2.6 quote never closed",
        options('To: "Mr. J. User <sip:j.user@example.com>'),
        400,
        "to",
    ),
    ("4475-3.1.2.7 brackets around the target", options(target="<sip:u@example.com>"), 400, "uri"),
    ("4475-3.1.2.8 blank in the target", options(target="sip:user@example.com; lr"), 400, ""),
    (
        "4475-3.1.2.9 several blanks in the request line",
        message("OPTIONS  sip:user@example.com  SIP/2.0"),
        400,
        "",
    ),
    (
        "4475-3.1.2.10 blank after the request line",
        message("OPTIONS sip:user@example.com SIP/2.0  "),
        400,
        "",
    ),
    (
        "4475-3.1.2.13 question mark without brackets",
        options("Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
        400,
        "contacts",
    ),
    (
        "4475-3.1.2.14 blanks inside the brackets",
        options('To: "Watson, Thomas" < sip:t.watson@example.org >'),
        400,
        "to",
    ),
    ("4475-3.1.2.16 version 7.0", message("OPTIONS sip:t@example.com SIP/7.0"), 505, ""),
    ("4475-3.1.2.19 status too large", message("SIP/2.0 4294967301 better not"), 400, ""),
    (
        "4475-3.3.1 no Call-ID, From or To",
        (
            b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\n"
            b"Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf\r\n\r\n"
        ),
        400,
        "from_",
    ),
    (
        "4475-3.3.2 scheme nobody knows",
        options(target="nobodyKnowsThisScheme:totallyopaquecontent"),
        416,
        "uri",
    ),
    (
        "4475-3.3.3 scheme of another protocol",
        options(target="soap.beep://192.0.2.103:3002"),
        416,
        "uri",
    ),
    ("4475-3.3.4 unknown scheme in To", options("To: isbn:2983792873"), 400, "to"),
    (
        "4475-3.3.4 unknown scheme in From",
        options("From: <http://www.example.com>;tag=3"),
        400,
        "from_",
    ),
    (
        "4475-3.3.8 two From",
        options("From: sip:a@example.com;tag=1", "f: sip:b@c.example"),
        400,
        "from_",
    ),
    ("4475-3.3.8 two To", options("To: sip:a@example.com", "t: sip:b@c.example"), 400, "to"),
    ("4475-3.3.8 two CSeq", options("CSeq: 5 OPTIONS", "CSeq: 59 OPTIONS"), 400, "cseq"),
    ("4475-3.3.8 two Call-ID", options("Call-ID: a@b", "i: c@d"), 400, "call_id"),
    ("4475-3.3.8 two Max-Forwards", options(HOPS, "Max-Forwards: 5"), 400, "max_forwards"),
    (
        "4475-3.3.9 two Content-Length",
        options("Content-Length: 1", "Content-Length: 2", body=b"xyz"),
        400,
        "",
    ),
    ("5118-4.2 IPv6 without brackets", options(target="sip:2001:db8::10"), 400, "uri"),
]


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize(
    ("data", "fields"), [pytest.param(*case[1:], id=case[0]) for case in READABLE]
)
def test_readable(data: bytes, fields: Mapping[str, object]) -> None:
    for found in (parse(data), parse(encode(parse(data)))):
        for name, expected in fields.items():
            value = attrgetter(name)(found)
            assert (value() if name.endswith("__len__") else value) == expected, name


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize(
    ("data", "status", "field"), [pytest.param(*case[1:], id=case[0]) for case in REFUSED]
)
def test_refused(data: bytes, status: int, field: str) -> None:
    with pytest.raises(SipError) as caught:
        getattr(parse(data), field or "start_line")
    assert caught.value.status == status


@pytest.mark.parametrize("data", [case[1] for case in REFUSED if not case[3]])
def test_refused_requests_can_be_answered_and_responses_cannot(data: bytes) -> None:
    with pytest.raises(SipError) as caught:
        parse(data)
    error = caught.value
    if data.startswith(b"SIP/"):
        assert error.request is None
    else:
        assert error.request is not None
        assert response_to(error.request, error.status).cseq.number == 7


@pytest.mark.parametrize("data", [case[1] for case in READABLE])
def test_readable_from_a_stream_once_framed(data: bytes) -> None:
    framed = encode(parse(data))
    framer = Framer()
    events = [event for at in range(len(framed)) for event in framer.receive(framed[at : at + 1])]
    assert framer.error is None
    assert len(events) == 1
    assert isinstance(events[0], Request | Response)
    assert encode(events[0]) == framed
