import pytest

from dragoman.errors import LocalError
from dragoman.media.engine import PING, RESEND, REST
from dragoman.media.engines import MOST_SWEEPS, Engines
from dragoman.media.plane import PLAIN, Lost, Side, Trouble
from tests.media.ngfake import PHONE, House

SIP, XMPP = Side.SIP, Side.XMPP
LATE = sum(RESEND) + PING + 1


def talk(house: House, call: str) -> None:
    house.offer(XMPP, PHONE, PLAIN, call)
    house.answer(SIP, PHONE, call)


@pytest.mark.parametrize(
    ("names", "instance"),
    [((), "here"), (("a:1", "a:1"), "here"), (("a:1",), ""), (("a:1",), "a b"), (("a:1",), "a:b")],
)
def test_what_makes_no_pool(names: tuple[str, ...], instance: str) -> None:
    with pytest.raises(LocalError):
        Engines(names, instance, str, lambda *_: None)


def test_calls_go_where_the_fewest_are_and_stay_there() -> None:
    house = House("a:1", "b:1")
    house.engines["b:1"].others = 3
    house.run(PING + 1)
    for number in range(5):
        talk(house, f"c{number}")
    assert [len(each.calls) for each in house.engines.values()] == [4, 1]
    house.offer(SIP, PHONE, PLAIN, "c0")
    assert house.engines["a:1"].commands()[-1] == "offer"
    assert {each["calls"] for each in house.calls.engines.describe()} == {4, 1}
    for number in range(5):
        house.close(f"c{number}")
    assert [each["calls"] for each in house.calls.engines.describe()] == [0, 0]
    assert [len(each.calls) for each in house.engines.values()] == [0, 0]


def test_who_has_ended_calls_has_room_again() -> None:
    house = House("a:1", "b:1")
    for number in range(3):
        talk(house, f"c{number}")
    house.close("c0")
    house.close("c2")
    talk(house, "c3")
    assert [list(each.calls) for each in house.engines.values()] == [["here:c3.4"], ["here:c1.2"]]


def test_an_engine_that_is_full_is_left_alone_for_a_while() -> None:
    house = House("a:1", "b:1")
    house.engines["a:1"].full = True
    assert house.offer(XMPP, PHONE, PLAIN, "one").description
    assert house.offer(XMPP, PHONE, PLAIN, "two").description
    assert house.engines["a:1"].commands() == ["offer"]
    house.engines["a:1"].full = False
    house.run(REST + 1)
    assert house.offer(XMPP, PHONE, PLAIN, "three").description
    assert len(house.engines["a:1"].calls) == 1


def test_all_are_full() -> None:
    house = House("a:1", "b:1")
    for each in house.engines.values():
        each.full = True
    assert house.offer(XMPP, PHONE, PLAIN).error.trouble is Trouble.FULL
    assert house.offer(XMPP, PHONE, PLAIN).error.trouble is Trouble.FULL
    house.run(REST + 1)
    for each in house.engines.values():
        each.full = False
    assert house.offer(XMPP, PHONE, PLAIN).description


def test_an_engine_that_ceases_to_answer_loses_its_calls_to_nobody() -> None:
    house = House("a:1", "b:1")
    for call in ("one", "two"):
        talk(house, call)
    house.events.clear()
    house.engines["a:1"].mute = True
    house.run(LATE)
    assert house.events == [Lost("one", SIP, Trouble.GONE, "rtpengine does not answer")]
    assert house.offer(SIP, PHONE, PLAIN, "one").error.trouble is Trouble.GONE
    talk(house, "three")
    assert len(house.engines["b:1"].calls) == 2
    house.close("one")
    # it was only not to be reached: what it still has is ended when it is
    assert len(house.engines["a:1"].calls) == 1
    house.engines["a:1"].mute = False
    house.run(PING + 1)
    assert not house.engines["a:1"].calls
    talk(house, "four")
    assert len(house.engines["a:1"].calls) == 1


@pytest.mark.parametrize("wait", [0.0, 1.0])
@pytest.mark.parametrize("deaf", [{"offer"}, {"offer", "ping", "statistics"}])
def test_a_new_call_goes_elsewhere_when_its_engine_does_not_answer(
    wait: float, deaf: set[str]
) -> None:
    house = House("a:1", "b:1")
    house.run(wait)
    house.engines["a:1"].deaf = deaf
    told = house.offer(XMPP, PHONE, PLAIN)
    house.run(LATE)
    assert told.description
    assert not house.events
    assert list(house.engines["b:1"].calls) == ["here:call.1"]


def test_an_offer_that_was_refused_may_come_again_elsewhere() -> None:
    house = House("a:1", "b:1")
    house.offer(XMPP, PHONE, PLAIN)
    for number in range(3):
        talk(house, f"c{number}")
    assert [len(each.calls) for each in house.engines.values()] == [2, 2]
    house.close("c2")
    house.revert()
    talk(house, "c3")
    house.offer(XMPP, PHONE, PLAIN)
    assert [len(each.calls) for each in house.engines.values()] == [2, 2]
    assert "here:call.1" in house.engines["b:1"].calls


def test_nobody_answers() -> None:
    house = House("a:1", "b:1")
    for each in house.engines.values():
        each.mute = True
    told = house.offer(XMPP, PHONE, PLAIN)
    house.run(3 * LATE)
    assert told.error.trouble is Trouble.GONE
    assert house.offer(XMPP, PHONE, PLAIN).error.trouble is Trouble.GONE


def test_what_a_former_process_left_is_ended_and_nothing_else() -> None:
    house = House()
    talk(house, "mine")
    engine = house.engine
    engine.calls.update({"here:old.1": {}, "here:old.2": {}, "there:x.1": {}, "hereafter": {}})
    engine.mute = True
    house.run(LATE)
    engine.mute = False
    house.run(PING + 1)
    assert sorted(engine.calls) == ["hereafter", "there:x.1"]


def test_a_call_that_is_known_is_not_ended() -> None:
    house = House(mute=True)
    told = house.offer(XMPP, PHONE, PLAIN)
    house.engine.calls["here:old.1"] = {}
    house.engine.mute = False
    house.run(1.0)
    assert told.description
    house.run(LATE)
    assert list(house.engine.calls) == ["here:call.1"]


def test_calls_that_do_not_end_are_not_asked_for_for_ever() -> None:
    house = House(mute=True)
    engine = house.engine

    class Stubborn(dict[str, dict[tuple[str, int], int]]):
        def pop(self, *_: object) -> None:  # type: ignore[override]
            return None

    engine.calls = Stubborn({"here:old.1": {}})
    engine.mute = False
    house.run(PING + 1)
    assert engine.commands().count("delete") == MOST_SWEEPS
