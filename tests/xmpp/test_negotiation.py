"""Contents of a session of Jingle: added, changed, removed, and who may say so (XEP-0166 §7.2)."""

from dataclasses import replace

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.grouping import Group
from dragoman.xmpp.ext.jingle import Action, Content, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_errors import tie_break
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.senders import Creator, Senders
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jingle import Session
from dragoman.xmpp.negotiation import MOST, kinds
from dragoman.xmpp.session import (
    Accepted,
    Added,
    Agreed,
    By,
    Declined,
    Described,
    Ended,
    Failed,
    Initiated,
    Modified,
    Removed,
    Replaced,
    Stage,
    Transported,
)
from tests.xmpp.callers import (
    BALCONY,
    FACE,
    ROMEO,
    VIDEO,
    VOICE,
    Desk,
    initiate,
    jingle_of,
    of,
    request,
    words,
)

LATE = Reason(Why.TIMEOUT)
NO = Reason(Why.FAILED_APPLICATION)
THEIRS = of(Creator.INITIATOR, FACE)
OURS = of(Creator.RESPONDER, FACE)
OTHER = IceUdp("efgh", "othersecretothersecret1")
BUNDLE = (Group("BUNDLE", ("voice", "face")),)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def session(desk: Desk) -> Session:
    """Return an active session that they initiated."""
    return up(desk, initiate())


def up(desk: Desk, jingle: Jingle) -> Session:
    assert words(desk.asks(jingle)) == "result"
    [event] = desk.told()
    assert isinstance(event, Initiated)
    event.session.accept(event.contents, (), desk.now)
    desk.answers(desk.sent()[0])
    return event.session


@pytest.fixture
def dialled(desk: Desk) -> Session:
    """Return an active session that we initiated."""
    made = desk.sessions.initiate(ROMEO, BALCONY, (VOICE,), (), desk.now)
    desk.answers(desk.sent()[0])
    assert words(desk.asks(request(Action.SESSION_ACCEPT, made.sid, VOICE))) == "result"
    desk.told()
    return made


def ask(
    desk: Desk,
    session: Session,
    action: Action,
    *contents: Content,
    reason: Reason | None = None,
) -> str:
    return words(desk.asks(request(action, session.sid, *contents, reason=reason)))


# -- the beginning ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contents",
    [
        (replace(VOICE, description=None),),
        (replace(VOICE, transport=None),),
        (replace(VOICE, creator=Creator.RESPONDER),),
        (VOICE, VOICE),
        (replace(VOICE, disposition="early-session"),),
    ],
)
def test_contents_that_do_not_hold_begin_nothing(desk: Desk, contents: tuple[Content, ...]) -> None:
    assert words(desk.asks(initiate("c1", *contents))) == "bad-request"
    assert (desk.told(), len(desk.sessions)) == ([], 0)
    with pytest.raises(LocalError):
        desk.sessions.initiate(ROMEO, BALCONY, contents, (), 0.0)
    assert len(desk.sessions) == 0


def test_a_session_initiate_without_contents_begins_nothing(desk: Desk) -> None:
    assert words(desk.asks(request(Action.SESSION_INITIATE))) == "bad-request"


def test_there_are_only_so_many_contents(desk: Desk) -> None:
    many = [replace(VOICE, name=f"c{number}") for number in range(MOST + 1)]
    assert words(desk.asks(initiate("a", *many))) == "resource-constraint"
    session = up(desk, initiate("b", *many[:MOST]))
    assert ask(desk, session, Action.CONTENT_ADD, THEIRS) == "resource-constraint"
    with pytest.raises(LocalError):
        session.add((FACE,), 0.0)


def test_contents_that_are_not_accepted_are_gone(desk: Desk) -> None:
    session = desk.sessions.initiate(ROMEO, BALCONY, (VOICE, FACE), BUNDLE, 0.0)
    assert jingle_of(desk.sent()[0]).groups == BUNDLE
    assert ask(desk, session, Action.SESSION_ACCEPT) == "bad-request"
    assert ask(desk, session, Action.SESSION_ACCEPT, replace(VOICE, name="x")) == "item-not-found"
    bare = replace(VOICE, description=None)
    assert ask(desk, session, Action.SESSION_ACCEPT, bare) == "bad-request"
    assert session.stage is Stage.CALLING
    assert ask(desk, session, Action.SESSION_ACCEPT, VOICE) == "result"
    assert desk.told() == [Accepted(session, (VOICE,), ())]
    assert session.contents == (VOICE,)
    assert ask(desk, session, Action.TRANSPORT_INFO, FACE) == "result"
    assert desk.told() == []


