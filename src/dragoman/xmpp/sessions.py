"""All sessions of Jingle: whose a stanza is, which call goes first, how many there may be.

XEP-0166 §7.2.16 and §10, XEP-0353 §3 and §4; docs/interworking/media.md §2, §4 and §9.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

from dragoman.clock import earliest
from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import JINGLE, Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_errors import out_of_order, tie_break, unknown_session
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.initiation import heard, overrules, returned, spoken
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.jingle import Full, Groups, Outlet, Session, Wait
from dragoman.xmpp.negotiation import Contents, kinds, ours_whole, whole
from dragoman.xmpp.overtaking import Key, Overtaking
from dragoman.xmpp.session import (
    AGREED,
    PROPOSALS,
    By,
    Ended,
    Event,
    Info,
    Migrated,
    Proposed,
    Send,
    Stage,
)
from dragoman.xmpp.stanza import IQ, MESSAGE, ends, error_reply, payload, reply

__all__ = ["Bounds", "Full", "Session", "Sessions"]

MEMORY: Final = 120.0
"""Seconds that the sid of a session is known after its end: it begins no other."""
LONGEST_SID: Final = 256

Pair: TypeAlias = tuple[Jid, Jid]
"""Our user and theirs, bare."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many sessions there may be: in all, and with one domain; how many sids are remembered."""

    most: int = 20_000
    share: int = 5_000
    past: int = 20_000


