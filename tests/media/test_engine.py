import pytest

from dragoman.media.engine import MOST_WAITING, PING, RESEND, Engine, Health
from dragoman.media.ng import Asked, Command, Reply, Result
from tests.media.ngfake import FakeEngine
from tests.pair import STORM, Wire

LIMIT = sum(RESEND)


class Heard:
    def __init__(self) -> None:
        self.replies: list[Reply | None] = []

    def __call__(self, reply: Reply | None, now: float) -> None:
        self.replies.append(reply)


def engine(turns: list[Health] | None = None) -> Engine:
    numbers = iter(range(10**6))
    told = [] if turns is None else turns
    return Engine("a:1", lambda: f"c{next(numbers)}", lambda each, _: told.append(each.health))


QUERY = Asked(Command.DELETE, {"call-id": "x"})


def test_a_request_survives_three_losses_and_is_done_once() -> None:
    client, server, heard = engine(), FakeEngine(), Heard()
    client.ask(QUERY, heard, 0.0)
    wire = Wire(client, server, lose=[True, True, True])
    wire.run(until=LIMIT)
    assert [reply and reply.result for reply in heard.replies] == [Result.OK]
    assert server.commands() == ["delete"]
    sent = [when for when, who, data in wire.sent if who == "left" and data.startswith(b"c0 ")]
    assert sent == [0.0, 0.5, 1.5, 3.5]
    assert client.health is Health.UP


def test_what_the_engine_says_twice_is_heard_once() -> None:
    client, server, heard = engine(), FakeEngine(), Heard()
    client.ask(QUERY, heard, 0.0)
    wire = Wire(client, server, lose=[False, False, True])
    wire.run(until=1.0)
    reply = [data for _, who, data in wire.sent if who == "right"][-1]
    client.receive(reply, 1.0)
    client.receive(reply, 1.1)
    assert len(heard.replies) == 1
    assert client.strays == 2


@pytest.mark.parametrize("seed", range(20))
def test_all_is_answered_in_a_storm_or_given_up(seed: int) -> None:
    client, server = engine(), FakeEngine()
    heard = [Heard() for _ in range(20)]
    for each in heard:
        client.ask(QUERY, each, 0.0)
    wire = Wire(client, server, weather=STORM, seed=seed)
    wire.run(until=LIMIT + 1)
    assert [len(each.replies) for each in heard] == [1] * 20, wire


def test_an_engine_that_says_nothing_is_down_and_nobody_waits_for_it_any_more() -> None:
    turns: list[Health] = []
    client, server = engine(turns), FakeEngine()
    server.mute = True
    first, second = Heard(), Heard()
    wire = Wire(client, server)
    client.ask(QUERY, first, 0.0)
    wire.run(until=LIMIT - 0.1)
    client.ask(QUERY, second, wire.now)
    assert not turns
    wire.run(until=LIMIT)
    assert first.replies == second.replies == [None]
    assert turns == [Health.DOWN]
    assert client.waiting == 0


def test_it_is_looked_after_and_used_again() -> None:
    turns: list[Health] = []
    client, server = engine(turns), FakeEngine()
    wire = Wire(client, server)
    server.mute = True
    wire.run(until=60)
    assert turns == [Health.DOWN]
    server.mute = False
    wire.run(until=60 + PING)
    assert turns == [Health.DOWN, Health.UP]


def test_an_engine_that_answers_others_is_not_down() -> None:
    client, server, lost, late = engine(), FakeEngine(), Heard(), Heard()
    server.deaf = {"delete"}
    wire = Wire(client, server)
    wire.run(until=1.0)
    client.ask(QUERY, lost, 1.0)
    wire.run(until=LIMIT + 0.5)
    server.deaf = {"delete", "list"}
    client.ask(Asked(Command.LIST), late, wire.now)
    wire.run(until=LIMIT + 1.0)
    assert lost.replies == [None]
    assert not late.replies
    assert client.health is Health.UP
    server.deaf = set()
    wire.run(until=LIMIT + 2.0)
    assert [reply and reply.result for reply in late.replies] == [Result.OK]


def test_its_load_is_what_it_says() -> None:
    client, server = engine(), FakeEngine()
    server.others = 7
    wire = Wire(client, server)
    wire.run(until=PING + 1)
    assert client.load == 7
    assert client.describe() == {
        "engine": "a:1", "health": "answers", "load": 7, "waiting": 0, "strays": 0,
    }  # fmt: skip


def test_nonsense_is_counted() -> None:
    client, heard = engine(), Heard()
    client.ask(QUERY, heard, 0.0)
    for data in (b"", b"nothing", b"\xff\xfe x", b"other d6:result2:oke"):
        client.receive(data, 0.1)
    assert not heard.replies
    assert client.health is Health.NEW
    client.receive(b"c0 d6:result", 0.2)
    assert [reply and reply.result for reply in heard.replies] == [Result.ERROR]
    assert client.strays == 5


def test_only_so_many_requests_wait() -> None:
    client, heard = engine(), Heard()
    for _ in range(MOST_WAITING):
        client.ask(QUERY, heard, 0.0)
    assert not heard.replies
    client.ask(QUERY, heard, 0.0)
    assert [reply and reply.result for reply in heard.replies] == [Result.LIMIT]
    assert len(client.to_send()) == MOST_WAITING
