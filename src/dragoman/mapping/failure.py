"""Failures (RFC 7247 §7): SIP statuses into stanza errors and back, as tables.

The tables are those of docs/interworking/errors.md §1 and §2, where each row names its source.
Where RFC 7247 contradicts the SIP standards, the default follows SIP and `strict` RFC 7247 (§4
there).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from dragoman.errors import RemoteError
from dragoman.mapping.address import Unmappable, jid_to_sip, parse_xmpp_uri, sip_to_jid, xmpp_uri
from dragoman.sip.failure import PHRASES, SipError
from dragoman.sip.flow import Cause
from dragoman.sip.header import Warning as SipWarning
from dragoman.sip.header import parse_seconds
from dragoman.sip.message import Response
from dragoman.sip.uri import Uri
from dragoman.xmpp.failure import Condition, ErrorType, StanzaError

MAX_PHRASE: Final = 128
RETRY_AFTER: Final = 30

_JINGLE_ERRORS: Final = "urn:xmpp:jingle:errors:1"
_CONTROLS: Final = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")

STANZA: Final[dict[int, Condition]] = {
    300: Condition.REDIRECT,
    301: Condition.GONE,
    302: Condition.REDIRECT,
    305: Condition.REDIRECT,
    380: Condition.NOT_ACCEPTABLE,
    400: Condition.BAD_REQUEST,
    401: Condition.NOT_AUTHORIZED,
    402: Condition.BAD_REQUEST,
    403: Condition.FORBIDDEN,
    404: Condition.ITEM_NOT_FOUND,
    405: Condition.FEATURE_NOT_IMPLEMENTED,
    406: Condition.NOT_ACCEPTABLE,
    407: Condition.REGISTRATION_REQUIRED,
    408: Condition.REMOTE_SERVER_TIMEOUT,
    410: Condition.GONE,
    413: Condition.POLICY_VIOLATION,
    414: Condition.POLICY_VIOLATION,
    415: Condition.NOT_ACCEPTABLE,
    416: Condition.NOT_ACCEPTABLE,
    420: Condition.FEATURE_NOT_IMPLEMENTED,
    421: Condition.NOT_ACCEPTABLE,
    423: Condition.RESOURCE_CONSTRAINT,
    430: Condition.RECIPIENT_UNAVAILABLE,
    439: Condition.FEATURE_NOT_IMPLEMENTED,
    440: Condition.POLICY_VIOLATION,
    480: Condition.RECIPIENT_UNAVAILABLE,
    481: Condition.ITEM_NOT_FOUND,
    482: Condition.NOT_ACCEPTABLE,
    483: Condition.NOT_ACCEPTABLE,
    484: Condition.ITEM_NOT_FOUND,
    485: Condition.ITEM_NOT_FOUND,
    486: Condition.RECIPIENT_UNAVAILABLE,
    487: Condition.RECIPIENT_UNAVAILABLE,
    488: Condition.NOT_ACCEPTABLE,
    489: Condition.POLICY_VIOLATION,
    491: Condition.UNEXPECTED_REQUEST,
    493: Condition.BAD_REQUEST,
    500: Condition.INTERNAL_SERVER_ERROR,
    501: Condition.FEATURE_NOT_IMPLEMENTED,
    502: Condition.REMOTE_SERVER_NOT_FOUND,
    503: Condition.INTERNAL_SERVER_ERROR,
    504: Condition.REMOTE_SERVER_TIMEOUT,
    505: Condition.NOT_ACCEPTABLE,
    513: Condition.POLICY_VIOLATION,
    600: Condition.RECIPIENT_UNAVAILABLE,
    603: Condition.RECIPIENT_UNAVAILABLE,
    604: Condition.ITEM_NOT_FOUND,
    606: Condition.NOT_ACCEPTABLE,
}
"""The condition of each status (RFC 7247 §7.2 table 3); its type is the condition's own."""

_CLASS: Final = {
    3: Condition.REDIRECT,
    4: Condition.BAD_REQUEST,
    5: Condition.INTERNAL_SERVER_ERROR,
    6: Condition.RECIPIENT_UNAVAILABLE,
}
"""The condition of every other status, by its class (RFC 7247 §7.2)."""

