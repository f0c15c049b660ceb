"""Stream and stanza errors (RFC 6120 §4.9, §8.3)."""

from enum import StrEnum
from typing import Final, Self

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element

STREAM_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-streams"
STANZA_ERRORS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"

_STREAM_ERROR: Final = "{http://etherx.jabber.org/streams}error"
_STANZA_ERROR: Final = "{jabber:client}error"
_LONGEST_REASON: Final = 256


class StreamCondition(StrEnum):
    """What ends a stream (RFC 6120 §4.9.3)."""

    BAD_FORMAT = "bad-format"
    BAD_NAMESPACE_PREFIX = "bad-namespace-prefix"
    CONFLICT = "conflict"
    CONNECTION_TIMEOUT = "connection-timeout"
    HOST_GONE = "host-gone"
    HOST_UNKNOWN = "host-unknown"
    IMPROPER_ADDRESSING = "improper-addressing"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    INVALID_FROM = "invalid-from"
    INVALID_NAMESPACE = "invalid-namespace"
    INVALID_XML = "invalid-xml"
    NOT_AUTHORIZED = "not-authorized"
    NOT_WELL_FORMED = "not-well-formed"
    POLICY_VIOLATION = "policy-violation"
    REMOTE_CONNECTION_FAILED = "remote-connection-failed"
    RESET = "reset"
    RESOURCE_CONSTRAINT = "resource-constraint"
    RESTRICTED_XML = "restricted-xml"
    SEE_OTHER_HOST = "see-other-host"
    SYSTEM_SHUTDOWN = "system-shutdown"
    UNDEFINED_CONDITION = "undefined-condition"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_FEATURE = "unsupported-feature"
    UNSUPPORTED_STANZA_TYPE = "unsupported-stanza-type"
    UNSUPPORTED_VERSION = "unsupported-version"


class Condition(StrEnum):
    """Why a stanza was not handled (RFC 6120 §8.3.3)."""

    BAD_REQUEST = "bad-request"
    CONFLICT = "conflict"
    FEATURE_NOT_IMPLEMENTED = "feature-not-implemented"
    FORBIDDEN = "forbidden"
    GONE = "gone"
    INTERNAL_SERVER_ERROR = "internal-server-error"
    ITEM_NOT_FOUND = "item-not-found"
    JID_MALFORMED = "jid-malformed"
    NOT_ACCEPTABLE = "not-acceptable"
    NOT_ALLOWED = "not-allowed"
    NOT_AUTHORIZED = "not-authorized"
    POLICY_VIOLATION = "policy-violation"
    RECIPIENT_UNAVAILABLE = "recipient-unavailable"
    REDIRECT = "redirect"
    REGISTRATION_REQUIRED = "registration-required"
    REMOTE_SERVER_NOT_FOUND = "remote-server-not-found"
    REMOTE_SERVER_TIMEOUT = "remote-server-timeout"
    RESOURCE_CONSTRAINT = "resource-constraint"
    SERVICE_UNAVAILABLE = "service-unavailable"
    SUBSCRIPTION_REQUIRED = "subscription-required"
    UNDEFINED_CONDITION = "undefined-condition"
    UNEXPECTED_REQUEST = "unexpected-request"


class ErrorType(StrEnum):
    """What the sender may do about it (RFC 6120 §8.3.2)."""

    AUTH = "auth"
    CANCEL = "cancel"
    CONTINUE = "continue"
    MODIFY = "modify"
    WAIT = "wait"


DEFAULT_TYPE: Final[dict[Condition, ErrorType]] = {
    Condition.BAD_REQUEST: ErrorType.MODIFY,
    Condition.CONFLICT: ErrorType.CANCEL,
    Condition.FEATURE_NOT_IMPLEMENTED: ErrorType.CANCEL,
    Condition.FORBIDDEN: ErrorType.AUTH,
    Condition.GONE: ErrorType.CANCEL,
    Condition.INTERNAL_SERVER_ERROR: ErrorType.CANCEL,
    Condition.ITEM_NOT_FOUND: ErrorType.CANCEL,
    Condition.JID_MALFORMED: ErrorType.MODIFY,
    Condition.NOT_ACCEPTABLE: ErrorType.MODIFY,
    Condition.NOT_ALLOWED: ErrorType.CANCEL,
    Condition.NOT_AUTHORIZED: ErrorType.AUTH,
    Condition.POLICY_VIOLATION: ErrorType.MODIFY,
    Condition.RECIPIENT_UNAVAILABLE: ErrorType.WAIT,
    Condition.REDIRECT: ErrorType.MODIFY,
    Condition.REGISTRATION_REQUIRED: ErrorType.AUTH,
    Condition.REMOTE_SERVER_NOT_FOUND: ErrorType.CANCEL,
    Condition.REMOTE_SERVER_TIMEOUT: ErrorType.WAIT,
    Condition.RESOURCE_CONSTRAINT: ErrorType.WAIT,
    Condition.SERVICE_UNAVAILABLE: ErrorType.CANCEL,
    Condition.SUBSCRIPTION_REQUIRED: ErrorType.AUTH,
    Condition.UNDEFINED_CONDITION: ErrorType.CANCEL,
    Condition.UNEXPECTED_REQUEST: ErrorType.WAIT,
}
"""The error type that RFC 6120 §8.3.3 recommends for each condition."""

