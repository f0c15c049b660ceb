"""Page-mode messages (RFC 7572, RFC 3428): a MESSAGE becomes a stanza, a stanza a MESSAGE.

Nothing disappears: a MESSAGE is answered once the far server has taken the stanza (202) or has
refused it (its error, as a status); a stanza whose MESSAGE fails comes back as an error.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from typing import Final, Protocol

from dragoman.bridge.fence import Pair
from dragoman.bridge.letters import Letters, Note
from dragoman.bridge.naming import Naming
from dragoman.bridge.phones import Phones
from dragoman.bridge.ports import SipPort, XmppStreams
from dragoman.bridge.quotes import Quotes
from dragoman.bridge.receipts import Receipts, Word
from dragoman.bridge.to_sip import Crossing, Crossings, Purpose
from dragoman.bridge.to_xmpp import RETRY_AFTER, Arrived, Deliveries, Key, key_of
from dragoman.bridge.writing import Writing
from dragoman.clock import earliest
from dragoman.log import about
from dragoman.mapping import composing, hops, imdn, receipt
from dragoman.mapping.address import Unmappable
from dragoman.mapping.chat import Takes
from dragoman.mapping.encoding import decoded
from dragoman.mapping.envelope import CONTENT_TYPE as CPIM
from dragoman.mapping.envelope import Opened, answered, opened
from dragoman.mapping.failure import Answer, Refused, Unreached, sip_status
from dragoman.mapping.imdn import Imdn, ImdnError
from dragoman.mapping.message import Dropped, to_request, to_stanza, wants_errors
from dragoman.mapping.parties import recipient_of, refusal
from dragoman.mapping.readable import corrects_nothing, known_as
from dragoman.mapping.readable import said as said_by
from dragoman.mapping.receipt import Told
from dragoman.mapping.richer import HTML
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.message import Request, Response, SipError, encode, response_to
from dragoman.sip.uri import Uri
from dragoman.store.interface import Disposition, Identifiers
from dragoman.trace import Tap, of_sip
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import receipts
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import BODY, MESSAGE, ends, error_reply, message

log = getLogger(__name__)

ALLOW: Final = ("MESSAGE", "OPTIONS", "SUBSCRIBE", "NOTIFY")
"""The methods that are served in any case."""

BUSY: Final = 503
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
    split: bool = True
    """Whether a longer text becomes several; RFC 7572 §6 has policy-violation."""
    receipt_on_200: bool = False
    """Whether the 200 of a phone without notifications is a receipt."""
    idle_as: State = State.ACTIVE
    """The chat state for a SIP user who no longer writes; RFC 7573 §6 has active."""


class Sessions(Protocol):
    """Where messages cross that go by no MESSAGE (RFC 7573)."""

    def carries(self, crossing: Crossing, now: float) -> bool:
        """Take a crossing into a session that there is, or that is to be; False: a MESSAGE."""

    def begins(self, crossing: Crossing, now: float) -> bool:
        """Take a crossing that is too long for a MESSAGE; False: there can be no session."""

    def paged(self, crossing: Crossing) -> None:
        """Learn that a crossing goes by MESSAGE, so that nothing overtakes it."""

    def crossed(self, crossing: Crossing, error: StanzaError | None, now: float) -> bool:
        """Learn what became of one that went by MESSAGE; True: it goes another way now."""

    def told(self, stanza: Element, now: float) -> None:
        """Learn what an XMPP user says of messages that came in a session."""

    def under_way(self, domain: str) -> int:
        """Return how many crossings of an XMPP domain wait here."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a SIP user said in a session, as the MESSAGE that it could have been."""

    request: Request
    sender: Uri
    identifier: str
    """The id for its stanza."""
    confirm: bool
    """Whether he wants to hear that it was received."""