STATUS: Final[dict[Condition, tuple[int, int]]] = {
    Condition.BAD_REQUEST: (400, 400),
    Condition.CONFLICT: (400, 400),
    Condition.FEATURE_NOT_IMPLEMENTED: (405, 501),
    Condition.FORBIDDEN: (403, 603),
    Condition.GONE: (410, 410),
    Condition.INTERNAL_SERVER_ERROR: (500, 500),
    Condition.ITEM_NOT_FOUND: (404, 604),
    Condition.JID_MALFORMED: (400, 400),
    Condition.NOT_ACCEPTABLE: (406, 606),
    Condition.NOT_ALLOWED: (403, 403),
    Condition.NOT_AUTHORIZED: (401, 401),
    Condition.POLICY_VIOLATION: (403, 403),
    Condition.RECIPIENT_UNAVAILABLE: (480, 600),
    Condition.REDIRECT: (404, 404),
    Condition.REGISTRATION_REQUIRED: (407, 407),
    Condition.REMOTE_SERVER_NOT_FOUND: (404, 404),
    Condition.REMOTE_SERVER_TIMEOUT: (504, 504),
    Condition.RESOURCE_CONSTRAINT: (500, 500),
    Condition.SERVICE_UNAVAILABLE: (405, 405),
    Condition.SUBSCRIPTION_REQUIRED: (400, 400),
    Condition.UNEXPECTED_REQUEST: (400, 400),
}
"""The status of each condition, of a full and of a bare JID (RFC 7247 §7.1 table 2)."""

_BY_METHOD: Final[dict[tuple[Condition, str], tuple[int, int]]] = {
    # 406 says that a response's type was not wanted (RFC 3261 §21.4.7); an offer is refused by 488.
    (Condition.NOT_ACCEPTABLE, "INVITE"): (488, 606),
    (Condition.REMOTE_SERVER_TIMEOUT, "INVITE"): (408, 408),
    (Condition.SERVICE_UNAVAILABLE, "INVITE"): (480, 480),
    (Condition.SERVICE_UNAVAILABLE, "MESSAGE"): (403, 403),
    (Condition.SERVICE_UNAVAILABLE, "SUBSCRIBE"): (403, 403),
    (Condition.SERVICE_UNAVAILABLE, "NOTIFY"): (403, 403),
    (Condition.SERVICE_UNAVAILABLE, "PUBLISH"): (403, 403),
}

_IN_DIALOG: Final[dict[Condition, int]] = {
    Condition.UNEXPECTED_REQUEST: 491,
    Condition.SERVICE_UNAVAILABLE: 405,
}

_BY_TYPE: Final = {
    ErrorType.AUTH: 403,
    ErrorType.CANCEL: 400,
    ErrorType.MODIFY: 400,
    ErrorType.WAIT: 500,
}

_JINGLE: Final = {"out-of-order": 491, "unknown-session": 481, "tie-break": 491}

_TWINS: Final = {600: 480, 603: 403, 604: 404, 606: 406}
"""The 4xx twin of each 6xx, which to a MESSAGE says "delivered, but refused" (RFC 3428 §7)."""

