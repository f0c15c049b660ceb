"""What devices are asked, and what becomes of questions that nobody answers."""

import pytest

from dragoman.bridge.abilities import MOST, PATIENCE, Abilities
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.disco import INFO, MOST_TOLD, Info
from dragoman.xmpp.failure import Condition, StanzaError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.stanza import IQ, error_reply, reply

PHONE, DEVICE = Jid.parse("juliet@sip.example/phone"), Jid.parse("romeo@xmpp.example/orchard")


class World:
    """Has the questions of devices, and what was told of them."""

    def __init__(self) -> None:
        self.sent: list[Element] = []
        self.told: list[frozenset[str] | None] = []
        tokens = iter(range(10**6))
        self.abilities = Abilities(self, lambda: f"t{next(tokens)}")

    def send(self, stanza: Element, local: str, remote: str) -> None:
        assert (local, remote) == (PHONE.domain, DEVICE.domain)
        self.sent.append(stanza)

    def ask(self, now: float = 0.0) -> Element:
        self.abilities.ask(PHONE, DEVICE, self.told.append, now)
        return self.sent[-1]


def test_a_device_tells_its_features_once() -> None:
    world = World()
    answer = reply(world.ask(), (Info(features=frozenset({"a", "b"})).query(),))
    assert world.abilities.on_stanza(answer)
    assert world.told == [frozenset({"a", "b"})]
    assert world.abilities.next_timer() is None
    assert not world.abilities.on_stanza(answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: error_reply(asked, StanzaError(Condition.SERVICE_UNAVAILABLE)),
        reply,
        lambda asked: reply(asked, (Element("{urn:other}query"),)),
    ],
)
def test_who_answers_otherwise_does_not_say(answer: object) -> None:
    world = World()
    assert callable(answer)
    assert world.abilities.on_stanza(answer(world.ask()))
    assert world.told == [None]


def test_nobody_else_answers() -> None:
    world = World()
    answer = reply(world.ask(), (Info().query(),))
    for name, value in (
        ("from", "tybalt@xmpp.example"),
        ("to", "x@y"),
        ("id", "t9"),
        ("from", "@"),
    ):
        other = Element(IQ, {**answer.attributes, name: value}, answer.children)
        assert not world.abilities.on_stanza(other)
    asked = Element(IQ, {**answer.attributes, "type": "get"})
    assert not world.abilities.on_stanza(asked)
    assert world.told == []


def test_who_does_not_answer_in_time_does_not_say() -> None:
    world = World()
    world.ask(1.0)
    assert world.abilities.next_timer() == 1.0 + PATIENCE
    world.abilities.on_timer(1.0 + PATIENCE)
    assert world.told == [None]


def test_a_question_that_does_not_arrive_is_no_answer() -> None:
    world = World()
    asked = world.ask()
    assert not world.abilities.undelivered(reply(asked))
    assert world.abilities.undelivered(asked)
    assert world.told == [None]


def test_there_are_only_so_many_questions_and_features() -> None:
    world = World()
    for _ in range(MOST + 1):
        world.ask()
    assert len(world.sent) == MOST
    assert world.told == [None]
    said = [Element(f"{{{INFO}}}feature", {"var": str(n)}) for n in range(MOST_TOLD + 5)]
    world.abilities.on_stanza(reply(world.sent[0], (Element(f"{{{INFO}}}query", {}, said),)))
    features = world.told[-1]
    assert features is not None
    assert len(features) == MOST_TOLD
