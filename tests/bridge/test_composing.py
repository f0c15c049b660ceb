"""Who is writing to whom: each rule of docs/interworking/im.md §4, by what is told when."""

import pytest

from dragoman.bridge import composing
from dragoman.bridge.composing import (
    LONGEST_THREAD,
    MOST_DEVICES,
    REFRESH,
    SILENCE,
    Action,
    Composing,
    ToSip,
    ToXmpp,
)
from dragoman.mapping.composing import Composer, IsComposing
from dragoman.xmpp.ext.chatstates import State
from dragoman.xmpp.jid import Jid

JULIET, ROMEO = Jid.parse("juliet@example.com"), Jid.parse("romeo@example.net")
BALCONY, GARDEN = Jid.parse("juliet@example.com/balcony"), Jid.parse("juliet@example.com/garden")
PHONE, DESK = Jid.parse("romeo@example.net/phone"), Jid.parse("romeo@example.net/desk")
THREAD = "29377446-0CBB-4296-8958-590D79094C50"
IDLE = IsComposing(Composer.IDLE)
LEGAL_IDLE = (State.ACTIVE, State.PAUSED)


def active(refresh: int | None = None) -> IsComposing:
    return IsComposing(Composer.ACTIVE, refresh)


class Talk:
    """Juliet on XMPP and Romeo on SIP, who have spoken unless it is said otherwise."""

    def __init__(self, *, spoken: bool = True, idle_as: State = State.ACTIVE) -> None:
        self.service = Composing(idle_as=idle_as)
        if spoken:
            assert self.service.xmpp_content(BALCONY, ROMEO, State.ACTIVE, -1000.0) == []
            assert self.service.sip_content(JULIET, PHONE, -1000.0) == []

    def sip(
        self, status: IsComposing, now: float, *, peer: Jid = PHONE, user: Jid = JULIET
    ) -> list[Action]:
        return self.service.sip_status(user, peer, status, THREAD, now)

    def xmpp(self, state: State, now: float, *, user: Jid = BALCONY) -> list[Action]:
        return self.service.xmpp_state(user, ROMEO, state, THREAD, now)

    def until(self, end: float) -> list[tuple[float, Action]]:
        """Turn the clock to `end`; return what was sent, and when."""
        sent: list[tuple[float, Action]] = []
        while (when := self.service.next_timer()) is not None and when <= end:
            sent += [(when, action) for action in self.service.on_timer(when)]
        return sent


def told(state: State, *, user: Jid = JULIET, peer: Jid = PHONE) -> ToXmpp:
    return ToXmpp(user, peer, state, THREAD)


def writes(*, user: Jid = BALCONY) -> ToSip:
    return ToSip(user, ROMEO, True, REFRESH, THREAD)


def rests(*, user: Jid = BALCONY) -> ToSip:
    return ToSip(user, ROMEO, False, None, THREAD)


COMPOSING = told(State.COMPOSING)


# -- from SIP ---------------------------------------------------------------------------


@pytest.mark.spec("IM-18")
@pytest.mark.parametrize("idle_as", LEGAL_IDLE)
def test_active_is_composing_and_idle_is_what_was_chosen_for_it(idle_as: State) -> None:
    talk = Talk(idle_as=idle_as)
    assert talk.sip(active(), 0.0) == [COMPOSING]
    assert talk.sip(IDLE, 1.0) == [told(idle_as)]
    assert talk.service.next_timer() is None


@pytest.mark.spec("IM-18")
def test_a_state_is_told_once_however_often_it_is_said() -> None:
    talk = Talk()
    assert talk.sip(IDLE, 0.0) == []
    assert talk.sip(active(60), 1.0) == [COMPOSING]
    assert [talk.sip(active(60), now) for now in (2.0, 61.0, 121.0)] == [[], [], []]
    assert talk.sip(IDLE, 122.0) == [told(State.ACTIVE)]
    assert talk.sip(IDLE, 123.0) == []
    assert talk.sip(active(60), 124.0) == [COMPOSING]


