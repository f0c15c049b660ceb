import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.media import rtp
from dragoman.media.rtp import Kind, MediaFormatError

NUMBERS = st.integers(0, 2**32 - 1)


def test_who_shares_the_port_of_rfc7983() -> None:
    found = [(first, rtp.kind(first)) for first in (0, 3, 4, 16, 20, 63, 64, 79, 80, 128, 191, 192)]
    assert [each for _, each in found] == [
        Kind.STUN, Kind.STUN, Kind.UNKNOWN, Kind.ZRTP, Kind.DTLS, Kind.DTLS, Kind.TURN, Kind.TURN,
        Kind.UNKNOWN, Kind.RTP, Kind.RTP, Kind.UNKNOWN,
    ]  # fmt: skip


def test_rtcp_is_told_from_rtp_by_its_type() -> None:
    for second in (0, 63, 96, 127, 128, 128 + 63, 224, 255):
        data = bytes([0x80, second]) + bytes(10)
        assert (rtp.is_rtp(data), rtp.is_rtcp(data)) == (True, False)
    for second in (192, 200, 206, 223, 72):
        data = bytes([0x80, second]) + bytes(10)
        assert (rtp.is_rtp(data), rtp.is_rtcp(data)) == (False, True)
    assert not rtp.is_rtp(b"\x80\x00") | rtp.is_rtcp(b"\x80\xc8") | rtp.is_rtp(b"\x40" + bytes(20))


@given(
    st.binary(max_size=50), st.integers(0, 127), NUMBERS, NUMBERS, NUMBERS, st.booleans(),
    st.lists(NUMBERS, max_size=15), st.integers(0, 255),
    st.dictionaries(st.integers(1, 14), st.binary(max_size=40), max_size=4),
)  # fmt: skip
def test_what_is_built_reads_alike(
    payload: bytes,
    number: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    marker: bool,
    sources: list[int],
    padding: int,
    extensions: dict[int, bytes],
) -> None:
    data = rtp.build(
        payload,
        payload_type=number,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        marker=marker,
        sources=sources,
        extensions=list(extensions.items()),
        padding=padding,
    )
    assert rtp.payload(data) == payload
    assert rtp.payload_length(data) == len(payload)
    assert (rtp.payload_type(data), rtp.sequence(data)) == (number, sequence & 0xFFFF)
    assert (rtp.timestamp(data), rtp.ssrc(data), rtp.marker(data)) == (timestamp, ssrc, marker)
    assert {each: rtp.extension(data, each) for each in extensions} == extensions
    assert rtp.extension(data, 0) is None
    changed = rtp.with_ssrc(rtp.with_payload_type(data, 99), 5)
    assert (rtp.payload_type(changed), rtp.ssrc(changed)) == (99, 5)
    assert rtp.marker(changed) is marker
    assert changed[2:8] + changed[12:] == data[2:8] + data[12:]


def test_extensions_of_rfc8285() -> None:
    # §4.2: one byte of L=0, then two of L=1 after padding, then four
    one = b"\xbe\xde\0\3\x10\xaa\x21\xbb\xcc\0\0\x33\xdd\xee\xff\x11"
    data = b"\x90" + bytes(11) + one
    assert [rtp.extension(data, each) for each in (1, 2, 3, 4)] == [
        b"\xaa", b"\xbb\xcc", b"\xdd\xee\xff\x11", None,
    ]  # fmt: skip
    stop = b"\x90" + bytes(11) + b"\xbe\xde\0\1\xf0\x10\xaa\0"
    assert rtp.extension(stop, 1) is None
    two = b"\x90" + bytes(11) + b"\x10\x05\0\2\1\0\2\1\xbb\0\x14\0"
    assert [rtp.extension(two, each) for each in (1, 2, 20)] == [b"", b"\xbb", b""]
    other = b"\x90" + bytes(11) + b"\x12\x34\0\1abcd"
    assert rtp.extension(other, 1) is None
    assert rtp.extension(bytes([0x80]) + bytes(20), 1) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" + bytes(10),
        b"\x40" + bytes(11),
        b"\x81" + bytes(11),
        b"\x90" + bytes(13),
        b"\x90" + bytes(11) + b"\xbe\xde\0\1abc",
    ],
)
def test_cut_headers_are_refused(data: bytes) -> None:
    with pytest.raises(MediaFormatError):
        rtp.header_length(data)


@pytest.mark.parametrize("tail", [b"", b"\0", b"ab\4"])
def test_absurd_padding_is_refused(tail: bytes) -> None:
    with pytest.raises(MediaFormatError):
        rtp.payload_length(b"\xa0" + bytes(11) + tail)


def test_cut_extensions_are_refused() -> None:
    for body in (b"\xbe\xde\0\1\x1faaa", b"\x10\0\0\1\1\xffaa", b"\x10\0\0\1\2\1a\1"):
        with pytest.raises(MediaFormatError):
            rtp.extension(b"\x90" + bytes(11) + body, 1)
