import pytest

from dragoman.errors import LocalError
from dragoman.media import description, ngplane
from dragoman.media.engine import REST
from dragoman.media.ngplane import EARLY, MOST_POLLS, MOST_STEPS, POLL
from dragoman.media.plane import JINGLE, PLAIN, Connected, Counters, Lost, Side, Trouble
from dragoman.media.relay import PATIENCE, SILENCE
from dragoman.media.remote import candidates
from tests.media.ngfake import CLIENT, PHONE, STANDING, House, Told, sdp

SIP, XMPP = Side.SIP, Side.XMPP
HOSTS = candidates(["1 1 udp 2130706431 192.0.2.9 6000 typ host"])


@pytest.fixture
def house() -> House:
    return House()


def talk(house: House, call: str = "call") -> None:
    """Have a client call a phone that answers."""
    house.offer(XMPP, CLIENT, PLAIN, call)
    house.answer(SIP, PHONE, call)


def packets(house: House, sip: int, xmpp: int, *, connected: bool = True) -> None:
    house.engine.fares = {"sip": (sip, True), "xmpp": (xmpp, connected)}


# -- connections ----------------------------------------------------------------------------------


def test_a_phone_is_connected_at_once_and_a_client_when_it_has_shown_its_certificate(
    house: House,
) -> None:
    packets(house, 0, 0, connected=False)
    talk(house)
    assert house.events == [Connected("call", SIP)]
    house.run(5.0)
    assert house.events == [Connected("call", SIP)]
    packets(house, 0, 0)
    house.run(EARLY)
    assert house.events == [Connected("call", SIP), Connected("call", XMPP)]
    house.offer(SIP, PHONE, JINGLE)
    house.answer(XMPP, CLIENT)
    house.run(5.0)
    assert len(house.events) == 2


def test_a_client_that_was_not_heard_of_is_not_connected(house: House) -> None:
    house.offer(XMPP, STANDING, PLAIN)
    house.answer(SIP, PHONE)
    house.run(PATIENCE + 1)
    assert house.events == [Connected("call", SIP)]
    talk(house)
    house.run(EARLY)
    assert house.events[1:] == [Connected("call", XMPP)]


@pytest.mark.spec("MED-33")
@pytest.mark.parametrize(
    ("searching", "reason"), [(True, "no way by ICE"), (False, "no keys by DTLS")]
)
def test_a_client_that_is_not_connected_in_time_is_lost(
    house: House, searching: bool, reason: str
) -> None:
    house.engine.searching = searching
    packets(house, 9, 0, connected=searching)
    talk(house)
    house.run(PATIENCE - 1)
    assert house.events == [Connected("call", SIP)]
    house.run(2 * EARLY)
    assert house.events[1:] == [Lost("call", XMPP, Trouble.CONNECTIVITY, reason)]
    assert not house.engine.calls
    assert house.answer(SIP, PHONE).error.trouble is Trouble.GONE
    house.run(2 * PATIENCE)
    assert len(house.events) == 2


def test_who_is_silent_for_too_long_is_lost(house: House) -> None:
    talk(house)
    for second in range(1, 200):
        packets(house, second, min(second, 30))
        house.run(1.0)
        if len(house.events) == 3:
            break
    assert house.events[2] == Lost("call", XMPP, Trouble.SILENCE, "nothing came for 60 s")
    assert 30 + SILENCE <= house.now <= 30 + SILENCE + 2 * POLL


def test_a_call_is_lost_once(house: House) -> None:
    talk(house)
    house.run(3 * SILENCE)
    assert [type(each) for each in house.events] == [Connected, Connected, Lost]


def test_who_is_not_to_send_may_be_silent(house: House) -> None:
    house.offer(XMPP, CLIENT, PLAIN)
    house.answer(SIP, sdp("c=IN IP4 192.0.2.1", "m=audio 5004 RTP/AVP 0", "a=inactive"))
    house.run(5 * SILENCE)
    assert len(house.events) == 2
    forever = House(silence=None)
    talk(forever)
    forever.run(5 * SILENCE)
    assert len(forever.events) == 2


@pytest.mark.parametrize(
    ("after", "lost"),
    [
        (5.0, Lost("call", SIP, Trouble.GONE, "rtpengine has forgotten the call")),
        (45.0, Lost("call", SIP, Trouble.SILENCE, "rtpengine ended the call")),
    ],
)
def test_a_call_that_the_engine_forgot_is_lost(house: House, after: float, lost: Lost) -> None:
    talk(house)
    house.run(after)
    house.engine.calls.clear()
    house.run(POLL + EARLY)
    assert house.events[2:] == [lost]


def test_a_step_finds_out_too(house: House) -> None:
    talk(house)
    house.engine.calls.clear()
    assert house.answer(SIP, PHONE).error.trouble is Trouble.GONE
    assert house.events[-1] == Lost("call", SIP, Trouble.GONE, "rtpengine has forgotten the call")


# -- counters, and how often it is asked ----------------------------------------------------------


def test_counters_are_asked_for(house: House) -> None:
    assert house.counters() == {}
    talk(house)
    packets(house, 5, 7)
    assert house.counters() == {SIP: Counters(5, 800), XMPP: Counters(7, 1120)}
    packets(house, 6, 8)
    house.engine.calls.clear()
    assert house.counters() == {SIP: Counters(5, 800), XMPP: Counters(7, 1120)}


def test_an_engine_is_asked_seldom() -> None:
    house = House(silence=None)
    talk(house)
    house.run(EARLY)
    before = len(house.engine.asked)
    house.run(100.0)
    queries = [each for each in house.engine.asked[before:] if each[b"command"] == b"query"]
    assert len(queries) == 100 / POLL


