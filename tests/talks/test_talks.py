"""Every talk in talks/, held in a whole gateway."""

from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.house import build, tear_down
from tests.talks.script import Talk, TalkError, parse, rows, talks


def marked(path: Path) -> ParameterSet:
    marks = [pytest.mark.spec(row) for row in rows(path.read_text("utf-8"))]
    return pytest.param(path.name, path.read_text("utf-8"), id=path.stem, marks=marks)


async def held(name: str, text: str, folder: Path) -> None:
    statements = parse(name, text)
    house = await build(folder)
    try:
        await Talk(house).hold(statements)
    finally:
        await tear_down(house)


@pytest.mark.parametrize(("name", "text"), [marked(path) for path in talks()])
async def test_talk(name: str, text: str, tmp_path: Path) -> None:
    await held(name, text, tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("alice shouts", "bad:1: not understood"),
        ("alice to carol@sip.test: one\ncarol receives: two", "bad:2: not 'two' but 'one'"),
        ("carol to nobody@xmpp.test: x\ncarol hears 202", "bad:2: not '202' but '403'"),
        (
            "alice to carol@sip.test: one\nalice to nobody@sip.test: x\nalice hears item-not-found",
            "carol received 2 more than the talk tells",
        ),
    ],
)
async def test_a_talk_that_does_not_come_true_fails(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(TalkError, match=why):
        await held("bad", text, tmp_path)
