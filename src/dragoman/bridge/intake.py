"""SIP requests that arrive: let in, refused, or kept until the DNS has said whom to believe.

What is certain is refused before any state is made (`screen`), in silence where that is wished
for; the guard learns of it, so that the next of the same costs a glance (RFC 3261 §26.1.5).
"""

from collections.abc import Callable
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, Final

from dragoman.bridge.admission import Admission, Admitted, Complaints, Refused, Verdict, Wait
from dragoman.bridge.directory import Directory
from dragoman.bridge.faults import contained, nothing
from dragoman.bridge.parking import Parked, Parking
from dragoman.log import about
from dragoman.mapping.failure import Refused as MappingRefused
from dragoman.sip.endpoint import Flow, RequestArrived, ServerTransaction
from dragoman.sip.guard import Bucket, Guard
from dragoman.sip.locate import SECURE
from dragoman.sip.message import Request, Response, SipError, response_to

if TYPE_CHECKING:
    from dragoman.bridge.ports import SipWire

log = getLogger(__name__)

PATIENCE: Final = 10.0
"""Seconds that a request waits at most for the DNS to say who is believed."""
LINES: Final = 10.0
"""Refusals of strangers a second that are logged."""
LATE: Final = "the DNS took too long"
DIALOGS: Final = frozenset({"NOTIFY", "INVITE", "ACK", "BYE", "UPDATE", "PRACK", "INFO", "REFER"})
"""Methods of requests that may be of a dialog of ours."""


