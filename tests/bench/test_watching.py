"""What the load generator of presence counts: a pair, when its effect came out at the other end."""

from collections.abc import AsyncIterator

import pytest

from bench.watching import PIDF, Run, Unanswered, WatchingEnds


@pytest.fixture
async def ends() -> AsyncIterator[WatchingEnds]:
    made = await WatchingEnds.start(("127.0.0.1", 9), ("127.0.0.1", 9), users=5)
    made.reset()
    yield made
    await made.aclose()


def begin(ends: WatchingEnds, seen: str, note: int = 0) -> Run:
    ends.seen = seen
    ends.run = run = Run(range(7), 3, lambda _: note)
    run.fill()
    return run


def test_a_window_is_kept() -> None:
    begun: list[int] = []

    def start(number: int) -> int:
        begun.append(number)
        return 7

    run = Run(range(5), 2, start)
    run.fill()
    run.fill()
    assert begun == [0, 1]
    run.end(1, 7)
    run.end(1, 7)
    run.end(4, 7)
    run.end(0, 6)
    assert (run.done, run.over) == (1, False)
    run.fill()
    assert begun == [0, 1, 2]
    run.fill(room=9)
    for number in (0, 2, 3, 4):
        run.end(number, 7)
    assert (run.done, run.lost, run.over) == (5, 0, True)


def test_a_pair_may_have_several_changes_under_way() -> None:
    """One that is not seen for a later one is neither counted nor lost."""
    notes = iter([1, 2, 3, 4])
    run = Run([5, 5, 5, 5], 4, lambda _: next(notes))
    run.fill()
    run.end(5, 1)
    run.end(5, 3)
    run.end(5, 2)
    assert (run.done, run.overtaken, run.lost) == (2, 1, 1)
    run.end(5, 4)
    assert (run.done, run.overtaken, run.lost, run.over) == (3, 1, 0, True)


def test_a_request_is_sent_again_until_it_is_answered() -> None:
    """RFC 3261 §17.1.2.2: after 0.5, 1, 2, 4, 4 ... seconds, for 32."""
    waiting = Unanswered()
    waiting.add(b"c", b"1 SUBSCRIBE", b"x", 0.0)
    waiting.add(b"c", b"2 SUBSCRIBE", b"y", 0.0)
    assert waiting.answered(b"c", b"2 SUBSCRIBE")
    assert not waiting.answered(b"c", b"2 SUBSCRIBE")
    times = [tenth / 10 for tenth in range(1, 400)]
    assert [when for when in times if waiting.due(when)] == [
        *(0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5)
    ]
    assert not waiting.answered(b"c", b"1 SUBSCRIBE")


async def test_presence_counts_with_its_newest_status(ends: WatchingEnds) -> None:
    run = begin(ends, ends.xmpp_sees, 2)
    stanza = "<presence from='user1@sip.test/t1' to='user1@xmpp.test'>{}</presence>"
    ends.stanzas(stanza.format("<status>00000002</status>").encode())
    assert run.done == 0, "not without consent"
    ends.stanzas(b"<presence from='user1@sip.test' to='user1@xmpp.test' type='subscribed'/>")
    for status in ("", "<status>00000001</status>", "<status>00000002</status>"):
        rest = ends.stanzas(stanza.format(status).encode() + b"<presence from='us")
        assert rest == b"<presence from='us"
    ends.stanzas(b"<presence from='user2@sip.test' to='user2@xmpp.test' type='subscribed'/>")
    assert (run.done, run.over) == (1, False)


def notify(number: int, note: int, cseq: int) -> bytes:
    body = PIDF % (number, number, note)
    return (
        b"NOTIFY sip:user%d@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z\r\n"
        b"From: <sip:a@xmpp.test>;tag=1\r\nTo: <sip:b@sip.test>;tag=2\r\nCall-ID: w%d\r\n"
        b"CSeq: %d NOTIFY\r\nSubscription-State: active\r\n\r\n%s"
    ) % (number, number, cseq, body)


async def test_a_notify_counts_with_its_newest_note(ends: WatchingEnds) -> None:
    run = begin(ends, ends.sip_sees, 2)
    for note in (0, 1, 2):
        ends._notified(notify(1, note, note + 1), ("127.0.0.1", 9))
    assert run.done == 1
    ends._notified(notify(1, 2, 3), ("127.0.0.1", 9))
    assert ends.counts["came_again"] == 1
    ends.seen = ends.xmpp_sees
    ends._notified(notify(2, 2, 1), ("127.0.0.1", 9))
    assert run.done == 1


async def test_subscribes_are_counted_by_the_second(ends: WatchingEnds) -> None:
    request = (
        b"SUBSCRIBE sip:user3@sip.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z\r\n"
        b"From: <sip:user3@xmpp.test>;tag=1\r\nTo: <sip:user3@sip.test>\r\nCall-ID: c\r\n"
        b"CSeq: 1 SUBSCRIBE\r\nContact: <sip:user3@xmpp.test;gr=x>\r\nExpires: 3600\r\n\r\n"
    )
    for cseq in (b"1", b"1", b"2"):
        ends._subscribed(request.replace(b"CSeq: 1", b"CSeq: " + cseq), ("127.0.0.1", 9))
    assert (sum(ends.seconds.values()), ends.counts["came_again"]) == (2, 1)
    assert ends.watched[3].cseq == 2
    assert ends.watched[3].target == b"sip:user3@xmpp.test;gr=x"
    for cseq, status in ((b"1 NOTIFY", 481), (b"2 SUBSCRIBE", 200)):
        ends._answered(status, {b"call-id": b"c", b"cseq": cseq})
    assert ends.refreshed == set()
    ends._answered(200, {b"call-id": b"c", b"cseq": b"2 NOTIFY"})
    assert (ends.refreshed, ends.counts["refused"]) == ({3}, 1)
