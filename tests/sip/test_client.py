"""Requests that we send: repetition, failover, size, and what is told of it."""

from dataclasses import replace

import pytest

from dragoman.errors import LocalError
from dragoman.sip.endpoint import Cause, Flow, Limits, RequestFailed, ResponseArrived
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response, parse, response_to
from tests.sip.desk import FAR, NEAR, Desk, heading, outgoing, over, request

HANDLE = "handle"
NEAR_FLOW = Flow(Transport.UDP, ("192.0.2.2", 5060), ("192.0.2.1", 5060))


def sends(
    desk: Desk, *targets: Target, method: str = "MESSAGE", body: bytes = b"Neither"
) -> Request:
    """Have the user send a request; return what the endpoint sends to the first target."""
    desk.endpoint.send(outgoing(method, body), targets, HANDLE, desk.now)
    (sent,) = desk.endpoint.to_send()
    message = parse(sent.data)
    assert isinstance(message, Request)
    return message


def sent_to(desk: Desk) -> list[object]:
    return [each.to for each in desk.endpoint.to_send()]


def told(desk: Desk) -> list[int | Cause]:
    found: list[int | Cause] = []
    for event in desk.endpoint.events():
        assert isinstance(event, ResponseArrived | RequestFailed)
        assert event.handle == HANDLE
        if isinstance(event, ResponseArrived):
            found.append(event.response.status)
        else:
            found.append(event.cause)
    return found


@pytest.mark.spec("NET-26")
def test_a_request_gets_our_via_on_top() -> None:
    sent = sends(Desk(), NEAR)
    assert sent.headers[0][0] == "Via"
    assert (sent.via.transport, sent.via.sent_by) == ("UDP", "gateway.example:5060")
    assert (sent.via.rport, (sent.via.branch or "")[:7]) == ("", "z9hG4bK")
    assert sent.body == b"Neither"


@pytest.mark.spec("NET-20")
def test_a_message_is_repeated_until_it_is_answered() -> None:
    desk = Desk()
    sent = sends(desk, NEAR)
    assert desk.waits(2.0) == [(0.5, "MESSAGE"), (1.5, "MESSAGE")]
    assert desk.hears(response_to(sent, 200, to_tag="r")) == []
    assert told(desk) == [200]
    assert desk.waits(60.0) == []


@pytest.mark.spec("NET-20")
def test_after_a_100_a_message_is_repeated_every_four_seconds() -> None:
    desk = Desk()
    sent = sends(desk, NEAR)
    desk.hears(response_to(sent, 100))
    assert desk.waits(9.0) == [(0.5, "MESSAGE"), (4.5, "MESSAGE"), (8.5, "MESSAGE")]
    desk.waits(33.0)
    assert told(desk) == [100, Cause.TIMEOUT]


@pytest.mark.spec("NET-20")
def test_a_repeated_response_is_absorbed_until_timer_k() -> None:
    desk = Desk()
    response = response_to(sends(desk, NEAR), 200, to_tag="r")
    for _ in range(3):
        desk.hears(response)
    assert (told(desk), desk.total("stray"), desk.total("Completed")) == ([200], 0, 1)
    desk.waits(5.5)
    assert desk.total("Completed") == 0
    desk.hears(response)
    assert (told(desk), desk.total("stray")) == ([], 1)


def test_over_a_stream_nothing_is_repeated_or_absorbed() -> None:
    desk = Desk()
    sent = sends(desk, over(Transport.TCP))
    assert desk.waits(31.0) == []
    desk.hears(response_to(sent, 200, to_tag="r"))
    assert (told(desk), desk.total("transaction")) == ([200], 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"Via": "SIP/2.0/UDP other.example;branch={branch}"},
        {"Via": "SIP/2.0/UDP gateway.example;branch=z9hG4bKguess"},
        {"Via": "SIP/2.0/UDP gateway.example;branch={branch}, SIP/2.0/UDP more.example"},
        {"CSeq": "1 INVITE"},
        {"CSeq": "rubbish"},
        {"Via": "rubbish"},
    ],
)
def test_a_response_that_is_not_ours_is_dropped(changed: dict[str, str]) -> None:
    desk = Desk()
    sent = sends(desk, NEAR)
    ours = response_to(sent, 200, to_tag="r")
    headers = [
        (name, changed.get(name, value).format(branch=sent.via.branch))
        for name, value in ours.headers
    ]
    desk.hears(Response(200, "OK", headers))
    assert told(desk) == []
    desk.hears(ours)
    assert told(desk) == [200]


