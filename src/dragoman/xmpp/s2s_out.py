"""Server-to-server streams that we open (RFC 6120 §4-6, XEP-0178, XEP-0220, XEP-0288, XEP-0368)."""

from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import product
from typing import Final

from dragoman.errors import LocalError
from dragoman.xmpp import dialback, resume
from dragoman.xmpp.dialback import Verdict, VerifyQuery
from dragoman.xmpp.element import CLIENT, SERVER, Element
from dragoman.xmpp.failure import Condition, StanzaError, StreamCondition, StreamError
from dragoman.xmpp.header import check_header, idle_seconds, max_bytes, names
from dragoman.xmpp.parser import StreamStart
from dragoman.xmpp.resume import Ledger
from dragoman.xmpp.s2s import BIDI, BIDI_OFFER, ServerStream
from dragoman.xmpp.stream import (
    END,
    FEATURES,
    MECHANISM,
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
    Timer,
)

LEAST_PAUSE: Final = 5.0
"""Seconds between signs of life to a peer that bears no silence."""


@dataclass(frozen=True, slots=True)
class Verified(Event):
    """The answer to `verify`; `error` says why there was none, and then `valid` is False."""

    query: VerifyQuery
    valid: bool
    error: StanzaError | None = None


@dataclass(frozen=True, slots=True)
class Joined(Event):
    """The answer to `join`; `error` says why that pair cannot use the stream."""

    local: str
    remote: str
    error: StanzaError | None = None


@dataclass(frozen=True, slots=True)
class _Joining:
    """A pair that we have shown a key for; the name of its time-out too."""

    local: str
    remote: str


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
    RESUMING = auto()
    """We want to go on with a session that was lost (XEP-0198 §5)."""
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
    ENABLED = auto()
    RESUMED = auto()
    UNMANAGED = auto()
    REQUEST = auto()
    ANSWER = auto()
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
    resume.ENABLED: Input.ENABLED,
    resume.RESUMED: Input.RESUMED,
    resume.FAILED: Input.UNMANAGED,
    resume.REQUEST: Input.REQUEST,
    resume.ANSWER: Input.ANSWER,
    f"{{{CLIENT}}}message": Input.STANZA,
    f"{{{CLIENT}}}presence": Input.STANZA,
    f"{{{CLIENT}}}iq": Input.STANZA,
}


