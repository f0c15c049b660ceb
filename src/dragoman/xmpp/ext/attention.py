"""Attention (XEP-0224): a nudge, with words or without."""

from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "urn:xmpp:attention:0"
ATTENTION: Final = f"{{{NS}}}attention"


def calls(message: Element) -> bool:
    """Say whether a message is to be noticed at once."""
    return message.find(ATTENTION) is not None
