"""The four transaction machines as tables (RFC 3261 §17, RFC 6026, RFC 4320 §4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from dragoman.errors import LocalError, RemoteError


class InviteClient(StrEnum):
    """The states of an INVITE that we sent (RFC 6026 figure 5)."""

    CALLING = "Calling"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class NonInviteClient(StrEnum):
    """The states of any other request that we sent (RFC 3261 figure 6)."""

    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"


class InviteServer(StrEnum):
    """The states of an INVITE that we received (RFC 6026 figure 7)."""

    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


class NonInviteServer(StrEnum):
    """The states of any other request that we received (RFC 3261 figure 8)."""

    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    TERMINATED = "Terminated"


State: TypeAlias = InviteClient | NonInviteClient | InviteServer | NonInviteServer


class Signal(StrEnum):
    """What happens to a transaction besides its timers.

    The three classes of responses come from the peer at a client, and from us at a server.
    """

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    REQUEST = "request again"
    ACK = "ACK"
    TRANSPORT_ERROR = "transport error"


class Timer(StrEnum):
    """The timers by their letters (RFC 3261 table 4, RFC 6026 §8.11), and three without one."""

    A = "A"
    B = "B"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741  (the standard's own name)
    J = "J"
    K = "K"
    L = "L"
    M = "M"
    CANCEL = "CANCEL"
    TRYING = "100"
    EXPIRY = "expiry"


class Action(StrEnum):
    """What a step asks of whoever holds the transaction."""

    SEND_REQUEST = "send the request"
    SEND_ACK = "send the ACK"
    SEND_RESPONSE = "send the response"
    SEND_AGAIN = "send the last response again"
    SEND_TRYING = "send 100"
    TELL = "tell the user"
    TELL_TIMEOUT = "tell of the time-out"
    TELL_ERROR = "tell of the transport error"


class Step(NamedTuple):
    """One cell of a table: the state that follows, and what to do on the way."""

    state: State
    actions: tuple[Action, ...] = ()


class Waits(NamedTuple):
    """The timers of a state: one that repeats a message, and one that ends the waiting.

    They start when the state is entered, unless they ran in the state before, and stop when it
    is left. With `slow` the repetitions come every T2 (§17.1.2.2, Proceeding).
    """

    repeat: Timer | None = None
    final: Timer | None = None
    slow: bool = False


Cell: TypeAlias = tuple[State, Signal | Timer]


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the four machines: where it starts, its legal steps, and whose signals are whose."""

    name: str
    start: State
    end: State
    steps: Mapping[Cell, Step]
    waits: Mapping[State, Waits]
    theirs: frozenset[Signal]

    def step(self, state: State, signal: Signal | Timer) -> Step:
        """Return what `signal` does in `state`.

        Raises RemoteError for a step that the peer asked for and the table lacks, and
        LocalError for one that we asked for.
        """
        found = self.steps.get((state, signal))
        if found is None:
            fault = RemoteError if signal in self.theirs else LocalError
            raise fault(f"{self.name} in {state} has no step for {signal}")
        return found


@dataclass(frozen=True, slots=True)
class Times:
    """The base times in seconds (RFC 3261 §17.1.1.2, table 4)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def trying(self) -> float:
        """How long until a client's timer E is reset to T2: only then may a 100 go (RFC 4320)."""
        total, interval = 0.0, self.t1
        while interval < self.t2:
            total += interval
            interval *= 2
        return total

    def first(self, timer: Timer, *, reliable: bool) -> float | None:
        """Return how long the timer first runs; None: not at all on such a transport."""
        match timer:
            case Timer.A | Timer.E | Timer.G:
                return None if reliable else self.t1
            case Timer.D:
                return 0.0 if reliable else max(32.0, 64 * self.t1)
            case Timer.J:
                return 0.0 if reliable else 64 * self.t1
            case Timer.I | Timer.K:
                return 0.0 if reliable else self.t4
            case Timer.TRYING:
                return 0.2
            case Timer.EXPIRY:
                return 64 * self.t1 - self.trying
            case _:
                return 64 * self.t1

    def again(self, timer: Timer, interval: float, *, slow: bool) -> float:
        """Return how long a repeating timer runs after `interval`: doubling, E and G up to T2."""
        if slow:
            return self.t2
        return 2 * interval if timer is Timer.A else min(2 * interval, self.t2)


