"""The lab as fixtures: brought up once where it is down, and then taken down again."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.peers.hosts import LAB, PATIENCE, Gateway, Program, forget_state, wait_until

NEEDED: Final = (
    *("ip", "iptables", "openssl", "unbound", "prosody", "ejabberdctl", "kamailio", "rtpengine"),
    *("baresip", "linphone-daemon", "sipp", "profanity"),
)
LOCK: Final = Path("/run/lock/dragoman-lab")
LAB_SECONDS: Final = 60
TEST_SECONDS: Final = 150

Start = Callable[..., Program]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests with peers a time-out of their own: processes start and protocols wait."""
    for item in items:
        if item.path.parent.name == "peers" and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS, method="signal"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have a test that fails show what the gateways logged that were started last."""
    report = yield
    if report.failed:
        report.sections += [("gateway", each.log()) for each in Gateway.latest]
    return report


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def obstacle() -> str:
    """Say why there can be no lab here; "" when there can."""
    if os.geteuid():
        return "need root, for each peer lives in a network namespace"
    if not shutil.which("unshare") or not _succeeds("unshare", "--net", "--mount", "true"):
        return "need network namespaces, which this machine does not allow"
    absent = [program for program in NEEDED if not shutil.which(program)]
    if not _succeeds("/usr/bin/python3", "-c", "import slixmpp, aiohttp, pyte"):
        absent.append("slixmpp, aiohttp or pyte")
    return f"need {', '.join(absent)}: run tests/lab/install" if absent else ""


def _lab(command: str, *arguments: str) -> None:
    done = subprocess.run(
        [LAB / command, *arguments],
        capture_output=True,
        text=True,
        timeout=LAB_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"tests/lab/{command}: {done.stderr or done.stdout}"


@contextmanager
def _alone() -> Iterator[None]:
    """Keep other runs out of the lab, for it has one host for one gateway."""
    with LOCK.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"another run uses the lab ({LOCK} is locked)")
        yield


@pytest.fixture(scope="session")
def lab() -> Iterator[None]:
    """The lab, up: one that was up before is used as it is, and left."""
    why_not = obstacle()
    if why_not:
        pytest.skip(f"real peers {why_not}")
    with _alone():
        if _succeeds(str(LAB / "status")):
            yield
            return
        _lab("down")
        _lab("up")
        try:
            yield
        finally:
            _lab("down")


@pytest.fixture(scope="module")
def servers(lab: None) -> Iterator[Callable[[str], None]]:
    """Have the XMPP servers restarted in a mode of tests/lab/mode; normal again in the end."""
    yield lambda mode: _lab("mode", mode)
    _lab("mode", "normal")


@pytest.fixture(scope="module")
def gateway(lab: None) -> Iterator[Gateway]:
    """`dragoman run` with no file and no state; it must end well when asked to."""
    forget_state()
    with Gateway() as running:
        yield running
        running.stop()


@pytest.fixture
def start(lab: None) -> Iterator[Start]:
    """Start programs as `Program` does, to be ended with the test."""
    with ExitStack() as stack:
        yield lambda host, *command, **options: stack.enter_context(
            Program(host, *command, **options)
        )


@pytest.fixture
def chat(start: Start) -> Callable[..., Program]:
    """Bring an XMPP user online: `chat("alice@xmpp.example/lab")`; told "TO TEXT", it says so."""

    def online(jid: str, *options: str) -> Program:
        user = jid.partition("@")[0]
        host = user if user in {"alice", "bob"} else "alice"
        insecure = ["--insecure"] if "@selfsigned." in jid else []
        peer = start(host, "xmpp_user", jid, "talk", "--for", "600", *insecure, *options)
        peer.hears(event="online")
        return peer

    return online


@pytest.fixture
def baresip(start: Start) -> Iterator[Callable[..., Program]]:
    """Register NAME@sip.example by baresip; it first sends `text` to the SIP URI `to`, if any."""
    phones = []

    def registered(name: str, to: str = "", text: str = "") -> Program:
        words = ["sip_user", name, str(TEST_SECONDS)]
        peer = start("carol", *words, environment={"CONTACTS": to})
        phones.append(peer)
        peer.says("registered successfully")
        if text:
            peer.tell(f"message {text}")
        return peer

    yield registered
    for each in phones:
        each.leave()


@pytest.fixture
def linphone(start: Start) -> Callable[..., Program]:
    """Register NAME@sip.example by Linphone, which takes commands ("message URI TEXT")."""

    def registered(name: str, host: str = "dave") -> Program:
        peer = start(host, "linphone_user", name)

        def is_registered() -> bool | None:
            peer.tell("register-status ALL")
            time.sleep(0.1)
            return "State: LinphoneRegistrationOk" in peer.said() or None

        wait_until(is_registered, PATIENCE, peer.said)
        return peer

    return registered


@pytest.fixture
def linphone_chat(start: Start) -> Callable[..., Program]:
    """Register NAME@sip.example by Linphone, which says what became of messages.

    It takes the commands of tests/lab/peers/linphone_chat.
    """

    def registered(name: str, *options: str) -> Program:
        peer = start("dave", "linphone_chat", name, *options)
        peer.hears(event="registered")
        return peer

    return registered


@pytest.fixture
def profanity(start: Start) -> Callable[[str], Program]:
    """Bring an XMPP user online in Profanity, who types what he is told."""

    def online(jid: str) -> Program:
        peer = start("alice", "profanity_user", jid)
        peer.hears(event="online")
        return peer

    return online
