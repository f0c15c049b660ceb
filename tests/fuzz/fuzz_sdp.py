"""Fuzz target: session descriptions read and print alike or are refused; MSRP agrees or not."""

from collections.abc import Callable
from typing import Final, TypeVar

from dragoman.msrp.offer import Stance, accept, answer, choose, offer, read, unresolved
from dragoman.msrp.terms import Terms
from dragoman.msrp.uri import Path
from dragoman.sdp.failure import SdpError
from dragoman.sdp.offer import Negotiation, direction
from dragoman.sdp.session import (
    MAX_FORMATS,
    MAX_LINES,
    MAX_MEDIA,
    MAX_SIZE,
    Origin,
    SessionDescription,
)

SEEDS = (
    (
        b"v=0\r\no=usera 2890844526 2890844527 IN IP4 alice.example.com\r\ns= -\r\n"
        b"c=IN IP4 alice.example.com\r\nt=0 0\r\nm=message 7394 TCP/MSRP *\r\n"
        b"a=accept-types:message/cpim text/plain text/*;a=b *\r\n"
        b"a=accept-wrapped-types:text/html *\r\na=max-size:2048\r\na=setup:actpass\r\n"
        b"a=path:msrp://alice.example.com:7394/2s93i93idj;tcp\r\na=msrp-cema\r\na=sendonly\r\n"
    ),
    (
        b"v=0\no=- 1 2 IN IP6 2001:db8::1\ns=a\ni=b\nu=http://a/\ne=a@b\np=+1\nc=IN IP6 ::\n"
        b"b=AS:512\nt=1 2\nr=7d 1h 0\nz=3 -1h\nk=prompt\na=fingerprint:sha-256 AB:CD:EF\n"
        b"m=audio 49170/2 RTP/AVP 0 96\nc=IN IP4 233.252.0.1/127/3\nb=TIAS:1\n"
        b"a=rtpmap:96 opus/48000/2\na=fmtp:96 useinbandfec=1\na=ice-ufrag:a\na=recvonly\n"
        b"m=message 9 TCP/TLS/MSRP *\na=accept-types:*\na=setup:active\n"
        b"a=path:msrps://[2001:db8::9]:2855/r;tcp msrps://x.invalid:9/s;ws\n"
        b"a=fingerprint:sha-1 aa:bb\na=fingerprint:SHA-256 CC:DD\n"
    ),
)
TOKENS = (
    b"m=message 1 TCP/MSRP *\r\n", b"m=audio 9 RTP/AVP 0\n", b"a=path:", b"a=accept-types:",
    b"a=setup:holdconn\r\n", b"a=inactive\n", b"c=IN IP4 0.0.0.0\n", b"a=msrp-cema\r\n", b"a=",
    b"t=0 0\n", b"o=- 0 0 IN IP4 0.0.0.0\n", b" 65536 ", b"a=file-selector\n", b"*", b"text/plain ",
    b"msrps://a:1/b;tcp ", b"\r\nv=0\r\n", b"\r\r\n", b"a=fingerprint:sha-1 AA:\n", b" 0" * 60,
)  # fmt: skip

TERMS: Final = Terms(("message/cpim", "text/plain"), ("text/html",), 9000)
STANCES: Final = (Stance(TERMS), Stance(TERMS, cema=True), Stance(TERMS, reachable=False))
HERE: Final = Path.parse("msrp://gw.example.com:2855/iau39soe2843z;tcp")
THERE: Final = Path.parse("msrps://gw.example.com:2856/iau39soe2843z;tcp")
ADDRESSES: Final = {"alice.example.com": ("192.0.2.1",)}


def paths(stance: Stance) -> tuple[Path, Path]:
    """Return where such a side is, without TLS and with it."""
    if stance.reachable:
        return HERE, THERE
    return Path.parse("msrp://10.0.0.1:9/a;tcp"), Path.parse("msrps://10.0.0.1:9/a;tcp")


T = TypeVar("T")


def tried(task: Callable[[], T], *statuses: int) -> T | None:
    """Return what a task yields, or None where it is refused with one of these statuses."""
    error: SdpError
    try:
        return task()
    except SdpError as caught:
        error = caught
    assert error.status in statuses
    return None


def one_input(data: bytes) -> None:
    description = tried(lambda: SessionDescription.parse(data), 400)
    if description is None:
        return
    printed = description.encode()
    assert printed.startswith(b"v=0\r\no=")
    # Complete and with CRLF it may have become too long for others, and for us.
    if len(printed) <= MAX_SIZE and printed.count(b"\n") < MAX_LINES:
        assert SessionDescription.parse(printed) == description
    assert len(description.media) <= MAX_MEDIA
    for media in description.media:
        assert 0 < len(media.formats) <= MAX_FORMATS
        assert media.refused().port == 0
        media.fmtp(media.formats[0])
        media.rtpmap(media.formats[0])
        direction(description, media)
    answering(description)
    answered(description)


def answering(description: SessionDescription) -> None:
    """Answer it as an offer, from each stance."""
    assert len(unresolved(description)) <= 17
    for stance in STANCES:
        peer = tried(lambda: choose(description, stance, ADDRESSES), 488)  # noqa: B023
        if peer is None:
            continue
        path = paths(stance)[peer.secure]
        wanted, meeting = answer(description, peer, stance, path)
        negotiation, said = Negotiation(Origin()).offered(description).answer(wanted)
        whole = SessionDescription.parse(said.encode())
        assert whole == said == negotiation.local
        assert read(whole, peer.line).path == path
        assert [line for line, media in enumerate(whole.media) if media.port] == [peer.line]
        assert meeting.active is (whole.media[peer.line].value("setup") == "active")


def answered(description: SessionDescription) -> None:
    """Take it as an answer, from each stance."""
    for stance in STANCES:
        for path in paths(stance):
            negotiation, sent = Negotiation(Origin()).offer(offer(stance, path))
            took = tried(lambda: accept(sent, description, stance, path, ADDRESSES), 488)  # noqa: B023
            settled = tried(lambda: negotiation.answered(description), 400)  # noqa: B023
            if took is not None and settled is not None:
                assert took.peer.path.first.port
                assert stance.cema or not took.again
                assert settled.remote == description


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
