"""Who may see whose presence: what outlives a restart (RFC 8048 §5), behind one interface."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias

from dragoman.errors import LocalError

MOST: Final = 200_000
"""Records of each kind."""
MOST_A_USER: Final = 10_000
"""Records of one user, as watcher or as contact."""
MOST_A_DOMAIN: Final = MOST // 4
"""Records of the users of one domain as watchers, who ask; more where half of the room is free."""
MOST_SHOWN: Final = 64
LONGEST_SHOWN: Final = 4096
"""Octets of the names of resources that are kept of one record; what is more is left out."""


@dataclass(frozen=True, slots=True)
class Watching:
    """An XMPP user who may see, or wants to see, a SIP user (RFC 8048 §5.2)."""

    watcher: str
    """Bare JID of the XMPP user."""
    contact: str
    """Bare JID that the SIP user has on XMPP."""
    authorized: bool = False
    """Whether `subscribed` was sent."""
    leaving: bool = False
    """Whether `unsubscribe` came, and the dialog is still to be ended."""
    dialog: str = ""
    """What is needed to speak in the SIP dialog after a restart, "" for none."""
    expires: float = 0.0
    """Seconds since 1970: when that dialog ends by itself."""
    asked: float = 0.0
    """Seconds since 1970: when `subscribe` came."""
    shown: tuple[str, ...] = ()
    """The resources by which the SIP user was last shown as available."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A SIP user who may see, or asked to see, an XMPP user (RFC 8048 §5.3)."""

    contact: str
    """Bare JID of the XMPP user."""
    watcher: str
    """Bare JID that the SIP user has on XMPP."""
    authorized: bool = False
    """The answer last heard; False: asked, and no answer yet."""
    asked: float = 0.0
    """Seconds since 1970, when `subscribe` was sent."""


Record: TypeAlias = Watching | Watched


class Full(LocalError):
    """There is no room for a record, or it cannot be written: nothing was changed."""


class Subscriptions(Protocol):
    """All consent that was given and asked for; reading costs no disk."""

    def watching(self) -> Iterator[Watching]:
        """Return every XMPP user's, as they are now."""

    def watched(self) -> Iterator[Watched]:
        """Return every SIP user's, as they are now."""

    def find_watching(self, watcher: str, contact: str) -> Watching | None:
        """Return what an XMPP user has of a SIP user."""

    def find_watched(self, contact: str, watcher: str) -> Watched | None:
        """Return what a SIP user has of an XMPP user."""

    def keep(self, record: Record) -> None:
        """Write a record in place of the one of the same two; it is kept when this returns.

        Raises Full.
        """

    def drop(self, record: Record) -> None:
        """Forget the record of the same two, if any, at once and whatever the disk says.

        What is taken back is never refused: where it cannot be written, that is done later.
        """

    def note(self, record: Watching) -> None:
        """Take dialog, expiry and what is shown of a record that is there, and nothing else.

        Raises nothing.
        """


Ends: TypeAlias = tuple[str, str]
"""XMPP user and SIP user."""


class Memory:
    """Subscriptions that end with the process; what outlives it builds on this."""

    def __init__(
        self,
        most: int = MOST,
        most_a_user: int = MOST_A_USER,
        most_a_domain: int = MOST_A_DOMAIN,
    ) -> None:
        """Have room for `most` records of each kind, and so many of one user, and one domain."""
        self._most = most
        self._most_a_domain = most_a_domain
        self._most_a_user = most_a_user
        self._watching: dict[Ends, Watching] = {}
        self._watched: dict[Ends, Watched] = {}
        self._of_user: Counter[tuple[type[Record], str]] = Counter()
        self._of_domain: Counter[tuple[type[Record], str]] = Counter()

    def watching(self) -> Iterator[Watching]:
        """Return every XMPP user's, as they are now."""
        return iter(list(self._watching.values()))

    def watched(self) -> Iterator[Watched]:
        """Return every SIP user's, as they are now."""
        return iter(list(self._watched.values()))

    def find_watching(self, watcher: str, contact: str) -> Watching | None:
        """Return what an XMPP user has of a SIP user."""
        return self._watching.get((watcher, contact))

    def find_watched(self, contact: str, watcher: str) -> Watched | None:
        """Return what a SIP user has of an XMPP user."""
        return self._watched.get((contact, watcher))

    def keep(self, record: Record) -> None:
        """Keep a record in place of the one of the same two; raises Full."""
        if self._known(record) is None:
            self._check_room(record)
        self._put(record)

    def drop(self, record: Record) -> None:
        """Forget the record of the same two, if any."""
        self._take(record)

    def note(self, record: Watching) -> None:
        """Take dialog, expiry and what is shown of a record that is there."""
        known = self.find_watching(record.watcher, record.contact)
        if known is not None:
            self._put(noted(known, record))

    def describe(self) -> dict[str, int]:
        """Return how many records there are."""
        return {"watching": len(self._watching), "watched": len(self._watched)}

    def _known(self, record: Record) -> Record | None:
        if isinstance(record, Watching):
            return self._watching.get((record.watcher, record.contact))
        return self._watched.get((record.contact, record.watcher))

    def _check_room(self, record: Record) -> None:
        kind = type(record)
        table = self._watching if kind is Watching else self._watched
        if len(table) >= self._most:
            raise Full(f"there are {len(table)} subscriptions, which is as many as may be")
        many = self._of_domain[_domain(record)] >= self._most_a_domain
        if many and len(table) >= self._most // 2:
            raise Full(f"{_domain(record)[1]} has {self._most_a_domain} subscriptions or more")
        for user in (record.watcher, record.contact):
            if self._of_user[kind, user] >= self._most_a_user:
                raise Full(f"{user} has {self._most_a_user} subscriptions, as many as one may")

    def _put(self, record: Record) -> None:
        if self._known(record) is None:
            self._of_user.update(_users(record))
            self._of_domain[_domain(record)] += 1
        if isinstance(record, Watching):
            self._watching[record.watcher, record.contact] = record
        else:
            self._watched[record.contact, record.watcher] = record

    def _take(self, record: Record) -> None:
        if self._known(record) is None:
            return
        _subtract(self._of_user, *_users(record))
        _subtract(self._of_domain, _domain(record))
        if isinstance(record, Watching):
            del self._watching[record.watcher, record.contact]
        else:
            del self._watched[record.contact, record.watcher]


def _users(record: Record) -> list[tuple[type[Record], str]]:
    return [(type(record), record.watcher), (type(record), record.contact)]


def _domain(record: Record) -> tuple[type[Record], str]:
    return type(record), record.watcher.rpartition("@")[2]


def _subtract(counts: Counter[tuple[type[Record], str]], *keys: tuple[type[Record], str]) -> None:
    for each in keys:
        counts[each] -= 1
        if not counts[each]:
            del counts[each]


def noted(known: Watching, record: Watching) -> Watching:
    """Return a record with what is noted in another of the same two."""
    return replace(known, dialog=record.dialog, expires=record.expires, shown=record.shown)


def kept_names(resources: Iterable[str]) -> tuple[str, ...]:
    """Return of the names of resources those that are kept, each once."""
    found: list[str] = []
    room = LONGEST_SHOWN
    for each in dict.fromkeys(resources):
        room -= len(each.encode()) + 1
        if room >= 0 and len(found) < MOST_SHOWN:
            found.append(each)
    return tuple(found)
