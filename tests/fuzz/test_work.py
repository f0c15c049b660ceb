"""Hostile input costs what its length says: twice as much of it, twice as much work.

Work is counted in calls, of Python and of C, so that no clock decides.  What a call does inside C
is left to the 100 ms that the fuzz runner allows for each input.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType

import pytest

from dragoman.errors import RemoteError
from dragoman.mapping.excerpt import excerpt
from dragoman.mapping.readable import readable
from dragoman.mapping.thread import ThreadBook
from dragoman.msrp.cpim import Cpim
from dragoman.msrp.framing import Framer as MsrpFramer
from dragoman.msrp.offer import Stance, choose
from dragoman.msrp.terms import Terms
from dragoman.msrp.uri import Path
from dragoman.sdp.ice import Candidate
from dragoman.sdp.session import MAX_LINES, SessionDescription
from dragoman.sip.framing import Framer
from dragoman.sip.header import MediaType, NameAddress, Via, split_list
from dragoman.sip.message import parse
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.fallback import BODY as FALLBACK_BODY
from dragoman.xmpp.ext.fallback import FALLBACK
from dragoman.xmpp.ext.jingle import JINGLE, REASON, Jingle, Reason
from dragoman.xmpp.ext.reactions import REACTION, REACTIONS
from dragoman.xmpp.ext.replies import REPLY
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import StreamParser, parse_document
from dragoman.xmpp.stanza import BODY, MESSAGE
from tests.fuzz.fuzz_msrp_endpoint import STREAM, WHOLE, outcome
from tests.fuzz.fuzz_msrp_framing import PATHS
from tests.fuzz.fuzz_xmpp_incoming import HEADER, conversation

SIZE = 4000
SEND = b"MSRP d93kswow SEND\r\n" + PATHS + b"Content-Type: text/plain\r\n\r\n"
START = b"MESSAGE sip:b@example.com SIP/2.0\r\nCSeq: 1 MESSAGE\r\n"


def work(task: Callable[[], object]) -> int:
    """Return how many calls `task` makes until it returns or refuses."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        with suppress(RemoteError):
            task()
    finally:
        sys.setprofile(None)
    return calls


def vias(size: int) -> list[Via]:
    return [Via.parse(item) for item in split_list("SIP/2.0/UDP a" + "," * size)]


def by_bytes(data: bytes) -> list[object]:
    parser = StreamParser()
    return [event for at in range(len(data)) for event in parser.feed(data[at : at + 1])]


def framed(data: bytes, cut: int) -> list[object]:
    framer = Framer()
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    return [event for piece in pieces if framer.error is None for event in framer.receive(piece)]


def msrp_framed(data: bytes, cut: int) -> list[object]:
    framer = MsrpFramer()
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    return [event for piece in pieces if framer.error is None for event in framer.receive(piece)]


def chunks(session_id: str, starts: Iterable[int]) -> object:
    """Have an endpoint take chunks of one octet, which begin where `starts` has them."""
    paths = PATHS.replace(
        b"bob.example.com:8888/9di4eae923wzd", b"gw.example.com:2855/" + session_id.encode()
    )
    return outcome(
        b"MSRP d93kswow SEND\r\n%bMessage-ID: 1\r\nByte-Range: %d-*/*\r\nContent-Type: text/plain"
        b"\r\n\r\nx\r\n-------d93kswow+\r\n" % (paths, 1 + start)
        for start in starts
    )


def answering(text: str, *ends: int) -> Element:
    """Return a reply of which some is a fallback, told again and again."""
    parts = [Element(FALLBACK_BODY, {"end": str(end)}) for end in ends]
    told = Element(FALLBACK, None, parts)
    return Element(MESSAGE, None, [Element(BODY, None, (text,)), Element(REPLY), told])


def chosen(attributes: bytes) -> object:
    stream = b"m=message 1 TCP/TLS/MSRP *\na=accept-types:*\na=path:msrps://a:1/b;tcp\n"
    return choose(SessionDescription.parse(stream + attributes), Stance(Terms()))


