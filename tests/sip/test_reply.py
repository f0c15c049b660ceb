"""Responses that cannot be delivered: RFC 3261 §18.2.2, and then RFC 3263 §5."""

from dataclasses import replace

import pytest

from dragoman.sip.endpoint import Flow, Limits, Outgoing, ResponseStranded, ServerTransaction
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import encode, response_to
from dragoman.sip.reply import MOST_PLACES
from tests.sip.desk import TCP, UDP, Desk, request

NAMED = "SIP/2.0/TCP edge.example.com:5080"
SOURCE = Target(Transport.TCP, "192.0.2.1", 5080, "edge.example.com")
PLACES = [Target(Transport.TCP, f"192.0.2.{n}", 5080, "edge.example.com") for n in (51, 52)]


def asked(
    desk: Desk,
    via: str = NAMED,
    flow: Flow = TCP,
    *,
    believed: bool = True,
    branch: str = "z9hG4bK1",
    method: str = "MESSAGE",
) -> ServerTransaction:
    """Have a request arrive; with `believed` it is let in, as the user does."""
    transaction = desk.arrives(request(method, via=via, branch=branch), flow)
    transaction.believed = believed
    return transaction


def answered(desk: Desk, transaction: ServerTransaction, status: int = 200) -> list[Outgoing]:
    desk.endpoint.respond(transaction, response_to(transaction.request, status), desk.now)
    return desk.endpoint.to_send()


def cut(desk: Desk, via: str = NAMED, *, believed: bool = True) -> Outgoing:
    """Return what is sent for a request whose connection closes before it is answered."""
    transaction = asked(desk, via, believed=believed)
    desk.endpoint.closed(TCP, desk.now)
    (sent,) = answered(desk, transaction)
    return sent


def stranded(desk: Desk) -> list[tuple[Transport, str, int | None]]:
    events = desk.endpoint.events()
    assert all(isinstance(each, ResponseStranded) for each in events)
    found = [each for each in events if isinstance(each, ResponseStranded)]
    return [(each.transport, each.host, each.port) for each in found]


def handle_of(desk: Desk) -> int:
    (event,) = desk.endpoint.events()
    assert isinstance(event, ResponseStranded)
    return event.handle


@pytest.mark.spec("NET-26")
def test_what_the_source_does_not_take_goes_to_the_places_behind_sent_by_in_turn() -> None:
    desk = Desk()
    sent = cut(desk)
    assert sent.to == SOURCE
    desk.endpoint.unreachable(SOURCE, 1.0)
    assert desk.endpoint.to_send() == []
    handle = handle_of(desk)
    desk.endpoint.redirect(handle, PLACES)
    (first,) = desk.endpoint.to_send()
    desk.endpoint.unreachable(PLACES[0], 2.0)
    (second,) = desk.endpoint.to_send()
    assert [first, second] == [Outgoing(sent.data, each) for each in PLACES]
    desk.endpoint.unreachable(PLACES[1], 3.0)
    assert (desk.endpoint.to_send(), desk.endpoint.events()) == ([], [])
    assert (desk.total("undeliverable"), desk.total("under way")) == (1, 0)


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize(
    ("via", "transport", "host", "port"),
    [
        (NAMED, Transport.TCP, "edge.example.com", 5080),
        ("SIP/2.0/TLS edge.example.com", Transport.TLS, "edge.example.com", None),
        ("SIP/2.0/TCP 10.1.1.1:5062", Transport.TCP, "10.1.1.1", 5062),
    ],
)
def test_the_question_is_about_sent_by_and_the_transport_that_was_used(
    via: str, transport: Transport, host: str, port: int | None
) -> None:
    desk = Desk()
    flow = replace(TCP, transport=transport)
    transaction = asked(desk, via, flow)
    desk.endpoint.closed(flow, 1.0)
    (sent,) = answered(desk, transaction)
    assert isinstance(sent.to, Target)
    desk.endpoint.unreachable(sent.to, 1.0)
    assert stranded(desk) == [(transport, host, port)]


