"""Warnings of certificates that end (RFC 5280 §4.1.2.5), are not used, or are lacking."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from dragoman.log import about
from dragoman.net.certificates import Report

log = logging.getLogger(__name__)

SOON: Final = timedelta(days=21)
"""Before its end a certificate is warned of; one that is renewed in time never gets there."""
URGENT: Final = timedelta(days=3)
NO_LEVEL: Final = logging.NOTSET
"""What domains are remembered under: a certificate's file may bear the same name."""
AGAIN: Final = timedelta(days=1)
MOST: Final = 20
"""Domains without a certificate that are named in one look: anybody may point a DNS here."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a certificate: how bad, and in words."""

    level: int
    subject: str
    text: str


def judge(report: Report, now: datetime) -> Finding | None:
    """Return what is wrong with a pair at `now`, None when nothing is."""
    name, left = name_of(report), report.expires - now if report.expires is not None else None
    if left is not None and left <= timedelta():
        return Finding(logging.ERROR, name, f"it expired on {report.expires:%Y-%m-%d}")
    if left is not None and left < SOON:
        level = logging.ERROR if left < URGENT else logging.WARNING
        days = f"it expires on {report.expires:%Y-%m-%d}, in {_days(left)}"
        return Finding(level, name, days + (f"; {report.problem}" if report.problem else ""))
    if report.problem:
        return Finding(logging.WARNING, name, f"not used as it is: {report.problem}")
    return None


def name_of(report: Report) -> str:
    """Return the NAME of a pair's files."""
    return Path(report.origin).stem


class ExpiryWatch:
    """Logs each finding once a day.

    `reports()` are the certificates, `served()` the domains that need one, and `covers(domain)`
    tells whether there is one.
    """

    def __init__(
        self,
        reports: Callable[[], Sequence[Report]],
        served: Callable[[], Iterable[str]],
        covers: Callable[[str], bool],
    ) -> None:
        """Start having said nothing."""
        self._reports = reports
        self._served = served
        self._covers = covers
        self._told: dict[tuple[str, int], datetime] = {}

    def look(self, now: datetime) -> None:
        """Log what is to be said at `now` (aware) and was not said within a day."""
        self._told = {key: at for key, at in self._told.items() if now - at < AGAIN}
        for finding in self._findings(now):
            key = (finding.subject, finding.level)
            if key not in self._told:
                self._told[key] = now
                fields = about(certificate=finding.subject, reason=finding.text)
                log.log(finding.level, "certificate needs attention", extra=fields)
        for domain in self._bare()[:MOST]:
            self._told[domain, NO_LEVEL] = now
            log.warning("no certificate for a domain that is served", extra=about(domain=domain))

    def _findings(self, now: datetime) -> list[Finding]:
        judged = (judge(each, now) for each in self._reports())
        return [each for each in judged if each is not None]

    def _bare(self) -> list[str]:
        """Return the domains without a certificate that were not told of."""
        served = sorted(self._served())
        untold = (each for each in served if (each, NO_LEVEL) not in self._told)
        return [each for each in untold if not self._covers(each)]


def _days(left: timedelta) -> str:
    if left < timedelta(days=2):
        hours = int(left.total_seconds() // 3600)
        return f"{hours} hours"
    return f"{left.days} days"
