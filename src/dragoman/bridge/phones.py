"""What SIP users' phones take, as far as they said (RFC 3261 §8.2.3, §20.1, §21.4.13)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from dragoman.sip.header import MediaType
from dragoman.sip.message import Message, SipError

MOST: Final = 10_000
"""SIP users of whom anything is remembered."""
MEMORY: Final = 86_400.0
"""Seconds for which a refusal counts: people change their phones."""
MOST_TYPES: Final = 32


@dataclass(slots=True)
class _Phone:
    """One user's phones: types that they list or were seen to send, and types refused until."""

    accepted: frozenset[str] = frozenset()
    refused: dict[str, float] = field(default_factory=dict)


class Phones:
    """What is known of each SIP user, by his bare JID; of `most`, the oldest is lost."""

    def __init__(self, most: int = MOST) -> None:
        """Start with nothing known."""
        self._most = most
        self._phones: OrderedDict[str, _Phone] = OrderedDict()

    def __len__(self) -> int:
        """Return how many users anything is known of."""
        return len(self._phones)

    def accepted(self, peer: str) -> frozenset[str]:
        """Return the types, in lower case, that a user's phones are known to take."""
        found = self._phones.get(peer)
        return frozenset() if found is None else found.accepted

    def refuses(self, peer: str, media: str, now: float) -> bool:
        """Tell whether a user's phone refused that type lately."""
        found = self._phones.get(peer)
        return found is not None and found.refused.get(media, now) > now

    def heard(self, peer: str, message: Message) -> None:
        """Learn from what a phone sent: the types in Accept."""
        lines = message.get_all("Accept")
        if lines:
            self._phone(peer).accepted = _types(lines)

    def sent(self, peer: str, media: str) -> None:
        """Learn that a phone sent a type of its own accord, so that it takes it too."""
        found = self._phone(peer)
        found.refused.pop(media, None)
        if media not in found.accepted and len(found.accepted) < MOST_TYPES:
            found.accepted |= {media}

    def refused(self, peer: str, media: str, now: float) -> None:
        """Learn that a phone does not take a type."""
        found = self._phone(peer)
        found.accepted -= {media}
        if len(found.refused) < MOST_TYPES:
            found.refused[media] = now + MEMORY

    def _phone(self, peer: str) -> _Phone:
        found = self._phones.get(peer)
        if found is None:
            if len(self._phones) >= self._most:
                self._phones.popitem(last=False)
            found = self._phones[peer] = _Phone()
        self._phones.move_to_end(peer)
        return found


def _types(lines: list[str]) -> frozenset[str]:
    found = set()
    for part in ",".join(lines).split(",")[:MOST_TYPES]:
        try:
            media = MediaType.parse(part.strip())
        except SipError:
            continue
        # A quality of nothing says that it is not taken (RFC 3261 §20.1, RFC 2616 §3.9).
        if (media.param("q") or "1").strip("0.") != "":
            found.add(media.essence)
    return frozenset(found)
