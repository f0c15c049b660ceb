"""Who is writing to whom in page mode (RFC 3994 §3, §4; XEP-0085 §5; RFC 7573 §6).

What comes in of one side is kept for each pair of people, and the other side is told what changed:
that somebody composes when the first of his devices does, that he no longer does when none is left.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from dragoman.clock import Alarms
from dragoman.mapping.composing import CHAT_STATES, COMPOSERS, Composer, IsComposing
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.jid import Jid

MOST: Final = 10_000
"""Pairs that are remembered, and besides SIP users who refused; the longest unused is forgotten."""
MOST_DEVICES: Final = 16
"""Devices of one user that compose to one other at once; more are not told apart."""
REFRESH: Final = 60
"""Seconds between two status messages to one SIP user (RFC 3994 §3.2: no fewer than 60)."""
SILENCE: Final = 300.0
"""Seconds after which an XMPP client that composes and says no more is taken to have crashed.

A client may say once only that it composes, however long that lasts (XEP-0085 §5.3).
"""
LONGEST_THREAD: Final = 1024
"""Characters of a thread that is kept; a longer one is left out."""


@dataclass(frozen=True, slots=True)
class ToXmpp:
    """Tell an XMPP user by a standalone notification what the SIP user `peer` does."""

    user: Jid
    peer: Jid
    state: State
    thread: str


@dataclass(frozen=True, slots=True)
class ToSip:
    """Tell the SIP user `peer` by a status message whether an XMPP user composes."""

    user: Jid
    peer: Jid
    active: bool
    refresh: int | None
    thread: str

    @property
    def document(self) -> IsComposing:
        """The body of the status message."""
        state = Composer.ACTIVE if self.active else Composer.IDLE
        return IsComposing(state, self.refresh, "text/plain")


Action: TypeAlias = ToXmpp | ToSip

Key: TypeAlias = tuple[Jid, Jid]
"""The bare addresses of an XMPP user and of a SIP user."""


@dataclass(frozen=True, slots=True)
class _Word:
    """That a device composes: between which addresses it was said, and until when it holds."""

    user: Jid
    peer: Jid
    thread: str
    until: float


@dataclass(slots=True)
class _Side:
    """Who composes on one side, the last to say so at the end, and what the other was told."""

    words: dict[str, _Word] = field(default_factory=dict)
    told: _Word | None = None

    def said(self, device: str, word: _Word) -> None:
        self.words.pop(device, None)
        self.words[device] = word
        if len(self.words) > MOST_DEVICES:
            del self.words[next(iter(self.words))]

    def expire(self, now: float) -> None:
        for device in [each for each, word in self.words.items() if word.until <= now]:
            del self.words[device]

    @property
    def last(self) -> _Word | None:
        return next(reversed(self.words.values()), None)


@dataclass(slots=True)
class _Pair:
    """What is known of two people."""

    sip: _Side = field(default_factory=_Side)
    xmpp: _Side = field(default_factory=_Side)
    xmpp_hears: bool | None = None
    """Whether the XMPP user wants notifications (XEP-0085 §5.1); None: nothing was heard yet."""
    sip_hears: bool = False
    """Whether the SIP user sent or accepted a message."""
    interval: float = float("-inf")
    """When the next status message may be sent to the SIP user."""

    @property
    def rests(self) -> bool:
        """Whether nobody composes, and everybody knows."""
        sip, xmpp = self.sip, self.xmpp
        return not (sip.words or xmpp.words or sip.told or xmpp.told)


class Composing:
    """The service: what happened goes in, and each call returns what is to be sent, in order.

    Addresses come with the resource of the device that spoke, where there is one. What a content
    message is the reason of is sent behind it. A notification that nothing was said before is for
    nobody: a pair begins with a content message.
    """

    def __init__(self, *, idle_as: State = CHAT_STATES[Composer.IDLE]) -> None:
        """Start with nobody; `idle_as` is the chat state for idle, active or paused."""
        self._idle_as = idle_as
        self._pairs: OrderedDict[Key, _Pair] = OrderedDict()
        self._alarms: Alarms[Key] = Alarms()
        self._deaf: OrderedDict[Jid, None] = OrderedDict()
        self._out: list[Action] = []

    # -- from SIP -----------------------------------------------------------------------

    def sip_status(
        self, user: Jid, peer: Jid, status: IsComposing, thread: str, now: float
    ) -> list[Action]:
        """Take a status message of the SIP user `peer` to `user` (RFC 3994 §3.3)."""
        key = user.bare, peer.bare
        pair = self._known(key)
        if pair is None:
            return []
        if CHAT_STATES[status.state] is State.COMPOSING:
            until = now + status.lifetime
            pair.sip.said(peer.resource, _Word(user, peer, _kept(thread), until))
        else:
            pair.sip.words.pop(peer.resource, None)
        return self._settled(key, pair, now, over=self._idle_as)

    def sip_content(self, user: Jid, peer: Jid, now: float) -> list[Action]:
        """Learn that the SIP user `peer` sent a message with a body, which ends its composing."""
        key = user.bare, peer.bare
        pair = self._begun(key)
        pair.sip_hears = True
        pair.sip.words.pop(peer.resource, None)
        pair.sip.told = None
        return self._settled(key, pair, now)

    def sip_accepted(self, user: Jid, peer: Jid, now: float) -> list[Action]:
        """Learn that the SIP user `peer` answered 2xx to a message with a body of `user`."""
        key = user.bare, peer.bare
        pair = self._begun(key)
        pair.sip_hears = True
        return self._settled(key, pair, now)

    def sip_refused(self, peer: Jid) -> None:
        """Learn that a SIP user answered 415 to a status message: it gets no more (RFC 3994 §4)."""
        self._deaf[peer.bare] = None
        self._deaf.move_to_end(peer.bare)
        if len(self._deaf) > MOST:
            self._deaf.popitem(last=False)

    # -- from XMPP ----------------------------------------------------------------------

    def xmpp_state(
        self, user: Jid, peer: Jid, state: State, thread: str, now: float
    ) -> list[Action]:
        """Take a standalone notification of `user` to the SIP user `peer` (XEP-0085 §5.1)."""
        key = user.bare, peer.bare
        pair = self._known(key)
        if pair is None:
            return []
        pair.xmpp_hears = True
        if COMPOSERS[state] is Composer.ACTIVE:
            pair.xmpp.said(user.resource, _Word(user, peer, _kept(thread), now + SILENCE))
        else:
            pair.xmpp.words.pop(user.resource, None)
        if COMPOSERS[state] is None and not pair.xmpp.words:
            pair.xmpp.told = None  # nothing is said of it: without a refresh it ends by itself
        return self._settled(key, pair, now)

    def xmpp_content(self, user: Jid, peer: Jid, state: State | None, now: float) -> list[Action]:
        """Learn that `user` sent a message with a body, and with that state, None for none.

        It ends his composing. Without a state it ends what he is told, too (XEP-0085 §5.1).
        """
        key = user.bare, peer.bare
        pair = self._begun(key)
        pair.xmpp_hears = state is not None
        pair.xmpp.words.pop(user.resource, None)
        pair.xmpp.told = None
        # The receiver is idle now and counts no refresh interval (RFC 3994 §3.3): who writes again
        # at once is not to wait for the end of it.
        pair.interval = now
        return self._settled(key, pair, now)

    def xmpp_accepted(self, user: Jid, peer: Jid, now: float) -> list[Action]:
        """Learn that the server of `user` took a message with a body of the SIP user `peer`."""
        key = user.bare, peer.bare
        pair = self._begun(key)
        if pair.xmpp_hears is None:
            pair.xmpp_hears = True
        return self._settled(key, pair, now)

    # -- time ---------------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._alarms.next()

    def on_timer(self, now: float) -> list[Action]:
        """Return what is to be sent because time passed."""
        for key in self._alarms.due(now):
            self._settle(key, self._pairs[key], now)
        return self._taken()

    def describe(self) -> dict[str, int]:
        """Return how many pairs are known, in how many a timer runs, and who wants no status."""
        return {"pairs": len(self._pairs), "timers": len(self._alarms), "refused": len(self._deaf)}

    # -- what is to be said -------------------------------------------------------------

    def _known(self, key: Key) -> _Pair | None:
        pair = self._pairs.get(key)
        if pair is not None:
            self._pairs.move_to_end(key)
        return pair

    def _begun(self, key: Key) -> _Pair:
        pair = self._known(key)
        if pair is None:
            pair = self._pairs[key] = _Pair()
            if len(self._pairs) > MOST:
                self._forget(*self._pairs.popitem(last=False))
        return pair

    def _forget(self, key: Key, pair: _Pair) -> None:
        """Drop a pair: the SIP user's side ends by itself, the XMPP user's does not."""
        self._alarms.cancel(key)
        if pair.sip.told is not None and pair.xmpp_hears:
            self._notify(pair.sip.told, State.PAUSED)

    def _settled(
        self, key: Key, pair: _Pair, now: float, *, over: State = State.PAUSED
    ) -> list[Action]:
        self._settle(key, pair, now, over=over)
        return self._taken()

    def _taken(self) -> list[Action]:
        taken, self._out = self._out, []
        return taken

    def _settle(self, key: Key, pair: _Pair, now: float, *, over: State = State.PAUSED) -> None:
        """Tell both sides what is new to them, and set the alarm of the pair."""
        if pair.rests:
            self._alarms.cancel(key)
            return
        pair.sip.expire(now)
        pair.xmpp.expire(now)
        self._tell_xmpp(pair, over)
        self._tell_sip(key, pair, now)
        when = min(_times(pair, waits=self._may_tell(key, pair)), default=None)
        if when is None:
            self._alarms.cancel(key)
        else:
            self._alarms.set(key, when)

    def _tell_xmpp(self, pair: _Pair, over: State) -> None:
        side, last = pair.sip, pair.sip.last
        if not pair.xmpp_hears:
            return
        if last is not None and side.told is None:
            side.told = last
            self._notify(last, State.COMPOSING)
        elif last is None and side.told is not None:
            self._notify(side.told, over)
            side.told = None

    def _notify(self, word: _Word, state: State) -> None:
        self._out.append(ToXmpp(word.user, word.peer, state, word.thread))

    def _tell_sip(self, key: Key, pair: _Pair, now: float) -> None:
        """Send a status message where one is due: at most one in an interval (RFC 3994 §3.2)."""
        side, last = pair.xmpp, pair.xmpp.last
        word = last or side.told
        if word is None or now < pair.interval or not self._may_tell(key, pair):
            return
        refresh = REFRESH if last is not None else None
        self._out.append(ToSip(word.user, word.peer, last is not None, refresh, word.thread))
        side.told = last
        pair.interval = now + REFRESH

    def _may_tell(self, key: Key, pair: _Pair) -> bool:
        if key[1] in self._deaf:
            self._deaf.move_to_end(key[1])
            return False
        return pair.sip_hears


def _times(pair: _Pair, *, waits: bool) -> Iterator[float]:
    """Yield when something of a pair changes by itself; `waits`: the SIP user may be told.

    That a client has crashed is seen at the end of an interval: it cannot be told before.
    """
    yield from (word.until for word in pair.sip.words.values())
    if waits and (pair.xmpp.words or pair.xmpp.told is not None):
        yield pair.interval


def _kept(thread: str) -> str:
    return thread if len(thread) <= LONGEST_THREAD else ""
