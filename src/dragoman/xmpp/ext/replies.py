"""Message Replies (XEP-0461): a message that answers a certain earlier one."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:reply:0"
REPLY: Final = f"{{{NS}}}reply"


def reply(id_: str, to: str) -> Element:
    """Return the element of an answer to the message with that id, which `to` wrote (§3)."""
    return Element(REPLY, {"to": to, "id": id_})


def replied_to(message: Element) -> str | None:
    """Return the id of the message that this one answers, "" for none; None: it is no reply."""
    found = message.find(REPLY)
    return None if found is None else found.get("id", "")
