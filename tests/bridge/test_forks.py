"""What comes before an answer, and more than one of them (RFC 3261 §13.2.2.4, RFC 3262, STOX-M)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest

from dragoman.sip.message import Header, Request, response_to
from dragoman.xmpp.ext.jingle import Action, Jingle
from dragoman.xmpp.ext.jingle_rtp import Rtp
from dragoman.xmpp.ext.jmi import Initiation, Step
from tests.bridge.test_calls import CLIENT, JULIET, OPUS, PCMU, Gateway, audio, sdp

if TYPE_CHECKING:
    from dragoman.sip.session import SessionHandle

PHONE = f"{JULIET}/phone"
BEGIN = Jingle(Action.SESSION_INITIATE, "s1", (audio(OPUS, PCMU),), initiator=CLIENT)
RELIABLE = [("Require", "100rel"), ("RSeq", "1")]


class Fork(Gateway):
    """A gateway whose INVITE several phones get."""

    def branch_says(
        self, tag: str, status: int, body: bytes = b"", headers: Sequence[Header] = ()
    ) -> None:
        """Have the phone with that tag answer our first INVITE."""
        invite, handle = self.sent[0]
        said = [("Contact", f"<sip:{tag}@sip.example>"), *headers]
        said += [("Content-Type", "application/sdp")] if body else []
        response = response_to(invite, status, "", said, body, tag)
        self.calls.on_response(cast("SessionHandle", handle), response, self.now)

    def sent_to(self, tag: str) -> list[Request]:
        """Return what one of the phones got of us after its answer."""
        return [request for request, _ in self.sent if request.to.tag == tag]


@pytest.fixture(params=["proposed", "at once"])
def fork(request: pytest.FixtureRequest) -> Fork:
    """A client calls, by XEP-0353 or by session-initiate."""
    gateway = Fork()
    if request.param == "proposed":
        gateway.client_says(Initiation(Step.PROPOSE, "s1", (Rtp("audio"),)))
    else:
        gateway.client_says(BEGIN, PHONE)
    return gateway


def rang(gateway: Gateway) -> int:
    """Return how often the client was told that the phone rings."""
    told = [each for each in gateway.actions if each.info is not None]
    names = [each.info.local_name for each in told if each.info is not None]
    return gateway.steps.count("ringing") + names.count("ringing")


def accepted(gateway: Gateway) -> int:
    """Return how often the client was told that the phone answered."""
    accepts = [each.action for each in gateway.actions].count(Action.SESSION_ACCEPT)
    return max(accepts, gateway.steps.count("proceed"))


@pytest.mark.spec("MED-19")
def test_only_the_first_18x_of_a_fork_rings(fork: Fork) -> None:
    for tag, status in [("a", 180), ("b", 180), ("b", 183), ("a", 181), ("c", 180)]:
        fork.branch_says(tag, status)
    assert (rang(fork), accepted(fork)) == (1, 0)


@pytest.mark.spec("MED-19")
def test_only_the_first_2xx_of_a_fork_is_the_answer(fork: Fork) -> None:
    """The phone that was later is acknowledged and hung up; the client hears nothing of it."""
    fork.branch_says("a", 180)
    fork.branch_says("b", 200, sdp())
    fork.branch_says("a", 200, sdp(version=7))
    assert [each.method for each in fork.sent_to("b")] == ["ACK"]
    assert [each.method for each in fork.sent_to("a")] == ["ACK", "BYE"]
    assert {each.target for each in fork.sent_to("a")} == {"sip:a@sip.example"}
    assert accepted(fork) == 1
    if not fork.actions:
        fork.client_says(BEGIN, PHONE)
    assert [each.action for each in fork.actions].count(Action.SESSION_ACCEPT) == 1
    assert Action.SESSION_TERMINATE not in [each.action for each in fork.actions]
    assert fork.calls.describe()["calls"] == 1


@pytest.mark.spec("MED-19")
def test_a_2xx_that_comes_again_is_acknowledged_again_and_no_more(fork: Fork) -> None:
    for tag in ("b", "a", "b", "a"):
        fork.branch_says(tag, 200, sdp())
    assert [each.method for each in fork.sent_to("b")] == ["ACK", "ACK"]
    assert [each.method for each in fork.sent_to("a")] == ["ACK", "BYE", "ACK"]
    assert accepted(fork) == 1


@pytest.mark.spec("MED-20")
def test_early_media_ring_and_are_no_answer(fork: Fork) -> None:
    fork.branch_says("a", 183, sdp())
    assert (rang(fork), accepted(fork)) == (1, 0)
    fork.branch_says("a", 183, sdp("sendonly", 2))
    assert (rang(fork), accepted(fork)) == (1, 0)
    assert [side for _, side in fork.plane.asked] == [fork.plane.asked[0][1]]
    fork.branch_says("a", 200, sdp())
    assert accepted(fork) == 1


@pytest.mark.spec("MED-20")
def test_a_reliable_answer_is_kept_for_a_2xx_without_one(fork: Fork) -> None:
    fork.branch_says("a", 183, sdp().replace(b"4000", b"4444"), RELIABLE)
    assert [each.method for each in fork.sent_to("a")] == ["PRACK"]
    assert (rang(fork), accepted(fork)) == (1, 0)
    fork.branch_says("a", 200)
    if not fork.actions:
        fork.client_says(BEGIN, PHONE)
    assert [each.action for each in fork.actions][-1] is Action.SESSION_ACCEPT
    (call,) = fork.calls._calls.values()
    assert call.phone is not None
    assert [each.port for each in call.phone.media] == [4444]


@pytest.mark.spec("MED-20")
def test_the_answer_of_another_branch_is_not_kept(fork: Fork) -> None:
    """A 2xx without an answer, whose own phone gave none before, is none."""
    fork.branch_says("b", 183, sdp(), RELIABLE)
    fork.branch_says("a", 200)
    assert [each.method for each in fork.sent_to("a")] == ["ACK", "BYE"]
    assert accepted(fork) == 0


@pytest.mark.spec("MED-20")
def test_what_an_unreliable_18x_shows_is_no_answer(fork: Fork) -> None:
    """RFC 6337 §3.1.1: the answer is the 2xx's, and one without it is none."""
    fork.branch_says("a", 183, sdp())
    fork.branch_says("a", 200)
    assert [each.method for each in fork.sent_to("a")] == ["ACK", "BYE"]
    assert accepted(fork) == 0
