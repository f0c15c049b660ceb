"""The page for Prometheus: read by its own parser, in a whole gateway on loopback."""

import asyncio
import socket
import urllib.request
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dragoman.app.config import Http
from dragoman.app.services import Gateway
from dragoman.net.dns import MemoryResolver
from dragoman.trace import Tap
from tests.house import ALICE, House, build, configuration, tear_down
from tests.net.authority import NOW, issue

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = await build(tmp_path, http="127.0.0.1:0")
    yield made
    await tear_down(made)


def fetch(gateway: Gateway, path: str) -> tuple[str, str]:
    assert gateway.http_address is not None
    host, port = gateway.http_address
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


async def scrape(gateway: Gateway) -> dict[Sample, float]:
    kind, text = await asyncio.to_thread(fetch, gateway, "/metrics")
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation for family in families)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def sample(family: str, /, **labels: str) -> Sample:
    return f"dragoman_{family}", frozenset(labels.items())


async def test_what_the_gateway_does_shows(house: House) -> None:
    before = await scrape(house.gateway)
    assert before[sample("xmpp_streams", direction="out")] == 0
    assert before[sample("messages_under_way", **{"from": "sip"})] == 0
    assert before[sample("session_messages_waiting")] == 0
    assert before[sample("sessions", stage="confirmed")] == 0
    assert before[sample("connections", side="msrp")] == 0
    assert before[sample("calls", sound="transcoded")] == 0
    assert await house.says(ALICE.partition("/")[0], "hello") == 202
    after = await scrape(house.gateway)
    assert after[sample("xmpp_streams", direction="in")] == 1
    assert after[sample("xmpp_streams", direction="out")] == 1
    assert after[sample("stanzas_waiting")] == 0
    assert after[sample("sip_events_total", event="requests in")] == 1
    machine = {"machine": "non-INVITE server transaction", "state": "Completed"}
    assert after[sample("sip_transactions", **machine)] == 1
    assert after[sample("sip_datagrams_total", direction="received")] == 1
    assert after[sample("connections", side="xmpp")] == 1
    assert after[sample("connections_refused_total", side="xmpp")] == 0
    assert after[sample("messages_remembered")] == 0
    assert after[sample("store_waiting")] == 0
    assert after[sample("presence_watched", state="active")] == 0
    assert after[sample("presence_watched", state="to take up")] == 0
    assert after[sample("presence_dialogs", watcher="sip")] == 0
    assert after[sample("presence_published")] == 0
    assert after[sample("subscriptions", watcher="xmpp")] == 0
    assert after[sample("subscriptions_waiting")] == 0
    assert after[sample("store_lost_total")] == 0
    assert after["process_resident_memory_bytes", frozenset()] > 1e6


async def test_certificates_show_with_the_time_of_their_end(tmp_path: Path) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    begins = datetime.now(NOW.tzinfo)
    ends = begins.replace(year=begins.year + 1, microsecond=0)
    issue("a", names=["a.example"], begins=begins, ends=ends).save(certs, "a")
    issue("a", names=["a.example"], ends=NOW).save(certs, "old")
    (certs / "junk.crt").write_bytes(b"nonsense")
    house = await build(tmp_path, http="127.0.0.1:0")
    try:
        found = await scrape(house.gateway)
    finally:
        await tear_down(house)
    name = "certificate_not_after_timestamp_seconds"
    assert found[sample(name, name="a")] == ends.timestamp()
    assert found[sample(name, name="old")] == NOW.timestamp()
    assert sample(name, name="junk") not in found
    used = {each: found[sample("certificate_in_use", name=each)] for each in ("a", "old", "junk")}
    assert used == {"a": 1, "old": 0, "junk": 0}


async def test_health(house: House) -> None:
    assert (await asyncio.to_thread(fetch, house.gateway, "/healthz"))[1] == "ok\n"


async def test_a_port_that_is_taken_stops_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = configuration(tmp_path).model_copy(update={"http": Http(listen=where)})
        gateway = Gateway(settings, MemoryResolver(), Tap(lambda: 0.0))
        await gateway.start()
        assert gateway.http_address is None
        assert gateway.xmpp_address[1]
        await gateway.stop(0.1)
    [record] = [each for each in caplog.records if "no pages" in each.getMessage()]
    assert record.levelname == "WARNING"


async def test_without_a_place_nothing_listens(tmp_path: Path) -> None:
    house = await build(tmp_path)
    assert house.gateway.http_address is None
    await tear_down(house)
