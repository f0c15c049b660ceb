"""The gateway dies and comes back: no peer needs to be touched."""

from collections.abc import Callable

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, sip_message

Chat = Callable[[str], Program]
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
