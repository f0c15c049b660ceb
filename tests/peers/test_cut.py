"""The network between the gateway and Prosody is cut for 30 s amid 1,000 messages each way.

With stream management (XEP-0198) none is lost, none doubled, and order is kept.  Without it, or
when the connections do not outlive the cut (Prosody resumes no stream between servers), whoever
sent one that is lost hears so.  alice and her server, carol and hers, and the gateway and
Kamailio talk on meanwhile.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, run, wait_until

SCENARIOS: Final = Path(__file__).parent / "sipp"
MESSAGES: Final = 1000
RATE: Final = 25
BEFORE: Final = 5.0
"""Seconds of talk before the cut."""
CUT: Final = 30.0
QUIET: Final = 15.0
PATIENCE: Final = 120.0
"""Seconds after the last message was sent until all has to be over."""
RECEIVED: Final = re.compile(
    r"message received[^\n]*\n\n(MESSAGE sip:|SIP/2.0 )(.*?)(?=\n-{20,}|\Z)", re.DOTALL
)

REACHED: Final = re.compile(r"^to alice (\d+)", re.MULTILINE)

Chat = Callable[[str], Program]


@dataclass(slots=True)
class Way:
    """What became of the messages of one direction, by their numbers."""

    arrived: list[int] = field(default_factory=list)
    """In the order in which they came; one number as often as it came."""
    refused: dict[int, str] = field(default_factory=dict)
    """Of which the sender heard that they did not arrive, or may not have, and how."""
    accepted: set[int] = field(default_factory=set)
    """Of which the sender heard that they were taken: SIP only."""

    order: dict[int, int] = field(default_factory=dict)
    """The place of each in the order in which they reached the gateway, where that is known."""

    @property
    def lost(self) -> set[int]:
        return set(range(MESSAGES)) - set(self.arrived)

    @property
    def doubled(self) -> dict[int, int]:
        return {number: times for number, times in Counter(self.arrived).items() if times > 1}

    @property
    def out_of_order(self) -> list[tuple[int, int]]:
        pairs = zip(self.arrived, self.arrived[1:], strict=False)
        place = self.order.get
        return [(one, next_) for one, next_ in pairs if place(next_, next_) < place(one, one)]

    @property
    def silent(self) -> list[int]:
        """Those that were lost without their senders' hearing of it."""
        return sorted(self.lost - set(self.refused))

    @property
    def wrongly_refused(self) -> list[int]:
        """Those that arrived although their senders heard otherwise."""
        return sorted(set(self.arrived) & set(self.refused))

    def __str__(self) -> str:
        return (
            f"{len(set(self.arrived))} of {MESSAGES} arrived; lost: {brief(sorted(self.lost))};"
            f" doubled: {brief(sorted(self.doubled))}; out of order: {brief(self.out_of_order)};"
            f" refused: {dict(Counter(self.refused.values()))};"
            f" lost in silence: {brief(self.silent)};"
            f" refused and yet arrived: {brief(self.wrongly_refused)}"
        )


