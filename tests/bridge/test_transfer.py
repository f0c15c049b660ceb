"""Call transfer, with the flows of RFC 5589 between a scripted phone and a scripted client."""

from typing import TYPE_CHECKING, cast

import pytest

from dragoman.bridge.call import Rules
from dragoman.media.plane import Lost, MediaError, Side, Trouble
from dragoman.sip.flow import RequestArrived
from dragoman.sip.message import Header, Request, build_request, response_to
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation
from dragoman.xmpp.ext.jmi import Step as Initiating
from tests.bridge.test_calls import (
    CLIENT,
    FLOW,
    JULIET,
    OPUS,
    PCMU,
    Gateway,
    Transaction,
    audio,
    sdp,
    talking_to_client,
    talking_to_phone,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.sip.endpoint import ServerTransaction
    from dragoman.sip.session import SessionHandle

CAROL = "sip:carol@sip.example"
REFER_TO = ("Refer-To", f"<{CAROL}>")


def refers(gateway: Gateway, headers: "Sequence[Header]" = (REFER_TO,), number: int = 2) -> None:
    """The phone that was called, or called, asks for a transfer."""
    in_call(gateway, "REFER", headers, number)


def in_call(
    gateway: Gateway, method: str, headers: "Sequence[Header]" = (), number: int = 2
) -> Transaction:
    """The phone says something in the dialog of its call, whichever side began that."""
    if any(each.method == "INVITE" for each, _ in gateway.sent[:1]):
        invite = gateway.sent[0][0]
        ends = [("From", f"{invite.get('To')};tag=tag2"), ("To", invite.get("From") or "")]
        call_id = invite.call_id
    else:
        ours = gateway.responses[-1].to.tag
        ends = [("From", f"<sip:{JULIET}>;tag=1"), ("To", f"<sip:romeo@xmpp.example>;tag={ours}")]
        call_id = "call-1"
    said = [
        ("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{method}{number}"),
        *ends,
        ("Call-ID", call_id),
        ("CSeq", f"{number} {method}"),
        ("Contact", f"<sip:{JULIET}>"),
        *headers,
    ]
    arrived = Transaction(build_request(method, "sip:romeo@xmpp.example", said))
    event = RequestArrived(arrived.request, FLOW, cast("ServerTransaction", arrived))
    gateway.calls.on_request(event, Uri.parse(f"sip:{JULIET}"), gateway.now)
    return arrived


def answer(
    gateway: Gateway, method: str, status: int, body: bytes = b"", contact: str = CAROL
) -> None:
    """Whoever got our last request of that method answers it."""
    sent = [each for each in gateway.sent if each[0].method == method]
    asked, handle = sent[-1]
    headers = [("Contact", contact if ">" in contact else f"<{contact}>")]
    headers += [("Content-Type", "application/sdp")] if body else []
    response = response_to(asked, status, "", headers, body, "carol")
    gateway.calls.on_response(cast("SessionHandle", handle), response, gateway.now)


def told(gateway: Gateway) -> list[tuple[int, str]]:
    """What the referrer was told: statuses, each with the state of his subscription."""
    found = [each for each, _ in gateway.sent if each.method == "NOTIFY"]
    return [
        (
            int(each.body.split(b" ")[1]),
            (each.get("Subscription-State") or "").partition(";")[0],
        )
        for each in found
    ]


def notified(gateway: Gateway) -> None:
    answer(gateway, "NOTIFY", 200, contact=f"sip:{JULIET}")


def invites(gateway: Gateway) -> list[Request]:
    return [each for each, _ in gateway.sent if each.method == "INVITE"]


@pytest.fixture(params=[talking_to_phone, talking_to_client], ids=["called", "calls"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """A phone and a client talk, whichever has called the other."""
    made = request.param()
    return made if isinstance(made, Gateway) else cast("Gateway", made[0])


@pytest.mark.spec("MED-31")
def test_a_basic_transfer(gateway: Gateway) -> None:
    """RFC 5589 §6.1: 200, NOTIFY 100, INVITE, NOTIFY 200, BYE of the transferor."""
    before = len(invites(gateway))
    refers(gateway, [REFER_TO, ("Referred-By", f"<sip:{JULIET}>")])
    assert gateway.responses[-1].status == 200
    assert told(gateway) == [(100, "active")]
    notified(gateway)
    made = invites(gateway)[before:]
    assert [each.target for each in made] == [CAROL]
    assert made[0].get("Referred-By") == f"<sip:{JULIET}>"
    assert made[0].from_.uri.user == "romeo"
    answer(gateway, "INVITE", 180)
    assert told(gateway)[-1] == (180, "active")
    notified(gateway)
    answer(gateway, "INVITE", 200, sdp())
    assert told(gateway)[-1] == (200, "terminated")
    assert gateway.plane.asked[-2:] == [("succeed", Side.XMPP), ("answer", Side.SIP)]
    in_call(gateway, "BYE", number=3)
    assert gateway.responses[-1].status == 200
    assert gateway.calls.describe() | {"transfers": 0, "calls": 1} == gateway.calls.describe()
    assert not [each for each in gateway.actions if each.action is Action.SESSION_TERMINATE]


def talking_to_carol() -> Gateway:
    """A client called a phone, which transferred it to another."""
    gateway = talking_to_phone()
    refers(gateway)
    notified(gateway)
    answer(gateway, "INVITE", 200, sdp())
    in_call(gateway, "BYE", number=3)
    return gateway


def test_the_new_phone_is_in_the_call() -> None:
    gateway = talking_to_carol()
    end = Jingle(Action.SESSION_TERMINATE, "s1", reason=Reason(Why.SUCCESS))
    gateway.client_says(end, f"{JULIET}/phone")
    assert gateway.sent[-1][0].method == "BYE"
    assert gateway.sent[-1][0].target == CAROL
    assert gateway.calls.describe()["calls"] == 0


def test_a_client_that_is_transferred_into_a_conference_hears_so() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    answer(gateway, "INVITE", 200, sdp(), "<sip:room@sip.example>;isfocus")
    infos = [each.info for each in gateway.actions if each.action is Action.SESSION_INFO]
    assert [each.local_name for each in infos if each is not None] == ["conference-info"]


def test_what_the_client_changes_meanwhile_reaches_the_new_phone() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    held = Element("{urn:xmpp:jingle:apps:rtp:info:1}hold")
    gateway.client_says(Jingle(Action.SESSION_INFO, "s1", info=held), f"{JULIET}/phone")
    assert len(invites(gateway)) == 2
    answer(gateway, "INVITE", 200, sdp())
    assert [each.target for each in invites(gateway)[1:]] == [CAROL, CAROL]
    assert b"a=sendonly" in invites(gateway)[-1].body


def test_a_client_on_hold_is_taken_up_by_the_new_phone() -> None:
    gateway, _ = talking_to_client()
    gateway.phone_acknowledges(gateway.phone_says(body=sdp("sendonly", 2), number=2))
    refers(gateway, number=3)
    notified(gateway)
    answer(gateway, "INVITE", 200, sdp())
    infos = [each.info for each in gateway.actions if each.action is Action.SESSION_INFO]
    assert [each.local_name for each in infos if each is not None] == ["hold", "unhold"]


def test_a_refer_that_follows_a_hold_at_once_waits_for_its_turn() -> None:
    gateway, _ = talking_to_client()
    waiting = []
    plane_offer = gateway.plane.offer
    gateway.plane.offer = lambda *args, **named: waiting.append((args, named))  # type: ignore[method-assign]
    hold = gateway.phone_says(body=sdp("sendonly", 2), number=2)
    refers(gateway, number=3)
    assert gateway.responses[-1].status == 200
    assert not invites(gateway)
    gateway.plane.offer = plane_offer  # type: ignore[method-assign]
    ((args, named),) = waiting
    gateway.plane.offer(*args, **named)
    assert [each.target for each in invites(gateway)] == [CAROL]
    assert hold.request.method == "INVITE"


@pytest.mark.spec("MED-31")
@pytest.mark.parametrize("status", [486, 603, 404])
def test_whoever_refuses_leaves_the_call_as_it_was(gateway: Gateway, status: int) -> None:
    """RFC 5589 §6.3."""
    before = gateway.calls.describe()["confirmed"]
    refers(gateway)
    notified(gateway)
    answer(gateway, "INVITE", status)
    assert told(gateway) == [(100, "active"), (status, "terminated")]
    assert gateway.plane.asked[-1] == ("revert", Side.SIP)
    assert gateway.calls.describe()["confirmed"] == before
    assert gateway.calls.describe()["calls"] == 1
    assert not [each for each, _ in gateway.sent if each.method == "BYE"]
    refers(gateway, number=3)
    assert gateway.responses[-1].status == 200
    assert [each.get("Event") for each, _ in gateway.sent if each.method == "NOTIFY"] == [
        "refer",
        "refer",
        "refer;id=3",
    ]


def test_another_way_to_carry_media_is_tried() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    answer(gateway, "INVITE", 488)
    assert [each.target for each in invites(gateway)[1:]] == [CAROL, CAROL]
    answer(gateway, "INVITE", 200, sdp())
    notified(gateway)
    assert told(gateway)[-1] == (200, "terminated")


def test_an_attended_transfer_replaces_the_call_of_the_transferor() -> None:
    """RFC 5589 §7.1."""
    gateway = talking_to_phone()
    replaces = "Replaces=592435881734450904%3Bto-tag%3D9m2n3wq%3Bfrom-tag%3D763231"
    refers(gateway, [("Refer-To", f"<{CAROL};gr=3413kj2ha?{replaces}&Require=replaces>")])
    made = invites(gateway)[-1]
    assert made.target == f"{CAROL};gr=3413kj2ha"
    assert made.get("Replaces") == "592435881734450904;to-tag=9m2n3wq;from-tag=763231"
    assert "replaces" in (made.get("Require") or "")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        ([REFER_TO, REFER_TO], 400),
        ([("Refer-To", "<http://example.com/>")], 416),
        ([("Refer-To", f"<{CAROL};method=BYE>")], 603),
        ([("Refer-To", f"<{CAROL}?Replaces=x>")], 400),
        ([("Refer-To", f"<{CAROL}?Replaces=a%0D%0AX:%20y%3Bto-tag%3D1%3Bfrom-tag%3D2>")], 400),
        ([("Refer-To", "<sip:sip.example>")], 400),
    ],
)
def test_a_refer_that_makes_no_sense(headers: list[Header], status: int) -> None:
    gateway = talking_to_phone()
    refers(gateway, headers)
    assert gateway.responses[-1].status == status
    assert told(gateway) == []
    assert gateway.calls.describe()["transfers"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        [("Refer-Sub", "false"), ("Supported", "norefersub")],
        [("Require", "nosub")],
    ],
)
def test_who_does_not_want_to_be_told(headers: list[Header]) -> None:
    """RFC 4488 §4, RFC 7614 §5."""
    gateway = talking_to_phone()
    refers(gateway, [REFER_TO, *headers])
    assert gateway.responses[-1].get("Refer-Sub") == "false"
    answer(gateway, "INVITE", 200, sdp())
    assert told(gateway) == []


