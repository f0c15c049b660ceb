"""Redirection of calls from XMPP (RFC 3261 §8.1.3.4)."""

from typing import TYPE_CHECKING, cast

import pytest

from dragoman.sip.message import response_to
from dragoman.xmpp.ext import jmi
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from tests.bridge.test_calls import JULIET, Gateway, sdp

if TYPE_CHECKING:
    from dragoman.sip.session import SessionHandle


def calling() -> Gateway:
    gateway = Gateway()
    gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    return gateway


def redirects(gateway: Gateway, *contacts: str, status: int = 302) -> None:
    asked, handle = gateway.sent[-1]
    headers = [("Contact", each) for each in contacts]
    response = response_to(asked, status, "", headers, b"", "tag2")
    gateway.calls.on_response(cast("SessionHandle", handle), response, gateway.now)


def targets(gateway: Gateway) -> list[str]:
    return [each.target for each, _ in gateway.sent if each.method == "INVITE"]


def reason(gateway: Gateway) -> Reason | None:
    last = jmi.initiation(gateway.stanzas[-1]) if gateway.stanzas else None
    return None if last is None else last.reason


def test_the_best_contact_is_called_first_and_the_next_where_that_fails() -> None:
    gateway = calling()
    redirects(gateway, "<sip:a@one.example>;q=0.5, <sip:b@two.example>;q=0.9")
    assert targets(gateway) == [f"sip:{JULIET}", "sip:b@two.example"]
    assert str(gateway.sent[-1][0].to.uri) == f"sip:{JULIET}"
    gateway.phone_answers(486)
    assert targets(gateway)[-1] == "sip:a@one.example"
    gateway.phone_answers(200, sdp())
    assert gateway.steps == ["proceed"]


def test_the_answer_of_the_last_is_what_the_client_hears() -> None:
    gateway = calling()
    redirects(gateway, "<sip:a@one.example>")
    gateway.phone_answers(486)
    found = reason(gateway)
    assert found is not None
    assert found.why is Why.BUSY
    assert gateway.calls.describe()["calls"] == 0


def test_nobody_is_called_twice() -> None:
    gateway = calling()
    redirects(gateway, "<sip:a@one.example>")
    redirects(gateway, f"<sip:{JULIET}>", "<sip:a@one.example>")
    assert targets(gateway) == [f"sip:{JULIET}", "sip:a@one.example"]
    assert gateway.calls.describe()["calls"] == 0


def test_a_call_is_redirected_so_often_and_no_more() -> None:
    gateway = calling()
    for n in range(10):
        if gateway.calls.describe()["calls"]:
            redirects(gateway, f"<sip:a@host{n}.example>")
    assert len(targets(gateway)) == 1 + 5
    assert gateway.calls.describe()["calls"] == 0


@pytest.mark.parametrize(
    "contact",
    ["<mailto:a@one.example>", "<tel:+15551>", "<>", "<sip:a@premium.example>", "*"],
)
def test_whom_nobody_is_redirected_to(contact: str) -> None:
    gateway = calling()
    gateway.reaches = lambda host: host != "premium.example"
    redirects(gateway, contact)
    assert targets(gateway) == [f"sip:{JULIET}"]
    assert gateway.calls.describe()["calls"] == 0


@pytest.mark.parametrize(
    ("contact", "called"),
    [("<sip:juliet@192.0.2.50:5062>", True), ("<sip:+19005550100@192.0.2.50>", False)],
)
def test_a_device_of_the_user_by_its_address(contact: str, called: bool) -> None:
    gateway = calling()
    gateway.reaches = lambda _: False
    redirects(gateway, contact)
    assert len(targets(gateway)) == 1 + called


def test_whoever_declines_everywhere_is_called_nowhere_else() -> None:
    gateway = calling()
    redirects(gateway, "<sip:a@one.example>", "<sip:b@two.example>")
    gateway.phone_answers(603)
    assert targets(gateway) == [f"sip:{JULIET}", "sip:a@one.example"]
    assert gateway.calls.describe()["calls"] == 0


def test_the_dns_is_waited_for() -> None:
    gateway = calling()
    known: list[bool | None] = [None]
    gateway.reaches = lambda _: known[0]
    redirects(gateway, "<sip:a@one.example>")
    assert targets(gateway) == [f"sip:{JULIET}"]
    known[0] = True
    gateway.calls.learned(1.0)
    assert targets(gateway)[-1] == "sip:a@one.example"
    assert gateway.calls.redirects.next_timer() is None

    late = calling()
    late.reaches = lambda _: None
    redirects(late, "<sip:a@one.example>")
    late.now = 10.0
    late.calls.on_timer(late.now)
    assert late.calls.describe()["calls"] == 0
    assert late.calls.redirects.next_timer() is None


def test_a_client_that_gives_up_meanwhile() -> None:
    gateway = calling()
    gateway.reaches = lambda _: None
    redirects(gateway, "<sip:a@one.example>")
    gateway.client_says(Initiation(Step.RETRACT, "s1", reason=Reason(Why.CANCEL)))
    gateway.reaches = lambda _: True
    gateway.calls.learned(1.0)
    assert targets(gateway) == [f"sip:{JULIET}"]
    assert gateway.calls.redirects.next_timer() is None
