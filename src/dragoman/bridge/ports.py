"""What a service may ask of the hub, and the hub of `net`; tests stand in for either."""

from collections.abc import Callable, Generator, Hashable, Sequence
from typing import Protocol, TypeVar

from dragoman.bridge.federation import Line, OurStream
from dragoman.records import Answer, Question
from dragoman.sip.endpoint import Endpoint, ServerTransaction
from dragoman.sip.message import Request, Response
from dragoman.xmpp import locate as servers
from dragoman.xmpp.element import Element
from dragoman.xmpp.s2s_in import IncomingStream

T = TypeVar("T")

AnyStream = OurStream | IncomingStream


class SipPort(Protocol):
    """The way to SIP users."""

    def respond(self, transaction: ServerTransaction, response: Response) -> None:
        """Give the final answer of a request that came in."""

    def request(self, request: Request, handle: Hashable) -> None:
        """Find the request's next hop (RFC 3263) and send it, in a transaction of its own.

        What comes of it reaches the service with `handle`: one final response, or one failure.
        """


class XmppPort(Protocol):
    """The way to XMPP users."""

    def send(self, stanza: Element, local: str, remote: str) -> None:
        """Send a stanza from our domain `local` to the domain `remote`, after all before it.

        It waits while a stream is made.  One that cannot be handed over comes back to the
        service as `undelivered`, once, with the error to tell.
        """


class Lookup(Protocol):
    """What asks the DNS."""

    def now(self, search: Generator[Question, Answer, T]) -> T | None:
        """Return what a search finds among remembered answers; None when one is missing."""

    async def find(self, search: Generator[Question, Answer, T]) -> T:
        """Return what a search finds; raises what the search raises."""


class SipWire(Protocol):
    """What carries SIP messages for the endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint."""

    def wake(self) -> None:
        """Have what the endpoint has to send looked at soon."""


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
