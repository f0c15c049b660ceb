"""A UDP socket of ours: batches in, refusals heard, nothing raised."""

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing

import pytest

from dragoman.net import udp
from dragoman.net.listen import Place, bind
from dragoman.net.udp import DatagramSocket


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.wakes: list[int] = []
        self.found: list[tuple[bytes, tuple[str, int]]] = []
        self.refused: set[tuple[str, int]] = set()
        self._news = asyncio.Event()

    def on_datagrams(
        self, sock: DatagramSocket, found: list[tuple[bytes, tuple[str, int]]]
    ) -> None:
        self.wakes.append(len(found))
        self.found += found
        self._news.set()

    def on_unreachable(self, sock: DatagramSocket, places: set[tuple[str, int]]) -> None:
        self.refused |= places
        self._news.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not true():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def heard() -> Listener:
    return Listener()


@pytest.fixture(params=["127.0.0.1", "::1"])
async def sock(request: pytest.FixtureRequest, heard: Listener) -> AsyncIterator[DatagramSocket]:
    (bound,) = bind(Place("udp", request.param, 0))
    made = DatagramSocket(bound, heard, batch=4)
    yield made
    made.close()
    made.close()


@pytest.fixture
def other(sock: DatagramSocket) -> Iterator[socket.socket]:
    with closing(socket.socket(sock.family, socket.SOCK_DGRAM)) as made:
        made.bind((sock.local[0], 0))
        made.settimeout(5)
        yield made


@pytest.mark.spec("NET-34")
async def test_there_and_back(sock: DatagramSocket, heard: Listener, other: socket.socket) -> None:
    other.sendto(b"question", sock.local)
    await heard.until(lambda: heard.found)
    assert heard.found == [(b"question", other.getsockname()[:2])]
    assert sock.send(b"answer", heard.found[0][1])
    assert other.recv(100) == b"answer"
    assert sock.describe() == {
        "local": f"{sock.local[0]}:{sock.local[1]}",
        "received": 1,
        "sent": 1,
        "dropped": 0,
    }


async def test_a_burst_comes_in_batches(
    sock: DatagramSocket, heard: Listener, other: socket.socket
) -> None:
    for number in range(10):
        other.sendto(b"%d" % number, sock.local)
    await heard.until(lambda: len(heard.found) == 10)
    assert [data for data, _ in heard.found] == [b"%d" % number for number in range(10)]
    assert heard.wakes == [1, 2, 4, 3]


def refusing(sock: DatagramSocket) -> tuple[str, int]:
    """Return a place where nobody listens."""
    with closing(socket.socket(sock.family, socket.SOCK_DGRAM)) as gone:
        gone.bind((sock.local[0], 0))
        host, port = gone.getsockname()[:2]
        return str(host), int(port)


async def test_a_refused_port_is_heard_of(sock: DatagramSocket, heard: Listener) -> None:
    gone = refusing(sock)
    assert sock.send(b"anybody?", gone)
    await heard.until(lambda: heard.refused)
    assert heard.refused == {gone}


async def test_one_refusal_does_not_cost_another_its_datagram(
    sock: DatagramSocket, heard: Listener, other: socket.socket
) -> None:
    gone = refusing(sock)
    for number in range(5):
        assert sock.send(b"anybody?", gone)
        assert sock.send(b"%d" % number, other.getsockname()[:2])
    assert [other.recv(100) for _ in range(5)] == [b"%d" % number for number in range(5)]
    await heard.until(lambda: heard.refused)
    other.sendto(b"still here", sock.local)
    await heard.until(lambda: heard.found)
    assert heard.refused == {gone}


@pytest.mark.parametrize("place", [("192.0.2.1", 1 << 70), ("192.0.2.1", 70000), ("192.0.2.1", -1)])
async def test_what_cannot_be_sent_is_said(sock: DatagramSocket, place: tuple[str, int]) -> None:
    assert not sock.send(b"x", place)


async def test_too_large_is_said(sock: DatagramSocket, other: socket.socket) -> None:
    assert not sock.send(b"x" * 70000, other.getsockname()[:2])


class Full:
    """A socket whose buffer is full."""

    def __init__(self, number: int) -> None:
        self.number = number

    def sendto(self, data: bytes, to: tuple[str, int]) -> None:
        raise OSError(self.number, "no")

    def recvmsg(self, *_: int) -> None:
        raise BlockingIOError


async def test_a_full_buffer_loses_the_datagram(
    sock: DatagramSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sock, "_socket", Full(errno.EAGAIN))
        assert sock.send(b"x", ("127.0.0.1", 9))
        assert sock.dropped == 1
        patch.setattr(sock, "_socket", Full(errno.ENETUNREACH))
        assert not sock.send(b"x", ("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("number", "final"),
    [(errno.ECONNREFUSED, True), (errno.EHOSTUNREACH, True), (errno.EMSGSIZE, False)],
)
def test_which_errors_are_final(number: int, final: bool) -> None:
    assert udp._is_final(udp.EXTENDED_ERROR.pack(number, 2, 3, 3, 0, 0, 0)) is final
    assert not udp._is_final(b"short")


async def test_how_long_a_datagram_waited_is_known(
    sock: DatagramSocket, heard: Listener, other: socket.socket
) -> None:
    for number in range(8):
        other.sendto(b"%d" % number, sock.local)
    await heard.until(lambda: len(heard.found) == 8)
    sock._eager = 2
    for _ in range(4):
        other.sendto(b"x", sock.local)
    sent = time.time()  # the last of them: whichever is looked at has waited as long at least
    while time.time() < sent + 0.03:  # the loop is kept busy: nobody reads meanwhile
        pass
    await heard.until(lambda: len(heard.found) == 12)
    assert sock.lag is not None
    assert 0.02 <= sock.lag < 5
    assert sock._late


async def test_a_long_queue_is_read_in_batches_and_leaves_the_loop_its_turn(
    sock: DatagramSocket,
    heard: Listener,
    other: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(udp, "SPELL", 60.0)
    for number in range(3 * sock._batch):
        other.sendto(b"%d" % number, sock.local)
    sock._eager = sock._batch
    sock._on_ready()
    assert heard.wakes == [sock._batch] * 3
    monkeypatch.setattr(udp, "SPELL", 0.0)
    for number in range(2 * sock._batch):
        other.sendto(b"%d" % number, sock.local)
    sock._eager = sock._batch
    sock._on_ready()
    assert heard.wakes == [sock._batch] * 4
