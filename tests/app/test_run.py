"""The command as a process: exit codes, what it says, and what it leaves behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "dragoman"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    return {
        **kept,
        "DRAGOMAN_SIP__LISTEN": '["udp:127.0.0.1:0"]',
        "DRAGOMAN_XMPP__LISTEN": '["starttls:127.0.0.1:0"]',
        "DRAGOMAN_DNS__SERVERS": '["127.0.0.1:9"]',
        "DRAGOMAN_MSRP__LISTEN": '["tcp:127.0.0.1:0"]',
        "DRAGOMAN_HTTP__LISTEN": "",
        "DRAGOMAN_TLS__CERTIFICATES": str(folder / "certs"),
        "DRAGOMAN_STATE": str(folder / "state"),
        **more,
    }


def ended(folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *words],
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*COMMAND, "run"], env=environment(tmp_path), stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def test_it_runs_without_a_file_and_ends_with_0_when_told(
    running: "subprocess.Popen[str]",
) -> None:
    assert running.stderr is not None
    first = json.loads(running.stderr.readline())
    assert (first["event"], first["level"]) == ("listening", "info")
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 0
    for line in running.stderr.read().splitlines():
        assert json.loads(line)["event"]


def test_a_bad_configuration_ends_with_2_and_says_where(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text("[xmpp]\nmax_stanza = 'big'\n")
    done = ended(tmp_path, "run", "--config", str(file))
    assert done.returncode == 2
    assert f"{file}: xmpp.max_stanza: found 'big', allowed: " in done.stderr
    assert done.stdout == ""


def test_a_port_in_use_ends_with_1_and_says_which(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        place = f'["starttls:127.0.0.1:{port}"]'
        done = ended(tmp_path, "run", DRAGOMAN_XMPP__LISTEN=place)
    assert done.returncode == 1
    assert f"starttls:127.0.0.1:{port}: another program listens there" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_directory_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = ended(tmp_path, "run", DRAGOMAN_STATE=str(tmp_path / "file" / "state"))
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "advice"),
    [("dragoman.db", "move the file away"), ("presence.db", "put a copy of it back")],
)
def test_a_database_that_is_none_ends_with_2_and_says_what_to_do(
    tmp_path: Path, name: str, advice: str
) -> None:
    (tmp_path / "state").mkdir()
    file = tmp_path / "state" / name
    file.write_text("a letter, by mistake " * 100)
    done = ended(tmp_path, "run")
    assert done.returncode == 2
    assert f"dragoman: state: {file}: it is no database: {advice}" in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_text().startswith("a letter")


def test_two_gateways_with_one_state_end_the_second_with_1(
    running: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    assert running.stderr is not None
    running.stderr.readline()
    done = ended(tmp_path, "run")
    assert done.returncode == 1
    assert "another gateway keeps its state there" in done.stderr


def test_its_own_certificate_is_made_once_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    keys = []
    for _ in range(2):
        done = subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "run"], env=environment(tmp_path), stderr=subprocess.PIPE, text=True
        )
        assert done.stderr is not None
        with done, done.stderr:
            done.stderr.readline()
            done.send_signal(signal.SIGTERM)
        [key] = (tmp_path / "state").rglob("*.key")
        keys.append(key.read_bytes())
        assert key.stat().st_mode & 0o077 == 0
    assert keys[0] == keys[1]


def test_config_prints_what_is_in_effect(tmp_path: Path) -> None:
    done = ended(tmp_path, "config")
    assert done.returncode == 0
    assert 'listen = ["udp:127.0.0.1:0"]' in done.stdout
    assert "# Where state is kept." in done.stdout


def test_the_demonstration_shows_both_directions_and_both_failures(tmp_path: Path) -> None:
    done = ended(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    for told in ("Good morrow", "Is the day so young", "202 Accepted", "403", "item-not-found"):
        assert told in done.stdout
    assert done.stderr == ""


def test_the_version_is_told(tmp_path: Path) -> None:
    assert ended(tmp_path, "--version").stdout.startswith("dragoman 0.")