def test_a_phone_that_answers_and_transfers_at_once() -> None:
    """The client says only then what it takes: the new phone is called when it has."""
    gateway = Gateway()
    gateway.client_says(Initiation(Initiating.PROPOSE, "s1", (Rtp("audio"),)))
    gateway.phone_answers(200, sdp())
    refers(gateway)
    assert gateway.responses[-1].status == 200
    assert len(invites(gateway)) == 1
    begin = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    assert [each.target for each in invites(gateway)[1:]] == [CAROL]
    answer(gateway, "INVITE", 200, sdp())
    notified(gateway)
    assert told(gateway)[-1] == (200, "terminated")


def test_one_transfer_at_a_time() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    refers(gateway, number=3)
    assert gateway.statuses[-2:] == [200, 491]
    assert gateway.calls.describe()["transfers"] == 1


def test_a_phone_that_hangs_up_at_once_is_told_what_became_of_it() -> None:
    """The subscription outlives the session (RFC 5057 §4.2)."""
    gateway = talking_to_phone()
    refers(gateway)
    in_call(gateway, "BYE", number=3)
    assert gateway.calls.describe()["calls"] == 1
    answer(gateway, "INVITE", 200, sdp())
    assert told(gateway) == [(100, "active"), (200, "terminated")]
    assert gateway.calls.describe()["transfers"] == 0
    assert not [each for each in gateway.actions if each.action is Action.SESSION_TERMINATE]


