"""Page-mode messages (RFC 7572, RFC 3428): a MESSAGE becomes a stanza, a stanza a MESSAGE.

Nothing disappears: a MESSAGE is answered once the far server has taken the stanza (202) or has
refused it (its error, as a status); a stanza whose MESSAGE fails comes back as an error.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from logging import getLogger
from typing import Final

from dragoman.bridge.fence import Fences, Pair
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.log import about
from dragoman.mapping.address import Unmappable
from dragoman.mapping.failure import (
    Answer,
    Refused,
    Unreached,
    response_error,
    sip_status,
    unreached,
)
from dragoman.mapping.message import (
    Dropped,
    recipient_of,
    refusal,
    to_request,
    to_stanza,
    wants_errors,
)
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.message import Request, Response, response_to
from dragoman.sip.pager import Due, Pager, Why
from dragoman.sip.uri import Uri
from dragoman.trace import Tap, of_sip
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import ping
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.header import domain_part
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import BODY, MESSAGE, error_reply, iq, message

log = getLogger(__name__)

ALLOW: Final = ("MESSAGE", "OPTIONS")
"""The methods that are served."""

MOST_OF_ONE: Final = 2000
"""Messages from SIP that wait for the word of one far domain: a slow one holds up no other."""
EXCERPT: Final = 60
"""Characters of a message that are quoted when its sender is told that it was not delivered."""
RETRY_AFTER: Final = 5
"""Seconds after which a sender may try again when the gateway has too much under way."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides about messages."""

    host: str = "dragoman.invalid"
    """Our own name, in warnings."""
    chat: bool = True
    """Whether stanzas made of MESSAGE are of type chat; RFC 7572 §5 has normal."""
    strict_7247: bool = False
    limit: int = 1300
    """Bytes of the largest MESSAGE (RFC 3428 §8)."""
    via: int = 0
    """How many of these the Via takes that is added on sending."""
    pending: int = 10_000
    """Messages from SIP that wait for the far server's word."""


Key = tuple[str, str, str]
"""The id of a stanza, whom it is from, and the bare address of whom it is for."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A MESSAGE whose stanza was sent and whose fate is not known yet."""

    request: Request
    transaction: ServerTransaction
    exchange: str
    owed: bool = False
    """Whether it was answered 202 already, because it is kept until the far server has it."""


@dataclass(frozen=True, slots=True)
class _Crossing:
    """A stanza whose MESSAGE was sent, or waits for its turn."""

    stanza: Element
    request: Request
    exchange: str
    notice: bool = False
    """Whether it is a word of our own, whose failure nobody is told."""


