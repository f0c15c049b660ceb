"""What calls say in SIP, and what clients hear of it: SIPp at one end, Chromium at the other.

SIPp is the only server of udp.sipp.example: the gateway's transactions are with SIPp itself.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.peers import callers
from tests.peers.callers import ALICE
from tests.peers.hosts import Program
from tests.peers.scenario import DOMAIN, Sipp

browsers, client, talker = callers.browsers, callers.client, callers.talker

PHONE = f"sipp@{DOMAIN}"
Scene = Callable[..., Sipp]


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[Scene]:
    """Start SIPp with a scenario; with `to`, it calls."""
    numbers = count(1)

    def started(scenario: str, to: str = "", calls: int = 1) -> Sipp:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return stack.enter_context(Sipp(folder, scenario, to, calls))

    with ExitStack() as stack:
        yield started


def heard(client: Program, event: str) -> int:
    """Return how often a client heard of something."""
    return sum(each["event"] == event for each in client.events())


def hangs_up(client: Program, phone: Sipp) -> str:
    """Have a client hang up once it is connected; return what SIPp saw."""
    client.hears(event="dtls", state="connected")
    client.tell("hangup")
    return phone.succeeds()


# -- a client calls -------------------------------------------------------------------------------


@pytest.mark.spec("MED-19")
@pytest.mark.spec("MED-20")
def test_early_media_ring_and_are_no_answer(sipp: Scene, talker: Program) -> None:
    phone = sipp("""
        < INVITE
          body: m=audio
        > 180
        > 183
          sdp
        > 180
        pause 1500
        > 200
          sdp
        < ACK
        < BYE
          Reason: Q.850;cause=16
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    talker.hears(event="ringing")
    rang = time.monotonic()
    talker.hears(event="proceed")
    assert time.monotonic() - rang > 0.7
    hangs_up(talker, phone)
    assert heard(talker, "ringing") == 1


