"""Calls by other rules than the usual ones, between real phones and real clients (`[media]`)."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers import callers
from tests.peers.callers import Phone, both_hear
from tests.peers.hosts import Gateway, Program, forget_state

browser, client, phone = callers.browser, callers.client, callers.phone

EARLY = {"DRAGOMAN_MEDIA__JMI": "early-proceed"}


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
