"""Fuzz target: whatever SUBSCRIBE and NOTIFY say, dialogs are whole, few and numbered upwards.

The input is one or more requests in a row, each ended by an empty line.
"""

from itertools import count

from dragoman.sip.dialog import Dialog
from dragoman.sip.event import Event, SubscriptionState
from dragoman.sip.failure import SipError
from dragoman.sip.message import Request, encode, parse, response_to
from dragoman.sip.notifier import Notifier, Terms, Unacceptable
from dragoman.sip.subscriber import Package, Parties, Subscriber

US = "<sip:juliet@example.com;gr=balcony>"
PARTIES = Parties(
    "sip:romeo@example.net", "<sip:juliet@example.com>", "<sip:romeo@example.net>", US
)
SUBSCRIBE = (
    b"SUBSCRIBE sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n"
    b"Record-Route: <sip:p1.example.net;lr>\r\nFrom: <sip:romeo@example.net>;tag=far\r\n"
    b"To: <sip:juliet@example.com>\r\nCall-ID: t2\r\nCSeq: 1 SUBSCRIBE\r\n"
    b"Contact: <sip:romeo@192.0.2.1>\r\nEvent: presence;max-rate=0.1\r\nExpires: 600\r\n\r\n"
)
NOTIFY = (
    b"NOTIFY sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK2\r\n"
    b"Record-Route: <sip:p1.example.net;lr>, <sip:p2.example.net;lr>\r\n"
    b"From: <sip:romeo@example.net>;tag=far\r\nTo: <sip:juliet@example.com>;tag=t1\r\n"
    b"Call-ID: t2\r\nCSeq: 5 NOTIFY\r\nContact: <sip:ps.example.net>\r\nEvent: presence\r\n"
    b"Subscription-State: active;expires=599\r\n\r\n"
)
AGAIN = SUBSCRIBE.replace(b"example.com>\r\n", b"example.com>;tag=near\r\n")
LAST = NOTIFY.replace(b"active;expires=599", b"terminated;reason=probation;retry-after=9")
SEEDS = (SUBSCRIBE, NOTIFY, SUBSCRIBE + AGAIN, NOTIFY + LAST, SUBSCRIBE + NOTIFY + AGAIN + LAST)
TOKENS = (
    *(b";tag=t1", b";tag=near", b"Expires: 0", b"Expires: 59", b"pending", b"terminated;reason="),
    *(b";expires=", b";retry-after=", b";id=1", b"max-rate=", b"Contact: *", b"CSeq: 4294967295"),
)


def one_input(data: bytes) -> None:
    numbers = count(1)
    subscriber: Subscriber[str] = Subscriber(
        Package("presence", "application/pidf+xml"), lambda: f"t{next(numbers)}", lambda a, b: a
    )
    notifier = Notifier(Terms("presence", most=4), lambda _: None)
    subscriber.subscribe("pair", PARTIES, 0.0)
    subscriber.to_send()
    for turn, part in enumerate(data.split(b"\r\n\r\n")[:8]):
        try:
            request = parse(part + b"\r\n\r\n")
        except SipError:
            continue
        if isinstance(request, Request):
            take(subscriber, notifier, request, float(turn))
    check(subscriber, notifier)


def take(subscriber: Subscriber[str], notifier: Notifier, request: Request, now: float) -> None:
    try:
        if request.method == "NOTIFY":
            assert subscriber.match(request) == "pair"
            subscriber.take(request, now)
        else:
            tag = f"near{now:.0f}" if now else "near"
            granted = notifier.subscribe(request, tag, US, now)
            assert granted.expires <= 3600
            notifier.activate(granted.key, now)
    except (SipError, Unacceptable):
        return
    for header, kind in (("Event", Event), ("Subscription-State", SubscriptionState)):
        if (text := request.get(header)) is not None:
            try:
                value = kind.parse(text)
            except SipError:
                continue
            assert kind.parse(str(value)) == value


def check(subscriber: Subscriber[str], notifier: Notifier) -> None:
    """Have time pass; what goes out is whole, and of one dialog upwards in number."""
    assert len(subscriber) <= 1
    assert len(notifier) <= 4
    if (kept := subscriber.keep("pair", 10.0)) is not None:
        dialog = Dialog.from_text(kept[0])
        assert Dialog.from_text(dialog.to_text()) == dialog
    last: dict[str, int] = {}
    for now in (10.0, 100.0, 5000.0, 10_000.0):
        subscriber.on_timer(now)
        notifier.on_timer(now)
        for request, route, handle in notifier.to_send(now):
            dialog_id = f"{request.call_id} {request.from_.tag}"
            assert request.cseq.number > last.get(dialog_id, 0)
            last[dialog_id] = request.cseq.number
            again = parse(encode(route.send(request)[0]))
            assert isinstance(again, Request)
            notifier.on_response(handle, response_to(request, 200), now)
    assert len(notifier) == 0


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
