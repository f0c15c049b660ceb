"""Presence between real phones and chat clients, by Kamailio's presence server and as they are.

Linphone and baresip publish to Kamailio, which XMPP users watch; both watch XMPP users by
themselves, through it. slixmpp and Profanity are those users, at Prosody and ejabberd.
"""

import time
from collections.abc import Callable

import pytest

from tests.peers.hosts import Gateway, Program, fresh, wait_until

Chat = Callable[..., Program]
Phone = Callable[..., Program]

ALICE, BOB = "alice@xmpp.example", "bob@jabber.example"
USERS = pytest.mark.parametrize("jid", [ALICE, BOB], ids=["Prosody", "ejabberd"])


def states(phone: Program, jid: str) -> list[str]:
    """Return all that a Linphone has shown of a friend, in order."""
    found = [each for each in phone.events() if each["event"] == "presence"]
    return [each["state"] for each in found if each["of"] == f"sip:{jid}"]


def shows(phone: Program, jid: str, state: str, note: str = "") -> None:
    """Wait until a Linphone shows a friend so, as the last that it has shown."""

    def found() -> bool | None:
        last = [each for each in phone.events() if each["event"] == "presence"][-1:]
        wanted = {"of": f"sip:{jid}", "state": state} | ({"note": note} if note else {})
        return bool(last and wanted.items() <= last[0].items()) or None

    wait_until(found, 20, lambda: f"not {state}:\n{phone.said()[-2000:]}")


def presences(user: Program, contact: str) -> list[dict[str, str]]:
    """Return all presence that a user got of a contact, in order."""
    found = [each for each in user.events() if each["event"] == "presence"]
    return [each for each in found if each["sender"].startswith(contact)]


def standing(user: Program, contact: str) -> list[dict[str, str]]:
    """Return the last presence of a contact, and the last of a resource that is not gone since."""
    came, there = presences(user, contact), dict[str, dict[str, str]]()
    for each in came:
        there.pop(each["sender"], None)
        if each["type"] != "unavailable":
            there[each["sender"]] = each
    return [*came[-1:], *list(there.values())[-1:]]


def sees(user: Program, contact: str, **wanted: str) -> dict[str, str]:
    """Wait until a contact is seen as wanted: an old resource may go after a new one came."""

    def found() -> dict[str, str] | None:
        seen = standing(user, contact)
        return next((each for each in seen if wanted.items() <= each.items()), None)

    return wait_until(found, 20, lambda: f"not {wanted}:\n{user.said()[-2000:]}")


# XMPP users watch phones


@USERS
def test_an_xmpp_user_sees_a_linphone(
    gateway: Gateway, chat: Chat, linphone_chat: Phone, jid: str
) -> None:
    """Online, away and gone; and no more once he wants no more."""
    name = fresh("dave")
    contact = f"{name}@sip.example"
    phone = linphone_chat(name, "--publish")
    user = chat(f"{jid}/lab", "--reserved")
    user.tell(f"/subscribe {contact}")
    user.hears(event="presence", sender=contact, type="subscribed")
    assert sees(user, contact, type="available")["sender"].startswith(f"{contact}/")
    phone.tell("be busy")
    user.hears(event="presence", type="away", show="away")
    phone.tell("be online")
    wait_until(
        lambda: (
            len([each for each in presences(user, contact) if each["type"] == "available"]) > 1
            or None
        ),
        20,
        user.said,
    )
    phone.tell("be offline")
    sees(user, contact, type="unavailable")
    user.tell(f"/unsubscribe {contact}")
    time.sleep(1)
    before = len(presences(user, contact))
    phone.tell("be online")
    time.sleep(2)
    assert [each["type"] for each in presences(user, contact)[before:]] == []


@USERS
def test_an_xmpp_user_sees_a_baresip(
    gateway: Gateway, chat: Chat, baresip: Phone, jid: str
) -> None:
    """What it publishes as it starts."""
    name = fresh("carol")
    contact = f"{name}@sip.example"
    baresip(name)
    user = chat(f"{jid}/lab", "--reserved")
    user.tell(f"/subscribe {contact}")
    user.hears(event="presence", sender=contact, type="subscribed")
    user.hears(event="presence", type="available", status="")


def test_profanity_sees_a_linphone(
    gateway: Gateway, profanity: Phone, linphone_chat: Phone
) -> None:
    """As a person at a terminal does."""
    name = fresh("dave")
    phone = linphone_chat(name, "--publish")
    user = profanity(ALICE)
    user.tell(f"/sub request {name}@sip.example")
    user.says(f"{name}@sip.example.*(accepted|online)")
    user.says(f"{name}@sip.example.* is (online|chat)")
    phone.tell("be busy")
    user.says(f"{name}@sip.example.* is away")
    phone.tell("be offline")
    user.says(f"{name}@sip.example.* is offline")
    user.tell("/quit")  # Prosody keeps the session of a client that is killed
    user.wait(10)


# phones watch XMPP users


@USERS
def test_a_linphone_sees_an_xmpp_user(
    gateway: Gateway, chat: Chat, linphone_chat: Phone, jid: str
) -> None:
    """Online, busy with a note, and gone with his last session."""
    phone = linphone_chat(fresh("dave"))
    user = chat(f"{jid}/lab")
    phone.tell(f"watch sip:{jid}")
    shows(phone, jid, "online")
    user.tell("/be dnd in the garden")
    shows(phone, jid, "busy", "in the garden")
    other = chat(f"{jid}/other")
    shows(phone, jid, "online")
    other.end()
    shows(phone, jid, "busy")
    user.end()
    shows(phone, jid, "offline")


@USERS
def test_an_xmpp_user_decides(gateway: Gateway, chat: Chat, linphone_chat: Phone, jid: str) -> None:
    """Nothing is seen before he says yes, nor after he takes it back."""
    name = fresh("dave")
    watcher = f"{name}@sip.example"
    phone = linphone_chat(name)
    user = chat(f"{jid}/lab", "--reserved")
    phone.tell(f"watch sip:{jid}")
    user.hears(event="presence", sender=watcher, type="subscribe")
    time.sleep(2)
    assert set(states(phone, jid)) <= {"offline"}
    user.tell(f"/subscribed {watcher}")
    shows(phone, jid, "online")
    user.tell(f"/unsubscribed {watcher}")
    time.sleep(1)
    before = len(states(phone, jid))
    user.tell("/be dnd")
    time.sleep(7)
    assert states(phone, jid)[before:] in ([], ["offline"]), "what he is he tells others"


@USERS
def test_a_baresip_sees_an_xmpp_user(
    gateway: Gateway, chat: Chat, baresip: Phone, jid: str
) -> None:
    """By the words that it looks for in a document."""
    user = chat(f"{jid}/lab")
    name = fresh("carol")
    phone = baresip(name, f"sip:{jid}")
    user.hears(event="presence", sender=f"{name}@sip.example", type="subscribe")
    time.sleep(2)  # what it hears first it does not tell
    user.tell("/be dnd")
    phone.says(rf"<sip:{jid}> changed status from .*Online.* to .*Busy")
    user.tell("/be away")  # which is the same to it as not to be there
    phone.says(rf"<sip:{jid}> changed status from .*Busy.* to .*Offline")
    user.tell("/be -")
    phone.says(rf"<sip:{jid}> changed status from .*Offline.* to .*Online")
    user.end()
    phone.says(rf"<sip:{jid}> changed status from .*Online.* to .*Offline")
