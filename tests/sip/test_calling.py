"""The ACK for a 2xx to an INVITE of ours: the user's first, then by itself (RFC 3261 §13.2.2.4)."""

import pytest

from dragoman.errors import LocalError
from dragoman.sip.calling import MOST_FORKS
from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import Cause
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, parse, response_to
from tests.sip.desk import FAR, NEAR, UDP, Desk, heading, over, request
from tests.sip.test_client import HANDLE, sends, told


def ack_for(response: Response, number: int = 1) -> Request:
    """Return an ACK as a user gives it: without Via, with number and To tag of the 2xx."""
    to = response.get("To") or ""
    call_id = response.call_id
    return request("ACK", without="Via", To=to, Call_ID=call_id, CSeq=f"{number} ACK", body=b"")


def is_accepted(desk: Desk) -> Response:
    """Have the user send an INVITE and the peer accept it; return the 2xx."""
    response = response_to(sends(desk, NEAR, method="INVITE"), 200, to_tag="r")
    assert desk.hears(response) == []
    assert told(desk) == [200]
    return response


@pytest.mark.spec("NET-21")
def test_the_same_ack_goes_again_whenever_the_2xx_does() -> None:
    desk = Desk()
    response = is_accepted(desk)
    desk.endpoint.acknowledge(ack_for(response), [FAR], HANDLE, 0.0)
    (first,) = desk.endpoint.to_send()
    ack = parse(first.data)
    assert isinstance(ack, Request)
    assert (first.to, ack.method, len(ack.vias)) == (FAR, "ACK", 1)
    assert ack.via.branch != response.via.branch
    for _ in range(3):
        desk.endpoint.receive(response, UDP, 1.0)
        assert desk.endpoint.to_send() == [first]
    assert told(desk) == []
    assert desk.waits(31.9) == []


@pytest.mark.spec("NET-21")
def test_a_2xx_is_told_each_time_until_it_is_acknowledged() -> None:
    desk = Desk()
    response = is_accepted(desk)
    desk.hears(response)
    assert told(desk) == [200]


@pytest.mark.spec("NET-21")
def test_the_2xx_of_another_dialog_is_told_and_has_an_ack_of_its_own() -> None:
    desk = Desk()
    invite = sends(desk, NEAR, method="INVITE")
    forks = [response_to(invite, 200, to_tag=tag) for tag in ("one", "two")]
    acks = []
    for each in forks:
        desk.hears(each)
        assert told(desk) == [200]
        desk.endpoint.acknowledge(ack_for(each), [NEAR], HANDLE, 0.0)
        acks += desk.endpoint.to_send()
    for each, ack in zip(forks, acks, strict=True):
        desk.endpoint.receive(each, UDP, 1.0)
        assert desk.endpoint.to_send() == [ack]
        assert parse(ack.data).to.tag == each.to.tag
    assert told(desk) == []


@pytest.mark.spec("NET-21")
def test_64_t1_after_the_first_2xx_no_ack_goes_by_itself() -> None:
    desk = Desk()
    response = is_accepted(desk)
    desk.endpoint.acknowledge(ack_for(response), [NEAR], HANDLE, 0.0)
    desk.says()
    desk.waits(32.0)
    assert (desk.hears(response), told(desk), desk.total("stray")) == ([], [], 1)
    desk.endpoint.acknowledge(ack_for(response), [NEAR], HANDLE, 32.0)
    assert [heading(each) for each in desk.says()] == ["ACK"], "the user's word is done"
    assert (desk.endpoint.next_timer(), desk.total("INVITE")) == (None, 0)


def test_the_ack_has_the_credentials_of_its_invite() -> None:
    desk = Desk(accounts=[Account("Trunk", "gateway", "wherefore", "example.com")])
    challenge = 'Digest realm="Trunk", nonce="n", qop="auth"'
    first = sends(desk, NEAR, method="INVITE")
    lines = [("Proxy-Authenticate", challenge)]
    _, second = desk.hears(response_to(first, 407, headers=lines, to_tag="p"))
    assert isinstance(second, Request)
    response = response_to(second, 200, to_tag="r")
    desk.hears(response)
    desk.endpoint.acknowledge(ack_for(response, 2), [NEAR], HANDLE, 0.0)
    (ack,) = desk.says()
    assert ack.get("Proxy-Authorization") is not None
    assert ack.get("Proxy-Authorization") == second.get("Proxy-Authorization")


def test_a_large_ack_goes_by_tcp() -> None:
    desk = Desk()
    response = is_accepted(desk)
    large = ack_for(response)
    large.body = b"x" * 2000
    desk.endpoint.acknowledge(large, [NEAR], HANDLE, 0.0)
    (sent,) = desk.endpoint.to_send()
    assert sent.to == over(Transport.TCP)


def test_an_ack_without_target_is_told_of() -> None:
    desk = Desk()
    response = is_accepted(desk)
    desk.endpoint.acknowledge(ack_for(response), [], HANDLE, 0.0)
    assert (desk.says(), told(desk)) == ([], [Cause.UNREACHABLE])


def test_the_acks_of_one_invite_that_are_kept_are_bounded() -> None:
    desk = Desk()
    invite = sends(desk, NEAR, method="INVITE")
    forks = [response_to(invite, 200, to_tag=f"r{number}") for number in range(MOST_FORKS + 2)]
    for each in forks:
        desk.hears(each)
        desk.endpoint.acknowledge(ack_for(each), [NEAR], HANDLE, 0.0)
        assert [heading(each) for each in desk.says()] == ["ACK"]
    told(desk)
    sent = [len(desk.hears(each)) for each in forks]
    assert sent == [1] * MOST_FORKS + [0, 0]
    assert told(desk) == [200, 200], "what is not kept is told again"


@pytest.mark.parametrize("status", [180, 486])
def test_an_ack_before_a_2xx_is_a_mistake(status: int) -> None:
    desk = Desk()
    response = response_to(sends(desk, NEAR, method="INVITE"), status, to_tag="r")
    desk.hears(response)
    with pytest.raises(LocalError, match="2xx"):
        desk.endpoint.acknowledge(ack_for(response), [NEAR], HANDLE, 0.0)


def test_what_is_no_ack_of_the_2xx_is_a_mistake() -> None:
    desk = Desk()
    response = is_accepted(desk)
    with_via = request("ACK", To=response.get("To") or "")
    other = request("BYE", without="Via")
    for each in (with_via, other, ack_for(response, 2)):
        with pytest.raises(LocalError):
            desk.endpoint.acknowledge(each, [NEAR], HANDLE, 0.0)
    assert desk.says() == []


def test_a_repeated_2xx_that_cannot_be_read_is_dropped() -> None:
    desk = Desk()
    response = is_accepted(desk)
    desk.endpoint.acknowledge(ack_for(response), [NEAR], HANDLE, 0.0)
    desk.says()
    spoilt = [(name, "<" if name == "To" else value) for name, value in response.headers]
    assert desk.hears(Response(200, "OK", spoilt)) == []
    assert (told(desk), desk.total("dropped")) == ([], 1)
