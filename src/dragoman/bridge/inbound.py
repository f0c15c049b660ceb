"""The streams that others open to us (RFC 6120 §4, XEP-0220 §2.2, XEP-0198 §5, XEP-0288)."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from logging import getLogger
from typing import Final, Protocol

from dragoman.bridge.directory import Standing
from dragoman.bridge.faults import BUG, contained
from dragoman.bridge.fence import Pair
from dragoman.bridge.link import Line, Receiver
from dragoman.log import about
from dragoman.xmpp.dialback import VerifyQuery
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StanzaError, StreamCondition
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.s2s_in import AskedFor, IncomingStream, Paired, ResumeWanted, VerifyWanted
from dragoman.xmpp.stream import Ended, Event, StanzaArrived, StartTls

log = getLogger(__name__)

MOST_SESSIONS: Final = 1024
"""Sessions of lost streams that wait to be resumed; the oldest makes room."""
MOST_MARKS: Final = 10_000
"""Marks of one pair beyond which the older ones are forgotten."""
SUSPICION: Final = 300.0
"""Seconds for which a server may send again what was on a stream that it lost."""

Mark = tuple[str, str, str, str]
"""What a message that comes again has in common with itself: kind, from, to, id."""


class Sending(Protocol):
    """What the half that sends does for the streams that come in."""

    def verify(self, query: VerifyQuery, now: float) -> None:
        """Ask the domain that is claimed about a key; `Inbound.tell_verified` takes the answer."""

    def prove(self, domain: str) -> None:
        """Look for what proves that a certificate is `domain`'s own; `Inbound.proven` follows."""

    def lent(self, stream: IncomingStream, line: Line, now: float) -> None:
        """Learn that a stream has another pair; one of both directions may be sent on."""

    def gone(self, stream: IncomingStream, line: Line, reason: str, now: float) -> None:
        """Learn that a stream is over."""


