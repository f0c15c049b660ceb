"""The benchmark of calls runs, and loses nothing."""

import json

import pytest

from bench.media import main
from dragoman.media import sound


def test_every_case_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--calls", "2", "--seconds", "0.2"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    transcoded = [lines.pop(1)] if sound.installed() else []
    assert all(line["bench"] == "transcode" for line in transcoded)
    assert [line["bench"] for line in lines] == ["relay", "plane", "plane"]
    assert lines[0]["passed"]
    assert [line["lost"] for line in lines[1:]] == [0, 0]
