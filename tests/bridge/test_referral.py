"""A client transfers its phone, with the flows of XEP-0251 and RFC 5589."""

from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

import pytest

from dragoman.bridge.call import Rules
from dragoman.sip.flow import RequestArrived
from dragoman.sip.message import Header, Request, build_request
from dragoman.sip.uri import Uri
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.jingle import Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.ext.transfer import TRANSFERRED, Transfer
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
from tests.bridge.test_transfer import answer

if TYPE_CHECKING:
    from dragoman.sip.endpoint import ServerTransaction

NURSE = "nurse@sip.example"


def transfers(gateway: Gateway, to: str = NURSE, sid: str = "", call: str = "s1") -> None:
    element = Transfer(to, "", sid).element()
    info = Jingle(Action.SESSION_INFO, call, info=element, initiator=CLIENT)
    gateway.client_says(info, f"{JULIET}/phone")


def notifies(gateway: Gateway, status: int, number: int = 1, event: str = "refer") -> int:
    """The phone tells how it goes; return our answer."""
    asked = referred(gateway)
    state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
    said = [
        ("Via", f"SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKnotify{number}"),
        ("From", f"{asked.get('To')}"),
        ("To", asked.get("From") or ""),
        ("Call-ID", asked.call_id),
        ("CSeq", f"{number} NOTIFY"),
        ("Contact", f"<sip:{JULIET}>"),
        ("Event", event),
        ("Subscription-State", state),
        ("Content-Type", "message/sipfrag"),
    ]
    body = f"SIP/2.0 {status} Whatever\r\n".encode()
    return hears(gateway, "NOTIFY", said, body)


def hears(gateway: Gateway, method: str, said: list[Header], body: bytes = b"") -> int:
    arrived = Transaction(build_request(method, f"sip:{ROMEO}", said, body))
    event = RequestArrived(arrived.request, FLOW, cast("ServerTransaction", arrived))
    gateway.calls.on_request(event, Uri.parse(f"sip:{JULIET}"), gateway.now)
    return gateway.statuses[-1]


def referred(gateway: Gateway) -> Request:
    return [each for each, _ in gateway.sent if each.method == "REFER"][-1]


def refers(gateway: Gateway) -> int:
    return sum(each.method == "REFER" for each, _ in gateway.sent)


def ended(gateway: Gateway) -> Reason | None:
    last = gateway.actions[-1]
    return last.reason if last.action is Action.SESSION_TERMINATE else None


def test_an_unattended_transfer() -> None:
    """XEP-0251 §2, RFC 5589 §6.1: REFER, 202, NOTIFY 200, then both legs end."""
    gateway = talking_to_phone()
    transfers(gateway)
    refer = referred(gateway)
    assert refer.get("Refer-To") == f"<sip:{NURSE}>"
    assert refer.get("Referred-By") == f"<sip:{ROMEO}>"
    answer(gateway, "REFER", 202)
    assert notifies(gateway, 100) == 200
    assert gateway.calls.describe()["calls"] == 1
    assert notifies(gateway, 200, 2) == 200
    reason = ended(gateway)
    assert reason is not None
    assert (reason.why, reason.detail) == (Why.SUCCESS, TRANSFERRED)
    assert gateway.methods[-1] == "BYE"
    assert gateway.calls.describe()["calls"] == 0
    assert gateway.calls.referrals.next_timer() is None


def test_an_attended_transfer_replaces_the_call_with_the_other() -> None:
    """XEP-0251 §3: `sid` is the session that the client has with the other."""
    gateway = talking_to_phone()
    gateway.client_says(Initiation(Step.PROPOSE, "s2", (Rtp("audio"),)), NURSE)
    answer(gateway, "INVITE", 200, sdp(), f"sip:{NURSE}")
    begin = Jingle(Action.SESSION_INITIATE, "s2", (audio(OPUS, PCMU),), initiator=CLIENT)
    gateway.client_says(begin, f"{NURSE}/phone")
    assert gateway.calls.describe()["calls"] == 2
    invite = [each for each, _ in gateway.sent if each.method == "INVITE"][-1]
    transfers(gateway, sid="s2")
    target = referred(gateway).get("Refer-To") or ""
    assert target.startswith(f"<sip:{NURSE}?Replaces=")
    named = unquote(target.partition("=")[2].rstrip(">"))
    assert named == f"{invite.call_id};to-tag=carol;from-tag={invite.from_.tag}"


def test_a_phone_that_will_not_be_transferred_goes_on_talking() -> None:
    gateway = talking_to_phone()
    transfers(gateway)
    answer(gateway, "REFER", 603)
    assert gateway.calls.describe()["calls"] == 1
    assert gateway.calls.referrals.next_timer() is None
    transfers(gateway)
    assert refers(gateway) == 2


def test_a_phone_that_does_not_reach_the_other_goes_on_talking() -> None:
    gateway = talking_to_phone()
    transfers(gateway)
    answer(gateway, "REFER", 202)
    assert notifies(gateway, 486) == 200
    assert gateway.calls.describe()["calls"] == 1
    assert ended(gateway) is None
    assert notifies(gateway, 200, 2) == 481


def test_a_phone_that_only_hangs_up_was_transferred() -> None:
    gateway = talking_to_phone()
    transfers(gateway)
    answer(gateway, "REFER", 202)
    asked = referred(gateway)
    said = [
        ("Via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKbye"),
        ("From", f"{asked.get('To')}"),
        ("To", asked.get("From") or ""),
        ("Call-ID", asked.call_id),
        ("CSeq", "1 BYE"),
    ]
    assert hears(gateway, "BYE", said) == 200
    reason = ended(gateway)
    assert reason is not None
    assert (reason.why, reason.detail) == (Why.SUCCESS, TRANSFERRED)


def test_one_at_a_time() -> None:
    gateway = talking_to_phone()
    transfers(gateway)
    transfers(gateway)
    assert refers(gateway) == 1


@pytest.mark.parametrize("to", ["a@b@c", "/x", "@"])
def test_nobody_is_asked_to_call_no_address(to: str) -> None:
    gateway = talking_to_phone()
    transfers(gateway, to)
    assert refers(gateway) == 0
    assert gateway.calls.describe()["calls"] == 1


def test_a_notification_of_something_else() -> None:
    gateway = talking_to_phone()
    transfers(gateway)
    assert notifies(gateway, 200, event="presence") == 489
    assert gateway.calls.describe()["calls"] == 1


def test_a_phone_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = talking_to_phone()
    monkeypatch.setattr(gateway.calls.jingles, "on_timer", lambda _: None)  # its iqs have answers
    transfers(gateway)
    answer(gateway, "REFER", 202)
    gateway.now = 200.0
    gateway.calls.on_timer(gateway.now)
    assert gateway.calls.describe()["calls"] == 1
    assert notifies(gateway, 200) == 481


def test_where_nobody_may_transfer_it_is_not_known() -> None:
    """XEP-0251 §2: feature-not-implemented."""
    gateway = talking_to_phone(Gateway(rules=Rules(transfer=False)))
    transfers(gateway)
    error = gateway.stanzas[-1].find("{jabber:client}error") or gateway.stanzas[-1].elements[-1]
    assert isinstance(error, Element)
    assert error.find("{urn:ietf:params:xml:ns:xmpp-stanzas}feature-not-implemented") is not None
    assert refers(gateway) == 0
