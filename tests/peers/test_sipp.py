"""SIPp scenarios of our own (tests/peers/sipp): loss, retransmission, TCP and OPTIONS.

SIPp is the only server of udp.sipp.example and tcp.sipp.example, so that the gateway's
transactions are with SIPp itself.  Debian's SIPp has no TLS: there, plain bytes do.
"""

import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.peers.hosts import Gateway, Program, on_host, raw, run, wait_until

SCENARIOS = Path(__file__).parent / "sipp"
CALLS = 200
RATE = 25
PATIENCE = 60
LOSS = 10

TRANSPORTS = {"udp": "u1", "tcp": "t1"}
"""SIPp's own names: one socket for all calls."""
SERVER, CLIENT = 5070, 5170
"""SIPp's ports, that of its domains' records and another."""
AHEAD = 30
"""Messages to one phone that may wait in the gateway, which sends it one at a time."""
RECEIVED = re.compile(
    r"message received[^\n]*\n\n(MESSAGE sip:.*?)(\nUDP message[^\n]*?)?(?=-{20,}|\Z)", re.DOTALL
)
"""A request in SIPp's log, and what SIPp says of it when it loses it."""
LOST = ("UDP message lost (recv)", "UDP message voluntary lost (while sending)")

Chat = Callable[[str], Program]


def sipp(scenario: str, transport: str, *options: object, server: bool = False) -> list[str]:
    to = [] if server else ["gw.lab.example:5060"]
    local = str(SERVER if server else CLIENT)
    where = ("-i", "198.51.100.50", "-p", local, "-t", TRANSPORTS[transport], "-nostdin")
    return ["sipp", *to, "-sf", str(SCENARIOS / scenario), *where, *map(str, options)]


def send(transport: str, folder: Path, calls: int, *options: str) -> Program:
    """Have SIPp send numbered messages to alice."""
    keys = {
        "from": f"sip:carol@{transport}.sipp.example",
        "to": "sip:alice@xmpp.example",
        "text": f"{folder.name} to",
    }
    words = [word for key, value in keys.items() for word in ("-key", key, value)]
    words += ["-m", str(calls), "-r", str(RATE), "-timeout", str(PATIENCE)]
    words += ["-trace_err", "-error_file", str(folder / "errors")]
    return Program("carol", *sipp("message.xml", transport, *words, *options))


@contextmanager
def answering(transport: str, log: Path, *options: str) -> Iterator[None]:
    """Have SIPp answer as the server of a domain; what it received is in `log`."""
    words = ("-trace_msg", "-message_file", log, *options)
    with Program("carol", *sipp("answer.xml", transport, *words, server=True)) as uas:
        listening = ("ss", "-Hln", f"--{transport}", f"sport = :{SERVER}")
        wait_until(lambda: run("carol", *listening) or None, 10, uas.said)
        yield


def received(log: Path) -> dict[str, set[tuple[str, str]]]:
    """Return the bodies that SIPp received, and with which Call-ID and CSeq each."""
    found = defaultdict(set)
    text = log.read_text(errors="replace") if log.exists() else ""
    for message, lost in RECEIVED.findall(text.replace("\r", "")):
        if lost.startswith(f"\n{LOST[0]}"):
            continue
        head, _, body = message.partition("\n\n")
        headers = dict(re.findall(r"^(Call-ID|CSeq): *(.*)$", head, re.MULTILINE))
        found[body.strip()].add((headers["Call-ID"], headers["CSeq"]))
    return dict(found)


def bodies(chat: Program, start: str) -> Counter[str]:
    said = [event.get("body", "").strip() for event in chat.events() if event["event"] == "message"]
    return Counter(body for body in said if body.startswith(start))


@contextmanager
def losing_packets() -> Iterator[None]:
    """Lose SIP datagrams in the network, in both directions."""
    rule = ("-p", "udp", "-m", "statistic", "--mode", "random", "--probability", f"{LOSS / 100}")
    rules = [
        ("gw", "INPUT", *rule, "--dport", "5060", "-j", "DROP"),
        ("carol", "INPUT", *rule, "-j", "DROP", "-s", "198.51.100.10"),
    ]
    for host, *words in rules:
        run(host, "iptables", "-A", *words)
    try:
        yield
        for host, *_ in rules:
            counted = run(host, "iptables", "-L", "INPUT", "-nvx").decode()
            assert re.search(r"^ +[1-9]\d* .* DROP ", counted, re.MULTILINE), counted
    finally:
        for host, *words in rules:
            run(host, "iptables", "-D", *words)


