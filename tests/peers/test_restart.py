"""The gateway dies and comes back: no peer needs to be touched."""

from collections.abc import Callable

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, fresh, sip_message

Chat = Callable[..., Program]
Phone = Callable[..., Program]


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("way", ["kill", "stop"])
def test_the_next_message_passes_each_way(way: str, chat: Chat, linphone: Phone) -> None:
    forget_state()
    friends = [chat("alice@xmpp.example/lab"), chat("bob@jabber.example/lab")]
    dave = linphone("dave")

    def all_talk(turn: str) -> None:
        for friend, address in zip(
            friends, ("alice@xmpp.example", "bob@jabber.example"), strict=True
        ):
            friend.tell(f"dave@sip.example {turn} from {address}")
            dave.says(f'Content: "{turn} from {address}"')
            dave.tell(f"message sip:{address} {turn} to {address}")
            friend.hears(event="message", body=f"{turn} to {address}")

    with Gateway() as first:
        all_talk("before")
        getattr(first, way)()
    with Gateway() as second:
        all_talk("after")
        second.stop()


@pytest.mark.usefixtures("lab")
def test_each_direction_passes_first(chat: Chat, linphone: Phone) -> None:
    alice, dave = chat("alice@xmpp.example/lab"), linphone("dave")
    with Gateway() as first:
        assert sip_message("sip:alice@xmpp.example", "one")["status"] in {200, 202}
        first.kill()
    with Gateway() as second:
        assert sip_message("sip:alice@xmpp.example", "two")["status"] in {200, 202}
        alice.hears(event="message", body="two")
        second.kill()
    with Gateway() as third:
        alice.tell("dave@sip.example three")
        dave.says('Content: "three"')
        third.stop()


@pytest.mark.usefixtures("lab")
def test_what_a_message_became_is_told_though_the_gateway_ended_between(
    chat: Chat, linphone_chat: Phone
) -> None:
    forget_state()
    name = fresh("dave")
    alice, phone = chat("alice@xmpp.example/lab", "--notify"), linphone_chat(name)
    with Gateway() as first:
        phone.tell("say sip:alice@xmpp.example one")
        shown = alice.hears(event="message", body="one")
        phone.hears(event="state", state="delivered to user")
        alice.tell(f"{name}@sip.example two")
        phone.hears(event="message", body="two")
        alice.hears(event="receipt")
        first.stop()
    with Gateway() as second:
        alice.tell(f"/displayed {shown['sender']} {shown['id']}")
        sent = [each["id"] for each in phone.events() if each["event"] == "sent"]
        phone.hears(event="state", id=sent[0], state="displayed")
        phone.tell("read sip:alice@xmpp.example")
        stanza = [each["id"] for each in alice.events() if each["event"] == "sent"]
        alice.hears(event="displayed", of=stanza[0])
        second.stop()
