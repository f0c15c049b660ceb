"""Event notification's own headers: Event and Subscription-State (RFC 6665 §8.2)."""

from dataclasses import dataclass
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, Params, find_param, is_token, parse_params, print_params
from dragoman.sip.header import parse_seconds
from dragoman.sip.message import Response

ACTIVE: Final = "active"
PENDING: Final = "pending"
TERMINATED: Final = "terminated"
LONGEST: Final = 86_400
"""Seconds of the longest Min-Expires that is heeded."""


@final
@dataclass(frozen=True, slots=True)
class Event:
    """What is watched: an event package, and the `id` that tells two in one dialog apart."""

    package: str
    id: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Event":
        """Read an Event header; parameters other than `id` are dropped. Raises SipError."""
        name, params = _token(text, "Event")
        id_ = find_param(params, "id") or None
        if id_ is not None and not is_token(id_):
            raise SipError(f"not the id of an Event: {id_[:40]!r}")
        return cls(name, id_)

    def __str__(self) -> str:
        """Return the header's value."""
        return self.package if self.id is None else f"{self.package};id={self.id}"


@final
@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """How a subscription stands: the state, and what belongs to it, in seconds (§4.1.3)."""

    state: str
    expires: int | None = None
    reason: str = ""
    retry_after: int | None = None

    @classmethod
    def parse(cls, text: str) -> "SubscriptionState":
        """Read a Subscription-State header; raises SipError."""
        name, params = _token(text, "Subscription-State")
        return cls(
            name.lower(),
            _seconds(params, "expires"),
            (find_param(params, "reason") or "").lower(),
            _seconds(params, "retry-after"),
        )

    def __str__(self) -> str:
        """Return the header's value."""
        seconds = {"expires": self.expires, "retry-after": self.retry_after}
        given = [(name, str(value)) for name, value in seconds.items() if value is not None]
        reason = [("reason", self.reason)] if self.reason else []
        return f"{self.state}{print_params((*reason, *given))}"


def _token(text: str, what: str) -> tuple[str, Params]:
    name, _, params = text.partition(";")
    name = name.strip(BLANK)
    if not is_token(name):
        raise SipError(f"not an {what}: {text[:40]!r}")
    return name, parse_params(f";{params}" if params.strip(BLANK) else "")


def _seconds(params: Params, name: str) -> int | None:
    value = find_param(params, name)
    return parse_seconds(value) if value else None


def interval(text: str) -> float:
    """Return the seconds between notifications that an Event header asks for (RFC 6446 §4).

    0 where it asks for none, or cannot be read.
    """
    try:
        rate = float(find_param(_token(text, "Event")[1], "max-rate") or 0)
    except (ValueError, SipError):
        return 0.0
    return 1.0 / rate if 0.0 < rate < float("inf") else 0.0


def granted_seconds(response: Response, wanted: int) -> int:
    """Return the seconds that a 2xx grants: never more than was wanted (§4.2.1.1; RFC 3903 §4.1).

    Those wanted, where it does not say.
    """
    try:
        return min(parse_seconds(response.get("Expires") or ""), wanted)
    except SipError:
        return wanted


def longer_seconds(response: Response, wanted: int) -> int:
    """Return the Min-Expires of a 423, 0 where it is no reason to ask again (§4.1.2.1)."""
    try:
        least = parse_seconds(response.get("Min-Expires") or "")
    except SipError:
        return 0
    return least if wanted < least <= LONGEST else 0


def retry_seconds(response: Response) -> int:
    """Return the Retry-After of a response (RFC 3261 §20.33), 0 where none can be read."""
    try:
        return parse_seconds(response.get("Retry-After") or "")
    except SipError:
        return 0