@pytest.mark.spec("NET-26")
def test_who_was_not_believed_has_no_names_looked_up() -> None:
    desk = Desk()
    sent = cut(desk, believed=False)
    assert sent.to == SOURCE
    desk.endpoint.unreachable(SOURCE, 1.0)
    assert (desk.endpoint.to_send(), desk.endpoint.events()) == ([], [])
    transaction = asked(desk, branch="z9hG4bK2", believed=False)
    (sent,) = answered(desk, transaction)
    desk.endpoint.unsent(sent, 1.0)
    assert (desk.endpoint.to_send(), desk.endpoint.events()) == ([], [])
    assert desk.total("undeliverable") == 1


def test_a_refusal_is_not_followed_up() -> None:
    desk = Desk(screen=lambda _request, _flow: 403)
    desk.endpoint.receive(request(via=NAMED), TCP, 0.0)
    (sent,) = desk.endpoint.to_send()
    desk.endpoint.unsent(sent, 0.0)
    assert (desk.endpoint.to_send(), desk.endpoint.events()) == ([], [])


def test_a_place_that_was_tried_is_not_tried_again_and_only_so_many_are() -> None:
    desk = Desk()
    cut(desk)
    desk.endpoint.unreachable(SOURCE, 1.0)
    many = [replace(SOURCE, port=number) for number in range(6000, 6000 + 2 * MOST_PLACES)]
    desk.endpoint.redirect(handle_of(desk), [SOURCE, *many])
    tried = []
    while sent := desk.endpoint.to_send():
        tried += [each.to for each in sent]
        assert isinstance(sent[0].to, Target)
        desk.endpoint.unreachable(sent[0].to, 2.0)
    assert tried == many[:MOST_PLACES]


@pytest.mark.parametrize("places", [[], [SOURCE]])
def test_where_the_dns_knows_no_other_place_the_response_is_given_up(places: list[Target]) -> None:
    desk = Desk()
    cut(desk)
    desk.endpoint.unreachable(SOURCE, 1.0)
    handle = handle_of(desk)
    desk.endpoint.redirect(handle, places)
    assert (desk.endpoint.to_send(), desk.total("undeliverable")) == ([], 1)
    desk.endpoint.redirect(handle, PLACES)
    assert desk.endpoint.to_send() == []


def test_a_response_that_finds_its_connection_closing_is_sent_to_the_source() -> None:
    desk = Desk()
    (sent,) = answered(desk, asked(desk))
    assert sent.to == TCP
    desk.endpoint.unsent(sent, 1.0)
    (again,) = desk.endpoint.to_send()
    assert (again.data, again.to) == (sent.data, SOURCE)
    desk.endpoint.unreachable(SOURCE, 1.0)
    assert stranded(desk) == [(Transport.TCP, "edge.example.com", 5080)]


@pytest.mark.spec("NET-26")
@pytest.mark.parametrize("told", ["at once", "by ICMP"])
def test_a_refused_datagram_goes_where_the_name_in_sent_by_leads(told: str) -> None:
    desk = Desk()
    transaction = asked(desk, "SIP/2.0/UDP edge.example.com:5070", UDP)
    (sent,) = answered(desk, transaction)
    assert sent.to == UDP
    if told == "at once":
        desk.endpoint.unsent(sent, 1.0)
    else:
        desk.endpoint.unreachable(Target(Transport.UDP, *UDP.remote), 1.0)
    handle = handle_of(desk)
    place = Target(Transport.UDP, "192.0.2.53", 5070, "edge.example.com")
    desk.endpoint.redirect(handle, [place])
    (again,) = desk.endpoint.to_send()
    assert (again.data, again.to) == (sent.data, place)


def test_a_datagram_sent_to_sent_by_itself_has_nowhere_else_to_go() -> None:
    desk = Desk()
    answered(desk, asked(desk, "SIP/2.0/UDP 192.0.2.1:5070", UDP))
    desk.endpoint.unreachable(Target(Transport.UDP, *UDP.remote), 1.0)
    assert (desk.endpoint.events(), desk.total("under way")) == ([], 0)


