"""Fuzz target: a server that connects to us may send anything, cut anyhow (RFC 6120 §13)."""

import re
from collections.abc import Iterable
from itertools import count
from zlib import crc32

from dragoman.xmpp.s2s_in import AskedFor, IncomingStream, VerifyWanted
from dragoman.xmpp.stream import Ended, Event, Policy, StartTls, Stream
from tests.fuzz.run import by_bytes

HEADER = (
    b"<?xml version='1.0'?><stream:stream from='a.example' to='b.example' version='1.0'"
    b" xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    b" xmlns:db='jabber:server:dialback'>"
)
STARTTLS = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
AUTH = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
KEY = b"<db:result from='a.example' to='b.example'>key</db:result>"
VERIFY = b"<db:verify from='a.example' to='c.example' id='1'>key</db:verify>"
MESSAGE = b"<message from='j@a.example/x' to='r@b.example'><body>h\xc3\xa9</body></message>"
SEEDS = (
    HEADER + STARTTLS + HEADER,
    HEADER + AUTH + HEADER + MESSAGE + b"</stream:stream>",
    HEADER + KEY + MESSAGE + KEY.replace(b"b.", b"c.") + VERIFY + MESSAGE + b"<a/>",
    HEADER + VERIFY + b"<stream:error><reset/></stream:error>",
    HEADER + KEY.replace(b"'b.", b"'d.") + b" " * 300,
    HEADER + KEY + KEY.replace(b"a.", b"e.") + KEY.replace(b"a.", b"f.") + AUTH * 3,
)
TOKENS = (
    *(HEADER, STARTTLS, AUTH, KEY, VERIFY, MESSAGE),
    *(b"</stream:stream>", b"<stream:error>", b"from='a.example'", b"to='c.example'", b"type="),
    *(b"'valid'", b"'error'", b" id='1'", b"<db:result ", b"<db:verify ", b"<iq/>", b"<presence/>"),
)
POLICY = Policy(max_unauthenticated=500, max_pairs=2, max_refusals=4)
LATE = 1000.0

# Which fault of several is found first may depend on the cut, and when: the parser judges whole
# tokens, and meanwhile spaces keep the connection alive.
END = re.compile(
    rb" *(<\?xml version='1.0'\?><stream:stream [^>]*>)?(<stream:error>.*)?(</stream:stream>)?$",
    re.DOTALL,
)


class Anyone:
    """A certificate that vouches for every domain, so that all ways in are open."""

    shown = True

    def vouches(self, domain: str) -> bool:
        return bool(domain)


def conversation(chunks: Iterable[bytes], *, plain: bool) -> tuple[list[Event], bytes]:
    """Feed a stream that serves b.example and c.example; return what it told and what it sent.

    Unless it is `plain`, there is TLS before the first byte.  A plain stream has its keys judged
    in between, so that what it lets in depends on the cut.
    """
    numbers = count(1)
    core = IncomingStream(
        policy=POLICY,
        secret=b"s",
        token=lambda: f"id{next(numbers)}",
        direct_tls=not plain,
    )
    core.connected(0.0)
    told, out = _settle(core)
    for chunk in chunks:
        core.receive(chunk, 0.0)
        more, sent = _settle(core)
        told += more
        out += sent
        for event in more if plain else ():
            if isinstance(event, VerifyWanted):
                core.verified(event.query, event.query.key == "key", 0.0)
    wait(core)
    core.closed(LATE)
    return told + core.events(), out + b"".join(core.to_send())


def wait(core: Stream) -> None:
    """Let time pass until `LATE`: whatever waits for the peer has its end."""
    for _ in range(1000):
        due = core.next_timer()
        if due is None or due > LATE:
            return
        core.on_timer(due)
    raise AssertionError("a stream that wants its timer again and again")


def _settle(core: IncomingStream) -> tuple[list[Event], bytes]:
    """Do what the core asks for until it asks no more; return what it told and sent."""
    told: list[Event] = []
    while events := core.events():
        told += events
        for event in events:
            if isinstance(event, StartTls):
                core.secured(Anyone(), 0.0)
            elif isinstance(event, AskedFor):
                core.hosted(event.domain, event.domain in {"b.example", "c.example"}, 0.0)
    return told, b"".join(core.to_send())


def one_input(data: bytes) -> None:
    """Talk in the clear or over TLS, as the input has it; over TLS, the cut makes no difference."""
    if crc32(data, 2) % 2:
        check(*conversation([data[at : at + 150] for at in range(0, len(data), 150)], plain=True))
        return
    told, out = conversation([data], plain=False)
    check(told, out)
    if by_bytes(data):
        told, out = conversation([judged(data)], plain=False)
        pieces = (judged(data)[at : at + 1] for at in range(2 * len(data)))
        told_bytewise, out_bytewise = conversation(pieces, plain=False)
        assert told_bytewise[:-1] == told[:-1]
        assert END.sub(b"", out_bytewise) == END.sub(b"", out)


def judged(data: bytes) -> bytes:
    """Return `data` with so much behind it that the verdict on its last token does not wait.

    The parser defers it until the token may be complete, or is twice as long as it was.
    """
    return data + b" " * len(data)


def check(told: list[Event], out: bytes) -> None:
    """Check what holds for every stream: it ends once, and says nothing more."""
    assert out.count(b"</stream:stream>") <= 1
    assert all(isinstance(event, Ended) is (event is told[-1]) for event in told)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
