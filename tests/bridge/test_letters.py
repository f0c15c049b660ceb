"""In what form messages go to phones."""

from dragoman.bridge.message import Messages
from dragoman.mapping.envelope import CONTENT_TYPE as CPIM
from dragoman.sip.message import Request, response_to
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import receipts, xhtml
from dragoman.xmpp.stanza import BODY, MESSAGE, message
from tests.bridge.test_message import ALICE, CAROL, Ports, answer_ping, service
from tests.bridge.test_receipts import arrives

HTML = "text/html;charset=UTF-8"


def writes(found: Messages, *children: Element, id_: str = "m1") -> None:
    bold = xhtml.html([Element(xhtml.name("strong"), None, ("hello",))])
    body = Element(BODY, None, ("hello",))
    stanza = message(CAROL, f"{ALICE}/x", id=id_, type="chat", children=[body, bold, *children])
    found.on_stanza(stanza, 0.0)


def answers(found: Messages, ports: Ports, status: int, accept: str = "") -> Request:
    """Have the phone answer what came last; return that."""
    request, handle = ports.requests[-1]
    headers = [("Accept", accept)] if accept else []
    found.on_response(handle, response_to(request, status, headers=headers), 0.0)
    return request


def listening(accept: str) -> tuple[Messages, Ports]:
    """Return a service that heard what carol's phone takes."""
    found, ports = service()
    writes(found, receipts.request(), id_="m0")
    answers(found, ports, 415, accept)
    answers(found, ports, 200)
    return found, ports


def test_a_phone_that_lists_html_gets_it_and_plain_text_once_it_does_not() -> None:
    found, ports = listening("text/plain, text/html")
    writes(found)
    assert answers(found, ports, 415, "text/plain").get("Content-Type") == HTML
    assert answers(found, ports, 200).body == b"hello"
    writes(found, id_="m2")
    assert answers(found, ports, 200).body == b"hello"
    assert not [each for each in ports.of(MESSAGE) if each.get("type") == "error"]


def test_html_in_a_wrapper_is_to_blame_where_the_phone_lists_the_wrapper() -> None:
    found, ports = service()
    arrives(found, "<b>hi</b>", media="text/html")
    answer_ping(found, ports)
    writes(found, receipts.request())
    assert b"text/html" in answers(found, ports, 415, "text/plain, message/cpim").body
    assert answers(found, ports, 200).body == b"hello"
    writes(found, receipts.request(), id_="m2")
    request = answers(found, ports, 200)
    assert request.get("Content-Type") == CPIM, "receipts are still asked for"
    assert b"text/plain" in request.body


def test_a_phone_that_lists_html_and_refuses_it_gets_it_once() -> None:
    found, ports = service()
    arrives(found, "<b>hi</b>", media="text/html")
    answer_ping(found, ports)
    writes(found)
    assert answers(found, ports, 415, "text/plain, text/html").get("Content-Type") == HTML
    assert answers(found, ports, 200).body == b"hello"
    writes(found, receipts.request(), id_="m2")
    assert answers(found, ports, 415, "text/plain, text/html").get("Content-Type") == CPIM
    assert answers(found, ports, 200).body == b"hello"
    writes(found, id_="m3")
    assert answers(found, ports, 200).body == b"hello"


def test_formatting_is_wrapped_like_any_text() -> None:
    found, ports = service()
    head = f"From: <sip:{CAROL}>\r\n\r\nContent-Type: text/html\r\n\r\n<b>hi</b>"
    arrives(found, head)
    answer_ping(found, ports)
    stanza = ports.of(MESSAGE)[-1]
    assert stanza.find(xhtml.HTML) is not None
    body = stanza.find(BODY)
    assert body is not None
    assert body.text == "hi"


def test_a_receipt_is_asked_for_with_the_formatting_where_a_phone_sent_some() -> None:
    found, ports = service()
    arrives(found, "<b>hi</b>", media="text/html")
    answer_ping(found, ports)
    writes(found, receipts.request())
    request = answers(found, ports, 415)
    assert request.get("Content-Type") == CPIM
    assert b"<strong>hello</strong>" in request.body
    assert answers(found, ports, 200).body == b"hello"
