"""The endpoint: refusals without state, and two endpoints on a bad wire."""

import pytest

from dragoman.sip.endpoint import Flow, RequestArrived, RequestFailed, ResponseArrived
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, SipError, encode, response_to
from dragoman.sip.server import Servers
from tests.pair import STORM, Wire
from tests.sip.desk import ALLOW, NEAR, TCP, UDP, Desk, WireEnd, heading, outgoing, request


def empty(desk: Desk) -> bool:
    """Tell whether no state was made."""
    return desk.endpoint.next_timer() is None and desk.endpoint.events() == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param(request(without="Call-ID"), 400, marks=pytest.mark.spec("NET-30")),
        pytest.param(request("PUBLISH"), 405, marks=pytest.mark.spec("NET-30")),
        pytest.param(request("BREW"), 501, marks=pytest.mark.spec("NET-30")),
        pytest.param(request(target="http://example"), 416, marks=pytest.mark.spec("NET-30")),
        pytest.param(request(more=[("Require", "nothing")]), 420, marks=pytest.mark.spec("NET-30")),
        pytest.param(request(Max_Forwards="0"), 483, marks=pytest.mark.spec("ERR-20")),
    ],
)
def test_refusals_leave_no_state_and_repeat_themselves(given: Request, status: int) -> None:
    desk = Desk()
    (first,) = desk.hears(given)
    assert heading(first) == str(status)
    assert empty(desk)
    assert [encode(each) for each in desk.hears(given)] == [encode(first)]
    assert first.get("Via") == "SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1"
    assert ";tag=" in (first.get("To") or "")


@pytest.mark.spec("NET-30")
@pytest.mark.spec("ERR-09")
def test_405_and_420_say_what_would_do() -> None:
    desk = Desk(supported=("gruu",))
    (refused,) = desk.hears(request("PUBLISH"))
    assert refused.get("Allow") == ", ".join(ALLOW)
    (refused,) = desk.hears(request(more=[("Require", "gruu, timer")]))
    assert refused.get("Unsupported") == "timer"


@pytest.mark.spec("NET-30")
def test_another_version_of_sip_is_refused_with_505() -> None:
    desk = Desk()
    assert desk.statuses(bytes(request()).replace(b" SIP/2.0\r\n", b" SIP/7.0\r\n", 1)) == [505]
    assert empty(desk)


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (bytes(request()).replace(b"Content-Length: 19", b"Content-Length: 20"), [400]),
        (bytes(request()).replace(b"Content-Length: 19", b"Content-Length: x"), [400]),
        (bytes(request("ACK")).replace(b"Content-Length: 19", b"Content-Length: 20"), []),
        (bytes(request(without="Via")), []),
        (bytes(request(via='SIP/2.0/UDP 192.0.2.1;x="')), []),
        (b"", []),
        (b"\r\n\r\n", []),
        (b"\x00\xff" * 40, []),
    ],
)
def test_what_cannot_be_read_is_answered_where_it_can_be(data: bytes, statuses: list[int]) -> None:
    desk = Desk()
    assert desk.statuses(data) == statuses
    assert empty(desk)


def test_the_screen_comes_before_any_state_and_before_other_refusals() -> None:
    asked: list[tuple[str, Flow]] = []

    def screen(given: Request, flow: Flow) -> int | None:
        asked.append((given.method, flow))
        return 403

    desk = Desk(screen=screen)
    assert desk.statuses(request()) == [403]
    assert desk.statuses(request("PUBLISH", branch="z9hG4bK2"), TCP) == [403]
    assert asked == [("MESSAGE", UDP), ("PUBLISH", TCP)]
    assert empty(desk)


def test_the_screen_is_asked_once_for_each_transaction() -> None:
    asked: list[Request] = []

    def screen(given: Request, _: Flow) -> int | None:
        asked.append(given)
        return None

    desk = Desk(screen=screen)
    desk.answers(desk.arrives(request()), 200)
    desk.hears(request())
    assert len(asked) == 1


def test_an_error_of_the_screen_is_the_answer() -> None:
    def screen(given: Request, flow: Flow) -> int | None:
        raise SipError("no such sender", 404)

    assert Desk(screen=screen).statuses(request()) == [404]


def test_the_ack_of_a_refusal_without_state_is_not_taken_for_that_of_a_2xx() -> None:
    desk = Desk()
    refused_invite = request("INVITE", Max_Forwards="0")
    (refused,) = desk.hears(refused_invite)
    desk.hears(request("ACK", Call_ID="call-z9hG4bK1", To=refused.get("To") or ""))
    assert empty(desk)


