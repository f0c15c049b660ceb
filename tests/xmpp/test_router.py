"""RFC 6120 §8.2.3: a request is answered once, whatever becomes of it."""

import pytest

from dragoman.errors import LocalError
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.parser import parse_document
from dragoman.xmpp.router import ANY, Handler, Routed, Router
from dragoman.xmpp.stanza import IQ, MESSAGE, PRESENCE, reply

BODY = "<body>hi</body>"


def stanza(text: str) -> Element:
    return parse_document(text.replace(" ", " xmlns='jabber:client' ", 1).encode())


def iq(type_: str, inside: str = "<q xmlns='urn:a'/>", identifier: str = "id='1'") -> Element:
    return stanza(f"<iq type='{type_}' {identifier} from='a@b/c' to='d'>{inside}</iq>")


def condition(routed: Routed) -> Condition | None:
    found = routed.reply
    if found is None or found.get("type") != "error":
        return None
    return StanzaError.parse(found).condition


@pytest.mark.spec("NET-18")
@pytest.mark.parametrize("type_", ["get", "set"])
def test_a_request_is_answered_by_its_handler(type_: str) -> None:
    router = Router()
    router.add(IQ, type_, "urn:a", reply)
    routed = router.route(iq(type_))
    assert routed == Routed(handled=True, reply=reply(iq(type_)))


@pytest.mark.spec("NET-18")
@pytest.mark.parametrize("type_", ["get", "set"])
def test_an_unknown_request_is_refused(type_: str) -> None:
    router = Router()
    router.add(IQ, "get" if type_ == "set" else "set", "urn:a", reply)
    routed = router.route(iq(type_))
    assert not routed.handled
    assert condition(routed) is Condition.SERVICE_UNAVAILABLE
    assert routed.reply is not None
    assert routed.reply.attributes == {"from": "d", "to": "a@b/c", "id": "1", "type": "error"}


@pytest.mark.spec("NET-18")
@pytest.mark.parametrize(
    "request_",
    [
        iq("get", ""),
        iq("get", "<q xmlns='urn:a'/><r xmlns='urn:a'/>"),
        iq("set", identifier=""),
        iq("set", identifier="id=''"),
        iq("fetch"),
        iq(""),
        stanza("<iq from='a@b/c' to='d'><q xmlns='urn:a'/></iq>"),
    ],
)
def test_a_malformed_request_is_a_bad_one(request_: Element) -> None:
    router = Router()
    router.add(IQ, ANY, ANY, reply)
    assert condition(router.route(request_)) is Condition.BAD_REQUEST


@pytest.mark.spec("NET-18")
@pytest.mark.parametrize("type_", ["result", "error"])
def test_answers_are_never_answered(type_: str) -> None:
    router = Router()
    assert router.route(iq(type_)) == Routed(handled=False)
    heard: list[Element] = []
    router.add(IQ, type_, "urn:a", heard.append)
    assert router.route(iq(type_)) == Routed(handled=True)
    assert len(heard) == 1


@pytest.mark.spec("NET-18")
def test_a_handler_may_refuse() -> None:
    def refuse(_: Element) -> Element:
        raise StanzaError(Condition.FORBIDDEN)

    router = Router()
    router.add(IQ, "get", "urn:a", refuse)
    router.add(IQ, "result", "urn:a", refuse)
    router.add(MESSAGE, ANY, ANY, refuse)
    assert condition(router.route(iq("get"))) is Condition.FORBIDDEN
    assert router.route(iq("result")) == Routed(handled=True)
    assert condition(router.route(stanza("<message from='a' to='b'/>"))) is Condition.FORBIDDEN
    assert router.route(stanza("<message type='error'/>")) == Routed(handled=True)


@pytest.mark.spec("NET-18")
@pytest.mark.parametrize("answer", [None, iq("get"), stanza("<message type='result'/>")])
def test_a_handler_that_does_not_answer_is_a_bug(answer: Element | None) -> None:
    router = Router()
    router.add(IQ, "get", "urn:a", lambda _: answer)
    with pytest.raises(LocalError):
        router.route(iq("get"))


def teller(heard: list[str], name: str) -> Handler:
    return lambda _: heard.append(name)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("<message type='chat'><x xmlns='urn:a'/></message>", "chat a"),
        ("<message type='chat'><b/><x xmlns='urn:a'/></message>", "chat a"),
        ("<message type='chat'><b/></message>", "chat"),
        ("<message ><x xmlns='urn:a'/></message>", "any a"),
        ("<message ><b/></message>", "normal"),
        ("<message type='normal'/>", "normal"),
        ("<message type='headline'/>", None),
        ("<presence />", "available"),
        ("<presence type='subscribe'/>", None),
        ("<message type='headline'><x xmlns='urn:a'/></message>", "any a"),
    ],
)
def test_the_closest_row_wins(text: str, chosen: str | None) -> None:
    heard: list[str] = []
    router = Router()
    rows = {
        (MESSAGE, "chat", "urn:a"): "chat a",
        (MESSAGE, "chat", ANY): "chat",
        (MESSAGE, ANY, "urn:a"): "any a",
        (MESSAGE, "normal", ANY): "normal",
        (PRESENCE, "available", ANY): "available",
    }
    for (kind, type_, namespace), name in rows.items():
        router.add(kind, type_, namespace, teller(heard, name))
    routed = router.route(stanza(text))
    assert heard == ([] if chosen is None else [chosen])
    assert routed == Routed(handled=chosen is not None)


def test_two_handlers_for_one_row_are_a_bug() -> None:
    router = Router()
    router.add(IQ, "get", "urn:a", reply)
    with pytest.raises(LocalError):
        router.add(IQ, "get", "urn:a", reply)
