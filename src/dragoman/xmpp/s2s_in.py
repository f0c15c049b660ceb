"""Server-to-server streams that we accept (RFC 6120 §4-6, §8.1; XEP-0178, XEP-0220, XEP-0288)."""

from base64 import b64decode
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from typing import Final

from dragoman.errors import LocalError
from dragoman.xmpp import dialback, resume
from dragoman.xmpp.dialback import Verdict, VerifyQuery
from dragoman.xmpp.element import CLIENT, SERVER, Element
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.header import check_header, domain_of, limits, names
from dragoman.xmpp.parser import StreamStart
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.s2s import BIDI, BIDI_OFFER, ServerStream
from dragoman.xmpp.stream import (
    FEATURES,
    MECHANISM,
    SASL,
    STARTTLS,
    TLS,
    Event,
    Life,
    PeerIdentity,
    Policy,
    StartTls,
    Timer,
)

MOST_UNPROVEN: Final = 8
"""Keys that are verified at once for a peer that has proved nothing yet."""


@dataclass(frozen=True, slots=True)
class AskedFor(Event):
    """Do we serve this domain?  `hosted` answers; meanwhile the stream stands still.

    `unproven` is the domain that the peer says it is, where it showed a certificate, which does not
    vouch for that, and other proof may be had: look for it before answering.
    """

    domain: str
    unproven: str = ""


@dataclass(frozen=True, slots=True)
class VerifyWanted(Event):
    """Ask the authoritative server of `query.remote`; `verified` takes the answer."""

    query: VerifyQuery


@dataclass(frozen=True, slots=True)
class Paired(Event):
    """Stanzas from `remote` to `local` are let in from now on."""

    local: str
    remote: str


@dataclass(frozen=True, slots=True)
class ResumeWanted(Event):
    """Does the session `id` wait for a stream?  Until `adopt` answers, this one stands still."""

    id: str


class State(Enum):
    """Where negotiation stands, as the receiving entity sees it."""

    HEADER = auto()
    """The peer's stream header is awaited, or the answer whether we serve its `to`."""
    PLAIN = auto()
    """TLS has to come first."""
    SECURING = auto()
    """The driver does TLS."""
    OPEN = auto()
    """The peer may authenticate."""
    READY = auto()
    """At least one domain pair is authenticated."""


class Input(Enum):
    """The kinds of element a peer may send."""

    STARTTLS = auto()
    AUTH = auto()
    RESULT = auto()
    VERIFY = auto()
    BIDI = auto()
    ENABLE = auto()
    RESUME = auto()
    REQUEST = auto()
    ANSWER = auto()
    STANZA = auto()
    OTHER = auto()


_MESSAGE: Final = f"{{{CLIENT}}}message"
_INPUTS: Final = {
    STARTTLS: Input.STARTTLS,
    f"{{{SASL}}}auth": Input.AUTH,
    dialback.RESULT: Input.RESULT,
    dialback.VERIFY: Input.VERIFY,
    BIDI: Input.BIDI,
    resume.ENABLE: Input.ENABLE,
    resume.RESUME: Input.RESUME,
    resume.REQUEST: Input.REQUEST,
    resume.ANSWER: Input.ANSWER,
    _MESSAGE: Input.STANZA,
    f"{{{CLIENT}}}presence": Input.STANZA,
    f"{{{CLIENT}}}iq": Input.STANZA,
}


