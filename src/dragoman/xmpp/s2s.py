"""What both ends of a server-to-server stream share (RFC 6120 §8.1, XEP-0198, XEP-0288)."""

from abc import abstractmethod
from collections.abc import Hashable
from typing import Final

from dragoman.errors import LocalError
from dragoman.xmpp import resume
from dragoman.xmpp.element import SERVER, Element, to_xml
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.header import domain_part, names
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.stream import (
    PREFIXES,
    Life,
    Policy,
    StanzaArrived,
    Stream,
    Timer,
)

BIDI: Final = "{urn:xmpp:bidi}bidi"
BIDI_OFFER: Final = "{urn:xmpp:features:bidi}bidi"


class ServerStream(Stream):
    """The authenticated pairs of domains, the stanzas between them, and their acknowledgement."""

    def __init__(self, policy: Policy) -> None:
        """Begin without pairs, in one direction, unmanaged."""
        super().__init__(SERVER, policy)
        self.bidi = False
        """Whether stanzas go both ways (XEP-0288)."""
        self.ledger: Ledger | None = None
        """What is acknowledged and what is not, where the stream is managed (XEP-0198)."""
        self.by = ""
        """How the last pair was authenticated: "external" or "dialback"."""
        self._pairs: set[tuple[str, str]] = set()
        self._spelled: dict[tuple[str, str], tuple[str, str]] = {}
        self._limit: int | None = None
        self._owed = False
        self._stalled = False
        self._used = False

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The authenticated domain pairs, each (ours, theirs)."""
        return frozenset(self._pairs)

    @property
    def ready(self) -> bool:
        """Whether stanzas may be sent."""
        return self._may_send() and self._life is Life.UP

    def send(self, stanza: Element, now: float) -> None:
        """Send a stanza whose addresses belong to an authenticated pair.

        Raises LocalError unless the stream is ready, and StanzaError for a stanza larger than the
        peer takes (policy-violation, XEP-0478 §4) or when the peer acknowledges nothing any more
        (resource-constraint).
        """
        if not self.ready:
            raise LocalError("the stream is not ready")
        data = to_xml(stanza, SERVER, PREFIXES).encode()
        if self._limit is not None and len(data) > self._limit:
            text = f"the server takes stanzas of up to {self._limit} bytes"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text)
        if self.ledger is not None:
            if self.ledger.full:
                text = "the server acknowledges nothing"
                raise StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
            self.ledger.note(stanza)
        self._now = now
        self._used = True
        self._stalled = False
        self._out.append(data)

    def to_send(self) -> list[bytes]:
        """Remove and return what is to be written, with a request for the count behind stanzas."""
        doubtful = self.ledger is not None and len(self.ledger) > 0 and not self._stalled
        if doubtful and self._life is Life.UP:
            self._ask_count()
        return super().to_send()

    @abstractmethod
    def _may_send(self) -> bool:
        """Own: whether the state of negotiation lets stanzas out."""

    def _pair(self, local: str, remote: str) -> None:
        self._pairs.add((local, remote))
        self._spelled[local, remote] = (local, remote)

    def _stanza(self, stanza: Element) -> None:
        if self.ledger is not None:
            self.ledger.count()
        attributes = stanza.attributes
        to, sender = attributes.get("to"), attributes.get("from")
        if not to or not sender:
            text = "a stanza has `to` and `from`"
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, text)
        spelled = (domain_part(to), domain_part(sender))
        pair = self._spelled.get(spelled) or self._find_pair(*spelled)
        self._events.append(StanzaArrived(stanza, *pair))

    def _find_pair(self, to: str, sender: str) -> tuple[str, str]:
        """Return the authenticated pair of two domains; StreamError if there is none (§8.1)."""
        for local, remote in self._pairs:
            if names(sender, remote) and names(to, local):
                if len(self._spelled) < 4 * self._policy.max_pairs:
                    self._spelled[to, sender] = (local, remote)
                return local, remote
        if any(names(sender, remote) for _, remote in self._pairs):
            raise StreamError(StreamCondition.HOST_UNKNOWN, f"{to[:256]} is not on this stream")
        raise StreamError(StreamCondition.INVALID_FROM, f"{sender[:256]} is not authenticated")

    # -- Stream Management (XEP-0198) ---------------------------------------------------

    def _go_on_with(self, ledger: Ledger) -> None:
        """Take over a session: what the peer had not handled goes first (XEP-0198 §5)."""
        self.ledger = ledger
        for pair in ledger.pairs:
            self._pair(*pair)
        for stanza in ledger.unacknowledged():
            self._write(stanza)

    def _ask_count(self) -> None:
        """Ask what the peer has handled, unless it owes an answer already."""
        if not self._owed:
            self._owed = True
            if Timer.ACKNOWLEDGE not in self._alarms:
                self._alarms.set(Timer.ACKNOWLEDGE, self._now + self._policy.acknowledge)
            self._write(Element(resume.REQUEST))

    def _expired(self, key: Hashable) -> None:
        if key is Timer.ACKNOWLEDGE:
            self._tear(StreamCondition.CONNECTION_TIMEOUT, "nothing was acknowledged")

    def _request(self, _: Element) -> None:
        """Answer how many stanzas were handled; of an unmanaged stream it may not be asked."""
        if self.ledger is None:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "the stream is not managed")
        self._write(resume.answer(self.ledger))

    def _answer_count(self, answer: Element) -> None:
        """Take the peer's count; what it has handled is ours no more."""
        if self.ledger is None:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "the stream is not managed")
        before = len(self.ledger)
        self.ledger.acknowledge(answer.get("h"))
        self._owed = False
        # Who handles nothing is not asked at once again, and not waited for without end.
        self._stalled = 0 < len(self.ledger) == before
        if not self._stalled:
            self._alarms.cancel(Timer.ACKNOWLEDGE)

    def _parting(self, element: Element) -> None:
        if element.name == resume.ANSWER and self.ledger is not None:
            self.ledger.acknowledge(element.get("h"))

    def _farewell(self) -> None:
        # XEP-0198 §4: whoever closes says what it has handled, so that the rest is sent again.
        if self.ledger is not None and not self._broken:
            self._write(resume.answer(self.ledger))

    SHARED: Final = {"r": _request, "a": _answer_count}
    """What both roles do when the stream is ready."""
