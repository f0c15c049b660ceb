"""SIP users who watch XMPP users (RFC 8048 §5.3, §7.2): we are their notifier.

Each pair of users has what the XMPP user let the SIP user see, and nobody else (§8.2): for as long
as there is a dialog. The authorization outlives it, in the store.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from logging import getLogger
from typing import Final, TypeAlias

from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import SipPort, XmppPort
from dragoman.clock import Alarms
from dragoman.log import about
from dragoman.mapping.address import Unmappable
from dragoman.mapping.describe import described
from dragoman.mapping.failure import Refused
from dragoman.mapping.parties import recipient_of, refusal
from dragoman.mapping.presence import Presence, read
from dragoman.sip.endpoint import ServerTransaction
from dragoman.sip.header import split_list
from dragoman.sip.message import Request, Response, SipError, response_to
from dragoman.sip.notifier import Body, Granted, Notifier, Notifying, Terms, Unacceptable
from dragoman.sip.uri import Uri
from dragoman.store.subscriptions import Full, Subscriptions, Watched
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import ends, presence

log = getLogger(__name__)

PIDF: Final = "application/pidf+xml"
TAKES: Final = frozenset({PIDF, "application/*", "*/*"})
MOST_A_PAIR: Final = 32
"""Dialogs of one SIP user about one XMPP user."""
MOST_RESOURCES: Final = 64
"""Of one XMPP user: those that come after are not told of."""
UNDECIDED: Final = 86_400.0
"""Seconds that dialogs wait for an XMPP user to decide (RFC 6665 §4.1.3, giveup)."""
LATER: Final = 300
"""Seconds after which to ask again about a user who cannot be reached."""
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
    dialogs: set[int] = field(default_factory=set)
    seen: dict[str, Presence] = field(default_factory=dict)
    """By resource, those that are there."""
    left: dict[str, tuple[Presence, set[int]]] = field(default_factory=dict)
    """Those that went, and the dialogs that are to be told of it."""
    known: bool = False
    """Whether the contact's server told anything."""


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
        self._undecided: Alarms[Pair] = Alarms()
        self._now = 0.0

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
            granted = self._granted(request, pair)
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

    def _granted(self, request: Request, pair: Pair) -> Granted:
        """Take the SUBSCRIBE, with all that may speak against it; raises Unacceptable."""
        accept = [item for line in request.get_all("Accept") for item in split_list(line)]
        if accept and not any(each.partition(";")[0].strip().lower() in TAKES for each in accept):
            raise Unacceptable(406, (("Accept", PIDF),))
        watch = self._watches.get(pair)
        if request.to.tag is not None:
            granted = self._notifier.subscribe(request, "", "", self._now)
            if self._by_key.get(granted.key) is not watch:
                raise Unacceptable(481)
            return granted
        if watch is not None and len(watch.dialogs) >= MOST_A_PAIR:
            raise Unacceptable(500, (("Retry-After", "60"),))
        ours = Jid.parse(f"{pair[0]}/{self._instance}")
        contact = f"<{self._naming.sip_sender(ours)}>"
        return self._notifier.subscribe(request, self._token(), contact, self._now)

    def _answer(
        self, request: Request, transaction: ServerTransaction, granted: Granted, pair: Pair
    ) -> None:
        """Say 200 to what was granted, unless there is no room to remember who asked."""
        if granted.first and granted.expires and not self._asks(pair):
            self._notifier.forget(granted.key)
            self._refuse(request, transaction, 500, "no room", (("Retry-After", "60"),))
            return
        watch = self._watches.get(pair)
        if watch is None:
            watch = self._watches[pair] = Watch(pair)
        self._by_key[granted.key] = watch
        watch.dialogs.add(granted.key)
        headers = (*granted.headers, ("Allow-Events", "presence"))
        tag = self._notifier.tag(granted.key)
        self._sip.respond(transaction, response_to(request, 200, headers=headers, to_tag=tag))
        if not granted.expires and not granted.first:
            self._leave(granted.key, watch)
        elif granted.first:
            self._begin(granted, watch)

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
        if record is not None and record.authorized:
            self._notifier.activate(granted.key, self._now)
        if not granted.expires:
            if watch.known and record is not None and record.authorized:
                self._notifier.ready(granted.key, self._now)
            else:
                self._say(watch.pair, "probe")
        elif record is not None and not record.authorized:
            if len(watch.dialogs) == 1:
                self._say(watch.pair, "subscribe")
                self._undecided.set(watch.pair, self._now + UNDECIDED)
        elif not watch.known:
            self._say(watch.pair, "probe")

    def _leave(self, key: int, watch: Watch) -> None:
        """End a dialog whose subscriber wants no more of it (RFC 8048 §5.3.3)."""
        active = self._notifier.state(key) == "active"
        body = self._body(watch, {}) if active else None
        self._notifier.end(key, "timeout", self._now, body=body)
        self._gone(key)

    def _gone(self, key: int, *, quietly: bool = False) -> None:
        """Forget a dialog; after the last, the contact's server need not tell us any more.

        Of one who only asked once it was never told that he is there.
        """
        watch = self._by_key.pop(key, None)
        if watch is None:
            return
        watch.dialogs.discard(key)
        for resource, (_, keys) in list(watch.left.items()):
            keys.discard(key)
            if not keys:
                del watch.left[resource]
        if not watch.dialogs:
            del self._watches[watch.pair]
            self._undecided.cancel(watch.pair)
            if not quietly:
                self._say(watch.pair, "unavailable")

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
            self._unreached(pair, StanzaError.parse(stanza))
        elif kind == "subscribed":
            self._approved(pair)
        elif kind == "unsubscribed":
            self._denied(pair)
        elif (watch := self._watches.get(pair)) is not None and (
            kind is None or watch.seen or self.sees(*pair)
        ):
            # Servers tell a SIP user who may not see anybody that nobody is there.
            self._told(watch, stanza, contact.resource)
        self._drain()

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> None:
        """Learn that presence of ours did not reach the server of an XMPP user."""
        self._now = now
        watcher, contact = ends(stanza)
        if stanza.get("type") in {"subscribe", "probe"}:
            self._unreached((str(contact.bare), str(watcher.bare)), error)
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
        self._undecided.cancel(pair)
        watch = self._watches.get(pair)
        if watch is None:
            return
        for key in watch.dialogs:
            self._notifier.activate(key, self._now)
        if not watch.known:
            self._say(pair, "probe")

    def _denied(self, pair: Pair) -> None:
        self._end(pair, "rejected")

    def _unreached(self, pair: Pair, error: StanzaError) -> None:
        """Learn that the XMPP user cannot be asked, or his server cannot."""
        record = self._store.find_watched(*pair)
        if record is not None and not record.authorized:
            if error.condition is Condition.ITEM_NOT_FOUND:
                self._end(pair, "noresource")
            elif error.condition in {Condition.FORBIDDEN, Condition.NOT_AUTHORIZED}:
                self._end(pair, "rejected")
            else:
                self._end(pair, "giveup", LATER)
            return
        watch = self._watches.get(pair)
        for key in () if watch is None else list(watch.dialogs):
            self._notifier.ready(key, self._now)

    def _end(self, pair: Pair, reason: str, retry_after: int | None = None) -> None:
        """End all that a SIP user has of an XMPP user."""
        record = self._store.find_watched(*pair)
        if record is not None:
            try:
                self._store.drop(record)
            except Full as error:
                log.warning("a subscription is kept", extra=about(reason=error.reason))
        watch = self._watches.pop(pair, None)
        self._undecided.cancel(pair)
        for key in () if watch is None else watch.dialogs:
            self._by_key.pop(key, None)
            self._notifier.end(key, reason, self._now, retry_after=retry_after)

    def _told(self, watch: Watch, stanza: Element, resource: str) -> None:
        """Take what a contact is, and have all dialogs told."""
        what = read(stanza)
        if what.since is None:
            what = replace(what, since=self._wall())
        watch.known = True
        if what.available:
            if len(watch.seen) >= MOST_RESOURCES and resource not in watch.seen:
                return
            watch.left.pop(resource, None)
            watch.seen[resource] = what
        else:
            self._went(watch, resource, what)
        for key in watch.dialogs:
            self._notifier.change(key, self._now)
            self._notifier.ready(key, self._now)

    def _went(self, watch: Watch, resource: str, what: Presence) -> None:
        """Have a resource told as closed once more; "" is all of them."""
        for each in [resource] if resource else list(watch.seen):
            if watch.seen.pop(each, None) is not None:
                watch.left[each] = replace(what, resource=each), set(watch.dialogs)

    # -- NOTIFY ---------------------------------------------------------------------------

    def _document(self, key: int) -> Body | None:
        """Return what a dialog is told now: None as long as nothing is known."""
        watch = self._by_key.get(key)
        if watch is None or not watch.known:
            return None
        parting = {name: what for name, (what, keys) in watch.left.items() if key in keys}
        body = self._body(watch, {**parting, **watch.seen})
        for name in parting:
            keys = watch.left[name][1]
            keys.discard(key)
            if not keys:
                del watch.left[name]
        return body

    def _body(self, watch: Watch, presences: dict[str, Presence]) -> Body:
        shown, address = list(presences.values()), self._naming.sip_sender
        return described(Jid.parse(watch.pair[0]), shown, address, self._wall())

    def _drain(self) -> None:
        for over in self._notifier.events():
            self._gone(over.key, quietly=over.once)
        for request, route, handle in self._notifier.to_send(self._now):
            self._sip.request(request, handle, route)

    def _say(self, pair: Pair, kind: str) -> None:
        """Send presence of a SIP user to the XMPP user whom he watches."""
        stanza = presence(pair[0], pair[1], id=self._token(), type=kind)
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
        return min((when for when in times if when is not None), default=None)

    def give_up(self, now: float) -> None:
        """End all dialogs: the gateway stops, and may be back soon."""
        self._now = now
        for number, key in enumerate(self._by_key):
            when = now + number / LAST_WORDS
            self._notifier.end(key, "probation", when, retry_after=BACK + number % BACK)
        self._by_key.clear()
        self._watches.clear()
        self._drain()

    @property
    def quiet(self) -> bool:
        """Whether no last NOTIFY is still to be sent."""
        return not len(self._notifier)

    def describe(self) -> dict[str, int]:
        """Return how many SIP users watch, and by how many dialogs."""
        return {"pairs": len(self._watches), "dialogs": len(self._notifier)}
