"""That somebody is writing, between the ports and the service that knows who does (RFC 7573 §6).

What comes in as isComposing document or chat state goes to `Composing`; what that wants told goes
out. Nobody hears whether it arrived.
"""

from collections import deque
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Final

from dragoman.bridge.composing import Action, Composing, ToSip, ToXmpp
from dragoman.bridge.naming import Naming
from dragoman.bridge.ports import XmppPort
from dragoman.bridge.to_sip import Crossing, Purpose
from dragoman.errors import RemoteError
from dragoman.log import about
from dragoman.mapping.address import Unmappable
from dragoman.mapping.composing import IsComposing, notification, status_message
from dragoman.mapping.failure import Refused
from dragoman.mapping.thread import ThreadBook
from dragoman.sip.message import SipError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import delay
from dragoman.xmpp.ext.chatstates import State, state_of
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import MESSAGE, THREAD, ends

log = getLogger(__name__)

UNSUPPORTED: Final = 415
"""The status that ends status messages to a phone (RFC 3994 §4)."""
NO_TALK: Final = frozenset({"headline", "groupchat", "error"})
"""Types of stanzas that are of no conversation of two."""


class Writing:
    """The service; `submit(crossing, now)` sends a crossing when it is its turn."""

    def __init__(
        self,
        xmpp: XmppPort,
        naming: Naming,
        threads: ThreadBook,
        token: Callable[[], str],
        submit: Callable[[Crossing, float], None],
        idle_as: State,
    ) -> None:
        """Start with nobody; `idle_as` is the chat state for a SIP user who no longer writes."""
        self._xmpp = xmpp
        self._naming = naming
        self._threads = threads
        self._token = token
        self._submit = submit
        self._composing = Composing(idle_as=idle_as)

    # -- what SIP users do ----------------------------------------------------------------

    def on_document(self, body: bytes, call_id: str, peer: Jid, user: Jid, now: float) -> None:
        """Take a status message of the SIP user `peer` to `user`; raises Refused (400)."""
        try:
            status = IsComposing.parse(body)
        except RemoteError as error:
            raise Refused(error.reason, 400) from error
        thread = self._threads.known(call_id, user, peer)
        self._act(self._composing.sip_status(user, peer, status, thread, now), now)

    def sip_said(self, peer: Jid, user: Jid, now: float) -> None:
        """Learn that the SIP user `peer` wrote a message to `user`, which was just sent on."""
        self._act(self._composing.sip_content(user, peer, now), now)

    def sip_took(self, stanza: Element, now: float) -> None:
        """Learn that the phone of whom a message stanza is for took what became of it."""
        user, peer = ends(stanza)
        self._act(self._composing.sip_accepted(user, peer, now), now)

    def answered(self, crossing: Crossing) -> None:
        """Learn what became of a status message."""
        if crossing.status == UNSUPPORTED:
            self._composing.sip_refused(ends(crossing.stanza)[1])

    # -- what XMPP users do ---------------------------------------------------------------

    def on_stanza(self, stanza: Element, now: float) -> None:
        """Take a message stanza that bears no message, but perhaps a state (XEP-0085 §5.1).

        One that was kept for its receiver tells what was so a while ago.
        """
        state = state_of(stanza)
        if state is None or stanza.get("type") in NO_TALK or delay.sent(stanza) is not None:
            return
        thread = stanza.find(THREAD)
        text = "" if thread is None else thread.text
        self._act(self._composing.xmpp_state(*ends(stanza), state, text, now), now)

    def xmpp_said(self, stanza: Element, now: float) -> None:
        """Learn that a message stanza was just sent on to the SIP user whom it is for."""
        if stanza.get("type") not in NO_TALK:
            self._act(self._composing.xmpp_content(*ends(stanza), state_of(stanza), now), now)

    def xmpp_took(self, user: Jid, peer: Jid, now: float) -> None:
        """Learn that the server of `user` took a message of the SIP user `peer`."""
        self._act(self._composing.xmpp_accepted(user, peer, now), now)

    # -- time -----------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Tell what is so because time passed."""
        self._act(self._composing.on_timer(now), now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._composing.next_timer()

    # -- what is told ---------------------------------------------------------------------

    def _act(self, actions: Sequence[Action], now: float) -> None:
        for action in actions:
            if isinstance(action, ToSip):
                self._tell_sip(action, now)
            else:
                self._tell_xmpp(action)

    def _tell_xmpp(self, action: ToXmpp) -> None:
        user, peer = action.user, action.peer
        stanza = notification(action.state, peer, user, action.thread, self._token())
        self._xmpp.send(stanza, peer.domain, user.domain)

    def _tell_sip(self, action: ToSip, now: float) -> None:
        user, peer = action.user, action.peer
        try:
            request = status_message(
                action.document,
                self._naming.sip_sender(user),
                self._naming.sip_recipient(peer),
                call_id=self._threads.call_id(action.thread, user, peer),
                tag=self._token(),
            )
        except (SipError, Unmappable) as error:
            log.debug("status not told", extra=about(jid=user, sip=peer, reason=error.reason))
            return
        stanza = Element(MESSAGE, {"from": str(user), "to": str(peer)})
        self._submit(Crossing(stanza, deque([request]), "", Purpose.COMPOSING), now)
