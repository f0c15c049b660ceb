"""Ends of a `Wire` with sessions, and the users who talk in them."""

from collections.abc import Callable, Sequence
from itertools import count

from dragoman.sip.endpoint import (
    AckArrived,
    AckMissing,
    CancelArrived,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
)
from dragoman.sip.message import Header, Request, Response, build_request, parse, response_to
from dragoman.sip.server import ServerTransaction
from dragoman.sip.session import (
    ALLOW,
    SUPPORTED,
    Acknowledge,
    Action,
    Body,
    Cancel,
    Event,
    Invited,
    Offered,
    Respond,
    Send,
    SessionHandle,
)
from dragoman.sip.sessions import Bounds, Sessions
from dragoman.sip.subscriber import Parties
from dragoman.sip.usage import Session
from tests.sip.desk import NEAR, UDP, WireEnd

OFFER, ANSWER, OTHER = Body(b"offer"), Body(b"answer"), Body(b"other")
US, THEM = "<sip:romeo@gateway.example>", "<sip:juliet@192.0.2.1:5070>"
PARTIES = Parties(
    "sip:juliet@example.com", "<sip:romeo@example.net>", "<sip:juliet@example.com>", US
)


def middle(low: float, high: float) -> float:
    return (low + high) / 2


class Talker(WireEnd):
    """An endpoint whose user does with each event what `does` says."""

    def __init__(self, name: str, does: Callable[[Event, float], None] = lambda *_: None) -> None:
        super().__init__(name, allow=ALLOW)
        self.endpoint._supported = frozenset(SUPPORTED)
        tokens = count()
        self.sessions = Sessions(
            lambda: f"{name}-s{next(tokens)}", middle, lambda _: f"<sip:{name}@{name}:5060>"
        )
        self.does = does
        self.told: list[Event] = []

    def receive(self, data: bytes, now: float) -> None:
        super().receive(data, now)

    def on_timer(self, now: float) -> None:
        self.endpoint.on_timer(now)
        self.sessions.on_timer(now)
        self.react(now)

    def next_timer(self) -> float | None:
        times = (self.endpoint.next_timer(), self.sessions.next_timer())
        return min((each for each in times if each is not None), default=None)

    def react(self, now: float) -> None:
        while events := self.endpoint.events():
            for event in events:
                feed(self.sessions, event, now)
            self.flush(now)
        self.flush(now)

    def flush(self, now: float) -> None:
        while True:
            actions, events = self.sessions.actions(), self.sessions.events()
            for action in actions:
                self._do(action, now)
            for event in events:
                self.told.append(event)
                self.does(event, now)
            if not actions and not events:
                return

    def _do(self, action: Action, now: float) -> None:
        match action:
            case Send(request, route, handle):
                self.endpoint.send(route.send(request)[0], [NEAR], handle, now)
            case Acknowledge(request, route, handle):
                self.endpoint.acknowledge(route.send(request)[0], [NEAR], handle, now)
            case Cancel(handle):
                self.endpoint.cancel(handle, now)
            case Respond(transaction, response):
                self.endpoint.respond(transaction, response, now)

    def heard_of(self) -> list[str]:
        return [type(each).__name__ for each in self.told]


def feed(sessions: Sessions, event: object, now: float) -> None:
    """Do what the hub does with an event of the endpoint."""
    match event:
        case RequestArrived():
            sessions.on_request(event, now)
        case AckArrived():
            sessions.on_ack(event, now)
        case AckMissing():
            sessions.on_missing(event, now)
        case CancelArrived():
            sessions.on_cancel(event, now)
        case ResponseArrived(handle, response):
            assert isinstance(handle, SessionHandle)
            sessions.on_response(handle, response, now)
        case RequestFailed(handle, cause):
            assert isinstance(handle, SessionHandle)
            sessions.on_failed(handle, cause.value, now)


def answering(event: Event, now: float) -> None:
    """Ring, answer, agree to everything."""
    match event:
        case Invited(session, _, offer):
            session.ring(now)
            session.answer(ANSWER if offer else OFFER, now)
        case Offered(session, _, body):
            session.accept(Body(b"agreed " + body.data if body else b"mine"), now)


