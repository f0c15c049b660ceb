"""SIP users whom XMPP users watch (RFC 8048 §5.2, §6.3, §7.1): we are their subscriber.

The authorization of XMPP lasts until somebody takes it back; the dialog of SIP lasts an hour. A
pair of users has the first in the store, and the second for as long as its watcher is there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from logging import getLogger
from typing import Final

from dragoman.bridge.arrears import Arrears
from dragoman.bridge.attempts import DAY, HASTE, LATER, Attempts
from dragoman.bridge.authorization import Authorization, Key, Stand
from dragoman.bridge.dialogs import PACKAGE, Dialogs
from dragoman.bridge.inheritance import Inheritance
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.bridge.showing import Showing
from dragoman.bridge.whereabouts import Parting, Whereabouts
from dragoman.clock import Alarms, earliest
from dragoman.errors import RemoteError
from dragoman.log import about
from dragoman.mapping import notify
from dragoman.mapping.address import Unmappable
from dragoman.mapping.failure import Unreached, response_error, unanswered
from dragoman.mapping.presence import Presence
from dragoman.sip.endpoint import Cause, ServerTransaction
from dragoman.sip.event import ACTIVE, TERMINATED, SubscriptionState, retry_seconds
from dragoman.sip.message import Request, Response, response_to
from dragoman.sip.subscriber import (
    FOREVER,
    Due,
    Failed,
    Left,
    Lost,
    Refused,
    Subscribing,
    is_last,
)
from dragoman.store.subscriptions import Full, Subscriptions, Watching
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends, error_reply, presence

log = getLogger(__name__)

PROOF: Final = 3600.0
"""Seconds without word of a watcher after which he is probed before a refresh (RFC 8048 §8.1)."""
ANSWER: Final = 10.0
"""Seconds for the answer to that probe."""
SILENCE: Final = 60
"""Seconds for which what was shown may stand while nobody tells of it."""
MOST_PROOFS: Final = 10_000
"""Probes of ours that wait for an answer."""
MOST_QUESTIONS: Final = 1000
"""Probes that wait for the answer of a SIP user."""
NO_MORE: Final = frozenset({"rejected", "noresource"})
"""Reasons that end an authorization, and not only a dialog (RFC 6665 §4.1.3)."""
UNANSWERED: Final = 30.0 * DAY
"""Seconds that a request is kept that nobody answers."""
PROOF_ID: Final = "proof-"
"""How the ids of our own probes begin."""


class Presentities:
    """The service.

    `chance` is that of `Subscriber`; `adorn(contact)` gives what goes with every presence in a SIP
    user's name; `sees(contact, watcher)` tells whether a SIP user may see an XMPP user, whose
    server then answers his probes; `allowed(domain)` whether users of an XMPP domain may watch.
    """

    def __init__(
        self,
        sip: SipPort,
        xmpp: XmppPort,
        naming: Naming,
        store: Subscriptions,
        token: Callable[[], str],
        wall: Callable[[], float],
        chance: Callable[[float, float], float],
        adorn: Callable[[Jid], Sequence[Element]],
        sees: Callable[[str, str], bool],
        allowed: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Know nobody yet: see `start`."""
        self._sip = sip
        self._showing = Showing(xmpp, adorn)
        self._store = store
        self._token = token
        self._wall = wall
        self._sees = sees
        self._allowed = allowed
        self._dialogs = Dialogs(naming, store, token, wall, chance)
        self._subscriber = self._dialogs.subscriber
        self._pairs: dict[Key, Authorization] = {}
        self._watchers: defaultdict[str, set[str]] = defaultdict(set)
        self._whereabouts = Whereabouts()
        self._attempts = Attempts()
        self._arrears = Arrears()
        self._proofs: dict[str, Key] = {}
        self._questions: set[Key] = set()
        self._inheritance = Inheritance(self._pairs)
        self._unanswered: Alarms[Key] = Alarms()
        self._now = 0.0

    def start(self, now: float) -> None:
        """Take up what an earlier process left, little by little."""
        self._now = now
        for record in self._store.watching():
            self._inheritance.add(self._add(record), now)
            self._whereabouts.doubt(record.watcher)

    def _add(self, record: Watching) -> Authorization:
        """Have a pair, which its contact leads to as well."""
        pair = Authorization(record)
        self._await_answer(pair)
        self._pairs[pair.key] = pair
        self._watchers[record.contact].add(record.watcher)
        return pair

    def _await_answer(self, pair: Authorization) -> None:
        """Have a request be over when nobody has answered it for long."""
        if not pair.record.authorized:
            since = self._wall() - (pair.record.asked or self._wall())
            self._unanswered.set(pair.key, self._now + UNANSWERED - since)

    def _remove(self, pair: Authorization) -> None:
        contact = pair.record.contact
        self._unanswered.cancel(pair.key)
        del self._pairs[pair.key]
        self._watchers[contact].discard(pair.record.watcher)
        if not self._watchers[contact]:
            del self._watchers[contact]

    # -- from XMPP ------------------------------------------------------------------------

    def on_stanza(self, stanza: Element, watcher: Jid, contact: Jid, now: float) -> None:
        """Take presence of an XMPP user for a SIP user.

        Of type subscribe, unsubscribe, probe, unavailable or none.
        """
        self._now = now
        self._arrears.alive(watcher.domain, now)
        kind = stanza.get("type")
        if kind == "subscribe":
            self._whereabouts.stirred(str(watcher.bare), now)
            self._subscribe(stanza, watcher, contact)
        elif kind == "unsubscribe":
            self._unsubscribe(watcher, contact)
        elif kind == "probe":
            self._probe(stanza, watcher, contact)
        elif kind == "unavailable":
            self._went(watcher, contact)
        else:
            self._came(watcher, contact)
        self._drain()

    def adorned(self, contact: Jid) -> None:
        """Learn that what goes with a SIP user's presence is different now: tell it again."""
        for watcher in list(self._watchers.get(str(contact.bare), ())):
            pair = self._pairs[watcher, str(contact.bare)]
            if pair.stand is Stand.ACTIVE:
                self._showing.again(pair, watcher)

    def on_proof(self, stanza: Element, watcher: Jid, now: float) -> None:
        """Take the answer to a probe of ours, which was not a SIP user's or failed."""
        self._now = now
        self._arrears.alive(watcher.domain, now)
        user = str(watcher.bare)
        key = self._proofs.pop(stanza.get("id", ""), None)
        if stanza.get("type") != "error":
            self._whereabouts.heard(user, now)
        elif key is not None and key[0] == user:
            self._dead(key)
        self._drain()

    def undelivered(self, stanza: Element, now: float) -> None:
        """Learn that presence of ours did not reach the server of its recipient."""
        self._now = now
        contact, watcher = ends(stanza)
        key, kind = (str(watcher.bare), str(contact.bare)), stanza.get("type")
        pair = self._pairs.get(key)
        if kind == "probe":
            asked = self._proofs.pop(stanza.attributes["id"], None)
            if asked is not None:
                self._dead(asked)
        elif kind == "subscribed" and pair is not None:
            pair.confirmed = False
            self._arrears.owe(key, "", now)
        elif pair is not None or self._arrears.has_ended(key):
            self._arrears.owe(key, contact.resource, now)
        self._drain()

    def _tell_late(self, key: Key, resources: Sequence[str]) -> None:
        """Tell what came back: as it is now."""
        pair = self._pairs.get(key)
        if pair is None:
            self._showing.send(key, "unsubscribed")
            resources = [each for each in resources if each]
        elif pair.record.authorized and not pair.confirmed:
            self._showing.confirm(pair)
        self._showing.tell(key, () if pair is None else pair.shown, resources)

    def _subscribe(self, stanza: Element, watcher: Jid, contact: Jid) -> None:
        key = str(watcher.bare), str(contact.bare)
        try:
            pair = self._wanted(key, watcher, contact)
        except StanzaError as error:
            self._showing.reply(error_reply(stanza, error))
            return
        if pair.record.authorized:
            self._showing.confirm(pair)
            if pair.known or pair.stand is Stand.ACTIVE:
                self._showing.again(pair, key[0])
        else:
            pair.asked = stanza.get("id", "")
        if key not in self._subscriber and (pair.stand is Stand.WAITING or pair.record.authorized):
            self._begin(pair)
        if pair.asked is not None and pair.error is not None and key in self._attempts:
            self._showing.reply(error_reply(stanza, pair.error))
            pair.asked = None

    def _wanted(self, key: Key, watcher: Jid, contact: Jid) -> Authorization:
        """Return the pair, which is made if need be; raises StanzaError where it may not be."""
        pair = self._pairs.get(key)
        if pair is not None and not pair.record.leaving:
            self._ask_longer(pair)
            return pair
        if not self._allowed(watcher.domain):
            raise StanzaError(Condition.FORBIDDEN, text="Users of your domain may not watch here")
        try:
            self._dialogs.parties(key)
        except Unmappable as error:
            raise StanzaError(error.condition, text=error.reason) from error
        record = Watching(key[0], key[1], asked=self._wall())
        if pair is not None:
            record = replace(pair.record, leaving=False, dialog="", asked=self._wall())
        try:
            self._store.keep(record)
        except Full as error:
            log.warning("a subscription is refused", extra=about(jid=watcher, reason=error.reason))
            full = "The gateway has no room for more subscriptions"
            raise StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=full) from error
        if pair is None:
            pair = self._add(record)
        else:
            self._subscriber.forget(key)
            pair.record, pair.stand, pair.stored = record, Stand.WAITING, False
            self._await_answer(pair)
        return pair

    def _ask_longer(self, pair: Authorization) -> None:
        """Have a request that is made again last as long as a new one."""
        record = pair.record
        if not record.authorized and self._wall() - record.asked > DAY:
            self._dialogs.keep(pair, replace(record, asked=self._wall()))
            self._await_answer(pair)

    def _unsubscribe(self, watcher: Jid, contact: Jid) -> None:
        key = str(watcher.bare), str(contact.bare)
        pair = self._pairs.get(key)
        if pair is None:
            self._showing.send(key, "unsubscribed")
        else:
            self._give_up(pair)

    def _give_up(self, pair: Authorization) -> None:
        """End all that a watcher has of a contact, with his dialog first."""
        key = pair.key
        self._attempts.cancel(key)
        self._dialogs.resume(pair, self._now)
        if key in self._subscriber:
            leaving = replace(pair.record, leaving=True)
            self._dialogs.keep(pair, leaving)
            pair.record = leaving  # whatever the disk says
            self._subscriber.leave(key, self._now)
        elif not pair.record.leaving:
            self._end(pair)

    def _probe(self, stanza: Element, watcher: Jid, contact: Jid) -> None:
        key = str(watcher.bare), str(contact.bare)
        pair = self._pairs.get(key)
        if pair is None or pair.record.leaving:
            self._showing.send(key, "unsubscribed", to=str(watcher))
            return
        if watcher.resource:
            self._whereabouts.came(key[0], watcher.resource, self._now)
        else:
            self._whereabouts.heard(key[0], self._now)
        if pair.record.authorized and (pair.known or pair.shown):
            self._showing.again(pair, str(watcher))
        if key in self._subscriber:
            if (
                pair.record.authorized
                and not pair.known
                and self._attempts.may_ask(pair, self._now)
            ):
                self._subscriber.refresh(key)
        elif pair.record.authorized and (pair.invariant or key in self._attempts):
            self._ask_once(stanza, pair, watcher)
        else:
            self._begin(pair)

    def _came(self, watcher: Jid, contact: Jid) -> None:
        key = str(watcher.bare), str(contact.bare)
        pair = self._pairs.get(key)
        if pair is None:
            return
        self._whereabouts.came(key[0], watcher.resource, self._now)
        if pair.stand is not Stand.WAITING or pair.record.leaving:
            return
        if key not in self._subscriber and key not in self._attempts and not pair.invariant:
            self._begin(pair)

    def _went(self, watcher: Jid, contact: Jid) -> None:
        key = str(watcher.bare), str(contact.bare)
        if key not in self._pairs:
            return
        parting = self._whereabouts.went(key[0], watcher.resource, self._now)
        if parting is Parting.LAST:
            self._sleep(key)
        elif parting is Parting.UNKNOWN and self._sees(*key):
            self._prove(key, key[1])

    def _prove(self, key: Key, from_: str) -> None:
        """Ask the server of a watcher about him, in the name of `from_`."""
        id_ = PROOF_ID + self._token()
        while len(self._proofs) >= MOST_PROOFS:
            del self._proofs[next(iter(self._proofs))]
        self._proofs[id_] = key
        self._showing.reply(presence(key[0], from_, id=id_, type="probe"))

    def _sleep(self, key: Key) -> None:
        """End the dialog of a pair whose watcher is not there: its authorization stays."""
        self._attempts.cancel(key)
        self._dialogs.resume(self._pairs[key], self._now)
        if key in self._subscriber:
            self._subscriber.leave(key, self._now)

    def _dead(self, key: Key) -> None:
        """Learn that a watcher cannot be reached."""
        self._whereabouts.went(key[0], "", self._now)
        if key in self._pairs:
            self._sleep(key)

    # -- from SIP -------------------------------------------------------------------------

    def knows(self, request: Request) -> bool:
        """Tell whether a NOTIFY is of a dialog of ours, whose tags nobody else can guess."""
        return self._subscriber.knows(request) or self._inheritance.find(request) is not None

    def _resume_at(self, pair: Authorization) -> None:
        """Take up a dialog before its turn: its far end has something to tell."""
        if self._dialogs.resume(pair, self._now) and pair.record.leaving:
            self._subscriber.leave(pair.key, self._now)

    def on_notify(self, request: Request, transaction: ServerTransaction, now: float) -> None:
        """Take a NOTIFY, and answer it."""
        self._now = now
        if (pair := self._inheritance.find(request)) is not None:
            self._resume_at(pair)
        try:
            key = self._subscriber.match(request)
        except RemoteError as error:
            self._refuse(request, transaction, error)
            return
        try:
            presences = notify.presences(request, self._wall())
        except RemoteError as error:
            self._refuse(request, transaction, error)
            if is_last(request):
                self._take(key, request, None)
            return
        self._sip.respond(transaction, response_to(request, 200))
        self._take(key, request, presences)

    def _refuse(self, request: Request, transaction: ServerTransaction, error: RemoteError) -> None:
        status = getattr(error, "status", 400)
        headers = [("Accept", PACKAGE.accept)] if status == 415 else []
        log.info(
            "NOTIFY refused",
            extra=about(call_id=request.get("Call-ID"), status=status, reason=error.reason),
        )
        self._sip.respond(transaction, response_to(request, status, headers=headers))

    def _take(self, key: Key, request: Request, presences: tuple[Presence, ...] | None) -> None:
        """Do what a NOTIFY has to tell."""
        notice = self._subscriber.take(request, self._now)
        if len(key) > 2:
            self._answer(key, notice.state, presences)
        elif (pair := self._pairs.get(key)) is not None:
            self._noticed(pair, notice.state, presences)
            if notice.first:
                self._dialogs.note(pair, self._now)
            else:
                self._dialogs.note_shown(pair)
        self._drain()

    def on_response(self, handle: Subscribing, response: Response, now: float) -> None:
        """Take a response to a SUBSCRIBE."""
        self._now = now
        key = self._subscriber.on_response(handle, response, now)
        pair = None if key is None else self._pairs.get(key)
        if pair is not None and response.status < 300:
            self._dialogs.note(pair, self._now)
        self._drain()

    def on_failure(
        self, handle: Subscribing, cause: Cause | Unreached | StanzaError, now: float
    ) -> None:
        """Learn that a SUBSCRIBE got no response."""
        self._now = now
        self._subscriber.on_failure(handle, cause, now)
        self._drain()

    def _noticed(
        self,
        pair: Authorization,
        state: SubscriptionState,
        presences: tuple[Presence, ...] | None,
    ) -> None:
        pair.failures, pair.error = 0, None
        if pair.record.leaving:
            return
        if state.state == TERMINATED:
            self._terminated(pair, state)
        elif state.state == ACTIVE:
            self._active(pair, presences)
        else:
            if pair.stand is Stand.ACTIVE or pair.ghosts:
                self._showing.hide(pair)
            pair.stand = Stand.PENDING

    def _active(self, pair: Authorization, presences: tuple[Presence, ...] | None) -> None:
        told = replace(pair.record, authorized=True)
        if not pair.record.authorized and not self._dialogs.keep(pair, told):
            return
        pair.stand, pair.asked, pair.invariant = Stand.ACTIVE, None, False
        if pair.active_since is None:
            pair.active_since = self._now
        self._unanswered.cancel(pair.key)
        if not pair.confirmed:
            self._showing.confirm(pair)
        if presences is not None:
            self._showing.show(pair, presences)
        elif not (pair.known or pair.shown or pair.ghosts):
            self._showing.send(pair.key, "unavailable")

    def _terminated(self, pair: Authorization, state: SubscriptionState) -> None:
        pair.stand = Stand.WAITING
        self._dialogs.note(pair, self._now)
        if state.reason in NO_MORE:
            self._cancel(pair)
        elif state.reason == "invariant":
            pair.invariant = True
        elif state.reason in {"probation", "giveup"}:
            wait = min(LATER if state.retry_after is None else state.retry_after, DAY)
            self._rest(pair, self._now + max(wait, HASTE))
        elif not self._whereabouts.away(pair.record.watcher):
            self._begin_soon(pair, state.retry_after or 0)

    def _answer(
        self, key: Key, state: SubscriptionState, presences: tuple[Presence, ...] | None
    ) -> None:
        """Tell who probed what the contact said once; that he may not see him, for ever."""
        watcher, contact, asker = key
        self._subscriber.forget(key)
        pair = self._pairs.get((watcher, contact))
        if pair is None or pair.record.leaving:
            return
        if state.state == TERMINATED and state.reason in NO_MORE:
            self._cancel(pair)
            return
        if presences is None:
            self._showing.again(pair, asker)
        else:
            self._showing.answer(pair, presences, asker)
            self._dialogs.note_shown(pair)

    # -- dialogs --------------------------------------------------------------------------

    def _begin(self, pair: Authorization) -> None:
        """Make a dialog, unless there is one: as soon as that may be."""
        key = pair.key
        if key in self._subscriber:
            return
        if self._dialogs.resume(pair, self._now):
            self._attempts.cancel(key)
            self._subscriber.refresh(key)
            return
        if not self._attempts.may_begin(pair, self._now):
            return
        pair.began, pair.invariant, pair.probed = self._now, False, False
        pair.active_since = None
        if pair.stand is Stand.WAITING:
            pair.stand = Stand.PENDING
        try:
            self._dialogs.subscribe(key, self._now)
        except Unmappable as error:
            self._failed(pair, StanzaError(error.condition, text=error.reason))

    def _begin_soon(self, pair: Authorization, least: int) -> None:
        """Make a dialog at once, or later where the last one is but a moment old.

        Where they end early again and again that is ever later.
        """
        when = self._attempts.ended(pair, least, self._now)
        if when <= self._now:
            self._begin(pair)
        else:
            self._rest(pair, when)

    def _rest(self, pair: Authorization, until: float) -> None:
        """Have no dialog be made before a time, and one then, whoever asks meanwhile."""
        if until - self._now > SILENCE:
            self._showing.hide(pair)
        self._attempts.rest(pair, until)

    def _ask_once(self, stanza: Element, pair: Authorization, asker: Jid) -> None:
        """Ask for the contact's state with no more to follow (RFC 8048 §7.1)."""
        key = (*pair.key, str(asker))
        if key in self._subscriber:
            return
        if len(self._questions) >= MOST_QUESTIONS:
            self._questions = {each for each in self._questions if each in self._subscriber}
        if len(self._questions) >= MOST_QUESTIONS:
            busy = StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT)
            self._showing.reply(error_reply(stanza, busy))
            return
        if not self._attempts.may_ask(pair, self._now):
            if not pair.known and not pair.shown:
                self._showing.again(pair, str(asker))
            return
        self._questions.add(key)
        self._dialogs.subscribe(key, self._now, expires=0)

    def _drain(self) -> None:
        """Send what the subscriber has to send, and do what its events ask for."""
        busy = True
        while busy:
            requests, events = self._subscriber.to_send(), self._subscriber.events()
            busy = bool(requests or events)
            for request, route, handle in requests:
                self._sip.request(request, handle, route)
            for event in events:
                self._happened(event)

    def _happened(self, event: object) -> None:
        match event:
            case Due(key):
                self._due(key)
            case Left(key):
                self._left(key)
            case Lost(key) if (pair := self._pairs.get(key)) is not None:
                self._lost(pair)
            case Refused(key, response) if (pair := self._pairs.get(key[:2])) is not None:
                if response.status in FOREVER:
                    self._cancel(pair)
                elif key == pair.key:
                    self._failed(pair, response_error(response), retry_seconds(response))
                else:
                    self._attempts.hush(pair, retry_seconds(response), self._now)
            case Failed(key, cause) if (pair := self._pairs.get(key)) is not None:
                self._failed(pair, unanswered(cause))
            case _:
                pass  # of a question: who probed hears nothing, as of a user who is not there

    def _due(self, key: Key) -> None:
        """Refresh, once there is word that the watcher is there still (RFC 8048 §8.1)."""
        pair = self._pairs.get(key)
        if pair is None or len(key) > 2:
            self._subscriber.leave(key, self._now)
            return
        if self._whereabouts.silent(key[0], self._now) < PROOF or pair.probed:
            pair.probed = False
            self._subscriber.refresh(key)
            return
        pair.probed = True
        self._subscriber.defer(key, self._now + ANSWER)
        self._prove(key, key[1] if self._sees(*key) else Jid.parse(key[1]).domain)

    def _left(self, key: Key) -> None:
        pair = self._pairs.get(key)
        if pair is None:
            return
        pair.stand = Stand.WAITING
        if pair.record.leaving:
            self._end(pair)
        else:
            away = self._whereabouts.away(key[0])
            if away:
                pair.ghosts = ()
                self._showing.forget(pair)
            self._dialogs.note(pair, self._now)
            if not away:
                self._begin(pair)  # he came back meanwhile, and sees what he saw

    def _lost(self, pair: Authorization) -> None:
        pair.stand = Stand.WAITING
        self._dialogs.note(pair, self._now)
        self._begin_soon(pair, 0)

    def _failed(self, pair: Authorization, error: StanzaError | None, least: int = 0) -> None:
        """Tell who asked that the contact could not be; try again later, after `least` seconds.

        Who asks meanwhile has it tried sooner, but not that soon.
        """
        pair.stand, pair.error = Stand.WAITING, error
        self._dialogs.note(pair, self._now)
        if pair.asked is not None and error is not None:
            ends = pair.record.watcher, pair.record.contact
            children = [error.element()]
            told = presence(*ends, id=pair.asked, type="error", children=children)
            self._showing.reply(told)
            pair.asked = None
        elif pair.record.authorized:
            self._showing.hide(pair)
        self._attempts.failed(pair, least, self._now)

    def _cancel(self, pair: Authorization) -> None:
        """Tell that the contact does not let himself be seen, now or any more."""
        log.info(
            "subscription refused",
            extra=about(jid=pair.record.watcher, sip=pair.record.contact),
        )
        self._end(pair)

    def _end(self, pair: Authorization) -> None:
        """Forget a pair, and tell its watcher, who may have wanted it."""
        self._dialogs.drop(pair)
        self._remove(pair)
        self._attempts.cancel(pair.key)
        self._arrears.ended(pair.key)
        self._showing.send(pair.key, "unsubscribed")
        self._showing.hide(pair)

    # -- time -----------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Do what is due: refreshes, attempts, and what is taken up after a start."""
        self._now = now
        self._subscriber.on_timer(now)
        for key in self._attempts.due(now):
            if (pair := self._pairs.get(key)) is not None and not self._whereabouts.away(key[0]):
                self._begin(pair)
        for key, resources in self._arrears.due(now):
            self._tell_late(key, resources)
        for key in self._unanswered.due(now):
            self._give_up(self._pairs[key])
        for pair in self._inheritance.due(now, self._subscriber.asking):
            self._take_up(pair)
        self._drain()

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        alarms = self._attempts.next_timer(), self._unanswered.next(), self._arrears.next_timer()
        services = self._subscriber.next_timer(), self._inheritance.next_timer()
        return earliest((*services, *alarms))

    def _take_up(self, pair: Authorization) -> None:
        """Speak on in a dialog that may be there still, or make another."""
        if not pair.record.leaving:
            if not (
                pair.record.authorized or pair.record.asked
            ):  # an earlier version has not kept it
                self._dialogs.keep(pair, replace(pair.record, asked=self._wall()))
            self._begin(pair)
        elif self._dialogs.resume(pair, self._now):
            self._subscriber.leave(pair.key, self._now)
        else:
            self._end(pair)

    def describe(self) -> dict[str, int]:
        """Return how many pairs there are, and how they stand."""
        stands = Counter(pair.stand for pair in self._pairs.values())
        return {each.value: stands[each] for each in Stand} | {
            "dialogs": len(self._subscriber),
            "to take up": len(self._inheritance),
            "octets": self._showing.octets,
            "owed": len(self._arrears),
        }
