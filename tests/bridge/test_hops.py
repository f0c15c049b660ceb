"""SIP on its way out: in whose name it goes (RFC 5922 §5)."""

from dataclasses import replace

import pytest

from dragoman.bridge.hops import in_our_name
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, parse
from tests.bridge.test_hub import datagram
from tests.bridge.world import ALICE, CAROL, PROXY


@pytest.mark.spec("NET-31")
def test_over_tls_a_request_goes_in_the_name_of_the_domain_that_sends() -> None:
    request = parse(datagram("a", target=f"sip:{CAROL}", sender=f"sip:{ALICE}"))
    assert isinstance(request, Request)
    udp = [Target(Transport.UDP, PROXY, 5060, "sip.example")]
    assert in_our_name(request, udp) is udp
    secure = Target(Transport.TLS, PROXY, 5061, "sip.example")
    named = in_our_name(request, [*udp, secure])
    assert named[1] == replace(secure, local="xmpp.example")
