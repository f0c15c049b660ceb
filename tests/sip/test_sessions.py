"""Sessions between two ends, through any weather; what one hears and says of the other's words."""

import pytest

from dragoman.errors import LocalError, RemoteError
from dragoman.sip.flow import CancelArrived
from dragoman.sip.message import Header, SipError
from dragoman.sip.session import (
    STEPS,
    SUPPORTED,
    Acknowledge,
    Action,
    Answered,
    Body,
    By,
    Cancel,
    Cancelled,
    Changed,
    ChangeRefused,
    Confirmed,
    Ended,
    InDialog,
    Invited,
    Offered,
    Refused,
    Replied,
    Respond,
    Ringing,
    Signal,
    Stage,
    step,
)
from dragoman.sip.sessions import Bounds, Full
from tests.pair import CLEAR, STORM, Weather, Wire
from tests.sip.talkers import ANSWER, OFFER, OTHER, PARTIES, Bench, Talker, answering

OURS = {Signal.CANCEL, Signal.ANSWER, Signal.REFUSE, Signal.BYE}


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("signal", Signal)
def test_every_step_is_legal_or_refused(stage: Stage, signal: Signal) -> None:
    if (stage, signal) in STEPS:
        assert step(stage, signal) is STEPS[stage, signal]
    else:
        with pytest.raises(LocalError if signal in OURS else RemoteError):
            step(stage, signal)


# -- two ends ---------------------------------------------------------------------------------


def pair(weather: Weather = CLEAR, seed: int = 0) -> Wire:
    return Wire(Talker("left"), Talker("right", answering), weather=weather, seed=seed)


def ends(wire: Wire) -> tuple[Talker, Talker]:
    assert isinstance(wire.left, Talker)
    assert isinstance(wire.right, Talker)
    return wire.left, wire.right


def test_a_session_comes_up_changes_and_ends() -> None:
    wire = pair()
    left, right = ends(wire)
    session = left.sessions.invite(PARTIES, OFFER, 0.0)
    left.flush(0.0)
    wire.run(1.0)
    session.offer(OTHER, 1.0)
    left.flush(1.0)
    wire.run(2.0)
    assert left.heard_of() == ["Ringing", "Answered", "Changed"]
    assert session.remote == Body(b"agreed other")
    session.bye(2.0, 'SIP;cause=200;text="gone"')
    left.flush(2.0)
    wire.run(60.0)
    assert right.heard_of() == ["Invited", "Confirmed", "Offered", "Ended"]
    last = right.told[-1]
    assert isinstance(last, Ended)
    assert (last.by, last.reason) == (By.PEER, 'SIP;cause=200;text="gone"')
    assert (len(left.sessions), len(right.sessions)) == (0, 0)


@pytest.mark.parametrize("seed", range(12))
def test_in_a_storm_both_ends_are_of_one_mind(seed: int) -> None:
    wire = pair(weather=STORM, seed=seed)
    left, right = ends(wire)
    session = left.sessions.invite(PARTIES, OFFER, 0.0)
    left.flush(0.0)
    wire.run(70.0)
    theirs = [each.session for each in right.told if isinstance(each, Invited)]
    if session.stage is Stage.CONFIRMED:
        assert [each.stage for each in theirs] == [Stage.CONFIRMED], wire
        session.offer(OTHER, 70.0)
        theirs[0].offer(Body(b"crossing"), 70.0)
        left.flush(70.0)
        right.flush(70.0)
        wire.run(200.0)
        if session.stage is Stage.CONFIRMED:
            assert session.local == theirs[0].remote, wire
            assert session.remote == theirs[0].local, wire
        session.end(200.0)
        left.flush(200.0)
    wire.run(4000.0)
    assert (len(left.sessions), len(right.sessions)) == (0, 0), wire


@pytest.mark.parametrize("at", [0.0, 0.005, 0.011, 0.015, 0.021, 0.03, 0.05])
def test_a_cancel_whenever_it_comes_leaves_nothing(at: float) -> None:
    wire = pair()
    left, right = ends(wire)
    session = left.sessions.invite(PARTIES, OFFER, 0.0)
    left.flush(0.0)
    wire.run(at)
    session.end(at)
    left.flush(at)
    wire.run(80.0)
    assert isinstance(left.told[-1], Refused | Ended)
    assert isinstance(right.told[-1], Cancelled | Ended)
    assert (len(left.sessions), len(right.sessions)) == (0, 0)


