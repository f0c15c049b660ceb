"""CANCEL of an INVITE of ours: what it is like, when it goes, what comes of it (RFC 3261 §9.1)."""

import pytest

from dragoman.errors import LocalError
from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import (
    CancelArrived,
    Cause,
    Limits,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
)
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, parse, response_to
from tests.pair import Weather, Wire
from tests.sip.desk import (
    FAR,
    NEAR,
    Desk,
    WireEnd,
    heading,
    outgoing,
    over,
    request,
)
from tests.sip.test_attempt import Talk
from tests.sip.test_client import HANDLE, sends, told


def rings(desk: Desk, *targets: Target) -> Request:
    """Have the user send an INVITE and the peer ring; return the INVITE."""
    invite = sends(desk, *targets, method="INVITE")
    assert desk.hears(response_to(invite, 180, to_tag="r")) == []
    assert told(desk) == [180]
    return invite


def cancels(desk: Desk) -> list[Request | None]:
    """Have the user cancel; return what is sent at once."""
    desk.endpoint.cancel(HANDLE, desk.now)
    return [each if isinstance(each, Request) else None for each in desk.says()]


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_a_cancel_is_its_invite_hop_by_hop(transport: Transport) -> None:
    desk = Desk()
    route = [("Route", "<sip:p1.example.com;lr>"), ("Route", "<sip:p2.example.com;lr>")]
    more = [*route, ("Require", "100rel"), ("Proxy-Require", "x"), ("Contact", "<sip:j@x>")]
    given = request("INVITE", without="Via", more=more, CSeq="7 INVITE", To="<sip:r@x>;tag=8")
    desk.endpoint.send(given, [over(transport)], HANDLE, 0.0)
    (sent,) = desk.endpoint.to_send()
    invite = parse(sent.data)
    assert isinstance(invite, Request)
    desk.hears(response_to(invite, 100))
    desk.endpoint.cancel(HANDLE, 1.0)
    (out,) = desk.endpoint.to_send()
    cancel = parse(out.data)
    assert isinstance(cancel, Request)
    assert (out.to, cancel.method, cancel.target) == (sent.to, "CANCEL", invite.target)
    for name in ("Via", "From", "To", "Call-ID", "Route"):
        assert cancel.get_all(name) == invite.get_all(name), name
    assert len(cancel.vias) == 1
    assert (cancel.get("CSeq"), cancel.max_forwards, cancel.body) == ("7 CANCEL", 70, b"")
    assert {"Require", "Proxy-Require", "Contact"}.isdisjoint(name for name, _ in cancel.headers)


@pytest.mark.spec("NET-22")
def test_a_cancel_waits_for_a_provisional_response() -> None:
    desk = Desk()
    invite = sends(desk, NEAR, method="INVITE")
    assert cancels(desk) == []
    assert {what for _, what in desk.waits(8.0)} == {"INVITE"}
    sent = desk.hears(response_to(invite, 100))
    assert [heading(each) for each in sent] == ["CANCEL"]
    assert desk.hears(response_to(invite, 180, to_tag="r")) == []
    assert told(desk) == [100, 180]


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("status", [200, 486])
@pytest.mark.parametrize("early", [True, False])
def test_after_a_final_response_no_cancel_goes(status: int, early: bool) -> None:
    desk = Desk()
    invite = sends(desk, NEAR, method="INVITE")
    if early:
        assert cancels(desk) == []
    sent = desk.hears(response_to(invite, status, to_tag="r"))
    assert [heading(each) for each in sent] == ["ACK"] * (status == 486)
    assert cancels(desk) == []
    assert told(desk) == [status]
    assert desk.waits(100.0) == []
    assert (cancels(desk), told(desk)) == ([], [])


