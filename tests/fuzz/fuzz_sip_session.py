"""Fuzz target: whatever requests and responses say, sessions are few, whole, and come to an end.

The input is messages in a row, each ended by an empty line; a response answers the latest request
of ours of its method.
"""

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from dragoman.errors import LocalError
from dragoman.sip.check import syntax
from dragoman.sip.endpoint import AckArrived, AckMissing, CancelArrived, Flow, RequestArrived
from dragoman.sip.failure import SipError
from dragoman.sip.locate import Transport
from dragoman.sip.message import Request, Response, encode, parse
from dragoman.sip.server import ServerTransaction
from dragoman.sip.session import (
    Acknowledge,
    Body,
    Cancelled,
    Ended,
    Event,
    InDialog,
    Invited,
    Offered,
    Refused,
    Respond,
    Send,
    SessionHandle,
)
from dragoman.sip.sessions import Bounds, Sessions
from dragoman.sip.subscriber import Parties

if TYPE_CHECKING:
    from dragoman.sip.usage import Session

UDP = Flow(Transport.UDP, ("192.0.2.2", 5060), ("192.0.2.1", 5070))
US = "<sip:juliet@example.com;gr=balcony>"
PARTIES = Parties(
    "sip:romeo@example.net", "<sip:juliet@example.com>", "<sip:romeo@example.net>", US
)


def _request(method: str, cseq: int, to: str, more: str = "", body: str = "") -> bytes:
    kind = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n" if body else ""
    return (
        f"{method} sip:juliet@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n"
        f"From: <sip:romeo@example.net>;tag=far\r\nTo: <sip:juliet@example.com>{to}\r\n"
        f"Call-ID: c\r\nCSeq: {cseq} {method}\r\nContact: <sip:romeo@192.0.2.1>\r\n"
        f"Max-Forwards: 70\r\n{more}{kind}\r\n{body}"
    ).encode()


def _response(status: int, method: str, more: str = "", body: str = "") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"SIP/2.0 {status} X\r\nFrom: <sip:juliet@example.com>;tag=t1\r\n"
        f"To: <sip:romeo@example.net>;tag=far\r\nCall-ID: t2\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:romeo@192.0.2.1>\r\nAllow: UPDATE\r\n{more}{kind}\r\n{body}"
    ).encode()


INVITE = _request("INVITE", 1, "", "Supported: timer, 100rel\r\nSession-Expires: 600\r\n", "v=0")
REL = _response(183, "INVITE", "Require: 100rel\r\nRSeq: 1\r\n", "v=1")
NEAR = ";tag=t3"
SEEDS = (
    INVITE + b"\r\n\r\n" + _request("ACK", 1, NEAR) + _request("BYE", 2, NEAR),
    INVITE + b"\r\n\r\n" + _request("UPDATE", 2, NEAR, "", "v=3") + _request("INFO", 3, NEAR),
    INVITE + b"\r\n\r\n" + _request("PRACK", 2, NEAR, "RAck: 1 1 INVITE\r\n"),
    INVITE + b"\r\n\r\n" + _request("CANCEL", 1, ""),
    _request("INVITE", 1, "", "Replaces: c;to-tag=t3;from-tag=far\r\n"),
    REL + b"\r\n\r\n" + _response(200, "INVITE", "Session-Expires: 90;refresher=uas\r\n"),
    _response(200, "INVITE", "", "v=1") + b"\r\n\r\n" + _response(491, "INVITE"),
    _response(422, "INVITE", "Min-SE: 2000\r\n") + _response(200, "INVITE", "", "v=1"),
    _response(200, "INVITE", "", "v=1") + b"\r\n\r\n" + _response(481, "UPDATE"),
)
TOKENS = (
    *(b"INVITE", b"UPDATE", b"PRACK", b"BYE", b"ACK", b"CANCEL", b"REFER", b"INFO", b"100rel"),
    *(b";tag=t3", b";tag=far", b"RAck: 1 1 INVITE\r\n", b"RSeq: 2\r\n", b"Session-Expires: 1\r\n"),
    *(b"Min-SE: 7200\r\n", b";refresher=uac", b"Replaces: c;to-tag=t3\r\n", b"Reason: SIP\r\n"),
    *(b"SIP/2.0 200 OK", b"SIP/2.0 491 X", b"SIP/2.0 481 X", b"SIP/2.0 180 X", b"Contact: *\r\n"),
    *(b"Content-Type: application/sdp\r\n", b"Content-Type: multipart/mixed\r\n"),
)