@pytest.mark.spec("ERR-17")
def test_offers_that_cross_are_both_made_in_turn() -> None:
    """§14.1: both get 491; who chose the Call-ID waits longer."""
    wire = pair()
    left, right = ends(wire)
    session = left.sessions.invite(PARTIES, OFFER, 0.0)
    left.flush(0.0)
    wire.run(1.0)
    left.does = answering
    invited = right.told[0]
    assert isinstance(invited, Invited)
    session.offer(Body(b"l"), 1.0)
    invited.session.offer(Body(b"r"), 1.0)
    left.flush(1.0)
    right.flush(1.0)
    wire.run(1.9)
    assert session.remote == ANSWER
    wire.run(2.5)
    assert session.remote == Body(b"r")
    wire.run(5.0)
    assert (session.local, session.remote) == (Body(b"l"), Body(b"agreed l"))
    assert (invited.session.local, invited.session.remote) == (Body(b"agreed l"), Body(b"l"))


@pytest.mark.spec("MSRP-35")
@pytest.mark.spec("MED-22")
def test_a_session_is_refreshed_and_ends_when_the_far_end_is_gone() -> None:
    wire = pair()
    left, right = ends(wire)
    left.sessions.invite(PARTIES, OFFER, 0.0)
    left.flush(0.0)
    wire.run(5000.0)
    assert (len(left.sessions), len(right.sessions)) == (1, 1)
    assert any(data.startswith(b"UPDATE") for _, _, data in wire.sent)
    wire.weather = Weather(lost=1.0)
    wire.run(9000.0)
    assert (len(left.sessions), len(right.sessions)) == (0, 0)
    for each in (left, right):
        assert isinstance(each.told[-1], Ended)
        assert each.told[-1].by is By.TIMER


def test_without_update_the_refresh_is_an_invite_as_before() -> None:
    bench = Bench()
    session = bench.confirmed(more=(("Session-Expires", "600;refresher=uac"),))
    bench.waits(300.0)
    (sent,) = bench.sends()
    assert (sent.request.method, sent.request.body) == ("INVITE", OFFER.data)
    assert sent.request.get("Session-Expires") == "600;refresher=uac"
    bench.answer(sent, 200, body=ANSWER)
    assert bench.tells() == []
    assert session.stage is Stage.CONFIRMED


@pytest.mark.spec("MSRP-35")
def test_who_does_not_refresh_hangs_up_a_third_before_the_end() -> None:
    bench = Bench()
    session = bench.confirmed(more=(("Session-Expires", "90;refresher=uas"),))
    bench.waits(59.0)
    assert bench.sends() == []
    bench.waits(61.0)
    (sent,) = bench.sends()
    assert (sent.request.method, bench.tells()) == ("BYE", [Ended(session, By.TIMER)])


def test_an_interval_that_is_too_short_is_refused_and_one_refused_is_lengthened() -> None:
    bench = Bench()
    bench.hears("INVITE", 1, body=OFFER, more=[("Session-Expires", "60"), ("Supported", "timer")])
    (answer,) = bench.acts()
    assert isinstance(answer, Respond)
    assert (answer.response.status, answer.response.get("Min-SE")) == (422, "90")
    session = bench.call()
    (sent,) = bench.sends()
    bench.answer(sent, 422, more=[("Min-SE", "3600")])
    (again,) = bench.sends()
    assert again.request.get("Session-Expires") == "3600"
    assert (again.request.get("Min-SE"), again.request.get("CSeq")) == ("3600", "2 INVITE")
    bench.answer(again, 200, body=ANSWER)
    assert session.stage is Stage.CONFIRMED


# -- calling ----------------------------------------------------------------------------------


