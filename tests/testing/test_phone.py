"""The scripted phone: its core by hand, and two of them over real sockets."""

import asyncio
import itertools

import pytest

from dragoman.errors import LocalError
from dragoman.testing.phone import Hop, Phone, PhoneCore, Reply, Sent
from dragoman.testing.siptext import SipText, parameter

HERE, THERE = Hop("UDP", "127.0.0.3", 5060), Hop("UDP", "127.0.0.1", 5060)


def core(**script: Reply | int | None) -> PhoneCore:
    counter = itertools.count(1)
    return PhoneCore(script=script, token=lambda: str(next(counter)))


def text(phone: PhoneCore) -> list[SipText]:
    found = [SipText.parse(data) for data, _ in phone.to_send()]
    assert None not in found
    return [message for message in found if message is not None]


def send(phone: PhoneCore, user: str = "alice", hop: Hop = THERE) -> Sent:
    return phone.send(phone.message("sip:bob@sip.test", f"sip:{user}@xmpp.test", "hi"), hop, 0.0)


def exchange(script: Reply | int | None, copies: int = 1) -> list[SipText]:
    caller, callee = core(), core(alice=script)
    request = bytes(send(caller).request)
    for _ in range(copies):
        callee.receive(request, HERE, 0.0)
    return text(callee)


@pytest.mark.parametrize(
    ("script", "start"),
    [
        (200, "SIP/2.0 200 OK"),
        (404, "SIP/2.0 404 Not Found"),
        (Reply(480, "Gone fishing"), "SIP/2.0 480 Gone fishing"),
    ],
)
def test_a_request_is_answered_by_the_script(script: Reply | int, start: str) -> None:
    (response,) = exchange(script)
    assert response.start == start
    assert parameter(response.get("Via") or "", "received") == HERE.host
    assert parameter(response.get("To") or "", "tag")


def test_no_answer_is_an_answer_too() -> None:
    assert exchange(None, copies=3) == []


@pytest.mark.parametrize(
    ("accepts", "status"), [((), 200), (("text/plain",), 200), (("x/y",), 415)]
)
def test_a_phone_may_take_some_types_only(accepts: tuple[str, ...], status: int) -> None:
    caller, callee = core(), core()
    callee.accepts = frozenset(accepts)
    callee.receive(bytes(send(caller).request), HERE, 0.0)
    (response,) = text(callee)
    assert response.status == status
    assert (response.get("Accept") == "x/y") is (status == 415)


def test_copies_are_answered_alike_and_seen_once() -> None:
    first, second = exchange(200, copies=2)
    assert first == second


def test_the_first_copies_can_be_ignored() -> None:
    assert len(exchange(Reply(200, after=2), copies=3)) == 1


def test_a_copy_is_recorded_once() -> None:
    caller, callee = core(), core()
    request = bytes(send(caller).request)
    callee.receive(request, HERE, 0.0)
    callee.receive(request, HERE, 0.1)
    assert [seen.text for seen in callee.received] == ["hi"]


def test_what_is_remembered_is_bounded() -> None:
    callee = PhoneCore(limit=2)
    caller = core()
    for _ in range(4):
        callee.receive(bytes(send(caller).request), HERE, 0.0)
    assert len(callee._copies) == 2


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("INVITE", 405), ("ACK", None), ("MESSAGE", 400)]
)
def test_other_methods_and_broken_requests(method: str, status: int | None) -> None:
    caller, callee = core(), core()
    request = bytes(send(caller).request).replace(b"MESSAGE", method.encode())
    callee.receive(request.replace(b"Max-Forwards: 70\r\n", b""), HERE, 0.0)
    broken = text(callee)
    callee.receive(request.replace(b"z9hG4bK", b"z9hG4bKx"), HERE, 0.0)
    found = [response.status for response in text(callee)]
    if method == "MESSAGE":
        assert broken[0].start == "SIP/2.0 400 Max-Forwards must come once"
    else:
        assert found == ([] if status is None else [status])


