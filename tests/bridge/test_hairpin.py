"""A phone transfers a client to another client, with the flows of RFC 5589 §6 and §7."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from dragoman.media.plane import JINGLE, NEAR, SDES, Side
from dragoman.sip.flow import AckArrived, RequestArrived
from dragoman.sip.message import build_request
from dragoman.sip.sessions import Bounds
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import coin, jmi
from dragoman.xmpp.ext.jingle import JINGLE as JINGLE_ELEMENT
from dragoman.xmpp.ext.jingle import Action, Content, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.senders import Creator
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import IQ
from tests.bridge.test_calls import (
    CLIENT,
    FLOW,
    JULIET,
    PCMU,
    Gateway,
    Transaction,
    audio,
    sdp,
    talking_to_client,
    talking_to_phone,
)
from tests.bridge.test_transfer import in_call, notified, refers, told

if TYPE_CHECKING:
    from dragoman.sip.endpoint import ServerTransaction

BENVOLIO = "benvolio@xmpp.example"
DEVICE = f"{BENVOLIO}/street"
PHONE = f"{JULIET}/phone"
REFER_TO = ("Refer-To", f"<sip:{BENVOLIO}>")
LATER = 64 * 0.5
"""Seconds until nothing more can come of a call that is over."""
INFOS = "{urn:xmpp:jingle:apps:rtp:info:1}"


@pytest.fixture(params=[talking_to_phone, talking_to_client], ids=["called", "calls"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """A phone, juliet's, and a client, romeo's, talk, whichever has called the other."""
    made = request.param()
    return made if isinstance(made, Gateway) else cast("Gateway", made[0])


def says(gateway: Gateway, said: Jingle | Initiation, device: str = DEVICE) -> None:
    """A client says something to the phone's user."""
    gateway.client_says(said, PHONE, device)


def heard(gateway: Gateway, bare: str) -> list[Element]:
    """What a client was told, in order."""
    return [each for each in gateway.stanzas if each.get("to", "").startswith(bare)]


def steps(gateway: Gateway, bare: str = BENVOLIO) -> list[str]:
    found = (jmi.initiation(each) for each in heard(gateway, bare))
    return [each.step.value for each in found if each is not None]


def actions(gateway: Gateway, bare: str = BENVOLIO) -> list[Jingle]:
    found = (each.find(JINGLE_ELEMENT) for each in heard(gateway, bare) if each.name == IQ)
    return [Jingle.parse(each) for each in found if each is not None]


def sid(gateway: Gateway) -> str:
    found = [jmi.initiation(each) for each in heard(gateway, BENVOLIO)]
    return next(each.id for each in found if each is not None)


def answers(gateway: Gateway) -> None:
    """Benvolio's client takes the call."""
    says(gateway, Initiation(Step.PROCEED, sid(gateway)))
    accept = Jingle(Action.SESSION_ACCEPT, sid(gateway), (audio(PCMU),), responder=DEVICE)
    says(gateway, accept)


def hangs_up(gateway: Gateway, device: str = DEVICE) -> None:
    name = sid(gateway) if device == DEVICE else romeos(gateway)
    says(gateway, Jingle(Action.SESSION_TERMINATE, name, reason=Reason(Why.SUCCESS)), device)


def romeos(gateway: Gateway) -> str:
    return actions(gateway, "romeo")[0].sid


def transferred(gateway: Gateway) -> None:
    """Romeo and benvolio talk, and the phone has hung up."""
    refers(gateway, [REFER_TO])
    notified(gateway)
    answers(gateway)
    notified(gateway)
    in_call(gateway, "BYE", number=3)