@pytest.mark.spec("IM-20")
@pytest.mark.parametrize(("refresh", "seconds"), [(None, 120.0), (60, 60.0), (90, 90.0)])
def test_who_does_not_say_again_in_time_that_he_composes_has_paused(
    refresh: int | None, seconds: float
) -> None:
    talk = Talk()
    talk.sip(active(refresh), 10.0)
    assert talk.until(9.0 + seconds) == []
    assert talk.until(1000.0) == [(10.0 + seconds, told(State.PAUSED))]
    assert talk.sip(active(refresh), 1000.0) == [COMPOSING]


@pytest.mark.spec("IM-20")
def test_each_refresh_counts_from_itself_and_by_its_own_time() -> None:
    talk = Talk()
    talk.sip(active(60), 0.0)
    assert talk.sip(active(), 60.0) == [], "one that is as late as the timer is still in time"
    assert talk.until(1000.0) == [(180.0, told(State.PAUSED))]


@pytest.mark.spec("IM-18")
def test_a_content_message_of_sip_clears_composing_and_nothing_is_sent() -> None:
    talk = Talk()
    talk.sip(active(), 0.0)
    assert talk.service.sip_content(JULIET, PHONE, 5.0) == []
    assert talk.until(1000.0) == []
    assert talk.sip(IDLE, 1000.0) == []
    assert talk.sip(active(), 1001.0) == [COMPOSING]


@pytest.mark.spec("IM-18")
def test_a_sip_user_composes_while_any_of_his_devices_does() -> None:
    talk = Talk()
    assert talk.sip(active(), 0.0, peer=PHONE) == [COMPOSING]
    assert talk.sip(active(60), 1.0, peer=DESK) == []
    assert talk.sip(IDLE, 2.0, peer=PHONE) == []
    assert talk.sip(IDLE, 3.0, peer=PHONE) == []
    assert talk.sip(IDLE, 4.0, peer=DESK) == [told(State.ACTIVE)], "by whom it was told before"
    talk.sip(active(60), 10.0, peer=PHONE)
    talk.sip(active(90), 11.0, peer=DESK)
    assert talk.until(1000.0) == [(101.0, told(State.PAUSED))]


def test_a_device_that_composes_on_does_so_behind_the_message_of_another() -> None:
    talk = Talk()
    talk.sip(active(), 0.0, peer=PHONE)
    talk.sip(active(), 1.0, peer=DESK)
    again = told(State.COMPOSING, peer=DESK)
    assert talk.service.sip_content(JULIET, PHONE, 2.0) == [again]
    assert talk.service.sip_content(JULIET, DESK, 3.0) == []


def test_the_end_is_told_where_the_beginning_was() -> None:
    talk = Talk()
    assert talk.sip(active(), 0.0, user=BALCONY) == [told(State.COMPOSING, user=BALCONY)]
    assert talk.sip(IDLE, 1.0) == [told(State.ACTIVE, user=BALCONY)]


# -- from XMPP --------------------------------------------------------------------------


@pytest.mark.spec("IM-18")
@pytest.mark.parametrize("state", [State.ACTIVE, State.INACTIVE, State.PAUSED])
def test_composing_is_active_and_its_end_is_idle_once(state: State) -> None:
    talk = Talk()
    assert talk.xmpp(state, 0.0) == [], "as everybody is before"
    assert talk.xmpp(State.COMPOSING, 1.0) == [writes()]
    assert talk.until(100.0) == [(61.0, writes())]
    assert talk.xmpp(state, 100.0) == []
    assert talk.xmpp(state, 101.0) == []
    assert talk.until(1000.0) == [(121.0, rests())]
    assert talk.xmpp(state, 1000.0) == []
    assert talk.service.next_timer() is None


def test_a_status_message_says_what_is_composed_and_for_how_long() -> None:
    assert REFRESH >= 60
    assert writes().document == IsComposing(Composer.ACTIVE, REFRESH, "text/plain")
    assert rests().document == IsComposing(Composer.IDLE, None, "text/plain")


@pytest.mark.spec("IM-18")
def test_active_is_said_again_every_refresh_until_a_silent_client_has_crashed() -> None:
    talk = Talk()
    assert talk.xmpp(State.COMPOSING, 0.0) == [writes()]
    assert SILENCE == 300.0
    assert talk.until(1000.0) == [
        *((float(now), writes()) for now in (60, 120, 180, 240)),
        (300.0, rests()),
    ]


