"""Phones that take calls over (RFC 3891 §3), with a scripted client."""

from typing import TYPE_CHECKING, cast

import pytest

from dragoman.media.plane import BYPASS, MediaError, Side, Trouble
from dragoman.sip.flow import AckArrived, RequestArrived
from dragoman.sip.message import build_request
from dragoman.sip.uri import Uri
from dragoman.xmpp.ext.jingle import Action, Content, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_ice import IceUdp
from dragoman.xmpp.ext.jingle_rtp import PayloadType, Rtp
from dragoman.xmpp.ext.jmi import Initiation
from dragoman.xmpp.ext.jmi import Step as Initiating
from dragoman.xmpp.jid import Jid
from tests.bridge import test_transfer
from tests.bridge.test_calls import (
    CLIENT,
    FLOW,
    JULIET,
    OPUS,
    PCMU,
    ROMEO,
    Gateway,
    Transaction,
    audio,
    sdp,
    talking_to_phone,
)
from tests.bridge.test_transfer import CAROL, answer, refers

if TYPE_CHECKING:
    from dragoman.sip.endpoint import ServerTransaction

gateway = test_transfer.gateway


def takes_over(
    gateway: Gateway, body: bytes | None = None, replaces: str = "", number: int = 1
) -> Transaction:
    """Carol's phone sends an INVITE with Replaces, as RFC 5589 §7.3 has it of the target."""
    session = next(iter(gateway.calls.sessions._all.values()))
    dialog = session.dialog
    named = f"{dialog.call_id};to-tag={dialog.local_tag};from-tag={dialog.remote_tag}"
    offer = sdp() if body is None else body
    said = [
        ("Via", f"SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKcarol{number}"),
        ("From", f"<{CAROL}>;tag=carol"),
        ("To", f"<sip:{ROMEO}>"),
        ("Call-ID", "call-2"),
        ("CSeq", f"{number} INVITE"),
        ("Contact", f"<{CAROL}>"),
        ("Replaces", replaces or named),
        ("Require", "replaces"),
        *([("Content-Type", "application/sdp")] if offer else []),
    ]
    arrived = Transaction(build_request("INVITE", f"sip:{ROMEO}", said, offer))
    event = RequestArrived(arrived.request, FLOW, cast("ServerTransaction", arrived))
    gateway.calls.on_request(event, Uri.parse(CAROL), gateway.now)
    return arrived


def test_a_phone_takes_the_place_of_another(gateway: Gateway) -> None:
    """RFC 3891 §3: 200 for the new one, BYE for the old."""
    takes_over(gateway)
    assert gateway.responses[-1].status == 200
    assert b"m=audio 30000 RTP/AVP 0\r\n" in gateway.responses[-1].body
    assert "replaces" in (gateway.responses[-1].get("Supported") or "")
    assert gateway.plane.asked[-2:] == [("succeed", Side.SIP), ("answer", Side.XMPP)]
    assert gateway.methods[-1] == "BYE"
    assert gateway.sent[-1][0].target == f"sip:{JULIET}"
    assert gateway.calls.describe()["calls"] == 1
    assert not [each for each in gateway.actions if each.action is Action.SESSION_TERMINATE]


def acknowledges(gateway: Gateway, invite: Transaction, body: bytes = b"") -> None:
    named = {"Via", "From", "Call-ID", "Contact"}
    headers = [each for each in invite.request.headers if each[0] in named]
    kind = [("Content-Type", "application/sdp")] if body else []
    ours = gateway.responses[-1].to
    more = [("To", str(ours)), ("CSeq", f"{invite.request.cseq.number} ACK"), *kind]
    ack = build_request("ACK", f"sip:{ROMEO}", [*headers, *more], body)
    gateway.calls.on_ack(AckArrived(ack, FLOW, cast("ServerTransaction", invite)), gateway.now)


def test_a_phone_that_wants_our_offer_takes_the_place_of_another() -> None:
    gateway = talking_to_phone()
    invite = takes_over(gateway, b"")
    assert b"PCMU/8000" in gateway.responses[-1].body
    assert "BYE" not in gateway.methods
    acknowledges(gateway, invite, sdp())
    assert gateway.methods[-1] == "BYE"
    assert gateway.calls.describe()["calls"] == 1


