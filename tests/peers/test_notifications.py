"""What becomes of a message, and who is writing one: told between real phones and chat clients.

Linphone speaks RFC 5438 and RFC 3994, baresip neither; slixmpp and Profanity the XEPs 0184, 0333
and 0085.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.hosts import Gateway, Program, fresh, sip_message

Chat = Callable[..., Program]
Phone = Callable[..., Program]

ALICE, BOB = "alice@xmpp.example", "bob@jabber.example"


def asks(user: Program, phone: Program, address: str, text: str) -> str:
    """Have `user` send `text` and want word of it; once it is shown, return the stanza's id."""
    before = len([each for each in user.events() if each["event"] == "sent"])
    user.tell(f"{address} {text}")
    phone.hears(event="message", body=text)
    sent = [each["id"] for each in user.events() if each["event"] == "sent"]
    assert len(sent) == before + 1
    return str(sent[-1])


def heard(peer: Program, event: str, **what: str) -> list[dict[str, Any]]:
    """Return all that a peer has printed of such events."""
    wanted = {"event": event, **what}
    return [each for each in peer.events() if wanted.items() <= each.items()]


# Linphone, which tells what it did with a message


@pytest.mark.parametrize("jid", [ALICE, BOB], ids=["Prosody", "ejabberd"])
@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["wrapped", "bare"])
def test_linphone_says_what_it_did(
    gateway: Gateway, chat: Chat, linphone_chat: Phone, jid: str, options: list[str]
) -> None:
    name = fresh("dave")
    address = f"{name}@sip.example"
    user, phone = chat(f"{jid}/lab", "--notify"), linphone_chat(name, *options)
    id_ = asks(user, phone, address, "hark")
    assert user.hears(event="receipt", of=id_)["sender"].startswith(address)
    assert not heard(user, "displayed")
    phone.tell(f"read sip:{jid}")
    assert user.hears(event="displayed", of=id_)["sender"].startswith(address)
    other = asks(user, phone, address, "who goes there")
    user.hears(event="receipt", of=other)
    assert len(heard(user, "receipt")) == 2
    assert len(heard(user, "displayed")) == 1
    assert not heard(user, "message"), "what a phone says of a message is no message"


@pytest.mark.parametrize("jid", [ALICE, BOB], ids=["Prosody", "ejabberd"])
def test_linphone_hears_what_was_done(
    gateway: Gateway, chat: Chat, linphone_chat: Phone, jid: str
) -> None:
    user, phone = chat(f"{jid}/lab", "--notify"), linphone_chat(fresh("dave"))
    ids = []
    for text in ("soft", "what light"):
        phone.tell(f"say sip:{jid} {text}")
        message = user.hears(event="message", body=text)
        assert (message["receipt"], message["markable"]) == (True, True)
        ids.append(heard(phone, "sent")[-1]["id"])
        phone.hears(event="state", id=ids[-1], state="delivered to user")
    user.tell(f"/displayed {message['sender']} {message['id']}")
    for id_ in ids:
        phone.hears(event="state", id=id_, state="displayed")
    assert not heard(phone, "message"), "what a reader says of a message is no message"


def test_a_reply_of_linphone_is_a_message(
    gateway: Gateway, chat: Chat, linphone_chat: Phone
) -> None:
    name = fresh("dave")
    alice, phone = chat(f"{ALICE}/lab", "--notify"), linphone_chat(name)
    asked = asks(alice, phone, f"{name}@sip.example", "who is there")
    phone.tell(f"reply sip:{ALICE} it is I")
    alice.hears(event="message", body="it is I", answers=asked)
    phone.hears(event="state", id=heard(phone, "sent")[-1]["id"], state="delivered to user")


