"""The session description in a body of several parts (RFC 5621, RFC 2046 §5.1, RFC 2387)."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

from dragoman.mapping import multipart
from dragoman.sdp.failure import SdpError
from dragoman.sip.header import MediaType
from dragoman.sip.message import SipError

SDP: Final = "application/sdp"
ACCEPTED: Final = (SDP, "multipart/mixed", "multipart/related", "multipart/alternative")
"""What an INVITE may have as its body."""
MOST_PARTS: Final = 32
MOST_DEEP: Final = 4
UNSUPPORTED: Final = 415
_HANDLING: Final = re.compile(r";\s*handling\s*=\s*\"?(\w+)", re.IGNORECASE)
_UNSAID: Final = frozenset({"by-reference"})
"""Dispositions of parts that mean nothing by themselves: a header points to them (§5)."""

Part: TypeAlias = tuple[Mapping[str, str], bytes]


def session_part(media: MediaType, body: bytes) -> bytes:
    """Return the session description of a body.

    SdpError: 400 for a multipart that is none, 415 where there is no description, or another part
    that has to be understood: all but those whose handling is optional (RFC 3261 §20.11).
    """
    found = _found(media, body, 0)
    if found is None:
        raise SdpError("a body without a session description", UNSUPPORTED)
    return found


def _found(media: MediaType, body: bytes, depth: int) -> bytes | None:
    if media.essence == SDP:
        return body
    if media.type != "multipart":
        return None
    if depth == MOST_DEEP:
        raise SdpError(f"parts more than {MOST_DEEP} deep", UNSUPPORTED)
    parts = _parts(media, body)
    match media.subtype:
        case "alternative":
            tried = (_read(each, depth) for each in reversed(parts))
            return next((each for each in tried if each is not None), None)
        case "related":
            return _related(parts, media.param("start") or "", depth)
        case _:
            return _mixed(parts, depth)


def _parts(media: MediaType, body: bytes) -> list[Part]:
    boundary = media.param("boundary") or ""
    if not 0 < len(boundary) <= multipart.LONGEST_BOUNDARY:
        raise SdpError("a multipart without a boundary")
    found: list[Part] = list(
        islice(multipart.parts(boundary.encode(), body), MOST_PARTS + 1),
    )
    if len(found) > MOST_PARTS:
        raise SdpError(f"more than {MOST_PARTS} parts", 513)
    return found


def _mixed(parts: Sequence[Part], depth: int) -> bytes | None:
    """Return the only description among parts that all are to be understood."""
    found: bytes | None = None
    for each in parts:
        one = _read(each, depth) if _describes(each[0]) else None
        if one is None and _required(each[0]):
            raise SdpError("a part that has to be understood is not", UNSUPPORTED)
        if one is not None and found is not None:
            raise SdpError("more than one session description")
        found = found or one
    return found


def _related(parts: Sequence[Part], start: str, depth: int) -> bytes | None:
    """Return what the root is; the others are there for it, and to be understood if they say so."""
    root = next((each for each in parts if start and each[0].get("content-id") == start), None)
    root = root or next(iter(parts), None)
    if root is None:
        return None
    if any(_handling(each[0]) == "required" for each in parts if each is not root):
        raise SdpError("a part that has to be understood is not", UNSUPPORTED)
    return _read(root, depth)


def _read(part: Part, depth: int) -> bytes | None:
    headers, content = part
    try:
        media = MediaType.parse(headers.get("content-type") or "text/plain")
    except SipError:
        return None
    encoding = headers.get("content-transfer-encoding", "").lower()
    decoded = multipart.transfer_decoded(content, encoding)
    return None if decoded is None else _found(media, decoded, depth + 1)


def _disposition(headers: Mapping[str, str]) -> str:
    return headers.get("content-disposition", "").partition(";")[0].strip().lower()


def _describes(headers: Mapping[str, str]) -> bool:
    """Tell whether a description is that of the session, not of early media, say (RFC 3959)."""
    return _disposition(headers) in {"", "session"}


def _handling(headers: Mapping[str, str]) -> str:
    found = _HANDLING.search(headers.get("content-disposition", ""))
    return "" if found is None else found[1].lower()


def _required(headers: Mapping[str, str]) -> bool:
    return _handling(headers) != "optional" and _disposition(headers) not in _UNSAID