@pytest.mark.spec("MED-31")
def test_a_phone_transfers_a_client_to_a_client(gateway: Gateway) -> None:
    """RFC 5589 §6.1, the target of which is called in the phone's name."""
    sent, before = len(gateway.sent), len(gateway.stanzas)
    refers(gateway, [REFER_TO])
    assert gateway.responses[-1].status == 200
    assert told(gateway) == [(100, "active")]
    notified(gateway)
    assert steps(gateway) == ["propose"]
    assert {each.get("from") for each in gateway.stanzas[before:]} == {PHONE}
    says(gateway, Initiation(Step.RINGING, sid(gateway)))
    assert told(gateway)[-1] == (180, "active")
    notified(gateway)
    answers(gateway)
    assert told(gateway)[-1] == (200, "terminated")
    notified(gateway)
    in_call(gateway, "BYE", number=3)
    assert gateway.responses[-1].status == 200
    assert {each.method for each, _ in gateway.sent[sent:]} == {"NOTIFY"}
    assert [each.action for each in actions(gateway)] == [Action.SESSION_INITIATE]
    ended = [each.action for each in actions(gateway, "romeo")]
    assert Action.SESSION_TERMINATE not in ended
    assert gateway.calls.describe()["calls"] == 2
    assert gateway.calls.describe()["transfers"] == 0


def test_media_go_from_one_call_of_the_plane_to_the_other(gateway: Gateway) -> None:
    transferred(gateway)
    romeos_call, benvolios = dict.fromkeys(gateway.plane.calls)
    assert romeos_call != benvolios
    content = actions(gateway)[0].contents[0]
    assert isinstance(content.description, Rtp)
    assert content.description.payload_types == (PCMU,)
    assert {str(each.peer.bare) for each in gateway.calls._calls.values()} == {JULIET}
    assert {str(each.address) for each in gateway.calls._calls.values()} == {f"sip:{JULIET}"}


@pytest.mark.parametrize("device", [CLIENT, DEVICE])
def test_who_hangs_up_ends_it_for_both(gateway: Gateway, device: str) -> None:
    transferred(gateway)
    hangs_up(gateway, device)
    other = BENVOLIO if device == CLIENT else "romeo"
    assert Action.SESSION_TERMINATE in [each.action for each in actions(gateway, other)]
    assert gateway.calls.describe()["calls"] == 0
    assert len(gateway.plane.closed) == 2
    gateway.calls.on_timer(gateway.now + LATER)
    assert len(gateway.calls.hairpin) == 0


@pytest.mark.parametrize(("why", "status"), [(Why.BUSY, 486), (Why.DECLINE, 603)])
def test_a_client_that_refuses_leaves_the_call_as_it_was(
    gateway: Gateway, why: Why, status: int
) -> None:
    refers(gateway, [REFER_TO])
    notified(gateway)
    says(gateway, Initiation(Step.REJECT, sid(gateway), reason=Reason(why)))
    assert told(gateway)[-1] == (status, "terminated")
    assert gateway.plane.asked[-1] == ("revert", Side.SIP)
    assert gateway.calls.describe()["calls"] == 1
    notified(gateway)
    refers(gateway, [REFER_TO], 4)
    assert gateway.responses[-1].status == 200


def test_a_client_that_is_not_there(gateway: Gateway) -> None:
    refers(gateway, [REFER_TO])
    notified(gateway)
    proposal = heard(gateway, BENVOLIO)[-1]
    gone = StanzaError(Condition.SERVICE_UNAVAILABLE)
    assert gateway.calls.undelivered(proposal, gone, gateway.now)
    assert told(gateway)[-1] == (480, "terminated")
    assert gateway.calls.describe()["calls"] == 1


def test_a_client_that_does_not_answer(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.calls.jingles, "on_timer", lambda _: None)  # its iqs have answers
    refers(gateway, [REFER_TO])
    notified(gateway)
    says(gateway, Initiation(Step.RINGING, sid(gateway)))
    notified(gateway)
    gateway.now = 180.0
    gateway.calls.on_timer(gateway.now)
    assert told(gateway)[-1] == (480, "terminated")
    assert steps(gateway) == ["propose", "retract"]
    assert gateway.calls.describe()["calls"] == 1


