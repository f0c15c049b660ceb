from dataclasses import replace
from typing import Any

import pytest
from aioice.stun import Class, Message, Method, parse_message

from dragoman.media.icelite import MOST_BELIEVED, Lite, host_candidate
from dragoman.media.remote import Credentials

OURS, THEIRS = Credentials("ours", "o" * 24), Credentials("theirs", "t" * 24)
PEER = ("192.0.2.1", 4000)


def check(username: str = "ours:theirs", password: str = OURS.password, **attributes: Any) -> bytes:
    named = {name.replace("_", "-"): value for name, value in attributes.items()}
    wanted = {"USERNAME": username, "PRIORITY": 1, "ICE-CONTROLLING": 7, **named}
    message = Message(Method.BINDING, Class.REQUEST, b"t" * 12, wanted)
    message.add_message_integrity(password.encode())
    return bytes(message)


def agent(components: int = 1) -> Lite:
    made = Lite(OURS, components)
    made.expect(THEIRS, lite=False, components=2)
    return made


def test_a_check_is_answered_and_signed() -> None:
    lite = agent()
    reply = lite.receive(0, check(), PEER)
    assert reply is not None
    message = parse_message(reply)
    assert message.message_class == Class.RESPONSE
    assert message.attributes["XOR-MAPPED-ADDRESS"] == PEER
    assert message.check_message_integrity(OURS.password.encode())
    assert lite.believed == {PEER}
    assert not lite.selected


def test_the_way_is_the_one_that_was_nominated() -> None:
    lite = agent(2)
    lite.receive(0, check(USE_CANDIDATE=None), PEER)
    assert not lite.selected
    lite.receive(1, check(USE_CANDIDATE=None), ("192.0.2.1", 4001))
    assert lite.selected
    assert lite.where == [PEER, ("192.0.2.1", 4001)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 20,
        check("ours"),
        check("other:theirs"),
        check("ours:stranger"),
        check(password="x" * 24),
        bytes(Message(Method.BINDING, Class.REQUEST, b"t" * 12, {"USERNAME": "ours:theirs"})),
        bytes(Message(Method.BINDING, Class.INDICATION, b"t" * 12)),
        bytes(Message(Method.ALLOCATE, Class.REQUEST, b"t" * 12)),
    ],
)
def test_who_does_not_know_our_password_gets_no_answer(data: bytes) -> None:
    lite = agent()
    assert lite.receive(0, data, PEER) is None
    assert not lite.believed


def test_early_checks_are_answered_before_the_peer_is_known() -> None:
    assert Lite(OURS).receive(0, check(), PEER) is not None


def test_a_peer_that_would_be_controlled_has_to_control() -> None:
    message = Message(
        Method.BINDING, Class.REQUEST, b"t" * 12, {"USERNAME": "ours:theirs", "ICE-CONTROLLED": 1}
    )
    message.add_message_integrity(OURS.password.encode())
    reply = agent().receive(0, bytes(message), PEER)
    assert reply is not None
    assert parse_message(reply).error_code == 487


def test_two_that_only_answer_are_where_they_say() -> None:
    lite = Lite(OURS)
    lite.add([host_candidate(1, *PEER)])
    assert not lite.selected
    lite.expect(THEIRS, lite=True, components=2)
    odd = [host_candidate(1, "x.local", 4000), host_candidate(1, PEER[0], 0)]
    odd.append(replace(host_candidate(1, *PEER), transport="tcp"))
    lite.add(odd)
    assert not lite.selected
    lite.add([host_candidate(1, *PEER)])
    assert lite.where == [PEER]


def test_sources_have_a_bound() -> None:
    lite = agent()
    for port in range(1, MOST_BELIEVED + 5):
        lite.receive(0, check(), ("192.0.2.1", port))
    assert len(lite.believed) == MOST_BELIEVED


def test_a_peer_may_have_fewer_components() -> None:
    lite = Lite(OURS, 2)
    lite.expect(THEIRS, lite=False, components=1)
    lite.receive(0, check(USE_CANDIDATE=None), PEER)
    assert lite.selected
    assert lite.receive(1, check(USE_CANDIDATE=None), PEER) is not None
    assert lite.where == [PEER]
