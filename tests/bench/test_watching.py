"""What the load generator of presence counts: a pair, when its effect came out at the other end."""

from collections.abc import AsyncIterator

import pytest

from bench.watching import PIDF, Run, WatchingEnds


@pytest.fixture
async def ends() -> AsyncIterator[WatchingEnds]:
    made = await WatchingEnds.start(("127.0.0.1", 9), ("127.0.0.1", 9), users=5)
    made.reset()
    yield made
    await made.aclose()


def begin(ends: WatchingEnds, seen: str) -> Run:
    ends.seen = seen
    ends.run = run = Run(range(7), 3, lambda _: None)
    run.fill()
    return run


def test_a_window_is_kept() -> None:
    begun: list[int] = []
    run = Run(range(5), 2, begun.append)
    run.fill()
    run.fill()
    assert begun == [0, 1]
    run.end(1)
    run.end(1)
    run.end(4)
    assert (run.done, run.over) == (1, False)
    run.fill()
    assert begun == [0, 1, 2]
    run.fill(room=9)
    for number in (0, 2, 3, 4):
        run.end(number)
    assert (run.done, run.over) == (5, True)


async def test_presence_counts_with_its_newest_status(ends: WatchingEnds) -> None:
    run = begin(ends, ends.xmpp_sees)
    ends.notes[1] = 2
    stanza = "<presence from='user1@sip.test/t1' to='user1@xmpp.test'>{}</presence>"
    for status in ("", "<status>00000001</status>", "<status>00000002</status>"):
        rest = ends.stanzas(stanza.format(status).encode() + b"<presence from='us")
        assert rest == b"<presence from='us"
    ends.stanzas(b"<presence from='user2@sip.test' to='user2@xmpp.test' type='subscribed'/>")
    assert (run.done, run.over) == (1, False)


def notify(number: int, note: int) -> bytes:
    body = PIDF % (number, number, note)
    return (
        b"NOTIFY sip:user%d@127.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z\r\n"
        b"From: <sip:a@xmpp.test>;tag=1\r\nTo: <sip:b@sip.test>;tag=2\r\nCall-ID: w%d\r\n"
        b"CSeq: 2 NOTIFY\r\nSubscription-State: active\r\n\r\n%s"
    ) % (number, number, body)


async def test_a_notify_counts_with_its_newest_note(ends: WatchingEnds) -> None:
    run = begin(ends, ends.sip_sees)
    ends.notes[1] = 2
    for note in (0, 1, 2):
        ends._notified(notify(1, note), ("127.0.0.1", 9))
    assert run.done == 1
    ends.seen = ends.xmpp_sees
    ends._notified(notify(2, 0), ("127.0.0.1", 9))
    assert run.done == 1


async def test_subscribes_are_counted_by_the_second(ends: WatchingEnds) -> None:
    request = (
        b"SUBSCRIBE sip:user3@sip.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z\r\n"
        b"From: <sip:user3@xmpp.test>;tag=1\r\nTo: <sip:user3@sip.test>\r\nCall-ID: c\r\n"
        b"CSeq: 1 SUBSCRIBE\r\nContact: <sip:user3@xmpp.test;gr=x>\r\nExpires: 3600\r\n\r\n"
    )
    for _ in range(2):
        ends._subscribed(request, ("127.0.0.1", 9))
    assert sum(ends.seconds.values()) == 2
    assert ends.refreshed == {3}
    assert ends.watched[3].cseq == 2
    assert ends.watched[3].target == b"sip:user3@xmpp.test;gr=x"
