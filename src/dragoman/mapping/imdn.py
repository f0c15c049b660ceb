"""Instant Message Disposition Notification (RFC 5438): its document, and its headers in CPIM."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self

from dragoman.errors import RemoteError
from dragoman.msrp.cpim import Cpim, CpimError, address
from dragoman.store.interface import NOTHING, Disposition
from dragoman.xmpp.element import Element, sanitize, to_xml
from dragoman.xmpp.failure import StreamError
from dragoman.xmpp.parser import parse_document

NS: Final = "urn:ietf:params:imdn"
"""The namespace of the headers (§6.1)."""
XML: Final = "urn:ietf:params:xml:ns:imdn"
"""The namespace of the document (§11.1)."""
TYPE: Final = "message/imdn+xml"
MAX_ROUTES: Final = 8
"""Intermediaries that a notification goes back through."""

LONGEST_URI: Final = 512

_LONGEST_ID: Final = 256
_LARGEST: Final = 16_384
_WORDS: Final[Mapping[str, Disposition]] = {
    "positive-delivery": Disposition.DELIVERED,
    "negative-delivery": Disposition.FAILED,
    "display": Disposition.DISPLAYED,
}
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\r\n'


class ImdnError(RemoteError):
    """What came is no notification; `reason` says which rule it breaks."""


class Status(Enum):
    """What a notification says (§11.1.7); the value is the name of its element."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DISPLAYED = "displayed"
    PROCESSED = "processed"
    STORED = "stored"
    FORBIDDEN = "forbidden"
    """That there is to be no notification; of the message it says nothing."""
    ERROR = "error"
    """That there can be none; of the message it says nothing."""


_KINDS: Final[Mapping[str, frozenset[Status]]] = {
    "delivery-notification": frozenset(
        {Status.DELIVERED, Status.FAILED, Status.FORBIDDEN, Status.ERROR}
    ),
    "display-notification": frozenset({Status.DISPLAYED, Status.FORBIDDEN, Status.ERROR}),
    "processing-notification": frozenset(
        {Status.PROCESSED, Status.STORED, Status.FORBIDDEN, Status.ERROR}
    ),
}


@dataclass(frozen=True, slots=True)
class Imdn:
    """A notification: of the message `message_id`, sent at `datetime` (RFC 3339)."""

    message_id: str
    datetime: str
    status: Status
    recipient: str = ""
    """URI of who got the message, "" where it is not said."""
    original_recipient: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read an XML document of §11.1; raises ImdnError. What it extends it with is ignored."""
        try:
            root = parse_document(data, limit=_LARGEST)
        except StreamError as error:
            raise ImdnError(f"no XML document: {error.reason}") from error
        if root.name != f"{{{XML}}}imdn":
            raise ImdnError("the document is no <imdn/>")
        message_id = _text(root, "message-id")
        if not 0 < len(message_id) <= _LONGEST_ID:
            raise ImdnError("no usable <message-id/>")
        found = [
            status for kind, allowed in _KINDS.items() for status in _statuses(root, kind, allowed)
        ]
        if not found:
            raise ImdnError("no status")
        original = _text(root, "original-recipient-uri")
        uris = _text(root, "recipient-uri")[:LONGEST_URI], original[:LONGEST_URI]
        return cls(message_id, _text(root, "datetime"), found[0], *uris)

    def encode(self) -> bytes:
        """Return the XML document."""
        kind = next(kind for kind, allowed in _KINDS.items() if self.status in allowed)
        status = Element(_name("status"), None, (Element(_name(self.status.value)),))
        children = [_with("message-id", self.message_id), _with("datetime", self.datetime)]
        if self.recipient:
            children.append(_with("recipient-uri", self.recipient))
            original = self.original_recipient or self.recipient
            children.append(_with("original-recipient-uri", original))
        children.append(Element(_name(kind), None, (status,)))
        return (_DECLARATION + to_xml(Element(_name("imdn"), None, children))).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the headers of a message/cpim object ask for (§6); `dispositions` may be none."""

    message_id: str
    dispositions: Disposition
    route: tuple[str, ...] = ()
    """The URIs of IMDN-Record-Route, topmost first."""
    original_to: str = ""


def asked(wrapper: Cpim) -> Asked | None:
    """Return what is asked of who gets this message; None where it has no Message-ID (§6.3).

    What else is wanted than positive-delivery, negative-delivery and display is ignored (§7.2.1),
    and so is a route of more than 8, or one with an address that is none.
    """
    message_id = (wrapper.get("Message-ID", NS) or "").strip()
    if not 0 < len(message_id) <= _LONGEST_ID or sanitize(message_id) != message_id:
        return None
    wanted = NOTHING
    for word in (wrapper.get("Disposition-Notification", NS) or "").split(","):
        wanted |= _WORDS.get(word.strip().lower(), NOTHING)
    return Asked(message_id, wanted, _route(wrapper), _uri(wrapper.get("Original-To", NS) or ""))


def words(dispositions: Disposition) -> str:
    """Return the value of a Disposition-Notification header (§6.2)."""
    return ", ".join(word for word, one in _WORDS.items() if one in dispositions)


def _route(wrapper: Cpim) -> tuple[str, ...]:
    found = [
        _uri(header.value)
        for header in wrapper.headers
        if header.namespace == NS and header.name == "IMDN-Record-Route"
    ]
    return tuple(found) if len(found) <= MAX_ROUTES and all(found) else ()


def _uri(value: str) -> str:
    try:
        uri = address(value)[1]
    except CpimError:
        return ""
    return uri if len(uri) <= LONGEST_URI and sanitize(uri) == uri else ""


def _statuses(root: Element, kind: str, allowed: frozenset[Status]) -> list[Status]:
    notification = root.find(_name(kind))
    status = notification.find(_name("status")) if notification is not None else None
    if status is None:
        return []
    names = {child.name for child in status.elements}
    return [each for each in Status if each in allowed and _name(each.value) in names]


def _text(root: Element, name: str) -> str:
    found = root.find(_name(name))
    return "" if found is None else found.text.strip()


def _with(name: str, text: str) -> Element:
    return Element(_name(name), None, (text,))


def _name(local: str) -> str:
    return f"{{{XML}}}{local}"
