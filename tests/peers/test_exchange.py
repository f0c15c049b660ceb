"""A message crosses between real phones, by Kamailio, and real chat clients, by their servers."""

import json
from collections.abc import Callable

import pytest

from tests.peers.hosts import Gateway, Program, run, sip_message

Chat = Callable[[str], Program]
Phone = Callable[..., Program]

SENDER = r'"sender": "{}(/[^"]*)?", "type": "(chat|normal)", "body": "{}"'
"""An event of xmpp_user: a message of a bare address, with or without a resource."""

EVERYBODY = pytest.mark.parametrize(
    "jid",
    ["alice@xmpp.example", "bob@jabber.example", "sam@selfsigned.example"],
    ids=["Prosody", "ejabberd", "self-signed"],
)
"""By UDP and a certificate; by TLS and a certificate; by dialback, which the default allows."""


@EVERYBODY
def test_baresip_and_chat(gateway: Gateway, chat: Chat, baresip: Phone, jid: str) -> None:
    friend = chat(f"{jid}/lab")
    carol = baresip("carol", f"sip:{jid}", "wherefore art thou")
    friend.says(SENDER.format("carol@sip.example", "wherefore art thou"))
    friend.tell("carol@sip.example by yonder moon")
    carol.says(f'sip:{jid}[^"]*: "by yonder moon"')


@EVERYBODY
def test_linphone_and_chat(gateway: Gateway, chat: Chat, linphone: Phone, jid: str) -> None:
    friend, dave = chat(f"{jid}/lab"), linphone("dave")
    dave.tell(f"message sip:{jid} what light is this")
    friend.says(SENDER.format("dave@sip.example", "what light is this"))
    dave.says("LinphoneChatMessageStateDelivered")
    friend.tell("dave@sip.example it is the east")
    dave.says(f'From: [^\n]*sip:{jid}[^\n]*\n(.+\n)*?Content: "it is the east"')


def test_a_delivered_message_is_answered_2xx(gateway: Gateway, chat: Chat) -> None:
    alice = chat("alice@xmpp.example/lab")
    answer = sip_message("sip:alice@xmpp.example", "hither, nurse")
    assert answer["status"] in {200, 202}
    alice.says(SENDER.format("carol@sip.example", "hither, nurse"))


def test_text_arrives_as_it_was(gateway: Gateway, chat: Chat, linphone: Phone) -> None:
    text = "<b> & 'quotes' naïve ♥ 𝄞"
    alice, dave = chat("alice@xmpp.example/lab"), linphone("dave")
    alice.tell(f"dave@sip.example {text}")
    dave.says(f'Content: "{text}"')
    dave.tell(f"message sip:alice@xmpp.example {text}")
    assert alice.hears(event="message", body=text)["sender"].startswith("dave@sip.example")


def test_order_is_kept(gateway: Gateway, chat: Chat, baresip: Phone) -> None:
    alice, carol = chat("alice@xmpp.example/lab"), baresip("carol")
    for number in range(8):
        alice.tell(f"carol@sip.example part {number} of 8")
    carol.says("(?s)" + ".*".join(f'"part {number} of 8"' for number in range(8)))


@pytest.mark.parametrize("jid", ["alice@xmpp.example/p", "bob@jabber.example/p"])
def test_the_gateway_answers_for_the_sip_domain(gateway: Gateway, jid: str) -> None:
    host = jid.partition("@")[0]
    assert b'"pong"' in run(host, "xmpp_user", jid, "ping", "sip.example", "--for", "0")
    said = run(host, "xmpp_user", jid, "disco", "sip.example", "--for", "0").decode()
    (disco,) = [event for event in map(json.loads, events(said)) if event["event"] == "disco"]
    assert {
        "http://jabber.org/protocol/disco#info",
        "urn:xmpp:ping",
        "jabber:iq:version",
    } <= set(disco["features"])
    assert disco["identities"]


def events(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("{")]
