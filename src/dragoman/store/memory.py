"""What is kept of messages, in memory only: it ends with the process."""

from collections import OrderedDict
from dataclasses import replace
from itertools import count
from typing import Final, TypeAlias

from dragoman.store.interface import Crossed, Disposition

MOST: Final = 50_000
"""Messages in all."""
MOST_OPEN: Final = 100
"""Messages of one talk that one marker covers."""

_Key: TypeAlias = tuple[str, str, str, bool]


class Memory:
    """Identifiers of the latest messages; of more than `most` the oldest is forgotten."""

    def __init__(self, most: int = MOST) -> None:
        """Start with nothing."""
        self._most = most
        self._numbers = count(1)
        self._all: OrderedDict[_Key, Crossed] = OrderedDict()
        self._by_message: dict[tuple[str, str, bool], _Key] = {}
        self._by_origin: dict[tuple[str, str, str], _Key] = {}
        self._open: dict[tuple[str, str], list[_Key]] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._all)

    def add(self, crossed: Crossed) -> None:
        """Remember a message."""
        key = _key(crossed)
        if (before := self._all.get(key)) is not None:
            self.remove(before)
        if len(self._all) >= self._most:
            self.remove(next(iter(self._all.values())))
        self._all[key] = replace(crossed, number=next(self._numbers))
        if crossed.message_id:
            self._by_message[crossed.peer, crossed.message_id, crossed.inward] = key
        if crossed.origin_id:
            self._by_origin[crossed.user, crossed.peer, crossed.origin_id] = key
        if crossed.inward and Disposition.DISPLAYED in crossed.asked:
            waiting = self._open.setdefault((crossed.user, crossed.peer), [])
            waiting.append(key)
            del waiting[:-MOST_OPEN]

    def remove(self, crossed: Crossed) -> None:
        """Forget a message, which did not cross after all."""
        key = _key(crossed)
        found = self._all.pop(key, None)
        if found is None:
            return
        message = (found.peer, found.message_id, found.inward)
        if self._by_message.get(message) == key:
            del self._by_message[message]
        origin = (found.user, found.peer, found.origin_id)
        if self._by_origin.get(origin) == key:
            del self._by_origin[origin]
        self._close(found, key)

    def by_stanza(self, user: str, peer: str, stanza_id: str, *, inward: bool) -> Crossed | None:
        """Return the message with that stanza id between the two."""
        return self._all.get((user, peer, stanza_id, inward))

    def by_message(self, peer: str, message_id: str, *, inward: bool) -> Crossed | None:
        """Return the message with that Message-ID to or from a SIP user."""
        key = self._by_message.get((peer, message_id, inward))
        return None if key is None else self._all.get(key)

    def by_origin(self, user: str, peer: str, origin_id: str) -> Crossed | None:
        """Return the message of an XMPP user with that origin-id."""
        key = self._by_origin.get((user, peer, origin_id))
        return None if key is None else self._all.get(key)

    def tell(self, crossed: Crossed, disposition: Disposition) -> bool:
        """Note that its sender is told this; False when he was told, or may not be any more."""
        key = _key(crossed)
        found = self._all.get(key)
        if found is None or (disposition | found.told) in found.told:
            return False
        good = Disposition.DELIVERED | Disposition.DISPLAYED
        over = good if disposition is Disposition.FAILED else Disposition.FAILED
        if found.told & over:
            return False
        self._all[key] = replace(found, told=found.told | disposition)
        if disposition is Disposition.DISPLAYED:
            self._close(found, key)
        return True

    def open_before(self, crossed: Crossed) -> list[Crossed]:
        """Return earlier messages from SIP, oldest first, whose display is asked and not told."""
        waiting = self._open.get((crossed.user, crossed.peer), ())
        found = [self._all[key] for key in waiting if key in self._all]
        return [each for each in found if each.number < crossed.number]

    def _close(self, crossed: Crossed, key: _Key) -> None:
        ends = (crossed.user, crossed.peer)
        waiting = self._open.get(ends)
        if waiting is not None and key in waiting:
            waiting.remove(key)
            if not waiting:
                del self._open[ends]


def _key(crossed: Crossed) -> _Key:
    return crossed.user, crossed.peer, crossed.stanza_id, crossed.inward
