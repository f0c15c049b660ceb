"""POSH documents: what they say, and what is none (RFC 7711 §3)."""

import json
from base64 import b64encode
from hashlib import sha256, sha512
from typing import Any

import pytest

from dragoman.errors import RemoteError
from dragoman.xmpp.posh import (
    _TOKENS,
    DEEPEST,
    LARGEST,
    MOST,
    Fingerprints,
    Reference,
    address_of,
    check_url,
    document,
    parse,
)

ONE, OTHER = b"one certificate", b"another certificate"


def digest(name: str, certificate: bytes) -> str:
    made = {"sha-256": sha256, "sha-512": sha512}[name](certificate)
    return b64encode(made.digest()).decode()


def shown(*descriptors: dict[str, Any], expires: Any = 604800) -> bytes:
    return json.dumps({"fingerprints": descriptors, "expires": expires}).encode()


def listed(data: bytes) -> list[bool]:
    found = parse(data)
    assert isinstance(found, Fingerprints)
    return [found.lists(ONE), found.lists(OTHER)]


ONE_256, ONE_512 = digest("sha-256", ONE), digest("sha-512", ONE)
OTHER_256 = digest("sha-256", OTHER)


@pytest.mark.parametrize(
    ("descriptors", "expected"),
    [
        ([{"sha-256": ONE_256}], [True, False]),
        ([{"sha-512": ONE_512}], [True, False]),
        ([{"sha-256": ONE_256, "sha-512": ONE_512}], [True, False]),
        ([{"sha-256": OTHER_256}, {"sha-256": ONE_256}], [True, True]),
        # every digest of a descriptor is of the same certificate
        ([{"sha-256": OTHER_256, "sha-512": ONE_512}], [False, False]),
        # what is not known is passed over, and alone lists nothing
        ([{"sha-1": "x", "sha-256": ONE_256}], [True, False]),
        ([{"md5": "x"}], [False, False]),
        ([{}], [False, False]),
    ],
)
def test_which_certificates_are_listed(
    descriptors: list[dict[str, str]], expected: list[bool]
) -> None:
    assert listed(shown(*descriptors)) == expected


def test_a_document_of_ours_lists_what_it_was_made_of() -> None:
    assert listed(document([ONE], 86400).encode()) == [True, False]
    assert listed(document([ONE, OTHER], 86400).encode()) == [True, True]
    assert parse(document([ONE], 86400).encode()).expires == 86400


def test_a_reference() -> None:
    url = "https://hosting.example.net/.well-known/posh/xmpp-server.json"
    found = parse(json.dumps({"url": url, "expires": 86400}).encode())
    assert found == Reference(url, 86400)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b"1",
        b"{}",
        b'{"expires": 1}',
        b'{"expires": 1, "url": 7}',
        b'{"expires": NaN, "fingerprints": []}',
        shown(),
        b'{"expires": 1, "fingerprints": {}}',
        b'{"expires": 1, "fingerprints": ["x"]}',
        shown({"sha-256": "AAAA"}),
        shown({"sha-256": ONE_512}),
        shown({"sha-256": "*" + ONE_256}),
        shown({"sha-256": 1}),
        *(shown({"sha-256": ONE_256}, expires=each) for each in (0, -1, None, "1", True, 1.5)),
        json.dumps({"fingerprints": [{"sha-256": ONE_256}]}).encode(),
        b'{"expires": ' + b"9" * 5000 + b', "fingerprints": []}',
    ],
)
def test_what_is_no_document(data: bytes) -> None:
    with pytest.raises(RemoteError):
        parse(data)


def test_size_and_depth_are_bounded() -> None:
    fine = shown({"sha-256": ONE_256})
    assert isinstance(parse(fine + b" " * (LARGEST - len(fine))), Fingerprints)
    with pytest.raises(RemoteError, match="no more than 65536 bytes"):
        parse(fine + b" " * (LARGEST - len(fine) + 1))
    with pytest.raises(RemoteError, match="deep"):
        parse(b"[" * 60000)
    nested = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse(fine[:-1] + f', "more": {nested}}}'.encode()) == parse(fine)
    with pytest.raises(RemoteError, match="deep"):
        parse(fine[:-1] + f', "more": [{nested}]}}'.encode())
    # brackets in a text are text
    assert parse(fine[:-1] + b', "more": "' + b"[{" * 50 + b'\\""}') == parse(fine)


def test_certificates_are_bounded() -> None:
    many = [{"sha-256": OTHER_256}] * MOST
    assert listed(shown(*many[1:], {"sha-256": ONE_256})) == [True, True]
    assert listed(shown(*many, {"sha-256": ONE_256})) == [False, True]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://a.example/x", True),
        ("https://a.example:8443/x?y=z", True),
        ("HTTPS://A.Example/x", True),
        ("http://a.example/x", False),
        ("ftp://a.example/x", False),
        ("//a.example/x", False),
        ("/x", False),
        ("", False),
        ("https:///x", False),
        ("https://localhost/x", False),
        ("https://127.0.0.1/x", False),
        ("https://127.1/x", False),
        ("https://a.0x7f/x", False),
        ("https://2130706433/x", False),
        ("https://[::1]/x", False),
        ("https://[::1/x", False),
        ("https://user@a.example/x", False),
        ("https://user:secret@a.example/x", False),
        ("https://a.example:0x1/x", False),
        ("https://a.example:99999/x", False),
        ("https://a.example/x y", False),
        ("https://a.example/\r\nHost: b", False),
        ("https://b\u00fccher.example/x", False),
        ("https://a.example/" + "x" * 3000, False),
    ],
)
def test_addresses_that_may_be_asked(url: str, fine: bool) -> None:
    if fine:
        assert check_url(url) == url
        return
    with pytest.raises(RemoteError):
        check_url(url)


def test_where_a_domains_document_lies() -> None:
    path = "/.well-known/posh/xmpp-server.json"
    assert address_of("a.example") == f"https://a.example{path}"
    assert address_of("a.example", 8443) == f"https://a.example:8443{path}"
    for odd in ("192.0.2.1", "::1", "localhost", "", "a..example", "a.example/x", "a.example:1"):
        with pytest.raises(RemoteError):
            address_of(odd)


def test_a_string_that_never_ends_is_taken_whole() -> None:
    """Else its end would be looked for from each of its quotes: 10 s for 64 KiB of them."""
    endless = b'"' + b'\\"' * 1000
    assert _TOKENS.findall(b"{" + endless) == [b"{", endless]
    with pytest.raises(RemoteError, match="not JSON"):
        parse(b"{" + endless)