def test_a_provisional_response_is_not_followed_up() -> None:
    desk = Desk()
    transaction = asked(desk, "SIP/2.0/UDP edge.example.com", UDP, method="INVITE")
    answered(desk, transaction, 180)
    desk.endpoint.unreachable(Target(Transport.UDP, "192.0.2.1", 5060), 1.0)
    assert desk.endpoint.events() == []
    answered(desk, transaction, 486)
    desk.endpoint.unreachable(Target(Transport.UDP, "192.0.2.1", 5060), 1.0)
    assert stranded(desk) == [(Transport.UDP, "edge.example.com", None)]


def test_over_tls_the_connection_of_another_domain_is_not_concerned() -> None:
    desk = Desk()
    flow = replace(TCP, transport=Transport.TLS)
    transaction = asked(desk, "SIP/2.0/TLS edge.example.com:5080", flow)
    desk.endpoint.closed(flow, 1.0)
    answered(desk, transaction)
    there = replace(SOURCE, transport=Transport.TLS)
    desk.endpoint.unreachable(replace(there, domain="other.example"), 1.0)
    assert desk.endpoint.events() == []
    desk.endpoint.unreachable(there, 1.0)
    assert len(desk.endpoint.events()) == 1


def test_a_websocket_is_never_dialled() -> None:
    desk = Desk()
    flow = replace(TCP, transport=Transport.WS)
    transaction = asked(desk, "SIP/2.0/WS edge.example.com", flow)
    desk.endpoint.closed(flow, 1.0)
    (sent,) = answered(desk, transaction)
    desk.endpoint.unsent(sent, 1.0)
    assert (desk.endpoint.events(), desk.total("under way")) == ([], 0)


@pytest.mark.parametrize(
    "limits", [Limits(replies=2), Limits(replies_bytes=500)], ids=["count", "bytes"]
)
def test_the_oldest_makes_room_for_the_newest(limits: Limits) -> None:
    desk = Desk(limits)
    for number in range(5):
        via = f"SIP/2.0/UDP edge{number}.example.com:5070"
        answered(desk, asked(desk, via, UDP, branch=f"z9hG4bK{number}"))
    kept = desk.total("under way")
    assert 0 < kept <= 2
    desk.endpoint.unreachable(Target(Transport.UDP, *UDP.remote), 1.0)
    names = [host for _, host, _ in stranded(desk)]
    assert names == [f"edge{number}.example.com" for number in range(5 - kept, 5)]


def test_nothing_is_kept_longer_than_a_sender_waits() -> None:
    desk = Desk()
    answered(desk, asked(desk, "SIP/2.0/UDP edge.example.com:5070", UDP))
    assert desk.total("under way") == 1
    desk.waits(40.0)
    desk.endpoint.unreachable(Target(Transport.UDP, *UDP.remote), 40.0)
    assert (desk.endpoint.events(), desk.total("under way")) == ([], 0)


@pytest.mark.parametrize(
    ("believed", "remote"), [(True, ("192.0.2.77", 5060)), (False, ("192.0.2.4", 5060))]
)
def test_only_who_is_believed_is_answered_elsewhere_and_so_is_the_same_request_again(
    believed: bool, remote: tuple[str, int]
) -> None:
    desk, via = Desk(), "SIP/2.0/UDP phone.example.com;maddr=192.0.2.77"
    flow = Flow(Transport.UDP, ("192.0.2.2", 5060), ("192.0.2.4", 5060))
    transaction = asked(desk, via, flow, believed=believed)
    [sent] = answered(desk, transaction)
    desk.endpoint.receive_datagram(encode(request("MESSAGE", via=via)), flow, desk.now)
    [again] = desk.endpoint.to_send()
    for each in (sent, again):
        assert isinstance(each.to, Flow)
        assert each.to.remote == remote
