"""XML Schema for Media Control (RFC 5168): a decoder of video asks for a whole picture."""

from typing import Final

from dragoman.errors import RemoteError
from dragoman.xmpp.parser import parse_document

TYPE: Final = "application/media_control+xml"
LARGEST: Final = 4096
"""Octets of a document that are read: the standard's own examples have fewer than 300."""
_PATH: Final = ("vc_primitive", "to_encoder", "picture_fast_update")


def wants_picture(data: bytes) -> bool:
    """Tell whether a document asks for a whole picture; False: for something else, or nothing.

    Raises RemoteError for what is no such document (§7).
    """
    if len(data) > LARGEST:
        raise RemoteError("the media_control document is too long")
    root = parse_document(data, limit=LARGEST)
    if root.local_name != "media_control":
        raise RemoteError(f"no media_control document, but {root.name[:80]!r}")
    found = [root]
    for name in _PATH:
        found = [each for one in found for each in one.elements if each.local_name == name]
    return bool(found)
