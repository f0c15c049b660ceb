import pytest

from dragoman.errors import LocalError
from dragoman.net.servers import MOST_OFFERED, PASSED_OVER, Server, Servers

STUN, TURN = Server.parse("stun:a.example"), Server.parse("turn:b.example", "u", "p")


@pytest.mark.parametrize(
    ("uri", "host", "port", "transport"),
    [
        ("stun:stun.example", "stun.example", 3478, "udp"),
        ("STUN:192.0.2.1:5000", "192.0.2.1", 5000, "udp"),
        ("turn:turn.example", "turn.example", 3478, "udp"),
        ("turn:[2001:db8::1]:4000?transport=TCP", "2001:db8::1", 4000, "tcp"),
        ("turn:[2001:db8::1]", "2001:db8::1", 3478, "udp"),
        ("turns:turn.example", "turn.example", 5349, "tcp"),
        ("turns:turn.example:443?transport=tcp", "turn.example", 443, "tcp"),
    ],
)
def test_a_uri_is_a_server(uri: str, host: str, port: int, transport: str) -> None:
    found = Server.parse(uri, "user", "secret")
    assert (found.host, found.port, found.transport) == (host, port, transport)
    assert found.relays is not uri.lower().startswith("stun")
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "uri",
    [
        *("", "stun:", "stuns:a.example", "http://a.example", "turn://a.example", "turn:a b"),
        *("stun:a.example?transport=udp", "turn:a.example?transport=sctp", "turn:a.example?x=udp"),
        *("turns:a.example?transport=udp", "turn:a.example:", "turn:a.example:0", "turn:a:99999"),
        *("turn:[::1", "turn:[::1]4000", "turn:a:\u0661", "turn:u@a.example", "turn:a:1:2"),
    ],
)
def test_nothing_else_is_one(uri: str) -> None:
    with pytest.raises(LocalError):
        Server.parse(uri)


def test_the_first_of_each_kind_is_asked_that_has_answered() -> None:
    now = 0.0
    other = Server.parse("turn:c.example")
    servers = Servers([STUN, TURN, other], lambda: now)
    assert servers.asked() == [STUN, TURN]
    servers.failed(TURN, "no answer")
    assert servers.asked() == [STUN, other]
    servers.failed(other, "no answer")
    assert servers.asked() == [STUN]
    now = PASSED_OVER
    assert servers.asked() == [STUN, TURN]


def test_those_that_are_offered_come_last_and_do_not_last() -> None:
    now = 0.0
    servers = Servers([STUN], lambda: now)
    servers.offer([(Server.parse("stun:d.example"), 60.0), (TURN, 60.0)])
    assert servers.asked() == [STUN, TURN]
    now = 60.0
    assert servers.asked() == [STUN]
    servers.offer([(TURN, 60.0)] * (MOST_OFFERED + 1))
    assert len(servers._offered) == MOST_OFFERED
