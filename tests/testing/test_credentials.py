"""Certificates made on the spot, and what the TLS contexts made of them let through."""

import ssl

import pytest

from dragoman.testing.credentials import Credentials, contexts, names_in, self_signed

SERVER, CLIENT = self_signed("b.test", "*.b.test"), self_signed("a.test")
BOTH = SERVER.certificate + CLIENT.certificate


def shake(server_trust: bytes, client_trust: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that the server and the client saw, after a handshake in memory."""
    accepting, _ = contexts(SERVER, server_trust)
    _, connecting = contexts(CLIENT, client_trust)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = connecting.wrap_bio(down, up, server_hostname="b.test")
    server = accepting.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return names_in(server), names_in(client)


@pytest.mark.parametrize(
    ("server_trust", "client_trust", "seen_by_server", "seen_by_client"),
    [
        (b"", b"", set(), set()),
        (BOTH, b"", {"a.test"}, set()),
        (b"", BOTH, set(), {"b.test", "*.b.test"}),
        (BOTH, BOTH, {"a.test"}, {"b.test", "*.b.test"}),
    ],
)
def test_names_are_seen_by_who_trusts(
    server_trust: bytes,
    client_trust: bytes,
    seen_by_server: set[str],
    seen_by_client: set[str],
) -> None:
    seen = shake(server_trust, client_trust)
    assert seen == (frozenset(seen_by_server), frozenset(seen_by_client))


@pytest.mark.parametrize(
    ("server_trust", "client_trust"), [(SERVER.certificate, b""), (b"", CLIENT.certificate)]
)
def test_who_is_not_trusted_does_not_get_in(server_trust: bytes, client_trust: bytes) -> None:
    with pytest.raises(ssl.SSLError):
        shake(server_trust, client_trust)


def test_no_tls_has_no_names() -> None:
    assert names_in(None) == frozenset()


def test_credentials_hold_pem() -> None:
    made = self_signed("a.test")
    assert made != self_signed("a.test")
    assert made.certificate.startswith(b"-----BEGIN CERTIFICATE-----")
    assert made.key.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert Credentials(made.certificate, made.key) == made