def test_a_client_that_hangs_up_while_another_rings_ends_it_there(gateway: Gateway) -> None:
    refers(gateway, [REFER_TO])
    notified(gateway)
    hangs_up(gateway, CLIENT)
    assert steps(gateway) == ["propose", "retract"]
    assert told(gateway)[-1] == (487, "terminated")
    assert gateway.calls.describe()["calls"] == 0
    assert "BYE" in gateway.methods


def test_a_phone_that_hangs_up_at_once_leaves_the_clients_to_meet(gateway: Gateway) -> None:
    """RFC 5589 §6.1: who transfers need not wait."""
    refers(gateway, [REFER_TO])
    notified(gateway)
    in_call(gateway, "BYE", number=3)
    answers(gateway)
    assert told(gateway)[-1] == (200, "terminated")
    assert gateway.calls.describe()["calls"] == 2


def test_a_client_that_is_left_alone_hears_why(gateway: Gateway) -> None:
    refers(gateway, [REFER_TO])
    notified(gateway)
    in_call(gateway, "BYE", number=3)
    says(gateway, Initiation(Step.REJECT, sid(gateway), reason=Reason(Why.BUSY)))
    ended = actions(gateway, "romeo")[-1]
    assert ended.action is Action.SESSION_TERMINATE
    assert ended.reason is not None
    assert ended.reason.why is Why.BUSY
    assert gateway.calls.describe()["calls"] == 0


def test_one_transfer_at_a_time(gateway: Gateway) -> None:
    refers(gateway, [REFER_TO])
    refers(gateway, [REFER_TO], 3)
    assert gateway.statuses[-2:] == [200, 491]


def test_a_client_on_hold_is_taken_up_and_either_may_hold(gateway: Gateway) -> None:
    transferred(gateway)
    held = Jingle(Action.SESSION_INFO, romeos(gateway), info=Element(f"{INFOS}hold"))
    says(gateway, held, CLIENT)
    infos = [each.info for each in actions(gateway) if each.info is not None]
    assert [each.local_name for each in infos] == ["hold"]
    says(gateway, Jingle(Action.SESSION_INFO, sid(gateway), info=Element(f"{INFOS}hold")))
    infos = [each.info for each in actions(gateway, "romeo") if each.info is not None]
    assert [each.local_name for each in infos] == ["hold"]


def test_a_client_may_add_media(gateway: Gateway) -> None:
    transferred(gateway)
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    video = Content("1", Creator.RESPONDER, description=vp8, transport=IceUdp("u", "p"))
    says(gateway, Jingle(Action.CONTENT_ADD, sid(gateway), (video,)))
    added = actions(gateway, "romeo")[-1]
    assert added.action is Action.CONTENT_ADD
    taken = tuple(
        Content(each.name, each.creator, description=vp8, transport=IceUdp("u", "p"))
        for each in added.contents
    )
    says(gateway, Jingle(Action.CONTENT_ACCEPT, romeos(gateway), taken), CLIENT)
    assert actions(gateway)[-1].action is Action.CONTENT_ACCEPT


def test_nobody_is_transferred_who_has_no_phone_to_be_asked(gateway: Gateway) -> None:
    """A client asks a phone to call somebody (XEP-0251): another client would be us."""
    transferred(gateway)
    transfer = Element("{urn:xmpp:jingle:transfer:0}transfer", {"to": "dave@sip.example"})
    sent = len(gateway.sent)
    says(gateway, Jingle(Action.SESSION_INFO, sid(gateway), info=transfer))
    assert len(gateway.sent) == sent
    assert all(each.referral is None for each in gateway.calls._calls.values())
    assert gateway.calls.describe()["transfers"] == 0
    assert gateway.calls.describe()["calls"] == 2