@pytest.mark.spec("ERR-18")
@pytest.mark.parametrize("status", [b"799", b"999", b"700"])
def test_a_status_beyond_699_counts_as_500(status: bytes) -> None:
    desk = Desk()
    sent = sends(desk, NEAR, FAR)
    desk.hears(bytes(response_to(sent, 200, to_tag="r")).replace(b"200 OK", status + b" Odd"))
    assert told(desk) == [500]


@pytest.mark.parametrize("line", [b"SIP/2.0 099 Low", b"SIP/2.0 20 OK", b"SIP/2.0 2000 OK"])
def test_a_status_that_is_none_is_dropped(line: bytes) -> None:
    desk = Desk()
    sent = sends(desk, NEAR)
    desk.hears(bytes(response_to(sent, 200)).replace(b"SIP/2.0 200 OK", line))
    assert (told(desk), desk.total("unreadable")) == ([], 1)


# Failover


@pytest.mark.spec("NET-24")
@pytest.mark.spec("ERR-07")
@pytest.mark.spec("ERR-15")
@pytest.mark.parametrize("failure", ["503", "transport error", "timeout"])
def test_a_failure_goes_on_to_the_next_target_with_a_new_branch(failure: str) -> None:
    desk = Desk()
    # Over a stream, which nobody leaves early; what is special about UDP is in test_attempt.py.
    first = sends(desk, over(Transport.TCP) if failure == "timeout" else NEAR, FAR)
    if failure == "503":
        desk.endpoint.receive(response_to(first, 503, to_tag="r"), NEAR_FLOW, 1.0)
    elif failure == "transport error":
        desk.endpoint.unreachable(NEAR, 1.0)
    else:
        desk.waits(31.9)
        desk.endpoint.on_timer(32.0)
    (sent,) = desk.endpoint.to_send()
    second = parse(sent.data)
    assert (sent.to, told(desk)) == (FAR, [])
    assert second.via.branch != first.via.branch
    assert (second.call_id, second.cseq, second.body) == (first.call_id, first.cseq, first.body)
    desk.hears(response_to(first, 200, to_tag="late"))
    assert isinstance(second, Request)
    desk.hears(response_to(second, 200, to_tag="r"))
    assert told(desk) == [200]


@pytest.mark.spec("NET-24")
@pytest.mark.parametrize("status", [404, 486, 500, 600])
def test_any_other_response_is_final(status: int) -> None:
    desk = Desk()
    desk.hears(response_to(sends(desk, NEAR, FAR), status, to_tag="r"))
    assert (told(desk), sent_to(desk)) == ([status], [])


@pytest.mark.spec("NET-24")
def test_a_sign_of_life_forbids_failover_on_timeout() -> None:
    desk = Desk()
    desk.hears(response_to(sends(desk, NEAR, FAR), 100))
    assert {what for _, what in desk.waits(40.0)} == {"MESSAGE"}
    assert told(desk) == [100, Cause.TIMEOUT]


@pytest.mark.spec("ERR-15")
def test_the_last_failure_is_told() -> None:
    desk = Desk()
    sends(desk, NEAR, FAR)
    desk.endpoint.unreachable(NEAR, 0.0)
    assert sent_to(desk) == [FAR]
    desk.endpoint.unreachable(FAR, 0.0)
    assert told(desk) == [Cause.UNREACHABLE]
    desk.hears(response_to(sends(desk, NEAR), 503, to_tag="r"))
    assert told(desk) == [503]
    sends(desk, NEAR)
    desk.waits(33.0)
    assert told(desk) == [Cause.TIMEOUT]
    assert [cause.value for cause in (Cause.TIMEOUT, Cause.UNREACHABLE)] == [408, 503]


def test_a_request_without_targets_fails_at_once() -> None:
    desk = Desk()
    desk.endpoint.send(outgoing(), [], HANDLE, 0.0)
    assert (told(desk), sent_to(desk)) == ([Cause.UNREACHABLE], [])


