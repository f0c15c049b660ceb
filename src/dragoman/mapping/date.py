"""Dates (RFC 3261 §20.17, XEP-0082, RFC 3339) as seconds since 1970, and back."""

import re
from datetime import UTC, datetime
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_SIP_DATE: Final = re.compile(
    rf"(?:{'|'.join(_DAYS)}), (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) GMT",
    re.ASCII,
)
_END: Final = 253402300800
"""The first second of the year 10000."""


def parse_sip_date(text: str) -> float | None:
    """Read the value of a Date header, `Sat, 13 Nov 2010 23:29:00 GMT`; None for anything else."""
    found = _SIP_DATE.fullmatch(text)
    if found is None:
        return None
    day, year, hour, minute, second = map(int, found.group(1, 3, 4, 5, 6))
    month = _MONTHS.index(found[2]) + 1
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return _within_reason(moment)


def sip_date(seconds: float) -> str:
    """Return the value of a Date header; the day's and month's names are always English."""
    moment = datetime.fromtimestamp(seconds, UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def parse_stamp(text: str) -> float | None:
    """Read a date and time with its offset, `2002-09-10T23:08:25Z`; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else _within_reason(moment)


def stamp(seconds: float) -> str:
    """Return a date and time of XEP-0082, to the second, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _within_reason(moment: datetime) -> float | None:
    seconds = moment.timestamp()
    return seconds if 0 <= seconds < _END else None
