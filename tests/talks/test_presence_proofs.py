"""Every row of docs/interworking/presence.md §2 has a test, or a talk, that is of it."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.checklists import ROOT

TABLES: Final = ROOT / "docs" / "interworking" / "presence.md"
PAIRS: Final = ROOT / "tests" / "bridge" / "test_presentities.py"
DIALOGS: Final = ROOT / "tests" / "sip" / "test_subscriber.py"
WATCHERS: Final = ROOT / "tests" / "bridge" / "test_watchers.py"

PROOFS: Final[dict[str, tuple[Path | str, str]]] = {
    "none: `subscribe`": (PAIRS, "test_subscribe_yields_a_subscribe"),
    "pending/active/waiting: `subscribe` again": (PAIRS, "test_asking_twice"),
    "pending: 2xx": ("consent", "server answers 200.*\nalice hears nothing"),
    "pending: NOTIFY `pending`": (PAIRS, "test_pending_is_told_to_nobody"),
    "pending: NOTIFY `active`": (
        PAIRS,
        "test_the_first_active_is_told_as_consent_and_then_presence",
    ),
    "active: NOTIFY `active`": (PAIRS, "test_three_devices"),
    "active: NOTIFY `pending`": (PAIRS, "test_pending_again_hides"),
    "any: NOTIFY terminated;`rejected`": (PAIRS, "test_a_question_that_is_answered_with_no"),
    "any: terminated;`deactivated`": (PAIRS, "test_terminated_for_now"),
    "any: terminated;`probation`": (PAIRS, "test_terminated_for_a_while"),
    "any: terminated;`invariant`": (PAIRS, "test_terminated_because_nothing_will_ever_change"),
    "any: response 403, 489, 603": (PAIRS, "test_a_refusal_for_ever_of_a_question"),
    "refresh: 423": ("refreshed", "server answers 423"),
    "refresh: 481 and 404": (PAIRS, "test_a_lost_dialog_is_made_anew"),
    "refresh: other error": (DIALOGS, "test_another_failure_is_tried_again_until_the_end"),
    "initial: other 4xx-6xx": (PAIRS, "test_one_who_cannot_be_asked"),
    "active: watcher's last resource": (PAIRS, "test_who_goes_has_the_dialog_ended"),
    "waiting: watcher online": (PAIRS, "test_who_comes_has_a_dialog"),
    "any: `unsubscribe`": (PAIRS, "test_unsubscribe"),
    "any: `subscribed`/`unsubscribed`": (WATCHERS, "test_the_other_direction_is_not_touched"),
    "refresh timer: after 60 to 85": (DIALOGS, "test_refreshes_are_spread"),
    "any: a dialog ended or forgotten": (PAIRS, "test_terminated_again_and_again"),
    "any: `subscribe`, `unsubscribe`, presence": (
        PAIRS,
        "test_who_cannot_make_up_his_mind_is_no_flood",
    ),
    "any: NOTIFY with a document that is refused": (
        PAIRS,
        "test_a_damaged_document_does_not_keep_a_dialog_alive",
    ),
    "pending for 30 days": (PAIRS, "test_a_request_that_nobody_answers_ends"),
    "any: `subscribe` from a watcher": (PAIRS, "test_who_asks_is_there"),
    "any: presence, `subscribed`": (PAIRS, "test_what_could_not_be_told_is_told_later"),
    "start of the gateway": (PAIRS, "test_many_are_taken_up_little_by_little"),
    "after a start: first NOTIFY": (PAIRS, "test_who_was_shown_before_is_gone"),
    "after a start: unavailable": (PAIRS, "test_sessions_from_before_a_restart_count"),
}
"""How each row begins; and a function in a file of tests, or what a talk of that name has."""


def rows() -> list[str]:
    """Return state and event of each row."""
    text = TABLES.read_text("utf-8").partition("\n## 2. ")[2].partition("\n## 3. ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[each.strip() for each in line.strip("|").split("|")] for line in lines]
    return [": ".join(filter(None, each[:2])) for each in cells[1:]]


def of(row: str) -> str | None:
    """Return how a row begins, as `PROOFS` has it: the longest that fits."""
    return max((each for each in PROOFS if row.startswith(each)), key=len, default=None)


@pytest.mark.parametrize("row", rows())
def test_a_row_has_a_proof(row: str) -> None:
    """One that was added has to be proved, and named here."""
    begin = of(row)
    assert begin is not None, f"no test is of the row {row!r}"
    place, what = PROOFS[begin]
    if isinstance(place, Path):
        assert re.search(rf"^def {what}\(", place.read_text("utf-8"), re.MULTILINE), what
    else:
        talk = (ROOT / "talks" / "presence" / f"{place}.talk").read_text("utf-8")
        assert re.search(what, talk), what


def test_each_proof_is_of_one_row() -> None:
    """And each row has its own: none is left over when a row is changed or gone."""
    assert sorted(filter(None, map(of, rows()))) == sorted(PROOFS)
