"""What there is toward one far domain, and what the federation's two halves ask of the world."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.bridge.fence import Pair
from dragoman.bridge.outbox import Outbox
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.locate import Target
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.s2s_out import OutgoingStream

OurStream = OutgoingStream | ComponentStream
"""A stream that we opened."""
Carrier = OurStream | IncomingStream
"""A stream that stanzas of ours may go out on: one that we opened, or one of both directions."""


class Line(Protocol):
    """A connection that a stream runs on."""

    @property
    def peer(self) -> str:
        """Address and port of the other end, for the log."""

    @property
    def tls(self) -> str:
        """The version of TLS, "" where there is none, for the log."""

    def wake(self) -> None:
        """Have what the stream has to send and to tell looked at soon."""

    def start_tls(self, domain: str) -> None:
        """Begin TLS, as the side that the stream is on, about `domain`."""

    def close(self, reason: str) -> None:
        """Send what waits, and close."""

    def abort(self, reason: str) -> None:
        """Close at once; nothing that the peer has not got yet may reach it any more."""


class Network(Protocol):
    """What makes connections; each request is answered by one call of the federation's."""

    def look_up(self, link: "Link") -> None:
        """Find the servers of the link's far domain, or the one of its component.

        `found` takes them, none too; a DNS that does not answer is `unreachable`.
        """

    def connect(self, link: "Link", targets: Sequence[Target]) -> None:
        """Connect to the first target that answers: `connected`, or `unreachable`.

        The stream to run on the connection is made by `Federation.stream_for`.
        """

    def prove(self, domain: str) -> None:
        """Look for what proves that a certificate is `domain`'s own, then call `proven`."""


class Receiver(Protocol):
    """Who hears of stanzas."""

    def on_stanza(self, stanza: Element, local: str, remote: str, peer: str) -> None:
        """Take a stanza that the domain `remote` was proven to have sent to our `local`."""

    def undelivered(self, stanza: Element, error: StanzaError) -> None:
        """Take back a stanza of ours that was never handed over."""

    def sent(self, stanza: Element, peer: str) -> None:
        """Learn that a stanza of ours was handed over."""

    def lost(self, pair: Pair, unacknowledged: Sequence[Element] | None) -> None:
        """Learn that a stream went away, and which stanzas the far server may not have taken.

        None says that nobody knows: the stream was not managed (XEP-0198).  The far domain is ""
        when it was a component's, which is for all of them.
        """


@dataclass(slots=True, eq=False)
class Link:
    """What there is toward one far domain, or all of them by way of a component's server.

    `verify_only` links carry dialback questions alone.
    """

    pair: Pair
    outbox: Outbox
    verify_only: bool = False
    component: bool = False
    stream: Carrier | None = None
    line: Line | None = None
    targets: Sequence[Target] = ()
    queries: list[VerifyQuery] = field(default_factory=list)
    """Those that wait for a stream."""
    asked: set[VerifyQuery] = field(default_factory=set)
    """Those that the stream was told of and has not answered."""
    failure: StanzaError | None = None
    moved: str = ""
    """Where a server that may be believed said that it is instead (RFC 6120 §4.9.3.19)."""
    place: tuple[str, int] = ("", 0)
    """Where the stream leads, when the link has opened it."""
    alone: bool = False
    """Whether a server refused to take the pair on another's stream (XEP-0220 §2.7)."""
    session: Ledger | None = None
    """What was under way on a stream that was lost, to be resumed by the next (XEP-0198 §5)."""
    until: float = 0.0
    """When the session is given up."""
    opener: "Link | None" = None
    """Who is to resume the session of the stream that this link was on."""
    companions: list["Link"] = field(default_factory=list)
    """Those that were on the stream as well, and go on with the session."""

    @property
    def idle(self) -> bool:
        """Whether nothing would be missed if the link were forgotten."""
        return self.stream is None and self.session is None and not self.queries
