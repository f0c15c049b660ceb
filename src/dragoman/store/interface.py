"""What is kept of messages that crossed: under which identifiers they are known on either side."""

from dataclasses import dataclass
from enum import Flag
from typing import Final, Protocol


class Disposition(Flag):
    """What the sender of a message asks to be told, or was told (RFC 5438 §5).

    The numbers are those in databases: they never change.
    """

    DELIVERED = 1
    FAILED = 2
    DISPLAYED = 4


NOTHING: Final = Disposition(0)

AGE: Final = 7 * 86_400.0
"""Seconds that a message is remembered at most."""
MOST_A_PEER: Final = 10_000
"""Messages to or from one SIP user."""
MOST_OPEN: Final = 100
"""Messages of one talk that one marker covers."""
MOST_CHARACTERS: Final = 2048
"""Of all the names of one message; one that has more is not remembered."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """One message that crossed, and what it is called on either side."""

    user: str
    """Bare JID of the XMPP user."""
    peer: str
    """Bare JID of the SIP user."""
    stanza_id: str
    message_id: str
    """imdn.Message-ID (RFC 5438 §6.3), "" for none."""
    inward: bool
    """Whether it came from SIP."""
    asked: Disposition
    """What its sender wants to be told."""
    told: Disposition = NOTHING
    reply_to: str = ""
    """Where word of it goes: the SIP URI that it is from, or the full JID."""
    route: tuple[str, ...] = ()
    """IMDN-Record-Route: the URIs that word of it passes, topmost first (§6.5)."""
    origin_id: str = ""
    """XEP-0359 origin-id, "" for none."""
    sent: float = 0.0
    """Seconds since 1970."""
    original_to: str = ""
    """The URI that it was for: Original-To (§6.4), or else its To; "" where that is not kept."""
    number: int = 0
    """Its place among all, which the store gives."""


def fits(crossed: Crossed) -> bool:
    """Tell whether the names of a message are short enough to be kept."""
    names = (crossed.user, crossed.peer, crossed.stanza_id, crossed.message_id, crossed.origin_id)
    more = (crossed.reply_to, crossed.original_to, *crossed.route)
    return sum(map(len, names)) + sum(map(len, more)) <= MOST_CHARACTERS


class Identifiers(Protocol):
    """The messages that crossed lately: bounded in number, age and length.

    All of it is quick enough for an event loop, and nothing is raised.
    """

    def add(self, crossed: Crossed) -> None:
        """Remember a message."""

    def remove(self, crossed: Crossed) -> None:
        """Forget a message, which did not cross after all."""

    def by_stanza(self, user: str, peer: str, stanza_id: str, *, inward: bool) -> Crossed | None:
        """Return the message with that stanza id between the two."""

    def by_message(self, peer: str, message_id: str, *, inward: bool) -> Crossed | None:
        """Return the message with that Message-ID to or from a SIP user."""

    def by_origin(self, user: str, peer: str, origin_id: str) -> Crossed | None:
        """Return the message of an XMPP user with that origin-id."""

    def tell(self, crossed: Crossed, disposition: Disposition) -> bool:
        """Note that its sender is told this; False when he was told, or may not be any more.

        He is told each at most once, and no failure after a delivery or the other way round
        (RFC 5438 §7.2.1).
        """

    def open_before(self, crossed: Crossed) -> list[Crossed]:
        """Return earlier messages from SIP, oldest first, whose display is asked and not told."""
