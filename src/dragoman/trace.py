"""The one tap: every SIP message and stanza, in and out, with the exchange that it belongs to.

Two messages of one exchange (a MESSAGE, the stanza made of it, the answers to both) share an
identifier.  The tap costs one look at `readers` while nobody reads.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final

REMEMBERED: Final = 4096
"""How many keys (Call-IDs, stanza ids) the tap keeps for joining messages to exchanges."""


class Protocol(StrEnum):
    """Which side of the gateway a message was seen on."""

    SIP = "sip"
    XMPP = "xmpp"


class Direction(StrEnum):
    """Whether the gateway received the message or sent it."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Seen:
    """One message as it crossed the wire: `text` is whole, with passwords masked."""

    at: float
    exchange: str
    protocol: Protocol
    direction: Direction
    peer: str
    text: str


Reader = Callable[[Seen], None]


class Tap:
    """Shows what passes to any number of readers, and names the exchanges.

    `clock` gives seconds since the epoch; `prefix` tells the exchanges of one process from
    those of another.
    """

    def __init__(self, clock: Callable[[], float], prefix: str = "") -> None:
        """Start with no reader."""
        self.readers: list[Reader] = []
        self._clock = clock
        self._prefix = prefix
        self._numbers = count(1)
        self._exchanges: OrderedDict[str, str] = OrderedDict()

    def exchange(self, key: str) -> str:
        """Return the exchange that `key` was seen in, or a new one.

        `key` is anything that both a message and what answers it bear: a Call-ID, or the two
        addresses and the id of a stanza.  It is remembered only while somebody reads.
        """
        found = self._exchanges.get(key)
        if found is None:
            found = f"{self._prefix}{next(self._numbers):x}"
            self.join(found, key)
        return found

    def join(self, exchange: str, key: str) -> None:
        """Count what bears `key` among `exchange` from now on."""
        if not self.readers:
            return
        self._exchanges[key] = exchange
        if len(self._exchanges) > REMEMBERED:
            self._exchanges.popitem(last=False)

    def saw(self, protocol: Protocol, direction: Direction, peer: str, key: str, text: str) -> None:
        """Show a message to every reader; call it only while there are `readers`."""
        seen = Seen(self._clock(), self.exchange(key), protocol, direction, peer, text)
        for read in tuple(self.readers):
            read(seen)


def of_sip(call_id: str, cseq: str, from_: str) -> str:
    """Return the key that a SIP request and its responses share, of their headers as written.

    A Call-ID alone will not do: the messages of one thread have it in common.
    """
    return f"sip {call_id} {cseq} {from_}"
