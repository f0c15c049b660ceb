"""Which process listens at a port, by what the kernel shows of it."""

import os
import socket
from pathlib import Path

import pytest

from dragoman.app.holder import Holder, holder
from dragoman.net.listen import Place

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retr uid timeout inode\n"
QUEUES = "00000000:00000000 00:00000000 00000000"
LISTENS = f"   0: 0100007F:13C4 00000000:0000 0A {QUEUES}  0 0 4711 1\n"
TALKS = f"   1: 0100007F:13C4 0200007F:1234 01 {QUEUES}  0 0 4712 1\n"


def process(proc: Path, pid: int, inode: int, *command: str) -> None:
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "fd" / "3").symlink_to(f"socket:[{inode}]")
    (proc / str(pid) / "cmdline").write_text("".join(f"{each}\0" for each in command))


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (("/usr/sbin/kamailio", "-f", "x"), Holder(12, "kamailio", ours=False)),
        (("/usr/bin/python3", "/usr/bin/dragoman", "run"), Holder(12, "dragoman", ours=True)),
        (("/usr/bin/dragoman", "run"), Holder(12, "dragoman", ours=True)),
        (("python3", "-m", "dragoman", "run"), Holder(12, "dragoman", ours=True)),
        ((), Holder(12, "a program", ours=False)),
    ],
)
def test_who_listens_is_named(tmp_path: Path, command: tuple[str, ...], found: Holder) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(HEAD + LISTENS + TALKS)
    process(tmp_path, 11, 4712, "talks", "only")
    process(tmp_path, 12, 4711, *command)
    assert holder(Place("tcp", "*", 5060), tmp_path) == found
    assert holder(Place("udp", "*", 5060), tmp_path) is None
    assert holder(Place("tcp", "*", 5061), tmp_path) is None


@pytest.mark.parametrize(
    ("scheme", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)]
)
def test_a_real_port_is_ours(scheme: str, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as kept:
        kept.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            kept.listen()
        found = holder(Place(scheme, "127.0.0.1", kept.getsockname()[1]))
    assert found is not None
    assert found.pid == os.getpid()