def test_a_connection_that_ends_fails_what_waits_for_it() -> None:
    desk = Desk()
    sends(desk, over(Transport.TCP), over(Transport.TCP, FAR))
    flow = Flow(Transport.TCP, ("192.0.2.2", 40000), (NEAR.address, NEAR.port), 3)
    desk.endpoint.closed(flow, 1.0)
    assert sent_to(desk) == [over(Transport.TCP, FAR)]


def test_another_connection_that_ends_fails_nothing() -> None:
    desk = Desk()
    sends(desk, over(Transport.TCP))
    desk.endpoint.closed(Flow(Transport.TCP, ("192.0.2.2", 1), ("192.0.2.1", 49152), 3), 1.0)
    assert told(desk) == []


def test_over_tls_only_the_domain_concerned_hears_of_a_broken_connection() -> None:
    desk = Desk()
    ours = over(Transport.TLS)
    other = replace(ours, domain="other.example")
    desk.endpoint.send(outgoing("MESSAGE"), [ours], "ours", 0.0)
    desk.endpoint.send(outgoing("MESSAGE"), [other], "other", 0.0)
    desk.endpoint.closed(Flow(Transport.TLS, ("192.0.2.2", 1), (ours.address, ours.port), 3), 1.0)
    assert desk.endpoint.events() == []
    desk.endpoint.unreachable(other, 1.0)
    assert desk.endpoint.events() == [RequestFailed("other", Cause.UNREACHABLE)]
    desk.endpoint.unreachable(ours, 1.0)
    assert desk.endpoint.events() == [RequestFailed("ours", Cause.UNREACHABLE)]


# Size


def of_size(desk: Desk, size: int) -> bytes:
    """Return a body that makes the whole request `size` bytes long."""
    shorter = sends(desk, NEAR, body=b"x" * 1000)
    desk.endpoint.unreachable(NEAR, desk.now)
    told(desk)
    return b"x" * (1000 + size - len(bytes(shorter)))


@pytest.mark.spec("NET-25")
def test_the_limit_for_udp_is_1300_bytes() -> None:
    desk = Desk()
    body = of_size(desk, 1300)
    for extra, transport in ((b"", Transport.UDP), (b"x", Transport.TCP)):
        desk.endpoint.send(outgoing(body=body + extra), [NEAR], HANDLE, 0.0)
        (sent,) = desk.endpoint.to_send()
        assert (len(sent.data), sent.to) == (1300 + len(extra), over(transport))
        assert parse(sent.data).via.transport == transport


@pytest.mark.spec("NET-25")
@pytest.mark.parametrize(
    "targets",
    [(NEAR, FAR), (over(Transport.TCP), NEAR, over(Transport.TCP, FAR), FAR)],
    ids=["UDP alone", "TCP listed too"],
)
def test_a_large_request_goes_back_to_udp_only_where_tcp_is_refused(
    targets: tuple[Target, ...],
) -> None:
    desk = Desk()
    sent = sends(desk, *targets, body=b"x" * 2000)
    assert sent.via.transport == "TCP"
    desk.endpoint.unreachable(over(Transport.TCP), 0.0)
    (again,) = desk.endpoint.to_send()
    assert (again.to, parse(again.data).via.transport) == (NEAR, "UDP")
    desk.endpoint.unreachable(NEAR, 0.0)
    (other,) = desk.endpoint.to_send()
    assert other.to == over(Transport.TCP, FAR)
    refusal = parse(other.data)
    assert isinstance(refusal, Request)
    assert desk.hears(response_to(refusal, 503, to_tag="r")) == []
    assert told(desk) == [503]


# Bounds and mistakes


def test_the_number_of_pending_requests_is_bounded() -> None:
    desk = Desk(Limits(clients=2))
    first = sends(desk, NEAR)
    sends(desk, NEAR)
    desk.endpoint.send(outgoing(), [NEAR], HANDLE, 0.0)
    assert (told(desk), sent_to(desk)) == ([Cause.OVERLOAD], [])
    desk.hears(response_to(first, 200, to_tag="r"))
    desk.waits(5.5)
    told(desk)
    assert sends(desk, NEAR)


