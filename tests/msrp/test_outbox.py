"""What becomes of a message that was sent (RFC 4975 §7.1.1, §7.3.2), and what is not sent."""

import pytest

from dragoman.errors import LocalError
from dragoman.msrp import (
    Delivered,
    Direction,
    DirectionForbids,
    Failed,
    FailureReport,
    Full,
    Limits,
    NotOpen,
    Sent,
    SessionFailed,
    Terms,
    TooLarge,
    TypeNotAccepted,
    Unreported,
    Why,
)
from dragoman.msrp.framing import Flag
from tests.msrp.ends import LARGE, Pieces, another, chunks, drain, joined, reply, report, take

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


@pytest.mark.spec("MSRP-40")
@pytest.mark.parametrize("success", [True, False])
def test_many_sessions_do_not_remember_many_messages(success: bool) -> None:
    """Each is within its own bound, but all together are bounded as well."""
    ends = joined(limits=Limits(reportable=3))
    sessions = [ends.hers] + [another(ends)[0] for _ in range(3)]
    handles = []
    for session in sessions:
        handles.append(session.send("text/plain", b"x", ends.now, success_report=success))
        ends.run()
    assert ends.alice.told(Sent) == [Sent(each) for each in handles]
    assert ends.alice.told(Unreported) == ([Unreported(handles[0])] if success else [])
    for each in handles:
        ends.hers = each.session
        report(ends, each, 413, "1-1/1")
    assert ends.alice.told(Failed) == [Failed(each, 413, "x") for each in handles[1:]]


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
    ends.hers.modify(Terms(), Terms())
    ends.hers.send("text/plain", b"x", ends.now)
    assert len(chunks(drain(ends))) == 2 + ours.sends


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
