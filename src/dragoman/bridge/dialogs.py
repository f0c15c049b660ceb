"""The dialogs in which we watch SIP users, and what is kept of them (RFC 6665, design/0008)."""

from collections.abc import Callable
from dataclasses import replace
from logging import getLogger
from typing import Final

from dragoman.bridge.authorization import Authorization, Key, Stand
from dragoman.bridge.naming import Naming
from dragoman.log import about
from dragoman.mapping.pidf import MEDIA_TYPE, RELATED
from dragoman.sip.message import SipError
from dragoman.sip.subscriber import Package, Parties, Subscriber
from dragoman.store.subscriptions import Full, Subscriptions, Watching, kept_names
from dragoman.xmpp.jid import Jid

log = getLogger(__name__)

PACKAGE: Final = Package("presence", f"{MEDIA_TYPE}, {RELATED}", 3600)


class Dialogs:
    """The subscriber of all pairs, between the store and the names that users have in SIP.

    `chance` is that of `Subscriber`, `wall()` the time in seconds since 1970.
    """

    def __init__(
        self,
        naming: Naming,
        store: Subscriptions,
        token: Callable[[], str],
        wall: Callable[[], float],
        chance: Callable[[float, float], float],
    ) -> None:
        """Start without dialogs: those of an earlier process are made by `resume`."""
        self._naming = naming
        self._store = store
        self._wall = wall
        self._instance = token()
        self.subscriber: Subscriber[Key] = Subscriber(PACKAGE, token, chance)

    def __contains__(self, key: Key) -> bool:
        """Tell whether there is a dialog that is not about to end."""
        return key in self.subscriber

    def subscribe(self, key: Key, now: float, expires: int | None = None) -> None:
        """Ask for presence in a new dialog; raises Unmappable."""
        self.subscriber.subscribe(key, self.parties(key), now, expires)

    def parties(self, key: Key) -> Parties:
        """Return who subscribes to whom in SIP; raises Unmappable."""
        watcher, contact = Jid.parse(key[0]), Jid.parse(key[1])
        target, local = self._naming.sip_recipient(contact), self._naming.sip_sender(watcher)
        device = Jid(watcher.local, watcher.domain, self._instance)
        ours = self._naming.contact(device, contact)
        return Parties(str(target), f"<{local}>", f"<{target}>", ours)

    def resume(self, pair: Authorization, now: float) -> bool:
        """Take up the dialog of an earlier process, once; False where there is none that lasts.

        One of our own is never taken up: where we have none, we have ended it.
        """
        text, left = pair.record.dialog, pair.record.expires - self._wall()
        stored, pair.stored = pair.stored, False
        if not stored or not text or left <= 0 or pair.key in self:
            return False
        try:
            self.subscriber.restore(pair.key, text, left, now)
        except SipError as error:
            log.warning("a dialog cannot be read", extra=about(reason=error.reason))
            return False
        pair.stand = Stand.PENDING
        return True

    def keep(self, pair: Authorization, record: Watching) -> bool:
        """Have the record of a pair be another, if that can be written down."""
        try:
            self._store.keep(record)
        except Full as error:
            log.warning(
                "a subscription cannot be kept",
                extra=about(jid=record.watcher, reason=error.reason),
            )
            return False
        pair.record = record
        return True

    def drop(self, pair: Authorization) -> None:
        """Forget a pair, and a dialog that nobody has asked to end."""
        self._store.drop(pair.record)
        if pair.key in self:
            self.subscriber.forget(pair.key)

    def note(self, pair: Authorization, now: float) -> None:
        """Have the dialog written down, so that a later process can go on with it."""
        kept = self.subscriber.keep(pair.key, now)
        text, left = kept or ("", 0.0)
        expires = self._wall() + left if kept else 0.0
        pair.record = replace(pair.record, dialog=text, expires=expires, shown=_shown(pair))
        self._store.note(pair.record)

    def note_shown(self, pair: Authorization) -> None:
        """Have it written down by which resources a contact is shown, where those are others."""
        shown = _shown(pair)
        if shown != pair.record.shown:
            pair.record = replace(pair.record, shown=shown)
            self._store.note(pair.record)


def _shown(pair: Authorization) -> tuple[str, ...]:
    available = (each.resource for each in pair.shown if each.available)
    return kept_names((*available, *pair.ghosts))
