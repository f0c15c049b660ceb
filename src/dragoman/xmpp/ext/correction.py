"""Last Message Correction (XEP-0308): a message that replaces an earlier one."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:message-correct:0"
REPLACE: Final = f"{{{NS}}}replace"


def replaces(message: Element) -> str | None:
    """Return the id of the message that this one replaces, "" for none; None: it corrects nothing.

    Of a message corrected several times it is the id of the first (§4).
    """
    found = message.find(REPLACE)
    return None if found is None else found.get("id", "")
