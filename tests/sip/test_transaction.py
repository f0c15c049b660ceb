"""The four machines: every cell of every table, and every timer."""

from collections.abc import Iterator

import pytest

from dragoman.errors import LocalError, RemoteError
from dragoman.sip.transaction import (
    CANCELLED,
    INVITE_CLIENT,
    INVITE_SERVER,
    MACHINES,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    InviteClient,
    Machine,
    Running,
    Signal,
    State,
    Timer,
    Times,
    Waits,
    signal_of,
)

# The figures as text: state, signal, next state, actions. A cell not listed must be refused.
FIGURES = {
    INVITE_CLIENT.name: """
        Calling     A                Calling      send the request
        Calling     B                Terminated   tell of the time-out
        Calling     transport error  Terminated   tell of the transport error
        Calling     1xx              Proceeding   tell the user
        Calling     2xx              Accepted     tell the user
        Calling     3xx-6xx          Completed    send the ACK, tell the user
        Proceeding  transport error  Proceeding
        Proceeding  CANCEL           Terminated   tell of the time-out
        Proceeding  1xx              Proceeding   tell the user
        Proceeding  2xx              Accepted     tell the user
        Proceeding  3xx-6xx          Completed    send the ACK, tell the user
        Completed   D                Terminated
        Completed   transport error  Terminated   tell of the transport error
        Completed   1xx              Completed
        Completed   2xx              Completed
        Completed   3xx-6xx          Completed    send the ACK
        Accepted    M                Terminated
        Accepted    transport error  Accepted
        Accepted    1xx              Accepted
        Accepted    2xx              Accepted     tell the user
        Accepted    3xx-6xx          Accepted
    """,
    NON_INVITE_CLIENT.name: """
        Trying      E                Trying       send the request
        Trying      F                Terminated   tell of the time-out
        Trying      transport error  Terminated   tell of the transport error
        Trying      1xx              Proceeding   tell the user
        Trying      2xx              Completed    tell the user
        Trying      3xx-6xx          Completed    tell the user
        Proceeding  E                Proceeding   send the request
        Proceeding  F                Terminated   tell of the time-out
        Proceeding  transport error  Terminated   tell of the transport error
        Proceeding  1xx              Proceeding   tell the user
        Proceeding  2xx              Completed    tell the user
        Proceeding  3xx-6xx          Completed    tell the user
        Completed   K                Terminated
        Completed   transport error  Completed
        Completed   1xx              Completed
        Completed   2xx              Completed
        Completed   3xx-6xx          Completed
    """,
    INVITE_SERVER.name: """
        Proceeding  100              Proceeding   send 100
        Proceeding  request again    Proceeding   send the last response again
        Proceeding  1xx              Proceeding   send the response
        Proceeding  2xx              Accepted     send the response
        Proceeding  3xx-6xx          Completed    send the response
        Proceeding  transport error  Proceeding   tell of the transport error
        Completed   G                Completed    send the last response again
        Completed   H                Terminated   tell of the time-out
        Completed   request again    Completed    send the last response again
        Completed   ACK              Confirmed
        Completed   transport error  Completed    tell of the transport error
        Confirmed   I                Terminated
        Confirmed   request again    Confirmed
        Confirmed   ACK              Confirmed
        Confirmed   transport error  Confirmed
        Accepted    L                Terminated
        Accepted    request again    Accepted
        Accepted    ACK              Accepted     tell the user
        Accepted    2xx              Accepted     send the response
        Accepted    transport error  Accepted     tell of the transport error
    """,
    NON_INVITE_SERVER.name: """
        Trying      100              Proceeding   send 100
        Trying      request again    Trying
        Trying      1xx              Proceeding   send the response
        Trying      2xx              Completed    send the response
        Trying      3xx-6xx          Completed    send the response
        Trying      transport error  Trying
        Proceeding  expiry           Terminated
        Proceeding  request again    Proceeding   send the last response again
        Proceeding  1xx              Proceeding   send the response
        Proceeding  2xx              Completed    send the response
        Proceeding  3xx-6xx          Completed    send the response
        Proceeding  transport error  Proceeding   tell of the transport error
        Completed   J                Terminated
        Completed   request again    Completed    send the last response again
        Completed   2xx              Completed
        Completed   3xx-6xx          Completed
        Completed   transport error  Completed    tell of the transport error
    """,
}


def rows(machine: Machine) -> dict[tuple[str, str], tuple[str, str]]:
    found = {}
    for line in FIGURES[machine.name].strip().splitlines():
        line = line.strip()
        state, signal, after = line[:12], line[12:29], line[29:]
        following, _, actions = after.partition(" ")
        found[state.strip(), signal.strip()] = (following, actions.strip())
    return found


def cells() -> Iterator[tuple[Machine, State, Signal | Timer]]:
    for machine in MACHINES:
        for state in machine.waits:
            for signal in (*Signal, *Timer):
                yield machine, state, signal


