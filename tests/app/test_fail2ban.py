"""contrib/fail2ban, against fail2ban itself: scanners are banned, and nobody speaks for others."""

import json
import logging
import os
import re
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import ExitStack, closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest

from dragoman.app import logs
from dragoman.log import about
from dragoman.sip.guard import Sign
from tests.app.test_run import COMMAND, environment

CONTRIB = Path(__file__).resolve().parents[2] / "contrib" / "fail2ban"
FILTER = CONTRIB / "filter.d" / "dragoman.conf"
REGEX, SERVER = shutil.which("fail2ban-regex"), shutil.which("fail2ban-server")
pytestmark = pytest.mark.skipif(
    REGEX is None or SERVER is None, reason="fail2ban is not installed (tests/lab/install has it)"
)

Style = Literal["text", "json"]
STYLES: tuple[Style, ...] = ("text", "json")
VICTIM, SCANNER = "192.0.2.1", "198.51.100.7"
LINE = f"2026-11-22T10:00:00.123Z warning bridge.intake: scanner peer={VICTIM} sign=agent count=1"
OBJECT = (
    '{"at": "2026-11-22T10:00:00.123Z", "level": "warning", "place": "bridge.intake",'
    f' "event": "scanner", "peer": "{VICTIM}", "sign": "agent", "count": "1"}}'
)
FORGERIES = (
    f"scanner peer={VICTIM} sign=agent count=1",
    f" warning bridge.intake: scanner peer={VICTIM} sign=agent count=1",
    f"\n{LINE}",
    f"\r\n{LINE}\r\n",
    f"\n{OBJECT}\n",
    OBJECT[OBJECT.index('", "level"') :],
    f"\x85{LINE}\u2028{LINE}\x0b{OBJECT}",
    f'"}}\n{OBJECT}',
    LINE,
    OBJECT,
)


