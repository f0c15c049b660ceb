"""What the load generator counts: every number once, and from SIP only with its 2xx."""

from collections.abc import AsyncIterator

import pytest

from bench.load import TIMEOUT, FarEnds, SipToXmpp, XmppToSip

FIRST = 10_000_000


@pytest.fixture
async def far_ends() -> AsyncIterator[FarEnds]:
    made = await FarEnds.start(("127.0.0.1", 9), ("127.0.0.1", 9), users=5)
    yield made
    await made.aclose()


def from_sip(far_ends: FarEnds, count: int = 3) -> SipToXmpp:
    (way,) = far_ends.begin(count, count, sip=True, xmpp=False)
    assert isinstance(way, SipToXmpp)
    way.fill()
    return way


def from_xmpp(far_ends: FarEnds) -> XmppToSip:
    (way,) = far_ends.begin(3, 3, sip=False, xmpp=True)
    assert isinstance(way, XmppToSip)
    way.fill()
    return way


def stanza(number: int, more: str = "") -> bytes:
    body = f"<body xml:lang='en'>{number:08d} text</body>"
    return f"<message from='a@b' to='c@d' id='x'{more}>{body}</message>".encode()


async def test_a_message_needs_both_stanza_and_answer(far_ends: FarEnds) -> None:
    way = from_sip(far_ends)
    assert far_ends.stanzas(stanza(FIRST) + stanza(FIRST + 1)) == b""
    assert (way.done, way.lost) == (0, 3)
    way.answer(FIRST, 200)
    way.answer(FIRST + 2, 202)
    assert (way.done, way.lost, way.open) == (1, 2, {FIRST + 1, FIRST + 2})
    far_ends.stanzas(stanza(FIRST + 2))
    assert (way.done, way.lost) == (2, 1)


async def test_a_second_arrival_is_a_duplicate(far_ends: FarEnds) -> None:
    way = from_sip(far_ends)
    far_ends.stanzas(stanza(FIRST) + b"\n" + stanza(FIRST))
    way.answer(FIRST, 200)
    far_ends.stanzas(stanza(FIRST))
    assert (way.done, way.duplicates, len(way.delays)) == (1, 2, 1)


async def test_a_refusal_is_a_loss(far_ends: FarEnds) -> None:
    way = from_sip(far_ends)
    way.answer(FIRST, 503)
    way.answer(FIRST, 503)
    assert (way.done, way.lost, dict(way.refused)) == (0, 3, {"503": 1})
    assert FIRST not in way.open


async def test_numbers_of_another_case_are_not_counted(far_ends: FarEnds) -> None:
    way = from_sip(far_ends)
    far_ends.stanzas(stanza(FIRST - 1) + stanza(FIRST + 3))
    assert (sum(way.came), way.duplicates) == (0, 0)
    assert from_sip(far_ends).first == FIRST + 3


async def test_what_has_no_answer_is_sent_again_and_given_up(far_ends: FarEnds) -> None:
    way = from_sip(far_ends)
    sent = way.sent_at[0]
    way.answer(FIRST, 200)
    way.on_tick(sent + 0.6)
    assert way.retransmitted == 2
    way.on_tick(sent + TIMEOUT + 5)
    assert dict(way.refused) == {"timeout": 2}
    assert way.open == {FIRST}


@pytest.mark.parametrize("cut", [1, 20, 70])
async def test_a_stanza_cut_in_two_is_left_over(far_ends: FarEnds, cut: int) -> None:
    way = from_sip(far_ends)
    data = stanza(FIRST) + stanza(FIRST + 1)
    at = len(stanza(FIRST)) + cut
    assert far_ends.stanzas(data[:at]) == data[at - cut : at]
    assert sum(way.came) == 1


async def test_what_is_no_stanza_is_left_to_the_stream(far_ends: FarEnds) -> None:
    verify = b"<db:verify from='sip.test' to='xmpp.test' id='1'>k</db:verify>"
    assert far_ends.stanzas(stanza(FIRST) + verify) == verify


async def test_a_stanza_sent_is_done_when_its_message_came_once(far_ends: FarEnds) -> None:
    way = from_xmpp(far_ends)
    way.request(FIRST, b"b1")
    way.request(FIRST, b"b1")
    way.request(FIRST, b"b2")
    assert (way.done, way.retransmitted, way.duplicates, way.lost) == (1, 1, 1, 2)


async def test_a_bounce_is_a_loss_with_its_condition(far_ends: FarEnds) -> None:
    way = from_xmpp(far_ends)
    error = "<error type='wait'><resource-constraint xmlns='urn:x'/></error>"
    bounce = f"<message type='error' id='n{FIRST}' from='a@b' to='c@d'>{error}</message>"
    far_ends.stanzas(bounce.encode())
    assert (way.done, dict(way.refused)) == (0, {"resource-constraint": 1})


async def test_every_recipient_gets_a_turn_before_one_gets_a_second(far_ends: FarEnds) -> None:
    pairs = [far_ends.pair(number) for number in range(25)]
    assert sorted({recipient for _, recipient in pairs[:5]}) == [0, 1, 2, 3, 4]
    assert len(set(pairs)) == 25
