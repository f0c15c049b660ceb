"""How an XMPP user and the SIP user whom he watches stand (RFC 8048 §5.2)."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from dragoman.mapping.presence import Presence
from dragoman.store.subscriptions import Watching
from dragoman.xmpp.failure import StanzaError

Key: TypeAlias = tuple[str, ...]
"""Watcher and contact, both bare; of a question also the full JID that asked."""


class Stand(Enum):
    """How a pair stands, beside whether it is authorized."""

    PENDING = "pending"
    """There is a dialog, or will be; the contact has not let himself be seen in it."""
    ACTIVE = "active"
    """The contact is seen."""
    WAITING = "waiting"
    """There is no dialog: the watcher is not there, or the contact cannot be asked now."""


@dataclass(slots=True)
class Authorization:
    """An XMPP user and a SIP user whom he watches, or wants to."""

    record: Watching
    stand: Stand = Stand.WAITING
    shown: tuple[Presence, ...] = ()
    known: bool = False
    """Whether `shown` is what the contact said, and not only that he said nothing."""
    ghosts: tuple[str, ...] = ()
    """Resources that an earlier process showed as available: gone, unless a document has them."""
    stored: bool = False
    """Whether it is as an earlier process left it, with the dialog in its record."""
    weight: int = 0
    """Octets of memory that `shown` takes."""
    asked: str | None = None
    """The id of a `subscribe` whose sender waits for word."""
    confirmed: bool = False
    """Whether `subscribed` was sent since the start: one may have got lost when we ended."""
    probed: bool = False
    invariant: bool = False
    began: float = float("-inf")
    """When its dialog was asked for."""
    active_since: float | None = None
    """When the contact was first seen in it."""
    short: int = 0
    """How many dialogs in a row the far end has ended early."""
    failures: int = 0
    """How many attempts in a row came to nothing."""
    error: StanzaError | None = None
    """What was told of the last of them."""

    @property
    def key(self) -> Key:
        """What the subscriber knows it by."""
        return self.record.watcher, self.record.contact

    @property
    def question(self) -> Key:
        """What questions of it are counted by."""
        return self.record.watcher, self.record.contact, ""
