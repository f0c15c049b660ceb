"""Content-Encoding (RFC 3261 §20.12, RFC 1950, RFC 1952): the body as it was before.

Linphone compresses what it tells of messages and of writing.
"""

import zlib
from typing import Final

from dragoman.mapping.failure import Refused
from dragoman.sip.message import Request

ENCODINGS: Final = ("gzip", "deflate", "identity")
"""What a body may be encoded with."""
MAX_BODY: Final = 65_536
"""Bytes of a body once decoded."""
MAX_RATIO: Final = 100
"""How many times as long as it came a body may become."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_CODINGS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": zlib.MAX_WBITS}
_NONE: Final = frozenset({"", "identity"})


def decoded(request: Request) -> Request:
    """Return a request with its body decoded; the request itself where it was not encoded.

    Raises Refused: 415 with Accept-Encoding for another coding or several, 400 for a body that
    is not so encoded, 413 for one of more than 64 KiB or 100 times what came.
    """
    said = request.get("Content-Encoding")
    if said is None or said.strip().lower() in _NONE or not request.body:
        return request
    bits = _CODINGS.get(said.strip().lower())
    if bits is None or len(request.get_all("Content-Encoding")) > 1:
        reason = f"the body is encoded: {said[:40]!r}"
        raise Refused(reason, 415, ("Accept-Encoding", ", ".join(ENCODINGS)))
    headers = [each for each in request.headers if each[0] != "Content-Encoding"]
    return Request(request.method, request.target, headers, _inflated(request.body, bits))


def _inflated(body: bytes, bits: int) -> bytes:
    most = min(MAX_BODY, MAX_RATIO * len(body))
    inflater = zlib.decompressobj(bits)
    try:
        found = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise Refused(f"the body is not encoded as it says: {error}"[:80], 400) from error
    if len(found) > most:
        raise Refused("the body is too long once decoded", 413)
    if not inflater.eof or inflater.unused_data:
        raise Refused("the encoded body does not end where it should", 400)
    return found
