"""XEP-0215 as a component asks by it, on a hand-turned clock."""

import pytest

from dragoman.bridge.external import AGAIN, LASTING, OFTEN, SELDOM, External
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext import extdisco
from dragoman.xmpp.ext.extdisco import Service
from dragoman.xmpp.stanza import iq

US, SERVER = "gateway.xmpp.example", "xmpp.example"
STUN = Service("stun", "stun.example", 3478, "udp")
TURN = Service("turn", "turn.example", 3478, "udp", "u", "p", "2026-01-01T01:00:00Z", True)
MIDNIGHT = 1767225600.0


class Desk:
    def __init__(self) -> None:
        self.sent: list[Element] = []
        self.offered: list[list[tuple[str, float]]] = []
        tokens = iter("abcdefgh")
        self.external = External(
            self, {US: SERVER}, self.learn, lambda: next(tokens), lambda: MIDNIGHT
        )

    def send(self, stanza: Element, local: str, remote: str) -> None:
        assert (local, remote) == (US, SERVER)
        self.sent.append(stanza)

    def learn(self, offered: object) -> None:
        assert isinstance(offered, list)
        self.offered.append([(each.host, lasts) for each, lasts in offered])

    def answers(
        self,
        *services: Service,
        now: float = 0.0,
        type: str = "result",  # noqa: A002 (the attribute's name)
        id: str = "",  # noqa: A002
        from_: str = SERVER,
        to: str = US,
    ) -> bool:
        name = id or self.sent[-1].get("id", "")
        said = iq(to, from_, id=name, type=type, children=[extdisco.answer(services)])
        return self.external.on_answer(said, now)


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    assert made.external.next_timer() == 0.0
    made.external.on_timer(0.0)
    (asked,) = made.sent
    assert (asked.get("from"), asked.get("to"), asked.get("type")) == (US, SERVER, "get")
    assert asked.find(extdisco.SERVICES) is not None
    return made


def test_services_are_asked_for_again_before_they_expire(desk: Desk) -> None:
    assert desk.answers(STUN, TURN)
    assert desk.offered == [[("stun.example", LASTING), ("turn.example", 3600.0)]]
    assert desk.external.next_timer() == 1800.0
    desk.external.on_timer(1800.0)
    assert len(desk.sent) == 2


@pytest.mark.parametrize(
    ("service", "after"),
    [(STUN, OFTEN), (Service("turn", "t.example", expires="2026-01-01T00:00:10Z"), SELDOM)],
)
def test_neither_too_often_nor_too_seldom(desk: Desk, service: Service, after: float) -> None:
    assert desk.answers(service)
    assert desk.external.next_timer() == after


@pytest.mark.parametrize(
    "service",
    [
        Service("ftp", "a.example"),
        Service("turn", "a.example", restricted=True),
        Service("turn", "a.example", expires="2025-12-31T23:59:59Z"),
        Service("turn", "a.example", expires="soon"),
    ],
)
def test_what_is_of_no_use_is_left_out(desk: Desk, service: Service) -> None:
    assert desk.answers(service)
    assert desk.offered == [[]]


def test_who_gives_no_answer_is_asked_again(desk: Desk) -> None:
    assert desk.external.next_timer() == AGAIN
    assert desk.answers(type="error")
    assert desk.external.next_timer() == AGAIN
    assert desk.offered == []
    desk.external.on_timer(AGAIN)
    assert desk.answers(STUN, now=AGAIN)
    assert desk.offered


def test_only_the_answer_to_the_question_counts(desk: Desk) -> None:
    assert not desk.answers(STUN, id="other")
    assert not desk.answers(STUN, from_="evil.example")
    assert not desk.answers(STUN, to="x.example")
    assert desk.answers(STUN)
    assert not desk.answers(STUN), "it was answered"
