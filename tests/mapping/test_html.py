"""HTML into plain text and XHTML-IM, and back (RFC 7572 §7, XEP-0071)."""

from time import process_time

import pytest

from dragoman.mapping.failure import Refused
from dragoman.mapping.html import DEEPEST, LONGEST, MOST_TAGS, from_html, to_html
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.ext import xhtml
from dragoman.xmpp.parser import MAX_STANZA, parse_document
from dragoman.xmpp.stanza import BODY, message


def formatted(text: str) -> str:
    """Return the content of the formatted body, "" for none."""
    found = from_html(text)[1]
    if found is None:
        return ""
    [body] = found.elements
    assert (found.name, body.name) == (xhtml.HTML, xhtml.BODY)
    inner = to_xml(body).partition(">")[2]
    return inner.removesuffix("</body>")


@pytest.mark.spec("IM-11")
@pytest.mark.parametrize(
    ("text", "plain", "form"),
    [
        ("<b>bold</b> and <i>not</i>", "bold and not", "<strong>bold</strong> and <em>not</em>"),
        ("<p>one</p>\n<p>two</p>", "one\ntwo", ""),
        ("one<br>two &amp; three", "one\ntwo & three", ""),
        ("a&nbsp;b", "a\xa0b", ""),
        ("  much \n  space ", "much space", ""),
        ("<u>u</u>", "u", "<span style='text-decoration: underline'>u</span>"),
        ("<h1>Top</h1>text", "Top\ntext", "<p style='font-weight: bold'>Top</p>text"),
        ("<ul><li>a<li>b</ul>", "- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        (
            "<ol> <li>a</li> <li>b</li> </ol>",
            "1. a\n2. b",
            "<ol> <li>a</li> <li>b</li> </ol>",
        ),
        (
            "<blockquote>q<br>r</blockquote>s",
            "> q\n> r\ns",
            "<blockquote>q<br/>r</blockquote>s",
        ),
        (
            "<a href='https://x.example/'>here</a>!",
            "here <https://x.example/>!",
            "<a href='https://x.example/'>here</a>!",
        ),
        (
            "<a href='https://x.example/'>x.example</a>",
            "x.example",
            "<a href='https://x.example/'>x.example</a>",
        ),
        ("<a href='tel:+3531'>+3531</a>", "+3531", "<a href='tel:+3531'>+3531</a>"),
        (
            "<img src='https://x.example/i.png' alt='a cat'>",
            "a cat <https://x.example/i.png>",
            "<a href='https://x.example/i.png'>a cat</a>",
        ),
        ("<img src='cid:1' alt='a cat'>", "[a cat]", ""),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc", ""),
        ("<span style='color: red'>x</span>", "x", "<span style='color:red'>x</span>"),
        ("<font face=x>y</font>", "y", ""),
        ("a < b & c", "a < b & c", ""),
        ("", "", ""),
    ],
)
def test_what_html_says(text: str, plain: str, form: str) -> None:
    assert from_html(text)[0] == plain
    assert formatted(text) == form


@pytest.mark.spec("IM-11")
@pytest.mark.parametrize(
    "text",
    [
        "x<script>alert(1)</script>",
        "x<style>p {color: red}</style>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='data:text/html,y'>x</a>",
        "<span onclick='alert(1)'>x</span>",
        "<span style='background: url(https://t.example/i)'>x</span>",
        "<span style='color: expression(alert(1))'>x</span>",
        "<span style='position: fixed'>x</span>",
        "x<!-- a comment --><iframe src='https://t.example'>no</iframe>",
        "x<svg><script>alert(1)</script></svg>",
        "<form><input value=y>x</form>",
        "x<img src='data:image/png;base64,AAAA'>",
        "\x00x\x01",
    ],
)
def test_what_harms_is_not_there(text: str) -> None:
    found, form = from_html(text)
    assert found == "x"
    assert form is None


def test_what_is_nested_too_deeply_is_plain() -> None:
    assert from_html("<em>" * 100 + "x &amp; y") == ("x & y", None)
    link = "<a href='https://x.example/?a=1>2&b=%22'>y\n</a>"
    assert from_html("<em>" * 100 + f"&amp;lt; {link} &#60;b&#62;") == ("&lt; y <b>", None)


def test_what_is_formatted_is_not_too_deep_for_a_stanza() -> None:
    shown = [depth for depth in range(40, 70) if from_html("<em>" * depth + "x")[1] is not None]
    assert shown == list(range(40, shown[-1] + 1))
    for depth in shown:
        stanza = message("a@b", "c@d", children=[from_html("<em>" * depth + "x")[1] or ""])
        assert parse_document(to_xml(stanza).encode()) == stanza


@pytest.mark.parametrize("start", ["", "<em>" * 100, "<em><p>" * 950])
def test_references_cost_no_more_than_their_number(start: str) -> None:
    begun = process_time()
    text = from_html(start + "&" * 60_000)[0]
    assert process_time() - begun < 1.0
    assert text == "&" * 60_000


@pytest.mark.parametrize("element", ["em", "ul", "blockquote"])
def test_what_is_nested_is_read_once(element: str) -> None:
    start = process_time()
    assert from_html(f"<{element}>" * 50 + "x")[0].startswith(("x", "- x", "> > > x"))
    assert process_time() - start < 1.0, "not once for each way through it"


def test_what_is_shown_fits_into_a_stanza() -> None:
    for deep, shown in ((DEEPEST, True), (DEEPEST + 1, False), (61, False)):
        text, found = from_html("<em>" * deep + "x")
        assert (text, found is not None) == ("x", shown)
    for fill, shown in ((LONGEST - len("<em>"), True), (LONGEST, False)):
        text, found = from_html("<em>" + ">" * fill)
        assert (text, found is not None) == (">" * fill, shown)
        stanza = message("a@b", "c@d", children=[Element(BODY, None, (text,)), found or ""])
        assert len(to_xml(stanza)) < MAX_STANZA


def test_the_number_of_tags_is_bounded() -> None:
    assert from_html("<br>" * MOST_TAGS + "x")[0] == "x"
    with pytest.raises(Refused) as caught:
        from_html("<br>" * (MOST_TAGS + 1))
    assert caught.value.status == 413


def test_xhtml_im_becomes_html_of_the_same_kind() -> None:
    inner = [
        Element(xhtml.name("p"), {"style": "color: red; position: fixed"}, ("a < b",)),
        Element(xhtml.name("script"), None, ("alert(1)",)),
        Element(xhtml.name("a"), {"href": "javascript:alert(1)", "onclick": "x"}, ("x",)),
    ]
    stanza = message("a@b", "c@d", children=[Element(BODY, None, ("a",)), xhtml.html(inner)])
    expected = '<html><body><p style="color:red">a &lt; b</p><a>x</a></body></html>'
    assert to_html(stanza) == expected


def test_a_stanza_without_formatting_is_no_html() -> None:
    stanza = message("a@b", "c@d", children=[Element(BODY, None, ("a",))])
    assert to_html(stanza) == ""
    stanza.children.append(xhtml.html([" "]))
    assert to_html(stanza) == ""
