"""Has what is remembered written to disk: every second, in a thread, and once more at the end."""

import asyncio
from contextlib import suppress
from logging import getLogger
from typing import Final, Protocol

log = getLogger(__name__)

DATABASE: Final = "dragoman.db"
"""In the state directory: what is remembered of messages."""
SUBSCRIPTIONS: Final = "presence.db"
"""Beside it: who may see whose presence."""
PERIOD: Final = 1.0
"""Seconds: what a process that is killed may lose."""


class Store(Protocol):
    """What is to be flushed and closed."""

    def flush(self) -> None:
        """Write what waits; called in a thread."""

    def close(self) -> None:
        """Let go of the file."""


class Keeping:
    """Flushes stores that are open, from `start` to `stop`, which closes them."""

    def __init__(self, *stores: Store, period: float = PERIOD) -> None:
        """Flush `stores` every `period` seconds."""
        self._stores = stores
        self._period = period
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; needs a running loop. No store waits for another."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(each)) for each in self._stores]

    async def stop(self) -> None:
        """Write what is left, and close; nothing where it was not started."""
        self._ending.set()
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        await asyncio.gather(*tasks)
        for each in self._stores:
            await self._flush(each)
            each.close()

    async def _run(self, store: Store) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._ending.wait()
            await self._flush(store)

    async def _flush(self, store: Store) -> None:
        try:
            await asyncio.to_thread(store.flush)
        except Exception:
            log.exception("a flush failed: a bug")
