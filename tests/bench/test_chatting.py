"""What the load generator of chat sessions counts, and what it says on the wire."""

from collections.abc import AsyncIterator

import pytest

from bench.chatting import ChattingEnds, Phone
from bench.watching import Run


class Wire:
    """A connection that keeps what was written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data

    def abort(self) -> None:
        """Nothing."""


@pytest.fixture
async def ends() -> AsyncIterator[ChattingEnds]:
    made = await ChattingEnds.start(("127.0.0.1", 9), ("127.0.0.1", 9), users=5)
    made.reset()
    yield made
    await made.aclose()


def begun(ends: ChattingEnds, number: int) -> tuple[Phone, Wire]:
    """Return session `number`, which is invited, answered and connected."""
    ends.invite(number)
    phone, wire = ends.phones[number], Wire()
    ends._response(
        b"SIP/2.0 200 OK\r\nCall-ID: k%d@127.0.0.3\r\nCSeq: 1 INVITE\r\nTo: <sip:a@b>;tag=1\r\n"
        b"Contact: <sip:gateway>\r\n\r\nv=0\r\na=path:msrp://127.0.0.1:9/x;tcp\r\n" % number
    )
    for task in ends._connecting:
        task.cancel()
    phone.connection_made(wire)  # type: ignore[arg-type]
    return phone, wire


async def test_a_session_is_done_when_it_is_bound(ends: ChattingEnds) -> None:
    run = ends.run = Run(range(1), 1, ends.invite)
    run.begun[0, 0] = 0.0
    run.todo.clear()
    phone, wire = begun(ends, 0)
    assert wire.data.startswith(b"MSRP b00000000 SEND\r\nTo-Path: msrp://127.0.0.1:9/x;tcp\r\n")
    assert not run.done
    phone.data_received(b"MSRP b00000000 200 OK\r\nTo-Path: x\r\n-------b0000")
    phone.data_received(b"0000$\r\n")
    assert (run.done, phone.bound) == (1, True)


async def test_a_message_is_done_when_stanza_and_answer_came(ends: ChattingEnds) -> None:
    phone, wire = begun(ends, 0)
    ends.among = 1
    (way,) = ends.begin(1, 1, sip=True, xmpp=False)
    way.fill()
    ends.flush()
    assert b"\r\n\r\n%08d What" % way.first in wire.data
    ends.stanzas(
        b"<message from='user0@sip.test' to='user0@xmpp.test'><body>%08d x</body></message>"
        % way.first
    )
    assert (way.done, way.lost) == (0, 1)
    phone.data_received(b"MSRP n%08d 200 OK\r\n-------n%08d$\r\n" % (way.first, way.first))
    assert (way.done, way.lost) == (1, 0)


async def test_a_message_of_the_gateway_is_counted_and_answered(ends: ChattingEnds) -> None:
    phone, wire = begun(ends, 0)
    ends.among = 1
    (way,) = ends.begin(1, 1, sip=False, xmpp=True)
    way.start()
    ends._stanzas.clear()
    wire.data = b""
    phone.data_received(
        b"MSRP abcd SEND\r\nContent-Type: text/plain\r\n\r\n%08d x\r\n-------abcd$\r\n" % way.first
    )
    phone.flush()
    assert way.done == 1
    assert wire.data.startswith(b"MSRP abcd 200 OK\r\n")
