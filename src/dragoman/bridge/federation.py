"""The streams with other domains (RFC 6120 §10; XEP-0220, XEP-0114): who sends where, what waits.

One stream for each pair of domains that we send between, made when there is something to send;
any number of streams that others open to us; streams that only verify a dialback key; and one,
made again whenever it ends, for each component.  The network makes connections and looks names
up; everything else is decided here.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from logging import getLogger
from typing import Final, Protocol, cast

from dragoman.bridge.directory import Standing
from dragoman.bridge.fence import Pair
from dragoman.bridge.outbox import Outbox, State
from dragoman.clock import Alarms
from dragoman.log import about
from dragoman.xmpp.component import ComponentStream
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError, StreamCondition
from dragoman.xmpp.locate import Target
from dragoman.xmpp.s2s_in import AskedFor, IncomingStream, Paired, VerifyWanted
from dragoman.xmpp.s2s_out import OutgoingStream, Verified
from dragoman.xmpp.stream import Ended, Ready, Refused, StanzaArrived, StartTls

log = getLogger(__name__)

OurStream = OutgoingStream | ComponentStream
"""A stream that we opened."""

PAUSE: Final = 2.0
"""Seconds until a component connects again when its stream, which was up, has ended."""
MOST_LINKS: Final = 4096
"""Pairs of domains that something is remembered of; those with nothing to tell make room."""


class Line(Protocol):
    """A connection that a stream runs on."""

    @property
    def peer(self) -> str:
        """Address and port of the other end, for the log."""

    def wake(self) -> None:
        """Have what the stream has to send and to tell looked at soon."""

    def start_tls(self, domain: str) -> None:
        """Begin TLS, as the side that the stream is on, about `domain`."""

    def close(self, reason: str) -> None:
        """Send what waits, and close."""


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

    def lost(self, pair: Pair) -> None:
        """Learn that a stream went away: what was sent on it may or may not have been taken.

        The far domain is "" when it was a component's, which is for all of them.
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
    stream: OurStream | None = None
    line: Line | None = None
    targets: Sequence[Target] = ()
    queries: list[VerifyQuery] = field(default_factory=list)
    """Those that wait for a stream."""
    asked: set[VerifyQuery] = field(default_factory=set)
    """Those that the stream was told of and has not answered."""
    failure: StanzaError | None = None


