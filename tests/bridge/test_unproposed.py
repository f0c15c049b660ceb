"""Devices that hear no proposal: found by presence, called when nobody rings (XEP-0166 §6.1)."""

from dataclasses import replace

import pytest

from dragoman.bridge.abilities import PATIENCE
from dragoman.bridge.unproposed import ELSEWHERE, LONGEST, MOST_DEVICES, MOST_PAIRS, WAIT
from dragoman.media.plane import JINGLE, PLAIN, Profile
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import jingle, jingle_dtls, jingle_rtp, jmi
from dragoman.xmpp.ext.disco import Info
from dragoman.xmpp.ext.jingle import Action, Jingle, Reason, Why
from dragoman.xmpp.ext.jingle_features import CALLS
from dragoman.xmpp.ext.jmi import Initiation, Step
from dragoman.xmpp.stanza import PRESENCE, reply
from tests.bridge.test_calls import CLIENT, JULIET, PCMU, Gateway, audio, sdp

DEVICE = f"{JULIET}/phone"
OLD = frozenset({jingle.NS, jingle_rtp.NS, jingle_dtls.NS})


def told(gateway: Gateway, sender: str = CLIENT, kind: str = "", to: str = JULIET) -> None:
    """Have a device tell a SIP user that it is there."""
    named = {"from": sender, "to": to} | ({"type": kind} if kind else {})
    gateway.calls.unproposed.heard(Element(PRESENCE, named))


def asking() -> Gateway:
    """Return a gateway whose devices answer when they are told to."""
    gateway = Gateway()
    gateway.features = None
    return gateway


def answered(gateway: Gateway, features: frozenset[str] = OLD) -> None:
    """Have the device that was asked first say what it can do."""
    request = gateway.questions.pop(0)
    answer = reply(request, (Info(features=features).query(),))
    assert gateway.calls.on_stanza(answer, gateway.now)


def waited(gateway: Gateway) -> None:
    gateway.now += WAIT
    gateway.calls.on_timer(gateway.now)


def calling(features: frozenset[str] = OLD) -> Gateway:
    """A phone calls a user with a device, and nobody has rung."""
    gateway = asking()
    told(gateway)
    gateway.phone_says(body=sdp())
    answered(gateway, features)
    waited(gateway)
    return gateway


def initiated(gateway: Gateway) -> list[Jingle]:
    return [each for each in gateway.actions if each.action is Action.SESSION_INITIATE]


def accepting(sid: str) -> Jingle:
    return Jingle(Action.SESSION_ACCEPT, sid, (audio(PCMU),), responder=CLIENT)


def test_a_device_that_hears_no_proposal_is_called() -> None:
    gateway = calling()
    (begun,) = initiated(gateway)
    assert gateway.stanzas[-1].get("to") == CLIENT
    assert begun.sid != gateway.sid()
    gateway.client_says(accepting(begun.sid), DEVICE)
    assert gateway.statuses == [200]
    assert gateway.steps == ["propose", "retract"]
    last = [found for each in gateway.stanzas if (found := jmi.initiation(each)) is not None][-1]
    assert last.reason == ELSEWHERE


@pytest.mark.parametrize("features", [OLD | {jmi.NS}, frozenset({jingle.NS}), frozenset()])
def test_any_other_is_not(features: frozenset[str]) -> None:
    assert initiated(calling(features)) == []


def test_who_tells_no_presence_is_asked_nothing() -> None:
    gateway = asking()
    told(gateway, to="nurse@sip.example")
    told(gateway)
    told(gateway, kind="unavailable")
    gateway.phone_says(body=sdp())
    assert gateway.questions == []
    waited(gateway)
    assert initiated(gateway) == []


def test_where_a_device_rings_no_other_is_called() -> None:
    gateway = asking()
    told(gateway)
    gateway.phone_says(body=sdp())
    answered(gateway)
    gateway.client_says(Initiation(Step.RINGING, gateway.sid()), DEVICE)
    waited(gateway)
    assert initiated(gateway) == []


