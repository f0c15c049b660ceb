"""What XMPP users are shown of the SIP users whom they watch (RFC 8048 §6.3)."""

from collections.abc import Callable, Sequence

from dragoman.bridge.authorization import Authorization, Key
from dragoman.bridge.ports import XmppPort
from dragoman.mapping.presence import Presence, gone, to_stanza
from dragoman.xmpp.element import Element
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import presence


class Showing:
    """Presence in SIP users' names; `adorn(contact)` gives what goes with all of it."""

    def __init__(self, xmpp: XmppPort, adorn: Callable[[Jid], Sequence[Element]]) -> None:
        """Send by `xmpp`."""
        self._xmpp = xmpp
        self._adorn = adorn

    def confirm(self, pair: Authorization) -> None:
        """Tell a watcher that he is authorized."""
        pair.confirmed = True
        self.send(pair.key, "subscribed")

    def show(self, pair: Authorization, presences: tuple[Presence, ...]) -> None:
        """Tell the watcher what is new: a resource that is told of no more is not there.

        That comes last: phones have another one with each document, and nobody is to seem gone.
        """
        before, pair.shown = {each.resource: each for each in pair.shown}, presences
        first, pair.known = not pair.known, True
        contact, watcher = Jid.parse(pair.record.contact), Jid.parse(pair.record.watcher)
        for each in presences:
            if not _is_told(each, before.get(each.resource)):
                self._present(each, contact, watcher)
        for resource in gone(before.values(), presences):
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

    def hide(self, pair: Authorization) -> None:
        """Tell the watcher that the contact is not to be seen, if he was."""
        for each in pair.shown:
            if each.available:
                self.send(pair.key, "unavailable", resource=each.resource)
        pair.shown, pair.known = (), False

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


def _is_told(what: Presence, before: Presence | None) -> bool:
    """Tell whether presence says nothing new; since when somebody is gone is nothing."""
    if before is None or before.available or what.available:
        return what == before
    return what.statuses == before.statuses