def brief(numbers: list[int] | list[tuple[int, int]]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return f"{len(numbers)} ({shown}{', ...' if len(numbers) > 5 else ''})" if numbers else "0"


class Talk:
    """carol, by SIPp and Kamailio, and alice, by slixmpp and Prosody, say numbers to each other."""

    def __init__(self, chat: Chat, folder: Path, stack: ExitStack) -> None:
        """Bring both online."""
        self._folder = folder
        self._stack = stack
        self._alice = chat("alice@xmpp.example/lab")
        self._heard, self._answers = folder / "heard", folder / "answers"
        self._sipp("answer.xml", 5070, "-trace_msg", "-message_file", self._heard)
        capture = ("-l", "-n", "-A", "-i", "eth0", "udp and dst host 198.51.100.10 and port 5060")
        self._wire = stack.enter_context(Program("gw", "tcpdump", *capture))
        register = self._sipp("register.xml", 5171, "-key", "user", "carol", "-m", "1", to=True)
        assert register.wait(10) == 0, register.said()[-2000:]
        # Prosody lets a stanza overtake those that wait for its stream, so the stream comes first.
        self._alice.tell("carol@sip.example good morrow")
        wait_until(
            lambda: "good morrow" in str(received(self._heard)) or None, 20, self._alice.said
        )

    def _sipp(self, scenario: str, port: int, *options: object, to: bool = False) -> Program:
        where = ("-i", "198.51.100.50", "-p", port, "-t", "u1", "-nostdin")
        words = ["kamailio.lab.example:5060"] if to else []
        words += ["-sf", str(SCENARIOS / scenario), *map(str, (*where, *options))]
        return self._stack.enter_context(Program("carol", "sipp", *words))

    def say_all(self, cut: Callable[[bool], None]) -> None:
        """Say all numbers both ways, and cut the network for some time meanwhile."""
        keys = {"user": "carol", "to": "sip:alice@xmpp.example", "text": "to alice"}
        words = [word for key, value in keys.items() for word in ("-key", key, value)]
        words += ["-trace_msg", "-message_file", str(self._answers)]
        limits = ("-m", MESSAGES, "-r", RATE, "-l", MESSAGES)
        self._sipp("numbered.xml", 5172, *words, *limits, to=True)
        start = time.monotonic()
        steps = iter([(BEFORE, True), (BEFORE + CUT, False), (float("inf"), False)])
        at, on = next(steps)
        for number in range(MESSAGES):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            if time.monotonic() - start >= at:
                cut(on)
                at, on = next(steps)
            self._alice.tell(f"carol@sip.example to carol {number}")

    def settled(self, *, told: bool) -> tuple[Way, Way]:
        """Return what became of both ways once every message has arrived or was refused.

        That is, or after `PATIENCE`; a little later, for those that come twice. Where alice is not
        `told` of all that she lost, it is enough that for some time nothing has come.
        """
        deadline = time.monotonic() + PATIENCE
        before, since = "", time.monotonic()
        while time.monotonic() < deadline:
            from_sip, from_xmpp = self.from_sip(), self.from_xmpp()
            if (now := f"{from_sip} {from_xmpp}") != before:
                before, since = now, time.monotonic()
            answered = len(from_sip.accepted) + len(from_sip.refused) >= MESSAGES
            quiet = not told and time.monotonic() - since > QUIET
            if answered and not from_sip.silent and (quiet or not from_xmpp.silent):
                break
            time.sleep(1)
        time.sleep(5)
        return self.from_sip(), self.from_xmpp()

    def from_sip(self) -> Way:
        """Return what became of carol's messages: SIPp counts its calls from 1."""
        way = Way()
        for event in self._alice.events():
            body = str(event.get("body", "")).strip()
            if body.startswith("to alice ") and not event["error"]:
                way.arrived.append(int(body.rpartition(" ")[2]) - 1)
        for start, rest in received(self._answers):
            status, call = rest[:3], re.search(r"^Call-ID: (\d+)-", rest, re.MULTILINE)
            if start != "SIP/2.0 " or call is None or status in {"100", "407"}:
                continue
            if status.startswith("2"):
                way.accepted.add(int(call[1]) - 1)
            else:
                way.refused[int(call[1]) - 1] = status
        # UDP may lose one on its way to the gateway, which then comes later than those after it
        reached = dict.fromkeys(int(each) - 1 for each in REACHED.findall(self._wire.said()))
        way.order = {number: place for place, number in enumerate(reached)}
        for start, rest in received(self._heard):
            notice = re.search(r"^\[not delivered, .*\]: to alice (\d+)", rest, re.MULTILINE)
            if start.startswith("MESSAGE") and notice:
                way.refused[int(notice[1]) - 1] = "told by a message"
        return way

    def from_xmpp(self) -> Way:
        """Return what became of alice's messages; a retransmission has the same Call-ID."""
        way, seen = Way(), set()
        for start, rest in received(self._heard):
            call = re.search(r"^Call-ID: *(.*)$", rest, re.MULTILINE)
            number = re.search(r"^to carol (\d+)", rest, re.MULTILINE)
            if start.startswith("MESSAGE") and call and number and call[1] not in seen:
                seen.add(call[1])
                way.arrived.append(int(number[1]))
        sent = [event["id"] for event in self._alice.events() if event["event"] == "sent"]
        numbers = {identifier: number for number, identifier in enumerate(sent[1:])}
        for event in self._alice.events():
            if event["event"] == "message" and event["error"] and event["id"] in numbers:
                way.refused[numbers[event["id"]]] = event["error"]
        return way


def received(log: Path) -> list[tuple[str, str]]:
    """Return what SIPp's log has of messages received: how each begins, and the rest."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return RECEIVED.findall(text.replace("\r", ""))


@contextmanager
def cutting(*, reset: bool) -> Iterator[Callable[[bool], None]]:
    """Give what cuts the gateway and Prosody off from each other, and joins them again.

    With `reset` their connections do not outlive the cut.
    """
    ends = (("gw", "198.51.100.20"), ("prosody", "198.51.100.10"))

    def cut(on: bool) -> None:
        if reset and not on:
            for host, other in ends:
                run(host, "ss", "--kill", "--tcp", "dst", other)
        for host, other in ends:
            run(host, "iptables", "-A" if on else "-D", "INPUT", "-s", other, "-j", "DROP")

    try:
        yield cut
    finally:
        for host, _ in ends:
            run(host, "iptables", "-F", "INPUT")


def talk(chat: Chat, folder: Path, *, reset: bool, told: bool = True) -> tuple[Way, Way]:
    """Have the talk with a new gateway; print and return what became of it."""
    forget_state()
    with ExitStack() as stack:
        gateway = stack.enter_context(Gateway())
        both = Talk(chat, folder, stack)
        cut = stack.enter_context(cutting(reset=reset))
        both.say_all(cut)
        from_sip, from_xmpp = both.settled(told=told)
        gateway.stop()
    print(f"from SIP: {from_sip}\nfrom XMPP: {from_xmpp}")
    return from_sip, from_xmpp


@pytest.mark.spec("NET-39")
@pytest.mark.timeout(300, method="signal")
def test_stream_management_loses_and_doubles_nothing(
    servers: Callable[[str], None], chat: Chat, tmp_path: Path
) -> None:
    servers("normal")
    from_sip, from_xmpp = talk(chat, tmp_path, reset=False)
    for way in (from_sip, from_xmpp):
        assert way.arrived == list(range(MESSAGES)), str(way)
        assert not way.refused, str(way)


@pytest.mark.spec("NET-15")
@pytest.mark.parametrize(
    ("mode", "reset"),
    [("normal", True), ("no-acks", False), ("no-acks", True)],
    ids=["the connections are reset", "nothing is acknowledged", "neither holds"],
)
@pytest.mark.timeout(300, method="signal")
def test_whoever_lost_a_message_hears_so(
    servers: Callable[[str], None], chat: Chat, tmp_path: Path, mode: str, *, reset: bool
) -> None:
    servers(mode)
    told = mode == "normal" or not reset
    """Else Prosody itself does not know what was on its way to the gateway."""
    from_sip, from_xmpp = talk(chat, tmp_path, reset=reset, told=told)
    for way in (from_sip, from_xmpp):
        assert not way.doubled, str(way)
        assert not way.out_of_order, str(way)
    assert not from_sip.silent, str(from_sip)
    if told:
        assert not from_xmpp.silent, str(from_xmpp)