def test_a_request_with_a_via_is_our_own_mistake() -> None:
    desk = Desk()
    with pytest.raises(LocalError):
        desk.endpoint.send(request(), [NEAR], HANDLE, 0.0)


def test_nothing_of_a_finished_request_is_kept() -> None:
    desk = Desk()
    for status in (200, 404, 503):
        desk.hears(response_to(sends(desk, NEAR), status, to_tag="r"))
    sends(desk, NEAR)
    desk.endpoint.unreachable(NEAR, 0.0)
    desk.waits(2000.0)
    clients = desk.endpoint._clients
    assert (clients._active, clients._places, clients._absorbing) == ({}, {}, set())
    assert desk.endpoint.next_timer() is None


# INVITE


@pytest.mark.spec("NET-20")
def test_an_invite_is_repeated_until_someone_rings() -> None:
    desk = Desk()
    sent = sends(desk, NEAR, method="INVITE")
    assert [when for when, _ in desk.waits(8.0)] == [0.5, 1.5, 3.5, 7.5]
    desk.hears(response_to(sent, 180, to_tag="r"))
    assert (desk.waits(200.0), told(desk)) == ([], [180])
    for _ in range(2):
        desk.hears(response_to(sent, 200, to_tag="r"))
    assert told(desk) == [200, 200]
    desk.waits(233.0)
    assert desk.total("INVITE client") == 0


@pytest.mark.spec("NET-20")
def test_the_refusal_of_an_invite_is_acknowledged_each_time() -> None:
    """The ACK of RFC 3261 §17.1.1.3: same Via, URI, From and Call-ID, the To of the response."""
    desk = Desk()
    sent = sends(desk, NEAR, method="INVITE")
    refusal = response_to(sent, 486, to_tag="99sa0xk")
    for _ in range(2):
        (ack,) = desk.hears(refusal)
        assert isinstance(ack, Request)
        assert (ack.method, ack.target, ack.body) == ("ACK", sent.target, b"")
        assert (ack.get_all("Via"), ack.to.tag) == (sent.get_all("Via"), "99sa0xk")
        assert (str(ack.cseq), ack.call_id, ack.from_) == ("1 ACK", sent.call_id, sent.from_)
    assert told(desk) == [486]
    desk.waits(33.0)
    assert desk.total("INVITE client") == 0


def test_an_invite_that_no_one_answers_times_out() -> None:
    desk = Desk()
    sends(desk, NEAR, method="INVITE")
    assert len(desk.waits(33.0)) == 6
    assert told(desk) == [Cause.TIMEOUT]


@pytest.mark.spec("NET-24")
def test_an_invite_refused_with_503_is_acknowledged_and_tried_elsewhere() -> None:
    desk = Desk()
    sent = sends(desk, NEAR, FAR, method="INVITE")
    found = desk.hears(response_to(sent, 503, to_tag="r"))
    assert [heading(each) for each in found] == ["ACK", "INVITE"]
    assert told(desk) == []


def test_over_a_stream_a_refused_invite_is_over() -> None:
    desk = Desk()
    sent = sends(desk, over(Transport.TCP), method="INVITE")
    assert [heading(each) for each in desk.hears(response_to(sent, 486, to_tag="r"))] == ["ACK"]
    assert (told(desk), desk.total("INVITE client")) == ([486], 0)


def test_an_ack_of_the_user_is_sent_once_and_forgotten() -> None:
    desk = Desk()
    assert sends(desk, NEAR, method="ACK").method == "ACK"
    assert (desk.endpoint.next_timer(), desk.total("transaction")) == (None, 0)


def test_a_response_of_another_number_is_of_no_invite_of_ours() -> None:
    desk = Desk()
    invite = sends(desk, NEAR, method="INVITE")
    accepted = response_to(invite, 200, to_tag="r")
    number = invite.cseq.number
    other = [(n, f"{number + 1} INVITE" if n == "CSeq" else v) for n, v in accepted.headers]
    desk.hears(Response(200, "OK", other, b""))
    assert told(desk) == []
    desk.hears(accepted)
    assert told(desk) == [200]