class Intake:
    """The way in; `serve` takes a request that may come in, `respond` answers one that may not."""

    def __init__(
        self,
        directory: Directory,
        attached: Callable[[str], bool],
        serve: Callable[[RequestArrived, Admitted, float], None],
        respond: Callable[[ServerTransaction, Response], None],
        now: float,
        ours: Callable[[Request], bool] = lambda _: False,
    ) -> None:
        """Judge by `directory`; `attached` is that of `Admission`.

        `ours` tells of a request of DIALOGS whether it is of a dialog of ours.
        """
        self._directory = directory
        self._serve = serve
        self._respond = respond
        self._ours = ours
        self._now = now
        self.admission = Admission(directory, attached, lambda address: self._familiar(address))
        self._parked = Parking()
        self._complaints = Complaints()
        self._lines = Bucket(LINES, now)
        self.wire: SipWire | None = None
        self.guard: Guard | None = None
        self.closed = False
        """Whether nothing more is let in: the gateway stops."""

    def __len__(self) -> int:
        """Return how many requests wait for the DNS."""
        return len(self._parked)

    @property
    def behind(self) -> bool:
        """Whether the gateway has more to do than it can do in time."""
        return self.guard is not None and self.guard.overload.behind

    def screen(self, request: Request, flow: Flow, now: float) -> int | None:
        """Return the status that refuses a request before any state is made of it."""
        self._now = now
        address = flow.remote[0]
        if self.behind and request.method != "CANCEL":
            return 503
        if self._is_of_ours(request):
            return None
        refused = self.admission.screen(request, address, now, self._vouching(flow))
        if refused is None:
            return None
        self._distrust(request, refused, address, now)
        fresh = self._complaints.is_new(f"{address} {refused.reason}", now)
        if fresh and self._worth_a_line(address, now):
            log.warning(
                "requests refused",
                extra=about(peer=address, status=refused.status, reason=refused.reason),
            )
        return refused.status

    def judge(self, arrived: RequestArrived, now: float, deadline: float | None = None) -> None:
        """Let a request in, refuse it, or have it wait for the DNS until `deadline` at most.

        Where that, or whatever it asks for, fails by a bug, the request is refused as well.
        """
        self._now = now
        contained(partial(self._fail, arrived), self._judge, arrived, now, deadline)

    def _fail(self, arrived: RequestArrived) -> None:
        self._respond(arrived.transaction, response_to(arrived.request, 500))

    def _judge(self, arrived: RequestArrived, now: float, deadline: float | None) -> None:
        request, flow = arrived.request, arrived.flow
        if self.closed:
            self._refuse(arrived, 503, "the gateway stops", now)
            return
        ours = self._is_of_ours(request)
        try:
            verdict: Verdict = Admitted(request.from_.uri, trusted=False)
            if not ours:
                verdict = self.admission.judge(request, flow.remote[0], now, self._vouching(flow))
        except (SipError, MappingRefused) as error:
            self._refuse(arrived, error.status, error.reason, now)
            return
        match verdict:
            case Admitted():
                # OPTIONS is answered to whoever sends from where he says, and lets in nothing else.
                if request.method != "OPTIONS":
                    arrived.transaction.believed = not ours
                    if self.guard is not None:
                        self.guard.believed(flow.remote[0], now)
                self._serve(arrived, verdict, now)
            case Refused(status, reason):
                self._distrust(request, verdict, flow.remote[0], now)
                self._refuse(arrived, status, reason, now)
            case Wait(domain):
                if not self._parked.add(Parked(deadline or now + PATIENCE, domain, arrived)):
                    self._refuse(arrived, 503, "too many requests wait for the DNS", now)

    def _is_of_ours(self, request: Request) -> bool:
        """Tell a request that only a peer of a dialog of ours can send: no other knows the tags.

        It may come from a phone, whose address no DNS knows. Whom it names as its sender is not
        believed by that.
        """
        return request.method in DIALOGS and self._ours(request)

    def learned(self, domain: str, now: float) -> None:
        """Judge again, in order, what waited for word of `domain`; "" stands for all."""
        self._now = now
        for each in self._parked.take(domain):
            if each.deadline <= now:
                self._refuse(each.arrived, 504, LATE, now)
            else:
                self.judge(each.arrived, now, each.deadline)

    def on_timer(self, now: float) -> None:
        """Refuse what has waited too long."""
        self._now = now
        for each in self._parked.due(now):
            contained(nothing, self._refuse, each.arrived, 504, LATE, now)

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self._parked.next_timer()

    def tell_sightings(self) -> None:
        """Log what scanners did: contrib/fail2ban reads this line, in which no word is theirs."""
        for each in () if self.guard is None else self.guard.sightings():
            log.warning(
                "scanner", extra=about(peer=each.address, sign=each.sign.value, count=each.count)
            )

    def _distrust(self, request: Request, refused: Refused, address: str, now: float) -> None:
        """Have the guard refuse more of the same, for as long as the DNS need not be asked."""
        if self.guard is not None and refused.stranger:
            domain = request.from_.uri.host
            until = self._directory.doubted_until(domain)
            if until > now:
                self.guard.refused(address, domain, until)

    def _worth_a_line(self, address: str, now: float) -> bool:
        """Tell whether a refusal may be logged: strangers together fill no log."""
        return self._familiar(address) or self._lines.take(now)

    def _familiar(self, address: str) -> bool:
        return self.guard is not None and self.guard.knows(address, self._now)

    def _vouching(self, flow: Flow) -> Callable[[str], bool] | None:
        """Return what the TLS peer's certificate says of a domain; None where there is no TLS."""
        if not flow.connection or flow.transport not in SECURE or self.wire is None:
            return None
        return partial(self.wire.vouches, flow)

    def _refuse(self, arrived: RequestArrived, status: int, reason: str, now: float) -> None:
        address = arrived.flow.remote[0]
        if self._worth_a_line(address, now):
            log.warning(
                "request refused",
                extra=about(
                    peer=address,
                    sip=arrived.request.get("From"),
                    call_id=arrived.request.get("Call-ID"),
                    status=status,
                    reason=reason,
                ),
            )
        if self.wire is not None and self._is_unheard(arrived, address, now):
            self.wire.endpoint.abandon(arrived.transaction)
            return
        headers = [("Retry-After", "5")] if status == 503 else []
        self._respond(arrived.transaction, response_to(arrived.request, status, headers=headers))

    def _is_unheard(self, arrived: RequestArrived, address: str, now: float) -> bool:
        """Tell whether nobody is to hear a refusal: silence is wished for, or none would listen.

        To a stranger whose connection is gone none is made.
        """
        if self.guard is None:
            return False
        hung_up = arrived.transaction.gone and not self.guard.knows(address, now)
        return hung_up or self.guard.quiet(address, now)
