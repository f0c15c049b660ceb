"""Session timers: who refreshes a session, and when it counts as lost (RFC 4028)."""

from dataclasses import dataclass
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, find_param, parse_params
from dragoman.sip.header import parse_seconds
from dragoman.sip.message import Header, Message, Request, Response
from dragoman.sip.session import options_of

TIMER: Final = "timer"
LEAST: Final = 90
"""Seconds: no session interval is shorter (§5)."""
USUAL: Final = 1800
"""Seconds that we ask for (§4)."""
LONGEST: Final = 7200
"""Seconds after which we refresh whatever was agreed, and the longest Min-SE that we heed."""


@final
@dataclass(frozen=True, slots=True)
class SessionExpires:
    """A session interval in seconds, and who refreshes: "uac", "uas", or "" (§4)."""

    seconds: int
    refresher: str = ""

    @classmethod
    def parse(cls, text: str) -> "SessionExpires":
        """Read a Session-Expires header; raises SipError."""
        seconds, _, params = text.partition(";")
        found = parse_params(f";{params}" if params.strip(BLANK) else "")
        refresher = (find_param(found, "refresher") or "").lower()
        if refresher not in {"", "uac", "uas"}:
            raise SipError(f"no refresher: {refresher[:40]!r}")
        return cls(parse_seconds(seconds), refresher)

    def __str__(self) -> str:
        """Return the header's value."""
        return f"{self.seconds}{f';refresher={self.refresher}' if self.refresher else ''}"


def expires_of(message: Message) -> SessionExpires | None:
    """Return the Session-Expires of a message, None for none; raises SipError."""
    value = message.get("Session-Expires")
    return None if value is None else SessionExpires.parse(value)


def least_of(message: Message) -> int:
    """Return the Min-SE of a message; LEAST where it is less, missing or cannot be read."""
    try:
        return max(LEAST, parse_seconds(message.get("Min-SE") or ""))
    except SipError:
        return LEAST


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """What was agreed: the interval in seconds, and whether we are the one who refreshes."""

    seconds: int = USUAL
    ours: bool = True

    @property
    def refresh(self) -> float:
        """Seconds until we refresh: half of the interval (§10)."""
        return self.seconds / 2

    @property
    def end(self) -> float:
        """Seconds until BYE when there was no refresh (§10)."""
        return self.seconds - min(32.0, self.seconds / 3)


def asking(seconds: int, least: int, refresher: str = "") -> tuple[Header, ...]:
    """Return the headers of a request that asks for a session interval (§7.1)."""
    headers = [("Session-Expires", str(SessionExpires(max(seconds, least), refresher)))]
    if least > LEAST:
        headers.append(("Min-SE", str(least)))
    return tuple(headers)


def too_short(request: Request) -> bool:
    """Tell whether a request asks for a shorter interval than we accept: 422 (§9).

    Raises SipError for a Session-Expires that cannot be read.
    """
    wanted = expires_of(request)
    return wanted is not None and wanted.seconds < LEAST


def granting(request: Request) -> tuple[Terms, tuple[Header, ...]]:
    """Return what we agree to as who answers `request`, and the headers that say so (§9, table 2).

    Raises SipError for a Session-Expires that cannot be read.
    """
    wanted = expires_of(request) or SessionExpires(max(USUAL, least_of(request)))
    able = TIMER in options_of(request, "Supported") | options_of(request, "Require")
    theirs = able and wanted.refresher == "uac"
    seconds = min(wanted.seconds, max(LONGEST, least_of(request)))
    said = SessionExpires(seconds, "uac" if theirs else "uas")
    headers = [("Session-Expires", str(said))]
    if theirs:
        headers.append(("Require", TIMER))
    return Terms(seconds, not theirs), tuple(headers)


def granted(response: Response) -> Terms:
    """Return what a 2xx to our request agrees to: we refresh where it does not say (§7.2)."""
    try:
        said = expires_of(response)
    except SipError:
        said = None
    if said is None:
        return Terms()
    seconds = min(max(said.seconds, LEAST), LONGEST)
    return Terms(seconds, said.refresher != "uas")
