"""Fuzz target: HTML becomes text and formatting that is safe, and neither twice what came."""

from dragoman.mapping.failure import Refused
from dragoman.mapping.html import SCHEMES, from_html, to_html
from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.stanza import MESSAGE, message

SEEDS = (
    b"<p>one <b>two</b><br>three &amp; <a href='https://x.example/?a=1&b=2'>four</a></p>",
    b"<ul><li>a<li>b</ul><blockquote><p style='color: red; position: fixed'>q</p></blockquote>",
    b"<table><tr><td>x<td>y</table><img src='https://x.example/i' alt=\"z\"><script>w</script>",
    b"<html><head><title>t</title><style>p{}</style></head><body><h1>u</h1><pre>v\n</pre></body>",
)
TOKENS = (
    *(b"<b>", b"</b>", b"<p>", b"</p>", b"<br>", b"<div>", b"<li>", b"<ol>", b"</ul>", b"<table>"),
    *(b"<!--", b"-->", b"<![CDATA[", b"<svg>", b"<math>", b"<script>", b"</script>", b"<style>"),
    *(b" href=", b" style=", b"javascript:", b"data:", b"url(", b"&nbsp;", b"&#0;", b"&", b"'"),
    *(b"<a ", b"<img ", b" src=", b" alt=", b">", b"<", b"\0", b"\xc3\xa9", b"expression("),
)
SAFE = frozenset(f"{each}:" for each in SCHEMES)


def one_input(data: bytes) -> None:
    try:
        text, formatted = from_html(data.decode("utf-8", "replace"))
    except Refused:
        return
    assert len(text) <= 8 * len(data) + 64
    if formatted is not None:
        stanza = message("a@b", "c@d", children=[formatted])
        again = parse_document(to_xml(stanza).encode())
        check(again)
        to_html(again)


def check(element: Element) -> None:
    """Check that nothing is there that runs or is fetched."""
    assert element.local_name not in {"script", "style", "img", "iframe", "object", "svg"}
    if element.name != MESSAGE:
        assert set(element.attributes) <= {"href", "style"}
    assert "url(" not in element.get("style", "").lower()
    href = element.get("href", "")
    assert ":" not in href.partition("/")[0] or href.partition(":")[0].lower() + ":" in SAFE
    for child in element.elements:
        check(child)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