def test_a_phone_with_fewer_streams_takes_the_place_of_another_and_may_change() -> None:
    gateway = Gateway()
    gateway.client_says(Initiation(Initiating.PROPOSE, "s1", (Rtp("audio"), Rtp("video"))))
    video = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    gateway.phone_answers(200, sdp(more=video))
    vp8 = Rtp("video", (PayloadType(96, "VP8", 90000),))
    both = (audio(OPUS, PCMU), Content("1", description=vp8, transport=IceUdp("u", "p")))
    gateway.client_says(
        Jingle(Action.SESSION_INITIATE, "s1", both, initiator=CLIENT), f"{JULIET}/phone"
    )
    invite = takes_over(gateway)
    assert gateway.responses[-1].status == 200
    assert b"m=video" not in gateway.responses[-1].body
    removed = [each for each in gateway.actions if each.action is Action.CONTENT_REMOVE]
    assert [[content.name for content in each.contents] for each in removed] == [["1"]]
    acknowledges(gateway, invite)
    tag = gateway.responses[-1].to.tag
    said = [
        *(each for each in invite.request.headers if each[0] in {"From", "Call-ID", "Contact"}),
        ("Via", "SIP/2.0/UDP 192.0.2.3;branch=z9hG4bKcarol9"),
        ("To", f"<sip:{ROMEO}>;tag={tag}"),
        ("CSeq", "2 INVITE"),
        ("Content-Type", "application/sdp"),
    ]
    arrived = Transaction(build_request("INVITE", f"sip:{ROMEO}", said, sdp("sendonly", 2)))
    event = RequestArrived(arrived.request, FLOW, cast("ServerTransaction", arrived))
    gateway.calls.on_request(event, Uri.parse(CAROL), gateway.now)
    assert gateway.responses[-1].status == 200
    assert b"m=video" not in gateway.responses[-1].body


@pytest.mark.parametrize(
    ("replaces", "body", "status"),
    [
        ("nothing;to-tag=1;from-tag=2", None, 481),
        ("nothing", None, 400),
        ("", b"x", 400),
        ("", sdp().replace(b"m=audio", b"m=video"), 488),
    ],
)
def test_a_phone_that_may_not_take_a_place(replaces: str, body: bytes | None, status: int) -> None:
    gateway = talking_to_phone()
    takes_over(gateway, body, replaces)
    assert gateway.responses[-1].status == status
    assert "BYE" not in gateway.methods
    refers(gateway)
    assert gateway.responses[-1].status == 200


def test_a_place_is_not_taken_that_media_do_not_fit_in() -> None:
    gateway = talking_to_phone()
    gateway.plane.trouble = MediaError(Trouble.UNACCEPTABLE, "no")
    takes_over(gateway)
    assert gateway.responses[-1].status == 488
    assert gateway.plane.asked[-1] == ("revert", Side.SIP)
    assert "BYE" not in gateway.methods
    gateway.plane.trouble = None
    takes_over(gateway, number=2)
    assert gateway.responses[-1].status == 200


def test_only_the_user_who_is_called_is_whose_call_is_taken() -> None:
    gateway = talking_to_phone()
    gateway.calls._ends_of = lambda *_: (
        Jid.parse("carol@sip.example"),
        Jid.parse("mercutio@xmpp.example"),
    )
    takes_over(gateway)
    assert gateway.responses[-1].status == 481


def test_a_call_that_another_phone_rings_for_is_not_taken() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    takes_over(gateway)
    assert gateway.responses[-1].status == 500
    assert gateway.responses[-1].get("Retry-After") == "5"


# -- a phone that picks a call up which rings at another (RFC 3891 §3) -------------------------


@pytest.fixture(params=[True, False], ids=["proposed", "initiated"])
def ringing(request: pytest.FixtureRequest) -> Gateway:
    """A client calls a phone, which rings."""
    gateway = Gateway()
    if request.param:
        gateway.client_says(Initiation(Initiating.PROPOSE, "s1", (Rtp("audio"),)))
    else:
        begins(gateway)
    gateway.phone_answers(180)
    return gateway


def begins(gateway: Gateway, to: str = f"{JULIET}/phone") -> None:
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, to)


def early(gateway: Gateway, tag: str = "tag2", more: str = "") -> str:
    dialog = next(iter(gateway.calls.sessions._all.values())).dialog
    return f"{dialog.call_id};to-tag={dialog.local_tag};from-tag={tag}{more}"


def accepted(gateway: Gateway) -> bool:
    """Whether the client has heard that it is talked to, if need be once it has begun."""
    if gateway.steps[-1:] == ["proceed"]:
        begins(gateway)
    return [each.action for each in gateway.actions][-1] is Action.SESSION_ACCEPT


