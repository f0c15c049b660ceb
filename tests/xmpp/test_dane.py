"""Which certificate a TLSA record is of (RFC 6698 §2.1, §4.1), and which records say nothing."""

from collections.abc import Iterator
from hashlib import sha256, sha512

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dragoman.errors import RemoteError
from dragoman.records import Tlsa
from dragoman.xmpp.dane import (
    MATCHINGS,
    MOST,
    SELECTORS,
    Associations,
    Usage,
    matches,
    public_key,
    question_of,
    usable,
)
from tests.net.authority import Issued, issue

ONE, OTHER = issue("one", names=["far.example"]), issue("other", names=["far.example"])


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


def key_of(issued: Issued) -> bytes:
    return issued.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def record(issued: Issued, usage: int = 3, selector: int = 0, matching: int = 1) -> Tlsa:
    """Return the record that an operator publishes, made by what the standard says."""
    part = key_of(issued) if selector else der(issued)
    data = {0: part, 1: sha256(part).digest(), 2: sha512(part).digest()}[matching]
    return Tlsa(usage, selector, matching, data)


@pytest.mark.spec("NET-40")
@pytest.mark.parametrize("selector", [0, 1], ids=["certificate", "key"])
@pytest.mark.parametrize("matching", [0, 1, 2], ids=["whole", "SHA-256", "SHA-512"])
def test_a_record_is_of_one_certificate(selector: int, matching: int) -> None:
    one = record(ONE, selector=selector, matching=matching)
    assert usable([one]) == (one,)
    assert matches(one, der(ONE))
    assert not matches(one, der(OTHER))


def test_every_selector_and_matching_of_the_standard_is_known() -> None:
    assert (set(SELECTORS), set(MATCHINGS)) == ({0, 1}, {0, 1, 2})
    assert list(Usage) == [0, 1, 2, 3]


@pytest.mark.spec("NET-40")
def test_records_are_asked_for_by_usage() -> None:
    listed = (record(ONE, Usage.DANE_EE), record(OTHER, Usage.DANE_TA))
    found = Associations("far.example", "host.example", listed)
    assert [found.lists(usage, der(ONE)) for usage in Usage] == [False, False, False, True]
    assert [found.lists(usage, der(OTHER)) for usage in Usage] == [False, False, True, False]
    assert found.names == ("far.example", "host.example")


@pytest.mark.parametrize(
    "unusable",
    [
        Tlsa(4, 0, 1, bytes(32)),
        Tlsa(255, 0, 1, bytes(32)),
        Tlsa(3, 2, 1, bytes(32)),
        Tlsa(3, 0, 3, bytes(32)),
        Tlsa(3, 0, 1, bytes(31)),
        Tlsa(3, 0, 2, bytes(32)),
        Tlsa(3, 0, 1, b""),
        Tlsa(3, 0, 0, b""),
    ],
    ids=str,
)
def test_a_record_that_says_nothing_to_us_does_not_exist(unusable: Tlsa) -> None:
    good = record(ONE)
    assert usable([unusable]) == ()
    assert usable([unusable, good, unusable]) == (good,)


def test_only_so_many_records_are_looked_at() -> None:
    assert len(usable([record(ONE)] * (MOST + 5))) == MOST


def test_where_the_records_of_a_server_are() -> None:
    """The example of RFC 7673 §3.3."""
    assert question_of("imap.example.net.", 9143) == "_9143._tcp.imap.example.net"


def pieces(data: bytes) -> Iterator[bytes]:
    yield from (data[:length] for length in range(0, len(data), 7))


def test_the_key_is_that_in_the_certificate_to_the_byte() -> None:
    assert public_key(der(ONE)) == key_of(ONE)
    plain = der(ONE)
    at = plain.index(b"\xa0\x03\x02\x01\x02")
    older = bytearray(plain[:at] + plain[at + 5 :])  # of version 1, which is not written
    older[2:4] = (int.from_bytes(older[2:4], "big") - 5).to_bytes(2, "big")
    older[6:8] = (int.from_bytes(older[6:8], "big") - 5).to_bytes(2, "big")
    assert public_key(bytes(older)) == key_of(ONE)


@pytest.mark.parametrize(
    "data",
    [b"", b"0", b"0\x00", b"0\x80", b"0\x85" + bytes(9), b"0\x84\xff\xff\xff\xff" + bytes(9)],
)
def test_what_is_no_certificate_has_no_key_and_is_listed_nowhere(data: bytes) -> None:
    with pytest.raises(RemoteError):
        public_key(data)
    assert not matches(record(ONE, selector=1), data)


def test_a_certificate_that_is_cut_off_has_no_key() -> None:
    whole = der(ONE)
    for data in pieces(whole):
        with pytest.raises(RemoteError):
            public_key(data)
