"""What a message leaves behind is freed at once: a collection of all there is would stop everybody.

With hundreds of thousands of transactions kept, one that has to look at them all takes a third
of a second.
"""

import gc
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.app.demo import CAROL, XMPP_DOMAIN
from tests.house import ALICE, House, build, tear_down

MESSAGES = 20


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = await build(tmp_path)
    yield built
    await tear_down(built)


async def exchange(house: House) -> None:
    for number in range(MESSAGES):
        assert await house.says(f"alice@{XMPP_DOMAIN}", f"to {number}") == 202
        house.domain.message(ALICE, CAROL, f"back {number}")
        await house.phone.next_request()
        assert await house.says(f"nobody@{XMPP_DOMAIN}", "anyone?") == 403


async def test_messages_leave_no_cycles(house: House) -> None:
    await exchange(house)
    house.seen.clear()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await exchange(house)
        gc.collect()
        found = Counter(type(each).__qualname__ for each in gc.garbage if _is_ours(each))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert {name: number for name, number in found.items() if number >= MESSAGES} == {}


def _is_ours(found: object) -> bool:
    module = type(found).__module__
    return module.startswith("dragoman.") and not module.startswith("dragoman.testing")
