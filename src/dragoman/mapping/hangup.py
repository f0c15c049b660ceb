"""Why a call ends, on either side (XEP-0166 §7.4; RFC 3261 §21, RFC 3326, Q.850).

docs/interworking/media.md §6. Nobody but us maps the two: the tables there have no other source.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from dragoman.xmpp.ext.jingle import Reason, Why

STATUSES: Final[Mapping[Why, int]] = {
    Why.SUCCESS: 603,
    Why.BUSY: 486,
    Why.DECLINE: 603,
    Why.CANCEL: 480,
    Why.TIMEOUT: 480,
    Why.EXPIRED: 480,
    Why.GONE: 480,
    Why.ALTERNATIVE_SESSION: 486,
    Why.CONNECTIVITY_ERROR: 500,
    Why.FAILED_TRANSPORT: 500,
    Why.MEDIA_ERROR: 488,
    Why.FAILED_APPLICATION: 488,
    Why.INCOMPATIBLE_PARAMETERS: 488,
    Why.UNSUPPORTED_APPLICATIONS: 488,
    Why.UNSUPPORTED_TRANSPORTS: 488,
    Why.SECURITY_ERROR: 488,
    Why.GENERAL_ERROR: 500,
}
"""What the caller's INVITE is answered when whom he calls ends it before he accepts."""
CAUSES: Final[Mapping[Why, int]] = {
    Why.SUCCESS: 16,
    Why.BUSY: 17,
    Why.DECLINE: 21,
    Why.CANCEL: 16,
    Why.TIMEOUT: 102,
    Why.EXPIRED: 102,
    Why.GONE: 27,
    Why.ALTERNATIVE_SESSION: 16,
    Why.CONNECTIVITY_ERROR: 41,
    Why.FAILED_TRANSPORT: 41,
    Why.MEDIA_ERROR: 41,
    Why.FAILED_APPLICATION: 41,
    Why.INCOMPATIBLE_PARAMETERS: 88,
    Why.UNSUPPORTED_APPLICATIONS: 88,
    Why.UNSUPPORTED_TRANSPORTS: 88,
    Why.SECURITY_ERROR: 57,
    Why.GENERAL_ERROR: 31,
}
"""The cause (Q.850) that a BYE or CANCEL tells."""
_BY_CAUSE: Final[Mapping[int, Why]] = {
    16: Why.SUCCESS,
    17: Why.BUSY,
    21: Why.DECLINE,
    18: Why.TIMEOUT,
    19: Why.TIMEOUT,
    102: Why.TIMEOUT,
    1: Why.GONE,
    27: Why.GONE,
    38: Why.CONNECTIVITY_ERROR,
    41: Why.CONNECTIVITY_ERROR,
    88: Why.INCOMPATIBLE_PARAMETERS,
}
_BY_STATUS: Final[Mapping[int, Why]] = {
    **dict.fromkeys((486, 600), Why.BUSY),
    **dict.fromkeys((403, 603, 607, 608), Why.DECLINE),
    **dict.fromkeys((404, 410, 480, 484, 485, 604), Why.GONE),
    **dict.fromkeys((408, 487), Why.TIMEOUT),
    **dict.fromkeys((415, 488, 606), Why.INCOMPATIBLE_PARAMETERS),
    **dict.fromkeys((401, 407, 421, 494), Why.SECURITY_ERROR),
    **dict.fromkeys((405, 420, 501), Why.UNSUPPORTED_APPLICATIONS),
    503: Why.CONNECTIVITY_ERROR,
    580: Why.FAILED_TRANSPORT,
}
ELSEWHERE: Final = 200
"""The SIP cause of a CANCEL because another device answered (RFC 3326 §2)."""
LONGEST_TEXT: Final = 120
_REASON: Final = re.compile(r'\s*([A-Za-z0-9.-]+)((?:[^,"]|"(?:[^"\\]|\\.)*")*),?')
_CAUSE: Final = re.compile(r"cause\s*=\s*([0-9]{1,4})(?![0-9])", re.IGNORECASE)
_QUOTED: Final = re.compile(r'text\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def status(reason: Reason | None) -> int:
    """Return the status that refuses an INVITE whose recipient gives this reason."""
    return STATUSES[Why.GENERAL_ERROR if reason is None else reason.why]


def header(reason: Reason | None) -> str:
    """Return the value of the Reason header for a BYE or CANCEL."""
    why, text = (reason.why, reason.text) if reason is not None else (Why.SUCCESS, "")
    printable = "".join(char for char in text if char.isprintable() and char not in '"\\')
    said = f';text="{printable[:LONGEST_TEXT]}"' if printable else ""
    return f"Q.850;cause={CAUSES[why]}{said}"


def of_status(code: int, phrase: str = "") -> Reason:
    """Return the reason that a refusal of our INVITE is."""
    return Reason(_BY_STATUS.get(code, Why.GENERAL_ERROR), phrase)


def of_header(value: str, otherwise: Why = Why.SUCCESS) -> Reason:
    """Return the reason that the Reason header of a BYE or CANCEL tells; `otherwise` for none.

    The first that is known of several counts, one of Q.850 before one of SIP.
    """
    causes = list(_causes(value[:1024]))
    for protocol in ("q.850", "sip"):
        for name, cause, text in causes:
            if name != protocol:
                continue
            if protocol == "sip" and cause == ELSEWHERE:
                return Reason(Why.SUCCESS, text)
            why = _BY_CAUSE.get(cause) if protocol == "q.850" else _BY_STATUS.get(cause)
            if why is not None:
                return Reason(why, text)
    return Reason(otherwise)


def _causes(value: str) -> Iterator[tuple[str, int, str]]:
    for found in _REASON.finditer(value):
        cause, text = _CAUSE.search(found[2]), _QUOTED.search(found[2])
        if cause is not None:
            said = re.sub(r"\\(.)", r"\1", text[1]) if text else ""
            yield found[1].lower(), int(cause[1]), said
