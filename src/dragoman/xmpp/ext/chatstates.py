"""Chat State Notifications (XEP-0085): what somebody in a conversation is doing just now."""

from enum import StrEnum
from typing import Final

from dragoman.xmpp.element import Element

NS: Final = "http://jabber.org/protocol/chatstates"


class State(StrEnum):
    """The five states (XEP-0085 §2), named as their elements are."""

    ACTIVE = "active"
    COMPOSING = "composing"
    PAUSED = "paused"
    INACTIVE = "inactive"
    GONE = "gone"


_STATES: Final = {f"{{{NS}}}{state}": state for state in State}


def state_of(message: Element) -> State | None:
    """Return the state that a message tells, alone or beside its body; None where it tells none.

    No message may tell two (XEP-0085 §5.6), so the first counts. An error tells none: what it
    holds is the message that it answers.
    """
    if message.get("type") == "error":
        return None
    found = (_STATES.get(child.name) for child in message.elements)
    return next((state for state in found if state is not None), None)


def element(state: State) -> Element:
    """Return the element that tells `state`."""
    return Element(f"{{{NS}}}{state}")
