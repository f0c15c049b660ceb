"""A 2xx to INVITE goes out until its ACK comes, however it travels (RFC 3261 §13.3.1.4)."""

import pytest

from dragoman.sip.endpoint import AckArrived, AckMissing, Flow, Limits, ServerTransaction
from dragoman.sip.message import Message, Request, Response, encode
from tests.sip.desk import TCP, UDP, Desk, heading, request

TIMES = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
"""When a 2xx is sent again: after T1, doubling to T2, before 64*T1."""


def accepts(desk: Desk, flow: Flow = UDP) -> tuple[ServerTransaction, Response]:
    """Have an INVITE come and the user accept it; return what the endpoint sends."""
    transaction = desk.arrives(request("INVITE"), flow)
    (sent,) = desk.answers(transaction, 200)
    assert isinstance(sent, Response)
    return transaction, sent


def ack(response: Message, branch: str = "z9hG4bKack", cseq: str = "1 ACK") -> Request:
    """Return the ACK for a 2xx, whose branch is its own."""
    to = response.get("To") or ""
    return request("ACK", branch, To=to, Call_ID=response.call_id, CSeq=cseq)


@pytest.mark.spec("NET-21")
@pytest.mark.parametrize("flow", [UDP, TCP], ids=["UDP", "TCP"])
def test_a_2xx_is_sent_again_at_t1_doubling_to_t2_over_every_transport(flow: Flow) -> None:
    desk = Desk()
    transaction, _ = accepts(desk, flow)
    assert desk.waits(31.9) == [(when, "200") for when in TIMES]
    assert desk.endpoint.events() == []
    assert desk.waits(100.0) == []
    assert desk.endpoint.events() == [AckMissing(transaction, accepted=True)]
    assert (desk.total("INVITE server"), desk.total("2xx")) == (0, 0)
    assert desk.endpoint.next_timer() is None


@pytest.mark.spec("NET-21")
def test_each_copy_of_a_2xx_is_like_the_first_and_goes_the_same_way() -> None:
    desk = Desk()
    _, first = accepts(desk, TCP)
    desk.endpoint.on_timer(0.5)
    (again,) = desk.endpoint.to_send()
    assert (again.data, again.to) == (encode(first), TCP)


@pytest.mark.spec("NET-21")
@pytest.mark.parametrize("branch", ["z9hG4bKack", "z9hG4bK1"], ids=["its own", "the INVITE's"])
def test_the_ack_ends_it_and_is_told_with_its_transaction(branch: str) -> None:
    desk = Desk()
    transaction, sent = accepts(desk)
    assert desk.waits(2.0) == [(0.5, "200"), (1.5, "200")]
    acks = [ack(sent, branch), ack(sent, branch)]
    for each in acks:
        assert desk.hears(each) == []
    (first, again) = desk.endpoint.events()
    assert isinstance(first, AckArrived)
    assert first.transaction is transaction
    assert isinstance(again, AckArrived)
    assert again.transaction is None
    assert desk.waits(100.0) == []
    assert desk.endpoint.events() == []


@pytest.mark.spec("NET-21")
@pytest.mark.parametrize(
    ("ours", "other"),
    [
        (b"Call-ID: ", b"Call-ID: x"),
        (b"CSeq: 1", b"CSeq: 2"),
        (b"romeo@example.net>;tag=", b"romeo@example.net>;tag=x"),
        (b"juliet@example.com>;tag=", b"juliet@example.com>;tag=x"),
    ],
    ids=["Call-ID", "CSeq", "our tag", "their tag"],
)
def test_an_ack_of_another_dialog_or_number_ends_nothing(ours: bytes, other: bytes) -> None:
    desk = Desk()
    _, sent = accepts(desk)
    given = bytes(ack(sent))
    assert ours in given
    desk.hears(given.replace(ours, other))
    (event,) = desk.endpoint.events()
    assert isinstance(event, AckArrived)
    assert event.transaction is None
    assert len(desk.waits(31.9)) == len(TIMES)


def test_an_ack_that_cannot_be_read_is_dropped() -> None:
    desk = Desk()
    _, sent = accepts(desk)
    for branch in ("z9hG4bKack", "z9hG4bK1"):
        assert desk.hears(ack(sent, branch, cseq="rubbish")) == []
    assert (desk.endpoint.events(), desk.total("dropped")) == ([], 2)


def test_a_2xx_of_the_user_that_repeats_itself_starts_no_second_clock() -> None:
    desk = Desk()
    transaction, sent = accepts(desk)
    desk.waits(1.0)
    assert [heading(each) for each in desk.answers(transaction, 200)] == ["200"]
    assert desk.waits(4.0) == [(1.5, "200"), (3.5, "200")]
    desk.hears(ack(sent))
    assert [heading(each) for each in desk.answers(transaction, 200)] == ["200"]
    assert desk.waits(100.0) == []


def test_an_accepted_invite_cannot_be_abandoned() -> None:
    desk = Desk()
    transaction, _ = accepts(desk)
    desk.endpoint.abandon(transaction)
    assert (desk.hears(request("INVITE")), desk.endpoint.events()) == ([], [])
    assert desk.waits(2.0) == [(0.5, "200"), (1.5, "200")]


def test_a_second_invite_of_the_same_number_takes_the_place_of_the_first() -> None:
    desk = Desk()
    to = "<sip:romeo@example.net>;tag=8"
    first = desk.arrives(request("INVITE", "z9hG4bK1", To=to, Call_ID="one"))
    second = desk.arrives(request("INVITE", "z9hG4bK2", To=to, Call_ID="one"))
    for each in (first, second):
        (sent,) = desk.answers(each, 200)
    assert desk.endpoint.events() == [AckMissing(first, accepted=True)]
    desk.hears(ack(sent))
    (event,) = desk.endpoint.events()
    assert isinstance(event, AckArrived)
    assert event.transaction is second
    assert desk.waits(100.0) == []


def test_what_waits_for_an_ack_is_bounded_as_the_invites_are() -> None:
    desk = Desk(Limits(pending=2))
    for number in (1, 2):
        transaction = desk.arrives(request("INVITE", f"z9hG4bK{number}"))
        desk.answers(transaction, 200)
    assert desk.statuses(request("INVITE", "z9hG4bK3")) == [503]
    assert desk.total("2xx without ACK") == 2
    desk.waits(32.0)
    assert len(desk.endpoint.events()) == 2
    assert desk.arrives(request("INVITE", "z9hG4bK3"))
