"""Which target is connected to, in what order, and what is said when none can be."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass

import pytest

from dragoman.net.dial import Unreachable, connect
from dragoman.net.driver import StreamDriver
from tests.net.rooms import Keeper, Lines


@dataclass(frozen=True)
class At:
    """A target."""

    address: str
    port: int


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
async def keeper() -> AsyncIterator[Keeper]:
    keeper = Keeper()
    yield keeper
    await keeper.end()


def port_of(stack: ExitStack, address: str, *, backlog: int = 5, port: int = 0) -> At:
    """Return a port that answers."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
    server.bind((address, port))
    server.listen(backlog)
    return At(address, server.getsockname()[1])


def refusing(stack: ExitStack, address: str) -> At:
    """Return a port that nobody listens on, and that nobody else gets meanwhile."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    held = stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
    held.bind((address, 0))
    return At(address, held.getsockname()[1])


def silent(stack: ExitStack, address: str) -> At:
    """Return a port whose queue is full: who connects to it hears nothing."""
    target = port_of(stack, address, backlog=0)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(3):
        filler = stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
        filler.setblocking(False)
        filler.connect_ex((target.address, target.port))
    return target


def at_one_port(stack: ExitStack, first: Callable[[ExitStack, str], At]) -> tuple[At, At]:
    """Return a target of either family at one port, which somebody else may have at the other."""
    for _ in range(20):
        six = first(stack, "::1")
        with suppress(OSError):
            return six, port_of(stack, "127.0.0.1", port=six.port)
    raise AssertionError("no port is free for both families")


async def dialled(keeper: Keeper, *targets: At, **options: float) -> At:
    chosen, driver = await asyncio.wait_for(
        connect(targets, lambda _: StreamDriver(Lines(b"hello"), keeper), **options), 5
    )
    await keeper.until(lambda: keeper.drivers)
    assert driver is keeper.drivers[0]
    assert driver.remote == (chosen.address, chosen.port)
    return chosen


@pytest.mark.spec("NET-34")
async def test_the_first_that_answers(stack: ExitStack, keeper: Keeper) -> None:
    first, second = port_of(stack, "::1"), port_of(stack, "127.0.0.1")
    assert await dialled(keeper, first, second) == first


async def test_the_next_after_one_that_refuses(stack: ExitStack, keeper: Keeper) -> None:
    targets = [refusing(stack, "127.0.0.1"), refusing(stack, "::1"), port_of(stack, "127.0.0.1")]
    assert await dialled(keeper, *targets) == targets[2]


async def test_the_other_family_does_not_wait_for_silence(stack: ExitStack, keeper: Keeper) -> None:
    mute, other = at_one_port(stack, silent)
    assert await dialled(keeper, mute, other, head_start=0.01, patience=60) == other


async def test_another_host_waits_until_the_first_has_failed(
    stack: ExitStack, keeper: Keeper
) -> None:
    mute = silent(stack, "127.0.0.1")
    better = port_of(stack, "127.0.0.1")
    assert await dialled(keeper, mute, better, head_start=0, patience=0.05) == better


async def test_the_preferred_family_has_a_head_start(stack: ExitStack, keeper: Keeper) -> None:
    six, four = at_one_port(stack, port_of)
    assert await dialled(keeper, six, four, head_start=60) == six


async def test_the_error_says_which_and_why(stack: ExitStack) -> None:
    gone, mute, six = (
        refusing(stack, "127.0.0.1"),
        silent(stack, "127.0.0.1"),
        refusing(stack, "::1"),
    )
    with pytest.raises(Unreachable) as caught:
        await connect([gone, mute, six], lambda _: StreamDriver(Lines(), Keeper()), patience=0.05)
    assert caught.value.failures == ((gone, "refused"), (mute, "no answer"), (six, "refused"))
    assert caught.value.reason == (
        f"127.0.0.1:{gone.port}: refused; 127.0.0.1:{mute.port}: no answer; "
        f"[::1]:{six.port}: refused"
    )


async def test_an_address_that_is_none_and_no_target() -> None:
    with pytest.raises(Unreachable, match="no target"):
        await connect([], lambda _: StreamDriver(Lines(), Keeper()))
    with pytest.raises(Unreachable, match=r"255\.255\.255\.255:1: "):
        await connect([At("255.255.255.255", 1)], lambda _: StreamDriver(Lines(), Keeper()))


async def test_giving_up_leaves_nothing_open(stack: ExitStack) -> None:
    task = asyncio.ensure_future(
        connect([silent(stack, "::1")], lambda _: StreamDriver(Lines(), Keeper()))
    )
    await asyncio.wait([task], timeout=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
