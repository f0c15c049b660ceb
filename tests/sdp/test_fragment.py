"""Fragments with candidates, as in RFC 8840."""

import pytest

from dragoman.sdp.failure import SdpError
from dragoman.sdp.fragment import MOST, Fragment, Stream
from dragoman.sdp.ice import Candidate

HOST = Candidate("1", 1, "udp", 2130706432, "192.0.2.4", 5000, "host")
LINES = (
    "a=ice-pwd:asd88fgpdd777uzjYhagZg",
    "a=ice-ufrag:8hhY",
    "m=audio 9 RTP/AVP 0",
    "a=mid:1",
    "a=candidate:1 1 UDP 2130706432 192.0.2.4 5000 typ host",
    "a=candidate:nonsense",
    "m=video 9 RTP/AVP 0",
    "a=mid:2",
    "a=ice-ufrag:own",
    "a=end-of-candidates",
)


def body(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def test_what_is_said_first_holds_for_all_streams() -> None:
    """§9.2; a line that is no candidate does not matter."""
    said = LINES[0].partition(":")[2]
    assert Fragment.parse(body(*LINES)).streams == (
        Stream("1", "8hhY", said, (HOST,)),
        Stream("2", "own", said, complete=True, kind="video"),
    )


def test_the_end_may_be_of_all_streams() -> None:
    found = Fragment.parse(body("a=end-of-candidates", "m=audio 9 RTP/AVP 0", "a=mid:1"))
    assert found.streams[0].complete


def test_it_prints_itself() -> None:
    found = Fragment((Stream("1", "8hhY", "secret", (HOST,), complete=True),))
    assert Fragment.parse(found.encode()) == found
    assert found.encode().splitlines()[-1] == b"a=end-of-candidates"


@pytest.mark.parametrize("data", [b"", b"a=ice-ufrag:x\r\n", b"m=audio 9 RTP/AVP 0\r\n", b"x"])
def test_without_a_stream_that_has_a_name_it_says_nothing(data: bytes) -> None:
    with pytest.raises(SdpError):
        Fragment.parse(data)


def test_only_so_many_candidates_are_kept() -> None:
    more = [f"a=candidate:{n} 1 UDP 1 192.0.2.4 {n + 1} typ host" for n in range(MOST + 9)]
    found = Fragment.parse(body("m=audio 9 RTP/AVP 0", "a=mid:1", *more))
    assert len(found.streams[0].candidates) == MOST
