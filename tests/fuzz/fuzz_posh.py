"""Fuzz target: a POSH document is refused, or says what it lists and where (RFC 7711)."""

from dragoman.errors import RemoteError
from dragoman.xmpp.posh import Fingerprints, check_url, document, parse

SEEDS = (
    document([b"certificate"], 86400).encode(),
    document([b"one", b"two"], 604800).encode(),
    b'{"fingerprints": [{"sha-256": "AAAA"}], "expires": 9}',
    b'{"url": "https://hosting.example.net/.well-known/posh/xmpp-server.json", "expires": 86400}',
    b'{"a": [[[[{"b": "\\u0000\\"]"}]]]], "expires": 1e9}',
)


def one_input(data: bytes) -> None:
    try:
        found = parse(data)
    except RemoteError:
        return
    assert found.expires > 0
    if isinstance(found, Fingerprints):
        assert all(each for each in found.digests)
        assert not found.lists(b"something else")
    else:
        assert check_url(found.url).lower().startswith("https://")


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
