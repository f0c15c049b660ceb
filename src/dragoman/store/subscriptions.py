"""Who may see whose presence: what outlives a restart (RFC 8048 §5), behind one interface."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from dragoman.errors import LocalError


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
        """Forget the record of the same two, if any; raises Full."""

    def note(self, record: Watching) -> None:
        """Take the dialog of a record that is there; it may be written a little later."""
