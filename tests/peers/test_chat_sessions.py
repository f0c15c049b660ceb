"""Chat sessions (RFC 7573) between msrplib, with Kamailio for a proxy, and chat clients."""

import os
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.peers.conftest import Start
from tests.peers.hosts import Gateway, Program, fresh, wait_until

ALICE, BOB = "alice@xmpp.example", "bob@jabber.example"
EVERYBODY: Final = pytest.mark.parametrize("jid", [ALICE, BOB], ids=["Prosody", "ejabberd"])

pytestmark = pytest.mark.skipif(
    not os.environ.get("MSRPLIB"),
    reason="MSRPLIB names no folder with msrplib: see tests/lab/peers/msrp_user",
)

Chat = Callable[..., Program]
User = Callable[..., Program]


@pytest.fixture
def msrp(start: Start) -> User:
    """Register a new user of sip.example who takes sessions; his name is in `registered`."""

    def registered(*options: str) -> Program:
        peer = start("carol", "msrp_user", fresh("carol"), "--for", "140", *options)
        peer.hears(event="registered")
        return peer

    return registered


def name_of(user: Program) -> str:
    """Return the address of a SIP user."""
    return str(user.hears(event="registered")["address"]).removeprefix("sip:")


def heard(peer: Program, event: str, **what: Any) -> list[dict[str, Any]]:
    """Return all that a peer has printed of such events."""
    wanted = {"event": event, **what}
    return [each for each in peer.events() if wanted.items() <= each.items()]


def called(user: Program, jid: str) -> None:
    """Have a SIP user begin a session."""
    user.tell(f"call sip:{jid}")
    user.hears(event="connected")


@EVERYBODY
@pytest.mark.spec("MSRP-02", "MSRP-04")
def test_a_sip_user_begins(gateway: Gateway, chat: Chat, msrp: User, jid: str) -> None:
    friend, carol = chat(f"{jid}/lab"), msrp()
    called(carol, jid)
    carol.tell("say wherefore art thou")
    came = friend.hears(event="message", body="wherefore art thou")
    assert (came["type"], came["sender"].partition("/")[0]) == ("chat", name_of(carol))
    friend.tell(f"{came['sender']} by yonder moon")
    carol.hears(event="message", body="by yonder moon")
    carol.tell("bye")
    carol.hears(event="over", by="us")
    assert not heard(friend, "error")


@EVERYBODY
@pytest.mark.spec("MSRP-01", "MSRP-07")
def test_an_xmpp_user_goes_on_where_a_session_was(
    gateway: Gateway, chat: Chat, msrp: User, jid: str
) -> None:
    friend, carol = chat(f"{jid}/lab", "--notify"), msrp()
    called(carol, jid)
    carol.tell("say good morrow")
    friend.hears(event="message", body="good morrow")
    carol.tell("bye")
    carol.hears(event="over")
    friend.hears(event="chat state", state="gone")
    friend.tell(f"{name_of(carol)} is the day so young")
    carol.hears(event="message", body="is the day so young")
    assert len(heard(carol, "incoming")) == 1


SETUPS: Final = pytest.mark.parametrize("setup", ["active", "passive", "actpass", "none"])


@SETUPS
@pytest.mark.spec("MSRP-25")
def test_whoever_connects(gateway: Gateway, chat: Chat, msrp: User, setup: str) -> None:
    talk_both_ways(chat(f"{ALICE}/lab"), msrp("--setup", setup), setup)


def talk_both_ways(alice: Program, carol: Program, setup: str) -> None:
    called(carol, ALICE)
    for number in range(3):
        carol.tell(f"say {setup} {number}")
        alice.hears(event="message", body=f"{setup} {number}")
        alice.tell(f"{name_of(carol)} yes {number}")
        carol.hears(event="message", body=f"yes {number}")