_LAST = (Refused, Cancelled, Ended)


class Play:
    """Sessions, and a user who takes everything."""

    def __init__(self) -> None:
        numbers = count(1)
        self.sessions = Sessions(
            lambda: f"t{next(numbers)}", lambda low, _: low, lambda _: US, Bounds(4, 4)
        )
        self.asked: dict[str, SessionHandle] = {}
        self.came: list[ServerTransaction] = []
        self.ended: set[Session] = set()
        self.numbers: dict[str, int] = {}

    def takes(self, message: Request | Response, now: float) -> None:
        if isinstance(message, Response):
            self.answers(message, now)
        elif message.method == "ACK":
            for each in self.came:
                self.sessions.on_ack(AckArrived(message, UDP, each), now)
        elif message.method == "CANCEL":
            for each in self.came:
                self.sessions.on_cancel(CancelArrived(message, each), now)
        else:
            transaction = ServerTransaction(len(self.came), message, UDP, now)
            self.came.append(transaction)
            self.sessions.on_request(RequestArrived(message, UDP, transaction), now)
        self.settle(now)

    def answers(self, response: Response, now: float) -> None:
        try:
            handle = self.asked.get(response.cseq.method)
        except SipError:
            return
        if handle is not None:
            self.sessions.on_response(handle, response, now)

    def settle(self, now: float) -> None:
        while True:
            actions, events = self.sessions.actions(), self.sessions.events()
            for action in actions:
                match action:
                    case Send(request, route, handle):
                        self.asked[request.method] = handle
                        sent = parse(encode(route.send(request)[0]))
                        assert isinstance(sent, Request)
                    case Acknowledge(request, route, _):
                        encode(route.send(request)[0])
                    case Respond(_, response):
                        encode(response)
            for event in events:
                self.heard(event, now)
            if not actions and not events:
                break
        assert len(self.sessions) <= 4

    def heard(self, event: Event, now: float) -> None:
        session = event.session
        assert session not in self.ended or not isinstance(event, _LAST), "an end comes once"
        match event:
            case Invited(_, request, offer):
                session.ring(now, 183, Body(b"early") if offer else None)
                if "6" in request.call_id:
                    session.offer(Body(b"soon"), now)
                session.answer(Body(b"mine"), now)
            case Offered():
                session.accept(Body(b"agreed"), now)
            case InDialog(_, _, transaction):
                session.reply(transaction, 200)
            case Refused() | Cancelled() | Ended():
                self.ended.add(session)


def one_input(data: bytes) -> None:
    play = Play()
    session = play.sessions.invite(PARTIES, Body(b"ours"), 0.0)
    play.settle(0.0)
    now = 0.0
    for part in data.split(b"\r\n\r\n")[:10]:
        now += 0.7
        play.sessions.on_timer(now)
        play.settle(now)
        try:
            message = parse(part + b"\r\n\r\nx" if b"sdp" in part else part + b"\r\n\r\n")
            if isinstance(message, Request):
                syntax(message)  # as the endpoint does before anybody hears of it
        except SipError:
            continue
        play.takes(message, now)
    with suppress(LocalError):
        session.offer(Body(b"more"), now)
    finish(play)


def finish(play: Play) -> None:
    """Have time pass: without a word of the peer's every session ends."""
    for transaction in play.came:
        play.sessions.on_missing(AckMissing(transaction, accepted=True), 50.0)
    play.settle(50.0)
    for _ in range(200):
        when = play.sessions.next_timer()
        if when is None:
            break
        play.sessions.on_timer(when)
        play.settle(when)
    assert len(play.sessions) == 0, play.sessions.describe()
    assert play.sessions._by_dialog == {}
    assert play.sessions._outlet.incoming == {}


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
