"""What was said lately, for messages that refer to it."""

import pytest

from dragoman.bridge import quotes
from dragoman.bridge.message import Messages
from dragoman.bridge.quotes import Quotes
from dragoman.xmpp.element import Element
from dragoman.xmpp.stanza import BODY, MESSAGE, message
from tests.bridge.test_message import ALICE, CAROL, Ports, answer_ping, final, service
from tests.bridge.test_receipts import arrives

US = (ALICE, CAROL)
CAKE = "We should bake a cake"


def said(found: Messages, ports: Ports, text: str, *children: Element, id_: str = "m1") -> str:
    """Have alice write; return what the phone is sent, "" for nothing."""
    bodies = [Element(BODY, None, (text,))] if text else []
    stanza = message(CAROL, f"{ALICE}/x", id=id_, type="chat", children=[*bodies, *children])
    before = len(ports.requests)
    found.on_stanza(stanza, 0.0)
    if len(ports.requests) == before:
        return ""
    request, handle = ports.requests[-1]
    found.on_response(handle, final(request, 200), 0.0)
    return request.body.decode()


def reacts(id_: str) -> Element:
    emoji = Element("{urn:xmpp:reactions:0}reaction", None, ("\N{THUMBS UP SIGN}",))
    return Element("{urn:xmpp:reactions:0}reactions", {"id": id_}, [emoji])


def corrects(id_: str) -> Element:
    return Element("{urn:xmpp:message-correct:0}replace", {"id": id_})


def test_a_reaction_names_the_message_of_the_sip_user_that_it_is_about() -> None:
    found, ports = service()
    arrives(found, CAKE, media="text/plain")
    answer_ping(found, ports)
    id_ = ports.of(MESSAGE)[-1].get("id", "")
    assert said(found, ports, "", reacts(id_)) == f'[reacted \N{THUMBS UP SIGN} to "{CAKE}"]'


def test_a_reaction_names_the_message_of_the_xmpp_user_that_it_is_about() -> None:
    found, ports = service()
    said(found, ports, CAKE)
    assert said(found, ports, "", reacts("m1")) == f'[reacted \N{THUMBS UP SIGN} to "{CAKE}"]'


def test_a_message_of_another_conversation_is_not_quoted() -> None:
    found, ports = service()
    arrives(found, CAKE, sender="sip:mallory@sip.example", media="text/plain")
    answer_ping(found, ports)
    id_ = ports.of(MESSAGE)[-1].get("id", "")
    assert said(found, ports, "", reacts(id_)) == "[reacted \N{THUMBS UP SIGN}]"


@pytest.mark.spec("IM-32")
def test_a_correction_that_leaves_the_text_as_it_was_is_not_read_twice() -> None:
    found, ports = service()
    assert said(found, ports, CAKE) == CAKE
    assert said(found, ports, CAKE, corrects("m1"), id_="m2") == ""
    assert said(found, ports, CAKE + "!", corrects("m1"), id_="m3") == f"* {CAKE}!"
    assert said(found, ports, CAKE + "!", corrects("m1"), id_="m4") == ""


def test_a_conversation_keeps_its_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "MOST_OF_ONE", 2)
    kept = Quotes()
    for each in ("a", "b", "a", "c"):
        kept.said(*US, [each], f"text of {each}")
    found = {each: kept.quote(*US, each) for each in "abc"}
    assert found == {"a": "text of a", "b": "", "c": "text of c"}


def test_the_longest_unused_conversation_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "MOST", 2)
    kept = Quotes()
    for peer in ("a", "b", "a", "c"):
        kept.said(ALICE, peer, ["1"], "text")
    assert [kept.quote(ALICE, peer, "1") for peer in "abc"] == ["text", "", "text"]
    assert len(kept) == 2


def test_of_a_long_message_the_beginning_is_kept() -> None:
    kept = Quotes()
    text = "x" * 10_000
    kept.said(*US, ["1"], text)
    assert kept.quote(*US, "1") == text[: quotes.LONGEST]
    assert kept.had(*US, "1", text)
    assert not kept.had(*US, "1", text + "y")
    assert not kept.had(*US, "2", text)