@pytest.mark.spec("MED-20")
@pytest.mark.spec("MED-21")
def test_a_reliable_answer_is_kept_for_a_200_without_one(sipp: Scene, talker: Program) -> None:
    phone = sipp("""
        < INVITE
          Supported: 100rel
        > 183
          Require: 100rel
          RSeq: 7
          sdp
        < PRACK
          RAck: 7 1 INVITE
        > 200 last
        > 200
        < ACK
        < BYE
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    hangs_up(talker, phone)


@pytest.mark.spec("MED-19")
def test_the_second_branch_of_a_fork_that_answers_is_hung_up(sipp: Scene, talker: Program) -> None:
    phone = sipp("""
        < INVITE
        > 180 tag=a
        > 180 tag=b
        > 200 tag=b
          sdp
        < ACK
          To: tag=.*b
        > 200 tag=a
          sdp
        < ACK
          To: tag=.*a
        < BYE
          To: tag=.*a
        > 200 last
        < BYE
          To: tag=.*b
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    hangs_up(talker, phone)
    assert (heard(talker, "ringing"), heard(talker, "proceed")) == (1, 1)


@pytest.mark.spec("MED-18")
def test_a_client_that_hangs_up_before_the_answer_cancels(sipp: Scene, talker: Program) -> None:
    """RFC 3261 §9.1: not before a provisional response has come."""
    phone = sipp("""
        < INVITE
        pause 700
        > 100
        < CANCEL
        > 200 last
        > 487
        < ACK
    """)
    talker.tell(f"call {PHONE}")
    phone.sees("INVITE")
    talker.tell("hangup")
    phone.succeeds()


def test_a_phone_picks_a_call_up_that_rings_at_another(sipp: Scene, talker: Program) -> None:
    """RFC 3891 §3: 200 for the new one, CANCEL for the one that rings."""
    ringing = sipp("""
        < INVITE
          Supported: replaces
        > 180
        < CANCEL
          Reason: SIP;cause=200
        > 200 last
        > 487
        < ACK
    """)
    talker.tell(f"call {PHONE}")
    talker.hears(event="ringing")
    *_, rang = Sipp.messages(ringing.seen())
    call_id, ours, theirs = (
        found[1]
        for found in (
            re.search(r"^Call-ID: *(\S+)", rang.text, re.MULTILINE),
            re.search(r"^From:.*;tag=([^;\s]+)", rang.text, re.MULTILINE),
            re.search(r"^To:.*;tag=([^;\s]+)", rang.text, re.MULTILINE),
        )
        if found is not None
    )
    other = sipp(
        f"""
        > INVITE
          Replaces: {call_id};to-tag={ours};from-tag={theirs};early-only
          Require: replaces
          sdp
        < 100?
        < 200
          body: m=audio [1-9][0-9]* RTP/AVP 0
        > ACK
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    hangs_up(talker, other)
    ringing.succeeds()
    assert heard(talker, "proceed") == 1


@pytest.mark.spec("MED-18")
def test_an_answer_that_crosses_a_cancel_is_hung_up(sipp: Scene, talker: Program) -> None:
    phone = sipp("""
        < INVITE
        > 180
        < CANCEL
        > 200 last
        > 200
          sdp
        < ACK
        < BYE
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    talker.hears(event="ringing")
    talker.tell("hangup")
    phone.succeeds()
    assert heard(talker, "proceed") == 0


@pytest.mark.spec("MED-17")
@pytest.mark.parametrize(
    ("status", "reason", "calls"),
    [
        (404, "gone", 1),
        (408, "timeout", 1),
        (480, "gone", 1),
        (486, "busy", 1),
        (488, "incompatible-parameters", 4),
        (500, "general-error", 1),
        (603, "decline", 1),
    ],
)
def test_a_refusal_has_its_reason(
    sipp: Scene, talker: Program, status: int, reason: str, calls: int
) -> None:
    """What cannot be taken in one way is offered in another: four times, after a 488."""
    phone = sipp(f"< INVITE\n> {status}\n< ACK", calls=calls)
    talker.tell(f"call {PHONE}")
    talker.hears(event="reject", sender=PHONE, reason=reason)
    phone.succeeds()


@pytest.mark.spec("MED-17")
def test_a_phone_that_hangs_up_may_say_why(sipp: Scene, talker: Program) -> None:
    phone = sipp("""
        < INVITE
        > 200
          sdp
        < ACK
        pause 500
        > BYE
          Reason: Q.850;cause=41
        < 200
    """)
    talker.tell(f"call {PHONE}")
    talker.hears(event="terminated", reason="connectivity-error")
    phone.succeeds()


@pytest.mark.spec("MED-15")
def test_two_offers_that_cross_are_both_refused_and_ours_is_made_again(
    sipp: Scene, talker: Program
) -> None:
    """RFC 3261 §14.1, §14.2."""
    phone = sipp("""
        < INVITE
        > 200
          sdp
        < ACK
        < INVITE
          body: a=sendonly
        > INVITE
          sdp
        < 100?
        < 491
        > ACK
        > 491 invite=2
        < ACK
        < INVITE
          body: a=sendonly
        > 200 last
          sdp recvonly
        < ACK
        < BYE
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    talker.hears(event="dtls", state="connected")
    talker.tell("hold")
    phone.sees("a=recvonly")
    talker.tell("hangup")
    phone.succeeds()


@pytest.mark.spec("MED-14")
def test_a_phone_that_offers_before_the_client_does_is_to_wait(
    sipp: Scene, talker: Program
) -> None:
    phone = sipp("""
        < INVITE
        > 200
          sdp
        < ACK
        > INVITE
          sdp sendonly
        < 100?
        < 491
        > ACK
        pause 1500
        > INVITE
          sdp sendonly
        < 100?
        < 200
          body: a=recvonly
        > ACK
        < BYE
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    talker.hears(event="hold")
    hangs_up(talker, phone)


@pytest.mark.spec("MED-22")
def test_a_phone_refreshes_its_session(sipp: Scene, talker: Program) -> None:
    """RFC 4028 §7.2, §9: by UPDATE, or by an INVITE that says the same."""
    phone = sipp("""
        < INVITE
          Supported: timer
          Session-Expires: 1800
        > 200
          Require: timer
          Session-Expires: 90;refresher=uas
          sdp
        < ACK
        > UPDATE
          Supported: timer
          Session-Expires: 90;refresher=uac
        < 200
          Session-Expires: 90;refresher=uac
          Require: timer
        pause 1500
        > INVITE
          Supported: timer
          Session-Expires: 90;refresher=uac
          sdp
        < 100?
        < 200
          Session-Expires: 90;refresher=uac
          body: m=audio
        > ACK
        < BYE
        > 200 last
    """)
    talker.tell(f"call {PHONE}")
    phone.sees("CSeq: 2 ACK")
    hangs_up(talker, phone)


# -- a phone calls --------------------------------------------------------------------------------


@pytest.mark.spec("MED-37")
def test_a_phone_that_offers_nothing_is_offered_something(sipp: Scene, talker: Program) -> None:
    phone = sipp(
        """
        > INVITE
        < 100?
        < 180
        < 200
          body: m=audio [1-9].* 0
        > ACK
          sdp
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    talker.hears(event="propose", sender=f"{PHONE}/phone")
    hangs_up(talker, phone)


@pytest.mark.spec("MED-02")
def test_what_is_lost_is_said_again(sipp: Scene, talker: Program) -> None:
    """RFC 3261 §17.2.1: something comes before T1; §13.3.1.4: 200 until the ACK."""
    phone = sipp(
        """
        > INVITE
          sdp
        > INVITE again
          sdp
        < 100?
        < 180
        < 200
        pause 1200
        > ACK
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    talker.hears(event="dtls", state="connected")
    time.sleep(1.2)
    messages = list(Sipp.messages(hangs_up(talker, phone)))
    assert heard(talker, "propose") == 1
    answers = [each for each in messages if each.came and "CSeq: 1 INVITE" in each.text]
    assert answers[0].at - messages[0].at < 0.45
    assert sum(each.text.startswith("SIP/2.0 200 ") for each in answers) >= 2


@pytest.mark.spec("MED-21")
def test_a_phone_that_wants_to_be_sure_that_it_rings(sipp: Scene, talker: Program) -> None:
    phone = sipp(
        """
        > INVITE
          Require: 100rel
          sdp
        < 100?
        < 180
          Require: 100rel
          keep rseq RSeq: [0-9]+
        > PRACK
          RAck: [$rseq] 1 INVITE
        < 200
        < 200
          body: m=audio
        > ACK
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    hangs_up(talker, phone)


@pytest.mark.spec("MED-22")
def test_a_phone_that_calls_refreshes_its_session(sipp: Scene, talker: Program) -> None:
    phone = sipp(
        """
        > INVITE
          Supported: timer
          Session-Expires: 90;refresher=uac
          sdp
        < 100?
        < 180
        < 200
          Session-Expires: 90;refresher=uac
          Require: timer
        > ACK
        > UPDATE
          Supported: timer
          Session-Expires: 90;refresher=uac
        < 200
          Session-Expires: 90;refresher=uac
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    hangs_up(talker, phone)


@pytest.mark.spec("MED-28")
def test_digits_of_info_are_heard(sipp: Scene, talker: Program) -> None:
    phone = sipp(
        """
        > INVITE
          sdp events
        < 100?
        < 180
        < 200
        > ACK
        pause 1500
        > INFO
          says application/dtmf-relay Signal=5|Duration=300
        < 200
        > INFO
          says text/plain 5
        < 415
          Accept: application/dtmf-relay
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    talker.hears(event="digit", digit="5")
    phone.sees("SIP/2.0 415")
    talker.tell("hangup")
    phone.succeeds()


@pytest.mark.spec("MED-34")
@pytest.mark.spec("MED-35")
def test_what_nobody_knows_is_refused_alone(sipp: Scene, talker: Program) -> None:
    phone = sipp(
        """
        > INVITE
          X-Strange: yes
          sdp
          line a=strange:thing
          line m=image 6002 udptl t38
          line i=a picture
          line m=application 6004 TCP/MSRP *
        < 100?
        < 180
        < 200
          body: m=audio [1-9]
          body: m=image 0 udptl t38
          body: m=application 0
        > ACK
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    hangs_up(talker, phone)


@pytest.mark.spec("MED-14")
@pytest.mark.spec("MED-15")
def test_a_phone_holds_by_update_and_asks_for_an_offer(sipp: Scene, talker: Program) -> None:
    """RFC 3311 §5.2; RFC 3261 §14.2; a change that is refused leaves the call as it was."""
    phone = sipp(
        """
        > INVITE
          sdp
        < 100?
        < 180
        < 200
        > ACK
        > UPDATE
          sdp sendonly
        < 200
          body: a=recvonly
        > INVITE
        < 100?
        < 200
          body: m=audio [1-9]
        > ACK
          sdp
        > INVITE
          says application/sdp v=0|o=- 1 9 IN IP4 0.0.0.0|s=-|t=0 0|m=image 6002 udptl t38
        < 100?
        < 488
        > ACK
        > OPTIONS
        < 200
        < BYE
        > 200 last
    """,
        to=ALICE,
    )
    talker.hears(event="hold")
    talker.hears(event="resumed")
    phone.sees("CSeq: [0-9] OPTIONS")
    hangs_up(talker, phone)


def test_what_is_of_no_call_is_refused(sipp: Scene, talker: Program) -> None:
    """RFC 3261 §9.2, §12.2.2."""
    phone = sipp(
        """
        > BYE
        < 481
        > UPDATE
          sdp
        < 481
    """,
        to=ALICE,
    )
    phone.succeeds()


@pytest.mark.spec("MED-22")
@pytest.mark.parametrize(
    ("asked", "status", "answer"),
    [
        ("Session-Expires: 60\n  Supported: timer", 422, "Min-SE: 90"),
        ("Require: foo", 420, "Unsupported: foo"),
    ],
)
def test_what_a_phone_asks_too_much_is_refused(
    sipp: Scene, talker: Program, asked: str, status: int, answer: str
) -> None:
    phone = sipp(f"> INVITE\n  {asked}\n  sdp\n< 100?\n< {status}\n  {answer}\n> ACK", to=ALICE)
    phone.succeeds()
    assert heard(talker, "propose") == 0


@pytest.mark.spec("MED-18")
@pytest.mark.spec("MED-23")
def test_a_phone_that_hangs_up_before_the_answer_retracts(sipp: Scene, talker: Program) -> None:
    talker.tell("manual")
    phone = sipp(
        """
        > INVITE
          sdp
        < 100?
        < 180
        > CANCEL
        < 200
        < 487
        > ACK
    """,
        to=ALICE,
    )
    talker.hears(event="retract", sender=f"{PHONE}/phone", reason="cancel")
    phone.succeeds()


@pytest.mark.spec("MED-17")
@pytest.mark.spec("MED-23")
@pytest.mark.parametrize(("reason", "status"), [("busy", 486), ("decline", 603)])
def test_a_client_refuses(sipp: Scene, talker: Program, reason: str, status: int) -> None:
    talker.tell("manual")
    phone = sipp(f"> INVITE\n  sdp\n< 100?\n< 180\n< {status}\n> ACK", to=ALICE)
    talker.hears(event="propose")
    talker.tell(f"reject {reason}")
    phone.succeeds()
