"""Connecting to the first target that answers (RFC 8305 racing; RFC 6120 §3.2, RFC 3263 §4.3)."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from dragoman.errors import ProtocolError
from dragoman.net.driver import StreamDriver

HEAD_START: Final = 0.25
"""Seconds that the preferred family has before the other begins (RFC 8305 §8)."""

REASONS: Final = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "no route",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ETIMEDOUT: "no answer",
}


class Target(Protocol):
    """What can be connected to: an IP literal without brackets and a port."""

    @property
    def address(self) -> str:
        """The IP literal."""

    @property
    def port(self) -> int:
        """The TCP port."""


T = TypeVar("T", bound=Target)


class Unreachable(ProtocolError, Generic[T]):
    """None of the targets could be connected to; `failures` says why for each that was tried."""

    def __init__(self, failures: Sequence[tuple[T, str]]) -> None:
        """Say it in one sentence too."""
        self.failures = tuple(failures)
        words = [f"{_name(target)}: {reason}" for target, reason in self.failures]
        super().__init__("; ".join(words) or "no target to connect to")


async def connect(
    targets: Sequence[T],
    make: Callable[[T], StreamDriver],
    *,
    patience: float = 10.0,
    head_start: float = HEAD_START,
) -> tuple[T, StreamDriver]:
    """Connect to the first of `targets` that can be; return it and the driver `make` made for it.

    Targets are tried in order, each for `patience` seconds at most. Where the list changes from
    one address family to the other (the two of one host), the two race: the second begins
    `head_start` seconds after the first. Raises `Unreachable`.
    """
    failures: list[tuple[T, str]] = []
    for lanes in _heats(targets):
        won = await _race(lanes, failures, patience, head_start)
        if won is not None:
            target, connected = won
            loop = asyncio.get_running_loop()
            try:
                _, driver = await loop.create_connection(partial(make, target), sock=connected)
            except OSError as error:  # gone again before it could be used
                failures.append((target, _why(error)))
                continue
            return target, driver
    raise Unreachable(failures)


def _heats(targets: Sequence[T]) -> Iterator[list[list[T]]]:
    """Cut the list into heats of one lane or two: addresses of one family, then of the other."""
    lanes: list[list[T]] = []
    for target in targets:
        if lanes and _family(lanes[-1][0]) is _family(target):
            lanes[-1].append(target)
        elif len(lanes) == 1 and lanes[0][0].port == target.port:
            lanes.append([target])
        else:
            if lanes:
                yield lanes
            lanes = [[target]]
    if lanes:
        yield lanes


async def _race(
    lanes: Sequence[Sequence[T]],
    failures: list[tuple[T, str]],
    patience: float,
    head_start: float,
) -> tuple[T, socket.socket] | None:
    """Run the lanes against one another; return the first connection, None when all fail."""
    running: set[asyncio.Task[tuple[T, socket.socket] | None]] = set()
    waiting = list(lanes)
    try:
        while running or waiting:
            if waiting:
                lane = _run(waiting.pop(0), failures, patience)
                running.add(asyncio.get_running_loop().create_task(lane))
            done, running = await asyncio.wait(
                running,
                timeout=head_start if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            results = [won for won in (task.result() for task in done) if won is not None]
            for _, spare in results[1:]:
                spare.close()
            if results:
                return results[0]
        return None
    finally:
        for task in running:
            task.add_done_callback(_discard)
            task.cancel()


async def _run(
    lane: Sequence[T], failures: list[tuple[T, str]], patience: float
) -> tuple[T, socket.socket] | None:
    """Try the targets of one lane in turn."""
    loop = asyncio.get_running_loop()
    for target in lane:
        attempt = socket.socket(_family(target), socket.SOCK_STREAM)
        try:
            attempt.setblocking(False)
            async with asyncio.timeout(patience):
                await loop.sock_connect(attempt, (target.address, target.port))
        except OSError as error:  # TimeoutError is one
            attempt.close()
            failures.append((target, _why(error)))
        except BaseException:
            attempt.close()
            raise
        else:
            attempt.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return target, attempt
    return None


def _discard(task: "asyncio.Task[tuple[T, socket.socket] | None]") -> None:
    """Close what a loser connected after the race was over."""
    if not task.cancelled() and task.exception() is None:
        won = task.result()
        if won is not None:
            won[1].close()


def _family(target: Target) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in target.address else socket.AF_INET


def _name(target: Target) -> str:
    host = f"[{target.address}]" if ":" in target.address else target.address
    return f"{host}:{target.port}"


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer"
    return REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
