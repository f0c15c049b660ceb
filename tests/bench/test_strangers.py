"""What strangers send: of every bad kind, and the same each time."""

import json
from collections import Counter
from pathlib import Path

from bench.abuse import write_configuration
from bench.message import Ports
from bench.strangers import junk
from dragoman.app.reading import load
from dragoman.sip.glance import Kind, glance, kind_of
from dragoman.sip.guard import Guard, Rules


def test_junk_is_of_every_kind_and_repeatable() -> None:
    found = junk(1)
    assert found == junk(1) != junk(2)
    kinds = Counter(kind_of(each) for each in found)
    assert kinds[Kind.JUNK] >= len(found) // 4
    assert kinds[Kind.REQUEST] >= len(found) // 2
    whole = [seen for each in found if (seen := glance(each)) is not None]
    assert {seen.agent for seen in whole} == {"friendly-scanner", "Phone 1.0"}
    assert len({seen.domain for seen in whole if seen.agent == "Phone 1.0"}) > 50


def test_the_guard_disposes_of_all_but_the_strangers_that_it_does_not_know_yet() -> None:
    guard = Guard(Rules(), lambda _: False, lambda *_: "t", lambda *_: False, lambda *_: False)
    for number, each in enumerate(junk(1)):
        guard.look(each, (f"127.0.{number}.1", 5060), 1.0)
    found = guard.describe()
    assert found["scanner agent"] == 100
    assert found["junk"] >= 100


def test_the_configuration_has_all_four_ports(tmp_path: Path) -> None:
    file = write_configuration(tmp_path, Ports(1, 2), Ports(3, 4), ("127.0.0.1", 53))
    found = load(file)
    assert found.sip.listen == ["udp:127.0.0.1:1", "tcp:127.0.0.1:1", "tls:127.0.0.1:3"]
    assert found.xmpp.listen == ["starttls:127.0.0.1:2", "tls:127.0.0.1:4"]
    assert json.dumps(found.dns.servers) == '["127.0.0.1:53"]'
