"""One session of Jingle, from the first word to the last (XEP-0166, XEP-0167 §8, XEP-0353)."""

from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from dragoman.clock import Alarms
from dragoman.errors import LocalError, RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_errors import out_of_order, says, tie_break, unsupported_info
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.ext.transfer import Transfer
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.initiation import spoken
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.negotiation import OFFERS, Contents, Negotiation, kinds, ours_whole, whole
from dragoman.xmpp.session import (
    LIVE,
    PROPOSALS,
    Accepted,
    Added,
    Agreed,
    By,
    Declined,
    Described,
    Ended,
    Event,
    Failed,
    Info,
    Informed,
    Initiated,
    Modified,
    Move,
    Proceeded,
    Rang,
    Removed,
    Replaced,
    Send,
    Stage,
    Transported,
    step,
)
from dragoman.xmpp.stanza import iq

PATIENCE: Final[Mapping[Stage, float]] = {
    Stage.PROPOSING: 60.0,
    Stage.PROCEEDED: 32.0,
    Stage.CALLING: 32.0,
    Stage.PROPOSED: 180.0,
    Stage.PROCEEDING: 32.0,
    Stage.CALLED: 180.0,
    Stage.ACTIVE: 900.0,
    Stage.ENDING: 32.0,
}
"""Seconds a stage may last; one that rings has what is left of the proposal's.

An active session is not over after its time: it is asked whether it is there.
"""
RING: Final = 180.0
"""Seconds for a session-initiate that no proposal came before: the device has to ring, too."""
REPLY: Final = 30.0
"""Seconds for the answer to a request."""
DECISION: Final = 20.0
"""Seconds for an offer within the session, either way."""
MOST_ASKED: Final = 64
"""Requests of a session that wait for an answer."""

Groups: TypeAlias = tuple[Group, ...]

# Whoever cannot be reached any more has no session (RFC 6120 §8.3.3).
_ABSENT: Final = frozenset(
    {
        Condition.GONE,
        Condition.ITEM_NOT_FOUND,
        Condition.RECIPIENT_UNAVAILABLE,
        Condition.REMOTE_SERVER_NOT_FOUND,
        Condition.REMOTE_SERVER_TIMEOUT,
        Condition.SERVICE_UNAVAILABLE,
    }
)
_YES: Final = {
    Action.CONTENT_ADD: Action.CONTENT_ACCEPT,
    Action.TRANSPORT_REPLACE: Action.TRANSPORT_ACCEPT,
}
_NO: Final = {
    Action.CONTENT_ADD: Action.CONTENT_REJECT,
    Action.TRANSPORT_REPLACE: Action.TRANSPORT_REJECT,
}
_ANSWERS: Final = {answer: offer for offer, answer in (*_YES.items(), *_NO.items())}


class Full(RemoteError):
    """There are as many sessions, or requests in one, as there may be."""


class Wait(Enum):
    """What a session waits for."""

    STAGE = auto()
    """The next stage."""
    REPLY = auto()
    """The answer to a request."""
    OURS = auto()
    """Their word on what we offer within the session."""
    THEIRS = auto()
    """Our word on what they do."""


class Asked(NamedTuple):
    """A request of ours without an answer, which is wanted by a time."""

    action: Action
    contents: Contents
    info: Element | None
    when: float


class Outlet:
    """What the sessions share: what they want sent and told, their clock and tokens."""

    def __init__(
        self,
        token: Callable[[], str],
        over: "Callable[[Session, float], None]",
        unwanted: Collection[Info] = (),
    ) -> None:
        """Start empty; `over` is told of a session that nothing more can come for."""
        self.token = token
        self.unwanted = unwanted
        self.over = over
        self.actions: list[Send] = []
        self.events: list[Event] = []
        self.alarms: Alarms[tuple[int, Wait]] = Alarms()
        self.asked: dict[str, Session] = {}
        """By the id of a request: the session that waits for its answer."""


