"""What every service with SIP sessions does with them: all but what they mean (RFC 3261 §12-15)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

from dragoman.bridge.ports import SipPort
from dragoman.sip import session as sip
from dragoman.sip.flow import AckArrived, AckMissing, CancelArrived, Cause, RequestArrived
from dragoman.sip.message import Request, Response
from dragoman.sip.route import RouteSet
from dragoman.sip.session import SessionHandle
from dragoman.sip.sessions import Sessions
from dragoman.sip.uri import Uri
from dragoman.xmpp.jid import Jid


class SessionLine(SipPort, Protocol):
    """The way to SIP users, and back."""

    def acknowledge(self, ack: Request, handle: Hashable, route: RouteSet) -> None:
        """Send the ACK for a 2xx to the INVITE of `handle`."""

    def cancel(self, handle: Hashable, reason: str = "") -> None:
        """Take back the INVITE of `handle`, for a `reason` (RFC 3326)."""

    def find(self, uri: Uri, told: Callable[[bool], None]) -> None:
        """Tell whether the next hop toward a SIP user is reached over TLS; False: nobody knows."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a session with whom."""

    user: Jid
    """The SIP user."""
    recipient: Jid
    sender: Uri
    hairpin: bool = False
    """Whether it is one of our clients, who calls in the SIP user's name: he has transferred it."""


class SessionService(ABC):
    """The sessions of a service, which learns of each event once, in order."""

    line: SessionLine
    sessions: Sessions
    _now: float = 0.0
    _cause: object = None
    """Why a request of ours got no response, while that is told."""

    def knows(self, request: Request) -> bool:
        """Tell whether a request is of a session's dialog: no other knows the tags."""
        return self.sessions.knows(request)

    def has(self, handle: SessionHandle) -> bool:
        """Tell whether a request was made in a session of this service."""
        return self.sessions.has(handle)

    @abstractmethod
    def on_request(self, arrived: RequestArrived, sender: Uri, now: float) -> None:
        """Take an INVITE of `sender`, who is believed, or a request within a dialog."""

    def on_response(self, handle: SessionHandle, response: Response, now: float) -> None:
        """Take a response to a request of ours."""
        self._now = now
        self.sessions.on_response(handle, response, now)
        self._drain()

    def on_failure(self, handle: SessionHandle, cause: object, now: float) -> None:
        """Learn that a request of ours got no response."""
        self._now, self._cause = now, cause
        status = cause.value if isinstance(cause, Cause) else 503  # RFC 3261 §8.1.3.1
        self.sessions.on_failed(handle, status, now)
        self._drain()
        self._cause = None

    def on_ack(self, event: AckArrived, now: float) -> None:
        """Learn that an answer of ours arrived."""
        self._now = now
        self.sessions.on_ack(event, now)
        self._drain()

    def on_missing(self, event: AckMissing, now: float) -> None:
        """Learn that an answer of ours was never acknowledged."""
        self._now = now
        self.sessions.on_missing(event, now)
        self._drain()

    def on_cancel(self, event: CancelArrived, now: float) -> None:
        """Learn that a SIP user takes back his INVITE."""
        self._now = now
        self.sessions.on_cancel(event, now)
        self._drain()

    def on_timer(self, now: float) -> None:
        """Do what is due."""
        self._now = now
        self.sessions.on_timer(now)
        self._drain()

    def next_timer(self) -> float | None:
        """Return when `on_timer` is wanted next."""
        return self.sessions.next_timer()

    @property
    def quiet(self) -> bool:
        """Whether no session is left, but for those whose INVITE a fork may answer still."""
        return set(self.sessions.describe()) <= {sip.Stage.OVER.value}

    def describe(self) -> dict[str, int]:
        """Return how many sessions there are in SIP, by stage."""
        stages = self.sessions.describe()
        known = {each.value: stages.get(each.value, 0) for each in sip.Stage}
        return {"sessions": len(self.sessions), **known}

    @abstractmethod
    def _on_event(self, event: sip.Event) -> None:
        """Learn what happened in a session."""

    def _drain(self) -> None:
        """Do what sessions want done, and learn what they tell, until there is no more."""
        while (actions := self.sessions.actions()) or (events := self.sessions.events()):
            if actions:
                for action in actions:
                    self._act(action)
                continue
            for event in events:
                self._on_event(event)

    def _act(self, action: sip.Action) -> None:
        match action:
            case sip.Send(request, route, handle):
                self.line.request(request, handle, route)
            case sip.Acknowledge(ack, route, handle):
                self.line.acknowledge(ack, handle, route)
            case sip.Cancel(handle, reason):
                self.line.cancel(handle, reason)
            case sip.Respond(transaction, response):
                self.line.respond(transaction, response)
