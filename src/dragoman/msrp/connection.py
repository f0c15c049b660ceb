"""One TCP, TLS or WebSocket connection and the sessions on it (RFC 4975 §5.4, RFC 7977 §5)."""

from dataclasses import dataclass
from typing import Protocol

from dragoman.msrp.uri import Transport

BUDGET = 65_536


class PeerIdentity(Protocol):
    """Who the certificate of the peer says that it is."""

    @property
    def shown(self) -> bool:
        """Whether there is a certificate at all."""

    def vouches(self, domain: str) -> bool:
        """Tell whether the certificate is trusted and names `domain`, a host or address."""

    def matches(self, fingerprint: str) -> bool:
        """Tell whether it has this fingerprint: "sha-256 AB:CD..." (RFC 8122 §5)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect; `host` is a name or an address, `name` what the certificate is to name."""

    transport: Transport
    host: str
    port: int
    name: str


class Connection:
    """What the driver lends a socket to; made by `Endpoint.accepted` or told by `ConnectWanted`.

    It reads no more than `reading` lets it, and asks for no more than the socket takes: what waits
    waits here, in the messages themselves.
    """

    transport: Transport
    target: Target | None
    """Where we dial; None where the peer did."""

    @property
    def reading(self) -> bool:
        """Whether the driver should read: look again after each turn."""
        raise NotImplementedError

    @property
    def has_output(self) -> bool:
        """Whether `to_send` would give something."""
        raise NotImplementedError

    def opened(self, now: float) -> None:
        """Learn that the dialled connection is there; on TLS `secured` follows."""
        raise NotImplementedError

    def secured(self, peer: PeerIdentity, now: float) -> None:
        """Learn that TLS is complete, and with whom; sessions with a stranger fail."""
        raise NotImplementedError

    def receive(self, data: bytes, now: float) -> None:
        """Take what the peer sent: any piece of the stream, or one whole WebSocket message."""
        raise NotImplementedError

    def to_send(self, now: float, budget: int = BUDGET) -> list[bytes]:
        """Return what is to be written next, some `budget` octets at most; [] is nothing.

        On WebSocket each item is one message. The 30 seconds of a transaction count from here.
        Call it when the socket can take more, as long as it gives something.
        """
        raise NotImplementedError

    def closed(self, now: float, reason: str = "") -> None:
        """Learn that the connection is gone, or could not be made; its sessions have failed."""
        raise NotImplementedError

    def on_timer(self, now: float) -> None:
        """Do nothing: `Endpoint.on_timer` does it for all. It is here for `net.driver.Core`."""

    def next_timer(self) -> float | None:
        """Return None: see `Endpoint.next_timer`."""
        return None
