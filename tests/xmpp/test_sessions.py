"""Sessions of Jingle: the flows of XEP-0166 and XEP-0353, and what must not disturb them."""

import pytest

from dragoman.errors import LocalError, RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_errors import tie_break, unknown_session
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jingle import Session
from dragoman.xmpp.overtaking import MOST, MOST_EACH, PATIENCE
from dragoman.xmpp.session import (
    LIVE,
    STEPS,
    Accepted,
    By,
    Ended,
    Failed,
    Info,
    Informed,
    Initiated,
    Move,
    Proceeded,
    Proposed,
    Rang,
    Stage,
    Transported,
    step,
)
from dragoman.xmpp.sessions import Bounds, Full
from dragoman.xmpp.stanza import iq, message
from tests.xmpp.callers import (
    AUDIO,
    BALCONY,
    FACE,
    JULIET,
    PHONE,
    ROMEO,
    VOICE,
    Desk,
    initiate,
    jingle_of,
    propose,
    request,
    said_of,
    words,
)

GONE = Reason(Why.SUCCESS)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def proposing(desk: Desk) -> Session:
    session = desk.sessions.propose(ROMEO, BALCONY, (AUDIO,), desk.now)
    desk.sent()
    return session


def calling(desk: Desk) -> Session:
    """Return a session whose proposal was taken, and which was initiated."""
    session = proposing(desk)
    desk.says(Initiation(Step.PROCEED, session.sid))
    session.start((VOICE,), (), desk.now)
    desk.answers(desk.sent()[0])
    desk.told()
    return session


def called(desk: Desk, sid: str = "c1") -> Session:
    assert words(desk.asks(initiate(sid))) == "result"
    [event] = desk.told()
    assert isinstance(event, Initiated)
    return event.session


def active(desk: Desk, sid: str = "c1") -> Session:
    session = called(desk, sid)
    session.accept((VOICE,), (), desk.now)
    desk.answers(desk.sent()[0])
    return session


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("said", [*Move, *Step, *Action])
@pytest.mark.spec("MED-29")
def test_every_step_is_legal_or_refused(stage: Stage, said: Move | Step | Action) -> None:
    if (stage, said) in STEPS:
        assert step(stage, said) is STEPS[stage, said]
    elif isinstance(said, Move):
        with pytest.raises(LocalError):
            step(stage, said)
    elif isinstance(said, Step):
        with pytest.raises(RemoteError):
            step(stage, said)
    else:
        with pytest.raises(StanzaError) as raised:
            step(stage, said)
        over = stage in {Stage.ENDING, Stage.OVER}
        begins = stage not in LIVE and said is not Action.SESSION_INITIATE
        if over or begins:
            assert raised.value.condition is Condition.ITEM_NOT_FOUND
        elif said is Action.SECURITY_INFO:
            assert raised.value.condition is Condition.FEATURE_NOT_IMPLEMENTED
        else:
            assert raised.value.condition is Condition.UNEXPECTED_REQUEST


# -- calls that we make -------------------------------------------------------------------------


