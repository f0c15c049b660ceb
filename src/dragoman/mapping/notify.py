"""What a NOTIFY tells of a SIP user (RFC 3856 §6.8, RFC 8048 §6.3)."""

from dragoman.mapping.address import Unmappable, sip_to_jid
from dragoman.mapping.language import only_language
from dragoman.mapping.pidf import document_of
from dragoman.mapping.presence import Presence, from_document
from dragoman.sip.message import Request, SipError
from dragoman.sip.uri import Uri


def presences(request: Request, now: float) -> tuple[Presence, ...] | None:
    """Return the presence of each device; None where the NOTIFY has no document.

    `now` is in seconds since 1970. Raises RemoteError for a document that cannot be read, whose
    `status` is the answer: 400, or 415 for one of another kind.
    """
    if not request.body:
        return None
    document = document_of(request.get("Content-Type") or "", request.body, now)
    if document is None:
        raise SipError("a document that is not of presence", 415)
    language = only_language(request.get("Content-Language"))
    return tuple(from_document(document, _resource, language, now))


def _resource(contact: str) -> str:
    """Return the resource that a device's contact names, "" for none."""
    if not contact:
        return ""
    try:
        return sip_to_jid(Uri.parse(contact)).resource
    except (SipError, Unmappable):
        return ""