class Sessions:
    """Every session of Jingle between users of ours and XMPP users, without sockets or clock.

    `token()` gives identifiers that nobody can guess.
    """

    def __init__(
        self,
        token: Callable[[], str],
        bounds: Bounds | None = None,
        unwanted: Collection[Info] = (),
    ) -> None:
        """Start with none; session-infos that are `unwanted` are answered as unknown ones."""
        self._token = token
        self._bounds = bounds or Bounds()
        self._numbers = count(1)
        self._outlet = Outlet(token, self._forget, unwanted)
        self._all: dict[int, Session] = {}
        self._by_pair: dict[Pair, dict[str, Session]] = {}
        self._shares: Counter[str] = Counter()
        self._past: dict[tuple[Pair, str], float] = {}
        self._overtaking = Overtaking()

    def __len__(self) -> int:
        """Return how many there are, those that end included."""
        return len(self._all)

    def propose(
        self, local: Jid, remote: Jid, descriptions: tuple[Rtp, ...], now: float
    ) -> Session:
        """Ask a user, at his bare JID, who of his devices takes a call. Raises Full."""
        session = self._add(self._token(), local, remote.bare, ours=True)
        session.propose(descriptions, now)
        return session

    def initiate(
        self,
        local: Jid,
        remote: Jid,
        contents: Contents,
        groups: Groups,
        now: float,
        more: Element | None = None,
    ) -> Session:
        """Call a device at once, at its full JID. Raises Full, LocalError for no contents."""
        ours_whole(contents, Creator.INITIATOR)
        session = self._add(self._token(), local, remote, ours=True)
        session.initiate(contents, groups, now, more)
        return session

    # -- what comes -------------------------------------------------------------------------------

    def on_stanza(self, stanza: Element, now: float) -> bool:
        """Take a stanza; False: it is none of Jingle's, nor an answer to a request of ours."""
        kind = stanza.get("type", "")
        if stanza.name == MESSAGE and kind == "error":
            return self._returned(stanza, now)
        if stanza.name == MESSAGE and kind != "groupchat":
            return self._message(stanza, now)
        if stanza.name != IQ:
            return False
        if kind in {"result", "error"}:
            return self._answer(stanza, now)
        asks = payload(stanza) if kind == "set" else None
        if asks is None or asks.name != JINGLE:
            return False
        if not self._overtakes(stanza, asks, now):
            self._request(stanza, asks, now)
            self._catch_up(stanza, asks, now)
        return True

    def undelivered(self, stanza: Element, error: StanzaError, now: float) -> bool:
        """Learn that a stanza of ours reached nobody; False: it was none of a session."""
        if stanza.name == IQ:
            ident = stanza.get("id", "")
            asked = stanza.get("type") == "set"  # an answer of ours has an id of theirs
            session = self._outlet.asked.get(ident) if asked else None
            if session is not None:
                session.on_error(ident, error, now)
            return session is not None
        said = returned(stanza) if stanza.name == MESSAGE else None
        if said is None:
            return False
        try:
            local, remote = ends(stanza)
        except StanzaError:
            return False
        return self._lost(said, local, remote, error, now)

    # -- time, and what goes out ------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """Return when `on_timer` is next wanted."""
        return earliest((self._outlet.alarms.next(), self._overtaking.next_timer()))

    def on_timer(self, now: float) -> None:
        """Do whatever is due at `now`."""
        for number, wait in self._outlet.alarms.due(now):
            session = self._all.get(number)
            if session is not None:
                session.on_timer(wait, now)
        self._overtaking.on_timer(now, lambda each: self._again(each, now))

    def actions(self) -> list[Send]:
        """Return the stanzas to send, in order, and forget them."""
        found, self._outlet.actions = self._outlet.actions, []
        return found

    def events(self) -> list[Event]:
        """Return what happened, in order, and forget it."""
        found, self._outlet.events = self._outlet.events, []
        return found

    def describe(self) -> dict[str, int]:
        """Return how many sessions there are in each stage."""
        return dict(Counter(each.stage.value for each in self._all.values()))

    # -- requests ---------------------------------------------------------------------------------

    def _request(self, stanza: Element, asks: Element, now: float) -> None:
        """Answer a request, before whatever else it makes us send (XEP-0166 §6.3.1)."""
        place = len(self._outlet.actions)
        answer: Element | None = reply(stanza)
        try:
            remote, local = ends(stanza)
            self._take(remote, local, Jingle.parse(asks), now)
        except StanzaError as error:
            answer = error_reply(stanza, error)
        except Full:
            answer = error_reply(stanza, StanzaError(Condition.RESOURCE_CONSTRAINT))
        except RemoteError as error:
            answer = error_reply(stanza, StanzaError(Condition.BAD_REQUEST, text=error.reason))
        if answer is not None:
            self._outlet.actions.insert(place, Send(answer))

    def _overtakes(self, stanza: Element, asks: Element, now: float) -> bool:
        """Have a candidate wait whose session is yet to begin; False: it waits for nothing."""
        if asks.get("action") != Action.TRANSPORT_INFO:
            return False
        key = _key(stanza, asks)
        if key is None:
            return False
        local, remote, sid = key
        pair = local, remote
        if self._find(pair, sid) is not None or self._is_past(pair, sid, now):
            return False
        return self._overtaking.hold(key, stanza, now)

    def _catch_up(self, stanza: Element, asks: Element, now: float) -> None:
        """Take what came before the session-initiate that was just taken."""
        if asks.get("action") != Action.SESSION_INITIATE or not self._overtaking:
            return
        key = _key(stanza, asks)
        if key is not None:
            for each in self._overtaking.release(key):
                self._again(each, now)

    def _again(self, stanza: Element, now: float) -> None:
        """Take a request that has waited, come what may."""
        asks = payload(stanza)
        if asks is not None:
            self._request(stanza, asks, now)

    def _take(self, remote: Jid, local: Jid, jingle: Jingle, now: float) -> None:
        """Take a request of a session, or begin one. Raises RemoteError."""
        if not 0 < len(jingle.sid) <= LONGEST_SID:
            raise StanzaError(Condition.BAD_REQUEST, text="a sid of no length, or of too much")
        initiates = jingle.action is Action.SESSION_INITIATE
        if initiates:
            whole(jingle.contents, Creator.INITIATOR)
        session = self._find((local.bare, remote.bare), jingle.sid)
        if session is not None and session.remote == remote:
            if not initiates or not self._is_equal(session, remote, now):
                session.on_request(jingle, now)
                return
        elif session is not None or not initiates:
            raise unknown_session()
        self._begin(remote, local, jingle, now)

    def _is_equal(self, session: Session, remote: Jid, now: float) -> bool:
        """Tell whether their session-initiate goes before ours of the same sid, which is over then.

        Raises StanzaError where ours goes before theirs: the lower JID does (§7.2.16).
        """
        if not session.ours or session.stage is not Stage.CALLING:
            return False
        if overrules((session.sid, session.local), (session.sid, remote)):
            raise tie_break()
        session.lose(Ended(session, By.PEER, tie_break=True), now)
        self._past.pop(((session.local.bare, remote.bare), session.sid), None)
        return True

    def _begin(self, remote: Jid, local: Jid, jingle: Jingle, now: float) -> None:
        """Begin a session with their session-initiate. Raises RemoteError."""
        pair = local.bare, remote.bare
        if self._is_past(pair, jingle.sid, now):
            raise unknown_session()
        if self._find((remote.bare, local.bare), jingle.sid) is not None:
            raise out_of_order()  # a session of ours that came back to us
        crossing = self._crossing(pair, remote, jingle.contents)
        if any(overrules((each.sid, each.local), (jingle.sid, remote)) for each in crossing):
            raise tie_break()
        session = self._add(jingle.sid, local, remote, ours=False)
        for each in crossing:
            each.lose(Ended(each, By.PEER, tie_break=True), now)
        session.initiated(jingle, now)

    def _crossing(self, pair: Pair, remote: Jid, contents: Contents) -> list[Session]:
        """Return session-initiates of ours that theirs crosses (§7.2.16)."""
        return [
            each
            for each in self._with(pair)
            if each.stage is Stage.CALLING
            and each.remote == remote
            and kinds(each.contents) & kinds(contents)
        ]

    def _answer(self, stanza: Element, now: float) -> bool:
        """Take the answer to a request of ours, from whom it was sent to."""
        ident = stanza.get("id", "")
        session = self._outlet.asked.get(ident)
        if session is None:
            return False
        try:
            remote, local = ends(stanza)
        except StanzaError:
            return False
        if (remote, local) != (session.remote, session.local):
            return False
        if stanza.get("type") == "result":
            session.on_result(ident, now)
        else:
            session.on_error(ident, StanzaError.parse(stanza), now)
        return True

    # -- messages ---------------------------------------------------------------------------------

    def _message(self, stanza: Element, now: float) -> bool:
        try:
            said = heard(stanza)
            if said is None:
                return False
            remote, local = ends(stanza)
        except RemoteError:
            return True
        if not 0 < len(said.id) <= LONGEST_SID:
            return True
        session = self._find((local.bare, remote.bare), said.id)
        if said.step is Step.PROPOSE and session is None:
            self._proposed(remote, local, said, now)
        elif said.step is Step.PROPOSE and session is not None:
            self._same(session, remote, local, said, now)
        elif session is not None:
            session.on_message(remote, said, now)
        return True

    def _proposed(self, remote: Jid, local: Jid, said: Initiation, now: float) -> None:
        """Begin a session with their proposal, unless another one goes before it (§4)."""
        pair = local.bare, remote.bare
        if self._is_past(pair, said.id, now) or not remote.resource:
            return
        if self._find((remote.bare, local.bare), said.id) is not None:
            self._reject(remote, local, said.id, Reason(Why.GENERAL_ERROR))
            return
        mine = [each for each in self._with(pair) if each.stage in PROPOSALS]
        if any(overrules((each.sid, each.local), (said.id, remote)) for each in mine):
            self._reject(remote, local, said.id, Reason(Why.EXPIRED, "Tie-Break"), tie_break=True)
            return
        for each in mine:
            self._yield(each, now)
        self._admit(remote, local, said, now)

    def _same(
        self, session: Session, remote: Jid, local: Jid, said: Initiation, now: float
    ) -> None:
        """Take a proposal under the id of one of ours: the lower JID goes first (§4.1)."""
        mine = (session.sid, session.local), (said.id, remote)
        if session.stage in PROPOSALS and session.ours and not overrules(*mine):
            session.lose(Ended(session, By.PEER, Reason(Why.EXPIRED), tie_break=True), now)
            self._past.pop(((local.bare, remote.bare), said.id), None)
            self._proposed(remote, local, said, now)

    def _yield(self, session: Session, now: float) -> None:
        """Retract a proposal of ours that theirs overrules."""
        reason = Reason(Why.EXPIRED, "Tie-Break")
        session.leave(reason, now, tie_break=True)
        session.tell(Ended(session, By.PEER, reason, tie_break=True))

    def _admit(self, remote: Jid, local: Jid, said: Initiation, now: float) -> None:
        """Tell of a proposal, or let it take the place of the session that there is (§4.2)."""
        old = [each for each in self._with((local.bare, remote.bare)) if _agreed(each)]
        try:
            session = self._add(said.id, local, remote, ours=False)
        except Full:
            self._reject(remote, local, said.id, Reason(Why.BUSY))
            return
        session.proposed(now)
        last = old[-1] if old else None
        if last is None or not last.local.resource:
            session.tell(Proposed(session, said.descriptions))
            return
        session.proceed(last.local, now)
        last.leave(Reason(Why.EXPIRED, "Session migrated"), now, migrated=session.sid)
        session.tell(Migrated(session, last, said.descriptions))

    def _reject(
        self, remote: Jid, local: Jid, sid: str, reason: Reason, *, tie_break: bool = False
    ) -> None:
        said = Initiation(Step.REJECT, sid, reason=reason, tie_break=tie_break)
        self._outlet.actions.append(Send(spoken(local, remote, said)))

    def _returned(self, stanza: Element, now: float) -> bool:
        """Take a message of ours that came back."""
        said = returned(stanza)
        if said is None:
            return False
        try:
            remote, local = ends(stanza)
        except StanzaError:
            return False
        return self._lost(said, local, remote, StanzaError.parse(stanza), now)

    def _lost(
        self, said: tuple[Step, str], local: Jid, remote: Jid, error: StanzaError, now: float
    ) -> bool:
        """Learn that a message reached nobody: of a proposal and of `proceed` it matters."""
        step, sid = said
        session = self._find((local.bare, remote.bare), sid)
        if session is None or session.remote != remote:
            return session is not None or self._is_past((local.bare, remote.bare), sid, now)
        proposal = step is Step.PROPOSE and session.stage is Stage.PROPOSING
        if proposal or (step is Step.PROCEED and session.stage is Stage.PROCEEDING):
            session.on_lost(error, now)
        return True

    # -- within -----------------------------------------------------------------------------------

    def _with(self, pair: Pair) -> list[Session]:
        return list(self._by_pair.get(pair, {}).values())

    def _find(self, pair: Pair, sid: str) -> Session | None:
        return self._by_pair.get(pair, {}).get(sid)

    def _is_past(self, pair: Pair, sid: str, now: float) -> bool:
        return self._past.get((pair, sid), now) > now

    def _add(self, sid: str, local: Jid, remote: Jid, *, ours: bool) -> Session:
        """Return a new session. Raises Full where there is no room for it."""
        domain = remote.domain
        if len(self._all) >= self._bounds.most or self._shares[domain] >= self._bounds.share:
            raise Full(f"{len(self._all)} sessions, {self._shares[domain]} with {domain[:40]}")
        session = Session(next(self._numbers), self._outlet, sid, local, remote, ours=ours)
        self._all[session.number] = session
        self._by_pair.setdefault((local.bare, remote.bare), {})[sid] = session
        self._shares[domain] += 1
        return session

    def _forget(self, session: Session, now: float) -> None:
        if self._all.pop(session.number, None) is None:
            return
        pair = session.local.bare, session.remote.bare
        same = self._by_pair[pair]
        same.pop(session.sid, None)
        if not same:
            del self._by_pair[pair]
        domain = session.remote.domain
        self._shares[domain] -= 1
        if not self._shares[domain]:
            del self._shares[domain]
        for wait in Wait:
            self._outlet.alarms.cancel((session.number, wait))
        self._remember(pair, session.sid, now)

    def _remember(self, pair: Pair, sid: str, now: float) -> None:
        """Know a sid for a while, and forget those that were known long enough."""
        for old in list(self._outdated(now)):
            del self._past[old]
        self._past[pair, sid] = now + MEMORY
        if len(self._past) > self._bounds.past:
            del self._past[next(iter(self._past))]

    def _outdated(self, now: float) -> Iterator[tuple[Pair, str]]:
        for each, until in self._past.items():
            if until > now:
                return
            yield each


def _key(stanza: Element, asks: Element) -> Key | None:
    """Return whose session a request is of; None where nothing waits for that."""
    sid = asks.get("sid", "")
    try:
        remote, local = ends(stanza)
    except StanzaError:
        return None
    return (local.bare, remote.bare, sid) if 0 < len(sid) <= LONGEST_SID else None


def _agreed(session: Session) -> bool:
    """Tell whether somebody has taken the call; nobody has where it rings without a proposal."""
    rings = session.stage is Stage.CALLING and not session.messages
    return session.stage in AGREED and not rings
