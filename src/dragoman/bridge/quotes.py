"""What was said lately, so that a message that refers to another can quote it on a phone.

The beginnings of messages are kept in memory only, for a while and for few conversations: what
people say is not written down.
"""

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final, NamedTuple

MOST: Final = 1000
"""Conversations that are remembered; the longest unused is forgotten."""
MOST_OF_ONE: Final = 25
"""Ids of messages of one conversation."""
LONGEST: Final = 240
"""Characters of one message: an excerpt is shorter, but may have to pass over a quotation."""


class _Said(NamedTuple):
    beginning: str
    digest: bytes


class Quotes:
    """Conversations by the bare addresses of an XMPP user and a SIP user."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._talks: OrderedDict[tuple[str, str], OrderedDict[str, _Said]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many conversations are remembered."""
        return len(self._talks)

    def said(self, user: str, peer: str, ids: Iterable[str], text: str) -> None:
        """Remember a message under each of its ids; the same id again takes the place of it."""
        found = _Said(text[:LONGEST], _digest(text))
        talk = self._talks.setdefault((user, peer), OrderedDict())
        self._talks.move_to_end((user, peer))
        for each in ids:
            talk.pop(each, None)
            talk[each] = found
        while len(talk) > MOST_OF_ONE:
            talk.popitem(last=False)
        if len(self._talks) > MOST:
            self._talks.popitem(last=False)

    def quote(self, user: str, peer: str, id_: str) -> str:
        """Return how the message with that id begins, "" for one that is not known."""
        found = self._find(user, peer, id_)
        return "" if found is None else found.beginning

    def had(self, user: str, peer: str, id_: str, text: str) -> bool:
        """Tell whether the message with that id has exactly this text."""
        found = self._find(user, peer, id_)
        return found is not None and found.digest == _digest(text)

    def _find(self, user: str, peer: str, id_: str) -> _Said | None:
        talk = self._talks.get((user, peer))
        return None if talk is None else talk.get(id_)


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()
