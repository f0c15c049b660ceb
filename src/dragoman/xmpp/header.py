"""Stream headers and what they say (RFC 6120 §4.7, §4.8), limits of streams (XEP-0478)."""

import re
from typing import Final

from dragoman.xmpp.element import STREAMS, Element
from dragoman.xmpp.failure import StanzaError, StreamCondition, StreamError
from dragoman.xmpp.jid import Jid
from dragoman.xmpp.parser import StreamStart

LIMITS: Final = "urn:xmpp:stream-limits:0"

_VERSION: Final = re.compile(r"([0-9]{1,9})\.[0-9]{1,9}")


def check_header(header: StreamStart, namespace: str) -> int:
    """Return the major version of a stream header, 0 for those before RFC 3920.

    Raises StreamError for a version that is none and for a foreign content namespace.  One that
    declares no default namespace, or that of streams, names each element's own (§4.8.5).
    """
    if header.namespace not in {namespace, STREAMS, ""}:
        raise StreamError(StreamCondition.INVALID_NAMESPACE, f"this is {namespace}")
    version = header.attributes.get("version")
    if version is None:
        return 0
    found = _VERSION.fullmatch(version)
    if found is None:
        raise StreamError(StreamCondition.UNSUPPORTED_VERSION)
    return int(found[1])


def domain_of(address: str | None) -> str:
    """Return a domain as streams write it (U-labels, lower case); StreamError if it is none."""
    try:
        jid = Jid.parse(address or "")
    except StanzaError as error:
        raise StreamError(StreamCondition.IMPROPER_ADDRESSING, error.reason) from error
    if jid.local or jid.resource:
        raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "a domain was expected")
    return jid.domain


def domain_part(address: str) -> str:
    """Return what may be the domain of an address, unjudged, as it is spelled there."""
    bare = address.partition("/")[0]
    local, at, domain = bare.partition("@")
    return domain if at else local


def names(address: str | None, domain: str) -> bool:
    """Tell whether `address` is `domain`, written in whichever way."""
    if address == domain:
        return True
    try:
        return domain_of(address) == domain
    except StreamError:
        return False


def limits(max_stanza: int, idle: float) -> Element:
    """Return the stream feature that tells our limits: bytes of a stanza, seconds of silence."""
    size = Element(f"{{{LIMITS}}}max-bytes", None, (str(max_stanza),))
    quiet = Element(f"{{{LIMITS}}}idle-seconds", None, (str(int(idle)),))
    return Element(f"{{{LIMITS}}}limits", None, (size, quiet))


def max_bytes(features: Element) -> int | None:
    """Return the peer's limit for one stanza in bytes, None if it tells none that is usable."""
    return _limit(features, "max-bytes")


def idle_seconds(features: Element) -> int | None:
    """Return the seconds of silence that the peer bears, None if it tells none."""
    return _limit(features, "idle-seconds")


def _limit(features: Element, name: str) -> int | None:
    offered = features.find(f"{{{LIMITS}}}limits")
    found = None if offered is None else offered.find(f"{{{LIMITS}}}{name}")
    text = "" if found is None else found.text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
