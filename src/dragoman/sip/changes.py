"""Changes of a session: re-INVITE and UPDATE, one at a time, and glare (RFC 3261 §14, RFC 3311)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from dragoman.errors import LocalError, RemoteError

PENDING: Final = 491
"""The status of an offer that crosses one of ours (§14.2)."""
BUSY: Final = 500
"""The status of an offer while the one before it is not decided on (§14.2)."""
TRIES: Final = 5
"""How often an offer of ours that met 491 is made again."""
OWNER: Final = (2.1, 4.0)
"""Seconds that the one who chose the Call-ID waits after a 491 (§14.1)."""
OTHER: Final = (0.0, 2.0)
LOST: Final = frozenset({408, 481})
"""What says of a request in a dialog that the session is no more (RFC 5057 §5.1)."""


class Change(Enum):
    """Which offer is under way in a confirmed session."""

    NONE = "no offer under way"
    OURS = "our offer has no answer"
    RESTING = "our offer met a 491 and waits"
    THEIRS = "the peer's offer has no answer"
    SETTLED = "the answer to the peer's re-INVITE has no ACK"


class Turn(Enum):
    """What moves an offer on."""

    OFFER = "offer"
    THEIR_OFFER = "offer came"
    ANSWER = "answer"
    THEIR_ANSWER = "response came"
    GLARE = "491 came"
    ACK = "ACK came"
    RESUME = "time to offer again"


TURNS: Final[Mapping[tuple[Change, Turn], Change]] = {
    (Change.NONE, Turn.OFFER): Change.OURS,
    (Change.NONE, Turn.THEIR_OFFER): Change.THEIRS,
    (Change.OURS, Turn.THEIR_ANSWER): Change.NONE,
    (Change.OURS, Turn.GLARE): Change.RESTING,
    (Change.RESTING, Turn.RESUME): Change.NONE,
    (Change.RESTING, Turn.THEIR_OFFER): Change.THEIRS,
    (Change.THEIRS, Turn.ANSWER): Change.SETTLED,
    (Change.SETTLED, Turn.ACK): Change.NONE,
}
"""An UPDATE, and an offer that was declined, need no ACK: they go from THEIRS through both."""

_THEIRS: Final = frozenset({Turn.THEIR_OFFER, Turn.THEIR_ANSWER, Turn.GLARE, Turn.ACK})


def turn(change: Change, what: Turn) -> Change:
    """Return what follows; raises RemoteError where the peer is to blame, else LocalError."""
    found = TURNS.get((change, what))
    if found is None:
        fault = RemoteError if what in _THEIRS else LocalError
        raise fault(f"no step for {what.value}: {change.value}")
    return found


def refusal(change: Change) -> int:
    """Return the status for an offer of the peer's that comes now, 0 where it may come."""
    if change is Change.OURS:
        return PENDING
    return BUSY if change in {Change.THEIRS, Change.SETTLED} else 0