class Running:
    """The timers of one transaction that run at present."""

    __slots__ = ("_final_at", "_interval", "_repeat_at", "waits")

    def __init__(self) -> None:
        """Start with none."""
        self.waits = Waits()
        self._repeat_at: float | None = None
        self._final_at: float | None = None
        self._interval = 0.0

    def enter(self, waits: Waits, times: Times, now: float, *, reliable: bool) -> None:
        """Start the timers of a state that did not run before, and stop those that have none."""
        if waits.repeat is not self.waits.repeat:
            first = times.first(waits.repeat, reliable=reliable) if waits.repeat else None
            self._interval = first or 0.0
            self._repeat_at = None if first is None else now + first
        if waits.final is not self.waits.final:
            last = times.first(waits.final, reliable=reliable) if waits.final else None
            self._final_at = None if last is None else now + last
        self.waits = waits

    def next(self) -> float | None:
        """Return when the next of them fires."""
        if self._repeat_at is None or self._final_at is None:
            return self._final_at if self._repeat_at is None else self._repeat_at
        return min(self._repeat_at, self._final_at)

    def fire(self, times: Times, now: float) -> Timer | None:
        """Return a timer whose time has come, if any, and set it again when it repeats."""
        if self._final_at is not None and self._final_at <= now:
            self._final_at = None
            return self.waits.final
        if self._repeat_at is None or self._repeat_at > now or self.waits.repeat is None:
            return None
        self._interval = times.again(self.waits.repeat, self._interval, slow=self.waits.slow)
        self._repeat_at = now + self._interval
        return self.waits.repeat

    def stop_repeating(self) -> None:
        """Stop the timer that repeats a message, for as long as the state wants the same one."""
        self._repeat_at = None

    def stop(self, timer: Timer) -> None:
        """Stop the timer that ends the waiting, if it is this one."""
        if self.waits.final is timer:
            self._final_at = None


def signal_of(status: int) -> Signal:
    """Return the class of a response."""
    if status < 200:
        return Signal.PROVISIONAL
    return Signal.SUCCESS if status < 300 else Signal.FAILURE


_A = Action
_S = Signal
_T = Timer
_RESPONSES: Final = frozenset({_S.PROVISIONAL, _S.SUCCESS, _S.FAILURE})
_REQUESTS: Final = frozenset({_S.REQUEST, _S.ACK})

_IC = InviteClient
INVITE_CLIENT: Final = Machine(
    "INVITE client transaction",
    _IC.CALLING,
    _IC.TERMINATED,
    {
        (_IC.CALLING, _T.A): Step(_IC.CALLING, (_A.SEND_REQUEST,)),
        (_IC.CALLING, _T.B): Step(_IC.TERMINATED, (_A.TELL_TIMEOUT,)),
        (_IC.CALLING, _S.TRANSPORT_ERROR): Step(_IC.TERMINATED, (_A.TELL_ERROR,)),
        (_IC.CALLING, _S.PROVISIONAL): Step(_IC.PROCEEDING, (_A.TELL,)),
        (_IC.CALLING, _S.SUCCESS): Step(_IC.ACCEPTED, (_A.TELL,)),
        (_IC.CALLING, _S.FAILURE): Step(_IC.COMPLETED, (_A.SEND_ACK, _A.TELL)),
        # Nothing is under way to the peer: it may still answer over a connection of its own.
        (_IC.PROCEEDING, _S.TRANSPORT_ERROR): Step(_IC.PROCEEDING),
        (_IC.PROCEEDING, _T.CANCEL): Step(_IC.TERMINATED, (_A.TELL_TIMEOUT,)),
        (_IC.PROCEEDING, _S.PROVISIONAL): Step(_IC.PROCEEDING, (_A.TELL,)),
        (_IC.PROCEEDING, _S.SUCCESS): Step(_IC.ACCEPTED, (_A.TELL,)),
        (_IC.PROCEEDING, _S.FAILURE): Step(_IC.COMPLETED, (_A.SEND_ACK, _A.TELL)),
        (_IC.COMPLETED, _T.D): Step(_IC.TERMINATED),
        (_IC.COMPLETED, _S.TRANSPORT_ERROR): Step(_IC.TERMINATED, (_A.TELL_ERROR,)),
        (_IC.COMPLETED, _S.PROVISIONAL): Step(_IC.COMPLETED),
        (_IC.COMPLETED, _S.SUCCESS): Step(_IC.COMPLETED),
        (_IC.COMPLETED, _S.FAILURE): Step(_IC.COMPLETED, (_A.SEND_ACK,)),
        (_IC.ACCEPTED, _T.M): Step(_IC.TERMINATED),
        (_IC.ACCEPTED, _S.TRANSPORT_ERROR): Step(_IC.ACCEPTED),
        (_IC.ACCEPTED, _S.PROVISIONAL): Step(_IC.ACCEPTED),
        (_IC.ACCEPTED, _S.SUCCESS): Step(_IC.ACCEPTED, (_A.TELL,)),
        (_IC.ACCEPTED, _S.FAILURE): Step(_IC.ACCEPTED),
    },
    {
        _IC.CALLING: Waits(_T.A, _T.B),
        _IC.PROCEEDING: Waits(),
        _IC.COMPLETED: Waits(final=_T.D),
        _IC.ACCEPTED: Waits(final=_T.M),
        _IC.TERMINATED: Waits(),
    },
    _RESPONSES,
)