def test_a_client_that_nobody_is_left_for_hears_why() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    in_call(gateway, "BYE", number=3)
    answer(gateway, "INVITE", 486)
    ended = gateway.actions[-1]
    assert ended.action is Action.SESSION_TERMINATE
    assert ended.reason is not None
    assert ended.reason.why is Why.BUSY
    assert told(gateway)[-1] == (486, "terminated")
    assert gateway.calls.describe()["calls"] == 0


def test_a_client_that_hangs_up_ends_both_phones() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    answer(gateway, "INVITE", 180)
    end = Jingle(Action.SESSION_TERMINATE, "s1", reason=Reason(Why.SUCCESS))
    gateway.client_says(end, f"{JULIET}/phone")
    assert gateway.cancelled == [""]
    assert gateway.methods[-1] == "BYE"
    assert gateway.calls.describe()["transfers"] == 0


def test_an_old_phone_that_does_not_hang_up_is_hung_up_on() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    answer(gateway, "INVITE", 200, sdp())
    gateway.now = 7.0
    gateway.calls.on_timer(gateway.now)
    assert gateway.methods[-1] != "BYE"
    assert gateway.calls.next_timer() is not None
    gateway.now = 8.0
    gateway.calls.on_timer(gateway.now)
    assert gateway.methods[-1] == "BYE"
    assert gateway.sent[-1][0].target == f"sip:{JULIET}"
    assert gateway.calls.describe()["transfers"] == 0


