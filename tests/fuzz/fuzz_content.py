"""Fuzz target: bodies of all kinds, packed or not, are read or refused (RFC 2046, RFC 5438)."""

from contextlib import suppress
from zlib import compress

from dragoman.mapping import imdn, rcs
from dragoman.mapping.content import TYPES, Content, read
from dragoman.mapping.encoding import MAX_BODY
from dragoman.mapping.failure import Refused
from dragoman.mapping.imdn import Imdn, ImdnError, Status
from dragoman.mapping.session_part import session_part
from dragoman.sdp.failure import SdpError
from dragoman.sip.header import MediaType
from dragoman.sip.message import Request, SipError

PLAIN = b"Content-Type: text/plain\r\nContent-Language: cs\r\n\r\nahoj"
HTML = b"Content-Type: text/html\r\n\r\n<p>a <b>c</b></p>"
FILES = (
    b"<file xmlns='urn:gsma:params:xml:ns:rcs:rcs:fthttp'><file-info type='file'><file-name>n"
    b"</file-name><data url='https://b.example/f' until='2026-12-01T00:00:00Z'/></file-info></file>"
)
PICTURE = b"Content-Type: image/png\r\nContent-Disposition: x;filename=p.png\r\n\r\nx"
MIXED = b"--b\r\n" + b"\r\n--b\r\n".join((PLAIN, HTML, PICTURE)) + b"\r\n--b--"
WRAPPED = (
    b"From: <sip:a@b>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: 1\r\n"
    b"imdn.Disposition-Notification: display\r\n\r\n" + PLAIN
)
KINDS = (
    *TYPES[:3],
    "multipart/mixed;boundary=b",
    "multipart/alternative;boundary=b",
    rcs.MEDIA_TYPE,
)
SEEDS = tuple(
    bytes((number,)) + body
    for number, body in enumerate(
        (
            *(b"ahoj", b"<p>a <b>c</b></p>", WRAPPED, MIXED, MIXED, FILES),
            *(Imdn("1", "2026-11-26T10:00:00Z", Status.DELIVERED).encode(), compress(b"ahoj")),
        )
    )
)
TOKENS = (
    *(b"--b\r\n", b"\r\n--b--", b"\r\n\r\n", PLAIN, HTML, PICTURE, WRAPPED, FILES, b"--c"),
    *(b"Content-Type: multipart/mixed;boundary=b\r\n", b"Content-Transfer-Encoding: base64\r\n"),
    *(b"Content-Type: application/sdp\r\n\r\nv=0", b";handling=optional", b";handling=required"),
    *(b"charset=utf-16", b"message/cpim", b"text/html", b"<data url='"),
)


def one_input(data: bytes) -> None:
    """The first byte says what the rest is: a kind of body, a notification, or a packed body."""
    kind, body = data[0] % (len(KINDS) + 2) if data else 0, data[1:]
    if kind == len(KINDS):
        _notification(body)
        return
    packed = kind > len(KINDS)
    media = "text/plain" if packed else KINDS[kind]
    with suppress(SdpError):
        assert len(session_part(MediaType.parse(media), body)) <= len(body)
    headers = [("Content-Type", media), *([("Content-Encoding", "deflate")] if packed else [])]
    try:
        found = read(Request("MESSAGE", "sip:a@b", headers, body))
    except (Refused, SipError):
        return
    _check(found, MAX_BODY if packed else len(body))


def _check(found: Content, size: int) -> None:
    assert len(found.text) <= 8 * size + 64 * 32
    assert all(url.partition(":")[0].lower() in {"http", "https"} for url in found.urls)


def _notification(body: bytes) -> None:
    try:
        found = imdn.Imdn.parse(body)
    except ImdnError:
        return
    assert Imdn.parse(found.encode()) == found


if __name__ == "__main__":
    from tests.fuzz.run import main

    main(one_input)
