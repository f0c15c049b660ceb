"""Message Processing Hints (XEP-0334): what a sender asks of those who pass a message on."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:hints"
STORE: Final = f"{{{NS}}}store"
NO_STORE: Final = f"{{{NS}}}no-store"
NO_PERMANENT_STORE: Final = f"{{{NS}}}no-permanent-store"
NO_COPY: Final = f"{{{NS}}}no-copy"


def may_be_kept(message: Element) -> bool:
    """Say whether the words of a message may be kept beyond its delivery (§4.1, §4.2)."""
    return message.find(NO_STORE) is None and message.find(NO_PERMANENT_STORE) is None
