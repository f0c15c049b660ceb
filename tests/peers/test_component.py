"""As a component of Prosody (XEP-0114): gateway.xmpp.example, by a configuration file."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers.hosts import Gateway, Program, forget_state, fresh, run
from tests.peers.test_presence import shows

CONFIGURATION = """
[[xmpp.component]]
domain = "gateway.xmpp.example"
secret = "{secret}"
server = "prosody.lab.example:5347"
"""

CAROL = r"carol\40sip.example@gateway.xmpp.example"
"""Any SIP domain's user fits in one component: the address is escaped (XEP-0106)."""

Chat = Callable[[str], Program]
Phone = Callable[..., Program]


@pytest.fixture(scope="module")
def component(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    file = tmp_path_factory.mktemp("component") / "dragoman.toml"
    file.write_text(CONFIGURATION.format(secret="secret"))  # noqa: S106 (the lab's)
    forget_state()
    with Gateway("--config", file) as running:
        yield running
        running.stop()


def test_chat_reaches_a_phone_and_is_answered(
    component: Gateway, chat: Chat, linphone: Phone
) -> None:
    alice, dave = chat("alice@xmpp.example/lab"), linphone("dave")
    alice.tell(f"{CAROL.replace('carol', 'dave')} good morrow")
    dave.says('Content: "good morrow"')
    dave.tell("message sip:alice@xmpp.example good den")
    answer = alice.hears(event="message", body="good den")
    assert answer["sender"].startswith((r"dave\40sip.example@gateway.xmpp.", "dave@sip.example"))


def test_another_server_reaches_a_phone(component: Gateway, chat: Chat, baresip: Phone) -> None:
    bob, carol = chat("bob@jabber.example/lab"), baresip("carol")
    bob.tell(f"{CAROL} from afar")
    carol.says('sip:bob@jabber.example[^"]*: "from afar"')


def test_an_unknown_phone_is_an_error(component: Gateway, chat: Chat) -> None:
    alice = chat("alice@xmpp.example/lab")
    nobody = CAROL.replace("carol", "nobody")
    alice.tell(f"{nobody} anyone?")
    error = alice.hears(event="message", type="error", sender=nobody)
    assert (error["error"], error["error_type"]) == ("item-not-found", "cancel")


def test_it_tells_what_it_is(component: Gateway) -> None:
    said = run("alice", "xmpp_user", "alice@xmpp.example/p", "disco", "gateway.xmpp.example")
    assert b'"gateway/sip"' in said
    assert rb'"jid\\20escaping"' in said


def test_presence_of_a_phone(component: Gateway, chat: Chat, linphone_chat: Phone) -> None:
    name = fresh("dave")
    contact = rf"{name}\40sip.example@gateway.xmpp.example"
    phone, alice = linphone_chat(name, "--publish"), chat("alice@xmpp.example/lab")
    alice.tell(f"/subscribe {contact}")
    alice.hears(event="presence", sender=contact, type="subscribed")
    phone.tell("be busy")
    assert alice.hears(event="presence", show="away")["sender"].startswith(f"{contact}/")
    phone.tell("watch sip:alice@xmpp.example")
    alice.tell("/be dnd in the garden")
    shows(phone, "alice@xmpp.example", "busy", "in the garden")
