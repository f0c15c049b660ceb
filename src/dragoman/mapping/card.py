"""What is known of a SIP user (RFC 3261 §20.9, §20.20), as his card on XMPP (XEP-0054)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dragoman.errors import RemoteError
from dragoman.mapping.excerpt import excerpt
from dragoman.sip import call_info
from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.avatar import PNG, Picture
from dragoman.xmpp.ext.vcard import vcard

LONGEST_NAME: Final = 128
LONGEST_URL: Final = 1024
LARGEST: Final = 65536
"""Bytes of a picture."""

_WEB: Final = ("https://", "http://")
_BEGINNINGS: Final = (
    (PNG, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """What a SIP user says of himself: his name, and the URLs of a picture and of a page."""

    name: str = ""
    icon: str = ""
    info: str = ""

    def and_then(self, said: "Card") -> "Card":
        """Return the card of who says something more: what he does not speak of stays."""
        return Card(said.name or self.name, said.icon or self.icon, said.info or self.info)

    def element(self, address: str, picture: Picture | None) -> Element:
        """Return the `<vCard/>`; who told no name goes by his address."""
        return vcard(self.name or address, nickname=self.name, url=self.info, photo=picture)


def card(name: str, icon: str = "", info: str = "") -> Card:
    """Return a card of a display name and URLs: the name on one line, the URLs of web pages."""
    return Card(excerpt(name, LONGEST_NAME), _web(icon), _web(info))


def said_in(name: str, lines: Iterable[str]) -> Card:
    """Return what a request says of its sender by the display name and its Call-Info lines.

    The first entry of a purpose counts; whatever is malformed says nothing.
    """
    found: dict[str, str] = {}
    for each in call_info.read(lines):
        if _web(each.uri):
            found.setdefault(each.purpose, each.uri)
    return card(name, found.get(call_info.ICON, ""), found.get(call_info.INFO, ""))


def picture(data: bytes) -> Picture:
    """Return a picture by how its data begins, whatever a server calls it; else RemoteError."""
    if len(data) > LARGEST:
        raise RemoteError(f"a picture has no more than {LARGEST} bytes")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Picture("image/webp", data)
    for type_, beginning in _BEGINNINGS:
        if data.startswith(beginning):
            return Picture(type_, data)
    raise RemoteError("neither PNG, JPEG, GIF nor WebP")


def _web(url: str) -> str:
    """Return a URL of a web page; "" for another, and for one too long."""
    fine = len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and " " not in url
    return url if fine and url.lower().startswith(_WEB) else ""