def test_linphone_hears_when_a_reader_comes_home(
    gateway: Gateway, chat: Chat, linphone_chat: Phone
) -> None:
    phone = linphone_chat(fresh("dave"))
    phone.tell("say sip:anna@xmpp.example sleep dwell upon thine eyes")
    phone.hears(event="state", state="delivered")
    id_ = heard(phone, "sent")[-1]["id"]
    assert not heard(phone, "state", state="delivered to user"), "her server only keeps it"
    anna = chat("anna@xmpp.example/lab", "--notify")
    anna.hears(event="message", body="sleep dwell upon thine eyes")
    phone.hears(event="state", id=id_, state="delivered to user")


def test_linphone_hears_that_nobody_is_there(gateway: Gateway, linphone_chat: Phone) -> None:
    phone = linphone_chat(fresh("dave"))
    phone.tell("say sip:nobody@xmpp.example is anybody there")
    phone.hears(event="state", state="not delivered")
    assert not heard(phone, "state", state="delivered to user")


# Who is writing


@pytest.mark.parametrize("options", [[], ["--plain"]], ids=["wrapped", "bare"])
def test_each_sees_the_other_writing(
    gateway: Gateway, chat: Chat, linphone_chat: Phone, options: list[str]
) -> None:
    name = fresh("dave")
    address = f"{name}@sip.example"
    alice, phone = chat(f"{ALICE}/lab", "--notify"), linphone_chat(name, *options)
    asks(alice, phone, address, "good morrow")
    phone.tell(f"say sip:{ALICE} is the day so young")
    alice.hears(event="message", body="is the day so young")
    phone.tell(f"write sip:{ALICE}")
    alice.hears(event="chat state", state="composing")
    alice.hears(event="chat state", state="active")
    alice.tell(f"/composing {address}")
    phone.hears(event="composing", state="active")
    asks(alice, phone, address, "but new struck nine")
    assert heard(phone, "composing")[-1]["state"] == "idle", "who said it no longer writes it"
    assert not heard(alice, "message", type="error")


# baresip, which takes only text


def test_baresip_shows_what_it_cannot_answer_for(
    gateway: Gateway, chat: Chat, baresip: Phone
) -> None:
    name = fresh("carol")
    alice, carol = chat(f"{ALICE}/lab", "--notify"), baresip(name)
    texts = ["out of her favour", "where I am in love"]
    for text in texts:
        alice.tell(f"{name}@sip.example {text}")
        carol.says(f'"{text}"')
        alice.tell(f"/composing {name}@sip.example")
    assert sip_message(f"sip:{ALICE}", "alas", name=name)["status"] in {200, 202}
    alice.hears(event="message", body="alas")
    assert [carol.said().count(text) for text in texts] == [1, 1]
    assert not heard(alice, "receipt"), "its 200 says that a phone has it, not that it was shown"
    assert not heard(alice, "message", type="error")


# Profanity, at a terminal


def test_profanity_sees_its_receipt(
    gateway: Gateway, profanity: Chat, linphone_chat: Phone
) -> None:
    name = fresh("dave")
    alice, phone = profanity(ALICE), linphone_chat(name)
    alice.tell(f"/msg {name}@sip.example hear me")
    phone.hears(event="message", body="hear me")
    alice.hears(event="line", text="me: hear me", colour="default")
    phone.tell(f"say sip:{ALICE} I hear")
    alice.hears(event="line", text=f"{name}@sip.example: I hear")
    alice.tell("~then say")
    phone.hears(event="composing", state="active")


def test_profanity_waits_for_a_receipt_that_baresip_never_gives(
    gateway: Gateway, profanity: Chat, baresip: Phone
) -> None:
    name = fresh("carol")
    alice, carol = profanity(ALICE), baresip(name)
    alice.tell(f"/msg {name}@sip.example hear me")
    carol.says('"hear me"')
    assert sip_message(f"sip:{ALICE}", "alas", name=name)["status"] in {200, 202}
    alice.hears(event="line", text=f"{name}@sip.example: alas")
    assert heard(alice, "line", text="me: hear me", colour="red")
    assert not heard(alice, "line", text="me: hear me", colour="default")