def test_the_first_branch_that_accepts_wins_and_the_others_are_ended() -> None:
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    bench.answer(sent, 180, tag="a")
    bench.answer(sent, 180, tag="b")
    bench.answer(sent, 200, tag="b", body=ANSWER)
    bench.answer(sent, 200, tag="c", body=OTHER)
    assert [type(each) for each in bench.tells()] == [Ringing, Ringing, Answered]
    actions = bench.acts()
    acks = [each for each in actions if isinstance(each, Acknowledge)]
    assert [each.request.to.tag for each in acks] == ["b", "c"]
    assert [each.request.get("CSeq") for each in acks] == ["1 ACK", "1 ACK"]
    byes = [each.request for each in actions if hasattr(each, "request") and each not in acks]
    assert [(each.method, each.to.tag) for each in byes] == [("BYE", "c")]
    assert (session.remote, session.dialog.remote_tag) == (ANSWER, "b")


@pytest.mark.spec("MED-21")
def test_reliable_responses_are_acknowledged_in_order() -> None:
    bench = Bench()
    bench.call()
    (sent,) = bench.sends()
    first = [("Require", "100rel"), ("RSeq", "7")]
    bench.answer(sent, 183, body=ANSWER, more=first)
    (prack,) = bench.sends()
    assert (prack.request.method, prack.request.get("RAck")) == ("PRACK", "7 1 INVITE")
    bench.answer(sent, 183, body=ANSWER, more=first)
    bench.answer(sent, 180, more=[("Require", "100rel"), ("RSeq", "9")])
    assert bench.sends() == [], "one again, and one too far"
    bench.answer(sent, 180, more=[("Require", "100rel"), ("RSeq", "8")])
    assert [each.request.get("RAck") for each in bench.sends()] == ["8 1 INVITE"]
    bench.answer(sent, 200)
    events = bench.tells()
    assert [type(each) for each in events] == [Ringing, Ringing, Answered]
    assert isinstance(events[2], Answered)
    assert events[2].body == ANSWER


def test_a_refusal_is_told_with_what_it_says() -> None:
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    bench.answer(sent, 302, more=[("Contact", "<sip:elsewhere@example.com>")])
    (event,) = bench.tells()
    assert isinstance(event, Refused)
    assert (event.session, event.status, len(bench.sessions)) == (session, 302, 0)
    assert event.response is not None
    assert str(event.response.contacts[0].uri) == "sip:elsewhere@example.com"


def test_an_acceptance_without_an_answer_is_no_session() -> None:
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    bench.answer(sent, 200)
    (bye,) = bench.sends()
    assert (bye.request.method, [type(each) for each in bench.tells()]) == ("BYE", [Refused])
    assert session.stage is Stage.PARTING


def test_nobody_answers() -> None:
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    bench.answer(sent, 180)
    bench.tells()
    bench.waits(180.0)
    assert bench.acts() == [Cancel(sent.handle)]
    bench.waits(300.0)
    assert bench.tells() == [Refused(session, 408, None, cancelled=True)]
    assert len(bench.sessions) == 0


@pytest.mark.parametrize("status", [408, 481])
def test_a_dialog_that_the_peer_does_not_know_is_over(status: int) -> None:
    """RFC 5057 §5.1."""
    bench = Bench()
    session = bench.confirmed()
    session.request("INFO", (), b"", bench.now)
    (sent,) = bench.sends()
    bench.answer(sent, status)
    assert [type(each) for each in bench.tells()] == [Replied, Ended]
    assert [each.request.method for each in bench.sends()] == ["BYE"]


@pytest.mark.spec("MED-14")
def test_a_refused_offer_leaves_the_session_as_it_was() -> None:
    bench = Bench()
    session = bench.confirmed()
    session.offer(OTHER, bench.now)
    (sent,) = bench.sends()
    bench.answer(sent, 488)
    assert bench.tells() == [ChangeRefused(session, 488)]
    assert (session.local, session.remote, session.stage) == (OFFER, ANSWER, Stage.CONFIRMED)


@pytest.mark.spec("ERR-17")
def test_an_offer_that_always_meets_491_is_given_up() -> None:
    bench = Bench()
    session = bench.confirmed()
    session.offer(OTHER, bench.now)
    for _ in range(6):
        (sent,) = bench.sends()
        assert sent.request.body == OTHER.data
        bench.answer(sent, 491)
        bench.waits(bench.now + 2.0)
        assert bench.sends() == []
        bench.waits(bench.now + 2.1)
    assert bench.tells() == [ChangeRefused(session, 491)]


