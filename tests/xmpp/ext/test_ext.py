"""The table of extensions: XEP-0030, 0092, 0199 and 0202 by their own examples."""

import pytest

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import EXTENSIONS, About, Extension, Who, features, install
from dragoman.xmpp.ext.disco import Identity, Info, Item
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.router import Router

MOMENT = 1166551115.0
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
KNOWN = {
    "": Info((Identity("server", "im", "Dragoman"),), frozenset(features(Who.SERVICE))),
    "b": Info((Identity("pubsub", "leaf"),), frozenset({INFO})),
}
ABOUT = About(
    "Exodus",
    "0.7.0.4",
    lambda: MOMENT,
    lambda address, node: KNOWN.get(node) if address == "shakespeare.lit" else None,
    items=(Item("rooms.shakespeare.lit", "Rooms"), Item("shakespeare.lit")),
)


def answer(payload: str, who: Who = Who.SERVICE, type_: str = "get") -> Element:
    """Ask as Romeo does, of an address of that kind; return the reply."""
    router = Router()
    install(router, who, ABOUT)
    text = (
        f"<iq xmlns='jabber:client' type='{type_}' id='x1' from='romeo@montague.net/orchard'"
        f" to='shakespeare.lit'>{payload}</iq>"
    )
    reply = router.route(parse_document(text.encode())).reply
    assert reply is not None
    addressed = {"from": "shakespeare.lit", "to": "romeo@montague.net/orchard", "id": "x1"}
    assert reply.attributes == addressed | {"type": reply.get("type", "")}
    return reply


def result(payload: str) -> list[Element]:
    return [parse_document(payload.encode())] if payload else []


VERSION_TOLD = "<name>Exodus</name><version>0.7.0.4</version>"
TIME_TOLD = "<tzo>+00:00</tzo><utc>2006-12-19T17:58:35Z</utc>"
ITEMS_TOLD = "<item jid='rooms.shakespeare.lit' name='Rooms'/><item jid='shakespeare.lit'/>"
INFO_TOLD = "<identity category='server' type='im' name='Dragoman'/>" + "".join(
    f"<feature var='{name}'/>"
    for name in (INFO, ITEMS, "jabber:iq:version", "urn:xmpp:ping", "urn:xmpp:time")
)

LEAF_TOLD = f"<identity category='pubsub' type='leaf'/><feature var='{INFO}'/>"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("<ping xmlns='urn:xmpp:ping'/>", ""),
        (
            "<query xmlns='jabber:iq:version'/>",
            f"<query xmlns='jabber:iq:version'>{VERSION_TOLD}</query>",
        ),
        ("<time xmlns='urn:xmpp:time'/>", f"<time xmlns='urn:xmpp:time'>{TIME_TOLD}</time>"),
        (f"<query xmlns='{ITEMS}'/>", f"<query xmlns='{ITEMS}'>{ITEMS_TOLD}</query>"),
        (f"<query xmlns='{INFO}'/>", f"<query xmlns='{INFO}'>{INFO_TOLD}</query>"),
        (
            f"<query xmlns='{INFO}' node='b'/>",
            f"<query xmlns='{INFO}' node='b'>{LEAF_TOLD}</query>",
        ),
    ],
)
def test_what_the_service_answers(asked: str, told: str) -> None:
    reply = answer(asked)
    assert reply.get("type") == "result"
    assert reply.children == result(told)


@pytest.mark.parametrize("namespace", [INFO, ITEMS])
def test_nodes_that_are_not_there_are_not_found(namespace: str) -> None:
    reply = answer(f"<query xmlns='{namespace}' node='a'/>")
    assert StanzaError.parse(reply).condition is Condition.ITEM_NOT_FOUND


def test_the_time_of_a_user_is_not_known() -> None:
    reply = answer("<time xmlns='urn:xmpp:time'/>", Who.USER)
    assert StanzaError.parse(reply).condition is Condition.SERVICE_UNAVAILABLE
    assert answer("<ping xmlns='urn:xmpp:ping'/>", Who.USER).get("type") == "result"


@pytest.mark.parametrize("who", Who)
def test_what_is_listed_is_what_is_answered(who: Who) -> None:
    assert features(who) == tuple(row.namespace for row in EXTENSIONS if who in row.who)
    for row in EXTENSIONS:
        reply = answer(f"<query xmlns='{row.namespace}'/>", who)
        assert (reply.get("type") == "result") is (row.namespace in features(who))


@pytest.mark.spec("NET-18")
@pytest.mark.parametrize("row", EXTENSIONS, ids=lambda row: row.namespace)
def test_nothing_can_be_set(row: Extension) -> None:
    reply = answer(f"<query xmlns='{row.namespace}'/>", type_="set")
    assert StanzaError.parse(reply).condition is Condition.SERVICE_UNAVAILABLE
