"""The documents say what is there: keys with their defaults, commands, and links that lead."""

import re
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from dragoman.app.config import Component, Configuration, PresenceServer, Section, SipAccount, Turn
from tests.checklists import ROOT

REFERENCE: Final = ROOT / "docs" / "reference" / "configuration.md"
ROW: Final = re.compile(r"^\| `(\w+)` \| (.+?) \| .+ \|$", re.MULTILINE)
LINK: Final = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
OURS: Final = [
    *ROOT.glob("*.md"),
    *ROOT.joinpath("docs").rglob("*.md"),
    *ROOT.joinpath("changes").glob("*.md"),
    ROOT / "tests" / "lab" / "README.md",
]


def sections() -> dict[str, dict[str, str]]:
    """Return, by heading, the keys of the reference and the defaults it tells."""
    _, *parts = REFERENCE.read_text(encoding="utf-8").split("\n## ")
    return {part.partition("\n")[0].partition(",")[0].strip("`"): rows(part) for part in parts}


def rows(text: str) -> dict[str, str]:
    return {key: default.strip("`") for key, default in ROW.findall(text)}


def keys(model: type[BaseModel]) -> set[str]:
    """Return the keys of a table that are not tables themselves."""
    return {
        name
        for name, field in model.model_fields.items()
        if name not in {"component", "account", "publish", "turn"}
        and not (isinstance(field.annotation, type) and issubclass(field.annotation, Section))
    }


def test_the_reference_has_every_key_and_no_other() -> None:
    expected = {
        "Top": keys(Configuration),
        "[[xmpp.component]]": keys(Component),
        "[[sip.account]]": keys(SipAccount),
        "[[presence.publish]]": keys(PresenceServer),
        "[[media.turn]]": keys(Turn),
    }
    for name, field in Configuration.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            expected[f"[{name}]"] = keys(field.annotation)
    assert {heading: set(told) for heading, told in sections().items()} == expected


def test_the_reference_tells_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    configuration = Configuration()
    for heading, told in sections().items():
        if heading.startswith("[["):
            continue
        table = configuration if heading == "Top" else getattr(configuration, heading.strip("[]"))
        for key, default in told.items():
            value = getattr(table, key)
            shown = str(value).lower() if isinstance(value, bool) else value
            shown = f'"{shown}"' if isinstance(value, str | Path) else str(shown)
            assert shown.replace("'", '"') == default, f"{heading} {key}"


@pytest.mark.parametrize("file", OURS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    for target in LINK.findall(file.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (file.parent / target).exists(), target


def test_every_command_told_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {
        command
        for file in OURS
        for command in re.findall(r"`make ([a-z-]+)", file.read_text("utf-8"))
    }
    assert told >= {"test", "demo"}
    assert told <= targets
