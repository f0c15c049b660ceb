"""Links that share a stream: several pairs (XEP-0220 §2.7), both directions (XEP-0288)."""

from dataclasses import replace

import pytest

from dragoman.bridge.federation import Federation
from dragoman.records import Tlsa
from dragoman.xmpp import dialback
from dragoman.xmpp.dane import Associations
from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import Condition
from dragoman.xmpp.locate import Target
from dragoman.xmpp.s2s_in import IncomingStream
from dragoman.xmpp.s2s_out import OutgoingStream
from dragoman.xmpp.stanza import message
from tests.bridge.test_federation import (
    FEATURES,
    FIRST,
    POLICY,
    THEM,
    US,
    VALID,
    Around,
    Line,
    connect,
    federation,
    send,
)

ERRORS = FEATURES.replace(b"features:dialback'/>", b"features:dialback'><errors/></dialback>")
OTHER_US = "rooms.sip.example"
OTHER_THEM = "rooms.xmpp.example"
ELSEWHERE = Target("192.0.2.99", 5269, False, OTHER_THEM)
SAME = Target(FIRST.address, FIRST.port, False, OTHER_THEM)
SIGNED = replace(SAME, associations=Associations(OTHER_THEM, "a.example"))
LISTED = replace(
    SAME, associations=Associations(OTHER_THEM, "a.example", (Tlsa(3, 1, 1, bytes(32)),))
)


def shared(features: bytes = ERRORS) -> tuple[Federation, Around, OutgoingStream, Line]:
    """Return a federation with one stream that is up, on which one stanza was sent."""
    found, around = federation()
    send(found, "1")
    found.found(around.looked_up[0], [FIRST], 0.0)
    stream, line = connect(found, around)
    stream.receive(features + VALID, 0.0)
    found.on_outgoing(around.looked_up[0], 0.0)
    assert isinstance(stream, OutgoingStream)
    stream.to_send()
    return found, around, stream, line


def between(local: str, remote: str, name: str) -> Element:
    return message(f"alice@{remote}", f"carol@{local}", id=name)


def verdict(local: str, remote: str, type_: str = "valid") -> bytes:
    return f"<db:result from='{remote}' to='{local}' type='{type_}'/>".encode()


def told(found: Federation, around: Around, stream: OutgoingStream, data: bytes) -> None:
    stream.receive(data, 1.0)
    found.on_outgoing(around.looked_up[0], 1.0)


def test_another_of_our_domains_is_shown_on_the_stream_that_there_is() -> None:
    found, around, stream, _ = shared()
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 1.0)
    key = dialback.key(b"s", THEM, OTHER_US, "1")
    shown = b"".join(stream.to_send()).decode()
    assert shown == f"<db:result from='{OTHER_US}' to='{THEM}'>{key}</db:result>"
    assert around.handed == ["1"], "not before the peer has agreed"
    told(found, around, stream, verdict(OTHER_US, THEM))
    assert around.handed == ["1", "2"]
    assert len(around.looked_up) == 1
    found.send(between(OTHER_US, THEM, "3"), OTHER_US, THEM, 2.0)
    assert around.handed == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("target", "shares"), [(SAME, True), (ELSEWHERE, False), (SIGNED, True), (LISTED, False)]
)
def test_another_of_their_domains_shares_when_it_is_at_the_same_server(
    target: Target, shares: bool
) -> None:
    found, around, stream, _ = shared()
    found.send(between(US, OTHER_THEM, "2"), US, OTHER_THEM, 1.0)
    found.found(around.looked_up[1], [target], 1.0)
    assert (b"<db:result" in b"".join(stream.to_send())) is shares
    assert (len(around.dialled) == 2) is not shares
    if shares:
        told(found, around, stream, verdict(US, OTHER_THEM))
        assert around.handed == ["1", "2"]


def test_a_peer_that_tells_no_dialback_errors_is_not_asked() -> None:
    found, around, stream, _ = shared(FEATURES)
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 1.0)
    assert stream.to_send() == []
    assert len(around.looked_up) == 2


@pytest.mark.parametrize("type_", ["invalid", "error"])
def test_a_pair_that_is_refused_gets_a_stream_of_its_own(type_: str) -> None:
    found, around, stream, _ = shared()
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 1.0)
    told(found, around, stream, verdict(OTHER_US, THEM, type_))
    assert around.looked_up[1].pair == (OTHER_US, THEM)
    found.found(around.looked_up[1], [FIRST], 1.0)
    assert len(around.dialled) == 2, "and is not asked for again"
    assert stream.ready, "the pair that was there before did nothing wrong"
    assert around.back == []