TASKS: dict[str, Callable[[int], object]] = {
    "Via of commas": vias,
    "Via of semicolons": lambda n: Via.parse("SIP/2.0/UDP a" + ";" * n),
    "Via of parameters": lambda n: Via.parse("SIP/2.0/UDP a" + ";b=c" * n),
    "Via of blanks": lambda n: Via.parse("SIP" + " " * n + "/2.0/UDP a"),
    "Contact of addresses": lambda n: NameAddress.parse_list(
        ",".join(f"<sip:a{n}{each}@b>" for each in range(n))
    ),
    "Contact of quotes": lambda n: NameAddress.parse_list('"' * n),
    "Contact of brackets": lambda n: NameAddress.parse_list("<" * n),
    "Contact of backslashes": lambda n: NameAddress.parse_list('"' + "\\" * n),
    "URI of parameters": lambda n: Uri.parse("sip:a@b" + ";c=d" * n),
    "URI of escapes": lambda n: Uri.parse("sip:" + "%41" * n + "@b"),
    "media type of parameters": lambda n: MediaType.parse("a/b" + ";c=d" * n),
    "header lines": lambda n: parse(START + b"a: b\r\n" * n + b"\r\n"),
    "folded lines": lambda n: parse(START + b"a: b\r\n" + b" c\r\n" * n + b"\r\n"),
    "line ends": lambda n: parse(b"\r\n" * n + START),
    "bare line ends": lambda n: parse(START + b"\n\r" * n),
    "Content-Length of digits": lambda n: parse(START + b"l: " + b"9" * n + b"\r\n\r\n"),
    "head without an end": lambda n: framed(START + b"a: b\r\n" * n, 7),
    "pings": lambda n: framed(b"\r\n\r\n" * n, 5),
    "messages": lambda n: framed((START + b"l: 0\r\n\r\n") * (n // 8), 11),
    "CPIM headers": lambda n: Cpim.parse(b"a: b\r\n" * n + b"\r\n\r\n"),
    "CPIM escapes": lambda n: Cpim.parse(b"Subject: " + b"\\" * n + b"\r\n\r\n\r\n"),
    "SDP lines": lambda n: SessionDescription.parse(b"a=b\n" * (n * MAX_LINES // SIZE // 3)),
    "SDP line ends": lambda n: SessionDescription.parse(b"\r\n" * (n * MAX_LINES // SIZE // 3)),
    "SDP blanks": lambda n: SessionDescription.parse(b"m=a" + b" " * n + b"1 b c"),
    "SDP formats": lambda n: SessionDescription.parse(b"m=a 1 b" + b" c" * n),
    "SDP times": lambda n: SessionDescription.parse(b"t=0 0\n" + b"r=1 1\n" * (n // 20)),
    "SDP digits": lambda n: SessionDescription.parse(b"b=AS:" + b"9" * n),
    "SDP candidate of words": lambda n: Candidate.parse("1 1 udp 1 a 1 typ host" + " b c" * n),
    "MSRP types": lambda n: chosen(b"a=accept-wrapped-types:" + b"a/b;c " * (n // 40)),
    "MSRP fingerprints": lambda n: chosen(b"a=fingerprint:sha-1 AA:BB\n" * (n // 10)),
    "MSRP fingerprint of digits": lambda n: chosen(b"a=fingerprint:sha-1 AA" + b":BB" * n),
    "JID of dots": lambda n: Jid.parse("a" + ".a" * n),
    "JID of marks": lambda n: Jid.parse("a" + "\u0345" * n + "@b"),
    "threads": lambda n: [
        ThreadBook(lambda: "t", bound=9).call_id("x" * n, Jid.parse("a@b"), Jid.parse("c@d"))
    ],
    "elements in elements": lambda n: parse_document(b"<a>" * n),
    "attributes": lambda n: parse_document(
        b"<a " + b" ".join(b"b%d=''" % each for each in range(n)) + b"/>"
    ),
    "namespaces": lambda n: parse_document(
        b"<a " + b" ".join(b"xmlns:b%d='c'" % each for each in range(n)) + b"/>"
    ),
    "references": lambda n: parse_document(b"<a>" + b"&lt;" * n + b"</a>"),
    "siblings": lambda n: parse_document(b"<a>" + b"<b/>c" * n + b"</a>"),
    "tags without an end": lambda n: parse_document(b"<a>" + b"<" * n),
    "a name byte by byte": lambda n: by_bytes(HEADER + b"<" + b"a" * n + b"/>"),
    "a value byte by byte": lambda n: by_bytes(HEADER + b"<a b='" + b">" * n + b"'/>"),
    "text byte by byte": lambda n: by_bytes(HEADER + b"<a>" + b"]" * n + b"</a>"),
    "a comment byte by byte": lambda n: by_bytes(HEADER + b"<!--" + b"-" * n),
    "stanzas": lambda n: by_bytes(HEADER + b"<a/>" * n),
    "lines of a quotation": lambda n: readable(answering("> a\n" * n, 4 * n - 4)),
    "marks of a character": lambda n: excerpt("a" + "\u0301" * n),
    "ranges of a fallback": lambda n: readable(answering("a", *range(n))),
    "reactions": lambda n: readable(
        Element(MESSAGE, None, [Element(REACTIONS, None, [Element(REACTION, None, ("a",))] * n)])
    ),
    "Jingle requests": lambda n: Jingle.parse(
        Element(JINGLE, {"action": "session-info", "sid": "s"}, [Element("{urn:a}b")] * n)
    ),
    "Jingle reasons": lambda n: Reason.parse(Element(REASON, None, [Element("{urn:a}b")] * n)),
    "flags": lambda n: excerpt("\U0001f1ea" * n),
    "MSRP end-lines": lambda n: msrp_framed(SEND + b"\r\n-------d93kswow" * n, 7),
    "MSRP header lines": lambda n: msrp_framed(SEND[:-4] + b"\r\na: b" * n, 7),
    "MSRP empty lines": lambda n: msrp_framed(b"\r\n" * n, 3),
    "MSRP path": lambda n: Path.parse("msrp://a:1/b;tcp " * n),
    "MSRP chunks": lambda n: chunks(WHOLE, range(n // 8)),
    "MSRP chunks backwards": lambda n: chunks(WHOLE, range(n // 8, 0, -1)),
    "MSRP chunks with holes": lambda n: chunks(WHOLE, range(0, n // 4, 2)),
    "MSRP chunks before their turn": lambda n: chunks(STREAM, range(1, n // 8)),
    "MSRP chunks before their turn, backwards": lambda n: chunks(STREAM, range(n // 8, 0, -1)),
    "a stream of brackets": lambda n: conversation([HEADER + b">" * n], plain=False),
    "a stream of stanzas": lambda n: conversation([HEADER + b"<a/>" * n], plain=True),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_twice_the_input_is_at_most_twice_the_work(task: Callable[[int], object]) -> None:
    # A first time fills what is filled once: caches of patterns, tables, code that specializes.
    work(lambda: task(16))
    once, twice = work(lambda: task(SIZE)), work(lambda: task(2 * SIZE))
    assert once > 0
    assert twice <= 2.2 * once + 100


def test_work_that_grows_faster_is_seen() -> None:
    def pairs(size: int) -> list[str]:
        return ["".join((str(one), str(other))) for one in range(size) for other in range(size)]

    assert work(lambda: pairs(80)) > 3 * work(lambda: pairs(40))