@pytest.mark.spec("MED-24")
def test_a_call_from_propose_to_finish(desk: Desk) -> None:
    session = desk.sessions.propose(ROMEO, BALCONY, (AUDIO,), 0.0)
    [proposal] = desk.sent()
    assert (proposal.get("to"), proposal.get("from")) == (str(JULIET), str(ROMEO))
    assert said_of(proposal) == Initiation(Step.PROPOSE, session.sid, (AUDIO,))

    assert desk.says(Initiation(Step.RINGING, session.sid), BALCONY)
    assert desk.says(Initiation(Step.RINGING, session.sid), PHONE)
    assert desk.told() == [Rang(session)]
    assert desk.says(Initiation(Step.PROCEED, session.sid), PHONE)
    assert desk.told() == [Proceeded(session)]
    assert session.remote == PHONE
    assert desk.sent() == []

    session.start((VOICE,), (), 0.0)
    [first] = desk.sent()
    assert jingle_of(first) == Jingle(
        Action.SESSION_INITIATE, session.sid, (VOICE,), initiator=str(ROMEO)
    )
    assert first.get("to") == str(PHONE)
    assert desk.answers(first)
    accept = request(Action.SESSION_ACCEPT, session.sid, VOICE)
    assert words(desk.asks(accept, PHONE)) == "result"
    assert desk.told() == [Accepted(session, (VOICE,), ())]
    assert session.stage is Stage.ACTIVE

    session.end(GONE, 9.0)
    terminate, finish = desk.sent()
    assert jingle_of(terminate) == request(Action.SESSION_TERMINATE, session.sid, reason=GONE)
    assert said_of(finish) == Initiation(Step.FINISH, session.sid, reason=GONE)
    assert finish.get("to") == str(PHONE)
    assert desk.sessions.describe() == {"ending": 1}
    assert words(desk.asks(request(Action.SESSION_INFO, session.sid), PHONE)) == (
        "item-not-found unknown-session"
    )
    assert desk.answers(terminate)
    assert (len(desk.sessions), desk.told(), desk.sessions.next_timer()) == (0, [], None)