class Session:
    """One session; made by `Sessions`."""

    def __init__(
        self, number: int, outlet: Outlet, sid: str, local: Jid, remote: Jid, *, ours: bool
    ) -> None:
        """Begin; `ours`: we call. `remote` is bare as long as no device has taken the call."""
        self.number = number
        self.sid = sid
        self.local = local
        """The address of ours that they speak to, and that we speak from."""
        self.remote = remote
        self.ours = ours
        self.stage = Stage.OVER
        self.data: object = None
        """Whatever the user wants to have with it."""
        self.messages = False
        """Whether it began with a proposal, so that `finish` belongs to its end."""
        self.mixes: bool | None = None
        """Whether the peer mixes a conference (XEP-0298 §5); None: it says nothing of it."""
        self.negotiation = Negotiation(Creator.INITIATOR if ours else Creator.RESPONDER)
        self._outlet = outlet
        self._asked: dict[str, Asked] = {}
        self._rang = False
        self._told: set[Stage] = set()

    @property
    def initiator(self) -> Jid:
        """Who calls."""
        return self.local if self.ours else self.remote

    @property
    def contents(self) -> Contents:
        """What the session consists of: before the session-accept, what it began with."""
        return self.negotiation.agreed

    # -- the beginning ----------------------------------------------------------------------------

    def propose(self, descriptions: tuple[Rtp, ...], now: float) -> None:
        """Send the proposal; for `Sessions`."""
        self.messages = True
        self._say(Initiation(Step.PROPOSE, self.sid, descriptions))
        self._enter(Stage.PROPOSING, now)

    def proposed(self, now: float) -> None:
        """Begin with their proposal; for `Sessions`."""
        self.messages = True
        self._enter(Stage.PROPOSED, now)

    def initiate(
        self, contents: Contents, groups: Groups, now: float, more: Element | None = None
    ) -> None:
        """Send a session-initiate that nobody expects; for `Sessions`."""
        self._initiate(contents, groups, now, more)
        self._enter(Stage.CALLING, now, RING)

    def initiated(self, jingle: Jingle, now: float) -> None:
        """Begin with their session-initiate; for `Sessions`. Raises StanzaError."""
        self.negotiation.begin(whole(jingle.contents, Creator.INITIATOR))
        self._enter(Stage.CALLED, now)
        self._mark(jingle)
        self.tell(Initiated(self, jingle.contents, jingle.groups))

    def ring(self, now: float) -> None:
        """Say that the user's device rings, once, as the stage wants."""
        self.stage = step(self.stage, Move.RING)
        if self.stage in self._told or self.stage is Stage.PROCEEDING:
            return
        self._told.add(self.stage)
        if self.stage is Stage.PROPOSED:
            self._say(Initiation(Step.RINGING, self.sid))
        else:
            self._ask(Action.SESSION_INFO, now, info=Element(Info.RINGING.value))

    def proceed(self, local: Jid, now: float) -> None:
        """Take their proposal, as `local`, one of the user's full JIDs."""
        if local.bare != self.local.bare:
            raise LocalError("somebody else was called")
        stage, self.local = step(self.stage, Move.PROCEED), local
        self._say(Initiation(Step.PROCEED, self.sid))
        self._enter(stage, now)

    def start(
        self, contents: Contents, groups: Groups, now: float, more: Element | None = None
    ) -> None:
        """Send the session-initiate to the device that proceeded; `more` is what else it says."""
        stage = step(self.stage, Move.START)
        self._initiate(contents, groups, now, more)
        self._enter(stage, now)

    def _initiate(
        self, contents: Contents, groups: Groups, now: float, more: Element | None
    ) -> None:
        self.negotiation.begin(ours_whole(contents, Creator.INITIATOR))
        self._ask(Action.SESSION_INITIATE, now, contents, groups, info=more)

    def accept(
        self, contents: Contents, groups: Groups, now: float, more: Element | None = None
    ) -> None:
        """Accept their session-initiate; contents of theirs that are missing are refused.

        `more` is what else it says.
        """
        stage, mine = step(self.stage, Move.ACCEPT), self._mine(contents)
        self._ask(Action.SESSION_ACCEPT, now, mine, groups, info=more)
        self.negotiation.accept(mine)
        self._enter(stage, now)

    # -- the end ----------------------------------------------------------------------------------

    def end(self, reason: Reason, now: float) -> None:
        """Retract, reject or terminate, as the stage wants; nothing where the session is over.

        No `Ended` follows.
        """
        self.leave(reason, now)

    def leave(
        self, reason: Reason, now: float, *, tie_break: bool = False, migrated: str = ""
    ) -> None:
        """Do what `end` promises, and tell the peer if another call has gone before this one."""
        before, stage = self.stage, step(self.stage, Move.END)
        if stage is before:
            return
        if before in LIVE:
            self._terminate(reason, now)
        said = Step.FINISH if migrated else self._last(before)
        if said is not None:
            self._say(Initiation(said, self.sid, (), reason, tie_break, migrated))
        if stage is Stage.OVER:
            self._over(now)
        else:
            self._enter(stage, now)

    def _last(self, stage: Stage) -> Step | None:
        """Return what a message says of our end to a session of that stage, if anything."""
        if stage in {*PROPOSALS, Stage.PROCEEDED}:
            return Step.RETRACT
        if stage in {Stage.PROPOSED, Stage.PROCEEDING}:
            return Step.REJECT
        return Step.FINISH if stage in LIVE and self.messages else None

    def _terminate(self, reason: Reason, now: float) -> None:
        for each in self._asked:
            self._outlet.asked.pop(each, None)
        self._asked.clear()
        for wait in (Wait.REPLY, Wait.OURS, Wait.THEIRS):
            self._idle(wait)
        self._ask(Action.SESSION_TERMINATE, now, reason=reason)

    def _over(self, now: float) -> None:
        for each in self._asked:
            self._outlet.asked.pop(each, None)
        self._asked.clear()
        self.stage = step(self.stage, Move.FORGET)
        self._outlet.over(self, now)

    def lose(self, event: Ended, now: float) -> None:
        """Be over without a word."""
        self._over(now)
        self.tell(event)

    # -- contents ---------------------------------------------------------------------------------

    def add(self, contents: Contents, now: float, groups: Groups = ()) -> None:
        """Ask for more contents; `Agreed`, `Declined` or `Failed` tells what came of each."""
        step(self.stage, Move.NEGOTIATE)
        mine = self.negotiation.own(contents)
        self._ask(Action.CONTENT_ADD, now, mine, groups)
        self._offer(Action.CONTENT_ADD, mine, Wait.OURS, now)

    def replace(self, contents: Contents, now: float) -> None:
        """Ask for other transports; `Agreed`, `Declined` or `Failed` tells what came of each."""
        step(self.stage, Move.NEGOTIATE)
        mine = self._mine(contents)
        self._ask(Action.TRANSPORT_REPLACE, now, mine)
        self._offer(Action.TRANSPORT_REPLACE, mine, Wait.OURS, now)

    def agree(self, contents: Contents, now: float, groups: Groups = ()) -> None:
        """Accept what an `Added` or a `Replaced` offers."""
        self._decide(_YES, contents, None, now, groups)

    def decline(self, contents: Contents, reason: Reason | None, now: float) -> None:
        """Refuse what an `Added` or a `Replaced` offers."""
        self._decide(_NO, contents, reason, now)

    def _decide(
        self,
        answers: Mapping[Action, Action],
        contents: Contents,
        reason: Reason | None,
        now: float,
        groups: Groups = (),
    ) -> None:
        step(self.stage, Move.NEGOTIATE)
        mine, answered = self._mine(contents), False
        for offer, answer in answers.items():
            if found := self.negotiation.waiting(offer, mine, ours=False):
                self._ask(answer, now, found, groups, reason)
                self.negotiation.settle(offer, found, ours=False, agreed=answers is _YES)
                answered = True
        if not answered:
            raise LocalError("nothing was offered")
        self._rest(Wait.THEIRS)

    def modify(self, contents: Contents, now: float) -> None:
        """Say who sends in contents from now on."""
        self._about(Action.CONTENT_MODIFY, contents, now)

    def transport(self, contents: Contents, now: float) -> None:
        """Say more of transports: candidates, or new credentials."""
        self._about(Action.TRANSPORT_INFO, contents, now)

    def describe(self, contents: Contents, now: float) -> None:
        """Say more of descriptions."""
        self._about(Action.DESCRIPTION_INFO, contents, now)

    def _about(self, action: Action, contents: Contents, now: float) -> None:
        step(self.stage, Move.NEGOTIATE)
        self._ask(action, now, self._mine(contents))

    def remove(self, contents: Contents, reason: Reason | None, now: float) -> None:
        """Remove contents, offers of ours as well; with the last one the session ends."""
        step(self.stage, Move.NEGOTIATE)
        mine = self._mine(contents)
        if not self.negotiation.leaves(mine):
            self.end(reason or Reason(Why.SUCCESS), now)
            return
        self._ask(Action.CONTENT_REMOVE, now, mine, reason=reason)
        self.negotiation.remove(mine)

    def info(self, element: Element | None, now: float) -> None:
        """Send a session-info; None asks whether there is a session."""
        step(self.stage, Move.INFORM)
        self._ask(Action.SESSION_INFO, now, info=element)

    # -- what comes -------------------------------------------------------------------------------

    def on_message(self, device: Jid, said: Initiation, now: float) -> None:
        """Take what a device of theirs says; whoever has not won says nothing that counts."""
        if not self.messages or (self.stage not in PROPOSALS and device != self.remote):
            return
        try:
            stage = step(self.stage, said.step)
        except RemoteError:
            return
        if stage is Stage.RINGING:
            self.stage = stage
            self._ringing()
        elif stage is Stage.PROCEEDED:
            self._proceeded(device, now)
        else:
            self._left(said, now)

    def _ringing(self) -> None:
        if not self._rang:
            self._rang = True
            self.tell(Rang(self))

    def _proceeded(self, device: Jid, now: float) -> None:
        if device.resource:
            self.remote = device
            self._enter(Stage.PROCEEDED, now)
            self.tell(Proceeded(self))

    def _left(self, said: Initiation, now: float) -> None:
        if said.step is Step.FINISH and self.stage in LIVE:
            self._say(Initiation(Step.FINISH, self.sid, reason=said.reason))
        self.lose(Ended(self, By.PEER, said.reason, tie_break=said.tie_break), now)

    def on_request(self, jingle: Jingle, now: float) -> None:
        """Take a request of the peer's. Raises StanzaError, and then nothing has happened."""
        stage = step(self.stage, jingle.action)
        self._takers()[jingle.action](jingle, now)
        self._mark(jingle)
        if stage is Stage.ACTIVE and self.stage is Stage.CALLING:
            self._enter(stage, now)

    def _mark(self, jingle: Jingle) -> None:
        """Learn whether the peer mixes, which any request may say."""
        mixes = coin.is_focus(jingle)
        self.mixes = self.mixes if mixes is None else mixes

    def _takers(self) -> Mapping[Action, Callable[[Jingle, float], None]]:
        """Return what takes each request; step() has refused those that are missing here."""
        return {
            **dict.fromkeys(_ANSWERS, self._answered),
            Action.CONTENT_ADD: self._added,
            Action.CONTENT_MODIFY: self._modified,
            Action.CONTENT_REMOVE: self._removed,
            Action.DESCRIPTION_INFO: self._described,
            Action.SESSION_ACCEPT: self._accepted,
            Action.SESSION_INFO: self._informed,
            Action.SESSION_INITIATE: self.initiated,
            Action.SESSION_TERMINATE: self._terminated,
            Action.TRANSPORT_INFO: self._transported,
            Action.TRANSPORT_REPLACE: self._replaced,
        }

    def _accepted(self, jingle: Jingle, _: float) -> None:
        contents = self.negotiation.narrowed(jingle.contents)
        if any(each.description is None or each.transport is None for each in contents):
            raise StanzaError(Condition.BAD_REQUEST, text="a content lacks something")
        self.negotiation.accept(contents)
        self.tell(Accepted(self, contents, jingle.groups))

    def _terminated(self, jingle: Jingle, now: float) -> None:
        if self.messages:
            self._say(Initiation(Step.FINISH, self.sid, reason=jingle.reason))
        self.lose(Ended(self, By.PEER, jingle.reason), now)

    def _added(self, jingle: Jingle, now: float) -> None:
        contents = self.negotiation.added(jingle.contents)
        self._tie(Action.CONTENT_ADD, contents)
        self._offer(Action.CONTENT_ADD, contents, Wait.THEIRS, now)
        self.tell(Added(self, contents, jingle.groups))

    def _replaced(self, jingle: Jingle, now: float) -> None:
        contents = self._theirs(jingle)
        if any(each.transport is None for each in contents):
            raise StanzaError(Condition.BAD_REQUEST, text="a content lacks its transport")
        self._tie(Action.TRANSPORT_REPLACE, contents)
        if contents:
            self._offer(Action.TRANSPORT_REPLACE, contents, Wait.THEIRS, now)
            self.tell(Replaced(self, contents))

    def _answered(self, jingle: Jingle, _: float) -> None:
        """Take their word on an offer of ours; StanzaJS says `content-reject` of no content."""
        offer = _ANSWERS[jingle.action]
        waiting = tuple(self.negotiation.ours[offer].values())
        sweeping = jingle.action in _NO.values() and not jingle.contents and waiting
        contents = waiting if sweeping else self._theirs(jingle)
        found = self.negotiation.waiting(offer, contents, ours=True)
        if contents and not found:
            raise out_of_order()
        agreed = jingle.action in _YES.values()
        self.negotiation.settle(offer, found, ours=True, agreed=agreed)
        self._rest(Wait.OURS)
        if found and agreed:
            self.tell(Agreed(self, offer, found, jingle.groups))
        elif found:
            self.tell(Declined(self, offer, found, jingle.reason))

    def _modified(self, jingle: Jingle, _: float) -> None:
        contents = self._theirs(jingle)
        self._tie(Action.CONTENT_MODIFY, contents)
        self.negotiation.modify(contents)
        if contents:
            self.tell(Modified(self, contents))

    def _removed(self, jingle: Jingle, now: float) -> None:
        contents = self._theirs(jingle)
        if not contents:
            return
        if self.negotiation.leaves(contents):
            self.negotiation.remove(contents)
            self._rest(Wait.THEIRS)
            self._rest(Wait.OURS)
            self.tell(Removed(self, contents, jingle.reason))
        else:  # a session of nothing is void (§7.2.5)
            self.end(jingle.reason or Reason(Why.SUCCESS), now)
            self.tell(Ended(self, By.PEER, jingle.reason))

    def _transported(self, jingle: Jingle, _: float) -> None:
        if contents := self._theirs(jingle):
            self.tell(Transported(self, contents))

    def _described(self, jingle: Jingle, _: float) -> None:
        if contents := self._theirs(jingle):
            self.tell(Described(self, contents))

    def _informed(self, jingle: Jingle, _: float) -> None:
        """Take a session-info: without payload it is a ping (§6.8)."""
        if jingle.info is None:
            return
        info = Info.of(jingle.info)
        if info in self._outlet.unwanted:
            raise unsupported_info()
        if info is Info.TRANSFER and not Transfer.parse(jingle.info).to:
            raise StanzaError(Condition.BAD_REQUEST, text="a transfer to nobody")
        if info is not Info.RINGING:
            self.tell(Informed(self, info, jingle.info))
        elif self.stage is Stage.CALLING:
            self._ringing()

    def _theirs(self, jingle: Jingle) -> Contents:
        """Return what a request is about; raises StanzaError."""
        if not jingle.contents:
            raise StanzaError(Condition.BAD_REQUEST, text="no contents")
        return self.negotiation.known(jingle.contents)

    def _tie(self, action: Action, contents: Contents) -> None:
        """Refuse what a request of ours crosses and overrules (§7.2.16): the initiator's do."""
        if not self.ours:
            return
        names, about = {each.name for each in contents}, kinds(contents)
        for asked in self._asked.values():
            mine = {each.name for each in asked.contents}
            alike = kinds(asked.contents) & about if action is Action.CONTENT_ADD else mine & names
            if asked.action is action and alike:
                raise tie_break()

    # -- answers to our requests ------------------------------------------------------------------

    def on_result(self, ident: str, now: float) -> None:
        """Learn that a request of ours was taken."""
        asked = self._done(ident, now)
        if asked.action is Action.SESSION_TERMINATE:
            self._over(now)
        elif asked.action is Action.CONTENT_MODIFY:
            self.negotiation.modify(asked.contents)

    def on_error(self, ident: str, error: StanzaError, now: float, by: By = By.PEER) -> None:
        """Learn that a request of ours was not taken."""
        asked = self._done(ident, now)
        if asked.action is Action.SESSION_TERMINATE:
            self._over(now)
        elif asked.action is Action.SESSION_INITIATE:
            self._refused(error, now, by)
        elif says(error, "unknown-session") or (_vital(asked) and error.condition in _ABSENT):
            self._vanished(error, now, by)
        elif asked.action is Action.SESSION_ACCEPT:
            self.end(Reason(Why.GENERAL_ERROR), now)
            self.tell(Ended(self, by, error=error))
        else:
            self._failed(asked, error)

    def _refused(self, error: StanzaError, now: float, by: By) -> None:
        """Have no session: our session-initiate was not taken."""
        if by is By.TIMER:  # it may be there all the same
            self.end(Reason(Why.TIMEOUT), now)
            self.tell(Ended(self, by, Reason(Why.TIMEOUT), error))
            return
        if self.messages:
            self._say(Initiation(Step.FINISH, self.sid, reason=Reason(Why.GENERAL_ERROR)))
        self.lose(Ended(self, by, None, error, says(error, "tie-break")), now)

    def _vanished(self, error: StanzaError, now: float, by: By) -> None:
        if self.messages:
            self._say(Initiation(Step.FINISH, self.sid, reason=Reason(Why.EXPIRED)))
        self.lose(Ended(self, by, None, error), now)

    def _failed(self, asked: Asked, error: StanzaError) -> None:
        if asked.action in OFFERS:
            self.negotiation.settle(asked.action, asked.contents, ours=True, agreed=False)
            self._rest(Wait.OURS)
        if asked.action is not Action.SESSION_INFO or asked.info is not None:
            self.tell(Failed(self, asked.action, asked.contents, error))

    def on_lost(self, error: StanzaError, now: float) -> None:
        """Learn that our proposal, or our word on theirs, did not arrive."""
        self.lose(Ended(self, By.PEER, error=error), now)

    # -- time -------------------------------------------------------------------------------------

    def on_timer(self, wait: Wait, now: float) -> None:
        """Do what is to be done when nothing came."""
        if wait is Wait.REPLY:
            self._unanswered(now)
        elif wait is Wait.OURS:
            self._undecided(now)
        elif wait is Wait.THEIRS:
            for offer in OFFERS:
                if waiting := tuple(self.negotiation.theirs[offer].values()):
                    self.decline(waiting, Reason(Why.TIMEOUT), now)
        elif self.stage is Stage.ACTIVE:
            self._arm(Wait.STAGE, now + PATIENCE[Stage.ACTIVE])
            self.info(None, now)
        else:
            self._expire(now)

    def _expire(self, now: float) -> None:
        before, late = self.stage, Reason(Why.TIMEOUT)
        if before is Stage.ENDING:
            self._over(now)
            return
        self.end(Reason(Why.CANCEL) if before in PROPOSALS else late, now)
        self.tell(Ended(self, By.TIMER, late))

    def _unanswered(self, now: float) -> None:
        late = [ident for ident, asked in self._asked.items() if asked.when <= now]
        for ident in late:
            if ident in self._asked:
                error = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="no answer")
                self.on_error(ident, error, now, By.TIMER)

    def _undecided(self, now: float) -> None:
        """Take back what nobody agreed to."""
        for offer in OFFERS:
            waiting = tuple(self.negotiation.ours[offer].values())
            if not waiting:
                continue
            self.negotiation.settle(offer, waiting, ours=True, agreed=False)
            if offer is Action.CONTENT_ADD:
                self._ask(Action.CONTENT_REMOVE, now, waiting, reason=Reason(Why.TIMEOUT))
            self.tell(Declined(self, offer, waiting, Reason(Why.TIMEOUT)))

    # -- within -----------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Have the user learn something."""
        self._outlet.events.append(event)

    def _mine(self, contents: Contents) -> Contents:
        """Return contents that we name, as they are known; raises LocalError."""
        try:
            known = self.negotiation.known(contents)
        except StanzaError as error:
            raise LocalError(error.reason) from error
        if not known:
            raise LocalError("no contents")
        return known

    def _offer(self, action: Action, contents: Contents, wait: Wait, now: float) -> None:
        self.negotiation.ask(action, contents, ours=wait is Wait.OURS)
        self._outlet.alarms.hasten((self.number, wait), now + DECISION)

    def _rest(self, wait: Wait) -> None:
        """Have no alarm where nothing waits any more."""
        side = self.negotiation.ours if wait is Wait.OURS else self.negotiation.theirs
        if not any(side.values()):
            self._idle(wait)

    def _say(self, said: Initiation) -> None:
        self._outlet.actions.append(Send(spoken(self.local, self.remote, said)))

    def _ask(
        self,
        action: Action,
        now: float,
        contents: Contents = (),
        groups: Groups = (),
        reason: Reason | None = None,
        info: Element | None = None,
    ) -> None:
        """Send a request. Raises Full where too many have no answer."""
        if len(self._asked) >= MOST_ASKED:
            raise Full(f"{len(self._asked)} requests have no answer")
        first, accepts = action is Action.SESSION_INITIATE, action is Action.SESSION_ACCEPT
        jingle = Jingle(
            action,
            self.sid,
            contents,
            initiator=str(self.local) if first else "",
            responder=str(self.local) if accepts else "",
            reason=reason,
            info=info,
            groups=groups,
        )
        ident = self._outlet.token()
        request = iq(
            str(self.remote), str(self.local), id=ident, type="set", children=(jingle.element(),)
        )
        self._asked[ident] = Asked(action, contents, info, now + REPLY)
        self._outlet.asked[ident] = self
        self._outlet.alarms.hasten((self.number, Wait.REPLY), now + REPLY)
        self._outlet.actions.append(Send(request))

    def _done(self, ident: str, now: float) -> Asked:
        asked = self._asked.pop(ident)
        del self._outlet.asked[ident]
        self._idle(Wait.REPLY)
        if self._asked:
            soonest = next(iter(self._asked.values())).when
            self._arm(Wait.REPLY, max(soonest, now))
        return asked

    def _enter(self, stage: Stage, now: float, patience: float | None = None) -> None:
        self.stage = stage
        self._arm(Wait.STAGE, now + (PATIENCE[stage] if patience is None else patience))

    def _arm(self, wait: Wait, when: float) -> None:
        self._outlet.alarms.set((self.number, wait), when)

    def _idle(self, wait: Wait) -> None:
        self._outlet.alarms.cancel((self.number, wait))


def _vital(asked: Asked) -> bool:
    """Tell whether a session cannot be without the answer: to session-accept, and to a ping."""
    ping = asked.action is Action.SESSION_INFO and asked.info is None
    return ping or asked.action is Action.SESSION_ACCEPT