def test_a_reinvite_that_rings_for_ever_is_taken_back() -> None:
    bench = Bench()
    session = bench.confirmed()
    session.offer(OTHER, bench.now)
    (sent,) = bench.sends()
    bench.answer(sent, 180)
    bench.waits(65.0)
    assert bench.acts() == [Cancel(sent.handle)]
    bench.answer(sent, 487)
    assert bench.tells() == [ChangeRefused(session, 487)]
    session.offer(OTHER, bench.now)
    bench.waits(200.0)
    assert bench.tells() == [Ended(session, By.TIMER)]


def test_a_bye_while_an_offer_is_under_way() -> None:
    bench = Bench()
    session = bench.confirmed()
    session.offer(OTHER, bench.now)
    (offer,) = bench.sends()
    session.bye(bench.now)
    (bye,) = bench.sends()
    bench.answer(offer, 200, body=ANSWER)
    assert any(isinstance(each, Acknowledge) for each in bench.acts())
    bench.answer(bye, 200)
    assert bench.tells() == [Ended(session, By.US)]
    bench.waits(bench.now + 40.0)
    assert len(bench.sessions) == 0


# -- being called -----------------------------------------------------------------------------


@pytest.mark.spec("MED-21")
def test_a_reliable_response_goes_again_until_its_prack_and_the_2xx_waits() -> None:
    bench = Bench()
    session = bench.called(more=[("Supported", "100rel")])
    session.ring(bench.now, 183, ANSWER)
    session.answer(None, bench.now)
    assert bench.statuses() == [183]
    bench.waits(1.6)
    assert bench.statuses() == [183, 183]
    rseq = session._sender.rseq if session._sender else 0
    bench.within(session, "PRACK", 2, more=[("RAck", f"{rseq} 1 INVITE")])
    assert bench.statuses() == [200, 200]
    assert session.stage is Stage.ACCEPTED


@pytest.mark.spec("MED-21")
def test_without_prack_the_call_is_refused() -> None:
    bench = Bench()
    session = bench.called(more=[("Require", "100rel")])
    session.ring(bench.now)
    bench.waits(33.0)
    assert bench.statuses()[-1] == 504
    assert (bench.tells(), len(bench.sessions)) == ([Cancelled(session)], 0)


def test_an_invite_without_offer_gets_ours_and_the_ack_answers() -> None:
    bench = Bench()
    session = bench.called(body=None)
    transaction = next(iter(bench.sessions._outlet.incoming))
    session.answer(OFFER, bench.now)
    (said,) = bench.acts()
    assert isinstance(said, Respond)
    assert said.response.body == OFFER.data
    bench.acks(transaction, ANSWER)
    assert bench.tells() == [Confirmed(session, ANSWER)]


def test_an_ack_without_the_answer_ends_the_session() -> None:
    bench = Bench()
    session = bench.called(body=None)
    transaction = next(iter(bench.sessions._outlet.incoming))
    session.answer(OFFER, bench.now)
    bench.acks(transaction)
    assert bench.tells() == [Ended(session, By.US)]
    assert [each.request.method for each in bench.sends()] == ["BYE"]


class Deaf(Talker):
    """One who never acknowledges."""

    def _do(self, action: Action, now: float) -> None:
        if not isinstance(action, Acknowledge):
            super()._do(action, now)


@pytest.mark.spec("NET-21")
def test_who_never_acknowledges_gets_the_2xx_again_and_at_last_bye() -> None:
    wire = Wire(Deaf("left"), Talker("right", answering), weather=CLEAR, seed=0)
    left, right = ends(wire)
    left.sessions.invite(PARTIES, OFFER, 0.0)
    left.flush(0.0)
    wire.run(31.0)
    assert right.heard_of() == ["Invited"]
    assert left.endpoint.describe()["responses in"] > 5
    wire.run(80.0)
    assert right.told[-1] == Ended(right.told[0].session, By.TIMER)
    assert left.heard_of() == ["Ringing", "Answered", "Ended"]
    assert (len(left.sessions), len(right.sessions)) == (0, 0)


