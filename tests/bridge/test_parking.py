"""Requests that wait for the DNS: in order, in time, and with room for everybody."""

import pytest

from dragoman.bridge.parking import Parked, Parking
from dragoman.sip.endpoint import Flow, RequestArrived, ServerTransaction, Transport
from tests.sip.desk import request


def parked(domain: str, deadline: float = 10.0, address: str = "192.0.2.30") -> Parked:
    flow = Flow(Transport.UDP, ("192.0.2.10", 5060), (address, 5060))
    asked = request()
    return Parked(
        deadline, domain, RequestArrived(asked, flow, ServerTransaction(1, asked, flow, 0.0))
    )


def test_those_of_a_domain_are_taken_in_order_and_the_rest_waits_on() -> None:
    parking = Parking()
    each = [parked(domain) for domain in ("a", "b", "a", "c")]
    assert all(parking.add(one) for one in each)
    assert parking.take("a") == [each[0], each[2]]
    assert parking.take("a") == []
    assert (len(parking), parking.take("")) == (2, [each[1], each[3]])


def test_who_has_waited_too_long_is_due() -> None:
    parking = Parking()
    assert parking.next_timer() is None
    first, second = parked("a", 10.0), parked("b", 11.0)
    assert parking.add(first)
    assert parking.add(second)
    assert parking.next_timer() == 10.0
    assert parking.due(9.9) == []
    assert parking.due(10.0) == [first]
    assert parking.due(20.0) == [second]


@pytest.mark.spec("NET-38")
def test_one_address_has_a_part_of_the_room_only() -> None:
    parking = Parking(most=5, most_of_one=3)
    assert [parking.add(parked("a")) for _ in range(4)] == [True, True, True, False]
    assert [parking.add(parked("a", address="192.0.2.31")) for _ in range(3)] == [True, True, False]
    parking.take("a")
    assert [parking.add(parked("a")) for _ in range(4)] == [True, True, True, False]


def test_who_waits_again_keeps_the_place_that_the_deadline_gives() -> None:
    parking = Parking()
    first, second = parked("a", 10.0), parked("b", 11.0)
    assert parking.add(first)
    assert parking.add(second)
    [again] = parking.take("a")
    assert parking.add(again)
    assert parking.next_timer() == 10.0
    assert parking.due(10.0) == [first]
