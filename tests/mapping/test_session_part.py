"""Session descriptions among other parts, with the bodies of RFC 5621 and of real networks."""

from base64 import b64encode

import pytest

from dragoman.mapping.session_part import MOST_DEEP, MOST_PARTS, session_part
from dragoman.sdp.failure import SdpError
from dragoman.sip.header import MediaType

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
SESSION = b"Content-Type: application/sdp\r\n"
ISUP = b"Content-Type: application/ISUP;version=nxv3;base=etsi121\r\n"
OPTIONAL = b"Content-Disposition: signal;handling=optional\r\n"
REQUIRED = b"Content-Disposition: signal;handling=required\r\n"
BASE64 = b"Content-Transfer-Encoding: base64\r\n"
ROOT = b"Content-ID: <s>\r\n"
LOCATION = b"Content-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n"


def part(headers: bytes, content: bytes) -> bytes:
    return headers + b"\r\n" + content


def mixed(*parts: bytes) -> bytes:
    return b"".join(b"--b\r\n" + each + b"\r\n" for each in parts) + b"--b--\r\n"


def of(kind: str, body: bytes) -> bytes:
    return session_part(MediaType.parse(kind), body)


def test_a_body_that_is_one() -> None:
    assert of("application/sdp", SDP) == SDP


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("multipart/mixed", [(SESSION, SDP)]),
        ("multipart/mixed", [(SESSION, SDP), (ISUP + OPTIONAL, b"\x01\x00")]),
        ("multipart/mixed", [(ISUP + OPTIONAL, b"\x01"), (SESSION, SDP)]),
        ("multipart/mixed", [(SESSION + b"Content-Disposition: session\r\n", SDP)]),
        (
            "multipart/mixed",
            [(SESSION, SDP), (LOCATION + b"Content-Disposition: by-reference\r\n", b"<p/>")],
        ),
        (
            "multipart/mixed",
            [
                (SESSION + b"Content-Disposition: early-session;handling=optional\r\n", b"v=1"),
                (SESSION, SDP),
            ],
        ),
        ("multipart/related", [(SESSION, SDP), (b"Content-Type: image/png\r\n", b"png")]),
        ('multipart/related;start="<s>"', [(LOCATION, b""), (SESSION + ROOT, SDP)]),
        ("multipart/alternative", [(SESSION, b"v=1"), (SESSION, SDP)]),
        ("multipart/alternative", [(SESSION, SDP), (b"Content-Type: application/x\r\n", b"")]),
        ("multipart/mixed", [(SESSION + BASE64, b64encode(SDP))]),
    ],
)
def test_the_description_among_others(kind: str, parts: list[tuple[bytes, bytes]]) -> None:
    separator = "" if "boundary" in kind else ";boundary=b"
    assert of(kind + separator, mixed(*(part(*each) for each in parts))) == SDP


@pytest.mark.parametrize(
    ("kind", "parts", "status"),
    [
        ("multipart/mixed", [(SESSION, SDP), (ISUP, b"\x01")], 415),
        ("multipart/mixed", [(SESSION, SDP), (ISUP + REQUIRED, b"\x01")], 415),
        ("multipart/mixed", [(ISUP + OPTIONAL, b"\x01")], 415),
        ("multipart/mixed", [(SESSION, SDP), (SESSION, SDP)], 400),
        ("multipart/mixed", [], 415),
        ("multipart/related", [(ISUP, b"\x01"), (SESSION, SDP)], 415),
        ("multipart/related", [(SESSION, SDP), (ISUP + REQUIRED, b"\x01")], 415),
        ("multipart/mixed", [(SESSION, SDP)] + [(ISUP + OPTIONAL, b"")] * MOST_PARTS, 513),
    ],
)
def test_what_is_refused(kind: str, parts: list[tuple[bytes, bytes]], status: int) -> None:
    with pytest.raises(SdpError) as caught:
        of(f"{kind};boundary=b", mixed(*(part(*each) for each in parts)))
    assert caught.value.status == status


def test_other_bodies_are_refused() -> None:
    for kind, body, status in (
        ("text/plain", b"v=0", 415),
        ("multipart/mixed", b"--b\r\n", 400),
        (f"multipart/mixed;boundary={'b' * 71}", b"", 400),
    ):
        with pytest.raises(SdpError) as caught:
            of(kind, body)
        assert caught.value.status == status


def nested(depth: int) -> tuple[str, bytes]:
    kind, body = "application/sdp", SDP
    for n in range(depth):
        inner = f"Content-Type: {kind}\r\n\r\n".encode() + body
        kind = f"multipart/mixed;boundary=b{n}"
        body = f"--b{n}\r\n".encode() + inner + f"\r\n--b{n}--\r\n".encode()
    return kind, body


def test_parts_are_only_so_deep() -> None:
    assert of(*nested(MOST_DEEP)) == SDP
    with pytest.raises(SdpError) as caught:
        of(*nested(MOST_DEEP + 1))
    assert caught.value.status == 415
