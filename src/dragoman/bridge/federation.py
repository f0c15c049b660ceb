"""The streams with other domains (RFC 6120 §10; XEP-0220, XEP-0114): who sends where, what waits.

There is a link for each pair of domains that we send between, made when there is something to
send.  Its stanzas go out on a stream of its own, on one that another link has opened to the same
server (XEP-0220 §2.7), or on one that the far server has opened for both directions (XEP-0288).
Streams that only verify a dialback key, and one, made again whenever it ends, for each component,
are links as well.  What others open to us is in `inbound.py`.  The network makes connections and
looks names up; everything else is decided here.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from logging import getLogger
from typing import Final, cast

from dragoman.bridge.directory import Standing
from dragoman.bridge.faults import BUG, contained
from dragoman.bridge.fence import Pair
from dragoman.bridge.inbound import Inbound
from dragoman.bridge.link import Carrier, Line, Link, Network, OurStream, Receiver
from dragoman.bridge.outbox import Outbox, State
from dragoman.clock import Alarms
from dragoman.log import about
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.header import domain_part
from dragoman.xmpp.locate import Target
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.s2s import ServerStream
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.s2s_out import Joined, OutgoingStream, Verified
from dragoman.xmpp.stream import Ended, Event, Ready, Refused, StanzaArrived, StartTls

__all__ = ["Federation", "Line", "Link", "Network", "OurStream", "Receiver"]

log = getLogger(__name__)

PAUSE: Final = 2.0
"""Seconds until a component connects again when its stream, which was up, has ended."""
MOST_QUESTIONED: Final = 512
"""Of these, pairs of which only a dialback key is to be verified: strangers can ask for that."""
MOST_LINKS: Final = 4096
"""Pairs of domains that something is remembered of; those with nothing to tell make room."""


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
        self._vary = vary
        self._links: dict[tuple[Pair, bool], Link] = {}
        self._components: dict[str, Link] = {}
        self._riders: dict[Carrier, list[Link]] = {}
        self._lent: dict[Pair, tuple[IncomingStream, Line]] = {}
        self._alarms: Alarms[Pair] = Alarms()
        self.inbound = Inbound(receiver, self, serves)
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
            if link.stream.ready and link.outbox.state is State.UP:
                self._hand_over(link.stream, link.line, stanza, now)
                link.line.wake()
                return
            if link.stream.closing:
                self._part(link.stream, link.line, now)
        if link.outbox.push(stanza, now):
            self._begin(link, now)
        self._give_back(link)
        self._await(link)

    def unacknowledged(self, local: str, remote: str) -> Sequence[Element] | None:
        """Return what the far server may not have taken yet; None where nobody knows."""
        link = self._links.get(((local, remote), False))
        if link is None:
            return None
        session = link.session or (link.opener.session if link.opener is not None else None)
        ledger = session or _ledger(link.stream)
        return None if ledger is None else ledger.unacknowledged()

    def waiting(self, local: str, remote: str) -> Sequence[Element]:
        """Return what was not handed over yet."""
        link = self._links.get(((local, remote), False)) or self._components.get(local)
        return () if link is None else link.outbox.waiting()

    def silent(self, local: str, remote: str) -> None:
        """Give up a stream whose server answers nothing: what was sent on it counts as lost."""
        link = self._links.get(((local, remote), False))
        if link is not None and link.line is not None:
            link.line.abort("the server does not answer")

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
        # by another's stream only where no signed record says which certificate this one needs
        near = [each for each in targets[:1] if not _is_listed(each)]
        if not self._join(link, {(each.address, each.port) for each in near}, now):
            link.targets = targets
            self._network.connect(link, targets)

    def stream_for(self, link: Link, target: Target) -> OurStream:
        """Return the core to run on a connection to `target`; one a connection."""
        stream = self._outgoing(link, target.direct_tls)
        # a domain that publishes its certificates has TLS (RFC 7673 §3.4)
        if _is_listed(target) and isinstance(stream, OutgoingStream):
            stream.insist_on_tls()
        return stream

    def connected(
        self, link: Link, stream: OurStream, line: Line, target: Target, now: float
    ) -> None:
        """Take the connection that was asked for, with the core that `stream_for` gave."""
        link.stream, link.line, link.failure = stream, line, None
        link.place = (target.address, target.port)
        self._riders[stream] = [link]
        if self.closing:
            stream.shut(None, now)
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
        link.moved = ""
        self._give_up(link, cause, now)
        if link.verify_only:
            self._links.pop((link.pair, True), None)
        elif link.component:
            self._alarms.set(link.pair, link.outbox.rest_until)
        elif link.session is not None:
            self._retry(link, now)

    # -- what streams tell --------------------------------------------------------------

    def on_outgoing(self, link: Link, now: float) -> None:
        """Handle what the stream that the link has opened has to tell."""
        stream, line = link.stream, link.line
        if stream is None or line is None or isinstance(stream, IncomingStream):
            return
        for event in stream.events():
            contained(partial(line.abort, BUG), self._on_event, event, link, stream, line, now)

    def _on_event(
        self, event: Event, link: Link, stream: OurStream, line: Line, now: float
    ) -> None:
        match event:
            case StartTls(domain):
                line.start_tls(domain)
            case Ready() if stream.ready:
                self._opened(link, stream, line, now)
            case Verified(query, valid, error):
                link.asked.discard(query)
                self.inbound.tell_verified(query, now, valid=valid, error=error)
            case Joined(local, remote, error) if isinstance(stream, OutgoingStream):
                self._joined((local, remote), stream, line, error, now)
            case Refused(error, cause, host):
                link.failure = cause
                stream.shut(None, now)
                self._over(stream, line, error.reason, now, moved=host)
            case StanzaArrived(stanza, local, remote) if _proven(stream):
                self._receiver.on_stanza(stanza, local, remote, line.peer)
            case StanzaArrived():
                self._not_here(link, line)
            case Ended(reason) if link.stream is stream:
                self._over(stream, line, reason, now)

    def accepted(self, stream: IncomingStream, line: Line) -> None:
        """Take a connection that somebody opened to us."""
        self.inbound.accepted(stream, line)

    def on_incoming(self, stream: IncomingStream, now: float) -> None:
        """Handle what a stream that was opened to us has to tell."""
        self.inbound.on_stream(stream, now)

    def learned(self, now: float) -> None:
        """Answer the streams that wait to hear whether we stand for a domain."""
        self.inbound.learned(now)

    def proven(self, remote: str, now: float) -> None:
        """Answer the streams that wait until it was looked for what proves `remote`."""
        self.inbound.proven(remote, now)

    # -- what streams that come in want ---------------------------------------------------

    def prove(self, domain: str) -> None:
        """Look for what proves that a certificate is `domain`'s own; `proven` follows."""
        self._network.prove(domain)

    def verify(self, query: VerifyQuery, now: float) -> None:
        """Ask the domain that is claimed, on a stream of its own to it, about the key."""
        pair = (query.local, query.remote)
        for known in (self._links.get((pair, False)), self._links.get((pair, True))):
            if known is not None and _can_verify(known) and known.line is not None:
                cast("OutgoingStream", known.stream).verify(query, now)
                self._riders[cast("OutgoingStream", known.stream)][0].asked.add(query)
                known.line.wake()
                return
        link = self._link(pair, now, verify_only=True)
        if link is None:
            self._deny([query], _overload(), now)
        else:
            link.queries.append(query)
            # One whose last stream is just ending is dialled again when it has ended.
            if len(link.queries) == 1 and link.stream is None:
                self._network.look_up(link)

    def lent(self, stream: IncomingStream, line: Line, now: float) -> None:
        """Note that a stream of both directions may be used for its pairs (XEP-0288)."""
        if stream.bidi:
            self._lent.update(dict.fromkeys(stream.pairs, (stream, line)))

    def gone(self, stream: IncomingStream, line: Line, reason: str, now: float) -> None:
        """Note that a stream that was opened to us is over."""
        for pair in stream.pairs:
            if self._lent.get(pair, (None, None))[0] is stream:
                del self._lent[pair]
        if stream in self._riders:
            self._over(stream, line, reason, now)

    # -- time ---------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Give back what has waited too long, and try again what rests."""
        for pair in self._alarms.due(now):
            link = self._links.get((pair, False)) or self._components.get(pair[0])
            if link is None:
                continue
            if link.session is not None and now >= link.until and link.stream is None:
                self._abandon(link, now)
            wanted = link.component or link.session is not None
            if wanted and not self.closing and link.outbox.may_begin(now):
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
        stopping = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="the gateway stops")
        for link in self._all():
            if link.stream is None:
                self._abandon(link, now)
                self._give_up(link, stopping, now)
        for stream, riders in list(self._riders.items()):
            if not isinstance(stream, IncomingStream) and riders[0].line is not None:
                stream.shut(None, now)
                riders[0].line.wake()
        self.inbound.shut(now)

    @property
    def quiet(self) -> bool:
        """Whether no stream is left."""
        return not self.inbound and not self._riders

    def describe(self) -> dict[str, int]:
        """Return how many streams there are, and how many stanzas wait."""
        return {
            "streams_in": len(self.inbound),
            "streams_out": sum(not isinstance(each, IncomingStream) for each in self._riders),
            "sessions": sum(link.session is not None for link in self._all()),
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
        if verify_only and sum(only for _, only in self._links) >= MOST_QUESTIONED:
            return None
        if len(self._links) >= MOST_LINKS:
            self._forget(now)
        if len(self._links) >= MOST_LINKS:
            return None
        link = self._links[pair, verify_only] = Link(pair, Outbox(self._vary), verify_only)
        return link

    def _forget(self, now: float) -> None:
        spent = [key for key, link in self._links.items() if link.idle and link.outbox.spent(now)]
        for key in spent:
            del self._links[key]

    # -- which stream a link goes out on --------------------------------------------------

    def _begin(self, link: Link, now: float) -> None:
        """Find a stream for what waits: one that there is, or a new one."""
        stream, line = self._lent.get(link.pair, (None, None))
        free = link.session is None  # what was lost goes first, on the stream that resumes it
        if free and stream is not None and line is not None and stream.ready:
            self._ride(link, stream, line, now)
        elif link.component or not self._join(link, set(), now):
            self._network.look_up(link)

    def _join(self, link: Link, places: set[tuple[str, int]], now: float) -> bool:
        """Ask for a place on a stream of ours that leads to the same domain or one of `places`."""
        if link.verify_only or link.component or link.alone or link.session is not None:
            return False
        for stream, riders in self._riders.items():
            opener = riders[0]
            near = opener.pair[1] == link.pair[1] or opener.place in places
            if not (near and isinstance(stream, OutgoingStream) and stream.several):
                continue
            if opener.line is not None and stream.vouches(link.pair[1]):
                stream.join(*link.pair, now)
                opener.line.wake()
                riders.append(link)
                return True
        return False

    def _joined(
        self, pair: Pair, stream: OutgoingStream, line: Line, error: StanzaError | None, now: float
    ) -> None:
        """Take the answer whether a link may go out on another's stream."""
        link = self._links.get((pair, False))
        riders = self._riders.get(stream, [])
        if link is None or link not in riders:
            return
        riders.remove(link)
        if error is None:
            self._ride(link, stream, line, now)
            return
        log.info(
            "a stream of its own is needed",
            extra=about(local=pair[0], remote=pair[1], reason=error.reason),
        )
        link.alone = True
        self._network.look_up(link)

    def _ride(self, link: Link, stream: Carrier, line: Line, now: float) -> None:
        """Send on a stream that there is already."""
        link.stream, link.line = stream, line
        self._riders.setdefault(stream, []).append(link)
        self._up(link, stream, line, now)

    def _opened(self, link: Link, stream: OurStream, line: Line, now: float) -> None:
        """Take a stream of ours that is ready, with the session that it goes on with or not."""
        session, companions = self._take_session(link)
        resumed = session is not None and _ledger(stream) is session
        if session is not None and not resumed:
            self._tell_lost([link, *companions], session.unacknowledged(), now)
        self._up(link, stream, line, now)
        for each in companions:
            if resumed:
                self._ride(each, stream, line, now)
            else:
                self._renew(each, now)

    def _up(self, link: Link, stream: Carrier, line: Line, now: float) -> None:
        log.info(
            "stream out",
            extra=about(
                local=link.pair[0],
                remote=link.pair[1],
                peer=line.peer,
                by=stream.by if isinstance(stream, ServerStream) else "secret",
                tls=line.tls or "none",
            ),
        )
        link.targets = ()
        link.moved = ""
        link.outbox.up()
        for stanza in link.outbox.to_send():
            self._hand_over(stream, line, stanza, now)
        line.wake()

    def _hand_over(self, stream: Carrier, line: Line, stanza: Element, now: float) -> None:
        try:
            stream.send(stanza, now)
        except StanzaError as error:
            self._receiver.undelivered(stanza, error)
        else:
            self._receiver.sent(stanza, line.peer)

    # -- when a stream is over --------------------------------------------------------------

    def _over(
        self, stream: Carrier, line: Line, reason: str, now: float, *, moved: str = ""
    ) -> None:
        """Have done with a stream: it carries nothing more, though it may still close.

        `moved` is where the server is instead; that is followed once a connection.
        """
        line.close(reason)
        ledger = _ledger(stream)
        riders = self._riders.pop(stream, [])
        up = [link for link in riders if link.outbox.state is State.UP and link.stream is stream]
        for link in up:
            log.info(
                "stream out ended",
                extra=about(local=link.pair[0], remote=link.pair[1], reason=reason),
            )
        if ledger is not None and up and _resumable(stream, ledger) and not self.closing:
            self._suspend(up, ledger, now)
            riders = [link for link in riders if link not in up[1:]]
        elif up:
            self._tell_lost(up, None if ledger is None else ledger.unacknowledged(), now)
        for link in riders:
            joining = link.stream is not stream
            if moved and not joining and not link.moved and not self.closing:
                link.moved, link.stream, link.line = moved, None, None
                self._network.look_up(link)
            else:
                self._leave(link, reason, now, was_up=link in up, joining=joining)
            self._await(link)

    def _part(self, stream: Carrier, line: Line, now: float) -> None:
        """Have done with a stream that is being closed, once what it had to tell is heard."""
        if isinstance(stream, IncomingStream):
            self.on_incoming(stream, now)
        elif riders := self._riders.get(stream):
            self.on_outgoing(riders[0], now)
        if stream in self._riders:
            self._over(stream, line, "the stream is being closed", now)

    def _suspend(self, links: Sequence[Link], ledger: Ledger, now: float) -> None:
        """Keep what is not acknowledged for the next stream, which is to go on with it."""
        opener = links[0]
        ledger.pairs = frozenset(link.pair for link in links)
        opener.session, opener.until = ledger, now + ledger.patience
        opener.companions = list(links[1:])
        for link in opener.companions:
            link.stream = link.line = None
            link.opener = opener
            link.outbox.begin()

    def _take_session(self, link: Link) -> tuple[Ledger | None, list[Link]]:
        """Return the session that a link was to resume, and those who waited for that with it."""
        session, link.session = link.session, None
        companions, link.companions = link.companions, []
        for each in companions:
            each.opener = None
        return session, companions

    def _leave(self, link: Link, reason: str, now: float, *, was_up: bool, joining: bool) -> None:
        """Go on with a link whose stream is over; `joining` is one that was not on it yet."""
        cause = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=reason)
        asked, link.asked = link.asked, set()
        self._deny(asked, cause, now)
        if not joining:
            link.stream = link.line = None
        if self.closing:
            self._abandon(link, now)
            self._give_up(link, cause, now)
        elif was_up:
            self._renew(link, now)
        elif link.verify_only and not link.queries:
            self._links.pop((link.pair, True), None)
        elif link.verify_only or joining:
            self._network.look_up(link)
        elif link.targets:
            self._network.connect(link, link.targets)
        else:
            self.unreachable(link, link.failure or cause, now)

    def _renew(self, link: Link, now: float) -> None:
        """Make another stream after one that was up: for what waits now, a component's soon."""
        if link.outbox.down():
            self._begin(link, now)
        elif link.session is not None:
            self._retry(link, now)
        elif link.component:
            self._alarms.set(link.pair, now + PAUSE * self._vary())
        self._await(link)

    def _retry(self, link: Link, now: float) -> None:
        """Have a lost session resumed after a rest, or give it up when its time is over."""
        self._alarms.set(link.pair, min(link.until, max(link.outbox.rest_until, now + PAUSE)))

    def _abandon(self, link: Link, now: float) -> None:
        """Give up a session: the senders of what was not acknowledged are told."""
        session, companions = self._take_session(link)
        if session is not None:
            session.id = ""  # a stream that is being made must not resume it any more
            self._tell_lost([link, *companions], session.unacknowledged(), now)
        for each in companions:
            if self.closing:
                self._give_up(each, StanzaError(Condition.REMOTE_SERVER_TIMEOUT), now)
            else:
                self._renew(each, now)

    def _tell_lost(
        self, links: Sequence[Link], stanzas: Sequence[Element] | None, now: float
    ) -> None:
        """Tell each pair what of its own was lost, and send answers again.

        Nobody could be told that an answer did not arrive, and to have it twice does no harm.
        """
        for link in links:
            mine = stanzas
            if stanzas is not None and len(links) > 1:
                mine = [each for each in stanzas if _is_between(each, *link.pair)]
            link.outbox.restore([each for each in mine or () if _is_answer(each)], now)
            self._receiver.lost(link.pair, mine)

    def _await(self, link: Link) -> None:
        """Have a link looked at when its session ends, or something has waited too long.

        The session of one whose next stream is negotiated ends with that, at the latest.
        """
        times = [link.outbox.next_timer()]
        if link.session is not None and link.stream is None:
            times.append(link.until)
        for when in times:
            if when is not None:
                self._alarms.hasten(link.pair, when)

    def _give_back(self, link: Link) -> None:
        for back in link.outbox.returned():
            self._receiver.undelivered(back.stanza, back.error)

    def _give_up(self, link: Link, cause: StanzaError, now: float) -> None:
        """Give back what waits for a stream of the link, questions too."""
        link.outbox.failed(cause, now)
        self._give_back(link)
        queries, link.queries = link.queries, []
        self._deny(queries, cause, now)

    def _deny(self, queries: Iterable[VerifyQuery], cause: StanzaError, now: float) -> None:
        for query in queries:
            self.inbound.tell_verified(query, now, valid=False, error=cause)