def test_whoever_comes_from_outside_knows_nothing_of_such_a_leg(gateway: Gateway) -> None:
    transferred(gateway)
    inside = gateway.calls.hairpin._sessions._all.values()
    for dialog in [each.dialog for each in inside]:
        headers = [
            ("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKmallory"),
            ("From", f"{dialog.remote};tag={dialog.remote_tag}"),
            ("To", f"{dialog.local};tag={dialog.local_tag}"),
            ("Call-ID", dialog.call_id),
            ("CSeq", "9 BYE"),
        ]
        request = build_request("BYE", "sip:romeo@xmpp.example", headers)
        assert not gateway.calls.knows(request)
        arrived = cast("ServerTransaction", Transaction(request))
        gateway.calls.on_request(
            RequestArrived(request, FLOW, arrived), Uri.parse(f"sip:{JULIET}"), gateway.now
        )
        assert gateway.responses[-1].status == 481
    assert gateway.calls.describe()["calls"] == 2


def test_a_client_whose_domain_no_phone_calls_here_is_not_called(gateway: Gateway) -> None:
    gateway.serves = gateway.reaches = lambda _: False
    refers(gateway, [REFER_TO])
    notified(gateway)
    assert told(gateway)[-1] == (403, "terminated")
    assert steps(gateway) == []
    assert gateway.calls.describe()["calls"] == 1


def test_a_transfer_to_a_client_waits_for_the_dns(gateway: Gateway) -> None:
    known: list[bool | None] = [None]
    gateway.serves = lambda _: known[0]
    refers(gateway, [REFER_TO])
    assert steps(gateway) == []
    known[0] = True
    gateway.calls.learned(1.0)
    assert steps(gateway) == ["propose"]


def test_a_gateway_that_has_no_room_for_the_call_leaves_the_old_one(gateway: Gateway) -> None:
    gateway.calls._most = 1
    refers(gateway, [REFER_TO])
    notified(gateway)
    assert told(gateway)[-1] == (503, "terminated")
    assert gateway.calls.describe()["calls"] == 1


def test_a_gateway_that_has_no_room_for_the_leg_leaves_the_old_one(gateway: Gateway) -> None:
    gateway.calls.hairpin._sessions._bounds = Bounds(most=1)
    refers(gateway, [REFER_TO])
    notified(gateway)
    assert told(gateway)[-1] == (503, "terminated")
    assert not gateway.calls.hairpin._guests
    assert not gateway.calls.hairpin._asked
    assert gateway.calls.describe()["calls"] == 1


def test_a_client_that_mixes_a_conference_is_not_asked_about_it(gateway: Gateway) -> None:
    """Who took the phone's place is asked by nobody: the SUBSCRIBE would be to ourselves."""
    refers(gateway, [REFER_TO])
    notified(gateway)
    says(gateway, Initiation(Step.PROCEED, sid(gateway)))
    accept = Jingle(Action.SESSION_ACCEPT, sid(gateway), (audio(PCMU),), responder=DEVICE)
    says(gateway, replace(accept, info=coin.focus()))
    assert told(gateway)[-1] == (200, "terminated")
    assert all(each.focus is None for each in gateway.calls._calls.values())
    assert "SUBSCRIBE" not in gateway.methods


@pytest.mark.parametrize("answered", [False, True])
def test_a_gateway_that_stops_hangs_up_everywhere(gateway: Gateway, answered: bool) -> None:
    if answered:
        transferred(gateway)
    else:
        refers(gateway, [REFER_TO])
    gateway.calls.give_up(gateway.now)
    assert gateway.calls.describe()["calls"] == 0
    assert len(gateway.plane.closed) == 2
    assert not gateway.calls.hairpin._asked
    if answered:
        last = [actions(gateway, each)[-1].action for each in ("romeo", BENVOLIO)]
        assert last == [Action.SESSION_TERMINATE] * 2
    else:
        assert steps(gateway)[-1] == "retract"


# -- announced (RFC 5589 §7) ------------------------------------------------------------------


