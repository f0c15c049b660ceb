"""Fuzz target: a stream means the same however its bytes are cut (RFC 6120 §11)."""

from collections.abc import Iterable

from dragoman.xmpp.failure import StreamError
from dragoman.xmpp.parser import Event, StreamParser
from tests.fuzz.run import LONGEST, by_bytes, cut_at, one_in

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xml:lang='en' from='a.example'"
    b" xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'>"
)
SEEDS = (
    HEADER + b"<message to='b'><body>h\xc3\xa9 &amp;&#33;</body></message>\n<iq/></stream:stream>",
    HEADER + b"<db:result from='a'><![CDATA[<b>]]></db:result><!-- no -->",
    HEADER + b"<iq x='" + b">" * 99 + b"' y=\"'\"><q xmlns='r' xmlns:s='t' s:u='v'/>&foo;</iq>",
    HEADER + b"<a>\xed\xa0\x80</a>",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + HEADER,
    b"<?xml version='1.0' encoding='UTF-16'?>" + HEADER,
)
TOKENS = (
    b"</stream:stream>", b"<stream:error>", b"<message>", b"</message>", b"<iq a='b'/>", b"<?",
    b" xmlns:p='q'", b" p:a='b'", b"<p:a>", b"&#x9;", b"&lt", b"\xf0\x9f\x98\x80", b"\xf0\x9f",
    b"<!DOCTYPE", b"<a b='c' b='c'>", b"<a\n>", b"xml:lang='x'", b"]]",
)  # fmt: skip


def outcome(chunks: Iterable[bytes], parser: StreamParser) -> tuple[list[Event], str]:
    """What came out before the end or the fault, and the fault's condition, "" for none."""
    events: list[Event] = []
    try:
        for chunk in chunks:
            events += parser.feed(chunk)
        events += parser.finish()
    except StreamError as error:
        return events + parser.completed, error.condition
    return events, ""


def one_input(data: bytes) -> None:
    whole = outcome([data], _small())
    if one_in(4, data):
        at = cut_at(data)
        assert outcome([data[:at], data[at:]], _small()) == whole
    for size in (1, 3, 50) if by_bytes(data) else ():
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert outcome(pieces, _small()) == whole, size
    if len(data) > LONGEST:
        outcome([data], StreamParser())


def _small() -> StreamParser:
    return StreamParser(max_stanza=400, max_depth=4, max_attributes=4, max_name=80, max_names=40)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