def test_a_device_that_proceeds_later_has_the_call_and_others_end() -> None:
    gateway = calling()
    gateway.client_says(Initiation(Step.PROCEED, gateway.sid()), DEVICE)
    answered(gateway, CALLS)
    first, second = initiated(gateway)
    ended = [each for each in gateway.actions if each.action is Action.SESSION_TERMINATE]
    assert [(each.sid, each.reason) for each in ended] == [(first.sid, ELSEWHERE)]
    assert second.sid == gateway.sid()
    gateway.client_says(accepting(second.sid), DEVICE)
    assert gateway.statuses == [200]


@pytest.mark.parametrize("why", [Why.UNSUPPORTED_APPLICATIONS, Why.TIMEOUT])
def test_a_device_that_cannot_leaves_the_rest_to_ring(why: Why) -> None:
    gateway = calling()
    (begun,) = initiated(gateway)
    end = Jingle(Action.SESSION_TERMINATE, begun.sid, reason=Reason(why))
    gateway.client_says(end, DEVICE)
    assert gateway.statuses == []
    gateway.client_says(Initiation(Step.RINGING, gateway.sid()), DEVICE)
    assert gateway.statuses == [180]


def test_a_user_who_declines_declines_for_all_of_his_devices() -> None:
    gateway = calling()
    (begun,) = initiated(gateway)
    end = Jingle(Action.SESSION_TERMINATE, begun.sid, reason=Reason(Why.DECLINE))
    gateway.client_says(end, DEVICE)
    assert gateway.statuses == [603]
    assert gateway.steps == ["propose", "retract"]
    assert gateway.calls.describe()["calls"] == 0


def test_a_caller_who_gives_up_gives_up_everywhere() -> None:
    gateway = calling()
    gateway.client_says(Initiation(Step.REJECT, gateway.sid(), reason=Reason(Why.BUSY)), DEVICE)
    assert gateway.statuses == [486]
    assert gateway.actions[-1].action is Action.SESSION_TERMINATE


@pytest.mark.parametrize(
    ("features", "profile"),
    [(OLD, JINGLE), (OLD - {jingle_dtls.NS}, replace(PLAIN, more=True))],
    ids=["DTLS", "none"],
)
def test_each_is_offered_what_it_has(features: frozenset[str], profile: Profile) -> None:
    gateway = calling(features)
    assert len(initiated(gateway)) == 1
    assert gateway.plane.profiles == [profile]


def test_who_has_dtls_goes_before_who_has_none() -> None:
    """One offer is for all."""
    gateway = asking()
    told(gateway)
    told(gateway, "romeo@xmpp.example/old")
    gateway.phone_says(body=sdp())
    answered(gateway)
    answered(gateway, OLD - {jingle_dtls.NS})
    waited(gateway)
    begun = [each for each in gateway.stanzas if each.find(jingle.JINGLE) is not None]
    assert [each.get("to") for each in begun] == [CLIENT]


def test_who_does_not_say_what_it_can_do_is_not_called() -> None:
    gateway = asking()
    told(gateway)
    gateway.phone_says(body=sdp())
    gateway.now = PATIENCE
    gateway.calls.on_timer(gateway.now)
    gateway.now = WAIT
    gateway.calls.on_timer(gateway.now)
    assert initiated(gateway) == []


def test_only_so_many_devices_are_known() -> None:
    gateway = asking()
    told(gateway, f"romeo@xmpp.example/{'x' * (LONGEST + 1)}")
    assert not len(gateway.calls.unproposed)
    for n in range(MOST_DEVICES + 3):
        told(gateway, f"romeo@xmpp.example/{n}")
    gateway.phone_says(body=sdp())
    assert len(gateway.questions) == MOST_DEVICES
    for n in range(MOST_PAIRS + 3):
        told(gateway, f"u{n}@xmpp.example/x")
    assert len(gateway.calls.unproposed) == MOST_PAIRS
