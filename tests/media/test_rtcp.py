import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.media import rtcp
from dragoman.media.rtcp import Block, Bye, Description, Other, Receiver, Sender
from dragoman.media.rtp import MediaFormatError

LONG = st.integers(0, 2**32 - 1)
BLOCKS = st.lists(
    st.builds(
        Block, LONG, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), LONG, LONG, LONG, LONG
    ),
    max_size=31,
).map(tuple)


@given(LONG, st.integers(0, 2**64 - 1), LONG, BLOCKS, st.binary(max_size=300))
def test_a_compound_reads_as_it_was_printed(
    ssrc: int, ntp: int, number: int, blocks: tuple[Block, ...], cname: bytes
) -> None:
    sender, receiver = Sender(ssrc, ntp, number, number, 7, blocks), Receiver(ssrc, blocks)
    data = (
        rtcp.sender_report(sender)
        + rtcp.receiver_report(receiver)
        + rtcp.description(ssrc, cname)
        + rtcp.bye([ssrc, 1])
    )
    said = Description(((ssrc, ((rtcp.CNAME, cname[:255]),)),))
    assert rtcp.parse(data) == [sender, receiver, said, Bye((ssrc, 1))]
    assert b"".join(rtcp.split(data)) == data


def test_feedback_is_read_in_reduced_size() -> None:
    assert rtcp.parse(rtcp.picture_loss(1, 2)) == [rtcp.PictureLoss(1, 2)]
    assert rtcp.parse(rtcp.full_intra(1, 2, 3)) == [rtcp.FullIntra(1, ((2, 3),))]
    nack = bytes.fromhex("81cd0003 00000001 00000002 fffe8005".replace(" ", ""))
    assert rtcp.parse(nack) == [rtcp.Nack(1, 2, (65534, 65535, 1, 14))]
    remb = bytes.fromhex("8fce0005000000010000000052454d4201 05 0001 00000007".replace(" ", ""))
    assert rtcp.parse(remb) == [rtcp.Estimate(1, 0x10001 << 1, (7,))]
    raw = bytes.fromhex("8fcd0003000000010000000200000000")
    assert rtcp.parse(raw) == [Other(rtcp.RTPFB, rtcp.TRANSPORT_CC, raw)]
    afb = bytes.fromhex("8fce000300000001000000000000000a")
    assert rtcp.parse(afb) == [Other(rtcp.PSFB, rtcp.AFB, afb)]


def test_descriptions_and_reasons() -> None:
    two = bytes.fromhex("82ca0005 00000001 01024142 00000000 00000002 0101 4300".replace(" ", ""))
    assert rtcp.parse(two) == [Description(((1, ((1, b"AB"),)), (2, ((1, b"C"),))))]
    bye = bytes.fromhex("81cb0002 00000009 03656e64".replace(" ", ""))
    assert rtcp.parse(bye) == [Bye((9,), b"end")]
    app = bytes.fromhex("80cc0002 00000009 6e616d65".replace(" ", ""))
    assert rtcp.parse(app) == [Other(rtcp.APP, 0, app)]


def test_padding_is_taken_off() -> None:
    padded = bytes.fromhex("a1ce000300000001000000020000 0004".replace(" ", ""))
    assert rtcp.parse(padded) == [rtcp.PictureLoss(1, 2)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc8",
        b"\x40\xc8\0\0",
        b"\x80\xc8\0\1abc",
        b"\x80\xc8\0\0",
        b"\x82\xc9\0\1abcd",
        b"\x82\xcb\0\1abcd",
        b"\x81\xca\0\0",
        b"\x81\xca\0\2abcd\1\xffab",
        b"\x81\xce\0\1abcd",
        b"\xa0\xc9\0\1abc\0",
        b"\xa0\xc9\0\1abc\x09",
        rtcp.picture_loss(1, 2) * (rtcp.MOST_PACKETS + 1),
    ],
)
def test_what_is_cut_or_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(MediaFormatError):
        rtcp.parse(data)


def test_sources_are_changed_wherever_they_stand() -> None:
    block = Block(1, 2, 3, 4, 5, 6, 7)
    before = (
        rtcp.sender_report(Sender(1, 1, 1, 1, 1, (block, block)))
        + rtcp.receiver_report(Receiver(9, (block,)))
        + rtcp.description(1, b"x")
        + rtcp.bye([9, 1])
        + rtcp.picture_loss(9, 1)
        + rtcp.full_intra(9, 1, 1)
    )
    other = Block(77, 2, 3, 4, 5, 6, 7)
    after = (
        rtcp.sender_report(Sender(77, 1, 1, 1, 1, (other, other)))
        + rtcp.receiver_report(Receiver(9, (other,)))
        + rtcp.description(77, b"x")
        + rtcp.bye([9, 77])
        + rtcp.picture_loss(9, 77)
        + rtcp.full_intra(9, 77, 1)
    )
    assert rtcp.with_sources(before, {1: 77}) == after
    assert rtcp.with_sources(before, {}) == before


def test_the_round_trip_of_rfc3550_figure_2() -> None:
    block = Block(1, lsr=0xB7052000, dlsr=0x00054000)
    assert rtcp.round_trip(block, 0xB7108000) == pytest.approx(6125.0)
    assert rtcp.round_trip(Block(1), 5) is None
    assert rtcp.round_trip(Block(1, lsr=10, dlsr=0), 5) is None
    assert rtcp.compact(0xB44DB705_20000000) == 0xB7052000
    assert rtcp.ntp(0.5) == rtcp.UNIX_TO_NTP << 32 | 1 << 31
