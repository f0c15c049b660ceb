"""Requests that come in: matching, repetition, lateness, and how much is remembered."""

import gc
import tracemalloc

import pytest

from dragoman.errors import LocalError
from dragoman.sip.endpoint import (
    AckArrived,
    AckMissing,
    CancelArrived,
    Flow,
    Limits,
    Outgoing,
    RequestArrived,
)
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response, encode, response_to
from tests.sip.desk import TCP, UDP, Desk, heading, request


@pytest.mark.spec("IM-15")
def test_a_repeated_message_is_one_event_and_the_same_answer() -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    assert desk.hears(request()) == []
    first = desk.answers(transaction, 202)
    again = desk.hears(request()) + desk.hears(request())
    assert [encode(each) for each in again] == [encode(each) for each in first] * 2
    assert desk.endpoint.events() == []


@pytest.mark.spec("IM-15")
@pytest.mark.parametrize("given", [None, "of-the-user"])
def test_a_rebuilt_answer_has_every_header_body_and_tag_of_the_first(given: str | None) -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    response = response_to(
        transaction.request, 480, "Gone fishing", [("Retry-After", "60")], b"x", to_tag=given
    )
    desk.endpoint.respond(transaction, response, 0.0)
    (first,) = desk.says()
    assert isinstance(first, Response)
    assert (first.status, first.reason, first.body) == (480, "Gone fishing", b"x")
    assert first.to.tag == (given or desk.endpoint.tag(transaction))
    assert [encode(each) for each in desk.hears(request())] == [encode(first)]


@pytest.mark.spec("NET-20")
def test_an_answer_is_remembered_for_timer_j_and_no_longer() -> None:
    desk = Desk()
    desk.answers(desk.arrives(request()), 200)
    desk.waits(31.9)
    assert desk.statuses(request()) == [200]
    desk.waits(33.0)
    assert (desk.total("Completed"), desk.endpoint.next_timer()) == (0, None)
    assert desk.arrives(request())


@pytest.mark.spec("NET-20")
def test_over_a_stream_nothing_is_remembered() -> None:
    desk = Desk()
    transaction = desk.arrives(request(), TCP)
    desk.endpoint.respond(transaction, response_to(transaction.request, 200), 0.0)
    assert desk.total("Completed") == 0
    assert [each.to for each in desk.endpoint.to_send()] == [TCP]


@pytest.mark.spec("NET-20")
@pytest.mark.parametrize(
    "other",
    [
        request(branch="z9hG4bK2"),
        request(via="SIP/2.0/UDP 192.0.2.1:5071", Call_ID="another"),
        request("OPTIONS", Call_ID="another"),
    ],
    ids=["branch", "sent-by", "method"],
)
def test_branch_sent_by_and_method_tell_transactions_apart(other: Request) -> None:
    desk = Desk()
    desk.arrives(request())
    assert desk.arrives(other)


@pytest.mark.spec("NET-20")
def test_without_the_magic_cookie_the_rules_of_rfc_2543_hold() -> None:
    desk = Desk()
    old = request(branch="", without="Max-Forwards", From="<sip:old@example.com>")
    transaction = desk.arrives(old)
    assert desk.hears(old) == []
    assert desk.endpoint.events() == []
    desk.answers(transaction, 200)
    assert desk.statuses(old) == [200]
    assert desk.arrives(request(branch="", without="Max-Forwards", CSeq="2 MESSAGE"))


@pytest.mark.spec("NET-36")
def test_a_100_goes_when_timer_e_has_reached_t2_and_not_before() -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    assert desk.hears(request()) == []
    ((when, status),) = desk.waits(4.0)
    assert status == "100"
    assert 3.5 <= when <= 3.75
    assert desk.statuses(request()) == [100]
    assert [heading(each) for each in desk.answers(transaction, 200)] == ["200"]


