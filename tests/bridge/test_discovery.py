"""Discovery: what the gateway's domains, its components and SIP users say of themselves."""

import pytest

from dragoman.bridge.discovery import ESCAPING, NAME, PUT_INTO_WORDS, WORD_OF_ITSELF, Discovery
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import attention, disco, ping, retraction, spoiler, time, version
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.router import Routed
from dragoman.xmpp.stanza import iq, message, presence

DOMAIN, USER = "sip.example", "carol@sip.example"
COMPONENT, GUEST = "gateway.xmpp.example", r"carol\40sip.example@gateway.xmpp.example"
ALICE = "alice@xmpp.example/x"
SERVICE = (DOMAIN, COMPONENT)
USERS = (USER, GUEST, f"{USER}/phone")


def asked(to: str, namespace: str, name: str = "query", kind: str = "get") -> Routed:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__)
    payload = Element(f"{{{namespace}}}{name}")
    return found.route(iq(to, ALICE, id="1", type=kind, children=[payload]))


def answer(to: str, namespace: str, name: str = "query") -> Element:
    reply = asked(to, namespace, name).reply
    assert reply is not None
    assert (reply.get("from"), reply.get("to"), reply.get("id")) == (to, ALICE, "1")
    return reply


def result(to: str, namespace: str, name: str = "query") -> Element:
    reply = answer(to, namespace, name)
    assert reply.get("type") == "result"
    return reply


def refused(routed: Routed) -> Condition:
    assert routed.reply is not None
    assert routed.reply.get("type") == "error"
    return StanzaError.parse(routed.reply).condition


@pytest.mark.parametrize(
    ("to", "identities", "more"),
    [
        (DOMAIN, [("server", "im", NAME)], {time.NS}),
        (COMPONENT, [("gateway", "sip", NAME)], {time.NS, ESCAPING}),
        (USER, [], {*PUT_INTO_WORDS, *WORD_OF_ITSELF}),
        (GUEST, [], {*PUT_INTO_WORDS, *WORD_OF_ITSELF}),
    ],
)
def test_an_address_says_what_it_is_and_what_it_answers(
    to: str, identities: list[tuple[str, str, str]], more: set[str]
) -> None:
    [query] = result(to, disco.INFO).elements
    said = query.find_all(f"{{{disco.INFO}}}identity")
    assert [(each.get("category"), each.get("type"), each.get("name")) for each in said] == (
        identities
    )
    features = [each.get("var") for each in query.find_all(f"{{{disco.INFO}}}feature")]
    assert len(features) == len(set(features))
    assert set(features) == {disco.INFO, disco.ITEMS, ping.NS, version.NS} | more


@pytest.mark.parametrize("to", [*SERVICE, *USERS])
@pytest.mark.parametrize(
    ("namespace", "name"),
    [(disco.ITEMS, "query"), (ping.NS, "ping"), (version.NS, "query")],
)
def test_what_everybody_answers(to: str, namespace: str, name: str) -> None:
    assert result(to, namespace, name).get("from") == to


@pytest.mark.parametrize("to", [*SERVICE, *USERS])
def test_what_is_said_to_be_answered_is_answered(to: str) -> None:
    names = {ping.NS: "ping", time.NS: "time"}
    [query] = result(to, disco.INFO).elements
    for each in query.find_all(f"{{{disco.INFO}}}feature"):
        namespace = each.attributes["var"]
        if namespace not in {ESCAPING, *PUT_INTO_WORDS, *WORD_OF_ITSELF}:
            result(to, namespace, names.get(namespace, "query"))


@pytest.mark.parametrize("to", USERS)
def test_a_phone_does_not_say_that_it_forgets(to: str) -> None:
    [query] = result(to, disco.INFO).elements
    listed = {each.get("var") for each in query.elements}
    assert "urn:xmpp:message-correct:0" in listed
    assert not listed & {retraction.NS, spoiler.NS, attention.NS, "urn:xmpp:omemo:2"}


@pytest.mark.parametrize("to", SERVICE)
def test_the_time_is_that_of_the_gateway_and_no_users(to: str) -> None:
    [told] = result(to, time.NS, "time").elements
    utc = told.find(f"{{{time.NS}}}utc")
    assert utc is not None
    assert utc.text == "1970-01-01T00:00:00Z"
    assert refused(asked(USER, time.NS, "time")) is Condition.SERVICE_UNAVAILABLE


@pytest.mark.parametrize("to", [*SERVICE, *USERS])
@pytest.mark.parametrize(
    ("namespace", "kind", "condition"),
    [
        ("urn:example:unknown", "get", Condition.SERVICE_UNAVAILABLE),
        ("urn:example:unknown", "set", Condition.SERVICE_UNAVAILABLE),
        (version.NS, "set", Condition.SERVICE_UNAVAILABLE),
        (version.NS, "take", Condition.BAD_REQUEST),
    ],
)
def test_every_other_request_is_refused(
    to: str, namespace: str, kind: str, condition: Condition
) -> None:
    assert refused(asked(to, namespace, kind=kind)) is condition


@pytest.mark.parametrize("to", [*SERVICE, *USERS])
@pytest.mark.parametrize("kind", ["subscribe", "probe"])
def test_presence_that_waits_for_an_answer_is_refused(to: str, kind: str) -> None:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__)
    routed = found.route(presence(to, ALICE, id="1", type=kind))
    assert refused(routed) is Condition.FEATURE_NOT_IMPLEMENTED


@pytest.mark.parametrize("kind", [None, "unavailable", "unsubscribe", "subscribed", "error"])
def test_presence_that_waits_for_nothing_is_not_answered(kind: str | None) -> None:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__)
    assert found.route(presence(USER, ALICE, type=kind)) == Routed(handled=False)


@pytest.mark.parametrize("kind", ["result", "error"])
def test_an_answer_is_not_answered(kind: str) -> None:
    assert asked(USER, version.NS, kind=kind).reply is None


def test_a_message_is_somebody_elses() -> None:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__)
    assert found.route(message(USER, ALICE)) == Routed(handled=False)