def test_garbage_is_kept_for_the_test_to_see() -> None:
    phone = core()
    for data in (b"\r\n\r\n", b"garbage", b"OPTIONS sip:x SIP/2.0\r\n\r\n"):
        phone.receive(data, HERE, 0.0)
    assert phone.garbage == [b"garbage", b"OPTIONS sip:x SIP/2.0\r\n\r\n"]
    assert phone.to_send() == []


@pytest.mark.parametrize(
    ("via", "port"),
    [(b";rport", 40000), (b"", 5060), (b";x=1", 5060)],
)
def test_where_the_response_goes(via: bytes, port: int) -> None:
    caller, callee = core(), core()
    request = bytes(send(caller).request).replace(b";rport", via)
    callee.receive(request, Hop("UDP", "127.0.0.3", 40000), 0.0)
    assert [hop.port for _, hop in callee.to_send()] == [port]


def test_a_request_is_repeated_until_the_timeout() -> None:
    phone = core()
    sent = send(phone)
    times = []
    while (when := phone.next_timer()) is not None:
        phone.on_timer(when)
        times.append(when)
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]
    assert (sent.over, sent.status, sent.copies) == (True, None, 11)
    assert phone.events() == [sent]


def test_a_provisional_answer_slows_the_copies_and_a_final_one_ends_them() -> None:
    caller, callee = core(), core()
    sent = send(caller)
    callee.receive(bytes(sent.request), HERE, 0.0)
    (final,) = text(callee)
    caller.receive(bytes(SipText("SIP/2.0 100 Trying", final.headers)), THERE, 0.1)
    assert caller.next_timer() == pytest.approx(4.1)
    caller.receive(bytes(final), THERE, 0.2)
    assert (sent.status, caller.next_timer()) == (200, None)


def test_a_stray_response_changes_nothing() -> None:
    caller, callee = core(), core()
    sent = send(caller)
    callee.receive(bytes(sent.request), HERE, 0.0)
    (final,) = text(callee)
    caller.receive(bytes(final).replace(b"z9hG4bK", b"z9hG4bKx"), THERE, 0.1)
    caller.receive(bytes(final).replace(b"1 MESSAGE", b"2 MESSAGE"), THERE, 0.1)
    assert not sent.over


def test_streams_are_not_repeated_and_can_fail() -> None:
    phone = core()
    sent = send(phone, hop=Hop("TCP", "127.0.0.1", 5060))
    assert phone.next_timer() == 32.0
    phone.unreachable(sent.hop)
    assert (sent.over, sent.status) == (True, None)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_two_phones_over_sockets(transport: str) -> None:
    callee = await Phone.start(host="127.0.0.1", script={"nobody": 404})
    caller = await Phone.start(gateway=callee.address)
    try:
        sent = await caller.send(
            "sip:bob@sip.test", "sip:alice@xmpp.test", "wherefore ♥", transport=transport
        )
        assert sent.status == 200
        assert (await callee.next_request()).text == "wherefore ♥"
        lost = await caller.send(
            "sip:bob@sip.test", "sip:nobody@xmpp.test", "x", transport=transport
        )
        assert lost.status == 404
        assert [seen.text for seen in callee.received] == ["wherefore ♥", "x"]
    finally:
        await caller.aclose()
        await callee.aclose()


async def test_a_refused_connection_ends_the_request() -> None:
    callee = await Phone.start(host="127.0.0.1")
    caller = await Phone.start(gateway=callee.address)
    await callee.aclose()
    try:
        async with asyncio.timeout(5):
            sent = await caller.send("sip:a@sip.test", "sip:b@xmpp.test", "x", transport="TCP")
        assert (sent.over, sent.status) == (True, None)
    finally:
        await caller.aclose()


async def test_a_phone_without_gateway_cannot_send() -> None:
    phone = await Phone.start()
    try:
        with pytest.raises(LocalError):
            await phone.send("sip:a@sip.test", "sip:b@xmpp.test", "x")
    finally:
        await phone.aclose()