@pytest.mark.spec("NET-36")
@pytest.mark.spec("ERR-21")
@pytest.mark.parametrize(("status", "flow"), [(408, UDP), (408, TCP), (100, UDP), (180, TCP)])
def test_what_rfc_4320_forbids_is_our_own_mistake(status: int, flow: object) -> None:
    desk = Desk()
    transaction = desk.arrives(request(), TCP if flow is TCP else UDP)
    with pytest.raises(LocalError, match="4320"):
        desk.answers(transaction, status)
    assert desk.says() == []
    assert [heading(each) for each in desk.answers(transaction, 200)] == ["200"]


@pytest.mark.spec("NET-36")
def test_a_100_may_go_at_once_over_a_stream() -> None:
    desk = Desk()
    transaction = desk.arrives(request(), TCP)
    assert [heading(each) for each in desk.answers(transaction, 100)] == ["100"]
    assert desk.waits(30.0) == []


@pytest.mark.spec("NET-36")
@pytest.mark.spec("ERR-21")
def test_a_final_response_that_is_too_late_is_not_sent() -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    assert [status for _, status in desk.waits(33.0)] == ["100"]
    assert desk.answers(transaction, 200) == []
    assert desk.total("late") == 1


@pytest.mark.spec("NET-20")
def test_a_second_final_response_is_discarded() -> None:
    desk = Desk()
    transaction = desk.arrives(request())
    desk.answers(transaction, 200)
    assert desk.answers(transaction, 500) == []
    assert desk.statuses(request()) == [200]


@pytest.mark.spec("NET-30")
def test_the_same_request_by_another_path_is_merged() -> None:
    desk = Desk()
    transaction = desk.arrives(request(Call_ID="one"))
    assert desk.statuses(request(branch="z9hG4bK2", Call_ID="one")) == [482]
    desk.answers(transaction, 200)
    assert desk.statuses(request(branch="z9hG4bK3", Call_ID="one")) == [482]
    inside = request(branch="z9hG4bK4", Call_ID="one", To="<sip:romeo@example.net>;tag=8")
    assert desk.arrives(inside)
    desk.waits(33.0)
    assert desk.arrives(request(branch="z9hG4bK5", Call_ID="one"))


def test_after_503_the_same_request_may_come_by_another_path() -> None:
    """RFC 3263 §4.3: the next of our addresses is tried at once, by a branch of its own."""
    desk = Desk()
    transaction = desk.arrives(request(Call_ID="one"))
    desk.answers(transaction, 503)
    assert desk.arrives(request(branch="z9hG4bK2", Call_ID="one"))


def test_when_the_connection_is_gone_the_answer_goes_to_sent_by() -> None:
    desk = Desk()
    transaction = desk.arrives(request(via="SIP/2.0/TCP 192.0.2.1:5070"), TCP)
    desk.endpoint.closed(TCP, 1.0)
    desk.endpoint.respond(transaction, response_to(transaction.request, 200), 2.0)
    (sent,) = desk.endpoint.to_send()
    assert sent.to == Target(Transport.TCP, "192.0.2.1", 5070, "192.0.2.1")


# Bounds


@pytest.mark.parametrize(
    ("limits", "answered"),
    [(Limits(pending=2), False), (Limits(completed=2), True), (Limits(pending_bytes=350), False)],
    ids=["waiting", "answered", "bytes"],
)
def test_a_full_table_answers_503_and_says_when_to_come_again(
    limits: Limits, answered: bool
) -> None:
    desk = Desk(limits)
    for number in (1, 2):
        transaction = desk.arrives(request(branch=f"z9hG4bK{number}"))
        if answered:
            desk.answers(transaction, 200)
    (refused,) = desk.hears(request(branch="z9hG4bK3"))
    assert (heading(refused), refused.get("Retry-After")) == ("503", "5")
    assert desk.endpoint.events() == []
    desk.waits(70.0)
    assert desk.arrives(request(branch="z9hG4bK3"))