@pytest.mark.spec("MED-23")
def test_a_second_proceed_is_ignored(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(Initiation(Step.PROCEED, session.sid), PHONE)
    desk.says(Initiation(Step.PROCEED, session.sid), BALCONY)
    assert desk.told() == [Proceeded(session)]
    assert session.remote == PHONE


def test_accept_of_an_old_client_is_proceed(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(Initiation(Step.ACCEPT, session.sid), PHONE)
    assert desk.told() == [Proceeded(session)]


def test_nobody_proceeds_without_a_device(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(Initiation(Step.PROCEED, session.sid), JULIET)
    assert (desk.told(), session.stage) == ([], Stage.PROPOSING)


@pytest.mark.spec("MED-23")
@pytest.mark.parametrize("reason", [Reason(Why.BUSY, "not now"), Reason(Why.DECLINE), None])
def test_a_rejected_proposal_is_over(desk: Desk, reason: Reason | None) -> None:
    session = proposing(desk)
    desk.says(Initiation(Step.RINGING, session.sid), BALCONY)
    desk.says(Initiation(Step.REJECT, session.sid, reason=reason), PHONE)
    assert desk.told() == [Rang(session), Ended(session, By.PEER, reason)]
    assert (len(desk.sessions), desk.sessions.next_timer()) == (0, None)
    desk.says(Initiation(Step.PROCEED, session.sid), BALCONY)
    assert (desk.told(), desk.sent()) == ([], [])


def test_a_device_that_did_not_win_does_not_disturb(desk: Desk) -> None:
    session = calling(desk)
    for said in Step:
        desk.says(Initiation(said, session.sid), PHONE)
    terminate = request(Action.SESSION_TERMINATE, session.sid, reason=GONE)
    assert words(desk.asks(terminate, PHONE)) == "item-not-found unknown-session"
    assert (desk.told(), session.stage) == ([], Stage.CALLING)


@pytest.mark.spec("MED-23")
def test_a_call_taken_back_is_retracted(desk: Desk) -> None:
    session = proposing(desk)
    session.end(Reason(Why.CANCEL), 1.0)
    [retract] = desk.sent()
    assert said_of(retract) == Initiation(Step.RETRACT, session.sid, reason=Reason(Why.CANCEL))
    assert retract.get("to") == str(JULIET)
    assert (len(desk.sessions), desk.told()) == (0, [])
    session.end(Reason(Why.CANCEL), 1.0)
    assert desk.sent() == []


def test_a_call_taken_back_after_proceed_is_retracted_from_its_device(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(Initiation(Step.PROCEED, session.sid), PHONE)
    session.end(Reason(Why.CANCEL), 1.0)
    [retract] = desk.sent()
    assert (words(retract), retract.get("to")) == ("retract", str(PHONE))


def test_a_full_jid_is_called_at_once(desk: Desk) -> None:
    session = desk.sessions.initiate(ROMEO, PHONE, (VOICE,), (), 0.0)
    [first] = desk.sent()
    assert words(first) == "session-initiate"
    desk.answers(first)
    ringing = request(Action.SESSION_INFO, session.sid, info=Element(Info.RINGING.value))
    assert words(desk.asks(ringing, PHONE)) == "result"
    assert words(desk.asks(ringing, PHONE)) == "result"
    assert desk.told() == [Rang(session)]
    busy = request(Action.SESSION_TERMINATE, session.sid, reason=Reason(Why.BUSY))
    assert words(desk.asks(busy, PHONE)) == "result"
    assert desk.after == []
    assert desk.told() == [Ended(session, By.PEER, Reason(Why.BUSY))]


@pytest.mark.parametrize("said", [StanzaError(Condition.SERVICE_UNAVAILABLE), tie_break()])
def test_an_error_to_session_initiate_ends_the_session(desk: Desk, said: StanzaError) -> None:
    session = desk.sessions.initiate(ROMEO, PHONE, (VOICE,), (), 0.0)
    assert desk.answers(desk.sent()[0], said)
    [event] = desk.told()
    assert isinstance(event, Ended)
    assert (event.session, event.by, event.reason) == (session, By.PEER, None)
    assert event.error is not None
    assert event.error.condition is said.condition
    assert event.tie_break is (said.condition is Condition.CONFLICT)
    assert (len(desk.sessions), desk.sent()) == (0, [])


def test_an_error_after_proceed_is_followed_by_finish(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(Initiation(Step.PROCEED, session.sid))
    session.start((VOICE,), (), 0.0)
    desk.answers(desk.sent()[0], StanzaError(Condition.SERVICE_UNAVAILABLE))
    assert [words(each) for each in desk.sent()] == ["finish"]


def test_an_answer_counts_only_from_whom_was_asked(desk: Desk) -> None:
    desk.sessions.initiate(ROMEO, PHONE, (VOICE,), (), 0.0)
    [first] = desk.sent()
    error = StanzaError(Condition.FORBIDDEN).element()
    forged = iq(str(ROMEO), str(BALCONY), id=first.get("id", ""), type="error", children=[error])
    assert not desk.sessions.on_stanza(forged, 0.0)
    assert not desk.answers(iq(str(PHONE), str(ROMEO), id="unknown", type="set"))
    assert desk.told() == []


# -- calls that come ----------------------------------------------------------------------------


def test_a_proposal_from_propose_to_terminate(desk: Desk) -> None:
    bare = ROMEO.bare
    assert desk.says(propose(), to=bare)
    [event] = desk.told()
    assert isinstance(event, Proposed)
    session = event.session
    assert event.descriptions == (AUDIO,)
    assert (session.sid, session.local, session.remote) == ("c1", bare, BALCONY)
    session.ring(0.0)
    session.ring(0.0)
    [ringing] = desk.sent()
    assert (words(ringing), ringing.get("to")) == ("ringing", str(BALCONY))
    assert ringing.get("from") == str(bare)
    session.proceed(ROMEO, 0.0)
    [proceed] = desk.sent()
    assert (words(proceed), proceed.get("from")) == ("proceed", str(ROMEO))
    assert words(desk.asks(initiate())) == "result"
    assert desk.told() == [Initiated(session, (VOICE,), ())]
    session.ring(1.0)
    session.ring(1.0)
    [ringing] = desk.sent()
    assert jingle_of(ringing).info == Element(Info.RINGING.value)
    assert ringing.get("from") == str(ROMEO)
    session.accept((VOICE,), (), 2.0)
    [accept] = desk.sent()
    assert jingle_of(accept) == Jingle(Action.SESSION_ACCEPT, "c1", (VOICE,), responder=str(ROMEO))
    desk.answers(ringing)
    desk.answers(accept)
    over = request(Action.SESSION_TERMINATE, "c1", reason=GONE)
    assert words(desk.asks(over)) == "result"
    assert [words(each) for each in desk.after] == ["finish"]
    assert desk.told() == [Ended(session, By.PEER, GONE)]
    assert (len(desk.sessions), desk.sessions.next_timer()) == (0, None)
    desk.says(Initiation(Step.FINISH, "c1", reason=GONE))
    assert desk.told() == []


def test_a_session_initiate_to_the_bare_jid_is_spoken_to_from_there(desk: Desk) -> None:
    assert words(desk.asks(initiate(), to=ROMEO.bare)) == "result"
    [event] = desk.told()
    event.session.ring(0.0)
    [ringing] = desk.sent()
    assert ringing.get("from") == str(ROMEO.bare)


@pytest.mark.spec("MED-23")
def test_a_proposal_is_refused_or_retracted(desk: Desk) -> None:
    desk.says(propose("a"))
    desk.says(propose("b"))
    first, second = (event.session for event in desk.told())
    first.end(Reason(Why.BUSY), 0.0)
    [reject] = desk.sent()
    assert said_of(reject) == Initiation(Step.REJECT, "a", reason=Reason(Why.BUSY))
    desk.says(Initiation(Step.RETRACT, "b", reason=Reason(Why.CANCEL)), PHONE)
    assert desk.told() == []
    desk.says(Initiation(Step.RETRACT, "b", reason=Reason(Why.CANCEL)))
    assert desk.told() == [Ended(second, By.PEER, Reason(Why.CANCEL))]
    assert len(desk.sessions) == 0


def test_a_call_that_ends_after_proceed_is_rejected(desk: Desk) -> None:
    desk.says(propose())
    [event] = desk.told()
    event.session.proceed(ROMEO, 0.0)
    event.session.end(Reason(Why.GONE), 0.0)
    assert [words(each) for each in desk.sent()] == ["proceed", "reject"]
    assert words(desk.asks(initiate())) == "item-not-found unknown-session"
    assert desk.told() == []


def test_nobody_proceeds_as_somebody_else(desk: Desk) -> None:
    desk.says(propose())
    [event] = desk.told()
    with pytest.raises(LocalError):
        event.session.proceed(PHONE, 0.0)


def test_nobody_proposes_without_a_device(desk: Desk) -> None:
    desk.says(propose(), JULIET)
    assert (desk.told(), desk.sent()) == ([], [])


def test_messages_do_not_end_what_did_not_begin_with_them(desk: Desk) -> None:
    active(desk)
    desk.says(Initiation(Step.FINISH, "c1", reason=GONE))
    assert (desk.told(), desk.sent()) == ([], [])


def test_finish_without_terminate_ends_the_session(desk: Desk) -> None:
    session = calling(desk)
    desk.says(Initiation(Step.FINISH, session.sid, reason=Reason(Why.EXPIRED)))
    assert desk.told() == [Ended(session, By.PEER, Reason(Why.EXPIRED))]
    assert [words(each) for each in desk.sent()] == ["finish"]


# -- answers ------------------------------------------------------------------------------------


@pytest.mark.spec("MED-03")
@pytest.mark.spec("MED-29")
def test_every_request_is_answered_at_once(desk: Desk) -> None:
    unknown = "item-not-found unknown-session"
    for action in set(Action) - {Action.SESSION_INITIATE, Action.TRANSPORT_INFO}:
        assert words(desk.asks(request(action, "s", VOICE))) == unknown
    assert words(desk.asks(initiate("s"))) == "result"
    assert words(desk.asks(initiate("s"))) == "unexpected-request out-of-order"
    assert words(desk.asks(request(Action.SESSION_ACCEPT, "s", VOICE))) == (
        "unexpected-request out-of-order"
    )
    assert words(desk.asks(request(Action.SECURITY_INFO, "s"))) == "feature-not-implemented"


def test_candidates_that_overtook_the_session_initiate_belong_to_its_session(desk: Desk) -> None:
    """Prosody sends what comes as its stream begins before what has waited for that."""
    early = [desk.puts(request(Action.TRANSPORT_INFO, "s", VOICE)) for _ in range(2)]
    assert desk.sent() == []
    first = desk.puts(initiate("s"))
    answers = desk.sent()
    assert [each.get("id") for each in answers] == [each.get("id") for each in (first, *early)]
    assert [words(each) for each in answers] == ["result"] * 3
    begun, *more = desk.told()
    assert isinstance(begun, Initiated)
    assert more == [Transported(begun.session, (VOICE,))] * 2
    desk.waits(PATIENCE)
    assert desk.sent() == []


def test_candidates_of_a_session_that_does_not_begin_are_refused_after_a_while(desk: Desk) -> None:
    desk.puts(request(Action.TRANSPORT_INFO, "s", VOICE))
    desk.waits(PATIENCE - 0.1)
    assert desk.sent() == []
    desk.waits(0.2)
    assert [words(each) for each in desk.sent()] == ["item-not-found unknown-session"]


def test_candidates_wait_for_a_session_of_their_own_device_only(desk: Desk) -> None:
    desk.puts(request(Action.TRANSPORT_INFO, "s", VOICE), device=PHONE)
    assert words(desk.asks(initiate("s"))) == "result"
    assert [words(each) for each in desk.after] == ["item-not-found unknown-session"]


def test_candidates_wait_for_no_session_that_is_over(desk: Desk) -> None:
    session = called(desk)
    session.end(GONE, desk.now)
    desk.answers(desk.sent()[0])
    desk.puts(request(Action.TRANSPORT_INFO, session.sid, VOICE))
    assert [words(each) for each in desk.sent()] == ["item-not-found unknown-session"]


@pytest.mark.parametrize(("sids", "most"), [(1, MOST_EACH), (MOST + 1, MOST)])
def test_candidates_wait_as_far_as_there_is_room(desk: Desk, sids: int, most: int) -> None:
    for number in range(most + 1):
        desk.puts(request(Action.TRANSPORT_INFO, f"s{number % sids}", VOICE))
    assert [words(each) for each in desk.sent()] == ["item-not-found unknown-session"]
    desk.waits(PATIENCE)
    assert len(desk.sent()) == most


def test_what_cannot_be_read_is_a_bad_request(desk: Desk) -> None:
    broken = initiate().element()
    broken.attributes["action"] = "session-jump"
    stanza = iq(str(ROMEO), str(BALCONY), id="q", type="set", children=[broken])
    assert desk.sessions.on_stanza(stanza, 0.0)
    assert [words(each) for each in desk.sent()] == ["bad-request"]


@pytest.mark.parametrize("sid", ["", "x" * 257])
def test_a_sid_has_some_length(desk: Desk, sid: str) -> None:
    assert words(desk.asks(initiate(sid))) == "bad-request"
    desk.says(propose(sid))
    assert (desk.told(), desk.sent()) == ([], [])


def test_what_is_none_of_jingle_is_left_to_others(desk: Desk) -> None:
    to, from_ = str(ROMEO), str(BALCONY)
    others = (
        message(to, from_, type="chat"),
        message(to, from_, type="groupchat", children=[propose().element()]),
        message(to, from_, type="error", id="m1"),
        iq(to, from_, id="1", type="set"),
        iq(to, from_, id="1", type="get", children=[initiate().element()]),
        iq(to, from_, id="1", type="result"),
        Element("{jabber:client}presence"),
    )
    assert [desk.sessions.on_stanza(each, 0.0) for each in others] == [False] * len(others)
    assert (desk.told(), desk.sent()) == ([], [])


def test_a_transfer_to_nobody_is_no_transfer(desk: Desk) -> None:
    """XEP-0251 §2."""
    active(desk)
    said = Element(Info.TRANSFER.value)
    assert words(desk.asks(request(Action.SESSION_INFO, "c1", info=said))) == "bad-request"
    assert desk.sessions.events() == []


@pytest.mark.spec("MED-16")
def test_what_a_session_info_says_is_told(desk: Desk) -> None:
    session = active(desk)
    for info in Info:
        said = Element(info.value, {"name": "voice", "to": "boss@example.com"})
        assert words(desk.asks(request(Action.SESSION_INFO, "c1", info=said))) == "result"
        expected = [] if info is Info.RINGING else [Informed(session, info, said)]
        assert desk.told() == expected
    strange = request(Action.SESSION_INFO, "c1", info=Element("{urn:x}strange"))
    assert words(desk.asks(strange)) == "feature-not-implemented unsupported-info"
    assert words(desk.asks(request(Action.SESSION_INFO, "c1"))) == "result"
    assert desk.told() == []


def test_candidates_may_come_before_the_session_accept(desk: Desk) -> None:
    session = calling(desk)
    candidates = request(Action.TRANSPORT_INFO, session.sid, VOICE)
    assert words(desk.asks(candidates)) == "result"
    assert desk.told() == [Transported(session, (VOICE,))]
    session.transport((VOICE,), 0.0)
    assert [words(each) for each in desk.sent()] == ["transport-info"]


def test_a_refused_request_is_told_and_the_session_goes_on(desk: Desk) -> None:
    session = active(desk)
    session.info(Element(Info.HOLD.value), 0.0)
    error = StanzaError(Condition.FEATURE_NOT_IMPLEMENTED)
    desk.answers(desk.sent()[0], error)
    [event] = desk.told()
    assert isinstance(event, Failed)
    assert (event.action, event.error.condition) == (Action.SESSION_INFO, error.condition)
    session.info(Element(Info.HOLD.value), 0.0)
    desk.answers(desk.sent()[0], unknown_session())
    [last] = desk.told()
    assert isinstance(last, Ended)
    assert len(desk.sessions) == 0


def test_a_refused_session_accept_ends_the_session(desk: Desk) -> None:
    session = called(desk)
    session.accept((VOICE,), (), 0.0)
    desk.answers(desk.sent()[0], StanzaError(Condition.BAD_REQUEST))
    [event] = desk.told()
    assert isinstance(event, Ended)
    assert [words(each) for each in desk.sent()] == ["session-terminate"]


def test_a_known_sid_begins_no_other_session(desk: Desk) -> None:
    session = active(desk)
    desk.asks(request(Action.SESSION_TERMINATE, "c1", reason=GONE))
    assert desk.told() == [Ended(session, By.PEER, GONE)]
    assert words(desk.asks(initiate())) == "item-not-found unknown-session"
    desk.says(propose())
    assert desk.told() == []
    desk.waits(121.0)
    assert words(desk.asks(initiate())) == "result"


@pytest.mark.spec("MED-42")
def test_a_call_that_comes_back_to_us_is_refused(desk: Desk) -> None:
    session = desk.sessions.initiate(ROMEO, PHONE, (VOICE,), (), 0.0)
    back = desk.asks(initiate(session.sid), ROMEO, to=PHONE)
    assert words(back) == "unexpected-request out-of-order"
    other = desk.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    desk.sent()
    desk.says(propose(other.sid), ROMEO, to=JULIET)
    assert [words(each) for each in desk.sent()] == ["reject"]
    assert desk.told() == []


# -- who goes first -----------------------------------------------------------------------------


@pytest.mark.spec("MED-29")
@pytest.mark.parametrize(("sid", "ours"), [("t0", False), ("t2", True)])
def test_of_two_session_initiates_the_lower_sid_goes_first(
    desk: Desk, sid: str, ours: bool
) -> None:
    session = desk.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), 0.0)
    assert session.sid == "t1"
    if ours:
        assert words(desk.asks(initiate(sid))) == "conflict tie-break"
        assert (desk.told(), len(desk.sessions)) == ([], 1)
    else:
        assert words(desk.asks(initiate(sid))) == "result"
        lost, won = desk.told()
        assert lost == Ended(session, By.PEER, tie_break=True)
        assert isinstance(won, Initiated)
        assert desk.after == []


@pytest.mark.parametrize("sid", ["t0", "t2"])
def test_another_device_crosses_nothing(desk: Desk, sid: str) -> None:
    desk.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), 0.0)
    assert words(desk.asks(initiate(sid), PHONE)) == "result"
    assert len(desk.sessions) == 2


def test_of_two_equal_sids_the_lower_jid_goes_first(desk: Desk) -> None:
    session = desk.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), 0.0)
    assert words(desk.asks(initiate("t1"))) == "result"  # juliet is lower than romeo
    assert desk.told()[0] == Ended(session, By.PEER, tie_break=True)
    assert desk.sessions.describe() == {"called": 1}


