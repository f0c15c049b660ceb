"""STUN: the vectors of RFC 5769, what is refused, and what is never said."""

import pytest

from dragoman.errors import RemoteError
from dragoman.sip.stun import (
    BINDING,
    FAILURE,
    FIRST,
    REQUEST,
    SUCCESS,
    UNKNOWN_ATTRIBUTES,
    XOR_MAPPED_ADDRESS,
    Stun,
    answer,
)

ID = bytes.fromhex("b7e7a701bc34d686fa87dfae")
PLAIN = bytes(Stun(REQUEST, BINDING, ID))
MARKED = bytes(Stun(REQUEST, BINDING, ID, marked=True))
# RFC 5769 §2.1
SAMPLE = bytes.fromhex(
    "00010058 2112a442 b7e7a701bc34d686fa87dfae"
    "80220010 5354554e207465737420636c69656e74"
    "00240004 6e0001ff 80290008 932ff9b151263b36"
    "00060009 6576746a3a68367659202020"
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf"
)


def test_the_sample_request_of_rfc_5769() -> None:
    found = Stun.parse(SAMPLE)
    assert (found.kind, found.method, found.transaction) == (REQUEST, BINDING, ID)
    assert found.marked
    assert found.attributes[3] == (0x0006, b"evtj:h6vY")
    assert SAMPLE < FIRST


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (("192.0.2.1", 32853), "0001a147e112a643"),
        (
            ("2001:db8:1234:5678:11:2233:4455:6677", 32853),
            "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
        ),
        (("fe80::1%eth0", 0), "00022112df92a442b7e7a701bc34d686fa87dfaf"),
    ],
)
def test_the_mapped_address_of_rfc_5769(source: tuple[str, int], value: str) -> None:
    data = answer(PLAIN, source)
    assert data is not None
    found = Stun.parse(data)
    assert found == Stun(
        SUCCESS, BINDING, ID, ((XOR_MAPPED_ADDRESS, bytes.fromhex(value)),), marked=False
    )
    assert data[:4] == bytes.fromhex("0101") + (len(data) - 20).to_bytes(2, "big")


def test_a_fingerprint_is_answered_with_one() -> None:
    data = answer(MARKED, ("192.0.2.1", 5060))
    assert data is not None
    assert Stun.parse(data).marked


def test_what_must_be_understood_and_is_not_is_named() -> None:
    data = answer(SAMPLE, ("192.0.2.1", 5060))
    assert data is not None
    found = Stun.parse(data)
    assert (found.kind, found.marked) == (FAILURE, True)
    assert found.attributes == (
        (0x0009, bytes([0, 0, 4, 20])),
        (UNKNOWN_ATTRIBUTES, bytes([0, 0x24])),
    )


def test_each_unknown_attribute_is_named_once() -> None:
    several = ((3, b"\0\0\0\6"), (3, b""), (0x7FFF, b"x"), (0x8000, b"passed over"))
    data = answer(bytes(Stun(REQUEST, BINDING, ID, several)), ("192.0.2.1", 5060))
    assert data is not None
    assert Stun.parse(data).attributes[1] == (UNKNOWN_ATTRIBUTES, b"\0\3\x7f\xff")


@pytest.mark.parametrize("count", [0, 1, 2, 300])
@pytest.mark.parametrize("marked", [False, True])
def test_an_answer_is_at_most_an_address_longer(count: int, marked: bool) -> None:
    unknown = tuple((0x4000 + number, b"") for number in range(count))
    request = bytes(Stun(REQUEST, BINDING, ID, unknown, marked))
    for source, longest in (("192.0.2.1", 12), ("2001:db8::1", 24)):
        data = answer(request, (source, 5060))
        assert data is not None
        assert len(data) <= len(request) + longest


def test_what_fits_into_no_packet_is_not_read() -> None:
    largest = bytes(Stun(REQUEST, BINDING, ID, ((0x8022, bytes(1476)),)))
    assert answer(largest, ("192.0.2.1", 5060)) is not None
    larger = bytes(Stun(REQUEST, BINDING, ID, ((0x8022, bytes(1480)),)))
    assert (len(largest), len(larger)) == (1500, 1504)
    assert answer(larger, ("192.0.2.1", 5060)) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        PLAIN[:19],
        PLAIN + b"\0",
        PLAIN.replace(b"\x21\x12\xa4\x42", b"\x21\x12\xa4\x43"),
        b"\x40" + PLAIN[1:],
        b"\0\1\0\4" + PLAIN[4:] + b"\x80\x22\0\1",
        b"\0\1\0\2" + PLAIN[4:] + b"\0\0",
        MARKED[:-1] + b"\0",
        b"\0\1\0\x10" + MARKED[4:] + b"\x80\x22\0\4abcd",
    ],
    ids=[
        "empty",
        "one byte",
        "short",
        "trailing byte",
        "no cookie",
        "two high bits",
        "value cut",
        "length",
        "fingerprint",
        "after the fingerprint",
    ],
)
def test_what_is_not_stun_is_refused_and_not_answered(data: bytes) -> None:
    with pytest.raises(RemoteError):
        Stun.parse(data)
    assert answer(data, ("192.0.2.1", 5060)) is None


@pytest.mark.parametrize(("kind", "method"), [(0x010, BINDING), (SUCCESS, BINDING), (REQUEST, 3)])
def test_indications_responses_and_other_methods_get_no_answer(kind: int, method: int) -> None:
    assert answer(bytes(Stun(kind, method, ID)), ("192.0.2.1", 5060)) is None
