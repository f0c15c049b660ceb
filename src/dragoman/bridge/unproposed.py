"""Devices that take calls and hear no proposal: Jingle without XEP-0353 (XEP-0166 §6.1).

Which devices a user has is known of those only whose presence he tells the SIP user who calls him.
They are asked what they can do when he does. Where none has rung after a while, those that speak
Jingle without proposals get a session-initiate each: who accepts first has the call.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from dragoman.bridge.call import Call
from dragoman.bridge.conference import marker
from dragoman.clock import Alarms
from dragoman.sdp.session import SessionDescription
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import jingle, jingle_dtls, jingle_rtp, jmi
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.jingle import Full, Session
from dragoman.xmpp.session import Stage
from dragoman.xmpp.stanza import ends

if TYPE_CHECKING:
    from dragoman.bridge.calls import Calls

WAIT: Final = 5.0
"""Seconds for the proposal: a device that hears it rings first."""
MOST_PAIRS: Final = 20_000
MOST_DEVICES: Final = 8
"""Of one user; those beyond are asked nothing."""
LONGEST: Final = 128
"""Characters of a resource that is remembered."""
ELSEWHERE: Final = Reason(Why.SUCCESS, "another device has answered")
_REFUSALS: Final = frozenset({Why.BUSY, Why.DECLINE})

Pair: TypeAlias = tuple[Jid, Jid]
"""Who tells his presence, and whom; both bare."""


class Unproposed:
    """What presence tells of devices, and the sessions that are begun with some of them."""

    def __init__(self, calls: "Calls") -> None:
        """Know of none."""
        self._calls = calls
        self._there: OrderedDict[Pair, dict[str, None]] = OrderedDict()
        self._alarms: Alarms[Call] = Alarms()

    def __len__(self) -> int:
        """Return how many pairs are remembered."""
        return len(self._there)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    # -- what presence tells -------------------------------------------------------------------

    def heard(self, presence: Element) -> None:
        """Learn from presence which devices there are; the pairs heard of last are remembered."""
        user, contact = ends(presence)
        kind, pair = presence.get("type", ""), (user.bare, contact.bare)
        if not 0 < len(user.resource) <= LONGEST or kind not in {"", "unavailable"}:
            return
        known = self._there.pop(pair, {})
        known.pop(user.resource, None)
        if not kind and len(known) < MOST_DEVICES:
            known[user.resource] = None
        if known:
            self._there[pair] = known
        if len(self._there) > MOST_PAIRS:
            self._there.popitem(last=False)

    # -- what they can do ------------------------------------------------------------------------

    def ask(self, call: Call) -> None:
        """Ask the devices of who is called, if any are known, what they can do."""
        now = self._calls.now()
        for name in self._there.get((call.user.bare, call.peer.bare), ()):
            device = Jid.parse(f"{call.user.bare}/{name}")
            self._calls.abilities.ask(call.peer, device, partial(self._told, call, device), now)
            self._alarms.set(call, now + WAIT)

    def _told(self, call: Call, device: Jid, features: frozenset[str] | None) -> None:
        able = features is not None and {jingle.NS, jingle_rtp.NS} <= features
        if features is not None and able and jmi.NS not in features:
            call.deaf[device] = jingle_dtls.NS in features

    # -- sessions with them ----------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Call those that can take it where nobody rings: who has DTLS before who has none."""
        for call in self._alarms.due(now):
            rings = call.jingle is None or call.jingle.stage is not Stage.PROPOSING
            if call.deaf and not (call.over or rings):
                secure = any(call.deaf.values())
                chosen = [device for device, has in call.deaf.items() if has is secure]
                begin = partial(self._begin, call, chosen)
                self._calls.offer_device(call, begin, clear=not secure)

    def _begin(self, call: Call, devices: Sequence[Jid], made: SessionDescription) -> None:
        """Begin a session with each: all are offered the same, of which one answer counts."""
        offer, now = self._calls.contents_for(call, made), self._calls.now()
        for device in devices:
            try:
                session = self._calls.jingles.initiate(call.peer, device, *offer, now, marker(call))
            except Full:
                return  # the proposal is out still
            session.data = call
            call.others.append(session)

    def won(self, call: Call, session: Session) -> None:
        """Have the call be with one device, and all others know."""
        others = [call.jingle, *call.others]
        call.jingle, call.others, call.user = session, [], session.remote
        for each in others:
            if each is not None and each is not session:
                each.end(ELSEWHERE, self._calls.now())

    def left(self, call: Call, session: Session, reason: Reason | None) -> bool:
        """Learn that a device does not take the call; False: its user does not want it at all."""
        if session not in call.others or (reason is not None and reason.why in _REFUSALS):
            return False
        call.others.remove(session)
        return True

    def release(self, call: Call) -> None:
        """End what was begun, and the proposal, as the call is over."""
        others, call.others = call.others, []
        if others and call.jingle is not None:
            others.append(call.jingle)
        for each in others:
            each.end(Reason(Why.CANCEL), self._calls.now())