class Messages:
    """The service. `token()` gives identifiers nobody can guess, `wall()` seconds since 1970."""

    def __init__(
        self,
        sip: SipPort,
        xmpp: XmppStreams,
        naming: Naming,
        tap: Tap,
        token: Callable[[], str],
        wall: Callable[[], float],
        rules: Rules,
        store: Identifiers,
    ) -> None:
        """Start with nothing under way; what outlives that is in `store`."""
        self._sip = sip
        self._xmpp = xmpp
        self._naming = naming
        self._tap = tap
        self._token = token
        self._wall = wall
        self._rules = rules
        self._threads = ThreadBook(token)
        self._phones = Phones()
        self._receipts = Receipts(store, naming.sip_sender, token, wall)
        room = rules.limit - rules.via
        self._letters = Letters(self._phones, self._receipts, token, room, rules.split)
        self._quotes = Quotes()
        self._deliveries = Deliveries(xmpp, token, self._settled, rules.pending)
        self._crossings = Crossings(sip, rules.pending, self._again, self._crossed)
        self._writing = Writing(xmpp, naming, self._threads, token, self._submit, rules.idle_as)
        self.sessions: Sessions | None = None
        """Where messages cross that go by no MESSAGE."""
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
        answer = partial(self._answer, request, transaction)
        try:
            user, recipient = self.ends(request, sender, trusted=trusted)
            self._phones.heard(str(user.bare), request)
            self._take(request, answer, sender, user, recipient)
        except Refused as error:
            self._refuse(request, answer, error.answer, error.reason)
        except SipError as error:
            self._refuse(request, answer, Answer(error.status), error.reason)

    def on_said(
        self, said: Said, answer: Callable[[Answer], bool], user: Jid, recipient: Jid, now: float
    ) -> str | None:
        """Carry what a SIP user said in a session; return the id of its stanza, "" for none.

        None: it was refused, as `answer` heard.
        `answer` learns once what became of it: 2xx when the far server has it. Where it returns
        False, its sender is told of a failure by MESSAGE.
        """
        self._now = now
        request = said.request
        try:
            return self._take(request, answer, said.sender, user, recipient, said)
        except Refused as error:
            self._refuse(request, answer, error.answer, error.reason)
        except SipError as error:
            self._refuse(request, answer, Answer(error.status), error.reason)
        return None

    def has_room(self, local: str, remote: str) -> bool:
        """Tell whether a message for a pair of domains would be taken now."""
        return not self._deliveries.refusal((local, remote))

    def _take(
        self,
        request: Request,
        answer: Callable[[Answer], bool],
        sender: Uri,
        user: Jid,
        recipient: Jid,
        said: Said | None = None,
    ) -> str:
        """Carry a message by what it is; return the id of its stanza, "" for none."""
        request = decoded(request)
        letter = opened(request)
        if letter.essence == imdn.TYPE:
            self._on_notification(letter, request, answer, user)
        elif letter.essence == composing.MEDIA_TYPE:
            self._writing.on_document(letter.body, request.call_id, user, recipient, self._now)
            answer(Answer(200))
        else:
            return self._on_text(letter, request, answer, sender, user, recipient, said)
        return ""

    def ends(self, request: Request, sender: Uri, *, trusted: bool = False) -> tuple[Jid, Jid]:
        """Return the SIP user who wrote and the XMPP user whom he wrote to; raises Refused."""
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
        return user, recipient

    def _on_text(
        self,
        letter: Opened,
        request: Request,
        answer: Callable[[Answer], bool],
        sender: Uri,
        user: Jid,
        recipient: Jid,
        said: Said | None,
    ) -> str:
        stanza = to_stanza(
            request,
            user,
            recipient,
            threads=self._threads,
            wall=self._wall(),
            reply_type="chat" if self._rules.chat or said else None,
            id="" if said is None else said.identifier,
            wrapper=letter.wrapper,
        )
        asked = None if letter.wrapper is None else imdn.asked(letter.wrapper)
        if letter.essence == HTML:
            self._phones.sent(str(user.bare), HTML)
        if asked is not None:
            if said is None:
                self._phones.sent(str(user.bare), CPIM)
            if self._receipts.is_copy(asked, user, recipient):
                stanza = Dropped("it came before")
        if isinstance(stanza, Dropped):
            log.info("message dropped", extra=about(call_id=request.call_id, reason=stanza.reason))
            answer(Answer(202))
            return ""
        self._check_room(user, recipient)
        if message_id := answered(letter.wrapper):
            reply = self._receipts.answers(message_id, user, recipient)
            stanza.children += [] if reply is None else [reply]
        key = self._deliveries.name(stanza)
        target = request.to.uri
        message = None if asked is None else self._receipts.expect(asked, sender, target, stanza)
        if said is not None and said.confirm and not receipts.is_request(stanza):
            stanza.children = [*stanza.children, receipts.request()]
        exchange = self._exchange(request, stanza)
        arrived = Arrived(request, answer, exchange, message=message)
        self._deliveries.carry(stanza, key, arrived, self._now)
        self._quotes.said(str(recipient.bare), str(user.bare), [key[0]], said_by(stanza))
        self._writing.sip_said(user, recipient, self._now)
        return key[0]

    def _on_notification(
        self, letter: Opened, request: Request, answer: Callable[[Answer], bool], user: Jid
    ) -> None:
        """Tell an XMPP user what became of a message of his (RFC 5438 §7.1.3)."""
        try:
            stanza = self._receipts.heard(Imdn.parse(letter.body), user)
        except ImdnError as error:
            raise Refused(error.reason, 400) from error
        if stanza is None:
            answer(Answer(200))
            return
        if (mark := hops.mark(request)) is not None:
            stanza.children = [*stanza.children, mark]
        recipient = Jid.parse(stanza.attributes["to"])
        self._check_room(user, recipient)
        if stanza.get("type") == "error":
            self._xmpp.send(stanza, user.domain, recipient.domain)
            answer(Answer(202))
            return
        key = self._deliveries.name(stanza)
        arrived = Arrived(request, answer, self._exchange(request, stanza), quiet=True)
        self._deliveries.carry(stanza, key, arrived, self._now)

    def _check_room(self, user: Jid, recipient: Jid) -> None:
        if reason := self._deliveries.refusal((user.domain, recipient.domain)):
            raise Refused(reason, BUSY, ("Retry-After", str(RETRY_AFTER)))

    def _exchange(self, request: Request, stanza: Element) -> str:
        """Return the exchange of a MESSAGE, which its stanza is then part of."""
        exchange = self._tap.exchange(sip_key(request))
        self._tap.join(exchange, stanza_key(stanza))
        return exchange

    def _settled(self, found: Arrived, key: Key, reason: str | None) -> None:
        """Tell who was answered 202 that his message was not delivered, and forget it."""
        if reason is None:
            if not found.quiet:
                self._writing.xmpp_took(Jid.parse(key[2]), Jid.parse(key[1]), self._now)
            return
        if found.owed and not self._disappoint(key, found.exchange):
            self._notify(found, key, reason)
        if found.message is not None:
            self._receipts.forget(found.message)

    def _disappoint(self, key: Key, exchange: str) -> bool:
        """Tell by a notification that a message was not delivered; False where none is wanted."""
        user, peer = key[2], str(Jid.parse(key[1]).bare)
        word = self._receipts.failed(user, peer, key[0])
        if word is not None:
            self._say(word, exchange)
        return word is not None

    def _say(self, word: Word, exchange: str) -> None:
        """Send a notification, of which nobody hears what becomes of it."""
        named = {"from": word.about.user, "to": word.about.peer, "id": word.about.stanza_id}
        self._tap.join(exchange, sip_key(word.request))
        crossing = Crossing(
            Element(MESSAGE, named), deque([word.request]), exchange, Purpose.NOTIFICATION
        )
        self._submit(crossing, self._now)

    def _submit(self, crossing: Crossing, now: float) -> None:
        """Send what is ready, in a session where there is one for it, else by MESSAGE."""
        if not self._sessions_take(crossing, now):
            self._page(crossing, now)

    def _page(self, crossing: Crossing, now: float) -> None:
        if self.sessions is not None:
            self.sessions.paged(crossing)
        self._crossings.submit(crossing, now)

    def _notify(self, found: Arrived, key: Key, reason: str) -> None:
        """Tell by a MESSAGE that one which was answered 202 was not delivered after all."""
        quoted = ""
        if (found.request.get("Content-Type") or "").startswith("text/plain"):
            quoted = f": {found.request.body.decode('utf-8', 'replace')[:EXCERPT]}"
        body = Element(BODY, None, (f"[not delivered, {reason}]{quoted}",))
        stanza = message(key[1], key[2], id=self._token(), type="chat", children=[body])
        self._cross(stanza, found.exchange, self._now, Purpose.NOTIFICATION)

    def _refuse(
        self, request: Request, answer: Callable[[Answer], bool], found: Answer, reason: str
    ) -> None:
        log.warning(
            "message refused",
            extra=about(
                sip=request.from_.uri, call_id=request.call_id, status=found.status, reason=reason
            ),
        )
        answer(found)

    def _answer(self, request: Request, transaction: ServerTransaction, found: Answer) -> bool:
        response = response_to(request, found.status, found.reason, headers=found.headers)
        self._sip.respond(transaction, response)
        return True

    # -- from XMPP ----------------------------------------------------------------------

    def on_stanza(self, stanza: Element, now: float) -> None:
        """Carry a message stanza; one of type error settles the MESSAGE that it answers."""
        self._now = now
        if stanza.get("type") == "error":
            self._bounced(stanza)
            return
        exchange = self._tap.exchange(stanza_key(stanza))
        try:
            for word in self._receipts.told(stanza):
                self._say(word, exchange)
            if self.sessions is not None:
                self.sessions.told(stanza, now)
        except StanzaError as error:
            self._return(stanza, error, exchange, Purpose.MESSAGE)
            return
        self._cross(stanza, exchange, now)

    def _cross(
        self, stanza: Element, exchange: str, now: float, purpose: Purpose = Purpose.MESSAGE
    ) -> None:
        try:
            plain = self._request(stanza)
            if isinstance(plain, Request):
                draft = Crossing(stanza, deque([plain]), exchange, purpose, plain)
                self._tap.join(exchange, sip_key(plain))
                went = self._sessions_take(draft, now) or self.page(draft, now)
                if went and purpose is Purpose.MESSAGE:
                    self._said(stanza, now)
                return
        except StanzaError as error:
            self._return(stanza, error, exchange, purpose)
            return
        log.debug("stanza dropped", extra=about(jid=stanza.get("from"), reason=plain.reason))
        if stanza.find(BODY) is None:
            self._writing.on_stanza(stanza, now)

    def _sessions_take(self, crossing: Crossing, now: float) -> bool:
        return self.sessions is not None and self.sessions.carries(crossing, now)

    def page(self, draft: Crossing, now: float, *, upgrade: bool = True) -> bool:
        """Send a draft, which has the bare request only, in the form that its phone likes.

        One that is too long for that may have a session (RFC 7572 §6), where `upgrade` says so.
        False: it crossed before. Raises StanzaError for what cannot go.
        """
        stanza, plain = draft.stanza, draft.requests[0]
        size = len(encode(plain))
        sessions = self.sessions if upgrade and size > self._letters.room else None
        if sessions and sessions.begins(draft, now):
            return True
        found = self._letters.crossing(stanza, plain, draft.exchange, draft.purpose, now, size)
        if isinstance(found, Dropped):
            log.debug("stanza dropped", extra=about(jid=stanza.get("from"), reason=found.reason))
            return False
        self._page(found, now)
        return True

    def _said(self, stanza: Element, now: float) -> None:
        """Learn that an XMPP user said something, which ends his writing of it."""
        user, peer = ends(stanza)
        self._quotes.said(str(user.bare), str(peer.bare), known_as(stanza), said_by(stanza))
        self._writing.xmpp_said(stanza, now)

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
        if answer is None or self._deliveries.bounced(key, answer, error.reason):
            return
        if not self._disappoint(key, self._tap.exchange(stanza_key(stanza))):
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
        sender, recipient = ends(stanza)
        if not recipient.local:
            raise StanzaError(Condition.SERVICE_UNAVAILABLE)
        user, peer = str(sender.bare), str(recipient.bare)
        if corrects_nothing(stanza, partial(self._quotes.had, user, peer)):
            return Dropped("a correction that leaves the text as it was")
        return to_request(
            stanza,
            threads=self._threads,
            token=self._token,
            source=self._naming.sip_sender,
            target=self._naming.sip_recipient,
            limit=None,
            quote=partial(self._quotes.quote, user, peer),
        )

    # -- what became of it ----------------------------------------------------------------

    def on_response(self, handle: int, response: Response, now: float) -> None:
        """Take the final response to a MESSAGE of ours."""
        self._crossings.on_response(handle, response, now)

    def on_failure(self, handle: int, cause: Cause | Unreached | StanzaError, now: float) -> None:
        """Learn that a MESSAGE of ours got no response, and why."""
        self._crossings.on_failure(handle, cause, now)

    def _again(self, crossing: Crossing, response: Response) -> Sequence[Request]:
        return self._letters.again(crossing, response, self._now)

    def _crossed(self, crossing: Crossing, error: StanzaError | None) -> None:
        """Learn what became of one that went by MESSAGE."""
        if self.sessions is None or not self.sessions.crossed(crossing, error, self._now):
            self.crossed(crossing, error)

    def crossed(self, crossing: Crossing, error: StanzaError | None) -> None:
        """Learn what became of a crossing, the error None where its phone took it."""
        message = crossing.message
        if crossing.purpose is Purpose.COMPOSING:
            self._writing.answered(crossing)
            return
        if error is None and crossing.purpose is Purpose.MESSAGE:
            self._writing.sip_took(crossing.stanza, self._now)
        if error is not None:
            if message is not None:
                self._receipts.forget(message)
            self._return(crossing.stanza, error, crossing.exchange, crossing.purpose)
        elif crossing.unasked and self._rules.receipt_on_200 and crossing.status == 200:
            self._confirm(crossing.stanza)

    def note(self, draft: Crossing, takes: Takes) -> Note | Dropped:
        """Return a draft as it goes in a session; raises StanzaError for what cannot go."""
        return self._letters.note(draft, takes)

    def forget(self, crossing: Crossing) -> None:
        """Have nothing remembered of a crossing that is to go another way."""
        if crossing.message is not None:
            self._receipts.forget(crossing.message)
            crossing.message = None

    def thread(self, call_id: str, user: Jid, peer: Jid) -> str:
        """Return the thread that a Call-ID stands for between these two, "" for none."""
        return self._threads.known(call_id, user, peer)

    def delivered(self, crossing: Crossing) -> None:
        """Learn that a phone says that it has what was sent in a session (RFC 7573 §7)."""
        found = None if crossing.message is None else self._receipts.delivered(crossing.message)
        if found is not None:
            remote = Jid.parse(found.attributes["to"]).domain
            self._xmpp.send(found, Jid.parse(found.attributes["from"]).domain, remote)

    def _confirm(self, stanza: Element) -> None:
        """Take the 200 of a phone that gives no notifications for a delivery."""
        if Disposition.DELIVERED not in receipt.asked(stanza):
            return
        reader, sender = Jid.parse(stanza.get("to", "")), stanza.get("from", "")
        told = Told(stanza.get("id", ""), Disposition.DELIVERED)
        found = receipt.to_stanza(told, reader, sender, self._token())
        self._xmpp.send(found, reader.domain, Jid.parse(sender).domain)

    def under_way(self, domain: str) -> int:
        """Return how many messages of an XMPP domain, as it is spelled in them, wait for SIP."""
        waiting = 0 if self.sessions is None else self.sessions.under_way(domain)
        return self._crossings.under_way(domain) + waiting

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
        self._writing.on_timer(now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        each = (self._deliveries, self._crossings, self._writing)
        return earliest(service.next_timer() for service in each)

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
