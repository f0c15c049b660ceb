"""Which way SIP users are written to: by MESSAGE or in a session (RFC 7572 §6, RFC 7573 §4).

What was learnt is remembered for each user, by his bare JID.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dragoman.sip.message import Message

MOST: Final = 10_000
"""SIP users of whom anything is remembered."""
REFUSAL: Final = 3600.0
"""Seconds for which a refused session counts."""
FEATURE: Final = "message"
"""What a Contact says of a phone that takes sessions (RFC 3840 §10.18, RFC 4975 §8.6)."""


class Policy(StrEnum):
    """What the operator wants."""

    AUTO = "auto"
    """A session where the phone is known to take it, or where a MESSAGE does not do."""
    NEVER = "never"
    """Never one of ours; those that phones begin are used."""
    FIRST = "first"
    """A session first (RFC 7573 §4), a MESSAGE where it is refused."""


@dataclass(slots=True)
class _Known:
    takes: bool = False
    refused_until: float = 0.0


class Ways:
    """What is known of each user's phones; of `most` users, the oldest is lost."""

    def __init__(self, policy: Policy, most: int = MOST) -> None:
        """Start with nothing known."""
        self._policy = policy
        self._most = most
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def __len__(self) -> int:
        """Return how many users anything is known of."""
        return len(self._known)

    def prefers_session(self, peer: str, now: float) -> bool:
        """Tell whether a message to this user begins with a session."""
        if not self.allows_session(peer, now):
            return False
        found = self._known.get(peer)
        return self._policy is Policy.FIRST or (found is not None and found.takes)

    def allows_session(self, peer: str, now: float) -> bool:
        """Tell whether a session with this user may be tried, where a MESSAGE does not do."""
        found = self._known.get(peer)
        if self._policy is Policy.NEVER:
            return False
        return found is None or found.refused_until <= now

    def heard(self, peer: str, message: Message) -> None:
        """Learn from the Contact of what a phone sent that it takes sessions."""
        contact = message.get("Contact")
        if contact is not None and f";{FEATURE}" in contact.lower().replace(" ", ""):
            self.took(peer)

    def took(self, peer: str) -> None:
        """Learn that a phone took or began a session."""
        found = self._of(peer)
        found.takes, found.refused_until = True, 0.0

    def refused(self, peer: str, now: float) -> None:
        """Learn that a phone takes no sessions."""
        found = self._of(peer)
        found.takes, found.refused_until = False, now + REFUSAL

    def _of(self, peer: str) -> _Known:
        found = self._known.get(peer)
        if found is None:
            if len(self._known) >= self._most:
                self._known.popitem(last=False)
            found = self._known[peer] = _Known()
        self._known.move_to_end(peer)
        return found
