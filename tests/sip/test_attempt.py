"""A request on its way through targets that are dead, slow, overloaded, or alive again."""

import pytest

from dragoman.sip.endpoint import Cause, Limits, RequestFailed, ResponseArrived
from dragoman.sip.locate import Target, Transport
from dragoman.sip.message import Request, parse, response_to
from tests.sip.desk import FAR, NEAR, UDP, Desk, outgoing, over

SOON = 6.0
"""By then a silent target is left."""


class Talk:
    """A desk, and who was sent what when."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.desk = Desk(limits)
        self.sent: list[tuple[float, str, Target]] = []
        self.last: dict[tuple[str, Target], Request] = {}

    def send(self, *targets: Target, handle: str = "", method: str = "MESSAGE") -> None:
        self.desk.endpoint.send(outgoing(method), targets, handle, self.desk.now)
        self.collect()

    def collect(self) -> None:
        for each in self.desk.endpoint.to_send():
            message = parse(each.data)
            assert isinstance(message, Request)
            assert isinstance(each.to, Target)
            self.sent.append((self.desk.now, message.method, each.to))
            self.last[message.method, each.to] = message

    def wait(self, until: float) -> None:
        while (when := self.desk.endpoint.next_timer()) is not None and when <= until:
            self.desk.now = max(self.desk.now, when)
            self.desk.endpoint.on_timer(self.desk.now)
            self.collect()
        self.desk.now = until

    def answer(self, status: int, target: Target, method: str = "MESSAGE", **headers: str) -> None:
        request = self.last[method, target]
        more = [(name.replace("_", "-"), value) for name, value in headers.items()]
        response = response_to(request, status, headers=more, to_tag="r")
        self.desk.endpoint.receive(response, UDP, self.desk.now)
        self.collect()

    def to(self, target: Target, method: str = "MESSAGE") -> list[float]:
        return [when for when, what, whom in self.sent if (what, whom) == (method, target)]

    @property
    def told(self) -> list[int | Cause]:
        found: list[int | Cause] = []
        for event in self.desk.endpoint.events():
            assert isinstance(event, ResponseArrived | RequestFailed)
            if isinstance(event, ResponseArrived):
                found.append(event.response.status)
            else:
                found.append(event.cause)
        return found


# Quick failover


@pytest.mark.spec("NET-24")
def test_a_target_that_is_silent_altogether_is_left_within_six_seconds() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(SOON)
    [when] = talk.to(FAR)
    assert 5.5 <= when <= SOON, "a server of RFC 4320 has said 100 before"
    assert talk.to(NEAR) == [0.0, 0.5, 1.5, 3.5]
    assert talk.to(NEAR, "OPTIONS")
    assert talk.last["MESSAGE", FAR].via.branch != talk.last["MESSAGE", NEAR].via.branch
    talk.answer(200, FAR)
    assert talk.told == [200]


@pytest.mark.spec("NET-24")
def test_a_target_that_was_left_gets_no_more_copies() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(60.0)
    assert talk.to(NEAR) == [0.0, 0.5, 1.5, 3.5]


@pytest.mark.spec("NET-24")
def test_a_slow_target_that_answers_a_probe_is_waited_for() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(2.0)
    talk.answer(483, NEAR, "OPTIONS")
    talk.wait(31.0)
    assert talk.to(FAR) == []
    talk.answer(200, NEAR)
    assert talk.told == [200]


@pytest.mark.spec("NET-24")
def test_a_slow_target_that_answers_something_else_is_waited_for() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(2.0)
    talk.send(NEAR)
    talk.answer(200, NEAR)
    talk.wait(31.0)
    assert talk.to(FAR) == []


@pytest.mark.spec("NET-24")
def test_a_100_is_a_sign_of_life() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.answer(100, NEAR)
    talk.wait(40.0)
    assert (talk.to(FAR), talk.to(NEAR, "OPTIONS"), talk.told) == ([], [], [100, Cause.TIMEOUT])


def test_the_probe_has_no_hops_left_and_is_sent_once_however_many_wait() -> None:
    talk = Talk()
    for _ in range(5):
        talk.send(NEAR, FAR)
    talk.wait(1.9)
    assert len(talk.to(NEAR, "OPTIONS")) == 1
    probe = talk.last["OPTIONS", NEAR]
    assert (probe.max_forwards, probe.target) == (0, "sip:192.0.2.1:5060")


@pytest.mark.spec("NET-24")
def test_a_late_success_of_the_target_that_was_left_counts() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(8.0)
    talk.answer(200, NEAR)
    assert talk.told == [200]
    copies = len(talk.to(FAR))
    talk.wait(60.0)
    assert (talk.told, len(talk.to(FAR))) == ([], copies), "the other gets no more copies"


def test_a_message_that_two_targets_took_is_told_once_and_counted() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(8.0)
    talk.answer(200, FAR)
    talk.answer(202, NEAR)
    assert (talk.told, talk.desk.total("answered twice")) == ([200], 1)


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_late_refusal_of_the_target_that_was_left_does_not_count(status: int) -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(8.0)
    talk.answer(status, NEAR)
    assert talk.told == []
    talk.answer(200, FAR)
    assert talk.told == [200]


@pytest.mark.parametrize("first", [482, 503, None])
@pytest.mark.parametrize(("late", "told"), [(200, 200), (404, 404), (None, Cause.UNREACHABLE)])
def test_while_the_first_copy_may_be_answered_an_unsettled_second_waits(
    first: int | None, late: int | None, told: int | Cause
) -> None:
    """482 says that the user has the first copy (RFC 3261 §8.2.2.2): its answer is the one."""
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(8.0)
    if first is None:
        talk.desk.endpoint.unreachable(FAR, talk.desk.now)
    else:
        talk.answer(first, FAR)
    assert talk.told == []
    if late is None:
        talk.wait(40.0)
        assert talk.told == [first or told]
    else:
        talk.answer(late, NEAR)
        assert talk.told == [told]


def test_nobody_leaves_a_stream_which_would_deliver_what_it_holds() -> None:
    talk = Talk()
    talk.send(over(Transport.TCP), FAR)
    talk.wait(31.9)
    assert talk.to(FAR) == []


def test_nobody_leaves_the_last_target_or_goes_to_a_dead_one() -> None:
    talk = Talk()
    talk.send(FAR)
    talk.desk.endpoint.unreachable(FAR, 0.0)
    talk.send(NEAR, FAR)
    talk.wait(29.0)
    assert talk.to(FAR) == [0.0]
    assert talk.to(NEAR, "OPTIONS") == []


def test_an_invite_is_not_left_early() -> None:
    talk = Talk()
    talk.send(NEAR, FAR, method="INVITE")
    talk.wait(31.0)
    assert talk.to(FAR, "INVITE") == []


def test_the_number_of_those_that_are_watched_is_bounded() -> None:
    talk = Talk(Limits(clients=3))
    for _ in range(9):
        talk.send(NEAR, FAR)
    clients = talk.desk.endpoint._clients
    assert (len(clients._doubts), len(clients._active)) == (3, 3)
    talk.wait(2.0)
    assert talk.to(NEAR, "OPTIONS") == [], "a probe needs a place too"
    talk.wait(SOON)
    assert talk.to(FAR) == []


# Health


@pytest.mark.spec("NET-24")
def test_a_dead_target_costs_the_next_request_nothing() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.wait(SOON)
    talk.answer(200, FAR)
    talk.send(NEAR, FAR)
    assert talk.sent[-1] == (SOON, "MESSAGE", FAR)


@pytest.mark.spec("NET-24")
def test_a_dead_target_is_probed_and_comes_back() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.desk.endpoint.unreachable(NEAR, 0.0)
    talk.collect()
    talk.answer(200, FAR)
    talk.wait(31.0)
    assert talk.to(NEAR, "OPTIONS")[0] == 30.0
    talk.answer(404, NEAR, "OPTIONS")
    talk.send(NEAR, FAR)
    assert talk.sent[-1] == (31.0, "MESSAGE", NEAR)
    assert talk.told == [200], "nobody hears of a probe"


def test_a_probe_without_answer_holds_off_for_twice_as_long() -> None:
    talk = Talk()
    talk.send(NEAR)
    talk.desk.endpoint.unreachable(NEAR, 0.0)
    talk.wait(30.0)
    talk.desk.endpoint.unreachable(NEAR, 30.0)
    talk.wait(89.9)
    assert talk.to(NEAR, "OPTIONS") == [30.0]
    talk.wait(90.0)
    assert talk.to(NEAR, "OPTIONS") == [30.0, 90.0]
    assert talk.told == [Cause.UNREACHABLE]


@pytest.mark.spec("NET-24")
def test_retry_after_sends_the_next_requests_elsewhere() -> None:
    talk = Talk()
    talk.send(NEAR, FAR)
    talk.answer(503, NEAR, Retry_After="120 (busy)")
    talk.send(NEAR, FAR)
    assert [each[2] for each in talk.sent] == [NEAR, FAR, FAR]
    assert talk.desk.total("held off") == 1


@pytest.mark.parametrize("value", [None, "soon", "0"])
def test_without_a_time_a_503_holds_off_nobody(value: str | None) -> None:
    talk = Talk()
    talk.send(NEAR)
    talk.answer(503, NEAR, **({"Retry_After": value} if value else {}))
    assert (talk.desk.total("held off"), talk.told) == (0, [503])


def test_when_all_are_held_off_all_are_tried_in_order() -> None:
    talk = Talk()
    for _ in range(2):
        talk.send(NEAR, FAR)
        for target in (NEAR, FAR):
            talk.desk.endpoint.unreachable(target, talk.desk.now)
            talk.collect()
    assert [each[2] for each in talk.sent] == [NEAR, FAR, NEAR, FAR]
    assert talk.told == [Cause.UNREACHABLE] * 2