class IncomingStream(ServerStream):
    """The stream on which another server sends to domains of ours.

    `secret` is what our dialback keys are made with, `token()` gives stream identifiers that
    nobody can guess.  With `direct_tls` the driver does TLS first of all and calls `secured`.

    Events: AskedFor, StartTls, VerifyWanted, Paired, StanzaArrived, Ended.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        secret: bytes,
        token: Callable[[], str],
        direct_tls: bool = False,
    ) -> None:
        """Begin; nothing is known of the peer."""
        super().__init__(policy)
        self._secret = secret
        self._token = token
        self._direct_tls = direct_tls
        self._state = State.HEADER
        self._peer: PeerIdentity | None = None
        self._local = ""
        self._remote = ""
        self._id = ""
        self._modern = True
        self._external = ""
        self._question: tuple[str, Callable[[bool], None]] | None = None
        self._wanted: tuple[str, str | None] | None = None
        self._queries: dict[tuple[str, str], VerifyQuery] = {}
        self._refusals = 0
        self._before: Sequence[Element] = ()
        self._since: deque[Element] = deque(maxlen=policy.max_unacknowledged)

    @property
    def doubtful(self) -> Sequence[Element]:
        """The messages that we have handled, and of which the peer may not know that.

        They are those since the last answer but one: nobody tells whether the last has arrived.
        """
        return (*self._before, *self._since)

    def secured(self, peer: PeerIdentity, now: float) -> None:
        """Note that TLS is there, and who its certificate says the peer is."""
        if self._life is not Life.DEAF:
            raise LocalError("TLS was not asked for")
        self._now = self._heard = now
        self._peer = peer
        self._life = Life.UP
        self._state = State.HEADER
        self._restart()

    def hosted(self, domain: str, yes: bool, now: float) -> None:
        """Answer `AskedFor`; an answer that nobody waits for any more is dropped."""
        if self._question is None or self._question[0] != domain or self._life is not Life.UP:
            return
        self._now = now
        _, then = self._question
        self._question = None
        try:
            then(yes)
        except StreamError as error:
            self._fail(error)
        self._resume()

    def adopt(self, ledger: Ledger | None, now: float) -> None:
        """Answer `ResumeWanted`: the session to go on with, None where there is none (any more)."""
        if self._wanted is None or self._life is not Life.UP:
            return
        self._now = now
        (_, handled), self._wanted = self._wanted, None
        try:
            if ledger is None or self.bidi:
                self._write(resume.failed(Condition.ITEM_NOT_FOUND))
            else:
                ledger.acknowledge(handled)
                self._write(resume.resumed(ledger))
                self._go_on_with(ledger)
        except StreamError as error:
            self._fail(error)
        self._resume()

    def verified(
        self, query: VerifyQuery, valid: bool, now: float, error: StanzaError | None = None
    ) -> None:
        """Answer `VerifyWanted`; `error` says that no answer could be had, and why.

        An answer to no open question is dropped (XEP-0220 §3.1).
        """
        pair = (query.local, query.remote)
        if self._queries.get(pair) != query or self._life is not Life.UP:
            return
        self._now = now
        del self._queries[pair]
        self._alarms.cancel(query)
        if valid and error is None:
            self._write(_result(query, Verdict.VALID))
            self.by = "dialback"
            self._pair(*pair)
        elif error is not None:
            self._write(_result(query, error))
            self._count_refusal()
        elif self._pairs:
            # XEP-0220 §2.2.1: the other pairs did nothing wrong.
            self._write(_result(query, StanzaError(Condition.FORBIDDEN)))
            self._count_refusal()
        else:
            self._write(_result(query, Verdict.INVALID))
            self._close("the dialback key was found invalid", None)

    def _begin(self) -> None:
        if self._direct_tls:
            self._state = State.SECURING
            self._life = Life.DEAF
            self._events.append(StartTls(""))

    def _open(self) -> None:
        self._id = self._token()
        attributes = {"from": self._local, "id": self._id}
        if self._remote:
            attributes["to"] = self._remote
        if self._modern:
            attributes |= {"version": "1.0", "xml:lang": "en"}
        self._write_header(attributes)

    def _header(self, header: StreamStart) -> None:
        self._modern = True
        self._modern = check_header(header, SERVER) > 0
        sender = header.attributes.get("from")
        remote = domain_of(sender) if sender else self._remote
        if self._external and remote != self._external:
            raise StreamError(StreamCondition.INVALID_FROM, "another domain was authenticated")
        self._remote = remote
        to = header.attributes.get("to")
        local = domain_of(to) if to else self._local
        if not local or (self._local and local != self._local):
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "`to` is missing or has changed")
        self._ask(local, lambda yes: self._welcome(local, yes=yes), remote)

    def _ask(self, domain: str, then: Callable[[bool], None], remote: str = "") -> None:
        """Learn whether we serve `domain`, and what proves `remote`; input waits until then."""
        peer = self._peer if self._policy.proofs else None
        provable = peer is not None and peer.shown and not self._vouched(remote)
        unproven = remote if provable else ""
        if domain == self._local and not unproven:
            then(True)
            return
        self._question = (domain, then)
        self._held = bytearray()
        self._events.append(AskedFor(domain, unproven))

    def _welcome(self, local: str, *, yes: bool) -> None:
        if not yes:
            # The response header has no `from`: we cannot speak for that name (§4.9.1.3).
            raise StreamError(StreamCondition.HOST_UNKNOWN, f"{local} is not served here")
        self._local = local
        self._open()
        if self._external:
            self._state = State.READY
        elif self._peer is None and self._policy.require_encryption:
            self._state = State.PLAIN
        else:
            self._state = State.OPEN
        if self._modern:
            self._write(Element(FEATURES, None, self._features()))
        elif self._state is State.PLAIN:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "encryption is required")

    def _features(self) -> list[Element]:
        """Return what may come next (RFC 6120 §4.3.2); raise when there is nothing."""
        if self._state is State.PLAIN:
            return [Element(STARTTLS, None, (Element(f"{{{TLS}}}required"),))]
        if self._state is State.READY:
            bounds = limits(self._policy.max_stanza, self._policy.idle)
            return [dialback.offer(), resume.offer(), bounds]
        offered = [] if self._peer else [Element(STARTTLS)]
        if self._vouched(self._remote):
            mechanism = Element(f"{{{SASL}}}mechanism", None, (MECHANISM,))
            offered.append(Element(f"{{{SASL}}}mechanisms", None, (mechanism,)))
        if self._may_dial_back(self._remote):
            offered.append(dialback.offer())
        if not offered:
            text = f"a certificate that is good for {self._remote} is required"
            raise StreamError(StreamCondition.NOT_AUTHORIZED, text)
        bounds = limits(self._policy.max_stanza, self._policy.idle)
        return [*offered, Element(BIDI_OFFER), bounds]

    def _vouched(self, remote: str) -> bool:
        return bool(remote) and self._peer is not None and self._peer.vouches(remote)

    def _may_dial_back(self, remote: str) -> bool:
        return not (remote and self._policy.require_certificate(remote)) or self._vouched(remote)

    def _element(self, element: Element) -> None:
        step = self._STEPS.get((self._state, _INPUTS.get(element.name, Input.OTHER)))
        if step is not None:
            step(self, element)
        elif self._state is State.READY:
            text = f"{element.local_name} has no place here"
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, text)
        else:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "authenticate first")

    def _starttls(self, _: Element) -> None:
        if self._peer is not None:
            self._write(Element(f"{{{TLS}}}failure"))
            self._close("TLS inside TLS", None)
            return
        self._write(Element(f"{{{TLS}}}proceed"))
        self._state = State.SECURING
        self._life = Life.DEAF
        self._events.append(StartTls(self._local))

    def _auth_too_early(self, _: Element) -> None:
        self._refuse_sasl("encryption-required")

    def _auth(self, auth: Element) -> None:
        if auth.get("mechanism") != MECHANISM or not self._vouched(self._remote):
            self._refuse_sasl("invalid-mechanism")
        elif not auth.text.strip():
            self._refuse_sasl("malformed-request")
        elif (claimed := _authzid(auth.text.strip())) is None:
            self._refuse_sasl("incorrect-encoding")
        elif claimed and not names(claimed, self._remote):
            self._refuse_sasl("invalid-authzid")
        else:
            self._write(Element(f"{{{SASL}}}success"))
            self._external = self._remote
            self._forget_keys()
            self.by = "external"
            self._pair(self._local, self._remote)
            self._state = State.HEADER
            self._restart()

    def _both_ways(self, _: Element) -> None:
        self.bidi = True

    def _enable(self, element: Element) -> None:
        """Manage the stream from here on (XEP-0198 §3)."""
        if self.ledger is not None:
            self._write(resume.failed(Condition.UNEXPECTED_REQUEST))
            return
        self.ledger = Ledger(self._policy.max_unacknowledged)
        # What we sent on a stream of both directions goes back to its senders instead, for a
        # session that may be resumed late would overtake what took another way meanwhile.
        if element.get("resume") in {"true", "1"} and not self.bidi:
            self.ledger.id = self._token()
            self.ledger.patience = self._policy.resumption
        self._write(resume.enabled(self.ledger))

    def _enable_too_early(self, _: Element) -> None:
        self._write(resume.failed(Condition.UNEXPECTED_REQUEST))

    def _resume_session(self, element: Element) -> None:
        """Have the session looked for; input waits until then."""
        if self.ledger is not None:
            self._write(resume.failed(Condition.UNEXPECTED_REQUEST))
            return
        self._wanted = (element.get("previd", ""), element.get("h"))
        self._held = bytearray()
        self._events.append(ResumeWanted(self._wanted[0]))

    def _take_stanza(self, stanza: Element) -> None:
        self._stanza(stanza)
        if self.ledger is not None and stanza.name == _MESSAGE:
            self._since.append(stanza)

    def _take_request(self, request: Element) -> None:
        self._request(request)
        self._before = tuple(self._since)
        self._since.clear()

    def _may_send(self) -> bool:
        return self.bidi and self._state is State.READY

    def _forget_keys(self) -> None:
        """Drop open questions: their keys were made for a stream that ends here."""
        for query in self._queries.values():
            self._alarms.cancel(query)
        self._queries.clear()

    def _refuse_sasl(self, condition: str) -> None:
        self._write(Element(f"{{{SASL}}}failure", None, (Element(f"{{{SASL}}}{condition}"),)))
        self._count_refusal()

    def _count_refusal(self) -> None:
        self._refusals += 1
        if self._refusals >= self._policy.max_refusals:
            self._fail(StreamError(StreamCondition.POLICY_VIOLATION, "too many attempts"))

    def _dialback_too_early(self, request: Element) -> None:
        if request.get("type") is None:
            error = StanzaError(Condition.POLICY_VIOLATION, text="encryption is required")
            self._write(dialback.answer(request, error))
            self._count_refusal()

    def _result(self, request: Element) -> None:
        """Take a key: the receiving server's part (XEP-0220 §2.2.1)."""
        if request.get("type") is not None:
            return
        local, remote = domain_of(request.get("to")), domain_of(request.get("from"))
        query = VerifyQuery(local, remote, self._id, request.text.strip())
        strict = query.remote if self._policy.require_certificate(query.remote) else ""
        self._ask(local, lambda yes: self._take_key(request, query, yes=yes), strict)

    def _take_key(self, request: Element, query: VerifyQuery, *, yes: bool) -> None:
        pair = (query.local, query.remote)
        if not yes:
            self._refuse_key(request, Condition.ITEM_NOT_FOUND)
        elif not self._may_dial_back(query.remote):
            self._refuse_key(request, Condition.NOT_AUTHORIZED)
        elif pair in self._pairs:
            self._write(dialback.answer(request, Verdict.VALID))
        elif not self._has_room():
            self._refuse_key(request, Condition.RESOURCE_CONSTRAINT)
        elif pair not in self._queries:
            self._queries[pair] = query
            self._alarms.set(query, self._now + self._policy.verify)
            if not self._established:
                patience = self._policy.verify + self._policy.negotiation
                self._alarms.set(Timer.NEGOTIATION, self._now + patience)
            self._events.append(VerifyWanted(query))

    def _has_room(self) -> bool:
        """Tell whether one more key may be verified: few, for who has proved nothing yet."""
        most = self._policy.max_pairs if self._pairs else MOST_UNPROVEN
        return len(self._pairs) + len(self._queries) < min(most, self._policy.max_pairs)

    def _refuse_key(self, request: Element, condition: Condition) -> None:
        self._write(dialback.answer(request, StanzaError(condition)))
        self._count_refusal()

    def _verify(self, request: Element) -> None:
        """Judge a key: the authoritative server's part (XEP-0220 §2.2.2), stateless."""
        if request.get("type") is not None:
            return
        remote, local = domain_of(request.get("from")), domain_of(request.get("to"))
        query = VerifyQuery(remote, local, request.get("id", ""), request.text.strip())
        if dialback.holds(self._secret, query):
            self._write(dialback.answer(request, Verdict.VALID))
        else:
            self._ask(local, lambda yes: self._deny(request, yes=yes))

    def _deny(self, request: Element, *, yes: bool) -> None:
        unknown = StanzaError(Condition.ITEM_NOT_FOUND)
        self._write(dialback.answer(request, Verdict.INVALID if yes else unknown))

    def _pair(self, local: str, remote: str) -> None:
        super()._pair(local, remote)
        self._events.append(Paired(local, remote))
        if not self._established:
            self._established = True
            self._state = State.READY
            self._alarms.cancel(Timer.NEGOTIATION)
            self._alarms.set(Timer.IDLE, self._now + self._policy.idle)

    def _gave_up(self, error: StreamError, host: str = "") -> None:
        """Tell nobody: no stanza of ours waits for a stream that others open."""

    def _expired(self, key: Hashable) -> None:
        if isinstance(key, VerifyQuery):
            late = StanzaError(Condition.REMOTE_SERVER_TIMEOUT)
            self.verified(key, valid=False, now=self._now, error=late)
        elif key is Timer.IDLE and self._now - self._heard >= self._policy.idle:
            self._fail(StreamError(StreamCondition.CONNECTION_TIMEOUT, "nothing was heard"))
        elif key is Timer.IDLE:
            self._alarms.set(Timer.IDLE, self._heard + self._policy.idle)
        else:
            super()._expired(key)

    _STEPS: Final = {
        (State.PLAIN, Input.STARTTLS): _starttls,
        (State.PLAIN, Input.AUTH): _auth_too_early,
        (State.PLAIN, Input.RESULT): _dialback_too_early,
        (State.PLAIN, Input.VERIFY): _dialback_too_early,
        (State.OPEN, Input.STARTTLS): _starttls,
        (State.OPEN, Input.AUTH): _auth,
        **dict.fromkeys(product((State.OPEN, State.READY), (Input.RESULT,)), _result),
        **dict.fromkeys(product((State.OPEN, State.READY), (Input.VERIFY,)), _verify),
        (State.OPEN, Input.BIDI): _both_ways,
        (State.OPEN, Input.ENABLE): _enable_too_early,
        (State.OPEN, Input.RESUME): _enable_too_early,
        (State.READY, Input.ENABLE): _enable,
        (State.READY, Input.RESUME): _resume_session,
        (State.READY, Input.REQUEST): _take_request,
        (State.READY, Input.ANSWER): ServerStream.SHARED["a"],
        (State.READY, Input.STANZA): _take_stanza,
    }
    """What each element does in each state; what is not here ends the stream."""


def _result(query: VerifyQuery, outcome: Verdict | StanzaError) -> Element:
    return dialback.answer(dialback.request(query.remote, query.local, ""), outcome)


def _authzid(text: str) -> str | None:
    """Return the authorization identity of an initial response, None if it is not base64."""
    if text == "=":
        return ""
    try:
        return b64decode(text, validate=True).decode()
    except ValueError:
        return None
