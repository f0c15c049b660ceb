"""Every talk of talks/presence, and that together they reach every state that there is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.bridge.world import run
from tests.talks.presence import FOLDER, PresenceTalk
from tests.talks.script import TalkError, rows

TALKS = sorted(FOLDER.glob("*.talk"))
TABLES = FOLDER.parents[1] / "docs" / "interworking" / "presence.md"


def marked(path: Path) -> ParameterSet:
    marks = [pytest.mark.spec(row) for row in rows(path.read_text("utf-8"))]
    return pytest.param(path, id=path.stem, marks=marks)


async def held(name: str, text: str) -> None:
    await PresenceTalk().hold(name, text)


@pytest.mark.parametrize("path", [marked(path) for path in TALKS])
def test_talk(path: Path) -> None:
    run(held(path.name, path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("alice shouts", "bad:1: .*not understood"),
        ("alice asks to see carol\nalice hears subscribed", "bad:2: .*she heard nothing"),
        ("alice's server probes\nalice hears subscribed", "bad:2: .*she heard 'unsubscribed'"),
        ("carol's phone asks for 30\ncarol's phone hears 200", "bad:2: .*it heard 423"),
        ("carol's phone asks for 300\nalice hears nothing", "bad:2: .*she heard"),
        ("alice asks to see carol\ncarol's server is asked again for 3600", "bad:2: .*new dialog"),
    ],
)
def test_a_talk_that_does_not_come_true_fails(text: str, why: str) -> None:
    with pytest.raises(TalkError, match=why):
        run(held("bad", text))


@pytest.mark.parametrize("text", ["alice's server probes", "alice asks to see carol"])
def test_a_talk_that_does_not_tell_all_fails(text: str) -> None:
    with pytest.raises(AssertionError, match="more"):
        run(held("short", text))


def wanted() -> Iterator[str]:
    """Yield a pattern for each state and reason of the tables, as a talk has it."""
    text = TABLES.read_text("utf-8")
    found = re.findall(r"terminated;`([a-z]+)`|/ `(timeout|giveup)`|or `(noresource)`", text)
    for reason in sorted({each for names in found for each in names if each}):
        yield rf"server notifies terminated;reason={reason}"
    yield from (
        r"server notifies pending",
        r"server notifies active",
        r"server notifies terminated$",
    )
    for status in (403, 423, 481, 489, 603):
        yield rf"server answers {status}"
    for verb in ("asks to see", "stops seeing", "allows", "refuses"):
        yield f"alice {verb} carol"
    yield from (r"server probes", r"at \w+ leaves", r"server fails: ", r"is asked for 0")
    yield from (r"is asked again for 0", r"is asked again for 3600", r"phone asks for 0")
    yield from (r"phone asks again for 0", r"phone asks again for \d{3}", r"takes no more")
    yield from (
        r"told pending",
        r"told active$",
        r"told active: ",
        r"told terminated;reason=timeout",
    )
    yield from (r"told terminated;reason=rejected", r"told terminated;reason=noresource")
    yield from (r"told terminated;reason=giveup", r"phone hears 423", r"gateway restarts")


@pytest.mark.parametrize("pattern", list(wanted()))
def test_every_state_is_reached_in_a_talk(pattern: str) -> None:
    texts = [path.read_text("utf-8") for path in TALKS]
    assert any(re.search(pattern, text, re.MULTILINE) for text in texts)
