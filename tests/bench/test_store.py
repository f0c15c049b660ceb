"""The benchmark of the store runs, and says of each case what every benchmark says."""

import json

import pytest

from bench.store import main


def test_every_case_has_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["store.py", "--count", "300"])
    main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["case"] for line in lines] == ["memory", "database", "start", "recall", "unknown"]
    keys = {"bench", "count", "lost", "seconds", "rate", "cpu_s_per_1000", "rss_mib"}
    assert all(keys <= set(line) for line in lines)
    assert [line["lost"] for line in lines] == [0, 0, 0, 0, 30]
