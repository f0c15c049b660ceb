"""Fuzz target: an endpoint takes any datagram, answers what it can and keeps little (RFC 3261 §17).

One endpoint lives through all inputs of a run, an hour apart, so that what it kept of one is gone
before the next.
"""

from itertools import count

from dragoman.sip.endpoint import Endpoint, Flow, Limits, RequestArrived
from dragoman.sip.failure import SipError
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import MAX_HEADERS, MAX_MESSAGE, build_request, parse, response_to
from tests.fuzz.fuzz_sip_message import REQUEST
from tests.fuzz.run import one_in

UDP = Flow(Transport.UDP, ("192.0.2.2", 5060), ("192.0.2.1", 5070))
TARGET = Target(Transport.UDP, "192.0.2.1", 5070, "example.com")
OURS = build_request(
    "MESSAGE",
    "sip:b@example.com",
    (
        ("Max-Forwards", "70"),
        ("To", "<sip:b@example.com>"),
        ("From", "<sip:a@example.net>;tag=1"),
        ("Call-ID", "ours"),
        ("CSeq", "1 MESSAGE"),
    ),
)
BRANCH = b"z9hG4bKtoken"
INVITE = REQUEST.replace(b"MESSAGE", b"INVITE")
SEEDS = (
    REQUEST,
    INVITE,
    INVITE.replace(b"1 INVITE", b"1 ACK").replace(b"INVITE sip", b"ACK sip"),
    INVITE.replace(b"1 INVITE", b"1 CANCEL").replace(b"INVITE sip", b"CANCEL sip"),
    REQUEST.replace(b"z9hG4bK1", b"1").replace(b";tag=1", b"").replace(b"Max-Forwards", b"X"),
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP gw.example;branch=" + BRANCH + b"\r\nCall-ID: ours\r\n"
    b"From: <sip:a@example.net>;tag=1\r\nTo: <sip:b@example.com>;tag=2\r\nCSeq: 1 MESSAGE\r\n\r\n",
)
TOKENS = (
    b"INVITE", b"ACK", b"CANCEL", b"OPTIONS", b"REGISTER", b"SIP/2.0 ", b"100", b"200", b"503",
    b"Require: x\r\n", b"Proxy-Require: y\r\n", b"Max-Forwards: 0\r\n", b";rport", b";branch=",
    b";maddr=192.0.2.9", b"Via: SIP/2.0/UDP gw.example\r\n", b"CSeq: 1 INVITE\r\n", b";tag=1",
    b"Content-Length: 9999\r\n", b"SIP/3.0", b"z9hG4bK", BRANCH,
)  # fmt: skip

_ticks = count(1)


def _token() -> str:
    return "token"


_endpoint = Endpoint(
    sent_by=lambda target: "gw.example",
    allow=("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "MESSAGE"),
    token=_token,
    screen=lambda request, flow: None,
    supported=("timer",),
    limits=Limits(pending=64, completed=64, clients=8),
)


def one_input(data: bytes) -> None:
    now = 3600.0 * next(_ticks)
    expects_response = data[:4].upper() == b"SIP/"
    if expects_response:
        _endpoint.send(OURS, [TARGET], "ours", now)
        _endpoint.to_send()
    for _ in range(2 if one_in(4, data) else 1):
        _endpoint.receive_datagram(data, UDP, now)
        for event in _endpoint.events():
            if isinstance(event, RequestArrived):
                _endpoint.respond(event.transaction, response_to(event.request, 480), now)
    # A request is answered as often as it comes, and with what a client can read.
    sent = _endpoint.to_send()
    assert len(sent) <= 3
    for each in sent:
        if len(each.data) > MAX_MESSAGE or each.data.count(b"\r\n") > MAX_HEADERS:
            continue  # it has every Via of what came, and more than we read ourselves
        try:
            parse(each.data)
        except SipError as error:
            raise AssertionError(each.data) from error
    while (due := _endpoint.next_timer()) is not None:
        assert due < now + 3600
        _endpoint.on_timer(due)
    _endpoint.events()
    _endpoint.to_send()


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