@pytest.mark.spec("NET-20")
@pytest.mark.parametrize(
    ("machine", "state", "signal"),
    [pytest.param(*cell, id=f"{cell[0].name} {cell[1]} {cell[2]}") for cell in cells()],
)
def test_every_cell_is_as_in_the_figure(
    machine: Machine, state: State, signal: Signal | Timer
) -> None:
    expected = rows(machine).get((state.value, signal.value))
    if expected is None:
        fault = RemoteError if signal in machine.theirs else LocalError
        with pytest.raises(fault, match=machine.name):
            machine.step(state, signal)
        return
    step = machine.step(state, signal)
    assert (step.state.value, ", ".join(step.actions)) == expected


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_each_state_can_be_reached_and_left_only_as_its_timers_allow(machine: Machine) -> None:
    reached = {machine.start} | {step.state for step in machine.steps.values()}
    assert reached == set(machine.waits)
    for state, waits in machine.waits.items():
        timers = {signal for at, signal in machine.steps if at is state} & set(Timer)
        cancelled = {CANCELLED.final} if state is InviteClient.PROCEEDING else set()
        assert timers == {waits.repeat, waits.final} - {None} | cancelled


@pytest.mark.spec("NET-20")
@pytest.mark.parametrize(
    ("timer", "unreliable", "reliable"),
    [
        (Timer.A, 0.5, None),
        (Timer.B, 32.0, 32.0),
        (Timer.D, 32.0, 0.0),
        (Timer.E, 0.5, None),
        (Timer.F, 32.0, 32.0),
        (Timer.G, 0.5, None),
        (Timer.H, 32.0, 32.0),
        (Timer.I, 5.0, 0.0),
        (Timer.J, 32.0, 0.0),
        (Timer.K, 5.0, 0.0),
        (Timer.L, 32.0, 32.0),
        (Timer.M, 32.0, 32.0),
        (Timer.CANCEL, 32.0, 32.0),
        (Timer.TRYING, 0.2, 0.2),
        (Timer.EXPIRY, 28.5, 28.5),
    ],
)
def test_timers_run_as_long_as_table_4_says(
    timer: Timer, unreliable: float | None, reliable: float | None
) -> None:
    assert Times().first(timer, reliable=False) == unreliable
    assert Times().first(timer, reliable=True) == reliable


def test_timer_d_never_runs_less_than_32_seconds() -> None:
    assert Times(t1=0.01).first(Timer.D, reliable=False) == 32.0


@pytest.mark.spec("NET-36")
def test_a_100_may_follow_when_timer_e_has_reached_t2() -> None:
    assert Times().trying == 3.5


@pytest.mark.spec("NET-20")
@pytest.mark.parametrize(
    ("waits", "fired"),
    [
        (Waits(Timer.A), [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),
        (Waits(Timer.E), [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
        (Waits(Timer.E, slow=True), [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]),
        (Waits(Timer.G, Timer.H), [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5, 32.0]),
    ],
    ids=["A doubles", "E doubles up to T2", "E in Proceeding", "G until H"],
)
def test_repetition_slows_down(waits: Waits, fired: list[float]) -> None:
    running = Running()
    running.enter(waits, Times(), 0.0, reliable=False)
    seen = []
    while (when := running.next()) is not None and when <= 32.0:
        assert running.fire(Times(), when) in {waits.repeat, waits.final}
        seen.append(when)
        if when == 32.0:
            break
    assert seen == fired


def test_a_timer_that_runs_on_is_not_started_anew() -> None:
    running = Running()
    running.enter(NON_INVITE_CLIENT.waits[NON_INVITE_CLIENT.start], Times(), 0.0, reliable=True)
    running.enter(Waits(Timer.E, Timer.F, slow=True), Times(), 9.0, reliable=True)
    assert running.next() == 32.0
    assert running.fire(Times(), 31.0) is None


def test_a_repetition_that_was_stopped_stays_so_while_states_want_the_same() -> None:
    running = Running()
    running.enter(Waits(Timer.E, Timer.F), Times(), 0.0, reliable=False)
    running.stop_repeating()
    assert running.next() == 32.0
    running.enter(Waits(Timer.E, Timer.F, slow=True), Times(), 5.0, reliable=False)
    assert (running.next(), running.fire(Times(), 32.0)) == (32.0, Timer.F)


def test_only_the_named_timer_is_stopped() -> None:
    running = Running()
    running.enter(Waits(final=Timer.TRYING), Times(), 0.0, reliable=False)
    running.stop(Timer.H)
    assert running.next() == 0.2
    running.stop(Timer.TRYING)
    assert running.next() is None


@pytest.mark.parametrize(
    ("status", "signal"),
    [
        (100, Signal.PROVISIONAL),
        (199, Signal.PROVISIONAL),
        (200, Signal.SUCCESS),
        (299, Signal.SUCCESS),
        (300, Signal.FAILURE),
        (699, Signal.FAILURE),
    ],
)
def test_a_status_has_a_class(status: int, signal: Signal) -> None:
    assert signal_of(status) is signal
