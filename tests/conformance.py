"""Which rows of the checklists are proved: `make conformance`.

Runs every test that bears the name of a row, prints what it proved, and writes docs/standards.md.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

from tests.checklists import ROOT, Level, Row, read_rows

SOURCE: Final = ROOT / "src" / "dragoman"
STANDARDS: Final = ROOT / "docs" / "standards.md"
CITATION: Final = re.compile(r"(RFC|XEP)[ -](\d{4})|(?<=\d)(?:,| and|/) (\d{4})\b")


class Verdict(StrEnum):
    """What the tests of a row say of it together."""

    PROVED = "proved"
    FAILING = "failing"
    UNPROVED = "not yet proved"


class Ledger:
    """A pytest plugin: remembers which row each test names, and how each test ended."""

    def __init__(self) -> None:
        """Start with no tests."""
        self.named: dict[str, set[str]] = {}
        self.passed: set[str] = set()
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note the rows that each test names."""
        for item in items:
            for mark in item.iter_markers("spec"):
                for name in mark.args:
                    self.named.setdefault(name, set()).add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test ended: set up, call and tear-down must all do well."""
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)

    def verdict(self, name: str) -> Verdict:
        """Judge a row: one failure fails it, and only a test that ran to its end proves it."""
        tests = self.named.get(name, set())
        if tests & self.failed:
            return Verdict.FAILING
        return Verdict.PROVED if tests & self.passed else Verdict.UNPROVED

    def proofs(self, name: str) -> list[str]:
        """Return the files, sorted, whose passing tests prove the row."""
        proved = self.named.get(name, set()) & self.passed
        return sorted({test.partition("::")[0] for test in proved})


def report(rows: Iterable[Row], ledger: Ledger) -> Iterator[str]:
    """Yield the lines to print: per file and level, the failing rows, then the totals."""
    by_level = [(row.file, row.level, row.checklist, row) for row in rows]
    order = {level: number for number, level in enumerate(Level)}
    by_level.sort(key=lambda each: (each[0], order[each[1]]))
    totals = []
    for (file, level, checklist), group in groupby(by_level, key=lambda each: each[:3]):
        verdicts = {row.name: ledger.verdict(row.name) for *_, row in group}
        counts = {each: list(verdicts.values()).count(each) for each in Verdict}
        summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        yield f"{file:16} {level:7} {summary}"
        for name, verdict in verdicts.items():
            if verdict is Verdict.FAILING:
                yield f"    {name} is failing: {', '.join(sorted(ledger.named[name]))}"
        totals.append(f"{checklist} {level} {counts[Verdict.PROVED]}/{len(verdicts)}")
    yield ""
    yield from totals


def citations(line: str) -> list[str]:
    """Return the standards that a docstring's first line names: "RFC 3261", "XEP-0220".

    A bare number belongs to the series before it: "XEP-0220, 0185" names two.
    """
    found: list[str] = []
    series = ""
    for match in CITATION.finditer(line):
        series = match[1] or series
        if series:
            found.append(f"{series}{'-' if series == 'XEP' else ' '}{match[2] or match[3]}")
    return found


def first_lines(source: Path = SOURCE) -> dict[str, str]:
    """Return the first line of each module's docstring by its path within `source`."""
    lines = {}
    for path in sorted(source.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines[path.relative_to(source).as_posix()] = docstring.partition("\n")[0]
    return lines


def standards(rows: Sequence[Row], ledger: Ledger, lines: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of docs/standards.md: every standard with its file, then every row."""
    yield "# Standards, and where they live"
    yield ""
    yield "Written by `make conformance` from the first line of each source file and from the"
    yield "tests that bear the name of a checklist row; not to be edited by hand."
    yield ""
    yield "| standard | file in `src/dragoman` | what it is |"
    yield "|---|---|---|"
    cited = {(name, file) for file, line in lines.items() for name in citations(line)}
    for name, file in sorted(cited):
        yield f"| {name} | `{file}` | {lines[file]} |"
    for file, group in groupby(rows, key=lambda row: row.file):
        yield ""
        yield f"## [{file}](interworking/{file})"
        yield ""
        yield "| row | level | statement | proved by |"
        yield "|---|---|---|---|"
        for row in group:
            proofs = ", ".join(f"`{path}`" for path in ledger.proofs(row.name))
            yield f"| {row.name} | {row.level} | {row.statement} | {proofs} |"


def main(arguments: list[str]) -> int:
    """Run the tests that bear names, print and write what they proved; 1 when one failed."""
    ledger = Ledger()
    status = pytest.main(["-m", "spec", *arguments], plugins=[ledger])
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        return int(status)
    rows = read_rows()
    lines = standards(rows, ledger, first_lines())
    STANDARDS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(report(rows, ledger)))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
