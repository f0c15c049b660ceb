"""Torture messages (RFC 4475, RFC 5118), as the RFCs print them: what is read, what is done."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

import pytest

from dragoman.sip.endpoint import RequestArrived, ResponseArrived
from dragoman.sip.framing import Framer
from dragoman.sip.header import parse_seconds
from dragoman.sip.message import Request, Response, encode, parse, response_to
from tests.sip import rfc4475, rfc5118
from tests.sip.desk import ALLOW, NEAR, Desk
from tests.sip.desk import request as our_request

MESSAGES: Final = rfc4475.MESSAGES | rfc5118.MESSAGES
NASTY: Final = "!interesting-Method0123456789_*+`.%indeed'~"
USER: Final = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
LONG: Final = "amazinglylongcallername" * 5
ARRIVES: Final = 0
"""The endpoint gives the request to its user."""

READ: Final[Mapping[str, Mapping[str, object]]] = {
    "wsinv": {
        "uri.user": "vivekg",
        "uri.params": (("unknownparam", None),),
        "to.tag": "1918181833n",
        "from_.display": 'J Rosenberg \\"',
        "from_.tag": "98asjd8",
        "max_forwards": 68,
        "content_length": 150,
        "cseq.number": 9,
        "cseq.method": "INVITE",
        "vias.0.branch": "390skdjuw",
        "vias.1.host": "spindle.example.com",
        "vias.2.branch": "z9hG4bK30239",
        "contacts.0.display": 'Quoted string ""',
        "header Subject": "",
        "header Newfangledheader": "newfangled value continued newfangled value",
        "header Unknownheaderwithunusualvalue": ";;,,;;,;",
    },
    "intmeth": {
        "method": NASTY,
        "uri.user": USER,
        "uri.password": "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
        "via.branch": "z9hG4bK-.!%66*_+`'~",
        "to.display": "BEL:\x07 NUL:\x00 DEL:\x7f",
        "to.uri.user": USER,
        "from_.display": "token1~` token2'+_ token3*%!.-",
        "from_.tag": "_token~1'+`*%!-.",
        "call_id": "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        "cseq.method": NASTY,
        "max_forwards": 255,
        "header Extensionheader-!.%*+_`'~": "\ufeff大停電",
    },
    "esc01": {
        "uri.user": "sips%3Auser%40example.com",
        "uri.host": "example.net",
        "to.uri.user": "%75se%72",
        "from_.uri.user": "I%20have%20spaces",
        "contacts.0.uri.user": "cal%6Cer",
    },
    "escnull": {"to.uri.user": "null-%00-null", "contacts.1.uri.user": "%00%00"},
    "esc02": {
        "method": "RE%47IST%45R",
        "to.display": "%Z%45",
        "contacts.__len__": 2,
        "header C%6fntact": "<sip:alias2@host2.example.com>",
    },
    "lwsdisp": {"from_.display": "caller", "from_.tag": "323"},
    "longreq": {
        "vias.__len__": 34,
        "via.host": "sip33.example.com",
        "vias.33.branch": f"very{'long' * 50}branchvalue",
        "to.uri.port": 6000,
        "from_.uri.user": LONG,
        "from_.tag": f"12{'982' * 50}424",
        "contacts.0.uri.user": LONG,
    },
    "dblreq": {"method": "REGISTER", "body": b""},
    "semiuri": {
        "uri.user": "user;par=u%40example.net",
        "uri.host": "example.com",
        "uri.params": (),
    },
    "transports": {"vias.__len__": 5, "vias.1.transport": "SCTP", "vias.3.transport": "UNKNOWN"},
    "mpart01": {"content_type.essence": "multipart/mixed", "body.__len__": 553},
    "unreason": {
        "status": 200,
        "reason": "= 2**3 * 5**2 но сто девяносто девять - простое",
    },
    "noreason": {"status": 100, "reason": ""},
    "escruri": {"uri.headers": "Route=%3Csip:example.com%3E", "uri.user": "user"},
    "baddate": {"header Date": "Fri, 01 Jan 2010 16:00:00 EST"},
    "bcast": {"status": 200, "vias.1.host": "255.255.255.255"},
    "zeromf": {"max_forwards": 0},
    "cparam01": {"contacts.0.params": (("unknownparam", None),), "contacts.0.uri.params": ()},
    "cparam02": {"contacts.0.params": (), "contacts.0.uri.params": (("unknownparam", None),)},
    "regescrt": {"contacts.0.uri.headers": "Route=%3Csip:sip.example.com%3E"},
    "regaut01": {"header Authorization": "NoOneKnowsThisScheme opaque-data=here"},
    "invut": {"content_type.essence": "application/unknownformat", "body.__len__": 40},
    "inv2543": {
        "from_.tag": None,
        "via.branch": None,
        "max_forwards": None,
        "body.__len__": 105,
    },
    "ipv6-good": {"uri.host": "[2001:db8::10]", "uri.port": None, "via.host": "[2001:db8::9:1]"},
    "port-ambiguous": {"uri.host": "[2001:db8::10:5070]", "uri.port": None},
    "port-unambiguous": {"uri.host": "[2001:db8::10]", "uri.port": 5070},
    "via-received-param-with-delim": {"via.received": "2001:db8::9:255"},
    "via-received-param-no-delim": {"via.received": "2001:db8::9:255"},
    "mult-ip-in-header": {
        "via.port": 6050,
        "vias.1.host": "192.0.2.1",
        "vias.2.received": "192.0.2.200",
    },
    "mult-ip-in-sdp": {"uri.host": "[2001:db8::10]", "contacts.0.uri.host": "[2001:db8::9:1]"},
    "ipv4-mapped-ipv6": {
        "via.host": "[::ffff:192.0.2.10]",
        "via.port": 19823,
        "contacts.0.uri.host": "[::ffff:192.0.2.2]",
    },
    "ipv6-bug-abnf-3-colons": {"uri.host": "[2001:db8::192.0.2.1]"},
    "ipv6-correct-abnf-2-colons": {"to.uri.host": "[2001:db8::192.0.2.1]"},
}
"""What is to be found in messages that a parser must not trip over; a number is an index."""

REQUESTS: Final[Mapping[str, int]] = {
    # RFC 4475 §3.1.1, valid: they arrive, but for methods that nobody knows.
    "wsinv": ARRIVES,
    "intmeth": 501,
    "esc01": ARRIVES,
    "escnull": ARRIVES,
    "esc02": 501,
    "lwsdisp": ARRIVES,
    "longreq": ARRIVES,
    "dblreq": ARRIVES,
    "semiuri": ARRIVES,
    "transports": ARRIVES,
    "mpart01": ARRIVES,
    # §3.1.2, invalid.  Where the RFC lets an element guess what was meant (quotbal, ltgtruri,
    # lwsruri, lwsstart, trws, badaspec), we do not: two elements on the way could guess
    # differently, and that is how filters are passed by.
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    # We do as the RFC lets the liberal do: the headers of a Request-URI are never looked at.
    "escruri": ARRIVES,
    # The same for a Date: one that is none is as good as none (see mapping/date.py).
    "baddate": ARRIVES,
    # A registrar would answer 400; the user of the endpoint learns it on reading Contact.
    "regbadct": ARRIVES,
    "badaspec": 400,
    # The archive's copy lacks the empty line after the headers; see below for the name itself.
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 501,
    # §3.2: taken for one of RFC 2543, see below.
    "badbranch": ARRIVES,
    # §3.3
    "insuf": 400,
    "unkscm": 416,
    "novelsc": 416,
    # As the registrar of the RFC does: what To and From say has to be an address.
    "unksm2": 400,
    "bext01": 420,
    # 415 and 406 are up to the service, which knows what it can read: mapping/content.py.
    "invut": ARRIVES,
    "sdp01": ARRIVES,
    # Credentials of a scheme that is not ours are none.
    "regaut01": ARRIVES,
    "multi01": 400,
    "mcl01": 400,
    # Where OPTIONS may go no further, we are the one that answers (RFC 3261 §11).
    "zeromf": ARRIVES,
    "cparam01": ARRIVES,
    "cparam02": ARRIVES,
    "regescrt": ARRIVES,
    # §3.4
    "inv2543": ARRIVES,
    # RFC 5118
    "ipv6-good": ARRIVES,
    "ipv6-bad": 400,
    "port-ambiguous": ARRIVES,
    "port-unambiguous": ARRIVES,
    "via-received-param-with-delim": ARRIVES,
    "via-received-param-no-delim": ARRIVES,
    # Its Content-Length goes beyond its body: RFC 3261 §18.3 asks for 400.  See below.
    "ipv6-in-sdp": 400,
    "mult-ip-in-header": ARRIVES,
    "mult-ip-in-sdp": ARRIVES,
    "ipv4-mapped-ipv6": ARRIVES,
    "ipv6-bug-abnf-3-colons": ARRIVES,
    "ipv6-correct-abnf-2-colons": ARRIVES,
}
"""What an element does with each request that comes in a datagram: the status it answers."""

RESPONSES: Final[Mapping[str, tuple[bool, str]]] = {
    "unreason": (True, "stray"),
    "noreason": (True, "stray"),
    # §3.3.10: nobody forwards it to where its second Via points; one with two is not for us at
    # all (RFC 3261 §8.1.3.3).
    "bcast": (False, "stray"),
    # §3.1.2.5, §3.1.2.19: to be dropped.
    "scalarlg": (False, "dropped"),
    "bigcode": (False, "unreadable"),
}
"""Whether a response is taken for one of ours, given our Via, and what is counted otherwise."""

ENDS_A_STREAM: Final[Mapping[str, int]] = {
    # §3.1.2.3, §3.3.9: nothing says where the next message begins.
    "ncl": 400,
    "mcl01": 400,
    # Without a Content-Length there is nothing either (RFC 3261 §18.3).
    "inv2543": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "trws": 400,
    "badvers": 505,
}
"""What is answered before the connection is closed."""


def registrar() -> Desk:
    """Return an endpoint whose user takes REGISTER too, so that more than the method is judged."""
    return Desk(allow=(*ALLOW, "REGISTER"))


def found(message: Request | Response, name: str) -> object:
    """Return an attribute, an item or a length by its path, or a header."""
    if name.startswith("header "):
        return message.get(name.removeprefix("header "))
    value: object = message
    for part in name.split("."):
        value = value[int(part)] if part.isdecimal() else attrgetter(part)(value)  # type: ignore[index]
    return value() if callable(value) else value


def test_every_message_has_its_place() -> None:
    assert len(rfc4475.MESSAGES) == 49
    assert len(rfc5118.MESSAGES) == 12
    assert {*REQUESTS, *RESPONSES} == set(MESSAGES)
    assert not {*REQUESTS} & {*RESPONSES}


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize("name", READ)
def test_what_is_read(name: str) -> None:
    message = parse(MESSAGES[name])
    for each in (message, parse(encode(message))):
        for path, value in READ[name].items():
            assert found(each, path) == value, path


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_done_with_a_request(name: str) -> None:
    desk = registrar()
    answers = desk.hears(MESSAGES[name])
    events = desk.endpoint.events()
    if REQUESTS[name] == ARRIVES:
        assert answers == []
        assert [type(event) for event in events] == [RequestArrived]
        return
    (answer,) = answers
    assert isinstance(answer, Response)
    assert (answer.status, events) == (REQUESTS[name], [])


def answering(response: bytes, request: Request | Response) -> bytes:
    """Return a response as if it answered `request`: with its first Via."""
    before, _, rest = response.partition(b"Via: ")
    return before + f"Via: {request.via}\r\n".encode() + rest.partition(b"\r\n")[2]


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize("name", RESPONSES)
def test_what_is_done_with_a_response(name: str) -> None:
    ours, counted = RESPONSES[name]
    desk = Desk()
    assert desk.hears(MESSAGES[name]) == []
    assert desk.endpoint.describe()[counted] == 1

    method = "OPTIONS" if name == "scalarlg" else "INVITE"
    request = our_request(method, without="Via", CSeq=f"35 {method}")
    desk.endpoint.send(request, [NEAR], "ours", desk.now)
    (sent,) = desk.says()
    desk.hears(answering(MESSAGES[name], sent))
    told = [event for event in desk.endpoint.events() if isinstance(event, ResponseArrived)]
    assert [event.handle for event in told] == ["ours"] * ours


@pytest.mark.spec("NET-19")
def test_extensions_that_are_lacked_are_named() -> None:
    # §3.3.5: an end names those of Require, a proxy those of Proxy-Require.  A gateway ends the
    # request and passes it on: it names both.
    (answer,) = Desk().hears(MESSAGES["bext01"])
    ends = "nothingSupportsThis, nothingSupportsThisEither"
    proxies = "noProxiesSupportThis, norDoAnyProxiesSupportThis"
    assert answer.get("Unsupported") == f"{ends}, {proxies}"


@pytest.mark.spec("NET-19")
def test_a_name_without_its_quotes_is_read_as_it_was_meant() -> None:
    # §3.1.2.15: an element may infer the quotes; nothing but what people see hangs on it.
    data = MESSAGES["baddn"] + b"\r\n"
    assert registrar().hears(data) == []
    message = parse(data)
    assert (message.from_.display, message.from_.tag) == ("Bell, Alexander", "43")
    assert message.to.display == "Watson, Thomas"


@pytest.mark.spec("NET-19")
def test_a_branch_of_nothing_but_the_cookie_tells_no_requests_apart() -> None:
    # §3.2.1: back to what RFC 2543 compares (RFC 3261 §17.2.3).
    desk, data = Desk(), MESSAGES["badbranch"]
    other = data.replace(b"CSeq: 8", b"CSeq: 9")
    for each in (data, data, other):
        assert desk.hears(each) == []
    arrived = [event for event in desk.endpoint.events() if isinstance(event, RequestArrived)]
    assert [event.request.cseq.number for event in arrived] == [8, 9]
    assert [each.cseq.number for each in desk.answers(arrived[1].transaction, 200)] == [9]


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize("doubled", [b"CSeq", b"Call-ID", b"From", b"To", b"Max-Forwards"])
def test_one_field_that_occurs_twice_is_enough(doubled: bytes) -> None:
    head, _, body = MESSAGES["multi01"].partition(b"\r\n\r\n")
    lines: list[bytes] = []
    names: list[bytes] = []
    for line in head.split(b"\r\n"):
        name = line.partition(b":")[0]
        if name not in names or name in (doubled, b"Contact"):
            lines.append(line)
        names.append(name)
    assert registrar().statuses(b"\r\n".join([*lines, b"", body])) == [400]


@pytest.mark.spec("NET-19")
def test_scalars_out_of_range() -> None:
    data = MESSAGES["scalar02"].replace(b"36893488147419103232", b"1")
    # §3.1.2.4 leaves it to us: a request that may take more hops than there are is refused.
    assert registrar().statuses(data) == [400]
    # A request for longer than any clock counts is as good as one for 2**32 - 1 seconds.
    data = data.replace(b"300", b"70")
    assert registrar().statuses(data) == []
    assert parse_seconds(parse(data).get("Expires") or "") == 2**32 - 1


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize("name", ["ipv6-in-sdp", "mult-ip-in-sdp", "ipv4-mapped-ipv6"])
def test_a_body_of_ipv6_addresses_is_none_of_our_business(name: str) -> None:
    head, _, body = MESSAGES[name].partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    data = b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])
    assert registrar().hears(data) == []
    assert parse(data).body == body


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize("name", [name for name in READ if name not in ("inv2543", "dblreq")])
def test_a_stream_of_them(name: str) -> None:
    data = encode(parse(MESSAGES[name]))
    framer = Framer()
    events = [event for at in range(len(data)) for event in framer.receive(data[at : at + 1])]
    assert framer.error is None
    assert [encode(each) for each in events if isinstance(each, Request | Response)] == [data]


@pytest.mark.spec("NET-19")
@pytest.mark.parametrize(("name", "status"), ENDS_A_STREAM.items())
def test_what_ends_a_stream(name: str, status: int) -> None:
    framer = Framer()
    assert framer.receive(MESSAGES[name]) == []
    assert framer.error is not None
    assert framer.error.status == status
    assert framer.error.request is not None
    answer = response_to(framer.error.request, status)
    assert (answer.get("Call-ID") or "").encode() in MESSAGES[name]
    assert answer.via.branch == framer.error.request.via.branch


@pytest.mark.spec("NET-19")
def test_on_a_stream_more_octets_are_the_next_message() -> None:
    # §3.1.1.8, in a datagram, has them ignored; §3.1.2.2 makes a stream wait for what it lacks.
    first, second = Framer().receive(MESSAGES["dblreq"][:-2])
    assert isinstance(first, Request)
    assert isinstance(second, Request)
    assert (first.method, second.method, len(second.body)) == ("REGISTER", "INVITE", 150)
    framer = Framer()
    assert framer.receive(MESSAGES["clerr"]) == []
    assert framer.error is None
    (whole,) = framer.receive(bytes(9999))
    assert isinstance(whole, Request)
    assert len(whole.body) == 9999
