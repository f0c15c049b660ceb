"""Fuzz target: an MSRP endpoint takes any stream, answers what it can, keeps little (RFC 4975 §7).

One endpoint lives through all inputs of a run, some hours apart, so that what it kept of one is
gone before the next.
"""

from collections.abc import Iterable
from itertools import count

from dragoman.msrp import (
    Endpoint,
    Limits,
    Meeting,
    MessageArrived,
    MsrpUri,
    Path,
    PieceArrived,
    Terms,
    Transport,
)
from dragoman.msrp.framing import Framer
from tests.fuzz.fuzz_msrp_framing import TOKENS as WORDS
from tests.fuzz.run import by_bytes, cut_at, one_in

WHOLE, STREAM = "0" * 23 + "1", "0" * 23 + "2"
"""The session-ids: one takes messages whole, the other in pieces."""
ALICE = "msrp://alicepc.example.com:7777/iau39soe2843z;tcp"
TO = f"To-Path: msrp://gw.example.com:2855/{WHOLE};tcp\r\nFrom-Path: {ALICE}\r\n".encode()
OURS = "0" * 23 + "3"
"""The Message-ID of what we send, its SEND having the next token."""


def _send(tid: bytes, middle: bytes, body: bytes, flag: bytes) -> bytes:
    head = b"MSRP " + tid + b" SEND\r\n" + TO + middle + b"Content-Type: text/plain\r\n\r\n"
    return head + body + b"\r\n-------" + tid + flag + b"\r\n"


FIRST = _send(b"dkei38sd", b"Message-ID: 4564dpWd\r\nByte-Range: 1-*/8\r\n", b"abcd", b"+")
LAST = _send(b"dkei38ia", b"Message-ID: 4564dpWd\r\nByte-Range: 5-8/8\r\n", b"EFGH", b"$")
ONE = _send(b"d93kswow", b"Message-ID: 1\r\nSuccess-Report: yes\r\n", b"Hi, I'm Alice!", b"$")
BARE = (
    b"MSRP tid12345 SEND\r\n" + TO + b"Message-ID: 2\r\nByte-Range: 1-0/0\r\n-------tid12345$\r\n"
)
REPORT = (
    b"MSRP dkei38sr REPORT\r\n" + TO + f"Message-ID: {OURS}\r\n".encode() + b"Byte-Range: 1-5/5\r\n"
    b"Status: 000 200 OK\r\n-------dkei38sr$\r\n"
)
TID = b"0" * 23 + b"4"
OK = b"MSRP " + TID + b" 200 OK\r\n" + TO + b"-------" + TID + b"$\r\n"
SEEDS = tuple(
    each.replace(WHOLE.encode(), name.encode())
    for name in (WHOLE, STREAM)
    for each in (FIRST + LAST, LAST + FIRST, BARE + ONE + ONE, ONE + OK + REPORT)
)
TOKENS = (
    *WORDS, FIRST, LAST, ONE, BARE, OK, REPORT, WHOLE.encode(), STREAM.encode(), OURS.encode(), TID,
    b"Failure-Report: no\r\n", b"Failure-Report: partial\r\n", b"Success-Report: yes\r\n",
    b"Status: 000 481 x\r\n", b" 506 x\r\n", b"Byte-Range: 9000-*/*\r\n",
    b"Byte-Range: 1-2/99999\r\n",
)  # fmt: skip

_ticks = count(1)
_tokens = count(1)


def _token() -> str:
    return f"{next(_tokens):024}"


_endpoint = Endpoint(
    {Transport.TCP: ("gw.example.com", 2855)},
    _token,
    limits=Limits(message=8192, streamed=8192, assembling=20_000, partial=4, remembered=4),
)


def one_input(data: bytes) -> None:
    whole = outcome([data])
    if one_in(4, data):
        at = cut_at(data)
        assert outcome([data[:at], data[at:]]) == whole
    if by_bytes(data):
        assert outcome(data[at : at + 1] for at in range(len(data))) == whole


def outcome(chunks: Iterable[bytes]) -> tuple[list[str], bytes]:
    """Return what one connection makes of the chunks, and what it sends; nothing of it is left."""
    global _tokens
    _tokens = count(1)
    now = 36_000.0 * next(_ticks)
    sessions = [_endpoint.prepare(Terms(("text/*",)), streams=streams) for streams in (False, True)]
    for session in sessions:
        session.start(Path((MsrpUri.parse(ALICE),)), Terms(), Meeting(active=False), now)
    handle = sessions[0].send("text/plain", b"hello", now, success_report=True)
    connection = _endpoint.accepted(Transport.TCP, now)
    assert connection is not None
    connection.receive(BARE, now)
    assert TID in b"".join(connection.to_send(now))
    shown: list[str] = []
    sent = b""
    for chunk in chunks:
        connection.receive(chunk, now)
    for event in _endpoint.events():
        if isinstance(event, PieceArrived):
            continue  # as many as the cuts made
        shown.append(type(event).__name__)
        if isinstance(event, MessageArrived):
            shown.append(repr(event.body))
            event.session.report(event.message_id, now)
    while pieces := connection.to_send(now):
        sent += b"".join(pieces)
    framer = Framer()
    framer.receive(sent)
    assert framer.error is None
    assert not framer.partial
    assert handle.size == 5
    connection.closed(now)
    for session in sessions:
        session.close(now)
    while (due := _endpoint.next_timer()) is not None:
        assert due < now + 3600
        _endpoint.on_timer(due)
    shown += [type(event).__name__ for event in _endpoint.events()]
    desk = _endpoint._desk
    kept = (desk.sessions, desk.connections, desk.alarms, desk.touched)
    assert not any(len(each) for each in kept)
    assert desk.stock.used == 0
    return shown, sent


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
