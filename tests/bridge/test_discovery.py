"""Discovery: what the gateway's domains, its components and SIP users say of themselves."""

import pytest

from dragoman.bridge.discovery import (
    ESCAPING,
    NAME,
    NODE,
    PHONE,
    PUT_INTO_WORDS,
    WORD_OF_ITSELF,
    Discovery,
)
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import (
    attention,
    caps,
    disco,
    ping,
    retraction,
    spoiler,
    time,
    vcard,
    version,
)
from dragoman.xmpp.ext.caps import verification
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
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
        (USER, [("client", "phone", None)], {caps.NS, vcard.NS, *PUT_INTO_WORDS, *WORD_OF_ITSELF}),
        (GUEST, [("client", "phone", None)], {caps.NS, vcard.NS, *PUT_INTO_WORDS, *WORD_OF_ITSELF}),
    ],
)
def test_an_address_says_what_it_is_and_what_it_answers(
    to: str, identities: list[tuple[str, str, str | None]], more: set[str]
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
        if namespace not in {ESCAPING, caps.NS, vcard.NS, *PUT_INTO_WORDS, *WORD_OF_ITSELF}:
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


@pytest.mark.parametrize("to", SERVICE)
@pytest.mark.parametrize("kind", ["subscribe", "probe"])
def test_presence_that_a_domain_has_not_is_refused(to: str, kind: str) -> None:
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


# -- XEP-0115 ---------------------------------------------------------------------------------

CALLS = frozenset({"urn:xmpp:jingle:1"})


def able(user: Jid) -> frozenset[str]:
    """Say that carol can be called, and nobody else."""
    return CALLS if user.local == "carol" else frozenset()


def inquired(found: Discovery, to: str, node: str = "") -> Routed:
    attributes = {"node": node} if node else {}
    query = Element(f"{{{disco.INFO}}}query", attributes)
    return found.route(iq(to, ALICE, id="1", type="get", children=[query]))


def told(found: Discovery, to: str, node: str = "") -> Element:
    reply = inquired(found, to, node).reply
    assert reply is not None
    [query] = reply.elements
    assert query.get("node", "") == node
    return query


@pytest.mark.spec("PRES-42")
@pytest.mark.parametrize("to", USERS)
def test_the_hash_in_presence_is_that_of_the_answer(to: str) -> None:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__)
    element = found.caps_of(Jid.parse(to))
    assert element.get("ver") == verification(told(found, to))
    node = f"{element.get('node')}#{element.get('ver')}"
    assert told(found, to, node).elements == told(found, to).elements


def test_what_a_user_can_do_is_his_own() -> None:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__, able)
    carol, dave = (found.caps_of(Jid.parse(f"{each}@{DOMAIN}")) for each in ("carol", "dave"))
    assert carol.get("ver") != dave.get("ver")
    listed = [
        {each.get("var") for each in told(found, to).find_all(f"{{{disco.INFO}}}feature")}
        for to in (USER, f"dave@{DOMAIN}")
    ]
    assert listed == [PHONE.features | CALLS, PHONE.features]
    node = f"{NODE}#{carol.get('ver')}"
    assert verification(told(found, f"dave@{DOMAIN}", node)) == carol.get("ver"), "whoever is asked"


def test_a_hash_of_before_a_restart_is_known() -> None:
    ver = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__, able).caps_of(Jid.parse(USER)).get("ver")
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__, able)
    assert verification(told(found, f"{USER}/phone", f"{NODE}#{ver}")) == ver


@pytest.mark.parametrize("to", [*SERVICE, *USERS])
@pytest.mark.parametrize("node", [NODE, f"{NODE}#", f"{NODE}#unknown", "#", "x#y"])
def test_another_node_is_not_found(to: str, node: str) -> None:
    found = Discovery("1.2", lambda: 0.0, COMPONENT.__eq__)
    found.caps_of(Jid.parse(USER))
    assert refused(inquired(found, to, node)) is Condition.ITEM_NOT_FOUND
