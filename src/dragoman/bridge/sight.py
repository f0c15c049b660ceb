"""What a SIP user sees of an XMPP user: his resources (RFC 3856 §6.7), in bounds.

Each pair of users has one of its own, from which nobody else is told (RFC 8048 §8.2).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from dragoman.mapping import pidf
from dragoman.mapping.presence import Presence

MOST_RESOURCES: Final = 64
"""Of one XMPP user: those that come after are not told of."""
MOST_OCTETS: Final = 256 << 20
"""Of all documents that could be written at once."""
HEAD: Final = 1024
"""Octets at most of a document without its tuples, but for the address of its user."""
TUPLE: Final = 576
"""Octets at most of a tuple that says nothing, but for its addresses."""


@dataclass(slots=True)
class Room:
    """What all sights may still take, in octets."""

    left: int = MOST_OCTETS


@dataclass(slots=True)
class Sight:
    """The resources of one user, whose address has so many octets.

    A document of all of them can be read by whoever reads what `pidf` does: what would make it too
    long is told without its texts, or not at all.
    """

    address: int
    room: Room
    known: bool = False
    """Whether anything was heard of the user."""
    octets: int = 0
    """What a document of all of it would have at most."""
    seen: dict[str, Presence] = field(default_factory=dict)
    """By resource, those that are there."""
    _left: dict[str, tuple[Presence, set[int]]] = field(default_factory=dict)
    """Those that went, and the dialogs that are to be told of it."""

    def take(self, what: Presence, dialogs: Iterable[int]) -> None:
        """Learn what a resource is; that it went is for `dialogs`. Without a name it is all."""
        self.known = True
        if what.available:
            self._come(what)
            return
        for each in [what.resource] if what.resource else list(self.seen):
            if each in self.seen:
                self._grow(-self._size(self.seen.pop(each)))
                self._leave(replace(what, resource=each), set(dialogs))

    def is_news(self, what: Presence) -> bool:
        """Tell whether it changes anything: servers say the same again, late or to a probe."""
        if not self.known:
            return True
        if not what.available:
            return what.resource in self.seen if what.resource else bool(self.seen)
        before = self.seen.get(what.resource)
        return before is None or replace(what, since=before.since) != before

    def told(self, dialog: int) -> list[Presence]:
        """Return what a dialog is told now, where one who went is told of once."""
        parting = [each for each in self._left.values() if dialog in each[1]]
        found = [what for what, _ in parting]
        self.forget(dialog)
        return [*found, *self.seen.values()]

    def forget(self, dialog: int) -> None:
        """Have nothing to tell a dialog any more of those who went."""
        for resource, (_, dialogs) in list(self._left.items()):
            dialogs.discard(dialog)
            if not dialogs:
                self._miss(resource)

    def clear(self) -> None:
        """Give back the room."""
        self.seen.clear()
        self._left.clear()
        self._grow(-self.octets)

    def _come(self, what: Presence) -> None:
        """Have a resource be there, in the place among the others that it has."""
        if what.resource in self._left:
            self._miss(what.resource)
        fitting = self._fitting(what)
        if fitting is not None:
            self._grow(self._size(fitting) - self._taken(what.resource))
            self.seen[what.resource] = fitting

    def _leave(self, what: Presence, dialogs: set[int]) -> None:
        fitting = self._fitting(what) if dialogs else None
        if fitting is not None:
            self._left[what.resource] = fitting, dialogs
            self._grow(self._size(fitting))

    def _fitting(self, what: Presence) -> Presence | None:
        """Return what there is room for: those who went make some, then go the texts.

        The texts of others too, for who is there counts more than what he says.
        """
        while not self._fits(what):
            if self._left:
                self._miss(next(iter(self._left)))
            elif _talks(what):
                what = _mute(what)
            elif (other := next(filter(_talks, self.seen.values()), None)) is not None:
                self.seen[other.resource] = muted = _mute(other)
                self._grow(self._size(muted) - self._size(other))
            else:
                return None
        return what

    def _fits(self, what: Presence) -> bool:
        more = self._size(what) - self._taken(what.resource)
        resources = len(self.seen) + len(self._left) + (what.resource not in self.seen)
        return (
            resources <= MOST_RESOURCES
            and HEAD + 6 * self.address + self.octets + more <= pidf.LARGEST
            and more <= self.room.left
        )

    def _taken(self, resource: str) -> int:
        before = self.seen.get(resource)
        return 0 if before is None else self._size(before)

    def _miss(self, resource: str) -> None:
        """Have nobody told that a resource went."""
        what, _ = self._left.pop(resource)
        self._grow(-self._size(what))

    def _grow(self, octets: int) -> None:
        self.octets += octets
        self.room.left -= octets

    def _size(self, what: Presence) -> int:
        """Return the octets at most of a tuple: a name is in it twice, texts may need escapes."""
        texts = [what.nick, *(note.text for note in what.statuses)]
        notes = sum(40 + len(note.lang) for note in what.statuses)
        return (
            TUPLE
            + 5 * self.address
            + 8 * len(what.resource.encode())
            + 5 * sum(len(text.encode()) for text in texts)
            + notes
        )


def _talks(what: Presence) -> bool:
    return bool(what.statuses or what.nick)


def _mute(what: Presence) -> Presence:
    return replace(what, statuses=(), nick="")