CANCELLED: Final = Waits(final=Timer.CANCEL)
"""The timers of Proceeding once a CANCEL has gone: for 64*T1 a final response may come (§9.1)."""

_NC = NonInviteClient
NON_INVITE_CLIENT: Final = Machine(
    "non-INVITE client transaction",
    _NC.TRYING,
    _NC.TERMINATED,
    {
        (_NC.TRYING, _T.E): Step(_NC.TRYING, (_A.SEND_REQUEST,)),
        (_NC.TRYING, _T.F): Step(_NC.TERMINATED, (_A.TELL_TIMEOUT,)),
        (_NC.TRYING, _S.TRANSPORT_ERROR): Step(_NC.TERMINATED, (_A.TELL_ERROR,)),
        (_NC.TRYING, _S.PROVISIONAL): Step(_NC.PROCEEDING, (_A.TELL,)),
        (_NC.TRYING, _S.SUCCESS): Step(_NC.COMPLETED, (_A.TELL,)),
        (_NC.TRYING, _S.FAILURE): Step(_NC.COMPLETED, (_A.TELL,)),
        (_NC.PROCEEDING, _T.E): Step(_NC.PROCEEDING, (_A.SEND_REQUEST,)),
        (_NC.PROCEEDING, _T.F): Step(_NC.TERMINATED, (_A.TELL_TIMEOUT,)),
        (_NC.PROCEEDING, _S.TRANSPORT_ERROR): Step(_NC.TERMINATED, (_A.TELL_ERROR,)),
        (_NC.PROCEEDING, _S.PROVISIONAL): Step(_NC.PROCEEDING, (_A.TELL,)),
        (_NC.PROCEEDING, _S.SUCCESS): Step(_NC.COMPLETED, (_A.TELL,)),
        (_NC.PROCEEDING, _S.FAILURE): Step(_NC.COMPLETED, (_A.TELL,)),
        (_NC.COMPLETED, _T.K): Step(_NC.TERMINATED),
        (_NC.COMPLETED, _S.TRANSPORT_ERROR): Step(_NC.COMPLETED),
        (_NC.COMPLETED, _S.PROVISIONAL): Step(_NC.COMPLETED),
        (_NC.COMPLETED, _S.SUCCESS): Step(_NC.COMPLETED),
        (_NC.COMPLETED, _S.FAILURE): Step(_NC.COMPLETED),
    },
    {
        _NC.TRYING: Waits(_T.E, _T.F),
        _NC.PROCEEDING: Waits(_T.E, _T.F, slow=True),
        _NC.COMPLETED: Waits(final=_T.K),
        _NC.TERMINATED: Waits(),
    },
    _RESPONSES,
)

