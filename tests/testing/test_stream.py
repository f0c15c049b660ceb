"""How scripted XMPP peers read a stream, and what they write."""

from xml.etree.ElementTree import Element

import pytest

from dragoman.errors import RemoteError
from dragoman.testing.stream import (
    SERVER,
    End,
    Header,
    Reader,
    body_of,
    condition_of,
    error,
    header,
    message,
    result,
    shown,
)

START = header(SERVER, from_="a.test", to="b.test", version="1.0")
STANZA = message("r@a.test/o'x", "j@b.test", 'a <b> & "ü"', stanza_id="m1", extra="<x/>")


def read(text: str, size: int) -> list[str]:
    reader, data = Reader(), text.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [named(item) for piece in pieces for item in reader.feed(piece)]


def named(item: Header | Element | End) -> str:
    return shown(item) if isinstance(item, Element) else type(item).__name__


@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_a_stream_reads_alike_in_any_pieces(size: int) -> None:
    first, stanza, last = read(START + STANZA + " </stream:stream>", size)
    assert (first, last) == ("Header", "End")
    assert 'a &lt;b&gt; &amp; "ü"' in stanza


def test_the_header_tells_attributes_and_namespaces() -> None:
    (found,) = Reader().feed(START.encode())
    assert isinstance(found, Header)
    assert found.attributes == {"from": "a.test", "to": "b.test", "version": "1.0"}
    assert found.namespaces[""] == SERVER
    assert found.namespaces["db"] == "jabber:server:dialback"


def test_text_between_elements_stays_where_it_was() -> None:
    reader = Reader()
    _, stanza = reader.feed(f"{START}<a>1<b>2</b>3<c/>4</a>".encode())
    assert isinstance(stanza, Element)
    assert (stanza.text, [(child.text, child.tail) for child in stanza]) == (
        "1",
        [("2", "3"), (None, "4")],
    )


@pytest.mark.parametrize(
    "text",
    ["<!DOCTYPE x>", START + "<!-- c -->", START + "<?pi x?>", START + "</a>", START + "&e;"],
)
def test_forbidden_and_broken_xml(text: str) -> None:
    with pytest.raises(RemoteError):
        Reader().feed(text.encode())


def test_answers_turn_the_addresses_and_keep_the_id() -> None:
    _, stanza = Reader().feed((START + STANZA).encode())
    assert isinstance(stanza, Element)
    assert body_of(stanza) == 'a <b> & "ü"'
    assert condition_of(stanza) is None
    _, bounce = Reader().feed((START + error(stanza, "item-not-found")).encode())
    assert isinstance(bounce, Element)
    assert condition_of(bounce) == "item-not-found"
    assert (bounce.get("to"), bounce.get("from")) == ("r@a.test/o'x", "j@b.test")
    assert (bounce.get("id"), bounce.get("type")) == ("m1", "error")
    _, empty = Reader().feed((START + result(stanza)).encode())
    assert isinstance(empty, Element)
    assert empty.attrib == {**bounce.attrib, "type": "result"}
