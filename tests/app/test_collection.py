"""Cycles are looked for when nobody waits, and not never."""

import gc

from dragoman.app.collection import NEVER, PATIENCE, YOUNG, Collection


def test_all_there_is_waits_for_a_quiet_period_but_not_for_ever() -> None:
    busy, looked = [True], []
    collection = Collection(lambda: busy[0], collect=lambda: looked.append(1))
    for _ in range(PATIENCE - 1):
        collection.look()
    assert looked == []
    collection.look()
    assert looked == [1]
    collection.look()
    busy[0] = False
    collection.look()
    assert looked == [1, 1]


async def test_python_has_its_own_way_again_after_a_stop() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    collection = Collection(lambda: False)
    collection.start()
    assert gc.get_threshold() == (*YOUNG, NEVER)
    assert gc.get_freeze_count() > frozen
    collection.stop()
    assert gc.get_threshold() == before
