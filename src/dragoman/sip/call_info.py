"""Call-Info (RFC 3261 §20.9): where there is more about who sends a request, such as a picture."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from dragoman.sip.failure import SipError
from dragoman.sip.grammar import BLANK, Params, find_param, parse_params, print_params, split

ICON: Final = "icon"
INFO: Final = "info"
CARD: Final = "card"
MOST: Final = 16
"""Entries of a request that are looked at."""
LONGEST: Final = 2048
"""Characters of a URI."""

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:[!#-;=?-~]++")


@final
@dataclass(frozen=True, slots=True)
class CallInfo:
    """One entry: a URI of any scheme, as it is written, and parameters."""

    uri: str
    params: Params = ()

    @classmethod
    def parse(cls, text: str) -> "CallInfo":
        """Read `<uri>;purpose=icon`; SipError(400) when malformed."""
        before, angle, rest = text.partition("<")
        uri, end, params = rest.partition(">")
        if before.strip(BLANK) or not angle or not end:
            raise SipError(f"no URI in brackets: {text[:40]!r}")
        if len(uri) > LONGEST or not _URI.fullmatch(uri):
            raise SipError(f"not a URI: {uri[:40]!r}")
        return CallInfo(uri, parse_params(params.strip(BLANK)))

    @property
    def purpose(self) -> str:
        """What the URI is for, in lower case: "icon", "info", "card", another; "" unless said."""
        return (find_param(self.params, "purpose") or "").lower()

    def __str__(self) -> str:
        """Return the entry as it is written in a message."""
        return f"<{self.uri}>{print_params(self.params)}"


def read(lines: Iterable[str]) -> list[CallInfo]:
    """Return the entries of a request's Call-Info lines, at most `MOST`.

    They only adorn a request: what is malformed is passed over.
    """
    found: list[CallInfo] = []
    for item in _items(lines):
        try:
            found.append(CallInfo.parse(item))
        except SipError:
            continue
    return found


def _items(lines: Iterable[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        try:
            items += split(line, ",")
        except SipError:
            continue
        if len(items) >= MOST:
            break
    return items[:MOST]