def _room(log: Path, number: int) -> bool | None:
    """Whether message `number` finds room in the gateway; None: not yet."""
    return number - len(received(log)) < AHEAD or None


def exchange(
    transport: str, folder: Path, chat: Chat, calls: int, *options: str
) -> tuple[Counter[str], dict[str, set[tuple[str, str]]]]:
    """Send messages both ways at once; return what arrived at alice, and what at SIPp."""
    alice, log = chat("alice@xmpp.example/lab"), folder / "messages"
    with answering(transport, log, *options), send(transport, folder, calls, *options) as uac:
        for number in range(calls):
            wait_until(partial(_room, log, number), PATIENCE, alice.said)
            alice.tell(f"carol@{transport}.sipp.example {folder.name} from {number}")
        status = uac.wait(PATIENCE + 20)
        errors = folder / "errors"
        assert status == 0, errors.read_text() if errors.exists() else uac.said()[-2000:]
        wait_until(
            lambda: len(received(log)) >= calls or None,
            PATIENCE,
            lambda: f"{len(received(log))} of {calls} arrived; {alice.said()[-1000:]}",
        )
        return bodies(alice, f"{folder.name} to"), received(log)


def check(
    calls: int, at_alice: Counter[str], at_sipp: dict[str, set[tuple[str, str]]], name: str
) -> None:
    """Fail unless each message arrived, and arrived once."""
    assert at_alice == {f"{name} to {number}": 1 for number in range(1, calls + 1)}
    assert set(at_sipp) == {f"{name} from {number}" for number in range(calls)}
    assert {len(transactions) for transactions in at_sipp.values()} == {1}


@pytest.mark.spec("NET-20")
def test_loss_at_sipp_loses_and_doubles_nothing(
    gateway: Gateway, chat: Chat, tmp_path: Path
) -> None:
    found = exchange("udp", tmp_path, chat, CALLS, "-lost", str(LOSS))
    check(CALLS, *found, tmp_path.name)
    log = (tmp_path / "messages").read_text()
    assert all(each in log for each in LOST)


@pytest.mark.spec("NET-20")
def test_loss_in_the_network_loses_and_doubles_nothing(
    gateway: Gateway, chat: Chat, tmp_path: Path
) -> None:
    with losing_packets():
        found = exchange("udp", tmp_path, chat, CALLS)
    check(CALLS, *found, tmp_path.name)


@pytest.mark.spec("NET-34")
@pytest.mark.spec("NET-35")
def test_one_connection_carries_all(gateway: Gateway, chat: Chat, tmp_path: Path) -> None:
    check(CALLS, *exchange("tcp", tmp_path, chat, CALLS), tmp_path.name)


OPTIONS = (
    "OPTIONS sip:gw.lab.example SIP/2.0\r\n"
    "Via: SIP/2.0/TLS carol.lab.example;branch=z9hG4bKpiped{number}\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:carol@udp.sipp.example>;tag={number}\r\n"
    "To: <sip:gw.lab.example>\r\nCall-ID: piped\r\nCSeq: {number} OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


@pytest.mark.spec("NET-34")
@pytest.mark.spec("NET-35")
@pytest.mark.parametrize("cut", [(), ("--by-one",)], ids=["together", "byte by byte"])
def test_requests_follow_one_another_by_tls(gateway: Gateway, cut: tuple[str, ...]) -> None:
    data = "".join(OPTIONS.format(number=number) for number in range(20)).encode()
    _, answers = raw(5061, "tls", data, *cut)
    found = re.findall(rb"SIP/2.0 200 OK\r\n(?:.+\r\n)*?CSeq: (\d+) OPTIONS\r\n", answers)
    assert sorted(map(int, found)) == list(range(20))


@pytest.mark.spec("NET-34")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_options_tell_what_the_gateway_takes(
    gateway: Gateway, tmp_path: Path, transport: str
) -> None:
    keys = (
        "-key",
        "from",
        f"sip:carol@{transport}.sipp.example",
        "-key",
        "to",
        "sip:gw.lab.example",
    )
    errors = tmp_path / "errors"
    words = (*keys, "-m", "20", "-r", "20", "-timeout", "20", "-trace_err", "-error_file", errors)
    command = on_host("carol", *sipp("options.xml", transport, *words))
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, errors.read_text() if errors.exists() else done.stderr[-2000:]