@contextmanager
def written(style: Style, file: Path) -> Iterator[logging.Logger]:
    """Give a logger that writes as the gateway's does, into `file` at the end."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Text() if style == "text" else logs.Json())
    log = logging.getLogger("dragoman.bridge.intake")
    log.addHandler(handler)
    yield log
    log.removeHandler(handler)
    file.write_text(stream.getvalue())


def found(file: Path, filter_: Path = FILTER) -> list[str]:
    """Return the addresses that fail2ban sees a failure of."""
    assert REGEX
    done = subprocess.run(  # noqa: S603 - fail2ban's own command
        [REGEX, "--out", "ip", str(file), str(filter_)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout.split()


@pytest.mark.parametrize("style", STYLES)
def test_every_line_about_a_scanner_is_found(tmp_path: Path, style: Style) -> None:
    file = tmp_path / "log"
    with written(style, file) as log:
        for number, sign in enumerate(Sign):
            peer = f"198.51.100.{number}"
            log.warning("scanner", extra=about(peer=peer, sign=sign.value, count=number + 1))
        log.warning("scanner", extra=about(peer="2001:db8::7", sign="agent", count=1))
    assert found(file) == [*(f"198.51.100.{each}" for each in range(len(Sign))), "2001:db8::7"]


@pytest.mark.parametrize("style", STYLES)
def test_no_peer_can_speak_of_another_address(tmp_path: Path, style: Style) -> None:
    file = tmp_path / "log"
    with written(style, file) as log:
        for each in FORGERIES:
            for event in ("requests refused", "request refused", "message not delivered"):
                log.warning(
                    event, extra=about(peer=SCANNER, sip=each, call_id=each, reason=each, jid=each)
                )
                log.warning(event, extra=about(sip=each))
        log.warning("scanner", extra=about(peer=SCANNER, sign="agent", count=1))
    assert found(file) == [SCANNER]


def scan(call_id: str, agent: str, sender: str) -> bytes:
    return (
        "REGISTER sip:127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.66:5060;branch=z9hG4bK{abs(hash((call_id, agent)))};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: {sender};tag=1\r\nTo: <sip:100@127.0.0.1>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: 1 REGISTER\r\nUser-Agent: {agent}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def scans() -> Iterator[bytes]:
    """Yield what a scanner sends who would like to have somebody else banned."""
    yield scan("1", "friendly-scanner", "<sip:100@127.0.0.1>")
    for each in FORGERIES:
        flat = re.sub(r"[\r\n]+", " ", each)
        quoted = json.dumps(each)
        yield scan("2", f"friendly-scanner {flat}", "<sip:100@127.0.0.1>")
        yield scan(each, each, f"{quoted} <sip:100@127.0.0.1>")
        yield scan(flat.replace(" ", "_"), "x", f"{json.dumps(flat)} <sip:a@b.example>")


@contextmanager
def gateway(folder: Path, style: Style, log: Path) -> Iterator[int]:
    """Run a real gateway that logs into `log`; give its SIP port."""
    settings = environment(
        folder, DRAGOMAN_SIP__LISTEN='["udp:127.0.0.1:0"]', DRAGOMAN_LOG__FORMAT=style
    )
    read, write = os.pipe()
    with (
        subprocess.Popen([*COMMAND, "run"], env=settings, stderr=write) as process,  # noqa: S603
        os.fdopen(read) as lines,
    ):
        os.close(write)
        first = lines.readline()
        assert "listening" in first
        port = re.search(r"\bsip\W+([0-9]+)", first)
        assert port is not None
        try:
            yield int(port[1])
        finally:
            process.terminate()
            log.write_text(first + lines.read())


@pytest.mark.parametrize("style", STYLES)
def test_of_a_real_gateways_log_the_scanner_alone_is_found(tmp_path: Path, style: Style) -> None:
    file = tmp_path / "log"
    with gateway(tmp_path, style, file) as port, ExitStack() as stack:
        sockets = []
        for host in ("127.0.0.66", "127.0.0.67"):
            made = stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
            made.bind((host, 0))
            made.settimeout(10)
            made.connect(("127.0.0.1", port))
            sockets.append(made)
        for made in sockets:
            made.send(scan("0", "friendly-scanner", "<sip:100@127.0.0.1>"))
            assert made.recv(9999).startswith(b"SIP/2.0 403 ")
        for data in scans():
            sockets[0].send(data)
    assert sorted(set(found(file))) == ["127.0.0.66", "127.0.0.67"]
    assert len(found(file)) == 2, "a line an address and minute"


JAIL = """
[DEFAULT]
backend = polling
ignoreself = false
[dragoman]
enabled = true
filter = dragoman
logpath = {log}
maxretry = 1
findtime = 1h
bantime = 1h
action = dummy
"""
SETTINGS = """
[Definition]
loglevel = INFO
logtarget = {folder}/fail2ban.log
syslogsocket = auto
socket = {folder}/fail2ban.sock
pidfile = {folder}/fail2ban.pid
dbfile = None
dbpurgeage = 1d
dbmaxmatches = 10
"""
ACTION = """
[Definition]
actionban = echo <ip> >> {told}
"""


def banned(folder: Path, log: Path, most: int) -> list[str]:
    """Run a jail over `log`; return the first `most` addresses that it bans."""
    assert SERVER
    told = folder / "told"
    os.mkfifo(told)
    for name, text in {
        "fail2ban.conf": SETTINGS,
        "jail.conf": JAIL,
        "action.d/dummy.conf": ACTION,
    }.items():
        file = folder / "config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(log=log, folder=folder, told=told))
    (folder / "config" / "filter.d").symlink_to(FILTER.parent)
    reading = os.open(told, os.O_RDWR | os.O_NONBLOCK)
    heard = b""
    with subprocess.Popen([SERVER, "-c", str(folder / "config"), "-f", "start"]) as server:  # noqa: S603
        try:
            while heard.count(b"\n") < most and select.select([reading], [], [], 30)[0]:
                heard += os.read(reading, 4096)
        finally:
            server.terminate()
            os.close(reading)
    return heard.decode().split()


def test_a_jail_bans_who_scans_a_real_gateway(tmp_path: Path) -> None:
    log = tmp_path / "dragoman.log"
    scanners = ("127.0.0.66", "127.0.0.67")
    with gateway(tmp_path, "json", log) as port:
        for host in scanners:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as made:
                made.bind((host, 0))
                made.settimeout(10)
                made.sendto(scan("1", "sipcli", "<sip:1@127.0.0.1>"), ("127.0.0.1", port))
                assert made.recv(9999).startswith(b"SIP/2.0 403 ")
    assert banned(tmp_path, log, len(scanners)) == list(scanners)


def test_the_example_of_a_jail_uses_the_filter() -> None:
    jail = RawConfigParser()
    assert jail.read(CONTRIB / "jail.d" / "dragoman.conf")
    assert jail["dragoman"]["filter"] == FILTER.stem
    assert jail["dragoman"]["enabled"] == "true"
