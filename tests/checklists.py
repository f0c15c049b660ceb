"""The checklists of docs/interworking as values: what a conforming gateway must show."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "interworking"
HEADING: Final = "| ID | statement | source | level |"


class Level(StrEnum):
    """How strongly its source asks for a row; `beyond` is this project's own decision."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    BEYOND = "beyond"


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement: its name ("IM-07"), file, statement, source and level."""

    name: str
    file: str
    statement: str
    source: str
    level: Level

    @property
    def checklist(self) -> str:
        """The name's first half: "IM" of "IM-07"."""
        return self.name.rpartition("-")[0]


def parse_rows(file: str, text: str) -> Iterator[Row]:
    """Yield the rows of the checklist in `text`, a Markdown document called `file`.

    Raises ValueError at a row that has not four cells or a level of no kind.
    """
    _, _, table = text.partition(HEADING)
    for line in table.splitlines()[2:]:
        if not line.startswith("|"):
            return
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 4:
            raise ValueError(f"{file}: a checklist row has four cells, not {len(cells)}: {line}")
        name, statement, source, level = cells
        yield Row(name, file, statement, source, Level(level))


@cache
def read_rows(folder: Path = FOLDER) -> tuple[Row, ...]:
    """Return every row of every checklist in `folder`; ValueError when two bear one name."""
    rows = [
        row
        for path in sorted(folder.glob("*.md"))
        for row in parse_rows(path.name, path.read_text(encoding="utf-8"))
    ]
    names = [row.name for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"checklist rows bear one name: {', '.join(twice)}")
    return tuple(rows)
