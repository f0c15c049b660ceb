"""`kill -9` at each step of a handshake between real peers: in the end both sides agree.

The gateway's own log, in which every message is, says which step it has come to.
"""

import re
import time
from collections.abc import Callable

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, fresh, wait_until
from tests.peers.test_presence import ALICE, Chat, Phone, presences, sees, shows

DEBUG = {"DRAGOMAN_LOG__LEVEL": "debug"}
LINE = r'"event": "{}".*{}'
ASKING = {
    "asked": LINE.format("xmpp in", "type='subscribe'"),
    "SUBSCRIBE sent": LINE.format("sip out", "SUBSCRIBE sip:"),
    "granted": LINE.format("sip in", r"SIP/2\.0 20[02] .*SUBSCRIBE"),
    "notified": LINE.format("sip in", "NOTIFY sip:"),
    "told": LINE.format("xmpp out", "type='subscribed'"),
}
LEAVING = {
    "asked": LINE.format("xmpp in", "type='unsubscribe'"),
    "SUBSCRIBE sent": LINE.format("sip out", r"SUBSCRIBE sip:.*Expires: 0\\r"),
    "granted": LINE.format("sip in", r"SIP/2\.0 200 .*Expires: 0\\r"),
    "told": LINE.format("xmpp out", "type='unsubscribed'"),
}
WATCHING = {
    "asked": LINE.format("sip in", "SUBSCRIBE sip:alice"),
    "granted": LINE.format("sip out", r"SIP/2\.0 200 .*SUBSCRIBE"),
    "user asked": LINE.format("xmpp out", "type='subscribe'"),
    "allowed": LINE.format("xmpp in", "type='subscribed'"),
    "told": LINE.format("sip out", "NOTIFY sip:.*Subscription-State: active"),
}


def killed(gateway: Gateway, pattern: str) -> None:
    """Kill a gateway as soon as its log has `pattern`."""

    def come_to() -> bool | None:
        return bool(re.search(pattern, gateway.said())) or None

    wait_until(come_to, 20, lambda: f"{pattern!r} is not in:\n{gateway.said()[-3000:]}")
    gateway.kill()


@pytest.fixture
def again(lab: None) -> Callable[[], Gateway]:
    """Start gateways; the first has no state."""
    forget_state()
    return lambda: Gateway(environment=DEBUG)


@pytest.mark.parametrize("step", ASKING)
def test_killed_while_an_xmpp_user_asks(
    again: Callable[[], Gateway], chat: Chat, linphone_chat: Phone, step: str
) -> None:
    """He sees the phone in the end: his server repeats what was not answered when he comes back."""
    name = fresh("dave")
    contact = f"{name}@sip.example"
    with again() as first:
        linphone_chat(name, "--publish")
        user = chat(f"{ALICE}/lab", "--reserved", "--for", "600")
        user.tell(f"/subscribe {contact}")
        killed(first, ASKING[step])
    with again() as second:
        user.end()
        user = chat(f"{ALICE}/{fresh('r')}", "--reserved", "--for", "600")
        sees(user, contact, type="available")
        assert not [each for each in presences(user, contact) if each["type"] == "unsubscribed"]
        second.stop()


@pytest.mark.parametrize("step", LEAVING)
def test_killed_while_an_xmpp_user_leaves(
    again: Callable[[], Gateway], chat: Chat, linphone_chat: Phone, step: str
) -> None:
    """He sees the phone no more, and the presence server has nobody of ours to tell."""
    name = fresh("dave")
    contact = f"{name}@sip.example"
    with again() as first:
        phone = linphone_chat(name, "--publish")
        user = chat(f"{ALICE}/lab", "--reserved", "--for", "600")
        user.tell(f"/subscribe {contact}")
        sees(user, contact, type="available")
        user.tell(f"/unsubscribe {contact}")
        killed(first, LEAVING[step])
    with again() as second:
        second.says('"listening"')
        before = len(presences(user, contact))
        phone.tell("be busy")
        user.tell("/be away")
        pause(second)
        assert [each["type"] for each in presences(user, contact)[before:]] in (
            [],
            ["unsubscribed"],
            ["unavailable"],
        )
        second.stop()


@pytest.mark.parametrize("step", WATCHING)
def test_killed_while_a_phone_asks(
    again: Callable[[], Gateway], chat: Chat, linphone_chat: Phone, step: str
) -> None:
    """It sees the user in the end, who is asked again only for what he has not granted."""
    name = fresh("dave")
    watcher = f"{name}@sip.example"
    with again() as first:
        phone, user = linphone_chat(name), chat(f"{ALICE}/lab")
        phone.tell(f"watch sip:{ALICE}")
        killed(first, WATCHING[step])
    with again() as second:
        phone.tell(f"unwatch sip:{ALICE}")
        pause(second)
        before = [each for each in presences(user, watcher) if each["type"] == "subscribe"]
        phone.tell(f"watch sip:{ALICE}")
        shows(phone, ALICE, "online")
        after = [each for each in presences(user, watcher) if each["type"] == "subscribe"]
        if step in {"allowed", "told"}:
            assert after == before, "what was granted is granted"
        second.stop()


def pause(gateway: Program) -> None:
    """Let a gateway take up what it finds, and peers say what they have to say."""
    time.sleep(2)
    assert gateway.alive
