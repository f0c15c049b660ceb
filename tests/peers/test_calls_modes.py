"""Calls by other rules than the usual ones, between real phones and real clients (`[media]`)."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE, Phone, both_hear
from tests.peers.hosts import Gateway, Program, forget_state, fresh, run

browsers, client, phone = callers.browsers, callers.client, callers.phone

EARLY: Final = {"DRAGOMAN_MEDIA__JMI": "early-proceed"}
DIRECT: Final = {**EARLY, "DRAGOMAN_MEDIA__BYPASS": "true"}
ABLE: Final = ("mediaenc=dtls_srtp", "medianat=ice")
"""baresip as browsers are: DTLS-SRTP and ICE."""
FEW: Final = 50
"""Datagrams of signalling and DNS in the time that it takes to hear a tone: media are more."""


@pytest.fixture(scope="module")
def gateway(lab: None, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    """`dragoman run` with some settings; it must end well when asked to."""
    forget_state()
    with Gateway(environment=request.param) as running:
        yield running
        running.stop()


@pytest.mark.parametrize("gateway", [EARLY], ids=["early"], indirect=True)
@pytest.mark.spec("MED-23")
def test_a_client_proceeds_before_the_phone_rings(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    """XEP-0353: it is told to proceed at once, and that the phone rings by session-info."""
    callee = phone()
    caller = client("call", callee.user)
    caller.hears(event="proceed", sender=f"{callee.user}/phone")
    both_hear(callee, caller)
    events = [each["event"] for each in caller.events()]
    assert "ringing" not in events[: events.index("proceed")]


def datagrams() -> int:
    """Return how many datagrams have come to the gateway's host: RTP is fifty a second."""
    lines = run("gw", "cat", "/proc/net/snmp").decode().splitlines()
    names, numbers = (line.split() for line in lines if line.startswith("Udp:"))
    return int(numbers[names.index("InDatagrams")])


@pytest.mark.parametrize("gateway", [DIRECT], ids=["bypass"], indirect=True)
@pytest.mark.spec("MED-09")
def test_a_client_and_a_phone_that_reach_each_other(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    before = datagrams()
    callee = phone(*ABLE)
    caller = client("call", f"{callee.user}/phone")
    both_hear(callee, caller)
    assert datagrams() - before < FEW


@pytest.mark.parametrize("gateway", [DIRECT], ids=["bypass"], indirect=True)
def test_a_phone_and_a_client_that_reach_each_other(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    before = datagrams()
    callee = client()
    caller = phone(*ABLE, dials=f"sip:{ALICE}", VIDEO="no")
    both_hear(caller, callee)
    assert datagrams() - before < FEW


@pytest.mark.parametrize("gateway", [DIRECT], ids=["bypass"], indirect=True)
def test_a_phone_that_a_client_cannot_reach_is_called_by_the_gateway(
    phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    before = datagrams()
    callee = phone()
    caller = client("call", callee.user)
    both_hear(callee, caller)
    assert datagrams() - before >= FEW


@pytest.mark.parametrize("gateway", [{}], ids=["usual"], indirect=True)
def test_a_phone_calls_a_client_that_hears_no_proposal(
    start: Callable[..., Program], client: Callable[..., Program]
) -> None:
    """It grants the phone its presence, and is told of by that."""
    callee = client("answer", "--old")
    name = fresh("caller")
    commands = ("--", *["contacts"] * 6, f"dial sip:{ALICE}")
    watching = {"CONTACTS": f"sip:{ALICE}"}
    program = start("carol", "sip_user", name, "30", *commands, environment=watching)
    callee.hears(event="incoming", peer=f"{name}@sip.example/phone", proposed=False)
    both_hear(Phone(name, program), callee)
