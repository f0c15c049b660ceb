"""SIP users who watch XMPP users (RFC 8048 §5.3, §7.2): we are their notifier.

Each pair of users has what the XMPP user let the SIP user see, and nobody else (§8.2): for as long
as there is a dialog. The authorization outlives it, in the store.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from logging import getLogger
from typing import Final, TypeAlias

from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.bridge.sight import Room, Sight
from dragoman.clock import Alarms, earliest
from dragoman.log import about
from dragoman.mapping.address import Unmappable, jid_to_sip
from dragoman.mapping.describe import described
from dragoman.mapping.failure import Refused
from dragoman.mapping.parties import recipient_of, refusal
from dragoman.mapping.pidf import MEDIA_TYPE
from dragoman.mapping.presence import Presence, read
from dragoman.sip.endpoint import ServerTransaction
from dragoman.sip.event import ACTIVE
from dragoman.sip.header import accepts
from dragoman.sip.message import Request, Response, SipError, response_to
from dragoman.sip.notifier import Body, Granted, Notifier, Notifying, Terms, Unacceptable
from dragoman.sip.uri import Uri
from dragoman.store.subscriptions import Full, Subscriptions, Watched
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends, presence

log = getLogger(__name__)

TAKES: Final = frozenset({MEDIA_TYPE, "application/*", "*/*"})
MOST_A_PAIR: Final = 32
"""Dialogs of one SIP user about one XMPP user."""
MOST_A_WATCHER: Final = 5000
"""Dialogs of one SIP user."""
UNDECIDED: Final = 86_400.0
"""Seconds that dialogs wait for an XMPP user to decide (RFC 6665 §4.1.3, giveup)."""
LATER: Final = 300
"""Seconds after which to ask again about a user who cannot be reached."""
GATHER: Final = 0.5
"""Seconds that other resources have to tell of themselves, before what was asked once is answered:
a server tells of them one after the other."""
BACK: Final = 30
"""Seconds after which to ask a gateway again that stops."""
LAST_WORDS: Final = 2000
"""NOTIFYs a second when the gateway stops."""

Pair: TypeAlias = tuple[str, str]
"""Contact, an XMPP user, and watcher, a SIP user: bare JIDs."""


@dataclass(slots=True)
class Watch:
    """What one SIP user sees of one XMPP user, while there is a dialog."""

    pair: Pair
    sight: Sight
    dialogs: set[int] = field(default_factory=set)
    lasting: bool = False
    """Whether any of its dialogs was more than a question."""
    asked: dict[str, str] = field(default_factory=dict)
    """The `id` of the last `subscribe`, and of the last `probe`."""

    def is_answered_by(self, error: Element) -> bool:
        """Tell whether an error is about what was asked of the contact last.

        Others are about what else is said in the name of the SIP user (RFC 6120 §8.1.3).
        """
        return error.get("id") in self.asked.values()


class Watchers:
    """The service; `host` is our own name, in warnings."""

    def __init__(
        self,
        sip: SipPort,
        xmpp: XmppPort,
        naming: Naming,
        store: Subscriptions,
        token: Callable[[], str],
        wall: Callable[[], float],
        host: str,
    ) -> None:
        """Know of no dialog: whoever had one with an earlier process subscribes again."""
        self._sip = sip
        self._xmpp = xmpp
        self._naming = naming
        self._store = store
        self._token = token
        self._wall = wall
        self._host = host
        self._instance = token()
        self._notifier = Notifier(Terms("presence"), self._document)
        self._watches: dict[Pair, Watch] = {}
        self._by_key: dict[int, Watch] = {}
        self._of_watcher: Counter[str] = Counter()
        self._room = Room()
        self._undecided: Alarms[Pair] = Alarms()
        self._now = 0.0

    def start(self) -> None:
        """Forget who asked an earlier process, and was not answered for a day."""
        for record in self._store.watched():
            if not record.authorized and record.asked + UNDECIDED < self._wall():
                self._store.drop(record)

    def sees(self, contact: str, watcher: str) -> bool:
        """Tell whether an XMPP user lets a SIP user see him."""
        found = self._store.find_watched(contact, watcher)
        return found is not None and found.authorized

    # -- from SIP -------------------------------------------------------------------------

    def on_subscribe(
        self, request: Request, transaction: ServerTransaction, sender: Uri, now: float
    ) -> None:
        """Take a SUBSCRIBE of `sender`, who is believed, and answer it."""
        self._now = now
        try:
            pair = self._ends(request, sender)
            granted = self._granted(request, pair, sender.host)
        except Unacceptable as error:
            self._refuse(request, transaction, error.status, "not acceptable", error.headers)
        except Refused as error:
            self._refuse(
                request, transaction, error.answer.status, error.reason, error.answer.headers
            )
        except SipError as error:
            self._refuse(request, transaction, error.status, error.reason)
        else:
            self._answer(request, transaction, granted, pair)
        self._drain()

    def _ends(self, request: Request, sender: Uri) -> Pair:
        """Return who is watched, and who watches; raises Refused."""
        target = recipient_of(request, host=self._host)
        try:
            contact = self._naming.xmpp_recipient(target)
        except Unmappable as error:
            raise refusal(error) from error
        try:
            watcher = self._naming.xmpp_sender(sender)
        except Unmappable as error:
            raise refusal(error, sender=True) from error
        if not contact.local or not watcher.local:
            raise Refused("a domain has no presence", 404)
        self._naming.heard(watcher, sender)
        return str(contact.bare), str(watcher.bare)

    def _granted(self, request: Request, pair: Pair, domain: str) -> Granted:
        """Take the SUBSCRIBE of a user of a SIP domain, with all that may speak against it.

        Raises Unacceptable.
        """
        if not accepts(request.get_all("Accept"), TAKES):
            raise Unacceptable(406, (("Accept", MEDIA_TYPE),))
        watch = self._watches.get(pair)
        dialogs = set() if watch is None else watch.dialogs
        if request.to.tag is not None:
            if self._notifier.find(request) not in dialogs:
                raise Unacceptable(481)
            return self._notifier.subscribe(request, "", "", self._now)
        if len(dialogs) >= MOST_A_PAIR or self._of_watcher[pair[1]] >= MOST_A_WATCHER:
            raise Unacceptable(500, (("Retry-After", "60"),))
        ours = Jid.parse(f"{pair[0]}/{self._instance}")
        contact = self._naming.contact(ours, Jid.parse(pair[1]))
        return self._notifier.subscribe(request, self._token(), contact, self._now, domain)

    def _answer(
        self, request: Request, transaction: ServerTransaction, granted: Granted, pair: Pair
    ) -> None:
        """Say 200 to what was granted, unless there is no room to remember who asked."""
        if granted.first and granted.expires and not self._asks(pair):
            self._notifier.forget(granted.key)
            self._refuse(request, transaction, 500, "no room", (("Retry-After", "60"),))
            return
        watch = self._watch(pair)
        if granted.first:
            self._by_key[granted.key] = watch
            watch.dialogs.add(granted.key)
            self._count(pair[1], 1)
        headers = (*granted.headers, ("Allow-Events", "presence"))
        tag = self._notifier.tag(granted.key)
        self._sip.respond(transaction, response_to(request, 200, headers=headers, to_tag=tag))
        if not granted.expires and not granted.first:
            self._leave(granted.key, watch)
        elif granted.first:
            self._begin(granted, watch)
        elif self.sees(*pair) and not watch.sight.known:
            self._say(pair, "probe")

    def _watch(self, pair: Pair) -> Watch:
        found = self._watches.get(pair)
        if found is None:
            address = len(str(jid_to_sip(Jid.parse(pair[0]))))
            found = self._watches[pair] = Watch(pair, Sight(address, self._room))
        return found

    def _asks(self, pair: Pair) -> bool:
        """Remember that a SIP user asked to see an XMPP user; False where there is no room."""
        if self._store.find_watched(*pair) is not None:
            return True
        try:
            self._store.keep(Watched(pair[0], pair[1], asked=self._wall()))
        except Full as error:
            log.warning("a subscription is refused", extra=about(sip=pair[1], reason=error.reason))
            return False
        return True

    def _begin(self, granted: Granted, watch: Watch) -> None:
        """Tell a new dialog what there is; ask the XMPP user, or his server."""
        record = self._store.find_watched(*watch.pair)
        authorized = record is not None and record.authorized
        watch.lasting = watch.lasting or bool(granted.expires)
        if authorized:
            self._notifier.activate(granted.key, self._now)
        if not granted.expires and (watch.sight.known if authorized else record is not None):
            # A probe of one who waits for consent would be answered as if that were denied.
            self._notifier.ready(granted.key, self._now)
        elif not granted.expires or (authorized and not watch.sight.known):
            self._say(watch.pair, "probe")
        elif not authorized and watch.pair not in self._undecided:
            # First: what cannot be sent comes back at once, and ends all of this.
            self._undecided.set(watch.pair, self._now + UNDECIDED)
            self._say(watch.pair, "subscribe")

    def _leave(self, key: int, watch: Watch) -> None:
        """End a dialog whose subscriber wants no more of it (RFC 8048 §5.3.3)."""
        active = self._notifier.state(key) == ACTIVE
        body = self._body(watch, ()) if active else None
        self._notifier.end(key, "timeout", self._now, body=body)
        self._gone(key)

    def _gone(self, key: int) -> None:
        """Forget a dialog; after the last, the contact's server need not tell us any more.

        Of one who only asked once it was never told that he is there. What is undecided is not
        kept for nobody: whose contact decides later is told so when he asks the next time.
        """
        watch = self._by_key.pop(key, None)
        if watch is None:
            return
        watch.dialogs.discard(key)
        watch.sight.forget(key)
        self._count(watch.pair[1], -1)
        if not watch.dialogs:
            self._forget(watch)
            if watch.lasting:
                self._withdraw(watch.pair)
                self._say(watch.pair, "unavailable")

    def _withdraw(self, pair: Pair) -> None:
        """Forget that a SIP user asked to see an XMPP user, who has not answered."""
        record = self._store.find_watched(*pair)
        if record is not None and not record.authorized:
            self._store.drop(record)

    def _forget(self, watch: Watch) -> None:
        del self._watches[watch.pair]
        self._undecided.cancel(watch.pair)
        watch.sight.clear()

    def _count(self, watcher: str, dialogs: int) -> None:
        """Count the dialogs of a SIP user."""
        self._of_watcher[watcher] += dialogs
        if not self._of_watcher[watcher]:
            del self._of_watcher[watcher]

    def _refuse(
        self,
        request: Request,
        transaction: ServerTransaction,
        status: int,
        reason: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        log.info(
            "SUBSCRIBE refused",
            extra=about(
                sip=request.get("From"),
                call_id=request.get("Call-ID"),
                status=status,
                reason=reason,
            ),
        )
        self._sip.respond(transaction, response_to(request, status, headers=headers))

    def on_response(self, handle: Hashable, response: Response, now: float) -> None:
        """Take a response to a NOTIFY."""
        self._now = now
        if isinstance(handle, Notifying):
            self._notifier.on_response(handle, response, now)
        self._drain()

    def on_failure(self, handle: Hashable, now: float) -> None:
        """Learn that a NOTIFY got no response."""
        self._now = now
        if isinstance(handle, Notifying):
            self._notifier.on_failure(handle)
        self._drain()

    # -- from XMPP ------------------------------------------------------------------------

    def on_presence(self, stanza: Element, now: float) -> None:
        """Take presence of an XMPP user who is watched, or an error in his place."""
        self._now = now
        contact, watcher = ends(stanza)
        pair = str(contact.bare), str(watcher.bare)
        kind = stanza.get("type")
        if kind == "error":
            self._unreached(pair, stanza, StanzaError.parse(stanza))
        elif kind == "subscribed":
            self._approved(pair)
        elif kind == "unsubscribed":
            self._denied(pair)
        elif (watch := self._watches.get(pair)) is not None and (
            kind is None or watch.sight.seen or self.sees(*pair)
        ):
            # Servers tell a SIP user who may not see anybody that nobody is there.
            self._told(watch, stanza)
        self._drain()

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> None:
        """Learn that presence of ours did not reach the server of an XMPP user."""
        self._now = now
        watcher, contact = ends(stanza)
        self._unreached((str(contact.bare), str(watcher.bare)), stanza, error)
        self._drain()

    def _approved(self, pair: Pair) -> None:
        record = self._store.find_watched(*pair)
        if record is None:
            return  # nobody asked
        if not record.authorized:
            try:
                self._store.keep(replace(record, authorized=True))
            except Full as error:
                log.warning("consent cannot be kept", extra=about(jid=pair[0], reason=error.reason))
                return  # he is asked again, by the next dialog
        self._undecided.cancel(pair)
        watch = self._watches.get(pair)
        if watch is None:
            return
        for key in watch.dialogs:
            self._notifier.activate(key, self._now)
        if not watch.sight.known:
            self._say(pair, "probe")

    def _denied(self, pair: Pair) -> None:
        record = self._store.find_watched(*pair)
        asking = [key for key in self._dialogs(pair) if self._notifier.is_once(key)]
        if asking and record is not None and not record.authorized:
            # That is the answer to the probe of one who asked for consent only after it (RFC 6121
            # §4.3.2): his contact has decided nothing.
            for key in asking:
                self._notifier.ready(key, self._now)
        else:
            self._end(pair, "rejected")

    def _dialogs(self, pair: Pair) -> list[int]:
        watch = self._watches.get(pair)
        return [] if watch is None else list(watch.dialogs)

    def _unreached(self, pair: Pair, stanza: Element, error: StanzaError) -> None:
        """Learn that the XMPP user cannot be asked what `stanza` did, or answers, nor his server.

        It is of no concern where that is not what was asked last.
        """
        watch = self._watches.get(pair)
        if watch is None or not watch.is_answered_by(stanza):
            return
        record = self._store.find_watched(*pair)
        if record is not None and not record.authorized:
            if error.condition is Condition.ITEM_NOT_FOUND:
                self._end(pair, "noresource")
            elif error.condition in {Condition.FORBIDDEN, Condition.NOT_AUTHORIZED}:
                self._end(pair, "rejected")
            else:
                self._end(pair, "giveup", LATER)
            return
        for key in self._dialogs(pair):
            self._notifier.ready(key, self._now)

    def _end(self, pair: Pair, reason: str, retry_after: int | None = None) -> None:
        """End all that a SIP user has of an XMPP user."""
        record = self._store.find_watched(*pair)
        if record is not None:
            self._store.drop(record)
        watch = self._watches.get(pair)
        if watch is None:
            return
        self._forget(watch)
        self._count(pair[1], -len(watch.dialogs))
        for key in watch.dialogs:
            self._by_key.pop(key, None)
            self._notifier.end(key, reason, self._now, retry_after=retry_after)

    def _told(self, watch: Watch, stanza: Element) -> None:
        """Take what a contact is, and have all dialogs told what is new."""
        what = read(stanza)
        news = watch.sight.is_news(what)
        if what.since is None:
            what = replace(what, since=self._wall())
        told = [key for key in watch.dialogs if self._notifier.state(key) == ACTIVE]
        watch.sight.take(what, told)
        within = GATHER if what.available or what.resource else 0.0
        for key in watch.dialogs:
            if news:
                self._notifier.change(key, self._now)
            self._notifier.ready(key, self._now, within)

    # -- NOTIFY ---------------------------------------------------------------------------

    def _document(self, key: int) -> Body | None:
        """Return what a dialog is told now: None as long as nothing is known."""
        watch = self._by_key.get(key)
        if watch is None or not watch.sight.known:
            return None
        return self._body(watch, watch.sight.told(key))

    def _body(self, watch: Watch, presences: Iterable[Presence]) -> Body:
        shown, address = list(presences), self._naming.sip_sender
        return described(Jid.parse(watch.pair[0]), shown, address, self._wall())

    def _drain(self) -> None:
        for over in self._notifier.events():
            self._gone(over.key)
        for request, route, handle in self._notifier.to_send(self._now):
            self._sip.request(request, handle, route)

    def _say(self, pair: Pair, kind: str) -> None:
        """Send presence of a SIP user to the XMPP user whom he watches."""
        id_, watch = self._token(), self._watches.get(pair)
        if watch is not None:
            watch.asked[kind] = id_
        stanza = presence(pair[0], pair[1], id=id_, type=kind)
        local, remote = Jid.parse(pair[1]).domain, Jid.parse(pair[0]).domain
        self._xmpp.send(stanza, local, remote)

    # -- time -----------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self._notifier.on_timer(now)
        for pair in self._undecided.due(now):
            self._end(pair, "giveup")
        self._drain()

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        times = (self._notifier.next_timer(), self._undecided.next())
        return earliest(times)

    def give_up(self, now: float) -> None:
        """End all dialogs: the gateway stops, and may be back soon."""
        self._now = now
        for number, key in enumerate(self._by_key):
            when = now + number / LAST_WORDS
            self._notifier.end(key, "probation", when, retry_after=BACK + number % BACK)
        self._by_key.clear()
        self._watches.clear()
        self._of_watcher.clear()
        self._undecided = Alarms()
        self._drain()

    @property
    def quiet(self) -> bool:
        """Whether no last NOTIFY is still to be sent."""
        return not len(self._notifier)

    def describe(self) -> dict[str, int]:
        """Return how many SIP users watch, and by how many dialogs."""
        return {"pairs": len(self._watches), "dialogs": len(self._notifier)}