def test_sixty_four_thousand_answered_requests_stay_below_30_mib() -> None:
    desk = Desk()
    gc.collect()
    tracemalloc.start()
    for number in range(800):
        desk.endpoint.receive(request(branch=f"z9hG4bK{number:032}"), UDP, number / 2000)
        (event,) = desk.endpoint.events()
        assert isinstance(event, RequestArrived)
        response = response_to(event.request, 200)
        desk.endpoint.respond(event.transaction, response, number / 2000)
        desk.endpoint.to_send()
    del event, response
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert desk.total("Completed") == 800
    assert held / 800 * 64_000 < 30 * 2**20


# INVITE


@pytest.mark.spec("NET-20")
def test_an_invite_is_answered_100_after_200_milliseconds() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    assert desk.waits(1.0) == [(0.2, "100")]
    assert [heading(each) for each in desk.hears(request("INVITE"))] == ["100"]
    assert [heading(each) for each in desk.answers(transaction, 180)] == ["180"]
    assert [heading(each) for each in desk.hears(request("INVITE"))] == ["180"]
    assert desk.waits(300.0) == []


def test_an_invite_answered_at_once_gets_no_100() -> None:
    desk = Desk()
    desk.answers(desk.arrives(request("INVITE")), 183)
    assert desk.waits(10.0) == []


@pytest.mark.spec("NET-20")
def test_a_refused_invite_is_answered_until_the_ack_comes() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    (refusal,) = desk.answers(transaction, 486)
    assert desk.waits(4.0) == [(0.5, "486"), (1.5, "486"), (3.5, "486")]
    ack = request("ACK", Call_ID="call-z9hG4bK1", To=refusal.get("To") or "")
    assert desk.hears(ack) == []
    assert desk.hears(request("INVITE")) == []
    assert desk.waits(40.0) == []
    assert desk.endpoint.events() == []
    assert desk.total("INVITE server") == 0


@pytest.mark.spec("NET-20")
def test_a_missing_ack_is_told_at_timer_h() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    desk.answers(transaction, 486)
    assert [when for when, _ in desk.waits(40.0)][-1] == 31.5
    assert desk.endpoint.events() == [AckMissing(transaction)]


@pytest.mark.spec("NET-20")
def test_an_accepted_invite_absorbs_itself_and_passes_2xx_and_ack() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    (first,) = desk.answers(transaction, 200)
    assert desk.hears(request("INVITE")) == []
    assert [encode(each) for each in desk.answers(transaction, 200)] == [encode(first)]
    to = first.get("To") or ""
    desk.hears(request("ACK", To=to))
    desk.hears(request("ACK", branch="z9hG4bKother", Call_ID="call-z9hG4bK1", To=to))
    assert [type(event) for event in desk.endpoint.events()] == [AckArrived, AckArrived]
    assert desk.waits(32.0) == []
    assert desk.total("INVITE server") == 0


def test_a_final_response_after_a_refusal_of_an_invite_is_our_own_mistake() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    desk.answers(transaction, 486)
    with pytest.raises(LocalError):
        desk.answers(transaction, 200)


def test_an_ack_before_any_answer_is_dropped() -> None:
    desk = Desk()
    desk.arrives(request("INVITE"))
    assert desk.hears(request("ACK")) == []
    assert (desk.endpoint.events(), desk.total("dropped")) == ([], 1)


def test_over_a_stream_a_refused_invite_ends_with_its_ack() -> None:
    desk = Desk()
    desk.answers(desk.arrives(request("INVITE"), TCP), 486)
    assert desk.waits(5.0) == []
    desk.hears(request("ACK"), TCP)
    assert desk.total("INVITE server") == 0