@pytest.mark.parametrize("flag", ["", ";early-only"])
def test_a_call_that_rings_is_picked_up(ringing: Gateway, flag: str) -> None:
    """RFC 3891 §3: 200 for the new phone, CANCEL for the one that rings."""
    invite = takes_over(ringing, replaces=early(ringing, more=flag))
    assert ringing.responses[-1].status == 200
    assert b"m=audio 30000 RTP/AVP 0\r\n" in ringing.responses[-1].body
    assert ringing.cancelled == ['SIP;cause=200;text="Call completed elsewhere"']
    answer(ringing, "INVITE", 487)
    assert accepted(ringing)
    acknowledges(ringing, invite)
    assert ringing.methods.count("INVITE") == 1
    end = Jingle(Action.SESSION_TERMINATE, "s1", reason=Reason(Why.SUCCESS))
    ringing.client_says(end, f"{JULIET}/phone")
    assert ringing.sent[-1][0].method == "BYE"
    assert ringing.sent[-1][0].target == CAROL
    assert ringing.calls.describe()["calls"] == 0


def test_a_call_that_rings_is_picked_up_by_a_phone_that_wants_our_offer(ringing: Gateway) -> None:
    invite = takes_over(ringing, b"", early(ringing))
    assert b"PCMU/8000" in ringing.responses[-1].body
    assert ringing.cancelled
    acknowledges(ringing, invite, sdp())
    assert accepted(ringing)


def test_a_phone_that_answers_while_another_picks_the_call_up_is_hung_up_on(
    ringing: Gateway,
) -> None:
    """RFC 3261 §9.1: its 2xx was faster than our CANCEL."""
    takes_over(ringing, replaces=early(ringing))
    answer(ringing, "INVITE", 200, sdp(), f"sip:{JULIET}")
    assert ringing.methods[-2:] == ["ACK", "BYE"]
    assert ringing.sent[-1][0].target == f"sip:{JULIET}"
    assert accepted(ringing)
    assert ringing.calls.describe()["calls"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (sdp().replace(b"m=audio", b"m=video"), 488),
        (sdp().replace(b"RTP/AVP", b"RTP/SAVP"), 488),
        (sdp().replace(b"AVP 0", b"AVP 18").replace(b":0 PCMU", b":18 G729"), 488),
        (b"x", 400),
    ],
)
def test_a_call_that_cannot_be_picked_up_rings_on(
    ringing: Gateway, body: bytes, status: int
) -> None:
    """RFC 3891 §3: an error, and the dialog that is named is left as it was."""
    asked = list(ringing.plane.asked)
    takes_over(ringing, body, early(ringing))
    assert ringing.responses[-1].status == status
    assert ringing.cancelled == []
    assert ringing.plane.asked == asked
    ringing.phone_answers(200, sdp(), 0)
    assert accepted(ringing)


def test_a_call_whose_media_nobody_carries_is_not_picked_up(ringing: Gateway) -> None:
    """What the client said is for the phone that rings: keys, and where to send."""
    (call,) = ringing.calls._calls.values()
    call.profile = BYPASS
    takes_over(ringing, replaces=early(ringing))
    assert ringing.responses[-1].status == 488
    assert ringing.cancelled == []


def test_a_call_is_picked_up_only_by_whoever_names_it_rightly(ringing: Gateway) -> None:
    takes_over(ringing, replaces=early(ringing, "other"))
    assert ringing.responses[-1].status == 481
    takes_over(ringing, replaces=early(ringing).replace("to-tag=", "to-tag=1"), number=2)
    assert ringing.responses[-1].status == 481
    ringing.calls._ends_of = lambda *_: (
        Jid.parse("carol@sip.example"),
        Jid.parse("mercutio@xmpp.example"),
    )
    takes_over(ringing, replaces=early(ringing), number=3)
    assert ringing.responses[-1].status == 481
    assert ringing.cancelled == []


def test_a_phone_that_picked_a_call_up_may_transfer_it(ringing: Gateway) -> None:
    """The addresses that it may name are those of its own domain, then."""
    invite = takes_over(ringing, replaces=early(ringing))
    assert accepted(ringing)
    acknowledges(ringing, invite)
    (call,) = ringing.calls._calls.values()
    assert (str(call.address), str(call.peer)) == (CAROL, "carol@sip.example")


def test_a_call_that_rings_for_a_transfer_is_not_picked_up() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    answer(gateway, "INVITE", 180)
    dialog = list(gateway.calls.sessions._all.values())[-1].dialog
    named = f"{dialog.call_id};to-tag={dialog.local_tag};from-tag=carol"
    takes_over(gateway, replaces=named)
    assert gateway.responses[-1].status == 481
    assert gateway.cancelled == []
