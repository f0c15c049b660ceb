"""Page-mode messages (RFC 7572): the examples and tables of docs/interworking/im.md §1 to §3."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mapping.address import (
    out_of_component,
)
from dragoman.mapping.failure import Refused
from dragoman.mapping.message import (
    Dropped,
    check_size,
    stanza_id,
    to_request,
    to_stanza,
    wants_errors,
)
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.message import Request, encode, parse
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import shim
from dragoman.xmpp.ext.delay import DELAY
from dragoman.xmpp.ext.nick import NICK
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import BODY, MESSAGE, SUBJECT, THREAD, error_reply

ROMEO = Jid.parse("romeo@example.net/dr4hcr0st3lup4c")
JULIET = Jid.parse("juliet@example.com")
NOON = 1289649600.0
NOON_DATE = "Sat, 13 Nov 2010 12:00:00 GMT"

EXAMPLE_4 = (
    "MESSAGE sip:juliet@example.com SIP/2.0",
    "Via: SIP/2.0/TCP s2x.example.net;branch=z9hG4bKeskdgs677",
    "Max-Forwards: 70",
    "To: sip:juliet@example.com",
    "From: sip:romeo@example.net;tag=vwxyz",
    "Call-ID: 9E97FB43-85F4-4A00-8751-1124FD4C7B2E",
    "CSeq: 1 MESSAGE",
    "Content-Type: text/plain",
    "Content-Length: 44",
)
BODY_4 = "Neither, fair saint, if either thee dislike."

EXAMPLE_1 = (
    "<message xmlns='jabber:client' from='juliet@example.com/yn0cl4bnw0yr3vym'"
    " to='romeo@example.net'>"
    "<body>Art thou not Romeo, and a Montague?</body></message>"
)


def book() -> ThreadBook:
    numbers = count(1)
    return ThreadBook(lambda: f"call-{next(numbers)}")


def sip(*lines: str, body: str | bytes = BODY_4, start: str = EXAMPLE_4[0]) -> Request:
    """Return example 4 with its headers replaced by those of the same name in `lines`."""
    content = body.encode() if isinstance(body, str) else body
    given_names = {line.partition(":")[0] for line in lines}
    kept = [line for line in EXAMPLE_4[1:-1] if line.partition(":")[0] not in given_names]
    head = "\r\n".join([start, *kept, *lines, f"Content-Length: {len(content)}", "", ""])
    message = parse(head.encode() + content)
    assert isinstance(message, Request)
    return message


def stanza(request: Request, *, reply_type: str | None = "chat", wall: float = NOON) -> Element:
    found = to_stanza(request, ROMEO, JULIET, threads=book(), wall=wall, reply_type=reply_type)
    assert isinstance(found, Element)
    return found


def xmpp(inner: str, attributes: str = "", *, resource: str = "/balcony", to: str = "") -> Element:
    return parse_document(
        f"<message xmlns='jabber:client' from='juliet@example.com{resource}'"
        f" to='{to or 'romeo@example.net'}' {attributes}>{inner}</message>".encode()
    )


def crossing(element: Element, *, threads: ThreadBook | None = None) -> Request | Dropped:
    talks = book() if threads is None else threads
    return to_request(element, threads=talks, token=lambda: "tag1")


def request(element: Element, *, threads: ThreadBook | None = None) -> Request:
    found = crossing(element, threads=threads)
    assert isinstance(found, Request)
    again = parse(encode(found.with_via(sip().via)))
    assert isinstance(again, Request)
    assert again.headers[1:-1] == found.headers
    return again


def child(element: Element, name: str) -> str | None:
    found = element.find(name)
    return None if found is None else found.text


# XMPP to SIP


@pytest.mark.spec("IM-01")
def test_example_1_becomes_example_2() -> None:
    message = request(parse_document(EXAMPLE_1.encode()))
    assert message.start_line == "MESSAGE sip:romeo@example.net SIP/2.0"
    assert message.get("From") == "<sip:juliet@example.com;gr=yn0cl4bnw0yr3vym>;tag=tag1"
    assert message.to.uri == Uri.parse("sip:romeo@example.net")
    assert message.to.tag is None
    assert message.content_type is not None
    assert message.content_type.essence == "text/plain"
    assert message.content_type.param("charset") == "UTF-8"
    assert message.body == b"Art thou not Romeo, and a Montague?"
    assert message.content_length == 35
    # 70 in the RFC; ours shows that it comes from XMPP (mapping/hops.py)
    assert message.max_forwards == 50
    assert str(message.cseq) == "1 MESSAGE"
    assert message.call_id == "call-1"


@pytest.mark.spec("IM-03")
@pytest.mark.parametrize(
    ("resource", "uri"),
    [
        ("/balcony", "sip:juliet@example.com;gr=balcony"),
        ("", "sip:juliet@example.com"),
        ("/a b;c&gt;", "sip:juliet@example.com;gr=a%20b%3Bc%3E"),
        ("/\u265a", "sip:juliet@example.com;gr=%E2%99%9A"),
    ],
)
def test_from_carries_the_resource(resource: str, uri: str) -> None:
    message = request(xmpp("<body>x</body>", resource=resource))
    assert message.from_.uri == Uri.parse(uri)
    assert message.from_.tag == "tag1"


def test_resource_of_the_recipient_is_in_the_request_uri_alone() -> None:
    message = request(xmpp("<body>x</body>", to="romeo@example.net/orchard"))
    assert message.target == "sip:romeo@example.net;gr=orchard"
    assert message.get("To") == "<sip:romeo@example.net>"


@pytest.mark.spec("IM-13")
def test_no_contact() -> None:
    message = request(xmpp("<body>x</body>"))
    assert {name for name, _ in message.headers} == {
        *("Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "Content-Type"),
        "Content-Length",
    }


@pytest.mark.spec("IM-06")
def test_thread_becomes_call_id() -> None:
    threads = book()
    legal = xmpp("<body>x</body><thread>e0ffe42b28561960c6b12b944a092794</thread>")
    other = xmpp("<body>x</body><thread>not a Call-ID</thread>")
    assert request(legal, threads=threads).call_id == "e0ffe42b28561960c6b12b944a092794"
    assert request(other, threads=threads).call_id == "call-1"
    assert request(other, threads=threads).call_id == "call-1"
    assert request(xmpp("<body>x</body>"), threads=threads).call_id == "call-2"
    answer = to_stanza(sip("Call-ID: call-1"), ROMEO, JULIET, threads=threads, wall=NOON)
    assert isinstance(answer, Element)
    assert child(answer, THREAD) == "not a Call-ID"


@pytest.mark.spec("IM-07")
@pytest.mark.parametrize(
    ("attributes", "inner", "language", "text"),
    [
        ("", "<body>x</body>", None, "x"),
        ("xml:lang='cs'", "<body>x</body>", "cs", "x"),
        ("", "<body xml:lang='pt-BR'>x</body>", "pt-BR", "x"),
        (
            "xml:lang='de'",
            "<body xml:lang='en'>x</body><body xml:lang='de'>y</body>",
            "de",
            "y",
        ),
        ("xml:lang='de'", "<body xml:lang='en'>x</body><body>y</body>", "de", "y"),
        ("xml:lang='fr'", "<body xml:lang='en'>x</body><body xml:lang='de'>y</body>", "en", "x"),
        ("xml:lang='en&#10;X: y'", "<body>x</body>", None, "x"),
    ],
)
def test_language_toward_sip(attributes: str, inner: str, language: str | None, text: str) -> None:
    message = request(xmpp(inner, attributes))
    assert message.get("Content-Language") == language
    assert message.body.decode() == text


@pytest.mark.spec("IM-08")
@pytest.mark.parametrize(
    ("subject", "header"),
    [
        ("a topic", "a topic"),
        ("Ein schönes Thema", "Ein schönes Thema"),
        ("two&#13;&#10;lines", "two lines"),
        ("x&#10;Contact: &lt;sip:e@v&gt;&#10;&#10;evil", "x Contact: <sip:e@v> evil"),
        ("a\u2028b\u0085c", "a b c"),
        ("", None),
        (" &#10; ", None),
    ],
)
def test_subject_toward_sip(subject: str, header: str | None) -> None:
    message = request(xmpp(f"<subject>{subject}</subject><body>x</body>"))
    assert message.get("Subject") == header
    assert message.get("Contact") is None


@pytest.mark.spec("IM-08")
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_nothing_injects_a_header(text: str) -> None:
    children = [
        Element(name, None, (text,)) for name in (BODY, SUBJECT, THREAD, NICK) if text.strip()
    ]
    element = Element(MESSAGE, {"to": "romeo@example.net", "xml:lang": text}, children)
    try:
        element.attributes["from"] = str(Jid.of("juliet", "example.com", text))
        found = crossing(element)
    except StanzaError:
        return
    if isinstance(found, Dropped):
        return
    again = parse(encode(found.with_via(sip().via)))
    known = {name for name, _ in again.headers}
    assert known <= {
        *("Via", "Max-Forwards", "To", "From", "Call-ID", "CSeq", "Subject"),
        *("Content-Language", "Content-Type", "Content-Length"),
    }
    assert len(known) == len(again.headers)
    assert again.body == text.encode()
    assert again.from_.tag == "tag1"


@pytest.mark.spec("IM-09")
def test_1300_bytes_pass_and_1301_do_not() -> None:
    via = 90
    spent = len(encode(request(xmpp("<body>x</body>"))))
    spent += via - len(f"Via: {sip().via}\r\n") + 1  # a body of three digits for one of one
    for size, fits in ((1300, True), (1301, False)):
        element = xmpp(f"<body>{'x' * (size - spent)}</body>")
        try:
            found = to_request(element, threads=book(), token=lambda: "tag1", via=via)
        except StanzaError as error:
            outcome: object = (error.condition, error.kind)
        else:
            assert isinstance(found, Request)
            outcome = len(encode(found)) + via
        assert outcome == (1300 if fits else ("policy-violation", "modify"))


def test_limit_of_a_safe_path() -> None:
    element = xmpp(f"<body>{'x' * 5000}</body>")
    found = to_request(element, threads=book(), token=lambda: "t", limit=10000)
    assert isinstance(found, Request)


@pytest.mark.spec("IM-09")
def test_size_is_of_bytes() -> None:
    check_size(1300)
    with pytest.raises(StanzaError, match="1301"):
        check_size(1301)
    with pytest.raises(StanzaError):
        crossing(xmpp(f"<body>{'ü' * 600}</body>"))


@pytest.mark.spec("IM-30")
def test_groupchat_to_a_person() -> None:
    with pytest.raises(StanzaError) as caught:
        crossing(xmpp("<body>x</body>", "type='groupchat'"))
    assert caught.value.condition is Condition.BAD_REQUEST


@pytest.mark.spec("IM-30")
@pytest.mark.spec("ERR-12")
def test_error_is_no_message_and_is_not_answered() -> None:
    element = xmpp("<body>x</body>", "type='error' id='m1'")
    assert isinstance(crossing(element), Dropped)
    assert error_reply(element, StanzaError(Condition.BAD_REQUEST)) is None


@pytest.mark.spec("ERR-12")
def test_failure_goes_back_with_the_id() -> None:
    element = xmpp("<body>x</body>", "type='groupchat' id='m1'")
    with pytest.raises(StanzaError) as caught:
        crossing(element)
    reply = error_reply(element, caught.value)
    assert reply is not None
    assert (reply.get("type"), reply.get("id")) == ("error", "m1")
    assert (reply.get("to"), reply.get("from")) == (
        "juliet@example.com/balcony",
        "romeo@example.net",
    )


@pytest.mark.parametrize("kind", ["", "type='normal'", "type='chat'", "type='odd'"])
def test_types_that_are_messages(kind: str) -> None:
    element = xmpp("<body>x</body>", kind)
    assert request(element).body == b"x"
    assert wants_errors(element)


def test_headline() -> None:
    element = xmpp("<body>x</body><thread>t</thread>", "type='headline'")
    threads = book()
    assert request(element, threads=threads).call_id == "call-1"
    assert len(threads) == 0
    assert not wants_errors(element)
    for inner in (f"<body>{'x' * 1300}</body>", "<openpgp xmlns='urn:xmpp:openpgp:0'/>"):
        assert isinstance(crossing(xmpp(inner, "type='headline'")), Dropped)
    nowhere = xmpp("<body>x</body>", "type='headline'", to="a@[::")
    assert isinstance(crossing(nowhere), Dropped)
    edge = xmpp("<body>x</body>", "type='headline'", to=r"\20a@b")
    assert isinstance(crossing(edge), Dropped)


@pytest.mark.spec("IM-31")
@pytest.mark.parametrize(
    "inner",
    [
        "<encryption xmlns='urn:xmpp:eme:0' namespace='urn:xmpp:otr:0'/><body>?OTR</body>",
        "<encrypted xmlns='eu.siacs.conversations.axolotl'/><body>fallback</body>",
        "<encrypted xmlns='urn:xmpp:omemo:2'><payload>x</payload></encrypted>",
        "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>",
        "<x xmlns='jabber:x:encrypted'>x</x><body>fallback</body>",
    ],
)
def test_encrypted_is_refused_every_time(inner: str) -> None:
    for _ in range(2):
        with pytest.raises(StanzaError) as caught:
            crossing(xmpp(inner))
        assert caught.value.condition is Condition.NOT_ACCEPTABLE


@pytest.mark.parametrize(
    "inner",
    [
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<received xmlns='urn:xmpp:receipts' id='m1'/>",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='m1'/>",
        "<body/>",
        "",
    ],
)
def test_nothing_to_carry(inner: str) -> None:
    found = crossing(xmpp(inner, "type='chat'"))
    assert isinstance(found, Dropped)
    if "xmlns" in inner:
        assert inner.split("'")[1] in found.reason


MESSAGE_INSIDE = (
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' "
    "from='tybalt@example.com' to='juliet@example.com'><body>not hers</body></message></forwarded>"
)


@pytest.mark.spec("IM-31")
@pytest.mark.parametrize("hint", ["", "<store xmlns='urn:xmpp:hints'/>", "<body/>"])
@pytest.mark.parametrize("namespace", ["eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2"])
def test_keys_that_nobody_wrote_are_dropped_without_an_error(namespace: str, hint: str) -> None:
    keys = (
        f"<encrypted xmlns='{namespace}'><header sid='1'/></encrypted>"
        f"<encryption xmlns='urn:xmpp:eme:0' namespace='{namespace}'/>{hint}"
    )
    assert crossing(xmpp(keys)) == Dropped("keys for an encrypted talk, and no message")
    with pytest.raises(StanzaError):
        crossing(xmpp(keys + "<body>I sent you an OMEMO encrypted message</body>"))
    with pytest.raises(StanzaError):
        crossing(xmpp(keys + "<openpgp xmlns='urn:xmpp:openpgp:0'>x</openpgp>"))


@pytest.mark.parametrize("body", ["", "<body>x</body>"])
@pytest.mark.parametrize(
    "name",
    [
        *("sent xmlns='urn:xmpp:carbons:2'", "received xmlns='urn:xmpp:carbons:2'"),
        *("sent xmlns='urn:xmpp:carbons:1'", "result xmlns='urn:xmpp:mam:2'"),
        *("result xmlns='urn:xmpp:mam:1'", "result xmlns='urn:xmpp:mam:tmp'"),
    ],
)
def test_copies_of_other_messages_never_cross(name: str, body: str) -> None:
    wrapper = f"<{name}>{MESSAGE_INSIDE}</{name.partition(' ')[0]}>"
    found = crossing(xmpp(body + wrapper, "type='chat'"))
    assert found == Dropped("a copy of another message, from who is not the receiver's server")


def test_a_message_passed_on_is_not_told_but_the_words_beside_it_are() -> None:
    assert crossing(xmpp(MESSAGE_INSIDE)) == Dropped("a message passed on without a word")
    assert request(xmpp(MESSAGE_INSIDE + "<body>look</body>")).body == b"look"


@pytest.mark.spec("IM-32")
def test_correction() -> None:
    inner = "<body>wherefore</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>"
    assert request(xmpp(inner)).body == b"* wherefore"


@pytest.mark.parametrize(
    ("inner", "body"),
    [
        ("<body>https://h/f</body>", "https://h/f"),
        ("<body>see https://h/f now</body>", "see https://h/f now"),
        ("<body>a picture</body>", "a picture\nhttps://h/f"),
        ("", "https://h/f"),
    ],
)
def test_url_beside_the_body(inner: str, body: str) -> None:
    oob = "<x xmlns='jabber:x:oob'><url>https://h/f</url></x>"
    assert request(xmpp(inner + oob)).body.decode() == body


def test_subject_alone_is_said_in_the_body_too() -> None:
    message = request(xmpp("<subject>Wherefore?</subject>"))
    assert (message.get("Subject"), message.body) == ("Wherefore?", b"Wherefore?")


def test_line_ends_of_a_plain_body_stay() -> None:
    assert request(xmpp("<body>a\nb\n</body>")).body == b"a\nb\n"


@pytest.mark.parametrize(
    ("nick", "display"),
    [
        ("Juliet", '"Juliet" '),
        ("J\"J\\'", '"J\\"J\\\\\'" '),
        ("Jülia &lt;sip:e@v&gt;", '"Jülia <sip:e@v>" '),
        ("a&#10;b", '"a b" '),
        ("", ""),
    ],
)
def test_nick_becomes_display_name(nick: str, display: str) -> None:
    inner = f"<body>x</body><nick xmlns='http://jabber.org/protocol/nick'>{nick}</nick>"
    message = request(xmpp(inner))
    assert message.get("From") == f"{display}<sip:juliet@example.com;gr=balcony>;tag=tag1"


@pytest.mark.parametrize(
    ("given_stamp", "date"),
    [("2010-11-13T12:00:00Z", NOON_DATE), ("2010-11-13T13:00:00+01:00", NOON_DATE), ("then", None)],
)
def test_delay_becomes_date(given_stamp: str, date: str | None) -> None:
    inner = f"<body>x</body><delay xmlns='urn:xmpp:delay' stamp='{given_stamp}'/>"
    assert request(xmpp(inner)).get("Date") == date


@pytest.mark.parametrize(
    ("to", "condition"),
    [
        ("a b@h", Condition.JID_MALFORMED),
        (r"\20a@h", Condition.JID_MALFORMED),
        ("", Condition.JID_MALFORMED),
    ],
)
def test_recipient_who_cannot_be(to: str, condition: Condition) -> None:
    element = xmpp("<body>x</body>")
    element.attributes["to"] = to
    with pytest.raises(StanzaError) as caught:
        crossing(element)
    assert caught.value.condition is condition


def test_recipient_at_a_component() -> None:
    element = xmpp("<body>x</body>", to=r"romeo\40example.net@gw.example.com")
    found = to_request(element, threads=book(), token=lambda: "t", target=out_of_component)
    assert isinstance(found, Request)
    assert found.target == "sip:romeo@example.net"
    element.attributes["to"] = "romeo@gw.example.com"
    with pytest.raises(StanzaError) as caught:
        to_request(element, threads=book(), token=lambda: "t", target=out_of_component)
    assert caught.value.condition is Condition.ITEM_NOT_FOUND


# SIP to XMPP


@pytest.mark.spec("IM-02")
def test_example_4_becomes_example_5() -> None:
    found = stanza(sip(), reply_type=None)
    assert found.attributes == {
        "from": "romeo@example.net/dr4hcr0st3lup4c",
        "to": "juliet@example.com",
        "id": "eskdgs677",
    }
    assert child(found, BODY) == BODY_4
    assert child(found, THREAD) == "9E97FB43-85F4-4A00-8751-1124FD4C7B2E"
    assert len(found.children) == 2


@pytest.mark.spec("IM-05")
def test_type() -> None:
    assert stanza(sip(), reply_type=None).get("type") is None
    assert stanza(sip(), reply_type="normal").get("type") == "normal"
    assert stanza(sip()).get("type") == "chat"


@pytest.mark.spec("IM-07")
def test_example_6_becomes_example_7() -> None:
    text = "Nic z obého, má děvo spanilá,\nnenavidíš-li jedno nebo druhé."
    found = stanza(sip("Content-Language: cs", body=text.replace("\n", "\r\n")))
    assert found.get("xml:lang") == "cs"
    assert child(found, BODY) == text


@pytest.mark.spec("IM-07")
@pytest.mark.parametrize(
    ("value", "language"),
    [("en-GB, fr", "en-GB"), ("", None), ("not a tag", None), ("en_GB", None), ("'/><x", None)],
)
def test_language_toward_xmpp(value: str, language: str | None) -> None:
    assert stanza(sip(f"Content-Language: {value}")).get("xml:lang") == language


@pytest.mark.spec("IM-08")
def test_subject_toward_xmpp() -> None:
    assert child(stanza(sip("Subject: Þema <x/>")), SUBJECT) == "Þema <x/>"
    assert stanza(sip()).find(SUBJECT) is None


@pytest.mark.spec("IM-10")
def test_charset() -> None:
    request_ = sip("Content-Type: text/plain;charset=iso-8859-1", body="déjà".encode("latin-1"))
    assert child(stanza(request_), BODY) == "déjà"


@pytest.mark.spec("IM-29")
def test_nothing_illegal_reaches_a_stream() -> None:
    found = stanza(
        sip(
            'From: "R\ufffe" <sip:romeo@example.net>;tag=v',
            "Subject: \x01s",
            body="a\x00b\x1b\ufffe\x0b<c>&\n",
        )
    )
    again = parse_document(to_xml(found).encode())
    assert again == found
    assert child(again, BODY) == "ab<c>&\n"


@pytest.mark.spec("IM-12")
def test_unsupported_type() -> None:
    with pytest.raises(Refused) as caught:
        stanza(sip("Content-Type: image/png"))
    assert caught.value.answer.status == 415
    assert [name for name, _ in caught.value.answer.headers] == ["Accept"]


@pytest.mark.parametrize(
    "line", ["Content-Type: nonsense", "Expires: soon", "Via: nonsense", "Call-ID: a\x00b"]
)
def test_malformed_headers(line: str) -> None:
    with pytest.raises(Refused) as caught:
        stanza(sip(line, f"Date: {NOON_DATE}"))
    assert caught.value.status == 400


@pytest.mark.spec("IM-34")
@pytest.mark.parametrize(
    ("lines", "crosses"),
    [
        ((f"Date: {NOON_DATE}", "Expires: 30"), False),
        ((f"Date: {NOON_DATE}", "Expires: 120"), True),
        ((f"Date: {NOON_DATE}", "Expires: 0"), False),
        (("Expires: 0",), True),
        (("Expires: 30",), True),
        ((f"Date: {NOON_DATE}",), True),
        (("Date: yesterday", "Expires: 30"), True),
    ],
)
def test_expired(lines: tuple[str, ...], crosses: bool) -> None:
    found = to_stanza(sip(*lines), ROMEO, JULIET, threads=book(), wall=NOON + 100)
    assert isinstance(found, Element if crosses else Dropped)


def test_message_that_says_nothing() -> None:
    found = to_stanza(sip(body=""), ROMEO, JULIET, threads=book(), wall=NOON)
    assert isinstance(found, Dropped)
    subject_alone = stanza(sip("Subject: x", body=""))
    assert subject_alone.find(BODY) is None
    assert child(subject_alone, SUBJECT) == "x"


@pytest.mark.parametrize(
    ("late", "delay"), [(60.0, None), (61.0, "2010-11-13T12:00:00Z"), (-3600.0, None)]
)
def test_date_becomes_delay(late: float, delay: str | None) -> None:
    found = stanza(sip(f"Date: {NOON_DATE}"), wall=NOON + late).find(DELAY)
    assert (None if found is None else found.get("stamp")) == delay


def test_display_name_becomes_nick_once_a_thread() -> None:
    threads = book()
    named = sip('From: "Romeo Montague" <sip:romeo@example.net>;tag=v')
    nicks = []
    for message in (
        named,
        named,
        sip('From: "Romeo Montague" <sip:romeo@example.net>;tag=v', "Call-ID: other"),
    ):
        found = to_stanza(message, ROMEO, JULIET, threads=threads, wall=NOON)
        assert isinstance(found, Element)
        nicks.append(child(found, NICK))
    assert nicks == ["Romeo Montague", None, "Romeo Montague"]


CPIM = (
    "From: Tybalt <sip:tybalt@example.net>\r\n"
    "To: <sip:nurse@example.com>\r\n"
    "DateTime: 2010-11-13T11:00:00Z\r\n"
    "Subject: within\r\n"
    "Subject:;lang=fr dedans\r\n"
    "\r\n"
    "Content-Type: text/plain\r\nContent-Language: fr\r\n\r\nbonjour"
)


def test_cpim() -> None:
    found = stanza(sip("Content-Type: message/cpim", "Subject: outside", body=CPIM))
    assert child(found, BODY) == "bonjour"
    assert child(found, SUBJECT) == "dedans"
    assert found.get("xml:lang") == "fr"
    delay = found.find(DELAY)
    assert delay is not None
    assert delay.get("stamp") == "2010-11-13T11:00:00Z"


@pytest.mark.parametrize(
    ("via", "id_"),
    [
        ("SIP/2.0/UDP h;branch=z9hG4bKeskdgs677", "eskdgs677"),
        ("SIP/2.0/UDP h;branch=z9hG4bK" + "x" * 64, "x" * 64),
        ("SIP/2.0/UDP h;branch=z9hG4bK" + "x" * 65, None),
        ("SIP/2.0/UDP h;branch=z9hG4bK", None),
        ("SIP/2.0/UDP h", None),
        ("SIP/2.0/UDP h;branch=old", "old"),
    ],
)
def test_id_from_branch(via: str, id_: str | None) -> None:
    found = stanza_id(sip(f"Via: {via}"))
    assert found == (id_ or found)
    assert found == stanza_id(sip(f"Via: {via}"))
    if id_ is None:
        assert len(found) == 32
        assert found != stanza_id(sip(f"Via: {via}", "Call-ID: other"))


def test_topmost_branch_counts() -> None:
    vias = ("Via: SIP/2.0/UDP a;branch=z9hG4bKtop", "Via: SIP/2.0/UDP b;branch=z9hG4bKlow")
    assert stanza(sip(*vias)).get("id") == "top"


# There and back


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_text_survives_the_way_there_and_back(text: str) -> None:
    found = crossing(
        Element(
            MESSAGE,
            {"from": str(JULIET), "to": "romeo@example.net"},
            [Element(BODY, None, (text,))],
        )
    )
    assert isinstance(found, Request)
    again = parse(encode(found.with_via(sip().via)))
    assert isinstance(again, Request)
    back = to_stanza(again, JULIET, ROMEO, threads=book(), wall=NOON)
    shown = (
        parse_document(f"<x>{to_xml(Element('y', None, (text,)))}</x>".encode()).elements[0].text
    )
    if not shown:
        assert isinstance(back, Dropped)
        return
    assert isinstance(back, Element)
    assert child(back, BODY) == shown.replace("\r\n", "\n").replace("\r", "\n")


# Both ways


@pytest.mark.spec("NET-33")
def test_a_message_between_gateways_that_point_at_each_other_ends() -> None:
    circling = xmpp("<body>hello</body>")
    for left in (50, 40, 30, 20, 10):
        made = request(circling)
        assert made.max_forwards == left
        circling = stanza(made)
    with pytest.raises(StanzaError) as refused:
        request(circling)
    assert refused.value.condition is Condition.ITEM_NOT_FOUND


def test_what_a_phone_sends_bears_no_count() -> None:
    assert stanza(sip()).find(shim.HEADERS) is None