class Federation:
    """All streams between servers.

    `outgoing(link, direct_tls)` makes the core of a stream that we open; `serves(domain)`
    tells whether we stand for a domain; `vary()` gives 0.5 to 1.5 for back-offs.
    """

    def __init__(
        self,
        network: Network,
        receiver: Receiver,
        outgoing: Callable[[Link, bool], OurStream],
        serves: Callable[[str], Standing],
        vary: Callable[[], float],
    ) -> None:
        """Start without streams."""
        self._network = network
        self._receiver = receiver
        self._outgoing = outgoing
        self._serves = serves
        self._vary = vary
        self._links: dict[tuple[Pair, bool], Link] = {}
        self._components: dict[str, Link] = {}
        self._incoming: dict[IncomingStream, Line] = {}
        self._asked: dict[str, list[tuple[IncomingStream, str]]] = defaultdict(list)
        self._proving: dict[str, list[tuple[IncomingStream, str]]] = defaultdict(list)
        self._verifying: dict[VerifyQuery, list[IncomingStream]] = defaultdict(list)
        self._alarms: Alarms[Pair] = Alarms()
        self.closing = False

    # -- sending ------------------------------------------------------------------------

    def send(self, stanza: Element, local: str, remote: str, now: float) -> None:
        """Send a stanza after all that were sent before it to that domain, or give it back."""
        link = (
            self._links.get(((local, remote), False))
            or self._components.get(local)
            or self._link((local, remote), now)
        )
        if link is None or self.closing:
            self._receiver.undelivered(stanza, _overload(closing=self.closing))
            return
        if link.stream is not None and link.line is not None:
            if link.stream.ready:
                self._hand_over(link.stream, link.line, stanza)
                link.line.wake()
                return
            if link.stream.closing:
                self._leave(link, link.line, "the stream is being closed", now)
        if link.outbox.push(stanza, now):
            self._network.look_up(link)
        self._give_back(link)
        self._await(link)

    def attach(self, domain: str) -> None:
        """Keep a component connected from now on."""
        link = Link((domain, ""), Outbox(self._vary), component=True)
        self._components[domain] = link
        link.outbox.begin()
        self._network.look_up(link)

    def found(self, link: Link, targets: Sequence[Target], now: float) -> None:
        """Take the servers of a link's far domain; none means that it is not on XMPP."""
        if not targets:
            text = f"{link.pair[1]} has no XMPP service"
            self.unreachable(link, StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text=text), now)
            return
        link.targets = targets
        self._network.connect(link, targets)

    def stream_for(self, link: Link, target: Target) -> OurStream:
        """Return the core to run on a connection to `target`; one a connection."""
        return self._outgoing(link, target.direct_tls)

    def connected(
        self, link: Link, stream: OurStream, line: Line, target: Target, now: float
    ) -> None:
        """Take the connection that was asked for, with the core that `stream_for` gave."""
        link.stream, link.line, link.failure = stream, line, None
        tried = link.targets.index(target)
        link.targets = link.targets[tried + 1 :]
        if isinstance(stream, OutgoingStream):
            for query in link.queries:
                stream.verify(query, now)
            link.asked.update(link.queries)
            link.queries.clear()
        line.wake()

    def unreachable(self, link: Link, cause: StanzaError, now: float) -> None:
        """Note that no server of the link's far domain could be reached, and why."""
        log.warning(
            "no stream to that domain",
            extra=about(local=link.pair[0], remote=link.pair[1], reason=cause.reason),
        )
        link.stream = link.line = None
        link.targets = ()
        self._give_up(link, cause, now)
        if link.verify_only:
            self._links.pop((link.pair, True), None)
        elif link.component:
            self._alarms.set(link.pair, link.outbox.rest_until)

    # -- what streams tell --------------------------------------------------------------

    def on_outgoing(self, link: Link, now: float) -> None:
        """Handle what the link's stream has to tell."""
        stream, line = link.stream, link.line
        if stream is None or line is None:
            return
        for event in stream.events():
            match event:
                case StartTls(domain):
                    line.start_tls(domain)
                case Ready() if stream.ready:
                    self._up(link, stream, line)
                case Verified():
                    link.asked.discard(event.query)
                    self._tell_verified(event, now)
                case Refused(error, cause):
                    link.failure = cause
                    stream.shut(None, now)
                    self._leave(link, line, error.reason, now)
                case StanzaArrived(stanza, local, remote) if link.component:
                    self._receiver.on_stanza(stanza, local, remote, line.peer)
                case StanzaArrived():
                    self._not_here(link, line)
                case Ended(reason) if link.stream is stream:
                    self._leave(link, line, reason, now)

    def accepted(self, stream: IncomingStream, line: Line) -> None:
        """Take a connection that somebody opened to us."""
        self._incoming[stream] = line

    def on_incoming(self, stream: IncomingStream, now: float) -> None:
        """Handle what a stream that was opened to us has to tell."""
        line = self._incoming.get(stream)
        if line is None:
            return
        for event in stream.events():
            match event:
                case StanzaArrived(stanza, local, remote):
                    self._receiver.on_stanza(stanza, local, remote, line.peer)
                case StartTls(domain):
                    line.start_tls(domain)
                case AskedFor(domain, unproven):
                    self._answer(stream, domain, unproven, now)
                case VerifyWanted(query):
                    self._verify(stream, query, now)
                case Paired(local, remote):
                    log.info(
                        "stream in",
                        extra=about(local=local, remote=remote, peer=line.peer),
                    )
                case Ended(reason):
                    self._ended(stream, line, reason)

    def learned(self, now: float) -> None:
        """Answer the streams that wait to hear whether we stand for a domain."""
        for domain in list(self._asked):
            for stream, unproven in self._asked.pop(domain):
                if stream in self._incoming:
                    self._answer(stream, domain, unproven, now)

    def proven(self, remote: str, now: float) -> None:
        """Answer the streams that wait until it was looked for what proves `remote`."""
        for stream, domain in self._proving.pop(remote, ()):
            if stream in self._incoming:
                self._answer(stream, domain, "", now)

    # -- time ---------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Give back what has waited too long."""
        for pair in self._alarms.due(now):
            link = self._links.get((pair, False)) or self._components.get(pair[0])
            if link is None:
                continue
            if link.component and not self.closing and link.outbox.may_begin(now):
                link.outbox.begin()
                self._network.look_up(link)
            link.outbox.on_timer(now)
            self._give_back(link)
            self._await(link)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    def shut(self, now: float) -> None:
        """Close every stream: the gateway stops (RFC 6120 §4.9.3.20)."""
        self.closing = True
        for link in self._all():
            if link.stream is not None and link.line is not None:
                link.stream.shut(None, now)
                link.line.wake()
        for stream, line in list(self._incoming.items()):
            stream.shut(StreamCondition.SYSTEM_SHUTDOWN, now)
            line.wake()

    @property
    def quiet(self) -> bool:
        """Whether no stream is left."""
        return not self._incoming and all(link.stream is None for link in self._all())

    def describe(self) -> dict[str, int]:
        """Return how many streams there are, and how many stanzas wait."""
        return {
            "streams_in": len(self._incoming),
            "streams_out": sum(link.stream is not None for link in self._all()),
            "waiting": sum(len(link.outbox) for link in self._all()),
        }

    # -- its parts ----------------------------------------------------------------------

    def _all(self) -> list[Link]:
        return [*self._links.values(), *self._components.values()]

    def _not_here(self, link: Link, line: Line) -> None:
        """Refuse to read on a stream that is ours to write on: its sender was not proven."""
        log.warning(
            "a stanza came on our own stream, which takes none",
            extra=about(local=link.pair[0], remote=link.pair[1], peer=line.peer),
        )

    def _link(self, pair: Pair, now: float, *, verify_only: bool = False) -> Link | None:
        """Return the link of a pair, a new one if need be; None when there are too many."""
        link = self._links.get((pair, verify_only))
        if link is not None:
            return link
        if len(self._links) >= MOST_LINKS:
            self._forget(now)
        if len(self._links) >= MOST_LINKS:
            return None
        link = self._links[pair, verify_only] = Link(pair, Outbox(self._vary), verify_only)
        return link

    def _forget(self, now: float) -> None:
        spent = [
            key
            for key, link in self._links.items()
            if link.stream is None and not link.queries and link.outbox.spent(now)
        ]
        for key in spent:
            del self._links[key]

    def _up(self, link: Link, stream: OurStream, line: Line) -> None:
        log.info("stream out", extra=about(local=link.pair[0], remote=link.pair[1], peer=line.peer))
        link.targets = ()
        link.outbox.up()
        for stanza in link.outbox.to_send():
            self._hand_over(stream, line, stanza)

    def _hand_over(self, stream: OurStream, line: Line, stanza: Element) -> None:
        try:
            stream.send(stanza)
        except StanzaError as error:
            self._receiver.undelivered(stanza, error)
        else:
            self._receiver.sent(stanza, line.peer)

    def _leave(self, link: Link, line: Line, reason: str, now: float) -> None:
        """Have done with a link's stream: it carries nothing more, though it may still close."""
        line.close(reason)
        cause = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=reason)
        asked, link.asked = link.asked, set()
        self._deny(asked, cause, now)
        was_up = link.outbox.state is State.UP
        link.stream = link.line = None
        if was_up:
            log.info(
                "stream out ended",
                extra=about(local=link.pair[0], remote=link.pair[1], reason=reason),
            )
            self._receiver.lost(link.pair)
        if self.closing:
            self._give_up(link, cause, now)
        elif was_up:
            self._renew(link, now)
        elif link.verify_only and not link.queries:
            self._links.pop((link.pair, True), None)
        elif link.verify_only:
            self._network.look_up(link)
        elif link.targets:
            self._network.connect(link, link.targets)
        else:
            self.unreachable(link, link.failure or cause, now)

    def _renew(self, link: Link, now: float) -> None:
        """Make another stream after one that was up: for what waits now, a component's soon."""
        if link.outbox.down():
            self._network.look_up(link)
        elif link.component:
            self._alarms.set(link.pair, now + PAUSE * self._vary())

    def _await(self, link: Link) -> None:
        when = link.outbox.next_timer()
        if when is not None and link.pair not in self._alarms:
            self._alarms.set(link.pair, when)

    def _give_back(self, link: Link) -> None:
        for back in link.outbox.returned():
            self._receiver.undelivered(back.stanza, back.error)

    def _answer(self, stream: IncomingStream, domain: str, unproven: str, now: float) -> None:
        """Tell a stream whether we stand for a domain, once that and the proofs are known."""
        standing = self._serves(domain)
        if standing is Standing.UNKNOWN:
            self._asked[domain].append((stream, unproven))
            return
        if unproven and standing is Standing.YES:
            waiting = self._proving[unproven]
            waiting.append((stream, domain))
            if len(waiting) == 1:
                self._network.prove(unproven)
            return
        stream.hosted(domain, standing is Standing.YES, now)
        self._incoming[stream].wake()

    def _verify(self, stream: IncomingStream, query: VerifyQuery, now: float) -> None:
        """Ask the domain that is claimed, on a stream of its own to it, for the key."""
        waiting = self._verifying[query]
        waiting.append(stream)
        if len(waiting) > 1:
            return
        pair = (query.local, query.remote)
        for known in (self._links.get((pair, False)), self._links.get((pair, True))):
            if known is not None and _can_verify(known) and known.line is not None:
                cast("OutgoingStream", known.stream).verify(query, now)
                known.asked.add(query)
                known.line.wake()
                return
        link = self._link(pair, now, verify_only=True)
        if link is None:
            self._tell_verified(Verified(query, valid=False, error=_overload()), now)
        else:
            link.queries.append(query)
            # One whose last stream is just ending is dialled again when it has ended.
            if len(link.queries) == 1 and link.stream is None:
                self._network.look_up(link)

    def _tell_verified(self, verified: Verified, now: float) -> None:
        for stream in self._verifying.pop(verified.query, ()):
            if stream in self._incoming:
                stream.verified(verified.query, verified.valid, now, verified.error)
                self._incoming[stream].wake()

    def _give_up(self, link: Link, cause: StanzaError, now: float) -> None:
        """Give back what waits for a stream of the link, questions too."""
        link.outbox.failed(cause, now)
        self._give_back(link)
        queries, link.queries = link.queries, []
        self._deny(queries, cause, now)

    def _deny(self, queries: Iterable[VerifyQuery], cause: StanzaError, now: float) -> None:
        for query in queries:
            self._tell_verified(Verified(query, valid=False, error=cause), now)

    def _ended(self, stream: IncomingStream, line: Line, reason: str) -> None:
        log.info("stream in ended", extra=about(peer=line.peer, reason=reason))
        del self._incoming[stream]
        for query in [each for each, askers in self._verifying.items() if stream in askers]:
            self._verifying[query].remove(stream)
            if not self._verifying[query]:
                del self._verifying[query]
        line.close(reason)


def _can_verify(link: Link) -> bool:
    return isinstance(link.stream, OutgoingStream) and not link.stream.closing


def _overload(*, closing: bool = False) -> StanzaError:
    text = "the gateway is stopping" if closing else "the gateway has too many streams"
    return StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
