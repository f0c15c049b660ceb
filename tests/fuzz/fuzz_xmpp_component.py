"""Fuzz target: the server whose component we are may send anything, cut anyhow (XEP-0114)."""

from collections.abc import Iterable
from zlib import crc32

from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Event, Ready, Refused
from tests.fuzz.fuzz_xmpp_incoming import END, LATE, POLICY, check, wait
from tests.fuzz.run import by_bytes

HEADER = (
    b"<?xml version='1.0'?><stream:stream from='gw.example' id='3BF96D32'"
    b" xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"
)
HANDSHAKE = b"<handshake/>"
MESSAGE = b"<message from='j@a.example/x' to='r@gw.example'><body>h\xc3\xa9</body></message>"
SEEDS = (
    HEADER + HANDSHAKE + MESSAGE + b"<presence from='@@/' to='gw.example'/></stream:stream>",
    HEADER
    + b"<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    + b"</stream:error></stream:stream>",
    HEADER + HANDSHAKE + b"<iq type='get' id='1' from='a' to='b'><q xmlns='x'/></iq> <route/>",
)
TOKENS = (
    *(HEADER, HANDSHAKE, MESSAGE, b"</stream:stream>", b"<stream:error>", b"from=''", b" to='"),
    *(b"<message/>", b"jabber:component:accept", b"jabber:client", b" id=''", b"<body>"),
)


def conversation(chunks: Iterable[bytes], *, sends: bool) -> tuple[list[Event], bytes]:
    """Feed a component's stream, on which we send as soon as we may; what it told, what it sent."""
    core = ComponentStream("gw.example", b"secret", policy=POLICY)
    core.connected(0.0)
    for chunk in chunks:
        core.receive(chunk, 0.0)
        if sends and core.ready:
            core.send(message("j@a.example", "r@gw.example"), 0.0)
    wait(core)
    core.closed(LATE)
    return core.events(), b"".join(core.to_send())


def one_input(data: bytes) -> None:
    whole = crc32(data, 2) % 2 == 0
    cut = (len(data) or 1) if whole else 150
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    told, out = conversation(pieces, sends=not whole)
    check(told, out)
    assert sum(isinstance(event, Ready | Refused) for event in told) == 1
    if whole and by_bytes(data):
        bytewise = (data[at : at + 1] for at in range(len(data)))
        told_bytewise, out_bytewise = conversation(bytewise, sends=False)
        assert len(told_bytewise) == len(told)
        assert END.sub(b"", out_bytewise) == END.sub(b"", out)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