@pytest.mark.spec("NET-21")
def test_a_bye_before_the_ack_waits_for_it() -> None:
    bench = Bench()
    session = bench.called()
    transaction = next(iter(bench.sessions._outlet.incoming))
    session.answer(ANSWER, bench.now)
    session.bye(bench.now)
    assert bench.sends() == []
    bench.acks(transaction)
    assert [each.request.method for each in bench.sends()] == ["BYE"]
    assert bench.tells() == [Ended(session, By.US)]


def test_an_offer_while_ours_is_under_way_is_491_and_a_second_500() -> None:
    bench = Bench()
    session = bench.confirmed()
    session.offer(OTHER, bench.now)
    bench.sends()
    bench.within(session, "INVITE", 1, body=OFFER)
    assert bench.statuses() == [491]
    other = bench.taken()
    bench.within(other, "INVITE", 2, body=OTHER)
    bench.within(other, "UPDATE", 3, body=OTHER)
    assert bench.statuses() == [500]
    bench.within(other, "INFO", 1)
    assert bench.statuses() == [500], "older than what came"
    assert other.accept(ANSWER, bench.now)
    assert not other.accept(ANSWER, bench.now)
    assert bench.statuses() == [200]


def test_an_offer_that_nobody_decides_on_is_declined() -> None:
    bench = Bench()
    session = bench.taken()
    bench.within(session, "UPDATE", 2, body=OTHER)
    bench.waits(21.0)
    assert bench.statuses() == [488]
    assert [type(each) for each in bench.tells()] == [Offered, ChangeRefused]


def test_a_refresh_without_a_description_is_answered_by_itself() -> None:
    """One with is the user's to answer: what he offered last may be no answer (RFC 6135 §4.2)."""
    bench = Bench()
    session = bench.taken()
    bench.within(session, "UPDATE", 2)
    assert (bench.statuses(), bench.tells()) == ([200], [])
    bench.within(session, "UPDATE", 3, body=OFFER)
    assert [type(each) for each in bench.tells()] == [Offered]
    assert session.accept(ANSWER, bench.now)
    assert bench.statuses() == [200]


def test_the_user_says_with_what_a_session_is_refreshed_by_invite() -> None:
    bench = Bench()
    session = bench.confirmed(more=(("Session-Expires", "600;refresher=uac"),))
    session.refresher = lambda: OTHER
    bench.waits(300.0)
    (sent,) = bench.sends()
    assert (sent.request.method, sent.request.body) == ("INVITE", OTHER.data)
    bench.answer(sent, 200, body=ANSWER)
    assert bench.tells() == [Changed(session, ANSWER)]


def test_an_offer_that_waits_can_be_withdrawn() -> None:
    bench = Bench()
    session = bench.confirmed()
    session.offer(OTHER, bench.now)
    (sent,) = bench.sends()
    bench.answer(sent, 491)
    session.withdraw()
    bench.waits(10.0)
    assert (bench.sends(), bench.tells()) == ([], [])


def test_a_reinvite_without_offer_gets_ours() -> None:
    bench = Bench()
    session = bench.taken()
    transaction = bench.within(session, "INVITE", 2)
    session.accept(OTHER, bench.now)
    bench.acks(transaction, ANSWER)
    assert [type(each) for each in bench.tells()] == [Offered, Changed]


@pytest.mark.parametrize(
    ("method", "more", "status"),
    [
        ("BYE", (), 481),
        ("UPDATE", (), 481),
        ("PRACK", (("RAck", "1 1 INVITE"),), 481),
        ("INVITE", (("Replaces", "x;to-tag=1;from-tag=2"),), 481),
        ("INVITE", (("Join", "x;to-tag=1;from-tag=2"),), 481),
        ("INVITE", (("Replaces", "x;to-tag=1"), ("Join", "y")), 400),
        ("INVITE", (("Content-Type", "/"),), 400),
    ],
)
def test_what_belongs_to_no_session(method: str, more: object, status: int) -> None:
    bench = Bench()
    bench.hears(method, 1, body=None, more=more, to="" if method == "INVITE" else "gone")  # type: ignore[arg-type]
    assert (bench.statuses(), bench.tells()) == ([status], [])