_STREAM_CONDITIONS: Final = {str(condition): condition for condition in StreamCondition}
_CONDITIONS: Final = {str(condition): condition for condition in Condition}
_ERROR_TYPES: Final = {str(kind): kind for kind in ErrorType}


class StreamError(RemoteError):
    """The stream cannot go on: send `element()`, close it.

    `condition` is the standard's own; `text` is for people, as sent or to be sent; `host` is the
    content of see-other-host ("" otherwise).
    """

    def __init__(
        self,
        condition: StreamCondition,
        text: str = "",
        *,
        host: str = "",
        application: Element | None = None,
    ) -> None:
        """Build from the condition, a sentence for people and, for see-other-host, the place.

        `application` is the application-specific condition (§4.9.4).
        """
        super().__init__(_reason(condition, text))
        self.condition = condition
        self.text = text
        self.host = host
        self.application = application

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read a `<stream:error/>`; an unknown condition is undefined-condition (§4.9.2)."""
        name, content = _condition(element, STREAM_ERRORS)
        text, _ = _text(element, STREAM_ERRORS)
        condition = _STREAM_CONDITIONS.get(name, StreamCondition.UNDEFINED_CONDITION)
        moved = condition is StreamCondition.SEE_OTHER_HOST
        return cls(condition, text, host=content if moved else "")

    def element(self) -> Element:
        """The `<stream:error/>` to send before the stream is closed (§4.9.2)."""
        error = _error(_STREAM_ERROR, {}, STREAM_ERRORS, self.condition, self.host, self.text, "en")
        if self.application is not None:
            error.children.append(self.application)
        return error


class StanzaError(RemoteError):
    """A stanza that was not handled, as it is told to its sender (RFC 6120 §8.3).

    `kind` is the error type; `text` and `lang` the words for people; `address` the URI in gone and
    redirect; `by` the JID of who found it; `application` the application-specific condition.
    """

    def __init__(
        self,
        condition: Condition,
        kind: ErrorType | None = None,
        text: str = "",
        *,
        lang: str = "en",
        address: str = "",
        by: str = "",
        application: Element | None = None,
    ) -> None:
        """Build one; without `kind`, the type that the standard recommends for the condition."""
        super().__init__(_reason(condition, text))
        self.condition = condition
        self.kind = DEFAULT_TYPE[condition] if kind is None else kind
        self.text = text
        self.lang = lang
        self.address = address
        self.by = by
        self.application = application

    @classmethod
    def parse(cls, element: Element) -> Self:
        """Read an `<error/>`, or the one inside a stanza; whatever it lacks gets the default.

        An unknown condition is undefined-condition (§8.3.2), an unknown type the one that is
        recommended for the condition. Never raises.
        """
        error = element if element.local_name == "error" else element.find(_STANZA_ERROR)
        if error is None:
            return cls(Condition.UNDEFINED_CONDITION)
        name, content = _condition(error, STANZA_ERRORS)
        condition = _CONDITIONS.get(name, Condition.UNDEFINED_CONDITION)
        text, lang = _text(error, STANZA_ERRORS)
        moved = condition in (Condition.GONE, Condition.REDIRECT)
        return cls(
            condition,
            _ERROR_TYPES.get(error.get("type", "")),
            text,
            lang=lang,
            address=content if moved else "",
            by=error.get("by", ""),
            application=_application(error, STANZA_ERRORS),
        )

    def element(self) -> Element:
        """The `<error/>` that goes into the error stanza (§8.3.2)."""
        attributes = {"type": str(self.kind)}
        if self.by:
            attributes["by"] = self.by
        error = _error(
            _STANZA_ERROR,
            attributes,
            STANZA_ERRORS,
            self.condition,
            self.address,
            self.text,
            self.lang,
        )
        if self.application is not None:
            error.children.append(self.application)
        return error


def _reason(condition: str, text: str) -> str:
    words = " ".join(text.split())
    return f"{condition}: {words}"[:_LONGEST_REASON] if words else str(condition)


def _error(
    name: str,
    attributes: dict[str, str],
    namespace: str,
    condition: str,
    content: str,
    text: str,
    lang: str,
) -> Element:
    error = Element(name, attributes)
    error.children.append(
        Element(f"{{{namespace}}}{condition}", None, (content,) if content else ())
    )
    if text:
        marked = {"xml:lang": lang} if lang else None
        error.children.append(Element(f"{{{namespace}}}text", marked, (text,)))
    return error


def _condition(error: Element, namespace: str) -> tuple[str, str]:
    for child in error.elements:
        if child.namespace == namespace and child.local_name != "text":
            return child.local_name, child.text.strip()
    return "", ""


def _text(error: Element, namespace: str) -> tuple[str, str]:
    found = error.find(f"{{{namespace}}}text")
    return ("", "") if found is None else (found.text, found.get("xml:lang", ""))


def _application(error: Element, namespace: str) -> Element | None:
    for child in error.elements:
        if child.namespace != namespace:
            return child
    return None
