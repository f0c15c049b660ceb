"""Out of Band Data (XEP-0066): the URL of something that is not in the message itself."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "jabber:x:oob"
OOB: Final = f"{{{NS}}}x"
URL: Final = f"{{{NS}}}url"


def oob(url: str) -> Element:
    """Return the element that leads to `url` (§3)."""
    return Element(OOB, None, [Element(URL, None, (url,))])


def urls(message: Element) -> list[str]:
    """Return the URLs of a message, as they are written there (§3)."""
    found = [each.find(URL) for each in message.find_all(OOB)]
    return [url.text for url in found if url is not None and url.text]
