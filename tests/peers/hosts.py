"""Programs on the hosts of tests/lab: peers whose output can be waited for, and the gateway."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from tempfile import NamedTemporaryFile
from typing import Any, ClassVar, Final, Self, TypeVar

T = TypeVar("T")

LAB: Final = Path(__file__).resolve().parent.parent / "lab"
SOURCE: Final = LAB.parent.parent / "src"
"""What the gateway is run from, also where another copy of it is installed."""
START_SECONDS: Final = 20
STOP_SECONDS: Final = 20
LEAVE_SECONDS: Final = 10
PATIENCE: Final = 20
"""How long a peer may take to say what a test waits for."""

LOG_END: Final = 8000
"""Characters of a gateway's log that a failed test shows."""

LISTENS: Final = {"tcp": (5060, 5061, 5269, 5270), "udp": (5060,)}


def on_host(host: str, *command: str | Path) -> list[str]:
    """Return the words that run `command` on a host; the peers of the lab go by their names."""
    program, *rest = map(str, command)
    peer = LAB / "peers" / program
    return [str(LAB / "exec"), host, str(peer) if peer.exists() else program, *rest]


def run(host: str, *command: str | Path, data: bytes = b"", seconds: float = 60) -> bytes:
    """Run `command` on a host to its end, within `seconds`, and return what it printed."""
    done = subprocess.run(
        on_host(host, *command), input=data, capture_output=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, (command, done.stderr.decode(errors="replace")[-2000:])
    return done.stdout


def wait_until(found: Callable[[], T | None], seconds: float, what: Callable[[], str]) -> T:
    """Return what `found` returns once that is not None; fail, saying `what`, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = found()
        if result is not None:
            return result
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def _of_session(session: int) -> list[int]:
    """Return the processes of a session: a group is left by what `timeout` runs."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            after_name = file.read_text(errors="replace").rpartition(")")[2].split()
            if int(after_name[3]) == session:
                found.append(int(file.parent.name))
    return found


class Program:
    """A program that runs on a host, with its output in a file; a context manager that ends it."""

    def __init__(
        self, host: str, *command: str | Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start it, with `environment` added to that of the tests but for our own variables."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("DRAGOMAN_")}
        self._output = NamedTemporaryFile(prefix="dragoman-peer-")  # noqa: SIM115 (closed by end)
        self._process = subprocess.Popen(
            on_host(host, *command),
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
            env={**inherited, **(environment or {})},
        )
        self._since = 0

    @property
    def pid(self) -> int:
        """The process itself: nothing of the lab stays between it and us."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def said(self) -> str:
        """Return all that it has printed so far, since `forget`."""
        data = Path(self._output.name).read_bytes()[self._since :]
        return data.decode("utf-8", "replace")

    def forget(self) -> None:
        """Have what it has printed so far count no more."""
        self._since = Path(self._output.name).stat().st_size

    def tell(self, line: str) -> None:
        """Write one line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def says(self, pattern: str, seconds: float = PATIENCE) -> re.Match[str]:
        """Return the first match of `pattern` in its output, once there is one."""
        return wait_until(
            lambda: re.search(pattern, self.said()),
            seconds,
            lambda: f"{pattern!r} is not in:\n{self.said()[-3000:]}",
        )

    def events(self) -> list[dict[str, Any]]:
        """Return what it has printed so far of events, each a JSON object on a line."""
        lines = self.said().splitlines()
        return [json.loads(each) for each in lines if each.startswith("{") and each.endswith("}")]

    def hears(self, seconds: float = PATIENCE, **expected: str | int | list[str]) -> dict[str, Any]:
        """Return the first event (a JSON object a line) that has all that is `expected`."""

        def found() -> dict[str, Any] | None:
            return next((each for each in self.events() if expected.items() <= each.items()), None)

        return wait_until(
            found, seconds, lambda: f"no event has {expected} in:\n{self.said()[-3000:]}"
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def leave(self) -> None:
        """Ask it to end, for it to hang up and sign off; it has some seconds for that."""
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.wait(LEAVE_SECONDS)

    def end(self) -> None:
        """End it and all that it started, whatever they do."""
        for each in _of_session(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._output.close()

    def wait(self, seconds: float) -> int:
        """Return its exit status once it ends by itself."""
        return self._process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Gateway(Program):
    """`dragoman run` on the host gw, or another, listening once made."""

    latest: ClassVar[deque["Gateway"]] = deque(maxlen=2)
    """Those that were started last, some of which may have ended."""

    def __init__(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        host: str = "gw",
    ) -> None:
        """Start it with no configuration but the `arguments` and `environment` given."""
        beside = Path(sys.executable).with_name("dragoman")
        command = [beside] if beside.exists() else [sys.executable, "-m", "dragoman"]
        ours = {"PYTHONPATH": str(SOURCE), **(environment or {})}
        self._host = host
        self._kept: str | None = None
        super().__init__(host, *command, "run", *arguments, environment=ours)
        self.latest.append(self)
        try:
            wait_until(self._listens, START_SECONDS, lambda: f"not listening:\n{self.said()}")
        except BaseException:
            self.end()
            raise

    def _listens(self) -> bool | None:
        assert self.alive, f"the gateway ended:\n{self.said()[-3000:]}"
        for protocol, ports in LISTENS.items():
            sockets = run(self._host, "ss", "-Hlnp", f"--{protocol}").decode()
            ours = [line for line in sockets.splitlines() if f"pid={self.pid}," in line]
            if not all(re.search(rf":{port}\s", "\n".join(ours)) for port in ports):
                return None
        return True

    def log(self) -> str:
        """Return the end of what it logged, also once it has ended."""
        return self.said()[-LOG_END:] if self._kept is None else self._kept

    def end(self) -> None:
        """End it, and keep the end of its log."""
        self._kept = self.log()
        super().end()

    @property
    def resident_mib(self) -> float:
        """Its resident memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def stop(self) -> None:
        """Ask it to stop: it must, with exit status 0."""
        assert self.alive, f"the gateway ended:\n{self.said()[-3000:]}"
        self.signal(signal.SIGTERM)
        status = self.wait(STOP_SECONDS)
        assert status == 0, f"exit status {status}:\n{self.said()[-3000:]}"

    def kill(self) -> None:
        """Take it away without a word to anybody."""
        self.signal(signal.SIGKILL)
        self.wait(STOP_SECONDS)


def forget_state(host: str = "gw") -> None:
    """Empty the state folder of a gateway's host."""
    run(host, "find", "/var/lib/dragoman", "-mindepth", "1", "-delete")


def sip_message(
    to: str, text: str, *options: str, name: str = "carol", seconds: int = 45
) -> dict[str, Any]:
    """Send a MESSAGE as NAME@sip.example by Kamailio; return its status, reason and seconds."""
    command = ["sip_message", name, to, text, "--for", str(seconds), *options]
    result = json.loads(run("carol", *command, seconds=seconds + 15))
    return dict(result)


def fresh(name: str) -> str:
    """Return a name for a SIP user whom no phone of another test, killed since, is registered for.

    What a phone refuses, a proxy passes on when all phones have answered or failed to.
    """
    return f"{name}-{token_hex(3)}"


def raw(
    port: int, kind: str, data: bytes, *options: str, host: str = "carol", to: str = "gw"
) -> tuple[bool, bytes]:
    """Send bytes to a port of the gateway; return whether it hung up, and what it said."""
    address = [f"{to}.lab.example", str(port), kind, *options]
    first, _, rest = run(host, "raw", *address, data=data).partition(b"\n")
    return bool(json.loads(first)["closed"]), rest
