"""Calls by other rules than the usual ones, between real phones and real clients (`[media]`)."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers import callers
from tests.peers.callers import Phone, both_hear
from tests.peers.hosts import Gateway, Program, forget_state

browser, client, phone = callers.browser, callers.client, callers.phone

EARLY = {"DRAGOMAN_MEDIA__JMI": "early-proceed"}
DIRECT = {**EARLY, "DRAGOMAN_MEDIA__BYPASS": "true"}
ABLE = ("mediaenc=dtls_srtp", "medianat=ice")
"""baresip as browsers are: DTLS-SRTP and ICE."""


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


def carried(gateway: Gateway) -> int:
    """Return how many calls the gateway has carried media of, by its own log."""
    return gateway.said().count('"event": "media"')


@pytest.mark.parametrize("gateway", [DIRECT], ids=["bypass"], indirect=True)
@pytest.mark.spec("MED-09")
def test_a_client_and_a_phone_that_reach_each_other(
    gateway: Gateway, phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    before = carried(gateway)
    callee = phone(*ABLE)
    caller = client("call", f"{callee.user}/phone")
    both_hear(callee, caller)
    assert carried(gateway) == before


@pytest.mark.parametrize("gateway", [DIRECT], ids=["bypass"], indirect=True)
def test_a_phone_and_a_client_that_reach_each_other(
    gateway: Gateway, phone: Callable[..., Phone], client: Callable[..., Program]
) -> None:
    before = carried(gateway)
    callee = client()
    caller = phone(*ABLE, dials="sip:alice@xmpp.example")
    both_hear(caller, callee)
    assert carried(gateway) == before


@pytest.mark.parametrize("gateway", [DIRECT], ids=["bypass"], indirect=True)
@pytest.mark.parametrize("parameters", [(), ("mediaenc=dtls_srtp",)], ids=["RTP", "without ICE"])
def test_a_phone_that_a_client_cannot_reach_is_called_by_the_gateway(
    gateway: Gateway,
    phone: Callable[..., Phone],
    client: Callable[..., Program],
    parameters: tuple[str, ...],
) -> None:
    before = carried(gateway)
    callee = phone(*parameters)
    caller = client("call", callee.user)
    both_hear(callee, caller)
    assert carried(gateway) > before