class Bench:
    """Sessions on a bench: what tests have them hear, and what they want done."""

    def __init__(self, bounds: Bounds | None = None, supported: Sequence[str] = SUPPORTED) -> None:
        tokens = count(1)
        self.sessions = Sessions(
            lambda: f"t{next(tokens)}", middle, lambda _: US, bounds, supported=supported
        )
        self.now = 0.0
        self.numbers = count(1)
        self.acted: list[Action] = []

    def call(self, offer: Body = OFFER) -> Session:
        return self.sessions.invite(PARTIES, offer, self.now)

    def acts(self) -> list[Action]:
        return self.sessions.actions()

    def sends(self) -> list[Send]:
        self.acted = self.acts()
        return [each for each in self.acted if isinstance(each, Send)]

    def tells(self) -> list[Event]:
        return self.sessions.events()

    def answer(
        self,
        sent: Send,
        status: int,
        tag: str = "far",
        body: Body | None = None,
        more: Sequence[Header] = (),
        contact: str = THEM,
    ) -> None:
        """Have a request be answered."""
        headers = [("Contact", contact)] if status < 300 and contact else []
        described = body.headers if body else ()
        response = response_to(
            sent.request,
            status,
            headers=[*headers, *described, *more],
            body=body.data if body else b"",
            to_tag=tag,
        )
        self.sessions.on_response(sent.handle, response, self.now)

    def called(self, body: Body | None = OFFER, more: Sequence[Header] = ()) -> Session:
        """Have an INVITE come; return its session."""
        self.hears("INVITE", 1, body=body, more=more)
        (event,) = self.tells()
        assert isinstance(event, Invited)
        return event.session

    def hears(
        self,
        method: str,
        cseq: int,
        body: Body | None = None,
        more: Sequence[Header] = (),
        *,
        call_id: str = "call",
        to: str = "",
        tag: str = "far",
    ) -> ServerTransaction:
        """Have a request come."""
        number = next(self.numbers)
        request = build_request(
            method,
            "sip:romeo@example.net",
            [
                ("Via", f"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK{number}"),
                ("Max-Forwards", "70"),
                ("From", f"<sip:juliet@example.com>;tag={tag}"),
                ("To", f"<sip:romeo@example.net>{f';tag={to}' if to else ''}"),
                ("Call-ID", call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", THEM),
                *(body.headers if body else ()),
                *more,
            ],
            body.data if body else b"",
        )
        transaction = ServerTransaction(number, request, UDP, self.now)
        if method == "ACK":
            raise AssertionError("say `acks`")
        self.sessions.on_request(RequestArrived(request, UDP, transaction), self.now)
        return transaction

    def acks(self, transaction: ServerTransaction, body: Body | None = None) -> None:
        request = build_request(
            "ACK", "sip:x@y", list(body.headers) if body else [], body.data if body else b""
        )
        self.sessions.on_ack(AckArrived(request, UDP, transaction), self.now)

    def within(self, session: Session, method: str, cseq: int, **more: object) -> ServerTransaction:
        """Have a request come in a session's dialog."""
        d = session.dialog
        return self.hears(
            method,
            cseq,
            call_id=d.call_id,
            to=d.local_tag,
            tag=d.remote_tag,
            **more,  # type: ignore[arg-type]
        )

    def statuses(self) -> list[int]:
        """Return the statuses of the responses since last asked."""
        return [each.response.status for each in self.acts() if isinstance(each, Respond)]

    def waits(self, until: float) -> None:
        """Turn the clock."""
        while (when := self.sessions.next_timer()) is not None and when <= until:
            self.now = max(self.now, when)
            self.sessions.on_timer(self.now)
        self.now = until

    def confirmed(self, more: Sequence[Header] = (("Allow", "UPDATE"),)) -> Session:
        """Return a session of ours that was accepted."""
        session = self.call()
        (sent,) = self.sends()
        self.answer(sent, 200, body=ANSWER, more=more)
        self.acts()
        self.tells()
        return session

    def taken(self) -> Session:
        """Return a session of the peer's that was accepted and acknowledged."""
        session = self.called()
        transaction = next(iter(self.sessions._outlet.incoming))
        session.answer(ANSWER, self.now)
        self.acts()
        self.acks(transaction)
        self.tells()
        return session


def whole(message: Request | Response) -> bool:
    """Tell whether a message survives the wire."""
    return bytes(parse(bytes(message))) == bytes(message)
