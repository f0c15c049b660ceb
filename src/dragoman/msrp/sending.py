"""Messages on their way out (RFC 4975 §7.1.1): chunks, fairness, what was confirmed of them."""

from collections.abc import Hashable
from typing import Protocol


class Source(Protocol):
    """A body that is fetched piece by piece as the connection takes it."""

    @property
    def size(self) -> int | None:
        """How many octets it has in all; None: not known before the end."""

    def read(self, limit: int) -> bytes | None:
        """Return the next octets, at most `limit`; b"" at the end; None: none yet, see `wake`."""


class Outgoing:
    """A message that was given to `Session.send`: the handle of the events about it."""

    message_id: str
    content_type: str
    size: int | None
    tag: Hashable

    @property
    def sent(self) -> int:
        """How many octets were handed to the driver."""
        raise NotImplementedError

    @property
    def reported(self) -> int:
        """How many octets success REPORTs cover."""
        raise NotImplementedError
