"""The ledger of proofs: what counts as proved, and how it is told."""

from pathlib import Path

import pytest

from tests.checklists import HEADING, Level, Row, parse_rows, read_rows
from tests.conformance import Ledger, Verdict, citations, report, standards

DOCUMENT = f"""# A checklist
{HEADING}
|---|---|---|---|
| PING-01 | A ping is answered. | XEP-0199 §4 | MUST |
| PING-02 | A pong is not. | beyond | beyond |

After it.
"""

PASSED = "tests/test_ping.py::test_answer"
FAILED = "tests/test_ping.py::test_no_answer"


def ledger() -> Ledger:
    book = Ledger()
    book.named = {"PING-01": {PASSED}, "PING-02": {PASSED, FAILED}}
    book.passed = {PASSED}
    book.failed = {FAILED}
    return book


def test_rows_are_read_from_the_table_alone() -> None:
    assert list(parse_rows("ping.md", DOCUMENT)) == [
        Row("PING-01", "ping.md", "A ping is answered.", "XEP-0199 §4", Level.MUST),
        Row("PING-02", "ping.md", "A pong is not.", "beyond", Level.BEYOND),
    ]


@pytest.mark.parametrize("row", ["| A-1 | two | cells |", "| A-1 | x | y | PERHAPS |"])
def test_a_malformed_row_is_refused(row: str) -> None:
    with pytest.raises(ValueError, match=r"four cells|PERHAPS"):
        list(parse_rows("bad.md", f"{HEADING}\n|---|---|---|---|\n{row}\n"))


def test_a_name_belongs_to_one_row(tmp_path: Path) -> None:
    for name in ("one.md", "two.md"):
        tmp_path.joinpath(name).write_text(DOCUMENT)
    with pytest.raises(ValueError, match="PING-01, PING-02"):
        read_rows(tmp_path)


def test_every_document_of_ours_has_a_checklist() -> None:
    assert {row.checklist for row in read_rows()} == {
        "ADDR", "ERR", "FILE", "IM", "MED", "MSRP", "MUC", "NET", "PRES",
    }  # fmt: skip


def test_one_failure_outweighs_a_proof_and_no_test_is_no_proof() -> None:
    verdicts = [ledger().verdict(name) for name in ("PING-01", "PING-02", "PING-03")]
    assert verdicts == [Verdict.PROVED, Verdict.FAILING, Verdict.UNPROVED]


def test_the_report_ends_with_a_line_per_checklist_and_level() -> None:
    lines = list(report(parse_rows("ping.md", DOCUMENT), ledger()))
    assert lines == [
        "ping.md          MUST    1 proved, 0 failing, 0 not yet proved",
        "ping.md          beyond  0 proved, 1 failing, 0 not yet proved",
        f"    PING-02 is failing: {PASSED}, {FAILED}",
        "",
        "PING MUST 1/1",
        "PING beyond 0/1",
    ]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("SIP URIs (RFC 3261 §19.1, RFC 3966).", ["RFC 3261", "RFC 3966"]),
        ("Dialback (XEP-0220, 0185).", ["XEP-0220", "XEP-0185"]),
        ("Streams (RFC 6120 §4; XEP-0368 and 0478).", ["RFC 6120", "XEP-0368", "XEP-0478"]),
        ("The one tap that sees all traffic, 2024.", []),
    ],
)
def test_a_first_line_names_its_standards(line: str, names: list[str]) -> None:
    assert citations(line) == names


def test_standards_lists_files_and_proofs() -> None:
    lines = "\n".join(
        standards(
            list(parse_rows("ping.md", DOCUMENT)),
            ledger(),
            {"xmpp/ext/ping.py": "Ping (XEP-0199)."},
        )
    )
    assert "| XEP-0199 | `xmpp/ext/ping.py` | Ping (XEP-0199). |" in lines
    assert "| PING-01 | MUST | A ping is answered. | `tests/test_ping.py` |" in lines