_CHALLENGES: Final = {401: "WWW-Authenticate", 407: "Proxy-Authenticate"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer a SIP request: `reason` "" stands for the status's usual phrase."""

    status: int
    reason: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    error: StanzaError | None = field(default=None, compare=False)
    """What it was on the XMPP side, for answers in another protocol than SIP."""


class Refused(RemoteError):
    """A request that does not cross; `answer` says what to respond, `status` is its status."""

    def __init__(self, reason: str, status: int, *headers: tuple[str, str]) -> None:
        """Keep `reason`, for the log, and what to answer."""
        super().__init__(reason)
        self.answer = Answer(status, "", headers)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.answer.status


class Unreached(Enum):
    """Why no response of any kind came to a request of ours."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"
    NO_ADDRESS = "no address"


def stanza_error(
    status: int,
    *,
    reason: str = "",
    warning: str = "",
    retry_after: int | None = None,
    contact: Uri | None = None,
    by: str = "",
    lang: str = "en",
    served: Callable[[str], bool] | None = None,
) -> StanzaError | None:
    """Return the stanza error of a final status; None for 1xx and 2xx, which are no errors.

    `reason` is the reason phrase (dropped when it is the usual one), `warning` a Warning's text,
    `retry_after` seconds, `contact` where a 3xx points: written as an `xmpp:` URI when `served`
    says that its domain is reached through us, else as it is. `by` is our own domain when the
    decision was ours. Statuses that the caller can act upon (401, 407, 412, 415, 420-423, 487,
    491) come here only once that failed. A number outside 100 to 699 is undefined-condition.
    """
    if 100 <= status < 300:
        return None
    condition = STANZA.get(status) or _CLASS.get(status // 100, Condition.UNDEFINED_CONDITION)
    address = ""
    if status < 400 and contact is not None:
        address = _address(contact, served)
    if status == 301 and not address:
        condition = Condition.REDIRECT  # RFC 7247 §7.2 note 1: gone without an address is 410
    return StanzaError(
        condition,
        _kind(status, retry_after),
        _text(status, reason, warning, retry_after),
        lang=lang,
        address=address if condition in (Condition.GONE, Condition.REDIRECT) else "",
        by=by,
    )


def response_error(
    response: Response, *, by: str = "", served: Callable[[str], bool] | None = None
) -> StanzaError | None:
    """Return the stanza error of a response, its headers considered; see `stanza_error`.

    Headers that are malformed are taken as absent: the failure crosses all the same.
    """
    return stanza_error(
        response.status,
        reason=response.reason,
        warning=_warning(response),
        retry_after=_retry_after(response),
        contact=_contact(response),
        by=by,
        served=served,
    )


def unanswered(cause: object) -> StanzaError:
    """Return the stanza error for a request that came to nothing: a Cause, or what is known of it.

    A StanzaError says already what to tell.
    """
    if isinstance(cause, StanzaError):
        return cause
    if cause is Cause.OVERLOAD:
        text = "The gateway has too many requests under way"
        return StanzaError(Condition.RESOURCE_CONSTRAINT, ErrorType.WAIT, text=text)
    if isinstance(cause, Unreached):
        return unreached(cause)
    return unreached(Unreached.TRANSPORT if cause is Cause.UNREACHABLE else Unreached.TIMEOUT)


def unreached(cause: Unreached, *, by: str = "") -> StanzaError:
    """Return the stanza error for a request that nobody answered (RFC 3261 §8.1.3.1)."""
    if cause is Unreached.NO_ADDRESS:
        return StanzaError(Condition.REMOTE_SERVER_NOT_FOUND, by=by)
    return StanzaError(Condition.REMOTE_SERVER_TIMEOUT, by=by)


def sip_status(
    error: StanzaError,
    *,
    method: str,
    full: bool,
    strict: bool = False,
    in_dialog: bool = False,
    unresolved: bool = False,
    allow: Sequence[str] = (),
    realm: str = "",
) -> Answer | None:
    """Return the answer to a request of that `method` for which an XMPP error came.

    `full` says whether the address that failed (the error's `from`) had a resource; `in_dialog`,
    whether an INVITE dialog is concerned; `unresolved`, that a remote-server-not-found of our own
    means a domain that exists and does not resolve; `allow` fills the Allow of a 405, `realm` the
    challenge of a strict 401 or 407. None for type `continue`, which is only a warning (RFC 6120
    §8.3.2), and for a refused Jingle session-info, which nothing on the SIP side waits for.
    """
    if error.kind is ErrorType.CONTINUE or _jingle(error) == "unsupported-info":
        return None
    status = _status(error, method, full=full, in_dialog=in_dialog)
    if unresolved and error.condition is Condition.REMOTE_SERVER_NOT_FOUND:
        status = 408 if method == "INVITE" else 504  # RFC 4320 §4.2 forbids 408 to the others
    moved = _moved(error)
    if moved is not None:
        status = 301 if error.condition is Condition.GONE else 302
    if not strict:
        status = _deployed(status, method)
    return Answer(status, phrase(error.text), _headers(status, error, moved, allow, realm), error)


def no_answer(method: str) -> Answer:
    """Return the answer to a request whose iq stayed without one for 30 s."""
    return Answer(408 if method == "INVITE" else 504)


def sips_refused(host: str) -> Refused:
    """Return the refusal of a request to a sips address: XMPP cannot promise TLS on every hop.

    `host` is who says so, in the Warning (RFC 7247 §8, RFC 5630 §5.1.2).
    """
    warning = f'380 {host} "SIPS Not Allowed"'
    return Refused("a sips address does not cross", 480, ("Warning", warning))


def phrase(text: str) -> str:
    """Return `text` as a Reason-Phrase: one line, at most 128 octets, no character cut in two."""
    line = " ".join(text.translate(_CONTROLS).split())
    if len(line) > MAX_PHRASE // 4:
        line = line.encode()[:MAX_PHRASE].decode(errors="ignore").rstrip()
    return line


def _kind(status: int, retry_after: int | None) -> ErrorType | None:
    """Return the type where it is not the one that goes with the condition."""
    if status == 503 or (retry_after is not None and status >= 400):
        return ErrorType.WAIT
    return None


def _text(status: int, reason: str, warning: str, retry_after: int | None) -> str:
    text = " ".join(reason.translate(_CONTROLS).split())
    if not text or _letters(text) == _letters(PHRASES.get(status, "")):
        text = " ".join(warning.translate(_CONTROLS).split())
    if retry_after is None:
        return text
    return f"{text} (retry after {retry_after} s)" if text else f"Retry after {retry_after} s"


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


def _address(contact: Uri, served: Callable[[str], bool] | None) -> str:
    if served is not None and not served(contact.host):
        return str(contact)
    try:
        return xmpp_uri(sip_to_jid(contact))
    except Unmappable:
        return str(contact)


def _warning(response: Response) -> str:
    value = response.get("Warning")
    try:
        return SipWarning.parse(value).text if value else ""
    except SipError:
        return ""


def _retry_after(response: Response) -> int | None:
    value = response.get("Retry-After")
    try:
        return parse_seconds(value) if value else None
    except SipError:
        return None


def _contact(response: Response) -> Uri | None:
    try:
        contacts = response.contacts
    except SipError:
        return None
    return contacts[0].uri if contacts else None


def _jingle(error: StanzaError) -> str:
    application = error.application
    if application is None or application.namespace != _JINGLE_ERRORS:
        return ""
    return application.local_name


def _status(error: StanzaError, method: str, *, full: bool, in_dialog: bool) -> int:
    found = _JINGLE.get(_jingle(error))
    if found is not None:
        return found
    condition = error.condition
    if in_dialog and condition in _IN_DIALOG:
        return _IN_DIALOG[condition]
    pair = _BY_METHOD.get((condition, method)) or STATUS.get(condition)
    if pair is None:
        return _BY_TYPE[error.kind]
    return pair[0] if full else pair[1]


def _deployed(status: int, method: str) -> int:
    """Return what SIP means where RFC 7247 asks for another thing (errors.md §4, rows 1 to 3)."""
    if status in _CHALLENGES:
        return 403
    if method == "MESSAGE" or (method == "INVITE" and status == 600):
        return _TWINS.get(status, status)
    return status


def _moved(error: StanzaError) -> str | None:
    """Return the Contact for gone and redirect, None where no SIP user could follow."""
    if error.condition not in (Condition.GONE, Condition.REDIRECT) or not error.address:
        return None
    try:
        if error.address[:5].lower() == "xmpp:":
            return f"<{jid_to_sip(parse_xmpp_uri(error.address))}>"
        return f"<{Uri.parse(error.address)}>"
    except (SipError, Unmappable):
        return None


def _headers(
    status: int, error: StanzaError, moved: str | None, allow: Sequence[str], realm: str
) -> tuple[tuple[str, str], ...]:
    if moved is not None:
        return (("Contact", moved),)
    if status == 405:
        return (("Allow", ", ".join(allow)),)
    if status in _CHALLENGES:
        # Nothing that is answered to it will be accepted, so a nonce need not be one.
        return ((_CHALLENGES[status], f'Digest realm="{realm}", nonce="0"'),)
    if error.condition is Condition.RESOURCE_CONSTRAINT and error.kind is ErrorType.WAIT:
        return (("Retry-After", str(RETRY_AFTER)),)
    return ()
