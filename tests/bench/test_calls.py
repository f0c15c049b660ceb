"""The benchmark of calls runs, loses nothing, and says what every line is to say."""

import json

import pytest

from bench.calls import BUDGETS, main


def test_every_case_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--plane", "embedded", "--calls", "2", "--rate", "4", "--seconds", "0.5"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["case"] for line in lines] == ["memory", "media", "set-up"]
    memory, media, set_up = lines
    assert (memory["calls"], memory["failed"]) == (2, 0)
    assert (media["calls"], media["lost"], media["spoilt"]) == (2, 0, 0)
    assert (set_up["count"], set_up["failed"]) == (2, 0)
    assert all(line["budget"] == BUDGETS[line["case"]] for line in lines)
