"""Has what is remembered written to disk: every second, in a thread, and once more at the end."""

import asyncio
from contextlib import suppress
from logging import getLogger
from typing import Final

from dragoman.store.sqlite import Sqlite

log = getLogger(__name__)

DATABASE: Final = "dragoman.db"
"""In the state directory: what is remembered of messages."""
PERIOD: Final = 1.0
"""Seconds: what a process that is killed may lose."""


class Keeping:
    """Flushes a store that is open, from `start` to `stop`, which closes it."""

    def __init__(self, store: Sqlite, period: float = PERIOD) -> None:
        """Flush `store` every `period` seconds."""
        self._store = store
        self._period = period
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Write what is left, and close; nothing where it was not started."""
        self._ending.set()
        if self._task is not None:
            await self._task
            self._task = None
            await self._flush()
            self._store.close()

    async def _run(self) -> None:
        while not self._ending.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._ending.wait()
            await self._flush()

    async def _flush(self) -> None:
        try:
            await asyncio.to_thread(self._store.flush)
        except Exception:
            log.exception("a flush failed: a bug")
