"""Fuzz target: a server that we connect to may answer anything, cut anyhow (RFC 6120 §13)."""

from collections.abc import Iterable
from zlib import crc32

from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.s2s_out import OutgoingStream, Verified
from dragoman.xmpp.stanza import message
from dragoman.xmpp.stream import Event, Ready, Refused, StartTls
from tests.fuzz.fuzz_xmpp_incoming import END, HEADER, LATE, POLICY, Anyone, check, judged, wait
from tests.fuzz.run import by_bytes

FEATURES = (
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
    b"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism>"
    b"</mechanisms><dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
    b"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>9000</max-bytes></limits>"
    b"</stream:features>"
)
NONE = b"<stream:features/>"
PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
SUCCESS = b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
FAILURE = b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"
CHALLENGE = b"<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>=</challenge>"
VALID = b"<db:result from='b.example' to='a.example' type='valid'/>"
VERIFIED = b"<db:verify from='b.example' to='a.example' id='7' type='valid'/>"
ERROR = (
    b"<db:verify from='b.example' to='a.example' id='7' type='error'><error type='cancel'>"
    b"<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>"
)
GONE = (
    b"<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>[::1]:9"
    b"</see-other-host></stream:error></stream:stream>"
)
START = HEADER.replace(b" version=", b" id='x' version=").replace(b"'a.", b"'b.", 1)
OLD = START.replace(b" version='1.0' xmlns", b" xmlns")
MESSAGE = b"<message from='j@b.example/x' to='r@a.example'><body>h\xc3\xa9</body></message>"
SEEDS = (
    START + FEATURES + PROCEED + START + FEATURES + SUCCESS + START + NONE + MESSAGE,
    START + FEATURES + FAILURE + VALID + VERIFIED + MESSAGE + b"</stream:stream>",
    START + FEATURES.replace(b"EXTERNAL", b"PLAIN") + VALID + MESSAGE,
    OLD + VALID.replace(b"valid", b"invalid"),
    START + FEATURES + CHALLENGE + FAILURE + ERROR,
    START + FEATURES + SUCCESS + START + NONE + VERIFIED + GONE,
)
TOKENS = (
    *(START, OLD, FEATURES, NONE, PROCEED, SUCCESS, FAILURE, CHALLENGE, VALID, VERIFIED, ERROR),
    *(GONE, MESSAGE, b"</stream:stream>", b"type='error'", b"type='invalid'", b" id='7'"),
    *(b"to='a.example'", b"from='b.example'", b"<stream:features>", b"max-bytes>1</", b"<iq/>"),
)
QUERY = VerifyQuery("a.example", "b.example", "7", "key")
STANZA = message("r@b.example", "j@a.example")


def conversation(chunks: Iterable[bytes], *, plain: bool, only: bool) -> tuple[list[Event], bytes]:
    """Feed a stream from a.example to b.example; return what it told and what it sent.

    Unless it is `plain`, there is TLS before the first byte; with `only`, it asks one question.
    """
    core = OutgoingStream(
        *("a.example", "b.example"),
        policy=POLICY,
        secret=b"s",
        direct_tls=not plain,
        verify_only=only,
    )
    core.verify(QUERY, 0.0)
    core.connected(0.0)
    told, out = _settle(core)
    for chunk in chunks:
        core.receive(chunk, 0.0)
        more, sent = _settle(core)
        told += more
        out += sent
    wait(core)
    core.closed(LATE)
    return told + core.events(), out + b"".join(core.to_send())


def _settle(core: OutgoingStream) -> tuple[list[Event], bytes]:
    told: list[Event] = []
    while events := core.events():
        told += events
        for event in events:
            if isinstance(event, StartTls):
                core.secured(Anyone(), 0.0)
            elif isinstance(event, Ready) and core.ready:
                core.send(STANZA, 0.0)
    return told, b"".join(core.to_send())


def one_input(data: bytes) -> None:
    """Talk in the clear or over TLS, as the input has it; over TLS, the cut makes no difference."""
    mode = crc32(data, 2)
    plain, only = mode % 2 == 1, mode % 8 < 2
    cut = 150 if plain else len(data) or 1
    pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
    told, out = conversation(pieces, plain=plain, only=only)
    check(told, out)
    answers = sum(isinstance(event, Verified) for event in told)
    assert answers == 1
    assert sum(isinstance(event, Ready | Refused) for event in told) == (not only)
    if not plain and by_bytes(data):
        told, out = conversation([judged(data)], plain=plain, only=only)
        bytewise = (judged(data)[at : at + 1] for at in range(2 * len(data)))
        told_bytewise, out_bytewise = conversation(bytewise, plain=plain, only=only)
        assert len(told_bytewise) == len(told)
        assert END.sub(b"", out_bytewise) == END.sub(b"", out)


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