def test_a_client_that_says_again_that_it_composes_has_not_crashed() -> None:
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0)
    talk.until(250.0)
    assert talk.xmpp(State.COMPOSING, 250.0) == []
    assert talk.until(1000.0)[-1] == (600.0, rests()), "in the next interval after 550"


@pytest.mark.spec("IM-18")
def test_there_is_one_status_message_in_an_interval_and_the_last_state_counts() -> None:
    talk = Talk()
    assert talk.xmpp(State.COMPOSING, 0.0) == [writes()]
    for now in range(1, 58, 2):
        assert talk.xmpp(State.PAUSED, now) == []
        assert talk.xmpp(State.COMPOSING, now + 1) == []
    assert talk.until(90.0) == [(60.0, writes())], "it is the refresh, too"
    assert talk.xmpp(State.PAUSED, 90.0) == []
    assert talk.until(125.0) == [(120.0, rests())]
    assert talk.xmpp(State.COMPOSING, 125.0) == []
    assert talk.until(180.0) == [(180.0, writes())]


def test_who_paused_and_writes_on_in_one_interval_has_not_changed() -> None:
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0)
    talk.xmpp(State.PAUSED, 10.0)
    talk.xmpp(State.COMPOSING, 20.0)
    talk.xmpp(State.PAUSED, 30.0)
    assert talk.until(1000.0) == [(60.0, rests())]


@pytest.mark.spec("IM-18")
@pytest.mark.parametrize("state", State)
def test_a_message_with_a_body_sends_nothing_extra_whatever_state_it_has(state: State) -> None:
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0)
    assert talk.service.xmpp_content(BALCONY, ROMEO, state, 5.0) == []
    assert talk.until(1000.0) == []


def test_a_message_with_a_body_ends_the_interval() -> None:
    talk = Talk()
    assert talk.xmpp(State.COMPOSING, 0.0) == [writes()]
    talk.service.xmpp_content(BALCONY, ROMEO, State.ACTIVE, 5.0)
    assert talk.xmpp(State.COMPOSING, 6.0) == [writes()]
    assert talk.until(66.0) == [(66.0, writes())]


@pytest.mark.spec("IM-18")
def test_gone_says_nothing_in_page_mode() -> None:
    talk = Talk()
    assert talk.xmpp(State.GONE, 0.0) == []
    talk.xmpp(State.COMPOSING, 1.0)
    assert talk.xmpp(State.GONE, 2.0) == []
    assert talk.until(1000.0) == []


@pytest.mark.spec("IM-18")
def test_an_xmpp_user_composes_while_any_of_his_clients_does() -> None:
    talk = Talk()
    assert talk.xmpp(State.COMPOSING, 0.0, user=BALCONY) == [writes()]
    assert talk.xmpp(State.COMPOSING, 1.0, user=GARDEN) == []
    assert talk.xmpp(State.GONE, 2.0, user=BALCONY) == []
    assert talk.until(60.0) == [(60.0, writes(user=GARDEN))]
    assert talk.xmpp(State.PAUSED, 61.0, user=GARDEN) == []
    assert talk.until(1000.0) == [(120.0, rests(user=GARDEN))]


def test_who_is_gone_leaves_the_others_composing_until_they_pause() -> None:
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0, user=BALCONY)
    talk.xmpp(State.COMPOSING, 1.0, user=GARDEN)
    talk.xmpp(State.GONE, 2.0, user=BALCONY)
    talk.xmpp(State.PAUSED, 3.0, user=GARDEN)
    assert talk.until(1000.0) == [(60.0, rests())]


def test_the_client_that_said_last_that_it_composes_is_the_one_that_is_told() -> None:
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0, user=BALCONY)
    talk.xmpp(State.COMPOSING, 1.0, user=GARDEN)
    assert talk.until(60.0) == [(60.0, writes(user=GARDEN))]
    talk.xmpp(State.COMPOSING, 61.0, user=BALCONY)
    assert talk.until(120.0) == [(120.0, writes(user=BALCONY))]


