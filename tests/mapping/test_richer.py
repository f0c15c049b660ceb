"""What a phone gets in place of text/plain (RFC 7572 §7, RFC 2046 §5.1.4)."""

from collections.abc import Collection

import pytest

from dragoman.mapping.content import read
from dragoman.mapping.message import to_request
from dragoman.mapping.richer import ALTERNATIVE, HTML, richer
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.message import Request
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import xhtml
from dragoman.xmpp.stanza import BODY, message

BOLD = xhtml.html([Element(xhtml.name("strong"), None, ("hello",))])
CORRECTION = Element("{urn:xmpp:message-correct:0}replace", {"id": "m0"})


def body(text: str, language: str = "") -> Element:
    return Element(BODY, {"xml:lang": language} if language else {}, (text,))


def made(accepted: Collection[str], *children: Element) -> Request | None:
    stanza = message("carol@sip.example", "alice@xmpp.example/x", id="m1", children=children)
    plain = to_request(stanza, threads=ThreadBook(lambda: "c"), token=lambda: "t")
    assert isinstance(plain, Request)
    return richer(stanza, plain, accepted)


@pytest.mark.spec("IM-11")
def test_formatting_goes_as_html_to_a_phone_that_takes_it() -> None:
    found = made({HTML}, body("hello"), BOLD)
    assert found is not None
    assert found.get("Content-Type") == "text/html;charset=UTF-8"
    assert found.body == b"<html><body><strong>hello</strong></body></html>"
    assert read(found).text == "hello"


@pytest.mark.spec("IM-07")
def test_languages_go_as_alternatives_to_a_phone_that_takes_them() -> None:
    found = made({ALTERNATIVE}, body("hello", "en"), body("ahoj", "cs"))
    assert found is not None
    assert found.get("Content-Language") is None, "it is not all in one"
    content = read(found)
    assert (content.text, content.language) == ("ahoj", "cs")
    assert content.translations == (("en", "hello"),), "what it would get alone goes last"


@pytest.mark.parametrize(
    ("accepted", "children"),
    [
        ((), [body("hello"), BOLD]),
        (("text/plain",), [body("hello"), BOLD]),
        ((HTML,), [body("hello")]),
        ((HTML,), [body("hello"), BOLD, CORRECTION]),
        ((ALTERNATIVE,), [body("hello")]),
    ],
)
def test_else_it_is_plain(accepted: Collection[str], children: list[Element]) -> None:
    assert made(accepted, *children) is None


def test_a_language_that_is_none_is_left_out() -> None:
    found = made({ALTERNATIVE}, body("hello"), body("ahoj", "c\r\nX: s"))
    assert found is not None
    assert b"X: s" not in found.body
    found = made({ALTERNATIVE}, body("hello"), body("ahoj", "\u010de\u0161tina"))
    assert found is not None
    assert b"Content-Language" not in found.body


def test_lines_of_a_part_end_as_mime_has_them() -> None:
    found = made({ALTERNATIVE}, body("one\ntwo", "en"), body("jeden\ndva", "cs"))
    assert found is not None
    assert b"jeden\r\ndva\r\n--" in found.body
    assert b"one\r\ntwo" in found.body
    assert read(found).translations == (("en", "one\ntwo"),)
