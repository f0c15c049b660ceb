"""Which process listens at a port (Linux: proc_net(5), proc_pid_fd(5)), as far as we may see."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dragoman.net.listen import Place

PROC: Final = Path("/proc")
WAITING: Final = {"tcp": "0A", "udp": "07"}
"""The states of a TCP socket that listens, and of a UDP socket without a peer."""
OURSELVES: Final = "dragoman"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: its number, the name of its program, and whether that is a gateway of ours."""

    pid: int
    name: str
    ours: bool


def holder(place: Place, proc: Path = PROC) -> Holder | None:
    """Return who listens at the port of `place`, None where that cannot be seen.

    Another user's processes are seen by root only.
    """
    protocol = "udp" if place.scheme == "udp" else "tcp"
    wanted = {f"socket:[{inode}]" for inode in _inodes(proc, protocol, place.port)}
    if not wanted:
        return None
    return next((_named(each) for each in _processes(proc) if _has(each, wanted)), None)


def _inodes(proc: Path, protocol: str, port: int) -> Iterator[str]:
    """Yield the inodes of sockets that wait at a port, of either family."""
    for name in (protocol, f"{protocol}6"):
        with suppress(OSError):
            for line in (proc / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                local = int(fields[1].rpartition(":")[2], 16)
                if local == port and fields[3] == WAITING[protocol]:
                    yield fields[9]


def _processes(proc: Path) -> Iterable[Path]:
    return sorted(each for each in proc.iterdir() if each.name.isdigit())


def _has(process: Path, wanted: set[str]) -> bool:
    with suppress(OSError):
        for each in (process / "fd").iterdir():
            with suppress(OSError):
                if str(each.readlink()) in wanted:
                    return True
    return False


def _named(process: Path) -> Holder:
    words: list[str] = []
    with suppress(OSError):
        words = (process / "cmdline").read_text(errors="replace").split("\0")
    name = Path(words[0]).name if words and words[0] else "a program"
    ours = any(Path(each).name == OURSELVES for each in words[:3])
    return Holder(int(process.name), OURSELVES if ours else name, ours)