def test_no_answer_about_a_pair_is_a_refusal_in_time() -> None:
    found, around, stream, _ = shared()
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 1.0)
    stream.on_timer(1.0 + POLICY.verify)
    found.on_outgoing(around.looked_up[0], 31.0)
    assert around.looked_up[1].pair == (OTHER_US, THEM)


def test_a_shared_stream_that_ends_is_told_for_each_pair_and_those_that_wait_go_on() -> None:
    found, around, stream, line = shared()
    found.send(between(OTHER_US, THEM, "2"), OTHER_US, THEM, 1.0)
    told(found, around, stream, verdict(OTHER_US, THEM))
    found.send(between("third.sip.example", THEM, "3"), "third.sip.example", THEM, 1.0)
    told(found, around, stream, b"</stream:stream>")
    assert around.gone == [(US, THEM), (OTHER_US, THEM)]
    assert line.closed
    assert [link.pair for link in around.looked_up[1:]] == [("third.sip.example", THEM)]
    assert around.back == []


def lent(found: Federation, *, bidi: bool = True) -> tuple[IncomingStream, Line]:
    """Have THEM open a stream to US that is authenticated, for both directions or not."""
    stream, line = IncomingStream(policy=POLICY, secret=b"s", token=lambda: "x"), Line()
    found.accepted(stream, line)
    stream.connected(0.0)
    header = (
        FEATURES[: FEATURES.index(b" id=")] + f" from='{THEM}' to='{US}' version='1.0'>".encode()
    )
    stream.receive(header, 0.0)
    found.on_incoming(stream, 0.0)
    if bidi:
        stream.receive(b"<bidi xmlns='urn:xmpp:bidi'/>", 0.0)
    stream.receive(f"<db:result from='{THEM}' to='{US}'>k</db:result>".encode(), 0.0)
    query = stream.events()[-1].query  # type: ignore[attr-defined]
    stream.verified(query, valid=True, now=0.0)
    found.on_incoming(stream, 0.0)
    stream.to_send()
    return stream, line


@pytest.mark.spec("NET-11")
@pytest.mark.parametrize("bidi", [True, False])
def test_a_stream_of_both_directions_that_they_opened_is_sent_on(bidi: bool) -> None:
    found, around = federation()
    stream, _ = lent(found, bidi=bidi)
    send(found, "1")
    assert (around.handed == ["1"]) is bidi
    assert (around.looked_up == []) is bidi
    assert (b"<message" in b"".join(stream.to_send())) is bidi


@pytest.mark.spec("NET-11")
def test_a_pair_that_was_not_verified_on_it_takes_another_way() -> None:
    found, around = federation()
    lent(found)
    found.send(between(OTHER_US, THEM, "1"), OTHER_US, THEM, 1.0)
    assert around.looked_up[0].pair == (OTHER_US, THEM)


def test_a_lent_stream_that_ends_is_told_and_replaced() -> None:
    found, around = federation()
    stream, line = lent(found)
    send(found, "1")
    stream.closed(1.0)
    found.on_incoming(stream, 1.0)
    assert around.gone == [(US, THEM)]
    assert line.closed
    send(found, "2", now=2.0)
    assert around.looked_up[0].pair == (US, THEM)
    assert around.back == []
    assert found.describe()["streams_in"] == 0


def test_what_comes_on_a_stream_of_ours_is_taken_when_it_has_both_directions() -> None:
    bidi = FEATURES.replace(b"<dialback", b"<bidi xmlns='urn:xmpp:features:bidi'/><dialback")
    found, around, stream, _ = shared(bidi)
    told(found, around, stream, f"<message from='alice@{THEM}' to='carol@{US}'/>".encode())
    assert [each.get("from") for each in around.arrived] == [f"alice@{THEM}"]


def test_a_stop_ends_lent_streams_too() -> None:
    found, around = federation()
    stream, _ = lent(found)
    send(found, "1")
    found.shut(1.0)
    assert b"system-shutdown" in b"".join(stream.to_send())
    stream.closed(1.1)
    found.on_incoming(stream, 1.1)
    assert found.quiet
    send(found, "2", now=1.2)
    assert around.back == [("2", Condition.RESOURCE_CONSTRAINT)]