def test_of_many_calls_each_is_asked_for_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngplane, "RATE", 0.1)
    house = House(silence=None)
    talk(house, "one")
    talk(house, "two")
    house.run(EARLY)
    before = house.engine.commands().count("query")
    house.run(100.0)
    assert house.engine.commands().count("query") - before == 100.0 * 0.1


def test_only_so_much_is_asked_at_once() -> None:
    house = House(silence=None)
    for number in range(3 * MOST_POLLS):
        talk(house, f"c{number}")
    house.engine.asked.clear()
    house.engine.mute = True
    house.run(EARLY + 0.1)
    assert house.calls.engines.all["a:1"].waiting <= MOST_POLLS + 1
    house.engine.mute = False
    house.run(2 * POLL)
    asked = {
        bytes(str(each[b"call-id"]), "ascii") for each in house.engine.asked if b"call-id" in each
    }
    assert len(asked) == 3 * MOST_POLLS


def test_what_cannot_be_said_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LocalError("a line break within a line")

    monkeypatch.setattr(description, "offer", broken)
    assert house.offer(XMPP, CLIENT, PLAIN).error.trouble is Trouble.UNACCEPTABLE


def test_a_call_that_no_engine_took_can_be_answered_by_nobody_and_begun_again(
    house: House,
) -> None:
    house.engine.full = True
    assert house.offer(XMPP, CLIENT, PLAIN).error.trouble is Trouble.FULL
    assert house.answer(SIP, PHONE).error.trouble is Trouble.FULL
    house.revert()
    house.run(REST + 1)
    house.engine.full = False
    assert house.offer(XMPP, CLIENT, JINGLE).description
    assert house.engine.commands() == ["offer", "offer"]


def test_calls_that_there_are_not(house: House) -> None:
    house.calls.candidates("call", XMPP, "", "", [], house.now)
    house.calls.digits("call", SIP, "1", 100, house.now)
    house.revert()
    house.close()
    assert not house.engine.commands()


def test_an_alarm_of_a_call_that_is_over_rings_for_nobody(house: House) -> None:
    talk(house)
    house.calls.candidates("call", XMPP, "voice", "", HOSTS[:1], house.now)
    house.now += 2 * EARLY
    house.calls._lose(house.calls._calls["call"], SIP, Trouble.GONE, "gone", house.now)
    before = len(house.engine.commands())
    house.calls._alarms.set(("poll", "call.1"), house.now)
    house.run(1.0)
    assert house.engine.commands()[before:] == ["delete"]


# -- bounds, and the end --------------------------------------------------------------------------


def test_only_so_many_calls() -> None:
    house = House(calls=2)
    talk(house, "one")
    talk(house, "two")
    assert house.offer(XMPP, CLIENT, PLAIN, "three").error.trouble is Trouble.FULL
    house.close("one")
    assert house.offer(XMPP, CLIENT, PLAIN, "three").description


def test_only_so_many_steps_wait(house: House) -> None:
    house.engine.mute = True
    waiting = [Told() for _ in range(MOST_STEPS + 1)]
    for each in waiting:
        house.calls.offer("call", XMPP, CLIENT, PLAIN, each, house.now)
    house.pump()
    assert not any(each.outcomes for each in waiting)
    assert house.offer(XMPP, CLIENT, PLAIN).error.trouble is Trouble.FULL
    house.engine.mute = False
    house.run(1.0)
    assert all(each.description for each in waiting)


def test_steps_are_done_one_after_another(house: House) -> None:
    house.engine.mute = True
    first = house.offer(XMPP, CLIENT, PLAIN)
    second = house.answer(SIP, PHONE)
    house.calls.digits("call", SIP, "1", 100, house.now)
    house.engine.mute = False
    house.run(0.6)
    assert first.description
    assert second.description
    expected = ["offer", "answer", "offer", "answer", "play DTMF"]
    assert house.engine.commands() == expected


def test_the_end_waits_for_what_is_under_way(house: House) -> None:
    house.engine.mute = True
    first, second = house.offer(XMPP, CLIENT, PLAIN), house.answer(SIP, PHONE)
    house.close()
    assert house.calls.engines.all["a:1"].waiting == 1
    assert first.error.trouble is second.error.trouble is Trouble.GONE
    house.engine.mute = False
    house.run(1.0)
    assert house.engine.commands() == ["offer", "delete"]
    assert not house.engine.calls
    assert house.calls.describe()["calls"] == 0


def test_nothing_is_left_of_what_was(house: House) -> None:
    talk(house, "one")
    talk(house, "two")
    house.close("one")
    house.close("one")
    house.close("never")
    house.calls.close_all(house.now)
    house.pump()
    assert not house.engine.calls
    before = len(house.engine.commands())
    house.run(5 * POLL)
    assert len(house.engine.commands()) == before
    assert not house.calls._calls
    assert not house.calls._keys
    assert not house.calls._alarms


def test_a_name_may_come_again(house: House) -> None:
    talk(house)
    house.close()
    talk(house)
    assert list(house.engine.calls) == ["here:call.2"]


def test_what_a_lost_call_had_goes_with_it(house: House) -> None:
    talk(house)
    house.engine.calls.clear()
    house.run(POLL + EARLY)
    house.calls.candidates("call", XMPP, "voice", "", [], house.now)
    house.revert()
    house.close()
    assert not house.calls._keys
    assert house.calls.engines.of("call.1") is None