def test_only_what_was_offered_can_be_accepted(desk: Desk) -> None:
    desk.asks(initiate())
    [event] = desk.told()
    with pytest.raises(LocalError):
        event.session.accept((FACE,), (), 0.0)
    with pytest.raises(LocalError):
        event.session.accept((), (), 0.0)
    assert event.session.stage is Stage.CALLED


# -- what they ask ------------------------------------------------------------------------------


def test_a_content_of_theirs_is_agreed_to(desk: Desk, session: Session) -> None:
    assert ask(desk, session, Action.CONTENT_ADD, THEIRS) == "result"
    assert desk.told() == [Added(session, (THEIRS,), ())]
    session.agree((THEIRS,), 0.0, BUNDLE)
    [accept] = desk.sent()
    said = jingle_of(accept)
    assert (said.action, said.contents, said.groups) == (Action.CONTENT_ACCEPT, (THEIRS,), BUNDLE)
    assert session.contents == (VOICE, THEIRS)
    desk.answers(accept)
    desk.waits(30.0)
    assert desk.sent() == []


def test_a_content_of_theirs_is_declined(desk: Desk, session: Session) -> None:
    ask(desk, session, Action.CONTENT_ADD, THEIRS)
    session.decline((THEIRS,), NO, 0.0)
    said = jingle_of(desk.sent()[0])
    assert (said.action, said.reason) == (Action.CONTENT_REJECT, NO)
    assert session.contents == (VOICE,)
    desk.told()
    assert ask(desk, session, Action.TRANSPORT_INFO, THEIRS) == "result"  # it crossed our refusal
    assert desk.told() == []
    with pytest.raises(LocalError):
        session.agree((VOICE,), 0.0)


@pytest.mark.spec("MED-38")
def test_what_nobody_decides_is_declined_in_time(desk: Desk, session: Session) -> None:
    ask(desk, session, Action.CONTENT_ADD, THEIRS)
    ask(desk, session, Action.TRANSPORT_REPLACE, replace(VOICE, transport=OTHER))
    desk.waits(19.9)
    assert desk.sent() == []
    desk.waits(0.2)
    sent = [jingle_of(each) for each in desk.sent()]
    assert [each.action for each in sent] == [Action.CONTENT_REJECT, Action.TRANSPORT_REJECT]
    assert [each.reason for each in sent] == [LATE, LATE]


def test_a_content_of_that_name_is_not_added(desk: Desk, session: Session) -> None:
    assert ask(desk, session, Action.CONTENT_ADD, VOICE) == "bad-request"
    assert ask(desk, session, Action.CONTENT_ADD, OURS) == "bad-request"
    assert ask(desk, session, Action.CONTENT_ADD) == "bad-request"
    assert desk.told() == []


def test_a_transport_of_theirs_is_replaced(desk: Desk, session: Session) -> None:
    other = replace(VOICE, transport=OTHER)
    assert ask(desk, session, Action.TRANSPORT_REPLACE, replace(VOICE, transport=None)) == (
        "bad-request"
    )
    assert ask(desk, session, Action.TRANSPORT_REPLACE, other) == "result"
    assert desk.told() == [Replaced(session, (other,))]
    session.agree((other,), 0.0)
    assert [words(each) for each in desk.sent()] == ["transport-accept"]
    ask(desk, session, Action.TRANSPORT_REPLACE, other)
    session.decline((other,), None, 0.0)
    assert [words(each) for each in desk.sent()] == ["transport-reject"]


def test_senders_change(desk: Desk, session: Session) -> None:
    held = replace(VOICE, senders=Senders.INITIATOR)
    assert ask(desk, session, Action.CONTENT_MODIFY, held) == "result"
    assert desk.told() == [Modified(session, (held,))]
    assert session.contents == (held,)


def test_descriptions_and_transports_are_told_of(desk: Desk, session: Session) -> None:
    assert ask(desk, session, Action.DESCRIPTION_INFO, VOICE) == "result"
    assert ask(desk, session, Action.TRANSPORT_INFO, VOICE) == "result"
    assert desk.told() == [Described(session, (VOICE,)), Transported(session, (VOICE,))]


