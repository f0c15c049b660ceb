"""Session timers (RFC 4028): how long a session lasts unless it is refreshed, and by whom."""

from dataclasses import dataclass
from typing import Final, final

from dragoman.sip.grammar import find_param, parse_params
from dragoman.sip.header import parse_seconds, split_list
from dragoman.sip.message import Header, Message, Request, SipError

EXTENSION: Final = "timer"
USUAL: Final = 1800
"""Seconds that we ask for (§4)."""
LEAST: Final = 90
"""Seconds of the shortest that is taken (§5)."""
TOO_BRIEF: Final = 422
SPARE: Final = 32.0
"""Seconds before its end when a session is given up that was not refreshed, a third at most."""


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """What two ends agreed to: `seconds`, and whether it is we who refresh."""

    seconds: int
    ours: bool

    @property
    def pause(self) -> float:
        """Seconds after which something is to be done: half of it, or near its end (§10)."""
        if self.ours:
            return self.seconds / 2
        return self.seconds - min(SPARE, self.seconds / 3)


def asked(seconds: int = USUAL, *, refreshing: bool | None = None) -> list[Header]:
    """Return what a request of ours says; `refreshing` where it is known who does (§7.4)."""
    who = "" if refreshing is None else f";refresher={'uac' if refreshing else 'uas'}"
    found = [("Session-Expires", f"{seconds}{who}")]
    if seconds > LEAST:
        found.append(("Min-SE", str(LEAST if seconds == USUAL else seconds)))
    return found


def granted(response: Message) -> Interval | None:
    """Return what a 2xx to a request of ours comes to; None: there is no timer (§7.2)."""
    found = _read(response)
    return None if found is None else Interval(max(found[0], LEAST), found[1] != "uas")


def too_brief(request: Request) -> bool:
    """Tell whether a request is to be answered 422, with our Min-SE (§9).

    One from a peer that does not know what that means is taken.
    """
    found = _read(request)
    return found is not None and found[0] < LEAST and _knows(request)


def chosen(request: Request) -> tuple[Interval | None, list[Header]]:
    """Return what we agree to in a request, and what our 2xx says of it (§9, table 2)."""
    found, knows = _read(request), _knows(request)
    if found is None:
        if not knows:
            return None, []
        found = (USUAL, "uas")
    seconds, who = max(found[0], LEAST), found[1]
    refresher = (who or "uac") if knows else "uas"
    headers = [("Session-Expires", f"{seconds};refresher={refresher}")]
    if refresher == "uac":
        headers.append(("Require", EXTENSION))
    return Interval(seconds, refresher == "uas"), headers


def longer(response: Message, wanted: int) -> int:
    """Return how many seconds to ask for after a 422: its Min-SE; `wanted` where that is none."""
    try:
        return min(max(parse_seconds(response.get("Min-SE") or ""), wanted), 86_400)
    except SipError:
        return wanted


def supports(message: Message, extension: str) -> bool:
    """Tell whether a peer says that it knows an extension."""
    listed = [*message.get_all("Supported"), *message.get_all("Require")]
    return any(each.lower() == extension for line in listed for each in split_list(line))


def _knows(request: Request) -> bool:
    return supports(request, EXTENSION)


def _read(message: Message) -> tuple[int, str] | None:
    """Return seconds and refresher of Session-Expires; None where it cannot be read, or is not."""
    value = message.get("Session-Expires")
    if value is None:
        return None
    try:
        seconds = parse_seconds(value)
        params = parse_params(";" + value.partition(";")[2]) if ";" in value else ()
    except SipError:
        return None
    who = (find_param(params, "refresher") or "").lower()
    return seconds, who if who in {"uac", "uas"} else ""