def _ledger(stream: Carrier | None) -> Ledger | None:
    return stream.ledger if isinstance(stream, ServerStream) else None


def _resumable(stream: Carrier, ledger: Ledger) -> bool:
    """Tell whether there is something to go on with, and a way to (XEP-0198 §5)."""
    if not (isinstance(stream, OutgoingStream) and stream.torn and ledger.id):
        return False
    return len(ledger) > 0 or stream.bidi


def _proven(stream: OurStream) -> bool:
    """Tell whether what comes on a stream of ours is from whom it says (XEP-0114, XEP-0288)."""
    return not isinstance(stream, OutgoingStream) or stream.bidi


def _is_between(stanza: Element, local: str, remote: str) -> bool:
    ends = domain_part(stanza.get("from", "")), domain_part(stanza.get("to", ""))
    return ends == (local, remote)


def _is_answer(stanza: Element) -> bool:
    """Tell whether a stanza answers one of the far domain."""
    return stanza.get("type") in {"error", "result"}


def _is_listed(target: Target) -> bool:
    """Tell whether signed records say which certificates a server may show."""
    return target.associations is not None and bool(target.associations.records)


def _can_verify(link: Link) -> bool:
    stream = link.stream
    return (
        isinstance(stream, OutgoingStream) and not stream.closing and stream.remote == link.pair[1]
    )


def _overload(*, closing: bool = False) -> StanzaError:
    text = "the gateway is stopping" if closing else "the gateway has too many streams"
    return StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
