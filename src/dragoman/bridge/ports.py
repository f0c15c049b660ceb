"""What a service may ask of the hub, and the hub of `net`; tests stand in for either."""

from collections.abc import Callable, Coroutine, Generator, Hashable, Sequence
from typing import Protocol, TypeVar

from dragoman.bridge.link import Line, OurStream
from dragoman.records import Answer, Question
from dragoman.sip.endpoint import Endpoint, Flow, ServerTransaction
from dragoman.sip.message import Request, Response
from dragoman.sip.route import RouteSet
from dragoman.xmpp import locate as servers
from dragoman.xmpp.element import Element
from dragoman.xmpp.s2s_in import IncomingStream

T = TypeVar("T")

AnyStream = OurStream | IncomingStream


class Turn(Protocol):
    """The loop that all happens in, one event after the other."""

    def now(self) -> float:
        """Return the time, in seconds, of a clock that only goes forward."""

    def spawn(self, work: Coroutine[None, None, None], failed: Callable[[], None]) -> None:
        """Run what has to wait; `failed` is called where it comes to no end of its own."""

    def settle(self) -> None:
        """End a turn: whoever changed anything outside of an event of the hub's says so."""


class RequestPort(Protocol):
    """The way to SIP users."""

    def request(self, request: Request, handle: Hashable, route: RouteSet | None = None) -> None:
        """Find the request's next hop (RFC 3263) and send it, in a transaction of its own.

        What comes of it reaches the service with `handle`: one final response, or one failure. A
        request of a dialog takes its `route`, where that has hops, and no outbound proxy.
        """


class SipPort(RequestPort, Protocol):
    """The way to SIP users, and back."""

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        """Give the final answer of a request that came in."""


class XmppPort(Protocol):
    """The way to XMPP users."""

    def send(self, stanza: Element, local: str, remote: str) -> None:
        """Send a stanza from our domain `local` to the domain `remote`, after all before it.

        It waits while a stream is made.  One that cannot be handed over comes back to the
        service as `undelivered`, once, with the error to tell.
        """


class XmppStreams(XmppPort, Protocol):
    """The way to XMPP users, and what is known of those stanzas that went it."""

    def unacknowledged(self, local: str, remote: str) -> Sequence[Element] | None:
        """Return what was handed over and the far server may not have taken yet.

        None where nobody knows: its stream is not managed (XEP-0198), or there is none.
        """

    def waiting(self, local: str, remote: str) -> Sequence[Element]:
        """Return what was not handed over yet, in order."""

    def silent(self, local: str, remote: str) -> None:
        """Give up a stream whose server does not answer: what was sent on it counts as lost."""


class Lookup(Protocol):
    """What asks the DNS."""

    def now(self, search: Generator[Question, Answer, T]) -> T | None:
        """Return what a search finds among remembered answers; None when one is missing."""

    async def find(self, search: Generator[Question, Answer, T]) -> T:
        """Return what a search finds; raises what the search raises."""


class Proofs(Protocol):
    """What finds out by which certificates a domain may be known, whatever names they bear."""

    def begin(self, domain: str) -> object:
        """Start to learn what `domain` publishes, and do not wait."""

    async def learn(self, domain: str) -> None:
        """Have at hand what `domain` publishes; returns in bounded time, found or not."""


class Icons(Protocol):
    """What fetches the pictures that SIP users name."""

    async def fetch(self, url: str, domain: str) -> bytes:
        """Return what lies at a URL that a user of the SIP domain `domain` named.

        Returns in bounded time; raises a ProtocolError that says why there is nothing.
        """


class SipWire(Protocol):
    """What carries SIP messages for the endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint."""

    def wake(self) -> None:
        """Have what the endpoint has to send looked at soon."""

    def vouches(self, flow: Flow, domain: str) -> bool:
        """Tell whether the TLS peer of `flow` showed a certificate for `domain` (RFC 5922)."""


class MsrpWire(Protocol):
    """What carries MSRP for its endpoint."""

    def wake(self) -> None:
        """Have what the endpoint has to send and to tell looked at soon."""


class XmppWire(Protocol):
    """What carries XMPP streams."""

    def taken(self, stream: AnyStream) -> int:
        """Return how many bytes came on a stream since this was last asked."""

    def pause(self, stream: AnyStream) -> None:
        """Stop reading a stream."""

    def resume(self, stream: AnyStream) -> None:
        """Read a stream again; harmless where it is gone."""

    async def connect(
        self, targets: Sequence[servers.Target], make: Callable[[servers.Target], OurStream]
    ) -> tuple[servers.Target, OurStream, Line]:
        """Connect to the first target that answers; raises a ProtocolError that says why not."""