@pytest.mark.spec("NET-22")
def test_a_cancel_is_answered_and_told_of_once() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    cancel = request("CANCEL", CSeq="1 CANCEL")
    (answer,) = desk.hears(cancel)
    assert (heading(answer), answer.to.tag) == ("200", desk.endpoint.tag(transaction))
    assert desk.statuses(cancel) == [200]
    (event,) = desk.endpoint.events()
    assert isinstance(event, CancelArrived)
    assert event.transaction is transaction
    (refused,) = desk.answers(transaction, 487)
    assert refused.to.tag == answer.to.tag
    assert (desk.statuses(cancel), desk.endpoint.events()) == ([200], [])


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("status", [200, 486])
@pytest.mark.parametrize("flow", [UDP, TCP], ids=["UDP", "TCP"])
def test_a_cancel_after_the_final_response_changes_nothing(status: int, flow: Flow) -> None:
    """§9.2: it is answered 200, and the final response goes its way."""
    desk, undisturbed = Desk(), Desk()
    for each in (desk, undisturbed):
        transaction = each.arrives(request("INVITE"), flow)
        response = response_to(transaction.request, status)
        each.endpoint.respond(transaction, response, 0.0)
        (sent,) = each.says()
    (answer,) = desk.hears(request("CANCEL", CSeq="1 CANCEL"), flow)
    assert (heading(answer), answer.to.tag) == ("200", sent.to.tag)
    assert desk.endpoint.events() == []
    assert desk.waits(100.0) == undisturbed.waits(100.0)
    assert [type(each) for each in desk.endpoint.events()] == [AckMissing]


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("answered", [False, True])
def test_a_cancel_of_another_request_is_answered_and_does_nothing(answered: bool) -> None:
    desk = Desk()
    transaction = desk.arrives(request("MESSAGE"))
    if answered:
        desk.answers(transaction, 202)
    (answer,) = desk.hears(request("CANCEL", CSeq="1 CANCEL"))
    assert (heading(answer), answer.to.tag) == ("200", desk.endpoint.tag(transaction))
    assert desk.endpoint.events() == []
    if not answered:
        assert [heading(each) for each in desk.answers(transaction, 202)] == ["202"]


@pytest.mark.spec("NET-22")
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_a_cancel_of_nothing_is_answered_481(method: str) -> None:
    desk = Desk()
    desk.arrives(request(method))
    cancel = request("CANCEL", "z9hG4bK2", Call_ID="call-z9hG4bK1", CSeq="1 CANCEL")
    assert desk.statuses(cancel) == [481]
    assert desk.endpoint.events() == []


@pytest.mark.spec("NET-22")
def test_a_cancel_of_an_invite_that_is_over_is_answered_481() -> None:
    desk = Desk()
    desk.answers(desk.arrives(request("INVITE")), 486)
    desk.waits(33.0)
    desk.endpoint.events()
    assert desk.statuses(request("CANCEL", CSeq="1 CANCEL")) == [481]
    assert desk.endpoint.events() == []


@pytest.mark.spec("NET-22")
def test_a_cancel_without_the_magic_cookie_is_matched_as_rfc_2543_has_it() -> None:
    desk = Desk()
    desk.arrives(request("INVITE", "", without="Max-Forwards", Call_ID="old"))
    cancel = request("CANCEL", "", without="Max-Forwards", Call_ID="old", CSeq="1 CANCEL")
    assert desk.statuses(cancel) == [200]
    (event,) = desk.endpoint.events()
    assert isinstance(event, CancelArrived)


@pytest.mark.spec("NET-22")
def test_an_invite_may_be_accepted_although_it_was_cancelled() -> None:
    desk = Desk()
    transaction = desk.arrives(request("INVITE"))
    desk.hears(request("CANCEL", CSeq="1 CANCEL"))
    assert [heading(each) for each in desk.answers(transaction, 200)] == ["200"]


@pytest.mark.spec("NET-26")
def test_the_endpoint_sends_a_response_where_the_via_says() -> None:
    desk = Desk()
    transaction = desk.arrives(request(via="SIP/2.0/UDP 10.0.0.1:4540;rport"))
    assert transaction.request.via.received == "192.0.2.1"
    desk.endpoint.respond(transaction, response_to(transaction.request, 200), 0.0)
    (sent,) = desk.endpoint.to_send()
    assert isinstance(sent, Outgoing)
    assert sent.to == UDP
    assert b";received=192.0.2.1;rport=5070" in sent.data
