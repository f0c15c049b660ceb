"""What XMPP users are shown of the SIP users whom they watch (RFC 8048 §6.3)."""

from collections.abc import Callable, Sequence
from logging import getLogger
from sys import getsizeof
from typing import Final

from dragoman.bridge.authorization import Authorization, Key
from dragoman.bridge.ports import XmppPort
from dragoman.log import about
from dragoman.mapping.presence import Presence, gone, plainest, to_stanza
from dragoman.xmpp.element import Element
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import presence

log = getLogger(__name__)

ROOM: Final = 256 << 20
"""Octets of what is remembered of all contacts; beyond, one is shown as there, or not, in brief."""
OBJECT: Final = 256
"""Octets of presence without its texts, and of a text without its letters, at most."""


class Showing:
    """Presence in SIP users' names; `adorn(contact)` gives what goes with all of it."""

    def __init__(
        self, xmpp: XmppPort, adorn: Callable[[Jid], Sequence[Element]], room: int = ROOM
    ) -> None:
        """Send by `xmpp`, and remember `room` octets, and one brief presence of each pair."""
        self._xmpp = xmpp
        self._adorn = adorn
        self._room = room
        self._full = False
        self.octets = 0

    def confirm(self, pair: Authorization) -> None:
        """Tell a watcher that he is authorized."""
        pair.confirmed = True
        self.send(pair.key, "subscribed")

    def show(self, pair: Authorization, presences: tuple[Presence, ...]) -> None:
        """Tell the watcher what is new: a resource that is told of no more is not there.

        That comes last: phones have another one with each document, and nobody is to seem gone.
        """
        before, first = {each.resource: each for each in pair.shown}, not pair.known
        presences = self.remember(pair, presences)
        contact, watcher = Jid.parse(pair.record.contact), Jid.parse(pair.record.watcher)
        for each in presences:
            if not _is_told(each, before.get(each.resource)):
                self._present(each, contact, watcher)
        told = {each.resource for each in presences}
        ghosts, pair.ghosts = [each for each in pair.ghosts if each not in told], ()
        for resource in dict.fromkeys([*gone(before.values(), presences), *ghosts]):
            self.send(pair.key, "unavailable", resource=resource)
        if first and not presences:
            self.send(pair.key, "unavailable")

    def again(self, pair: Authorization, to: str) -> None:
        """Tell one who asks what was told last."""
        contact, asker = Jid.parse(pair.record.contact), Jid.parse(to)
        for each in pair.shown:
            self._present(each, contact, asker)
        if not pair.shown:
            self.send(pair.key, "unavailable", to=to)

    def answer(self, pair: Authorization, presences: tuple[Presence, ...], asker: str) -> None:
        """Tell one who asks what there is now, and all of the watcher's sessions who is gone."""
        before = [each.resource for each in pair.shown if each.available]
        presences, ghosts, pair.ghosts = self.remember(pair, presences), pair.ghosts, ()
        there = {each.resource for each in presences if each.available}
        left = [each for each in dict.fromkeys([*before, *ghosts]) if each not in there]
        self.tell(pair.key, presences, left)
        contact, to = Jid.parse(pair.record.contact), Jid.parse(asker)
        for each in presences:
            if each.resource not in left:
                self._present(each, contact, to)
        if not presences:
            self.send(pair.key, "unavailable", to=asker)

    def tell(self, key: Key, shown: Sequence[Presence], resources: Sequence[str]) -> None:
        """Tell the watcher what these resources are now; "" is the contact, if he has none."""
        known = {each.resource: each for each in shown}
        contact, watcher = Jid.parse(key[1]), Jid.parse(key[0])
        for resource in resources:
            if resource in known:
                self._present(known[resource], contact, watcher)
            elif resource or not known:
                self.send(key, "unavailable", resource=resource)

    def hide(self, pair: Authorization) -> None:
        """Tell the watcher that the contact is not to be seen, if he was."""
        available = [each.resource for each in pair.shown if each.available]
        for resource in dict.fromkeys([*available, *pair.ghosts]):
            self.send(pair.key, "unavailable", resource=resource)
        pair.ghosts = ()
        self.forget(pair)

    def remember(
        self, pair: Authorization, presences: tuple[Presence, ...]
    ) -> tuple[Presence, ...]:
        """Have `presences` be what a contact is known to be, as far as there is room for it."""
        self.forget(pair)
        weight = sum(map(_weight, presences))
        if self.octets + weight > self._room:
            self._log_full()
            presences = plainest(presences)
            weight = sum(map(_weight, presences))
        elif self._full and self.octets + weight < self._room * 3 // 4:
            self._full = False
        self.octets += weight
        pair.shown, pair.known, pair.weight = presences, True, weight
        return presences

    def forget(self, pair: Authorization) -> None:
        """Know nothing of a contact any more."""
        self.octets -= pair.weight
        pair.shown, pair.known, pair.weight = (), False, 0

    def _log_full(self) -> None:
        if not self._full:
            self._full = True
            log.warning(
                "presence of SIP users is shown in brief: there is no room to remember more",
                extra=about(octets=self.octets),
            )

    def send(self, key: Key, kind: str, *, to: str = "", resource: str = "") -> None:
        """Send presence of a contact to his watcher, or to the one of his sessions that asked."""
        from_ = f"{key[1]}/{resource}" if resource else key[1]
        self.reply(presence(to or key[0], from_, type=kind))

    def reply(self, stanza: Element | None) -> None:
        """Send a stanza, if there is one."""
        if stanza is not None:
            local, remote = (Jid.parse(stanza.attributes[end]) for end in ("from", "to"))
            self._xmpp.send(stanza, local.domain, remote.domain)

    def _present(self, what: Presence, contact: Jid, to: Jid) -> None:
        stanza = to_stanza(what, contact, to)
        if what.available:
            stanza.children = [*stanza.children, *self._adorn(contact)]
        self._xmpp.send(stanza, contact.domain, to.domain)


def _weight(what: Presence) -> int:
    """Return how many octets of memory presence takes, a little more rather than less."""
    texts = [what.resource, what.nick]
    texts += [text for each in what.statuses for text in (each.text, each.lang)]
    return OBJECT * (1 + len(what.statuses)) + sum(map(getsizeof, texts))


def _is_told(what: Presence, before: Presence | None) -> bool:
    """Tell whether presence says nothing new; since when somebody is gone is nothing."""
    if before is None or before.available or what.available:
        return what == before
    return what.statuses == before.statuses
