"""Chat sessions (RFC 7573): a talk of an XMPP user is a session of a SIP user, where there is one.

What is said in a session is what a MESSAGE would say: `Messages` reads and makes it. Here is when
sessions begin and end, which one a message goes in, and what becomes of those that were in one.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from logging import getLogger
from typing import Final, Protocol

from dragoman import msrp
from dragoman.bridge.letters import Note
from dragoman.bridge.message import Messages, Said
from dragoman.bridge.ports import XmppPort
from dragoman.bridge.talk import MOST_OWED, MOST_WAITING, Leg, Owed, Pair, Talk, Waiting, pair_of
from dragoman.bridge.to_sip import MOST_ATTEMPTS, Crossing, Purpose, sender_domain
from dragoman.bridge.ways import Ways
from dragoman.clock import Alarms, earliest
from dragoman.log import about
from dragoman.mapping import chat, receipt
from dragoman.mapping.composing import notification
from dragoman.mapping.failure import Answer
from dragoman.mapping.msrp import report_status, stanza_error
from dragoman.msrp import FailureReport, MessageArrived
from dragoman.sip.message import Request
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.chatstates import State, state_of
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import BODY, ends

log = getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds that a message waits for a session, or for a direction that lets it go (MSRP-38)."""
CONFIRMED: Final = 30.0
"""Seconds after which a message that the far server has counts as received, where no receipt came:
its reader's client may know none, and the sender's program waits (docs/interworking/im.md §5)."""
HELD: Final = 0.1
"""Seconds after which room is looked for again, for what the XMPP side had none for."""
CONVERSATION: Final = frozenset({"normal", "chat"})
"""Types of stanzas that are of a conversation of two."""
UNFIT: Final = frozenset({405, 413, 415, 488, 501, 513, 606})
"""Statuses by which a MESSAGE is refused for what it is: a session may do (RFC 7572 §6)."""
FINAL: Final = frozenset({401, 407, 408, 480, 486, 487, 600, 603})
"""Statuses of an INVITE after which a MESSAGE is not tried: the user is not there, or says no."""
FULL: Final = StanzaError(
    Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text="Too many messages to that user wait"
)
LATE: Final = StanzaError(
    Condition.REMOTE_SERVER_TIMEOUT, text="The SIP user did not answer in time"
)
STOPS: Final = StanzaError(Condition.REMOTE_SERVER_TIMEOUT, text="The gateway stops")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides about sessions."""

    idle: float = 600.0
    """Seconds without a message after which a session is ended (RFC 7573 §6.1)."""
    strict: bool = False
    """Whether messages say Failure-Report: no (RFC 7573 §7)."""


class Openings(Protocol):
    """What opens and closes sessions in SIP."""

    def begin(self, talk: Talk, now: float) -> None:
        """Ask the SIP user of a talk for a session."""

    def give_up(self, talk: Talk, now: float) -> None:
        """Take that back."""

    def end(self, leg: Leg, now: float) -> None:
        """End a session."""

    def renew(self, leg: Leg, now: float) -> bool:
        """Give a session another path, whose connection was lost; False: that cannot be."""


class Chats:
    """Which messages go in which session; `wall()` is the time in seconds since 1970."""

    def __init__(
        self,
        messages: Messages,
        xmpp: XmppPort,
        ways: Ways,
        token: Callable[[], str],
        wall: Callable[[], float],
        rules: Rules,
    ) -> None:
        """Start with no session; `openings` is set before the first message."""
        self._messages = messages
        self._xmpp = xmpp
        self._ways = ways
        self._token = token
        self._wall = wall
        self._rules = rules
        self._talks: dict[Pair, Talk] = {}
        self._waiting: Counter[str] = Counter()
        self._idle: Alarms[Leg] = Alarms()
        self._late: Alarms[Talk] = Alarms()
        self._owed: Alarms[tuple[Leg, str]] = Alarms()
        self._holding: dict[Leg, None] = {}
        self._look_at: float | None = None
        self._broken: dict[Talk, None] = {}
        self._open = 0
        self._stops = False
        self._now = 0.0
        self.openings: Openings | None = None

    # -- from XMPP ----------------------------------------------------------------------

    def carries(self, crossing: Crossing, now: float) -> bool:
        """Take a crossing into a session that there is, or that is to be; False: a MESSAGE."""
        self._now = now
        pair = pair_of(crossing.stanza)
        talk = self._talks.get(pair)
        if crossing.purpose is not Purpose.MESSAGE:
            return talk is not None and self._tell(talk, crossing)
        if crossing.stanza.get("type", "normal") not in CONVERSATION:
            return False
        if talk is None or not talk.busy:
            if not self._ways.prefers_session(pair[1], now):
                return False
            talk = self.talk(pair)
        self._queue(talk, crossing)
        return True

    def begins(self, crossing: Crossing, now: float) -> bool:
        """Take a crossing that no MESSAGE is right for; False: there can be no session."""
        self._now = now
        pair = pair_of(crossing.stanza)
        if crossing.purpose is not Purpose.MESSAGE or not self._ways.allows_session(pair[1], now):
            return False
        self._queue(self.talk(pair), crossing)
        return True

    def paged(self, crossing: Crossing) -> None:
        """Learn that a crossing goes by MESSAGE, so that nothing overtakes it."""
        if crossing.purpose is Purpose.MESSAGE:
            self.talk(pair_of(crossing.stanza)).paged += 1

    def crossed(self, crossing: Crossing, error: StanzaError | None, now: float) -> bool:
        """Learn what became of one that went by MESSAGE; True: it goes in a session now."""
        self._now = now
        if crossing.purpose is not Purpose.MESSAGE:
            return False
        talk = self._talks.get(pair_of(crossing.stanza))
        if talk is None:
            return False
        talk.paged -= 1
        again = error is not None and crossing.status in UNFIT and self._instead(talk, crossing)
        self.go_on(talk)
        return again

    def _instead(self, talk: Talk, crossing: Crossing) -> bool:
        """Have a message go in a session that was refused by MESSAGE for what it is."""
        if len(crossing.requests) > 1 or not self._ways.allows_session(talk.pair[1], self._now):
            return False
        plain = crossing.plain or crossing.requests[0]
        draft = Crossing(crossing.stanza, deque([plain]), crossing.exchange, plain=plain)
        draft.message = crossing.message
        self._queue(talk, draft)
        return True

    def told(self, stanza: Element, now: float) -> None:
        """Learn what an XMPP user says of messages that came in a session, or that he left it."""
        talk = self._talks.get(pair_of(stanza))
        if talk is None:
            return
        self._now = now
        for each in receipt.told(stanza):
            for leg in talk.legs:
                self._confirm(leg, each.stanza_id)
        if state_of(stanza) is State.GONE and stanza.find(BODY) is None:
            self._leave(talk)

    def under_way(self, domain: str) -> int:
        """Return how many crossings of an XMPP domain wait here."""
        return self._waiting[domain]

    def _queue(self, talk: Talk, crossing: Crossing) -> None:
        if len(talk.queue) >= MOST_WAITING:
            self._messages.crossed(crossing, FULL)
            return
        talk.queue.append(Waiting(crossing, self._now))
        self._count(crossing, 1)
        self._late.hasten(talk, self._now + PATIENCE)
        self.go_on(talk)

    def _tell(self, talk: Talk, crossing: Crossing) -> bool:
        """Send what is no text, at once or not at all here; False: let it go by MESSAGE.

        Somebody's writing is told where he is heard, and not while a session is asked for.
        """
        leg = talk.leg
        if leg is None or talk.queue or talk.paged:
            return crossing.purpose is Purpose.COMPOSING and talk.begun
        found = chat.ready(crossing.requests[0], leg, sent=self._wall())
        return found is not None and self._send(leg, Waiting(crossing, self._now), found)

    # -- what goes in a session ---------------------------------------------------------

    def go_on(self, talk: Talk) -> None:
        """Send what waits: in the session there is, or once there is one."""
        leg = talk.leg
        if talk.paged:
            return
        if leg is not None:
            self._flush(talk, leg)
        elif talk.queue and not talk.begun and not talk.legs and self.openings is not None:
            self.openings.begin(talk, self._now)
        self._forget(talk)

    def _flush(self, talk: Talk, leg: Leg) -> None:
        while talk.queue and leg.up:
            waiting = talk.queue[0]
            try:
                found = self._messages.note(waiting.crossing, leg)
                if isinstance(found, Note) and not self._send(
                    leg, waiting, found.form, success=found.success
                ):
                    return
            except StanzaError as error:
                self._done(talk)
                self._messages.crossed(waiting.crossing, error)
            else:
                self._done(talk)

    def _send(self, leg: Leg, waiting: Waiting, form: chat.Form, *, success: bool = False) -> bool:
        """Send in a session; False: it has no room now. Raises StanzaError for what cannot go."""
        crossing = waiting.crossing
        report = FailureReport.NO if self._rules.strict else FailureReport.YES
        try:
            leg.wire.send(
                form.content_type,
                form.body,
                self._now,
                message_id=waiting.message_id,
                wrapped=form.wrapped,
                success_report=success,
                failure_report=report,
                control=crossing.purpose is not Purpose.MESSAGE,
                tag=waiting,
            )
        except msrp.TooLarge as error:
            text = "The message is too long for the SIP user's program"
            raise StanzaError(Condition.POLICY_VIOLATION, text=text) from error
        except msrp.TypeNotAccepted as error:
            raise stanza_error(415) from error
        except (msrp.DirectionForbids, msrp.NotOpen, msrp.Full):
            return False
        waiting.open = True
        self._open += 1
        if crossing.purpose is Purpose.MESSAGE:
            leg.local = ends(crossing.stanza)[0]
        self._use(leg)
        return True

    def _use(self, leg: Leg) -> None:
        leg.talk.use(leg)
        leg.spoke = True
        self._idle.set(leg, self._now + self._rules.idle)

    def _done(self, talk: Talk) -> None:
        self._count(talk.queue.popleft().crossing, -1)

    def _count(self, crossing: Crossing, change: int) -> None:
        domain = sender_domain(crossing.stanza)
        self._waiting[domain] += change
        if not self._waiting[domain]:
            del self._waiting[domain]

    # -- from MSRP ----------------------------------------------------------------------

    def on_event(self, event: msrp.Event, now: float) -> None:
        """Learn what happened in a session."""
        self._now = now
        match event:
            case MessageArrived(session) if isinstance(session.tag, Leg):
                self._arrived(session.tag, event)
            case msrp.Sent(handle) if isinstance(handle.tag, Waiting):
                self._sent(handle.tag)
            case msrp.Delivered(handle) if isinstance(handle.tag, Waiting):
                self._messages.delivered(handle.tag.crossing)
            case msrp.Failed(handle, status) if isinstance(handle.tag, Waiting):
                handle.tag.message_id = handle.message_id
                self._confirmed(handle.tag)
                self._failed(handle.tag, status, handle.size or 0)
            case msrp.SessionFailed(session, why) if isinstance(session.tag, Leg):
                self._lost(session.tag, why)
            case _:
                pass  # that it is up, which sends what waits by itself; relays have their own

    def _sent(self, waiting: Waiting) -> None:
        """Learn that the far end has a message: there may be room for others."""
        self._confirmed(waiting)
        crossing = waiting.crossing
        self._messages.crossed(crossing, None)
        crossing.requests.clear()  # what is remembered for a REPORT is who said it
        crossing.plain = None
        talk = self._talks.get(pair_of(crossing.stanza))
        if talk is not None and talk.queue:
            self.go_on(talk)

    def _confirmed(self, waiting: Waiting) -> None:
        """Count a message no longer whose fate is known."""
        if waiting.open:
            waiting.open = False
            self._open -= 1

    def settle(self, now: float) -> None:
        """Go on with talks whose session broke, once all that came of that was told."""
        self._now = now
        broken, self._broken = self._broken, {}
        for talk in broken:
            self._put_back(talk)

    def _arrived(self, leg: Leg, event: MessageArrived) -> None:
        """Carry what the SIP user said, or let him wait while the XMPP side has no room."""
        if leg.over:
            return
        self._use(leg)
        leg.renewed = False
        if leg.held or not self._has_room(leg):
            leg.held.append(event)
            leg.wire.pause()
            self._holding[leg] = None
            self._look_at = self._now + HELD
        else:
            self._carry(leg, event)

    def _has_room(self, leg: Leg) -> bool:
        return self._messages.has_room(leg.remote.domain, leg.local.domain)

    def _carry(self, leg: Leg, event: MessageArrived) -> None:
        request = chat.said(
            event.content_type,
            event.body,
            sender=leg.sender,
            target=leg.target,
            call_id=leg.call_id,
            left=leg.left,
        )
        name = chat.identifier(event.message_id) or self._token()
        found, owed = Said(request, leg.sender, name, event.success_report), Owed(event)
        answer = partial(self._answer, leg, owed)
        stanza_id = self._messages.on_said(found, answer, leg.remote, leg.local, self._now)
        if stanza_id and event.success_report:
            self._owe(leg, owed, stanza_id)
        elif stanza_id == "":
            leg.wire.report(event.message_id, self._now)

    def _answer(self, leg: Leg, owed: Owed, answer: Answer) -> bool:
        """Tell a SIP user that his message was not delivered; False: he cannot be told here."""
        event = owed.event
        if answer.status < 300:
            owed.taken = True
            if owed.stanza_id in leg.owed:
                self._owed.set((leg, owed.stanza_id), self._now + CONFIRMED)
            return True
        leg.owed.pop(owed.stanza_id, None)
        if event.failure_report is FailureReport.NO:
            return True
        return leg.wire.report(event.message_id, self._now, status=report_status(answer))

    def _owe(self, leg: Leg, owed: Owed, stanza_id: str) -> None:
        """Keep in mind that a SIP user waits to hear that his message was received.

        Where no receipt comes, the word of the far server that it has the message has to do.
        """
        owed.stanza_id = stanza_id
        leg.owed[stanza_id] = owed
        if owed.taken:
            self._owed.set((leg, stanza_id), self._now + CONFIRMED)
        if len(leg.owed) > MOST_OWED:
            self._confirm(leg, next(iter(leg.owed)))

    def _confirm(self, leg: Leg, stanza_id: str) -> None:
        owed = leg.owed.pop(stanza_id, None)
        if owed is not None:
            self._owed.cancel((leg, stanza_id))
            leg.wire.report(owed.event.message_id, self._now)

    def _failed(self, waiting: Waiting, status: int | None, size: int) -> None:
        """Learn that a message did not arrive; None: its session ended before that was known."""
        crossing = waiting.crossing
        talk = self._talks.get(pair_of(crossing.stanza))
        if status is not None:
            crossing.status = status
            leg = None if talk is None else talk.leg
            limit = leg.terms.max_size if leg is not None and leg.terms is not None else None
            self._messages.crossed(crossing, stanza_error(status, size=size, limit=limit or 0))
        elif self._may_return(crossing):
            crossing.attempts += 1
            talk = self.talk(pair_of(crossing.stanza))
            talk.returned.append(waiting)
            self._broken[talk] = None
        else:
            self._messages.crossed(crossing, stanza_error(481))

    def _may_return(self, crossing: Crossing) -> bool:
        """Tell whether a message may go again whose session could not confirm it."""
        wanted = crossing.purpose is Purpose.MESSAGE and not self._stops
        return wanted and crossing.attempts < MOST_ATTEMPTS

    def _put_back(self, talk: Talk) -> None:
        """Have what a session could not confirm go first in the next (RFC 4975 §5.4)."""
        for waiting in reversed(talk.returned):
            talk.queue.appendleft(waiting)
            waiting.since = self._now
            self._count(waiting.crossing, 1)
        if talk.returned:
            self._late.hasten(talk, self._now + PATIENCE)
        talk.returned.clear()
        self.go_on(talk)

    def _lost(self, leg: Leg, why: msrp.Why) -> None:
        """Try another path once (RFC 4975 §5.4), and else end the session."""
        if leg.over or self.openings is None:
            return
        log.info("a session broke", extra=about(jid=leg.local, sip=leg.sender, reason=why.value))
        if why is msrp.Why.LOST and not leg.renewed and self.openings.renew(leg, self._now):
            leg.renewed, leg.terms = True, None
            return
        self.openings.end(leg, self._now)
        self.ended(leg, self._now)

    # -- from SIP -----------------------------------------------------------------------

    def legs(self, pair: Pair) -> int:
        """Return how many sessions two users have."""
        found = self._talks.get(pair)
        return 0 if found is None else len(found.legs)

    def talk(self, pair: Pair) -> Talk:
        """Return the talk of two users, a new one where there is none."""
        found = self._talks.get(pair)
        if found is None:
            found = self._talks[pair] = Talk(pair)
        return found

    def opened(self, leg: Leg, now: float) -> None:
        """Learn that offer and answer of a session are complete, or complete once more."""
        self._now = now
        talk = leg.talk
        if leg not in talk.legs:
            talk.legs.append(leg)
        self._ways.took(talk.pair[1])
        self._idle.set(leg, now + self._rules.idle)
        self.go_on(talk)

    def refused(self, talk: Talk, error: StanzaError, *, page: bool, now: float) -> None:
        """Learn that there is no session after all; `page`: a MESSAGE may do."""
        self._now = now
        if talk.leg is not None:
            self.go_on(talk)
            return
        if page:
            self._ways.refused(talk.pair[1], now)
        while talk.queue:
            crossing = talk.queue[0].crossing
            self._done(talk)
            if page:
                self._page(crossing)
            else:
                self._messages.crossed(crossing, error)
        self._forget(talk)

    def _page(self, crossing: Crossing) -> None:
        self._messages.forget(crossing)
        try:
            self._messages.page(crossing, self._now, upgrade=False)
        except StanzaError as error:
            self._messages.crossed(crossing, error)

    def ended(self, leg: Leg, now: float, *, tell: bool = True) -> None:
        """Learn that a session is over; `tell`: the XMPP user hears that his peer is gone.

        What it could not confirm goes in another one.
        """
        self._now = now
        if leg.over:
            return
        leg.over = True
        self._idle.cancel(leg)
        self._holding.pop(leg, None)
        for stanza_id in leg.owed:
            self._owed.cancel((leg, stanza_id))
        for event in leg.held:
            self._carry(leg, event)
        leg.wire.close(now)
        talk = leg.talk
        if leg in talk.legs:
            talk.legs.remove(leg)
            if tell and leg.spoke and not talk.legs:
                self._say_gone(leg)
        self.go_on(talk)

    def _say_gone(self, leg: Leg) -> None:
        """Tell an XMPP user that the SIP user left (RFC 7573 §6.1)."""
        user, peer = leg.local, leg.remote
        thread = self._messages.thread(leg.call_id, user, peer)
        stanza = notification(State.GONE, peer, user, thread, self._token())
        self._xmpp.send(stanza, peer.domain, user.domain)

    def _leave(self, talk: Talk) -> None:
        """End the sessions of a talk that its XMPP user has left (RFC 7573 §6.1)."""
        if self.openings is None:
            return
        if talk.begun:
            self.openings.give_up(talk, self._now)
            self.refused(talk, LATE, page=False, now=self._now)
        for leg in list(talk.legs):
            self.openings.end(leg, self._now)
            self.ended(leg, self._now, tell=False)

    def heard(self, peer: Jid, request: Request) -> None:
        """Learn from the Contact of a SIP user's request whether he takes sessions."""
        self._ways.heard(str(peer.bare), request)

    def unavailable(self, user: Jid, peer: Jid) -> None:
        """Learn that a resource of an XMPP user is gone: what comes is for any (RFC 6121 §5.1)."""
        talk = self._talks.get((str(user.bare), str(peer.bare)))
        for leg in () if talk is None else talk.legs:
            if leg.local == user:
                leg.local = user.bare

    # -- time ---------------------------------------------------------------------------

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        for leg, stanza_id in self._owed.due(now):
            self._confirm(leg, stanza_id)
        for leg in self._idle.due(now):
            if not leg.over and self.openings is not None:
                self.openings.end(leg, now)
                self.ended(leg, now)
        for talk in self._late.due(now):
            self._expire(talk)
        if self._look_at is not None and self._look_at <= now:
            self._release()

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        times = (self._owed.next(), self._idle.next(), self._late.next(), self._look_at)
        return earliest(times)

    def _expire(self, talk: Talk) -> None:
        """Give up what has waited too long, and a session that nobody answers."""
        if talk.begun and self.openings is not None:
            self.openings.give_up(talk, self._now)
            self.refused(talk, LATE, page=False, now=self._now)
            return
        while talk.queue and talk.queue[0].since + PATIENCE <= self._now:
            crossing = talk.queue[0].crossing
            self._done(talk)
            self._messages.crossed(crossing, LATE)
        if talk.queue:
            self._late.set(talk, talk.queue[0].since + PATIENCE)
        self.go_on(talk)

    def _release(self) -> None:
        """Carry what waited for room on the XMPP side, and read on where there is some."""
        self._look_at = None
        for leg in list(self._holding):
            while leg.held and self._has_room(leg):
                self._carry(leg, leg.held.popleft())
            if not leg.held:
                del self._holding[leg]
                leg.wire.resume()
        if self._holding:
            self._look_at = self._now + HELD

    def _forget(self, talk: Talk) -> None:
        if talk.idle:
            self._late.cancel(talk)
            self._talks.pop(talk.pair, None)

    def give_up(self, now: float) -> None:
        """End all sessions, and tell those whose messages wait: the gateway stops."""
        self._now, self._stops = now, True
        for talk in list(self._talks.values()):
            if self.openings is not None and talk.begun:
                self.openings.give_up(talk, now)
            for leg in list(talk.legs):
                if self.openings is not None:
                    self.openings.end(leg, now)
                leg.over = True
                leg.wire.close(now)
            while talk.queue:
                crossing = talk.queue[0].crossing
                self._done(talk)
                self._messages.crossed(crossing, STOPS)

    @property
    def quiet(self) -> bool:
        """Whether the fate of all that went in sessions is known."""
        return not (self._open or self._waiting)

    def describe(self) -> dict[str, int]:
        """Return how many talks and sessions there are, and messages that wait for one."""
        talks = self._talks.values()
        legs = sum(len(each.legs) for each in talks)
        return {"talks": len(talks), "sessions": legs, "waiting": self._waiting.total()}
