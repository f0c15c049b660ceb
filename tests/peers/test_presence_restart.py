"""A gateway that is killed: presence goes on after it, and nobody is asked again."""

import time

import pytest

from tests.peers.hosts import Gateway, forget_state, fresh
from tests.peers.test_presence import USERS, Chat, Phone, presences, sees, shows


@pytest.mark.spec("PRES-33")
@USERS
def test_nobody_is_asked_again_after_a_crash(
    lab: None, chat: Chat, linphone_chat: Phone, jid: str
) -> None:
    """`kill -9` and a restart: both see each other again, with the consent of before."""
    forget_state()
    name = fresh("dave")
    contact = f"{name}@sip.example"
    with Gateway() as first:
        phone = linphone_chat(name, "--publish")
        user = chat(f"{jid}/lab")
        phone.tell(f"watch sip:{jid}")
        shows(phone, jid, "online")
        user.hears(event="presence", sender=contact, type="subscribed")
        sees(user, contact, type="available")
        first.kill()
    phone.tell("be busy")
    user.tell("/be away")
    time.sleep(1)
    requests = [each for each in presences(user, contact) if each["type"] == "subscribe"]
    with Gateway() as second:
        sees(user, contact, show="away")
        phone.tell(f"unwatch sip:{jid}")
        time.sleep(1)
        phone.tell(f"watch sip:{jid}")
        shows(phone, jid, "busy")
        now = [each for each in presences(user, contact) if each["type"] == "subscribe"]
        assert now == requests, "what was granted is granted"
        assert not [each for each in presences(user, contact) if each["type"] == "unsubscribed"]
        second.stop()
    forget_state()
