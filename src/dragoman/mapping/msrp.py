"""MSRP's status codes and stanza errors (RFC 4975 §10, RFC 7701 §6.2), both directions.

The table is that of docs/interworking/msrp-chat.md §7.
"""

from typing import Final

from dragoman.mapping.failure import Answer
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError

TOO_LONG: Final = 413

_CONDITIONS: Final[dict[int, tuple[Condition, ErrorType]]] = {
    400: (Condition.BAD_REQUEST, ErrorType.MODIFY),
    403: (Condition.FORBIDDEN, ErrorType.AUTH),
    404: (Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
    408: (Condition.REMOTE_SERVER_TIMEOUT, ErrorType.WAIT),
    413: (Condition.POLICY_VIOLATION, ErrorType.MODIFY),
    415: (Condition.NOT_ACCEPTABLE, ErrorType.MODIFY),
    423: (Condition.BAD_REQUEST, ErrorType.MODIFY),
    428: (Condition.FEATURE_NOT_IMPLEMENTED, ErrorType.CANCEL),
    481: (Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
    501: (Condition.FEATURE_NOT_IMPLEMENTED, ErrorType.CANCEL),
    506: (Condition.ITEM_NOT_FOUND, ErrorType.CANCEL),
}

_TEXTS: Final = {
    400: "The SIP side could not read the message",
    403: "The SIP user does not take this message",
    408: "The SIP user's program did not answer",
    413: "The message is too long for the SIP user's program",
    415: "The SIP user's program does not take this kind of message",
    481: "The session with the SIP user ended before the message arrived",
}

_STATUSES: Final[dict[Condition, int]] = {
    Condition.BAD_REQUEST: 400,
    Condition.JID_MALFORMED: 400,
    Condition.CONFLICT: 400,
    Condition.INTERNAL_SERVER_ERROR: 400,
    Condition.FORBIDDEN: 403,
    Condition.NOT_ALLOWED: 403,
    Condition.NOT_AUTHORIZED: 403,
    Condition.POLICY_VIOLATION: 403,
    Condition.SERVICE_UNAVAILABLE: 403,
    Condition.RECIPIENT_UNAVAILABLE: 403,
    Condition.ITEM_NOT_FOUND: 403,
    Condition.GONE: 403,
    Condition.REMOTE_SERVER_TIMEOUT: 408,
    Condition.REMOTE_SERVER_NOT_FOUND: 408,
    Condition.RESOURCE_CONSTRAINT: 408,
    Condition.NOT_ACCEPTABLE: 415,
    Condition.FEATURE_NOT_IMPLEMENTED: 415,
}

_SIP: Final = {400: 400, 404: 403, 406: 415, 408: 408, 413: 413, 415: 415, 503: 408, 504: 408}
"""What a status of SIP, by which a message is refused here, says in MSRP; else its class."""


def stanza_error(status: int, *, size: int = 0, limit: int = 0) -> StanzaError:
    """Return the stanza error for a message that MSRP refused with `status`, or never answered.

    `size` is how many octets it has, and `limit` how many the far end said that it takes at most,
    0 for no word of that: stacks say 413 to a type that they do not want as well.
    """
    if status == TOO_LONG and 0 < size <= limit:
        status = 415
    condition, kind = _CONDITIONS.get(status, (Condition.BAD_REQUEST, ErrorType.MODIFY))
    return StanzaError(condition, kind, text=_TEXTS.get(status, f"MSRP status {status}"))


def report_status(answer: Answer) -> int:
    """Return the status by which an MSRP sender hears why his message was not delivered.

    That of the stanza error, where it was one; else that of what SIP would have answered.
    """
    if answer.error is not None:
        return _STATUSES.get(answer.error.condition, 400)
    return _SIP.get(answer.status, 403 if answer.status < 500 or answer.status >= 600 else 400)
