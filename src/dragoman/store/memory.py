"""What is kept of messages, in memory only: it ends with the process."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Final, TypeAlias

from dragoman.store.interface import (
    AGE,
    MOST_A_PEER,
    MOST_OPEN,
    Crossed,
    Disposition,
    fits,
)

MOST: Final = 50_000
"""Messages in all."""

_Key: TypeAlias = tuple[str, str, str, bool]


def _nothing(_: Crossed) -> None:
    pass


class Memory:
    """Identifiers of the latest messages; of more than there is room for the oldest is forgotten.

    `forgotten(message)` hears of each that had to go for another.
    """

    def __init__(
        self,
        most: int = MOST,
        most_a_peer: int = MOST_A_PEER,
        forgotten: Callable[[Crossed], None] = _nothing,
    ) -> None:
        """Start with nothing."""
        self._most = most
        self._most_a_peer = most_a_peer
        self._forgotten = forgotten
        self._numbers = count(1)
        self._all: OrderedDict[_Key, Crossed] = OrderedDict()
        self._by_peer: dict[str, OrderedDict[_Key, None]] = {}
        self._by_message: dict[tuple[str, str, bool], _Key] = {}
        self._by_origin: dict[tuple[str, str, str], _Key] = {}
        self._open: dict[tuple[str, str], list[_Key]] = {}

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._all)

    def add(self, crossed: Crossed) -> None:
        """Remember a message."""
        if fits(crossed):
            self.put(replace(crossed, number=next(self._numbers)))

    def put(self, crossed: Crossed) -> None:
        """Remember a message that fits and has its number already."""
        key = key_of(crossed)
        self._drop(key)
        self._make_room(crossed)
        self._all[key] = crossed
        self._by_peer.setdefault(crossed.peer, OrderedDict())[key] = None
        if crossed.message_id:
            message = (crossed.peer, crossed.message_id, crossed.inward)
            if self._is_newer(crossed, self._by_message.get(message)):
                self._by_message[message] = key
        if crossed.origin_id:
            origin = (crossed.user, crossed.peer, crossed.origin_id)
            if self._is_newer(crossed, self._by_origin.get(origin)):
                self._by_origin[origin] = key
        if is_open(crossed):
            self._opened(crossed, key)

    def remove(self, crossed: Crossed) -> None:
        """Forget a message, which did not cross after all."""
        self._drop(key_of(crossed))

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
        key = key_of(crossed)
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
        found = [self._all[key] for key in waiting]
        return [each for each in found if each.number < crossed.number]

    def _make_room(self, crossed: Crossed) -> None:
        too_old = crossed.sent - AGE
        while self._all:
            key, oldest = next(iter(self._all.items()))
            if len(self._all) < self._most and oldest.sent >= too_old:
                break
            self._forget(key)
        of_peer = self._by_peer.get(crossed.peer)
        if of_peer is not None and len(of_peer) >= self._most_a_peer:
            self._forget(next(iter(of_peer)))

    def _forget(self, key: _Key) -> None:
        if (found := self._drop(key)) is not None:
            self._forgotten(found)

    def _drop(self, key: _Key) -> Crossed | None:
        """Take a message out of everything that leads to it."""
        found = self._all.pop(key, None)
        if found is None:
            return None
        of_peer = self._by_peer[found.peer]
        del of_peer[key]
        if not of_peer:
            del self._by_peer[found.peer]
        message = (found.peer, found.message_id, found.inward)
        if self._by_message.get(message) == key:
            del self._by_message[message]
        origin = (found.user, found.peer, found.origin_id)
        if self._by_origin.get(origin) == key:
            del self._by_origin[origin]
        self._close(found, key)
        return found

    def _is_newer(self, crossed: Crossed, known: _Key | None) -> bool:
        return known is None or self._all[known].number < crossed.number

    def _opened(self, crossed: Crossed, key: _Key) -> None:
        waiting = self._open.setdefault((crossed.user, crossed.peer), [])
        waiting.append(key)
        if len(waiting) > 1 and self._all[waiting[-2]].number > crossed.number:
            waiting.sort(key=lambda each: self._all[each].number)
        del waiting[:-MOST_OPEN]

    def _close(self, crossed: Crossed, key: _Key) -> None:
        ends = (crossed.user, crossed.peer)
        waiting = self._open.get(ends)
        if waiting is not None and key in waiting:
            waiting.remove(key)
            if not waiting:
                del self._open[ends]


def key_of(crossed: Crossed) -> _Key:
    """Return what no other message that is remembered has in common with this one."""
    return crossed.user, crossed.peer, crossed.stanza_id, crossed.inward


def is_open(crossed: Crossed) -> bool:
    """Tell whether it came from SIP, and its sender waits to hear that it was displayed."""
    asked = crossed.inward and Disposition.DISPLAYED in crossed.asked
    return asked and Disposition.DISPLAYED not in crossed.told