@pytest.mark.parametrize(
    "action",
    [
        Action.CONTENT_MODIFY,
        Action.CONTENT_REMOVE,
        Action.DESCRIPTION_INFO,
        Action.TRANSPORT_INFO,
        Action.TRANSPORT_REPLACE,
        Action.CONTENT_ACCEPT,
        Action.TRANSPORT_REJECT,
    ],
)
def test_what_is_said_of_no_content_is_refused(
    desk: Desk, session: Session, action: Action
) -> None:
    assert ask(desk, session, action, THEIRS) == "item-not-found"
    assert ask(desk, session, action) == "bad-request"
    assert ask(desk, session, action, VOICE, VOICE) == "bad-request"
    assert (desk.told(), session.contents) == ([], (VOICE,))


def test_a_creator_that_does_not_fit_is_put_right(desk: Desk, session: Session) -> None:
    wrong = of(Creator.RESPONDER, VOICE)
    assert ask(desk, session, Action.TRANSPORT_INFO, wrong) == "result"
    assert desk.told() == [Transported(session, (VOICE,))]


def test_an_answer_without_offer_is_out_of_order(desk: Desk, session: Session) -> None:
    for action in (Action.CONTENT_ACCEPT, Action.TRANSPORT_REJECT):
        assert ask(desk, session, action, VOICE) == "unexpected-request out-of-order"


def test_a_content_is_removed(desk: Desk) -> None:
    session = up(desk, initiate("c1", VOICE, FACE))
    assert ask(desk, session, Action.CONTENT_REMOVE, FACE, reason=NO) == "result"
    assert desk.told() == [Removed(session, (FACE,), NO)]
    assert (session.contents, desk.after) == ((VOICE,), [])


@pytest.mark.parametrize("reason", [NO, None])
def test_without_contents_there_is_no_session(
    desk: Desk, session: Session, reason: Reason | None
) -> None:
    assert ask(desk, session, Action.CONTENT_REMOVE, VOICE, reason=reason) == "result"
    assert desk.told() == [Ended(session, By.PEER, reason)]
    [terminate] = desk.after
    assert jingle_of(terminate).reason == (reason or Reason(Why.SUCCESS))


# -- what we ask --------------------------------------------------------------------------------


def test_a_content_of_ours_is_agreed_to(desk: Desk, session: Session) -> None:
    session.add((FACE,), 0.0, BUNDLE)
    [add] = desk.sent()
    said = jingle_of(add)
    assert (said.action, said.contents, said.groups) == (Action.CONTENT_ADD, (OURS,), BUNDLE)
    desk.answers(add)
    assert ask(desk, session, Action.CONTENT_ACCEPT, OURS) == "result"
    assert desk.told() == [Agreed(session, Action.CONTENT_ADD, (OURS,))]
    assert session.contents == (VOICE, OURS)
    desk.waits(30.0)
    assert desk.told() == []


def test_a_content_of_ours_is_declined(desk: Desk, session: Session) -> None:
    session.add((FACE,), 0.0)
    desk.answers(desk.sent()[0])
    assert ask(desk, session, Action.CONTENT_REJECT, OURS, reason=NO) == "result"
    assert desk.told() == [Declined(session, Action.CONTENT_ADD, (OURS,), NO)]
    session.add((FACE,), 0.0)


def test_all_of_ours_is_declined_by_who_names_nothing(desk: Desk, session: Session) -> None:
    assert ask(desk, session, Action.CONTENT_REJECT) == "bad-request"
    session.add((FACE,), 0.0)
    desk.answers(desk.sent()[-1])
    assert ask(desk, session, Action.CONTENT_ACCEPT) == "bad-request"
    assert ask(desk, session, Action.CONTENT_REJECT, reason=NO) == "result"
    assert desk.told() == [Declined(session, Action.CONTENT_ADD, (OURS,), NO)]


@pytest.mark.spec("MED-38")
def test_what_they_do_not_decide_is_taken_back(desk: Desk, session: Session) -> None:
    session.add((FACE,), 0.0)
    session.replace((replace(VOICE, transport=OTHER),), 0.0)
    for each in desk.sent():
        desk.answers(each)
    desk.waits(20.1)
    [remove] = desk.sent()
    assert jingle_of(remove).action is Action.CONTENT_REMOVE
    assert [(type(each), each.action, each.reason) for each in desk.told()
            if isinstance(each, Declined)] == [
        (Declined, Action.CONTENT_ADD, LATE),
        (Declined, Action.TRANSPORT_REPLACE, LATE),
    ]  # fmt: skip
    assert ask(desk, session, Action.CONTENT_ACCEPT, OURS) == "result"
    assert (desk.told(), session.contents) == ([], (VOICE,))


