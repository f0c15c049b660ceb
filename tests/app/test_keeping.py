"""What is remembered reaches the disk while the gateway runs, and when it ends."""

import asyncio
import threading
from pathlib import Path

import pytest

from dragoman.app.keeping import Keeping
from dragoman.store.sqlite import Sqlite
from tests.store.kept import PLAIN, crossed, wall


class Counted(Sqlite):
    """A database that tells of its flushes, the first of which fails."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, wall)
        self.loop = asyncio.get_running_loop()
        self.flushed = asyncio.Event()
        self.threads: list[bool] = []
        self.bug = False

    def flush(self) -> None:
        try:
            asyncio.get_running_loop()
            self.threads.append(False)
        except RuntimeError:
            self.threads.append(True)
        self.loop.call_soon_threadsafe(self.flushed.set)
        if self.bug:
            self.bug = False
            raise ZeroDivisionError
        super().flush()


@pytest.fixture
async def store(tmp_path: Path) -> Counted:
    found = Counted(tmp_path / "dragoman.db")
    found.open()
    return found


def read(store: Sqlite) -> int:
    again = Sqlite(store._path, wall)
    again.open()
    try:
        numbers = range(10)
        return sum(bool(again.by_message(PLAIN.peer, f"m{n}", inward=True)) for n in numbers)
    finally:
        again.close()


class Slow:
    """A database that somebody has locked."""

    def __init__(self) -> None:
        self.ending = threading.Event()

    def flush(self) -> None:
        self.ending.wait(5)

    def close(self) -> None: ...


async def test_no_store_waits_for_another(store: Counted) -> None:
    slow = Slow()
    keeping = Keeping(slow, store, period=0.01)
    keeping.start()
    for _ in range(3):
        store.flushed.clear()
        await store.flushed.wait()
    slow.ending.set()
    await keeping.stop()


async def test_it_is_written_again_and_again_and_never_by_the_loop(store: Counted) -> None:
    keeping = Keeping(store, period=0.01)
    keeping.start()
    for number in range(3):
        store.add(crossed(number))
        store.flushed.clear()
        await store.flushed.wait()
    await keeping.stop()
    assert len(store.threads) >= 4
    assert all(store.threads)
    assert read(store) == 3


async def test_the_end_writes_what_is_left_and_waits_for_no_period(store: Counted) -> None:
    keeping = Keeping(store, period=3600)
    keeping.start()
    store.add(crossed(1))
    await asyncio.wait_for(keeping.stop(), 5)
    assert read(store) == 1


async def test_a_bug_in_one_flush_does_not_end_them(
    store: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    store.bug = True
    keeping = Keeping(store, period=0.01)
    keeping.start()
    store.add(crossed(1))
    await store.flushed.wait()
    await keeping.stop()
    assert caplog.records[0].getMessage() == "a flush failed: a bug"
    assert read(store) == 1


async def test_what_was_not_started_need_not_be_stopped(store: Counted) -> None:
    await Keeping(store).stop()
    store.close()
