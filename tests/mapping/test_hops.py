"""Max-Forwards across: what a phone sends bears no mark, what goes in circles ends."""

import pytest

from dragoman.mapping import hops
from dragoman.mapping.hops import CROSSING, FROM_XMPP
from dragoman.sip.message import Request, parse
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import shim
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.stanza import message


def request(max_forwards: str) -> Request:
    made = parse(
        f"MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c\r\n{max_forwards}\r\n\r\n".encode()
    )
    assert isinstance(made, Request)
    return made


def stanza(value: str | None) -> Element:
    children = [] if value is None else [shim.headers({"Urgency": "high", "Max-Forwards": value})]
    return message("a@b", "c@d", children=children)


@pytest.mark.parametrize(
    "line", ["Max-Forwards: 70", f"Max-Forwards: {FROM_XMPP + 1}", "Subject: x"]
)
def test_what_a_phone_sends_bears_no_mark(line: str) -> None:
    assert hops.mark(request(line)) is None


@pytest.mark.parametrize("left", ["50", "1", "0"])
def test_what_may_come_from_xmpp_bears_what_is_left(left: str) -> None:
    mark = hops.mark(request(f"Max-Forwards: {left}"))
    assert mark is not None
    assert shim.header(message("a@b", "c@d", children=[mark]), "Max-Forwards") == left


@pytest.mark.parametrize(
    ("value", "left"),
    [(None, FROM_XMPP), ("50", 40), ("11", 1), ("70", FROM_XMPP - CROSSING), ("255", 40)],
)
def test_each_crossing_costs(value: str | None, left: int) -> None:
    assert hops.left(stanza(value)) == left


@pytest.mark.parametrize("value", ["10", "0", "", "-1", "x", "²", "9999"])
def test_nothing_left_is_an_error(value: str) -> None:
    with pytest.raises(StanzaError) as refused:
        hops.left(stanza(value))
    assert refused.value.condition is Condition.ITEM_NOT_FOUND


@pytest.mark.spec("NET-33")
def test_a_message_that_goes_round_ends_after_a_handful() -> None:
    circling = stanza(None)
    for _ in range(FROM_XMPP // CROSSING):
        mark = hops.mark(request(f"Max-Forwards: {hops.left(circling)}"))
        assert mark is not None
        circling = message("a@b", "c@d", children=[mark])
    with pytest.raises(StanzaError):
        hops.left(circling)
