"""XEP-0085: the five states, in its own messages and in those of RFC 7573."""

import pytest

from dragoman.xmpp.ext.chatstates import NS, State, element, state_of
from dragoman.xmpp.parser import parse_document

BODY = "<body>Who's there?</body>"
ACTIVE = f"<active xmlns='{NS}'/>"
COMPOSING = f"<composing xmlns='{NS}'/>"


def told(inside: str, attributes: str = "type='chat'") -> State | None:
    text = f"<message xmlns='jabber:client' {attributes}>{inside}</message>"
    return state_of(parse_document(text.encode()))


@pytest.mark.parametrize("state", State)
def test_every_state_is_an_element_of_that_name(state: State) -> None:
    written = f"<{state.value} xmlns='http://jabber.org/protocol/chatstates'/>"
    assert element(state) == parse_document(written.encode())
    assert told(written) is state
    assert told(f"<thread>act2scene2chat1</thread>{written}") is state


@pytest.mark.parametrize(
    ("inside", "state"),
    [
        (BODY + ACTIVE, State.ACTIVE),
        (f"<thread>29377446-0CBB-4296-8958-590D79094C50</thread><gone xmlns='{NS}'/>", State.GONE),
        (COMPOSING + ACTIVE, State.COMPOSING),
        (f"<bored xmlns='{NS}'/>{ACTIVE}", State.ACTIVE),
        (f"<bored xmlns='{NS}'/>", None),
        (f"<ACTIVE xmlns='{NS}'/>", None),
        ("<active xmlns='urn:x'/>", None),
        ("<active/>", None),
        (f"<x xmlns='urn:x'>{ACTIVE}</x>", None),
        (BODY, None),
        ("", None),
    ],
)
def test_what_a_message_tells(inside: str, state: State | None) -> None:
    assert told(inside) is state


def test_an_error_tells_only_what_it_answers() -> None:
    assert told(COMPOSING, "type='error'") is None
    assert told(COMPOSING, "") is State.COMPOSING