class OutgoingStream(ServerStream):
    """The stream on which our domain `local` sends to the domain `remote`.

    `secret` makes the dialback keys; `have_certificate` says whether TLS shows one of ours for
    `local`.  With `direct_tls` the driver does TLS first of all and calls `secured`.  With
    `verify_only` the stream carries `db:verify` and nothing else, is never authenticated, and
    closes when the last answer is there (XEP-0220 §2.1.2).  `past` is the session of a stream
    that was lost: it is resumed if the peer still knows it, and then becomes `ledger`.

    Events: StartTls, then Ready or Refused; Verified; Joined; StanzaArrived (proven only where
    `bidi` holds); Ended.
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
        past: Ledger | None = None,
    ) -> None:
        """Begin; both domains are in U-labels, as a `Jid` has them."""
        super().__init__(policy)
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
        self._several = False
        self._managed = False
        self._past = past
        self._joining: set[_Joining] = set()
        self._queries: dict[tuple[str, str], VerifyQuery] = {}
        self._unasked: list[VerifyQuery] = []
        self._settled = False
        self._quiet = 0.0
        self._pause = policy.keepalive

    @property
    def several(self) -> bool:
        """Whether `join` may be asked: the peer tells dialback errors (XEP-0220 §2.7)."""
        room = len(self._pairs) + len(self._joining) < self._policy.max_pairs
        return self.ready and self._several and room

    def vouches(self, domain: str) -> bool:
        """Tell whether the peer may be sent what is for `domain`, by the policy for that domain."""
        if not self._policy.require_certificate(domain):
            return True
        return self._peer is not None and self._peer.vouches(domain)

    def insist_on_tls(self) -> None:
        """Go on with TLS only, whatever the policy says; to be asked before it is connected."""
        self._policy = replace(self._policy, require_encryption=True)

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

    def join(self, local: str, remote: str, now: float) -> None:
        """Ask the peer to take another pair on this stream (XEP-0220 §2.7); `Joined` follows.

        Raises LocalError where `several` does not hold.
        """
        if not self.several:
            raise LocalError("the stream takes no other pair")
        self._now = now
        pair = _Joining(local, remote)
        self._joining.add(pair)
        self._alarms.set(pair, now + self._policy.verify)
        shown = dialback.key(self._secret, remote, local, self._id)
        self._write(dialback.request(local, remote, shown))

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

    def _may_send(self) -> bool:
        return self._state is State.READY

    def _element(self, element: Element) -> None:
        step = self._STEPS.get((self._state, _INPUTS.get(element.name, Input.OTHER)))
        if step is None:
            text = f"{element.local_name} has no place here"
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, text)
        step(self, element)

    def _take_features(self, features: Element) -> None:
        if self._authenticated:
            self._note_offers(features)
            self._go_on()
        elif self._peer is None and features.find(STARTTLS) is not None:
            self._write(Element(STARTTLS))
            self._state = State.PROCEED
        elif self._peer is None and self._policy.require_encryption:
            self._require_tls()
        else:
            self._note_offers(features)
            if features.find(BIDI_OFFER) is not None and not self._verify_only:
                self.bidi = True
                self._write(Element(BIDI))
            self._authenticate(features)

    def _note_offers(self, features: Element) -> None:
        self._limit = max_bytes(features)
        bears = idle_seconds(features)
        if bears is not None:
            # half of it, so that a space is there in time (XEP-0478 §4)
            self._pause = max(LEAST_PAUSE, min(self._policy.keepalive, bears / 2))
        self._managed = features.find(resume.OFFER) is not None
        offered = features.find(dialback.OFFER)
        self._dialback = self._dialback or offered is not None
        self._several = offered is not None and offered.find(dialback.ERRORS) is not None

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
        self.by = "external"
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
                self.by = "dialback"
                self._go_on()
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

    def _another(self, result: Element) -> None:
        """Take the answer about a pair that is to join; a key on our own stream is refused."""
        if result.get("type") is None:
            if self.bidi:
                refusal = StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)
                self._write(dialback.answer(result, refusal))
            return
        for pair in self._joining:
            if names(result.get("to"), pair.local) and names(result.get("from"), pair.remote):
                self._join_answered(pair, result)
                return

    def _join_answered(self, pair: _Joining, result: Element) -> None:
        error = None
        if result.get("type") == Verdict.VALID:
            self.by = "dialback"
            self._pair(pair.local, pair.remote)
        else:
            told = result.get("type") == Verdict.ERROR
            reason = StanzaError.parse(result).reason if told else "the key was found invalid"
            error = _timeout(reason)
        self._joined(pair, error)

    def _joined(self, pair: _Joining, error: StanzaError | None) -> None:
        self._joining.discard(pair)
        self._alarms.cancel(pair)
        self._events.append(Joined(pair.local, pair.remote, error))

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
        if self.bidi:
            self._used = True
            self._stanza(stanza)
        else:
            self._events.append(StanzaArrived(stanza, self.local, self.remote))

    def _ignore(self, _: Element) -> None:
        """Take what nobody asked for (XEP-0220 §3.1), or what no longer matters."""

    def _go_on(self) -> None:
        """Ask for the session that was lost, where there is one; else the stream is ready."""
        self._pair(self.local, self.remote)
        if self._managed and self._past is not None and self._past.id:
            self._state = State.RESUMING
            self._write(resume.resume(self._past))
        else:
            self._become_ready()

    def _enabled(self, element: Element) -> None:
        if self.ledger is not None:
            self.ledger.id, self.ledger.patience = resume.grant(element, self._policy.resumption)

    def _unmanaged(self, _: Element) -> None:
        self.ledger = None
        self._alarms.cancel(Timer.ACKNOWLEDGE)

    def _resumed(self, element: Element) -> None:
        past = self._past
        if past is None or element.get("previd") != past.id:
            raise StreamError(StreamCondition.UNDEFINED_CONDITION, "another session was resumed")
        past.acknowledge(element.get("h"))
        self._go_on_with(past)
        self._become_ready()

    def _not_resumed(self, element: Element) -> None:
        """Begin a new session; the peer may say what it had handled of the old one."""
        if self._past is not None and element.get("h") is not None:
            with suppress(StreamError):  # a count that does not fit says nothing
                self._past.acknowledge(element.get("h"))
        self._become_ready()

    def _become_ready(self) -> None:
        if self._managed and self.ledger is None:
            self.ledger = Ledger(self._policy.max_unacknowledged)
            self._write(resume.enable())
        self._state = State.READY
        self._established = self._settled = True
        self._alarms.cancel(Timer.NEGOTIATION)
        self._alarms.set(Timer.KEEPALIVE, self._now + self._pause)
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
        self._abandon(cause)

    def _abandon(self, cause: StanzaError) -> None:
        """Answer all questions that the peer did not."""
        for query in list(self._queries.values()):
            del self._queries[query.local, query.id]
            self._events.append(Verified(query, valid=False, error=cause))

    def _end(self, reason: str, error: StreamError | None) -> None:
        self._abandon(_timeout(reason))
        super()._end(reason, error)

    def _expired(self, key: Hashable) -> None:
        if key is Timer.KEEPALIVE:
            self._keep_alive()
        elif isinstance(key, _Joining):
            self._joined(key, _timeout("no answer to our key"))
        elif isinstance(key, tuple) and (query := self._queries.get(key)) is not None:
            self._answered(query, valid=False, error=_timeout("no answer to db:verify"))
        else:
            super()._expired(key)

    def _keep_alive(self) -> None:
        """Send something where nothing was sent (RFC 6120 §4.6.1), or close what is unused."""
        self._quiet = 0.0 if self._used or self._queries else self._quiet + self._pause
        if self._quiet >= self._policy.idle:
            self._draining = True
            self._close("unused", None)
            return
        if not self._used and self.ledger is not None:
            self._ask_count()
        elif not self._used:
            self._out.append(b" ")
        self._used = False
        self._alarms.set(Timer.KEEPALIVE, self._now + self._pause)

    _STEPS: Final = {
        **dict.fromkeys(product(State, (Input.RESULT, Input.VERIFY)), _ignore),
        (State.FEATURES, Input.FEATURES): _take_features,
        (State.PROCEED, Input.PROCEED): _proceed,
        (State.PROCEED, Input.NO_TLS): _no_tls,
        (State.SASL, Input.SUCCESS): _success,
        (State.SASL, Input.NO_SASL): _no_sasl,
        (State.SASL, Input.CHALLENGE): _challenge,
        (State.DIALBACK, Input.RESULT): _result,
        (State.READY, Input.RESULT): _another,
        (State.RESUMING, Input.RESUMED): _resumed,
        (State.RESUMING, Input.UNMANAGED): _not_resumed,
        (State.READY, Input.ENABLED): _enabled,
        (State.READY, Input.UNMANAGED): _unmanaged,
        (State.READY, Input.REQUEST): ServerStream.SHARED["r"],
        (State.READY, Input.ANSWER): ServerStream.SHARED["a"],
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
