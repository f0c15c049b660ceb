"""Fuzz target: fragments with candidates read and print alike or are refused."""

from dragoman.sdp.failure import SdpError
from dragoman.sdp.fragment import MOST, Fragment
from dragoman.sdp.session import MAX_MEDIA

SEEDS = (
    (
        b"a=ice-pwd:asd88fgpdd777uzjYhagZg\r\na=ice-ufrag:8hhY\r\n"
        b"m=audio 9 RTP/AVP 0\r\na=mid:1\r\n"
        b"a=candidate:1 1 UDP 2130706432 192.0.2.4 5000 typ host\r\n"
        b"a=candidate:2 1 UDP 1694498816 203.0.113.4 5000 typ srflx raddr 192.0.2.4 rport 5000\r\n"
        b"a=end-of-candidates\r\nm=video 9 RTP/AVP 0\r\na=mid:v\r\na=ice-ufrag:x\r\n"
    ),
)
TOKENS = (
    b"m=audio 9 RTP/AVP 0\r\n", b"a=mid:", b"a=end-of-candidates\r\n", b"a=candidate:",
    b" typ host", b"a=ice-ufrag:", b"a=ice-pwd:", b"\r\n", b"a=mid:1\n", b" generation 0",
    b"\xff", b"v=0\r\n",
)  # fmt: skip


def one_input(data: bytes) -> None:
    """Refuse it, or read it within bounds and print what reads alike."""
    try:
        found = Fragment.parse(data)
    except SdpError:
        return
    assert 0 < len(found.streams) <= MAX_MEDIA
    assert all(len(each.candidates) <= MOST for each in found.streams)
    printed = found.encode()
    assert Fragment.parse(printed) == found


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