def calls_benvolio(gateway: Gateway, *, answered: bool = True) -> str:
    """The phone calls benvolio as well: the names of that dialog, as we are told them."""
    said = [
        ("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKbenvolio"),
        ("From", f"<sip:{JULIET}>;tag=b1"),
        ("To", f"<sip:{BENVOLIO}>"),
        ("Call-ID", "call-b"),
        ("CSeq", "1 INVITE"),
        ("Contact", f"<sip:{JULIET}>"),
        ("Content-Type", "application/sdp"),
    ]
    invite = build_request("INVITE", f"sip:{BENVOLIO}", said, sdp())
    arrived = cast("ServerTransaction", Transaction(invite))
    romeos_leg = gateway.responses[-1:]
    gateway.calls.on_request(
        RequestArrived(invite, FLOW, arrived), Uri.parse(f"sip:{JULIET}"), gateway.now
    )
    gateway.device_says()
    says(gateway, Initiation(Step.RINGING, sid(gateway)))
    tag = gateway.responses[-1].to.tag
    if answered:
        answers(gateway)
        ack = [each for each in said if each[0] not in {"CSeq", "Content-Type", "To"}]
        ack += [("To", f"<sip:{BENVOLIO}>;tag={tag}"), ("CSeq", "1 ACK")]
        request = build_request("ACK", f"sip:{BENVOLIO}", ack)
        gateway.calls.on_ack(AckArrived(request, FLOW, arrived), gateway.now)
    gateway.responses += romeos_leg  # what `in_call` looks at
    return f"call-b;to-tag={tag};from-tag=b1"


def announced(gateway: Gateway, replaces: str, more: str = "") -> None:
    escaped = replaces.replace(";", "%3B").replace("=", "%3D") + more
    refers(gateway, [("Refer-To", f"<sip:{BENVOLIO}?Replaces={escaped}&Require=replaces>")])
    notified(gateway)


def test_a_phone_joins_two_clients_that_it_talks_to(gateway: Gateway) -> None:
    """RFC 5589 §7.1: the call that it had with the second is taken over by the first."""
    replaces = calls_benvolio(gateway)
    begun = len(actions(gateway)), len(actions(gateway, "romeo"))
    announced(gateway, replaces)
    assert told(gateway) == [(100, "active"), (200, "terminated")]
    byes = [each for each, _ in gateway.sent if each.method == "BYE"]
    assert [each.call_id for each in byes] == ["call-b"]
    in_call(gateway, "BYE", number=3)
    assert gateway.responses[-1].status == 200
    assert (len(actions(gateway)), len(actions(gateway, "romeo"))) == begun
    assert all(each.hairpin for each in gateway.calls._calls.values())
    assert gateway.calls.describe()["calls"] == 2
    hangs_up(gateway)
    assert actions(gateway, "romeo")[-1].action is Action.SESSION_TERMINATE
    assert gateway.calls.describe()["calls"] == 0


def test_the_dialog_says_whom_a_phone_means_and_no_address_need(gateway: Gateway) -> None:
    """Our Contact may be an address (RFC 5589 §7.1 has Refer-To be the Contact of the target)."""
    gateway.serves = gateway.reaches = lambda _: False
    replaces = calls_benvolio(gateway).replace(";", "%3B").replace("=", "%3D")
    refers(gateway, [("Refer-To", f"<sip:x@192.0.2.1:5060?Replaces={replaces}>")])
    notified(gateway)
    assert told(gateway)[-1] == (200, "terminated")