@pytest.mark.spec("NET-22")
def test_both_transactions_end_each_by_its_own_response() -> None:
    desk = Desk()
    invite = rings(desk, NEAR)
    (cancel,) = cancels(desk)
    assert cancel is not None
    assert cancels(desk) == [], "once is enough"
    assert desk.waits(2.0) == [(0.5, "CANCEL"), (1.5, "CANCEL")]
    assert desk.hears(response_to(cancel, 200, to_tag="r")) == []
    assert told(desk) == [], "what becomes of the CANCEL says nothing of the INVITE"
    assert [heading(each) for each in desk.hears(response_to(invite, 487, to_tag="r"))] == ["ACK"]
    assert told(desk) == [487]
    assert desk.waits(100.0) == []
    assert (told(desk), desk.total("transaction")) == ([], 0)


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("status", [None, 200, 481])
def test_an_invite_without_a_final_response_is_over_64_t1_after_its_cancel(
    status: int | None,
) -> None:
    desk = Desk()
    invite = rings(desk, NEAR)
    desk.waits(100.0)
    (cancel,) = cancels(desk)
    assert cancel is not None
    if status:
        desk.hears(response_to(cancel, status, to_tag="r"))
    desk.waits(120.0)
    desk.hears(response_to(invite, 180, to_tag="r"))
    desk.waits(131.9)
    assert told(desk) == [180]
    desk.waits(132.0)
    assert told(desk) == [Cause.TIMEOUT]
    assert desk.total("INVITE client transaction: Proceeding") == 0
    desk.hears(response_to(invite, 200, to_tag="r"))
    assert (told(desk), desk.total("stray")) == ([], 1)


@pytest.mark.spec("NET-22")
def test_an_invite_that_rings_and_was_not_cancelled_goes_on_ringing() -> None:
    desk = Desk()
    rings(desk, NEAR)
    assert (desk.waits(1000.0), told(desk)) == ([], [])


@pytest.mark.spec("NET-22")
def test_a_success_that_crossed_the_cancel_is_told_each_time() -> None:
    desk = Desk()
    invite = rings(desk, NEAR)
    assert len(cancels(desk)) == 1
    for _ in range(2):
        assert desk.hears(response_to(invite, 200, to_tag="r")) == []
    desk.waits(100.0)
    assert told(desk) == [200, 200]


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("failure", [503, 401, Cause.UNREACHABLE, Cause.TIMEOUT])
def test_a_cancelled_invite_goes_nowhere_else(failure: int | Cause, early: bool) -> None:
    talk = Talk()
    talk.desk = Desk(accounts=[Account("Trunk", "gateway", "wherefore", "example.com")])
    talk.send(NEAR, FAR, method="INVITE")
    if not early:
        talk.answer(180, NEAR, "INVITE")
    talk.desk.endpoint.cancel("", 0.0)
    if isinstance(failure, int):
        challenge = 'Digest realm="Trunk", nonce="n", qop="auth"'
        talk.answer(failure, NEAR, "INVITE", WWW_Authenticate=challenge)
    elif failure is Cause.UNREACHABLE:
        talk.desk.endpoint.unreachable(NEAR, 0.0)
    before = len(talk.to(NEAR, "INVITE"))
    talk.wait(100.0)
    if not early and failure is Cause.UNREACHABLE:
        failure = Cause.TIMEOUT  # of the INVITE a copy had come: it may still be answered
    assert talk.told == [*([] if early else [180]), failure]
    assert (before, talk.to(FAR, "INVITE")) == (1, [])
    assert len(talk.to(NEAR, "INVITE")) == (7 if early and failure is Cause.TIMEOUT else 1)


def test_only_an_invite_is_cancelled() -> None:
    desk = Desk()
    sends(desk, NEAR)
    with pytest.raises(LocalError, match="INVITE"):
        desk.endpoint.cancel(HANDLE, 0.0)
    desk.endpoint.cancel("nothing", 0.0)
    assert desk.says() == []


