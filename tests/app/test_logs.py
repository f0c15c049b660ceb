"""Log lines: one event a line, whatever a peer sent."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from dragoman.app import logs
from dragoman.log import about
from dragoman.trace import Direction, Protocol, Seen


@pytest.fixture(autouse=True)
def same_handlers_afterwards() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(style: str, event: str, **fields: object) -> str:
    stream = io.StringIO()
    logs.start("info", style, stream)  # type: ignore[arg-type]  # the styles are literals
    logging.getLogger("dragoman.bridge.hub").info(event, extra=about(**fields))
    logging.getLogger("dragoman.bridge.hub").debug("not printed")
    return stream.getvalue()


def test_text_is_key_value() -> None:
    line = logged("text", "stream up", remote="xmpp.example", call_id=None, reason='say "no"')
    assert line.endswith('Z info bridge.hub: stream up remote=xmpp.example reason="say \\"no\\""\n')


def test_json_is_one_object_a_line() -> None:
    [line] = logged("auto", "stream up", remote="xmpp.example").splitlines()
    found = json.loads(line)
    assert (found["event"], found["remote"], found["place"], found["level"]) == (
        "stream up",
        "xmpp.example",
        "bridge.hub",
        "info",
    )


def test_the_log_reads_the_tap_at_debug_and_shows_whole_messages_there_only() -> None:
    seen = Seen(0.0, "x1", Protocol.SIP, Direction.IN, "192.0.2.1:5060", "MESSAGE\r\n\r\nhello")
    for level, lines in (("debug", 1), ("info", 0)):
        stream = io.StringIO()
        logs.start(level, "json", stream)
        logs.traffic(seen)
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert len(found) == lines
        assert all(each["exchange"] == "x1" and "hello" in each["text"] for each in found)


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_peer_cannot_write_a_line_of_its_own(style: str) -> None:
    line = logged(style, "refused", reason="x\n2026-11-22 info all is well")
    assert line.count("\n") == 1
    assert logged(style, "odd\nevent").count("\n") == 1