def test_a_client_that_composes_on_does_so_behind_the_message_of_another() -> None:
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0, user=BALCONY)
    talk.xmpp(State.COMPOSING, 1.0, user=GARDEN)
    found = talk.service.xmpp_content(BALCONY, ROMEO, State.ACTIVE, 2.0)
    assert found == [writes(user=GARDEN)]


# -- who is told at all -----------------------------------------------------------------


@pytest.mark.spec("IM-18")
def test_nobody_is_told_before_he_sent_or_accepted_a_message() -> None:
    talk = Talk(spoken=False)
    assert talk.xmpp(State.COMPOSING, 0.0) == []
    assert talk.sip(active(), 0.0) == []
    assert talk.service.describe()["pairs"] == 0
    assert talk.service.xmpp_content(BALCONY, ROMEO, State.ACTIVE, 1.0) == []
    assert talk.xmpp(State.COMPOSING, 2.0) == []
    assert talk.until(3.0) == []
    assert talk.service.sip_accepted(JULIET, ROMEO, 3.0) == [writes()], "who composes already"


@pytest.mark.spec("IM-18")
def test_an_xmpp_user_is_told_after_his_server_took_a_message() -> None:
    talk = Talk(spoken=False)
    talk.service.sip_content(JULIET, PHONE, 0.0)
    assert talk.sip(active(), 1.0) == []
    assert talk.service.xmpp_accepted(JULIET, PHONE, 2.0) == [COMPOSING]


def test_who_sent_a_message_is_told() -> None:
    talk = Talk(spoken=False)
    talk.service.sip_content(JULIET, PHONE, 0.0)
    assert talk.xmpp(State.COMPOSING, 1.0) == [writes()]
    other = Talk(spoken=False)
    other.service.xmpp_content(BALCONY, ROMEO, State.ACTIVE, 0.0)
    assert other.sip(active(), 1.0) == [COMPOSING]


@pytest.mark.spec("IM-18")
def test_a_reply_without_a_state_stops_what_an_xmpp_user_is_told() -> None:
    talk = Talk()
    talk.sip(active(), 0.0)
    assert talk.service.xmpp_content(BALCONY, ROMEO, None, 1.0) == []
    assert talk.service.xmpp_accepted(JULIET, PHONE, 2.0) == []
    assert talk.sip(IDLE, 3.0) == []
    assert talk.sip(active(), 4.0) == []
    assert talk.until(1000.0) == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_state_lets_an_xmpp_user_be_told_again(alone: bool) -> None:
    talk = Talk()
    talk.service.xmpp_content(BALCONY, ROMEO, None, 0.0)
    assert talk.sip(active(), 1.0) == []
    if alone:
        assert talk.xmpp(State.INACTIVE, 2.0) == [COMPOSING]
    else:
        assert talk.service.xmpp_content(BALCONY, ROMEO, State.ACTIVE, 2.0) == [COMPOSING]


def test_what_changed_while_nothing_was_told_is_told_then() -> None:
    for now, status, expected in ((2.0, active(), []), (2.0, IDLE, [told(State.PAUSED)])):
        talk = Talk()
        assert talk.sip(active(), 0.0) == [COMPOSING]
        talk.service.xmpp_content(BALCONY, ROMEO, None, 1.0)
        assert talk.sip(status, now) == []
        assert talk.xmpp(State.ACTIVE, 3.0) == expected


@pytest.mark.spec("IM-19")
def test_after_415_a_sip_user_gets_no_status_message_from_anybody() -> None:
    talk = Talk()
    tybalt = Jid.parse("tybalt@example.com/street")
    talk.service.sip_content(tybalt.bare, ROMEO, 0.0)
    assert talk.xmpp(State.COMPOSING, 0.0) == [writes()]
    talk.service.sip_refused(PHONE)
    assert talk.until(1000.0) == []
    assert talk.xmpp(State.PAUSED, 1000.0) == []
    assert talk.xmpp(State.COMPOSING, 1001.0) == []
    assert talk.service.sip_content(JULIET, PHONE, 1002.0) == []
    assert talk.service.sip_accepted(JULIET, PHONE, 1003.0) == []
    assert talk.service.xmpp_state(tybalt, ROMEO, State.COMPOSING, THREAD, 1004.0) == []
    assert talk.until(5000.0) == []


