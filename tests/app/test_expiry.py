"""Which certificates are warned of, how loudly, and how often."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dragoman.app import services
from dragoman.app.expiry import MOST, ExpiryWatch, judge
from dragoman.log import fields_of
from dragoman.net.certificates import Report
from tests.house import build, tear_down
from tests.net.authority import NOW, issue


def report(left: timedelta | None, problem: str = "", name: str = "a") -> Report:
    ends = NOW + left if left is not None else None
    return Report(f"/certs/{name}.crt", ("a.example",), ends, problem)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("left", "problem", "level", "text"),
    [
        (90 * DAY, "", None, ""),
        (21 * DAY, "", None, ""),
        (21 * DAY - HOUR, "", logging.WARNING, "it expires on 2026-06-21, in 20 days"),
        (3 * DAY, "", logging.WARNING, "it expires on 2026-06-04, in 3 days"),
        (3 * DAY - HOUR, "", logging.ERROR, "it expires on 2026-06-03, in 2 days"),
        (5 * HOUR, "", logging.ERROR, "it expires on 2026-06-01, in 5 hours"),
        (0 * DAY, "", logging.ERROR, "it expired on 2026-06-01"),
        (-DAY, "it expired on 2026-05-31", logging.ERROR, "it expired on 2026-05-31"),
        (90 * DAY, "no key", logging.WARNING, "not used as it is: no key"),
        (DAY, "no key", logging.ERROR, "it expires on 2026-06-02, in 24 hours; no key"),
        (None, "no PEM", logging.WARNING, "not used as it is: no PEM"),
    ],
)
def test_what_is_said_of_a_certificate(
    left: timedelta | None, problem: str, level: int | None, text: str
) -> None:
    found = judge(report(left, problem), NOW)
    assert (found.level if found else None) == level
    assert (found.text if found else "") == text
    assert found is None or found.subject == "a"


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    found = [(each.levelno, " ".join(fields_of(each).values())) for each in caplog.records]
    caplog.clear()
    return found


def test_each_is_said_once_a_day_and_again_when_it_gets_worse(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reports = [report(4 * DAY), report(60 * DAY, name="fine")]
    watch = ExpiryWatch(lambda: reports, lambda: (), lambda _: True)
    warned = (logging.WARNING, "a it expires on 2026-06-05, in 4 days")
    watch.look(NOW)
    watch.look(NOW + 23 * HOUR)
    assert said(caplog) == [warned]
    watch.look(NOW + 25 * HOUR)
    assert [level for level, _ in said(caplog)] == [logging.ERROR]
    watch.look(NOW + 26 * HOUR)
    assert said(caplog) == []
    watch.look(NOW + 50 * HOUR)
    assert [level for level, _ in said(caplog)] == [logging.ERROR]
    reports[0] = report(90 * DAY)
    watch.look(NOW + 80 * HOUR)
    assert said(caplog) == []


def test_domains_that_no_certificate_covers_are_said_once_known(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = {"a.example"}
    watch = ExpiryWatch(list, lambda: served, lambda domain: domain == "a.example")
    watch.look(NOW)
    assert said(caplog) == []
    served.add("b.example")
    watch.look(NOW + HOUR)
    watch.look(NOW + 2 * HOUR)
    assert said(caplog) == [(logging.WARNING, "b.example")]
    watch.look(NOW + 26 * HOUR)
    assert said(caplog) == [(logging.WARNING, "b.example")]


def test_domains_of_strangers_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    served = [f"d{number}.example" for number in range(MOST + 5)]
    watch = ExpiryWatch(list, lambda: served, lambda _: False)
    watch.look(NOW)
    assert len(said(caplog)) == MOST
    watch.look(NOW + HOUR)
    assert len(said(caplog)) == 5


async def test_a_gateway_looks_at_its_start_and_now_and_then_until_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    today = datetime.now(UTC)
    (tmp_path / "certs").mkdir()
    soon = issue("a", names=["a.example"], begins=today - DAY, ends=today + 25 * HOUR)
    soon.save(tmp_path / "certs", "a")
    looks: asyncio.Queue[datetime] = asyncio.Queue()
    look = ExpiryWatch.look

    def noted(watch: ExpiryWatch, now: datetime) -> None:
        looks.put_nowait(now)
        look(watch, now)

    monkeypatch.setattr(ExpiryWatch, "look", noted)
    monkeypatch.setattr(services, "WATCH", 0.001)
    house = await build(tmp_path)
    try:
        async with asyncio.timeout(10):
            times = [await looks.get() for _ in range(3)]
    finally:
        await tear_down(house)
    assert today <= times[0] <= times[1] <= times[2]
    warned = [text for level, text in said(caplog) if level == logging.ERROR]
    assert [text.partition(" it expires on ")[0] for text in warned] == ["a"], "once"
    watching = house.gateway._watching
    assert watching is not None
    assert watching.cancelled()