class Messages:
    """The service. `token()` gives identifiers nobody can guess, `wall()` seconds since 1970."""

    def __init__(
        self,
        sip: SipPort,
        xmpp: XmppPort,
        naming: Naming,
        tap: Tap,
        token: Callable[[], str],
        wall: Callable[[], float],
        rules: Rules,
    ) -> None:
        """Start with nothing under way."""
        self._sip = sip
        self._xmpp = xmpp
        self._naming = naming
        self._tap = tap
        self._token = token
        self._wall = wall
        self._rules = rules
        self._threads = ThreadBook(token)
        self._waiting: dict[Key, _Waiting] = {}
        self._fences: Fences[Key] = Fences(self._ping, token)
        self._crossings: dict[int, _Crossing] = {}
        self._under_way: Counter[str] = Counter()
        self._handles = count(1)
        self._pager: Pager[int] = Pager(total=rules.pending)
        self._now = 0.0

    # -- from SIP -----------------------------------------------------------------------

    def on_request(
        self,
        request: Request,
        transaction: ServerTransaction,
        sender: Uri,
        now: float,
        *,
        trusted: bool = False,
    ) -> None:
        """Carry a MESSAGE of `sender`, who is believed; `trusted` is that of `recipient_of`."""
        self._now = now
        try:
            stanza = self._stanza(request, sender, trusted=trusted)
        except Refused as error:
            self._refuse(request, transaction, error.answer, error.reason)
            return
        if isinstance(stanza, Dropped):
            log.info("message dropped", extra=about(call_id=request.call_id, reason=stanza.reason))
            self._sip.respond(transaction, response_to(request, 202))
        elif len(self._waiting) >= self._rules.pending:
            self._refuse(request, transaction, _busy(), "too many messages are under way")
        else:
            self._carry(stanza, request, transaction, now)

    def _stanza(self, request: Request, sender: Uri, *, trusted: bool) -> Element | Dropped:
        target = recipient_of(request, host=self._rules.host, trusted=trusted)
        try:
            recipient = self._naming.xmpp_recipient(target)
        except Unmappable as error:
            raise refusal(error) from error
        try:
            user = self._naming.xmpp_sender(sender)
        except Unmappable as error:
            raise refusal(error, sender=True) from error
        if not recipient.local:
            raise Refused("a domain takes no messages", 404)
        self._naming.heard(user, sender)
        return to_stanza(
            request,
            user,
            recipient,
            threads=self._threads,
            wall=self._wall(),
            reply_type="chat" if self._rules.chat else None,
        )

    def _carry(
        self, stanza: Element, request: Request, transaction: ServerTransaction, now: float
    ) -> None:
        user, recipient = Jid.parse(stanza.attributes["from"]), Jid.parse(stanza.attributes["to"])
        if self._fences.under_way((user.domain, recipient.domain)) >= MOST_OF_ONE:
            self._refuse(request, transaction, _busy(), "that server answers too slowly")
            return
        while (key := _key(stanza, recipient)) in self._waiting:
            stanza.attributes["id"] = self._token()
        exchange = self._tap.exchange(sip_key(request))
        self._tap.join(exchange, stanza_key(stanza))
        self._waiting[key] = _Waiting(request, transaction, exchange)
        self._xmpp.send(stanza, user.domain, recipient.domain)
        if key in self._waiting:
            self._fences.sent((user.domain, recipient.domain), key, now)

    def _ping(self, pair: Pair, identifier: str) -> None:
        local, remote = pair
        asked = iq(
            remote, local, id=identifier, type="get", children=[Element(f"{{{ping.NS}}}ping")]
        )
        self._xmpp.send(asked, local, remote)

    def _settle(self, key: Key, answer: Answer, reason: str) -> bool:
        """Answer the MESSAGE that waits under `key`; False: none does."""
        found = self._waiting.pop(key, None)
        if found is None:
            return False
        if answer.status >= 300:
            self._log_failure(found, key, answer.status, reason)
        if found.owed:
            if answer.status >= 300:
                self._notify(found, key, reason)
            return True
        response = response_to(found.request, answer.status, answer.reason, headers=answer.headers)
        self._sip.respond(found.transaction, response)
        return True

    def _owe(self, key: Key) -> None:
        """Answer a MESSAGE before its sender gives up: we keep it until the far server has it."""
        found = self._waiting.get(key)
        if found is not None and not found.owed:
            self._waiting[key] = replace(found, owed=True)
            self._sip.respond(found.transaction, response_to(found.request, 202))

    def _notify(self, found: _Waiting, key: Key, reason: str) -> None:
        """Tell by a MESSAGE that one which was answered 202 was not delivered after all."""
        quoted = ""
        if (found.request.get("Content-Type") or "").startswith("text/plain"):
            quoted = f": {found.request.body.decode('utf-8', 'replace')[:EXCERPT]}"
        body = Element(BODY, None, (f"[not delivered, {reason}]{quoted}",))
        stanza = message(key[1], key[2], id=self._token(), type="chat", children=[body])
        self._cross(stanza, found.exchange, self._now, notice=True)

    def _refuse(
        self, request: Request, transaction: ServerTransaction, answer: Answer, reason: str
    ) -> None:
        log.warning(
            "message refused",
            extra=about(
                sip=request.from_.uri, call_id=request.call_id, status=answer.status, reason=reason
            ),
        )
        response = response_to(request, answer.status, answer.reason, headers=answer.headers)
        self._sip.respond(transaction, response)

    def _log_failure(self, found: _Waiting, key: Key, status: int, reason: str) -> None:
        log.warning(
            "message not delivered",
            extra=about(
                exchange=found.exchange,
                sip=found.request.from_.uri,
                jid=key[2],
                call_id=found.request.call_id,
                stanza_id=key[0],
                status=status,
                reason=reason,
            ),
        )

    # -- from XMPP ----------------------------------------------------------------------

    def on_stanza(self, stanza: Element, now: float) -> None:
        """Carry a message stanza; one of type error settles the MESSAGE that it answers."""
        if stanza.get("type") == "error":
            self._bounced(stanza)
            return
        self._cross(stanza, self._tap.exchange(stanza_key(stanza)), now)

    def _cross(self, stanza: Element, exchange: str, now: float, *, notice: bool = False) -> None:
        try:
            request = self._request(stanza)
        except StanzaError as error:
            self._return(stanza, error, exchange, notice=notice)
            return
        if isinstance(request, Dropped):
            log.debug("stanza dropped", extra=about(jid=stanza.get("from"), reason=request.reason))
            return
        self._tap.join(exchange, sip_key(request))
        handle = next(self._handles)
        self._crossings[handle] = _Crossing(stanza, request, exchange, notice)
        self._under_way[sender_domain(stanza)] += 1
        self._pager.submit(request.target, handle, now)
        self._take_turns(now)

    def on_answer(self, stanza: Element, local: str, remote: str) -> bool:
        """Take an iq of type result or error; False: it answers nothing of ours."""
        taken = self._fences.answered((local, remote), stanza.get("id", ""))
        if taken is None:
            return False
        self._take_all(taken)
        return True

    def _bounced(self, stanza: Element) -> None:
        error = StanzaError.parse(stanza)
        try:
            failed = Jid.parse(stanza.get("from", ""))
        except StanzaError:
            return
        key = (stanza.get("id", ""), stanza.get("to", ""), str(failed.bare))
        answer = self._status(error, full=bool(failed.resource))
        if answer is not None and not self._settle(key, answer, error.reason):
            log.warning(
                "an error came too late for its sender to be told",
                extra=about(jid=failed, sip=key[1], stanza_id=key[0], reason=error.reason),
            )

    def _status(self, error: StanzaError, *, full: bool) -> Answer | None:
        return sip_status(
            error,
            method="MESSAGE",
            full=full,
            strict=self._rules.strict_7247,
            realm=self._rules.host,
            allow=ALLOW,
        )

    def _request(self, stanza: Element) -> Request | Dropped:
        if not Jid.parse(stanza.get("to", "")).local:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        return to_request(
            stanza,
            threads=self._threads,
            token=self._token,
            source=self._naming.sip_sender,
            target=self._naming.sip_recipient,
            limit=self._rules.limit,
            via=self._rules.via,
        )

    def _take_turns(self, now: float) -> None:
        for event in self._pager.events():
            if isinstance(event, Due):
                self._sip.request(self._crossings[event.handle].request, event.handle)
                continue
            text = "Too many messages to that user wait"
            if event.why is Why.EXPIRED:
                text = "The message waited too long for those before it"
            found = self._crossings.pop(event.handle)
            self._crossed(found)
            full = StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
            self._return(found.stanza, full, found.exchange, notice=found.notice)

    # -- what became of it ----------------------------------------------------------------

    def on_response(self, handle: int, response: Response, now: float) -> None:
        """Take the final response to a MESSAGE of ours."""
        error = response_error(response) if response.status >= 200 else None
        if response.status >= 200:
            self._finish(handle, error, now)

    def on_failure(self, handle: int, cause: Cause | Unreached | StanzaError, now: float) -> None:
        """Learn that a MESSAGE of ours got no response, and why."""
        self._finish(handle, _failure(cause), now)

    def _finish(self, handle: int, error: StanzaError | None, now: float) -> None:
        found = self._crossings.pop(handle, None)
        if found is None:
            return
        self._crossed(found)
        if error is not None:
            self._return(found.stanza, error, found.exchange, notice=found.notice)
        self._pager.finished(handle, now)
        self._take_turns(now)

    def _crossed(self, found: _Crossing) -> None:
        domain = sender_domain(found.stanza)
        self._under_way[domain] -= 1
        if not self._under_way[domain]:
            del self._under_way[domain]

    def under_way(self, domain: str) -> int:
        """Return how many messages of an XMPP domain, as it is spelled in them, wait for SIP."""
        return self._under_way[domain]

    def _return(
        self, stanza: Element, error: StanzaError, exchange: str, *, notice: bool = False
    ) -> None:
        """Tell the sender of a stanza that it did not cross; who sent a notice is ourselves."""
        sender, target = stanza.get("from", ""), stanza.get("to", "")
        log.warning(
            "message not delivered",
            extra=about(
                exchange=exchange,
                jid=sender,
                sip=target,
                stanza_id=stanza.get("id"),
                reason=error.reason,
            ),
        )
        reply = error_reply(stanza, error) if wants_errors(stanza) and not notice else None
        if reply is not None:
            self._xmpp.send(reply, Jid.parse(target).domain, Jid.parse(sender).domain)

    def undelivered(self, stanza: Element, error: StanzaError) -> None:
        """Take back a stanza of ours that could not be handed over.

        One that answers another has nobody to be told.
        """
        failed = Jid.parse(stanza.attributes["to"])
        if stanza.get("type") in {"error", "result"}:
            log.warning(
                "an answer was not delivered",
                extra=about(jid=failed, stanza_id=stanza.get("id"), reason=error.reason),
            )
            return
        answer = self._status(error, full=False)
        key = _key(stanza, failed)
        if stanza.name == MESSAGE and answer is not None:
            if not self._settle(key, answer, error.reason):
                log.warning(
                    "a message was not delivered, and nobody waits for word of it",
                    extra=about(jid=failed, stanza_id=stanza.get("id"), reason=error.reason),
                )
        elif ping_id := stanza.get("id", ""):
            self._fail_fence((stanza.attributes["from"], failed.domain), ping_id, error)

    def _fail_fence(self, pair: Pair, identifier: str, error: StanzaError) -> None:
        """The ping itself could not be sent: what went before it may not have been taken."""
        if self._fences.holds(pair, identifier):
            self._fail_all(self._fences.lost(pair), error.reason)

    def lost(self, pair: Pair, unacknowledged: Sequence[Element] | None, now: float) -> None:
        """Learn that the stream to a domain ended, and what the far server may not have taken.

        None says that nobody knows what became of anything that was sent.
        """
        self._now = now
        for each in self._fences.pairs(pair):
            keys = self._fences.lost(each, _keys(self._xmpp.waiting(*each)))
            doubtful = keys if unacknowledged is None else _keys(unacknowledged)
            self._fail_all([key for key in keys if key in doubtful], "the stream was lost")
            self._take_all([key for key in keys if key not in doubtful])

    def _take_all(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._settle(key, Answer(202), "")

    def _fail_all(self, keys: list[Key], reason: str) -> None:
        for key in keys:
            self._settle(key, Answer(504), reason)

    # -- time ---------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Give up on what has waited too long."""
        self._now = now
        for pair in self._fences.on_timer(now):
            self._be_late(pair, now)
        self._pager.on_timer(now)
        self._take_turns(now)

    def _be_late(self, pair: Pair, now: float) -> None:
        """Answer what the far server takes too long over, before its sender gives up.

        On a managed stream it is delivered or comes back for certain, so the sender may trust us
        with it; else nobody knows, and the stream is given up.
        """
        unacknowledged = self._xmpp.unacknowledged(*pair)
        if unacknowledged is None:
            self._fail_all(self._fences.lost(pair), "the server did not answer")
            self._xmpp.silent(*pair)
            return
        doubtful, late = _keys(unacknowledged), self._fences.late(pair, now)
        taken = {key for key in late if key not in doubtful}
        self._take_all(taken)
        for key in late:
            self._owe(key)
        self._fences.wait_on(pair, taken, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        times = (self._fences.next_timer(), self._pager.next_timer())
        return min((when for when in times if when is not None), default=None)

    def give_up(self) -> None:
        """Tell everybody who waits that nothing more will come: the gateway stops."""
        self._fail_all(list(self._waiting), "the gateway stops")
        crossings, self._crossings = self._crossings, {}
        self._under_way.clear()
        self._pager = Pager(total=self._rules.pending)
        late = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="The gateway stops")
        for found in crossings.values():
            self._return(found.stanza, late, found.exchange, notice=found.notice)

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not (self._waiting or self._crossings)

    def describe(self) -> dict[str, int]:
        """Return how many messages are under way, each way."""
        return {"from_sip": len(self._waiting), "from_xmpp": len(self._crossings)}


def _busy() -> Answer:
    return Answer(503, headers=(("Retry-After", str(RETRY_AFTER)),))


def sip_key(request: Request | Response) -> str:
    """Return what a request and its responses share, for the tap."""
    return of_sip(request.call_id, request.get("CSeq") or "", request.get("From") or "")


def stanza_key(stanza: Element) -> str:
    """Return what a stanza and its error share, for the tap."""
    ends = sorted((stanza.get("from", ""), stanza.get("to", "")))
    return f"xmpp {stanza.get('id', '')} {' '.join(ends)}"


def sender_domain(stanza: Element) -> str:
    """Return the domain of a stanza's sender, as it is spelled there."""
    return domain_part(stanza.get("from", ""))


def _key(stanza: Element, recipient: Jid) -> Key:
    return stanza.get("id", ""), stanza.attributes["from"], str(recipient.bare)


def _keys(stanzas: Sequence[Element]) -> set[Key]:
    """Return the keys of the messages among what was sent."""
    found = (each for each in stanzas if each.name == MESSAGE)
    return {_key(each, Jid.parse(each.attributes["to"])) for each in found}


def _failure(cause: Cause | Unreached | StanzaError) -> StanzaError:
    if isinstance(cause, StanzaError):
        return cause
    if cause is Cause.OVERLOAD:
        text = "The gateway has too many requests under way"
        return StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
    if isinstance(cause, Cause):
        cause = Unreached.TIMEOUT if cause is Cause.TIMEOUT else Unreached.TRANSPORT
    return unreached(cause)
