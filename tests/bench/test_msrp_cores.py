"""The benchmark of MSRP runs, loses nothing, and says what every benchmark says."""

import json

import pytest

from bench.msrp_cores import main


def test_every_case_has_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["msrp.py", "--count", "200", "--size", "1000000"])
    main()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    cases = ["short", "long, streamed", "long, whole", "idle"]
    ways = ["sent", "received in one", "received in 2048"]
    assert [line["case"] for line in lines] == cases + [f"loopback, {way}" for way in ways]
    keys = {"bench", "count", "lost", "seconds", "rate", "cpu_s_per_1000", "rss_mib"}
    assert all(keys <= set(line) for line in lines)
    assert [line["lost"] for line in lines] == [0] * 7