def test_calls_about_different_things_do_not_cross(desk: Desk) -> None:
    desk.sessions.initiate(ROMEO, BALCONY, (FACE,), (), 0.0)
    assert words(desk.asks(initiate("t2"))) == "result"


@pytest.mark.spec("MED-23")
@pytest.mark.spec("MED-29")
def test_of_two_proposals_the_lower_id_goes_first(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(propose("t2"))
    [reject] = desk.sent()
    said = said_of(reject)
    assert (said.step, said.id, said.tie_break) == (Step.REJECT, "t2", True)
    assert said.reason is not None
    assert said.reason.why is Why.EXPIRED
    assert desk.told() == []
    desk.says(propose("t0"))
    [retract] = desk.sent()
    said = said_of(retract)
    assert (said.step, said.id, said.tie_break) == (Step.RETRACT, session.sid, True)
    lost, won = desk.told()
    assert isinstance(lost, Ended)
    assert (lost.session, lost.tie_break) == (session, True)
    assert isinstance(won, Proposed)
    assert won.session.sid == "t0"


def test_of_two_proposals_of_one_id_the_lower_jid_goes_first(desk: Desk) -> None:
    session = proposing(desk)
    desk.says(propose(session.sid))
    lost, won = desk.told()
    assert isinstance(lost, Ended)
    assert lost.tie_break
    assert isinstance(won, Proposed)


@pytest.mark.spec("MED-23")
def test_a_rejection_by_tie_break_says_so(desk: Desk) -> None:
    session = proposing(desk)
    reason = Reason(Why.EXPIRED)
    desk.says(Initiation(Step.REJECT, session.sid, reason=reason, tie_break=True))
    assert desk.told() == [Ended(session, By.PEER, reason, tie_break=True)]


# -- bounds -------------------------------------------------------------------------------------


def test_there_are_only_so_many_sessions() -> None:
    desk = Desk(Bounds(most=3, share=2))
    desk.says(propose("a"))
    assert words(desk.asks(initiate("b"))) == "result"
    assert words(desk.asks(initiate("c"))) == "resource-constraint"
    desk.says(propose("d"))
    [reject] = desk.sent()
    assert said_of(reject) == Initiation(Step.REJECT, "d", reason=Reason(Why.BUSY))
    with pytest.raises(Full):
        desk.sessions.propose(ROMEO, JULIET, (AUDIO,), 0.0)
    elsewhere = BALCONY.of("nurse", "other.example", "x")
    desk.sessions.propose(ROMEO, elsewhere, (AUDIO,), 0.0)
    with pytest.raises(Full):
        desk.sessions.propose(ROMEO, BALCONY.of("paris", "third.example"), (AUDIO,), 0.0)
    assert len(desk.sessions) == 3


def test_only_so_many_sids_are_remembered() -> None:
    desk = Desk(Bounds(past=4))
    for number in range(9):
        desk.asks(initiate(f"s{number}"))
        desk.asks(request(Action.SESSION_TERMINATE, f"s{number}"))
    assert len(desk.sessions._past) == 4
    assert words(desk.asks(initiate("s8"))) == "item-not-found unknown-session"
    assert words(desk.asks(initiate("s1"))) == "result"


def test_sids_are_forgotten_in_time(desk: Desk) -> None:
    for number in range(3):
        desk.asks(initiate(f"s{number}"))
        desk.asks(request(Action.SESSION_TERMINATE, f"s{number}"))
        desk.waits(100.0)
    assert [sid for _, sid in desk.sessions._past] == ["s1", "s2"]


def test_only_so_many_requests_wait(desk: Desk) -> None:
    session = active(desk)
    for _ in range(64):
        session.transport((VOICE,), 0.0)
    with pytest.raises(Full):
        session.transport((VOICE,), 0.0)
    session.end(GONE, 0.0)
    assert words(desk.sent()[-1]) == "session-terminate"
