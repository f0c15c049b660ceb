"""Fuzz target: a document is refused, or survives printing and reading (RFC 6120 §11)."""

from dragoman.xmpp.element import to_xml
from dragoman.xmpp.failure import StreamError
from dragoman.xmpp.parser import parse_document

SEEDS = (
    b"<?xml version='1.0' encoding='utf-8'?>\n<a c='d&#10;e' xml:lang='f'>g<h/>&lt;</a>",
    "<p:ü xmlns:p='q' xmlns:r='s' r:t='&quot;'><![CDATA[<x>]]>\r\n<u xmlns=''/></p:ü>".encode(),
)


def one_input(data: bytes) -> None:
    try:
        element = parse_document(data, limit=2048)
    except StreamError:
        return
    for namespace in ("", "jabber:client", "jabber:server"):
        printed = to_xml(element, namespace, {"q": "x"})
        around = f"<y xmlns='{namespace}' xmlns:x='q'>{printed}</y>"
        assert parse_document(around.encode()).children == [element], printed


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
