"""The tables of states in docs/interworking/presence.md: a talk shows each row, or a test.

A talk has its name in `# rows:`, a test in its docstring. A section whose table begins with a
column `row` can be read; `SECTIONS` says which have to have one.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TABLES: Final = ROOT / "docs" / "interworking" / "presence.md"
SECTIONS: Final = (3,)
"""Those whose rows have to be shown."""
NAME: Final = re.compile(r"[A-Z]-\d\d")


def named_rows(text: str, section: int) -> Iterator[str]:
    """Yield the first cell of each row of the section's table; nothing where rows have no names."""
    _, _, rest = text.partition(f"\n## {section}. ")
    body, _, _ = rest.partition("\n## ")
    _, _, table = body.partition("\n| row |")
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            return
        yield line.split("|")[1].strip()


def in_talks() -> Iterator[str]:
    """Yield the rows that talks say they show."""
    for path in (ROOT / "talks" / "presence").glob("*.talk"):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("# rows:"):
                yield from line.split()[2:]


def in_tests() -> Iterator[str]:
    """Yield the rows that docstrings of tests name."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for docstring in re.findall(
            r'\) -> None:\n    """(.*?)"""', path.read_text("utf-8"), re.DOTALL
        ):
            yield from NAME.findall(docstring)


ROWS: Final = [
    row for section in SECTIONS for row in named_rows(TABLES.read_text("utf-8"), section)
]
SHOWN: Final = {*in_talks(), *in_tests()}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_shown(row: str) -> None:
    assert NAME.fullmatch(row), "a row has no name"
    assert row in SHOWN, "no talk of talks/presence has it in `# rows:`, no test in its docstring"


def test_a_name_is_one_row_s() -> None:
    assert len(ROWS) == len(set(ROWS))
    assert all(list(named_rows(TABLES.read_text("utf-8"), section)) for section in SECTIONS)


def test_no_talk_shows_what_is_no_row() -> None:
    everything = {row for section in range(10) for row in named_rows(TABLES.read_text(), section)}
    assert set(in_talks()) <= everything


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "\n## 3. X\n| row | a |\n|---|---|\n| W-01 | x |\n| W-02 | y |\n\n| W-03 |\n",
            ["W-01", "W-02"],
        ),
        (
            "\n## 3. X\n| a | b |\n|---|---|\n| x | y |\n\n## 4. Y\n| row | a |\n|---|\n| Z-01 |\n",
            [],
        ),
        ("\n## 3. X\n| row | a |\n|---|---|\n|  | x |\n", [""]),
    ],
)
def test_rows_are_read(text: str, found: list[str]) -> None:
    assert list(named_rows(text, 3)) == found
