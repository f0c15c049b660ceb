"""Why a call ends, on either side (XEP-0166 §7.4; RFC 3261 §21, RFC 3326, Q.850).

docs/interworking/media.md §6. Nobody but us maps the two: the tables there have no other source.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from dragoman.mapping.failure import Answer, sip_status
from dragoman.xmpp.ext.jingle import Reason, Why
from dragoman.xmpp.ext.jingle_errors import says
from dragoman.xmpp.failure import StanzaError

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
_AGENT: Final = "gateway"
"""Who warns, by a name that tells nothing (RFC 3261 §20.43)."""
_REASON: Final = re.compile(r'\s*([A-Za-z0-9.-]+)((?:[^,"]|"(?:[^"\\]|\\.)*")*),?')
_CAUSE: Final = re.compile(r";\s*cause\s*=\s*([0-9]{1,4})(?![0-9])", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_TEXT: Final = re.compile(
    r';\s*text\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))(?=\s*(?:;|$))', re.IGNORECASE
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def status(reason: Reason | None) -> int:
    """Return the status that refuses an INVITE whose recipient gives this reason.

    Who gives none did not want the call: that is all that XEP-0353 §3.5 makes of a bare reject.
    """
    return STATUSES[Why.DECLINE if reason is None else reason.why]


def refusal(reason: Reason | None) -> tuple[tuple[str, str], ...]:
    """Return the headers that go with that status: why, in the words of Q.850 (RFC 6432 §3).

    What is not safe enough is not seen from a 488, so that a Warning says it (RFC 3261 §20.43).
    """
    if reason is None:
        return ()
    why = ("Reason", header(reason))
    if reason.why is not Why.SECURITY_ERROR:
        return (why,)
    text = _printable(reason) or "the media are not secured as the recipient wants it"
    return (why, ("Warning", f'399 {_AGENT} "{text}"'))


def header(reason: Reason | None) -> str:
    """Return the value of the Reason header for a BYE or CANCEL.

    Without a reason somebody just hung up, which Q.850 has as 16, as RFC 3326 §2 reads a BYE that
    gives none.
    """
    if reason is None:
        return f"Q.850;cause={CAUSES[Why.SUCCESS]}"
    text = _printable(reason)
    return f"Q.850;cause={CAUSES[reason.why]}" + (f';text="{text}"' if text else "")


def _printable(reason: Reason) -> str:
    """Return what a reason says to people, for a quoted string; the session that takes over too."""
    text = " ".join(filter(None, (reason.text, reason.sid)))
    return "".join(each for each in text if each.isprintable() and each not in '"\\')[:LONGEST_TEXT]


def of_error(error: StanzaError, *, full: bool) -> Answer:
    """Return what an INVITE is answered where session-initiate failed; see `failure.sip_status`.

    A tie-break says that the client called at the same time, and that its call goes on (XEP-0166
    §7.2.16): its user is busy for another.
    """
    if says(error, "tie-break"):
        return Answer(STATUSES[Why.BUSY], error=error)
    return sip_status(error, method="INVITE", full=full) or Answer(STATUSES[Why.GONE], error=error)


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
        cause = _CAUSE.search(_QUOTED.sub('""', found[2]))
        if cause is not None:
            yield found[1].lower(), int(cause[1]), _said(found[2])


def _said(parameters: str) -> str:
    text = _TEXT.search(parameters)
    return "" if text is None else text[2] or _ESCAPED.sub(r"\1", text[1] or "")
