"""Stores for tests, and messages to keep in them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dragoman.store.interface import Crossed, Disposition, Identifiers
from dragoman.store.memory import Memory
from dragoman.store.sqlite import Bounds, Sqlite

USER: Final = "alice@xmpp.example"
PEER: Final = "carol@sip.example"
NOW: Final = 1_795_000_000.0

PLAIN: Final = Crossed(
    user=USER,
    peer=PEER,
    stanza_id="s1",
    message_id="m1",
    inward=True,
    asked=Disposition.DELIVERED | Disposition.FAILED | Disposition.DISPLAYED,
    reply_to=f"sip:{PEER};gr=phone",
    route=("sip:list@relay.example", f"sip:{PEER}"),
    sent=NOW,
    original_to=f"sip:{USER}",
)


def crossed(number: int, /, **changes: Any) -> Crossed:
    """Return a message of its own."""
    return replace(PLAIN, **{"stanza_id": f"s{number}", "message_id": f"m{number}"} | changes)


def outward(number: int, /, **changes: Any) -> Crossed:
    """Return one of the XMPP user's."""
    names = {"inward": False, "origin_id": f"o{number}", "reply_to": f"{USER}/balcony"}
    return crossed(number, **names | changes)


def wall() -> float:
    return NOW


class Flushed(Sqlite):
    """A database that is asked about everything: memory has room for one message."""

    def __init__(self, path: Path, bounds: Bounds | None = None) -> None:
        found = bounds or Bounds()
        super().__init__(path, wall, replace(found, recent=1, counted=1))

    def by_stanza(self, user: str, peer: str, stanza_id: str, *, inward: bool) -> Crossed | None:
        self.flush()
        return super().by_stanza(user, peer, stanza_id, inward=inward)

    def by_message(self, peer: str, message_id: str, *, inward: bool) -> Crossed | None:
        self.flush()
        return super().by_message(peer, message_id, inward=inward)

    def by_origin(self, user: str, peer: str, origin_id: str) -> Crossed | None:
        self.flush()
        return super().by_origin(user, peer, origin_id)


def memory(_: Path, a_peer: int) -> Identifiers:
    return Memory(most_a_peer=a_peer)


def database(folder: Path, a_peer: int) -> Identifiers:
    return Sqlite(folder / "dragoman.db", wall, Bounds(a_peer=a_peer, counted=1))


def small_memory(folder: Path, a_peer: int) -> Identifiers:
    return Flushed(folder / "dragoman.db", Bounds(a_peer=a_peer))


STORES: Final[dict[str, Callable[[Path, int], Identifiers]]] = {
    "memory": memory,
    "database": database,
    "database with small memory": small_memory,
}
