"""Server-to-server streams that we open (RFC 6120 §4-6, XEP-0178 §3, XEP-0220 §2.1, XEP-0368)."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from typing import Final

from dragoman.errors import LocalError
from dragoman.xmpp import dialback
from dragoman.xmpp.dialback import Verdict, VerifyQuery
from dragoman.xmpp.element import CLIENT, SERVER, Element, to_xml
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.header import check_header, max_bytes, names
from dragoman.xmpp.parser import StreamStart
from dragoman.xmpp.stream import (
    END,
    FEATURES,
    MECHANISM,
    PREFIXES,
    SASL,
    STARTTLS,
    TLS,
    Event,
    Life,
    PeerIdentity,
    Policy,
    Ready,
    Refused,
    StanzaArrived,
    StartTls,
    Stream,
    Timer,
)


@dataclass(frozen=True, slots=True)
class Verified(Event):
    """The answer to `verify`; `error` says why there was none, and then `valid` is False."""

    query: VerifyQuery
    valid: bool
    error: StanzaError | None = None


class State(Enum):
    """Where negotiation stands (RFC 6120 §4.3.5, XEP-0220 §2.1)."""

    HEADER = auto()
    """The peer's stream header is awaited."""
    FEATURES = auto()
    PROCEED = auto()
    """We asked for TLS."""
    SECURING = auto()
    """The driver does TLS."""
    SASL = auto()
    """We sent EXTERNAL."""
    DIALBACK = auto()
    """We sent our key."""
    OPEN = auto()
    """Nothing is authenticated, and nothing more is being tried: db:verify passes."""
    READY = auto()


class Input(Enum):
    """The kinds of element a peer may send."""

    FEATURES = auto()
    PROCEED = auto()
    NO_TLS = auto()
    SUCCESS = auto()
    NO_SASL = auto()
    CHALLENGE = auto()
    RESULT = auto()
    VERIFY = auto()
    STANZA = auto()
    OTHER = auto()


_VERDICTS: Final = frozenset(Verdict)
_VERIFYING: Final = frozenset({State.DIALBACK, State.OPEN, State.READY})

_INPUTS: Final = {
    FEATURES: Input.FEATURES,
    f"{{{TLS}}}proceed": Input.PROCEED,
    f"{{{TLS}}}failure": Input.NO_TLS,
    f"{{{SASL}}}success": Input.SUCCESS,
    f"{{{SASL}}}failure": Input.NO_SASL,
    f"{{{SASL}}}challenge": Input.CHALLENGE,
    dialback.RESULT: Input.RESULT,
    dialback.VERIFY: Input.VERIFY,
    f"{{{CLIENT}}}message": Input.STANZA,
    f"{{{CLIENT}}}presence": Input.STANZA,
    f"{{{CLIENT}}}iq": Input.STANZA,
}