def test_a_refused_offer_is_as_if_it_had_not_been_made(desk: Desk, session: Session) -> None:
    session.add((FACE,), 0.0)
    desk.answers(desk.sent()[0], StanzaError(Condition.NOT_ACCEPTABLE))
    [event] = desk.told()
    assert isinstance(event, Failed)
    assert (event.action, event.contents) == (Action.CONTENT_ADD, (OURS,))
    desk.waits(30.0)
    assert desk.told() == []


def test_our_transport_is_replaced(desk: Desk, session: Session) -> None:
    other = replace(VOICE, transport=OTHER)
    session.replace((other,), 0.0)
    desk.sent()
    assert ask(desk, session, Action.TRANSPORT_ACCEPT, VOICE) == "result"
    assert desk.told() == [Agreed(session, Action.TRANSPORT_REPLACE, (VOICE,))]


def test_our_senders_change_once_they_are_taken(desk: Desk, session: Session) -> None:
    held = replace(VOICE, senders=Senders.NONE)
    session.modify((held,), 0.0)
    [modify] = desk.sent()
    assert session.contents == (VOICE,)
    desk.answers(modify)
    assert session.contents == (held,)
    session.describe((VOICE,), 0.0)
    assert [words(each) for each in desk.sent()] == ["description-info"]


def test_we_remove_a_content_and_then_the_last(desk: Desk) -> None:
    session = up(desk, initiate("c1", VOICE, FACE))
    session.remove((FACE,), NO, 0.0)
    assert jingle_of(desk.sent()[0]).reason == NO
    assert ask(desk, session, Action.TRANSPORT_INFO, FACE) == "result"
    assert desk.told() == []
    session.remove((VOICE,), NO, 0.0)
    [terminate] = desk.sent()
    said = jingle_of(terminate)
    assert (said.action, said.reason) == (Action.SESSION_TERMINATE, NO)
    assert desk.told() == []


def test_nothing_is_said_of_contents_that_there_are_not(session: Session) -> None:
    for said in (session.modify, session.transport, session.replace, session.describe):
        with pytest.raises(LocalError):
            said((FACE,), 0.0)
        with pytest.raises(LocalError):
            said((), 0.0)
    with pytest.raises(LocalError):
        session.add((of(Creator.RESPONDER, VOICE), of(Creator.RESPONDER, VOICE)), 0.0)


# -- who goes first -----------------------------------------------------------------------------


@pytest.mark.spec("MED-29")
def test_the_initiator_overrules_what_crosses(desk: Desk, dialled: Session) -> None:
    dialled.add((FACE,), 0.0)
    add, *_ = desk.sent()
    screen = replace(OURS, name="screen")
    assert ask(desk, dialled, Action.CONTENT_ADD, screen) == "conflict tie-break"
    dialled.modify((VOICE,), 0.0)
    assert ask(desk, dialled, Action.CONTENT_MODIFY, VOICE) == "conflict tie-break"
    assert desk.told() == []
    desk.answers(add)
    assert ask(desk, dialled, Action.CONTENT_ADD, screen) == "result"  # it knew of ours


@pytest.mark.spec("MED-29")
def test_the_responder_gives_way(desk: Desk, session: Session) -> None:
    session.add((replace(FACE, name="screen"),), 0.0)
    [add] = desk.sent()
    assert ask(desk, session, Action.CONTENT_ADD, THEIRS) == "result"
    desk.answers(add, tie_break())
    added, failed = desk.told()
    assert isinstance(added, Added)
    assert isinstance(failed, Failed)


def test_what_a_content_is_about() -> None:
    file = replace(VOICE, description=Element("{urn:x:file}description"))
    assert kinds((VOICE, FACE, file)) == {"audio", "video", "urn:x:file"}
    assert VIDEO.media == "video"


def test_names_of_the_gone_are_not_kept_for_ever(desk: Desk, session: Session) -> None:
    for number in range(100):
        face = replace(THEIRS, name=f"face{number}")
        assert ask(desk, session, Action.CONTENT_ADD, face) == "result"
        session.decline((face,), None, 0.0)
        for each in [*desk.held, *desk.after, *desk.sent()]:
            desk.answers(each)
    assert len(session.negotiation._gone) <= 2 * MOST
    assert ask(desk, session, Action.TRANSPORT_INFO, face) == "result"
