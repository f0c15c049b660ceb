"""Unique and Stable Stanza IDs (XEP-0359): what a message is called by who wrote it."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:sid:0"
ORIGIN_ID: Final = f"{{{NS}}}origin-id"
LONGEST: Final = 128
"""Characters of an id that is worth remembering."""


def origin_id(message: Element) -> str:
    """Return the id that its sender's client gave a message, "" for none or one too long."""
    found = message.find(ORIGIN_ID)
    id_ = "" if found is None else found.get("id", "")
    return id_ if len(id_) <= LONGEST else ""
