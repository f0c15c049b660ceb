"""What clients say that they can do, asked before they are called (XEP-0030 §3.1).

Not all take keys by DTLS, and who has none does not say so in XEP-0353 nor in XEP-0166.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from dragoman.bridge.ports import XmppPort
from dragoman.clock import Alarms
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import disco
from dragoman.xmpp.failure import StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import IQ, ends

PATIENCE: Final = 2.0
"""Seconds that an answer may take: somebody waits for the call."""
MOST: Final = 1024
"""Questions without an answer."""

Told: TypeAlias = Callable[[frozenset[str] | None], None]
"""Learns the features of a device, once; None: it does not say."""


class Abilities:
    """The questions that are open."""

    def __init__(self, xmpp: XmppPort, token: Callable[[], str]) -> None:
        """Ask nothing yet; a `token` is the id of a question, which nobody can guess."""
        self._xmpp = xmpp
        self._token = token
        self._asked: dict[str, tuple[Jid, Jid, Told]] = {}
        self._late: Alarms[str] = Alarms()

    def ask(self, local: Jid, device: Jid, told: Told, now: float) -> None:
        """Ask a device, in the name of a SIP user, what it can do."""
        if len(self._asked) >= MOST:
            told(None)
            return
        ident = self._token()
        self._asked[ident] = local, device, told
        self._late.set(ident, now + PATIENCE)
        asks = disco.ask(str(device), str(local), ident)
        self._xmpp.send(asks, local.domain, device.domain)

    def on_stanza(self, stanza: Element) -> bool:
        """Take an answer; False: it is none to a question of ours."""
        ident = stanza.get("id", "")
        if stanza.name != IQ or stanza.get("type") not in {"result", "error"}:
            return False
        asked = self._asked.get(ident)
        try:
            if asked is None or ends(stanza) != (asked[1], asked[0]):
                return False
        except StanzaError:
            return False
        self._tell(ident, disco.told(stanza) if stanza.get("type") == "result" else None)
        return True

    def undelivered(self, stanza: Element) -> bool:
        """Learn that a stanza did not arrive; False: it was no question of ours."""
        if stanza.name != IQ or stanza.get("type") != "get" or stanza.get("id") not in self._asked:
            return False
        self._tell(stanza.get("id", ""), None)
        return True

    def on_timer(self, now: float) -> None:
        """Wait no longer for what is late."""
        for ident in self._late.due(now):
            self._tell(ident, None)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._late.next()

    def _tell(self, ident: str, features: frozenset[str] | None) -> None:
        self._late.cancel(ident)
        _, _, told = self._asked.pop(ident)
        told(features)