class OutgoingStream(Stream):
    """The stream on which our domain `local` sends to the domain `remote`.

    `secret` makes the dialback keys; `have_certificate` says whether TLS shows one of ours for
    `local`.  With `direct_tls` the driver does TLS first of all and calls `secured`.  With
    `verify_only` the stream carries `db:verify` and nothing else, is never authenticated, and
    closes when the last answer is there (XEP-0220 §2.1.2).

    Events: StartTls, then Ready or Refused; Verified; StanzaArrived (a peer that answers on the
    same stream); Ended.
    """

    def __init__(
        self,
        local: str,
        remote: str,
        *,
        policy: Policy,
        secret: bytes,
        direct_tls: bool = False,
        have_certificate: bool = True,
        verify_only: bool = False,
    ) -> None:
        """Begin; both domains are in U-labels, as a `Jid` has them."""
        super().__init__(SERVER, policy)
        self.local = local
        self.remote = remote
        self._secret = secret
        self._direct_tls = direct_tls
        self._have_certificate = have_certificate
        self._verify_only = verify_only
        self._state = State.HEADER
        self._peer: PeerIdentity | None = None
        self._authenticated = False
        self._id = ""
        self._dialback = False
        self._limit: int | None = None
        self._queries: dict[tuple[str, str], VerifyQuery] = {}
        self._unasked: list[VerifyQuery] = []
        self._settled = False
        self._sent = False
        self._quiet = 0.0

    @property
    def ready(self) -> bool:
        """Whether stanzas may be sent."""
        return self._state is State.READY and self._life is Life.UP

    def secured(self, peer: PeerIdentity, now: float) -> None:
        """Note that TLS is there, and who its certificate says the peer is."""
        if self._life is not Life.DEAF:
            raise LocalError("TLS was not asked for")
        self._now = self._heard = now
        self._peer = peer
        self._life = Life.UP
        self._restart()
        if not self._vouched() and self._policy.require_certificate(self.remote):
            text = f"your certificate is not good for {self.remote}"
            self._fail(StreamError(StreamCondition.NOT_AUTHORIZED, text))
        else:
            self._state = State.HEADER
            self._open()

    def send(self, stanza: Element) -> None:
        """Send a stanza whose addresses belong to the two domains.

        Raises LocalError unless the stream is ready, and StanzaError (policy-violation) for a
        stanza larger than the peer takes (XEP-0478 §4).
        """
        if self._state is not State.READY or self._life is not Life.UP:
            raise LocalError("the stream is not ready")
        data = to_xml(stanza, SERVER, PREFIXES).encode()
        if self._limit is not None and len(data) > self._limit:
            text = f"{self.remote} takes stanzas of up to {self._limit} bytes"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text)
        self._sent = True
        self._out.append(data)

    def verify(self, query: VerifyQuery, now: float) -> None:
        """Ask the peer, which answers for `query.remote`, whether it made that key.

        `Verified` follows within the time of the policy, whatever becomes of the stream.
        """
        if query.remote != self.remote:
            raise LocalError(f"{self.remote} does not answer for {query.remote}")
        self._now = now
        asked = (query.local, query.id)
        if asked in self._queries or len(self._queries) >= self._policy.max_pairs:
            busy = StanzaError(Condition.RESOURCE_CONSTRAINT)
            self._events.append(Verified(query, valid=False, error=busy))
        elif self._life in {Life.CLOSING, Life.ENDED}:
            self._events.append(Verified(query, valid=False, error=_timeout("the stream ended")))
        else:
            self._queries[asked] = query
            self._alarms.set(asked, now + self._policy.verify)
            self._unasked.append(query)
            if self._state in _VERIFYING:
                self._ask()

    def authenticate(self, now: float) -> None:
        """Show the key once more after a dialback error (XEP-0220 §2.5), which kept the stream."""
        if self._state is not State.OPEN or self._verify_only or self._life is not Life.UP:
            raise LocalError("there is nothing to try again")
        self._now = now
        self._settled = False
        self._show_key()

    def _begin(self) -> None:
        if self._direct_tls:
            self._await_tls()
        else:
            self._open()

    def _await_tls(self) -> None:
        self._state = State.SECURING
        self._life = Life.DEAF
        self._events.append(StartTls(self.remote))

    def _open(self) -> None:
        language = {"version": "1.0", "xml:lang": "en"}
        self._write_header({"from": self.local, "to": self.remote, **language})

    def _vouched(self) -> bool:
        return self._peer is not None and self._peer.vouches(self.remote)

    def _header(self, header: StreamStart) -> None:
        version = check_header(header, SERVER)
        self._id = header.attributes.get("id", "")
        self._dialback = dialback.NS in header.prefixes.values()
        if version:
            self._state = State.FEATURES
        elif self._authenticated:
            self._become_ready()
        elif self._peer is None and self._policy.require_encryption:
            self._require_tls()
        else:
            # A server from before RFC 3920: dialback, and no features (RFC 6120 §4.7.5).
            self._dialback = True
            self._show_key()

    def _element(self, element: Element) -> None:
        step = self._STEPS.get((self._state, _INPUTS.get(element.name, Input.OTHER)))
        if step is None:
            text = f"{element.local_name} has no place here"
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, text)
        step(self, element)

    def _take_features(self, features: Element) -> None:
        if self._authenticated:
            self._limit = max_bytes(features)
            self._become_ready()
        elif self._peer is None and features.find(STARTTLS) is not None:
            self._write(Element(STARTTLS))
            self._state = State.PROCEED
        elif self._peer is None and self._policy.require_encryption:
            self._require_tls()
        else:
            self._limit = max_bytes(features)
            self._dialback = self._dialback or features.find(dialback.OFFER) is not None
            self._authenticate(features)

    def _require_tls(self) -> None:
        text = "encryption is required, and was not offered"
        self._fail(StreamError(StreamCondition.POLICY_VIOLATION, text))

    def _authenticate(self, features: Element) -> None:
        offered = features.find(f"{{{SASL}}}mechanisms")
        listed = [] if offered is None else offered.find_all(f"{{{SASL}}}mechanism")
        external = any(each.text.strip() == MECHANISM for each in listed)
        if external and self._have_certificate and self._peer and not self._verify_only:
            self._state = State.SASL
            # "=" is the empty authorization identity: the stream's own `from` (RFC 6120 §6.4.2).
            self._write(Element(f"{{{SASL}}}auth", {"mechanism": MECHANISM}, ("=",)))
        else:
            self._show_key()

    def _show_key(self, cause: str = "") -> None:
        """Authenticate by dialback (XEP-0220 §2.1.1), unless there is nothing to authenticate."""
        if self._verify_only:
            self._state = State.OPEN
        elif not self._dialback or not self._id:
            text = cause or "no way to authenticate is offered"
            self._fail(StreamError(StreamCondition.UNSUPPORTED_FEATURE, text))
            return
        else:
            self._state = State.DIALBACK
            self._alarms.set(Timer.NEGOTIATION, self._now + self._policy.negotiation)
            shown = dialback.key(self._secret, self.remote, self.local, self._id)
            self._write(dialback.request(self.local, self.remote, shown))
        self._ask()

    def _proceed(self, _: Element) -> None:
        self._await_tls()

    def _no_tls(self, _: Element) -> None:
        self._fail(StreamError(StreamCondition.POLICY_VIOLATION, "the peer failed to start TLS"))

    def _success(self, _: Element) -> None:
        self._authenticated = True
        self._state = State.HEADER
        self._restart()
        self._open()

    def _no_sasl(self, failure: Element) -> None:
        named = [child.local_name for child in failure.elements if child.local_name != "text"]
        self._show_key(f"EXTERNAL was refused: {named[0] if named else 'no reason given'}"[:200])

    def _challenge(self, _: Element) -> None:
        self._write(Element(f"{{{SASL}}}abort"))

    def _result(self, result: Element) -> None:
        if not (names(result.get("to"), self.local) and names(result.get("from"), self.remote)):
            return
        match result.get("type"):
            case Verdict.VALID:
                self._become_ready()
            case Verdict.INVALID:
                # XEP-0220 §2.1.1 names the condition; the peer closes, and so do we.
                refusal = StreamError(StreamCondition.NOT_AUTHORIZED, "the key was found invalid")
                self._refuse(refusal, StanzaError(Condition.INTERNAL_SERVER_ERROR))
                self._close(refusal.reason, refusal)
            case Verdict.ERROR:
                reason = StanzaError.parse(result).reason
                refusal = StreamError(StreamCondition.UNDEFINED_CONDITION, f"dialback: {reason}")
                self._state = State.OPEN
                self._refuse(refusal, _timeout(reason))
            case _:
                pass

    def _answer(self, answer: Element) -> None:
        verdict = answer.get("type")
        query = self._asked(answer)
        if query is None or verdict not in _VERDICTS:
            return
        error = None
        if verdict == Verdict.ERROR:
            text = StanzaError.parse(answer).reason
            error = StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text=text)
        self._answered(query, valid=verdict == Verdict.VALID, error=error)

    def _asked(self, answer: Element) -> VerifyQuery | None:
        """Return the open query that the answer belongs to (XEP-0220 §2.1.2)."""
        if not names(answer.get("from"), self.remote):
            return None
        for query in self._queries.values():
            if query.id == answer.get("id") and names(answer.get("to"), query.local):
                return query
        return None

    def _answered(self, query: VerifyQuery, *, valid: bool, error: StanzaError | None) -> None:
        asked = (query.local, query.id)
        del self._queries[asked]
        self._alarms.cancel(asked)
        self._events.append(Verified(query, valid, error))
        if self._verify_only and not self._queries and self._life is Life.UP:
            # XEP-0220 §2.1.2: such a connection is closed at once.
            self._settled = True
            self._out.append(END)
            self._end("all is verified", None)

    def _ask(self) -> None:
        for query in self._unasked:
            if (query.local, query.id) in self._queries:
                self._write(query.element())
        self._unasked.clear()

    def _arrived(self, stanza: Element) -> None:
        self._events.append(StanzaArrived(stanza, self.local, self.remote))

    def _ignore(self, _: Element) -> None:
        """Take what nobody asked for (XEP-0220 §3.1), or what no longer matters."""

    def _become_ready(self) -> None:
        self._state = State.READY
        self._established = self._settled = True
        self._alarms.cancel(Timer.NEGOTIATION)
        self._alarms.set(Timer.KEEPALIVE, self._now + self._policy.keepalive)
        self._events.append(Ready())
        self._ask()

    def _refuse(self, error: StreamError, cause: StanzaError, host: str = "") -> None:
        if not self._settled:
            self._settled = True
            self._events.append(Refused(error, cause, host))

    def _gave_up(self, error: StreamError, host: str = "") -> None:
        unknown = error.condition is StreamCondition.HOST_UNKNOWN
        cause = (
            StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, text=error.reason)
            if unknown
            else _timeout(error.reason)
        )
        self._settled = self._settled or self._verify_only
        self._refuse(error, cause, host if self._vouched() else "")
        for query in list(self._queries.values()):
            del self._queries[query.local, query.id]
            self._events.append(Verified(query, valid=False, error=cause))

    def _expired(self, key: Hashable) -> None:
        if key is Timer.KEEPALIVE:
            self._keep_alive()
        elif isinstance(key, tuple) and (query := self._queries.get(key)) is not None:
            self._answered(query, valid=False, error=_timeout("no answer to db:verify"))

    def _keep_alive(self) -> None:
        """Send a space where nothing else was sent (RFC 6120 §4.6.1), or close what is unused."""
        self._quiet = 0.0 if self._sent or self._queries else self._quiet + self._policy.keepalive
        if self._quiet >= self._policy.idle:
            self._close("unused", None)
            return
        if not self._sent:
            self._out.append(b" ")
        self._sent = False
        self._alarms.set(Timer.KEEPALIVE, self._now + self._policy.keepalive)

    _STEPS: Final = {
        **dict.fromkeys(product(State, (Input.RESULT, Input.VERIFY)), _ignore),
        (State.FEATURES, Input.FEATURES): _take_features,
        (State.PROCEED, Input.PROCEED): _proceed,
        (State.PROCEED, Input.NO_TLS): _no_tls,
        (State.SASL, Input.SUCCESS): _success,
        (State.SASL, Input.NO_SASL): _no_sasl,
        (State.SASL, Input.CHALLENGE): _challenge,
        (State.DIALBACK, Input.RESULT): _result,
        (State.DIALBACK, Input.VERIFY): _answer,
        (State.DIALBACK, Input.FEATURES): _ignore,
        (State.OPEN, Input.VERIFY): _answer,
        (State.OPEN, Input.FEATURES): _ignore,
        (State.READY, Input.VERIFY): _answer,
        (State.READY, Input.FEATURES): _ignore,
        (State.READY, Input.STANZA): _arrived,
    }
    """What each element does in each state; what is not here ends the stream."""


def _timeout(text: str) -> StanzaError:
    return StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text=text)
