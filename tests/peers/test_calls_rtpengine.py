"""Calls whose media a real rtpengine carries, between real phones and a real client."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers import callers
from tests.peers.callers import Phone, both_hear
from tests.peers.hosts import Gateway, Program, forget_state

browser, client, phone = callers.browser, callers.client, callers.phone

ENGINE = {
    "DRAGOMAN_MEDIA__PLANE": "rtpengine",
    "DRAGOMAN_MEDIA__RTPENGINE": '["198.51.100.11:2223"]',
}


@pytest.fixture(scope="module")
def gateway(lab: None) -> Iterator[Gateway]:
    """A gateway that has an engine."""
    forget_state()
    with Gateway(environment=ENGINE) as running:
        yield running
        running.stop()


@pytest.mark.parametrize(
    "parameters",
    [
        (),
        ("medianat=ice",),
        ("mediaenc=dtls_srtp", "medianat=ice"),
        ("transport=tls", "mediaenc=srtp-mand"),
    ],
    ids=["plain", "ICE", "DTLS-SRTP and ICE", "SDES"],
)
@pytest.mark.spec("MED-25")
def test_a_client_calls_a_phone(
    phone: Callable[..., Phone], client: Callable[..., Program], parameters: tuple[str, ...]
) -> None:
    callee = phone(*parameters)
    both_hear(callee, client("call", callee.user))
