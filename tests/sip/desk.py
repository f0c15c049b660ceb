"""A SIP endpoint on a desk: what tests say to it, and what it says back."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

from dragoman.sip.credentials import Account
from dragoman.sip.endpoint import Endpoint, Flow, Limits, RequestArrived, ServerTransaction
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, Response, build_request, parse, response_to
from dragoman.sip.uri import Uri

ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "MESSAGE")
UDP = Flow(Transport.UDP, ("192.0.2.2", 5060), ("192.0.2.1", 5070))
TCP = Flow(Transport.TCP, ("192.0.2.2", 5060), ("192.0.2.1", 49152), 1)
NEAR = Target(Transport.UDP, "192.0.2.1", 5060, "example.com")
FAR = Target(Transport.UDP, "192.0.2.9", 5060, "example.com")


def over(transport: Transport, target: Target = NEAR) -> Target:
    return replace(target, transport=transport)


def admit(request: Request, flow: Flow) -> int | None:
    return None


class WireEnd:
    """An endpoint at one end of a `Wire`; `react` is what its user does with its events."""

    def __init__(self, name: str, *, allow: Sequence[str] = ALLOW, flow: Flow = UDP) -> None:
        tokens = count()
        self.endpoint = Endpoint(
            sent_by=lambda target: f"{name}:5060",
            allow=allow,
            token=lambda: f"{name}{next(tokens)}",
            screen=admit,
        )
        self.flow = flow
        self.heard: list[str] = []

    def receive(self, data: bytes, now: float) -> None:
        self.endpoint.receive_datagram(data, self.flow, now)
        self.react(now)

    def on_timer(self, now: float) -> None:
        self.endpoint.on_timer(now)
        self.react(now)

    def next_timer(self) -> float | None:
        return self.endpoint.next_timer()

    def to_send(self) -> list[bytes]:
        return [each.data for each in self.endpoint.to_send()]

    @abstractmethod
    def react(self, now: float) -> None: ...


class Desk:
    """An endpoint with a clock, whose to_send and events are read in a test's own terms."""

    def __init__(
        self,
        limits: Limits | None = None,
        screen: Callable[[Request, Flow], int | None] = admit,
        supported: Sequence[str] = (),
        name: str = "gateway.example",
        accounts: Sequence[Account] = (),
        ours: Callable[[Uri], bool] = lambda _: False,
        allow: Sequence[str] = ALLOW,
    ) -> None:
        tokens = count(1)
        self.now = 0.0
        self.seen: list[object] = []
        self.endpoint = Endpoint(
            sent_by=lambda target: name,
            allow=allow,
            token=lambda: f"{name}{next(tokens)}",
            screen=screen,
            supported=supported,
            limits=limits,
            accounts=accounts,
            ours=ours,
        )

    def hears(self, data: bytes | Request | Response, flow: Flow = UDP) -> list[Response | Request]:
        """Give the endpoint a datagram or message; return what it sends at once."""
        if isinstance(data, bytes):
            self.endpoint.receive_datagram(data, flow, self.now)
        else:
            self.endpoint.receive(parse(bytes(data)), flow, self.now)
        return self.says()

    def says(self) -> list[Response | Request]:
        return [parse(each.data) for each in self.endpoint.to_send()]

    def statuses(self, data: bytes | Request, flow: Flow = UDP) -> list[int]:
        found = self.hears(data, flow)
        assert all(isinstance(each, Response) for each in found)
        return [each.status for each in found if isinstance(each, Response)]

    def arrives(self, request: Request, flow: Flow = UDP) -> ServerTransaction:
        """Give the endpoint a new request; return the transaction that it tells of."""
        assert self.hears(request, flow) == []
        (event,) = self.endpoint.events()
        assert isinstance(event, RequestArrived)
        return event.transaction

    def answers(self, transaction: ServerTransaction, status: int) -> list[Response | Request]:
        """Have the user answer with `status`; return what the endpoint sends."""
        response = response_to(transaction.request, status)
        self.endpoint.respond(transaction, response, self.now)
        return self.says()

    def waits(self, until: float) -> list[tuple[float, str]]:
        """Turn the clock; return when the endpoint sent what."""
        sent = []
        while (when := self.endpoint.next_timer()) is not None and when <= until:
            self.now = max(self.now, when)
            self.endpoint.on_timer(self.now)
            sent += [(self.now, heading(each)) for each in self.says()]
        self.now = until
        return sent

    def total(self, word: str) -> int:
        """Add up what `describe` says under headings that hold `word`."""
        return sum(count for name, count in self.endpoint.describe().items() if word in name)


def heading(message: Request | Response) -> str:
    return message.method if isinstance(message, Request) else str(message.status)


def request(
    method: str = "MESSAGE",
    branch: str = "z9hG4bK1",
    *,
    via: str = "SIP/2.0/UDP 192.0.2.1:5070",
    without: str = "",
    more: Sequence[tuple[str, str]] = (),
    target: str = "sip:romeo@example.net",
    body: bytes = b"Art thou not Romeo?",
    **changed: str,
) -> Request:
    """Return a request; `changed` gives other values, with "_" for "-" in the header's name."""
    headers = {
        "Via": f"{via};branch={branch}" if branch else via,
        "Max-Forwards": "70",
        "From": "<sip:juliet@example.com>;tag=49583",
        "To": "<sip:romeo@example.net>",
        "Call-ID": f"call-{branch}",
        "CSeq": f"1 {method}",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    kept = [(name, value) for name, value in headers.items() if name != without]
    return build_request(method, target, [*kept, *more], body)


def outgoing(method: str = "MESSAGE", body: bytes = b"Neither, fair saint") -> Request:
    """Return a request as a user gives it to the endpoint: without Via."""
    return request(method, without="Via", body=body)
