"""Unique and Stable Stanza IDs (XEP-0359): names that a message keeps beside its id."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:sid:0"
ORIGIN_ID: Final = f"{{{NS}}}origin-id"
STANZA_ID: Final = f"{{{NS}}}stanza-id"
LONGEST: Final = 128
"""Characters of an id; a longer one is as good as none, for whoever has to remember it."""


def origin_id(message: Element) -> str:
    """Return the id that the sender gave, "" for none."""
    found = message.find(ORIGIN_ID)
    return "" if found is None else _bounded(found.get("id", ""))


def stanza_id(message: Element, by: str) -> str:
    """Return the id that the address `by` gave, "" for none.

    Anybody can write one: the caller must know that `by` removes what others gave in its name (§3).
    """
    for each in message.find_all(STANZA_ID):
        if each.get("by") == by:
            return _bounded(each.get("id", ""))
    return ""


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else ""