class Inbound:
    """Every stream that was opened to us; `serves(domain)` tells whether we stand for a domain."""

    def __init__(
        self, receiver: Receiver, sending: Sending, serves: Callable[[str], Standing]
    ) -> None:
        """Start without streams."""
        self._receiver = receiver
        self._sending = sending
        self._serves = serves
        self._streams: dict[IncomingStream, Line] = {}
        self._asked: dict[str, list[tuple[IncomingStream, str]]] = defaultdict(list)
        self._proving: dict[str, list[tuple[IncomingStream, str]]] = defaultdict(list)
        self._verifying: dict[VerifyQuery, list[IncomingStream]] = defaultdict(list)
        self._sessions: OrderedDict[str, tuple[float, Ledger]] = OrderedDict()
        self._handled: OrderedDict[Pair, tuple[float, set[Mark]]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many streams there are."""
        return len(self._streams)

    def accepted(self, stream: IncomingStream, line: Line) -> None:
        """Take a connection that somebody opened to us."""
        self._streams[stream] = line

    def on_stream(self, stream: IncomingStream, now: float) -> None:
        """Handle what a stream has to tell."""
        line = self._streams.get(stream)
        if line is None:
            return
        for event in stream.events():
            contained(partial(line.abort, BUG), self._on_event, event, stream, line, now)

    def _on_event(self, event: Event, stream: IncomingStream, line: Line, now: float) -> None:
        match event:
            case StanzaArrived(stanza, local, remote):
                if not (self._handled and self._is_again(stanza, (local, remote), now)):
                    self._receiver.on_stanza(stanza, local, remote, line.peer)
            case StartTls(domain):
                line.start_tls(domain)
            case AskedFor(domain, unproven):
                self._answer(stream, domain, unproven, now)
            case VerifyWanted(query):
                self._verify(stream, query, now)
            case Paired(local, remote):
                self._paired(stream, line, local, remote, now)
            case ResumeWanted(identifier):
                self._resume(stream, line, identifier, now)
            case Ended(reason):
                self._ended(stream, line, reason, now)

    def learned(self, now: float) -> None:
        """Answer the streams that wait to hear whether we stand for a domain."""
        for domain in list(self._asked):
            for stream, unproven in self._asked.pop(domain):
                if stream in self._streams:
                    self._answer(stream, domain, unproven, now)

    def proven(self, remote: str, now: float) -> None:
        """Answer the streams that wait until it was looked for what proves `remote`."""
        for stream, domain in self._proving.pop(remote, ()):
            if stream in self._streams:
                self._answer(stream, domain, "", now)

    def tell_verified(
        self, query: VerifyQuery, now: float, *, valid: bool, error: StanzaError | None
    ) -> None:
        """Pass on the answer about a key to all streams that showed it."""
        for stream in self._verifying.pop(query, ()):
            if stream in self._streams:
                stream.verified(query, valid, now, error)
                self._streams[stream].wake()

    def shut(self, now: float) -> None:
        """Close every stream: the gateway stops (RFC 6120 §4.9.3.20)."""
        for stream, line in list(self._streams.items()):
            stream.shut(StreamCondition.SYSTEM_SHUTDOWN, now)
            line.wake()

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
                self._sending.prove(unproven)
            return
        if standing is Standing.UNANSWERED and not stream.pairs:
            # host-unknown would be final; the DNS may answer when the peer comes again
            stream.shut(StreamCondition.INTERNAL_SERVER_ERROR, now)
        else:
            stream.hosted(domain, standing is Standing.YES, now)
        self._streams[stream].wake()

    def _verify(self, stream: IncomingStream, query: VerifyQuery, now: float) -> None:
        """Have one question asked for all who want to know."""
        waiting = self._verifying[query]
        waiting.append(stream)
        if len(waiting) == 1:
            self._sending.verify(query, now)

    def _paired(
        self, stream: IncomingStream, line: Line, local: str, remote: str, now: float
    ) -> None:
        log.info(
            "stream in",
            extra=about(
                local=local, remote=remote, peer=line.peer, by=stream.by, tls=line.tls or "none"
            ),
        )
        self._sending.lent(stream, line, now)

    def _resume(self, stream: IncomingStream, line: Line, identifier: str, now: float) -> None:
        """Give a session to the stream that goes on with it, if both are of the same domain."""
        self._take_from_living(stream, identifier, now)
        until, ledger = self._sessions.get(identifier, (now, None))
        remotes = {remote for _, remote in stream.pairs}
        if ledger is not None and remotes.isdisjoint(remote for _, remote in ledger.pairs):
            ledger = None
        elif ledger is not None:
            del self._sessions[identifier]
            ledger.pairs = frozenset(each for each in ledger.pairs if each[1] in remotes)
        stream.adopt(ledger if until > now else None, now)
        line.wake()

    def _take_from_living(self, stream: IncomingStream, identifier: str, now: float) -> None:
        """End the stream that a session is on, when the peer has noticed a loss before us."""
        for other, line in self._streams.items():
            ledger = other.ledger
            if other is stream or ledger is None or not ledger.id or ledger.id != identifier:
                continue
            if stream.pairs & other.pairs:
                other.ledger = None
                self._keep(ledger, other, now)
                line.abort("its session goes on elsewhere")
            return

    def _ended(self, stream: IncomingStream, line: Line, reason: str, now: float) -> None:
        log.info("stream in ended", extra=about(peer=line.peer, reason=reason))
        del self._streams[stream]
        for query in [each for each, askers in self._verifying.items() if stream in askers]:
            self._verifying[query].remove(stream)
            if not self._verifying[query]:
                del self._verifying[query]
        if stream.torn and stream.ledger is not None:
            self._suspect(stream, now)
            if stream.ledger.id:
                self._keep(stream.ledger, stream, now)
        self._sending.gone(stream, line, reason, now)
        line.close(reason)

    def _keep(self, ledger: Ledger, stream: IncomingStream, now: float) -> None:
        ledger.pairs = stream.pairs
        self._sessions[ledger.id] = (now + ledger.patience, ledger)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)

    # -- what is sent again ---------------------------------------------------------------

    def _suspect(self, stream: IncomingStream, now: float) -> None:
        """Remember what the peer may send again, because the loss kept our last counts from it."""
        marks = {_mark(each) for each in stream.doubtful if each.get("id")}
        if not marks:
            return
        for pair in stream.pairs:
            until, before = self._handled.get(pair, (0.0, set[Mark]()))
            known = before if until > now and len(before) < MOST_MARKS else set[Mark]()
            self._handled[pair] = (now + SUSPICION, known | marks)
            self._handled.move_to_end(pair)
        while len(self._handled) > MOST_SESSIONS:
            self._handled.popitem(last=False)

    def _is_again(self, stanza: Element, pair: Pair, now: float) -> bool:
        """Tell whether a stanza was handled before the loss of the stream that it first came on."""
        until, marks = self._handled.get(pair, (0.0, set[Mark]()))
        if until <= now:
            self._handled.pop(pair, None)
            return False
        if _mark(stanza) not in marks:
            return False
        marks.discard(_mark(stanza))
        log.info("a message came again", extra=about(local=pair[0], remote=pair[1]))
        return True


def _mark(stanza: Element) -> Mark:
    return stanza.name, stanza.get("from", ""), stanza.get("to", ""), stanza.get("id", "")
