import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import LocalError
from dragoman.media import rtp, sdes
from dragoman.media.rtp import MediaFormatError
from dragoman.media.sdes import Line
from dragoman.media.suite import Suite

# RFC 4568 §7.1.1's key, without its identifier
KEY = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR"
LONG = "AES_CM_128_HMAC_SHA1_80"


def token(length: int) -> bytes:
    return bytes(range(length))


def test_the_example_of_rfc4568() -> None:
    line = Line.parse(f"1 {LONG} {KEY}|2^20")
    assert (line.tag, line.known()) == (1, Suite.AES_CM_128_HMAC_SHA1_80)
    assert line.key() == b"=-n@%^x!Bjufr9)?,#5h\\`=&]{qiPQ"
    assert str(line) == f"1 {LONG} {KEY}|2^20"
    assert "PS1u" not in repr(line)


@pytest.mark.parametrize(
    "rest",
    [
        f"{KEY}|2^20|1:4",
        f"{KEY}|1:4",
        f"{KEY}|2^19",
        f"{KEY}|2^49",
        f"{KEY}|2^999999999999999",
        f"{KEY}|soon",
        f"{KEY}|1000",
        f"{KEY};{KEY}",
        "clear:abcd",
        "inline:abcd",
        f"{KEY}!",
        "inline:" + "*" * 40,
        f"{KEY} UNENCRYPTED_SRTP",
        f"{KEY} UNENCRYPTED_SRTCP",
        f"{KEY} UNAUTHENTICATED_SRTP",
        f"{KEY} KDR=1",
        f"{KEY} FEC_ORDER=FEC_SRTP",
        f"{KEY} NEW=1",
    ],
)
def test_what_cannot_be_honoured_is_refused(rest: str) -> None:
    text = f"1 {LONG} {rest}"
    with pytest.raises(MediaFormatError):
        Line.parse(text).key()
    assert sdes.choose([text]) is None
    assert sdes.choose([text, f"2 {LONG} {KEY}"]) == Line(2, LONG, KEY)


@pytest.mark.parametrize("rest", ["", "|2^31", "|1048576", " WSH=128", " -NEW=1 WSH=64"])
def test_what_can_is_taken(rest: str) -> None:
    assert len(Line.parse(f"1 {LONG} {KEY}{rest}").key()) == 30


@pytest.mark.parametrize(
    "text", ["", "1 A", "x A inline:", "1234567890 A inline:", "1 A " + "b" * 2000]
)
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(MediaFormatError):
        Line.parse(text)


def test_the_offerers_order_decides_among_what_we_take() -> None:
    first, second = f"1 F8_128_HMAC_SHA1_80 {KEY}", f"2 AES_CM_128_HMAC_SHA1_32 {KEY}"
    third = f"3 aes_cm_128_hmac_sha1_80 {KEY}"
    assert (sdes.choose([first, second, third]) or Line(0, "", "")).tag == 2
    only = [Suite.AES_CM_128_HMAC_SHA1_80]
    assert (sdes.choose([first, second, third], only) or Line(0, "", "")).tag == 3
    assert sdes.choose([first]) is None
    assert sdes.choose([first] * sdes.MOST_LINES + [second]) is None


@pytest.mark.parametrize("suite", Suite)
def test_offer_and_answer_make_two_ends(suite: Suite) -> None:
    offered = sdes.offer(token)
    assert [each.tag for each in offered] == [1, 2, 3, 4]
    chosen = sdes.choose([str(each) for each in offered], [suite])
    assert chosen is not None
    answered = sdes.answer(chosen, lambda length: bytes(length))
    ours, theirs = sdes.settle(offered, [str(answered)])
    one, other = sdes.session(ours, theirs), sdes.session(answered, chosen)
    data = rtp.build(b"x", payload_type=0, sequence=1, timestamp=1, ssrc=1)
    assert other.unprotect(one.protect(data)) == data
    assert one.unprotect(other.protect(data)) == data


def test_an_answer_must_fit_the_offer() -> None:
    offered = sdes.offer(token, [Suite.AES_CM_128_HMAC_SHA1_80])
    for lines in ([], [f"1 {LONG} {KEY}"] * 2, [f"2 {LONG} {KEY}"]):
        with pytest.raises(MediaFormatError):
            sdes.settle(offered, lines)
    with pytest.raises(MediaFormatError):
        sdes.settle(offered, [f"1 AES_CM_128_HMAC_SHA1_32 {KEY}"])
    with pytest.raises(LocalError):
        sdes.answer(Line(1, "F8", KEY), token)
    with pytest.raises(MediaFormatError):
        sdes.session(offered[0], Line(1, "AES_CM_128_HMAC_SHA1_32", KEY))


@given(st.text())
def test_garbage_is_refused_or_printed_alike(text: str) -> None:
    try:
        line = Line.parse(text)
    except MediaFormatError:
        return
    assert Line.parse(str(line)) == line
