"""Page-mode messages (RFC 7572, RFC 3428): a MESSAGE becomes a stanza, a stanza a MESSAGE.

Nothing disappears: a MESSAGE is answered once the far server has taken the stanza (202) or has
refused it (its error, as a status); a stanza whose MESSAGE fails comes back as an error.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import getLogger
from typing import Final

from dragoman.bridge.fence import Pair
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.bridge.to_sip import Crossing, Crossings, Purpose
from dragoman.bridge.to_xmpp import Arrived, Deliveries, Key, busy, key_of
from dragoman.log import about
from dragoman.mapping.address import Unmappable
from dragoman.mapping.failure import Answer, Refused, Unreached, sip_status
from dragoman.mapping.message import Dropped, to_request, to_stanza, wants_errors
from dragoman.mapping.parties import recipient_of, refusal
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.message import Request, Response, response_to
from dragoman.sip.uri import Uri
from dragoman.trace import Tap, of_sip
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import BODY, MESSAGE, error_reply, message

log = getLogger(__name__)

ALLOW: Final = ("MESSAGE", "OPTIONS")
"""The methods that are served."""

EXCERPT: Final = 60
"""Characters of a message that are quoted when its sender is told that it was not delivered."""


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
        self._deliveries = Deliveries(sip, xmpp, token, self._notify, rules.pending)
        self._crossings = Crossings(sip, rules.pending, self._again, self._crossed)
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
        if reason := self._deliveries.refusal((user.domain, recipient.domain)):
            self._refuse(request, transaction, busy(), reason)
            return
        exchange = self._tap.exchange(sip_key(request))
        self._deliveries.carry(stanza, Arrived(request, transaction, exchange), now)
        self._tap.join(exchange, stanza_key(stanza))

    def _notify(self, found: Arrived, key: Key, reason: str) -> None:
        """Tell by a MESSAGE that one which was answered 202 was not delivered after all."""
        quoted = ""
        if (found.request.get("Content-Type") or "").startswith("text/plain"):
            quoted = f": {found.request.body.decode('utf-8', 'replace')[:EXCERPT]}"
        body = Element(BODY, None, (f"[not delivered, {reason}]{quoted}",))
        stanza = message(key[1], key[2], id=self._token(), type="chat", children=[body])
        self._cross(stanza, found.exchange, self._now, Purpose.NOTIFICATION)

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

    # -- from XMPP ----------------------------------------------------------------------

    def on_stanza(self, stanza: Element, now: float) -> None:
        """Carry a message stanza; one of type error settles the MESSAGE that it answers."""
        if stanza.get("type") == "error":
            self._bounced(stanza)
            return
        self._cross(stanza, self._tap.exchange(stanza_key(stanza)), now)

    def _cross(
        self, stanza: Element, exchange: str, now: float, purpose: Purpose = Purpose.MESSAGE
    ) -> None:
        try:
            request = self._request(stanza)
        except StanzaError as error:
            self._return(stanza, error, exchange, purpose)
            return
        if isinstance(request, Dropped):
            log.debug("stanza dropped", extra=about(jid=stanza.get("from"), reason=request.reason))
            return
        self._tap.join(exchange, sip_key(request))
        self._crossings.submit(Crossing(stanza, deque([request]), exchange, purpose), now)

    def on_answer(self, stanza: Element, local: str, remote: str) -> bool:
        """Take an iq of type result or error; False: it answers nothing of ours."""
        return self._deliveries.on_answer((local, remote), stanza.get("id", ""))

    def _bounced(self, stanza: Element) -> None:
        error = StanzaError.parse(stanza)
        try:
            failed = Jid.parse(stanza.get("from", ""))
        except StanzaError:
            return
        key = (stanza.get("id", ""), stanza.get("to", ""), str(failed.bare))
        answer = self._status(error, full=bool(failed.resource))
        if answer is not None and not self._deliveries.settle(key, answer, error.reason):
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

    # -- what became of it ----------------------------------------------------------------

    def on_response(self, handle: int, response: Response, now: float) -> None:
        """Take the final response to a MESSAGE of ours."""
        self._crossings.on_response(handle, response, now)

    def on_failure(self, handle: int, cause: Cause | Unreached | StanzaError, now: float) -> None:
        """Learn that a MESSAGE of ours got no response, and why."""
        self._crossings.on_failure(handle, cause, now)

    def _again(self, crossing: Crossing, response: Response) -> Sequence[Request]:
        return ()

    def _crossed(self, crossing: Crossing, error: StanzaError | None) -> None:
        if error is not None:
            self._return(crossing.stanza, error, crossing.exchange, crossing.purpose)

    def under_way(self, domain: str) -> int:
        """Return how many messages of an XMPP domain, as it is spelled in them, wait for SIP."""
        return self._crossings.under_way(domain)

    def _return(self, stanza: Element, error: StanzaError, exchange: str, purpose: Purpose) -> None:
        """Tell the sender of a message that it did not cross; of anything else nobody is told."""
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
        tell = purpose is Purpose.MESSAGE and wants_errors(stanza)
        reply = error_reply(stanza, error) if tell else None
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
        key = key_of(stanza, failed)
        if stanza.name == MESSAGE and answer is not None:
            if not self._deliveries.settle(key, answer, error.reason):
                log.warning(
                    "a message was not delivered, and nobody waits for word of it",
                    extra=about(jid=failed, stanza_id=stanza.get("id"), reason=error.reason),
                )
        elif ping_id := stanza.get("id", ""):
            pair = (stanza.attributes["from"], failed.domain)
            self._deliveries.unasked(pair, ping_id, error.reason)

    def lost(self, pair: Pair, unacknowledged: Sequence[Element] | None, now: float) -> None:
        """Learn that the stream to a domain ended, and what the far server may not have taken.

        None says that nobody knows what became of anything that was sent.
        """
        self._now = now
        self._deliveries.lost(pair, unacknowledged)

    # -- time ---------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Give up on what has waited too long."""
        self._now = now
        self._deliveries.on_timer(now)
        self._crossings.on_timer(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        times = (self._deliveries.next_timer(), self._crossings.next_timer())
        return min((when for when in times if when is not None), default=None)

    def give_up(self) -> None:
        """Tell everybody who waits that nothing more will come: the gateway stops."""
        self._deliveries.give_up()
        self._crossings.give_up()

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return not (self._deliveries or self._crossings)

    def describe(self) -> dict[str, int]:
        """Return how many messages are under way, each way."""
        return {"from_sip": len(self._deliveries), "from_xmpp": len(self._crossings)}


def sip_key(request: Request | Response) -> str:
    """Return what a request and its responses share, for the tap."""
    return of_sip(request.call_id, request.get("CSeq") or "", request.get("From") or "")


def stanza_key(stanza: Element) -> str:
    """Return what a stanza and its error share, for the tap."""
    ends = sorted((stanza.get("from", ""), stanza.get("to", "")))
    return f"xmpp {stanza.get('id', '')} {' '.join(ends)}"