@pytest.mark.spec("MSRP-28")
def test_a_user_behind_a_relay(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab"), msrp("--relay")
    called(carol, ALICE)
    carol.tell("say from behind")
    alice.hears(event="message", body="from behind")
    alice.tell(f"{name_of(carol)} heard")
    carol.hears(event="message", body="heard")


@EVERYBODY
@pytest.mark.spec("MSRP-09")
def test_who_received_it(gateway: Gateway, chat: Chat, msrp: User, jid: str) -> None:
    friend, carol = chat(f"{jid}/lab", "--notify"), msrp()
    called(carol, jid)
    carol.tell("say --report soft")
    friend.hears(event="message", body="soft")
    report = carol.hears(event="report")
    assert report["status"] == 200
    assert report["id"] == heard(carol, "sent")[0]["id"]
    friend.tell(f"{name_of(carol)} what light")
    carol.hears(event="message", body="what light")
    friend.hears(event="receipt", of=heard(friend, "sent")[-1]["id"])


@pytest.mark.spec("MSRP-36")
def test_each_sees_the_other_writing(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab", "--notify"), msrp()
    called(carol, ALICE)
    carol.tell("say good morrow")
    alice.hears(event="message", body="good morrow")
    alice.tell(f"{name_of(carol)} good e'en")
    carol.hears(event="message", body="good e'en")
    carol.tell("compose active")
    alice.hears(event="chat state", state="composing")
    alice.tell(f"/composing {name_of(carol)}")
    wait_until(
        lambda: heard(carol, "message", type="application/im-iscomposing+xml") or None,
        20,
        carol.said,
    )


@pytest.mark.spec("MSRP-37")
def test_who_is_not_there_is_a_failure_report(gateway: Gateway, msrp: User) -> None:
    carol = msrp()
    called(carol, "nobody@xmpp.example")
    carol.tell("say is anybody there")
    assert carol.hears(event="report")["status"] == 403


@pytest.mark.spec("MSRP-18")
def test_what_no_stanza_holds_is_413(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab"), msrp("--max-size", "100000")
    called(carol, ALICE)
    carol.tell("big 20000")
    carol.hears(event="response", code=413)
    carol.tell("say short")
    alice.hears(event="message", body="short")


@EVERYBODY
def test_a_long_text_goes_in_a_session(gateway: Gateway, chat: Chat, msrp: User, jid: str) -> None:
    friend, carol = chat(f"{jid}/lab"), msrp()
    text = "x" * 5000
    friend.tell(f"{name_of(carol)} {text}")
    assert carol.hears(event="message", size=5000)["type"].startswith("text/plain")
    assert len(heard(carol, "incoming")) == 1


@pytest.mark.spec("MSRP-06")
def test_who_refuses_a_session_has_it_told(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab"), msrp("--manual")
    alice.tell(f"{name_of(carol)} {'x' * 3000}")
    carol.hears(event="incoming")
    carol.tell("refuse 486")
    alice.hears(event="message", type="error", error="recipient-unavailable")


@pytest.mark.spec("MSRP-38")
def test_on_hold_nothing_is_sent(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab"), msrp()
    called(carol, ALICE)
    carol.tell("say hold on")
    alice.hears(event="message", body="hold on")
    carol.tell("hold")
    carol.hears(event="status", method="INVITE", code=200)
    wait_until(lambda: len(heard(carol, "status", method="INVITE", code=200)) > 1 or None, 10,
               carol.said)  # fmt: skip
    alice.tell(f"{name_of(carol)} are you there")
    carol.tell("say not yet")
    alice.hears(event="message", body="not yet")
    assert not heard(carol, "message", body="are you there")
    carol.tell("resume")
    carol.hears(event="message", body="are you there")


@pytest.mark.spec("MSRP-33")
def test_a_connection_that_breaks_loses_nothing(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab"), msrp()
    called(carol, ALICE)
    carol.tell("say first")
    alice.hears(event="message", body="first")
    carol.tell("drop")
    carol.hears(event="closed")
    for number in range(5):
        alice.tell(f"{name_of(carol)} after {number}")
    for number in range(5):
        carol.hears(event="message", body=f"after {number}")
    assert not heard(alice, "error")


def test_order_is_kept_and_nothing_lost(gateway: Gateway, chat: Chat, msrp: User) -> None:
    alice, carol = chat(f"{ALICE}/lab"), msrp()
    called(carol, ALICE)
    for number in range(40):
        carol.tell(f"say out {number}")
        alice.tell(f"{name_of(carol)} in {number}")
    alice.hears(event="message", body="out 39")
    carol.hears(event="message", body="in 39")
    out = [each["body"] for each in heard(alice, "message")]
    back = [each["body"] for each in heard(carol, "message") if each.get("body")]
    assert out == [f"out {number}" for number in range(40)]
    assert [each for each in back if each.startswith("in ")] == [f"in {n}" for n in range(40)]
