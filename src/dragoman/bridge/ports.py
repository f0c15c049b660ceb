"""What a service may ask of SIP and of XMPP; the hub provides it, and tests stand in for it."""

from collections.abc import Hashable
from typing import Protocol

from dragoman.sip.endpoint import ServerTransaction
from dragoman.sip.message import Request, Response
from dragoman.xmpp.element import Element


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
