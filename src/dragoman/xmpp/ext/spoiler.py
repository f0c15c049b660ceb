"""Spoiler messages (XEP-0382): text that its reader may not wish to see at once."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:spoiler:0"
SPOILER: Final = f"{{{NS}}}spoiler"


def hint(message: Element, language: str | None = None) -> str | None:
    """Return what a spoiler is about, in `language` if there is one; None: it is no spoiler."""
    found = message.find_all(SPOILER)
    if not found:
        return None
    return next((each for each in found if each.get("xml:lang") == language), found[0]).text