def test_a_cancel_of_the_users_own_is_a_mistake() -> None:
    desk = Desk()
    with pytest.raises(LocalError, match="branch"):
        desk.endpoint.send(outgoing("CANCEL"), [NEAR], HANDLE, 0.0)


def test_a_cancel_goes_even_when_the_table_is_full() -> None:
    desk = Desk(Limits(clients=1))
    rings(desk, NEAR)
    assert len(cancels(desk)) == 1


def test_a_cancel_that_fails_is_nobodys() -> None:
    desk = Desk()
    rings(desk, NEAR)
    cancels(desk)
    desk.endpoint.unreachable(NEAR, 0.0)
    assert told(desk) == []
    desk.waits(33.0)
    assert told(desk) == [Cause.TIMEOUT]


def test_nothing_of_a_cancelled_invite_is_kept() -> None:
    desk = Desk()
    invite = rings(desk, NEAR)
    (cancel,) = cancels(desk)
    assert cancel is not None
    desk.hears(response_to(cancel, 200, to_tag="r"))
    desk.hears(response_to(invite, 487, to_tag="r"))
    desk.waits(2000.0)
    clients = desk.endpoint._clients
    assert (clients._active, clients._places, clients._calling._current) == ({}, {}, {})
    assert desk.endpoint.next_timer() is None


# On the wire


class Phone(WireEnd):
    """Rings when it is called and gives up when it is told to; cancels a call of its that rings."""

    def __init__(self, name: str, *, obeys: bool = True) -> None:
        super().__init__(name)
        self.obeys = obeys
        self.finals: dict[object, list[int | Cause]] = {}

    def calls(self, number: int, now: float) -> None:
        invite = request("INVITE", f"z9hG4bK{number}", without="Via")
        self.endpoint.send(invite, [NEAR], number, now)

    def react(self, now: float) -> None:
        for event in self.endpoint.events():
            match event:
                case RequestArrived(given, _, transaction):
                    self.heard.append(given.method)
                    self.endpoint.respond(transaction, response_to(given, 180), now)
                case CancelArrived(given, transaction):
                    self.heard.append(given.method)
                    if self.obeys:
                        response = response_to(transaction.request, 487)
                        self.endpoint.respond(transaction, response, now)
                case ResponseArrived(handle, response) if response.status < 200:
                    self.endpoint.cancel(handle, now)
                case ResponseArrived(handle, response):
                    self.finals.setdefault(handle, []).append(response.status)
                case RequestFailed(handle, cause):
                    self.finals.setdefault(handle, []).append(cause)
                case _:
                    raise AssertionError(event)


SQUALL = Weather(lost=0.1, repeated=0.2, delay=(0.001, 0.9))
"""An INVITE goes seven times only: in a storm, one in five hundred hears of no 180."""


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("seed", range(20))
def test_in_a_storm_every_cancel_gets_through_once(seed: int) -> None:
    caller, called = Phone("left"), Phone("right")
    wire = Wire(caller, called, weather=SQUALL, seed=seed)
    for number in range(30):
        caller.calls(number, number * 0.1)
    wire.run(until=200.0)
    assert sorted(called.heard) == ["CANCEL"] * 30 + ["INVITE"] * 30, str(wire)
    assert caller.finals == {number: [487] for number in range(30)}, str(wire)
    assert (caller.next_timer(), called.next_timer()) == (None, None), str(wire)


@pytest.mark.spec("NET-22")
def test_a_peer_that_answers_cancel_alone_is_left_after_64_t1() -> None:
    """A server of RFC 2543 sends no 487."""
    caller, called = Phone("left"), Phone("right", obeys=False)
    caller.calls(1, 0.0)
    wire = Wire(caller, called)
    wire.run(until=32.01)
    assert caller.finals == {}
    wire.run(until=32.03)
    assert caller.finals == {1: [Cause.TIMEOUT]}
    assert (called.heard, caller.next_timer()) == (["INVITE", "CANCEL"], None)
