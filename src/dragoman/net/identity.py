"""Who the TLS peer of a SIP connection has proved to be (RFC 5922 §7), asked message by message."""

from typing import Final, final

from dragoman.net.tls import Peer
from dragoman.net.trust import a_label, sip_names

FRESH: Final = 60.0
"""Seconds that a verdict on a domain holds: the certificate may expire, authorities may change."""


@final
class Identity:
    """The peer of one connection.

    A domain that its certificate does not name costs one look-up, however many are claimed; one
    that it names is judged by path and dates, once a minute.
    """

    __slots__ = ("_known", "_peer", "names")

    def __init__(self, peer: Peer) -> None:
        """Read the names of the certificate; who showed none, or one that is broken, has none."""
        self._peer = peer
        self._known: dict[str, tuple[float, bool]] = {}
        try:
            self.names = sip_names(peer.chain[0]) if peer.chain else frozenset[str]()
        except ValueError:
            self.names = frozenset()

    def vouches(self, domain: str, now: float) -> bool:
        """Tell whether the certificate is good for `domain` at `now` (seconds of any clock)."""
        name = a_label(domain)
        if name not in self.names:
            return False
        until, good = self._known.get(name, (now, False))
        if now >= until:
            good = self._peer.vouches(name)
            self._known[name] = (now + FRESH, good)
        return good
