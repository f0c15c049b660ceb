"""Sessions of Jingle in time: what is late, lost, crossing, moved, or said in any order."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Action, Content, Reason, Why
from dragoman.xmpp.ext.jingle_errors import unknown_session
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.jingle import Session
from dragoman.xmpp.session import (
    Added,
    By,
    Ended,
    Event,
    Failed,
    Info,
    Initiated,
    Migrated,
    Proceeded,
    Proposed,
    Replaced,
    Stage,
)
from dragoman.xmpp.sessions import Bounds, Full
from dragoman.xmpp.stanza import message
from tests.xmpp.callers import (
    AUDIO,
    BALCONY,
    FACE,
    JULIET,
    PHONE,
    ROMEO,
    VOICE,
    Caller,
    Desk,
    Line,
    initiate,
    of,
    propose,
    request,
    said_of,
    words,
)

LATE: Final = Reason(Why.TIMEOUT)
BYE: Final = Reason(Why.SUCCESS)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def clean(desk: Desk) -> bool:
    """Tell whether nothing is left of any session, but sids for a while."""
    inner = desk.sessions
    left = [inner._all, inner._by_pair, inner._shares, inner._outlet.asked]
    return not any(left) and inner.next_timer() is None and len(inner) == 0


# -- too late -----------------------------------------------------------------------------------


@pytest.mark.spec("MED-38")
@pytest.mark.spec("MED-23")
@pytest.mark.parametrize("rings", [False, True])
def test_a_proposal_that_nobody_answers_is_retracted(desk: Desk, rings: bool) -> None:
    session = desk.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    desk.sent()
    desk.waits(50.0)
    if rings:
        desk.says(Initiation(Step.RINGING, session.sid))
        desk.told()
    desk.waits(9.9)
    assert desk.sent() == []
    desk.waits(0.2)
    [retract] = desk.sent()
    assert said_of(retract) == Initiation(Step.RETRACT, session.sid, reason=Reason(Why.CANCEL))
    assert desk.told() == [Ended(session, By.TIMER, LATE)]
    assert clean(desk)


def _proceeded(desk: Desk) -> Session:
    session = desk.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    desk.says(Initiation(Step.PROCEED, session.sid))
    return session


def _calling(desk: Desk) -> Session:
    session = _proceeded(desk)
    session.start((VOICE,), (), 0.0)
    desk.answers(desk.sent()[-1])
    return session


def _dialled(desk: Desk) -> Session:
    session = desk.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), 0.0)
    desk.answers(desk.sent()[-1])
    return session


def _proposed(desk: Desk) -> Session:
    desk.says(propose())
    [event] = desk.told()
    return event.session


def _proceeding(desk: Desk) -> Session:
    session = _proposed(desk)
    session.proceed(ROMEO, 0.0)
    return session


def _called(desk: Desk) -> Session:
    desk.asks(initiate())
    [event] = desk.told()
    return event.session


def _active(desk: Desk) -> Session:
    session = _called(desk)
    session.accept((VOICE,), (), 0.0)
    desk.answers(desk.sent()[-1])
    return session


@pytest.mark.spec("MED-38")
@pytest.mark.parametrize(
    ("begin", "seconds", "said"),
    [
        (_proceeded, 32.0, ["retract"]),
        (_calling, 32.0, ["session-terminate", "finish"]),
        (_dialled, 180.0, ["session-terminate"]),
        (_proposed, 180.0, ["reject"]),
        (_proceeding, 32.0, ["reject"]),
        (_called, 180.0, ["session-terminate"]),
    ],
)
def test_every_stage_has_its_time(
    desk: Desk, begin: Callable[[Desk], Session], seconds: float, said: list[str]
) -> None:
    session = begin(desk)
    desk.sent()
    desk.told()
    desk.waits(seconds - 0.1)
    assert (desk.sent(), desk.told()) == ([], [])
    desk.waits(0.2)
    assert [words(each) for each in desk.sent()] == said
    assert desk.told() == [Ended(session, By.TIMER, LATE)]
    desk.waits(33.0)
    assert desk.told() == []
    assert clean(desk)


@pytest.mark.spec("MED-38")
def test_a_session_terminate_without_answer_is_not_waited_for(desk: Desk) -> None:
    session = _active(desk)
    session.transport((VOICE,), 0.0)
    session.add((FACE,), 0.0)
    other = replace(VOICE, creator=Creator.INITIATOR, name="screen")
    assert words(desk.asks(request(Action.CONTENT_ADD, "c1", other))) == "result"
    desk.told()
    session.end(BYE, 0.0)
    assert [words(each) for each in desk.sent()] == ["session-terminate"]
    desk.waits(25.0)
    session.end(BYE, 25.0)
    assert desk.sent() == []
    assert desk.sessions.describe() == {"ending": 1}
    desk.waits(8.0)
    assert desk.told() == []
    assert clean(desk)


@pytest.mark.spec("MED-38")
def test_an_active_session_is_asked_whether_it_is_there(desk: Desk) -> None:
    session = _active(desk)
    for _ in range(3):
        desk.waits(900.0)
        [ping] = desk.sent()
        assert words(ping) == "session-info"
        desk.answers(ping)
    desk.waits(900.0)
    [ping] = desk.sent()
    desk.answers(ping, StanzaError(Condition.FEATURE_NOT_IMPLEMENTED))  # whoever says so is there
    assert desk.told() == []
    desk.waits(900.0)
    desk.answers(desk.sent()[0], StanzaError(Condition.SERVICE_UNAVAILABLE))
    [event] = desk.told()
    assert isinstance(event, Ended)
    assert (event.session, event.by) == (session, By.PEER)
    assert clean(desk)


def test_a_ping_without_answer_ends_the_session(desk: Desk) -> None:
    _active(desk)
    desk.waits(930.1)
    [event] = desk.told()
    assert isinstance(event, Ended)
    assert event.by is By.TIMER
    assert clean(desk)


def test_a_session_initiate_without_answer_ends_the_session(desk: Desk) -> None:
    session = desk.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), 0.0)
    desk.waits(30.1)
    [event] = desk.told()
    assert isinstance(event, Ended)
    assert (event.session, event.by, event.reason) == (session, By.TIMER, LATE)
    assert [words(each) for each in desk.sent()] == ["session-initiate", "session-terminate"]
    desk.waits(33.0)
    assert clean(desk)


def test_requests_are_late_each_in_its_turn(desk: Desk) -> None:
    session = _active(desk)
    session.transport((VOICE,), 0.0)
    desk.waits(10.0)
    session.info(Element(Info.HOLD.value), 10.0)
    session.describe((VOICE,), 10.0)
    _, hold, _ = desk.sent()
    desk.answers(hold)
    desk.waits(20.1)
    desk.waits(10.0)
    late = [(each.action, each.error.condition) for each in desk.told() if isinstance(each, Failed)]
    assert late == [
        (Action.TRANSPORT_INFO, Condition.REMOTE_SERVER_TIMEOUT),
        (Action.DESCRIPTION_INFO, Condition.REMOTE_SERVER_TIMEOUT),
    ]


# -- to nobody ----------------------------------------------------------------------------------


def test_what_is_undelivered_counts_as_refused(desk: Desk) -> None:
    error = StanzaError(Condition.REMOTE_SERVER_NOT_FOUND)
    session = desk.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    [proposal] = desk.sent()
    assert desk.sessions.undelivered(proposal, error, 0.0)
    assert desk.told() == [Ended(session, By.PEER, error=error)]
    assert desk.sessions.undelivered(proposal, error, 0.0)
    session = desk.sessions.initiate(ROMEO, PHONE, (VOICE,), (), 0.0)
    [first] = desk.sent()
    assert desk.sessions.undelivered(first, error, 0.0)
    assert desk.told() == [Ended(session, By.PEER, error=error)]
    assert not desk.sessions.undelivered(first, error, 0.0)
    assert not desk.sessions.undelivered(message("a@b.example", "c@d.example"), error, 0.0)
    assert clean(desk)


def test_an_answer_that_is_undelivered_is_no_request(desk: Desk) -> None:
    session = _active(desk)
    session.info(None, 0.0)
    [ping] = desk.sent()
    answer = Element(ping.name, {**ping.attributes, "type": "result"})
    assert not desk.sessions.undelivered(answer, StanzaError(Condition.GONE), 0.0)
    assert desk.told() == []


def bounced(stanza: Element, from_: Jid | None = None) -> Element:
    error = StanzaError(Condition.SERVICE_UNAVAILABLE).element()
    return message(
        stanza.get("from", ""),
        stanza.get("to", "") if from_ is None else str(from_),
        id=stanza.get("id", ""),
        type="error",
        children=[error],
    )


def test_a_proposal_that_comes_back_is_over(desk: Desk) -> None:
    session = desk.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    [proposal] = desk.sent()
    assert desk.sessions.on_stanza(bounced(proposal, PHONE), 0.0)  # one device of many
    assert desk.told() == []
    assert desk.sessions.on_stanza(bounced(proposal), 0.0)
    [event] = desk.told()
    assert isinstance(event, Ended)
    assert event.session is session
    assert event.error is not None
    assert event.error.condition is Condition.SERVICE_UNAVAILABLE
    assert clean(desk)


def test_proceed_that_comes_back_ends_the_session_and_ringing_does_not(desk: Desk) -> None:
    session = _proposed(desk)
    session.ring(0.0)
    session.proceed(ROMEO, 0.0)
    ringing, proceed = desk.sent()
    assert desk.sessions.on_stanza(bounced(ringing), 0.0)
    assert desk.told() == []
    assert desk.sessions.on_stanza(bounced(proceed), 0.0)
    assert [type(each) for each in desk.told()] == [Ended]


# -- from device to device ----------------------------------------------------------------------


@pytest.mark.spec("MED-23")
@pytest.mark.parametrize("begin", [_calling, _proceeding])
def test_a_call_moves_to_another_device(desk: Desk, begin: Callable[[Desk], Session]) -> None:
    old = begin(desk)
    desk.sent()
    desk.told()
    desk.says(propose("c2"), PHONE, to=ROMEO.bare)
    proceed, *last = desk.sent()
    assert said_of(proceed) == Initiation(Step.PROCEED, "c2")
    assert (proceed.get("from"), proceed.get("to")) == (str(ROMEO), str(PHONE))
    finish = said_of(last[-1])
    assert (finish.step, finish.id, finish.migrated) == (Step.FINISH, old.sid, "c2")
    assert finish.reason is not None
    assert finish.reason.why is Why.EXPIRED
    [event] = desk.told()
    assert isinstance(event, Migrated)
    assert (event.old, event.session.sid, event.descriptions) == (old, "c2", (AUDIO,))
    assert words(desk.asks(initiate("c2"), PHONE)) == "result"
    assert desk.told() == [Initiated(event.session, (VOICE,), ())]


def test_a_call_that_only_rings_does_not_move(desk: Desk) -> None:
    _dialled(desk)
    desk.says(propose("c2"), PHONE)
    assert [type(each) for each in desk.told()] == [Proposed]


def test_a_call_to_no_device_of_ours_does_not_move(desk: Desk) -> None:
    desk.asks(initiate(), to=ROMEO.bare)
    [event] = desk.told()
    event.session.accept((VOICE,), (), 0.0)
    desk.sent()
    desk.says(propose("c2"), PHONE)
    assert [type(each) for each in desk.told()] == [Proposed]
    assert desk.sent() == []


def test_somebody_else_moves_nothing(desk: Desk) -> None:
    _calling(desk)
    desk.sent()
    desk.told()
    desk.says(propose("c2"), Jid.parse("paris@capulet.example/x"))
    assert [type(each) for each in desk.told()] == [Proposed]
    assert desk.sent() == []


# -- two ends -----------------------------------------------------------------------------------


def agreeable(jid: Jid) -> Callable[[Event, float], None]:
    def does(event: Event, now: float) -> None:
        session = event.session
        match event:
            case Proposed():
                session.ring(now)
                session.proceed(jid, now)
            case Proceeded():
                session.start((VOICE,), (), now)
            case Initiated(_, contents, groups):
                session.ring(now)
                session.accept(contents, groups, now)
            case Added(_, contents, _) | Replaced(_, contents):
                session.agree(contents, now)

    return does


def line(seed: int | None = None, rate: float = 0.0) -> tuple[Caller, Caller, Line]:
    left = Caller(ROMEO, "a", agreeable(ROMEO))
    right = Caller(BALCONY, "b", agreeable(BALCONY))
    chance = Random(seed)  # noqa: S311 - weather, not a secret
    return left, right, Line(left, right, lambda: chance.random() < rate)


def test_a_call_from_end_to_end() -> None:
    left, right, wire = line()
    session = left.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    wire.run()
    assert left.heard_of() == ["Rang", "Proceeded", "Accepted"]
    session.add((FACE,), 0.0)
    wire.run()
    session.end(BYE, 1.0)
    wire.run()
    assert left.heard_of()[3:] == ["Agreed"]
    assert right.heard_of() == ["Proposed", "Initiated", "Added", "Ended"]
    assert (len(left.sessions), len(right.sessions)) == (0, 0)


def test_ends_that_cross_are_told_to_nobody() -> None:
    left, right, wire = line()
    session = left.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    wire.run()
    [theirs] = right.sessions._all.values()
    session.end(BYE, 1.0)
    theirs.end(BYE, 1.0)
    wire.run()
    assert "Ended" not in left.heard_of() + right.heard_of()
    assert (len(left.sessions), len(right.sessions)) == (0, 0)


@pytest.mark.spec("MED-29")
def test_of_session_initiates_that_cross_one_is_left() -> None:
    left, right, wire = line()
    left.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), 0.0)
    right.sessions.initiate(BALCONY, ROMEO, (VOICE,), (), 0.0)
    wire.run()
    for end in (left, right):
        assert [(each.sid, each.stage) for each in end.sessions._all.values()] == [
            ("a1", Stage.ACTIVE)
        ]
    [lost] = [each for each in right.told if isinstance(each, Ended)]
    assert lost.tie_break
    assert "Ended" not in left.heard_of()


@pytest.mark.spec("MED-23")
@pytest.mark.spec("MED-29")
def test_of_proposals_that_cross_one_is_left() -> None:
    left, right, wire = line()
    left.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    right.sessions.propose(BALCONY, ROMEO.bare, (AUDIO,), 0.0)
    wire.run()
    for end in (left, right):
        assert [(each.sid, each.stage) for each in end.sessions._all.values()] == [
            ("a1", Stage.ACTIVE)
        ]
    [lost] = [each for each in right.told if isinstance(each, Ended)]
    assert lost.tie_break
    assert "Ended" not in left.heard_of()


@pytest.mark.spec("MED-29")
def test_of_additions_that_cross_the_initiators_is_left() -> None:
    left, right, wire = line()
    session = left.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    wire.run()
    [theirs] = right.sessions._all.values()
    session.add((FACE,), 1.0)
    theirs.add((FACE,), 1.0)
    wire.run()
    for each in (session, theirs):
        assert [(content.creator, content.name) for content in each.contents] == [
            (Creator.INITIATOR, "voice"),
            (Creator.INITIATOR, "face"),
        ]
    assert right.heard_of()[-1] == "Failed"


@pytest.mark.spec("MED-38")
@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_lost_both_ends_come_to_an_end(seed: int) -> None:
    left, right, wire = line(seed, rate=0.25)
    session = left.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    if seed % 2:
        right.sessions.initiate(BALCONY, ROMEO, (VOICE,), (), 0.0)
    wire.run(100.0)
    for each in list(right.sessions._all.values()):
        if each.stage is Stage.ACTIVE:
            each.add((FACE,), 100.0)
    wire.run(100.0)
    wire.loses = bool
    session.end(BYE, 200.0)
    wire.run(300.0)
    for each in list(right.sessions._all.values()):
        each.end(BYE, 500.0)
    wire.run(2000.0)
    assert (len(left.sessions), len(right.sessions)) == (0, 0)
    for end in (left, right):
        ended = [each.session for each in end.told if isinstance(each, Ended)]
        assert len(ended) == len(set(ended))


# -- in any order -------------------------------------------------------------------------------

DEVICES: Final = (BALCONY, PHONE)
SIDS: Final = ("c1", "c2", "t1", "t2", "t3")
CONTENTS: Final = (VOICE, FACE, of(Creator.RESPONDER, FACE), of(Creator.RESPONDER, VOICE))
INFOS: Final = (None, Element(Info.HOLD.value), Element("{urn:x}x"))
ERRORS: Final = (None, unknown_session(), StanzaError(Condition.SERVICE_UNAVAILABLE))


class Walk:
    """A peer, and a user of ours, who do whatever comes to their minds."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311 - weather, not a secret
        self.desk = Desk(Bounds(most=4, share=4, past=4))
        self.known: list[Session] = []
        self.asked: list[Element] = []
        self.ended: set[Session] = set()

    def goes(self) -> None:
        self.chance.choice((self.peer_says, self.peer_asks, self.peer_asks, self.peer_answers,
                            self.we_begin, self.we_do, self.we_do))()  # fmt: skip
        if not self.chance.randrange(8):
            self.desk.waits(self.chance.choice((1.0, 21.0, 61.0, 901.0)))
        self.listens()

    def listens(self) -> None:
        self.asked += [each for each in self.desk.sent() if each.get("type") == "set"]
        for event in self.desk.told():
            assert event.session not in self.ended, event
            self.known.append(event.session)
            if isinstance(event, Migrated):
                self.ended.add(event.old)
            if isinstance(event, Ended):
                self.ended.add(event.session)
                assert event.session.stage in {Stage.ENDING, Stage.OVER}
        assert len(self.desk.sessions) <= 4
        assert len(self.desk.sessions._past) <= 4

    def contents(self) -> list[Content]:
        return self.chance.sample(CONTENTS, self.chance.choice((0, 1, 1, 2)))

    def peer_says(self) -> None:
        step, sid = self.chance.choice(list(Step)), self.chance.choice(SIDS)
        said = Initiation(step, sid, (AUDIO,) if step is Step.PROPOSE else ())
        self.desk.says(said, self.chance.choice(DEVICES))

    def peer_asks(self) -> None:
        jingle = request(
            self.chance.choice(list(Action)),
            self.chance.choice(SIDS),
            *self.contents(),
            info=self.chance.choice(INFOS),
        )
        self.desk.asks(jingle, self.chance.choice(DEVICES))
        self.asked += [each for each in (*self.desk.held, *self.desk.after)
                       if each.get("type") == "set"]  # fmt: skip

    def peer_answers(self) -> None:
        if self.asked:
            one = self.asked.pop(self.chance.randrange(len(self.asked)))
            self.desk.answers(one, self.chance.choice(ERRORS))

    def we_begin(self) -> None:
        try:
            if self.chance.randrange(2):
                made = self.desk.sessions.propose(ROMEO, JULIET, (AUDIO,), self.desk.now)
            else:
                made = self.desk.sessions.initiate(ROMEO, PHONE, (VOICE,), (), self.desk.now)
        except Full:
            return
        self.known.append(made)

    def we_do(self) -> None:
        if not self.known:
            return
        session, now = self.chance.choice(self.known[-6:]), self.desk.now
        contents = tuple(self.contents())
        before = session.stage
        try:
            self.chance.choice((
                lambda: session.ring(now),
                lambda: session.proceed(ROMEO, now),
                lambda: session.start((VOICE,), (), now),
                lambda: session.accept(session.contents, (), now),
                lambda: session.add(contents, now),
                lambda: session.replace(contents, now),
                lambda: session.agree(contents, now),
                lambda: session.decline(contents, None, now),
                lambda: session.modify(contents, now),
                lambda: session.remove(contents, None, now),
                lambda: session.transport(contents, now),
                lambda: session.info(None, now),
                lambda: session.end(BYE, now),
            ))()  # fmt: skip
        except LocalError:
            assert session.stage is before
            return
        if before not in {Stage.ENDING, Stage.OVER} and session.stage in {Stage.ENDING, Stage.OVER}:
            self.ended.add(session)


@pytest.mark.spec("MED-38")
@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_said_in_any_order_comes_to_an_end(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(60):
        walk.goes()
    walk.desk.waits(3000.0)
    walk.listens()
    assert clean(walk.desk), walk.desk.sessions.describe()
