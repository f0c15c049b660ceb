"""Messages on their way out (RFC 4975 §7.1): ids, ranges, chunks, fairness, ends of a message."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.msrp import (
    Delivered,
    Direction,
    DirectionForbids,
    Failed,
    FailureReport,
    Full,
    Limits,
    Meeting,
    MessageArrived,
    NotOpen,
    Outgoing,
    Path,
    Sent,
    SessionFailed,
    Terms,
    TooLarge,
    TypeNotAccepted,
    Unreported,
    Why,
)
from dragoman.msrp.endpoint import Endpoint
from dragoman.msrp.framing import Flag, Framer
from dragoman.msrp.message import MAX_CHUNK, ByteRange, Request
from dragoman.msrp.sending import TURN
from tests.msrp.ends import ADDRESSES, Ends, another, joined, tokens

LARGE = bytes(range(256)) * 400
IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+%=-]{3,31}")


@dataclass
class Pieces:
    """A source of some pieces; None among them is nothing yet."""

    pieces: list[bytes | None]
    size: int | None = None
    fails: bool = False

    def read(self, limit: int) -> bytes | None:
        if not self.pieces:
            if self.fails:
                raise OSError
            return b""
        piece = self.pieces.pop(0)
        if piece is not None and len(piece) > limit:
            self.pieces.insert(0, piece[limit:])
            piece = piece[:limit]
        return piece


@dataclass
class Chunk:
    request: Request
    body: bytes
    flag: Flag


def chunks(data: bytes | Sequence[bytes]) -> list[Chunk]:
    """Return what is sent as requests with their bodies."""
    framer, found = Framer(), list[Chunk]()
    request, body = None, b""
    for item in framer.receive(data if isinstance(data, bytes) else b"".join(data)):
        if isinstance(item, bytes):
            body += item
        elif isinstance(item, Flag):
            if request is not None:
                found.append(Chunk(request, body, item))
            request, body = None, b""
        elif isinstance(item, Request):
            request = item
    assert framer.error is None
    return found


def take(ends: Ends, budget: int = 65_536) -> bytes:
    assert ends.alice.connection is not None
    data = b"".join(ends.alice.connection.to_send(ends.now, budget))
    ends.alice.seen += ends.alice.endpoint.events()
    return data


def drain(ends: Ends) -> bytes:
    return b"".join(ends.alice.to_send())


def reply(ends: Ends, request: Request, status: int) -> None:
    tid = request.transaction_id
    head = f"MSRP {tid} {status}\r\nTo-Path: {ends.hers.uri}\r\nFrom-Path: {ends.his.uri}\r\n"
    ends.alice.receive(f"{head}-------{tid}$\r\n".encode(), ends.now)


def report(ends: Ends, handle: Outgoing, status: int, said: str | None) -> None:
    head = f"MSRP rrrr1 REPORT\r\nTo-Path: {ends.hers.uri}\r\nFrom-Path: {ends.his.uri}\r\n"
    head += f"Message-ID: {handle.message_id}\r\nStatus: 000 {status} x\r\n"
    head += "" if said is None else f"Byte-Range: {said}\r\n"
    ends.alice.receive(f"{head}-------rrrr1$\r\n".encode(), ends.now)


# -- what is written -----------------------------------------------------------------


@pytest.mark.spec("MSRP-13")
@pytest.mark.spec("MSRP-14")
def test_a_short_message() -> None:
    ends = joined()
    text = "Grüße an alle".encode()
    ends.hers.send("text/plain", text, ends.now, headers=[("Content-Disposition", "render")])
    data = drain(ends)
    (chunk,) = chunks(data)
    request = chunk.request
    assert chunk.body == text
    assert request.byte_range == ByteRange(1, 15, 15)
    assert IDENT.fullmatch(request.transaction_id)
    assert IDENT.fullmatch(request.message_id)
    assert request.transaction_id != request.message_id
    names = [line.partition(b":")[0] for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")]
    assert names[1:3] == [b"To-Path", b"From-Path"]
    assert names[-1] == b"Content-Type"
    assert b"Failure-Report" not in data


@pytest.mark.spec("MSRP-14")
def test_an_empty_message_has_a_type_and_an_empty_body() -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"", ends.now, success_report=True)
    assert b"Byte-Range: 1-0/0\r\n" in drain(ends)
    ends.run()
    assert ends.alice.told(Delivered) == []
    report(ends, handle, 200, "1-0/0")
    assert ends.alice.told(Delivered) == [Delivered(handle)]


def test_two_thousand_octets_need_no_interruption_and_more_do() -> None:
    ends = joined()
    for size, said in ((MAX_CHUNK, "1-2048/2048"), (MAX_CHUNK + 1, "1-*/2049")):
        ends.hers.send("text/plain", b"x" * size, ends.now)
        (chunk,) = chunks(drain(ends))
        assert str(chunk.request.byte_range) == said
        assert chunk.flag is Flag.LAST


@pytest.mark.spec("MSRP-15")
def test_an_id_that_the_body_has_is_drawn_again() -> None:
    given_out = iter(["session000000000000a", *(f"x{n:020}" for n in range(3)), *"abcd"])
    tids = tokens("t")
    endpoint = Endpoint(ADDRESSES, lambda: next(given_out, "") or tids())
    session = endpoint.prepare(Terms())
    remote = Path.parse("msrp://b.example:1/x;tcp")
    session.start(remote, Terms(), Meeting(active=True), 0.0)
    body = b"a\r\n-------x00000000000000000001$\r\n and x00000000000000000002"
    session.send("text/plain", body, 0.0)
    (event,) = endpoint.events()
    connection = event.connection  # type: ignore[union-attr]
    connection.opened(0.0)
    (chunk,) = chunks(connection.to_send(0.0))
    assert chunk.body == body
    assert chunk.request.transaction_id not in body.decode()


@pytest.mark.spec("MSRP-15")
@given(st.integers(0, 3), st.lists(st.integers(1, 3000), max_size=8), st.data())
def test_a_long_body_with_our_own_end_lines_in_it_arrives(
    ahead: int, sizes: list[int], data: st.DataObject
) -> None:
    ends = joined()
    # the tokens of the harness can be foreseen: the message takes one, its chunks the next ones
    number = int(ends.alice.endpoint._desk.token()[1:], 16) + 1
    line = f"\r\n-------a{number + 1 + ahead:020x}$\r\n".encode()
    body = bytearray(5000)
    for size in sizes:
        at = data.draw(st.integers(0, len(body)))
        body[at:at] = line + bytes(size)
    ends.hers.send("text/plain", bytes(body), ends.now)
    ends.alice.slow = data.draw(st.integers(1, 5000))
    for _ in range(20_000):
        piece = b"".join(ends.alice.to_send())
        if not piece:
            break
        ends.bob.receive(piece, ends.now)
    assert [event.body for event in ends.bob.told(MessageArrived)] == [bytes(body)]


# -- turns ---------------------------------------------------------------------------


@pytest.mark.spec("MSRP-16")
def test_a_long_message_alone_is_one_chunk() -> None:
    ends = joined()
    ends.hers.send("text/plain", LARGE, ends.now)
    (chunk,) = chunks(drain(ends))
    assert chunk.request.byte_range == ByteRange(1, None, len(LARGE))
    assert (chunk.body, chunk.flag) == (LARGE, Flag.LAST)


@pytest.mark.spec("MSRP-16")
def test_responses_and_reports_interrupt_it() -> None:
    ends = joined()
    ends.his.send("text/plain", b"a question", ends.now, success_report=True)
    ends.hers.send("text/plain", LARGE, ends.now)
    first = take(ends, 100)
    ends.alice.receive(b"".join(ends.bob.to_send()), ends.now)
    (arrived,) = ends.alice.told(MessageArrived)
    ends.hers.report(arrived.message_id, ends.now)
    data = first + take(ends, 10_000)
    assert data.index(b"\r\nStatus: 000 200 OK") < 4_000
    ok = data.index(b" 200 OK\r\nTo-Path")
    assert ok < data.index(b" REPORT\r\n")
    sends = [each for each in chunks(data + drain(ends)) if each.request.method == "SEND"]
    assert [each.flag for each in sends] == [Flag.MORE, Flag.LAST]
    assert len(sends[0].body) == MAX_CHUNK
    assert sends[1].request.byte_range == ByteRange(MAX_CHUNK + 1, None, len(LARGE))
    assert sends[0].request.message_id == sends[1].request.message_id
    assert sends[0].body + sends[1].body == LARGE


@pytest.mark.spec("MSRP-16")
def test_sessions_take_turns() -> None:
    ends = joined()
    hers, _ = another(ends)
    ends.hers.send("text/plain", LARGE, ends.now)
    data = take(ends, 10_000)
    hers.send("text/plain", LARGE, ends.now)
    hers.send("text/plain", b"short", ends.now)
    sent = chunks(data + drain(ends))
    assert {str(each.request.from_path) for each in sent[:2]} == {str(ends.hers.uri), str(hers.uri)}
    ended = [each.flag for each in sent].index(Flag.LAST)
    assert max(len(each.body) for each in sent[:ended]) <= TURN
    assert min(len(each.body) for each in sent if each.flag is Flag.MORE) >= MAX_CHUNK
    for session in (ends.hers, hers):
        own = [each for each in sent if str(each.request.from_path) == str(session.uri)]
        first = [each for each in own if each.request.message_id == own[0].request.message_id]
        assert b"".join(each.body for each in first) == LARGE
    assert sent[-1].body == b"short" or sent[-2].body == b"short"


def test_messages_of_one_session_keep_their_order() -> None:
    ends = joined()
    for body in (LARGE, b"one", b"two"):
        ends.hers.send("text/plain", body, ends.now)
    ends.run()
    assert [event.body for event in ends.bob.told(MessageArrived)] == [LARGE, b"one", b"two"]


@pytest.mark.spec("MSRP-40")
def test_no_more_is_taken_than_the_socket_takes() -> None:
    ends = joined()
    source = Pieces([bytes(1000)] * 10_000, 10_000_000)
    handle = ends.hers.send("text/plain", source, ends.now)
    for _ in range(10):
        assert 1000 <= len(take(ends, 2000)) < 4000
    assert handle.offset < 30_000
    assert len(source.pieces) > 9_900
    assert handle.weight == 0


# -- sources -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, 9000])
def test_a_source_with_pauses(size: int | None) -> None:
    ends = joined()
    source = Pieces([b"a" * 4000, None, b"b" * 4000, None, b"c" * 1000, None], size)
    handle = ends.hers.send("text/plain", source, ends.now)
    sent = drain(ends)
    assert sent.endswith(b"+\r\n")
    for _ in range(3):
        assert drain(ends) == b""
        ends.hers.wake(handle, ends.now)
        sent += drain(ends)
    found = chunks(sent)
    assert b"".join(each.body for each in found) == b"a" * 4000 + b"b" * 4000 + b"c" * 1000
    assert found[-1].flag is Flag.LAST
    assert handle.size == 9000
    ends.bob.receive(sent, ends.now)
    assert [event.total for event in ends.bob.told(MessageArrived)] == [9000]


@pytest.mark.parametrize("fails", [False, True])
def test_a_source_that_ends_early_gives_the_message_up(fails: bool) -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", Pieces([b"a" * 4000], 9000, fails), ends.now)
    found = chunks(drain(ends))
    assert found[-1].flag is Flag.ABORTED
    assert ends.alice.told(Failed) == [Failed(handle, None, "its source ended early")]
    ends.hers.send("text/plain", b"next", ends.now)
    ends.run()
    assert [event.body for event in ends.bob.told(MessageArrived)] == [b"next"]


# -- ends of a message ---------------------------------------------------------------


@pytest.mark.spec("MSRP-19")
@pytest.mark.parametrize("by", ["response", "report"])
def test_413_stops_the_message_at_once(by: str) -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", LARGE, ends.now)
    ends.hers.send("text/plain", b"another", ends.now)
    data = take(ends, 5000)
    tid = data.split(b" ")[1].decode()
    if by == "report":
        report(ends, handle, 413, f"1-100/{len(LARGE)}")
    else:
        head = f"MSRP {tid} 413 x\r\nTo-Path: {ends.hers.uri}\r\nFrom-Path: {ends.his.uri}\r\n"
        ends.alice.receive(f"{head}-------{tid}$\r\n".encode(), ends.now)
    assert ends.alice.told(Failed) == [Failed(handle, 413, "x")]
    first, second = chunks(data + drain(ends))
    assert first.flag is Flag.ABORTED
    assert len(first.body) < 6000
    assert second.body == b"another"
    assert ends.alice.told(SessionFailed) == []


@pytest.mark.spec("MSRP-19")
def test_413_between_two_chunks_sends_none_of_that_message_any_more() -> None:
    ends = joined()
    source = Pieces([b"a" * 4000, None, b"b" * 4000], 8000)
    handle = ends.hers.send("text/plain", source, ends.now)
    (chunk,) = chunks(drain(ends))
    reply(ends, chunk.request, 413)
    ends.hers.wake(handle, ends.now)
    assert drain(ends) == b""
    ends.hers.send("text/plain", b"another", ends.now)
    assert [each.body for each in chunks(drain(ends))] == [b"another"]


def test_we_give_a_message_up_ourselves() -> None:
    ends = joined()
    open_ = ends.hers.send("text/plain", LARGE, ends.now)
    data = take(ends, 5000)
    ends.hers.abort(open_, ends.now)
    assert chunks(data + drain(ends))[-1].flag is Flag.ABORTED
    source = Pieces([b"a" * 4000, None], 8000)
    between = ends.hers.send("text/plain", source, ends.now)
    drain(ends)
    ends.hers.abort(between, ends.now)
    ends.hers.send("text/plain", b"next", ends.now)
    ended, after = chunks(drain(ends))
    assert (ended.body, ended.flag) == (b"", Flag.ABORTED)
    assert str(ended.request.byte_range) == "4001-4000/8000"
    assert after.body == b"next"
    assert ends.alice.told(Failed) == []


def test_a_session_that_is_closed_sends_nothing_but_the_end_of_its_chunk() -> None:
    ends = joined()
    another(ends)
    ends.hers.send("text/plain", LARGE, ends.now)
    data = take(ends, 5000)
    ends.hers.send("text/plain", b"never", ends.now)
    ends.hers.close(ends.now)
    (chunk,) = chunks(data + drain(ends))
    assert chunk.flag is Flag.ABORTED
    ends = joined()
    source = Pieces([b"a" * 4000, None], 8000)
    between = ends.hers.send("text/plain", source, ends.now)
    drain(ends)
    ends.hers.abort(between, ends.now)
    ends.hers.close(ends.now)
    assert drain(ends) == b""


@pytest.mark.spec("MSRP-21")
def test_no_200_in_thirty_seconds() -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"hello", ends.now)
    (chunk,) = chunks(drain(ends))
    ends.alice.on_timer(ends.now + 29.9)
    assert ends.alice.told(Failed) == []
    ends.alice.on_timer(ends.now + 30)
    assert ends.alice.told(Failed) == [Failed(handle, 408, "no answer in time")]
    reply(ends, chunk.request, 200)
    assert ends.alice.told(Sent) == []
    assert ends.alice.told(SessionFailed) == []


@pytest.mark.spec("MSRP-21")
def test_the_thirty_seconds_begin_with_the_last_octet() -> None:
    ends = joined()
    ends.hers.send("text/plain", LARGE, ends.now)
    take(ends, 5000)
    ends.wire.now += 40
    ends.alice.on_timer(ends.now)
    drain(ends)
    ends.alice.on_timer(ends.now + 29)
    assert ends.alice.told(Failed) == []
    ends.alice.on_timer(ends.now + 31)
    assert len(ends.alice.told(Failed)) == 1


@pytest.mark.spec("MSRP-21")
@pytest.mark.parametrize("mode", [FailureReport.NO, FailureReport.PARTIAL])
def test_no_200_is_awaited_where_none_was_asked_for(mode: FailureReport) -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"hello", ends.now, failure_report=mode)
    data = drain(ends)
    assert f"Failure-Report: {mode}\r\n".encode() in data
    assert ends.alice.told(Sent) == [Sent(handle)]
    ends.alice.on_timer(ends.now + 40)
    assert ends.alice.told(Failed) == []
    (chunk,) = chunks(data)
    reply(ends, chunk.request, 415)
    assert len(ends.alice.told(Failed)) == (mode is FailureReport.PARTIAL)


@pytest.mark.parametrize(
    ("status", "why"), [(400, None), (403, None), (408, None), (415, None), (481, Why.REFUSED),
                        (501, None), (506, Why.REFUSED)],
)  # fmt: skip
def test_what_a_refusal_ends(status: int, why: Why | None) -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"hello", ends.now)
    (chunk,) = chunks(drain(ends))
    reply(ends, chunk.request, status)
    reply(ends, chunk.request, status)
    assert ends.alice.told(Failed) == [Failed(handle, status, "")]
    assert [event.why for event in ends.alice.told(SessionFailed)] == ([why] if why else [])


@pytest.mark.parametrize(
    ("status", "why"),
    [(403, None), (413, None), (415, None), (408, Why.GAP), (481, Why.REFUSED), (599, Why.GAP)],
)
def test_a_failure_report_after_the_200(status: int, why: Why | None) -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"hello", ends.now)
    ends.run()
    assert ends.alice.told(Sent) == [Sent(handle)]
    report(ends, handle, status, "1-5/5")
    report(ends, handle, status, "1-5/5")
    assert ends.alice.told(Failed) == [Failed(handle, status, "x")]
    assert [event.why for event in ends.alice.told(SessionFailed)] == ([why] if why else [])


@pytest.mark.parametrize("status", [481, 506])
def test_the_first_send_finds_no_session(status: int) -> None:
    ends = joined(up=False)
    (chunk,) = chunks(drain(ends))
    reply(ends, chunk.request, status)
    assert [event.why for event in ends.alice.told(SessionFailed)] == [Why.REFUSED]
    assert ends.alice.told(Failed) == []


def test_the_first_send_is_never_answered() -> None:
    ends = joined(up=False)
    drain(ends)
    ends.alice.on_timer(30.0)
    assert [event.why for event in ends.alice.told(SessionFailed)] == [Why.TIMEOUT]


# -- success reports -----------------------------------------------------------------


def test_reports_add_up() -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", LARGE, ends.now, success_report=True)
    ends.run()
    report(ends, handle, 200, f"1-1000/{len(LARGE)}")
    report(ends, handle, 200, f"2001-{len(LARGE)}/{len(LARGE)}")
    assert handle.reports.octets == len(LARGE) - 1000
    assert ends.alice.told(Delivered) == []
    report(ends, handle, 200, f"500-2500/{len(LARGE)}")
    assert ends.alice.told(Delivered) == [Delivered(handle)]
    report(ends, handle, 200, None)
    assert len(ends.alice.told(Delivered)) == 1


def test_a_report_may_overtake_the_200() -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"hello", ends.now, success_report=True)
    drain(ends)
    report(ends, handle, 200, "1-5/5")
    told = [event for event in ends.alice.seen if isinstance(event, Sent | Delivered)]
    assert told == [Sent(handle), Delivered(handle)]
    ends.alice.on_timer(ends.now + 30)
    assert ends.alice.told(Failed) == []


def test_a_report_nobody_asked_for_is_nothing() -> None:
    ends = joined()
    handle = ends.hers.send("text/plain", b"hello", ends.now)
    ends.run()
    report(ends, handle, 200, "1-5/5")
    assert ends.alice.told(Delivered) == []


@pytest.mark.spec("MSRP-40")
def test_reports_are_not_awaited_for_ever() -> None:
    ends = joined(limits=Limits(unreported=2))
    handles = [ends.hers.send("text/plain", b"x", ends.now, success_report=True) for _ in range(3)]
    ends.run()
    assert ends.alice.told(Unreported) == [Unreported(handles[0])]


# -- what is not sent ----------------------------------------------------------------


@pytest.mark.spec("MSRP-23")
@pytest.mark.parametrize(
    ("kind", "wrapped", "good"),
    [
        ("text/plain", None, True),
        ("Text/Plain; charset=utf-8", None, True),
        ("text/html", None, False),
        ("image/png", None, True),
        ("message/cpim", "text/plain", True),
        ("message/cpim", "text/html", True),
        ("message/cpim", "message/imdn+xml", False),
        ("multipart/mixed", None, False),
    ],
)
def test_what_is_not_listed_is_not_sent(kind: str, wrapped: str | None, good: bool) -> None:
    terms = Terms(("message/cpim", "text/plain", "image/*"), ("text/html",))
    ends = joined(bob=terms)
    if good:
        ends.hers.send(kind, b"x", ends.now, wrapped=wrapped)
        assert drain(ends) != b""
    else:
        with pytest.raises(TypeNotAccepted):
            ends.hers.send(kind, b"x", ends.now, wrapped=wrapped)
        assert drain(ends) == b""


def test_a_star_takes_all() -> None:
    assert Terms(("*",)).accepts("model/vrml", "text/x")
    assert Terms(("message/cpim",), ("*",)).accepts("message/cpim", "text/x")
    assert not Terms(()).accepts("text/plain")


def test_what_is_too_large_is_not_sent() -> None:
    ends = joined(bob=Terms(max_size=10))
    ends.hers.send("text/plain", b"x" * 10, ends.now)
    with pytest.raises(TooLarge):
        ends.hers.send("text/plain", b"x" * 11, ends.now)
    with pytest.raises(TooLarge):
        ends.hers.send("text/plain", Pieces([b"x"], 11), ends.now)


@pytest.mark.spec("MSRP-38")
@pytest.mark.parametrize(
    ("ours", "theirs", "good"),
    [
        (Direction.SENDRECV, Direction.SENDRECV, True),
        (Direction.SENDONLY, Direction.RECVONLY, True),
        (Direction.SENDRECV, Direction.SENDONLY, False),
        (Direction.SENDRECV, Direction.INACTIVE, False),
        (Direction.RECVONLY, Direction.SENDRECV, False),
    ],
)
def test_directions_are_obeyed(ours: Direction, theirs: Direction, good: bool) -> None:
    ends = joined(alice=Terms(direction=ours), bob=Terms(direction=theirs))
    if not good:
        with pytest.raises(DirectionForbids):
            ends.hers.send("text/plain", b"x", ends.now)
    ends.hers.send("message/imdn+xml", b"x", ends.now, control=True)
    ends.hers.modify(Terms())
    if ours.sends:
        ends.hers.send("text/plain", b"x", ends.now)
    assert len(chunks(drain(ends))) == 1 + ours.sends


@pytest.mark.parametrize(
    "bad",
    [
        {"message_id": "a b"},
        {"message_id": "x" * 33},
        {"headers": [("X", "a\r\nb")]},
        {"content_type": "text/plain\r\nX: y"},
    ],
)
def test_what_would_break_the_head_is_not_sent(bad: dict[str, object]) -> None:
    ends = joined()
    kind = str(bad.pop("content_type", "text/plain"))
    with pytest.raises(LocalError):
        ends.hers.send(kind, b"x", ends.now, **bad)  # type: ignore[arg-type]
    assert drain(ends) == b""


@pytest.mark.spec("MSRP-40")
def test_what_waits_is_bounded() -> None:
    ends = joined(limits=Limits(waiting=3, waiting_bytes=1000))
    ends.hers.send("text/plain", b"x" * 900, ends.now)
    with pytest.raises(Full):
        ends.hers.send("text/plain", b"x" * 101, ends.now)
    for _ in range(2):
        ends.hers.send("text/plain", b"x", ends.now)
    with pytest.raises(Full):
        ends.hers.send("text/plain", b"x", ends.now)
    ends.run()
    ends.hers.send("text/plain", b"x" * 1000, ends.now)


@pytest.mark.spec("MSRP-40")
def test_what_is_not_answered_is_bounded() -> None:
    ends = joined(limits=Limits(unconfirmed=2))
    for _ in range(3):
        ends.hers.send("text/plain", b"x", ends.now)
    sent = chunks(drain(ends))
    assert len(sent) == 2
    assert ends.alice.connection is not None
    assert not ends.alice.connection.has_output
    ends.alice.endpoint.touched()
    reply(ends, sent[0].request, 200)
    assert ends.alice.endpoint.touched() == [ends.alice.connection]
    assert len(chunks(drain(ends))) == 1


@pytest.mark.spec("MSRP-40")
def test_who_wants_only_errors_is_not_awaited_for_ever() -> None:
    ends = joined(limits=Limits(unconfirmed=2))
    sent = b""
    for _ in range(4):
        mode = FailureReport.PARTIAL
        ends.hers.send("text/plain", b"x", ends.now, failure_report=mode)
        sent += drain(ends)
    found = chunks(sent)
    assert len(found) == 4
    for each in found:
        reply(ends, each.request, 415)
    assert len(ends.alice.told(Failed)) == 2


def test_before_the_start_and_after_the_end_nothing_is_sent() -> None:
    ends = joined()
    fresh = ends.alice.endpoint.prepare(Terms())
    ends.hers.close(ends.now)
    for session in (fresh, ends.hers):
        with pytest.raises(NotOpen):
            session.send("text/plain", b"x", ends.now)
