"""Where XMPP users are, as far as their presence tells SIP users (RFC 6121 §4.2, §4.5).

Who watches a SIP user without being watched by him tells us when he comes, by a probe, and never
when he goes: of such a user nothing is known, which counts as being there. So it is with sessions
from before the gateway started, as long as nobody has told that there are none.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

MOST_USERS: Final = 100_000
MOST_RESOURCES: Final = 64
"""Of one user; what more there are is not remembered, which only makes him seem to go sooner."""


class Parting(Enum):
    """What it means that a resource went."""

    LAST = auto()
    """The user is gone."""
    OTHERS = auto()
    """Others of his are there."""
    UNKNOWN = auto()
    """Nothing is known of others."""


@dataclass(slots=True)
class _User:
    proof: float
    resources: set[str] = field(default_factory=set)
    known: bool = False
    doubted: bool = False
    """Whether he may have resources that nobody has told of."""


class Whereabouts:
    """The resources of XMPP users by their bare JIDs, and when there was word of each user."""

    def __init__(self, most: int = MOST_USERS) -> None:
        """Remember `most` users: those who were heard of last."""
        self._most = most
        self._users: OrderedDict[str, _User] = OrderedDict()

    def __len__(self) -> int:
        """Return how many users are remembered."""
        return len(self._users)

    def heard(self, user: str, now: float) -> None:
        """Take a sign of life of a user, or of the server that answers for him."""
        self._seen(user, now)

    def doubt(self, user: str) -> None:
        """Have a user be one who was there, for all that is known, before the gateway was."""
        self._seen(user, float("-inf")).doubted = True

    def stirred(self, user: str, now: float) -> None:
        """Learn that a user did something: he is there, by a resource that is not known."""
        found = self._seen(user, now)
        found.known = bool(found.resources)

    def came(self, user: str, resource: str, now: float) -> None:
        """Learn that a resource is there."""
        found = self._seen(user, now)
        found.known = True
        if len(found.resources) < MOST_RESOURCES:
            found.resources.add(resource)

    def went(self, user: str, resource: str, now: float) -> Parting:
        """Learn that a resource is not there any more; "" stands for all of them."""
        found = self._seen(user, now)
        if not resource:
            found.known, found.doubted = True, False
            found.resources.clear()
        found.resources.discard(resource)
        if not found.known or (found.doubted and not found.resources):
            return Parting.UNKNOWN
        return Parting.OTHERS if found.resources else Parting.LAST

    def away(self, user: str) -> bool:
        """Tell whether a user is certainly not there."""
        found = self._users.get(user)
        return found is not None and found.known and not (found.resources or found.doubted)

    def silent(self, user: str, now: float) -> float:
        """Return for how many seconds there was no word of a user."""
        found = self._users.get(user)
        return float("inf") if found is None else now - found.proof

    def _seen(self, user: str, now: float) -> _User:
        found = self._users.get(user)
        if found is None:
            found = self._users[user] = _User(now)
            if len(self._users) > self._most:
                self._users.popitem(last=False)
        else:
            found.proof = now
            self._users.move_to_end(user)
        return found
