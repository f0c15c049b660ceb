"""Fuzz target: a server that connects to us may send anything, cut anyhow (RFC 6120 §13)."""

import re
from collections.abc import Iterable
from itertools import count

from dragoman.xmpp.s2s_in import AskedFor, IncomingStream, VerifyWanted
from dragoman.xmpp.stream import Ended, Event, Policy, StartTls

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

# Which fault of several is found first may depend on the cut: the parser judges whole tokens.
END = re.compile(
    rb"(<\?xml version='1.0'\?><stream:stream [^>]*>)?(<stream:error>.*)?(</stream:stream>)?$",
    re.DOTALL,
)


class Anyone:
    """A certificate that vouches for every domain, so that all ways in are open."""

    def vouches(self, domain: str) -> bool:
        return bool(domain)


def conversation(chunks: Iterable[bytes], *, plain: bool) -> tuple[list[Event], bytes]:
    """Feed a stream that serves b.example and c.example; return what it told and what it sent.

    Unless it is `plain`, there is TLS before the first byte.  A plain stream has its keys judged
    in between, so that what it lets in depends on the cut.
    """
    numbers = count(1)
    core = IncomingStream(
        policy=Policy(max_unauthenticated=500, max_pairs=2, max_refusals=4),
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
    core.closed(1.0)
    return told + core.events(), out + b"".join(core.to_send())


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
    for plain in (False, True):
        cut = range(0, len(data), 40 if plain else len(data) or 1)
        told, out = conversation([data[at : at + cut.step] for at in cut], plain=plain)
        assert out.count(b"</stream:stream>") <= 1
        assert all(isinstance(event, Ended) is (event is told[-1]) for event in told)
        if not plain:
            pieces = (data[at : at + 1] for at in range(len(data)))
            told_bytewise, out_bytewise = conversation(pieces, plain=plain)
            assert told_bytewise[:-1] == told[:-1]
            assert END.sub(b"", out_bytewise) == END.sub(b"", out)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