def test_a_session_is_neither_replaced_nor_transferred() -> None:
    bench = Bench()
    session = bench.taken()
    named = f"{session.dialog.call_id};to-tag={session.dialog.local_tag};from-tag=far"
    bench.hears("INVITE", 1, body=OFFER, more=[("Replaces", named)], call_id="new")
    bench.within(session, "REFER", 2)
    assert bench.statuses() == [603, 603]


@pytest.mark.parametrize(
    ("named", "more", "status"),
    [
        ("{id};to-tag={tag};from-tag=other", (), 481),
        ("{id};to-tag=other;from-tag=far", (), 481),
        ("{id};to-tag={tag};from-tag=far;early-only", (), 486),
        ("{id};to-tag={tag}", (), 400),
        ("{id};to-tag={tag};from-tag=far", (("Join", "{id};to-tag=1;from-tag=2"),), 400),
        ("{id};to-tag={tag};from-tag=far", (), None),
    ],
)
def test_who_takes_the_place_of_a_session(
    named: str, more: tuple[Header, ...], status: int | None
) -> None:
    """RFC 3891 §3."""
    bench = Bench(supported=(*SUPPORTED, "replaces"))
    session = bench.taken()
    value = named.format(id=session.dialog.call_id, tag=session.dialog.local_tag)
    bench.hears("INVITE", 1, body=OFFER, more=[("Replaces", value), *more], call_id="new")
    if status is not None:
        assert (bench.statuses(), bench.tells()) == ([status], [])
        return
    (event,) = bench.tells()
    assert isinstance(event, Invited)
    assert event.replaced is session
    session.bye(bench.now)
    bench.hears("INVITE", 1, body=OFFER, more=[("Replaces", value)], call_id="late")
    assert bench.statuses()[-1] == 603


def test_who_calls_is_not_replaced_while_it_rings() -> None:
    """RFC 3891 §3: an early dialog that the peer has initiated."""
    bench = Bench(supported=(*SUPPORTED, "replaces"))
    session = bench.called()
    value = f"{session.dialog.call_id};to-tag={session.dialog.local_tag};from-tag=far"
    bench.hears("INVITE", 1, body=OFFER, more=[("Replaces", value)], call_id="new")
    assert bench.statuses() == [481]


@pytest.mark.parametrize("early", ["", ";early-only"])
@pytest.mark.parametrize(("tag", "found"), [("left", True), ("right", True), ("other", False)])
def test_a_call_that_rings_may_be_picked_up(tag: str, found: bool, early: str) -> None:
    """RFC 3891 §3: an early dialog that we have initiated, whichever phone of a fork is named."""
    bench = Bench(supported=(*SUPPORTED, "replaces"))
    session = bench.call()
    (invite,) = bench.sends()
    for each in ("left", "right"):
        bench.answer(invite, 180, each)
    bench.tells()
    value = f"{session.dialog.call_id};to-tag={session.dialog.local_tag};from-tag={tag}{early}"
    bench.hears("INVITE", 1, body=OFFER, more=[("Replaces", value)], call_id="new")
    told = bench.tells()
    if not found:
        assert (bench.statuses(), told) == ([481], [])
        return
    (event,) = told
    assert isinstance(event, Invited)
    assert event.replaced is session


def test_other_requests_are_the_users() -> None:
    bench = Bench()
    session = bench.taken()
    transaction = bench.within(session, "MESSAGE", 2)
    (event,) = bench.tells()
    assert isinstance(event, InDialog)
    session.reply(transaction, 200)
    assert bench.statuses() == [200]
    bench.within(session, "INFO", 3)
    assert bench.tells() == []
    assert bench.statuses() == [405]


# -- bounds -----------------------------------------------------------------------------------


def test_there_are_so_many_sessions_and_no_more() -> None:
    bench = Bench(Bounds(most=3, share=2))
    bench.call()
    bench.call()
    with pytest.raises(Full):
        bench.call()
    bench.acts()
    bench.hears("INVITE", 1, body=OFFER)
    (answer,) = bench.acts()
    assert isinstance(answer, Respond)
    assert (answer.response.status, answer.response.get("Retry-After")) == (503, "5")