@pytest.mark.spec("NET-33")
@pytest.mark.spec("NET-30")
def test_a_request_that_we_sent_and_that_comes_back_is_a_loop() -> None:
    desk = Desk()
    desk.endpoint.send(outgoing(), [NEAR], "handle", 0.0)
    (ours,) = desk.says()
    assert isinstance(ours, Request)
    back = [("Via", "SIP/2.0/UDP proxy.example;branch=z9hG4bKp"), *ours.headers]
    assert desk.statuses(Request("MESSAGE", "sip:other@example.com", back)) == [482]
    assert desk.endpoint.events() == []


def test_describe_counts_what_happened() -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    desk.hears(request("BREW", branch="z9hG4bK2"))
    desk.hears(b"rubbish")
    described = desk.endpoint.describe()
    assert described["requests in"] == 2
    assert described["refused 501"] == 1
    assert described["unreadable"] == 1
    assert described["non-INVITE server transaction: Trying"] == 1
    desk.answers(transaction, 200)
    assert desk.total("Completed") == 1
    assert desk.total("Trying") == 0


@pytest.mark.parametrize("cut", range(0, 330, 7))
def test_truncated_and_spoilt_datagrams_never_escape(cut: int) -> None:
    desk = Desk()
    whole = bytes(request("INVITE", more=[("Contact", '"J" <sip:j@example.com>;q=1')]))
    for data in (whole[:cut], whole[:cut] + b"\xff" + whole[cut + 1 :], whole[cut:]):
        desk.endpoint.receive_datagram(data, UDP, 0.0)
    assert all(b"SIP/2.0" in each.data for each in desk.endpoint.to_send())


def test_the_number_of_state_is_what_the_servers_say() -> None:
    desk = Desk()
    assert isinstance(desk.endpoint._servers, Servers)
    desk.answers(desk.arrives(request()), 200)
    desk.waits(40.0)
    servers = desk.endpoint._servers
    assert (servers._active, servers._completed, servers._merged) == ({}, {}, set())
    assert servers._weight == 0


# On the wire


class Phone(WireEnd):
    """Sends requests through an endpoint, and answers those that it gets after a while."""

    def __init__(self, name: str, *, answers: int = 200) -> None:
        flow = Flow(Transport.UDP, ("192.0.2.2", 5060), ("192.0.2.1", 5060))
        super().__init__(name, flow=flow)
        self.answers = answers
        self.finals: dict[object, list[int | str]] = {}

    def react(self, now: float) -> None:
        for event in self.endpoint.events():
            if isinstance(event, RequestArrived):
                self.heard.append(event.request.call_id)
                response = response_to(event.request, self.answers)
                self.endpoint.respond(event.transaction, response, now)
            elif isinstance(event, ResponseArrived) and event.response.status >= 200:
                self.finals.setdefault(event.handle, []).append(event.response.status)
            elif isinstance(event, RequestFailed):
                self.finals.setdefault(event.handle, []).append(event.cause.name)


@pytest.mark.spec("NET-20")
def test_a_message_survives_three_losses() -> None:
    client, server = Phone("left"), Phone("right")
    client.endpoint.send(outgoing(), [NEAR], 1, 0.0)
    wire = Wire(client, server, lose=[True, True, True])
    wire.run(until=80.0)
    assert (client.finals, len(server.heard)) == ({1: [200]}, 1)
    assert [round(when, 2) for when, side, _ in wire.sent if side == "left"] == [0, 0.5, 1.5, 3.5]
    assert (client.next_timer(), server.next_timer()) == (None, None)


@pytest.mark.spec("NET-20")
def test_silence_ends_after_32_seconds() -> None:
    client, server = Phone("left"), Phone("right")
    client.endpoint.send(outgoing(), [NEAR], 1, 0.0)
    Wire(client, server, lose=[True] * 100).run(until=31.9)
    assert client.finals == {}
    client.on_timer(32.0)
    assert (client.finals, server.heard) == ({1: ["TIMEOUT"]}, [])


@pytest.mark.spec("NET-20")
@pytest.mark.spec("IM-15")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("method", "status"), [("MESSAGE", 200), ("INVITE", 486)])
def test_a_storm_neither_loses_nor_doubles_requests(seed: int, method: str, status: int) -> None:
    """Thirty requests through loss, repetition and reordering: each is answered once."""
    client, server = Phone("left"), Phone("right", answers=status)
    wire = Wire(client, server, weather=STORM, seed=seed)
    for number in range(30):
        each = request(method, f"z9hG4bK{number}", without="Via")
        client.endpoint.send(each, [NEAR], number, number * 0.1)
    wire.run(until=200.0)
    assert sorted(server.heard) == sorted(f"call-z9hG4bK{n}" for n in range(30)), str(wire)
    assert client.finals == {n: [status] for n in range(30)}, str(wire)
    assert (client.next_timer(), server.next_timer()) == (None, None), str(wire)


def test_messages_come_out_as_they_are_sent() -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    (answer,) = desk.answers(transaction, 202)
    assert isinstance(answer, Response)
    assert (answer.status, answer.reason) == (202, "Accepted")
