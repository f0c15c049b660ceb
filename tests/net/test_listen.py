"""Places to listen: how they are written, bound and refused, and who gets in."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count

import pytest

from dragoman.errors import LocalError
from dragoman.net.driver import StreamDriver
from dragoman.net.listen import REASONS, Gate, Listener, Place, bind, listen
from tests.net.rooms import Keeper, Lines, lines

SCHEMES = ("udp", "tcp", "tls", "starttls")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("udp:*:5060", Place("udp", "*", 5060)),
        ("tcp:127.0.0.1:0", Place("tcp", "127.0.0.1", 0)),
        ("starttls:*:5269", Place("starttls", "*", 5269)),
        ("tls:[::1]:5270", Place("tls", "::1", 5270)),
    ],
)
def test_places(text: str, place: Place) -> None:
    assert Place.parse(text, SCHEMES) == place
    assert str(place) == text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sctp:*:5060", "begins with none of udp, tcp, tls, starttls"),
        ("5060", "begins with"),
        ("", "begins with"),
        ("udp:*", "ends in no port"),
        ("udp:*:", "ends in no port"),
        ("udp:*:65536", "ends in no port"),
        ("udp:*:-1", "ends in no port"),
        ("udp:*:\u0665", "ends in no port"),
        ("udp:::1:5060", "the host is"),
        ("udp:[127.0.0.1]:5060", "the host is"),
        ("udp:localhost:5060", "the host is"),
        ("udp::5060", "the host is"),
        ("udp:[*]:5060", "the host is"),
    ],
)
def test_what_is_no_place(text: str, wrong: str) -> None:
    with pytest.raises(LocalError, match=wrong) as caught:
        Place.parse(text, SCHEMES)
    assert repr(text) in caught.value.reason


def close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


@pytest.mark.spec("NET-34")
def test_a_star_is_both_families_on_one_port() -> None:
    sockets = bind(Place("udp", "*", 0))
    names = [each.getsockname()[:2] for each in sockets]
    close(sockets)
    assert [name[0] for name in names] == ["0.0.0.0", "::"]  # noqa: S104 (asked for)
    assert names[0][1] == names[1][1] != 0


@pytest.mark.parametrize(
    ("scheme", "kind"), [("udp", socket.SOCK_DGRAM), ("tcp", socket.SOCK_STREAM)]
)
def test_a_port_in_use_is_named(scheme: str, kind: socket.SocketKind) -> None:
    with closing(socket.socket(socket.AF_INET, kind)) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as caught:
            bind(Place(scheme, "127.0.0.1", port))
    assert caught.value.reason == (
        f"cannot listen on {scheme}:127.0.0.1:{port}: another program listens there"
    )


def test_half_a_star_is_given_back() -> None:
    with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as taken:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(("::", 0))
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=r"udp:\[::\]:"):
            bind(Place("udp", "*", port))
    close(bind(Place("udp", "*", port)))


def test_an_address_of_another_host() -> None:
    with pytest.raises(LocalError, match="not an address of this host"):
        bind(Place("tcp", "192.0.2.1", 0))
    with pytest.raises(LocalError, match=r"tcp:\[2001:db8::1\]:0: it is not an address"):
        bind(Place("tcp", "2001:db8::1", 0))


def test_a_lack_of_permission_is_explained() -> None:
    assert "CAP_NET_BIND_SERVICE" in REASONS[errno.EACCES]


def test_gate() -> None:
    gate = Gate(most=3, most_per_address=2)
    assert [gate.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert gate.enter("2001:db8::1")
    assert not gate.enter("192.0.2.2")
    assert gate.describe() == {"open": 3, "places": 2, "refused": 2, "evicted": 0}
    gate.leave("192.0.2.1")
    assert gate.enter("2001:db8::ffff")
    gate.leave("192.0.2.1")
    assert not gate.enter("2001:db8:0:0:1::5")
    assert gate.enter("2001:db8:0:1::5")
    for address in ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::5"):
        gate.leave(address)
    assert gate.describe() == {"open": 0, "places": 0, "refused": 3, "evicted": 0}


@dataclass(eq=False)
class Caller:
    """A connection as the gate sees it."""

    gate: Gate
    address: str
    used: float = 0.0
    proven: bool = False
    gone: str = ""

    def abort(self, reason: str) -> None:
        self.gone = reason
        self.gate.leave(self.address, self)


def comes(gate: Gate, number: int, used: float = 0.0) -> Caller | None:
    caller = Caller(gate, f"192.0.2.{number}", used)
    if not gate.enter(caller.address):
        return None
    gate.watch(caller)
    return caller


@pytest.mark.spec("NET-38")
def test_a_full_gate_lets_the_next_one_in_for_the_one_that_is_silent_longest() -> None:
    gate = Gate(most=3)
    first, second, third = (comes(gate, number) for number in range(3))
    assert first
    assert second
    assert third
    first.proven = True
    second.used = 1.0
    assert comes(gate, 3)
    assert [each.gone != "" for each in (first, second, third)] == [False, False, True]
    assert gate.describe() == {"open": 3, "places": 3, "refused": 0, "evicted": 1}
    assert comes(gate, 4)
    assert second.gone, "it has said nothing since it was spared"
    assert not first.gone


@pytest.mark.spec("NET-38")
def test_so_many_are_let_in_a_second() -> None:
    now = [0.0]
    gate = Gate(rate=3, clock=lambda: now[0])
    assert [gate.enter(f"192.0.2.{number}") for number in range(4)] == [True, True, True, False]
    now[0] = 0.4
    assert [gate.enter(f"192.0.2.{number}") for number in range(2)] == [True, False]


def test_a_gate_full_of_those_who_are_served_is_closed() -> None:
    gate = Gate(most=2)
    for number in range(2):
        caller = comes(gate, number)
        assert caller
        caller.proven = True
    assert comes(gate, 3) is None
    assert gate.describe()["refused"] == 1


def test_who_has_too_many_already_pushes_nobody_out() -> None:
    gate = Gate(most=2, most_per_address=1)
    callers = [comes(gate, 1), comes(gate, 2)]
    assert comes(gate, 1) is None
    assert [each.gone for each in callers if each] == ["", ""]


@pytest.mark.spec("NET-38")
async def test_silent_connections_make_room_for_one_that_comes(keeper: Keeper) -> None:
    gate = Gate(most=3)
    ticks = count(1.0)  # no two things happen at the same time
    listener = await listen(
        Place("tcp", "127.0.0.1", 0),
        lambda: StreamDriver(Lines(b"hello\n"), keeper, clock=lambda: next(ticks)),
        gate,
    )
    keeper.listeners.append(listener)
    async with AsyncExitStack() as stack:
        reads = []
        for number in range(1, 6):
            reads.append(await stack.enter_async_context(visitor(listener)))
            await keeper.until(lambda number=number: heard(keeper) == number)  # type: ignore[misc]
        assert [await read() for read in reads] == [b"hello\n"] * 5
        assert [await read() for read in reads[:2]] == [b"", b""], "the first ones had to go"
        assert gate.describe()["evicted"] == 2
    await keeper.until(lambda: len(keeper.lost) == 5)
    listener.close()


def heard(keeper: Keeper) -> int:
    """Return how many visitors have spoken."""
    return sum(bool(lines(each).heard) for each in keeper.drivers)


@pytest.fixture
async def keeper() -> AsyncIterator[Keeper]:
    keeper = Keeper()
    yield keeper
    await keeper.end()


@asynccontextmanager
async def visitor(listener: Listener) -> AsyncIterator[Callable[[], Awaitable[bytes]]]:
    """Connect as a stranger; what is yielded reads."""
    loop = asyncio.get_running_loop()
    host, port = listener.addresses[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as made:
        made.setblocking(False)
        await asyncio.wait_for(loop.sock_connect(made, (host, port)), 5)
        await loop.sock_sendall(made, b"to you too")

        async def read() -> bytes:
            try:
                return await asyncio.wait_for(loop.sock_recv(made, 100), 5)
            except ConnectionResetError:
                return b""

        yield read


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "*"])
@pytest.mark.spec("NET-34")
async def test_those_who_connect_get_a_driver(keeper: Keeper, host: str) -> None:
    gate = Gate()
    place = Place("tcp", host, 0)
    listener = await listen(place, lambda: StreamDriver(Lines(b"hello\n"), keeper), gate)
    keeper.listeners.append(listener)
    async with visitor(listener) as read:
        assert await read() == b"hello\n"
        await keeper.until(lambda: lines(keeper.drivers[0]).heard == b"to you too")
        assert gate.describe()["open"] == 1
        assert keeper.drivers[0].local[1] == listener.addresses[0][1]
    await keeper.until(lambda: keeper.lost)
    assert gate.describe()["open"] == 0
    assert listener.describe()["place"] == str(place)
    listener.close()


async def test_too_many_are_turned_away(keeper: Keeper) -> None:
    gate = Gate(most_per_address=1)
    place = Place("tcp", "127.0.0.1", 0)
    listener = await listen(place, lambda: StreamDriver(Lines(b"hello\n"), keeper), gate)
    keeper.listeners.append(listener)
    async with visitor(listener) as first:
        assert await first() == b"hello\n"
        async with visitor(listener) as second:
            assert await second() == b""
        assert gate.describe() == {"open": 1, "places": 1, "refused": 1, "evicted": 0}
    await keeper.until(lambda: keeper.lost)
    async with visitor(listener) as third:
        assert await third() == b"hello\n"
    await keeper.until(lambda: len(keeper.lost) == 2)
    listener.close()


async def test_a_closed_listener_is_closed(keeper: Keeper) -> None:
    listener = await listen(
        Place("tcp", "127.0.0.1", 0), lambda: StreamDriver(Lines(), keeper), Gate()
    )
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        async with visitor(listener):
            pass
