"""vcard-temp (XEP-0054): what somebody is called, his picture, and where there is more of him."""

from typing import Final

from dragoman.xmpp.element import Element
from dragoman.xmpp.ext.avatar import Picture

NS: Final = "vcard-temp"
VCARD: Final = f"{{{NS}}}vCard"


def vcard(name: str, *, nickname: str = "", url: str = "", photo: Picture | None = None) -> Element:
    """Return a card; what is empty is left out."""
    told = [_told(tag, text) for tag, text in _texts(name, nickname, url) if text]
    if photo is not None:
        # XEP-0153 §4.5: the picture itself, never a link to it.
        parts = [_told("TYPE", photo.type), _told("BINVAL", photo.base64)]
        told.append(Element(f"{{{NS}}}PHOTO", None, parts))
    return Element(VCARD, None, told)


def _texts(name: str, nickname: str, url: str) -> list[tuple[str, str]]:
    return [("FN", name), ("NICKNAME", nickname), ("URL", url)]


def _told(tag: str, text: str) -> Element:
    return Element(f"{{{NS}}}{tag}", None, [text])
