"""Files that a message leads to: application/vnd.gsma.rcs-ft-http+xml (GSMA RCC.07 §3.2.5.4).

Rich communication clients, Linphone among them, put a file on a web server and send this document.
"""

from dataclasses import dataclass
from typing import Final

from dragoman.errors import RemoteError
from dragoman.xmpp.element import Element
from dragoman.xmpp.parser import parse_document

MEDIA_TYPE: Final = "application/vnd.gsma.rcs-ft-http+xml"
NS: Final = "urn:gsma:params:xml:ns:rcs:rcs:fthttp"
LARGEST: Final = 16_384
"""Octets of a document."""
MOST: Final = 16
"""Files of one message."""

_KEY: Final = "file-key"
_LONGEST_URL: Final = 2048
_LONGEST_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class File:
    """Where a file is, and its name, "" for none."""

    url: str
    name: str = ""
    encrypted: bool = False
    """Whether what is there can be read only with a key that the document has (Linphone)."""


def files(data: bytes) -> list[File]:
    """Return the files of a document, without their thumbnails.

    Raises RemoteError for what is no such document, or has no file on the web.
    """
    if len(data) > LARGEST:
        raise RemoteError("the document about files is too long")
    root = parse_document(data, limit=LARGEST)
    if root.name != f"{{{NS}}}file":
        raise RemoteError(f"no document about files, but {root.name[:80]!r}")
    found = [_file(each) for each in root.find_all(f"{{{NS}}}file-info")[: 2 * MOST]]
    good = [each for each in found if each is not None][:MOST]
    if not good:
        raise RemoteError("the document about files leads to none")
    return good


def _file(info: Element) -> File | None:
    data, name = info.find(f"{{{NS}}}data"), info.find(f"{{{NS}}}file-name")
    url = "" if data is None else data.get("url", "").strip()
    if info.get("type", "file") != "file" or not _is_on_the_web(url):
        return None
    encrypted = any(each.local_name == _KEY for each in info.elements)
    told = "" if name is None else " ".join(name.text.split())[:_LONGEST_NAME]
    return File(url, told, encrypted)


def _is_on_the_web(url: str) -> bool:
    scheme = url.partition(":")[0].lower()
    fine = url.isprintable() and " " not in url and len(url) <= _LONGEST_URL
    return fine and scheme in {"http", "https"}
