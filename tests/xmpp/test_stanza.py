"""Messages, presence and info/query (RFC 6120 §8)."""

import pytest

from dragoman.xmpp.element import Element, to_xml
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import (
    BODY,
    ERROR,
    ends,
    error_reply,
    iq,
    is_stanza,
    message,
    payload,
    presence,
    reply,
)

ROMEO, JULIET = "romeo@example.net/orchard", "juliet@example.com"
GONE = StanzaError(Condition.ITEM_NOT_FOUND)


def test_stanzas_print_in_the_stream_s_namespace() -> None:
    stanza = message(JULIET, ROMEO, id="m1", type="chat", children=[Element(BODY, None, ["hi"])])
    assert to_xml(stanza, "jabber:server") == (
        f"<message from='{ROMEO}' to='{JULIET}' id='m1' type='chat'><body>hi</body></message>"
    )
    assert to_xml(presence(JULIET, ROMEO), "jabber:client") == (
        f"<presence from='{ROMEO}' to='{JULIET}'/>"
    )


def test_the_ends_of_a_stanza_are_addresses() -> None:
    assert [str(each) for each in ends(message(JULIET, ROMEO))] == [ROMEO, JULIET]
    with pytest.raises(StanzaError) as caught:
        ends(message("@", ROMEO))
    assert caught.value.condition is Condition.JID_MALFORMED


def test_iq_is_answered_with_the_same_id() -> None:
    ping = Element("{urn:xmpp:ping}ping")
    query = iq(JULIET, ROMEO, id="p1", type="get", children=["\n", ping])
    assert payload(query) is ping
    assert reply(query) == iq(ROMEO, JULIET, id="p1", type="result")
    assert payload(reply(query)) is None
    assert payload(Element("x", None, [GONE.element(), ping])) is ping


@pytest.mark.parametrize("name", ["message", "presence", "iq"])
def test_error_is_of_the_same_kind_and_swapped(name: str) -> None:
    body = Element(BODY, None, ["hi"])
    stanza = Element(
        f"{{jabber:client}}{name}",
        {"from": ROMEO, "to": JULIET, "id": "x", "type": "set", "xml:lang": "en"},
        [body],
    )
    assert is_stanza(stanza)
    answer = error_reply(stanza, GONE)
    assert answer is not None
    assert answer.name == stanza.name
    assert answer.attributes == {"from": JULIET, "to": ROMEO, "id": "x", "type": "error"}
    assert answer.children == [body, GONE.element()]
    assert stanza.children == [body]


@pytest.mark.parametrize(
    "stanza",
    [
        message(JULIET, ROMEO, type="error"),
        presence(JULIET, ROMEO, type="error"),
        iq(JULIET, ROMEO, id="1", type="error"),
        iq(JULIET, ROMEO, id="1", type="result"),
        Element("{urn:ietf:params:xml:ns:xmpp-tls}starttls"),
    ],
    ids=lambda stanza: f"{stanza.local_name} {stanza.get('type')}",
)
def test_what_is_never_answered(stanza: Element) -> None:
    assert error_reply(stanza, GONE) is None


def test_large_content_is_not_echoed() -> None:
    large = message(JULIET, ROMEO, children=[Element(BODY, None, ["x" * 1024])])
    answer = error_reply(large, GONE)
    assert answer is not None
    assert [child.name for child in answer.elements] == [ERROR]


def test_stanza_without_addresses_gets_an_answer_without() -> None:
    answer = error_reply(Element("{jabber:client}iq", {"type": "get"}), GONE)
    assert answer is not None
    assert answer.attributes == {"type": "error"}
