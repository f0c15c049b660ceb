"""Where responses go: RFC 3261 §18.2.2 and RFC 3581 §4."""

import pytest

from dragoman.sip.flow import Flow, reply_flow, reply_target
from dragoman.sip.header import Via
from dragoman.sip.locate import Target, Transport

LOCAL = ("192.0.2.2", 5060)


def arrived(via: str, source: tuple[str, int], transport: Transport) -> tuple[Via, Flow]:
    return Via.parse(via).seen_from(*source), Flow(transport, LOCAL, source, 7)


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize(
    ("via", "remote"),
    [
        # RFC 3581 §6: behind a NAT, the response goes to where the request came from
        ("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff", ("192.0.2.1", 9988)),
        ("SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff", ("192.0.2.1", 4540)),
        ("SIP/2.0/UDP bobspc.biloxi.com;branch=z9hG4bK1", ("192.0.2.1", 5060)),
        ("SIP/2.0/UDP 192.0.2.1:9988;branch=z9hG4bK1", ("192.0.2.1", 9988)),
        ("SIP/2.0/UDP 10.1.1.1;maddr=192.0.2.7;rport", ("192.0.2.7", 5060)),
        ("SIP/2.0/UDP 10.1.1.1:5062;maddr=[2001:db8::7]", ("2001:db8::7", 5062)),
        ("SIP/2.0/UDP 10.1.1.1:5062;maddr=victim.example", ("192.0.2.1", 5062)),
    ],
)
def test_a_datagram_is_answered_where_its_via_says(via: str, remote: tuple[str, int]) -> None:
    flow = reply_flow(*arrived(via, ("192.0.2.1", 9988), Transport.UDP), believed=True)
    assert (flow.remote, flow.local) == (remote, LOCAL)


def test_nobody_who_is_not_believed_has_us_send_to_others() -> None:
    via = "SIP/2.0/UDP 10.1.1.1:5062;maddr=192.0.2.7"
    assert reply_flow(*arrived(via, ("192.0.2.1", 9988), Transport.UDP)).remote == (
        "192.0.2.1",
        5062,
    )


@pytest.mark.spec("NET-26")
def test_a_stream_is_answered_over_its_connection() -> None:
    via, flow = arrived("SIP/2.0/TCP 10.1.1.1;maddr=192.0.2.7", ("192.0.2.1", 9), Transport.TCP)
    assert reply_flow(via, flow) is flow


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize(
    ("via", "target"),
    [
        ("SIP/2.0/TCP h.example:5070", Target(Transport.TCP, "192.0.2.1", 5070, "h.example")),
        ("SIP/2.0/TLS h.example", Target(Transport.TLS, "192.0.2.1", 5061, "h.example")),
    ],
)
def test_without_its_connection_the_port_of_sent_by_is_dialled(via: str, target: Target) -> None:
    assert reply_target(*arrived(via, ("192.0.2.1", 49152), target.transport)) == target