def test_after_415_others_are_told_and_the_xmpp_user_too() -> None:
    talk = Talk()
    paris = Jid.parse("paris@example.net")
    talk.service.sip_refused(ROMEO)
    talk.service.sip_content(JULIET, paris, 0.0)
    found = talk.service.xmpp_state(BALCONY, paris, State.COMPOSING, THREAD, 1.0)
    assert found == [ToSip(BALCONY, paris, True, REFRESH, THREAD)]
    assert talk.sip(active(), 2.0) == [COMPOSING]


# -- bounds -----------------------------------------------------------------------------


def user(number: int) -> Jid:
    return Jid.parse(f"u{number}@example.com")


def test_pairs_are_bounded_and_who_is_forgotten_has_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "MOST", 3)
    talk = Talk()
    talk.xmpp(State.COMPOSING, 0.0)
    talk.sip(active(), 0.0)
    assert talk.service.describe() == {"pairs": 1, "timers": 1, "refused": 0}
    found = [talk.service.sip_content(user(each), ROMEO, 1.0) for each in range(10)]
    assert found == [[], [], [told(State.PAUSED)], *([[]] * 7)]
    assert talk.service.describe() == {"pairs": 3, "timers": 0, "refused": 0}
    assert talk.sip(active(), 2.0) == []


def test_who_is_told_nothing_is_forgotten_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "MOST", 1)
    talk = Talk()
    talk.sip(active(), 0.0)
    talk.service.xmpp_content(BALCONY, ROMEO, None, 1.0)
    assert talk.service.sip_content(user(0), ROMEO, 2.0) == []


def test_the_longest_unused_pair_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "MOST", 3)
    talk = Talk()
    for each in range(10):
        talk.service.sip_content(user(each), ROMEO, 1.0)
        talk.xmpp(State.ACTIVE, 1.0)
    assert talk.sip(active(), 2.0) == [COMPOSING]


def test_refusals_are_bounded_and_who_is_written_to_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composing, "MOST", 3)
    talk = Talk()
    talk.service.sip_refused(ROMEO)
    for each in range(10):
        talk.service.sip_refused(user(each))
        assert talk.xmpp(State.COMPOSING, 0.0) == []
    assert talk.service.describe()["refused"] == 3


def test_devices_of_one_user_are_bounded() -> None:
    talk = Talk()
    for each in range(MOST_DEVICES + 5):
        now = float(each)
        talk.sip(active(), now, peer=Jid.parse(f"romeo@example.net/{each}"))
        talk.xmpp(State.COMPOSING, now, user=Jid.parse(f"juliet@example.com/{each}"))
    for each in range(5, MOST_DEVICES + 4):
        assert talk.sip(IDLE, 50.0, peer=Jid.parse(f"romeo@example.net/{each}")) == []
        talk.xmpp(State.PAUSED, 50.0, user=Jid.parse(f"juliet@example.com/{each}"))
    last = MOST_DEVICES + 4
    found = talk.sip(IDLE, 50.0, peer=Jid.parse(f"romeo@example.net/{last}"))
    assert found == [told(State.ACTIVE, peer=Jid.parse("romeo@example.net/0"))]
    talk.xmpp(State.PAUSED, 50.0, user=Jid.parse(f"juliet@example.com/{last}"))
    assert talk.until(60.0) == [(60.0, rests(user=Jid.parse("juliet@example.com/0")))]


def test_a_thread_is_bounded() -> None:
    talk = Talk()
    for length, kept in ((LONGEST_THREAD, LONGEST_THREAD), (LONGEST_THREAD + 1, 0)):
        long = "a" * length
        found = talk.service.sip_status(JULIET, PHONE, active(), long, 0.0)
        assert found == [ToXmpp(JULIET, PHONE, State.COMPOSING, "a" * kept)]
        talk.service.sip_content(JULIET, PHONE, 0.0)


def test_nothing_is_waited_for_when_nobody_composes() -> None:
    talk = Talk()
    talk.sip(active(), 0.0)
    talk.xmpp(State.COMPOSING, 0.0)
    assert talk.until(10000.0)
    assert talk.service.next_timer() is None
    assert talk.service.on_timer(20000.0) == []