def test_places_are_given_back() -> None:
    bench = Bench(Bounds(most=1, share=1))
    for number in range(5):
        bench.hears("INVITE", 1, body=OFFER, call_id=f"c{number}")
        (event,) = bench.tells()
        assert isinstance(event, Invited)
        event.session.refuse(486, bench.now)
        assert len(bench.sessions) == 0
    assert bench.statuses() == [486] * 5
    assert bench.sessions._shares == {}


def test_a_session_takes_so_many_requests_at_once() -> None:
    bench = Bench()
    session = bench.confirmed()
    for _ in range(16):
        session.request("INFO", (), b"", bench.now)
    with pytest.raises(LocalError):
        session.request("INFO", (), b"", bench.now)


def test_branches_beyond_the_bound_are_not_kept() -> None:
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    for number in range(40):
        bench.answer(sent, 180, tag=f"b{number}")
    assert len(session._legs) == 16
    bench.answer(sent, 200, tag="b39", body=ANSWER)
    for number in range(39):
        bench.answer(sent, 200, tag=f"b{number}", body=ANSWER)
    assert (session.dialog.remote_tag, len(session._strays)) == ("b39", 16)


def test_a_target_that_is_none() -> None:
    bench = Bench()
    parties = type(PARTIES)("http://x", PARTIES.local, PARTIES.remote, PARTIES.contact)
    with pytest.raises(SipError):
        bench.sessions.invite(parties, OFFER, 0.0)


# -- before the answer ------------------------------------------------------------------------


def test_a_bye_that_overtakes_the_2xx_ends_the_session() -> None:
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    bench.within(session, "BYE", 1)
    bench.hears("BYE", 1, call_id=session.dialog.call_id, to=session.dialog.local_tag, tag="far")
    assert bench.statuses() == [200, 200]
    bench.answer(sent, 200, body=ANSWER)
    assert [type(each) for each in bench.tells()] == [Answered, Ended]
    assert session.stage is Stage.OVER


@pytest.mark.parametrize("settled", [True, False])
def test_an_early_update_is_an_offer_once_the_first_is_answered(settled: bool) -> None:
    """RFC 3311 §5.2."""
    bench = Bench()
    session = bench.call()
    (sent,) = bench.sends()
    more = [("Require", "100rel"), ("RSeq", "1")] if settled else []
    bench.answer(sent, 183, body=ANSWER, more=more)
    bench.acts()
    bench.tells()
    ends = {"call_id": session.dialog.call_id, "to": session.dialog.local_tag, "tag": "far"}
    bench.hears("UPDATE", 1, OTHER, **ends)  # type: ignore[arg-type]
    if settled:
        assert [type(each) for each in bench.tells()] == [Offered]
        assert session.accept(OTHER, bench.now)
        assert bench.statuses() == [200]
    else:
        assert (bench.statuses(), bench.tells()) == ([491], [])


def test_an_update_before_our_answer_has_to_wait() -> None:
    bench = Bench()
    session = bench.called()
    bench.within(session, "UPDATE", 2, body=OTHER)
    (answer,) = bench.acts()
    assert isinstance(answer, Respond)
    assert (answer.response.status, answer.response.get("Retry-After")) == (500, "5")


def test_a_reinvite_that_is_taken_back_changes_nothing() -> None:
    bench = Bench()
    session = bench.taken()
    transaction = bench.within(session, "INVITE", 2, body=OTHER)
    bench.sessions.on_cancel(CancelArrived(transaction.request, transaction), bench.now)
    assert bench.statuses() == [487]
    assert [type(each) for each in bench.tells()] == [Offered, ChangeRefused]
    assert not session.accept(ANSWER, bench.now)
    assert (session.local, session.remote) == (ANSWER, OFFER)


def test_a_bye_answers_what_is_open() -> None:
    """RFC 3261 §15.1.2."""
    bench = Bench()
    session = bench.taken()
    bench.within(session, "INVITE", 2, body=OTHER)
    bench.within(session, "BYE", 3)
    assert bench.statuses() == [200, 487]
    assert len(bench.sessions) == 0
