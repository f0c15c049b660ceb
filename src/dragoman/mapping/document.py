"""XML documents that come in bodies of SIP (XML 1.0 §2.5, §4.3.3), with what a stream may not have.

That are comments, a mark of the byte order, and Latin letters beside UTF-8.
"""

import re
from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.failure import StreamCondition, StreamError
from dragoman.xmpp.parser import parse_document

CHARSETS: Final = frozenset({"iso-8859-1", "latin1", "us-ascii", "ascii", "windows-1252"})
"""Beside UTF-8: XML leaves others to the reader."""
_DECLARED: Final = re.compile(
    rb"<\?xml\b[^>]{0,80}\bencoding=[\"']([A-Za-z0-9._-]{1,32})[\"'][^>]{0,80}\?>"
)


def read_document(body: bytes, largest: int) -> Element:
    """Return the root of a document of at most `largest` octets.

    Its XML is restricted as that of a stream is, but for comments. Raises StreamError.
    """
    if len(body) > largest:
        raise StreamError(StreamCondition.POLICY_VIOLATION, "the document is too long")
    body = _without_comments(body.lstrip(b"\xef\xbb\xbf \t\r\n"))
    declared = _DECLARED.match(body)
    if declared is not None and declared[1].decode().lower() in CHARSETS:
        body = body[declared.end() :].decode("windows-1252", "replace").encode()
    return parse_document(body.lstrip(), limit=2 * largest)


def _without_comments(body: bytes) -> bytes:
    kept, at = [], 0
    while (begin := body.find(b"<!--", at)) >= 0:
        end = body.find(b"-->", begin + 4)
        if end < 0:
            break
        kept.append(body[at:begin])
        at = end + 3
    return b"".join([*kept, body[at:]]) if kept else body[at:]
