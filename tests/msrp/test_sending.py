"""Bodies that are fetched as they are sent (RFC 4975 §7.1.1)."""

import pytest

from dragoman.msrp import Failed, MessageArrived, Terms
from dragoman.msrp.framing import Flag
from tests.msrp.ends import Pieces, chunks, drain, joined


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
    assert ends.alice.told(Failed) == [
        Failed(handle, None, "its source failed, ended early or gave too much")
    ]
    ends.hers.send("text/plain", b"next", ends.now)
    ends.run()
    assert [event.body for event in ends.bob.told(MessageArrived)] == [b"next"]


def test_a_source_may_not_give_more_than_the_peer_takes() -> None:
    ends = joined(bob=Terms(max_size=5000))
    handle = ends.hers.send("text/plain", Pieces([b"a" * 4000, b"b" * 1001]), ends.now)
    (chunk,) = chunks(drain(ends))
    assert (chunk.body, chunk.flag) == (b"a" * 4000, Flag.ABORTED)
    assert [event.handle for event in ends.alice.told(Failed)] == [handle]
    fits = ends.hers.send("text/plain", Pieces([b"a" * 4000, b"b" * 1000]), ends.now)
    assert chunks(drain(ends))[-1].flag is Flag.LAST
    assert fits.size == 5000
