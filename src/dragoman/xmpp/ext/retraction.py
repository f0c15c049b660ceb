"""Message Retraction (XEP-0424): a message that is to be as if it had not been sent."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:message-retract:1"
EARLIER: Final = "urn:xmpp:message-retract:0"
"""The namespace until version 0.4, when the id stood on a fastening (XEP-0422) around it."""
RETRACT: Final = f"{{{NS}}}retract"
EARLIER_RETRACT: Final = f"{{{EARLIER}}}retract"
APPLY_TO: Final = "{urn:xmpp:fasten:0}apply-to"


def retracts(message: Element) -> str | None:
    """Return the id of the message that is taken back, "" for none; None: nothing is taken back."""
    found = message.find(RETRACT) or message.find(EARLIER_RETRACT)
    if found is not None:
        return found.get("id", "")
    for each in message.find_all(APPLY_TO):
        if each.find(EARLIER_RETRACT) is not None:
            return each.get("id", "")
    return None
