"""vCard-Based Avatars (XEP-0153): presence tells which picture somebody's card has."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "vcard-temp:x:update"


def update(photo: str | None) -> Element:
    """Return the element that names a picture by the SHA-1 of its data, in hexadecimal (§3.1).

    "" says that there is none, and None that nobody knows yet (§4.1).
    """
    told = [] if photo is None else [Element(f"{{{NS}}}photo", None, [photo] if photo else [])]
    return Element(f"{{{NS}}}x", None, told)
