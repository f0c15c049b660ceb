"""Two gateways that point at each other's domains do not loop (RFC 7247 §8, RFC 3261 §16.3).

Here our own code is on both ends, for once: nothing else would take such messages from it.  What
they say to each other by SIP is counted on the wire.  A gateway answers a MESSAGE once the next
server has taken the stanza, so 202 may be what the sender hears of one that the next gateway but
one refuses: what is asserted is that it comes to an end, and soon.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.peers.conftest import Start
from tests.peers.hosts import Gateway, Program, forget_state, raw, sip_message

Chat = Callable[[str], Program]

MOST = 8
"""SIP MESSAGE requests that may pass between the two for one that a user sends."""
QUIET = 3.0
"""Seconds in which nothing passes once all is over."""
SETTLED = 12.0
"""Seconds until then."""
ANSWERS = {202, 403, 404, 482, 483}

DOMAINS = '["sip.example", "xmpp.example", "east.mirror.example", "west.mirror.example"]'
MISTAKE = {
    "DRAGOMAN_SERVE__XMPP": DOMAINS,
    "DRAGOMAN_SERVE__SIP": DOMAINS,
    "DRAGOMAN_SIP__TRUSTED": '["198.51.100.0/24"]',
}
"""One configuration for both: each stands for all, and believes whatever the other says."""


class Pair:
    """Both gateways, and who counts what passes between them by SIP."""

    def __init__(self, start: Start, stack: ExitStack, environment: dict[str, str]) -> None:
        self._wire = start(
            *("gw", "tcpdump", "-lnnAi", "eth0", "-s", "0"),
            *("udp", "port", "5060", "and", "host", "198.51.100.12"),
        )
        self._wire.says("listening on eth0")
        for host in ("gw", "gw2"):
            forget_state(host)
            gateway = Gateway(host=host, environment=environment)
            stack.enter_context(gateway)
            stack.callback(gateway.stop)

    def crossed(self) -> int:
        """Return how many MESSAGE requests passed, retransmissions included."""
        return len(re.findall(r"(?<!SIP: )MESSAGE sip:\S+ SIP/2.0", self._wire.said()))

    def comes_to_rest(self) -> int:
        """Return how many passed once none did for some time; fail when that does not happen."""
        deadline = time.monotonic() + SETTLED
        before = -1
        while before != (now := self.crossed()):
            assert time.monotonic() < deadline, f"{now} passed, and more pass still"
            before = now
            time.sleep(QUIET)
        assert before <= MOST
        return before


@pytest.fixture
def pair(lab: None, start: Start) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(start, stack, {})


@pytest.fixture
def mistaken(lab: None, start: Start) -> Iterator[Pair]:
    with ExitStack() as stack:
        yield Pair(start, stack, MISTAKE)


def message(host: str, sender: str, to: str) -> bytes:
    text = f"MESSAGE sip:{to} SIP/2.0\r\n"
    text += f"Via: SIP/2.0/UDP {host}.lab.example:5099;branch=z9hG4bKloop{host};rport\r\n"
    text += f"Max-Forwards: 70\r\nFrom: <sip:{sender}>;tag=1\r\nTo: <sip:{to}>\r\n"
    text += f"Call-ID: loop@{host}\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\n"
    return f"{text}Content-Length: 15\r\n\r\nhall of mirrors".encode()


def status(answer: bytes) -> int:
    found = re.findall(rb"^SIP/2.0 ([2-6]\d\d)", answer, re.MULTILINE)
    assert found, answer
    return int(found[-1])


@pytest.mark.spec("NET-33")
@pytest.mark.parametrize(
    ("host", "sender", "via", "to"),
    [
        ("gw", "romeo@east.mirror.example", "gw2", "juliet@west.mirror.example"),
        ("gw2", "juliet@west.mirror.example", "gw", "romeo@east.mirror.example"),
    ],
)
def test_each_domains_other_side_is_the_other_gateway(
    pair: Pair, host: str, sender: str, via: str, to: str
) -> None:
    _, answer = raw(5060, "udp", message(host, sender, to), "--for", "5", host=host, to=via)
    assert pair.comes_to_rest()
    assert status(answer) in ANSWERS


@pytest.mark.spec("NET-33")
def test_users_of_other_domains_are_refused(pair: Pair, chat: Chat) -> None:
    alice = chat("alice@xmpp.example/lab")
    for to in ("romeo@east.mirror.example", "juliet@west.mirror.example"):
        assert sip_message(f"sip:{to}", "hall of mirrors")["status"] in ANSWERS
        alice.tell(f"{to} hall of mirrors")
        alice.hears(event="message", type="error", sender=to)
    pair.comes_to_rest()


@pytest.mark.spec("NET-33")
@pytest.mark.parametrize("to", ["romeo@east.mirror.example", "juliet@west.mirror.example"])
def test_a_mistake_in_both_configurations_from_sip(mistaken: Pair, to: str) -> None:
    answer = sip_message(f"sip:{to}", "hall of mirrors")
    mistaken.comes_to_rest()
    assert answer["status"] in ANSWERS


@pytest.mark.spec("NET-33")
@pytest.mark.parametrize("to", ["romeo@east.mirror.example", "juliet@west.mirror.example"])
def test_a_mistake_in_both_configurations_from_xmpp(mistaken: Pair, chat: Chat, to: str) -> None:
    alice = chat("alice@xmpp.example/lab")
    alice.tell(f"{to} hall of mirrors")
    alice.hears(event="sent", to=to)
    assert mistaken.comes_to_rest()