_IS = InviteServer
INVITE_SERVER: Final = Machine(
    "INVITE server transaction",
    _IS.PROCEEDING,
    _IS.TERMINATED,
    {
        (_IS.PROCEEDING, _T.TRYING): Step(_IS.PROCEEDING, (_A.SEND_TRYING,)),
        (_IS.PROCEEDING, _S.REQUEST): Step(_IS.PROCEEDING, (_A.SEND_AGAIN,)),
        (_IS.PROCEEDING, _S.PROVISIONAL): Step(_IS.PROCEEDING, (_A.SEND_RESPONSE,)),
        (_IS.PROCEEDING, _S.SUCCESS): Step(_IS.ACCEPTED, (_A.SEND_RESPONSE,)),
        (_IS.PROCEEDING, _S.FAILURE): Step(_IS.COMPLETED, (_A.SEND_RESPONSE,)),
        (_IS.PROCEEDING, _S.TRANSPORT_ERROR): Step(_IS.PROCEEDING, (_A.TELL_ERROR,)),
        (_IS.COMPLETED, _T.G): Step(_IS.COMPLETED, (_A.SEND_AGAIN,)),
        (_IS.COMPLETED, _T.H): Step(_IS.TERMINATED, (_A.TELL_TIMEOUT,)),
        (_IS.COMPLETED, _S.REQUEST): Step(_IS.COMPLETED, (_A.SEND_AGAIN,)),
        (_IS.COMPLETED, _S.ACK): Step(_IS.CONFIRMED),
        (_IS.COMPLETED, _S.TRANSPORT_ERROR): Step(_IS.COMPLETED, (_A.TELL_ERROR,)),
        (_IS.CONFIRMED, _T.I): Step(_IS.TERMINATED),
        (_IS.CONFIRMED, _S.REQUEST): Step(_IS.CONFIRMED),
        (_IS.CONFIRMED, _S.ACK): Step(_IS.CONFIRMED),
        (_IS.CONFIRMED, _S.TRANSPORT_ERROR): Step(_IS.CONFIRMED),
        (_IS.ACCEPTED, _T.L): Step(_IS.TERMINATED),
        (_IS.ACCEPTED, _S.REQUEST): Step(_IS.ACCEPTED),
        (_IS.ACCEPTED, _S.ACK): Step(_IS.ACCEPTED, (_A.TELL,)),
        (_IS.ACCEPTED, _S.SUCCESS): Step(_IS.ACCEPTED, (_A.SEND_RESPONSE,)),
        (_IS.ACCEPTED, _S.TRANSPORT_ERROR): Step(_IS.ACCEPTED, (_A.TELL_ERROR,)),
    },
    {
        _IS.PROCEEDING: Waits(final=_T.TRYING),
        _IS.COMPLETED: Waits(_T.G, _T.H),
        _IS.CONFIRMED: Waits(final=_T.I),
        _IS.ACCEPTED: Waits(final=_T.L),
        _IS.TERMINATED: Waits(),
    },
    _REQUESTS,
)

_NS = NonInviteServer
NON_INVITE_SERVER: Final = Machine(
    "non-INVITE server transaction",
    _NS.TRYING,
    _NS.TERMINATED,
    {
        # RFC 4320 §4.1: a 100 once timer E has reached T2; §4.2: silence rather than a late final.
        (_NS.TRYING, _T.TRYING): Step(_NS.PROCEEDING, (_A.SEND_TRYING,)),
        (_NS.TRYING, _S.REQUEST): Step(_NS.TRYING),
        (_NS.TRYING, _S.PROVISIONAL): Step(_NS.PROCEEDING, (_A.SEND_RESPONSE,)),
        (_NS.TRYING, _S.SUCCESS): Step(_NS.COMPLETED, (_A.SEND_RESPONSE,)),
        (_NS.TRYING, _S.FAILURE): Step(_NS.COMPLETED, (_A.SEND_RESPONSE,)),
        (_NS.TRYING, _S.TRANSPORT_ERROR): Step(_NS.TRYING),
        (_NS.PROCEEDING, _T.EXPIRY): Step(_NS.TERMINATED),
        (_NS.PROCEEDING, _S.REQUEST): Step(_NS.PROCEEDING, (_A.SEND_AGAIN,)),
        (_NS.PROCEEDING, _S.PROVISIONAL): Step(_NS.PROCEEDING, (_A.SEND_RESPONSE,)),
        (_NS.PROCEEDING, _S.SUCCESS): Step(_NS.COMPLETED, (_A.SEND_RESPONSE,)),
        (_NS.PROCEEDING, _S.FAILURE): Step(_NS.COMPLETED, (_A.SEND_RESPONSE,)),
        (_NS.PROCEEDING, _S.TRANSPORT_ERROR): Step(_NS.PROCEEDING, (_A.TELL_ERROR,)),
        (_NS.COMPLETED, _T.J): Step(_NS.TERMINATED),
        (_NS.COMPLETED, _S.REQUEST): Step(_NS.COMPLETED, (_A.SEND_AGAIN,)),
        (_NS.COMPLETED, _S.SUCCESS): Step(_NS.COMPLETED),
        (_NS.COMPLETED, _S.FAILURE): Step(_NS.COMPLETED),
        (_NS.COMPLETED, _S.TRANSPORT_ERROR): Step(_NS.COMPLETED, (_A.TELL_ERROR,)),
    },
    {
        _NS.TRYING: Waits(final=_T.TRYING),
        _NS.PROCEEDING: Waits(final=_T.EXPIRY),
        _NS.COMPLETED: Waits(final=_T.J),
        _NS.TERMINATED: Waits(),
    },
    _REQUESTS,
)

MACHINES: Final = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
