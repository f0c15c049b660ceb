"""Sessions of messages, as the configuration has them (RFC 4975, RFC 7573)."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256

from dragoman.app.config import Configuration
from dragoman.bridge.chat import Rules
from dragoman.bridge.settings import Msrp
from dragoman.bridge.ways import Policy
from dragoman.mapping.chat import ACCEPTED, WRAPPED
from dragoman.msrp import Endpoint, Terms, Transport
from dragoman.msrp.offer import Stance
from dragoman.net.certificates import Credentials
from dragoman.net.listen import Place

TRANSPORTS: Final = {"tcp": Transport.TCP, "tls": Transport.TLS, "wss": Transport.WS}
OUTSIDE: Final = "192.0.2.1"
"""An address that is nowhere, toward which packets go as they do toward the internet."""


def settings(
    configuration: Configuration,
    places: Mapping[Transport, tuple[str, int]],
    token: Callable[[], str],
    credentials: Callable[[str], Credentials],
) -> Msrp | None:
    """Return how sessions of messages are had; None where they are not listened for.

    `places` are where peers reach us, known when we listen; `credentials(host)` what is shown
    there.
    """
    schemes = {each.partition(":")[0] for each in configuration.msrp.listen}
    if not schemes:
        return None
    configured = configuration.msrp
    terms = Terms(ACCEPTED, WRAPPED, configured.max_size)

    def stance() -> Stance:
        place = places.get(Transport.TLS)
        return Stance(
            terms,
            plain=Transport.TCP in places,
            tls=place is not None or Transport.WS in places,
            cema=configured.cema,
            fingerprints=() if place is None else (_fingerprint(credentials(place[0])),),
        )

    return Msrp(
        Endpoint(places, token, sessmatch=configured.sessmatch),
        stance,
        Policy(configuration.message.sessions),
        Rules(configuration.message.session_idle, configuration.strict_7573),
    )


def public_host(
    configuration: Configuration, place: Place, local_toward: Callable[[str], str]
) -> str:
    """Return the host to name in paths for a place where we listen."""
    named = configuration.msrp.advertise or configuration.sip.advertise
    if named:
        return named
    return local_toward(OUTSIDE) if place.host == "*" else place.host


def dials(
    places: Mapping[Transport, tuple[str, int]], local_toward: Callable[[str], str]
) -> Callable[[str], bool]:
    """Return what tells whether a peer may have us connect to an address.

    Loopback, where we are reached there ourselves only; private networks, where we are in one. So
    nobody outside has us talk to what he cannot reach himself. Link-local addresses never.
    """

    def allowed(address: str) -> bool:
        there = ip_address(address)
        if there.is_global:
            return not there.is_multicast
        if there.is_link_local or there.is_multicast or there.is_unspecified:
            return False
        here = _our_address(places, local_toward)
        return here.is_loopback or (not here.is_global and not there.is_loopback)

    return allowed


def _our_address(
    places: Mapping[Transport, tuple[str, int]], local_toward: Callable[[str], str]
) -> IPv4Address | IPv6Address:
    """Return where peers reach us; where a name says so, what packets to the outside bear."""
    for host, _ in places.values():
        try:
            return ip_address(host)
        except ValueError:
            continue
    return ip_address(local_toward(OUTSIDE))


@lru_cache(16)
def _fingerprint(shown: Credentials) -> str:
    """Return the fingerprint of a certificate as SDP has it (RFC 8122 §5)."""
    return f"sha-256 {shown.chain[0].fingerprint(SHA256()).hex(':').upper()}"