def test_a_new_phone_that_rings_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = talking_to_phone()
    monkeypatch.setattr(gateway.calls.jingles, "on_timer", lambda _: None)  # its iqs have answers
    refers(gateway)
    answer(gateway, "INVITE", 180)
    gateway.now = 180.0
    gateway.calls.on_timer(gateway.now)
    assert gateway.cancelled == [""]
    answer(gateway, "INVITE", 487)
    notified(gateway)
    assert told(gateway)[-1] == (487, "terminated")


def test_media_that_fail_for_the_new_phone_leave_the_call_as_it_was() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    notified(gateway)
    gateway.plane.trouble = MediaError(Trouble.UNACCEPTABLE, "no")
    answer(gateway, "INVITE", 200, sdp())
    assert told(gateway)[-1] == (488, "terminated")
    assert gateway.methods[-2:] == ["BYE", "NOTIFY"]
    assert gateway.calls.describe()["calls"] == 1


def test_silence_of_the_old_phone_does_not_end_the_call_while_another_rings() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    call = gateway.plane.calls[0]
    gateway.calls.on_media(Lost(call, Side.SIP, Trouble.SILENCE, "nothing"), 60.0)
    assert gateway.calls.describe()["calls"] == 1
    answer(gateway, "INVITE", 486)
    assert gateway.calls.describe()["calls"] == 0


def test_a_phone_that_changes_its_call_meanwhile_hears_that_another_change_is_under_way() -> None:
    gateway, _ = talking_to_client()
    refers(gateway)
    gateway.phone_says(body=sdp("sendonly", 2), number=3)
    assert gateway.responses[-1].status == 491


def test_what_a_notification_meets_does_not_end_the_call() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    answer(gateway, "NOTIFY", 481)
    answer(gateway, "INVITE", 200, sdp())
    assert told(gateway) == [(100, "active")]
    assert gateway.calls.describe()["calls"] == 1


def test_a_transfer_to_whom_the_user_could_not_call_is_refused() -> None:
    gateway = talking_to_phone()
    gateway.reaches = lambda host: host != "pstn.example"
    refers(gateway, [("Refer-To", "<sip:+19005550100@pstn.example>")])
    notified(gateway)
    assert told(gateway)[-1] == (403, "terminated")
    assert len(invites(gateway)) == 1
    assert gateway.calls.describe()["calls"] == 1


@pytest.mark.parametrize(
    ("target", "called"),
    [
        ("sip:200@192.0.2.50:5062;transport=tcp", "sip:200@sip.example"),
        ("sip:d@[::1]", "sip:d@sip.example"),
    ],
)
def test_whoever_is_named_by_an_address_is_called_at_the_referrers_domain(
    target: str, called: str
) -> None:
    """Whose addresses these are nobody tells: a Contact of the referrer's proves nothing."""
    gateway = talking_to_phone()
    gateway.reaches = lambda _: False
    refers(gateway, [("Refer-To", f"<{target}>")])
    assert invites(gateway)[-1].target == called


