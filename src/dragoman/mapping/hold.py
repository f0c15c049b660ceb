"""Hold, in what a phone says of its streams (RFC 3264 §8.4), for a client (XEP-0167 §8.2).

docs/interworking/media.md §7. Only what somebody receives counts: who does not send is heard to.
"""

from dataclasses import dataclass

from dragoman.sdp.offer import direction
from dragoman.sdp.session import Direction, SessionDescription


@dataclass(frozen=True, slots=True)
class Turn:
    """How another description of one side turns streams around.

    `held`: it puts the other side on hold (True), takes up again (False), or neither; `streams`
    are the places and new directions, as that side sees them, of others that it turns.
    """

    held: bool | None = None
    streams: tuple[tuple[int, Direction], ...] = ()


def turned(before: SessionDescription | None, now: SessionDescription) -> Turn:
    """Return what changed; nothing `before` stands for one who received all."""
    new = _directions(now)
    old = dict.fromkeys(new, Direction.SENDRECV) if before is None else _directions(before)
    both = [n for n in new if n in old]
    receives = {n for n in both if new[n].receives}
    received = {n for n in both if old[n].receives}
    if received and not receives:
        return Turn(held=True)
    if receives and not received:
        left = [n for n in both if n not in receives]
        return Turn(False, tuple((n, new[n]) for n in left))
    return Turn(None, tuple((n, new[n]) for n in sorted(receives ^ received)))


def _directions(description: SessionDescription) -> dict[int, Direction]:
    """Return by its place which way each stream goes that there is."""
    media = enumerate(description.media)
    return {n: direction(description, each) for n, each in media if each.port}
