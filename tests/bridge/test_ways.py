"""Which way a SIP user is written to."""

import pytest

from dragoman.bridge.ways import REFUSAL, Policy, Ways
from dragoman.sip.message import build_request

PEER = "juliet@example.com"


def test_by_default_a_session_is_for_who_is_known_to_take_it() -> None:
    ways = Ways(Policy.AUTO)
    assert not ways.prefers_session(PEER, 0.0)
    assert ways.allows_session(PEER, 0.0)
    ways.took(PEER)
    assert ways.prefers_session(PEER, 0.0)


def test_a_refusal_counts_for_an_hour() -> None:
    ways = Ways(Policy.FIRST)
    ways.took(PEER)
    ways.refused(PEER, 10.0)
    assert not ways.allows_session(PEER, 9.0 + REFUSAL)
    assert not ways.prefers_session(PEER, 9.0 + REFUSAL)
    assert ways.prefers_session(PEER, 10.0 + REFUSAL)
    ways.refused(PEER, 10.0)
    ways.took(PEER)
    assert ways.prefers_session(PEER, 11.0)


@pytest.mark.parametrize(
    ("policy", "prefers", "allows"),
    [
        (Policy.AUTO, False, True),
        (Policy.NEVER, False, False),
        (Policy.FIRST, True, True),
    ],
)
def test_the_operator_decides(policy: Policy, prefers: bool, allows: bool) -> None:
    ways = Ways(policy)
    assert (ways.prefers_session(PEER, 0.0), ways.allows_session(PEER, 0.0)) == (prefers, allows)


def test_a_contact_says_that_sessions_are_taken() -> None:
    ways = Ways(Policy.AUTO)
    for contact in ("<sip:juliet@192.0.2.1>", "<sip:juliet@192.0.2.1>;audio"):
        ways.heard(PEER, build_request("SUBSCRIBE", "sip:a@b", [("Contact", contact)]))
        assert not ways.prefers_session(PEER, 0.0)
    contact = '<sip:juliet@192.0.2.1>;audio;message;+sip.instance="x"'
    ways.heard(PEER, build_request("SUBSCRIBE", "sip:a@b", [("Contact", contact)]))
    assert ways.prefers_session(PEER, 0.0)


def test_no_more_users_than_its_bound_are_remembered() -> None:
    ways = Ways(Policy.AUTO, most=2)
    for name in ("a", "b", "c"):
        ways.took(name)
    assert len(ways) == 2
    assert not ways.prefers_session("a", 0.0)
    assert ways.prefers_session("c", 0.0)