def test_a_client_that_goes_on_with_another_device_ends_the_transfer() -> None:
    gateway = talking_to_phone()
    refers(gateway)
    notified(gateway)
    gateway.client_says(Initiation(Initiating.PROPOSE, "s2", (Rtp("audio"),)))
    assert told(gateway)[-1] == (487, "terminated")
    begin = Jingle(Action.SESSION_INITIATE, "s2", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{JULIET}/phone")
    assert gateway.actions[-1].action is Action.SESSION_ACCEPT
    assert gateway.calls.describe()["calls"] == 1


def test_a_transfer_waits_for_the_dns() -> None:
    gateway = talking_to_phone()
    known: list[bool | None] = [None]
    gateway.reaches = lambda _: known[0]
    refers(gateway, [("Refer-To", "<sip:dave@other.example>")])
    assert len(invites(gateway)) == 1
    known[0] = True
    gateway.calls.learned(1.0)
    assert invites(gateway)[-1].target == "sip:dave@other.example"

    late = talking_to_phone()
    late.reaches = lambda _: None
    refers(late, [("Refer-To", "<sip:dave@other.example>")])
    notified(late)
    late.now = 10.0
    late.calls.on_timer(late.now)
    assert told(late)[-1] == (504, "terminated")
    assert late.calls.describe()["transfers"] == 0


def redirects(gateway: Gateway, *contacts: str) -> None:
    asked, handle = [each for each in gateway.sent if each[0].method == "INVITE"][-1]
    moved = [("Contact", each) for each in contacts]
    response = response_to(asked, 302, "", moved, b"", "carol")
    gateway.calls.on_response(cast("SessionHandle", handle), response, gateway.now)


def test_a_new_phone_that_is_elsewhere_is_called_there(gateway: Gateway) -> None:
    """RFC 3261 §8.1.3.4, by the rules of any call."""
    before = len(invites(gateway))
    refers(gateway, [REFER_TO, ("Referred-By", f"<sip:{JULIET}>")])
    notified(gateway)
    redirects(gateway, "<sip:mail@one.example>;q=0.1", "<sip:carol@192.0.2.9:5062>")
    made = invites(gateway)[before:]
    assert [each.target for each in made] == [CAROL, "sip:carol@192.0.2.9:5062"]
    assert str(made[1].to.uri) == CAROL
    assert made[1].get("Referred-By") == f"<sip:{JULIET}>"
    answer(gateway, "INVITE", 486)
    assert invites(gateway)[-1].target == "sip:mail@one.example"
    assert told(gateway) == [(100, "active")]
    answer(gateway, "INVITE", 200, sdp())
    assert told(gateway)[-1] == (200, "terminated")


@pytest.mark.parametrize("contact", ["<sip:+19005550100@pstn.example>", f"<{CAROL}>", "<tel:+1>"])
def test_a_new_phone_that_may_not_be_called_elsewhere(gateway: Gateway, contact: str) -> None:
    gateway.reaches = lambda host: host != "pstn.example"
    before = len(invites(gateway))
    refers(gateway)
    notified(gateway)
    redirects(gateway, contact)
    assert told(gateway)[-1] == (302, "terminated")
    assert len(invites(gateway)) == before + 1
    assert gateway.calls.describe()["calls"] == 1


def test_a_redirected_transfer_waits_for_the_dns(gateway: Gateway) -> None:
    known: list[bool | None] = [None]
    gateway.reaches = lambda _: known[0]
    refers(gateway)
    notified(gateway)
    redirects(gateway, "<sip:c@one.example>")
    assert invites(gateway)[-1].target == CAROL
    known[0] = True
    gateway.calls.learned(1.0)
    assert invites(gateway)[-1].target == "sip:c@one.example"
    answer(gateway, "INVITE", 603)
    assert told(gateway)[-1] == (603, "terminated")
    assert gateway.calls.describe()["calls"] == 1


def test_a_redirected_transfer_waits_so_long_and_no_longer(gateway: Gateway) -> None:
    gateway.reaches = lambda _: None
    refers(gateway)
    notified(gateway)
    redirects(gateway, "<sip:c@one.example>")
    assert gateway.calls.next_timer() is not None
    gateway.now = 10.0
    gateway.calls.on_timer(gateway.now)
    assert told(gateway)[-1] == (302, "terminated")


def test_the_new_phone_is_offered_what_the_old_one_took_and_no_more() -> None:
    """The client was told of that alone: it has nothing new to hear."""
    gateway = talking_to_phone()
    assert b"opus" in gateway.sent[0][0].body
    refers(gateway)
    made = invites(gateway)[-1].body
    assert b"PCMU/8000" in made
    assert b"opus" not in made


def test_where_nobody_may_transfer_it_is_603() -> None:
    gateway = talking_to_phone(Gateway(rules=Rules(transfer=False)))
    refers(gateway)
    assert gateway.responses[-1].status == 603
    assert "REFER" not in (gateway.sent[0][0].get("Allow") or "")