def test_what_a_joined_client_changes_goes_as_the_leg_does() -> None:
    """Not as the phone had it, whose media were encrypted: both ends are the plane's."""
    gateway = talking_to_phone(Gateway(secure=True))
    assert SDES in gateway.plane.profiles
    dialog = next(iter(gateway.calls.sessions._all.values())).dialog
    tag = re.search("to-tag=(.*);", calls_benvolio(gateway))
    assert tag is not None
    named = f"{dialog.call_id}%3Bto-tag%3D{dialog.local_tag}%3Bfrom-tag%3D{dialog.remote_tag}"
    said = [
        ("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKrefer"),
        ("From", f"<sip:{JULIET}>;tag=b1"),
        ("To", f"<sip:{BENVOLIO}>;tag={tag[1]}"),
        ("Call-ID", "call-b"),
        ("CSeq", "2 REFER"),
        ("Contact", f"<sip:{JULIET}>"),
        ("Refer-To", f"<sip:romeo@xmpp.example?Replaces={named}>"),
    ]
    request = build_request("REFER", f"sip:{BENVOLIO}", said)
    arrived = cast("ServerTransaction", Transaction(request))
    gateway.calls.on_request(
        RequestArrived(request, FLOW, arrived), Uri.parse(f"sip:{JULIET}"), gateway.now
    )
    notified(gateway)
    assert told(gateway)[-1] == (200, "terminated")
    held = Jingle(Action.SESSION_INFO, romeos(gateway), info=Element(f"{INFOS}hold"))
    says(gateway, held, CLIENT)
    assert gateway.plane.profiles[-2:] == [NEAR, JINGLE]


@pytest.mark.parametrize("early", ["", "%3Bearly-only"])
def test_a_call_that_rings_is_not_taken_over(gateway: Gateway, early: str) -> None:
    """RFC 3891 §3: 481 for an early dialog that is not ours to begin; all stays as it was."""
    replaces = calls_benvolio(gateway, answered=False)
    announced(gateway, replaces, early)
    assert told(gateway)[-1] == (481, "terminated")
    assert gateway.calls.describe()["calls"] == 2
    assert steps(gateway) == ["propose"]


def test_a_call_that_is_to_be_taken_over_only_while_it_rings(gateway: Gateway) -> None:
    """RFC 3891 §3: 486 where it is answered by then."""
    announced(gateway, calls_benvolio(gateway), "%3Bearly-only")
    assert told(gateway)[-1] == (486, "terminated")


def test_a_call_that_is_not_there_is_not_taken_over(gateway: Gateway) -> None:
    announced(gateway, "nothing;to-tag=1;from-tag=2")
    assert told(gateway)[-1] == (481, "terminated")
    assert steps(gateway) == []


def test_a_call_does_not_take_its_own_place() -> None:
    gateway = talking_to_phone()
    dialog = next(iter(gateway.calls.sessions._all.values())).dialog
    announced(gateway, f"{dialog.call_id};to-tag={dialog.local_tag};from-tag={dialog.remote_tag}")
    assert told(gateway)[-1][1] == "terminated"
    assert told(gateway)[-1][0] >= 400
    assert gateway.calls.describe()["calls"] == 1


def test_a_phone_joins_a_client_to_another_who_calls_it() -> None:
    """Its Replaces names an early dialog that we have initiated: that call is picked up."""
    gateway = talking_to_phone()
    begin = Jingle(Action.SESSION_INITIATE, "s9", (audio(PCMU),), initiator=DEVICE)
    says(gateway, begin)
    gateway.phone_answers(180)
    dialog = list(gateway.calls.sessions._all.values())[-1].dialog
    announced(gateway, f"{dialog.call_id};to-tag={dialog.local_tag};from-tag=tag2")
    assert told(gateway)[-1] == (200, "terminated")
    assert gateway.cancelled == ['SIP;cause=200;text="Call completed elsewhere"']
    assert actions(gateway)[-1].action is Action.SESSION_ACCEPT
    assert all(each.hairpin for each in gateway.calls._calls.values())
    says(gateway, Jingle(Action.SESSION_TERMINATE, "s9", reason=Reason(Why.SUCCESS)))
    assert actions(gateway, "romeo")[-1].action is Action.SESSION_TERMINATE
    assert gateway.calls.describe()["calls"] == 0
